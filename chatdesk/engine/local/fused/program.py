"""The launches of one model's decode step over one cache, read from its modules by their description.

What no kernel says raises `NotServed`.
"""

import ctypes
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from chatdesk.engine.local.fused.driver import Kernels
from chatdesk.engine.local.lean.description import STEADY_ROPES, Architecture, NotServed, activation_of
from chatdesk.engine.local.quantize import Int4Linear, Int8Embedding, Int8Linear

FLOATS = {torch.float32: 0, torch.bfloat16: 1, torch.float16: 2}
"""What the kernels call them."""

MOST_ROWS = 8
CHUNK = 256
"""Tokens that a block of `attend` looks at, and its threads: as the kernel has it."""

_WARPS = 8
"""Of a block of `product`: with fewer threads each would take longer to fetch and norm the input than to multiply."""

Buffers = Sequence[tuple[Tensor, Tensor]]
_Pointer, _Int, _Float = ctypes.c_void_p, ctypes.c_int, ctypes.c_float


def _fields(**kinds: tuple[Any, str]) -> tuple[tuple[str, Any], ...]:
    return tuple((name, kind) for kind, names in kinds.values() for name in names.split())


class Embed(ctypes.Structure):
    """As in the kernels."""

    _fields_ = _fields(
        a=(_Pointer, "inputs table scales positions target"), b=(_Int, "width stride"), c=(_Float, "scale")
    )


class Product(ctypes.Structure):
    """As in the kernels."""

    _fields_ = _fields(
        a=(_Pointer, "source target gain shift"),
        b=(_Pointer * 3, "weights scales biases"),
        c=(_Int * 3, "heights strides"),
        d=(
            _Int,
            "parts outputs width source_stride target_stride is_layer_norm plus_one adds activation is_gated split",
        ),
        e=(_Float, "epsilon"),
        f=(_Pointer, "added"),
        g=(_Int, "added_phase source_phase units columns rotated format form"),
    )


class Attend(ctypes.Structure):
    """As in the kernels."""

    _fields_ = _fields(
        a=(_Pointer, "place projected target keys values turns query_gain key_gain partial arrived"),
        b=(_Int, "heads key_heads size room rotated"),
        c=(_Int, "stride target_stride query_step key_start value_start key_step plus_one chunks"),
        d=(_Float, "scale epsilon"),
    )


@dataclass(frozen=True)
class Device:
    """Numbers of blocks at once, and bytes that one may share."""

    processors: int
    shared: int

    @classmethod
    def of(cls, device: torch.device) -> "Device":
        """That of torch."""
        if device.type != "cuda":
            return cls(4, 96 << 10)
        found: Any = torch.cuda.get_device_properties(device)
        return cls(found.multi_processor_count, getattr(found, "shared_memory_per_block_optin", 48 << 10))


@dataclass(frozen=True)
class _Part:
    """A matrix or a piece of one: its kernel, numbers read at once, addresses, its rows, and those of the whole."""

    kernel: str
    at_once: int
    weight: int
    scales: int
    bias: int
    height: int
    stride: int


class Program:
    """The launches of one model over ``buffers``, keys and values ``[rows, heads, room, size]`` of each layer.

    ``inputs``: long ``[rows + 1]``, an id for each row and the position. ``room``: tokens that are looked at. The
    memory of the buffers, of the inputs and of the model has to stay where it is.
    ``logits``: float32 ``[rows, vocabulary]``, written by `run`.
    """

    CHUNK = CHUNK
    NUMBER = torch.float32
    """What is as large as a number that goes from kernel to kernel."""

    def __init__(self, model: Any, architecture: Architecture, buffers: Buffers, inputs: Tensor, room: int) -> None:
        self._model, self._what, self._inputs = model, architecture, inputs
        self._dtype, self._device = buffers[0][0].dtype, Device.of(inputs.device)
        self.rows, self._key_heads, self._room, self._size = buffers[0][0].shape
        blocks = model.get_submodule(architecture.blocks)
        if len(blocks) != len(buffers) or self.rows > MOST_ROWS or self._dtype not in FLOATS:
            raise NotServed("a cache of another kind")
        if self._size % self._values or self._size > CHUNK * self._values // 4:
            raise NotServed(f"heads of {self._size} numbers")
        self._heads: int = model.config.num_attention_heads
        self._chunks = math.ceil(room / self.CHUNK)
        self._launches: list[tuple[str, tuple[int, int, int], int, int, ctypes.Structure]] = []
        self._held: list[Tensor] = []
        self._make_scratch(blocks[0])
        self._turns, self._rotated = self._rotary(room)
        self._embed()
        for block, pair in zip(blocks, buffers, strict=True):
            self._block(block, *pair)
        head = model.get_output_embeddings()
        self.logits = self._zeros(self.rows, height_of(head))
        self._product((head,), self._x, self.logits, norm=model.get_submodule(architecture.last_norm))

    def run(self, kernels: Kernels) -> Tensor:
        """Launch all of them; the logits."""
        for index, (name, grid, threads, shared, argument) in enumerate(self._launches):
            kernels.launch(name, grid, threads, shared, argument, early=index > 0)
        return self.logits

    @property
    def _values(self) -> int:
        """How many numbers are read at once."""
        return 16 // self._dtype.itemsize

    def _zeros(self, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
        made = torch.zeros(*shape, dtype=dtype, device=self._inputs.device)
        self._held.append(made)
        return made

    def _make_scratch(self, block: nn.Module) -> None:
        widest = max(max(height_of(module), width_of(module)) for module in block.modules() if is_matrix(module))
        self._stride = max(widest, (self._heads + 2 * self._key_heads) * self._size)
        self._x, self._projected, self._attended, self._inner = (
            self._zeros(self.rows, self._stride, dtype=self.NUMBER) for _ in range(4)
        )
        self._partial = self._zeros(self.rows, self._heads, self._chunks, self._size + 2, dtype=self.NUMBER)
        self._arrived = self._zeros(self.rows, self._heads, dtype=torch.int32)

    def _rotary(self, room: int) -> tuple[Tensor, int]:
        """Cosines and sines of each position, ``[room, 2 * rotated]``, as the model's own module makes them."""
        if not self._what.rotary:
            return self._zeros(1, 1), 0
        rotary = self._model.get_submodule(self._what.rotary)
        if getattr(rotary, "rope_type", None) not in STEADY_ROPES:
            raise NotServed("its positions depend on the length of the text")
        device = self._inputs.device
        cosines, sines = rotary(torch.zeros(1, device=device), torch.arange(room, device=device)[None])
        turns = torch.cat([cosines[0], sines[0]], dim=-1).float().contiguous()
        self._held.append(turns)
        return turns, cosines.shape[-1]

    def _embed(self) -> None:
        table: Any = self._model.get_submodule(self._what.embedding)
        scale = getattr(table, "embed_scale", 1.0)
        is_small = isinstance(table, Int8Embedding)
        positions = self._model.get_submodule(self._what.positions).weight if self._what.positions else None
        argument = Embed(
            inputs=self._inputs.data_ptr(),
            table=table.weight.data_ptr() if is_small else self._float(table.weight),
            scales=self._float(table.scale) if is_small else 0,
            positions=self._float(positions),
            target=self._x.data_ptr(),
            width=table.weight.shape[1],
            stride=self._stride,
            scale=scale.to(self._dtype).item() if isinstance(scale, Tensor) else scale,
        )
        self._launches.append(("embed", (self.rows, 1, 1), 256, 0, argument))

    def _block(self, block: nn.Module, keys: Tensor, values: Tensor) -> None:
        what = self._what
        is_parallel = bool(what.parallel) and getattr(self._model.config, what.parallel)
        projections = tuple(block.get_submodule(name) for name in what.projections)
        output, down = block.get_submodule(what.output), block.get_submodule(what.down)
        inner = tuple(block.get_submodule(name) for name in what.inner)
        then = activation_of(block.get_submodule(what.activation))
        self._product(projections, self._x, self._projected, norm=block.get_submodule(what.attention_norm))
        self._attend(block, keys, values)
        if not is_parallel:  # who reads the same input twice adds to it at the end
            self._product((output,), self._attended, self._x, adds=1)
        norm = block.get_submodule(what.inner_norm)
        self._product(inner, self._x, self._inner, norm=norm, activation=then, is_gated=what.fused or len(inner) > 1)
        if is_parallel:
            self._product((output,), self._attended, self._x, adds=1)
        self._product((down,), self._inner, self._x, adds=1)

    def _attend(self, block: nn.Module, keys: Tensor, values: Tensor) -> None:
        what, size = self._what, self._size
        if values.shape != keys.shape or not (keys.is_contiguous() and values.is_contiguous()):
            raise NotServed("its values have another size than its keys")
        module: Any = block.get_submodule(what.attention)
        norms: list[Any] = [block.get_submodule(name) if name else None for name in (what.query_norm, what.key_norm)]
        key_start, value_start, step = self._heads * size, (self._heads + self._key_heads) * size, size
        if what.interleaved:
            key_start, value_start, step = size, 2 * size, 3 * size
        argument = Attend(
            place=self._inputs[-1:].data_ptr(),
            projected=self._projected.data_ptr(),
            target=self._attended.data_ptr(),
            keys=self._float(keys),
            values=self._float(values),
            turns=self._turns.data_ptr(),
            query_gain=self._float(norms[0].weight if norms[0] else None),
            key_gain=self._float(norms[1].weight if norms[1] else None),
            partial=self._partial.data_ptr(),
            arrived=self._arrived.data_ptr(),
            heads=self._heads,
            key_heads=self._key_heads,
            size=size,
            room=self._room,
            rotated=self._rotated if getattr(module, "use_rope", True) else 0,
            stride=self._stride,
            target_stride=self._stride,
            query_step=step,
            key_start=key_start,
            value_start=value_start,
            key_step=step,
            plus_one=int(what.weights_plus_one),
            chunks=self._chunks,
            scale=module.scaling,
            epsilon=_epsilon(norms[0]),
        )
        shared = 4 * (5 * size + CHUNK + CHUNK * self._values)
        self._launches.append(("attend", (self._chunks, self._heads, self.rows), CHUNK, shared, argument))

    def _product(
        self,
        matrices: tuple[Any, ...],
        source: Tensor,
        target: Tensor,
        *,
        norm: Any = None,
        activation: int = 0,
        is_gated: bool = False,
        adds: int = 0,
    ) -> None:
        parts = [
            part for matrix in matrices for part in self._parts(matrix, 2 if is_gated and len(matrices) == 1 else 1)
        ]
        name, at_once = parts[0].kernel, parts[0].at_once
        if any(part.kernel != name for part in parts):
            raise NotServed("matrices of several kinds side by side")
        width = width_of(matrices[0])
        outputs = parts[0].height if is_gated else sum(part.height for part in parts)
        shared = self.rows * width * self._dtype.itemsize
        if width % at_once or shared > self._device.shared - (8 << 10):
            raise NotServed(f"a matrix {width} wide")
        rows = outputs * (1 + is_gated)
        split = 0
        if "int4" in name:  # of so many warps for eight rows, the fewest that give every multiprocessor a block
            split = next((n for n in (1, 2, 4) if outputs * n >= 8 * _WARPS * self._device.processors), 8)
            blocks = math.ceil(outputs * split / (8 * _WARPS))
        else:
            per_warp = 4 if rows >= 4 * _WARPS * 2 * self._device.processors else 2
            name, blocks = f"{name}_{per_warp}", math.ceil(rows / (per_warp * _WARPS))
        argument = Product(
            source=source.data_ptr(),
            target=target.data_ptr(),
            gain=self._float(norm.weight if norm is not None else None),
            shift=self._float(getattr(norm, "bias", None)),
            weights=tuple(part.weight for part in parts),
            scales=tuple(part.scales for part in parts),
            biases=tuple(part.bias for part in parts),
            heights=tuple(part.height for part in parts),
            strides=tuple(part.stride for part in parts),
            parts=len(parts),
            outputs=outputs,
            width=width,
            source_stride=source.stride(0),
            target_stride=target.stride(0),
            is_layer_norm=int(isinstance(norm, nn.LayerNorm)),
            plus_one=int(self._what.weights_plus_one),
            adds=adds,
            activation=activation,
            is_gated=int(is_gated),
            split=split,
            epsilon=_epsilon(norm),
        )
        self._launches.append((name, (blocks, 1, 1), 32 * _WARPS, shared, argument))

    def _parts(self, matrix: Any, pieces: int) -> list[_Part]:
        """A matrix cut into so many pieces, one above the other."""
        if not is_matrix(matrix):
            raise NotServed(f"a {type(matrix).__name__} where a matrix was thought to be")
        if pieces > 1 and matrix.bias is not None:
            raise NotServed("a half of a matrix with a bias")
        height = height_of(matrix)
        scales: Tensor | None = None
        match matrix:
            case Int8Linear():
                kernel, at_once, weight, scales = "product_int8", 16, matrix.weight, matrix.scale
            case Int4Linear():
                kernel, at_once = f"product_int4_of_{2 * matrix.weight.shape[-1]}", 32
                weight, scales = matrix.weight, matrix.scales
            case _:
                kernel, at_once = "product", self._values
                weight = matrix.weight if isinstance(matrix, nn.Linear) else matrix.weight.T
                self._float(weight)
        row_bytes, scale_bytes = weight.nbytes // height, 0 if scales is None else scales.nbytes // height
        if "int4" in kernel:
            scale_bytes = 2 * self._dtype.itemsize  # of a row in one group; the groups lie one after another
        part = height // pieces
        return [
            _Part(
                kernel,
                at_once,
                weight.data_ptr() + i * part * row_bytes,
                self._float(scales) + i * part * scale_bytes,
                self._float(matrix.bias),
                part,
                height,
            )
            for i in range(pieces)
        ]

    def _float(self, tensor: Tensor | None) -> int:
        """The address of a tensor in the precision of the model, 0 for none."""
        if tensor is None:
            return 0
        if tensor.dtype != self._dtype or not tensor.is_contiguous() or tensor.device != self._inputs.device:
            raise NotServed(f"a tensor of {tensor.dtype} on {tensor.device}")
        if tensor.data_ptr() % 16 and tensor.dim() > 1:
            raise NotServed("a tensor at an odd address")
        return tensor.data_ptr()


def lay_by_rows(model: nn.Module) -> None:
    """Turn the memory of GPT-2's transposed matrices, one after another, so that an output's weights lie together."""
    for module in model.modules():
        if isinstance(module, Conv1D):
            module.weight.data = module.weight.data.T.contiguous().T


def is_matrix(module: Any) -> bool:
    """Whether a module multiplies by a matrix, in one of the ways that the kernels know."""
    return isinstance(module, nn.Linear | Conv1D | Int8Linear | Int4Linear)


def height_of(matrix: Any) -> int:
    """How many numbers come out."""
    match matrix:
        case Int4Linear():
            return int(matrix.scales.shape[1])
        case nn.Linear() | Int8Linear():
            return int(matrix.weight.shape[0])
        case _:
            return int(matrix.weight.shape[1])


def width_of(matrix: Any) -> int:
    """How many numbers go in."""
    match matrix:
        case Int4Linear():
            return int(matrix.scales.shape[0]) * 32
        case nn.Linear() | Int8Linear():
            return int(matrix.weight.shape[1])
        case _:
            return int(matrix.weight.shape[0])


def _epsilon(norm: Any) -> float:
    if norm is None:
        return 0.0
    return float(norm.variance_epsilon if hasattr(norm, "variance_epsilon") else norm.eps)
