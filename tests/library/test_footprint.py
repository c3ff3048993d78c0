"""What is measured from headers and config, against what the same checkpoint takes when it is loaded."""

from pathlib import Path

import pytest
import torch

from chatdesk.engine.api import Load
from chatdesk.engine.local import LocalEngine
from chatdesk.engine.local.runner import Runner
from chatdesk.library import safety
from chatdesk.library.footprint import Footprint, Layer, measure
from chatdesk.library.headers import Tensor
from tests.engine.checkpoints import CORE, SIZES, make_checkpoint

TOKENS = 200  # more than the sliding windows of 64


@pytest.mark.parametrize("model_type", [*CORE, "gemma2", "gpt_bigcode", "openai-gpt"])
def test_estimate_against_the_loaded_model(model_type: str, tmp_path: Path) -> None:
    """Weights to the byte; keys and values to the byte, too, after a prompt of `TOKENS` tokens."""
    _compare(make_checkpoint(tmp_path, model_type))


@pytest.mark.soak
@pytest.mark.parametrize("model_type", sorted(set(SIZES) - set(CORE)))
def test_estimate_of_all_architectures(model_type: str, tmp_path: Path) -> None:
    """The rest of them."""
    _compare(make_checkpoint(tmp_path, model_type))


def _compare(folder: Path) -> None:
    size = measure(safety.check(folder))
    engine = LocalEngine()
    list(engine.run(Load(1, str(folder), "cpu", "float32")))
    assert engine._generator is not None
    model = engine._generator.checkpoint.model
    parameters = {part.data_ptr(): part for part in model.parameters()}.values()
    assert size.weight_bytes("float32") == sum(part.nbytes for part in parameters)
    assert size.blocks == 2
    runner = Runner(model)
    cache = runner.new_cache()
    kept = 0
    if cache is not None:
        runner(torch.arange(TOKENS).remainder(300)[None], cache, 0)
        layers = [layer for layer in cache.layers if getattr(layer, "keys", None) is not None]
        kept = sum(layer.keys.nbytes + layer.values.nbytes for layer in layers)
    assert size.cache_bytes("float32", TOKENS) == kept
    engine.close()


def test_masks_of_the_first_gpt2_take_nothing(tmp_path: Path) -> None:
    """They stand in the file and not in the model."""
    plain = measure(safety.check(make_checkpoint(tmp_path / "a", "gpt2")))
    old = measure(safety.check(make_checkpoint(tmp_path / "b", "gpt2", original_gpt2_names=True)))
    assert old.weight_bytes("float32") == plain.weight_bytes("float32")


def test_a_matrix_without_columns() -> None:
    """Is possible in a file, and takes nothing."""
    tensors = {"h.0.mlp.c_fc.weight": Tensor("F32", (4, 0), 0, 0, 0)}
    size = measure(safety.preview(Path("x"), {"model_type": "gpt2"}, tensors))
    assert (size.matrices, size.weight_bytes("float32")) == (0, 0)


def test_bytes_of_each_precision() -> None:
    """Scales: one a row in eight bits, two for 32 numbers in four; the head has eight, the rest stays in two bytes."""
    size = Footprint(
        matrices=3200,
        rows=50,
        others=100,
        layers=(Layer(8), Layer(8, 5)),
        blocks=2,
        width=8,
        vocabulary=9,
        head=60,
        head_rows=4,
    )
    assert [size.weight_bytes(d) for d in ("float32", "bfloat16", "int8", "int4")] == [
        13_200,
        6_600,
        3200 + 50 * 2 + 80 + 60 + 4 * 2,
        1600 + 200 * 2 + 80 + 60 + 4 * 2,
    ]
    assert size.cache_bytes("int4", 10) == (8 * 10 + 8 * 4) * 2
    assert size.cache_bytes("float32", 3) == (8 * 3 + 8 * 3) * 4
