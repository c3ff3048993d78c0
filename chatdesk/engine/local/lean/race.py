"""Which of two ways is quicker: that depends on the model, its precision and the processor, so both are tried."""

import time
from statistics import median

TRIALS = 8
"""Tokens for which each of the two ways is timed before one is chosen."""

CLEAR = 3, 1.5
"""The same where the new way has taken so much less time at the longest than the other one at the shortest."""


REST_S = 30.0
"""After which a lost race is run again for the first time, then after twice as long and so on."""


class Race:
    """A new way and the one before, in turns until the median times of both are known.

    One that is lost is not lost for good: another program may have held the processor meanwhile.
    """

    def __init__(self) -> None:
        self._seconds: dict[bool, list[float]] = {True: [], False: []}
        self._rest_s, self._rests_until = REST_S, 0.0

    @property
    def is_over(self) -> bool:
        """Whether both were timed often enough."""
        new, old = self._seconds[True], self._seconds[False]
        tried, (few, times) = min(len(new), len(old)), CLEAR
        return tried >= TRIALS or (tried >= few and times * max(new) <= min(old))

    @property
    def is_new(self) -> bool:
        """Whether the next token goes the new way; when it is over, whether that has won."""
        new, old = self._seconds[True], self._seconds[False]
        if self.is_over:
            return not TRIALS or median(new) <= median(old)
        return len(new) <= len(old)

    @property
    def has_won(self) -> bool:
        """Whether it is over and the new way has won."""
        return self.is_over and self.is_new

    def may_run(self) -> bool:
        """Whether the new way is to be tried or used: not while a lost race rests. After that it begins anew."""
        if time.monotonic() < self._rests_until:
            return False
        if self.is_over and not self.has_won:
            self._seconds = {True: [], False: []}
        return True

    def took(self, is_new: bool, seconds: float) -> None:
        """A token was made in this time."""
        self._seconds[is_new].append(seconds)

    def rest(self) -> None:
        """It is lost, or cannot be run; that several texts find it out changes nothing."""
        if time.monotonic() >= self._rests_until:
            self._rests_until = time.monotonic() + self._rest_s
            self._rest_s *= 2
