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

_LANES = 16
_LOW_BITS, _MOST = 7, 16256.0  # 127 times 128
_floats, _numbers, _bytes = vector(FLOAT, 8), vector(I32, 8), vector(I8, 32)


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


def _unpacked(builder: Any, first: Any, second: Any, unit: int) -> tuple[Any, Any]:
    """Two vectors of 32 bytes with units of both in turns: the lower and the upper halves of each 16 bytes."""
    halves = []
    for half in (0, 8):
        index = [
            start + half + byte + of
            for start in (0, 16)
            for byte in range(0, 8, unit)
            for of in (*range(unit), *range(32, 32 + unit))
        ]
        halves.append(builder.shuffle_vector(first, second, ir.Constant(vector(I32, 32), index)))
    return halves[0], halves[1]


def _four_inputs(builder: Any, weights: Any, offset: int) -> list[Any]:
    """Eight vectors of eight results, four bytes each: the weights of four inputs.

    The vector ``i`` holds the results 4 i to 4 i + 3 and 16 more of the half; those from ``i = 4`` on the other half.
    """
    rows = [builder.load(at(builder, weights, offset + 32 * row, _bytes), align=1) for row in range(4)]
    (a, b), (c, d) = _unpacked(builder, rows[0], rows[1], 1), _unpacked(builder, rows[2], rows[3], 1)
    found = [builder.bitcast(part, _numbers) for pair in ((a, c), (b, d)) for part in _unpacked(builder, *pair, 2)]
    low = all_of(_numbers, 0x0F0F0F0F)
    upper = [builder.lshr(part, all_of(_numbers, 4)) for part in found]
    return [builder.and_(part, low) for part in (*found, *upper)]


def _sum_group(builder: Any, weights: Any, packed: Any) -> list[Any]:
    """Eight vectors of eight whole numbers: the sums over a group."""
    product = external(builder, "llvm.x86.avx512.vpdpbusd.256", _numbers, _numbers, _numbers, _numbers)
    zero = all_of(_numbers, 0)
    high, low = [zero] * 8, [zero] * 8
    for quarter in range(GROUP // 4):
        parts = _four_inputs(builder, weights, 128 * quarter)
        upper = spread(builder, builder.load(at(builder, packed, 4 * quarter, I32)), _numbers)
        lower = spread(builder, builder.load(at(builder, packed, GROUP + 4 * quarter, I32)), _numbers)
        high = [builder.call(product, [total, part, upper]) for total, part in zip(high, parts, strict=True)]
        low = [builder.call(product, [total, part, lower]) for total, part in zip(low, parts, strict=True)]
    shift = all_of(_numbers, _LOW_BITS)
    return [builder.add(builder.shl(a, shift), b) for a, b in zip(high, low, strict=True)]


def _scaled(builder: Any, scales: Any, number: int) -> tuple[Any, Any]:
    """Steps and middles of the results of a vector of `_four_inputs`."""
    first, four = number // 4 * 32 + number % 4 * 4, vector(I32, 4)
    parts = [builder.load(at(builder, scales, 4 * lane, four), align=4) for lane in (first, first + 16)]
    both = builder.shuffle_vector(*parts, ir.Constant(_numbers, list(range(8))))
    step = builder.shl(both, all_of(_numbers, 16))
    middle = builder.and_(both, all_of(_numbers, 0xFFFF0000))
    return builder.bitcast(step, _floats), builder.bitcast(middle, _floats)


def _generate_block(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
    weights, packed, groups, scales, stride, sums = arguments
    totals = [build.alloca_once_value(builder, all_of(_floats, 0.0)) for _ in range(8)]
    with loop(builder, groups) as (group, _):
        x = moved(builder, packed, group, 4 * PACKED)
        whole = _sum_group(builder, moved(builder, weights, group, 32 * GROUP), x)
        unit, every = (spread(builder, builder.load(at(builder, x, place, FLOAT)), _floats) for place in (64, 68))
        eights = builder.fmul(every, all_of(_floats, -8.0))
        row = builder.add(scales, builder.mul(group, stride))
        for number, total in enumerate(totals):
            step, middle = _scaled(builder, row, number)
            product = builder.fmul(builder.sitofp(whole[number], _floats), unit, flags=FLAGS)
            product = builder.fmul(builder.fadd(product, eights, flags=FLAGS), step, flags=FLAGS)
            product = builder.fadd(product, builder.fmul(middle, every, flags=FLAGS), flags=FLAGS)
            builder.store(builder.fadd(builder.load(total), product, flags=FLAGS), total)
    half = vector(FLOAT, 4)
    for number, total in enumerate(totals):
        found, first = builder.load(total), number // 4 * 32 + number % 4 * 4
        for lane, lanes in ((first, range(4)), (first + 16, range(4, 8))):
            part = builder.shuffle_vector(found, found, ir.Constant(vector(I32, 4), list(lanes)))
            builder.store(part, at(builder, sums, 4 * lane, half), align=4)
    return context.get_dummy_value()


@intrinsic  # type: ignore[untyped-decorator]
def _packed_block(
    _context: Any, _weights: Any, _packed: Any, _groups: Any, _scales: Any, _stride: Any, _sums: Any
) -> Any:
    return types.void(*[types.int64] * 6), _generate_block


@kernel
def packed_block(weights: Any, packed: Any, groups: Any, scales: Any, stride: Any, sums: Any) -> None:
    """64 results over groups of packed inputs; all given by address, ``stride`` in bytes from scales to scales.

    Only where the processor `HAS_BYTE_PRODUCTS`; nothing is done elsewhere.
    """
    if HAS_BYTE_PRODUCTS:
        _packed_block(weights, packed, groups, scales, stride, sums)
