"""Eight and four bits on a CUDA device: near the bfloat16 weights, and what is left of the memory."""

import math

import pytest
import torch
from torch import nn

from chatdesk.engine.api import Load, Loaded
from chatdesk.engine.local import LocalEngine
from chatdesk.engine.local.quantize import Int4Linear, Int8Linear
from chatdesk.paths import starter


@pytest.mark.gpu
@pytest.mark.parametrize(("kind", "most"), [(Int8Linear, 0.01), (Int4Linear, 0.10)])
@pytest.mark.parametrize("rows", [1, 5, 300])
@pytest.mark.parametrize("width", [192, 1024])
def test_product(kind: type[nn.Module], most: float, rows: int, width: int) -> None:
    torch.manual_seed(0)
    weight, x = torch.randn(256, width, device="cuda"), torch.randn(rows, width, device="cuda")
    expected = x @ weight.T
    found = kind(weight, None)(x.bfloat16()).float()
    assert (found - expected).norm() / expected.norm() < most


@pytest.mark.gpu
def test_perplexity_of_the_model_in_the_box() -> None:
    found = {dtype: _perplexity(dtype) for dtype in ("bfloat16", "int8", "int4")}
    print(found)
    assert found["int8"] / found["bfloat16"] < 1.02
    assert found["int4"] / found["bfloat16"] < 1.08


def _perplexity(dtype: str) -> float:
    engine = LocalEngine()
    *_, last = engine.run(Load(1, str(starter()), "cuda", dtype))  # type: ignore[arg-type]
    assert isinstance(last, Loaded), last
    assert engine._generator is not None
    checkpoint = engine._generator.checkpoint
    text = (starter() / "README.md").read_text(encoding="utf-8")
    ids = torch.tensor(checkpoint.tokens.encode(text)[:1024], device="cuda")[None]
    with torch.no_grad():
        loss = checkpoint.model(input_ids=ids, labels=ids).loss
    engine.close()
    return math.exp(loss.item())
