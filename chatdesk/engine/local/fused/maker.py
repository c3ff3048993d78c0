"""Whether a model's decode step can be one of our own kernels, and how."""

import os
from collections.abc import Callable
from typing import Any

import torch

from chatdesk.engine.local.fused.driver import COMPILER
from chatdesk.engine.local.fused.program import FLOATS, MOST_ROWS, Buffers, Kernels, Program, lay_by_rows
from chatdesk.engine.local.lean.description import ARCHITECTURES

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
        weight = model.get_input_embeddings().weight
        self._float = FLOATS.get(weight.dtype)
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

    @property
    def is_compiling(self) -> bool:
        """Whether what a single row needs is not there yet, but will be."""
        return self._is_on and COMPILER.is_at(self._options(1))

    @property
    def kernels(self) -> Kernels | None:
        """Those for a single row, where they are there: `choose` among them is for any number."""
        return COMPILER.kernels(self._options(1)) if self._is_on else None

    def way(self, buffers: Buffers, room: int) -> Callable[[torch.Tensor], Callable[[], torch.Tensor]] | None:
        """How to make a step over these buffers, or None: also where an adapter hangs on the model's own modules."""
        rows, architecture = len(buffers[0][0]), self._architecture
        if not self._is_on or architecture is None or rows in self.refused or rows > MOST_ROWS:
            return None
        if any(module._forward_hooks for module in self._model.modules()):
            return None
        COMPILER.begin(self._options(rows))
        kernels = COMPILER.kernels(self._options(rows))
        if kernels is None:
            return None

        def make(inputs: torch.Tensor) -> Callable[[], torch.Tensor]:
            program = Program(self._model, architecture, buffers, inputs, room)
            return lambda: program.run(kernels)

        return make

    def _options(self, rows: int) -> tuple[str, ...]:
        if not torch.cuda.is_available():
            return f"-DFLOAT={self._float}", f"-DROWS={rows}"
        major, minor = torch.cuda.get_device_capability()
        return f"--gpu-architecture=sm_{major}{minor}", f"-DFLOAT={self._float}", f"-DROWS={rows}"
