"""What a run will take: counted right, measured on the very model, and refused before it cannot be held."""

import json
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from chatdesk.cli import cli
from chatdesk.errors import Fault, UserError
from chatdesk.training import estimate as module
from chatdesk.training.estimate import OPTIMAL, estimate, propose
from chatdesk.training.model import count_parameters, new_model
from chatdesk.training.recipe import ModelShape, load_recipe
from chatdesk.training.trainer import make_optimizers

RECIPE = """
version = 1
optimizer = "{optimizer}"
[model]
vocabulary = 300
context = 64
width = 32
layers = 2
heads = 2
[[stages]]
name = "prose"
steps = 10
sequence = 32
batch = 4
learning_rate = 0.01
sources = [{{ file = "a.txt" }}]
[[stages]]
name = "talk"
tokens = 6400
sequence = 64
batch = 2
isolate = true
layers = 3
learning_rate = 0.01
sources = [{{ file = "a.txt" }}]
"""


@pytest.fixture(params=["adamw", "muon"])
def recipe(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE.format(optimizer=request.param))
    return path


def test_every_stage_has_its_size_and_its_time(recipe: Path) -> None:
    told: list[str] = []
    found = estimate(recipe, seconds=0.2, tell=told.append)
    read = load_recipe(recipe)
    assert told == [stage.name for stage in found.stages] == ["prose", "talk"]
    sizes = [count_parameters(new_model(read.model, 0, 0, layers)) for layers in (2, 3)]
    assert [stage.parameters for stage in found.stages] == sizes
    assert [stage.tokens for stage in found.stages] == [1280, 6400]
    for stage in found.stages:
        assert stage.seconds == pytest.approx(stage.tokens / stage.tokens_per_s)
    assert found.seconds == sum(stage.seconds for stage in found.stages)
    assert found.memory_bytes == max(stage.memory_bytes for stage in found.stages)
    assert (found.text_tokens, found.proposed) == (0, None)


def test_the_states_are_counted_as_the_optimizers_keep_them(recipe: Path) -> None:
    read = load_recipe(recipe)
    model = new_model(read.model, 0, 0)
    optimizers = make_optimizers(model, read)
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    for optimizer in optimizers:
        optimizer.step()
    states = [value for optimizer in optimizers for state in optimizer.state.values() for value in state.values()]
    kept = sum(value.nbytes for value in states if value.dim())
    weights = sum(2 * value.nbytes for value in model.parameters())  # and their gradients
    assert module._state_bytes(model, read) == weights + kept


def test_a_shape_is_proposed_for_the_text(recipe: Path) -> None:
    (recipe.parent / "a.txt").write_text("word " * 9000)
    found = estimate(recipe, seconds=0.1)
    assert found.text_tokens == 10_000
    assert found.proposed == ModelShape(300, 64, width=64, layers=4, heads=1)
    for tokens in (10**8, 10**9, 10**10):
        shape = propose(tokens, 8000, 1024)
        model = count_parameters(new_model(shape, 0, 0)) if tokens == 10**8 else 0
        assert model <= tokens / OPTIMAL
        assert shape.width == 64 * shape.heads
    assert propose(10**10, 8000, 1024).width > propose(10**9, 8000, 1024).width > propose(10**8, 8000, 1024).width


def test_what_cannot_be_held_is_refused_before_it_is_made(recipe: Path) -> None:
    recipe.write_text(
        recipe.read_text().replace("width = 32", "width = 400000").replace("vocabulary = 300", "vocabulary = 900000")
    )
    with pytest.raises(UserError) as caught:
        estimate(recipe, seconds=0.1)
    assert caught.value.fault is Fault.DOES_NOT_FIT
    assert str(caught.value).startswith("The stage prose needs at least ")


def test_the_command(recipe: Path) -> None:
    done = CliRunner().invoke(cli, ["estimate", str(recipe), "--seconds", "0.2"])
    assert done.exit_code == 0, done.output
    assert [line.split()[0] for line in done.stdout.splitlines()][:3] == ["stage", "prose", "talk"]
    told = json.loads(CliRunner().invoke(cli, ["estimate", str(recipe), "--seconds", "0.2", "--json"]).stdout)
    assert [stage["name"] for stage in told["stages"]] == ["prose", "talk"]
    assert told["seconds"] > 0
    wrong = CliRunner().invoke(cli, ["estimate", str(recipe.parent / "no.toml")])
    assert (wrong.exit_code, len(wrong.stderr.splitlines())) == (2, 1)
    wrong = CliRunner().invoke(cli, ["estimate", str(recipe), "--seconds", "0"])
    assert (wrong.exit_code, "the seconds is 0.0; it must be" in wrong.stderr) == (2, True)
