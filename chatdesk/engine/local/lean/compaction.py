"""A model's bfloat16 matrices in twelve bits beside their sixteen, made between the tokens of a decode.

A decode waits for the weights to come from memory, and these are three quarters of them, of the same numbers (see
`compact`). Prompts are still read with the model's own, which lie in the mapped file: the system may take their memory
and read them again. So this is for who has memory to spare.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import psutil
import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from chatdesk.engine.local.graphs import check
from chatdesk.engine.local.lean.race import Race
from chatdesk.engine.local.lean.together import together

_PORTIONS = 10
"""Tokens after which all is made, but for a matrix that is a larger part."""

_TIMES_FREE = 2
"""How many times as much memory as is needed has to be free."""

_NUMBERS_PER_STRAY = 128  # with more of them, they take longer than reading less saves
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Compact:
    """A matrix ``[out, in]``. ``weights``: uint8 ``[out, in / 64, 96]``; ``units``: bfloat16 ``[out]``.

    ``strays``: int32 ``[all, 2]``, a place in the row and the bits of a float32; ``starts``: int32 ``[out + 1]``, where
    those of each row begin.
    """

    weights: Tensor
    units: Tensor
    starts: Tensor
    strays: Tensor

    @property
    def saved_bytes(self) -> int:
        """How much less is read than of two bytes for each weight."""
        parts = self.units, self.starts, self.strays
        return self.weights.nbytes // 3 - sum(part.nbytes for part in parts)


class Compaction:
    """``made``: by the address of the model's own weights. ``race``: steps with them and without.

    ``kernels``: the module `compact`.
    """

    def __init__(self, model: nn.Module, kernels: Any, threads: int, race: Race) -> None:
        self.made: dict[int, Compact] = {}
        self.race = race
        self._kernels, self._threads = kernels, threads
        matrices = {_address(module): module for module in model.modules() if self._is_served(module)}
        self._left: list[Any] = list(matrices.values())
        self._portion = sum(module.weight.numel() for module in self._left) / _PORTIONS
        if not self._has_room():
            self.give_up("too little memory is free")

    @property
    def is_ready(self) -> bool:
        """Whether all that can be made is made."""
        return not self._left

    @property
    def is_of_use(self) -> bool:
        """Not where none could be made, or where they are not quicker."""
        return bool(self._left or self.made)

    @property
    def has_won(self) -> bool:
        """Whether steps with them are quicker."""
        return self.is_ready and self.race.has_won

    @property
    def saved_bytes(self) -> int:
        """How much less a token reads of the weights that are made."""
        return sum(each.saved_bytes for each in self.made.values())

    def go_on(self, brake: Callable[[], None] = lambda: None) -> None:
        """Make the next portion: a second for a large model. ``brake`` raises where it is to be stopped."""
        numbers = 0
        try:
            while self._left and numbers < self._portion:
                brake()
                module = self._left.pop()
                numbers += module.weight.numel()
                found = self._pack(module)
                self.made |= {_address(module): found} if found else {}
        except (MemoryError, RuntimeError) as error:  # torch's allocator has no error of its own
            self.give_up(f"{type(error).__name__}: {error}")

    def check(self, found: Tensor, expected: Tensor) -> None:
        """Give up where logits are not those of a step with the model's own weights."""
        try:
            check(found, expected, torch.bfloat16)
        except ValueError as error:
            self.give_up(str(error))

    def took(self, is_new: bool, seconds: float) -> None:
        """A token was made in this time, with these weights or without."""
        self.race.took(is_new, seconds)
        if self.race.is_over and not self.race.has_won:
            self.give_up("they are not quicker")

    def give_up(self, reason: str) -> None:
        """Nothing of it is used any more."""
        _logger.info("no weights in twelve bits: %s", reason)
        self._left, self.made = [], {}

    def _is_served(self, module: Any) -> bool:
        """Whether it is a matrix in bfloat16 with whole groups in each row."""
        if not isinstance(module, nn.Linear | Conv1D):
            return False
        weight: Tensor = module.weight
        width = weight.shape[0 if isinstance(module, Conv1D) else 1]
        return bool(weight.dtype == torch.bfloat16 and weight.is_contiguous() and width % self._kernels.GROUP == 0)

    def _has_room(self) -> bool:
        """What is mapped counts as free for the system, and is not."""
        mapped = sum(int(module.weight.nbytes) for module in self._left)
        return int(psutil.virtual_memory().available) - mapped > _TIMES_FREE * 0.75 * mapped

    def _pack(self, module: Any) -> Compact | None:
        """None where it has too many strays."""
        rows = module.weight.t() if isinstance(module, Conv1D) else module.weight
        height, width = rows.shape
        groups, size = width // self._kernels.GROUP, self._kernels.BYTES
        weights, units = torch.empty(height, groups, size, dtype=torch.uint8), rows.new_empty(height)
        starts = torch.zeros(height + 1, dtype=torch.int32)
        ends = [height * part // self._threads for part in range(self._threads + 1)]
        room = -(-height // self._threads) * width // _NUMBERS_PER_STRAY
        strays, found = torch.empty(self._threads, room, 2, dtype=torch.int32), [0] * self._threads

        def share(thread: int) -> None:
            first, end = ends[thread : thread + 2]
            part = rows[first:end].contiguous()
            targets = weights[first:], units[first:], starts[first + 1 :], strays[thread]
            addresses = np.array([target.data_ptr() for target in targets])
            found[thread] = self._kernels.pack(part.data_ptr(), end - first, width, addresses, room)

        together(self._threads, share, lambda: None)
        if min(found) < 0:
            return None
        for thread, before in enumerate(found[:-1]):
            starts[ends[thread + 1] + 1 :] += before
        return Compact(weights, units, starts, torch.cat([strays[i, :count] for i, count in enumerate(found)]))


def _address(module: Any) -> int:
    return int(module.weight.data_ptr())
