"""Batches made ready in threads while the device computes, so that it never waits for them."""

from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor

from chatdesk.training.order import Batch

_AHEAD = 6  # batches
_THREADS = 2

Inputs: TypeAlias = tuple[Tensor, Tensor, Tensor | None, Tensor]


class Ready(NamedTuple):
    """What `model.LossModel` takes, in host memory, and how many tokens of the whole batch count."""

    inputs: Inputs
    counted: int


def make_ready(batch: Batch, rows: slice, isolate: bool, device: torch.device) -> Ready:
    """The ``rows`` of a batch as tensors, in pinned memory when ``device`` is CUDA.

    Positions are left out unless documents see only themselves: counting from 0 is what the model does by itself.
    """

    def tensor(array: object) -> Tensor:
        made = torch.as_tensor(array)
        return made.pin_memory() if device.type == "cuda" else made

    positions = tensor(batch.positions[rows]) if isolate else None
    inputs = (tensor(batch.inputs[rows]), tensor(batch.targets[rows]), positions, tensor(batch.counted[rows]))
    return Ready(inputs, int(batch.counted.sum()))


def on_device(inputs: Inputs, device: torch.device) -> Inputs:
    """The inputs copied to ``device``; nothing waits for the copy."""
    tokens, targets, positions, counted = inputs
    if positions is not None:
        positions = positions.to(device, non_blocking=True)
    return (
        tokens.to(device, non_blocking=True),
        targets.to(device, non_blocking=True),
        positions,
        counted.to(device, non_blocking=True),
    )


def split(inputs: Inputs, parts: int) -> list[Inputs]:
    """The rows in up to ``parts`` equal parts."""
    tokens, targets, positions, counted = (None if each is None else each.chunk(parts) for each in inputs)
    assert tokens is not None
    assert targets is not None
    assert counted is not None
    return [
        (tokens[i], targets[i], None if positions is None else positions[i], counted[i]) for i in range(len(tokens))
    ]


def ahead(make: Callable[[int], Ready], steps: range) -> Generator[Ready, None, None]:
    """``make`` of each step in order, up to `_AHEAD` of them before they are asked for."""
    with ThreadPoolExecutor(_THREADS, "batches") as pool:
        waiting: deque[Future[Ready]] = deque()
        for step in steps:
            waiting.append(pool.submit(make, step))
            if len(waiting) > _AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
