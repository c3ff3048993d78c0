"""What is not stored yet of a conversation: the composer's text, the files to go with it, changed settings, edits.

`Unsent.flush` stores them; the first unsent words or files of a new conversation make it one, and
so do words typed into its settings. What the disk refuses
stays here for the next flush, also when another conversation is shown by then.
"""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, Literal, NamedTuple, TypeAlias

from chatdesk.errors import UserError
from chatdesk.settings.options import CHAT, usable_chat
from chatdesk.storage.conversations import Conversations
from chatdesk.storage.records import Attachment, Conversation, Message
from chatdesk.storage.tables import storable
from chatdesk.tasks.ports import StoreLink

_Part: TypeAlias = Literal["text", "files", "values"]
EDITS = "edits"
"""Where the edits are in the settings of a conversation; no export has them."""
_WORDS = frozenset(name for name, option in CHAT.items() if option.kind is str and not option.choices)


def kept_edits(settings: dict[str, Any]) -> dict[str, str]:
    """The edits in stored settings; what another version or damage left there counts for nothing."""
    found = settings.get(EDITS)
    items = found.items() if isinstance(found, dict) else ()
    return {id: text for id, text in items if isinstance(text, str)}


def _with_edits(values: dict[str, Any], edits: dict[str, str]) -> dict[str, Any]:
    return values | ({EDITS: dict(edits)} if edits else {})


def edited(c: Conversations, id: str, message_id: str, text: str, files: tuple[Attachment, ...] | None) -> Message:
    """Another version of a message of conversation ``id``; what was kept of it while it was edited goes with that."""
    with c.transaction():
        settings = c.get(id).settings
        if (edits := kept_edits(settings)).pop(message_id, None) is not None:
            c.set_settings(id, _with_edits({name: settings[name] for name in settings if name != EDITS}, edits))
        return c.edit(message_id, text, files)


class Sending(NamedTuple):
    """Says how the sending ended: ``stored``, as a message of a conversation; ``refused``, all is still unsent."""

    stored: Callable[[Conversation], None]
    refused: Callable[[], None]


class Unsent:
    """Of one conversation. One thread; never blocks.

    ``made`` hears of a conversation made for what is unsent, ``failed`` of a full disk. Attributes: ``conversation``,
    None while it is not stored; ``values``, its settings in force; ``text`` and ``files``, the unsent ones; ``edits``,
    texts of messages that are being edited, by their ids: they are kept with the settings.
    """

    def __init__(
        self,
        store: StoreLink,
        made: Callable[[], None],
        failed: Callable[[UserError], None],
        conversation: Conversation | None = None,
        files: tuple[Attachment, ...] = (),
    ) -> None:
        self._store = store
        self._on_made = made
        self._on_failed = failed
        self.conversation = conversation
        self.values: dict[str, Any] = usable_chat(conversation.settings) if conversation else {}
        self.edits = kept_edits(conversation.settings) if conversation else {}
        self.text = conversation.draft if conversation else ""
        self.files = files
        self._typed: set[str] = set()  # options whose words somebody has typed here
        self._dirty: set[_Part] = set()
        self._pending = 0  # answers of the store that are still to come
        self._made: Callable[[], Conversation] | None = None  # gives on the store's thread what is being made there

    @property
    def id(self) -> str:
        """Of the conversation; empty while it is not stored."""
        return self.conversation.id if self.conversation else ""

    @property
    def is_stored(self) -> bool:
        """Whether all that there is has arrived in the store."""
        return not self._pending and (self._is_nothing() or not self._dirty)

    def _is_nothing(self) -> bool:
        if self.conversation is not None or self._made is not None:
            return False
        words = (self.text, *(str(self.values.get(name, "")) for name in self._typed))
        return not (self.files or any(map(str.strip, words)))

    def set_text(self, text: str) -> None:
        """The composer's text is this now."""
        self.text = text
        self._dirty.add("text")

    def set_files(self, files: tuple[Attachment, ...]) -> None:
        """The files that are to go with the text are these now."""
        self.files = files
        self._dirty.add("files")

    def set_value(self, name: str, value: Any, is_first: bool = False) -> None:
        """Set an option; ``None`` goes back to the checkpoint's own. Raises `UserError`.

        ``is_first``: it is what new conversations begin with, and does not make this one worth keeping.
        """
        checked = CHAT[name].check(value) if value is not None else None
        if checked is None:
            self.values.pop(name, None)
        else:
            self.values[name] = storable(checked) if isinstance(checked, str) else checked
        if name in _WORDS and not is_first:
            self._typed.add(name)
        self._dirty.add("values")

    def set_edit(self, message_id: str, text: str | None) -> None:
        """A message is to say this; ``None``: its edit is saved or given up."""
        if text is not None:
            self.edits[message_id] = storable(text)
        elif self.edits.pop(message_id, None) is None:
            return
        self._dirty.add("values")

    def _settings(self) -> dict[str, Any]:
        """What the store keeps of values and edits."""
        return _with_edits(self.values, self.edits)

    def home(self) -> Callable[[Conversations], Conversation]:
        """What finds or makes the open conversation on the store's thread; its tip and title may be newer there."""
        conversation, made, values = self.conversation, self._made, self._settings()
        return lambda c: conversation or (made() if made else c.create("", values))

    def sending(self, home: Callable[[], Conversation], is_unsent: bool) -> Sending:
        """A message goes out; ``home`` gives its conversation on the store's thread.

        ``is_unsent``: it is the text with its files, and the store empties both with that.
        """
        parts: set[_Part] = {"text", "files"} if is_unsent else set()
        text, files = self.text, self.files if is_unsent else ()
        self._pending += 1
        self._made = home
        if is_unsent:
            self.text = ""
        self._dirty -= parts

        def stored(home: Conversation) -> None:
            self._pending -= 1
            self.conversation = home
            if is_unsent and self.files != files:  # a flush meanwhile has stored sent ones as unsent
                self._dirty.add("files")
            self.files = tuple(file for file in self.files if file not in files)

        def refused() -> None:
            self._pending -= 1
            self._made = None
            if is_unsent and "text" not in self._dirty:
                self.text = text
            self._dirty |= parts

        return Sending(stored, refused)

    def flush(self) -> None:
        """Store what is not stored."""
        if self._is_nothing():
            return
        if self.conversation is None and self._made is None:
            self._create()
            return
        find, text, files, values = self.home(), self.text, self.files, self._settings()
        writes: dict[_Part, Callable[[Conversations], None]] = {
            "text": lambda c: c.set_draft(find(c).id, text),
            "files": lambda c: c.set_unsent_attachments(find(c).id, files),
            "values": lambda c: c.set_settings(find(c).id, values),
        }
        dirty, self._dirty = self._dirty, set()
        for part in sorted(dirty):
            self._pending += 1
            self._store.call(_if_there(writes[part]), self._on_stored, partial(self._keep, {part}))

    def _create(self) -> None:
        text, files, values = self.text, self.files, self._settings()
        self._dirty = set()
        self._pending += 1

        def work(c: Conversations) -> Conversation:
            with c.transaction():
                made = c.create("", values)
                c.set_draft(made.id, text)
                c.set_unsent_attachments(made.id, files)
            return made

        def then(made: Conversation) -> None:
            self.conversation = self.conversation or made
            self._on_stored()
            self._on_made()

        def failed(error: UserError) -> None:
            self._made = None
            self._keep({"text", "files"}, error)

        self._made = self._store.call(work, then, failed).result

    def _on_stored(self, _: object = None) -> None:
        self._pending -= 1

    def _keep(self, parts: set[_Part], error: UserError) -> None:
        """The disk refused: what is there by now is for the next flush."""
        self._pending -= 1
        self._dirty |= parts
        self._on_failed(error)


def _if_there(work: Callable[[Conversations], None]) -> Callable[[Conversations], None]:
    """``work``, unless the conversation is gone: a backup without it has been restored meanwhile."""

    def done(c: Conversations) -> None:
        with suppress(KeyError):
            work(c)

    return done
