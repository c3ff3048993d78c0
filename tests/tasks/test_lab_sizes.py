"""The lab's arithmetic against the real models, and its words against the real steps."""

import json

import pytest

from chatdesk.tasks.lab_runs import Plan, first_words, make_recipe
from chatdesk.tasks.lab_sizes import PRESETS, Size, fitted, proposed
from chatdesk.tasks.lab_text import STEPS, USUAL
from chatdesk.training import cleaning
from chatdesk.training.memory import LIBRARIES, peak_bytes

LLAMA = Size(3, 2, 40, 32, 400, kind="llama")


@pytest.mark.parametrize("size", [Size(), Size(3, 2, 48, 32, 400), PRESETS["small"][1], LLAMA])
def test_parameters_are_those_of_the_model(size):
    from chatdesk.training.model import count_parameters, new_model

    recipe = make_recipe(Plan(size=size), 1_000_000, True)
    assert size.parameters == count_parameters(new_model(recipe.model, 0, 0))


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_memory_is_what_the_estimate_counts(kind, tmp_path):
    from chatdesk.training.estimate import estimate
    from chatdesk.training.recipe import write_recipe

    size = Size(3, 2, 128, 64, 3000, kind=kind)
    write_recipe(make_recipe(Plan(size=size), 1_000_000, True), tmp_path / "recipe.toml")
    counted = estimate(tmp_path / "recipe.toml", seconds=0.01).memory_bytes
    assert size.memory_bytes - LIBRARIES == pytest.approx(counted - LIBRARIES, rel=0.1)


def test_a_tokenizer_that_takes_more_than_the_model_is_counted(tmp_path):
    from chatdesk.training.estimate import estimate
    from chatdesk.training.recipe import write_recipe

    size = Size(1, 1, 16, 16, 300)
    (tmp_path / "train.jsonl").write_text(
        json.dumps({"text": "今天的天气很好我们一起去公园里散步看花和树木还有湖" * 40_000})
    )
    write_recipe(make_recipe(Plan(size=size), 3_000_000, False), tmp_path / "recipe.toml")
    counted = estimate(tmp_path / "recipe.toml", seconds=0.01)
    assert counted.memory_bytes == counted.tokenizer_bytes > counted.stages[0].memory_bytes
    assert size.memory_with(3_000_000, 1.0) == pytest.approx(counted.memory_bytes, rel=0.01)
    assert size.memory_with(3_000_000, 0.0) == size.memory_with(0, 0.0) == size.memory_bytes


def test_the_steps_are_those_of_the_cleaning():
    assert [*STEPS] == [step for step in cleaning.STEPS if step != "language"]
    assert USUAL == cleaning.USUAL


def test_more_text_asks_for_a_larger_model():
    assert [proposed(size) for size in (10**6, 6 * 10**7, 3 * 10**8, 10**10)] == ["tiny", "small", "medium", "large"]


def test_a_time_is_kept():
    size = fitted(Size(), 5_000_000, 600, 1e11)
    assert size.tokens(5_000_000) * size.flops_per_token / 1e11 == pytest.approx(600, rel=0.02)


def test_prompts_are_how_documents_begin(tmp_path):
    (tmp_path / "held-out.jsonl").write_text('{"turns": [{"speaker": "user", "text": "Call me David."}]}\n')
    (tmp_path / "train.jsonl").write_text('{"text": "One two three four five six seven eight nine ten 11."}\n')
    assert first_words(str(tmp_path)) == ("Call me", "One two three four five six")
    assert first_words(str(tmp_path / "none")) == ()


def test_the_larger_of_two_peaks_counts():
    assert peak_bytes(30, 10, 5, 50, 2, libraries=100) == 100 + 30 + 5 + 50 + 16
    assert peak_bytes(30, 90, 5, 50, 2, libraries=100) == 100 + 30 + 5 + 90
    assert peak_bytes(30, 90, 5, 50, 2, libraries=100, parts=2) == 100 + 30 + 5 + 50 + 16 + 90
