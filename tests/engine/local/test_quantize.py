"""Eight and four bits: how near they are to the weights they stand for, in every architecture, and for real text."""

import math
from pathlib import Path

import pytest
import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from chatdesk.engine.api import Failed, Load, Loaded, Progress
from chatdesk.engine.local import LocalEngine, placement, quantize
from chatdesk.engine.local.quantize import Int4Linear, Int8Linear
from chatdesk.library import safety
from chatdesk.library.footprint import READ_THEIR_HEADS, measure
from chatdesk.paths import starter
from tests.engine.checkpoints import CORE, SIZES, make_checkpoint

CPU = torch.device("cpu")


def loaded(folder: Path, dtype: str, device: str = "cpu") -> LocalEngine:
    engine = LocalEngine()
    *_, last = engine.run(Load(1, str(folder), device, dtype))
    assert isinstance(last, Loaded), last
    assert last.model.dtype == dtype
    return engine


@pytest.mark.parametrize(("kind", "most"), [(Int8Linear, 0.01), (Int4Linear, 0.10)])
@pytest.mark.parametrize("rows", [1, 3, 40])
def test_product(kind: type[nn.Module], most: float, rows: int) -> None:
    """Against the product in float32, relative; with a bias, and any leading dimensions."""
    torch.manual_seed(0)
    weight, bias, x = torch.randn(64, 96), torch.randn(64), torch.randn(2, rows, 96)
    expected = x @ weight.T + bias
    found = kind(weight, bias.bfloat16())(x.bfloat16()).float()
    assert found.shape == expected.shape
    assert (found - expected).norm() / expected.norm() < most
    lying = weight.T.contiguous().T  # as GPT-2's matrices come
    assert torch.equal(kind(lying, bias.bfloat16())(x.bfloat16()).float(), found)


@pytest.mark.parametrize("rows", [1, 2, 8])
@pytest.mark.parametrize("width", [37, 100, 120])
def test_widths_that_torchs_operator_reads_beyond(width: int, rows: int) -> None:
    """What lies behind a matrix, here what is no number, is none of its own."""
    weight, x = torch.randn(64, width), torch.randn(rows, width)
    layer, expected = Int8Linear(weight, None), x @ weight.T
    for _ in range(20):
        [torch.full((4096,), math.nan, dtype=torch.bfloat16) for _ in range(8)].clear()
        assert (layer(x.bfloat16()).float() - expected).norm() / expected.norm() < 0.01


def test_a_row_of_nothing_stays_nothing() -> None:
    for kind in (Int8Linear, Int4Linear):
        assert kind(torch.zeros(32, 32), None)(torch.ones(1, 32, dtype=torch.bfloat16)).abs().max() < 1e-3


@pytest.mark.parametrize("dtype", ["int8", "int4"])
@pytest.mark.parametrize(
    "model_type", [*CORE, *(pytest.param(m, marks=pytest.mark.soak) for m in sorted(set(SIZES) - set(CORE)))]
)
def test_every_architecture(model_type: str, dtype: str, tmp_path: Path) -> None:
    """It loads and says something; no plain matrix is left in a block; it takes what the footprint says."""
    folder = make_checkpoint(tmp_path, model_type)
    engine = loaded(folder, dtype)
    assert engine._generator is not None
    model = engine._generator.checkpoint.model
    blocks = [block for part in model.modules() if isinstance(part, nn.ModuleList) for block in part.modules()]
    left = {name for name, part in model.named_modules() if isinstance(part, nn.Linear | Conv1D) and part in blocks}
    assert all(name.endswith(".dt_proj") for name in left)  # by whose weight Mamba multiplies itself
    assert any(isinstance(block, Int8Linear | Int4Linear) for block in blocks)
    with torch.no_grad():
        logits = model(input_ids=torch.arange(20)[None]).logits
    assert torch.isfinite(logits).all()
    quantised = [part for part in model.modules() if isinstance(part, Int8Linear | Int4Linear)]
    assert (model.get_output_embeddings() in quantised) is (model_type not in READ_THEIR_HEADS)
    packed = (part for module in quantised for part in module.buffers())
    held = {part.data_ptr(): part for part in (*model.parameters(), *packed)}
    estimate = measure(safety.check(folder)).weight_bytes(dtype)
    assert sum(part.nbytes for part in held.values()) == pytest.approx(estimate, rel=0.10)
    engine.close()


def test_perplexity_of_the_model_in_the_box() -> None:
    """On its own exchanges: within 2 % of bfloat16 with eight bits, within 8 % with four."""
    found = {dtype: _perplexity(dtype) for dtype in ("bfloat16", "int8", "int4")}
    assert found["int8"] / found["bfloat16"] < 1.02
    assert found["int4"] / found["bfloat16"] < 1.08


def _perplexity(dtype: str) -> float:
    engine = loaded(starter(), dtype)
    assert engine._generator is not None
    checkpoint = engine._generator.checkpoint
    text = (starter() / "README.md").read_text(encoding="utf-8")
    ids = torch.tensor(checkpoint.tokens.encode(text)[:1024])[None]
    with torch.no_grad():
        loss = checkpoint.model(input_ids=ids, labels=ids).loss
    engine.close()
    return math.exp(loss.item())


def test_a_load_can_be_cancelled_between_two_matrices(tmp_path: Path) -> None:
    engine = LocalEngine()
    events = engine.run(Load(1, str(make_checkpoint(tmp_path, "llama")), "cpu", "int8"))
    assert isinstance(next(events), Progress)
    engine.cancel(1)
    *_, last = events
    assert isinstance(last, Failed)
    assert last.fault == "cancelled"
    engine.close()


def test_a_device_that_cannot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placement, "_has_bfloat16", lambda device: False)
    monkeypatch.setattr(placement, "device_name", lambda device: "Old GPU")
    assert placement.choose_bits("int8", CPU) == 8
    with pytest.raises(placement.UserError, match="Old GPU cannot compute with int4 weights"):
        placement.choose_bits("int4", torch.device("cuda"))


def test_widths_that_cannot_be_packed_have_eight_bits(tmp_path: Path) -> None:
    """A width of 40 is no multiple of 32."""
    sizes = {"hidden_size": 40, "intermediate_size": 72, "num_attention_heads": 4, "num_key_value_heads": 2}
    engine = loaded(make_checkpoint(tmp_path, "llama", config=sizes), "int4")
    assert engine._generator is not None
    kinds = {type(part) for part in engine._generator.checkpoint.model.modules()}
    assert Int8Linear in kinds
    assert Int4Linear not in kinds
    engine.close()


@pytest.mark.parametrize(("out", "width"), [(64, 32), (320, 96), (80, 64)])
def test_four_bits_are_unpacked_for_many_rows(monkeypatch, out, width):
    """As torch's operator computes them; in several parts, and where rows are no whole number of blocks."""
    torch.manual_seed(3)
    layer = quantize.Int4Linear(torch.randn(out, width, dtype=torch.bfloat16), torch.randn(out, dtype=torch.bfloat16))
    x = torch.randn(3, 50, width, dtype=torch.bfloat16)
    theirs = layer(x)
    used, unpacked = list[int](), quantize._unpacked

    def noted(weight, scales, lanes):
        for part in unpacked(weight, scales, lanes):
            used.append(part.shape[1])
            yield part

    monkeypatch.setattr(quantize, "_unpacked", noted)
    monkeypatch.setattr(quantize, "_UNPACKED_ROWS", 150)
    monkeypatch.setattr(quantize, "_WIDENED", 96 * 128)
    monkeypatch.setattr(quantize, "_BLOCKS", 1)
    lanes = quantize._lanes()
    used.clear()
    ours = layer(x)
    torch.testing.assert_close(ours.float(), theirs.float(), rtol=0.02, atol=0.02 * float(theirs.abs().max()))
    assert sum(used) == (out if lanes and out % lanes == 0 else 0)
    if used and out == 320:
        assert len(used) > 1
