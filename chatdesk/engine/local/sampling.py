"""From logits to a token: penalties, filters, one draw; and the probabilities that are shown.

The filters mean what transformers' logits processors mean, in the order in which its `generate` applies them:
repetition penalty, temperature, top-k, top-p, min-p. Instead of sorting the whole vocabulary, the most probable
`draws.FIRST_LOOK` tokens are selected, and more only while the filters would still keep the last of them.

Every draft draws with a generator of its own on the CPU, one number in [0, 1) a token, by inverting the cumulated
probabilities. So a draft depends on its seed alone: not on the other drafts, nor on the device.

A GPU is asked for the most probable tokens and what belongs to them, and answers once: the filters work on the CPU,
where an operation on a hundred numbers takes less time than asking the GPU for it. Logits that lie on the CPU are
looked at row by row, by `draws`.
"""

import contextlib
import math
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from msgspec import structs
from numpy.typing import NDArray
from torch.nn import functional

from chatdesk.engine.api import DEFAULT_SAMPLING, Sampling
from chatdesk.engine.local import draws
from chatdesk.engine.local.bias import TokenBias
from chatdesk.engine.local.lean.rows import Row
from chatdesk.errors import Fault, UserError
from chatdesk.settings.options import SAMPLING

_PART, _WORTH = 64, 3  # numbers of a row looked at together; how many times more parts than are looked at it takes
_COLDEST = 1e-20  # colder, and single precision would have no number for what scores are multiplied by

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

    def __init__(
        self,
        sampling: Sampling,
        prompt: Sequence[int],
        seed: int,
        drafts: int,
        top: int,
        bias: TokenBias | None = None,
    ) -> None:
        self._sampling, self._top, self._bias = sampling, top, bias
        self._generators = [torch.Generator().manual_seed(seed + i) for i in range(drafts)]
        self._prompt = sorted(set(prompt))
        self._chosen: list[list[int]] = [[] for _ in range(drafts)]
        self._seen: torch.Tensor | None = None  # [rows, tokens], ids of the prompt and of what was chosen
        self._seen_drafts: list[int] = []
        self._seen_rows: dict[int, array[int]] = {}  # on the CPU, of each draft

    @torch.inference_mode()
    def choose(self, logits: torch.Tensor, drafts: Sequence[int]) -> list[Choice]:
        """One token for each of these drafts from its row of logits, float32 ``[len(drafts), vocabulary]``.

        ``NOT_FINITE`` where a row holds NaN, +inf or nothing but -inf.
        """
        wanted = self._bias.apply(logits, [self._chosen[i] for i in drafts]) if self._bias else logits
        if logits.device.type == "cpu":
            chosen = self._by_row(logits, wanted, drafts)
        else:
            chosen = self._at_once(logits, wanted, drafts)
        for i, choice in zip(drafts, chosen, strict=True):
            self._chosen[i].append(choice.id)
            if i in self._seen_rows:
                self._seen_rows[i].append(choice.id)
        return chosen

    def _by_row(self, logits: torch.Tensor, wanted: torch.Tensor, drafts: Sequence[int]) -> list[Choice]:
        penalty = _given(self._sampling.repetition_penalty)
        found = []
        for row, draft in enumerate(drafts):
            own = scores = Row.of(logits[row].numpy())
            if penalty != 1:
                numbers, seen = wanted[row].numpy().copy(), self._seen_by(draft, len(own))
                again = numbers[seen]
                numbers[seen] = np.where(again < 0, again * penalty, again / penalty)
                scores = Row.of(numbers)
            elif wanted is not logits:
                scores = Row.of(wanted[row].numpy())
            found.append(self._from_row(own, scores, draft))
        return found

    def _from_row(self, own: Row, scores: Row, draft: int) -> Choice:
        """Choose from one row; ``own``: the logits before bias and penalty."""
        if not (math.isfinite(own.most) and math.isfinite(scores.most)):
            raise UserError(Fault.NOT_FINITE)
        sampling = self._sampling
        if sampling.temperature == 0:
            drawn = draws.best(scores)
        else:
            scores = scores.at(max(_given(sampling.temperature), _COLDEST))
            top_k, top_p, min_p = _given(sampling.top_k), _given(sampling.top_p), _given(sampling.min_p)
            drawn = draws.draw(scores, self.numbers(draft, 1)[0], int(top_k), top_p, min_p)
        total = own.log_sum
        logprobs = [
            (token, max(float(own.numbers[token]) - total, FLOOR), max(drawn.logprob(scores, token), FLOOR))
            for token in (drawn.id, *(own.best(self._top)[: self._top].tolist() if self._top else ()))
        ]
        return Choice(*logprobs[0], tuple(logprobs[1:]))

    def _at_once(self, logits: torch.Tensor, wanted: torch.Tensor, drafts: Sequence[int]) -> list[Choice]:
        """From all rows together, on their device."""
        logprobs = logits - torch.logsumexp(logits, dim=-1, keepdim=True)
        scores = self._penalised(wanted, drafts)
        if self._sampling.temperature == 0:
            ids = scores.argmax(dim=-1, keepdim=True)
            kept, own = _fetched(ids, logprobs.gather(1, ids))
            kept_logprobs = torch.zeros_like(own)
            index = torch.zeros_like(kept)
        else:
            kept, kept_logprobs, own = candidates(scores / _given(self._sampling.temperature), logprobs, self._sampling)
            numbers = [self.numbers(i, 1)[0] for i in drafts]
            index = draw(kept_logprobs, torch.tensor(numbers, dtype=torch.float64))
        of_draft = _fetched(*(part.gather(1, index) for part in (kept, own, kept_logprobs)))
        chosen, owns, sampled = (part[:, 0].tolist() for part in of_draft)
        if not all(map(math.isfinite, owns)):  # whatever is wrong in a row: what is drawn from it shows it
            raise UserError(Fault.NOT_FINITE)
        tops = self._alternatives(logprobs, kept, kept_logprobs)
        return [
            Choice(token_id, max(owns[row], FLOOR), max(sampled[row], FLOOR), tops[row])
            for row, token_id in enumerate(chosen)
        ]

    @property
    def can_be_ahead(self) -> bool:
        """Whether `fused.ahead` can choose in its place: no alternatives are wanted and no token is favoured."""
        return not self._top and not self._bias

    def afresh(self) -> "Sampler":
        """One with the same filters for another text, to try them."""
        return Sampler(self._sampling, range(10), 1, 1, 0)

    def settings(self) -> tuple[float, ...]:
        """Temperature, top-k, top-p, min-p and penalty."""
        sampling = self._sampling
        values = (sampling.temperature, sampling.top_k, sampling.top_p, sampling.min_p, sampling.repetition_penalty)
        return tuple(map(_given, values))

    def repeated(self, draft: int) -> list[int]:
        """The ids of the prompt and of a draft so far."""
        return [*self._prompt, *self._chosen[draft]]

    def numbers(self, draft: int, count: int) -> list[float]:
        """The next random numbers of a draft, in [0, 1): one for each token, whoever chooses it."""
        made: list[float] = torch.rand(count, generator=self._generators[draft], dtype=torch.float64).tolist()
        return made

    def took(self, drafts: Sequence[int], found: Sequence[tuple[int, float, float]]) -> list[Choice]:
        """What was chosen elsewhere for these drafts: id, log-probability and that after the filters.

        ``NOT_FINITE`` as `choose` says it.
        """
        if not all(math.isfinite(own) for _, own, _ in found):
            raise UserError(Fault.NOT_FINITE)
        self._seen = None
        for i, (token_id, _, _) in zip(drafts, found, strict=True):
            self._chosen[i].append(token_id)
        return [Choice(token_id, max(own, FLOOR), max(sampled, FLOOR), ()) for token_id, own, sampled in found]

    def _penalised(self, logits: torch.Tensor, drafts: Sequence[int]) -> torch.Tensor:
        penalty = _given(self._sampling.repetition_penalty)
        if penalty == 1:
            return logits
        seen = self._seen_ids(logits, drafts)
        score = logits.gather(1, seen)
        return logits.scatter(1, seen, torch.where(score < 0, score * penalty, score / penalty))

    def _seen_by(self, draft: int, known: int) -> NDArray[np.int64]:
        """Ids below ``known`` that count as repeated; one may stand there twice. Good until the next token."""
        if draft not in self._seen_rows:
            self._seen_rows[draft] = array("q", (token for token in self.repeated(draft) if token < known))
        return np.frombuffer(self._seen_rows[draft], np.int64)

    def _seen_ids(self, logits: torch.Tensor, drafts: Sequence[int]) -> torch.Tensor:
        """Ids that count as repeated, on the device of the logits; one may stand there twice."""
        if self._seen is None:
            known = logits.shape[-1]
            ids = [[token for token in self.repeated(i) if token < known] for i in drafts]
            self._seen = torch.tensor(ids, dtype=torch.long, device=logits.device)
        else:
            if self._seen_drafts != list(drafts):
                rows = [self._seen_drafts.index(i) for i in drafts]
                self._seen = self._seen[torch.tensor(rows, device=logits.device)]
            last = torch.tensor([self._chosen[i][-1:] for i in drafts], dtype=torch.long)
            self._seen = torch.cat([self._seen, last.to(logits.device)], dim=1)
        self._seen_drafts = list(drafts)
        return self._seen

    def _alternatives(
        self, logprobs: torch.Tensor, kept: torch.Tensor, kept_logprobs: torch.Tensor
    ) -> list[tuple[tuple[int, float, float], ...]]:
        """The most probable tokens of each row under the model's own distribution, and what the samplers left."""
        if not self._top:
            return [()] * len(logprobs)
        values, ids = best(logprobs, min(self._top, logprobs.shape[-1]))
        kept, kept_logprobs = kept.to(logprobs.device), kept_logprobs.to(logprobs.device, logprobs.dtype)
        sampled = torch.full_like(logprobs, FLOOR).scatter(1, kept, kept_logprobs)
        rows = zip(ids.tolist(), values.tolist(), sampled.gather(1, ids).tolist(), strict=True)
        return [
            tuple((i, max(own, FLOOR), max(after, FLOOR)) for i, own, after in zip(*row, strict=True)) for row in rows
        ]


def candidates(
    scores: torch.Tensor, logprobs: torch.Tensor, sampling: Sampling
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """What top-k, top-p and min-p leave of some scores ``[rows, vocabulary]`` (after penalty and temperature).

    Returns ids, log-probabilities and what they have in ``logprobs``, each ``[rows, n]``, best first and on the CPU
    unless nothing is filtered; the probabilities of a row sum to 1, a removed token has -inf.
    """
    vocabulary = scores.shape[-1]
    top_k, top_p, min_p = _given(sampling.top_k), _given(sampling.top_p), _given(sampling.min_p)
    if not (0 < top_k < vocabulary or top_p < 1 or min_p > 0):
        ids = torch.arange(vocabulary, device=scores.device).expand_as(scores)
        return ids, scores.log_softmax(dim=-1), logprobs
    is_top_k = 0 < top_k < vocabulary
    asks_total = top_p < 1 and not is_top_k
    total = torch.logsumexp(scores, dim=-1, keepdim=True) if asks_total else scores[:, :1]
    look = min(max(draws.FIRST_LOOK, int(top_k) + 1), vocabulary)
    while True:
        most, places = best(scores, look)
        ids, values, own, sums = _fetched(places, most, logprobs.gather(1, places), total)
        kept = _kept(values, sums, is_top_k, sampling)
        if look == vocabulary or not bool(kept[:, -1].any()):
            return ids, values.masked_fill(~kept, -math.inf).log_softmax(dim=-1), own
        look = min(look * 8, vocabulary)


def best(scores: torch.Tensor, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The greatest ``count`` of each row, in falling order, and their places.

    They lie in those ``count`` parts of a row whose greatest numbers are the greatest: the others are not looked at.
    """
    rows, vocabulary = scores.shape
    parts = vocabulary // _PART
    if count * _WORTH > parts:
        whole = scores.topk(count, dim=-1)
        return whole.values, whole.indices
    even = scores[:, : parts * _PART].view(rows, parts, _PART)
    chosen = even.amax(dim=-1).topk(count, dim=-1).indices
    found = even.gather(1, chosen[..., None].expand(-1, -1, _PART)).flatten(1)
    values, places = torch.cat([found, scores[:, parts * _PART :]], dim=1).topk(count, dim=-1)
    inside = chosen.gather(1, (places // _PART).clamp(max=count - 1)) * _PART + places % _PART
    return values, torch.where(places < count * _PART, inside, places + (parts - count) * _PART)


def _fetched(ids: torch.Tensor, *numbers: torch.Tensor) -> list[torch.Tensor]:
    """Some ids and float32 numbers ``[rows, n]`` on the CPU, in one go: each would be waited for by itself."""
    if ids.device.type == "cpu":
        return [ids, *numbers]
    parts = torch.cat([ids.to(torch.int32).view(torch.float32), *numbers], dim=1).cpu()
    first, *rest = torch.split(parts, [ids.shape[1], *(part.shape[1] for part in numbers)], dim=1)
    return [first.contiguous().view(torch.int32).long(), *rest]


def _kept(values: torch.Tensor, total: torch.Tensor, is_top_k: bool, sampling: Sampling) -> torch.Tensor:
    """Which of the best scores of each row (descending) the filters keep; ``total``: logsumexp of all its scores."""
    top_k, top_p, min_p = int(_given(sampling.top_k)), _given(sampling.top_p), _given(sampling.min_p)
    kept = torch.ones_like(values, dtype=torch.bool)
    if is_top_k:
        kept &= values >= values[:, top_k - 1, None]  # ties with the k-th stay
    if top_p < 1:
        among = values.masked_fill(~kept, -math.inf)
        probabilities = (among - (torch.logsumexp(among, dim=-1, keepdim=True) if is_top_k else total)).exp()
        before = probabilities.cumsum(dim=-1) - probabilities
        kept &= before < top_p
    if min_p > 0:
        kept &= values >= values[:, :1] + math.log(min_p)
    kept[:, 0] = True
    return kept


def draw(logprobs: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
    """Index of one candidate a row ``[rows, 1]``, by inverting the cumulated probabilities at a number in [0, 1).

    Of many candidates, first a part of them is drawn by its sum, then one inside: only the sums are cumulated.
    """
    exact = torch.float32 if logprobs.device.type == "mps" else torch.float64  # MPS has no float64
    probabilities, numbers = logprobs.exp(), numbers.to(exact).to(logprobs.device)[:, None]
    if (short := -logprobs.shape[1] % _PART) and logprobs.shape[1] > _PART:
        probabilities = functional.pad(probabilities, (0, short))
    rows, among = probabilities.shape
    parts = probabilities.reshape(rows, -1, min(_PART, among))
    sums = parts.sum(dim=-1, dtype=exact)
    part, rest = _invert(sums, numbers * sums.sum(dim=-1, keepdim=True))
    inside = parts.gather(1, part[..., None].expand(-1, -1, parts.shape[-1]))[:, 0].to(exact)
    index, _ = _invert(inside, rest)
    return part * parts.shape[-1] + index


def _invert(weights: torch.Tensor, points: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The place ``[rows, 1]`` where the cumulated weights pass a point, and how far behind its beginning that is.

    A place without weight is never given, and what lies behind the end is given the last that has some.
    """
    cumulated = weights.cumsum(dim=-1)
    index = torch.searchsorted(cumulated, points, right=True)
    last = (weights > 0).to(torch.long).cumsum(dim=-1).argmax(dim=-1, keepdim=True)
    index = torch.minimum(index, last)
    return index, points - (cumulated - weights).gather(1, index)


def _given(value: float | None) -> float:
    if value is None:
        raise ValueError("resolve() leaves no sampling value open")
    return value
