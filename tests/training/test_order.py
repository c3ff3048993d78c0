"""The order of the text is a pure function of (recipe, text): what a resumed run depends on."""

from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer

from chatdesk.errors import Fault, UserError
from chatdesk.training.corpus import TokenArrays, Turn, tokenise
from chatdesk.training.order import Order, held_out_batches, require_replies, window, window_starts
from chatdesk.training.recipe import Source, Stage
from chatdesk.training.tokenizer import train_tokenizer

PROSE = [f"The cat number {number} sat on the mat and looked at the rain. " * 3 for number in range(30)]
TALKS = [(Turn("user", "Hello " * (number % 5 + 1)), Turn("assistant", "Hi!")) for number in range(40)]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_tokenizer(PROSE, 300)


@pytest.fixture
def sources(tokenizer: Tokenizer, tmp_path: Path) -> list[TokenArrays]:
    return [tokenise(PROSE, tokenizer, tmp_path / "prose"), tokenise(TALKS, tokenizer, tmp_path / "talks")]


def _stage(**values: object) -> Stage:
    sources = (Source("prose", 3.0), Source("talks", 1.0))
    settings: dict[str, object] = {"sequence": 16, "batch": 4, "steps": 100, "learning_rate": 0.1, **values}
    return Stage("x", sources, **settings)  # type: ignore[arg-type]


def test_a_step_is_the_same_whenever_it_is_asked_for(sources: list[TokenArrays]) -> None:
    first, second = Order(_stage(), sources, 5), Order(_stage(), sources, 5)
    unbroken = [first.batch(step) for step in range(100)]
    for step in (99, 0, 57):
        for mine, other in zip(unbroken[step], second.batch(step), strict=True):
            assert np.array_equal(mine, other)
    other_seed = Order(_stage(), sources, 6)
    assert not all(np.array_equal(unbroken[s].inputs, other_seed.batch(s).inputs) for s in range(3))


def test_targets_follow_inputs(sources: list[TokenArrays]) -> None:
    batch = Order(_stage(), sources, 5).batch(0)
    assert np.array_equal(batch.inputs[:, 1:], batch.targets[:, :-1])
    assert batch.counted.all()
    assert np.array_equal(batch.positions[0], np.arange(16))


def test_weights_are_kept(sources: list[TokenArrays]) -> None:
    order = Order(_stage(steps=500), sources, 5)
    share = np.mean(order._choice == 0)
    assert 0.71 < share < 0.79


def test_every_window_once_before_any_twice(sources: list[TokenArrays]) -> None:
    order = Order(_stage(), sources, 5)
    drawn = order._start[order._choice == 0]
    windows = len(window_starts(sources[0], 16))
    for begin in range(0, len(drawn), windows):
        assert max(Counter(drawn[begin : begin + windows].tolist()).values()) == 1


def test_windows_of_dialogues_begin_with_a_dialogue(sources: list[TokenArrays]) -> None:
    starts = window_starts(sources[1], 64)
    assert set(starts.tolist()) <= set(sources[1].starts.tolist())
    assert starts.tolist() == sorted(set(starts.tolist()))


@pytest.mark.parametrize("sequence", [7, 16, 64])
def test_every_token_of_a_dialogue_is_learned(sources: list[TokenArrays], sequence: int) -> None:
    """Of one longer than a window what follows, too; a shorter one is whole in some window."""
    talks, stage = sources[1], _stage(sequence=sequence, loss="replies")
    starts = window_starts(talks, sequence)
    learned = np.zeros(len(talks), bool)
    for start in starts:
        row = window(talks, int(start), stage)
        learned[start + 1 : start + 1 + sequence][row.counted[: len(talks) - start - 1]] = True
    assert (learned == (talks.replies == 1)).all()
    for begin, end in pairwise([*talks.starts, len(talks)]):
        if end - begin <= sequence + 1:
            assert any(start <= begin and end <= start + sequence + 1 for start in starts)


def test_a_held_out_window_without_a_reply_is_not_measured(tokenizer: Tokenizer, tmp_path: Path) -> None:
    long = [(Turn("user", "Hello there " * 20), Turn("assistant", "Hi!"))] * 3
    talks, stage = tokenise(long, tokenizer, tmp_path / "long"), _stage(loss="replies")
    assert any(not window(talks, int(start), stage).counted.any() for start in window_starts(talks, 16))
    batches = held_out_batches(stage, talks, 3)
    assert len(batches) == 3
    assert all(batch.counted.any() for batch in batches)


def test_a_source_without_replies_is_refused(sources: list[TokenArrays], tokenizer: Tokenizer, tmp_path: Path) -> None:
    asked = tokenise([(Turn("user", "Hello"),)] * 3, tokenizer, tmp_path / "asked")
    stage = _stage(loss="replies", held_out=(Source("asked.jsonl"),))
    require_replies(stage, [*sources, sources[1]])
    with pytest.raises(UserError) as told:
        require_replies(stage, [*sources, asked])
    assert (told.value.fault, told.value.fields["path"]) == (Fault.NO_REPLIES, "asked.jsonl")
    require_replies(_stage(held_out=(Source("asked.jsonl"),)), [*sources, asked])


def test_isolated_documents_begin_at_position_zero(sources: list[TokenArrays], tokenizer: Tokenizer) -> None:
    talks = sources[1]
    row = window(talks, 0, _stage(isolate=True, sequence=64))
    opens = tokenizer.token_to_id("<|user|>")
    assert (row.positions[row.inputs == opens] == 0).all()
    assert not row.counted[row.targets == opens].any()
    assert (row.inputs == opens).sum() > 2
    assert set(np.diff(row.positions)[row.inputs[1:] != opens]) == {1}


def test_only_replies_count(sources: list[TokenArrays], tokenizer: Tokenizer) -> None:
    row = window(sources[1], 0, _stage(loss="replies", sequence=64))
    said = tokenizer.decode(row.targets[row.counted].tolist(), skip_special_tokens=False)
    assert set(said.removesuffix("<|end|>").split("<|end|>")) == {"Hi!"}


def test_a_source_shorter_than_a_window_is_filled_up(tokenizer: Tokenizer, tmp_path: Path) -> None:
    short = tokenise(["A cat."], tokenizer, tmp_path / "short")
    row = window(short, 0, _stage(sequence=64))
    assert row.counted.sum() == len(short) - 1
