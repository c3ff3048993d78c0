"""Passes over a row of scores, compiled as the kernels of a step are: see `rows`.

A row is read part by part, so that what is found of a part tells later passes whether they have to look into it.
"""

from typing import Any

import numpy as np
from numba import njit, types

from chatdesk.engine.local.lean.assembly import FAST, kernel
from chatdesk.engine.local.lean.rows import PART
from chatdesk.engine.local.lean.vectors import as_bits, as_float, exp, f32

_DEEPEST = 87.0  # the exponential of what lies further below the greatest is 0
_ALL_BUT_SIGN, _INFINITE = 0x7FFFFFFF, 0x7F800000
_row, _sums = types.float32[::1], types.float64[::1]


def _compiled(*signature: Any) -> Any:
    return njit(signature[-1](*signature[:-1]), fastmath=FAST, error_model="numpy", nogil=True, cache=True)


@kernel
def _key(number: Any) -> Any:
    """A whole number that is greater where the number is: the compiler makes vectors of comparing them."""
    bits = np.int32(as_bits(number))
    return bits ^ ((bits >> np.int32(31)) & np.int32(_ALL_BUT_SIGN))


@kernel
def _number(key: Any) -> Any:
    """What has this key."""
    return as_float(np.uint32(key ^ ((key >> np.int32(31)) & np.int32(_ALL_BUT_SIGN))))


@kernel
def _bounds(numbers: Any, count: Any) -> Any:
    """The least and the greatest key."""
    least, most = np.int32(_ALL_BUT_SIGN), np.int32(-_ALL_BUT_SIGN - 1)
    for i in range(count):
        key = _key(numbers[i])
        least, most = min(least, key), max(most, key)
    return least, most


@_compiled(_row, _row, types.float32)  # type: ignore[untyped-decorator]
def survey(row: Any, peaks: Any) -> Any:
    """Write the greatest number of each part into ``peaks``; the least of all, NaN where one is none.

    That is told by the keys: what is compiled here believes that all comparisons are between numbers.
    """
    least, most, whole = np.int32(_ALL_BUT_SIGN), np.int32(-_ALL_BUT_SIGN - 1), len(row) // PART
    for part in range(len(peaks)):
        numbers = f32(row.ctypes.data + 4 * part * PART)
        low, high = _bounds(numbers, PART) if part < whole else _bounds(numbers, len(row) - part * PART)
        peaks[part] = _number(high)
        least, most = min(least, low), max(most, high)
    return _number(most if most > np.int32(_INFINITE) else least)


@kernel
def _mass(numbers: Any, count: Any, most: Any, factor: Any, cut: Any) -> Any:
    total = np.float32(0.0)
    for i in range(count):
        weight = exp((numbers[i] - most) * factor)
        total += weight if numbers[i] >= cut else np.float32(0.0)
    return total


@_compiled(_row, types.float32, types.float32, types.float32, _sums, types.void)  # type: ignore[untyped-decorator]
def masses(row: Any, most: Any, factor: Any, cut: Any, sums: Any) -> None:
    """For each part, the sum of exp((number - most) * factor) of those numbers that are not below ``cut``."""
    cut, whole = max(cut, most - np.float32(_DEEPEST) / factor), len(row) // PART
    for part in range(len(sums)):  # a count that is known is worth twice the speed
        numbers = f32(row.ctypes.data + 4 * part * PART)
        if part < whole:
            sums[part] = _mass(numbers, PART, most, factor, cut)
        else:
            sums[part] = _mass(numbers, len(row) - part * PART, most, factor, cut)


@_compiled(_row, _row, types.float32, types.intp[::1], types.int64)  # type: ignore[untyped-decorator]
def places(row: Any, peaks: Any, cut: Any, found: Any) -> Any:
    """Write the places of the numbers that are not below ``cut``, rising, as far as there is room; how many."""
    count, room = 0, len(found)
    for part in range(len(peaks)):
        if peaks[part] < cut:
            continue
        numbers = f32(row.ctypes.data + 4 * part * PART)
        for i in range(min(PART, len(row) - part * PART)):
            if numbers[i] >= cut:
                if count == room:
                    return count
                found[count] = part * PART + i
                count += 1
    return count


@_compiled(_row, types.float32, types.float32, types.float32, types.int16[::1], _sums, types.void)  # type: ignore[untyped-decorator]
def bins(row: Any, most: Any, factor: Any, width: Any, which: Any, sums: Any) -> None:
    """Write the bin of each number, and the sum of exp((number - most) * factor) of each bin.

    ``sums`` has as many bins as there are, all 0, of equal width down to ``width`` below 0, with all that is deeper.
    """
    weights = np.empty(PART, np.float32)
    scale = np.float32(len(sums) - 1) / width if width > np.float32(0.0) else np.float32(0.0)
    for part in range((len(row) + PART - 1) // PART):
        count = min(PART, len(row) - part * PART)
        numbers, weight = f32(row.ctypes.data + 4 * part * PART), f32(weights.ctypes.data)
        for i in range(count):
            score = (numbers[i] - most) * factor
            weight[i] = exp(score) if score > np.float32(-_DEEPEST) else np.float32(0.0)
        for i in range(count):
            depth = min((most - numbers[i]) * factor, width)
            which[part * PART + i] = np.int16(depth * scale)
        for i in range(count):
            sums[which[part * PART + i]] += weight[i]
