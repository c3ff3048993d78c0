"""The deleted documents, which can be brought back for thirty days."""

from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication, Qt
from PySide6.QtWidgets import QListWidget, QListWidgetItem, QWidget
from shiboken6 import isValid

from chatdesk.storage.conversations import TRASH_DAYS
from chatdesk.storage.records import Document
from chatdesk.ui.dates import exactly
from chatdesk.ui.widgets.buttons import TextButton
from chatdesk.ui.widgets.dialog import Dialog

if TYPE_CHECKING:
    from chatdesk.tasks.writing import Writing


class TrashDialog(Dialog):
    """Attributes: ``list``; ``back_button``."""

    def __init__(self, parent: QWidget, writing: "Writing") -> None:
        translate = QCoreApplication.translate
        words = translate("TrashDialog", "Deleted documents stay here for {days} days.").format(days=TRASH_DAYS)
        super().__init__(parent, translate("TrashDialog", "Trash"), words)
        self._writing = writing
        self.list = QListWidget()
        self.list.setAccessibleName(self.tr("Deleted documents"))
        self.back_button = TextButton(self.tr("Bring it back"), kind="primary")
        self.back_button.setEnabled(False)
        self.back_button.clicked.connect(self._on_back)
        self.list.currentItemChanged.connect(lambda item: self.back_button.setEnabled(item is not None))
        self.list.itemActivated.connect(lambda _: self._on_back())
        self.body.addWidget(self.list, 1)
        self.buttons.insertWidget(1, self.back_button)
        writing.trash(self._take)

    def _take(self, documents: list[Document]) -> None:
        if not isValid(self):  # closed meanwhile
            return
        for document in documents:
            title = document.title or self.tr("Untitled")
            item = QListWidgetItem(f"{title} · {exactly(document.deleted_at or 0)}")
            item.setData(Qt.ItemDataRole.UserRole, document.id)
            self.list.addItem(item)
        self.list.setCurrentRow(0)

    def _on_back(self) -> None:
        item = self.list.currentItem()
        if item is not None:
            self._writing.undelete(str(item.data(Qt.ItemDataRole.UserRole)))
            self.accept()
