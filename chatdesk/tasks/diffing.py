"""What differs between two texts, by word; a Chinese character is a word.

Long texts are compared line by line first, and by word only where lines differ. What occurs often, as blanks and empty
lines do, is no place to begin a comparison from. So a megabyte takes no minutes.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from difflib import SequenceMatcher
from typing import NamedTuple

_WORDS = re.compile(r"[\u3400-\u9fff]|[^\W\u3400-\u9fff]+|\s+|[^\w\s]")
_BY_LINE = 20_000  # characters of the two together, from which on lines are compared first
_MOST_WORDS = 4_000  # of one change; a longer one is one piece


class Piece(NamedTuple):
    """A stretch of the two texts; where they agree, ``old`` and ``new`` are the same."""

    old: str
    new: str

    @property
    def is_change(self) -> bool:
        """Whether the texts differ here."""
        return self.old != self.new


def pieces(old: str, new: str) -> list[Piece]:
    """The stretches of two texts, in order: joined, all ``old`` are the old one and all ``new`` the new one."""
    if len(old) + len(new) <= _BY_LINE:
        return _joined(_by_word(old, new))
    found: list[Piece] = []
    for piece in _compared(old.splitlines(keepends=True), new.splitlines(keepends=True)):
        found += _by_word(*piece) if piece.is_change else [piece]
    return _joined(found)


def chosen(found: Sequence[Piece], accepted: Iterable[int]) -> str:
    """The text with the new words at the pieces whose numbers are ``accepted``, and the old ones elsewhere."""
    takes = set(accepted)
    return "".join(piece.new if i in takes else piece.old for i, piece in enumerate(found))


def _by_word(old: str, new: str) -> list[Piece]:
    one, other = _WORDS.findall(old), _WORDS.findall(new)
    if max(len(one), len(other)) > _MOST_WORDS:
        return [Piece(old, new)]
    return list(_compared(one, other))


def _compared(old: Sequence[str], new: Sequence[str]) -> Iterator[Piece]:
    """Where both begin and end alike is found first, as most changes are small; difflib does the rest.

    Its autojunk goes on over frequent elements from others, but begins at none: with it off, time is quadratic.
    """
    begin = _alike(old, new)
    end = _alike(old[begin:][::-1], new[begin:][::-1])
    middles = old[begin : len(old) - end], new[begin : len(new) - end]
    if begin:
        yield Piece(*["".join(old[:begin])] * 2)
    for _, a, b, c, d in SequenceMatcher(None, *middles).get_opcodes():
        yield Piece("".join(middles[0][a:b]), "".join(middles[1][c:d]))
    if end:
        yield Piece(*["".join(old[len(old) - end :])] * 2)


def _alike(one: Sequence[str], other: Sequence[str]) -> int:
    """How many elements two sequences begin with alike."""
    shorter = min(len(one), len(other))
    return next((place for place in range(shorter) if one[place] != other[place]), shorter)


def _joined(found: Iterable[Piece]) -> list[Piece]:
    """Changes with nothing but blanks between them are one: a rewritten clause is not ten pieces."""
    joined: list[Piece] = []
    for piece in found:
        if not piece.is_change and joined and (not piece.old or not joined[-1].is_change):
            joined[-1] = Piece(joined[-1].old + piece.old, joined[-1].new + piece.new)
        elif len(joined) > 1 and piece.is_change and joined[-2].is_change and joined[-1].old.isspace():
            blank, before = joined.pop(), joined.pop()
            joined.append(Piece(before.old + blank.old + piece.old, before.new + blank.new + piece.new))
        elif piece.is_change and joined and joined[-1].is_change:
            joined[-1] = Piece(joined[-1].old + piece.old, joined[-1].new + piece.new)
        else:
            joined.append(piece)
    return joined
