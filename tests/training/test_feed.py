"""Batches come in order and ahead of time, and the model takes them as transformers' own forward would."""

import threading
from contextlib import closing

import numpy as np
import pytest
import torch

from chatdesk.training.feed import Ready, ahead, make_ready, on_device
from chatdesk.training.model import WALKS, new_model
from chatdesk.training.order import Batch
from chatdesk.training.recipe import ModelShape

CPU = torch.device("cpu")


def _batch(isolated: bool = True) -> Batch:
    inputs = np.arange(24, dtype=np.int64).reshape(2, 12)
    positions = np.tile(np.arange(12) % (5 if isolated else 12), (2, 1))
    return Batch(inputs, inputs + 1, positions, inputs % 3 > 0)


def _ready(step: int) -> Ready:
    value = torch.tensor([[step]])
    return Ready((value, value, None, value > 0), step)


def test_batches_come_in_order() -> None:
    assert [ready.counted for ready in ahead(_ready, range(3, 40))] == list(range(3, 40))
    assert list(ahead(_ready, range(5, 5))) == []


def test_they_are_made_ahead_but_not_far() -> None:
    asked: list[int] = []

    def make(step: int) -> Ready:
        asked.append(step)
        return _ready(step)

    with closing(ahead(make, range(1000))) as feed:
        next(feed)
    assert 1 < len(asked) < 20
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("batches")]


def test_a_mistake_in_a_thread_reaches_the_trainer() -> None:
    def fail(step: int) -> Ready:
        raise ValueError(f"step {step}")

    with pytest.raises(ValueError, match="step 0"):
        next(ahead(fail, range(3)))


def test_positions_are_left_out_unless_documents_are_isolated() -> None:
    assert make_ready(_batch(), slice(None), False, CPU).inputs[2] is None
    ready = make_ready(_batch(), slice(1, None, 2), True, CPU)
    assert [value.shape for value in ready.inputs if value is not None] == [(1, 12)] * 4
    assert ready.counted == 16  # of the whole batch, whatever rows are taken
    copied = on_device(ready.inputs, CPU)
    assert [value is None for value in copied] == [False] * 4


@pytest.mark.parametrize("isolated", [True, False])
def test_the_hidden_states_are_those_of_transformers(isolated: bool) -> None:
    model = new_model(ModelShape(300, 16, 24, 2, 3), 0, 0)
    batch = _batch(isolated)
    inputs, _, positions, _ = make_ready(batch, slice(None), isolated, CPU).inputs
    with torch.no_grad():
        own = WALKS["GPT2LMHeadModel"](model.causal, inputs, positions)
        known = torch.from_numpy(batch.positions)
        theirs = model.causal.transformer(inputs, position_ids=known, use_cache=False).last_hidden_state
    torch.testing.assert_close(own, theirs, atol=1e-6, rtol=1e-6)
