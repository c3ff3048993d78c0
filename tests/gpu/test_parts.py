"""The captured graph of a short new part of a prompt on a CUDA device: used, and the same as a text read at one go."""

import pytest

from chatdesk.engine.local.parts import TOKENS, Part
from tests.engine.local.driving import converse, load
from tests.engine.local.greedy import prompt_of
from tests.gpu.test_graphs import PLAIN

pytestmark = pytest.mark.gpu


@pytest.mark.parametrize("model_type", PLAIN)
def test_turns_are_what_they_were(engine, checkpoint, model_type, monkeypatch):
    """And a turn is read by the graph of the one before."""
    read: list[int] = []
    call = Part.__call__

    def counted(part, ids, position):
        logits = call(part, ids, position)
        assert part._graph is not None
        read.append(len(ids))
        return logits

    monkeypatch.setattr(Part, "__call__", counted)
    load(engine, checkpoint(model_type), device="cuda")
    object.__setattr__(engine._loaded().checkpoint, "eos_ids", frozenset())
    converse(engine, prompt_of(engine, 80, 1), 3)
    assert engine._loaded().cache.runner.parts.is_on
    assert any(tokens < TOKENS for tokens in read)
