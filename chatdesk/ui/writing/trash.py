"""The deleted documents: bring one back, or delete it for good."""

from typing import TYPE_CHECKING

from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import QWidget

from chatdesk.storage.conversations import TRASH_DAYS
from chatdesk.storage.records import Document
from chatdesk.ui.dates import when
from chatdesk.ui.widgets.dialogs import ask_whether
from chatdesk.ui.widgets.list_dialog import ListDialog
from chatdesk.ui.widgets.picker import Entry

if TYPE_CHECKING:
    from chatdesk.tasks.writing import Writing


class TrashDialog(ListDialog):
    """Attributes: ``restore_button``, ``purge_button``."""

    def __init__(self, parent: QWidget, writing: "Writing") -> None:
        words = self.tr("Deleted documents stay here for {days} days.").format(days=TRASH_DAYS)
        super().__init__(parent, self.tr("Trash"), words, self.tr("The trash is empty."))
        self._writing = writing
        self.restore_button = self.add_button(self.tr("Restore"), self._restore)
        self.purge_button = self.add_button(self.tr("Delete for good…"), self._purge, QKeySequence.StandardKey.Delete)
        self._fill()

    def _fill(self) -> None:
        self._writing.trash(lambda found: self.show_entries([self._entry(each) for each in found]))

    def _entry(self, document: Document) -> Entry:
        deleted = self.tr("deleted {when}").format(when=when(document.deleted_at or 0.0))
        return Entry(document, self._title(document), aside=deleted)

    def _title(self, document: Document) -> str:
        return document.title or self.tr("Untitled")

    def _restore(self, document: Document) -> None:
        """It is shown on the desk, and why it cannot come back is said there."""
        self._writing.undelete(document.id)
        self.accept()

    def _purge(self, document: Document) -> None:
        def purge() -> None:
            self._writing.purge(document.id, self.complain)
            self._fill()

        question = self.tr("Delete “{title}” for good?").format(title=self._title(document))
        facts = self.tr("Its versions and what models wrote for it go, too. It cannot be brought back.")
        ask_whether(self, question, facts, self.tr("Delete for good"), purge)
