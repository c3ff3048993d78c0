"""One token from one row of scores on the CPU, with a few passes over the vocabulary and no sort of it.

As `sampling.candidates` and `sampling.draw` have it: the same filters, the same order in which a number in [0, 1) goes
through the probabilities. numpy, because the passes are short: torch wakes its threads for each of them, and a step
of a small model is no longer than a few such waits.

Whatever the filters keep is all that stands before an edge, the greatest scores first and among equals the first
token. So a token is told from the others by its score alone, and of many candidates only two places are ever sorted:
where the edge lies and where the number falls.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float32]

FIRST_LOOK = 128
"""The best tokens that are looked at one by one, and the only ones when the filters keep none but them."""

_PART = 64
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

    def logprob(self, scores: Numbers, token: int) -> float:
        """A token's logarithm of its probability after the filters; -inf if they remove it."""
        score = float(scores[token])
        is_kept = score > self.edge or (score == self.edge and token <= self.last)
        return score - self.log_mass if is_kept else -math.inf


def log_sum(row: Numbers, most: float) -> float:
    """Logarithm of the sum of exp of some numbers; ``most``: the greatest of them, finite."""
    return most + math.log(float(_exp(row, most).sum()))


def best(row: Numbers, count: int) -> NDArray[np.intp]:
    """At least the ``count`` greatest places of a row, all of a rank or none: falling, and rising among equals."""
    parts = len(row) // _PART
    if count >= len(row):
        least = -math.inf
    elif count >= parts:
        least = float(np.partition(row, -count)[-count])
    else:  # so many parts have a number as great as this
        greatest = row[: parts * _PART].reshape(_PART, parts).max(axis=0)
        least = float(np.partition(greatest, -count)[-count])
    return _in_order(row, np.flatnonzero(row >= least))


def draw(scores: Numbers, number: float, top_k: int, top_p: float, min_p: float) -> Drawn:
    """What a number in [0, 1) draws from scores ``[vocabulary]`` of which the greatest is 0, as the filters want it.

    ``top_k`` 0, ``top_p`` 1 and ``min_p`` 0 filter nothing.
    """
    is_top_k = 0 < top_k < len(scores)
    if not (is_top_k or top_p < 1 or min_p > 0):
        return _from_all(scores, number)
    least = _logarithm(min_p)
    if min_p > 0 and not is_top_k:
        ids = np.flatnonzero(scores >= np.float32(least))  # what it keeps, and nothing else matters
        is_all = len(ids) <= _SORTED
        ids = _in_order(scores, ids[:_SORTED])
    else:
        ids = best(scores, max(FIRST_LOOK, top_k) if is_top_k else FIRST_LOOK)
        is_all = is_top_k or len(ids) == len(scores)
    values = scores[ids]
    if is_top_k:
        ids = ids[: np.searchsorted(-values, -values[top_k - 1], side="right")]  # ties with the k-th stay
        values = values[: len(ids)]
    weights = np.exp(values.astype(np.float64))
    ends = weights.cumsum()
    kept = len(ids)
    if top_p < 1 and (is_all or min_p == 0):
        total = float(ends[-1]) if is_top_k else float(_exp(scores, 0.0).sum())
        kept = int(np.searchsorted(ends - weights, top_p * total))
    if min_p > 0:
        kept = min(kept, int(np.count_nonzero(values >= np.float32(least))))
    kept = max(1, kept)
    if kept == len(ids) and not is_all:
        return _from_many(scores, number, top_p, min_p)
    place = _place(ends[:kept], number * ends[kept - 1])
    return Drawn(int(ids[place]), float(values[kept - 1]), int(ids[kept - 1]), math.log(ends[kept - 1]))


def _from_all(scores: Numbers, number: float) -> Drawn:
    """In the order of the vocabulary: first a part of it, then a token inside."""
    weights = _exp(scores, 0.0)
    sums = np.add.reduceat(weights, np.arange(0, len(weights), _PART), dtype=np.float64)
    ends = sums.cumsum()
    point = number * ends[-1]
    part = _place(ends, point)
    inside = weights[part * _PART : (part + 1) * _PART].cumsum(dtype=np.float64)
    token = part * _PART + _place(inside, point - (ends[part] - sums[part]))
    return Drawn(token, -math.inf, len(scores), math.log(ends[-1]))


def _from_many(scores: Numbers, number: float, top_p: float, min_p: float) -> Drawn:
    """Where top-p or min-p keeps more than was looked at: the masses of bins of scores say where to look."""
    bins = _Bins(scores)
    edge, last, mass = -math.inf, len(scores), bins.total
    if top_p < 1:
        last, mass = bins.at(top_p * bins.total, "left")
        edge = float(scores[last])
    least = _logarithm(min_p)
    if edge < least:
        edge, last = least, len(scores)
        mass = float(bins.weights[scores >= np.float32(least)].sum(dtype=np.float64))
    token, _ = bins.at(number * mass, "right")
    return Drawn(token, edge, last, math.log(mass))


class _Bins:
    """Tokens by bins of equal width of their scores, the greatest first."""

    def __init__(self, scores: Numbers) -> None:
        self._scores = scores
        self.weights = _exp(scores, 0.0)
        width = np.float32(min(_WIDEST, -float(scores.min())))
        depth = np.minimum(-scores, width)
        self._bin = (depth * np.float32((_BINS - 1) / width if width else 0)).astype(np.intp)
        self._masses = np.bincount(self._bin, weights=self.weights)
        self._ends = self._masses.cumsum()
        self.total = float(self._ends[-1])

    def at(self, point: float, side: Any) -> tuple[int, float]:
        """The token where the masses reach a point, and the mass up to its end."""
        which = _place(self._ends, point, side)
        found = _in_order(self._scores, np.flatnonzero(self._bin == which))
        before = self._ends[which] - self._masses[which]
        ends = self.weights[found].cumsum(dtype=np.float64)
        place = _place(ends, point - before, side)
        return int(found[place]), float(before + ends[place])


def _in_order(row: Numbers, places: NDArray[np.intp]) -> NDArray[np.intp]:
    return places[np.argsort(-row[places], kind="stable")]


def _logarithm(min_p: float) -> float:
    """As exact as the scores are, that none is on one side here and on the other there."""
    return float(np.float32(math.log(min_p))) if min_p > 0 else -math.inf


def _exp(row: Numbers, most: float) -> Numbers:
    shifted = row - np.float32(most)
    np.exp(shifted, out=shifted)
    return shifted


def _place(ends: NDArray[np.float64], point: float, side: Any = "right") -> int:
    """Where growing sums pass a point; never behind the last one that grows."""
    return int(min(np.searchsorted(ends, point, side=side), np.searchsorted(ends, ends[-1])))
