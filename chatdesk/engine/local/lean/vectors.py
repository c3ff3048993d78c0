"""What numba has no word for: memory by its address, bfloat16, sums over vectors, threads that meet.

`dot` writes its vectors out. Left to itself the compiler takes narrower ones and fewer sums, and eight-bit weights
are then read at two thirds of the speed. One row is read at a time: several at once, in turns, are read at less than
half of it, for the processor's look-ahead follows one stream.
"""

import os
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

FLOAT32, BFLOAT16, INT8, INT4 = range(4)
FAST = {"reassoc", "contract", "nsz", "arcp", "nnan"}

_FLAGS = tuple(sorted(FAST))

_intrinsic: Any = intrinsic  # its stub knows no function that is made at run time
_build: Any = cgutils  # not typed
_CPointer: Any = types.CPointer
_LANES = 16  # numbers in a vector: one of 512 bits, two of 256 or four of 128, as the processor has them
_SUMS = 4  # independent ones, for an addition takes longer than a load
_AT_ONCE = _LANES * _SUMS
TOGETHER = 4  # inputs that one row of weights is read for at once
_LOOKS = 20_000  # tens of microseconds
_float, _i32, _i64 = ir.FloatType(), ir.IntType(32), ir.IntType(64)
_stored = {FLOAT32: (_float, 4), BFLOAT16: (ir.IntType(16), 2), INT8: (ir.IntType(8), 1)}


def _pointer(to: types.Type, name: str) -> Any:
    """An intrinsic that makes an address a pointer to numbers of a type."""

    def typed(_context: Any, address: Any) -> Any:
        def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            return builder.inttoptr(arguments[0], context.get_value_type(_CPointer(to)))

        return _CPointer(to)(address), generate

    typed.__name__ = name
    return _intrinsic(typed)


f32 = _pointer(types.float32, "f32")
u16 = _pointer(types.uint16, "u16")
i8 = _pointer(types.int8, "i8")
u8 = _pointer(types.uint8, "u8")


@_intrinsic  # type: ignore[untyped-decorator]
def as_float(_context: Any, bits: Any) -> Any:
    """The float32 of these 32 bits."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], _float)

    return types.float32(types.uint32), generate


@_intrinsic  # type: ignore[untyped-decorator]
def as_bits(_context: Any, number: Any) -> Any:
    """The 32 bits of a float32."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], _i32)

    return types.uint32(types.float32), generate


def _load(builder: Any, address: Any, index: Any, of: Any, each: int) -> Any:
    """A vector of numbers of ``each`` bytes, from the one with this index on."""
    at = builder.add(address, builder.mul(index, ir.Constant(_i64, each)))
    return builder.load(builder.inttoptr(at, ir.VectorType(of, _LANES).as_pointer()), align=each)


def _widen(builder: Any, kind: int, weights: Any) -> Any:
    """A vector of weights as float32."""
    vector, wide = ir.VectorType(_float, _LANES), ir.VectorType(_i32, _LANES)
    if kind == BFLOAT16:
        bits = builder.shl(builder.zext(weights, wide), ir.Constant(wide, [16] * _LANES))
        return builder.bitcast(bits, vector)
    return weights if kind == FLOAT32 else builder.sitofp(builder.sext(weights, wide), vector)


def _total(builder: Any, vector: Any) -> Any:
    """The sum of a vector."""
    reduces = ir.FunctionType(_float, [_float, vector.type])
    reduce = _build.get_or_insert_function(builder.module, reduces, f"llvm.vector.reduce.fadd.v{_LANES}f32")
    return builder.call(reduce, [ir.Constant(_float, 0.0), vector], fastmath=_FLAGS)


def _dot(kind: int, name: str) -> Any:
    """An intrinsic ``(weights, x, width)``: the sum of products over ``width``, a multiple of `_AT_ONCE`."""
    stored, size = _stored[kind]
    vector = ir.VectorType(_float, _LANES)

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        weights, x, width = arguments
        zero = ir.Constant(vector, [0.0] * _LANES)
        sums = [_build.alloca_once_value(builder, zero) for _ in range(_SUMS)]
        ends = ir.Constant(_i64, 0), width, ir.Constant(_i64, _AT_ONCE)
        with _build.for_range_slice(builder, *ends, inc=True) as (first, _):
            for number, total in enumerate(sums):
                index = builder.add(first, ir.Constant(_i64, number * _LANES))
                weight = _widen(builder, kind, _load(builder, weights, index, stored, size))
                product = builder.fmul(weight, _load(builder, x, index, _float, 4), flags=_FLAGS)
                builder.store(builder.fadd(builder.load(total), product, flags=_FLAGS), total)
        whole = builder.load(sums[0])
        for total in sums[1:]:
            whole = builder.fadd(whole, builder.load(total), flags=_FLAGS)
        return _total(builder, whole)

    def typed(_context: Any, _weights: Any, _x: Any, _width: Any) -> Any:
        return types.float32(types.int64, types.int64, types.int64), generate

    typed.__name__ = name
    return _intrinsic(typed)


_dot_f32 = _dot(FLOAT32, "_dot_f32")
_dot_bf16 = _dot(BFLOAT16, "_dot_bf16")
_dot_int8 = _dot(INT8, "_dot_int8")


def _dots(kind: int, name: str) -> Any:
    """As `_dot`, of one row of weights with `TOGETHER` inputs, ``stride`` bytes apart: ``(weights, x, stride, width,
    results)``, all by address. A weight is read and widened once for all of them.
    """
    stored, size = _stored[kind]
    vector, halves = ir.VectorType(_float, _LANES), 2
    step = _LANES * halves

    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        weights, x, stride, width, results = arguments
        zero = ir.Constant(vector, [0.0] * _LANES)
        sums = [[_build.alloca_once_value(builder, zero) for _ in range(halves)] for _ in range(TOGETHER)]
        inputs = [builder.add(x, builder.mul(stride, ir.Constant(_i64, each))) for each in range(TOGETHER)]
        ends = ir.Constant(_i64, 0), width, ir.Constant(_i64, step)
        with _build.for_range_slice(builder, *ends, inc=True) as (first, _):
            for half in range(halves):
                index = builder.add(first, ir.Constant(_i64, half * _LANES))
                weight = _widen(builder, kind, _load(builder, weights, index, stored, size))
                for each, totals in zip(inputs, sums, strict=True):
                    product = builder.fmul(weight, _load(builder, each, index, _float, 4), flags=_FLAGS)
                    builder.store(builder.fadd(builder.load(totals[half]), product, flags=_FLAGS), totals[half])
        for number, totals in enumerate(sums):
            whole = builder.fadd(builder.load(totals[0]), builder.load(totals[1]), flags=_FLAGS)
            at = builder.add(results, ir.Constant(_i64, 4 * number))
            builder.store(_total(builder, whole), builder.inttoptr(at, _float.as_pointer()))
        return context.get_dummy_value()

    def typed(_context: Any, _weights: Any, _x: Any, _stride: Any, _width: Any, _results: Any) -> Any:
        return types.void(*[types.int64] * 5), generate

    typed.__name__ = name
    return _intrinsic(typed)


_dots_f32 = _dots(FLOAT32, "_dots_f32")
_dots_bf16 = _dots(BFLOAT16, "_dots_bf16")
_dots_int8 = _dots(INT8, "_dots_int8")


@njit(fastmath=FAST)
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


@njit(fastmath=FAST)
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


@njit(fastmath=FAST)
def widened(bits: Any) -> Any:
    """A bfloat16 as float32."""
    return as_float(np.uint32(bits) << np.uint32(16))


@njit(fastmath=FAST)
def narrowed(number: Any) -> Any:
    """A float32 as the nearest bfloat16, ties to even."""
    bits = as_bits(np.float32(number))
    return np.uint16((bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))) >> np.uint32(16))


@njit(fastmath=FAST)
def number_at(kind: Any, address: Any, index: Any) -> Any:
    """One number of a tensor, float32."""
    if kind == INT8:
        return np.float32(i8(address)[index])
    return f32(address)[index] if kind == FLOAT32 else widened(u16(address)[index])


@_intrinsic  # type: ignore[untyped-decorator]
def _arrive(_context: Any, address: Any) -> Any:
    """Add one to the int64 there, in one piece; what was written before is seen by who sees the sum."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        counter = builder.inttoptr(arguments[0], _i64.as_pointer())
        return builder.atomic_rmw("add", counter, ir.Constant(_i64, 1), "acq_rel")

    return types.int64(types.int64), generate


@_intrinsic  # type: ignore[untyped-decorator]
def _arrived(_context: Any, address: Any) -> Any:
    """The int64 there, as others have made it."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.load_atomic(builder.inttoptr(arguments[0], _i64.as_pointer()), "acquire", 8)

    return types.int64(types.int64), generate


_yield = types.ExternalFunction("SwitchToThread" if os.name == "nt" else "sched_yield", types.int32())


@njit
def meet(counter: Any, arrivals: Any) -> None:
    """Wait until there were so many arrivals at a counter, this one among them.

    Looks for a while, for the others are nearly there, then lets other programs have the core between two looks.
    """
    _arrive(counter)
    looks = 0
    while _arrived(counter) < arrivals:
        looks += 1
        if looks > _LOOKS:
            _yield()
