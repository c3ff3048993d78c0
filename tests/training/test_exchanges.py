"""The exchanges that the model in the box learns are varied, right, and the same each time they are made."""

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TypeAlias

import pytest

from chatdesk.paths import starter
from chatdesk.settings.options import CHAT
from chatdesk.training.corpus import Turn, read_documents

Pairs: TypeAlias = list[tuple[str, str]]
TALKS = 3000
SCRIPT = starter() / "make_exchanges.py"
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}


def _write(file: Path) -> Path:
    subprocess.run([sys.executable, str(SCRIPT), str(file), str(TALKS)], check=True, env=ENVIRONMENT)
    return file


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _write(tmp_path_factory.mktemp("exchanges") / "exchanges.jsonl")


@pytest.fixture(scope="module")
def talks(file: Path) -> list[tuple[Turn, ...]]:
    return [talk for talk in read_documents(file) if isinstance(talk, tuple)]


@pytest.fixture(scope="module")
def pairs(talks: list[tuple[Turn, ...]]) -> Pairs:
    """Questions and answers of the talks without a system prompt."""
    plain = [talk for talk in talks if talk[0].role == "user"]
    return [(ask.text, answer.text) for talk in plain for ask, answer in zip(talk[::2], talk[1::2], strict=True)]


def test_they_are_the_same_each_time(file: Path, tmp_path: Path) -> None:
    assert _write(tmp_path / "again.jsonl").read_bytes() == file.read_bytes()


def test_speakers_alternate_and_nobody_is_silent(talks: list[tuple[Turn, ...]]) -> None:
    assert len(talks) == TALKS
    for talk in talks:
        roles = [turn.role for turn in talk if turn.role != "system"]
        assert roles == ["user", "assistant"] * (len(roles) // 2)
        assert all(turn.text.strip() and "{" not in turn.text for turn in talk)


def test_they_are_varied(talks: list[tuple[Turn, ...]], pairs: Pairs) -> None:
    assert sum(len(talk) >= 20 for talk in talks) > TALKS / 20  # ten turns and more
    assert len({ask for ask, _ in pairs}) > 0.4 * len(pairs)
    assert Counter(answer for _, answer in pairs).most_common(1)[0][1] < 0.02 * len(pairs)


def test_sums_are_right(pairs: Pairs) -> None:
    right = {"plus": int.__add__, "minus": int.__sub__, "times": int.__mul__, "divided by": int.__floordiv__}
    found = 0
    for _, answer in pairs:
        for first, sign, second, result in re.findall(r"(\d+) (plus|minus|times|divided by) (\d+) is (\d+)", answer):
            assert right[sign](int(first), int(second)) == int(result), answer
            found += 1
    assert found > 20


def test_what_was_told_is_remembered(pairs: Pairs) -> None:
    asked = [answer for ask, answer in pairs if ask == "What is my favorite color?"]
    assert any(re.fullmatch(r"Your favorite color is \w+\.", answer) for answer in asked)


def test_the_settings_are_explained_by_their_own_help(pairs: Pairs) -> None:
    answers = " ".join(answer for _, answer in pairs).lower()
    for option in CHAT.values():
        assert option.help.lower() in answers, option.name


def test_system_prompts_are_obeyed(talks: list[tuple[Turn, ...]]) -> None:
    loud = [talk for talk in talks if talk[0].role == "system" and "capital letters." in talk[0].text]
    loud = [talk for talk in loud if "no capital" not in talk[0].text]
    assert loud
    for talk in loud:
        assert all(turn.text == turn.text.upper() for turn in talk if turn.role == "assistant")


def test_a_missing_file_name_is_told() -> None:
    done = subprocess.run([sys.executable, str(SCRIPT)], capture_output=True, text=True, env=ENVIRONMENT, check=False)
    assert done.returncode == 2
    assert "the following arguments are required: file" in done.stderr
