"""The decode step of one model over one cache, as operations for `kernels.run`.

`Program.of` reads what it needs from the modules, by their description: shapes, weights where they lie, epsilons,
activations. What it cannot say in operations raises `NotServed`.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from chatdesk.engine.local.lean import kernels, nibbles, octets
from chatdesk.engine.local.lean.assembly import HAS_BFLOAT16_PRODUCTS, HAS_BYTE_PRODUCTS
from chatdesk.engine.local.lean.compaction import Compact
from chatdesk.engine.local.lean.description import STEADY_ROPES, Architecture, NotServed, activation_of
from chatdesk.engine.local.lean.meeting import meeting
from chatdesk.engine.local.lean.vectors import BFLOAT16, COMPACT, FLOAT32, INT4, INT8
from chatdesk.engine.local.quantize import DTYPE, Int4Linear, Int8Embedding, Int8Linear
from chatdesk.library.footprint import GROUP

_KINDS = {torch.float32: FLOAT32, torch.bfloat16: BFLOAT16, torch.int8: INT8}
_BYTES = {FLOAT32: 4.0, BFLOAT16: 2.0, COMPACT: 1.5, INT8: 1.0, INT4: 0.5}
_LANES = {"AVX512": 64, "AVX2": 32}  # how many columns torch packs together in four bits
_LINE = 16  # float32 numbers in a line of the processor's cache
_PACKED = (kernels.PACKED_ROWS, kernels.PACKED_NIBBLES)
_MATRICES = (kernels.ROWS, kernels.COLUMNS, kernels.NIBBLES, *_PACKED)
_PORTION = 1 << 28
"""Bytes of weights, keys and values after which a step asks whether to stop."""

Buffers = Sequence[tuple[Tensor, Tensor]]
NOTHING = MappingProxyType[int, Compact]({})


class Program:
    """The operations of one model over ``buffers``, keys and values ``[rows, heads, room, size]`` of each layer.

    The buffers' and the model's memory has to stay where it is. ``compact``: what is read in place of weights at these
    addresses. ``logits``: float32 ``[rows, vocabulary]``, written by `run`; ``meeting``: of the threads in it.
    """

    def __init__(
        self,
        model: Any,
        architecture: Architecture,
        buffers: Buffers,
        threads: int,
        tokens: int = 0,
        compact: Mapping[int, Compact] = NOTHING,
    ) -> None:
        self._model, self._buffers, self._what, self.threads = model, buffers, architecture, threads
        self._compact = dict(compact)
        rows, self._key_heads, self._room, self._size = buffers[0][0].shape
        self.rows, self.ahead = tokens or rows, int(tokens > 0)
        self._ops: list[dict[str, Any]] = []
        self._attentions: list[dict[str, Any]] = []
        blocks = model.get_submodule(architecture.blocks)
        if len(blocks) != len(buffers):
            raise NotServed("the cache has not a layer for each block")
        self._heads: int = model.config.num_attention_heads
        widest = max(parameter.shape[-1] for parameter in (*_vectors(model), torch.empty(1)))
        sides = [max(_shape(module)) for module in blocks[0].modules() if _is_matrix(module)]
        projected = (self._heads + 2 * self._key_heads) * self._size
        self._stride = max(widest, projected, *sides)
        scratch = torch.zeros(5, self.rows, self._stride)
        self._x, self._projected, self._attended, self._inner, self._gate = scratch
        self._normed, self._normed_2, self._partial = torch.zeros(3, threads, self.rows, self._stride)
        self._last_packed: dict[str, int] = {}
        packed = -(-self._stride // GROUP) * nibbles.PACKED
        self._packed = torch.zeros(threads, self.rows, -(-packed // _LINE) * _LINE)
        self._own = {"source_step": self._packed.stride(0)}
        self._scores = torch.zeros(self.rows, self._heads, self._room)
        self.turns, self._rotated = self._rotary()
        self._embed()
        for block, pair in zip(blocks, buffers, strict=True):
            self._block(block, *pair)
        self._norm(model.get_submodule(architecture.last_norm), self._normed)
        head = model.get_output_embeddings()
        self.logits = torch.zeros(self.rows, _shape(head)[0])
        self._product(head, self._normed, self.logits)
        self.ops = _table(self._ops, kernels.OP)
        self.meeting = meeting(threads)
        self.attentions = _table(self._attentions, kernels.ATTENTION)
        self.portions = self._portions()

    def _rotary(self) -> tuple[Tensor, int]:
        """Cosines and sines of each position, ``[room, 2 * rotated]``, as the model's own module makes them."""
        if not self._what.rotary:
            return torch.zeros(self._room, 1), 0
        rotary = self._model.get_submodule(self._what.rotary)
        if getattr(rotary, "rope_type", None) not in STEADY_ROPES:
            raise NotServed("its positions depend on the length of the text")
        cosines, sines = rotary(torch.zeros(1), torch.arange(self._room)[None])
        return torch.cat([cosines[0], sines[0]], dim=-1).float().contiguous(), cosines.shape[-1]

    def _embed(self) -> None:
        tables = [self._what.embedding, *filter(None, [self._what.positions])]
        for kind, name in enumerate(tables):
            table: Any = self._model.get_submodule(name)
            scale = getattr(table, "embed_scale", 1.0)
            scales = table.scale.data_ptr() if isinstance(table, Int8Embedding) else 0
            self._add(
                kernels.EMBED,
                None,
                self._x,
                kind=_kind(table.weight),
                weight=table.weight.data_ptr(),
                scales=scales,
                width=table.weight.shape[1],
                then=kind,
                adds=kind,
                meets=int(kind == len(tables) - 1),
                number=float(scale.to(DTYPE if scales else table.weight.dtype)) if isinstance(scale, Tensor) else scale,
            )

    def _block(self, block: nn.Module, keys: Tensor, values: Tensor) -> None:
        what = self._what
        is_parallel = bool(what.parallel) and getattr(self._model.config, what.parallel)
        inner_source = self._normed_2 if is_parallel else self._normed
        self._norm(block.get_submodule(what.attention_norm), self._normed)
        if is_parallel:
            self._norm(block.get_submodule(what.inner_norm), inner_source)
        self._attention(block, keys, values)
        if not is_parallel:
            self._norm(block.get_submodule(what.inner_norm), inner_source)
        then = activation_of(block.get_submodule(what.activation))
        inner = [block.get_submodule(name) for name in what.inner]
        gate = self._gate.data_ptr()
        if what.fused:
            half = _shape(inner[0])[0] // 2
            self._product(inner[0], inner_source, self._gate, part=(0, half))
            self._product(inner[0], inner_source, self._inner, part=(half, half), gate=gate, then=then, meets=1)
        elif len(inner) > 1:
            self._product(inner[0], inner_source, self._gate)
            self._product(inner[1], inner_source, self._inner, gate=gate, then=then, meets=1)
        else:
            self._product(inner[0], inner_source, self._inner, then=then, meets=1)
        self._product(block.get_submodule(what.down), self._inner, self._x, adds=1, meets=1)

    def _attention(self, block: nn.Module, keys: Tensor, values: Tensor) -> None:
        what, size = self._what, self._size
        start = 0
        for name in what.projections:
            matrix, is_last = block.get_submodule(name), name == what.projections[-1]
            self._product(matrix, self._normed, self._projected[:, start:], meets=int(is_last))
            start += _shape(matrix)[0]
        key_start, value_start = self._heads * size, (self._heads + self._key_heads) * size
        step = size
        if what.interleaved:
            key_start, value_start, step = size, 2 * size, 3 * size
        for name, first, heads in ((what.query_norm, 0, self._heads), (what.key_norm, key_start, self._key_heads)):
            if name:
                self._head_norm(
                    block.get_submodule(name), self._projected[:, first:], heads, step, name == what.key_norm
                )
        module: Any = block.get_submodule(what.attention)
        self._add(kernels.REMEMBER, None, self._attended, attention=len(self._attentions), meets=1)
        self._add(kernels.ATTEND, None, self._attended, attention=len(self._attentions), meets=1)
        self._attentions.append(
            {
                "query": self._projected.data_ptr(),
                "key": self._projected[:, key_start:].data_ptr(),
                "value": self._projected[:, value_start:].data_ptr(),
                "stride": self._stride,
                "target": self._attended.data_ptr(),
                "target_stride": self._stride,
                "query_step": step,
                "key_step": step,
                "heads": self._heads,
                "key_heads": self._key_heads,
                "size": size,
                "rotated": self._rotated if getattr(module, "use_rope", True) else 0,
                "kind": _kind(keys),
                "keys": keys.data_ptr(),
                "values": values.data_ptr(),
                "room": self._room,
                "scores": self._scores.data_ptr(),
                "scale": module.scaling,
            }
        )
        if values.shape != keys.shape:
            raise NotServed("its values have another size than its keys")
        self._product(block.get_submodule(what.output), self._attended, self._x, adds=1, meets=1)

    def _norm(self, norm: Any, target: Tensor) -> None:
        """Of the hidden state, by each thread for itself: ``target`` is ``[threads, rows, stride]``."""
        self._add(kernels.NORM, self._x, target[0], height=1, target_step=target.stride(0), **self._normed_by(norm))

    def _head_norm(self, norm: Any, part: Tensor, heads: int, step: int, is_last: bool) -> None:
        """Of each head of a projection, where it lies."""
        self._add(kernels.NORM, part, part, height=heads, source_step=step, meets=int(is_last), **self._normed_by(norm))

    def _normed_by(self, norm: Any) -> dict[str, Any]:
        bias = getattr(norm, "bias", None)
        if bias is not None and bias.dtype != norm.weight.dtype:
            raise NotServed("a norm in two precisions")
        return {
            "kind": _kind(norm.weight),
            "weight": norm.weight.data_ptr(),
            "bias": 0 if bias is None else bias.data_ptr(),
            "width": norm.weight.shape[0],
            "then": kernels.LAYER if isinstance(norm, nn.LayerNorm) else kernels.RMS,
            "adds": int(self._what.weights_plus_one),
            "number": norm.variance_epsilon if hasattr(norm, "variance_epsilon") else norm.eps,
        }

    def _product(
        self, matrix: Any, source: Tensor, target: Tensor, *, part: tuple[int, int] | None = None, **more: int
    ) -> None:
        """A matrix, or ``part`` of its outputs: the first and how many. ``source`` may have one for each thread."""
        if not _is_matrix(matrix):
            raise NotServed(f"a {type(matrix).__name__} where a matrix was thought to be")
        height, width = _shape(matrix)
        first, height = part or (0, height)
        bias = matrix.bias
        if part and (bias is not None or isinstance(matrix, Conv1D)):
            raise NotServed("half of a matrix with more than its weights")
        own = {"source_step": source.stride(0)} if source.dim() > 2 else {}
        source = source[0] if own else source
        ends = {
            "bias": 0 if bias is None else bias.data_ptr(),
            "bias_kind": 0 if bias is None else _kind(bias),
            "height": height,
            **more,
        }
        if matrix.weight.data_ptr() in self._compact:
            held, code = _held(self._compact[matrix.weight.data_ptr()], first), kernels.ROWS
            if HAS_BFLOAT16_PRODUCTS:
                source, own, code = self._pack(source, own, width, COMPACT), self._own, kernels.PACKED_ROWS
            self._add(code, source, target, width=width, **own, **held, **ends)
        elif isinstance(matrix, Conv1D):
            held = {"kind": _kind(matrix.weight), "weight": matrix.weight.data_ptr(), "height": height, "width": width}
            step = self._partial.stride(0)
            self._add(kernels.COLUMNS, source, self._partial[0], target_step=step, meets=1, **own, **held)
            self._add(kernels.GATHER, self._partial[0], target, source_step=step, **ends)
        elif isinstance(matrix, Int4Linear):
            self._four_bits(matrix, source, target, first, own, ends)
        else:
            scales, code = matrix.scale[first:].data_ptr() if isinstance(matrix, Int8Linear) else 0, kernels.ROWS
            if scales and HAS_BYTE_PRODUCTS and width % octets.GROUP == 0:
                source, own, code = self._pack(source, own, width, INT8), self._own, kernels.PACKED_ROWS
            held = {"kind": _kind(matrix.weight), "weight": matrix.weight[first:].data_ptr(), "scales": scales}
            self._add(code, source, target, width=width, **own, **held, **ends)

    def _four_bits(
        self, matrix: Int4Linear, source: Tensor, target: Tensor, first: int, own: dict[str, int], ends: dict[str, Any]
    ) -> None:
        height, width = _shape(matrix)
        lanes = _LANES.get(torch.backends.cpu.get_cpu_capability(), 0)
        if not lanes or any(number % lanes for number in (height, first, ends["height"])):
            raise NotServed("four bits packed in another way")
        code = kernels.NIBBLES
        if HAS_BYTE_PRODUCTS and lanes == _LANES["AVX512"]:
            source, own, code = self._pack(source, own, width, INT4), self._own, kernels.PACKED_NIBBLES
        self._add(
            code,
            source,
            target,
            kind=INT4,
            weight=matrix.weight.data_ptr() + first * width // 2,
            scales=matrix.scales[0, first:].data_ptr(),
            stride=4 * height,
            width=width,
            lanes=lanes,
            **own,
            **ends,
        )

    def _pack(self, source: Tensor, own: dict[str, int], width: int, kind: int) -> Tensor:
        """What a source is packed into, unless the product before this one has it there."""
        wanted = {"source": source.data_ptr(), "kind": kind, "width": width}
        last = self._ops[-1]["code"] in _PACKED
        if not last or any(self._last_packed[name] != value for name, value in wanted.items()):
            step = self._packed.stride(0)
            self._add(kernels.PACK, source, self._packed[0], target_step=step, width=width, kind=kind, **own)
            self._last_packed = wanted
        return self._packed[0]

    def _add(self, code: int, source: Tensor | None, target: Tensor, **more: Any) -> None:
        from_where = {} if source is None else {"source": source.data_ptr(), "source_stride": source.stride(0)}
        to = {"target": target.data_ptr(), "target_stride": target.stride(0)}
        self._ops.append({"code": code, **from_where, **to, **more})

    def _portions(self) -> list[tuple[int, int]]:
        """First and last operation of each portion of at most about `_PORTION` bytes.

        Each head reads its keys and values for itself; they are counted as if the buffers were full.
        """
        ends, read = [], 0.0
        keys = self._buffers[0][0]
        attended = 2.0 * self.rows * self._heads * self._room * self._size * keys.element_size()
        for index, op in enumerate(self.ops, start=1):
            if op["code"] in _MATRICES:
                read += int(op["height"]) * int(op["width"]) * _BYTES[int(op["kind"])]
            elif op["code"] == kernels.ATTEND:
                read += attended
            if index == len(self._ops) or (read >= _PORTION and op["meets"]):
                ends.append(index)
                read = 0
        return list(zip([0, *ends], ends, strict=False))


def _held(compact: Compact, first: int) -> dict[str, int]:
    """Where the rows from one on are."""
    return {
        "kind": COMPACT,
        "weight": compact.weights[first:].data_ptr(),
        "scales": compact.units[first:].data_ptr(),
        "starts": compact.starts[first:].data_ptr(),
        "strays": compact.strays.data_ptr(),
    }


def _table(lines: list[dict[str, Any]], dtype: np.dtype[Any]) -> Any:
    table = np.zeros(len(lines), dtype)
    for line, values in zip(table, lines, strict=True):
        for name, value in values.items():
            line[name] = value
    return table


def _vectors(model: Any) -> list[Tensor]:
    return [parameter for parameter in model.parameters() if parameter.dim() == 1]


def _is_matrix(module: Any) -> bool:
    return isinstance(module, nn.Linear | Conv1D | Int8Linear | Int4Linear)


def _shape(matrix: Any) -> tuple[int, int]:
    """How many numbers come out of a matrix, and how many go in."""
    if isinstance(matrix, Int4Linear):
        groups, height, _ = matrix.scales.shape
        return height, groups * GROUP
    height, width = matrix.weight.shape[::-1] if isinstance(matrix, Conv1D) else matrix.weight.shape
    return height, width


def _kind(tensor: Tensor) -> int:
    if tensor.dtype not in _KINDS or not tensor.is_contiguous() or tensor.device.type != "cpu":
        raise NotServed(f"a tensor of {tensor.dtype} on {tensor.device}")
    return _KINDS[tensor.dtype]
