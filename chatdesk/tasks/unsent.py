"""What is not stored yet of the open conversation: the composer's text, the files to go with it, changed settings.

`Unsent.flush` stores them; the first unsent words or files of a new conversation make it one. What the disk refuses
stays here for the next flush.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from chatdesk.errors import UserError
from chatdesk.settings.options import CHAT, usable_chat
from chatdesk.storage.conversations import Conversations
from chatdesk.storage.records import Attachment, Conversation
from chatdesk.tasks.ports import StoreLink

if TYPE_CHECKING:
    from concurrent.futures import Future


class Unsent:
    """One thread; never blocks. ``made`` hears of a conversation made for what is unsent, ``failed`` of a full disk.

    Attributes: ``conversation``, the open one, None while it is not stored; ``values``, its settings in force;
    ``files``, the unsent ones.
    """

    def __init__(self, store: StoreLink, made: Callable[[], None], failed: Callable[[UserError], None]) -> None:
        self._store = store
        self._on_made = made
        self._on_failed = failed
        self.conversation: Conversation | None = None
        self.values: dict[str, Any] = {}
        self.files: tuple[Attachment, ...] = ()
        self._are_values_dirty = False
        self._are_files_dirty = False
        self._text: str | None = None
        self._made: Future[Conversation] | None = None
        self._opening = 0  # counts what was opened, so that a late answer of the store is not taken for another

    def open(self, conversation: Conversation | None, files: tuple[Attachment, ...]) -> None:
        """Another conversation is open, with its unsent files; of the one before, what was not flushed is forgotten.

        It may be the same one, changed: files that the store has not got yet are still unsent then.
        """
        self._opening += 1
        is_same = conversation is not None and self.conversation is not None and conversation.id == self.conversation.id
        if not (is_same and self._are_files_dirty):
            self.files, self._are_files_dirty = files, False
        self.conversation, self._made, self._text = conversation, None, None
        self.values = usable_chat(conversation.settings) if conversation else {}
        self._are_values_dirty = False

    def set_text(self, text: str) -> None:
        """The composer's text is this now."""
        self._text = text

    def set_files(self, files: tuple[Attachment, ...]) -> None:
        """The files that are to go with the text are these now."""
        self.files, self._are_files_dirty = files, True

    def set_value(self, name: str, value: Any) -> None:
        """Set an option; ``None`` goes back to the checkpoint's own. Raises `UserError`."""
        checked = CHAT[name].check(value) if value is not None else None
        if checked is None:
            self.values.pop(name, None)
        else:
            self.values[name] = checked
        self._are_values_dirty = True

    def home(self) -> Callable[[Conversations], Conversation]:
        """What finds or makes the open conversation on the store's thread; its tip and title may be newer there."""
        conversation, made, values = self.conversation, self._made, dict(self.values)
        return lambda c: conversation or (made.result() if made else c.create("", values))

    def sending(self) -> Callable[[], None]:
        """Text and files go out, and the store empties both with that. What is returned says that they did not."""
        text, opening = self._text, self._opening
        self._text, self._are_files_dirty = None, False

        def failed() -> None:
            if opening == self._opening:
                self._text = text if self._text is None else self._text
                self._are_files_dirty = True

        return failed

    def sent(self, home: Conversation, files: tuple[Attachment, ...]) -> None:
        """They have become a message of ``home``; a file that was added meanwhile is still unsent."""
        self.conversation = home
        self.files = tuple(file for file in self.files if file not in files)
        self._are_files_dirty = bool(self.files)

    def flush(self, may_create: bool = True) -> None:
        """Store what is not stored."""
        text, values, conversation, opening = self._text, dict(self.values), self.conversation, self._opening
        if conversation is None:
            if ((text and text.strip()) or self.files) and self._made is None and may_create:
                self._text, self._are_files_dirty = None, False
                self._create(text or "", values, self.files)
            return
        if text is not None:
            self._text = None
            self._store.call(
                lambda c: c.set_draft(conversation.id, text),
                failed=lambda error: self._keep(text, opening, error),
            )
        if self._are_files_dirty:
            files, self._are_files_dirty = self.files, False
            self._store.call(
                lambda c: c.set_unsent_attachments(conversation.id, files),
                failed=lambda error: self._keep(None, opening, error),
            )
        if self._are_values_dirty:
            self._are_values_dirty = False
            self._store.call(lambda c: c.set_settings(conversation.id, values))

    def _create(self, text: str, values: dict[str, Any], files: tuple[Attachment, ...]) -> None:
        opening = self._opening

        def work(c: Conversations) -> Conversation:
            made = c.create("", values)
            c.set_draft(made.id, text)
            if files:
                c.set_unsent_attachments(made.id, files)
            return made

        def then(made: Conversation) -> None:
            if opening == self._opening and self.conversation is None:
                self.conversation = made
            self._on_made()

        def failed(error: UserError) -> None:
            self._made = None
            self._keep(text, opening, error)

        self._made = self._store.call(work, then, failed)

    def _keep(self, text: str | None, opening: int, error: UserError) -> None:
        """The disk refused: keep the text, unless there is newer text, and the files for the next flush."""
        if opening == self._opening:
            self._text = text if self._text is None else self._text
            self._are_files_dirty = True
        self._on_failed(error)
