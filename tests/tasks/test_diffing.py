"""Differences of two texts: nothing is lost, and a long text whose lines repeat costs no more than its length says."""

import random
import sys

from chatdesk.tasks import diffing


def paragraphs(number: int, seed: int) -> list[str]:
    some = random.Random(seed)
    return [" ".join(f"w{some.randrange(5000)}" for _ in range(12)) for _ in range(number)]


def steps(number: int) -> int:
    """Elements that are looked up while a text with an empty line after each paragraph is compared with a later one."""
    old, other = paragraphs(number, 1), paragraphs(number, 2)
    new = [other[place] if place % 10 == 0 else old[place] for place in range(number)]
    before, after = "\n\n".join(old), "\n\n".join(new)
    count = 0

    def look(_frame: object, event: str, called: object) -> None:
        nonlocal count
        count += event == "c_call" and getattr(called, "__name__", "") == "get"

    sys.setprofile(look)
    try:
        found = diffing.pieces(before, after)
    finally:
        sys.setprofile(None)
    assert ("".join(p.old for p in found), "".join(p.new for p in found)) == (before, after)
    assert sum(piece.is_change for piece in found) >= number // 10
    return count


def test_lines_that_repeat_do_not_make_it_quadratic() -> None:
    assert steps(300) < 60_000  # an empty line for each paragraph to begin from made it 970,000


def test_two_wholly_different_texts_are_one_change() -> None:
    one, other = " ".join(paragraphs(40, 3)), " ".join(paragraphs(40, 4))
    assert [p.is_change for p in diffing.pieces(one, other)].count(True) < 80
    assert diffing.pieces("", "new") == [diffing.Piece("", "new")]
    assert diffing.pieces("the same", "the same") == [diffing.Piece("the same", "the same")]
