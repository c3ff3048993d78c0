"""What a measurement finds: figures of the engine beside those of plain transformers. A part of the protocol."""

from typing import Literal, TypeAlias

from msgspec import Struct

Way: TypeAlias = Literal["graph", "kernels", "plain"]
"""How single tokens are computed: by a captured graph, by compiled kernels, by the model's own forward."""

LEAST_ROUNDS = 5
"""Fewer measurements than these have no median worth telling."""


class Figure(Struct, frozen=True):
    """One thing measured once a round: by this engine, and by ``plain`` transformers in the same round."""

    own: tuple[float, ...]
    plain: tuple[float, ...]


class Speeds(Struct, frozen=True):
    """How fast a model is on a machine.

    ``decode``: tokens a second, greedy, after ``short_tokens``, for ``new_tokens``. ``prefill``: tokens a second of a
    prompt of ``prompt_tokens`` that nothing is known of. ``first_token``: seconds to the first token of a next turn,
    ``turn_tokens`` behind that prompt, of which ``reused_tokens`` were not read again. ``bandwidth``: bytes a second
    that a plain read or copy of the device's memory reaches. ``bytes_per_token``: weights read for a token; None where
    they do not all lie on one device. ``memory_bytes``: what the engine takes of the device's memory, its libraries
    and all, of which ``weight_bytes`` are the model.
    """

    decode: Figure
    prefill: Figure
    first_token: Figure
    bandwidth: tuple[float, ...]
    bytes_per_token: int | None
    weight_bytes: int
    memory_bytes: int
    short_tokens: int
    new_tokens: int
    prompt_tokens: int
    turn_tokens: int
    reused_tokens: int
    threads: int
    way: Way
