"""The versions of a document: what each changed beside the words of now, and the way back to one."""

from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication, Qt
from PySide6.QtWidgets import QHBoxLayout, QListWidget, QListWidgetItem, QVBoxLayout, QWidget
from shiboken6 import isValid

from chatdesk.storage.records import DocumentVersion
from chatdesk.tasks.changes import Notice
from chatdesk.tasks.diffing import Piece
from chatdesk.ui import theme
from chatdesk.ui.dates import exactly
from chatdesk.ui.errors import sentence
from chatdesk.ui.widgets.buttons import TextButton
from chatdesk.ui.widgets.dialog import Dialog
from chatdesk.ui.widgets.labels import Label
from chatdesk.ui.widgets.room import fitting
from chatdesk.ui.writing.diff_view import DiffView

if TYPE_CHECKING:
    from chatdesk.tasks.writing import Writing


def reason_words(reason: str) -> str:
    """Why a version was kept."""
    translate = QCoreApplication.translate
    return {
        "typed": translate("HistoryDialog", "while writing"),
        "kept": translate("HistoryDialog", "kept by hand"),
        "generated": translate("HistoryDialog", "before a model's words"),
        "restored": translate("HistoryDialog", "before an older one came back"),
        "damaged": translate("HistoryDialog", "read from damaged words"),
    }.get(reason, reason)


class HistoryDialog(Dialog):
    """Attributes: ``list``, the versions; ``view``, the differences; ``restore``, the button."""

    def __init__(self, parent: QWidget, writing: "Writing") -> None:
        super().__init__(
            parent,
            QCoreApplication.translate("HistoryDialog", "History"),
            QCoreApplication.translate(
                "HistoryDialog", "Struck through: what has gone since. Underlined: what has come since."
            ),
        )
        self.resize(fitting(self, 860, 600))
        self._writing = writing
        self._shown = ""
        self.list = QListWidget()
        self.list.setAccessibleName(self.tr("Versions"))
        self.list.setFixedWidth(theme.scaled(240))
        self.list.currentItemChanged.connect(self._on_chosen)
        self.view = DiffView(self.tr("Differences"))
        self.message = Label(kind="soft", wrap=True)
        self.restore = TextButton(self.tr("Bring this version back"), kind="primary")
        self.restore.setEnabled(False)
        self.restore.clicked.connect(self._on_restore)
        side = QVBoxLayout()
        side.addWidget(self.message, 0, Qt.AlignmentFlag.AlignTop)
        side.addWidget(self.view, 1)
        row = QHBoxLayout()
        row.setSpacing(theme.scaled(16))
        row.addWidget(self.list)
        row.addLayout(side, 1)
        self.body.addLayout(row, 1)
        self.buttons.insertWidget(1, self.restore)
        writing.versions(self._take)

    def _take(self, versions: tuple[DocumentVersion, ...]) -> None:
        if not isValid(self):  # closed meanwhile
            return
        for version in versions:
            item = QListWidgetItem(f"{exactly(version.created_at)}\n{reason_words(version.reason)}")
            item.setData(Qt.ItemDataRole.UserRole, version.id)
            self.list.addItem(item)
        for part in (self.words, self.list, self.view):
            part.setVisible(bool(versions))
        self.message.setVisible(not versions)
        self.message.setText(self.tr("No version yet: one is kept every two minutes while you write, and by Ctrl+S."))
        if versions:
            self.list.setCurrentRow(0)
            self.list.setFocus()

    def _on_chosen(self, item: QListWidgetItem | None) -> None:
        if item is not None:
            self._shown = str(item.data(Qt.ItemDataRole.UserRole))
            shown = self._shown
            self.restore.setEnabled(False)  # until it is looked at
            self._writing.changes_since(shown, lambda found: self._show(shown, found))

    def _show(self, version_id: str, found: list[Piece] | Notice) -> None:
        if not isValid(self) or version_id != self._shown:
            return
        is_readable = not isinstance(found, Notice)
        self.restore.setEnabled(is_readable)
        self.message.setVisible(not is_readable)
        if isinstance(found, Notice):
            self.message.setText(sentence(found.fault, found.fields))
            self.view.show_pieces(())
        else:
            self.view.show_pieces(found, is_folded=True)

    def _on_restore(self) -> None:
        self._writing.restore_version(self._shown)
        self.accept()
