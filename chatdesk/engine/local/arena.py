"""Memory for weights in large pages, where the system has them: a decode reads all of it for each token.

In pages of 4 KiB the processor looks up the place of each, and reading is slower by a tenth. An allocator gives each
matrix memory of its own, most of which are smaller than a large page.
"""

import mmap
from contextlib import suppress
from math import prod

import torch

_PART = 1 << 26
_LINE = 64  # bytes of the processor's cache that are fetched together


class Arena:
    """Tensors on the CPU that lie close to each other; a part of it is given back when none of its tensors is left."""

    def __init__(self) -> None:
        self._part: torch.Tensor | None = None
        self._used = 0

    def empty(self, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
        """Of any content."""
        size = prod(shape) * dtype.itemsize
        if self._part is None or self._used + size > len(self._part):
            self._part, self._used = _mapped(max(size, _PART)), 0
        found = self._part[self._used : self._used + size].view(dtype).view(shape)
        self._used += -(-size // _LINE) * _LINE
        return found


def _mapped(size: int) -> torch.Tensor:
    memory = mmap.mmap(-1, size)
    with suppress(AttributeError, OSError):  # not Linux, or one without them
        memory.madvise(mmap.MADV_HUGEPAGE)
    return torch.frombuffer(memory, dtype=torch.uint8)
