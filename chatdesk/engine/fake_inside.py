"""What the scripted engine says when it is asked to look inside: figures made from the words, the same each time."""

import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from chatdesk.engine.api import (
    MAX_ATTENTION_TOKENS,
    AlternativeToken,
    Attend,
    Attended,
    AttentionMap,
    ChoiceScores,
    Event,
    Progress,
    Read,
    Score,
    Scored,
    TokenReading,
    TokensRead,
)
from chatdesk.errors import Fault, UserError

LAYERS, HEADS = 2, 2
Split = Callable[[str], list[str]]
"""Cuts a text into tokens."""


def answer(
    request: Score | Read | Attend, split: Split, context: int, is_cancelled: Callable[[], bool]
) -> Iterator[Event]:
    """The events of a request. Raises `UserError` as the local engine does."""
    match request:
        case Score():
            yield from _score(request, split, context, is_cancelled)
        case Read():
            _stop(is_cancelled)
            yield _read(request, split, context)
        case Attend():
            _stop(is_cancelled)
            yield from _attend(request, split, context)


def _stop(is_cancelled: Callable[[], bool]) -> None:
    if is_cancelled():
        raise UserError(Fault.CANCELLED)


def _score(request: Score, split: Split, context: int, is_cancelled: Callable[[], bool]) -> Iterator[Event]:
    scores = []
    for done, item in enumerate(request.items, 1):
        _stop(is_cancelled)
        if not item.continuations or not all(item.continuations):
            raise UserError(Fault.BAD_VALUE, name="continuation", value="empty", allowed="at least one character")
        before = len(split(item.prompt))
        if not before:
            raise UserError(Fault.EMPTY_PROMPT)
        sizes = [len(split(each)) for each in item.continuations]
        if before + max(sizes) > context:
            scores.append(ChoiceScores((), (), before + max(sizes)))
        else:
            found = tuple(_logprob(item.prompt, each) * n for each, n in zip(item.continuations, sizes, strict=True))
            scores.append(ChoiceScores(found, tuple(sizes)))
        yield Progress(request.id, done, len(request.items))
    yield Scored(request.id, tuple(scores), context)


def _read(request: Read, split: Split, context: int) -> TokensRead:
    if not 0 <= request.top <= 100:
        raise UserError(Fault.BAD_VALUE, name="top", value=request.top, allowed="from 0 to 100")
    text = request.prompt if isinstance(request.prompt, str) else request.prompt[-1].text if request.prompt else ""
    words = _fitting(text, split, Fault.PROMPT_TOO_LONG, context)
    readings = [TokenReading(_id(words[0]), words[0])]
    for before, word in pairwise(words):
        own = _logprob(before, word)
        others = [word, *(f" other{n}" for n in range(1, request.top))][: request.top]
        top = tuple(AlternativeToken(_id(w), w, own - n, own - n) for n, w in enumerate(others))
        readings.append(TokenReading(_id(word), word, 1, own, own, -own, top))
    return TokensRead(request.id, tuple(readings))


def _attend(request: Attend, split: Split, context: int) -> Iterator[Event]:
    words = _fitting(request.text, split, Fault.ATTENTION_TOO_LONG, min(context, MAX_ATTENTION_TOKENS))
    if not 0 <= request.layer < LAYERS:
        raise UserError(Fault.BAD_VALUE, name="layer", value=request.layer, allowed=f"from 0 to {LAYERS - 1}")
    size = len(words)
    rows = ([1 / n] * n + [0.0] * (size - n) for n in range(1, size + 1))
    even = b"".join(struct.pack(f"<{size}f", *row) for row in rows)
    for head in range(HEADS):
        yield AttentionMap(request.id, request.layer, head, even)
    side = min(size, 48)
    yield Attended(
        request.id, tuple(words), (HEADS,) * LAYERS, side, bytes([128]) * (LAYERS * HEADS * side * side), even, even
    )


def _fitting(text: str, split: Split, fault: Fault, limit: int) -> Sequence[str]:
    words = split(text)
    if not text.strip():
        raise UserError(Fault.EMPTY_PROMPT)
    if len(words) > limit:
        raise UserError(fault, tokens=len(words), limit=limit)
    return words


def _logprob(before: str, word: str) -> float:
    return -0.1 - zlib.crc32(f"{before}|{word}".encode("utf-8", "replace")) % 400 / 100


def _id(word: str) -> int:
    return zlib.crc32(word.encode("utf-8", "replace")) % 50_000
