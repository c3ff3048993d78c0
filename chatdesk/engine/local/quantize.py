"""Weight-only quantisation at load: eight bits with a scale for each row, four bits with scale and zero for 32 numbers.

The matrices inside the blocks are quantised, one after the other, so that the whole of the unquantised weights is
never in memory: they are read from the mapped file, page by page. The head has eight bits in any case, and so has the
embedding where it is the same matrix. Other embeddings, norms and experts stay as they are, in two bytes
(`chatdesk.library.footprint` counts the same way). The products are torch's own, of the ATen
operators that its quantised linear layers are made of; torchao has layers around them, but none for GPT-2's
transposed matrices, and takes five seconds to import.

Rounding is to the nearest, between the least and the greatest number of a group: no calibration text is needed.
"""

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers.pytorch_utils import Conv1D

from chatdesk.library.footprint import GROUP, READ_THEIR_HEADS

DTYPE = torch.bfloat16
"""What is computed in: the operators are fast in it on every device."""

_AT_ONCE = 1 << 18  # numbers quantised together: what is needed for a moment is several times as large
_WIDENED = 1 << 25  # numbers in two bytes for a moment: a head is larger than any other matrix
_READ_DIRECTLY = frozenset(["dt_proj"])  # Mamba multiplies by its weight itself
_KERNEL_ROWS = 8  # with more of them a matrix that is unpacked first is faster than the operator, on the CPU
_KERNEL_WIDTH = 16  # it reads so many columns at once, and with other widths what lies behind the matrix
_UNPACKED_ROWS = 128  # the same for four bits, which take longer to unpack
_BLOCKS = 16  # blocks of results unpacked together: they stay in the cache
_LANES = (64, 32)  # how many results the CPU's operator wants side by side: AVX-512, AVX2
_INNER_TILES = (8, 4, 2)  # how CUDA's operator wants its four bits packed: so many times 16 columns together


class Int8Linear(nn.Module):
    """``x @ weight.T + bias`` with ``weight`` int8 ``[out, in]`` and ``scale`` ``[out]``."""

    weight: Tensor
    scale: Tensor
    bias: Tensor | None

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        whole = weight.new_empty(weight.shape, dtype=torch.int8)  # contiguous, of a transposed matrix, too
        scale = weight.new_empty(len(weight), dtype=DTYPE)
        for rows, block in _numbered(weight):
            whole[rows], scale[rows] = _in_eight_bits(block)
        self.register_buffer("weight", whole)
        self.register_buffer("scale", scale)
        self.register_buffer("bias", bias)

    def forward(self, x: Tensor) -> Tensor:
        """``x``: ``[..., in]``."""
        rows = x.reshape(-1, x.shape[-1])
        is_served = rows.device.type == "cpu" and rows.shape[1] % _KERNEL_WIDTH == 0
        if is_served and len(rows) <= _KERNEL_ROWS:
            y = torch._weight_int8pack_mm(rows.contiguous(), self.weight, self.scale)
        else:
            parts = _blocks(self.weight, _WIDENED)
            y = torch.cat([functional.linear(rows, part.to(rows.dtype)) for part in parts], dim=1) * self.scale
        return _shaped(y, x, self.bias)


class Int8Embedding(nn.Module):
    """Rows of the matrix of a head, ``weight`` int8 and ``scale`` for each row, times ``factor``."""

    weight: Tensor
    scale: Tensor

    def __init__(self, head: Int8Linear, factor: Tensor | float) -> None:
        super().__init__()
        self.register_buffer("weight", head.weight)
        self.register_buffer("scale", head.scale)
        self.num_embeddings, self.embedding_dim = head.weight.shape
        self.embed_scale = factor

    def forward(self, ids: Tensor) -> Tensor:
        """``ids``: int64 of any shape; their rows in `DTYPE`."""
        return self.weight[ids].to(DTYPE) * self.scale[ids][..., None] * self.embed_scale


class Int4Linear(nn.Module):
    """``x @ weight.T + bias`` with ``weight`` packed, ``scales``: ``[in / 32, out, 2]``, step and middle of a group."""

    weight: Tensor
    scales: Tensor
    bias: Tensor | None

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        whole = weight.new_empty(weight.shape, dtype=torch.uint8)
        scales = weight.new_empty((weight.shape[1] // GROUP, len(weight), 2), dtype=DTYPE)
        for rows, block in _numbered(weight):
            whole[rows], scales[:, rows] = _in_four_bits(block)
        self.register_buffer("weight", _pack(whole))
        self.register_buffer("scales", scales)
        self.register_buffer("bias", bias)
        self._multiply: Callable[..., Tensor] = (
            torch._weight_int4pack_mm_for_cpu if weight.device.type == "cpu" else torch._weight_int4pack_mm
        )

    def forward(self, x: Tensor) -> Tensor:
        """``x``: ``[..., in]``."""
        rows = x.reshape(-1, x.shape[-1]).contiguous()
        lanes = _lanes() if rows.device.type == "cpu" and len(rows) >= _UNPACKED_ROWS else 0
        if lanes and self.weight.shape[0] % lanes == 0:
            y = torch.cat([rows @ part for part in _unpacked(self.weight, self.scales, lanes)], dim=1)
        else:
            y = self._multiply(rows, self.weight, GROUP, self.scales)
        return _shaped(y, x, self.bias)


def _blocks(weight: Tensor, numbers: int = _AT_ONCE) -> tuple[Tensor, ...]:
    """Some rows of a matrix after the other, about so many numbers each."""
    rows = max(1, numbers // weight.shape[1])
    return tuple(weight[first : first + rows] for first in range(0, len(weight), rows))


def _numbered(weight: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """The same, each with its place. What is made of them goes there at once: small results kept between large ones
    that are needed for a moment would hold the room of those, as much as the matrix itself.
    """
    first = 0
    for block in _blocks(weight):
        yield slice(first, first + len(block)), block
        first += len(block)


def _in_eight_bits(weight: Tensor) -> tuple[Tensor, Tensor]:
    """The rows in whole numbers, int8, and a scale for each."""
    scale = weight.float().abs().amax(1).clamp(min=1e-12) / 127
    return (weight.float() / scale[:, None]).round().to(torch.int8), scale.to(DTYPE)


def _in_four_bits(weight: Tensor) -> tuple[Tensor, Tensor]:
    """The rows in numbers 0 to 15, uint8, and step and middle of each group ``[in / 32, out, 2]``."""
    rows, columns = weight.shape
    groups = weight.float().reshape(rows, columns // GROUP, GROUP)
    least, most = groups.amin(-1), groups.amax(-1)
    step = ((most - least) / 15).clamp(min=1e-8).to(DTYPE).float()
    middle = (least + 8 * step).to(DTYPE)
    whole = ((groups - middle.float()[..., None]) / step[..., None]).round().add(8).clamp(0, 15)
    return whole.to(torch.uint8).reshape(rows, columns), torch.stack([step.to(DTYPE).T, middle.T], dim=-1)


def _pack(whole: Tensor) -> Tensor:
    """Numbers 0 to 15, uint8 ``[out, in]``, as the device's operator reads them."""
    if whole.device.type == "cpu":
        return torch._convert_weight_to_int4pack_for_cpu(whole.to(torch.int32), 1)
    pairs = (whole[:, ::2] << 4 | whole[:, 1::2]).contiguous()  # a transposed matrix is not
    tiles = next(tiles for tiles in _INNER_TILES if whole.shape[1] % (16 * tiles) == 0)
    return torch._convert_weight_to_int4pack(pairs, tiles)


def _unpacked(weight: Tensor, scales: Tensor, lanes: int) -> Iterator[Tensor]:
    """The matrix of an `Int4Linear` on the CPU, transposed, in `DTYPE`: ``[in, some of out]`` one after the other.

    Packed, the weights of one input for ``lanes`` results lie together, those of the second half in the upper bits.
    """
    out, groups, half = weight.shape[0], len(scales), lanes // 2
    packed = weight.view(out // lanes, groups * GROUP, half)
    steps, middles = (part.contiguous() for part in scales.view(groups, 1, out // lanes, lanes, 2).unbind(-1))
    least = middles - 8 * steps
    part = max(1, _WIDENED // (groups * GROUP * lanes))
    for start in range(0, len(packed), part):
        end = min(start + part, len(packed))
        made = torch.empty(groups, GROUP, end - start, lanes, dtype=DTYPE)
        for first in range(start, end, _BLOCKS):
            here = slice(first, min(first + _BLOCKS, end))
            block = packed[here].transpose(0, 1)
            whole = torch.empty(groups * GROUP, block.shape[1], lanes, dtype=DTYPE)
            whole[..., :half], whole[..., half:] = block & 15, block >> 4
            target = made[:, :, here.start - start : here.stop - start]
            torch.addcmul(least[:, :, here], whole.view(groups, GROUP, -1, lanes), steps[:, :, here], out=target)
        yield made.view(groups * GROUP, -1)


@cache
def _lanes() -> int:
    """How many results lie side by side in four bits on this CPU: found by a matrix unpacked; 0 where it is unlike."""
    whole = torch.randint(16, (_LANES[0], GROUP), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    scales = torch.tensor([1.0, 8.0], dtype=DTYPE).expand(1, len(whole), 2).contiguous()
    packed = _pack(whole)

    def gives_back(lanes: int) -> bool:
        return torch.equal(torch.cat([*_unpacked(packed, scales, lanes)], dim=1).T, whole.to(DTYPE))

    return next(filter(gives_back, _LANES), 0)


def _shaped(y: Tensor, x: Tensor, bias: Tensor | None) -> Tensor:
    y = y if bias is None else y + bias
    return y.reshape(*x.shape[:-1], y.shape[-1])


def quantise(model: nn.Module, bits: int, device: torch.device, step: Callable[[int], None]) -> None:
    """Put eight or four bits in place of the matrices inside the blocks, on ``device``; the rest follows in `DTYPE`.

    ``model`` stands on the CPU, its weights as they were read. ``step`` is told the bytes of each matrix; what it
    raises ends the work. A matrix whose width is no multiple of 32, or whose height none of 16, has eight bits anyway.
    """
    with torch.no_grad():
        for parent, name, layer in _layers(model):
            step(layer.weight.nbytes)
            weight = layer.weight.T if isinstance(layer, Conv1D) else layer.weight
            bias = None if layer.bias is None else layer.bias.to(device, DTYPE, copy=True)
            weight = weight.to(device)
            kind = Int4Linear if bits == 4 and _can_be_packed(weight) else Int8Linear
            setattr(parent, name, kind(weight, bias))
        _quantise_head(model, device, step)
    model.to(device)
    for module in model.modules():
        if not isinstance(module, Int8Linear | Int8Embedding | Int4Linear):
            _convert(module)


def _quantise_head(model: Any, device: torch.device, step: Callable[[int], None]) -> None:
    """Eight bits for the head, and for the embedding where that is the same matrix."""
    head, table = model.get_output_embeddings(), model.get_input_embeddings()
    if type(head) is not nn.Linear or model.config.model_type in READ_THEIR_HEADS:
        return
    is_tied = table.weight is head.weight
    if is_tied and not (type(table) is nn.Embedding or hasattr(table, "embed_scale")):
        return
    step(head.weight.nbytes)
    bias = None if head.bias is None else head.bias.to(device, DTYPE, copy=True)
    quantised = Int8Linear(head.weight.to(device), bias)
    model.set_output_embeddings(quantised)
    if is_tied:
        factor = getattr(table, "embed_scale", 1.0)
        model.set_input_embeddings(
            Int8Embedding(quantised, factor.to(device, DTYPE) if isinstance(factor, Tensor) else factor)
        )


def _convert(module: nn.Module) -> None:
    """The module's own parameters in `DTYPE`, and masks; other buffers keep theirs, as in a model loaded in it.

    They are copied in any case: one that lay in the mapped file would keep the whole of it in memory.
    """
    for parameter in module.parameters(recurse=False):
        if parameter.is_floating_point():
            parameter.data = parameter.data.to(DTYPE, copy=True)
    for name, buffer in module.named_buffers(recurse=False):
        if name == "bias" and buffer.is_floating_point():
            module.register_buffer(name, buffer.to(DTYPE))


def _can_be_packed(weight: Tensor) -> bool:
    rows, columns = weight.shape
    return columns % GROUP == 0 and rows % 16 == 0


def _layers(model: nn.Module) -> Iterator[tuple[nn.Module, str, nn.Linear | Conv1D]]:
    """Linear layers inside the blocks, each with the module that holds it; they may be replaced meanwhile."""
    for blocks in [part for part in model.modules() if isinstance(part, nn.ModuleList)]:
        for parent in list(blocks.modules()):
            for name, layer in list(parent.named_children()):
                if isinstance(layer, nn.Linear | Conv1D) and name not in _READ_DIRECTLY:
                    yield parent, name, layer
