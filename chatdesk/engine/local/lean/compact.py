"""Products with bfloat16 weights in twelve bits: the same numbers, read from three quarters of the memory.

Eight of the sixteen bits of a weight are its exponent, and hardly any weight of a row is 2^15 times smaller than the
greatest. So of the exponent four bits are kept, counted from the least that a row has room for. The few numbers
that are smaller still, strays, are listed beside it with what is missing; a row of zeros has a unit of zero.

Sixty-four weights lie together in 96 bytes, in such an order that bytes of both kinds, put beside each other within 16
bytes, are bfloat16 numbers of which every other one, widened, makes a vector in the order of the inputs. First come
their lower bytes, as they are but for the exponent's last bit. Then half a byte each: the sign and the exponent's upper
three bits. A byte of those has, from above, a sign and the bits of one of the second half, a sign of the second half,
and the bits of one of the first; turned by four bits as a whole it is the same the other way round (see `_pairs`).
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types

from chatdesk.engine.local.lean.assembly import (
    FAST,
    FLAGS,
    FLOAT,
    HAS_BFLOAT16_PRODUCTS,
    I8,
    I16,
    I32,
    I64,
    Bfloats,
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
    sum_of,
    vector,
)
from chatdesk.engine.local.lean.vectors import TOGETHER, f32, i32, narrowed, u16, widened

GROUP = 64
"""Weights that lie together."""

BYTES = 96
"""That they take."""

_AHEAD = 1024  # bytes, that are fetched before they are needed
_DEEP = 15  # how far down exponents are kept
_FLOOR = 112  # the exponent that a kept 0 is read as: a multiple of 16 below that of 1
_floats, _numbers, _bytes = vector(FLOAT, 16), vector(I32, 16), vector(I8, 64)
_wide, _half, _words = vector(I64, 8), vector(I8, 32), vector(I16, 64)


def _order() -> list[int]:
    """Which weight the byte at each place belongs to; see `_pairs`."""
    found = [0] * GROUP
    for place in range(GROUP):
        lane, within = divmod(place, 16)
        pair = 8 * lane + within % 8
        found[place] = 32 * (within // 8) + 16 * (pair % 2) + pair // 2
    return found


_ORDER = _order()


def _each(byte: int) -> Any:
    """A vector of this byte."""
    return all_of(_wide, int.from_bytes(bytes([byte] * 8), "little"))


def _pairs(builder: Any, address: Any) -> list[Any]:
    """Two vectors of pairs of bfloat16 weights over the unit of their row, each pair 16 inputs apart."""
    lower = builder.load(at(builder, address, 0, _bytes), align=1)
    halves = builder.load(at(builder, address, GROUP, _half), align=1)
    twice = ir.Constant(vector(I32, GROUP), [place % 32 for place in range(GROUP)])
    both = builder.bitcast(builder.shuffle_vector(halves, ir.Constant(_half, ir.Undefined), twice), _wide)
    turn = external(builder, "llvm.fshr.v8i64", _wide, _wide, _wide, _wide)
    turned = builder.call(turn, [both, both, ir.Constant(_wide, [0] * 4 + [4] * 4)])
    upper = builder.or_(builder.and_(turned, _each(0x87)), _each(_FLOOR >> 1))
    found = []
    for first in (0, 8):
        index = [GROUP * part + 16 * lane + first + i for lane in range(4) for i in range(8) for part in range(2)]
        parts = lower, builder.bitcast(upper, _bytes)
        found.append(builder.shuffle_vector(*parts, ir.Constant(vector(I32, GROUP), index)))
    return found


def _vectors(builder: Any, here: Any, is_packed: bool) -> list[Any]:
    """Sixty-four weights as what is multiplied: two vectors of pairs, or four of float32 numbers."""
    if is_packed:
        return [builder.bitcast(pairs, Bfloats()) for pairs in _pairs(builder, here)]
    found = []
    for pairs in _pairs(builder, here):
        numbers = builder.bitcast(pairs, _numbers)
        found += [builder.shl(numbers, all_of(_numbers, 16)), builder.and_(numbers, all_of(_numbers, 0xFFFF0000))]
    return [builder.bitcast(numbers, _floats) for numbers in found]


def _added(builder: Any, total: Any, weights: Any, x: Any, place: int) -> Any:
    """A sum with the products of a vector of weights and as many inputs, so many bytes behind an address."""
    values = builder.load(at(builder, x, place, weights.type), align=4)
    if weights.type == _floats:
        return builder.fadd(total, builder.fmul(weights, values, flags=FLAGS), flags=FLAGS)
    name = "llvm.x86.avx512bf16.dpbf16ps.512"
    return builder.call(external(builder, name, _floats, _floats, *[Bfloats()] * 2), [total, weights, values])


def _totals(builder: Any, row: Any, inputs: list[Any], groups: Any, is_packed: bool) -> list[Any]:
    """The product of each of the inputs with a row, over the unit of the row."""
    size, sums = (2, 2) if is_packed else (4, 4 if len(inputs) == 1 else 2)  # sums: as far as there are registers
    totals = [[build.alloca_once_value(builder, all_of(_floats, 0.0)) for _ in range(sums)] for _ in inputs]
    with loop(builder, groups) as (group, _):
        here = moved(builder, row, group, BYTES)
        for line in range(0, BYTES, 64):
            fetch(builder, here, _AHEAD + line)
        places = [moved(builder, x, group, size * GROUP) for x in inputs]
        for number, weights in enumerate(_vectors(builder, here, is_packed)):
            for x, of_input in zip(places, totals, strict=True):
                total = of_input[number % sums]
                builder.store(_added(builder, builder.load(total), weights, x, 64 * number), total)
    found = []
    for of_input in totals:
        whole = builder.load(of_input[0])
        for total in of_input[1:]:
            whole = builder.fadd(whole, builder.load(total), flags=FLAGS)
        found.append(sum_of(builder, whole))
    return found


def _dot(is_packed: bool, name: str) -> Any:
    """An intrinsic ``(row, x, groups)``, all by address: a product over the unit of the row and without its strays."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        row, x, groups = arguments
        return _totals(builder, row, [x], groups, is_packed)[0]

    def typed(_context: Any, _row: Any, _x: Any, _groups: Any) -> Any:
        return types.float32(*[types.int64] * 3), generate

    typed.__name__ = name
    return intrinsic(typed)


def _dots(is_packed: bool, name: str) -> Any:
    """As `_dot` with `TOGETHER` inputs, ``stride`` bytes apart: ``(row, x, stride, groups, results)``."""

    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        row, x, stride, groups, results = arguments
        inputs = [moved(builder, x, stride, each) for each in range(TOGETHER)]
        for number, total in enumerate(_totals(builder, row, inputs, groups, is_packed)):
            builder.store(total, at(builder, results, 4 * number, FLOAT))
        return context.get_dummy_value()

    def typed(_context: Any, _row: Any, _x: Any, _stride: Any, _groups: Any, _results: Any) -> Any:
        return types.void(*[types.int64] * 5), generate

    typed.__name__ = name
    return intrinsic(typed)


dot, dots = _dot(False, "dot"), _dots(False, "dots")
_packed_dot, _packed_dots = _dot(True, "_packed_dot"), _dots(True, "_packed_dots")


@kernel
def packed_dot(row: Any, x: Any, groups: Any) -> Any:
    """As `dot` with packed inputs. Only where the processor `HAS_BFLOAT16_PRODUCTS`; nothing is computed elsewhere."""
    return _packed_dot(row, x, groups) if HAS_BFLOAT16_PRODUCTS else np.float32(0.0)


@kernel
def packed_dots(row: Any, x: Any, stride: Any, groups: Any, results: Any) -> None:
    """As `packed_dot` with `TOGETHER` inputs, ``stride`` bytes apart, into ``results``, an address as the others."""
    if HAS_BFLOAT16_PRODUCTS:
        _packed_dots(row, x, stride, groups, results)


@kernel
def pack_inputs(x: Any, width: Any, packed: Any) -> None:
    """Write ``width`` float32 numbers, a multiple of 64, as bfloat16, in the order of the pairs of weights."""
    for first in range(0, width, 32):
        numbers, pairs = f32(x + 4 * first), u16(packed + 2 * first)
        for i in range(16):
            pairs[2 * i], pairs[2 * i + 1] = narrowed(numbers[i]), narrowed(numbers[16 + i])


@kernel
def packed_input(packed: Any, place: Any) -> Any:
    """One of them again."""
    within = place % 32
    return widened(u16(packed)[place - within + 2 * (within % 16) + within // 16])


@kernel
def stray_sum(starts: Any, strays: Any, row: Any, x: Any, is_packed: Any) -> Any:
    """What the strays of a row add to its product, over its unit; ``strays``: pairs of a place and what is missing."""
    total = np.float32(0.0)
    for index in range(i32(starts)[row], i32(starts)[row + 1]):
        place = i32(strays)[2 * index]
        total += f32(strays)[2 * index + 1] * (packed_input(x, place) if is_packed else f32(x)[place])
    return total


def _halves(builder: Any, weights: Any, kept: Any) -> Any:
    """Signs and the upper bits of exponents; see above."""

    def bytes_of(words: Any, places: list[int]) -> Any:
        return builder.shuffle_vector(builder.trunc(words, _bytes), _any, ir.Constant(vector(I32, 32), places))

    _any = ir.Constant(_bytes, ir.Undefined)
    first, second = list(range(32)), list(range(32, GROUP))
    signs, bits = builder.lshr(weights, all_of(_words, 15)), builder.lshr(kept, all_of(_words, 1))
    before = [place // 8 * 8 + (place - 1) % 8 for place in second]  # turned by four bits, it comes to the byte before
    found = bytes_of(bits, first)
    for words, places, by in ((signs, first, 7), (bits, second, 4), (signs, before, 3)):
        found = builder.or_(found, builder.shl(bytes_of(words, places), all_of(_half, by)))
    return found


@intrinsic  # type: ignore[untyped-decorator]
def _pack_group(_context: Any, _bits: Any, _base: Any, _target: Any) -> Any:
    """Write sixty-four weights; whether one was below ``base``, and is written as the least that there is."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        bits, base, target = arguments
        found = builder.load(at(builder, bits, 0, _words), align=2)
        weights = builder.shuffle_vector(
            found, ir.Constant(_words, ir.Undefined), ir.Constant(vector(I32, GROUP), _ORDER)
        )
        exponents = builder.and_(builder.lshr(weights, all_of(_words, 7)), all_of(_words, 0xFF))
        base = spread(builder, builder.trunc(base, I16), _words)
        is_stray = builder.icmp_unsigned("<", exponents, base)
        kept = builder.select(is_stray, all_of(_words, 0), builder.sub(exponents, base))
        rest = builder.select(is_stray, all_of(_words, 0), builder.and_(weights, all_of(_words, 0x807F)))
        lower = builder.or_(rest, builder.shl(kept, all_of(_words, 7)))
        builder.store(builder.trunc(lower, _bytes), at(builder, target, 0, _bytes), align=1)
        builder.store(_halves(builder, rest, kept), at(builder, target, GROUP, _half), align=1)
        mask = builder.bitcast(is_stray, I64)
        return builder.icmp_unsigned("!=", mask, ir.Constant(I64, 0))

    return types.boolean(*[types.int64] * 3), generate


@kernel
def _exponent(weight: Any) -> Any:
    return (np.int32(weight) >> 7) & 255


@kernel
def _most(bits: Any, count: Any) -> Any:
    """The greatest exponent, -1 where all are nothing."""
    most, some = np.int32(0), np.int32(0)
    for i in range(count):
        most, some = max(most, _exponent(bits[i])), some | (np.int32(bits[i]) & 0x7FFF)
    return most if some else np.int32(-1)


@kernel
def _pack_row(row: Any, groups: Any, target: Any, unit: Any, strays: Any, room: Any) -> Any:
    """See `pack`: one row of so many groups."""
    most = _most(u16(row), groups * GROUP)
    if most == 255:
        return -1
    base, count = max(most - _DEEP, 1), 0
    u16(unit)[0] = 0 if most < 0 else (base - _FLOOR + 127) << 7
    for group in range(groups):
        part = row + 2 * group * GROUP
        if not _pack_group(part, base, target + group * BYTES) or most < 0:
            continue
        for i in range(GROUP):
            if _exponent(u16(part)[i]) < base:
                if count == room:
                    return -1
                exact = np.float64(widened(u16(part)[i])) * 2.0 ** (_FLOOR - base)
                i32(strays)[2 * count] = group * GROUP + i
                f32(strays)[2 * count + 1] = np.float32(exact - 2.0 ** (_FLOOR - 127))
                count += 1
    return count


_compiled: Any = njit(
    types.int64(*[types.int64] * 3, types.int64[::1], types.int64),
    fastmath=FAST,
    error_model="numpy",
    nogil=True,
    cache=True,
)


@_compiled  # type: ignore[untyped-decorator]
def pack(rows: Any, count: Any, width: Any, targets: Any, room: Any) -> Any:
    """Write ``count`` rows of bfloat16, their units, where the strays of each of them end, and these; all by address.

    How many strays there are, or -1 where that are more than ``room`` or something is infinite.
    """
    packed, units, ends, strays = targets[0], targets[1], targets[2], targets[3]
    groups, found = width // GROUP, 0
    for row in range(count):
        place = packed + row * groups * BYTES
        added = _pack_row(rows + 2 * row * width, groups, place, units + 2 * row, strays + 8 * found, room - found)
        if added < 0:
            return -1
        found += added
        i32(ends)[row] = found
    return found
