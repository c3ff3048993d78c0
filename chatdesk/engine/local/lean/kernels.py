"""The kernels of the lean decode step, compiled by numba for this processor.

`run` works through a list of operations (`OP`), made once for a model by `program`: it knows no architecture, only
addresses of weights and of float32 buffers. Weights are read where torch keeps them, or in twelve bits.
Sums are float32, and so is what is multiplied, unless it was packed for products of bytes or of pairs of bfloat16.

Every thread goes through the whole list and does its share of each operation. They meet where one reads what others
have written, and nowhere else: waking threads for every operation took longer than the operations. What is short is
done by each for itself, in memory of its own (`source_step`, `target_step`).

Pointers are read as they are given: whoever makes a program vouches for addresses and sizes.
"""

import math
from typing import Any

import numpy as np
from numba import from_dtype, njit, types

from chatdesk.engine.local.lean import compact, nibbles, octets
from chatdesk.engine.local.lean.assembly import FAST, kernel
from chatdesk.engine.local.lean.attention import attend, remember
from chatdesk.engine.local.lean.meeting import THREADS, meet
from chatdesk.engine.local.lean.vectors import (
    BFLOAT16,
    COMPACT,
    FLOAT32,
    INT4,
    INT8,
    TOGETHER,
    dot,
    dots,
    exp,
    f32,
    number_at,
    share,
    u16,
    widened,
)

EMBED, NORM, ROWS, PACKED_ROWS, COLUMNS, GATHER, PACK, NIBBLES, PACKED_NIBBLES, REMEMBER, ATTEND = range(11)
"""Codes. A matrix lies by `ROWS`, ``[out, in]``, or as GPT-2's by `COLUMNS`, ``[in, out]``, or in four bits, in
`NIBBLES`. ``PACKED``: what it is multiplied by was packed before."""

BY_TOKEN, BY_POSITION = 0, 1
RMS, LAYER = 0, 1
SILU, GELU, GELU_TANH, RELU = range(1, 5)  # 0: none

OP = np.dtype(
    [
        (name, np.int64)
        for name in (
            "code",
            "meets",  # all threads wait for each other after it
            "source",
            "source_stride",  # from one row of the batch to the next, in numbers
            "source_step",  # from one thread's to the next one's, in numbers; NORM: from vector to vector
            "target",
            "target_stride",
            "target_step",
            "kind",
            "weight",
            "scales",
            "starts",
            "strays",  # in twelve bits: see `compact.Compact`
            "bias",  # 0: none
            "bias_kind",
            "height",
            "width",
            "adds",  # onto the target, in place of writing it
            "then",  # the activation, the kind of norm, or what an embedding is looked up by
            "gate",  # the activation of what lies here is multiplied by the product
            "attention",  # index into the other list
            "lanes",  # in four bits: results that lie together
            "stride",  # in four bits: from the scales of a group to those of the next, in bytes
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

_ALIGNED = 16  # results a thread writes side by side: a line of the processor's cache


@kernel
def _activate(then: Any, x: Any) -> Any:
    one, half = np.float32(1.0), np.float32(0.5)
    if then == SILU:
        return x / (one + exp(-x))
    if then == GELU_TANH:
        inner = np.float32(0.7978845608) * (x + np.float32(0.044715) * x * x * x)
        return x * (one - one / (one + exp(inner + inner)))
    if then == GELU:
        return np.float32(half * x * (one + math.erf(x * np.float32(0.70710678118))))
    return max(x, np.float32(0.0))


@kernel
def _several_dots(code: Any, kind: Any, weights: Any, inputs: Any, stride: Any, width: Any, results: Any) -> None:
    if kind == COMPACT:
        groups, found = width // compact.GROUP, results.ctypes.data
        if code == PACKED_ROWS:
            compact.packed_dots(weights, inputs, stride, groups, found)
        else:
            compact.dots(weights, inputs, stride, groups, found)
    elif code == PACKED_ROWS:
        octets.packed_dots(weights, inputs, stride, width // octets.GROUP, results)
    else:
        dots(kind, weights, inputs, stride, width, results)


@kernel
def _single_dot(code: Any, kind: Any, weights: Any, x: Any, width: Any) -> Any:
    if kind == COMPACT:
        groups = width // compact.GROUP
        return compact.packed_dot(weights, x, groups) if code == PACKED_ROWS else compact.dot(weights, x, groups)
    if code == PACKED_ROWS:
        return octets.packed_dot(weights, x, width // octets.GROUP)
    return dot(kind, weights, x, width)


@kernel
def _row_size(kind: Any, width: Any) -> Any:
    """Bytes of a row."""
    if kind == COMPACT:
        return width // compact.GROUP * compact.BYTES
    return width * (4 if kind == FLOAT32 else 2 if kind == BFLOAT16 else 1)


@kernel
def _scale(op: Any, x: Any, start: Any, count: Any, totals: Any) -> None:
    """``count`` results from one on are in units of their rows, and may be without strays."""
    if op.strays:
        for lane in range(count):
            totals[lane] += compact.stray_sum(op.starts, op.strays, start + lane, x, op.code == PACKED_ROWS)
    for lane in range(count):
        totals[lane] *= widened(u16(op.scales)[start + lane])


@kernel
def _by_rows(op: Any, rows: Any, thread: Any, threads: Any) -> None:
    """Products of rows of a matrix ``[height, width]``: a weight is fetched once for all rows of the batch."""
    first, end = share(op.height, _ALIGNED, thread, threads)
    totals, together = np.empty((rows, _ALIGNED), np.float32), np.empty(TOGETHER, np.float32)
    code, kind, width, source, stride = (
        op.code,
        op.kind,
        op.width,
        op.source + 4 * thread * op.source_step,
        op.source_stride,
    )
    size = _row_size(kind, width)
    for start in range(first, end, _ALIGNED):
        count = min(_ALIGNED, end - start)
        for lane in range(count):
            weights, row = op.weight + (start + lane) * size, 0
            while row + TOGETHER <= rows:
                _several_dots(code, kind, weights, source + 4 * row * stride, 4 * stride, width, together)
                for each in range(TOGETHER):
                    totals[row + each, lane] = together[each]
                row += TOGETHER
            while row < rows:
                totals[row, lane] = _single_dot(code, kind, weights, source + 4 * row * stride, width)
                row += 1
        for row in range(rows):
            if op.scales:
                _scale(op, source + 4 * row * stride, start, count, totals[row])
            _finish(op, row, start, count, totals[row])


@kernel
def _by_columns(op: Any, rows: Any, thread: Any, threads: Any) -> None:
    """Sums over a part of the inputs, of a matrix ``[width, height]``, into memory of the thread; see `_gather`."""
    first, end = share(op.width, 1, thread, threads)
    for row in range(rows):
        sums = f32(op.target + 4 * (thread * op.target_step + row * op.target_stride))
        for o in range(op.height):
            sums[o] = np.float32(0.0)
    for i in range(first, end):
        for row in range(rows):
            sums = f32(op.target + 4 * (thread * op.target_step + row * op.target_stride))
            x = f32(op.source + 4 * (thread * op.source_step + row * op.source_stride))[i]
            if op.kind == FLOAT32:
                exact = f32(op.weight + 4 * i * op.height)
                for o in range(op.height):
                    sums[o] += exact[o] * x
            else:
                half = u16(op.weight + 2 * i * op.height)
                for o in range(op.height):
                    sums[o] += widened(half[o]) * x


@kernel
def _gather(op: Any, rows: Any, thread: Any, threads: Any) -> None:
    """The sums of all threads together."""
    first, end = share(op.height, _ALIGNED, thread, threads)
    totals = np.empty(_ALIGNED, np.float32)
    for row in range(rows):
        for start in range(first, end, _ALIGNED):
            count = min(_ALIGNED, end - start)
            totals[:] = np.float32(0.0)
            for part in range(threads):
                sums = f32(op.source + 4 * (part * op.source_step + row * op.source_stride + start))
                for lane in range(count):
                    totals[lane] += sums[lane]
            _finish(op, row, start, count, totals)


@kernel
def _pack(op: Any, rows: Any, thread: Any) -> None:
    """The inputs of products with matrices of a kind, by each thread for itself."""
    for row in range(rows):
        source = op.source + 4 * (thread * op.source_step + row * op.source_stride)
        target = op.target + 4 * (thread * op.target_step + row * op.target_stride)
        if op.kind == INT4:
            nibbles.pack(source, op.width, target)
        elif op.kind == COMPACT:
            compact.pack_inputs(source, op.width, target)
        else:
            octets.pack(source, op.width, target)


@kernel
def _by_nibbles(op: Any, rows: Any, thread: Any, threads: Any) -> None:
    """A matrix in four bits; see `nibbles`. ``scales``: ``[width / 32, height, 2]``."""
    lanes = op.lanes
    sums = np.empty((nibbles.TOGETHER, lanes), np.float32)
    first, end = share(op.height, lanes, thread, threads)
    apart, groups, found = 4 * op.source_stride, op.width // nibbles.GROUP, sums.ctypes.data
    for start in range(first, end, lanes):
        weights, scales, row = op.weight + start * op.width // 2, op.scales + 4 * start, 0
        while row < rows:
            x, together = op.source + 4 * thread * op.source_step + row * apart, 1
            if op.code == NIBBLES:
                _widened_block(op, weights, x, scales, sums[0])
            elif row + nibbles.TOGETHER > rows:
                nibbles.packed_block(weights, x, groups, scales, op.stride, found)
            else:
                nibbles.packed_blocks(weights, x, apart, groups, scales, op.stride, found)
                together = nibbles.TOGETHER
            for each in range(together):
                _finish(op, row + each, start, lanes, sums[each])
            row += together


@kernel
def _widened_block(op: Any, weights: Any, x: Any, scales: Any, sums: Any) -> None:
    part = np.empty(op.lanes, np.float32)
    sums[:] = np.float32(0.0)
    for group in range(op.width // nibbles.GROUP):
        first, total = group * nibbles.GROUP, np.float32(0.0)
        for i in range(first, first + nibbles.GROUP):
            total += f32(x)[i]
        nibbles.widened_group(op.lanes, weights + first * op.lanes // 2, x + 4 * first, part.ctypes.data)
        pairs = u16(scales + group * op.stride)
        for lane in range(op.lanes):
            step, middle = widened(pairs[2 * lane]), widened(pairs[2 * lane + 1])
            sums[lane] += step * (part[lane] - np.float32(8.0) * total) + middle * total


@kernel
def _multiply(op: Any, rows: Any, thread: Any, threads: Any) -> None:
    """Whatever belongs to products."""
    if op.code in (ROWS, PACKED_ROWS):
        _by_rows(op, rows, thread, threads)
    elif op.code == COLUMNS:
        _by_columns(op, rows, thread, threads)
    elif op.code == GATHER:
        _gather(op, rows, thread, threads)
    elif op.code == PACK:
        _pack(op, rows, thread)
    else:
        _by_nibbles(op, rows, thread, threads)


@kernel
def _finish(op: Any, row: Any, start: Any, count: Any, totals: Any) -> None:
    """Bias, activation, gate and residual of ``count`` results from one on, and where they go."""
    place = 4 * (row * op.target_stride + start)
    target = f32(op.target + place)
    if op.bias:
        for i in range(count):
            totals[i] += number_at(op.bias_kind, op.bias, start + i)
    if op.gate:
        gate = f32(op.gate + place)
        for i in range(count):
            totals[i] *= _activate(op.then, gate[i])
    elif op.then:
        for i in range(count):
            totals[i] = _activate(op.then, totals[i])
    if op.adds:
        for i in range(count):
            target[i] += totals[i]
    else:
        for i in range(count):
            target[i] = totals[i]


@kernel
def _embed(op: Any, ids: Any, position: Any, ahead: Any, thread: Any, threads: Any) -> None:
    first, end = share(op.width, _ALIGNED, thread, threads)
    for row in range(len(ids)):
        entry = ids[row] if op.then == BY_TOKEN else position + row * ahead
        factor = np.float32(op.number) * (widened(u16(op.scales)[entry]) if op.kind == INT8 else np.float32(1.0))
        target = f32(op.target + 4 * row * op.target_stride)
        for i in range(first, end):
            number = number_at(op.kind, op.weight, entry * op.width + i) * factor
            target[i] = number + (target[i] if op.adds else np.float32(0.0))


@kernel
def _norm(op: Any, rows: Any, thread: Any, threads: Any) -> None:
    """``height`` vectors of ``width`` numbers in each row, all with the same weights.

    Done by each thread for itself where it has a target of its own; else each does some of the vectors.
    """
    size = op.width
    first, end = (0, op.height) if op.target_step else share(op.height, 1, thread, threads)
    for row in range(rows):
        for group in range(first, end):
            x = f32(op.source + 4 * (row * op.source_stride + group * op.source_step))
            y = f32(op.target + 4 * (row * op.target_stride + group * op.source_step + thread * op.target_step))
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
                weight = number_at(op.kind, op.weight, i) + plus
                bias = number_at(op.kind, op.bias, i) if op.bias else np.float32(0.0)
                y[i] = (x[i] - mean) * factor * weight + bias


_SIGNATURE: Any = types.void(
    from_dtype(OP)[::1],
    from_dtype(ATTENTION)[::1],
    types.int64[::1],
    types.float32[:, ::1],
    types.UniTuple(types.int64, 2),  # type: ignore[no-untyped-call]
    types.int64[::1],
    types.int64,
)
_compiled: Any = njit(_SIGNATURE, fastmath=FAST, error_model="numpy", nogil=True, cache=True)


@_compiled  # type: ignore[untyped-decorator]
def run(ops: Any, attentions: Any, ids: Any, turns: Any, place: Any, meeting: Any, thread: Any) -> None:
    """A thread's share of ``ops`` for one token of each row; all threads have to be in here at once.

    ``place``: position of the first row, and how much further the next one is: 0 where each is of another text, 1
    where all are of one.
    ``ids``: int64 ``[rows]``. ``turns``: float32 ``[room, 2 * rotated]``, cosines and sines of each position.
    ``meeting``: theirs, begun (see there).
    """
    rows, threads, arrivals = len(ids), meeting[THREADS], 0
    position, ahead = place
    for index in range(len(ops)):
        op = ops[index]
        if ROWS <= op.code <= PACKED_NIBBLES:
            _multiply(op, rows, thread, threads)
        elif op.code == EMBED:
            _embed(op, ids, position, ahead, thread, threads)
        elif op.code == NORM:
            _norm(op, rows, thread, threads)
        elif op.code == REMEMBER:
            remember(attentions[op.attention], position, ahead, turns, rows, thread, threads)
        else:
            attend(attentions[op.attention], position, ahead, turns, rows, thread, threads)
        if op.meets:
            arrivals += threads
            meet(meeting.ctypes.data, arrivals)
