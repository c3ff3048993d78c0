"""What is not stored yet of the open conversation: the composer's text and changed settings.

`Unsent.flush` stores both; the first unsent words of a new conversation make it one. What the disk refuses stays here
for the next flush.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from chatdesk.errors import UserError
from chatdesk.settings.options import CHAT, usable_chat
from chatdesk.storage.conversations import Conversations
from chatdesk.storage.records import Conversation
from chatdesk.tasks.ports import StoreLink

if TYPE_CHECKING:
    from concurrent.futures import Future


class Unsent:
    """One thread; never blocks. ``made`` hears of a conversation made for unsent words, ``failed`` of a full disk.

    Attributes: ``conversation``, the open one, None while it is not stored; ``values``, its settings in force.
    """

    def __init__(self, store: StoreLink, made: Callable[[], None], failed: Callable[[UserError], None]) -> None:
        self._store = store
        self._on_made = made
        self._on_failed = failed
        self.conversation: Conversation | None = None
        self.values: dict[str, Any] = {}
        self._are_values_dirty = False
        self._text: str | None = None
        self._made: Future[Conversation] | None = None
        self._opening = 0  # counts what was opened, so that a late answer of the store is not taken for another

    def open(self, conversation: Conversation | None) -> None:
        """Another conversation is open; of the one before, what was not flushed is forgotten."""
        self._opening += 1
        self.conversation, self._made, self._text = conversation, None, None
        self.values = usable_chat(conversation.settings) if conversation else {}
        self._are_values_dirty = False

    def set_text(self, text: str) -> None:
        """The composer's text is this now."""
        self._text = text

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

    def sent(self, home: Conversation) -> None:
        """The text has become a message of ``home``."""
        self.conversation, self._text = home, None

    def flush(self, may_create: bool = True) -> None:
        """Store what is not stored."""
        text, values, conversation = self._text, dict(self.values), self.conversation
        if conversation is None:
            if text and text.strip() and self._made is None and may_create:
                self._text = None
                self._create(text, values)
            return
        if text is not None:
            self._text, opening = None, self._opening
            self._store.call(
                lambda c: c.set_draft(conversation.id, text),
                failed=lambda error: self._keep(text, opening, error),
            )
        if self._are_values_dirty:
            self._are_values_dirty = False
            self._store.call(lambda c: c.set_settings(conversation.id, values))

    def _create(self, text: str, values: dict[str, Any]) -> None:
        opening = self._opening

        def work(c: Conversations) -> Conversation:
            made = c.create("", values)
            c.set_draft(made.id, text)
            return made

        def then(made: Conversation) -> None:
            if opening == self._opening and self.conversation is None:
                self.conversation = made
            self._on_made()

        def failed(error: UserError) -> None:
            self._made = None
            self._keep(text, opening, error)

        self._made = self._store.call(work, then, failed)

    def _keep(self, text: str, opening: int, error: UserError) -> None:
        """The disk refused: keep the text for the next flush, unless there is newer text."""
        if self._text is None and opening == self._opening:
            self._text = text
        self._on_failed(error)
