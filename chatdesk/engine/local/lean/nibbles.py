"""Products with weights in four bits, as torch packs them on x86: many results side by side, one input after another.

A matrix is cut into blocks of ``lanes`` results, each ``[width, lanes / 2]`` bytes; the lower half of a byte belongs
to the first half of the results. Thirty-two inputs share a step and a middle for each result.

Where the processor multiplies bytes (`HAS_BYTE_PRODUCTS`), inputs are packed as well: a group as whole numbers to
14 bits and a sign, in two parts of a byte each, so that nothing is lost that bfloat16 would have kept. That reads the
weights twice as fast as widening each of them to float32, which is done on other processors.
"""

from typing import Any

import llvmlite.binding
import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from chatdesk.engine.local.lean.vectors import FAST, f32, i8

_features: Any = llvmlite.binding.get_host_cpu_features()
HAS_BYTE_PRODUCTS = bool(_features.get("avx512vnni") and _features.get("avx512vl"))

GROUP = 32
PACKED = 20
"""Float32 numbers' room of a packed group: 32 high parts, 32 low parts, the unit, the sum, and what keeps it even."""

_build: Any = cgutils  # not typed
_intrinsic: Any = intrinsic
_LANES = 16
_LOW_BITS, _MOST = 7, 16256.0  # 127 times 128
_FLAGS = tuple(sorted(FAST))
_float, _i8, _i32, _i64 = ir.FloatType(), ir.IntType(8), ir.IntType(32), ir.IntType(64)
_floats, _numbers, _bytes = (ir.VectorType(of, n) for of, n in ((_float, 8), (_i32, 8), (_i8, 32)))


def _at(builder: Any, address: Any, offset: int, of: Any) -> Any:
    """A pointer, so many bytes behind an address."""
    return builder.inttoptr(builder.add(address, ir.Constant(_i64, offset)), of.as_pointer())


def _spread(builder: Any, number: Any, vector: Any) -> Any:
    """A vector of one number."""
    nothing = ir.Constant(vector, ir.Undefined)
    one = builder.insert_element(nothing, number, ir.Constant(_i32, 0))
    return builder.shuffle_vector(one, nothing, ir.Constant(ir.VectorType(_i32, vector.count), [0] * vector.count))


def _loops(builder: Any, count: Any) -> Any:
    ends = ir.Constant(_i64, 0), count, ir.Constant(_i64, 1)
    return _build.for_range_slice(builder, *ends, inc=True)


def _widening(lanes: int, name: str) -> Any:
    """An intrinsic ``(weights, x, sums)``: ``lanes`` sums over a group of float32 numbers, of weights 0 to 15."""
    half, vector = ir.VectorType(_i8, _LANES), ir.VectorType(_float, _LANES)
    wide, chunks = ir.VectorType(_i32, _LANES), lanes // _LANES // 2

    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        weights, x, sums = arguments
        zero = ir.Constant(vector, [0.0] * _LANES)
        totals = [_build.alloca_once_value(builder, zero) for _ in range(2 * chunks)]
        with _loops(builder, ir.Constant(_i64, GROUP)) as (i, _):
            place = builder.add(x, builder.shl(i, ir.Constant(_i64, 2)))
            number = _spread(builder, builder.load(_at(builder, place, 0, _float)), vector)
            row = builder.add(weights, builder.mul(i, ir.Constant(_i64, lanes // 2)))
            for chunk in range(chunks):
                packed = builder.zext(builder.load(_at(builder, row, chunk * _LANES, half), align=1), wide)
                low = builder.and_(packed, ir.Constant(wide, [15] * _LANES))
                high = builder.lshr(packed, ir.Constant(wide, [4] * _LANES))
                for total, whole in ((totals[chunk], low), (totals[chunks + chunk], high)):
                    product = builder.fmul(builder.sitofp(whole, vector), number, flags=_FLAGS)
                    builder.store(builder.fadd(builder.load(total), product, flags=_FLAGS), total)
        for number, total in enumerate(totals):
            builder.store(builder.load(total), _at(builder, sums, 4 * number * _LANES, vector), align=4)
        return context.get_dummy_value()

    def typed(_context: Any, _weights: Any, _x: Any, _sums: Any) -> Any:
        return types.void(types.int64, types.int64, types.int64), generate

    typed.__name__ = name
    return _intrinsic(typed)


_widening_64 = _widening(64, "_widening_64")
_widening_32 = _widening(32, "_widening_32")


@njit(fastmath=FAST)
def widened_group(lanes: Any, weights: Any, x: Any, sums: Any) -> None:
    """Sums of products of 32 float32 numbers with ``lanes`` columns, 64 or 32; all given by address."""
    if lanes == 64:
        _widening_64(weights, x, sums)
    else:
        _widening_32(weights, x, sums)


@njit(fastmath=FAST)
def pack(x: Any, width: Any, packed: Any) -> None:
    """Write ``width`` float32 numbers, a multiple of 32, as `packed_block` reads them; both given by address."""
    for group in range(width // GROUP):
        numbers, at = f32(x + 4 * group * GROUP), packed + 4 * group * PACKED
        most, total = np.float32(1e-30), np.float32(0.0)
        for i in range(GROUP):
            most = max(most, abs(numbers[i]))
            total += numbers[i]
        ratio = np.float32(_MOST) / most
        high, low = i8(at), i8(at + GROUP)
        for i in range(GROUP):
            whole = np.int32(np.floor(numbers[i] * ratio + np.float32(0.5)))
            upper = (whole + np.int32(1 << (_LOW_BITS - 1))) >> np.int32(_LOW_BITS)
            high[i], low[i] = np.int8(upper), np.int8(whole - (upper << np.int32(_LOW_BITS)))
        f32(at)[16], f32(at)[17] = most / np.float32(_MOST), total


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
        halves.append(builder.shuffle_vector(first, second, ir.Constant(ir.VectorType(_i32, 32), index)))
    return halves[0], halves[1]


def _four_inputs(builder: Any, weights: Any, offset: int) -> list[Any]:
    """Eight vectors of eight results, four bytes each: the weights of four inputs.

    The vector ``i`` holds the results 4 i to 4 i + 3 and 16 more of the half; those from ``i = 4`` on the other half.
    """
    rows = [builder.load(_at(builder, weights, offset + 32 * row, _bytes), align=1) for row in range(4)]
    (a, b), (c, d) = _unpacked(builder, rows[0], rows[1], 1), _unpacked(builder, rows[2], rows[3], 1)
    found = [builder.bitcast(part, _numbers) for pair in ((a, c), (b, d)) for part in _unpacked(builder, *pair, 2)]
    low = ir.Constant(_numbers, [0x0F0F0F0F] * 8)
    upper = [builder.lshr(part, ir.Constant(_numbers, [4] * 8)) for part in found]
    return [builder.and_(part, low) for part in (*found, *upper)]


def _sum_group(builder: Any, weights: Any, packed: Any) -> list[Any]:
    """Eight vectors of eight whole numbers: the sums over a group."""
    product = _build.get_or_insert_function(
        builder.module, ir.FunctionType(_numbers, [_numbers] * 3), "llvm.x86.avx512.vpdpbusd.256"
    )
    zero = ir.Constant(_numbers, [0] * 8)
    high, low = [zero] * 8, [zero] * 8
    for quarter in range(GROUP // 4):
        parts = _four_inputs(builder, weights, 128 * quarter)
        upper = _spread(builder, builder.load(_at(builder, packed, 4 * quarter, _i32)), _numbers)
        lower = _spread(builder, builder.load(_at(builder, packed, GROUP + 4 * quarter, _i32)), _numbers)
        high = [builder.call(product, [total, part, upper]) for total, part in zip(high, parts, strict=True)]
        low = [builder.call(product, [total, part, lower]) for total, part in zip(low, parts, strict=True)]
    shift = ir.Constant(_numbers, [_LOW_BITS] * 8)
    return [builder.add(builder.shl(a, shift), b) for a, b in zip(high, low, strict=True)]


def _scaled(builder: Any, scales: Any, number: int) -> tuple[Any, Any]:
    """Steps and middles of the results of a vector of `_four_inputs`."""
    first, four = number // 4 * 32 + number % 4 * 4, ir.VectorType(_i32, 4)
    parts = [builder.load(_at(builder, scales, 4 * at, four), align=4) for at in (first, first + 16)]
    both = builder.shuffle_vector(*parts, ir.Constant(_numbers, list(range(8))))
    step = builder.shl(both, ir.Constant(_numbers, [16] * 8))
    middle = builder.and_(both, ir.Constant(_numbers, [0xFFFF0000] * 8))
    return builder.bitcast(step, _floats), builder.bitcast(middle, _floats)


def _generate_block(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
    weights, packed, groups, scales, stride, sums = arguments
    totals = [_build.alloca_once_value(builder, ir.Constant(_floats, [0.0] * 8)) for _ in range(8)]
    with _loops(builder, groups) as (group, _):
        x = builder.add(packed, builder.mul(group, ir.Constant(_i64, 4 * PACKED)))
        whole = _sum_group(builder, builder.add(weights, builder.mul(group, ir.Constant(_i64, 32 * GROUP))), x)
        unit, every = (_spread(builder, builder.load(_at(builder, x, at, _float)), _floats) for at in (64, 68))
        eights = builder.fmul(every, ir.Constant(_floats, [-8.0] * 8))
        row = builder.add(scales, builder.mul(group, stride))
        for number, total in enumerate(totals):
            step, middle = _scaled(builder, row, number)
            product = builder.fmul(builder.sitofp(whole[number], _floats), unit, flags=_FLAGS)
            product = builder.fmul(builder.fadd(product, eights, flags=_FLAGS), step, flags=_FLAGS)
            product = builder.fadd(product, builder.fmul(middle, every, flags=_FLAGS), flags=_FLAGS)
            builder.store(builder.fadd(builder.load(total), product, flags=_FLAGS), total)
    half = ir.VectorType(_float, 4)
    for number, total in enumerate(totals):
        found, first = builder.load(total), number // 4 * 32 + number % 4 * 4
        for at, lanes in ((first, range(4)), (first + 16, range(4, 8))):
            part = builder.shuffle_vector(found, found, ir.Constant(ir.VectorType(_i32, 4), list(lanes)))
            builder.store(part, _at(builder, sums, 4 * at, half), align=4)
    return context.get_dummy_value()


@_intrinsic  # type: ignore[untyped-decorator]
def _packed_block(
    _context: Any, _weights: Any, _packed: Any, _groups: Any, _scales: Any, _stride: Any, _sums: Any
) -> Any:
    return types.void(*[types.int64] * 6), _generate_block


@njit(fastmath=FAST)
def packed_block(weights: Any, packed: Any, groups: Any, scales: Any, stride: Any, sums: Any) -> None:
    """64 results over groups of packed inputs; all given by address, ``stride`` in bytes from scales to scales.

    Only where the processor `HAS_BYTE_PRODUCTS`; nothing is done elsewhere.
    """
    if HAS_BYTE_PRODUCTS:
        _packed_block(weights, packed, groups, scales, stride, sums)
