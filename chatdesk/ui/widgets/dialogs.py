"""Questions the window asks in windows of their own, none of which stops the loop; and the menu of exports."""

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QCoreApplication, QStandardPaths, Qt, QUrl
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QFileDialog, QInputDialog, QMenu, QMessageBox, QWidget

KINDS = {"markdown": ("Markdown", "md"), "html": ("HTML", "html"), "json": ("JSON", "json"), "pdf": ("PDF", "pdf")}
"""Of an export: what the format is called, and how its files end."""


def add_exports(menu: QMenu, done: Callable[[str], object]) -> QMenu:
    """Add the submenu of formats; ``done`` gets one of `KINDS`."""
    exports = menu.addMenu(QCoreApplication.translate("dialogs", "Export as"))
    for kind, (name, _) in KINDS.items():
        exports.addAction(f"{name}…").triggered.connect(lambda _=False, k=kind: done(k))
    return exports


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


def choose_folder(parent: QWidget, done: Callable[[str], None], title: str = "") -> None:
    """Ask for a folder, a checkpoint's if ``title`` says no other; ``done`` gets its path."""
    dialog = QFileDialog(parent, title or QCoreApplication.translate("dialogs", "Open a checkpoint folder"))
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    dialog.setFileMode(QFileDialog.FileMode.Directory)
    dialog.setOption(QFileDialog.Option.ShowDirsOnly)
    dialog.fileSelected.connect(done)
    dialog.open()


def choose_files(parent: QWidget, done: Callable[[list[str]], None]) -> None:
    """Ask for files to attach; ``done`` gets their paths. Text has too many endings to ask for some."""
    dialog = QFileDialog(parent, QCoreApplication.translate("dialogs", "Attach files"))
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    dialog.setFileMode(QFileDialog.FileMode.ExistingFiles)
    dialog.filesSelected.connect(done)
    dialog.open()


def choose_place(parent: QWidget, name: str, done: Callable[[Path], None]) -> None:
    """Ask where to save a file; ``name``: proposed."""
    dialog = QFileDialog(parent, QCoreApplication.translate("dialogs", "Save the file"))
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
    dialog.selectFile(name)
    dialog.fileSelected.connect(lambda chosen: done(Path(chosen)))
    dialog.open()


def choose_target(parent: QWidget, name: str, kinds: tuple[str, ...], done: Callable[[Path, str], None]) -> None:
    """Ask where to write. ``name``: proposed, without its ending; ``done`` gets the path and which of ``kinds``.

    The ending that is typed says which, before the filter that is chosen.
    """
    dialog = QFileDialog(parent, QCoreApplication.translate("dialogs", "Export"))
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
    known = {**KINDS, "training": (QCoreApplication.translate("dialogs", "Text to train on"), "jsonl")}
    filters = {f"{known[kind][0]} (*.{known[kind][1]})": kind for kind in kinds}

    def take(chosen: str) -> None:
        path = Path(chosen)
        typed = next((kind for kind in kinds if path.suffix.lower() == f".{known[kind][1]}"), None)
        done(path, typed or filters.get(dialog.selectedNameFilter(), kinds[0]))

    dialog.setNameFilters(list(filters))
    dialog.setDefaultSuffix(known[kinds[0]][1])
    dialog.filterSelected.connect(lambda chosen: dialog.setDefaultSuffix(known[filters.get(chosen, kinds[0])][1]))
    dialog.setDirectory(QStandardPaths.writableLocation(QStandardPaths.StandardLocation.DocumentsLocation))
    dialog.selectFile(f"{name}.{known[kinds[0]][1]}")
    dialog.fileSelected.connect(take)
    dialog.open()


def choose_source(parent: QWidget, is_folder: bool, done: Callable[[Path], None]) -> None:
    """Ask what to import: a file, or a folder for programs that keep each conversation in a file of its own."""
    dialog = QFileDialog(parent, QCoreApplication.translate("dialogs", "Import"))
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    if is_folder:
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.setOption(QFileDialog.Option.ShowDirsOnly)
    else:
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        exports = QCoreApplication.translate("dialogs", "Exports (*.json *.zip)")
        dialog.setNameFilters([exports, QCoreApplication.translate("dialogs", "All files (*)")])
    dialog.fileSelected.connect(lambda path: done(Path(path)))
    dialog.open()


def ask_text(parent: QWidget, title: str, label: str, done: Callable[[str], None]) -> None:
    """Ask for a short text; ``done`` gets it without blanks around it, unless nothing is left."""
    dialog = QInputDialog(parent)
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    dialog.setWindowTitle(title)
    dialog.setLabelText(label)
    dialog.textValueSelected.connect(lambda text: done(text.strip()) if text.strip() else None)
    dialog.open()


def ask_folder(parent: QWidget, done: Callable[[str], None]) -> None:
    """Ask what a new folder of conversations is to be called."""
    title = QCoreApplication.translate("dialogs", "New folder")
    ask_text(parent, title, QCoreApplication.translate("dialogs", "Name of the folder"), done)


def ask_whether(parent: QWidget, question: str, facts: str, yes: str, done: Callable[[], None]) -> None:
    """Ask before something that cannot be undone, or not easily; ``yes``: the button that does it."""
    box = QMessageBox(parent)
    box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    box.setTextFormat(Qt.TextFormat.PlainText)
    box.setText(question)
    box.setInformativeText(facts)
    does = box.addButton(yes, QMessageBox.ButtonRole.AcceptRole)
    box.setDefaultButton(box.addButton(QMessageBox.StandardButton.Cancel))
    does.clicked.connect(done)
    box.open()


def tell(parent: QWidget, words: str, facts: str = "") -> None:
    """Say how something ended."""
    box = QMessageBox(parent)
    box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    box.setTextFormat(Qt.TextFormat.PlainText)
    box.setText(words)
    box.setInformativeText(facts)
    box.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    box.addButton(QMessageBox.StandardButton.Ok)
    box.open()
