"""Adapters on a CUDA device: the captured step goes with what is on, in every precision and beside moved layers."""

from pathlib import Path

import pytest
import torch

from chatdesk.engine.api import Load, Loaded
from tests.engine.adapters import make_adapter
from tests.engine.local.driving import generate, ids_of, load

pytestmark = pytest.mark.gpu


PROMPT = "Once upon a time there was a small model"


@pytest.mark.parametrize("model_type", ["gpt2", "llama", "falcon", "phi3"])
def test_the_words_are_those_of_the_cpu(engine, checkpoint, tmp_path: Path, model_type):
    folder = str(make_adapter(tmp_path / "adapter", checkpoint(model_type), model_type))
    found = []
    for device in ("cpu", "cuda"):
        load(engine, checkpoint(model_type), device=device)
        found.append([ids_of(generate(engine, PROMPT, adapter=path)) for path in ("", folder, "", folder)])
    assert found[0] == found[1]
    assert found[1][0] != found[1][1]
    assert engine._loaded()._cache.runner.steps.made == (0 if model_type == "falcon" else 4)  # see test_graphs


@pytest.mark.parametrize("dtype", ["bfloat16", "int8", "int4"])
def test_off_is_the_base_again(engine, checkpoint, tmp_path: Path, dtype):
    folder = str(make_adapter(tmp_path / "adapter", checkpoint("llama"), "llama"))
    load(engine, checkpoint("llama"), dtype, "cuda")
    model, ids = engine._loaded().checkpoint.model, torch.arange(20, device="cuda")[None]
    with torch.inference_mode():
        before = model(ids).logits
        words = ids_of(generate(engine, PROMPT))
        generate(engine, PROMPT, adapter=folder)
        assert not torch.equal(model(ids).logits, before)
        assert ids_of(generate(engine, PROMPT)) == words
        assert torch.equal(model(ids).logits, before)


def test_layers_that_are_moved_have_it_too(engine, checkpoint, tmp_path: Path):
    folder = str(make_adapter(tmp_path / "adapter", checkpoint("llama"), "llama"))
    load(engine, checkpoint("llama"), device="cuda")
    whole = ids_of(generate(engine, PROMPT, adapter=folder))
    *_, last = engine.run(Load(1, str(checkpoint("llama")), "cuda", "float32", gpu_layers=1))
    assert isinstance(last, Loaded), last
    assert ids_of(generate(engine, PROMPT, adapter=folder)) == whole
