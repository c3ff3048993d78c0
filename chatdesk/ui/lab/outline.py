"""What can be seen of a long line that grows: few points, and none of its peaks lost."""

from collections.abc import Sequence
from operator import itemgetter

Points = Sequence[tuple[int, float]]
_STRETCHES = 120
_value = itemgetter(1)


class Outline:
    """Of each stretch of equally many points the lowest and the highest, and the newest point."""

    def __init__(self) -> None:
        self._of: Points = ()
        self._stride, self._seen = 1, 0
        self._kept: list[tuple[int, float]] = []
        self._last: Points = []  # of those that were seen

    def follow(self, points: Points) -> Points:
        """The outline of ``points``, at most 243. Quick where points were added to those of the last call."""
        if points is not self._of or points[self._seen - 1 : self._seen] != self._last:
            self._of, self._stride = points, 1
            self._forget()
        while len(points) > self._stride * _STRETCHES:
            self._stride *= 2
            self._forget()
        for begin in range(self._seen, len(points) - self._stride + 1, self._stride):
            stretch = points[begin : begin + self._stride]
            self._kept += _extremes(stretch)
            self._seen = begin + self._stride
            self._last = stretch[-1:]
        return [*self._kept, *_extremes(points[self._seen :]), *points[-1:]]

    def _forget(self) -> None:
        self._seen, self._kept, self._last = 0, [], []


def _extremes(stretch: Points) -> Points:
    return sorted({min(stretch, key=_value), max(stretch, key=_value)}) if stretch else []
