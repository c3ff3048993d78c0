"""Ending a forward pass between two layers, so that a cancel waits neither for a long prompt nor for a slow step."""

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable


class Stopped(Exception):
    """A forward pass was ended by a `Brake`."""


class Brake:
    """Asks ``should_stop`` before each layer of a model, and raises `Stopped`. It holds no reference to the model."""

    def __init__(self, model: torch.nn.Module) -> None:
        self.should_stop: Callable[[], bool] = lambda: False
        lists = [module for module in model.modules() if isinstance(module, torch.nn.ModuleList)]
        blocks = max(lists, key=len, default=torch.nn.ModuleList())
        self.layers = len(blocks)
        for block in blocks:
            block.register_forward_pre_hook(self._before_layer)

    def check(self) -> None:
        """Raise `Stopped` where that is asked for."""
        if self.should_stop():
            raise Stopped

    def _before_layer(self, _module: torch.nn.Module, _arguments: object) -> None:
        if self.should_stop():
            raise Stopped
