"""The decode step of one model over one cache, as operations for `kernels.run`.

`Program.of` reads what it needs from the modules, by their description: shapes, weights where they lie, epsilons,
activations. What it cannot say in operations raises `NotServed`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from chatdesk.engine.local.lean import kernels
from chatdesk.engine.local.lean.description import Architecture
from chatdesk.engine.local.quantize import Int8Linear

_KINDS = {torch.float32: kernels.FLOAT32, torch.bfloat16: kernels.BFLOAT16, torch.int8: kernels.INT8}
_ACTIVATIONS = {
    "SiLU": kernels.SILU,
    "SiLUActivation": kernels.SILU,
    "GELU": kernels.GELU,
    "GELUActivation": kernels.GELU,
    "NewGELUActivation": kernels.GELU_TANH,
    "GELUTanh": kernels.GELU_TANH,
    "FastGELUActivation": kernels.GELU_TANH,
    "ReLU": kernels.RELU,
}
_STEADY_ROPES = ("default", "linear", "llama3", "yarn")  # the others look at how long the text is
_PORTION = 1 << 28
"""Bytes of weights after which a step asks whether to stop."""

Buffers = Sequence[tuple[Tensor, Tensor]]


class NotServed(Exception):
    """The model has something that no operation says."""


class Program:
    """The operations of one model over ``buffers``, keys and values ``[rows, heads, room, size]`` of each layer.

    The buffers' and the model's memory has to stay where it is. ``logits``: float32 ``[rows, vocabulary]``, written
    by `run`.
    """

    def __init__(self, model: Any, architecture: Architecture, buffers: Buffers) -> None:
        self._model, self._buffers, self._what = model, buffers, architecture
        self.rows, self._key_heads, self._room, self._size = buffers[0][0].shape
        self._ops: list[dict[str, Any]] = []
        self._attentions: list[dict[str, Any]] = []
        blocks = model.get_submodule(architecture.blocks)
        if len(blocks) != len(buffers):
            raise NotServed("the cache has not a layer for each block")
        self._heads: int = model.config.num_attention_heads
        widest = max(parameter.shape[-1] for parameter in (*_vectors(model), torch.empty(1)))
        rows_of = [max(module.weight.shape) for module in blocks[0].modules() if _is_matrix(module)]
        self._stride = max(widest, *rows_of)
        self._scratch = torch.zeros(7, self.rows, self._stride)
        self._x, self._normed, self._normed_2, self._projected, self._attended, self._inner, self._gate = self._scratch
        self._scores = torch.zeros(self.rows, self._heads, self._room)
        self.turns, self._rotated = self._rotary()
        self._embed()
        for block, pair in zip(blocks, buffers, strict=True):
            self._block(block, *pair)
        self._norm(model.get_submodule(architecture.last_norm), self._x, self._normed)
        head = model.get_output_embeddings()
        self.logits = torch.zeros(self.rows, head.weight.shape[0])
        self._product(head, self._normed, self.logits)
        self.ops = _table(self._ops, kernels.OP)
        self.attentions = _table(self._attentions, kernels.ATTENTION)
        self.portions = self._portions()

    def _rotary(self) -> tuple[Tensor, int]:
        """Cosines and sines of each position, ``[room, 2 * rotated]``, as the model's own module makes them."""
        if not self._what.rotary:
            return torch.zeros(self._room, 1), 0
        rotary = self._model.get_submodule(self._what.rotary)
        if getattr(rotary, "rope_type", None) not in _STEADY_ROPES:
            raise NotServed("its positions depend on the length of the text")
        cosines, sines = rotary(torch.zeros(1), torch.arange(self._room)[None])
        return torch.cat([cosines[0], sines[0]], dim=-1).float().contiguous(), cosines.shape[-1]

    def _embed(self) -> None:
        tables = [self._what.embedding, *filter(None, [self._what.positions])]
        for kind, name in enumerate(tables):
            table: Any = self._model.get_submodule(name)
            scale = getattr(table, "embed_scale", None)
            self._add(
                kernels.EMBED,
                None,
                self._x,
                kind=_kind(table.weight),
                weight=table.weight.data_ptr(),
                width=table.weight.shape[1],
                then=kind,
                adds=kind,
                number=1.0 if scale is None else scale.to(table.weight.dtype).item(),
            )

    def _block(self, block: nn.Module, keys: Tensor, values: Tensor) -> None:
        what = self._what
        is_parallel = bool(what.parallel) and getattr(self._model.config, what.parallel)
        inner_source = self._normed_2 if is_parallel else self._normed
        self._norm(block.get_submodule(what.attention_norm), self._x, self._normed)
        if is_parallel:
            self._norm(block.get_submodule(what.inner_norm), self._x, inner_source)
        self._attention(block, keys, values)
        if not is_parallel:
            self._norm(block.get_submodule(what.inner_norm), self._x, inner_source)
        then = _activation(block.get_submodule(what.activation))
        inner = [block.get_submodule(name) for name in what.inner]
        gate = self._gate.data_ptr()
        if what.fused:
            half = _height(inner[0]) // 2
            self._product(inner[0], inner_source, self._gate, part=(0, half))
            self._product(inner[0], inner_source, self._inner, part=(half, half), gate=gate, then=then, joins=1)
        elif len(inner) > 1:
            self._product(inner[0], inner_source, self._gate)
            self._product(inner[1], inner_source, self._inner, gate=gate, then=then, joins=1)
        else:
            self._product(inner[0], inner_source, self._inner, then=then)
        self._product(block.get_submodule(what.down), self._inner, self._x, adds=1)

    def _attention(self, block: nn.Module, keys: Tensor, values: Tensor) -> None:
        what, size = self._what, self._size
        start = 0
        for joined, name in enumerate(what.projections):
            matrix = block.get_submodule(name)
            self._product(matrix, self._normed, self._projected[:, start:], joins=joined)
            start += _height(matrix)
        key_start, value_start = self._heads * size, (self._heads + self._key_heads) * size
        step = size
        if what.interleaved:
            key_start, value_start, step = size, 2 * size, 3 * size
        for name, first, heads in ((what.query_norm, 0, self._heads), (what.key_norm, key_start, self._key_heads)):
            if name:
                part = self._projected[:, first:]
                self._norm(block.get_submodule(name), part, part, groups=heads)
        module: Any = block.get_submodule(what.attention)
        self._add(kernels.ATTEND, self._projected, self._attended, attention=len(self._attentions))
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
        self._product(block.get_submodule(what.output), self._attended, self._x, adds=1)

    def _norm(self, norm: Any, source: Tensor, target: Tensor, groups: int = 1) -> None:
        is_layer = isinstance(norm, nn.LayerNorm)
        bias = getattr(norm, "bias", None)
        if bias is not None and bias.dtype != norm.weight.dtype:
            raise NotServed("a norm in two precisions")
        self._add(
            kernels.NORM,
            source,
            target,
            kind=_kind(norm.weight),
            weight=norm.weight.data_ptr(),
            bias=0 if bias is None else bias.data_ptr(),
            height=groups,
            width=norm.weight.shape[0],
            then=kernels.LAYER if is_layer else kernels.RMS,
            adds=int(self._what.weights_plus_one),
            number=norm.variance_epsilon if hasattr(norm, "variance_epsilon") else norm.eps,
        )

    def _product(
        self,
        matrix: Any,
        source: Tensor,
        target: Tensor,
        *,
        part: tuple[int, int] | None = None,
        joins: int = 0,
        **more: int,
    ) -> None:
        """A matrix, or ``part`` of its outputs: the first and how many. ``joins``: the region of so many ops before."""
        if not _is_matrix(matrix):
            raise NotServed(f"a {type(matrix).__name__} where a matrix was thought to be")
        weight, is_turned = matrix.weight, isinstance(matrix, Conv1D)
        height, width = weight.shape[::-1] if is_turned else weight.shape
        first, height = part or (0, height)
        bias = matrix.bias
        if part and (is_turned or bias is not None):
            raise NotServed("half of a matrix with more than its weights")
        if joins:
            self._ops[-joins]["parts"] = joins + 1
        scales = matrix.scale[first:].data_ptr() if isinstance(matrix, Int8Linear) else 0
        self._add(
            kernels.PRODUCT,
            source,
            target,
            parts=1,
            kind=_kind(weight),
            layout=kernels.COLUMNS if is_turned else kernels.ROWS,
            weight=weight.data_ptr() if is_turned else weight[first:].data_ptr(),
            scales=scales,
            bias=0 if bias is None else bias.data_ptr(),
            bias_kind=0 if bias is None else _kind(bias),
            height=height,
            width=width,
            number=1.0,
            **more,
        )

    def _add(self, code: int, source: Tensor | None, target: Tensor, **more: Any) -> None:
        from_where = {} if source is None else {"source": source.data_ptr(), "source_stride": source.stride(0)}
        to = {"target": target.data_ptr(), "target_stride": target.stride(0)}
        self._ops.append({"code": code, **from_where, **to, **more})

    def _portions(self) -> list[tuple[int, int]]:
        """First and last operation of each portion of at most about `_PORTION` bytes of weights."""
        ends, read, index = [], 0, 0
        while index < len(self._ops):
            parts = max(1, int(self.ops[index]["parts"]))
            for op in self.ops[index : index + parts]:
                size = {kernels.FLOAT32: 4, kernels.BFLOAT16: 2}.get(int(op["kind"]), 1)
                read += int(op["height"]) * int(op["width"]) * size if op["code"] == kernels.PRODUCT else 0
            index += parts
            if read >= _PORTION or index == len(self._ops):
                ends.append(index)
                read = 0
        return list(zip([0, *ends], ends, strict=False))


def _table(lines: list[dict[str, Any]], dtype: np.dtype[Any]) -> Any:
    table = np.zeros(len(lines), dtype)
    for line, values in zip(table, lines, strict=True):
        for name, value in values.items():
            line[name] = value
    return table


def _vectors(model: Any) -> list[Tensor]:
    return [parameter for parameter in model.parameters() if parameter.dim() == 1]


def _is_matrix(module: Any) -> bool:
    return isinstance(module, nn.Linear | Conv1D | Int8Linear)


def _height(matrix: Any) -> int:
    """How many numbers come out."""
    height: int = matrix.weight.shape[1 if isinstance(matrix, Conv1D) else 0]
    return height


def _kind(tensor: Tensor) -> int:
    if tensor.dtype not in _KINDS or not tensor.is_contiguous() or tensor.device.type != "cpu":
        raise NotServed(f"a tensor of {tensor.dtype} on {tensor.device}")
    return _KINDS[tensor.dtype]


def _activation(module: nn.Module) -> int:
    name = type(module).__name__
    if name not in _ACTIVATIONS:
        raise NotServed(f"the activation {name}")
    return _ACTIVATIONS[name]
