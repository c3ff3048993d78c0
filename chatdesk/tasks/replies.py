"""Replies being written: asked, streamed, flushed, stored. `Chat` shows them; here they are kept.

A reply is a partial in the store from the moment it is asked; `Replies.flush` writes its text at least once a second,
and when it ends it becomes a message. When the disk refuses, the text stays here and `flush` tries again.

Several replies to one prompt (drafts) are one request of the engine: they begin, stop and end together.
"""

from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain
from time import monotonic
from typing import Any, Protocol, TypeVar

import msgspec

from chatdesk.engine.api import (
    ChatMessage,
    DraftFinished,
    Event,
    Failed,
    Finished,
    Generate,
    ModelInfo,
    Progress,
    Started,
    TokenEvent,
)
from chatdesk.errors import Fault, UserError
from chatdesk.settings.options import usable_chat
from chatdesk.storage.conversations import Conversations
from chatdesk.storage.records import Partial
from chatdesk.tasks import turns
from chatdesk.tasks.adapters import called
from chatdesk.tasks.changes import Action, Notice, Turn
from chatdesk.tasks.models import Models
from chatdesk.tasks.ports import EngineLink, StoreLink

T = TypeVar("T")
_ACTIONS: dict[Fault, Action] = {
    Fault.NO_MODEL: "choose_model",
    Fault.OUT_OF_MEMORY: "use_less",
    Fault.PROMPT_TOO_LONG: "new_chat",
    Fault.CONTEXT_FULL: "drop_oldest",
    Fault.ENGINE_KEEPS_DYING: "restart_engine",
    Fault.NOT_FINITE: "choose_model",
    Fault.CHAT_TEMPLATE: "choose_model",
    Fault.NOT_AN_ADAPTER: "choose_model",
    Fault.ADAPTER_DOES_NOT_FIT: "choose_model",
    Fault.FILE_NOT_FOUND: "choose_model",  # the adapter's folder: the menu has it
    Fault.BROKEN_SAFETENSORS: "choose_model",
}


def notice(error: UserError) -> Notice:
    """A user error with the button that helps: asking again, where nothing better is known."""
    return Notice(error.fault, error.fields, _ACTIONS.get(error.fault, "retry"))


@dataclass
class Reply:
    """One reply from the question to its last token.

    ``draft``: which of the drafts of its prompt. ``replaces``: the version that was shown before it. ``continues``:
    the id of the message it goes on with, or with ``beginning`` in its place; ``text`` begins with that message's then,
    and ``has_all_ids`` says whether its tokens are known, too. ``adapter``: folder of the one that ``model`` answers
    with. ``is_refused``: it has ended, but the disk did not take it.
    """

    turn_id: str
    conversation_id: str
    parent_id: str
    replaces: Turn | None = None
    continues: str | None = None
    draft: int = 0
    has_all_ids: bool = True
    beginning: ChatMessage | None = None
    request: int = 0
    model: ModelInfo | None = None
    adapter: str = ""
    partial: Future[Partial | None] | None = None
    started: Started | None = None
    finished: Finished | None = None
    reason: str | None = None
    text: str = ""
    token_ids: list[int] = field(default_factory=list)
    new_tokens: int = 0
    is_dirty: bool = False
    is_refused: bool = False
    first_token_at: float = 0.0

    def go_on_with(self, message: ChatMessage) -> None:
        """Begin with the text of the message that is continued."""
        self.text = message.text
        self.token_ids = list(message.token_ids or ())
        self.has_all_ids = message.token_ids is not None

    def kept_ids(self) -> tuple[int, ...]:
        """The ids to store with the text: none where those of its beginning are not known."""
        return tuple(self.token_ids) if self.has_all_ids else ()

    def take(self, event: TokenEvent | DraftFinished) -> None:
        """Add what the event says."""
        if isinstance(event, TokenEvent):
            self.token_ids.append(event.id)
            self.new_tokens += 1
            self.first_token_at = self.first_token_at or monotonic()
        else:
            self.reason = event.reason
        self.text += event.text
        self.is_dirty = True

    def tokens_per_s(self) -> float:
        """Speed until now, tokens a second; its share of the engine's own figure once it has finished."""
        if self.finished is not None:
            return self.finished.tokens_per_s * self.new_tokens / max(1, self.finished.new_tokens)
        passed = monotonic() - self.first_token_at
        return (self.new_tokens - 1) / passed if self.first_token_at and passed > 0.2 else 0.0

    def provenance(self) -> dict[str, Any]:
        """Where the text comes from: model, sampling, seed, speed; JSON values only."""
        model, started, finished = self.model, self.started, self.finished
        return {
            "model": called(model.name, self.adapter) if model else "",
            "model_path": model.path if model else "",
            "device": model.device if model else "",
            "dtype": model.dtype if model else "",
            "sampling": msgspec.to_builtins(started.sampling) if started else {},
            "seed": started.seed + self.draft if started else None,
            "prompt_tokens": len(started.prompt_token_ids) if started else 0,
            "new_tokens": self.new_tokens,
            "ttft_s": finished.ttft_s if finished else None,
            "tokens_per_s": self.tokens_per_s() or None,
            "dropped_messages": started.dropped_messages if started else 0,
        }

    def turn(self) -> Turn:
        """The reply as the transcript shows it while it is written."""
        versions = self.replaces.versions + 1 if self.replaces else 1
        return Turn(
            self.turn_id, "assistant", self.text, "streaming" if self.text else "waiting", None, versions, versions
        )


class Audience(Protocol):
    """Who is told of a reply's progress; `Chat`."""

    def values_of(self, reply: Reply) -> dict[str, Any] | None:
        """The settings of the reply's conversation when it is the open one; they may be newer than the stored."""
        ...

    def reply_waits(self, reply: Reply, done: int, total: int) -> None:
        """The engine has read ``done`` of ``total`` tokens of a long prompt."""
        ...

    def reply_started(self, reply: Reply) -> None:
        """The engine has read the prompt."""
        ...

    def reply_grew(self, reply: Reply, text: str) -> None:
        """``text`` was added."""
        ...

    def reply_ended(self, reply: Reply, turn: Turn | None, notice: Notice | None) -> None:
        """It is a message now, or never got a word (``turn`` is None)."""
        ...

    def reply_unsaved(self, reply: Reply, notice: Notice) -> None:
        """It has ended, but the disk refused it; `Replies.flush` tries again."""
        ...


class Replies:
    """All replies between question and store, of any conversation. One thread; never blocks."""

    def __init__(self, store: StoreLink, engine: EngineLink, models: Models, audience: Audience) -> None:
        self._store = store
        self._engine = engine
        self._models = models
        self._audience = audience
        self._asked: dict[int, list[Reply]] = {}
        self._waiting: list[list[Reply]] = []
        self._ended: list[Reply] = []

    def of(self, conversation_id: str) -> list[Reply]:
        """The replies being written in a conversation: none, one, or the drafts of one prompt."""
        every = [*self._asked.values(), *self._waiting]
        return next((drafts for drafts in every if drafts[0].conversation_id == conversation_id), [])

    def unsaved(self, conversation_id: str) -> list[Reply]:
        """The replies of a conversation that have ended and are still to be stored."""
        return [reply for reply in self._ended if reply.conversation_id == conversation_id]

    @property
    def is_busy(self) -> bool:
        """Whether anything is written or waits, in any conversation."""
        return bool(self._asked or self._waiting)

    def ask(self, drafts: list[Reply]) -> None:
        """Answer as soon as a model is there; while one loads the question waits."""
        self._models.claim()
        self._waiting.append(drafts)
        self.go_on()

    def go_on(self) -> None:
        """The model is ready, or will not be: answer what waits. One that sleeps is woken."""
        if self._waiting:
            self._models.wake()
        if self._models.is_loading:
            return
        waiting, self._waiting = self._waiting, []
        for drafts in waiting:
            if self._models.info is not None:
                self._prepare(drafts, self._models.info)
            else:
                missing = self._models.state.notice or Notice(Fault.NO_MODEL, {}, "choose_model")
                self._give_up(drafts, missing)

    def stop(self, drafts: list[Reply]) -> None:
        """Stop replies that `of` gave; what is written stays."""
        if drafts in self._waiting:
            self._waiting.remove(drafts)
        elif drafts[0].partial is not None:
            self._engine.cancel(drafts[0].request)
            return
        else:  # their branch is still being read: the engine knows nothing of them
            self._asked.pop(drafts[0].request, None)
        self._give_up(drafts, None)

    def on_event(self, event: Event) -> None:
        """Take an engine event; those of requests that are not replies are ignored."""
        drafts = self._asked.get(event.request)
        if drafts is None:
            return
        match event:
            case Progress(done=done, total=total):
                for reply in drafts:
                    self._audience.reply_waits(reply, done, total)
            case Started():
                self._begin(drafts, event)
            case TokenEvent() | DraftFinished():
                drafts[event.draft].take(event)
                self._audience.reply_grew(drafts[event.draft], event.text)
            case Finished():
                for reply in drafts:
                    reply.finished = event
                self._finish_all(drafts)
            case Failed(fault=fault, fields=fields):
                self._finish_all(drafts, "error", notice(UserError(Fault(fault), **fields)))

    def _begin(self, drafts: list[Reply], event: Started) -> None:
        """The prompt is read; what the template has written of the replies is theirs."""
        for reply in drafts:
            reply.started = event
        self._audience.reply_started(drafts[0])
        if event.opening:
            for reply in drafts:
                reply.text += event.opening
                self._audience.reply_grew(reply, event.opening)

    def flush(self) -> None:
        """Write what is not yet on disk; to be called at least once a second."""
        for reply in chain.from_iterable(self._asked.values()):
            if reply.is_dirty and reply.partial is not None:
                reply.is_dirty = False
                self._store.call(_extension(reply.partial, reply.text, reply.kept_ids()))
        for reply in [ended for ended in self._ended if ended.is_refused]:
            self._save(reply, None)

    def close(self) -> None:
        """Stop all and store them as interrupted; questions that wait for a model are not asked any more."""
        self._waiting.clear()
        for drafts in list(self._asked.values()):
            self._engine.cancel(drafts[0].request)
            self._finish_all(drafts, "interrupted")

    def _give_up(self, drafts: list[Reply], why: Notice | None) -> None:
        for reply in drafts:
            self._audience.reply_ended(reply, None, why)

    def _prepare(self, drafts: list[Reply], model: ModelInfo) -> None:
        """Read the branch, then send it; the partials are made before the first token is flushed."""
        request = self._engine.next_id()
        self._asked[request] = drafts
        for reply in drafts:
            reply.model, reply.request, reply.adapter = model, request, self._models.adapter
        first = drafts[0]

        def work(c: Conversations) -> tuple[dict[str, Any], tuple[ChatMessage, ...]] | None:
            if not c.is_live(first.parent_id):  # deleted meanwhile
                return None
            return c.get(first.conversation_id).settings, turns.prompt(
                c, first.continues or first.parent_id, model.path
            )

        def then(found: tuple[dict[str, Any], tuple[ChatMessage, ...]] | None) -> None:
            if request in self._asked and found is None:
                self._asked.pop(request)
                self._give_up(drafts, None)
            elif request in self._asked and found is not None:  # not stopped meanwhile
                stored, messages = found
                if first.beginning is not None:
                    messages = (*messages[:-1], first.beginning)
                if first.continues is not None:
                    first.go_on_with(messages[-1])
                values = self._audience.values_of(first)
                self._send(drafts, messages, usable_chat(stored) if values is None else values)

        def failed(error: UserError) -> None:
            self._asked.pop(request, None)
            self._give_up(drafts, notice(error))

        self._store.call(work, then, failed)

    def _send(self, drafts: list[Reply], messages: tuple[ChatMessage, ...], values: dict[str, Any]) -> None:
        for reply in drafts:
            reply.partial = self._store.call(_unless_gone(_beginning(reply)))
        prompt, sampling, overflow, stop = turns.outgoing(messages, values)
        self._engine.send(
            Generate(
                drafts[0].request,
                prompt,
                sampling,
                seed=values.get("seed"),
                drafts=len(drafts),
                stop=stop,
                overflow=overflow,
                dialogue=self._models.dialogue,
                adapter=drafts[0].adapter,
            )
        )

    def _finish_all(self, drafts: list[Reply], reason: str = "", why: Notice | None = None) -> None:
        """They have ended, for a reason of their own or for this one; the first with a word is the one shown."""
        self._asked.pop(drafts[0].request, None)
        kept = [reply for reply in drafts if self._finish(reply, reason or reply.reason or "stop", why)]
        if len(kept) > 1:
            first = _unless_gone(lambda c: c.choose(_partial(c, kept[0]).id))  # until another is chosen
            self._store.call(first, failed=lambda error: None)  # what is wrong the saving has told

    def _finish(self, reply: Reply, reason: str, why: Notice | None) -> bool:
        """Its text becomes a message; without a word it goes away. Returns whether it stays."""
        reply.reason = reason
        if reply.new_tokens or (reason == "stop" and reply.continues is None):
            self._save(reply, why)
            return True
        if (partial := reply.partial) is not None:
            self._store.call(_on_partial(partial, lambda c, id: c.drop_reply(id)))
        self._audience.reply_ended(reply, None, why)
        return False

    def _save(self, reply: Reply, why: Notice | None) -> None:
        text, token_ids, provenance = reply.text, reply.kept_ids(), reply.provenance()
        reason = reply.reason or "stop"
        self._forget(reply)
        self._ended.append(reply)
        reply.is_refused = False

        def work(c: Conversations) -> Turn:
            with c.transaction():
                message = c.finish_reply(_partial(c, reply).id, text, token_ids, reason, provenance)
                turns.title_of_exchange(c, message)
                return turns.turn(message, c.siblings(message.id), c.provenance([message.id]).get(message.id))

        def then(turn: Turn | None) -> None:
            self._forget(reply)
            self._audience.reply_ended(reply, turn, why)

        def failed(error: UserError) -> None:
            reply.is_refused = True
            self._audience.reply_unsaved(reply, Notice(error.fault, error.fields))

        self._store.call(_unless_gone(work), then, failed)

    def _forget(self, reply: Reply) -> None:
        self._ended = [ended for ended in self._ended if ended is not reply]


def _unless_gone(work: Callable[[Conversations], T]) -> Callable[[Conversations], T | None]:
    """None where what it is about is not there: deleted for good meanwhile, or it could not be saved."""

    def tried(c: Conversations) -> T | None:
        with suppress(KeyError):
            return work(c)
        return None

    return tried


def _beginning(reply: Reply) -> Callable[[Conversations], Partial]:
    provenance = reply.provenance()
    return lambda c: c.begin_reply(reply.conversation_id, reply.parent_id, provenance)


def _made(partial: Future[Partial | None] | None) -> Partial | None:
    """On the storage thread: the partial, if it was begun; on a full disk it was not."""
    return None if partial is None or partial.exception() is not None else partial.result()


def _on_partial(
    partial: Future[Partial | None], change: Callable[[Conversations, str], object]
) -> Callable[[Conversations], object]:
    """Change a partial by its id; one that could not be made on a full disk is made when the reply is saved."""

    def work(c: Conversations) -> None:
        if (made := _made(partial)) is not None:
            change(c, made.id)

    return _unless_gone(work)


def _extension(
    partial: Future[Partial | None], text: str, token_ids: tuple[int, ...]
) -> Callable[[Conversations], object]:
    """Write the text so far."""
    return _on_partial(partial, lambda c, id: c.extend_reply(id, text, token_ids))


def _partial(c: Conversations, reply: Reply) -> Partial:
    return _made(reply.partial) or _beginning(reply)(c)
