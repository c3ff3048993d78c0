"""Looking inside the loaded model: the next word, the tokens of a text, attention; and what was seen as files.

Each kind of question has one answer under way; a newer question takes the place of one that waits, so that a person can
type and drag while the model computes. While a model loads or a reply is written, answers wait for the end of that.
"""

import csv
import io
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import msgspec

from chatdesk.engine.api import (
    AlternativeToken,
    Attend,
    Attended,
    AttentionMap,
    ChatMessage,
    Event,
    Failed,
    Finished,
    Generate,
    Read,
    Request,
    Sampling,
    SomeRead,
    TokenEvent,
    TokenReading,
    TokensRead,
)
from chatdesk.errors import Fault, UserError
from chatdesk.tasks import turns
from chatdesk.tasks.changes import Notice
from chatdesk.tasks.models import Models
from chatdesk.tasks.ports import EngineLink, StoreLink
from chatdesk.tasks.replies import notice

NEUTRAL = Sampling(1.0, 1.0, 0, 0.0, 1.0)
"""The model's own distribution: no filter, temperature 1."""

TOP = 10
NEXT_TOP = 30


@dataclass(frozen=True)
class Attention:
    """What the tokens of a text look at. ``maps``: of one layer's heads, float32 ``[tokens, tokens]``."""

    layer: int
    maps: tuple[bytes, ...]
    seen: Attended


Answer: TypeAlias = Callable[[Any], None]
Make: TypeAlias = Callable[[int], Request]


class _Line:
    """Questions of one kind: one is under way, and the newest of those that came since waits."""

    def __init__(self, engine: EngineLink, models: Models) -> None:
        self._engine, self._models = engine, models
        self._request = 0
        self._then: Answer | None = None
        self._next: tuple[Make, Answer] | None = None
        self._events: list[Event] = []

    def ask(self, make: Make, then: Answer) -> None:
        if self._request:
            self._next = (make, then)
            self._engine.cancel(self._request)  # what it would say is no longer wanted
            return
        self._models.wake()
        state = self._models.state
        if state.state in ("none", "failed"):
            then(state.notice or Notice(Fault.NO_MODEL, {}))
            return
        self._request, self._then, self._events = self._engine.next_id(), then, []
        self._engine.send(make(self._request))

    def forget(self) -> None:
        self._next = self._then = None
        if self._request:
            self._engine.cancel(self._request)

    def on_event(self, event: Event) -> None:
        if event.request != self._request:
            return
        self._events.append(event)
        if not isinstance(event, Finished | TokensRead | Attended | Failed):
            return
        events, then, self._request, self._then = self._events, self._then, 0, None
        if self._next is not None:
            (make, wanted), self._next = self._next, None
            self.ask(make, wanted)
        elif then is not None:
            then(_told(events))


def _told(events: Sequence[Event]) -> object:
    """What an answer's events say."""
    last = events[-1]
    match last:
        case Failed():
            return notice(UserError(Fault(last.fault), **last.fields))
        case TokensRead():
            return tuple(
                token for event in events if isinstance(event, SomeRead | TokensRead) for token in event.tokens
            )
        case Attended():
            maps = [event for event in events if isinstance(event, AttentionMap)]
            return Attention(maps[0].layer if maps else 0, tuple(each.values for each in maps), last)
        case _:
            return next((event.top for event in events if isinstance(event, TokenEvent)), ())


class Inspect:
    """Asks the engine for a person who looks. One thread; never blocks. Answers are values, or a `Notice`.

    ``store``: where stored replies are found; not needed for texts alone.
    """

    def __init__(self, engine: EngineLink, models: Models, store: StoreLink | None = None) -> None:
        self._models, self._store = models, store
        self._next_word, self._tokens, self._attention = (_Line(engine, models) for _ in range(3))

    def next_word(
        self, text: str, sampling: Sampling, then: Callable[[tuple[AlternativeToken, ...] | Notice], None]
    ) -> None:
        """The most probable tokens after a text, the best first."""
        wanted = msgspec.structs.replace(sampling, max_new_tokens=1, max_length=None)
        adapter = self._models.adapter
        self._next_word.ask(lambda i: Generate(i, text, wanted, 0, top_logprobs=NEXT_TOP, adapter=adapter), then)

    def tokens(
        self,
        prompt: str | tuple[ChatMessage, ...],
        sampling: Sampling,
        then: Callable[[tuple[TokenReading, ...] | Notice], None],
    ) -> None:
        """The tokens of a text, or of the reply that ends a conversation."""
        adapter, dialogue = self._models.adapter, self._models.dialogue
        self._tokens.ask(lambda i: Read(i, prompt, sampling, TOP, dialogue, adapter), then)

    def reply(
        self,
        message_id: str,
        values: dict[str, Any],
        then: Callable[[tuple[TokenReading, ...] | Notice], None],
    ) -> None:
        """The tokens of a stored reply, as the model expected them behind what came before. ``values``: the settings
        of its conversation.
        """
        path = self._models.state.path
        assert self._store is not None, "there are no stored replies without a store"

        def read(messages: tuple[ChatMessage, ...]) -> None:
            sent = turns.outgoing(messages, values)
            limits = {"max_new_tokens": None, "max_length": None}
            self.tokens(sent.prompt, msgspec.structs.replace(sent.sampling, **limits), then)

        self._store.call(lambda c: turns.prompt(c, message_id, path), read, lambda error: then(notice(error)))

    def attention(self, text: str, layer: int, then: Callable[[Attention | Notice], None]) -> None:
        """What the tokens of a text look at, in one layer and in all together."""
        adapter = self._models.adapter
        self._attention.ask(lambda i: Attend(i, text, layer, adapter), then)

    def forget(self) -> None:
        """Nobody waits for an answer any more."""
        for line in (self._next_word, self._tokens, self._attention):
            line.forget()

    def on_event(self, event: Event) -> None:
        """Take an engine event; those of other requests are ignored."""
        for line in (self._next_word, self._tokens, self._attention):
            line.on_event(event)


@dataclass(frozen=True)
class Chain:
    """The chain rule for a text: ``tokens`` scored, the ``log`` of their joint probability in nats."""

    tokens: int
    log: float

    @property
    def perplexity(self) -> float:
        """As if the model had chosen among so many tokens each time; 1 for nothing."""
        return math.exp(min(-self.log / self.tokens, 700)) if self.tokens else 1.0


def chain(tokens: Sequence[TokenReading]) -> Chain:
    """The sum of the logarithms; a first token that nothing precedes has no probability and is not counted."""
    logs = [token.logprob for token in tokens if token.logprob is not None]
    return Chain(len(logs), math.fsum(logs))


# -- files -------------------------------------------------------------------------------------------------------------


def tokens_as_json(tokens: Sequence[TokenReading]) -> str:
    """All that is known of each token."""
    return json.dumps({"tokens": msgspec.to_builtins(tokens)}, ensure_ascii=False, indent=1) + "\n"


def tokens_as_csv(tokens: Sequence[TokenReading]) -> str:
    """A line for each token, with its alternatives as text and probability."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["position", "id", "text", "rank", "logprob", "sampled_logprob", "entropy", "alternatives"])
    for place, token in enumerate(tokens):
        others = "; ".join(f"{other.text!r} {math.exp(other.logprob):.4g}" for other in token.top)
        figures = (token.logprob, token.sampled_logprob, token.entropy)
        shown = ["" if figure is None else repr(figure) for figure in figures]
        writer.writerow([place, token.id, token.text, token.rank or "", *shown, others])
    return out.getvalue()


def map_as_csv(pieces: Sequence[str], values: Sequence[Sequence[float]]) -> str:
    """A matrix: a line for each token that looks, a column for each token that it looks at."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["", *pieces])
    for piece, row in zip(pieces, values, strict=True):
        writer.writerow([piece, *(f"{value:.7g}" for value in row)])
    return out.getvalue()
