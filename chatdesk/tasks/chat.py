"""A conversation with the model: what is open, what a person does with it, and the list of all conversations.

The order that keeps every word: the person's message is committed, then shown, then asked; the reply is written by
`replies`. Nothing here blocks: store and engine answer later, on the same thread, through ``post`` and `on_event`.
"""

from functools import partial
from typing import TYPE_CHECKING, Any

from chatdesk.engine.api import ChatMessage, Event
from chatdesk.errors import UserError
from chatdesk.storage.conversations import Conversations
from chatdesk.storage.records import Attachment, Conversation, Message
from chatdesk.storage.store import Store
from chatdesk.tasks import changes, turns
from chatdesk.tasks.attachments import Read, joined, read_all
from chatdesk.tasks.changes import Action, Change, Notice, Turn, Undoable
from chatdesk.tasks.models import Models
from chatdesk.tasks.opened import OpenConversation
from chatdesk.tasks.ports import EngineLink, Post, StoreLink, aside
from chatdesk.tasks.undoing import Undoing
from chatdesk.tasks.unsent import edited

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

_DRAFTS = 3  # where a person asks for drafts and the settings say one


class Chat:
    """The open conversation and the list of all.

    All methods belong to one thread. Attributes: ``on_change``, told each `Change`, set before `start`; ``undoing``.
    """

    def __init__(self, store: Store, engine: EngineLink, models: Models, post: Post) -> None:
        self._store = StoreLink(store, post, lambda error: self._open.complain(Notice(error.fault, error.fields)))
        self._models = models
        self._post = post
        self._open = OpenConversation(self._store, engine, models, lambda change: self.on_change(change), self.refresh)
        self._places = 0  # counts the conversations shown, so that a late file does not come to another one
        self.undoing = Undoing(lambda change: self.on_change(change), self.refresh)
        self.on_change: Callable[[Change], None] = lambda change: None

    @property
    def open_id(self) -> str:
        """Id of the open conversation; empty while it is not stored."""
        return self._open.id

    @property
    def is_replying(self) -> bool:
        """Whether a reply is written or waits, in any conversation."""
        return self._open.is_busy

    def next_prompt(self, unsent: str) -> tuple[str, str, dict[str, Any]]:
        """What would go out now: the id of its last stored message, what comes after it, the settings in force.

        What comes after it are the unsent files and the ``unsent`` words, as a model reads them. Without any, and while
        a reply is written, it is what the last reply answers.
        """
        words = "" if self._open.is_replying else turns.framed(unsent, self._open.unsent.files)
        return self._open.prompt_end(bool(words.strip())), words, dict(self._open.unsent.values)

    # -- the list of conversations ---------------------------------------------------------------------------------

    def start(self, conversation_id: str = "", complaints: "Sequence[UserError]" = ()) -> None:
        """Bring back what a crash interrupted, show the list, open a conversation if it is there, say what is wrong."""

        def work(c: Conversations) -> list[Conversation]:
            c.recover()
            return c.list()

        def then(conversations: list[Conversation]) -> None:
            self.on_change(changes.ListChanged(tuple(conversations)))
            if any(found.id == conversation_id for found in conversations):
                self._open.change_and_show(conversation_id, lambda c: None, warn)
            else:
                warn(None)

        def warn(_: object) -> None:
            for error in (*complaints, self._store.read_only()):
                if error is not None:
                    self._open.complain(Notice(error.fault, error.fields))

        self.undoing.forget(self.undoing.what)  # a backup may have come in between
        self._open.show_nothing()
        self._store.call(work, then)

    def new(self) -> None:
        """Show an empty conversation; it is stored with its first word."""
        self._leave()
        self._open.flush_unsent()
        self._open.show_nothing()

    def open(self, conversation_id: str, message_id: str | None = None) -> None:
        """Show a conversation: its chosen branch, or the one with a message; its settings, its unsent text.

        While a reply is written in it, its branch stays, as the reply belongs there.
        """
        self._leave()
        may_choose = not self._open.is_replying_in(conversation_id)

        def work(c: Conversations) -> str | None:
            if message_id is None or message_id in {shown.id for shown in c.branch(conversation_id)}:
                return message_id
            if not may_choose:
                return None
            c.choose(message_id)
            return message_id

        def then(found: str | None) -> None:
            if found is not None:
                self.on_change(changes.Found(found))

        self._open.change_and_show(conversation_id, work, then)

    def rename(self, conversation_id: str, title: str) -> None:
        """Give a conversation another title; an empty one is ignored."""
        if not (title := title.strip()):
            return

        def failed(error: UserError) -> None:
            self._say_title(conversation_id)
            self._open.complain(Notice(error.fault, error.fields))

        self._store.call(lambda c: c.rename(conversation_id, title), lambda _: self.refresh(), failed)
        self._say_title(conversation_id, title)

    def _say_title(self, conversation_id: str, title: str | None = None) -> None:
        """The open conversation has this title, or again the one that is stored."""
        if (home := self._open.unsent.conversation) is not None and home.id == conversation_id:
            self.on_change(changes.Renamed(home.title if title is None else title))

    def delete(self, conversation_id: str) -> None:
        """Move a conversation to the trash; `undo` brings it back. A reply in it is stopped first."""
        self._open.stop(conversation_id)
        self._open.flush_unsent()

        def then(deleted: Conversation) -> None:
            self._offer_undo("conversation", conversation_id, lambda c: c.restore(conversation_id), deleted)
            if self._open.id == conversation_id:
                self._open.show_nothing()
            self.refresh()

        self._store.call(lambda c: c.delete(conversation_id), then)

    def undo(self) -> None:
        """Take back the last deletion, edit or branching, and show what came back; a reply there is stopped first."""
        what, home = self.undoing.what, self.undoing.home
        if self._open.is_asking and what != "file":  # a question is on its way
            return
        if (undo := self.undoing.take()) is None:
            return
        if what == "file":  # no affair of the reply
            undo()
        else:
            self._open.when_silent(home, undo)

    def _offer_undo(
        self,
        what: Undoable,
        home: str,
        work: "Callable[[Conversations], object]",
        deleted: Conversation | None = None,
    ) -> None:
        undo = partial(self._open.change_and_show, home, work, lambda _: self.refresh())
        self.undoing.offer(what, home, undo, deleted)

    def _leave(self) -> None:
        """Another conversation is to be shown: what has begun with files of this one is not meant for that."""
        self._places += 1
        self.undoing.forget("file")

    def refresh(self) -> None:
        """Say the list of conversations anew."""

        def work(c: Conversations) -> tuple[list[Conversation], set[str]]:
            return c.list(), {conversation.id for conversation in c.trash()}

        def then(stored: tuple[list[Conversation], set[str]]) -> None:
            found, trash = stored
            if self.undoing.deleted is not None and self.undoing.deleted.id not in trash:
                self.undoing.forget("conversation")  # it was restored or purged there
            self.on_change(changes.ListChanged(tuple(found), self.undoing.deleted))
            for conversation in (each for each in found if each.id == self.open_id):
                self._open.take_title(conversation)  # the first exchange may have given it another

        self._store.call(work, then)

    # -- the open conversation -------------------------------------------------------------------------------------

    def send(self, text: str) -> None:
        """Store the person's message with its files, show it, and ask the model.

        Neither words nor files, or a reply under way: nothing.
        """
        self._send(text, self._open.unsent.files, is_unsent=True)

    def send_example(self, text: str) -> None:
        """Send a question that the window offers; what the person has written and attached stays unsent."""
        self._send(text, (), is_unsent=False)

    def _send(self, text: str, files: tuple[Attachment, ...], is_unsent: bool) -> None:
        if not (text.strip() or files) or self._open.is_asking or self._open.is_replying:
            return
        self._open.is_asking = True
        self._open.flush()  # a reply that the disk refused goes above the message
        self.close_drafts()
        find_home, opening = self._open.unsent.home(), self._open.opening

        def work(c: Conversations) -> tuple[Conversation, Turn]:
            with c.transaction():  # without its message no conversation is made
                home = find_home(c)
                tip = c.get(home.id).tip
                message = c.add_message(home.id, tip, "user", text, clear_draft=is_unsent, attachments=files)
                if not home.title:
                    c.rename(home.id, turns.title(turns.subject(text, files)))
            return c.get(home.id), turns.turn(message, c.siblings(message.id), None)

        def then(stored: tuple[Conversation, Turn]) -> None:
            home, turn = stored
            sending.stored(home)
            if opening == self._open.opening and home.id == self.open_id:
                self.undoing.forget("edit", "branch", "file")  # it would leave this message, or put back what is sent
                self._open.show_files()
                self.on_change(changes.AttachingFailed(()))
                self.on_change(changes.Renamed(home.title))
                self._open.complain(None)
                self._open.add_turn(turn)
            self.refresh()
            self._open.ask(home.id, turn.id)

        def failed(error: UserError) -> None:
            sending.refused()
            self._open.complain(Notice(error.fault, error.fields))

        stored = self._store.call(work, then, failed, self._open.answered)
        sending = self._open.unsent.sending(lambda: stored.result()[0], is_unsent)

    def stop(self) -> None:
        """Stop the reply in the open conversation; what is written stays."""
        self._open.stop(self.open_id)

    def regenerate(self) -> None:
        """Another version of the last reply; the old one stays as a sibling. After an error: ask again."""
        self._answer_again()

    def regenerate_at(self, turn_id: str) -> None:
        """Another version of any reply; what followed the old one stays with it."""
        ids = [turn.id for turn in self._open.turns]
        if self._open.is_taken or turn_id not in ids:
            return
        if turn_id == ids[-1]:
            self._answer_again()
        else:
            self._answer_at(turn_id)

    def _answer_at(self, turn_id: str, **how: Any) -> None:
        """Ask for another version of a reply anywhere; ``how``: see `OpenConversation.ask`."""
        home, tip = self.open_id, self._open.turns[-1].id
        self._open.is_asking = True

        def work(c: Conversations) -> str | None:  # the turns above may not be here yet
            if (parent_id := c.message(turn_id).parent_id) is not None:
                c.show_until(parent_id)
            return parent_id

        def then(parent_id: str | None) -> None:
            if parent_id is not None:
                self._offer_undo("branch", home, lambda c: c.show_until(tip))
                self._open.ask(home, parent_id, **how)

        self._open.change_and_show(home, work, then, self._open.answered)

    def branch_from(self, turn_id: str) -> None:
        """Show the conversation up to a message: the next one begins a branch there. What followed stays reachable."""
        if self._open.is_taken or not self._open.turns or self._open.turns[-1].id == turn_id:
            return
        home, tip = self.open_id, self._open.turns[-1].id
        offer = partial(self._offer_undo, "branch", home, lambda c: c.show_until(tip))
        self._open.change_and_show(home, lambda c: c.show_until(turn_id), lambda _: offer())

    def _answer_again(self, drafts: int | None = None) -> None:
        found = self._open.turns
        if not found or not self._open.can_change(found[-1].id):
            return
        self._open.complain(None)
        if found[-1].role == "user":
            self._open.ask(self.open_id, found[-1].id, drafts=drafts)
        elif len(found) > 1:
            self._open.ask(self.open_id, found[-2].id, replaces=found[-1], drafts=drafts)

    def continue_reply(self) -> None:
        """Go on with the last reply, as one message; the shorter one stays as a version."""
        found = self._open.turns
        if len(found) > 1 and found[-1].role == "assistant" and self._open.can_change(found[-1].id):
            self._open.complain(None)
            self._open.ask(self.open_id, found[-2].id, replaces=found[-1], continues=found[-1].id, drafts=1)

    def go_on_from(self, turn_id: str, beginning: ChatMessage) -> None:
        """Another version of a reply that begins with ``beginning``; what followed the old one stays with it."""
        if self._open.can_change(turn_id):
            text = next(turn.text for turn in self._open.turns if turn.id == turn_id)
            self._answer_at(turn_id, continues=turn_id, drafts=1, beginning=turns.opened_as(text, beginning))

    def edit(self, turn_id: str, text: str, files: tuple[Attachment, ...] | None = None) -> None:
        """Put another version beside a message; the person's own is asked again. The old one stays reachable.

        ``files``: those of the old one that the new one has, too; None: all.
        """
        if not self._open.can_change(turn_id) or self._open.drafts.turns or not (text.strip() or files):
            return
        home, unsent = self.open_id, self._open.unsent
        self._open.is_asking = True
        kept, stored = unsent.edits.pop(turn_id, None), []

        def work(c: Conversations) -> tuple[str | None, Message]:
            tip = c.get(home).tip
            stored.append(edited(c, home, turn_id, text, files))
            return tip, stored[0]

        def answered() -> None:
            self._open.answered()
            if kept is not None and not stored:  # the disk refused: it is being edited as before
                unsent.set_edit(turn_id, kept)

        def then(made: tuple[str | None, Message]) -> None:
            tip, message = made
            if tip is not None:
                self._offer_undo("edit", home, lambda c: c.show_until(tip))
            if message.role == "user":
                self._open.ask(home, message.id)

        self._open.change_and_show(home, work, then, answered)

    def keep_edit(self, turn_id: str, text: str | None) -> None:
        """Remember what is typed into a message that is being edited; ``None``: it is given up."""
        self._open.unsent.set_edit(turn_id, text)

    # -- side by side ----------------------------------------------------------------------------------------------

    def write_drafts(self) -> None:
        """Several replies to the last message side by side: as many as the settings say; where they say one, three."""
        wanted = self._open.unsent.values.get("drafts", 1)
        self._answer_again(wanted if wanted > 1 else _DRAFTS)

    def compare(self, turn_id: str) -> None:
        """Show all versions of a reply side by side."""
        if not self._open.can_change(turn_id):
            return
        opening = self._open.opening

        def then(found: list[Turn]) -> None:
            if opening == self._open.opening:
                self._open.drafts.open(found, turn_id)

        self._store.call(lambda c: turns.versions(c, turn_id), then)

    def choose_draft(self, turn_id: str) -> None:
        """Go on with this one; the others stay versions of it."""
        self._open.choose_draft(turn_id)

    def close_drafts(self, turn_id: str = "") -> None:
        """Show the conversation with a draft, or with the chosen one; what is still being written is stopped."""
        side, home, opening = self._open.drafts, self.open_id, self._open.opening
        if not side.turns:
            return
        if turn_id:
            side.chosen = turn_id

        def close() -> None:
            chosen = side.chosen
            if opening == self._open.opening:  # nothing else is shown meanwhile
                side.close()
                if chosen:
                    self._open.change_and_show(home, lambda c: c.choose(chosen), lambda _: self.refresh())

        self._open.when_silent(home, close)

    def delete_turn(self, turn_id: str) -> None:
        """Move a message and all that follows it to the trash; `undo` brings them back."""
        if self._open.can_change(turn_id):
            self._remove(lambda c: c.delete_message(turn_id))

    def clear(self) -> None:
        """Move all messages of the open conversation to the trash; `undo` brings them back."""
        conversation_id = self.open_id
        if self._open.turns and not self._open.is_taken:
            self._remove(lambda c: c.clear(conversation_id))

    def bring_back(self, conversation_id: str, batch: str) -> None:
        """Take messages back from the trash and show them, as `undo` does with those deleted last."""
        self._offer_removal(conversation_id, batch)
        self.undo()

    def _remove(self, work: "Callable[[Conversations], str]") -> None:
        if home := self.open_id:
            self._open.change_and_show(home, work, partial(self._offer_removal, home))

    def _offer_removal(self, conversation_id: str, batch: str) -> None:
        self._offer_undo("messages", conversation_id, lambda c: c.undo_removal(batch))

    def pin_turn(self, turn_id: str, is_pinned: bool) -> None:
        """Pin a message: it stays in the prompt when older turns no longer fit."""
        if self._open.can_pin(turn_id):
            self._store.call(lambda c: c.pin(turn_id, is_pinned), lambda _: self._open.pin_turn(turn_id, is_pinned))

    def choose_version(self, turn_id: str, step: int) -> None:
        """Show the sibling ``step`` places away from a turn, with what follows it. During a reply: nothing."""
        if not self._open.can_change(turn_id):
            return

        def work(c: Conversations) -> None:
            siblings = [message.id for message in c.siblings(turn_id)]
            place = siblings.index(turn_id) + step
            if 0 <= place < len(siblings):
                c.choose(siblings[place])

        self._open.change_and_show(self.open_id, work, lambda _: None)

    def set_setting(self, name: str, value: Any) -> None:
        """Set an option of the open conversation; ``None`` goes back to the checkpoint's own. Raises `UserError`."""
        self._open.unsent.set_value(name, value)
        self._open.say_settings()

    def begin_with(self, name: str, value: Any) -> None:
        """As `set_setting`, for what new conversations begin with: it alone is nothing to keep."""
        self._open.unsent.set_value(name, value, is_first=True)
        self._open.say_settings()

    def set_draft(self, text: str) -> None:
        """Remember the composer's unsent text; stored by the next `tick`, counted at once."""
        self._open.count(text)

    def attach(self, paths: "Sequence[Path]") -> None:
        """Let files of text go with the unsent text; `AttachingFailed` says why one cannot."""
        place, there = self._places, self._open.unsent.files

        def then(read: Read) -> None:
            if place != self._places:  # they were meant for another conversation, which is left
                return
            read = joined(read, self._open.unsent.files)
            if read.files:
                self._open.set_files((*self._open.unsent.files, *read.files))
            self.on_change(changes.AttachingFailed(tuple(Notice(e.fault, e.fields) for e in read.problems)))

        aside(self._post, lambda: read_all(paths, there), then, lambda error: None)

    def detach(self, number: int) -> None:
        """Take one of the unsent files away; `undo` puts it back."""
        files = self._open.unsent.files
        taken = files[number]

        def put_back() -> None:
            now = self._open.unsent.files
            if taken not in now:
                self._open.set_files((*now[:number], taken, *now[number:]))

        self._open.set_files((*files[:number], *files[number + 1 :]))
        self.on_change(changes.AttachingFailed(()))
        self.undoing.offer("file", self.open_id, put_back)

    def look_at(self, file: Attachment, then: "Callable[[int], None]") -> None:
        """Have the tokens of any file counted, for a person who looks at it."""
        self._open.look_at(file, then)

    def act(self, action: Action) -> None:
        """Do what a notice's button offers (``choose_model`` is the window's own)."""
        is_of_reply = self._open.notice is not None  # else of the model: no reply was wanted
        self._open.complain(None)
        match action:
            case "retry" | "restart_engine":
                if action == "restart_engine" or self._models.info is None:
                    self._models.reload()
            case "use_less":
                self._models.load_smaller()
            case "use_cpu":
                self._models.reload("cpu")
            case "drop_oldest":
                self.set_setting("overflow", "drop")
            case "new_chat":
                self.new()
                return
        if is_of_reply:
            self.regenerate()

    def tick(self) -> None:
        """Write what is not yet on disk; call it at least once a second."""
        self._open.tick()
        self._open.flush_unsent()

    def close(self) -> None:
        """Store what is under way, replies as interrupted; the store is closed by its owner."""
        self._open.close()
        self._open.flush_unsent()

    def on_event(self, event: Event) -> None:
        """Take an engine event; those of requests that are not replies are ignored."""
        self._open.on_event(event)
