"""Whether a model's decode step can be one of our own kernels, and how."""

import os
from collections.abc import Callable
from typing import Any

import torch

from chatdesk.engine.local.adapters import has_adapter
from chatdesk.engine.local.fused.driver import COMPILER, Options
from chatdesk.engine.local.fused.program import FLOATS, MOST_ROWS, Buffers, Kernels, Program, lay_by_rows
from chatdesk.engine.local.lean.description import ARCHITECTURES
from chatdesk.engine.local.quantize import Int4Linear, Int8Linear

SWITCH = "CHATDESK_FUSED"
"""Environment variable: ``off`` keeps the model's own forward."""


class FusedMaker:
    """Our own steps for one model, on a device of `DEVICES`; begins to compile those for a single row.

    ``refused``: numbers of rows for which there shall be none.
    """

    DEVICES = ("cuda",)

    def __init__(self, model: Any) -> None:
        self._model = model
        self._architecture = ARCHITECTURES.get(model.config.model_type)
        weight = next(model.parameters())
        self._float = FLOATS.get(weight.dtype)
        kinds = {type(module) for module in model.modules()}
        self._bits = 4 if Int4Linear in kinds else 8 if Int8Linear in kinds else 16
        self.refused: set[int] = set()
        self._is_on = (
            weight.device.type in self.DEVICES
            and None not in (self._architecture, self._float)
            and torch.version.hip is None
            and os.environ.get(SWITCH) != "off"
        )
        if self._is_on:
            lay_by_rows(model)
            COMPILER.begin(self._options(1))
            COMPILER.begin(self._choosing)

    @property
    def is_compiling(self) -> bool:
        """Whether what a single row needs is not there yet, but will be."""
        return self._is_on and COMPILER.is_at(self._options(1))

    @property
    def chooser(self) -> Kernels | None:
        """The kernel `choose`, where it is there."""
        return COMPILER.kernels(self._choosing) if self._is_on else None

    def way(self, buffers: Buffers, room: int) -> Callable[[torch.Tensor], Callable[[], torch.Tensor]] | None:
        """How to make a step over these buffers, or None: also where an adapter hangs on the model's own modules."""
        rows, architecture = len(buffers[0][0]), self._architecture
        if not self._is_on or architecture is None or rows in self.refused or rows > MOST_ROWS:
            return None
        if has_adapter(self._model):
            return None
        COMPILER.begin(self._options(rows))
        kernels = COMPILER.kernels(self._options(rows))
        if kernels is None:
            return None

        def make(inputs: torch.Tensor) -> Callable[[], torch.Tensor]:
            program = Program(self._model, architecture, buffers, inputs, room)
            return lambda: program.run(kernels)

        return make

    def _options(self, rows: int) -> Options:
        return "step", (*_architecture(), f"-DFLOAT={self._float}", f"-DROWS={rows}", f"-DBITS={self._bits}")

    @property
    def _choosing(self) -> Options:
        return "choose", (*_architecture(), "-DFLOAT=0", "-DROWS=1")


def _architecture() -> tuple[str, ...]:
    if not torch.cuda.is_available():
        return ()
    major, minor = torch.cuda.get_device_capability()
    return (f"--gpu-architecture=sm_{major}{minor}",)
