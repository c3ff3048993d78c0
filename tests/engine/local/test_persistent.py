"""The decode step as one persistent kernel: run by the emulator, it gives what launches of single kernels give.

Both round in the same places, and add up in another order. The blocks of the emulator are 4, of 17 warps each; what is
copied into shared memory comes late there, so that who does not wait for it finds what was there before.
"""

import time
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM

from chatdesk.engine.local import graphs, quantize
from chatdesk.engine.local.cache import Batch
from chatdesk.engine.local.fused import persistent
from chatdesk.engine.local.fused.maker import FusedMaker
from chatdesk.engine.local.fused.program import Device
from chatdesk.engine.local.quantize import Int4Linear, quantise
from chatdesk.engine.local.runner import Runner
from tests.engine.local.emulator import Kernels, packed, unpacked

LLAMA = {
    "hidden_size": 64,
    "intermediate_size": 192,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}
GPT2 = {"n_embd": 64, "n_layer": 2, "n_head": 4, "n_positions": 512}
NEOX = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2}
WIDE = LLAMA | {"hidden_size": 128, "intermediate_size": 256}
VOCABULARY = 301


def make(model_type: str, bits: int, dtype: torch.dtype = torch.bfloat16, **values: Any) -> Any:
    torch.manual_seed(0)
    more = {"vocab_size": VOCABULARY, "bos_token_id": 1, "eos_token_id": 0, "pad_token_id": 0}
    config = AutoConfig.for_model(model_type, **({"max_position_embeddings": 2048} | values | more))
    model = AutoModelForCausalLM.from_config(config, dtype=dtype).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter += 0.3 * torch.randn_like(parameter)
            elif parameter.std() < 0.1:
                parameter *= 3
    if bits < 16:
        quantise(model, bits, torch.device("cpu"), lambda _: None)
    return model


def steps(model: Any, rows: int, context: int, count: int) -> list[Tensor]:
    """The logits of some steps after a prompt."""
    runner = Runner(model)
    random = torch.Generator().manual_seed(1)
    batch = Batch(runner)
    batch.extend([torch.randint(2, 300, (context,), generator=random).tolist()])
    batch = batch.fan_out(rows) if rows > 1 else batch
    found = [batch.step(torch.randint(2, 300, (rows,), generator=random).tolist()).clone() for _ in range(count)]
    assert not runner.steps.fused.refused
    return found


@pytest.fixture
def four_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights packed as on CUDA, for the emulated device."""

    def forward(layer: Int4Linear, x: Tensor) -> Tensor:
        whole = unpacked(layer.weight, x.shape[-1])
        step, middle = (layer.scales[..., i].float().T.repeat_interleave(32, 1) for i in range(2))
        y = x.float() @ ((whole - 8) * step + middle).T
        return (y if layer.bias is None else y + layer.bias).to(x.dtype)

    def pack(whole: Tensor) -> Tensor:
        return packed(whole, next(tiles for tiles in (8, 4, 2) if whole.shape[1] % (16 * tiles) == 0))

    monkeypatch.setattr(quantize, "_pack", pack)
    monkeypatch.setattr(Int4Linear, "forward", forward)


ONE = {"num_hidden_layers": 1}


@pytest.fixture
def only(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Leaves one kind of step: no race."""
    options = FusedMaker._options

    def leave(kind: str) -> None:
        monkeypatch.setattr(
            FusedMaker, "_options", lambda maker, rows: [o for o in options(maker, rows) if o[0] == kind]
        )

    return leave


CASES = [
    ("llama", LLAMA, 16, 1, 20),
    ("llama", LLAMA, 16, 3, 254),
    ("llama", LLAMA, 16, 1, 700),
    ("gpt2", GPT2, 16, 1, 254),
    ("gpt_neox", NEOX, 16, 2, 30),
    ("qwen3", LLAMA | ONE | {"head_dim": 32}, 16, 8, 40),
    ("gemma", LLAMA | ONE | {"head_dim": 256}, 16, 5, 30),
    ("phi3", LLAMA | {"head_dim": 48}, 16, 1, 30),
    ("llama", WIDE, 8, 1, 20),
    ("gpt2", GPT2 | {"n_layer": 1}, 8, 3, 20),
    ("llama", WIDE | ONE | {"intermediate_size": 4416}, 4, 1, 20),
    ("qwen2", WIDE | ONE | {"hidden_size": 192}, 4, 3, 20),
]


@pytest.mark.parametrize(("model_type", "values", "bits", "rows", "context"), CASES)
def test_it_gives_what_launches_give(compiler, runs, four_bits, only, model_type, values, bits, rows, context):
    """Over the end of a chunk, with columns that come in several stages, with a residual that two read at once."""
    model = make(model_type, bits, **values)
    only("persistent")
    found = steps(model, rows, context, 3)
    only("step")
    expected = steps(model, rows, context, 3)
    assert {kind for kind, _ in compiler.asked} == {"persistent", "step"}
    assert runs == 6 * [rows]
    for one, other in zip(found, expected, strict=True):
        assert float((one - other).norm() / other.norm()) < 5e-3


def test_the_other_half_precision(compiler, only):
    """float16 rounds eight times as finely: both kinds agree to as much."""
    model = make("llama", 16, torch.float16, **LLAMA)
    only("persistent")
    found = steps(model, 2, 254, 3)
    only("step")
    for one, other in zip(found, steps(model, 2, 254, 3), strict=True):
        assert float((one - other).norm() / other.norm()) < 1e-3
    assert all("-DFLOAT=2" in options for kind, options in compiler.asked if kind != "choose")


@pytest.mark.parametrize(("case", "blocks"), [(CASES[0], 7), (CASES[2], 1), (CASES[4], 7), (CASES[5], 3)])
def test_no_order_changes_a_number(compiler, only, monkeypatch, case, blocks):
    """Of blocks, warps and lanes, of copies, and of numbers that other blocks come to see."""
    model_type, values, bits, rows, context = case
    monkeypatch.setattr(Device, "of", lambda device: Device(blocks, 96 << 10))
    model = make(model_type, bits, **values)
    only("persistent")
    expected = steps(model, rows, context, 2)
    monkeypatch.setattr(Kernels, "is_random", True)
    for one, other in zip(steps(model, rows, context, 2), expected, strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("case", [CASES[6], CASES[10]])
def test_shared_memory_is_as_large_as_what_lies_there(compiler, four_bits, only, monkeypatch, case):
    """Of attention and of the widest product: 16 bytes less are too few, which the emulator says."""
    model_type, values, bits, rows, context = case
    only("persistent")
    model = make(model_type, bits, **values)
    steps(model, rows, context, 1)
    much = persistent.shared_bytes
    monkeypatch.setattr(persistent, "shared_bytes", lambda *given: much(*given) - 16)
    with pytest.raises(AssertionError):
        steps(model, rows, context, 1)


def test_few_stages_do(compiler, only, monkeypatch):
    """As on a device with little shared memory: two stages that are used again and again."""
    only("persistent")
    model = make("llama", 16, **LLAMA)
    expected = steps(model, 1, 20, 4)
    monkeypatch.setattr(persistent, "depth", lambda *_: 2)
    for one, other in zip(steps(model, 1, 20, 4), expected, strict=True):
        assert torch.equal(one, other)
    assert "-DDEPTH=2" in compiler.asked[-1][1]


@pytest.mark.parametrize(("other", "quickest"), [(2.0, "persistent"), (0.99, "persistent"), (0.5, "step")])
def test_the_quicker_kind_stays(compiler, monkeypatch, other, quickest):
    """Found out at the first step, kept when the text outgrows its room. Noise does not choose."""
    times = iter([1.0, other])
    monkeypatch.setattr(graphs, "_seconds", lambda step: next(times))
    steps(make("llama", 16, **LLAMA), 1, 255, 3)
    assert list(times) == []
    assert [kind for kind, _ in compiler.asked if kind != "choose"] == ["persistent", "step", quickest]


@pytest.mark.parametrize(("long", "calls"), [(0.02, 3), (0.0, 9)])
def test_a_slow_step_is_not_timed_for_long(long, calls):
    """Nobody can stop the reply meanwhile."""
    made: list[int] = []

    class Slow:
        def again(self) -> Tensor:
            made.append(time.sleep(long) or 1)
            return torch.zeros(1, 1)

    graphs._seconds(Slow())
    assert len(made) == calls


def test_the_slower_kind_is_there_when_the_quicker_one_goes_wrong(compiler, runs, monkeypatch):
    """In a larger room: the model's own forward is not asked."""
    times, run = iter([1.0, 2.0]), persistent.PersistentProgram.run
    monkeypatch.setattr(graphs, "_seconds", lambda step: next(times))
    monkeypatch.setattr(
        persistent.PersistentProgram,
        "run",
        lambda program, kernels: run(program, kernels).roll(int(program._chunks > 1), -1),
    )
    monkeypatch.setattr(graphs.OwnForward, "__call__", lambda own: pytest.fail("the model's own forward"))
    runner = Runner(make("llama", 16, **LLAMA))
    batch = Batch(runner)
    batch.extend([list(range(5, 259))])
    for token in range(5):
        batch.step([token])
    assert runner.steps.fused.refused == {("persistent", 1)}
    assert compiler.asked[-1][0] == "step"


@pytest.mark.parametrize("kind", ["persistent", "step"])
def test_where_memory_is_enough_for_one_kind_it_is_taken(compiler, monkeypatch, kind):
    """And the race is run when there is enough for both."""
    runs = FusedMaker._runs

    def run(maker: FusedMaker, of: str, *given: Any) -> Any:
        if of != kind:
            raise torch.OutOfMemoryError("no memory")
        return runs(maker, of, *given)

    monkeypatch.setattr(FusedMaker, "_runs", run)
    runner = Runner(make("llama", 16, **LLAMA))
    batch = Batch(runner)
    batch.extend([list(range(5, 259))])
    batch.step([1])
    assert runner.steps.made == 1
    assert not runner.steps.fused.refused | set(runner.steps.fused.quickest)
    monkeypatch.setattr(FusedMaker, "_runs", runs)
    for token in range(3):
        batch.step([token])
    assert runner.steps.fused.quickest


def test_the_other_kind_takes_the_place_of_one_that_is_wrong(compiler, monkeypatch, caplog):
    run = persistent.PersistentProgram.run
    monkeypatch.setattr(persistent.PersistentProgram, "run", lambda program, kernels: run(program, kernels).roll(1, -1))
    model = make("llama", 16, **LLAMA)
    with caplog.at_level("INFO", "chatdesk.engine.local.graphs"):
        runner = Runner(model)
        batch = Batch(runner)
        batch.extend([list(range(5, 25))])
        for token in range(3):
            batch.step([token])
    assert runner.steps.fused.refused == {("persistent", 1)}
    assert caplog.text.count("differ") == 1
    assert compiler.asked[-1][0] == "step"


def test_who_is_not_served():
    """Odd widths, large heads, inputs that leave no room for weights."""
    device = Device(132, 227 << 10)
    assert persistent.is_served(make("llama", 16, **LLAMA), 8, 16, device)
    assert not persistent.is_served(make("llama", 16, **LLAMA | {"intermediate_size": 136}), 1, 16, device)
    assert not persistent.is_served(make("llama", 16, **LLAMA | {"head_dim": 512}), 1, 16, device)
    assert not persistent.is_served(make("llama", 16, **LLAMA | {"intermediate_size": 12800}), 8, 16, device)
