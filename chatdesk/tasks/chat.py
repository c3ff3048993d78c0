"""A conversation with the model: what is open, what a person does with it, and the list of all conversations.

The order that keeps every word: the person's message is committed, then shown, then asked; the reply is written by
`replies`. Nothing here blocks: store and engine answer later, on the same thread, through ``post`` and `on_event`.
"""

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from chatdesk.engine.api import DEFAULT_SAMPLING, Event
from chatdesk.errors import UserError
from chatdesk.settings.options import CHAT, usable_chat
from chatdesk.storage.conversations import Conversations
from chatdesk.storage.records import Conversation, Message
from chatdesk.storage.store import Store
from chatdesk.tasks import changes, turns
from chatdesk.tasks.changes import Action, Change, Notice, Turn
from chatdesk.tasks.counting import DraftCounter
from chatdesk.tasks.models import Models
from chatdesk.tasks.ports import EngineLink, Post, StoreLink
from chatdesk.tasks.replies import SAMPLING_NAMES, Replies, Reply, notice

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future

T = TypeVar("T")


class Chat:
    """The open conversation and the list of all.

    All methods belong to one thread. Attributes: ``on_change``, called with each `Change`, set before `start`.
    """

    def __init__(self, store: Store, engine: EngineLink, models: Models, post: Post) -> None:
        self._store = StoreLink(store, post, lambda error: self.on_change(changes.NoticeChanged(notice(error))))
        self._models = models
        self._replies = Replies(self._store, engine, models, self)
        self._conversation: Conversation | None = None
        self._made: Future[Conversation] | None = None
        self._turns: list[Turn] = []
        self._values: dict[str, Any] = {}
        self._are_values_dirty = False
        self._draft: str | None = None
        self._draft_tokens = 0
        self._status = changes.StatusChanged()
        self._counter = DraftCounter(engine, models, self._on_draft_counted)
        self._is_sending = False
        self._opening = 0  # counts what was shown, so that a late answer of the store is not shown over it
        self._asked = 0
        self._deleted: Conversation | None = None
        self._undo: Callable[[], None] | None = None
        self.on_change: Callable[[Change], None] = lambda change: None
        models.on_settled = self._on_model_settled

    @property
    def open_id(self) -> str:
        """Id of the open conversation; empty while it is not stored."""
        return self._conversation.id if self._conversation else ""

    # -- the list of conversations ---------------------------------------------------------------------------------

    def start(self, conversation_id: str = "", complaints: "Sequence[UserError]" = ()) -> None:
        """Bring back what a crash interrupted, show the list, open a conversation if it is there, say what is wrong."""

        def work(c: Conversations) -> list[Conversation]:
            c.recover()
            return c.list()

        def then(conversations: list[Conversation]) -> None:
            self.on_change(changes.ListChanged(tuple(conversations)))
            if any(found.id == conversation_id for found in conversations):
                self._change_and_show(conversation_id, lambda c: None, warn)
            else:
                warn(None)

        def warn(_: object) -> None:
            for error in (*complaints, self._store.read_only()):
                if error is not None:
                    self.on_change(changes.NoticeChanged(Notice(error.fault, error.fields)))

        self._show_nothing()
        self._store.call(work, then)

    def new(self) -> None:
        """Show an empty conversation; it is stored with its first word."""
        self._flush_composer()
        self._show_nothing()

    def open(self, conversation_id: str, message_id: str | None = None) -> None:
        """Show a conversation: its chosen branch, or the one with a message; its settings, its unsent text."""

        def work(c: Conversations) -> str | None:
            if message_id is not None and message_id not in {shown.id for shown in c.branch(conversation_id)}:
                c.choose(message_id)
            return message_id

        def then(found: str | None) -> None:
            if found is not None:
                self.on_change(changes.Found(found))

        self._change_and_show(conversation_id, work, then)

    def _change_and_show(
        self, conversation_id: str, work: "Callable[[Conversations], T]", then: "Callable[[T], object]"
    ) -> None:
        """Do ``work`` in the store, show the conversation as it is then, and hand over what the work returned."""
        self._flush_composer()
        self._opening += 1
        opening = self._opening

        def whole(c: Conversations) -> tuple[T, Conversation, list[Turn]]:
            return work(c), c.get(conversation_id), turns.turns(c, conversation_id)

        def shown(found: tuple[T, Conversation, list[Turn]]) -> None:
            if opening == self._opening:  # not overtaken by another choice
                self._show(found[1], found[2])
            then(found[0])

        self._store.call(whole, shown)

    def rename(self, conversation_id: str, title: str) -> None:
        """Give a conversation another title; an empty one is ignored."""
        if title := title.strip():
            self._store.call(lambda c: c.rename(conversation_id, title), lambda _: self.refresh())
            if self._is_open(conversation_id):
                self.on_change(changes.Renamed(title))

    def delete(self, conversation_id: str) -> None:
        """Move a conversation to the trash; `undo` brings it back. A reply in it is stopped first."""
        if (reply := self._replies.of(conversation_id)) is not None:
            self._replies.stop(reply)
        self._flush_composer()

        def work(c: Conversations) -> Conversation:
            conversation = c.get(conversation_id)
            c.delete(conversation_id)
            return conversation

        def then(conversation: Conversation) -> None:
            self._deleted = conversation
            self._offer_undo("conversation", conversation_id, lambda c: c.restore(conversation_id))
            if self._is_open(conversation_id):
                self._show_nothing()
            self.refresh()

        self._store.call(work, then)

    def undo(self) -> None:
        """Take back the last deletion of a conversation or of messages, and show what came back."""
        undo, self._undo = self._undo, None
        self._deleted = None
        if undo is not None:
            self.on_change(changes.UndoChanged(""))
            undo()

    def _offer_undo(
        self, what: Literal["conversation", "messages"], conversation_id: str, work: "Callable[[Conversations], object]"
    ) -> None:
        self._undo = lambda: self._change_and_show(conversation_id, work, lambda _: self.refresh())
        self.on_change(changes.UndoChanged(what))

    def refresh(self) -> None:
        """Say the list of conversations anew."""
        self._store.call(
            lambda c: c.list(), lambda found: self.on_change(changes.ListChanged(tuple(found), self._deleted))
        )

    # -- the open conversation -------------------------------------------------------------------------------------

    def send(self, text: str) -> None:
        """Store the person's message, show it, and ask the model. Blank text, or a reply under way: nothing."""
        if not text.strip() or self._is_sending or self._open_reply() is not None:
            return
        self._is_sending = True
        conversation, made, values = self._conversation, self._made, dict(self._values)
        opening = self._opening

        def work(c: Conversations) -> tuple[Conversation, Message]:
            home = conversation or (made.result() if made else c.create("", values))
            message = c.add_message(home.id, c.get(home.id).tip, "user", text, clear_draft=True)
            if not home.title:
                c.rename(home.id, turns.title(text))
            return c.get(home.id), message

        def then(stored: tuple[Conversation, Message]) -> None:
            self._is_sending = False
            home, message = stored
            if opening == self._opening:
                self._conversation, self._draft = home, None
                self.on_change(changes.Renamed(home.title))
                self.on_change(changes.NoticeChanged(None))
                self._add_turn(Turn(message.id, "user", text))
            self.refresh()
            self._ask(home.id, message.id)

        def failed(error: UserError) -> None:
            self._is_sending = False
            self.on_change(changes.NoticeChanged(Notice(error.fault, error.fields)))

        self._store.call(work, then, failed)

    def stop(self) -> None:
        """Stop the reply in the open conversation; what is written stays."""
        if (reply := self._open_reply()) is not None:
            self._replies.stop(reply)

    def regenerate(self) -> None:
        """Another version of the last reply; the old one stays as a sibling. After an error: ask again."""
        if self._conversation is None or not self._turns or self._open_reply() is not None:
            return
        self.on_change(changes.NoticeChanged(None))
        last = self._turns[-1]
        if last.role == "user":
            self._ask(self._conversation.id, last.id)
        elif len(self._turns) > 1:
            self._ask(self._conversation.id, self._turns[-2].id, replaces=last)

    def continue_reply(self) -> None:
        """Go on with the last reply, as one message; the shorter one stays as a version."""
        if self._conversation is None or len(self._turns) < 2 or self._open_reply() is not None:
            return
        last = self._turns[-1]
        if last.role == "assistant":
            self.on_change(changes.NoticeChanged(None))
            self._ask(self._conversation.id, self._turns[-2].id, replaces=last, continues=last.id)

    def edit(self, turn_id: str, text: str) -> None:
        """Put another version beside a message; the person's own is asked again. The old one stays reachable."""
        if self._conversation is None or self._open_reply() is not None or not text.strip():
            return
        conversation_id = self._conversation.id

        def then(message: Message) -> None:
            if message.role == "user":
                self._ask(conversation_id, message.id)

        self._change_and_show(conversation_id, lambda c: c.edit(turn_id, text), then)

    def delete_turn(self, turn_id: str) -> None:
        """Move a message and all that follows it to the trash; `undo` brings them back."""
        if self._open_reply() is None:
            self._remove(lambda c: c.delete_message(turn_id))

    def clear(self) -> None:
        """Move all messages of the open conversation to the trash; `undo` brings them back."""
        conversation_id = self.open_id
        if self._open_reply() is None:
            self._remove(lambda c: c.clear(conversation_id))

    def _remove(self, work: "Callable[[Conversations], str]") -> None:
        if not (conversation_id := self.open_id):
            return

        def then(batch: str) -> None:
            self._offer_undo("messages", conversation_id, lambda c: c.undo_removal(batch))

        self._change_and_show(conversation_id, work, then)

    def pin_turn(self, turn_id: str, is_pinned: bool) -> None:
        """Pin a message: it stays in the prompt when older turns no longer fit."""

        def then(_: object) -> None:
            for turn in self._turns:
                if turn.id == turn_id:
                    self._replace_turn(turn_id, replace(turn, is_pinned=is_pinned))

        self._store.call(lambda c: c.pin(turn_id, is_pinned), then)

    def choose_version(self, turn_id: str, step: int) -> None:
        """Show the sibling ``step`` places away from a turn, with what follows it. During a reply: nothing."""
        if self._conversation is None or self._open_reply() is not None:
            return

        def work(c: Conversations) -> None:
            siblings = [message.id for message in c.siblings(turn_id)]
            place = siblings.index(turn_id) + step
            if 0 <= place < len(siblings):
                c.choose(siblings[place])

        self._change_and_show(self._conversation.id, work, lambda _: None)

    def set_setting(self, name: str, value: Any) -> None:
        """Set an option of the open conversation; ``None`` goes back to the checkpoint's own. Raises `UserError`."""
        checked = CHAT[name].check(value) if value is not None else None
        if checked is None:
            self._values.pop(name, None)
        else:
            self._values[name] = checked
        self._are_values_dirty = True
        self._say_settings()

    def set_draft(self, text: str) -> None:
        """Remember the composer's unsent text; stored by the next `tick`, counted at once."""
        self._draft = text
        self._counter.count(text)

    def act(self, action: Action) -> None:
        """Do what a notice's button offers (``choose_model`` is the window's own)."""
        self.on_change(changes.NoticeChanged(None))
        match action:
            case "retry" | "restart_engine":
                if action == "restart_engine" or self._models.info is None:
                    self._models.reload()
                self.regenerate()
            case "use_cpu":
                self._models.reload("cpu")
                self.regenerate()
            case "drop_oldest":
                self.set_setting("overflow", "drop")
                self.regenerate()
            case "new_chat":
                self.new()

    def tick(self) -> None:
        """Write what is not yet on disk; call it at least once a second."""
        self._replies.flush()
        self._flush_composer()

    def close(self) -> None:
        """Store what is under way, replies as interrupted; the store is closed by its owner."""
        self._replies.close()
        self._flush_composer()

    def on_event(self, event: Event) -> None:
        """Take an engine event; those of requests that are not replies are ignored."""
        self._replies.on_event(event)
        self._counter.on_event(event)

    # -- replies, as their audience --------------------------------------------------------------------------------

    def _ask(
        self, conversation_id: str, parent_id: str, replaces: Turn | None = None, continues: str | None = None
    ) -> None:
        self._asked += 1
        reply = Reply(f"reply-{self._asked}", conversation_id, parent_id, replaces, continues)
        if continues is not None and replaces is not None:
            reply.text = replaces.text
        if self._is_open(conversation_id):
            if replaces is not None:
                self._replace_turn(replaces.id, reply.turn())
            else:
                self._add_turn(reply.turn())
            self.on_change(changes.ReplyingChanged(True))
        self._replies.ask(reply)

    def _on_model_settled(self) -> None:
        self._say_settings()
        self._say_status(self._open_reply())
        self._replies.go_on()
        self._counter.again()

    def _on_draft_counted(self, tokens: int) -> None:
        self._draft_tokens = tokens
        self._say_status(self._open_reply())

    def values_of(self, reply: Reply) -> dict[str, Any] | None:
        """The settings in force, when the reply's conversation is open."""
        return dict(self._values) if self._is_open(reply.conversation_id) else None

    def reply_started(self, reply: Reply) -> None:
        """Say what the model does not see."""
        if self._is_open(reply.conversation_id) and reply.started is not None:
            self.on_change(changes.ContextDropped(reply.started.unseen_before))
            self._say_status(reply)

    def reply_grew(self, reply: Reply, text: str) -> None:
        """Show the new text."""
        if not self._is_open(reply.conversation_id):
            return
        if reply.text and self._turns[-1].state == "waiting":
            self._replace_turn(reply.turn_id, reply.turn())
        elif text:
            self.on_change(changes.TurnGrew(reply.turn_id, text))
        self._say_status(reply)

    def reply_ended(self, reply: Reply, turn: Turn | None, notice: Notice | None) -> None:
        """Show the stored message, or what was there before the question."""
        self.refresh()
        if not self._is_open(reply.conversation_id):
            return
        if (shown := turn or reply.replaces) is not None:
            self._replace_turn(reply.turn_id, shown)
        else:
            self._turns = [turn for turn in self._turns if turn.id != reply.turn_id]
            self.on_change(changes.TurnRemoved(reply.turn_id))
        self.on_change(changes.ReplyingChanged(self._open_reply() is not None))
        self.on_change(changes.NoticeChanged(notice))
        self._say_status(reply)

    def reply_unsaved(self, reply: Reply, notice: Notice) -> None:
        """The text stays in the window until the disk takes it."""
        if self._is_open(reply.conversation_id):
            self.on_change(changes.ReplyingChanged(False))
            self.on_change(changes.NoticeChanged(notice))

    # -- showing ---------------------------------------------------------------------------------------------------

    def _show_nothing(self) -> None:
        self._opening += 1
        self._conversation, self._made, self._turns = None, None, []
        self._values, self._are_values_dirty, self._draft = {}, False, None
        self.on_change(changes.Opened(None, ()))
        self._say_opened("")

    def _show(self, conversation: Conversation, found: list[Turn]) -> None:
        self._conversation, self._made, self._turns, self._draft = conversation, None, found, None
        self._values = usable_chat(conversation.settings)
        self._are_values_dirty = False
        if (reply := self._open_reply()) is not None:
            if reply.replaces is not None and found and found[-1].id == reply.replaces.id:
                found.pop()
            found.append(reply.turn())
        self.on_change(changes.Opened(conversation, tuple(found)))
        self._say_opened(conversation.draft)

    def _say_opened(self, draft: str) -> None:
        reply = self._open_reply()
        self._status = changes.StatusChanged()
        self.on_change(changes.DraftChanged(draft))
        self._counter.count(draft)
        self.on_change(changes.NoticeChanged(None))
        self.on_change(changes.ReplyingChanged(reply is not None))
        self.on_change(changes.ContextDropped(reply.started.unseen_before if reply and reply.started else 0))
        self._say_settings()
        self._say_status(reply)

    def _say_settings(self) -> None:
        base = self._models.info.sampling if self._models.info else DEFAULT_SAMPLING
        defaults = {name: CHAT[name].default for name in CHAT} | {name: getattr(base, name) for name in SAMPLING_NAMES}
        self.on_change(changes.SettingsChanged(dict(self._values), defaults))

    def _say_status(self, reply: Reply | None) -> None:
        if reply is not None and reply.started is not None:
            used = len(reply.started.prompt_token_ids) + len(reply.token_ids)
            ttft = reply.finished.ttft_s if reply.finished else 0.0
            self._status = changes.StatusChanged(reply.tokens_per_s(), ttft, used)
        length = self._models.info.context_length if self._models.info else 0
        self.on_change(replace(self._status, context_length=length, draft_tokens=self._draft_tokens))

    def _add_turn(self, turn: Turn) -> None:
        self._turns.append(turn)
        self.on_change(changes.TurnAdded(turn))

    def _replace_turn(self, turn_id: str, new: Turn) -> None:
        self._turns = [new if turn.id == turn_id else turn for turn in self._turns]
        self.on_change(changes.TurnReplaced(turn_id, new))

    def _is_open(self, conversation_id: str) -> bool:
        return self._conversation is not None and self._conversation.id == conversation_id

    def _open_reply(self) -> Reply | None:
        return self._replies.of(self._conversation.id) if self._conversation is not None else None

    # -- unsent text and settings

    def _flush_composer(self) -> None:
        """Store the unsent text and the changed settings of the open conversation; a new one is made for them."""
        draft, values, conversation = self._draft, dict(self._values), self._conversation
        if conversation is None:
            if draft and draft.strip() and self._made is None and not self._is_sending:
                self._draft = None
                self._keep_new(draft, values)
            return
        if draft is not None:
            self._draft, opening = None, self._opening
            self._store.call(
                lambda c: c.set_draft(conversation.id, draft),
                failed=lambda error: self._keep_draft(draft, opening, error),
            )
        if self._are_values_dirty:
            self._are_values_dirty = False
            self._store.call(lambda c: c.set_settings(conversation.id, values))

    def _keep_new(self, draft: str, values: dict[str, Any]) -> None:
        """The first unsent words of a new conversation make it one."""
        opening = self._opening

        def work(c: Conversations) -> Conversation:
            made = c.create("", values)
            c.set_draft(made.id, draft)
            return made

        def then(made: Conversation) -> None:
            if opening == self._opening and self._conversation is None:
                self._conversation = made
            self.refresh()

        def failed(error: UserError) -> None:
            self._made = None
            self._keep_draft(draft, opening, error)

        self._made = self._store.call(work, then, failed)

    def _keep_draft(self, draft: str, opening: int, error: UserError) -> None:
        """The disk refused unsent text: keep it for the next `tick`, unless there is newer text."""
        if self._draft is None and opening == self._opening:
            self._draft = draft
        self.on_change(changes.NoticeChanged(Notice(error.fault, error.fields)))
