"""Ids of texts that were met before, for a prompt says most of what the one before it said.

To cut two thousand tokens takes a tenth of the time in which a GPU reads the few that are new. So short texts, what
stands between the replies of a chat, are kept whole. Of a long one that goes on with another, or leaves it somewhere,
only the end is cut: from a bit before the place where they part.

What a tokenizer makes of a place depends on what is near. That is not taken for granted: the kept text's own end is cut
from there, too, and has to become what it was in the whole. Unigram models choose the likeliest pieces of a whole text,
and of equally likely ones by how their sums are rounded: their long texts are cut anew.
"""

from collections.abc import Callable
from functools import lru_cache

from chatdesk.engine.local.branches import common_prefix

_SHORT, _SHORT_TEXTS = 2048, 256  # letters of a short text, and how many are kept
_LONG_LETTERS = 1_000_000  # of all long ones that are kept: about ten bytes a letter

_BEFORE = 256  # letters before the place where two texts part
_ALIKE = 32  # tokens that have to be the same in both and in the whole


class Recall:
    """Encodes texts by ``encode``, parts of long ones where it ``is_local``. Its lists are not to be changed."""

    def __init__(self, encode: Callable[[str], list[int]], is_local: bool = True) -> None:
        self._encode, self._is_local = encode, is_local
        self._short = lru_cache(_SHORT_TEXTS)(encode)
        self._long: dict[str, list[int]] = {}  # what was used last stands last

    def encode(self, text: str) -> list[int]:
        """Ids of a text, as the tokenizer has them."""
        if len(text) <= _SHORT:
            return self._short(text)
        ids = self._long.pop(text, None) or self._gone_on(text) or self._encode(text)
        self._long[text] = ids
        while sum(map(len, self._long)) > _LONG_LETTERS:
            del self._long[next(iter(self._long))]
        return ids

    def _gone_on(self, text: str) -> list[int]:
        """The ids of a text that has much in common with one that is kept; none where that is not so."""
        alike = (each for each in self._long if self._is_local and each.startswith(text[: len(text) // 2]))
        common, kept = max(((_common(text, each), each) for each in alike), default=(0, ""))
        cut = common - _BEFORE
        if cut < max(len(text), len(kept)) // 2:
            return []
        known, own, new = self._long[kept], self._encode(kept[cut:]), self._encode(text[cut:])
        first = len(own) - common_prefix(own[::-1], known[: -len(own) - 1 : -1])  # from here on it is as in the whole
        if common_prefix(own, new) < first + _ALIKE:
            return []
        return [*known[: len(known) - len(own) + first], *new[first:]]


def _common(one: str, other: str) -> int:
    """How many first letters are the same."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if one[low:middle] == other[low:middle] else (low, middle - 1)
    return low
