"""What the engine's speed is compared with: transformers' own `generate`, and what the device's memory can give.

All times are in seconds, with the device waited for.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

import torch

_COPIED_BYTES = {"cpu": 1 << 28}  # more than a processor's cache holds
_COPIED_BYTES_GPU = 1 << 31
_PART = 1 << 25
_EXPERTS = (".experts.", ".expert.")
_EXPERT_COUNTS = ("num_local_experts", "num_experts", "n_routed_experts")


def wait(device: torch.device) -> None:
    """Until the device has done all that was asked of it."""
    if device.type != "cpu":
        getattr(torch, device.type).synchronize()


def timed(device: torch.device, work: Callable[[], Any]) -> float:
    """How long ``work`` takes."""
    wait(device)
    started = time.perf_counter()
    work()
    wait(device)
    return time.perf_counter() - started


def generate_times(
    model: Any, ids: Sequence[int], new: int, should_stop: Callable[[], bool] = lambda: False
) -> list[float]:
    """When transformers' `generate` has each of ``new`` greedy tokens after a prompt, from its call on.

    It goes on over end tokens. ``should_stop`` is asked after each token.
    """
    device = model.device
    given = torch.tensor([list(ids)], device=device)
    times: list[float] = []

    def note(found: torch.Tensor, _scores: Any, **_more: Any) -> torch.Tensor:
        wait(device)
        times.append(time.perf_counter() - started)
        return torch.full((found.shape[0],), should_stop(), dtype=torch.bool, device=device)

    wait(device)
    started = time.perf_counter()
    model.generate(
        given,
        attention_mask=torch.ones_like(given),
        max_new_tokens=new,
        do_sample=False,
        num_beams=1,
        repetition_penalty=1.0,
        eos_token_id=None,
        pad_token_id=0,
        stopping_criteria=[note],
    )
    return times


def bandwidth(device: torch.device, most_bytes: int | None = None, check: Callable[[], None] = lambda: None) -> float:
    """Bytes a second of the device's memory: the better of a plain read and a plain copy.

    ``most_bytes``: how much memory it may take for that. ``check`` is called between the parts; what it raises ends it.
    """
    size = _COPIED_BYTES.get(device.type, _COPIED_BYTES_GPU)
    if most_bytes is not None:
        size = max(1 << 20, min(size, most_bytes // 2))
    source = torch.empty(size // 4, device=device)
    target = torch.empty_like(source)
    for tensor in (source, target):  # where memory is short, this is slow
        for first in range(0, len(tensor), _PART // 4):
            check()
            tensor[first : first + _PART // 4] = 1.0

    def best(work: Callable[[], Any]) -> float:
        check()
        return timed(device, work)

    copied = min(best(lambda: target.copy_(source)) for _ in range(2))
    read = min(best(source.sum) for _ in range(2))
    return max(2 * size / copied, size / read)


def weight_bytes(model: torch.nn.Module) -> int:
    """Bytes of all weights, wherever they lie; quantised ones are buffers."""
    return sum(tensor.nbytes for tensor in [*model.parameters(), *model.buffers()])


def bytes_per_token(model: Any, device: torch.device) -> int | None:
    """Bytes of weights that one token reads: of the embedding one row, of experts those that are asked.

    None where some do not lie on ``device``.
    """
    named = [*model.named_parameters(), *model.named_buffers()]
    if any(tensor.device.type != device.type for _, tensor in named):
        return None
    head = model.get_output_embeddings()
    table = getattr(model.get_input_embeddings(), "weight", None)
    unread = table.nbytes if table is not None and table is not getattr(head, "weight", None) else 0
    share = _share_of_experts(model.config)
    return int(sum(tensor.nbytes * (share if _is_expert(name) else 1) for name, tensor in named)) - unread


def _is_expert(name: str) -> bool:
    return any(part in f".{name}" for part in _EXPERTS)


def _share_of_experts(config: Any) -> float:
    """How many of its experts a token asks, of all."""
    asked = getattr(config, "num_experts_per_tok", None)
    among = next((count for name in _EXPERT_COUNTS if (count := getattr(config, name, None))), None)
    return asked / among if asked and among else 1.0
