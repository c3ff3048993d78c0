"""Lengths that prompts are read in on the CPU in two bytes: few, for each new one is made a kernel.

oneDNN compiles its matrix products for each number of tokens and keeps them: 10 ms and more than a megabyte for one
that it has not met. So a part of a prompt is read with some tokens behind it, up to one of a few lengths. No token sees
those behind it, and the cache forgets them, so that what is computed for the others is the same.
"""

from typing import Any

import torch

from chatdesk.engine.local.lean.description import STEADY_ROPES

_SHORT = 8  # so many lengths are few
_LEAST = 8  # lengths are multiples of it


class Padding:
    """How many tokens one model reads beyond those that it is given."""

    def __init__(self, model: Any) -> None:
        is_in_two_bytes = model.device.type == "cpu" and model.dtype in (torch.bfloat16, torch.float16)
        is_steady = all(getattr(module, "rope_type", STEADY_ROPES[0]) in STEADY_ROPES for module in model.modules())
        most = getattr(model.config.get_text_config(), "max_position_embeddings", None)
        self._most = int(most or 0) if is_in_two_bytes and is_steady else 0

    def of(self, tokens: int, before: int) -> int:
        """For so many tokens after ``before`` others: up to 7 or an eighth, and never beyond the last position."""
        if tokens <= _SHORT:
            return 0
        step = max(_LEAST, 1 << (tokens // 8).bit_length() - 1)
        spare = -tokens % step
        return spare if before + tokens + spare <= self._most else 0
