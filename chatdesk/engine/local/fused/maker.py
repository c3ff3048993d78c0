"""Whether a model's decode step can be one of our own kernels, and how."""

import os
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch

from chatdesk.engine.local.adapters import has_adapter
from chatdesk.engine.local.fused.driver import COMPILER, Kernels, Options
from chatdesk.engine.local.fused.persistent import PersistentProgram, definitions, is_served
from chatdesk.engine.local.fused.program import FLOATS, MOST_ROWS, Buffers, Device, Program, lay_by_rows
from chatdesk.engine.local.lean.description import ARCHITECTURES, Architecture
from chatdesk.engine.local.quantize import Int4Linear, Int8Linear
from chatdesk.engine.wire import FUSED_VARIABLE

Way = Callable[[torch.Tensor], Callable[[], torch.Tensor]]
"""See `graphs.Make`."""


class FusedMaker:
    """Our own steps for one model, on a device of `DEVICES`; begins to compile those for a single row.

    There are two: one kernel that goes through all phases of a step, on newer devices and not in float32, and a launch
    for each phase. ``refused``: which of them, for how many rows, there shall not be. ``quickest``: by rows, which of
    them was found to be quicker.
    """

    DEVICES = ("cuda",)

    def __init__(self, model: Any) -> None:
        self._model = model
        self._architecture = ARCHITECTURES.get(model.config.model_type)
        weight = next(model.parameters())
        self._float = FLOATS.get(weight.dtype)
        self._device = Device.of(weight.device)
        kinds = {type(module) for module in model.modules()}
        self._bits = 4 if Int4Linear in kinds else 8 if Int8Linear in kinds else 16
        self.refused: set[tuple[str, int]] = set()
        self.quickest: dict[int, str] = {}
        self._known: dict[int, list[Options]] = {}
        self._is_on = (
            all(each.device.type in self.DEVICES for each in model.parameters())  # not beside it
            and None not in (self._architecture, self._float)
            and torch.version.hip is None
            and os.environ.get(FUSED_VARIABLE) != "off"
        )
        if self._is_on:
            lay_by_rows(model)
            self._are_compiling(1)
            COMPILER.begin(self._choosing)

    @property
    def is_compiling(self) -> bool:
        """Whether what a single row needs is not there yet, but will be."""
        return self._is_on and self._are_compiling(1)

    @property
    def chooser(self) -> Kernels | None:
        """The kernel `choose`, where it is there."""
        return COMPILER.kernels(self._choosing) if self._is_on else None

    def ways(self, buffers: Buffers, room: int) -> Iterator[tuple[str, Way]]:
        """How steps over these buffers can be made, each with its kind, the quickest ahead where it is known; none
        where an adapter hangs on the model's own modules.
        """
        rows, architecture = len(buffers[0][0]), self._architecture
        if not self._is_on or architecture is None or rows > MOST_ROWS or has_adapter(self._model):
            return
        if self._are_compiling(rows):
            return
        for kind, options in sorted(self._options(rows), key=lambda options: options[0] != self.quickest.get(rows)):
            kernels = None if (kind, rows) in self.refused else COMPILER.kernels((kind, options))
            if kernels is not None:
                yield kind, partial(self._runs, kind, kernels, (self._model, architecture, buffers), room)

    def _runs(
        self, kind: str, kernels: Kernels, given: tuple[Any, Architecture, Buffers], room: int, inputs: torch.Tensor
    ) -> Callable[[], torch.Tensor]:
        is_persistent = kind == "persistent"
        program = (
            PersistentProgram(*given, inputs, room, self._bits) if is_persistent else Program(*given, inputs, room)
        )
        return lambda: program.run(kernels)

    def _are_compiling(self, rows: int) -> bool:
        """Begin to compile all kinds; whether any is not there yet, but will be."""
        for options in self._options(rows):
            COMPILER.begin(options)
        return any(COMPILER.is_at(options) for options in self._options(rows))

    def _options(self, rows: int) -> list[Options]:
        if rows not in self._known:
            given = *_architecture(), f"-DFLOAT={self._float}", f"-DROWS={rows}", f"-DBITS={self._bits}"
            sizes = self._model, rows, self._bits, self._device
            is_persistent = self._float and _is_capable() and is_served(*sizes)
            self._known[rows] = [("persistent", (*given, *definitions(*sizes)))] if is_persistent else []
            self._known[rows].append(("step", given))
        return self._known[rows]

    @property
    def _choosing(self) -> Options:
        return "choose", (*_architecture(), "-DFLOAT=0", "-DROWS=1")


def _is_capable() -> bool:
    """Whether the device copies many bytes into shared memory beside its work."""
    return not torch.cuda.is_available() or torch.cuda.get_device_capability() >= (9, 0)


def _architecture() -> tuple[str, ...]:
    if not torch.cuda.is_available():
        return ()
    major, minor = torch.cuda.get_device_capability()
    return (f"--gpu-architecture=sm_{major}{minor}",)
