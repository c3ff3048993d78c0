"""Cutting a text into pieces: nothing is lost, and it does not matter how the text arrived."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatdesk.ui.chat import pieces

PROSE = ["", "word " * 60, "- item", "  more", "|a|b|", "|-|-|", "> quote", "x" * 9000, "é你👩‍👩‍👧"]
LINES = st.sampled_from([*PROSE, "```python", "```", "~~~", "  ```"])


@given(st.lists(LINES, max_size=60), st.booleans(), st.randoms(use_true_random=False))
def test_pieces_do_not_depend_on_how_the_text_arrives(lines: list[str], markdown: bool, rnd: random.Random) -> None:
    text = "\n".join(lines)
    cutter = pieces.Cutter(markdown)
    at = 0
    while at < len(text):
        step = rnd.choice([1, 2, 3, 50, 5000])
        cutter.feed(text[at : at + step])
        at += step
    cutter.finish()
    assert described(cutter.pieces) == described(pieces.cut(text, markdown))


def described(found: list[pieces.Piece]) -> list[tuple[object, ...]]:
    """What is to be seen; an empty piece (its line moved into the next one when it was known) shows nothing."""
    return [(each.kind, each.text, each.info, each.continued) for each in found if each.text or each.kind == "code"]


@given(st.lists(LINES, max_size=60))
def test_plain_pieces_joined_are_the_text(lines: list[str]) -> None:
    text = "\n".join(lines)
    assert "".join(piece.text for piece in pieces.cut(text, markdown=False)) == text


@pytest.mark.parametrize("text", ["a" * 300_000, "word " * 60_000, "- x\n" * 60_000, "```\n" + "y = 1\n" * 50_000])
def test_no_piece_is_giant(text: str) -> None:
    found = pieces.cut(text, markdown=True)
    assert max(piece.length for piece in found) <= pieces.LONGEST + pieces.LINE
    assert sum(piece.length for piece in found) == len(text) - (4 if text.startswith("```") else 0)


def test_code_is_a_piece_without_its_fences() -> None:
    found = pieces.cut("before\n\n```python\nx = 1\n```\nafter", markdown=True)
    assert [(piece.kind, piece.text, piece.info) for piece in found if piece.text] == [
        ("markdown", "before\n\n", ""),
        ("code", "x = 1\n", "python"),
        ("markdown", "after", ""),
    ]


def test_each_part_of_a_giant_table_has_its_header() -> None:
    found = pieces.cut("|a|b|\n|-|-|\n" + "|1|2|\n" * 500, markdown=True)
    assert len(found) > 3
    assert all(piece.text.startswith("|a|b|\n|-|-|\n") for piece in found)


@given(st.lists(LINES, max_size=80), st.integers(1, 40))
def test_many_lines_at_a_time_come_to_the_same(lines: list[str], times: int) -> None:
    text = "\n".join(lines * times)
    slow = pieces.Cutter(True)
    slow._many = lambda text, at: at
    slow.feed(text)
    slow.finish()
    assert described(slow.pieces) == described(pieces.cut(text, markdown=True))


@pytest.mark.parametrize(
    "text", ["- x\n" * 250_000, "x\n" * 500_000, "\n" * 1_000_000, "|a|b|\n|-|-|\n" + "|1|2|\n" * 170_000]
)
def test_giant_lists_are_not_looked_at_line_by_line(text: str, monkeypatch) -> None:
    looked_at = []
    make_room = pieces.Cutter._make_room
    monkeypatch.setattr(pieces.Cutter, "_make_room", lambda self, line: looked_at.append(0) or make_room(self, line))
    found = pieces.cut(text, markdown=True)
    assert sum(piece.lines for piece in found) >= text.count("\n")
    assert len(looked_at) < text.count("\n") / 8


@pytest.mark.parametrize("markdown", [True, False])
@pytest.mark.parametrize("line", ["word " * 800_000, "x" * 4_000_000, " " + "y" * 2_100 + " " + "z" * 9_000])
def test_a_giant_line_is_cut_where_there_is_a_space(line: str, markdown: bool) -> None:
    found = [piece.text for piece in pieces.cut(line, markdown)]
    assert "".join(found) == line
    assert max(map(len, found)) <= pieces.LINE
    for before in found[:-1]:
        assert before.endswith(" ") or " " not in before[pieces.LINE // 2 :]
