"""Decoding ahead: several tokens are guessed and read in one pass, and those that are chosen are kept.

Every token is drawn from the model's own distribution, with the number that would have been drawn for it anyway; a
guess is only compared with it. So a reply is the same with and without guesses, and its distribution is exact.

Reading several tokens takes longer than one, and how much longer depends on the machine. `Pace` measures both, and
stops guessing for a while where it does not pay.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import torch

from chatdesk.engine.local.brake import Stopped
from chatdesk.engine.local.branches import PrefixCache
from chatdesk.engine.local.cache import Batch
from chatdesk.engine.local.decoding import ChunkSize, Step, prefill
from chatdesk.engine.local.loading import Checkpoint
from chatdesk.engine.local.runner import Runner
from chatdesk.engine.local.sampling import Choice
from chatdesk.engine.local.tokens import Tokens

_GRAM = 3
"""Tokens that have to stand before a place for what follows it to be guessed."""

_FOLLOWED = 6  # tokens after which a place is thought to be what is being repeated
_LOOKED_AT = 64  # last tokens of a text that it is followed by from the beginning
_LEFT_OUT = 8  # tokens behind which a text is looked for that has left its place

_BEFORE_GUESSES = 4  # single steps that are timed first
_NEW_WEIGHT = 0.4
_HOPE = 3.0  # tokens a guess is thought to bring before it is known
_FIRST_PAUSE, _LONGEST_PAUSE = 16, 512


class Guesser(Protocol):
    """Guesses how a text goes on."""

    def guess(self, text: Sequence[int], most: int) -> list[int]:
        """At most so many tokens, the likeliest first to last; none where it has no idea."""


class Lookup:
    """Guesses that a text goes on as it did before, at the last place where its last tokens stood.

    Where it leaves a place that it has followed for a while, a word may have been changed or left out, as when a text
    is corrected: it is thought to come back behind that. Only while it did so the last time, for else each such guess
    is in vain.
    """

    def __init__(self) -> None:
        self._places: dict[tuple[int, ...], int] = {}  # what follows a gram: the last such place but the end
        self._known = 0
        self._place: int | None = None  # what the next token is thought to be
        self._followed = 0  # tokens that were as they stood there
        self._has_left, self._comes_back = False, True

    def guess(self, text: Sequence[int], most: int) -> list[int]:
        """See `Guesser`. A text may only grow."""
        for end in range(self._known, len(text)):
            if end >= len(text) - _LOOKED_AT:
                self._follow(text, end)
            if end >= _GRAM:
                self._places[tuple(text[end - _GRAM : end])] = end
        self._known = len(text)
        is_lost = self._place is None or (self._has_left and not self._comes_back)
        return [] if self._place is None or is_lost else list(text[self._place : self._place + most])

    def _follow(self, text: Sequence[int], end: int) -> None:
        """Take note of one more token."""
        if self._place is not None and text[self._place] == text[end]:
            self._comes_back = self._comes_back or self._has_left
            self._place, self._followed, self._has_left = self._place + 1, self._followed + 1, False
            return
        before = self._places.get(tuple(text[end + 1 - _GRAM : end + 1]))
        if before is not None:
            self._place, self._followed, self._has_left = before, 0, False
        elif self._place is not None:
            self._leave(text, end, self._place)

    def _leave(self, text: Sequence[int], end: int, place: int) -> None:
        """A token that is neither what stood at the place nor known from elsewhere."""
        self._comes_back = self._comes_back and not self._has_left
        if self._has_left or self._followed < _FOLLOWED:
            self._place = None
            return
        left_out = range(place + 1, min(place + _LEFT_OUT, end))
        self._place = next((there for there in left_out if text[there] == text[end]), place) + 1
        self._has_left = True


class DraftModel:
    """A small model of the same vocabulary, which says what it thinks likeliest. It keeps what it has read."""

    def __init__(self, checkpoint: Checkpoint, vocabulary: int) -> None:
        """``vocabulary``: ids below it are the large model's, too."""
        self._vocabulary = vocabulary
        self.runner = Runner(checkpoint.model)
        self._cache = PrefixCache(self.runner, 0, lambda: 0)
        self._chunk = ChunkSize(checkpoint.info.device, checkpoint.info.parameters, self.runner.brake.looks)
        self._context = checkpoint.info.context_length
        self._rows = checkpoint.vocabulary

    def guess(self, text: Sequence[int], most: int) -> list[int]:
        """See `Guesser`. Raises `Stopped` where the reply is stopped meanwhile."""
        if most < 1 or len(text) + most > self._context or max(text) >= self._rows:
            return []  # it has no vector for a token that the large model alone knows
        batch, found = self._cache.take(text), list[int]()
        logits = self._read(batch, text)
        while True:
            found.append(int(logits[-1, : self._vocabulary].argmax()))
            if len(found) == most:
                return found
            logits = batch.step(found[-1:])

    def forget(self) -> None:
        """Free what was read."""
        self._cache.forget()

    def _read(self, batch: Batch, text: Sequence[int]) -> torch.Tensor:
        rest = text[batch.length :]
        if len(rest) == 1:
            return batch.step(rest)
        if batch.can_part and len(rest) <= batch.most_at_once:
            return batch.read(rest)
        for item in prefill(batch, text, self._chunk, self.runner.brake.should_stop):
            if isinstance(item, torch.Tensor):
                return item
        raise Stopped


def is_same_vocabulary(one: Tokens, other: Tokens) -> bool:
    """Whether the tokens of the smaller vocabulary all have the same ids in the larger one."""
    smaller, larger = sorted((one.backend.get_vocab(), other.backend.get_vocab()), key=len)
    return smaller.items() <= larger.items()


class Guesses:
    """Looks into the text first; where it gives no hint, asks the draft model, if there is one."""

    def __init__(self, draft: DraftModel | None) -> None:
        self._lookup, self._draft = Lookup(), draft

    def guess(self, text: Sequence[int], most: int) -> list[int]:
        """See `Guesser`."""
        return self._lookup.guess(text, most) or (self._draft.guess(text, most) if self._draft else [])


class Pace:
    """Whether guesses pay on this machine: what a single step takes, what a reading of guesses takes and brings."""

    def __init__(self) -> None:
        self._single_s = self._reading_s = 0.0
        self._singles = 0
        self.begin()

    def begin(self) -> None:
        """Another text begins: how good guesses are is open again."""
        self._brings = _HOPE
        self._pause, self._next_pause = 0, _FIRST_PAUSE

    @property
    def may_guess(self) -> bool:
        """Whether to guess for the next tokens."""
        return self._singles >= _BEFORE_GUESSES and self._pause <= 0

    def single(self, seconds: float) -> None:
        """A single token took so long."""
        self._single_s = _mixed(self._single_s, seconds)
        self._singles += 1
        self._pause -= 1

    def reading(self, seconds: float, tokens: int, is_usual: bool = True) -> None:
        """Reading guesses took so long, which says something where ``is_usual``, and brought so many tokens."""
        if is_usual:
            self._reading_s = _mixed(self._reading_s, seconds)
        self._brings = _mixed(self._brings, tokens)
        if self._brings * self._single_s >= self._reading_s:
            self._next_pause = _FIRST_PAUSE
        else:
            self._pause = self._next_pause
            self._next_pause = min(2 * self._next_pause, _LONGEST_PAUSE)


def _mixed(old: float, new: float) -> float:
    return new if not old else old + _NEW_WEIGHT * (new - old)


def decode_ahead(
    batch: Batch,
    logits: torch.Tensor,
    choose: Callable[[torch.Tensor, Sequence[int]], Sequence[Choice]],
    guesser: Guesser,
    pace: Pace,
    most: int,
) -> Iterator[Step]:
    """As `decoding.decode`, of a batch of one row that can be trimmed. Nothing is read behind the last token."""
    pace.begin()
    end = batch.length + most
    chosen = choose(logits, [0])
    while True:
        step = Step([0], chosen)
        yield step
        if step.ended:
            return
        began, is_usual = time.perf_counter(), batch.reads_as_ever
        fed = [chosen[0].id]
        room = min(batch.most_at_once, end - batch.length - 1) if pace.may_guess else 1
        try:
            fed += guesser.guess([*batch.rows[0], *fed], room - 1) if room > 1 else []
            logits = batch.step(fed) if len(fed) == 1 else batch.read(fed)
        except Stopped:
            return
        chosen = choose(logits[:1], [0])
        seconds = time.perf_counter() - began
        if len(fed) == 1:
            pace.single(seconds)
            continue
        kept = batch.length - len(fed) + 1
        for row, guess in enumerate(fed[1:], 1):
            if chosen[0].id != guess:
                break
            step = Step([0], chosen)
            yield step
            if step.ended:
                return
            chosen = choose(logits[row : row + 1], [0])
            kept += 1
        pace.reading(seconds, kept - batch.length + len(fed), is_usual)
        batch.trim(kept)
