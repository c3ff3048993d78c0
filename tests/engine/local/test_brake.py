"""How often a forward pass is asked whether to stop."""

import accelerate
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from chatdesk.engine.local.brake import Brake, Stopped
from chatdesk.engine.local.fused.maker import FusedMaker
from chatdesk.engine.local.runner import Runner


def model(device: str) -> LlamaForCausalLM:
    sizes = {"hidden_size": 8, "intermediate_size": 8, "num_attention_heads": 1, "vocab_size": 9}
    with torch.device(device):
        return LlamaForCausalLM(LlamaConfig(num_hidden_layers=9, **sizes))


@pytest.mark.parametrize(("every", "looks"), [(1, 9), (4, 3)])
def test_looks(every: int, looks: int) -> None:
    """Before the first layer, and some of the others."""
    blocks = torch.nn.ModuleList(torch.nn.Linear(2, 2) for _ in range(9))
    brake, asked = Brake(blocks, every), list[int]()
    brake.should_stop = lambda: bool(asked.append(1))
    for block in blocks:
        block(torch.ones(2))
    assert brake.looks == len(asked) == looks
    brake.should_stop = lambda: True
    with pytest.raises(Stopped):
        blocks[0](torch.ones(2))


def test_a_gpu_is_asked_before_each_fourth() -> None:
    """Where all layers lie on it; here on a device that holds nothing."""
    assert Runner(model("cpu")).brake.looks == 9
    whole = model("meta")
    assert Runner(whole).brake.looks == 3
    whole.model.layers[8].to_empty(device="cpu")
    assert Runner(whole).brake.looks == 9


def test_layers_beside_the_gpu_are_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their weights lie on no device before they are brought over. Nothing is made that would take forward passes, and
    tokens are guessed.
    """
    monkeypatch.setattr(Runner, "STEP_DEVICES", ("cpu", "cuda"))
    monkeypatch.setattr(FusedMaker, "chooser", object())
    runner = Runner(split := model("cpu"))
    assert (runner.steps.is_on, runner.parts.is_on, runner.chooses) == (True, True, True)
    accelerate.cpu_offload(split.model.layers[8], torch.device("cpu"))
    assert {weights.device.type for weights in split.model.layers[8].parameters()} == {"meta"}
    runner = Runner(split)
    assert (runner.steps.is_on, runner.parts.is_on, runner.chooses) == (False, False, False)
    assert runner.brake.looks == 9
