"""What numba has no word for: memory by its address, bfloat16, sums over vectors.

`dot` writes its vectors out. Left to itself the compiler takes narrower ones and fewer sums, and eight-bit weights
are then read at two thirds of the speed. One row is read at a time: several at once, in turns, are read at less than
half of it, for the processor's look-ahead follows one stream.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types

from chatdesk.engine.local.lean.assembly import (
    FLAGS,
    FLOAT,
    I8,
    I16,
    I32,
    I64,
    all_of,
    at,
    build,
    intrinsic,
    kernel,
    loop,
    moved,
    sum_of,
    vector,
)

FLOAT32, BFLOAT16, INT8, INT4, COMPACT = range(5)
_CPointer: Any = types.CPointer
LANES = 16
"""Numbers in a vector: one of 512 bits, two of 256 or four of 128, as the processor has them."""

_SUMS = 4  # independent ones, for an addition takes longer than a load
_AT_ONCE = LANES * _SUMS
TOGETHER = 4  # inputs that one row of weights is read for at once
_stored = {FLOAT32: (FLOAT, 4), BFLOAT16: (I16, 2), INT8: (I8, 1)}
_floats, _wide = vector(FLOAT, LANES), vector(I32, LANES)


def _pointer(to: types.Type, name: str) -> Any:
    """An intrinsic that makes an address a pointer to numbers of a type."""

    def typed(_context: Any, address: Any) -> Any:
        def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            return builder.inttoptr(arguments[0], context.get_value_type(_CPointer(to)))

        return _CPointer(to)(address), generate

    typed.__name__ = name
    return intrinsic(typed)


f32 = _pointer(types.float32, "f32")
u16 = _pointer(types.uint16, "u16")
i32 = _pointer(types.int32, "i32")
i16 = _pointer(types.int16, "i16")
i8 = _pointer(types.int8, "i8")
u8 = _pointer(types.uint8, "u8")


@intrinsic  # type: ignore[untyped-decorator]
def as_float(_context: Any, bits: Any) -> Any:
    """The float32 of these 32 bits."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], FLOAT)

    return types.float32(types.uint32), generate


@intrinsic  # type: ignore[untyped-decorator]
def as_bits(_context: Any, number: Any) -> Any:
    """The 32 bits of a float32."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], I32)

    return types.uint32(types.float32), generate


def loaded(builder: Any, kind: int, address: Any, index: Any) -> Any:
    """A vector of numbers of a kind, from the one with this index on."""
    of, each = _stored[kind]
    return builder.load(at(builder, moved(builder, address, index, each), 0, vector(of, LANES)), align=each)


def widen(builder: Any, kind: int, weights: Any) -> Any:
    """A vector of weights as float32."""
    if kind == BFLOAT16:
        return builder.bitcast(builder.shl(builder.zext(weights, _wide), all_of(_wide, 16)), _floats)
    return weights if kind == FLOAT32 else builder.sitofp(builder.sext(weights, _wide), _floats)


def _dot(kind: int, name: str) -> Any:
    """An intrinsic ``(weights, x, width)``: the sum of products over ``width``, a multiple of `_AT_ONCE`."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        weights, x, width = arguments
        sums = [build.alloca_once_value(builder, all_of(_floats, 0.0)) for _ in range(_SUMS)]
        with loop(builder, width, _AT_ONCE) as (first, _):
            for number, total in enumerate(sums):
                index = builder.add(first, ir.Constant(I64, number * LANES))
                weight = widen(builder, kind, loaded(builder, kind, weights, index))
                product = builder.fmul(weight, loaded(builder, FLOAT32, x, index), flags=FLAGS)
                builder.store(builder.fadd(builder.load(total), product, flags=FLAGS), total)
        whole = builder.load(sums[0])
        for total in sums[1:]:
            whole = builder.fadd(whole, builder.load(total), flags=FLAGS)
        return sum_of(builder, whole)

    def typed(_context: Any, _weights: Any, _x: Any, _width: Any) -> Any:
        return types.float32(types.int64, types.int64, types.int64), generate

    typed.__name__ = name
    return intrinsic(typed)


_dot_f32 = _dot(FLOAT32, "_dot_f32")
_dot_bf16 = _dot(BFLOAT16, "_dot_bf16")
_dot_int8 = _dot(INT8, "_dot_int8")


def _dots(kind: int, name: str) -> Any:
    """As `_dot`, of one row of weights with `TOGETHER` inputs, ``stride`` bytes apart: ``(weights, x, stride, width,
    results)``, all by address. A weight is read and widened once for all of them.
    """
    halves = 2

    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        weights, x, stride, width, results = arguments
        zero = all_of(_floats, 0.0)
        sums = [[build.alloca_once_value(builder, zero) for _ in range(halves)] for _ in range(TOGETHER)]
        inputs = [moved(builder, x, stride, each) for each in range(TOGETHER)]
        with loop(builder, width, LANES * halves) as (first, _):
            for half in range(halves):
                index = builder.add(first, ir.Constant(I64, half * LANES))
                weight = widen(builder, kind, loaded(builder, kind, weights, index))
                for each, totals in zip(inputs, sums, strict=True):
                    product = builder.fmul(weight, loaded(builder, FLOAT32, each, index), flags=FLAGS)
                    builder.store(builder.fadd(builder.load(totals[half]), product, flags=FLAGS), totals[half])
        for number, totals in enumerate(sums):
            whole = builder.fadd(builder.load(totals[0]), builder.load(totals[1]), flags=FLAGS)
            builder.store(sum_of(builder, whole), at(builder, results, 4 * number, FLOAT))
        return context.get_dummy_value()

    def typed(_context: Any, _weights: Any, _x: Any, _stride: Any, _width: Any, _results: Any) -> Any:
        return types.void(*[types.int64] * 5), generate

    typed.__name__ = name
    return intrinsic(typed)


_dots_f32 = _dots(FLOAT32, "_dots_f32")
_dots_bf16 = _dots(BFLOAT16, "_dots_bf16")
_dots_int8 = _dots(INT8, "_dots_int8")


@kernel
def dots(kind: Any, weights: Any, x: Any, stride: Any, width: Any, results: Any) -> None:
    """As `dot` with `TOGETHER` vectors, ``stride`` bytes apart, into ``results``, an array of float32."""
    even = width // _AT_ONCE * _AT_ONCE
    if kind == BFLOAT16:
        _dots_bf16(weights, x, stride, even, results.ctypes.data)
    elif kind == INT8:
        _dots_int8(weights, x, stride, even, results.ctypes.data)
    else:
        _dots_f32(weights, x, stride, even, results.ctypes.data)
    for i in range(even, width):
        weight = np.float32(i8(weights)[i]) if kind == INT8 else number_at(kind, weights, i)
        for each in range(TOGETHER):
            results[each] += weight * f32(x + each * stride)[i]


@kernel
def dot(kind: Any, weights: Any, x: Any, width: Any) -> Any:
    """The sum of products of ``width`` numbers at two addresses: weights of a kind, and float32."""
    even = width // _AT_ONCE * _AT_ONCE
    total = np.float32(0.0)
    if kind == BFLOAT16:
        total = _dot_bf16(weights, x, even)
        for i in range(even, width):
            total += widened(u16(weights)[i]) * f32(x)[i]
    elif kind == INT8:
        total = _dot_int8(weights, x, even)
        for i in range(even, width):
            total += np.float32(i8(weights)[i]) * f32(x)[i]
    else:
        total = _dot_f32(weights, x, even)
        for i in range(even, width):
            total += f32(weights)[i] * f32(x)[i]
    return total


@kernel
def exp(x: Any) -> Any:
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
    return (p * r * r + r + np.float32(1.0)) * as_float(np.uint32(np.int32(n) + np.int32(127)) << np.uint32(23))


@kernel
def share(count: Any, unit: Any, thread: Any, threads: Any) -> Any:
    """First and end of a thread's part of ``count`` things, whole ``unit``s of them."""
    units = (count + unit - 1) // unit
    return units * thread // threads * unit, min(units * (thread + 1) // threads * unit, count)


@kernel
def widened(bits: Any) -> Any:
    """A bfloat16 as float32."""
    return as_float(np.uint32(bits) << np.uint32(16))


@kernel
def narrowed(number: Any) -> Any:
    """A float32 as the nearest bfloat16, ties to even."""
    bits = as_bits(np.float32(number))
    return np.uint16((bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))) >> np.uint32(16))


@kernel
def number_at(kind: Any, address: Any, index: Any) -> Any:
    """One number of a tensor, float32."""
    if kind == INT8:
        return np.float32(i8(address)[index])
    return f32(address)[index] if kind == FLOAT32 else widened(u16(address)[index])
