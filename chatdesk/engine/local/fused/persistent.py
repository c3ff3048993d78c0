"""The decode step as one kernel that goes through all its phases by itself: `persistent.cu`.

Each of some hundred launches costs microseconds, in which the memory rests; here the weights stream without a pause.
"""

import ctypes
import math
from typing import Any

import torch
from torch import Tensor

from chatdesk.engine.local.fused.driver import Kernels
from chatdesk.engine.local.fused.program import (
    Attend,
    Buffers,
    Device,
    Embed,
    Product,
    Program,
    height_of,
    is_matrix,
    width_of,
)
from chatdesk.engine.local.lean.description import Architecture

_WARPS = 16
"""That compute, in a block; one more fetches."""

_RECORD = 256
_UNIT = 64
"""Columns that a warp multiplies at once."""

_DEEPEST, _SHALLOWEST = 6, 2
_MOST_SIZE = 256
_MOST_HELD = 8

_EMBED, _PRODUCT, _ATTEND = range(3)
_NUMBERS, _PAIRS, _LOGITS = range(3)
_FORMATS = {"product_2": 0, "product_4": 0, "product_int8_2": 1, "product_int8_4": 1}
_MOST_COLUMNS = {0: 1024, 1: 2048}
_MOST_COLUMNS_OF_FOUR_BITS = 4096


class Step(ctypes.Structure):
    """As in the kernel."""

    _fields_ = (
        ("phases", ctypes.c_void_p),
        ("steps", ctypes.c_void_p),
        ("count", ctypes.c_int),
    )


def head_size(model: Any) -> int:
    """Numbers of a head."""
    config = model.config
    return int(getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads)


def stage_bytes(bits: int) -> int:
    """Of weights that come in as one, with what stands between them."""
    return 20480 if bits == 4 else 16896


def staged_bytes(model: Any, rows: int) -> int:
    """The widest input of a product, or what attention needs: bytes of shared memory."""
    widest = max(width_of(module) for module in model.modules() if is_matrix(module))
    return max(rows * (2 * (widest + 32) + 4 * (widest + 32) // 32), 4 * (20 * head_size(model) + 2 * _WARPS))


def tiles_at_once(rows: int) -> int:
    """That a block sums up together."""
    return 8 if rows <= 2 else 4


def shared_bytes(model: Any, rows: int, bits: int, deep: int) -> int:
    """All of a block's, with so many stages."""
    sums = 4 * (2 * tiles_at_once(rows) * _WARPS * rows * 8 + 2 * _WARPS) + 16
    return deep * (stage_bytes(bits) + 16) + 5 * _RECORD + sums + staged_bytes(model, rows)


def depth(model: Any, rows: int, bits: int, device: Device) -> int:
    """How many stages fit beside the rest."""
    left = device.shared - (1 << 10) - shared_bytes(model, rows, bits, 0)
    return min(_DEEPEST, left // (stage_bytes(bits) + 16))


def is_served(model: Any, rows: int, bits: int, device: Device) -> bool:
    """Whether the sizes of a model are for this kernel."""
    head, size = model.get_output_embeddings(), head_size(model)
    matrices = [module for module in model.modules() if is_matrix(module)]
    return (
        all(width_of(matrix) % _UNIT == 0 and (height_of(matrix) % 8 == 0 or matrix is head) for matrix in matrices)
        and size <= _MOST_SIZE
        and size % 8 == 0
        and depth(model, rows, bits, device) >= _SHALLOWEST
    )


def definitions(model: Any, rows: int, bits: int, device: Device) -> tuple[str, ...]:
    """What the kernel is compiled for besides."""
    pairs = math.ceil(model.config.hidden_size / 2 / (_WARPS // rows * 32))
    held = min(_MOST_HELD, pairs)
    return (
        f"-DWARPS={_WARPS}",
        f"-DSIZE={head_size(model)}",
        f"-DSTAGE={stage_bytes(bits)}",
        f"-DDEPTH={depth(model, rows, bits, device)}",
        f"-DTILES={tiles_at_once(rows)}",
        f"-DHELD={held}",
        f"-DIS_ONE={int(held == pairs)}",
    )


class PersistentProgram(Program):
    """As a `Program`, in one launch.

    The residual goes from one buffer to another and back: who adds to it writes where the one before last was, which
    nobody can still be reading.
    """

    NUMBER = torch.float64
    CHUNK = 16 * _WARPS

    def __init__(
        self, model: Any, architecture: Architecture, buffers: Buffers, inputs: Tensor, room: int, bits: int
    ) -> None:
        super().__init__(model, architecture, buffers, inputs, room)
        self._blocks = self._device.processors
        self._shared = shared_bytes(model, self.rows, bits, depth(model, self.rows, bits, self._device))
        self._written: dict[int, int] = {}
        self._units = 0
        self._residual, self._other = self._x, self._zeros(self.rows, self._stride, dtype=self.NUMBER)
        records = bytearray()
        for phase, (name, _, _, _, argument) in enumerate(self._launches):
            match argument:
                case Embed():
                    kind = _EMBED
                case Attend():
                    kind = _ATTEND
                case Product():
                    kind = _PRODUCT
                    self._complete(name, argument)
                case _:
                    raise TypeError(name)
            self._written[argument.target] = phase
            record = kind.to_bytes(4, "little") + bytes(12) + bytes(argument)
            records += record.ljust(_RECORD, b"\0")
        steps = self._zeros(self._blocks, dtype=torch.int32)
        phases = torch.frombuffer(records, dtype=torch.uint8).to(inputs.device)
        self._held.append(phases)
        self._step = Step(phases.data_ptr(), steps.data_ptr(), len(self._launches))

    def run(self, kernels: Kernels) -> Tensor:
        """One launch; the logits."""
        kernels.launch("persistent", (self._blocks, 1, 1), 32 * (_WARPS + 1), self._shared, self._step, together=True)
        return self.logits

    def _complete(self, name: str, product: Product) -> None:
        """What the kernel wants to know of a product besides."""
        heights = product.heights[: 1 if product.is_gated else product.parts]
        product.format = _FORMATS[name] if name in _FORMATS else int(name.rpartition("_")[2])
        most, unit = _MOST_COLUMNS.get(product.format, _MOST_COLUMNS_OF_FOUR_BITS), _UNIT * max(1, product.format // 4)
        product.columns = math.ceil(product.width / math.ceil(product.width / most) / unit) * unit
        product.units = sum(math.ceil(height / 8) for height in heights)
        product.rotated, self._units = self._units % self._blocks, self._units + product.units
        if product.source == self._x.data_ptr():
            product.source = self._residual.data_ptr()
        product.source_phase = self._written[product.source]
        product.form = {self.logits.data_ptr(): _LOGITS, self._inner.data_ptr(): _PAIRS}.get(product.target, _NUMBERS)
        if product.adds:
            product.added, product.added_phase = self._residual.data_ptr(), self._written[self._residual.data_ptr()]
            product.target = self._other.data_ptr()
            self._residual, self._other = self._other, self._residual
