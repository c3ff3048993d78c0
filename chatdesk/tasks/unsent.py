"""What is not stored yet of the open conversation: the composer's text, the files to go with it, changed settings.

`Unsent.flush` stores them; the first unsent words or files of a new conversation make it one. What the disk refuses
stays here for the next flush.
"""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, Literal, NamedTuple, TypeAlias

from chatdesk.errors import UserError
from chatdesk.settings.options import CHAT, usable_chat
from chatdesk.storage.conversations import Conversations
from chatdesk.storage.records import Attachment, Conversation
from chatdesk.tasks.ports import StoreLink

_Part: TypeAlias = Literal["text", "files", "values"]


class Sending(NamedTuple):
    """Says how the sending ended: ``stored``, as a message of a conversation; ``refused``, all is still unsent."""

    stored: Callable[[Conversation], None]
    refused: Callable[[], None]


class Unsent:
    """One thread; never blocks. ``made`` hears of a conversation made for what is unsent, ``failed`` of a full disk.

    Attributes: ``conversation``, the open one, None while it is not stored; ``values``, its settings in force;
    ``text`` and ``files``, the unsent ones.
    """

    def __init__(self, store: StoreLink, made: Callable[[], None], failed: Callable[[UserError], None]) -> None:
        self._store = store
        self._on_made = made
        self._on_failed = failed
        self.conversation: Conversation | None = None
        self.values: dict[str, Any] = {}
        self.text = ""
        self.files: tuple[Attachment, ...] = ()
        self._dirty: set[_Part] = set()
        self._made: Callable[[], Conversation] | None = None  # gives on the store's thread what is being made there
        self._opening = 0  # counts what was opened, so that a late answer of the store is not taken for another

    def open(self, conversation: Conversation | None, files: tuple[Attachment, ...]) -> None:
        """Another conversation is open, with its unsent files; what is unsent of the one before is stored.

        It may be the same one, changed. What is unsent stays then: it may be newer than what the store has answered.
        """
        if conversation is not None and self.conversation is not None and conversation.id == self.conversation.id:
            self.conversation = conversation
            return
        self.flush()
        self._opening += 1
        self.conversation, self._made = conversation, None
        self.text, self.files = conversation.draft if conversation else "", files
        self.values = usable_chat(conversation.settings) if conversation else {}
        self._dirty = set()

    def set_text(self, text: str) -> None:
        """The composer's text is this now."""
        self.text = text
        self._dirty.add("text")

    def set_files(self, files: tuple[Attachment, ...]) -> None:
        """The files that are to go with the text are these now."""
        self.files = files
        self._dirty.add("files")

    def set_value(self, name: str, value: Any) -> None:
        """Set an option; ``None`` goes back to the checkpoint's own. Raises `UserError`."""
        checked = CHAT[name].check(value) if value is not None else None
        if checked is None:
            self.values.pop(name, None)
        else:
            self.values[name] = checked
        self._dirty.add("values")

    def home(self) -> Callable[[Conversations], Conversation]:
        """What finds or makes the open conversation on the store's thread; its tip and title may be newer there."""
        conversation, made, values = self.conversation, self._made, dict(self.values)
        return lambda c: conversation or (made() if made else c.create("", values))

    def sending(self, home: Callable[[], Conversation], is_unsent: bool) -> Sending:
        """A message goes out; ``home`` gives its conversation on the store's thread.

        ``is_unsent``: it is the text with its files, and the store empties both with that.
        """
        parts: set[_Part] = {"text", "files"} if is_unsent else set()
        text, files, opening = self.text, self.files if is_unsent else (), self._opening
        self._made = home
        if is_unsent:
            self.text = ""
        self._dirty -= parts

        def stored(home: Conversation) -> None:
            if opening == self._opening:
                self.conversation = home
                self.files = tuple(file for file in self.files if file not in files)

        def refused() -> None:
            if opening == self._opening:
                self._made = None
                if is_unsent and "text" not in self._dirty:
                    self.text = text
                self._dirty |= parts

        return Sending(stored, refused)

    def flush(self) -> None:
        """Store what is not stored."""
        if self.conversation is None and self._made is None:
            if self.text.strip() or self.files:
                self._create()
            return
        find, text, files, values = self.home(), self.text, self.files, dict(self.values)
        writes: dict[_Part, Callable[[Conversations], None]] = {
            "text": lambda c: c.set_draft(find(c).id, text),
            "files": lambda c: c.set_unsent_attachments(find(c).id, files),
            "values": lambda c: c.set_settings(find(c).id, values),
        }
        dirty, self._dirty = self._dirty, set()
        for part in sorted(dirty):
            self._store.call(_if_there(writes[part]), failed=partial(self._keep, {part}, self._opening))

    def _create(self) -> None:
        opening, text, files, values = self._opening, self.text, self.files, dict(self.values)
        self._dirty = set()

        def work(c: Conversations) -> Conversation:
            with c.transaction():
                made = c.create("", values)
                c.set_draft(made.id, text)
                c.set_unsent_attachments(made.id, files)
            return made

        def then(made: Conversation) -> None:
            if opening == self._opening and self.conversation is None:
                self.conversation = made
            self._on_made()

        def failed(error: UserError) -> None:
            if opening == self._opening:
                self._made = None
            self._keep({"text", "files"}, opening, error)

        self._made = self._store.call(work, then, failed).result

    def _keep(self, parts: set[_Part], opening: int, error: UserError) -> None:
        """The disk refused: what is there by now is for the next flush."""
        if opening == self._opening:
            self._dirty |= parts
        self._on_failed(error)


def _if_there(work: Callable[[Conversations], None]) -> Callable[[Conversations], None]:
    """``work``, unless the conversation is gone: a backup without it has been restored meanwhile."""

    def done(c: Conversations) -> None:
        with suppress(KeyError):
            work(c)

    return done
