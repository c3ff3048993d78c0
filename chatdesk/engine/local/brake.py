"""Ending a forward pass between two layers, so that a cancel waits neither for a long prompt nor for a slow step."""

from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Stopped(Exception):
    """A forward pass was ended by a `Brake`."""


_LAYERS_A_LOOK = 4


class Brake:
    """Asks ``should_stop`` before layers of a model, and raises `Stopped`. It holds no reference to the model.

    Before each where some lie on the CPU. A GPU takes less time for one than Python for the question: there before
    each fourth. ``looks``: how often in a forward pass.
    """

    def __init__(self, model: torch.nn.Module) -> None:
        self.should_stop: Callable[[], bool] = lambda: False
        lists = [module for module in model.modules() if isinstance(module, torch.nn.ModuleList)]
        blocks = max(lists, key=len, default=torch.nn.ModuleList())
        is_quick = all(parameter.device.type != "cpu" for parameter in model.parameters())
        asking = list(blocks)[:: _LAYERS_A_LOOK if is_quick else 1]
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
