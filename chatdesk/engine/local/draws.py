"""One token from one row of scores on the CPU, with a few passes over the vocabulary and no sort of it.

As `sampling.candidates` and `sampling.draw` have it: the same filters, the same order in which a number in [0, 1) goes
through the probabilities. Not by torch: it wakes its threads for each short pass, and a step of a small model is no
longer than a few such waits.

Whatever the filters keep is all that stands before an edge, the greatest scores first and among equals the first
token. So a token is told from the others by its score alone, and of many candidates only two places are ever sorted:
where the edge lies and where the number falls.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from chatdesk.engine.local.lean.rows import PART, Row, Sums

FIRST_LOOK = 128
"""The best tokens that are looked at one by one, and the only ones when the filters keep none but them."""

_SORTED = 4096  # min-p may leave so many to be looked at one by one
_BINS, _WIDEST = 1024, 30.0  # bins of scores; how far below the greatest score the last one begins


@dataclass(frozen=True)
class Drawn:
    """A token and what the filters keep: all scores above ``edge``, and those equal to it up to the token ``last``.

    ``log_mass``: logarithm of the sum of exp(score) of what is kept.
    """

    id: int
    edge: float
    last: int
    log_mass: float

    def logprob(self, row: Row, token: int) -> float:
        """A token's logarithm of its probability after the filters; -inf if they remove it."""
        score = float(row[token])
        is_kept = score > self.edge or (score == self.edge and token <= self.last)
        return score - self.log_mass if is_kept else -math.inf


def best(row: Row) -> Drawn:
    """The first of the greatest scores, as if nothing else were kept."""
    first = row.first_best
    return Drawn(first, 0.0, first, 0.0)


def draw(row: Row, number: float, top_k: int, top_p: float, min_p: float) -> Drawn:
    """What a number in [0, 1) draws from the scores, as the filters want it.

    ``top_k`` 0, ``top_p`` 1 and ``min_p`` 0 filter nothing.
    """
    is_top_k = 0 < top_k < len(row)
    if not (is_top_k or top_p < 1 or min_p > 0):
        return _from_all(row, number)
    least = _logarithm(min_p)
    if min_p > 0 and not is_top_k:  # what it keeps, and nothing else matters
        above = row.above(least, _SORTED)
        if above is None:
            return _from_many(row, number, top_p, min_p)
        ids, is_all = above, True
    else:
        ids = row.best(max(FIRST_LOOK, top_k) if is_top_k else FIRST_LOOK)
        is_all = is_top_k or len(ids) == len(row)
    values = row[ids]
    if is_top_k:
        ids = ids[: np.searchsorted(-values, -values[top_k - 1], side="right")]  # ties with the k-th stay
        values = values[: len(ids)]
    weights = np.exp(values.astype(np.float64))
    ends = weights.cumsum()
    kept = len(ids)
    if top_p < 1:
        total = float(ends[-1] if is_top_k else row.masses.sum())
        kept = int(np.searchsorted(ends - weights, top_p * total))
    if min_p > 0:
        kept = min(kept, int(np.count_nonzero(values >= np.float32(least))))
    kept = max(1, kept)
    if kept == len(ids) and not is_all:
        return _from_many(row, number, top_p, min_p)
    place = _place(ends[:kept], number * ends[kept - 1])
    return Drawn(int(ids[place]), float(values[kept - 1]), int(ids[kept - 1]), math.log(ends[kept - 1]))


def _from_all(row: Row, number: float) -> Drawn:
    """In the order of the vocabulary: first a part of it, then a token inside."""
    sums = row.masses
    ends = sums.cumsum()
    point = number * ends[-1]
    part = _place(ends, point)
    inside = np.exp(row[part * PART : (part + 1) * PART]).cumsum(dtype=np.float64)
    token = part * PART + _place(inside, point - (ends[part] - sums[part]))
    return Drawn(token, -math.inf, len(row), math.log(ends[-1]))


def _from_many(row: Row, number: float, top_p: float, min_p: float) -> Drawn:
    """Where top-p or min-p keeps more than was looked at: the masses of bins of scores say where to look."""
    bins = _Bins(row)
    edge, last, mass = -math.inf, len(row), bins.total
    if top_p < 1:
        last, mass = bins.at(top_p * bins.total, "left")
        edge = float(row[last])
    least = _logarithm(min_p)
    if edge < least:
        edge, last = least, len(row)
        mass = float(row.masses_from(least).sum())
    token, _ = bins.at(number * mass, "right")
    return Drawn(token, edge, last, math.log(mass))


class _Bins:
    """Tokens by bins of equal width of their scores, the greatest first."""

    def __init__(self, row: Row) -> None:
        self._row = row
        self._bin, self._masses = row.bins(_BINS, _WIDEST)
        self._ends = self._masses.cumsum()
        self.total = float(self._ends[-1])

    def at(self, point: float, side: Any) -> tuple[int, float]:
        """The token where the masses reach a point, and the mass up to its end."""
        which = _place(self._ends, point, side)
        found = self._row.in_order(np.flatnonzero(self._bin == which))
        before = self._ends[which] - self._masses[which]
        ends = np.exp(self._row[found]).cumsum(dtype=np.float64)
        place = _place(ends, point - before, side)
        return int(found[place]), float(before + ends[place])


def _logarithm(min_p: float) -> float:
    """As exact as the scores are, that none is on one side here and on the other there."""
    return float(np.float32(math.log(min_p))) if min_p > 0 else -math.inf


def _place(ends: Sums, point: float, side: Any = "right") -> int:
    """Where growing sums pass a point; never behind the last one that grows."""
    return int(min(np.searchsorted(ends, point, side=side), np.searchsorted(ends, ends[-1])))
