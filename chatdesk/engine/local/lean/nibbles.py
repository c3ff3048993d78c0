"""Products with weights in four bits, as torch packs them on x86: many results side by side, one input after another.

A matrix is cut into blocks of ``lanes`` results, each ``[width, lanes / 2]`` bytes; the lower half of a byte belongs
to the first half of the results. Thirty-two inputs share a step and a middle for each result.

Where the processor multiplies bytes (`assembly.HAS_BYTE_PRODUCTS`), inputs are packed as well: a group as whole
numbers of 14 bits and a sign, in two parts of a byte each, so that nothing is lost that bfloat16 would have kept. That
reads the weights twice as fast as widening each of them to float32, which is done on other processors.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types

from chatdesk.engine.local.lean.assembly import (
    FLAGS,
    FLOAT,
    HAS_BYTE_PRODUCTS,
    I8,
    I32,
    I64,
    all_of,
    at,
    build,
    external,
    fetch,
    intrinsic,
    kernel,
    loop,
    moved,
    spread,
    vector,
)
from chatdesk.engine.local.lean.vectors import f32, i8

GROUP = 32
PACKED = 20
"""Float32 numbers' room of a packed group: 32 high parts, 32 low parts, the unit, the sum, and what keeps it even."""

TOGETHER = 2
"""Inputs that weights are unpacked for at once; more have no room in the registers."""

_LANES = 16
_GROUPS_AHEAD = 2  # whose scales are fetched before they are needed
_LOW_BITS, _MOST = 7, 16256.0  # 127 times 128
_floats, _numbers, _bytes = vector(FLOAT, 16), vector(I32, 16), vector(I8, 64)


def _widening(lanes: int, name: str) -> Any:
    """An intrinsic ``(weights, x, sums)``: ``lanes`` sums over a group of float32 numbers, of weights 0 to 15."""
    half, floats = vector(I8, _LANES), vector(FLOAT, _LANES)
    wide, chunks = vector(I32, _LANES), lanes // _LANES // 2

    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        weights, x, sums = arguments
        totals = [build.alloca_once_value(builder, all_of(floats, 0.0)) for _ in range(2 * chunks)]
        with loop(builder, ir.Constant(I64, GROUP)) as (i, _):
            number = spread(builder, builder.load(at(builder, moved(builder, x, i, 4), 0, FLOAT)), floats)
            row = moved(builder, weights, i, lanes // 2)
            for chunk in range(chunks):
                packed = builder.zext(builder.load(at(builder, row, chunk * _LANES, half), align=1), wide)
                low = builder.and_(packed, all_of(wide, 15))
                high = builder.lshr(packed, all_of(wide, 4))
                for total, whole in ((totals[chunk], low), (totals[chunks + chunk], high)):
                    product = builder.fmul(builder.sitofp(whole, floats), number, flags=FLAGS)
                    builder.store(builder.fadd(builder.load(total), product, flags=FLAGS), total)
        for number, total in enumerate(totals):
            builder.store(builder.load(total), at(builder, sums, 4 * number * _LANES, floats), align=4)
        return context.get_dummy_value()

    def typed(_context: Any, _weights: Any, _x: Any, _sums: Any) -> Any:
        return types.void(types.int64, types.int64, types.int64), generate

    typed.__name__ = name
    return intrinsic(typed)


_widening_64 = _widening(64, "_widening_64")
_widening_32 = _widening(32, "_widening_32")


@kernel
def widened_group(lanes: Any, weights: Any, x: Any, sums: Any) -> None:
    """Sums of products of 32 float32 numbers with ``lanes`` columns, 64 or 32; all given by address."""
    if lanes == 64:
        _widening_64(weights, x, sums)
    else:
        _widening_32(weights, x, sums)


@kernel
def pack(x: Any, width: Any, packed: Any) -> None:
    """Write ``width`` float32 numbers, a multiple of 32, as `packed_block` reads them; both given by address."""
    for group in range(width // GROUP):
        numbers, place = f32(x + 4 * group * GROUP), packed + 4 * group * PACKED
        most, total = np.float32(1e-30), np.float32(0.0)
        for i in range(GROUP):
            most = max(most, abs(numbers[i]))
            total += numbers[i]
        ratio = np.float32(_MOST) / most
        high, low = i8(place), i8(place + GROUP)
        for i in range(GROUP):
            whole = np.int32(np.floor(numbers[i] * ratio + np.float32(0.5)))
            upper = (whole + np.int32(1 << (_LOW_BITS - 1))) >> np.int32(_LOW_BITS)
            high[i], low[i] = np.int8(upper), np.int8(whole - (upper << np.int32(_LOW_BITS)))
        f32(place)[16], f32(place)[17] = most / np.float32(_MOST), total


def _four_inputs(builder: Any, weights: Any, offset: int) -> list[Any]:
    """Four vectors of 16 results, a byte for each of four inputs: both weights of it, then sixteen times the upper."""
    rows = [builder.load(at(builder, weights, offset + 64 * pair, _bytes), align=1) for pair in range(2)]
    found = []
    for half in (0, 16):
        index = [32 * row + half + result for result in range(16) for row in range(4)]
        both = builder.shuffle_vector(*rows, ir.Constant(vector(I32, 64), index))
        found.append(builder.bitcast(both, _numbers))
    return [*found, *(builder.and_(part, all_of(_numbers, 0xF0F0F0F0)) for part in found)]


def _sum_group(builder: Any, weights: Any, inputs: list[Any]) -> list[list[Any]]:
    """For each of the packed inputs four vectors of 16 whole numbers: the sums over a group, of upper weights 16 times.

    What belongs to the lower weights of bytes is the rest of a sum over whole bytes: nothing is shifted or cut out.
    """
    product = external(builder, "llvm.x86.avx512.vpdpbusd.512", _numbers, _numbers, _numbers, _numbers)
    zero = all_of(_numbers, 0)
    high, low = ([[zero] * 4 for _ in inputs] for _ in range(2))
    for quarter in range(GROUP // 4):
        parts = _four_inputs(builder, weights, 128 * quarter)
        for sums, first in ((high, 0), (low, GROUP)):
            for number, packed in enumerate(inputs):
                x = spread(builder, builder.load(at(builder, packed, first + 4 * quarter, I32)), _numbers)
                pairs = zip(sums[number], parts, strict=True)
                sums[number] = [builder.call(product, [total, part, x]) for total, part in pairs]
    shift = all_of(_numbers, _LOW_BITS)
    both = zip(high, low, strict=True)
    found = [[builder.add(builder.shl(a, shift), b) for a, b in zip(*pair, strict=True)] for pair in both]
    return [[builder.sub(a, c), builder.sub(b, d), c, d] for a, b, c, d in found]


def _scaled(builder: Any, scales: Any, number: int) -> tuple[Any, Any]:
    """Steps and middles of the results of a vector of `_sum_group`."""
    both = builder.load(at(builder, scales, 64 * number, _numbers), align=4)
    step = builder.bitcast(builder.shl(both, all_of(_numbers, 16)), _floats)
    return step, builder.bitcast(builder.and_(both, all_of(_numbers, 0xFFFF0000)), _floats)


def _block(name: str, together: int) -> Any:
    """An intrinsic ``(weights, packed, apart, groups, scales, stride, sums)``: 64 results of so many inputs, which lie
    ``apart`` bytes from each other.
    """

    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        weights, packed, apart, groups, scales, stride, sums = arguments
        totals = [[build.alloca_once_value(builder, all_of(_floats, 0.0)) for _ in range(4)] for _ in range(together)]
        rows = [moved(builder, packed, apart, row) for row in range(together)]
        with loop(builder, groups) as (group, _):
            inputs = [moved(builder, row, group, 4 * PACKED) for row in rows]
            whole = _sum_group(builder, moved(builder, weights, group, 32 * GROUP), inputs)
            scale = builder.add(scales, builder.mul(group, stride))
            for line in range(0, 4 * 64, 64):  # they lie far apart: the processor does not look ahead by itself
                fetch(builder, builder.add(scale, builder.mul(stride, ir.Constant(I64, _GROUPS_AHEAD))), line)
            of_group = [_scaled(builder, scale, number) for number in range(4)]
            for x, numbers, sums_of_row in zip(inputs, whole, totals, strict=True):
                unit, every = (builder.load(at(builder, x, place, FLOAT)) for place in (2 * GROUP, 2 * GROUP + 4))
                lower, every = spread(builder, unit, _floats), spread(builder, every, _floats)
                upper = builder.fmul(lower, all_of(_floats, 1 / 16))
                eight = builder.fmul(every, all_of(_floats, -8.0))  # what a weight of 0 stands for
                units = (lower, lower, upper, upper)
                for (step, middle), number, unit, total in zip(of_group, numbers, units, sums_of_row, strict=True):
                    product = builder.fmul(builder.sitofp(number, _floats), unit, flags=FLAGS)
                    product = builder.fmul(builder.fadd(product, eight, flags=FLAGS), step, flags=FLAGS)
                    product = builder.fadd(product, builder.fmul(middle, every, flags=FLAGS), flags=FLAGS)
                    builder.store(builder.fadd(builder.load(total), product, flags=FLAGS), total)
        for place, total in enumerate(one for row in totals for one in row):
            builder.store(builder.load(total), at(builder, sums, 64 * place, _floats), align=4)
        return context.get_dummy_value()

    def typed(
        _context: Any, _weights: Any, _packed: Any, _apart: Any, _groups: Any, _scales: Any, _stride: Any, _sums: Any
    ) -> Any:
        return types.void(*[types.int64] * 7), generate

    typed.__name__ = name
    return intrinsic(typed)


_one_block = _block("_one_block", 1)
_two_blocks = _block("_two_blocks", 2)


@kernel
def packed_block(weights: Any, packed: Any, groups: Any, scales: Any, stride: Any, sums: Any) -> None:
    """64 results over groups of packed inputs; all given by address, ``stride`` in bytes from scales to scales.

    Only where the processor `HAS_BYTE_PRODUCTS`; nothing is done elsewhere.
    """
    if HAS_BYTE_PRODUCTS:
        _one_block(weights, packed, 0, groups, scales, stride, sums)


@kernel
def packed_blocks(weights: Any, packed: Any, apart: Any, groups: Any, scales: Any, stride: Any, sums: Any) -> None:
    """As `packed_block`, with `TOGETHER` inputs, ``apart`` bytes from each other."""
    if HAS_BYTE_PRODUCTS:
        _two_blocks(weights, packed, apart, groups, scales, stride, sums)
