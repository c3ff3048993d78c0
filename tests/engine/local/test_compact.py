"""Weights in twelve bits: the same numbers, used only where they are quicker and there is memory for them."""

import copy
import time
import weakref
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from chatdesk.engine.local import LocalEngine
from chatdesk.engine.local.brake import Stopped
from chatdesk.engine.local.cache import Batch
from chatdesk.engine.local.lean import assembly, compaction, race
from chatdesk.engine.local.lean.compaction import Compact, Compaction
from chatdesk.engine.local.lean.description import ARCHITECTURES
from chatdesk.engine.local.lean.meeting import meeting
from chatdesk.engine.local.lean.race import Race
from chatdesk.engine.local.lean.step import LeanMaker
from tests.engine.checkpoints import WIDE, make_checkpoint
from tests.engine.local.driving import load

SETTLED = 16
"""Tokens after which all is made, with ten portions."""


pytestmark = pytest.mark.usefixtures("kernels")


def made(kernels: Any, weight: torch.Tensor, threads: int = 3) -> Compact | None:
    module = nn.Linear(1, 1)
    module.weight = nn.Parameter(weight, requires_grad=False)
    found = Compaction(module, kernels.compact, threads, Race())
    while not found.is_ready:
        found.go_on()
    return found.made.get(weight.data_ptr())


def multiplied(kernels: Any, compact: Compact, x: torch.Tensor) -> torch.Tensor:
    """``x`` ``[rows, in]`` times the matrix, by the kernels alone: ``[rows, out]``."""
    height, groups, _ = compact.weights.shape
    found = torch.zeros(len(x), height)
    ops = np.zeros(1, kernels.OP)
    given = {"code": kernels.ROWS, "kind": kernels.COMPACT, "width": 64 * groups, "height": height}
    places = {"source": x, "target": found, "weight": compact.weights, "scales": compact.units}
    places |= {"starts": compact.starts, "strays": compact.strays}
    strides = {"source_stride": x.stride(0), "target_stride": height}
    for name, value in (given | strides | {name: part.data_ptr() for name, part in places.items()}).items():
        ops[0][name] = value
    ids, turns = np.zeros(len(x), np.int64), np.zeros((1, 1), np.float32)
    kernels.run(ops, np.zeros(1, kernels.ATTENTION), ids, turns, (0, 0), meeting(1), 0)
    return found


def drawn(height: int, width: int) -> torch.Tensor:
    return torch.randn(height, width, generator=torch.Generator().manual_seed(1)).bfloat16() / 50


def test_every_number_comes_back(kernels):
    """Also rows of nothing, of the smallest and the greatest numbers, a nothing among others, and both signs."""
    weight = drawn(900, 192)
    weight[3], weight[4, 5], weight[5, 6] = 0, 0, -0.0
    weight[6] *= 1e-38  # most of them are subnormal
    weight[6, 0], weight[7] = 1e-38, weight[7] * 1e38
    weight[8, ::7] *= 2.0**-20
    weight[-1, -1] = -weight[-1].abs().max() * 2.0**-16
    compact = made(kernels, weight)
    assert compact is not None
    assert len(compact.strays) > 20
    back = multiplied(kernels, compact, torch.eye(192)).T
    assert torch.equal(back.bfloat16(), weight)
    ordinary = [*range(3), *range(9, 899)]
    assert torch.equal(back[ordinary], weight[ordinary].float())


@pytest.mark.parametrize("rows", [1, 3, 4, 6])
def test_products_are_those_of_the_matrix(kernels, rows):
    """Of several inputs at once and of single ones."""
    weight, x = drawn(100, 320), torch.randn(rows, 320)
    compact = made(kernels, weight)
    assert compact is not None
    expected = x.double() @ weight.double().T
    assert float((multiplied(kernels, compact, x) - expected).abs().max()) < 1e-5


@pytest.mark.parametrize("value", [float("inf"), float("nan"), -float("inf")])
def test_what_is_no_number_is_not_packed(kernels, value):
    weight = drawn(8, 64)
    weight[5, 3] = value
    assert made(kernels, weight) is None


def test_a_matrix_of_numbers_of_all_sizes_is_not_packed(kernels):
    """Its strays would take longer than they save."""
    assert made(kernels, drawn(64, 128) * 2.0 ** torch.linspace(-30, 0, 128).bfloat16()) is None


def test_shapes_that_are_not_served(kernels):
    """Rows of no whole groups, and other precisions."""
    for weight in (drawn(8, 100), drawn(8, 64).float()):
        assert made(kernels, weight) is None


def test_where_memory_is_short_nothing_is_made(kernels, monkeypatch, caplog):
    """The mapped weights count as free for the system; as much again and half has to be free beside them."""
    weight = drawn(64, 1024)
    for free, is_made in ((2.51, True), (2.49, False)):
        found = SimpleNamespace(available=free * weight.nbytes)
        monkeypatch.setattr(compaction.psutil, "virtual_memory", lambda found=found: found)
        with caplog.at_level("INFO", compaction.__name__):
            assert (made(kernels, weight) is not None) is is_made
        assert ("too little memory" in caplog.text) is not is_made


def engine_of(folder: Path, monkeypatch: pytest.MonkeyPatch, trials: int = 0) -> tuple[LocalEngine, LeanMaker, Batch]:
    """With a batch that has read a prompt. Single steps have won; without trials the weights win, too, at once."""
    monkeypatch.setattr(race, "TRIALS", trials)
    engine = LocalEngine()
    load(engine, folder, "bfloat16")
    maker = engine._loaded()._cache.runner.steps
    assert isinstance(maker, LeanMaker)
    maker.races[1]._seconds = {True: [1.0] * trials, False: [2.0] * trials}
    batch = engine._loaded()._cache.take([1, 2, 3])
    batch.extend([[1, 2, 3]])
    return engine, maker, batch


@pytest.mark.parametrize("has_products", [True, False])
@pytest.mark.parametrize("model_type", list(ARCHITECTURES))
def test_steps_are_as_near_to_the_truth_as_torchs(tmp_path, model_type, has_products, monkeypatch):
    """Of transposed matrices, and halves of one; by products of bfloat16 where the processor has them, and without.

    The truth: the same weights, computed with in float32. Of several tokens at once the same, to the last bit.
    """
    if has_products and not assembly.HAS_BFLOAT16_PRODUCTS:
        pytest.skip("this processor multiplies no bfloat16")
    from chatdesk.engine.local.lean import program

    monkeypatch.setattr(program, "HAS_BFLOAT16_PRODUCTS", has_products)
    sizes = {"n_embd": 128, "n_head": 2, "n_inner": 192} if model_type == "gpt2" else WIDE
    if model_type == "mistral":
        sizes = sizes | {"sliding_window": None}
    engine, maker, batch = engine_of(make_checkpoint(tmp_path, model_type, config=sizes), monkeypatch)
    ids = [*range(5, 5 + SETTLED), *range(40, 80)]
    found = torch.cat([batch.step([i]).clone() for i in ids])[-40:]
    assert maker.saved_bytes > 0
    assert {(128, 2, 96), (128, 3, 96)} <= {tuple(each.weights.shape) for each in maker.compaction.made.values()}
    assert batch._steps[1]._is_compact
    with torch.inference_mode():
        whole, model = torch.tensor([[1, 2, 3, *ids]]), engine._loaded().checkpoint.model
        plain, truth = (each(whole).logits[0, -40:].float() for each in (model, copy.deepcopy(model).float()))
    errors = [float((each.log_softmax(-1) - truth.log_softmax(-1)).square().mean().sqrt()) for each in (found, plain)]
    apart = float((found.log_softmax(-1) - plain.log_softmax(-1)).abs().max())
    print(f"{model_type}: off by {errors[0]:.4f}, torch by {errors[1]:.4f}; at most {apart:.3f} apart")
    assert errors[0] < 1.1 * errors[1]
    for _ in range(2):  # first one by one, which makes the step for several
        batch.trim(batch.length - 4)
        several = batch.read(ids[-4:])
    assert batch._steps[0]._is_compact
    difference = float((several - found[-4:]).abs().max())
    assert difference < (1e-9 if has_products else 0.05)
    engine.close()


def test_where_they_are_not_quicker_they_are_let_go(tmp_path, monkeypatch):
    """And their memory with them."""
    engine, maker, batch = engine_of(make_checkpoint(tmp_path, "llama", config=WIDE), monkeypatch, trials=50)
    for token in range(SETTLED):
        batch.step([token])
    found = maker.compaction
    assert found is not None
    assert found.made
    assert batch._steps[1]._tried is not None
    held = weakref.ref(next(iter(found.made.values())))
    found.race._seconds = {True: [2.0] * 50, False: [1.0] * 50}
    batch.step([7])
    batch.step([8])
    assert maker.compaction is None
    assert maker.saved_bytes == 0
    assert not batch._steps[1]._is_compact
    assert held() is None
    batch.step([9])
    assert maker.compaction is None
    clock = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: clock() + race.REST_S)
    batch.step([10])  # another program may have held the processor
    again = maker.compaction
    assert again is not None
    assert again is not found
    engine.close()


def test_a_stop_while_they_are_made(tmp_path, monkeypatch):
    """It waits for one matrix at most; the rest is made with later tokens."""
    engine, maker, batch = engine_of(make_checkpoint(tmp_path, "llama", config=WIDE), monkeypatch)
    batch.step([5])
    found = maker.compaction
    found._portion, brake, made = 1e9, batch._runner.brake, len(found.made)
    brake.should_stop = lambda: len(found.made) >= made + 3
    with pytest.raises(Stopped):
        batch.step([6])
    assert (len(found.made), found.is_ready, batch.length) == (made + 3, False, 4)
    brake.should_stop = lambda: False
    batch.step([6])
    assert (found.is_ready, batch.length) == (True, 5)
    engine.close()


def test_wrong_ones_are_not_used(tmp_path, monkeypatch, caplog):
    """The reply goes on as if there were none."""
    folder, plain, found = make_checkpoint(tmp_path, "llama", config=WIDE), Compaction._pack, []

    def spoilt(self: Compaction, module: Any) -> Compact | None:
        compact = plain(self, module)
        assert compact is not None
        compact.units.mul_(1.5)
        return compact

    monkeypatch.setattr(Compaction, "_pack", spoilt)
    for compacts in (False, True):
        engine, maker, batch = engine_of(folder, monkeypatch, trials=50)
        maker.compacts = compacts
        with caplog.at_level("INFO", compaction.__name__):
            found.append(torch.cat([batch.step([token]).clone() for token in range(SETTLED)]))
        assert maker.compaction is None
        engine.close()
    assert torch.equal(*found)
    assert "differ" in caplog.text


def test_memory_is_given_back_with_the_model(tmp_path, monkeypatch):
    engine, maker, batch = engine_of(make_checkpoint(tmp_path, "llama", config=WIDE), monkeypatch)
    for token in range(SETTLED):
        batch.step([token])
    held = weakref.ref(next(iter(maker.compaction.made.values())))
    engine.close()
    del engine, maker, batch
    assert held() is None
