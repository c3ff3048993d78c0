"""Positions of models that turn all of them in another way once a text is long (LongRoPE: Phi 3 with 128k tokens).

The keys of a text that grows beyond the limit are then all others, and are made again, as transformers' `generate` does
for these models. Which way is taken their rotary modules choose by the last position that they are asked for. But a
long text is read in parts, the first of which do not reach that far, and tables are made of more positions than there
are tokens: so for a long text the modules are asked for a position beyond the limit besides, for others never.
"""

import sys
from typing import Any

import torch


class LongRope:
    """``limit``: the most tokens of a text that is turned in the short way, beyond all texts for other models.

    ``is_long``: which way forward passes and tables take. It holds no reference to the model.
    """

    def __init__(self, model: torch.nn.Module) -> None:
        self.is_long, self.limit = False, sys.maxsize
        for module in model.modules():
            if getattr(module, "rope_type", None) == "longrope":
                settings: Any = module.config
                self.limit = int(settings.rope_parameters["original_max_position_embeddings"])
                module.register_forward_pre_hook(self._before, with_kwargs=True)
                module.register_forward_hook(self._after)

    def is_long_for(self, tokens: int) -> bool:
        """Which way a text of so many tokens takes."""
        return tokens > self.limit

    def set_for(self, tokens: int) -> None:
        """Let forward passes take that way."""
        self.is_long = self.is_long_for(tokens)

    def _before(self, _module: Any, given: tuple[Any, ...], named: dict[str, Any]) -> Any:
        hidden, places = given if len(given) > 1 else (given[0], named["position_ids"])
        pad = torch.nn.functional.pad
        return (hidden, pad(places, (0, 1), value=self.limit) if self.is_long else places.clamp(max=self.limit - 1)), {}

    def _after(self, _module: Any, _given: Any, turns: tuple[torch.Tensor, torch.Tensor]) -> Any:
        return tuple(each[:, :-1] for each in turns) if self.is_long else None
