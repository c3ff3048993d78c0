"""Products with weights in eight bits, where the processor multiplies words (`assembly.HAS_BYTE_PRODUCTS`).

Inputs are packed: 64 at a time as whole numbers of 15 bits and a sign, with one unit, so that nothing is lost that
bfloat16 would have kept. The units stand behind all of them, so that none of the 64 bytes that are read together lie in
two lines of the processor's cache. Two products and their sum are then one operation, where `vectors.dot` widens each
weight to 32 bits and makes a float32 of it. On other processors that is done.
"""

from typing import Any

import numpy as np
from numba import types

from chatdesk.engine.local.lean.assembly import (
    FLAGS,
    FLOAT,
    HAS_BYTE_PRODUCTS,
    I8,
    I16,
    I32,
    all_of,
    at,
    build,
    external,
    intrinsic,
    kernel,
    loop,
    moved,
    spread,
    sum_of,
    vector,
)
from chatdesk.engine.local.lean.vectors import TOGETHER, f32, i16

GROUP = 64
_MOST = 32767.0
_floats, _numbers, _words, _octets = vector(FLOAT, 16), vector(I32, 16), vector(I16, 32), vector(I8, 32)


@kernel
def pack(x: Any, width: Any, packed: Any) -> None:
    """Write ``width`` float32 numbers, a multiple of 64, as `packed_dot` reads them; both given by address."""
    units = f32(packed + 2 * width)
    for group in range(width // GROUP):
        numbers, place = f32(x + 4 * group * GROUP), packed + 2 * group * GROUP
        most = np.float32(1e-30)
        for i in range(GROUP):
            most = max(most, abs(numbers[i]))
        ratio, words = np.float32(_MOST) / most, i16(place)
        for i in range(GROUP):
            words[i] = np.int16(np.int32(np.floor(numbers[i] * ratio + np.float32(0.5))))
        units[group] = most / np.float32(_MOST)


def _totals(builder: Any, weights: Any, inputs: list[Any], groups: Any) -> list[Any]:
    """Vectors whose sums are the products of a row with each of the inputs; weights are read and widened once."""
    pairs = external(builder, "llvm.x86.avx512.pmaddw.d.512", _numbers, _words, _words)
    totals = [build.alloca_once_value(builder, all_of(_floats, 0.0)) for _ in inputs]
    units = [moved(builder, packed, groups, 2 * GROUP) for packed in inputs]
    with loop(builder, groups) as (group, _):
        row, halves = moved(builder, weights, group, GROUP), (0, 1)
        wide = [builder.sext(builder.load(at(builder, row, 32 * half, _octets), align=1), _words) for half in halves]
        for packed, first, total in zip(inputs, units, totals, strict=True):
            x = moved(builder, packed, group, 2 * GROUP)
            words = [builder.load(at(builder, x, 64 * half, _words), align=4) for half in halves]
            sums = builder.add(*(builder.call(pairs, [wide[half], words[half]]) for half in halves))
            number = builder.load(at(builder, moved(builder, first, group, 4), 0, FLOAT), align=4)
            unit = spread(builder, number, _floats)
            product = builder.fmul(builder.sitofp(sums, _floats), unit, flags=FLAGS)
            builder.store(builder.fadd(builder.load(total), product, flags=FLAGS), total)
    return [builder.load(total) for total in totals]


def _generate_dot(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
    weights, packed, groups = arguments
    (total,) = _totals(builder, weights, [packed], groups)
    return sum_of(builder, total)


def _generate_dots(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
    weights, packed, stride, groups, results = arguments
    inputs = [moved(builder, packed, stride, each) for each in range(TOGETHER)]
    for number, total in enumerate(_totals(builder, weights, inputs, groups)):
        builder.store(sum_of(builder, total), at(builder, results, 4 * number, FLOAT))
    return context.get_dummy_value()


@intrinsic  # type: ignore[untyped-decorator]
def _packed_dot(_context: Any, _weights: Any, _packed: Any, _groups: Any) -> Any:
    return types.float32(types.int64, types.int64, types.int64), _generate_dot


@intrinsic  # type: ignore[untyped-decorator]
def _packed_dots(_context: Any, _weights: Any, _packed: Any, _stride: Any, _groups: Any, _results: Any) -> Any:
    return types.void(*[types.int64] * 5), _generate_dots


@kernel
def packed_dot(weights: Any, packed: Any, groups: Any) -> Any:
    """The sum of products of int8 weights and groups of packed inputs; both given by address.

    Only where the processor `HAS_BYTE_PRODUCTS`; nothing is computed elsewhere.
    """
    return _packed_dot(weights, packed, groups) if HAS_BYTE_PRODUCTS else np.float32(0.0)


@kernel
def packed_dots(weights: Any, packed: Any, stride: Any, groups: Any, results: Any) -> None:
    """As `packed_dot` with `TOGETHER` inputs, ``stride`` bytes apart, into ``results``, an array of float32."""
    if HAS_BYTE_PRODUCTS:
        _packed_dots(weights, packed, stride, groups, results.ctypes.data)
