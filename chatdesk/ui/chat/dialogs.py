"""Questions the chat page asks in windows of their own; none of them stops the loop."""

from collections.abc import Callable

from PySide6.QtCore import QCoreApplication, Qt, QUrl
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QFileDialog, QMessageBox, QWidget


def offer_link(parent: QWidget, address: str) -> None:
    """Show where a link of a reply leads, and open it in the browser if the person says so."""
    box = QMessageBox(parent)
    box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    box.setTextFormat(Qt.TextFormat.PlainText)
    box.setText(QCoreApplication.translate("dialogs", "Open this address outside chatdesk?"))
    box.setInformativeText(address)
    box.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    opens = box.addButton(QCoreApplication.translate("dialogs", "Open"), QMessageBox.ButtonRole.AcceptRole)
    box.addButton(QMessageBox.StandardButton.Cancel)
    opens.clicked.connect(lambda: QDesktopServices.openUrl(QUrl(address)))
    box.open()


def choose_folder(parent: QWidget, done: Callable[[str], None]) -> None:
    """Ask for a checkpoint folder; ``done`` gets its path."""
    dialog = QFileDialog(parent, QCoreApplication.translate("dialogs", "Open a checkpoint folder"))
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    dialog.setFileMode(QFileDialog.FileMode.Directory)
    dialog.setOption(QFileDialog.Option.ShowDirsOnly)
    dialog.fileSelected.connect(done)
    dialog.open()
