"""Which tokens a step sees: a pure function of (recipe, text), so that a resumed run goes on as if never stopped.

A stage's whole plan is laid down before its first step: for each row of each batch a source, drawn by weight, and a
window of it. Within a source the windows are shuffled and each is used once before any is used again.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

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

    A window is ``sequence + 1`` tokens. In prose windows lie end to end; in dialogues each begins with a dialogue, so
    that the model learns to open one.
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


def held_out_batches(stage: Stage, source: TokenArrays, windows: int) -> list[Batch]:
    """The first ``windows`` windows of a source, one a batch."""
    starts = window_starts(source, stage.sequence)[:windows]
    return [_stack([window(source, int(start), stage)]) for start in starts]


def window_starts(source: TokenArrays, sequence: int) -> Array:
    """First tokens of all windows, shape (windows,). A source shorter than a window has one, filled up when read."""
    starts = np.arange(0, max(1, len(source) - 1), sequence)
    if source.is_dialogue:
        starts = np.unique(source.starts[np.searchsorted(source.starts, starts, side="right") - 1])
    return starts


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
