"""A layer of the key-value cache that grows in place."""

from collections.abc import Callable
from typing import Any

import torch
from transformers.cache_utils import DynamicLayer


class GrowingLayer(DynamicLayer):  # type: ignore[no-untyped-call]
    """A layer's keys and values ``[rows, heads, tokens, size]`` in buffers with room to spare.

    A new token is written behind the others; joining it to a copy of them all, as the base class does, takes longer
    than the attention itself once a text is long. What the base class crops stays in the buffer, to be written over.
    ``expected``: tokens that are to come at least, so that there is room for them from the beginning.
    """

    def __init__(self, room: Callable[[int], int]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.expected = 0
        self._room = room
        self._key_buffer: torch.Tensor | None = None
        self._value_buffer: torch.Tensor | None = None

    @property
    def buffers(self) -> tuple[torch.Tensor, torch.Tensor] | None:
        """The keys and values with the room behind them, where they lie in it."""
        if self._key_buffer is None or self._value_buffer is None:
            return None
        return self._key_buffer, self._value_buffer

    def show(self, tokens: int) -> None:
        """Count the first so many tokens of the buffers in, whoever wrote them."""
        if self._key_buffer is not None and self._value_buffer is not None:
            self.keys, self.values = self._key_buffer[..., :tokens, :], self._value_buffer[..., :tokens, :]

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """All keys and values, with the new ones at the end."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        self._key_buffer, self.keys = _append(self._key_buffer, self.keys, key_states, self._room_for)
        self._value_buffer, self.values = _append(self._value_buffer, self.values, value_states, self._room_for)
        return self.keys, self.values

    def _room_for(self, tokens: int) -> int:
        return self._room(max(tokens, self.expected))


def _append(
    buffer: torch.Tensor | None, kept: Any, new: torch.Tensor, room: Callable[[int], int]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Write ``new`` behind ``kept``: in the buffer if ``kept`` lies in it and there is room, else in a new one."""
    start = kept.shape[-2] if kept.numel() else 0
    end = start + new.shape[-2]
    is_inside = (
        buffer is not None
        and buffer.shape[0] == new.shape[0]
        and (start == 0 or kept.data_ptr() == buffer.data_ptr())  # nothing lies nowhere
    )
    if buffer is None or not is_inside or buffer.shape[-2] < end:
        buffer = new.new_zeros((*new.shape[:-2], room(end), new.shape[-1]))
        if start:
            buffer[..., :start, :] = kept
    buffer[..., start:end, :] = new
    return buffer, buffer[..., :end, :]
