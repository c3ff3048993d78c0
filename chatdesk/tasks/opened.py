"""The open conversation as it is shown: its turns, its drafts side by side, its figures, and the replies in it.

`Chat` says what a person does with it; here it is kept in step with the store and with what the engine writes.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from itertools import takewhile
from typing import Any, TypeVar

from chatdesk.engine.api import DEFAULT_SAMPLING, ChatMessage, Event
from chatdesk.errors import UserError
from chatdesk.settings.options import CHAT
from chatdesk.storage.conversations import Conversations
from chatdesk.storage.records import Attachment, Conversation
from chatdesk.tasks import changes, turns
from chatdesk.tasks.changes import Change, Notice, Turn
from chatdesk.tasks.drafts import SideBySide
from chatdesk.tasks.figures import Figures
from chatdesk.tasks.models import Models
from chatdesk.tasks.ports import EngineLink, StoreLink
from chatdesk.tasks.replies import Replies, Reply
from chatdesk.tasks.turns import SAMPLING_NAMES
from chatdesk.tasks.unsent import Unsent

T = TypeVar("T")
_FIRST, _MORE = 50, 400  # turns that are shown at once, and that are brought at a time after them


class OpenConversation:
    """One thread; never blocks. ``say`` is called with each `Change`, ``refresh`` when the list is another one.

    Attributes: ``turns``, from the root to the tip; ``unsent``; ``drafts``; ``notice``, what went wrong under the last
    turn; ``opening``, which counts what was shown, so that a late answer of the store is not shown over something else;
    ``is_asking``: the store is to answer, then the model is asked.
    """

    def __init__(
        self,
        store: StoreLink,
        engine: EngineLink,
        models: Models,
        say: Callable[[Change], None],
        refresh: Callable[[], None],
    ) -> None:
        self._store = store
        self._models = models
        self._say = say
        self._refresh = refresh
        self._replies = Replies(store, engine, models, self)
        self._figures = Figures(engine, models, say)
        self._asked = 0
        self._after_reply: dict[str, Callable[[], None]] = {}  # by conversation
        self.unsent = self._unsent_of(None, ())
        self._left: list[Unsent] = []  # of conversations shown before, until it is stored
        self.drafts = SideBySide(say)
        self.turns: list[Turn] = []
        self.opening = 0
        self.notice: Notice | None = None
        self.is_asking = False
        self._changing = 0  # steps that the store has not answered
        models.on_settled = self._on_model_settled

    @property
    def id(self) -> str:
        """Of the conversation; empty while it is not stored."""
        return self.unsent.id

    @property
    def is_replying(self) -> bool:
        """Whether something is being written in it."""
        return self.is_replying_in(self.id)

    def is_replying_in(self, conversation_id: str) -> bool:
        """Whether something is being written in a conversation."""
        return bool(conversation_id and self._replies.of(conversation_id))

    @property
    def is_taken(self) -> bool:
        """Whether something is being written in it or about to be asked for, or what is shown is about to change."""
        return bool(self.is_asking or self._changing or self.is_replying)

    def can_change(self, turn_id: str) -> bool:
        """Whether something can be done with a turn now."""
        return not self.is_taken and self.is_stored(turn_id)

    def can_pin(self, turn_id: str) -> bool:
        """Whether a turn can be pinned now: also while a reply is written."""
        return not self._changing and self.is_stored(turn_id)

    def is_stored(self, turn_id: str) -> bool:
        """Whether a turn is a message: not one that is being written, or waits for the disk."""
        return all(turn.state == "done" for turn in self.turns if turn.id == turn_id)

    def answered(self) -> None:
        """What was to be asked of the model is asked, or will not be."""
        self.is_asking = False

    @property
    def is_busy(self) -> bool:
        """Whether a reply is written or waits, in any conversation."""
        return self._replies.is_busy

    # -- showing another one, or this one changed ------------------------------------------------------------------

    def show_nothing(self) -> None:
        """Show a new, empty conversation; it is stored with its first word."""
        self.opening += 1
        self._show(None, [], ())

    def change_and_show(
        self,
        conversation_id: str,
        work: Callable[[Conversations], T],
        then: Callable[[T], object],
        always: Callable[[], None] | None = None,
    ) -> None:
        """Do ``work`` in the store, show the conversation as it is then, and hand over what the work returned.

        What is typed by now is stored first. Nothing is handed over where a step before it has removed what it is
        about; of a conversation that is gone for good nothing is shown. ``always`` is called before that, and where the
        work failed.
        """
        self.flush_unsent()
        self.opening += 1
        self._changing += 1
        opening = self.opening

        def whole(c: Conversations) -> tuple[list[T], Conversation | None, list[Turn], tuple[Attachment, ...]]:
            done: list[T] = []
            with suppress(KeyError):
                done.append(work(c))
            with suppress(KeyError):
                home, shown = c.get(conversation_id), turns.turns(c, conversation_id, most=_FIRST)
                return done, home, shown, c.unsent_attachments(conversation_id)
            return [], None, [], ()

        def shown(found: tuple[list[T], Conversation | None, list[Turn], tuple[Attachment, ...]]) -> None:
            if opening == self.opening:  # not overtaken by another choice
                self._show(*found[1:])
            for done in found[0]:
                then(done)

        def answered() -> None:
            self._changing -= 1
            if always is not None:
                always()

        self._store.call(whole, shown, always=answered)

    def _show(self, conversation: Conversation | None, found: list[Turn], files: tuple[Attachment, ...]) -> None:
        self.drafts.close()
        self._turn_to(conversation, files)
        self.turns = found
        first = found[0].id if len(found) == _FIRST else None
        written = self._written()
        reply = written[0] if written else None
        if (last := reply or self._unsaved_below(found)) is not None:
            ids = [turn.id for turn in found]
            if last.parent_id in ids:  # what stands below it now is what the reply replaces
                del found[ids.index(last.parent_id) + 1 :]
            found.append(last.turn())
        self._say(changes.EditsKept(dict(self.unsent.edits)))
        self._say(changes.Opened(conversation, tuple(found), is_whole=first is None))
        self._say(changes.DraftChanged(self.unsent.text))
        self._say(changes.AttachingFailed(()))
        self.complain(None)
        self._say(changes.ReplyingChanged(reply is not None))
        self._say(changes.ContextDropped(reply.started.unseen_before if reply and reply.started else 0))
        self.say_settings()
        self._figures.begin(self.unsent.text, self.unsent.files, reply)
        self._show_drafts(written)
        if first is not None:
            self._read_above(first)

    def _turn_to(self, conversation: Conversation | None, files: tuple[Attachment, ...]) -> None:
        """What is unsent is that of this conversation from now on.

        What is known of it here may be newer than what the store has answered, and stays.
        """
        self.flush_unsent()
        known = [unsent for unsent in (self.unsent, *self._left) if conversation and unsent.id == conversation.id]
        if self.unsent not in known and not self.unsent.is_stored:
            self._left.append(self.unsent)
        self.unsent = known[0] if known else self._unsent_of(conversation, files)
        self.unsent.conversation = conversation
        self._left = [unsent for unsent in self._left if unsent is not self.unsent]

    def _unsent_of(self, conversation: Conversation | None, files: tuple[Attachment, ...]) -> Unsent:
        return Unsent(
            self._store,
            self._refresh,
            lambda error: self.complain(Notice(error.fault, error.fields)),
            conversation,
            files,
        )

    def _read_above(self, first: str) -> None:
        """Bring the turns above ``first``, some at a time, so that nobody waits for all of a long conversation."""
        opening, home = self.opening, self.id

        def then(found: list[Turn]) -> None:
            if opening != self.opening:  # another one is shown
                return
            known = {turn.id for turn in self.turns}  # a damaged message may name one that stands below it
            fresh = list(takewhile(lambda turn: turn.id not in known, reversed(found)))[::-1]
            is_whole = len(fresh) < _MORE
            self.turns = fresh + self.turns
            self._say(changes.TurnsAbove(tuple(fresh), is_whole))
            if not is_whole:
                self._read_above(fresh[0].id)

        def failed(error: UserError) -> None:
            if opening == self.opening:
                self.complain(Notice(error.fault, error.fields))

        self._store.call(lambda c: turns.turns(c, home, first, _MORE), then, failed)

    def take_title(self, conversation: Conversation) -> None:
        """The open conversation as the store has it now."""
        before, self.unsent.conversation = self.unsent.conversation, conversation
        if before is not None and before.title != conversation.title:
            self._say(changes.Renamed(conversation.title))

    def complain(self, notice: Notice | None) -> None:
        """Show an error under the last turn, or take it away."""
        self.notice = notice
        self._say(changes.NoticeChanged(notice))

    def say_settings(self) -> None:
        """Say the settings in force and the loaded checkpoint's own."""
        base = self._models.info.sampling if self._models.info else DEFAULT_SAMPLING
        defaults = {name: CHAT[name].default for name in CHAT} | {name: getattr(base, name) for name in SAMPLING_NAMES}
        self._say(changes.SettingsChanged(dict(self.unsent.values), defaults))

    def count(self, draft: str) -> None:
        """The unsent text is this now."""
        self.unsent.set_text(draft)
        self._figures.count(draft)

    def set_files(self, files: tuple[Attachment, ...]) -> None:
        """The files that are to go with the unsent text are these now."""
        self.unsent.set_files(files)
        self._figures.count_files(files)

    def show_files(self) -> None:
        """Say which files are still unsent."""
        self._figures.count_files(self.unsent.files)

    def look_at(self, file: Attachment, then: Callable[[int], None]) -> None:
        """How many tokens a file has, as soon as the engine has counted them."""
        self._figures.files.look_at(file, then)

    def add_turn(self, turn: Turn) -> None:
        """A turn at the end."""
        self.turns.append(turn)
        self._say(changes.TurnAdded(turn))

    def replace_turn(self, turn_id: str, new: Turn) -> None:
        """Turn ``turn_id`` is now ``new``."""
        self.turns = [new if turn.id == turn_id else turn for turn in self.turns]
        self.drafts.replace(turn_id, new)
        self._say(changes.TurnReplaced(turn_id, new))

    def prompt_end(self, goes_on: bool) -> str:
        """Id of the message that the next prompt ends with: the last one where the conversation ``goes_on``, else the
        one that the last reply answers; empty where there is none.
        """
        ids = [turn.id for turn in self.turns]
        if goes_on:
            return self.drafts.chosen or next(filter(self.is_stored, reversed(ids)), "")
        if ids and self.turns[-1].role == "assistant":
            del ids[-1]
        return next(reversed(ids), "")

    # -- replies ---------------------------------------------------------------------------------------------------

    def ask(
        self,
        conversation_id: str,
        parent_id: str,
        replaces: Turn | None = None,
        continues: str | None = None,
        drafts: int | None = None,
        beginning: ChatMessage | None = None,
    ) -> None:
        """Ask for one reply to ``parent_id``, or for several drafts: as many as are named, else as the settings say.

        ``beginning``: what of the message ``continues`` stays.
        """
        count = (drafts or self.unsent.values.get("drafts", 1)) if self._is_open(conversation_id) else 1
        written = []
        for draft in range(count):
            self._asked += 1
            written.append(Reply(f"reply-{self._asked}", conversation_id, parent_id, replaces, continues, draft))
        first = written[0]
        first.beginning = beginning
        if beginning is not None:
            first.text = beginning.text
        elif continues is not None and replaces is not None:
            first.text = replaces.text
        if self._is_open(conversation_id):
            if replaces is not None:
                self.replace_turn(replaces.id, first.turn())
            else:
                self.add_turn(first.turn())
            self._show_drafts(written)
            self._say(changes.ReplyingChanged(True))
        self._replies.ask(written)

    def stop(self, conversation_id: str) -> None:
        """Stop what is being written in a conversation; the text so far stays."""
        if written := self._replies.of(conversation_id):
            self._replies.stop(written)

    def when_silent(self, conversation_id: str, work: Callable[[], None]) -> None:
        """Do ``work`` when nothing is being written in a conversation any more; what is, is stopped."""
        if self._is_silent(conversation_id):
            work()
        else:
            self._after_reply[conversation_id] = work
            self.stop(conversation_id)

    def _is_silent(self, conversation_id: str) -> bool:
        """Whether nothing is being written in a conversation, or still to be stored of what is shown side by side."""
        is_shown = self._is_open(conversation_id) and self.drafts.is_writing()
        return not (is_shown or self.is_replying_in(conversation_id))

    def on_event(self, event: Event) -> None:
        """Take an engine event."""
        self._replies.on_event(event)
        self._figures.on_event(event)

    def flush_unsent(self) -> None:
        """Write what is not yet on disk of what is unsent, here and in conversations shown before."""
        for unsent in (*self._left, self.unsent):
            unsent.flush()
        self._left = [unsent for unsent in self._left if not unsent.is_stored]

    def flush(self) -> None:
        """Write what is not yet on disk of the replies."""
        self._replies.flush()

    def tick(self) -> None:
        """To be called now and then: see `flush`; a model that nobody asks goes to sleep."""
        self.flush()
        self._models.tick(self._replies.is_busy)

    def close(self) -> None:
        """Store replies under way as interrupted."""
        self._replies.close()

    def values_of(self, reply: Reply) -> dict[str, Any] | None:
        """The settings in force, when the reply's conversation is open."""
        return dict(self.unsent.values) if self._is_open(reply.conversation_id) else None

    def reply_waits(self, reply: Reply, done: int, total: int) -> None:
        """Say how far the prompt is read."""
        if self._is_open(reply.conversation_id):
            self._say(changes.PromptRead(reply.turn_id, done, total))

    def reply_started(self, reply: Reply) -> None:
        """Say what the model does not see."""
        if self._is_open(reply.conversation_id) and reply.started is not None:
            self._say(changes.ContextDropped(reply.started.unseen_before))
            self._figures.show(reply)

    def reply_grew(self, reply: Reply, text: str) -> None:
        """Show the new text."""
        if not self._is_open(reply.conversation_id):
            return
        if text and reply.text == text:  # its first words
            self.replace_turn(reply.turn_id, reply.turn())
        elif text:
            self._say(changes.TurnGrew(reply.turn_id, text))
        self._figures.show(reply)

    def reply_ended(self, reply: Reply, turn: Turn | None, notice: Notice | None) -> None:
        """Show the stored message, or what was there before the question."""
        self._refresh()
        if self._is_open(reply.conversation_id):
            self._show_ended(reply, turn, notice)
        if self._is_silent(reply.conversation_id):
            self._go_on_after_reply(reply.conversation_id)

    def _show_ended(self, reply: Reply, turn: Turn | None, notice: Notice | None) -> None:
        if (shown := turn or (reply.replaces if reply.draft == 0 else None)) is not None:
            self.replace_turn(reply.turn_id, shown)
        else:
            self.turns = [turn for turn in self.turns if turn.id != reply.turn_id]
            self.drafts.remove(reply.turn_id)
            self._say(changes.TurnRemoved(reply.turn_id))
        self._say(changes.ReplyingChanged(self.is_replying))
        self.complain(notice)
        self._figures.show(reply)

    def reply_unsaved(self, reply: Reply, notice: Notice) -> None:
        """The text stays in the window until the disk takes it."""
        if self._is_open(reply.conversation_id):
            self._say(changes.ReplyingChanged(False))
            self.complain(notice)

    def choose_draft(self, turn_id: str) -> None:
        """Go on with this one of what stands side by side; the choice is stored as soon as all are."""
        self.drafts.chosen = turn_id
        if turn_id in self.drafts.turns and not self.is_replying and not self.drafts.is_writing():

            def choose(c: Conversations) -> None:
                with suppress(KeyError):  # deleted meanwhile
                    c.choose(turn_id)

            self._store.call(choose)

    def _go_on_after_reply(self, conversation_id: str) -> None:
        """Nothing is being written there any more: do what waited for that, and keep the choice among drafts."""
        after = self._after_reply.pop(conversation_id, None)
        if after is not None:
            after()
        elif self._is_open(conversation_id) and self.drafts.chosen:
            self.choose_draft(self.drafts.chosen)

    def _show_drafts(self, written: list[Reply]) -> None:
        if len(written) > 1:
            self.drafts.open([reply.turn() for reply in written], written[0].turn_id)

    def _on_model_settled(self) -> None:
        self.say_settings()
        self._figures.show(next(iter(self._written()), None))
        self._replies.go_on()
        self._figures.count_again()
        if self.notice is not None and self.notice.action == "choose_model":
            self._take_chosen_model()

    def _take_chosen_model(self) -> None:
        """A question that lacked a model is answered by the one chosen since, or it is told why that is none."""
        if self._models.info is None:
            self.complain(self._models.state.notice or self.notice)
            return
        self.complain(None)
        last = self.turns[-1] if self.turns else None
        if last is not None and last.role == "user" and self.can_change(last.id):
            self.ask(self.id, last.id)

    def _written(self) -> list[Reply]:
        return self._replies.of(self.id) if self.id else []

    def _unsaved_below(self, found: list[Turn]) -> Reply | None:
        """The reply that the disk refused and that belongs below these turns, or in the place of the last."""
        for reply in self._replies.unsaved(self.id):
            if found and found[-1].id in (reply.parent_id, reply.replaces.id if reply.replaces else ""):
                return reply
        return None

    def _is_open(self, conversation_id: str) -> bool:
        return bool(conversation_id) and self.id == conversation_id

    def pin_turn(self, turn_id: str, is_pinned: bool) -> None:
        """Show a message as pinned, or no longer."""
        for turn in self.turns:
            if turn.id == turn_id:
                self.replace_turn(turn_id, replace(turn, is_pinned=is_pinned))
