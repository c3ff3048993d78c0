"""One row of scores, and the few passes over all of it that choosing a token takes.

They are compiled functions, `passes`, once those are there; numpy's until then, and on machines that cannot have
them. Both look at a row part by part: what a part has at most says whether a later pass has to look into it.
"""

import math
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from chatdesk.engine.local.lean.compiler import COMPILER

Numbers = NDArray[np.float32]
Places = NDArray[np.intp]
Sums = NDArray[np.float64]

PART = 64
"""Numbers that are looked at together."""

_HAIR = 1e-5  # of what a bound is added from: it is lowered by so much, and kept to exactly among what is found


class Passes(Protocol):
    """What `passes` says of each; a NaN in ``row`` is found by the first, and the others are not asked then."""

    def survey(self, row: Numbers, peaks: Numbers) -> float:
        """Write the greatest number of each part; the least of all, NaN where one is none."""

    def masses(self, row: Numbers, most: float, factor: float, cut: float, sums: Sums) -> None:
        """Write the sum of exp((number - most) * factor) of each part, of those numbers that are not below ``cut``."""

    def places(self, row: Numbers, peaks: Numbers, cut: float, found: Places) -> int:
        """Write the places of numbers not below ``cut``, rising, as far as there is room; how many."""

    def bins(
        self, row: Numbers, most: float, factor: float, width: float, which: NDArray[np.int16], sums: Sums
    ) -> None:
        """Write each number's bin, and the sum of exp((number - most) * factor) of each of them.

        The bins are of equal width from ``most`` down to ``width`` below it; all that is deeper is in the last one.
        """


class Plain:
    """By numpy; see `Passes`."""

    def survey(self, row: Numbers, peaks: Numbers) -> float:
        """See `Passes`."""
        _by_part(np.maximum, row, peaks)
        return float(row.min())

    def masses(self, row: Numbers, most: float, factor: float, cut: float, sums: Sums) -> None:
        """See `Passes`."""
        weights = _exp(row, most, factor)
        if cut > -math.inf:
            weights[row < np.float32(cut)] = 0
        _by_part(np.add, weights, sums)

    def places(self, row: Numbers, peaks: Numbers, cut: float, found: Places) -> int:
        """See `Passes`."""
        del peaks
        places = np.flatnonzero(row >= np.float32(cut))[: len(found)]
        found[: len(places)] = places
        return len(places)

    def bins(
        self, row: Numbers, most: float, factor: float, width: float, which: NDArray[np.int16], sums: Sums
    ) -> None:
        """See `Passes`."""
        depth = np.minimum((np.float32(most) - row) * np.float32(factor), np.float32(width))
        which[:] = depth * np.float32((len(sums) - 1) / width if width else 0)
        sums[:] = np.bincount(which, weights=_exp(row, most, factor), minlength=len(sums))


_PLAIN = Plain()


def _by_part(reduce: np.ufunc, row: Numbers, found: Any) -> None:
    even = len(row) // PART
    found[:even] = reduce.reduce(row[: even * PART].reshape(even, PART), axis=1)
    if even < len(found):
        found[even] = reduce.reduce(row[even * PART :])


def _exp(row: Numbers, most: float, factor: float) -> Numbers:
    shifted = row - np.float32(most)
    shifted *= np.float32(factor)
    np.exp(shifted, out=shifted)
    return shifted


@dataclass(eq=False)
class Row:
    """Scores ``[vocabulary]``: (number - most) / temperature, so that the greatest is 0.

    ``peaks``: the greatest number of each part. ``least``, ``most``: of all; both NaN where one is none.
    """

    numbers: Numbers
    peaks: Numbers
    least: float
    most: float
    passes: Passes = field(repr=False)
    temperature: float = 1.0

    @staticmethod
    def of(numbers: Numbers) -> "Row":
        """Of float32 numbers that lie one after the other."""
        passes: Passes = COMPILER.passes or _PLAIN
        peaks = np.empty(-(-len(numbers) // PART), np.float32)
        least = passes.survey(numbers, peaks)
        return Row(numbers, peaks, least, least if math.isnan(least) else float(peaks.max()), passes)

    def at(self, temperature: float) -> "Row":
        """The same at another temperature."""
        return self if temperature == self.temperature else replace(self, temperature=temperature)

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, places: Any) -> Any:
        """The scores there."""
        return (self.numbers[places] - np.float32(self.most)) / np.float32(self.temperature)

    @cached_property
    def masses(self) -> Sums:
        """For each part, the sum of exp of its scores."""
        return self.masses_from(-math.inf)

    def masses_from(self, least: float) -> Sums:
        """For each part, the sum of exp of its scores that are at least so great."""
        sums = np.empty(len(self.peaks), np.float64)
        self.passes.masses(self.numbers, self.most, 1 / self.temperature, self._cut(least), sums)
        return sums

    @property
    def log_sum(self) -> float:
        """Logarithm of the sum of exp of all numbers, whatever the temperature of the scores."""
        return self.most + math.log(float(self.at(1.0).masses.sum()))

    @property
    def first_best(self) -> int:
        """The first place of the greatest score."""
        part = int(self.peaks.argmax()) * PART
        return part + int(self.numbers[part : part + PART].argmax())

    def best(self, count: int) -> Places:
        """At least the ``count`` greatest places, all of a rank or none: falling, and rising among equals."""
        if count >= len(self):
            return self._exactly(-math.inf, self._near(-math.inf, len(self)))
        # of more parts than these, so many have a number as great as this
        among = self.peaks if count <= len(self.peaks) else self.numbers
        cut = np.partition(among, -count)[-count]
        least = float((cut - np.float32(self.most)) / np.float32(self.temperature))
        return self._exactly(least, self._near(least, len(self)))

    def above(self, least: float, room: int) -> Places | None:
        """The places of all scores that are at least so great, as `best` has them; None where that are many.

        ``room``: how many are not many.
        """
        near = self._near(least, room + 1)
        return self._exactly(least, near) if len(near) <= room else None

    def bins(self, count: int, width: float) -> tuple[NDArray[np.int16], Sums]:
        """The bin of each score, by its depth down to ``width``, and the sum of exp of the scores of each bin."""
        width = min(width, (self.most - self.least) / self.temperature)
        which, sums = np.empty(len(self), np.int16), np.zeros(count, np.float64)
        self.passes.bins(self.numbers, self.most, 1 / self.temperature, width, which, sums)
        return which, sums

    def in_order(self, places: Places) -> Places:
        """The greatest score first, and of equal ones the first place."""
        return places[np.argsort(-self[places], kind="stable")]

    def _near(self, least: float, room: int) -> Places:
        """The first ``room`` places of scores that are at least so great, or less so by no more than rounding."""
        found = np.empty(room, np.intp)
        cut = self._cut(least)
        if least > -math.inf:
            cut -= _HAIR * (abs(self.most) + abs(least * self.temperature))
        return found[: self.passes.places(self.numbers, self.peaks, cut, found)]

    def _exactly(self, least: float, near: Places) -> Places:
        return self.in_order(near[self[near] >= np.float32(least)])

    def _cut(self, least: float) -> float:
        """A score's number, but for rounding."""
        return self.most + least * self.temperature
