"""The kernels of the lean decode step, compiled by numba for this processor.

`run` works through a list of operations (`OP`), made once for a model by `program`: it knows no architecture, only
addresses of weights and of float32 buffers. Weights are read where torch keeps them; bfloat16 is widened by a shift.
Everything is computed in float32. A region that runs in parallel is split by output rows into as many parts as there
are threads, and a matrix that belongs to another one (up to gate) is split in the same way.

Pointers are read as they are given: whoever makes a program vouches for addresses and sizes.
"""

import math
from typing import Any

import numpy as np
from llvmlite import ir
from numba import from_dtype, njit, prange, types
from numba.extending import intrinsic

EMBED, NORM, PRODUCT, ATTEND = range(4)
FLOAT32, BFLOAT16, INT8, INT4 = range(4)
ROWS, COLUMNS = 0, 1  # how a matrix lies: [out, in], or [in, out] as GPT-2's
BY_TOKEN, BY_POSITION = 0, 1
RMS, LAYER = 0, 1
SILU, GELU, GELU_TANH, RELU = range(1, 5)  # 0: none

OP = np.dtype(
    [
        (name, np.int64)
        for name in (
            "code",
            "parts",  # PRODUCT: this one and so many in all share one region; the others follow
            "source",
            "source_stride",  # from one row of the batch to the next, in numbers
            "target",
            "target_stride",
            "kind",
            "layout",
            "weight",
            "scales",
            "bias",  # 0: none
            "bias_kind",
            "height",
            "width",
            "adds",  # onto the target, in place of writing it
            "then",  # the activation, the kind of norm, or what an embedding is looked up by
            "gate",  # PRODUCT: the activation of what lies here is multiplied by the product
            "attention",  # index into the other list
        )
    ]
    + [("number", np.float64)],
    align=True,
)
"""One operation. Addresses are in bytes, sizes and strides in numbers. ``number``: epsilon or scale."""

ATTENTION = np.dtype(
    [
        (name, np.int64)
        for name in (
            "query",
            "key",
            "value",  # addresses of the first head of the first row
            "stride",  # from row to row of those
            "target",
            "target_stride",
            "query_step",
            "key_step",  # from head to head; also of the values
            "heads",
            "key_heads",
            "size",
            "rotated",  # the first numbers of a head that are turned by the position
            "kind",
            "keys",
            "values",
            "room",  # the cache: [rows, key_heads, room, size]
            "scores",  # float32 [rows, heads, room]
        )
    ]
    + [("scale", np.float64)],
    align=True,
)

_intrinsic: Any = intrinsic  # its stub knows no function that is made at run time
_CPointer: Any = types.CPointer
_FAST = {"reassoc", "contract", "nsz", "arcp", "nnan"}
_LANES = 64  # output columns summed at once, where a matrix lies by columns
_GROUP = 32  # numbers that share a scale, in four bits
_ALIGNED = 64


def _pointer(to: types.Type, name: str) -> Any:
    """An intrinsic that makes an address a pointer to numbers of a type."""

    def typed(_context: Any, address: Any) -> Any:
        def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            return builder.inttoptr(arguments[0], context.get_value_type(_CPointer(to)))

        return _CPointer(to)(address), generate

    typed.__name__ = name
    return _intrinsic(typed)


_f32 = _pointer(types.float32, "_f32")
_u16 = _pointer(types.uint16, "_u16")
_i8 = _pointer(types.int8, "_i8")
_u8 = _pointer(types.uint8, "_u8")


@_intrinsic  # type: ignore[untyped-decorator]
def _as_float(_context: Any, bits: Any) -> Any:
    """The float32 of these 32 bits."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.FloatType())

    return types.float32(types.uint32), generate


@_intrinsic  # type: ignore[untyped-decorator]
def _as_bits(_context: Any, number: Any) -> Any:
    """The 32 bits of a float32."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.IntType(32))

    return types.uint32(types.float32), generate


@njit(fastmath=_FAST)
def _wide(bits: Any) -> Any:
    """A bfloat16 as float32."""
    return _as_float(np.uint32(bits) << np.uint32(16))


@njit(fastmath=_FAST)
def _narrow(number: Any) -> Any:
    """A float32 as the nearest bfloat16, ties to even."""
    bits = _as_bits(np.float32(number))
    return np.uint16((bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))) >> np.uint32(16))


@njit(fastmath=_FAST)
def _number(kind: Any, address: Any, index: Any) -> Any:
    """One number of a tensor, float32."""
    return _f32(address)[index] if kind == FLOAT32 else _wide(_u16(address)[index])


@njit(fastmath=_FAST)
def _exp(x: Any) -> Any:
    """The exponential to the last bits of float32, in a form that compilers make vectors of."""
    x = min(max(x, np.float32(-87.0)), np.float32(88.0))
    n = np.floor(x * np.float32(1.44269504) + np.float32(0.5))
    r = x - n * np.float32(0.693359375) + n * np.float32(2.12194440e-4)
    p = np.float32(1.9875691500e-4)
    p = p * r + np.float32(1.3981999507e-3)
    p = p * r + np.float32(8.3334519073e-3)
    p = p * r + np.float32(4.1665795894e-2)
    p = p * r + np.float32(1.6666665459e-1)
    p = p * r + np.float32(5.0000001201e-1)
    return (p * r * r + r + np.float32(1.0)) * _as_float(np.uint32(np.int32(n) + np.int32(127)) << np.uint32(23))


@njit(fastmath=_FAST)
def _activate(then: Any, x: Any) -> Any:
    one, half = np.float32(1.0), np.float32(0.5)
    if then == SILU:
        return x / (one + _exp(-x))
    if then == GELU_TANH:
        inner = np.float32(0.7978845608) * (x + np.float32(0.044715) * x * x * x)
        return x * (one - one / (one + _exp(inner + inner)))
    if then == GELU:
        return np.float32(half * x * (one + math.erf(x * np.float32(0.70710678118))))
    return max(x, np.float32(0.0))


@njit(fastmath=_FAST)
def _dot_f32(w: Any, x: Any, width: Any) -> Any:
    total = np.float32(0.0)
    for i in range(width):
        total += w[i] * x[i]
    return total


@njit(fastmath=_FAST)
def _dot_bf16(w: Any, x: Any, width: Any) -> Any:
    total = np.float32(0.0)
    for i in range(width):
        total += _wide(w[i]) * x[i]
    return total


@njit(fastmath=_FAST)
def _dot_int8(w: Any, x: Any, width: Any) -> Any:
    total = np.float32(0.0)
    for i in range(width):
        total += np.float32(w[i]) * x[i]
    return total


@njit(fastmath=_FAST)
def _by_rows(op: Any, rows: Any, first: Any, last: Any) -> None:
    """Products of the rows ``first`` to ``last`` of a matrix ``[height, width]``: a weight is fetched once for all."""
    width, kind = op.width, op.kind
    for o in range(first, last):
        at = op.weight + o * width * (4 if kind == FLOAT32 else 2 if kind == BFLOAT16 else 1)
        for row in range(rows):
            x = _f32(op.source + 4 * row * op.source_stride)
            if kind == BFLOAT16:
                total = _dot_bf16(_u16(at), x, width)
            elif kind == INT8:
                total = _dot_int8(_i8(at), x, width) * _wide(_u16(op.scales)[o])
            else:
                total = _dot_f32(_f32(at), x, width)
            _finish(op, row, o, total)


@njit(fastmath=_FAST)
def _by_columns(op: Any, rows: Any, first: Any, last: Any) -> None:
    """As `_by_rows` for a matrix that lies ``[width, height]``, `_LANES` results at once."""
    sums = np.empty((rows, _LANES), np.float32)
    for start in range(first, last, _LANES):
        count = min(_LANES, last - start)
        sums[:] = np.float32(0.0)
        if op.kind == BFLOAT16:
            _add_columns_bf16(op, start, sums, rows, count)
        else:
            _add_columns_f32(op, start, sums, rows, count)
        for row in range(rows):
            for lane in range(count):
                _finish(op, row, start + lane, sums[row, lane])


@njit(fastmath=_FAST)
def _add_columns_f32(op: Any, start: Any, sums: Any, rows: Any, count: Any) -> None:
    for i in range(op.width):
        w = _f32(op.weight + 4 * (i * op.height + start))
        for row in range(rows):
            x = _f32(op.source + 4 * row * op.source_stride)[i]
            if count == _LANES:
                for lane in range(_LANES):
                    sums[row, lane] += w[lane] * x
            else:
                for lane in range(count):
                    sums[row, lane] += w[lane] * x


@njit(fastmath=_FAST)
def _add_columns_bf16(op: Any, start: Any, sums: Any, rows: Any, count: Any) -> None:
    for i in range(op.width):
        w = _u16(op.weight + 2 * (i * op.height + start))
        for row in range(rows):
            x = _f32(op.source + 4 * row * op.source_stride)[i]
            if count == _LANES:
                for lane in range(_LANES):
                    sums[row, lane] += _wide(w[lane]) * x
            else:
                for lane in range(count):
                    sums[row, lane] += _wide(w[lane]) * x


@njit(fastmath=_FAST)
def _finish(op: Any, row: Any, o: Any, total: Any) -> None:
    """Scale, bias, activation, gate and residual of one result, and where it goes."""
    total *= np.float32(op.number)
    if op.bias:
        total += _number(op.bias_kind, op.bias, o)
    if op.gate:
        total *= _activate(op.then, _f32(op.gate + 4 * row * op.target_stride)[o])
    elif op.then:
        total = _activate(op.then, total)
    target = _f32(op.target + 4 * row * op.target_stride)
    target[o] = total + (target[o] if op.adds else np.float32(0.0))


@njit(parallel=True, fastmath=_FAST)
def _products(ops: Any, first: Any, rows: Any, threads: Any) -> None:
    for thread in prange(threads):
        for index in range(first, first + ops[first].parts):
            op = ops[index]
            blocks = (op.height + _ALIGNED - 1) // _ALIGNED
            start, end = blocks * thread // threads * _ALIGNED, blocks * (thread + 1) // threads * _ALIGNED
            if op.layout == ROWS:
                _by_rows(op, rows, start, min(end, op.height))
            else:
                _by_columns(op, rows, start, min(end, op.height))


@njit(fastmath=_FAST)
def _embed(op: Any, ids: Any, position: Any, rows: Any) -> None:
    for row in range(rows):
        index = (ids[row] if op.then == BY_TOKEN else position) * op.width
        target = _f32(op.target + 4 * row * op.target_stride)
        for i in range(op.width):
            number = _number(op.kind, op.weight, index + i) * np.float32(op.number)
            target[i] = number + (target[i] if op.adds else np.float32(0.0))


@njit(fastmath=_FAST)
def _norm(op: Any, rows: Any) -> None:
    """``height`` vectors of ``width`` numbers in each row, all with the same weights."""
    size = op.width
    for row in range(rows):
        for group in range(op.height):
            x = _f32(op.source + 4 * (row * op.source_stride + group * size))
            y = _f32(op.target + 4 * (row * op.target_stride + group * size))
            mean, square = np.float32(0.0), np.float32(0.0)
            if op.then == LAYER:
                for i in range(size):
                    mean += x[i]
                mean /= np.float32(size)
            for i in range(size):
                square += (x[i] - mean) * (x[i] - mean)
            factor = np.float32(1.0 / math.sqrt(square / np.float32(size) + op.number))
            plus = np.float32(op.adds)  # Gemma's weights are kept less one
            for i in range(size):
                weight = _number(op.kind, op.weight, i) + plus
                bias = _number(op.kind, op.bias, i) if op.bias else np.float32(0.0)
                y[i] = (x[i] - mean) * factor * weight + bias


@njit(fastmath=_FAST)
def _turn(x: Any, turns: Any, size: Any) -> None:
    """Rotary position: number ``i`` of the first half with ``i`` of the second; ``turns``: cosines, then sines."""
    half = size // 2
    for i in range(half):
        left, right = x[i], x[i + half]
        x[i] = left * turns[i] - right * turns[size + i]
        x[i + half] = right * turns[half + i] + left * turns[size + half + i]


@njit(fastmath=_FAST)
def _remember(a: Any, position: Any, turns: Any, rows: Any) -> None:
    """Turn queries and keys by their position, and write keys and values into the cache."""
    for row in range(rows):
        shift = 4 * row * a.stride
        for head in range(a.heads):
            _turn(_f32(a.query + shift + 4 * head * a.query_step), turns, a.rotated)
        for head in range(a.key_heads):
            key = _f32(a.key + shift + 4 * head * a.key_step)
            value = _f32(a.value + shift + 4 * head * a.key_step)
            _turn(key, turns, a.rotated)
            at = ((row * a.key_heads + head) * a.room + position) * a.size
            for i in range(a.size):
                if a.kind == FLOAT32:
                    _f32(a.keys)[at + i] = key[i]
                    _f32(a.values)[at + i] = value[i]
                else:
                    _u16(a.keys)[at + i] = _narrow(key[i])
                    _u16(a.values)[at + i] = _narrow(value[i])


@njit(fastmath=_FAST)
def _attend_head(a: Any, row: Any, head: Any, tokens: Any, sums: Any) -> None:
    size = a.size
    query = _f32(a.query + 4 * (row * a.stride + head * a.query_step))
    scores = _f32(a.scores + 4 * (row * a.heads + head) * a.room)
    at = (row * a.key_heads + head // (a.heads // a.key_heads)) * a.room * size
    for t in range(tokens):
        if a.kind == FLOAT32:
            score = _dot_f32(_f32(a.keys + 4 * (at + t * size)), query, size)
        else:
            score = _dot_bf16(_u16(a.keys + 2 * (at + t * size)), query, size)
        scores[t] = score * np.float32(a.scale)
    most = scores[0]
    for t in range(tokens):
        most = max(most, scores[t])
    total = np.float32(0.0)
    for t in range(tokens):
        scores[t] = _exp(scores[t] - most)
        total += scores[t]
    sums[:size] = np.float32(0.0)
    for t in range(tokens):
        share = scores[t]
        if a.kind == FLOAT32:
            exact = _f32(a.values + 4 * (at + t * size))
            for i in range(size):
                sums[i] += share * exact[i]
        else:
            half = _u16(a.values + 2 * (at + t * size))
            for i in range(size):
                sums[i] += share * _wide(half[i])
    result = _f32(a.target + 4 * (row * a.target_stride + head * size))
    for i in range(size):
        result[i] = sums[i] / total


@njit(parallel=True, fastmath=_FAST)
def _attend(attentions: Any, which: Any, tokens: Any, rows: Any, threads: Any) -> None:
    for thread in prange(threads):
        a = attentions[which]
        sums = np.empty(a.size, np.float32)
        heads = rows * a.heads
        for index in range(heads * thread // threads, heads * (thread + 1) // threads):
            _attend_head(a, index // a.heads, index % a.heads, tokens, sums)


@njit(
    types.void(
        from_dtype(OP)[::1],
        from_dtype(ATTENTION)[::1],
        types.int64[::1],
        types.float32[:, ::1],
        types.int64,
        types.int64,
    ),
    fastmath=_FAST,
    nogil=True,
    cache=True,
)
def run(ops: Any, attentions: Any, ids: Any, turns: Any, position: Any, threads: Any) -> None:
    """Do ``ops`` in order for one token of each row, at ``position``.

    ``ids``: int64 ``[rows]``. ``turns``: float32 ``[room, 2 * rotated]``, cosines and sines of each position.
    """
    rows = len(ids)
    index = 0
    while index < len(ops):
        op = ops[index]
        if op.code == PRODUCT:
            _products(ops, index, rows, threads)
            index += op.parts
            continue
        if op.code == EMBED:
            _embed(op, ids, position, rows)
        elif op.code == NORM:
            _norm(op, rows)
        else:
            _remember(attentions[op.attention], position, turns[position], rows)
            _attend(attentions, op.attention, position + 1, rows, threads)
        index += 1
