"""Ending a forward pass between two layers, so that a cancel waits neither for a long prompt nor for a slow step."""

from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Stopped(Exception):
    """A forward pass was ended by a `Brake`."""


class Brake:
    """Asks ``should_stop`` before layers of a model, and raises `Stopped`. It holds no reference to the model.

    ``looks``: how often in a forward pass.
    """

    def __init__(self, model: torch.nn.Module, every: int = 1) -> None:
        """It asks before the first layer, and before each ``every``-th from there."""
        self.should_stop: Callable[[], bool] = lambda: False
        lists = [module for module in model.modules() if isinstance(module, torch.nn.ModuleList)]
        blocks = max(lists, key=len, default=torch.nn.ModuleList())
        asking = list(blocks)[::every]
        self.looks = len(asking)
        for block in asking:
            block.register_forward_pre_hook(self._before_layer)

    @contextmanager
    def released(self) -> "Iterator[None]":
        """Nothing is stopped meanwhile."""
        should_stop, self.should_stop = self.should_stop, lambda: False
        try:
            yield
        finally:
            self.should_stop = should_stop

    def check(self) -> None:
        """Raise `Stopped` where that is asked for."""
        if self.should_stop():
            raise Stopped

    def _before_layer(self, _module: torch.nn.Module, _arguments: object) -> None:
        if self.should_stop():
            raise Stopped
