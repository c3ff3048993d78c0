"""What a measurement says: medians with their baselines, and in words what limits this machine."""

from dataclasses import dataclass
from enum import StrEnum
from statistics import median
from typing import Any

import msgspec

from chatdesk.engine.api import ModelInfo
from chatdesk.engine.speeds import Figure, Speeds
from chatdesk.errors import QT_TRANSLATE_NOOP
from chatdesk.library.figures import short_bytes

_BOUND_BY_MEMORY = 0.6
"""Share of what the memory gives from which on it is the memory that decoding waits for most."""


class Limit(StrEnum):
    """What decoding waits for."""

    MEMORY = "memory"
    COMPUTING = "computing"
    CACHE = "cache"
    UNKNOWN = "unknown"


LIMITS: dict[Limit, str] = {
    Limit.MEMORY: QT_TRANSLATE_NOOP(
        "Speed",
        "Decoding reads {weights} of weights for a token, and this memory gives {bandwidth} a second: at most {most} "
        "tokens a second, of which chatdesk reaches {percent} %. The memory is the limit here: a smaller model or a "
        "smaller precision is faster, more computing power hardly.",
    ),
    Limit.COMPUTING: QT_TRANSLATE_NOOP(
        "Speed",
        "Decoding reads {weights} of weights for a token, and this memory gives {bandwidth} a second: at most {most} "
        "tokens a second, of which chatdesk reaches {percent} %. Computing is the limit here, not the memory: other "
        "programs that want the processor slow it down, and a faster processor or a GPU would help.",
    ),
    Limit.CACHE: QT_TRANSLATE_NOOP(
        "Speed",
        "Decoding reads {weights} of weights for a token, {rate} a second, and this memory gives {bandwidth}: the "
        "processor keeps a part of so small a model in its cache. The memory is no limit for it.",
    ),
    Limit.UNKNOWN: QT_TRANSLATE_NOOP(
        "Speed",
        "A part of the weights lies beside the GPU and is brought over for each token. That way is the limit: a "
        "smaller model or a smaller precision that fits on the GPU as a whole is many times faster.",
    ),
}
"""Each a sentence or three with the fields of `Report.fields`."""


@dataclass(frozen=True)
class Pair:
    """Medians of one figure; ``ratio`` is the median of how many times better chatdesk was within a round."""

    own: float
    plain: float
    ratio: float


@dataclass(frozen=True)
class Report:
    """A measurement of one model. Speeds in tokens a second, times in seconds, sizes in bytes."""

    info: ModelInfo
    measured: Speeds

    @property
    def rounds(self) -> int:
        """How often everything was measured."""
        return len(self.measured.bandwidth)

    @property
    def decode(self) -> Pair:
        """Tokens a second when writing."""
        return _pair(self.measured.decode, is_time=False)

    @property
    def prefill(self) -> Pair:
        """Tokens a second when reading a prompt."""
        return _pair(self.measured.prefill, is_time=False)

    @property
    def first_token(self) -> Pair:
        """Seconds to the first token of a next turn."""
        return _pair(self.measured.first_token, is_time=True)

    @property
    def bandwidth(self) -> float:
        """Bytes a second that the memory gives."""
        return median(self.measured.bandwidth)

    @property
    def read_rate(self) -> float | None:
        """Bytes of weights a second that decoding reads."""
        weights = self.measured.bytes_per_token
        return None if weights is None else weights * self.decode.own

    @property
    def share_of_limit(self) -> float | None:
        """The part of the memory's speed that decoding reaches, the median over the rounds; 1 is all of it."""
        weights, found = self.measured.bytes_per_token, self.measured
        if weights is None:
            return None
        return median(own * weights / limit for own, limit in zip(found.decode.own, found.bandwidth, strict=True))

    @property
    def limit(self) -> Limit:
        """What decoding waits for."""
        share = self.share_of_limit
        if share is None:
            return Limit.UNKNOWN
        if share > 1:
            return Limit.CACHE
        return Limit.MEMORY if share >= _BOUND_BY_MEMORY else Limit.COMPUTING

    def fields(self) -> dict[str, str]:
        """What the sentence of the limit is filled with."""
        weights, rate, share = self.measured.bytes_per_token, self.read_rate, self.share_of_limit
        if weights is None or rate is None or share is None:
            return {}
        return {
            "weights": short_bytes(weights),
            "bandwidth": short_bytes(self.bandwidth),
            "rate": short_bytes(rate),
            "most": number(self.bandwidth / weights),
            "percent": f"{100 * share:.0f}",
        }

    def sentence(self) -> str:
        """The limit in English words."""
        return LIMITS[self.limit].format(**self.fields())

    def to_builtins(self) -> dict[str, Any]:
        """For JSON: medians, limits, and every single measurement."""
        raw: dict[str, Any] = msgspec.to_builtins(self.measured)
        pairs = {name: getattr(self, name) for name in ("decode", "prefill", "first_token")}
        return {
            "model": self.info.name,
            "path": self.info.path,
            "device": self.info.device_name,
            "dtype": self.info.dtype,
            "rounds": self.rounds,
            "medians": {
                name: {"chatdesk": pair.own, "transformers": pair.plain, "ratio": pair.ratio}
                for name, pair in pairs.items()
            },
            "bandwidth": self.bandwidth,
            "share_of_limit": self.share_of_limit,
            "limit": self.limit.value,
            "says": self.sentence(),
            "measured": raw,
        }


def number(value: float) -> str:
    """A speed or a ratio with two or three figures."""
    return f"{value:.0f}" if value >= 9.95 else f"{value:.1f}" if value >= 0.995 else f"{value:.2f}"


def _pair(figure: Figure, is_time: bool) -> Pair:
    both = list(zip(figure.own, figure.plain, strict=True))
    ratio = median(plain / own if is_time else own / plain for own, plain in both)
    return Pair(median(figure.own), median(figure.plain), ratio)
