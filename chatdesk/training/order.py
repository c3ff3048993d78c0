"""Which tokens a step sees: a pure function of (recipe, text), so that a resumed run goes on as if never stopped.

A stage's whole plan is laid down before its first step: for each row of each batch a source, drawn by weight, and a
window of it. Within a source the windows are shuffled and each is used once before any is used again.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np

from chatdesk.errors import Fault, UserError
from chatdesk.training.corpus import Array, TokenArrays
from chatdesk.training.recipe import Stage


class Batch(NamedTuple):
    """``inputs``, ``targets``, ``positions``: int64; ``counted``: bool. All of shape (batch, sequence)."""

    inputs: Array
    targets: Array
    positions: Array
    counted: Array


class Order:
    """The batches of one stage.

    A window is ``sequence + 1`` tokens. In prose windows lie end to end. In dialogues each begins with a dialogue, so
    that the model learns to open one: with the first that is not whole in the window before. Only of a dialogue that
    is longer than a window the rest follows in further ones.
    """

    def __init__(self, stage: Stage, sources: Sequence[TokenArrays], seed: int) -> None:
        self._stage = stage
        self._sources = sources
        rows = stage.step_count * stage.batch
        draw = np.random.Generator(np.random.Philox(seed))
        weights = np.array([source.weight for source in stage.sources])
        self._choice = draw.choice(len(sources), size=rows, p=weights / weights.sum())
        self._start = np.zeros(rows, np.int64)
        for index, source in enumerate(sources):
            mine = self._choice == index
            self._start[mine] = _shuffled(window_starts(source, stage.sequence), int(mine.sum()), draw)

    def batch(self, step: int) -> Batch:
        """The rows of step ``step``, counted from 0."""
        rows = range(step * self._stage.batch, (step + 1) * self._stage.batch)
        return _stack([self._row(row) for row in rows])

    def _row(self, row: int) -> Batch:
        return window(self._sources[self._choice[row]], int(self._start[row]), self._stage)


def require_replies(stage: Stage, sources: Sequence[TokenArrays]) -> None:
    """Raises ``NO_REPLIES`` where a stage learns replies alone, and one of all its sources (in order) holds none."""
    for named, source in zip((*stage.sources, *stage.held_out), sources, strict=True):
        if stage.loss == "replies" and not source.replies.any():
            raise UserError(Fault.NO_REPLIES, path=named.file, stage=stage.name)


def held_out_batches(stage: Stage, source: TokenArrays, windows: int) -> list[Batch]:
    """The first ``windows`` windows of a source in which a token counts, one a batch."""
    rows = (window(source, int(start), stage) for start in window_starts(source, stage.sequence))
    return [_stack([row]) for row in islice((row for row in rows if row.counted.any()), windows)]


def window_starts(source: TokenArrays, sequence: int) -> Array:
    """First tokens of all windows, shape (windows,). A source shorter than a window has one, filled up when read."""
    if source.is_dialogue:
        return np.fromiter(_dialogue_windows(source.starts.tolist(), len(source), sequence), np.int64)
    return np.arange(0, max(1, len(source) - 1), sequence)


def _dialogue_windows(begins: list[int], total: int, sequence: int) -> Iterator[int]:
    start = 0
    yield start
    while (end := start + sequence) < total - 1:  # the window's last token
        begin = begins[bisect_right(begins, end + 1) - 1]
        start = begin if begin > start else end
        yield start


def window(source: TokenArrays, start: int, stage: Stage) -> Batch:
    """One row (arrays of shape (sequence,)). What a short source lacks is filled with token 0 that never counts."""
    length = stage.sequence + 1
    tokens = np.zeros(length, np.int64)
    counted = np.zeros(length, np.bool_)
    piece = source.tokens[start : start + length]
    tokens[: len(piece)] = piece
    counted[: len(piece)] = 1 if stage.loss == "everything" else source.replies[start : start + length]
    positions = np.arange(length)
    if stage.isolate:
        first, last = np.searchsorted(source.starts, [start, start + length])
        breaks = source.starts[first:last] - start
        counted[breaks] = False  # a document's first token cannot be told from the one before
        own_start = np.zeros(length, np.int64)
        own_start[breaks] = breaks
        positions -= np.maximum.accumulate(own_start)
    return Batch(tokens[:-1], tokens[1:], positions[:-1], counted[1:])


def _stack(rows: Sequence[Batch]) -> Batch:
    return Batch(*(np.stack(column) for column in zip(*rows, strict=True)))


def _shuffled(starts: Array, count: int, draw: np.random.Generator) -> Array:
    """``count`` windows: every one once in a random order, then again in another, and so on."""
    rounds = -(-count // len(starts))
    passes = [draw.permutation(starts) for _ in range(rounds)]
    return np.concatenate(passes)[:count] if passes else starts[:0]
