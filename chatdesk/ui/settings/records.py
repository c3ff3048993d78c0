"""Dialogs of the data a person has: the trash, the backups, and what an import brought."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Signal
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import QPlainTextEdit, QProgressBar, QWidget

from chatdesk.library.figures import short_bytes
from chatdesk.storage.conversations import TRASH_DAYS
from chatdesk.storage.records import Conversation, Removal
from chatdesk.tasks.changes import Notice
from chatdesk.ui import theme
from chatdesk.ui.dates import exactly, when
from chatdesk.ui.errors import sentence
from chatdesk.ui.widgets.dialog import Dialog
from chatdesk.ui.widgets.dialogs import ask_whether, tell
from chatdesk.ui.widgets.list_dialog import ListDialog
from chatdesk.ui.widgets.picker import Entry

if TYPE_CHECKING:
    from chatdesk.storage.backups import Backup
    from chatdesk.tasks.shelf import Shelf


class TrashDialog(ListDialog):
    """What was deleted: bring it back, or delete it for good. Signals: ``chat_wanted``, to be shown."""

    chat_wanted = Signal()

    def __init__(self, parent: QWidget, shelf: "Shelf") -> None:
        words = self.tr(
            "Deleted chats and messages stay here for {days} days, deleted documents in the trash of Write."
        )
        nothing = self.tr("The trash is empty.")
        super().__init__(parent, self.tr("Trash"), words.format(days=TRASH_DAYS), nothing)
        self._shelf = shelf
        self.restore_button = self.add_button(self.tr("Restore"), self._restore)
        self.purge_button = self.add_button(self.tr("Delete for good…"), self._purge, QKeySequence.StandardKey.Delete)
        self._fill()

    def _fill(self) -> None:
        self._shelf.trash(lambda found: self.show_entries([self._entry(each) for each in found]))

    def _entry(self, found: Conversation | Removal) -> Entry:
        deleted = self.tr("deleted {when}").format(when=when(found.deleted_at or 0.0))
        return Entry(found, self._title(found), aside=deleted, detail=self._detail(found))

    def _title(self, found: Conversation | Removal) -> str:
        return found.title or self.tr("New chat")

    def _detail(self, found: Conversation | Removal) -> str:
        """Of messages, how many there are and how they begin."""
        if isinstance(found, Conversation):
            return ""
        words = self.tr("1 message: {beginning}") if found.count == 1 else self.tr("{count} messages: {beginning}")
        return words.format(count=found.count, beginning=" ".join(found.beginning.split()))

    def _restore(self, found: Conversation | Removal) -> None:
        """Messages are shown where they belong, and why they cannot come back is said there."""
        if isinstance(found, Removal):
            self._shelf.restore_messages(found)
            self.chat_wanted.emit()
            self.accept()
        else:
            self._shelf.restore(found.id, self.complain)
            self._fill()

    def _purge(self, found: Conversation | Removal) -> None:
        def purge() -> None:
            if isinstance(found, Removal):
                self._shelf.purge_messages(found, self.complain)
            else:
                self._shelf.purge(found.id, self.complain)
            self._fill()

        if isinstance(found, Removal):
            question = self.tr("Delete these messages of “{title}” for good?")
        else:
            question = self.tr("Delete “{title}” for good?")
        words = question.format(title=self._title(found))
        ask_whether(self, words, self.tr("It cannot be brought back."), self.tr("Delete for good"), purge)


class BackupsDialog(ListDialog):
    """The copies of all conversations, to go back to one."""

    def __init__(self, parent: QWidget, shelf: "Shelf") -> None:
        words = self.tr("A copy of all chats is made and checked every day.")
        super().__init__(parent, self.tr("Backups"), words, self.tr("There is no backup yet."))
        self._shelf = shelf
        self.restore_button = self.add_button(self.tr("Restore…"), self._restore)
        shelf.backups(lambda found: self.show_entries([self._entry(backup) for backup in found]))

    def _entry(self, backup: "Backup") -> Entry:
        facts = [
            short_bytes(backup.size_bytes),
            self.tr("{count} chats").format(count=backup.conversations),
            self.tr("{count} messages").format(count=backup.messages),
        ]
        state = self.tr("sound") if backup.is_sound else self.tr("damaged")
        return Entry(backup, exactly(backup.made_at), aside=state, detail=" · ".join(facts))

    def may_act(self, value: Any) -> bool:
        """Only a sound copy is restored."""
        return value is not None and value.is_sound

    def _restore(self, backup: "Backup") -> None:
        question = self.tr("Go back to the chats of {when}?").format(when=exactly(backup.made_at))
        facts = self.tr("The present state is kept aside, as a backup in this list.")
        done = self.tr("The chats of the backup are here again.")
        ask_whether(
            self,
            question,
            facts,
            self.tr("Restore"),
            lambda: self._shelf.restore_backup(backup.path, lambda notice: self._restored(notice, done)),
        )

    def _restored(self, notice: Notice | None, done: str) -> None:
        """Say how it ended, even if this dialog is gone by now."""
        tell(self._window, done if notice is None else sentence(notice.fault, notice.fields))
        if notice is None and not self.is_gone:
            self.accept()


class ImportDialog(Dialog):
    """While an import is under way; to close it is to stop that.

    Attributes: ``progress``; ``stop``, set by the owner.
    """

    def __init__(self, parent: QWidget, name: str) -> None:
        super().__init__(parent, self.tr("Import"), self.tr("Reading {name}…").format(name=name))
        self.stop: Callable[[], object] = lambda: None
        self.finished.connect(lambda _: self.stop())
        self.close_button.setText(self.tr("Cancel"))
        self.progress = QProgressBar()
        self.progress.setTextVisible(False)
        self.progress.setRange(0, 0)
        self.progress.setAccessibleName(self.tr("Import"))
        self.body.addWidget(self.progress)
        self.resize(theme.scaled(400), self.sizeHint().height())

    def show_progress(self, done: int, total: int) -> None:
        """``done`` of ``total`` conversations are stored."""
        words = self.tr("{done} of {total} conversations are stored. Until all are, none is kept.")
        self.words.setText(words.format(done=done, total=total))
        self.progress.setRange(0, total)
        self.progress.setValue(done)


class ReportDialog(Dialog):
    """A sentence and the lines it speaks of, which can be copied."""

    def __init__(self, parent: QWidget, title: str, words: str, lines: Sequence[str]) -> None:
        super().__init__(parent, title, words)
        self.words.setProperty("kind", "")
        self.lines = QPlainTextEdit("\n".join(lines))
        self.lines.setReadOnly(True)
        self.lines.setAccessibleName(title)
        self.lines.setVisible(bool(lines))
        self.body.addWidget(self.lines)
        if not lines:
            self.resize(theme.scaled(400), self.sizeHint().height())
