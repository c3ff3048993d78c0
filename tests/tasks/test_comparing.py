"""Blind comparisons: nothing gives the side away, nothing is lost, the tally is right."""

import json
from itertools import product
from pathlib import Path

import pytest

from chatdesk.errors import Fault, UserError
from chatdesk.tasks.comparing import CHOICES, About, Comparison, read_prompts, sign_test

ABOUT = About("first", "second", tuple(f"prompt {i}" for i in range(40)), seed=3)


def _answered(journal: Path) -> Comparison:
    comparison = Comparison(ABOUT, journal)
    for side in ("a", "b"):
        for index in comparison.missing(side):
            comparison.answer(side, index, f"{side} says {index}")
    return comparison


def test_votes_count_for_the_model_and_not_for_the_side(tmp_path: Path) -> None:
    comparison = _answered(tmp_path / "x.jsonl")
    lefts = []
    while (question := comparison.question) is not None:
        lefts.append(question.left[0])
        comparison.vote(question.index, "left" if question.left.startswith("b") else "right")
    assert 8 < lefts.count("a") < 32
    assert (comparison.tally.a, comparison.tally.b, comparison.votes) == (0, 40, 40)
    assert comparison.tally.p == pytest.approx(2 / 2**40)


def test_a_kill_at_any_byte_loses_no_whole_line(tmp_path: Path) -> None:
    file = tmp_path / "x.jsonl"
    comparison = _answered(file)
    for choice in CHOICES:
        comparison.vote(comparison.question.index, choice)
    whole = file.read_bytes()
    ends = [place + 1 for place, byte in enumerate(whole) if byte == ord("\n")]
    for cut in range(0, len(whole) + 1, 7):
        file.write_bytes(whole[:cut])
        again = Comparison(ABOUT, file)
        lines = sum(end <= cut for end in ends)
        kept = 80 - len(again.missing("a")) - len(again.missing("b")) + again.votes
        assert kept == max(0, lines - 1)
    file.write_bytes(whole)
    assert Comparison(ABOUT, file).tally == comparison.tally
    assert (comparison.tally.same, comparison.tally.bad, comparison.votes) == (1, 1, 4)


def test_another_comparison_is_not_written_over(tmp_path: Path) -> None:
    _answered(tmp_path / "x.jsonl")
    (tmp_path / "y.jsonl").write_text('{"text": "no comparison"}\n')
    for file, about in [("x.jsonl", About("first", "other", ABOUT.prompts, 3)), ("y.jsonl", ABOUT)]:
        before = (tmp_path / file).read_bytes()
        with pytest.raises(UserError) as caught:
            Comparison(about, tmp_path / file)
        assert caught.value.fault == Fault.BAD_VALUE
        assert (tmp_path / file).read_bytes() == before
    with pytest.raises(UserError) as caught:
        Comparison(ABOUT, tmp_path)
    assert caught.value.fault == Fault.CANNOT_WRITE


@pytest.mark.parametrize(("first", "second"), [(0, 0), (1, 0), (5, 1), (3, 3), (2, 8)])
def test_the_sign_test_equals_counting_all_cases(first: int, second: int) -> None:
    total, gap = first + second, abs(first - second)
    cases = list(product((0, 1), repeat=total))
    extreme = sum(abs(2 * sum(case) - total) >= gap for case in cases)
    assert sign_test(first, second) == pytest.approx(extreme / len(cases))


def test_prompts_are_lines(tmp_path: Path) -> None:
    file = tmp_path / "p.txt"
    file.write_text(" One?\n\n两? \n", encoding="utf-8")
    assert read_prompts(file) == ("One?", "两?")
    for data, fault in [(b"\n", Fault.NO_TEXT), (b"\xff\xfe", Fault.BROKEN_TEXT)]:
        file.write_bytes(data)
        with pytest.raises(UserError) as caught:
            read_prompts(file)
        assert caught.value.fault == fault
    with pytest.raises(UserError) as caught:
        read_prompts(tmp_path / "none")
    assert caught.value.fault == Fault.FILE_NOT_FOUND


def test_a_file_of_votes_can_be_read_alone(tmp_path: Path) -> None:
    comparison = _answered(tmp_path / "x.jsonl")
    question = comparison.question
    comparison.vote(question.index, "left")
    last = json.loads((tmp_path / "x.jsonl").read_text().splitlines()[-1])
    assert last == {"prompt": 0, "vote": question.left[0]}


@pytest.mark.parametrize(
    "line",
    [
        b"5",
        b"null",
        b"{",
        b'{"prompt": 0}',
        b'{"prompt": 9, "vote": "a"}',
        b'{"prompt": 0, "vote": 3}',
        b'{"prompt": 0, "model": "c", "answer": "x"}',
    ],
)
def test_a_damaged_line_is_told(tmp_path: Path, line: bytes) -> None:
    file = tmp_path / "compared.jsonl"
    Comparison(About("one", "two", ("Hi",), 1), file).answer("a", 0, "Hello")
    file.write_bytes(file.read_bytes() + line + b"\n")
    before = file.read_bytes()
    with pytest.raises(UserError, match="line 3 is no answer and no vote") as caught:
        Comparison.read(file)
    assert caught.value.fault == Fault.BROKEN_TEXT
    assert file.read_bytes() == before
