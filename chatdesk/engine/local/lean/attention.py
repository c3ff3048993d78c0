"""Attention of one token over the keys and values of its text, and what is written into their cache before.

The scores of several tokens are summed side by side, so that the query is fetched once for them; the values of a part
of a head are summed over all tokens without leaving the processor's registers.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types

from chatdesk.engine.local.lean.assembly import (
    FLAGS,
    FLOAT,
    I64,
    all_of,
    at,
    build,
    intrinsic,
    kernel,
    loop,
    moved,
    spread,
    sum_of,
    vector,
)
from chatdesk.engine.local.lean.vectors import (
    BFLOAT16,
    FLOAT32,
    LANES,
    dot,
    exp,
    f32,
    loaded,
    narrowed,
    number_at,
    share,
    u16,
    widen,
)

_TOKENS = 4  # whose scores are summed side by side
_WIDE = 4  # vectors of a head's values that are summed side by side
_floats = vector(FLOAT, LANES)


def _scores(kind: int, name: str) -> Any:
    """An intrinsic ``(keys, query, size, tokens, scores)``: products of a query with the keys of each token, which lie
    one after another; ``size`` is a multiple of `LANES`, ``tokens`` of `_TOKENS`.
    """

    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        keys, query, size, tokens, scores = arguments
        with loop(builder, tokens, _TOKENS) as (first, _):
            rows = [builder.mul(builder.add(first, ir.Constant(I64, token)), size) for token in range(_TOKENS)]
            sums = [build.alloca_once_value(builder, all_of(_floats, 0.0)) for _ in rows]
            with loop(builder, size, LANES) as (place, _):
                numbers = loaded(builder, FLOAT32, query, place)
                for row, total in zip(rows, sums, strict=True):
                    key = widen(builder, kind, loaded(builder, kind, keys, builder.add(row, place)))
                    product = builder.fmul(key, numbers, flags=FLAGS)
                    builder.store(builder.fadd(builder.load(total), product, flags=FLAGS), total)
            for token, total in enumerate(sums):
                place = moved(builder, scores, first, 4)
                builder.store(sum_of(builder, builder.load(total)), at(builder, place, 4 * token, FLOAT))
        return context.get_dummy_value()

    def typed(_context: Any, _keys: Any, _query: Any, _size: Any, _tokens: Any, _scores: Any) -> Any:
        return types.void(*[types.int64] * 5), generate

    typed.__name__ = name
    return intrinsic(typed)


def _weighted(kind: int, vectors: int, name: str) -> Any:
    """An intrinsic ``(values, size, tokens, shares, sums)``: the first ``vectors`` times `LANES` numbers of the tokens'
    values, ``size`` numbers apart, each times its token's share, summed.
    """

    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        values, size, tokens, shares, sums = arguments
        totals = [build.alloca_once_value(builder, all_of(_floats, 0.0)) for _ in range(vectors)]
        with loop(builder, tokens) as (token, _):
            one = builder.load(at(builder, moved(builder, shares, token, 4), 0, FLOAT))
            factor, row = spread(builder, one, _floats), builder.mul(token, size)
            for number, total in enumerate(totals):
                place = builder.add(row, ir.Constant(I64, number * LANES))
                product = builder.fmul(widen(builder, kind, loaded(builder, kind, values, place)), factor, flags=FLAGS)
                builder.store(builder.fadd(builder.load(total), product, flags=FLAGS), total)
        for number, total in enumerate(totals):
            builder.store(builder.load(total), at(builder, sums, 4 * number * LANES, _floats), align=4)
        return context.get_dummy_value()

    def typed(_context: Any, _values: Any, _size: Any, _tokens: Any, _shares: Any, _sums: Any) -> Any:
        return types.void(*[types.int64] * 5), generate

    typed.__name__ = name
    return intrinsic(typed)


_scores_f32 = _scores(FLOAT32, "_scores_f32")
_scores_bf16 = _scores(BFLOAT16, "_scores_bf16")
_wide_f32 = _weighted(FLOAT32, _WIDE, "_wide_f32")
_wide_bf16 = _weighted(BFLOAT16, _WIDE, "_wide_bf16")
_narrow_f32 = _weighted(FLOAT32, 1, "_narrow_f32")
_narrow_bf16 = _weighted(BFLOAT16, 1, "_narrow_bf16")


@kernel
def _score(kind: Any, keys: Any, query: Any, size: Any, tokens: Any, scores: Any) -> None:
    """Products of a query with the keys of all tokens; all by address."""
    each = 4 if kind == FLOAT32 else 2
    even = tokens // _TOKENS * _TOKENS if size % LANES == 0 else 0
    if kind == FLOAT32:
        _scores_f32(keys, query, size, even, scores)
    else:
        _scores_bf16(keys, query, size, even, scores)
    for t in range(even, tokens):
        f32(scores)[t] = dot(kind, keys + each * t * size, query, size)


@kernel
def _sum(kind: Any, values: Any, size: Any, tokens: Any, shares: Any, sums: Any) -> None:
    """The values of all tokens, each times its share; all by address."""
    first, each = 0, 4 if kind == FLOAT32 else 2
    while first + _WIDE * LANES <= size:
        if kind == FLOAT32:
            _wide_f32(values + each * first, size, tokens, shares, sums + 4 * first)
        else:
            _wide_bf16(values + each * first, size, tokens, shares, sums + 4 * first)
        first += _WIDE * LANES
    while first + LANES <= size:
        if kind == FLOAT32:
            _narrow_f32(values + each * first, size, tokens, shares, sums + 4 * first)
        else:
            _narrow_bf16(values + each * first, size, tokens, shares, sums + 4 * first)
        first += LANES
    for i in range(first, size):
        total = np.float32(0.0)
        for t in range(tokens):
            total += f32(shares)[t] * number_at(kind, values, t * size + i)
        f32(sums)[i] = total


@kernel
def _turn(x: Any, turns: Any, size: Any) -> None:
    """Rotary position: number ``i`` of the first half with ``i`` of the second; ``turns``: cosines, then sines."""
    half = size // 2
    for i in range(half):
        left, right = x[i], x[i + half]
        x[i] = left * turns[i] - right * turns[size + i]
        x[i + half] = right * turns[half + i] + left * turns[size + half + i]


@kernel
def remember(a: Any, position: Any, ahead: Any, turns: Any, rows: Any, thread: Any, threads: Any) -> None:
    """Turn keys by their position, and write keys and values into the cache."""
    first, end = share(rows * a.key_heads, 1, thread, threads)
    for index in range(first, end):
        row, head = index // a.key_heads, index % a.key_heads
        shift = 4 * (row * a.stride + head * a.key_step)
        key, value = f32(a.key + shift), f32(a.value + shift)
        place = position + row * ahead
        _turn(key, turns[place], a.rotated)
        at = ((row * (1 - ahead) * a.key_heads + head) * a.room + place) * a.size
        for i in range(a.size):
            if a.kind == FLOAT32:
                f32(a.keys)[at + i] = key[i]
                f32(a.values)[at + i] = value[i]
            else:
                u16(a.keys)[at + i] = narrowed(key[i])
                u16(a.values)[at + i] = narrowed(value[i])


@kernel
def _attend_head(a: Any, row: Any, text: Any, head: Any, turns: Any, tokens: Any) -> None:
    """Row ``row`` of the step, over the first ``tokens`` of row ``text`` of the cache."""
    size = a.size
    query = a.query + 4 * (row * a.stride + head * a.query_step)
    _turn(f32(query), turns, a.rotated)
    at = a.scores + 4 * (row * a.heads + head) * a.room
    scores = f32(at)
    before = (text * a.key_heads + head // (a.heads // a.key_heads)) * a.room * size * (4 if a.kind == FLOAT32 else 2)
    _score(a.kind, a.keys + before, query, size, tokens, at)
    most = np.float32(-np.inf)
    for t in range(tokens):
        scores[t] *= np.float32(a.scale)
        most = max(most, scores[t])
    total = np.float32(0.0)
    for t in range(tokens):
        scores[t] = exp(scores[t] - most)
        total += scores[t]
    target = a.target + 4 * (row * a.target_stride + head * size)
    _sum(a.kind, a.values + before, size, tokens, at, target)
    for i in range(size):
        f32(target)[i] /= total


@kernel
def attend(a: Any, position: Any, ahead: Any, turns: Any, rows: Any, thread: Any, threads: Any) -> None:
    """A thread's share of the heads of all rows."""
    first, end = share(rows * a.heads, 1, thread, threads)
    for index in range(first, end):
        row = index // a.heads
        place = position + row * ahead
        _attend_head(a, row, row * (1 - ahead), index % a.heads, turns[place], place + 1)
