"""A model that grows at the beginning of a stage says at first what it said before, and learns with all of it."""

import torch

from chatdesk.training.model import LossModel, new_model
from chatdesk.training.recipe import ModelShape, Recipe, Source, Stage
from chatdesk.training.run_folder import Position, RunFolder
from chatdesk.training.trainer import make_optimizers

SHAPE = ModelShape(vocabulary=300, context=32, width=16, layers=2, heads=2)
SOURCE = Source("a.jsonl")
RECIPE = Recipe(
    1,
    (
        Stage("one", (SOURCE,), 8, 2, 0.01, steps=2),
        Stage("two", (SOURCE,), 8, 2, 0.01, steps=2, layers=4),
        Stage("three", (SOURCE,), 8, 2, 0.01, steps=2),
    ),
    SHAPE,
)


def logits(model: LossModel) -> torch.Tensor:
    with torch.no_grad():
        return model.causal(torch.arange(8)[None]).logits


def test_layers_stay_once_they_are_there():
    assert [RECIPE.layers_in(stage) for stage in (-1, 0, 1, 2)] == [2, 2, 4, 4]


def test_a_grown_model_says_what_it_said(tmp_path):
    small = new_model(SHAPE, 0, 1, 2)
    with torch.no_grad():
        for parameter in small.parameters():
            parameter.add_(0.05)
    folder = RunFolder(tmp_path)
    folder.save(Position(1, 0, 32), small, make_optimizers(small, RECIPE))
    grown = new_model(SHAPE, 0, 1, 4)
    folder.load(grown, make_optimizers(grown, RECIPE))
    assert len(grown.causal.transformer.h) == 4
    torch.testing.assert_close(logits(grown), logits(small))
    assert not torch.equal(logits(grown), logits(new_model(SHAPE, 0, 1, 4)))


def test_the_new_blocks_learn(tmp_path):
    grown = new_model(SHAPE, 0, 1, 4)
    tokens = torch.arange(8)[None]
    grown(tokens, tokens + 1, tokens, torch.ones(1, 8, dtype=torch.bool)).backward()
    new = grown.causal.transformer.h[3]
    assert new.attn.c_proj.weight.grad.abs().sum() > 0
    assert new.mlp.c_proj.weight.grad.abs().sum() > 0
