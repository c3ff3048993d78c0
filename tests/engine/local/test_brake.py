"""How often a forward pass is asked whether to stop."""

import pytest
import torch

from chatdesk.engine.local.brake import Brake, Stopped


def model(device: str, layers: int = 9) -> torch.nn.Module:
    blocks = (torch.nn.Linear(2, 2, device=device) for _ in range(layers))
    return torch.nn.ModuleDict({"blocks": torch.nn.ModuleList(blocks), "few": torch.nn.ModuleList()})


@pytest.mark.parametrize(("device", "looks"), [("cpu", 9), ("meta", 3)])
def test_looks(device: str, looks: int) -> None:
    """Before each layer on the CPU, else before each fourth."""
    blocks = model(device)["blocks"]
    brake, asked = Brake(blocks), list[int]()
    brake.should_stop = lambda: bool(asked.append(1))
    for block in blocks:
        block(torch.ones(2, device=device))
    assert brake.looks == len(asked) == looks
    brake.should_stop = lambda: True
    with pytest.raises(Stopped):
        blocks[0](torch.ones(2, device=device))


def test_a_layer_beside_the_gpu_is_slow() -> None:
    """Where one lies on the CPU all are asked."""
    mixed = model("meta")
    mixed["blocks"][8].to_empty(device="cpu")
    assert Brake(mixed).looks == 9
