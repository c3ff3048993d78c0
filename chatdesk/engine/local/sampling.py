"""From logits to a token: penalties, filters, one draw; and the probabilities that are shown.

The filters mean what transformers' logits processors mean, in the order in which its `generate` applies them:
repetition penalty, temperature, top-k, top-p, min-p. Instead of sorting the whole vocabulary, the most probable
`FIRST_LOOK` tokens are selected, and more only while the filters would still keep the last of them.

Every draft draws with a generator of its own on the CPU, one number in [0, 1) a token, by inverting the cumulated
probabilities. So a draft depends on its seed alone: not on the other drafts, nor on the device.
"""

import contextlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from msgspec import structs

from chatdesk.engine.api import DEFAULT_SAMPLING, Sampling
from chatdesk.errors import Fault, UserError
from chatdesk.settings.options import SAMPLING

FIRST_LOOK = 128
"""Tokens selected before the filters are asked whether they want more."""

FLOOR = -9999.0
"""Stands for the logarithm of zero: JSON knows no infinity. (OpenAI's API writes the same number.)"""

MAX_DRAFTS = 64
MAX_TOP_LOGPROBS = 100
MAX_SEED = 2**63 - MAX_DRAFTS

_FILTERS = ("temperature", "top_p", "top_k", "min_p", "repetition_penalty")


def check_range(name: str, value: float, bounds: tuple[float, float, str]) -> None:
    """``BAD_VALUE`` unless the value is a number inside the bounds."""
    low, high, allowed = bounds
    if not low <= value <= high:  # false for NaN, too
        raise UserError(Fault.BAD_VALUE, name=name, value=value, allowed=allowed)


def checkpoint_defaults(generation_config: Mapping[str, Any]) -> Sampling:
    """Sampling as generation_config.json says, else `DEFAULT_SAMPLING`.

    Only what is in the file counts. A file that says ``do_sample: false`` asks for temperature 0. ``max_length`` is
    the checkpoint's context there, not a wish, and is not taken; neither is a value out of range.
    """
    found: dict[str, Any] = {}
    for name in (*_FILTERS, "max_new_tokens"):
        value = generation_config.get(name)
        if value is not None:
            with contextlib.suppress(UserError):  # out of range: as if it were not there
                found[name] = SAMPLING[name].check(value)
    if generation_config.get("do_sample") is False and "temperature" not in found:
        found["temperature"] = 0.0
    return structs.replace(DEFAULT_SAMPLING, **found)


def resolve(wanted: Sampling, defaults: Sampling) -> Sampling:
    """A request's sampling with nothing open but one of the two lengths.

    ``BAD_VALUE`` for a value out of its range, ``BOTH_LENGTHS`` where both lengths are given.
    """
    if wanted.max_new_tokens is not None and wanted.max_length is not None:
        raise UserError(Fault.BOTH_LENGTHS)
    for name in wanted.__struct_fields__:
        if (value := getattr(wanted, name)) is not None:
            SAMPLING[name].check(value)
    chosen = {name: getattr(defaults if getattr(wanted, name) is None else wanted, name) for name in _FILTERS}
    new = wanted.max_new_tokens
    if new is None and wanted.max_length is None:
        new = defaults.max_new_tokens
    return Sampling(**chosen, max_new_tokens=new, max_length=wanted.max_length)


@dataclass(frozen=True)
class Choice:
    """A chosen token. ``top``: (id, logprob, sampled_logprob) of the most probable tokens, best first."""

    id: int
    logprob: float
    sampled_logprob: float
    top: tuple[tuple[int, float, float], ...]


class Sampler:
    """Chooses the tokens of all drafts of one request. ``prompt``: ids that count as repeated already."""

    def __init__(self, sampling: Sampling, prompt: Sequence[int], seed: int, drafts: int, top: int) -> None:
        self._sampling, self._top = sampling, top
        self._generators = [torch.Generator().manual_seed(seed + i) for i in range(drafts)]
        self._prompt = torch.tensor(sorted(set(prompt)), dtype=torch.long)
        self._seen: list[set[int]] = [set() for _ in range(drafts)]

    @torch.inference_mode()
    def choose(self, logits: torch.Tensor, drafts: Sequence[int]) -> list[Choice]:
        """One token for each of these drafts from its row of logits, float32 ``[len(drafts), vocabulary]``.

        ``NOT_FINITE`` where a row holds NaN, +inf or nothing but -inf.
        """
        total = torch.logsumexp(logits, dim=-1, keepdim=True)
        if not bool(torch.isfinite(total).all()):
            raise UserError(Fault.NOT_FINITE)
        logprobs = logits - total
        scores = self._penalised(logits, drafts)
        if self._sampling.temperature == 0:
            chosen = scores.argmax(dim=-1)
            kept, kept_logprobs = chosen[:, None], torch.zeros_like(logprobs[:, :1])
            index = torch.zeros_like(kept)
        else:
            kept, kept_logprobs = candidates(scores / _given(self._sampling.temperature), self._sampling)
            numbers = [torch.rand((), generator=self._generators[i], dtype=torch.float64) for i in drafts]
            index = draw(kept_logprobs, torch.stack(numbers))
            chosen = kept.gather(1, index)[:, 0]
        own = logprobs.gather(1, chosen[:, None])[:, 0].tolist()
        sampled = kept_logprobs.gather(1, index)[:, 0].tolist()
        tops = self._alternatives(logprobs, kept, kept_logprobs)
        ids = chosen.tolist()
        for i, token_id in zip(drafts, ids, strict=True):
            self._seen[i].add(token_id)
        return [
            Choice(token_id, max(own[row], FLOOR), max(sampled[row], FLOOR), tops[row])
            for row, token_id in enumerate(ids)
        ]

    def _penalised(self, logits: torch.Tensor, drafts: Sequence[int]) -> torch.Tensor:
        penalty = _given(self._sampling.repetition_penalty)
        if penalty == 1:
            return logits
        logits = logits.clone()
        for row, i in enumerate(drafts):
            seen = torch.tensor(sorted(self._seen[i]), dtype=torch.long)
            ids = torch.cat([self._prompt, seen])
            ids = ids[ids < logits.shape[-1]].to(logits.device)
            score = logits[row, ids]
            logits[row, ids] = torch.where(score < 0, score * penalty, score / penalty)
        return logits

    def _alternatives(
        self, logprobs: torch.Tensor, kept: torch.Tensor, kept_logprobs: torch.Tensor
    ) -> list[tuple[tuple[int, float, float], ...]]:
        """The most probable tokens of each row under the model's own distribution, and what the samplers left."""
        if not self._top:
            return [()] * len(logprobs)
        values, ids = logprobs.topk(min(self._top, logprobs.shape[-1]), dim=-1)
        sampled = torch.full_like(logprobs, FLOOR).scatter(1, kept, kept_logprobs.to(logprobs.dtype))
        rows = zip(ids.tolist(), values.tolist(), sampled.gather(1, ids).tolist(), strict=True)
        return [
            tuple((i, max(own, FLOOR), max(after, FLOOR)) for i, own, after in zip(*row, strict=True)) for row in rows
        ]


def candidates(scores: torch.Tensor, sampling: Sampling) -> tuple[torch.Tensor, torch.Tensor]:
    """What top-k, top-p and min-p leave of some scores ``[rows, vocabulary]`` (after penalty and temperature).

    Returns ids and log-probabilities ``[rows, n]``, best first unless nothing is filtered; the probabilities of a row
    sum to 1, a removed token has -inf.
    """
    vocabulary = scores.shape[-1]
    top_k, top_p, min_p = _given(sampling.top_k), _given(sampling.top_p), _given(sampling.min_p)
    if not (0 < top_k < vocabulary or top_p < 1 or min_p > 0):
        ids = torch.arange(vocabulary, device=scores.device).expand_as(scores)
        return ids, scores.log_softmax(dim=-1)
    look = min(max(FIRST_LOOK, int(top_k) + 1), vocabulary)
    while True:
        values, ids = scores.topk(look, dim=-1)
        kept = _kept(values, scores, sampling)
        if look == vocabulary or not bool(kept[:, -1].any()):
            return ids, values.masked_fill(~kept, -math.inf).log_softmax(dim=-1)
        look = min(look * 8, vocabulary)


def _kept(values: torch.Tensor, scores: torch.Tensor, sampling: Sampling) -> torch.Tensor:
    """Which of the best scores of each row (descending) the filters keep."""
    top_k, top_p, min_p = int(_given(sampling.top_k)), _given(sampling.top_p), _given(sampling.min_p)
    kept = torch.ones_like(values, dtype=torch.bool)
    if 0 < top_k < scores.shape[-1]:
        kept &= values >= values[:, top_k - 1, None]  # ties with the k-th stay
    if top_p < 1:
        among = values.masked_fill(~kept, -math.inf)
        total = torch.logsumexp(among if 0 < top_k < scores.shape[-1] else scores, dim=-1, keepdim=True)
        probabilities = (among - total).exp()
        before = probabilities.cumsum(dim=-1) - probabilities
        kept &= before < top_p
    if min_p > 0:
        kept &= values >= values[:, :1] + math.log(min_p)
    kept[:, 0] = True
    return kept


def draw(logprobs: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
    """Index of one candidate a row ``[rows, 1]``, by inverting the cumulated probabilities at a number in [0, 1)."""
    exact = torch.float32 if logprobs.device.type == "mps" else torch.float64  # MPS has no float64
    cumulated = logprobs.to(exact).exp().cumsum(dim=-1)
    points = numbers.to(exact).to(logprobs.device)[:, None] * cumulated[:, -1:]
    index = torch.searchsorted(cumulated, points, right=True)
    last = (logprobs > -math.inf).to(torch.long).cumsum(dim=-1).argmax(dim=-1, keepdim=True)
    return torch.minimum(index, last)


def _given(value: float | None) -> float:
    if value is None:
        raise ValueError("resolve() leaves no sampling value open")
    return value
