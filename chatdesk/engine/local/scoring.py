"""How probable continuations of texts are, for `Score`: nothing is generated.

A continuation is what the tokens of text and continuation have beyond the tokens of the text alone; where the two grow
together at the seam, the tokens at it count for every continuation of that text.

Texts of similar length are read together, shorter ones padded in front, and the cache of each is then shared by its
continuations. Only models that take places and a mask can be padded: for others all lengths in a batch are equal. Those
whose cache cannot be continued (recurrent layers, or none at all) read each text with each continuation.
"""

import inspect
from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import torch

from chatdesk.engine.api import Choices, ChoiceScores, Event, Progress, Score, Scored
from chatdesk.engine.local.branches import common_prefix
from chatdesk.engine.local.loading import Checkpoint
from chatdesk.engine.local.runner import Runner, last_places, shares
from chatdesk.errors import Fault, UserError

_MOST_TOKENS = 4096
"""Of one batch: rows times the tokens of each."""

_MOST_LOGITS = 1 << 25
_LONG = 200_000
"""Characters. To encode more of them takes seconds, so that their number is looked at first."""

_PADDING = 1.15
"""How much longer than the shortest text of a batch the longest may be, and a few tokens more."""


class Forward:
    """A model's forward pass that says the logits of several last tokens.

    ``shares``: whether a cache can be continued by several tokens; ``pads``: whether rows may be padded in front.
    """

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        takes = inspect.signature(runner.model.forward).parameters
        self._keeps = "logits_to_keep" in takes
        self.shares = shares(runner.new_cache())
        self.pads = self.shares and {"position_ids", "attention_mask"} <= takes.keys()

    def new_cache(self) -> Any:
        """An empty cache."""
        return self._runner.new_cache()

    def tensor(self, rows: Sequence[Sequence[int]]) -> torch.Tensor:
        """Rows of ids on the model's device."""
        return torch.tensor([list(row) for row in rows], dtype=torch.long, device=self._runner.device)

    def __call__(self, ids: torch.Tensor, cache: Any, keep: int, **more: torch.Tensor) -> torch.Tensor:
        """Logits after each of the last ``keep`` tokens of ``ids`` ``[rows, tokens]``: ``[rows, keep, vocabulary]``."""
        given: dict[str, Any] = dict(more)
        if self._keeps:
            given["logits_to_keep"] = last_places(ids, keep)
        if cache is not None and self._runner.cache_name is not None:
            given |= {self._runner.cache_name: cache, "use_cache": True}
        logits: torch.Tensor = self._runner.model(input_ids=ids, return_dict=True, **given).logits
        return logits[:, -keep:].float()


@dataclass
class _Item:
    """One text. ``prefix``: its tokens before the seam; ``endings``: those of each continuation. Where the context does
    not hold it, ``too_long`` alone: how many there are at least.
    """

    index: int
    prefix: list[int]
    endings: list[list[int]]
    too_long: int = 0
    logprobs: list[float] = field(default_factory=list)

    @property
    def longest(self) -> int:
        return len(self.prefix) + max(map(len, self.endings))


class Scorer:
    """Scores with one model."""

    def __init__(self, checkpoint: Checkpoint, runner: Runner) -> None:
        self._checkpoint, self._tokens = checkpoint, checkpoint.tokens
        self._context = checkpoint.info.context_length
        self._forward, self._rope = Forward(runner), runner.rope

    @torch.inference_mode()
    def run(self, request: Score) -> Iterator[Event]:
        """The events of a request. Raises ``EMPTY_PROMPT``, ``BAD_VALUE``, ``NOT_FINITE``, ``TENSORS_DO_NOT_MATCH`` and
        `Stopped`.
        """
        items = [self._encoded(i, item) for i, item in enumerate(request.items)]
        fitting = sorted((each for each in items if not each.too_long), key=lambda each: len(each.prefix))
        done = len(items) - len(fitting)
        score = self._shared if self._forward.shares else self._whole
        for group in self._groups(fitting):
            self._rope.set_for(group[0].longest)
            score(group)
            done += len(group)
            yield Progress(request.id, done, len(items))
        yield Scored(request.id, tuple(map(self._scores, items)), self._context)

    def _scores(self, item: _Item) -> ChoiceScores:
        if item.too_long:
            return ChoiceScores((), (), item.too_long)
        return ChoiceScores(tuple(item.logprobs), tuple(map(len, item.endings)))

    def _encoded(self, index: int, item: Choices) -> _Item:
        if not item.continuations or not all(item.continuations):
            raise UserError(Fault.BAD_VALUE, name="continuation", value="empty", allowed="at least one character")
        if len(item.prompt) > _LONG and (fewest := self._tokens.fewest(item.prompt)) > self._context:
            return _Item(index, [], [], fewest)
        leading = [*self._tokens.leading]
        whole: list[list[int]] = []
        for each in item.continuations:
            whole.append([*leading, *self._tokens.encode(item.prompt + each)])
            if len(whole[-1]) > self._context:
                return _Item(index, [], [], len(whole[-1]))
        alone = [*leading, *self._tokens.encode(item.prompt)]
        self._checkpoint.require_known(chain(alone, *whole))
        seam = min(common_prefix(alone, ids) for ids in whole)
        seam = min(seam, *(len(ids) - 1 for ids in whole))
        if seam < 1:
            raise UserError(Fault.EMPTY_PROMPT)
        return _Item(index, alone[:seam], [ids[seam:] for ids in whole])

    def _groups(self, items: Sequence[_Item]) -> Iterator[list[_Item]]:
        """Batches of items in order of their lengths."""
        group: list[_Item] = []
        for item in items:
            if group:
                shortest = len(group[0].prefix)
                most = shortest * _PADDING + 4 if self._forward.pads else shortest
                rows = (len(group) + 1) * len(item.endings)
                is_alike = self._rope.is_long_for(item.longest) == self._rope.is_long_for(group[0].longest)
                if len(item.prefix) > most or rows * item.longest > _MOST_TOKENS or not is_alike:
                    yield group
                    group = []
            group.append(item)
        if group:
            yield group

    # -- with a shared cache -------------------------------------------------------------------------------------------

    def _shared(self, group: Sequence[_Item]) -> None:
        longest = max(len(item.prefix) for item in group)
        gaps = [longest - len(item.prefix) for item in group]
        ids = self._forward.tensor([[0] * gap + item.prefix for gap, item in zip(gaps, group, strict=True)])
        mask, more = None, {}
        if any(gaps):
            mask = self._forward.tensor([[0] * gap + [1] * (longest - gap) for gap in gaps])
            more = {"attention_mask": mask, "position_ids": (mask.cumsum(dim=1) - 1).clamp(min=0)}
        cache = self._forward.new_cache()
        first = self._forward(ids, cache, 1, **more)[:, 0].log_softmax(dim=-1)
        firsts = self._forward.tensor([_padded([e[0] for e in item.endings], _most_endings(group)) for item in group])
        for item, found in zip(group, first.gather(1, firsts).tolist(), strict=True):
            item.logprobs = found[: len(item.endings)]
            _require_finite(item.logprobs)
        pairs = [(row, n) for row, item in enumerate(group) for n, e in enumerate(item.endings) if len(e) > 1]
        for some in self._portions(group, pairs, first.shape[-1]):
            self._endings(group, some, cache, mask)

    def _portions(
        self, group: Sequence[_Item], pairs: Sequence[tuple[int, int]], vocabulary: int
    ) -> Iterator[Sequence[tuple[int, int]]]:
        """As many continuations at once as the memory for their logits and their copies of the cache allow."""
        if not pairs:
            return
        width = max(len(group[row].endings[n]) for row, n in pairs)
        longest = max(item.longest for item in group)
        size = max(1, min(_MOST_LOGITS // (width * vocabulary), 2 * _MOST_TOKENS // longest))
        for start in range(0, len(pairs), size):
            yield pairs[start : start + size]

    def _endings(
        self, group: Sequence[_Item], pairs: Sequence[tuple[int, int]], cache: Any, mask: torch.Tensor | None
    ) -> None:
        """Add what the tokens of some continuations after their first say."""
        endings = [group[row].endings[n] for row, n in pairs]
        width = max(map(len, endings)) - 1
        rows = torch.tensor([row for row, _ in pairs], device=self._forward.tensor([[0]]).device)
        twin = copy(cache)
        twin.layers = [copy(layer) for layer in cache.layers]
        twin.batch_select_indices(rows)
        more = {}
        if mask is not None:
            new = mask.new_ones((len(pairs), width))
            places = [[len(group[row].prefix) + i for i in range(width)] for row, _ in pairs]
            more = {
                "attention_mask": torch.cat([mask[rows], new], dim=1),
                "position_ids": self._forward.tensor(places),
            }
        fed = self._forward.tensor([_padded(ending[:-1], width) for ending in endings])
        logits = self._forward(fed, twin, width, **more)
        sums = _sums(logits, self._forward.tensor([_padded(ending[1:], width) for ending in endings]), endings)
        for (row, n), found in zip(pairs, sums, strict=True):
            group[row].logprobs[n] += found
            _require_finite(group[row].logprobs)

    # -- without -------------------------------------------------------------------------------------------------------

    def _whole(self, group: Sequence[_Item]) -> None:
        for item in group:
            item.logprobs = [0.0] * len(item.endings)
        by_length: dict[int, list[tuple[_Item, int]]] = {}
        for item in group:
            for n, ending in enumerate(item.endings):
                by_length.setdefault(len(item.prefix) + len(ending), []).append((item, n))
        for pairs in by_length.values():
            endings = [item.endings[n] for item, n in pairs]
            width = max(map(len, endings))
            ids = self._forward.tensor([[*item.prefix, *item.endings[n]][:-1] for item, n in pairs])
            logits = self._forward(ids, None, width)
            for place, (item, n) in enumerate(pairs):
                size = len(endings[place])
                targets = self._forward.tensor([endings[place]])
                (item.logprobs[n],) = _sums(logits[place : place + 1, -size:], targets, [[*endings[place], 0]])
                _require_finite(item.logprobs)


def _sums(logits: torch.Tensor, targets: torch.Tensor, endings: Sequence[Sequence[int]]) -> list[float]:
    """Summed log-probability of the targets of each row, one fewer than its ending has."""
    chosen = logits.gather(2, targets[..., None])[..., 0] - torch.logsumexp(logits, dim=-1)
    return [float(row[: len(ending) - 1].double().sum()) for row, ending in zip(chosen, endings, strict=True)]


def _padded(ids: Sequence[int], width: int) -> list[int]:
    """The ids and, behind them, as many zeros as are missing; what stands behind has no effect on them."""
    return [*ids, *[0] * (width - len(ids))]


def _most_endings(group: Sequence[_Item]) -> int:
    return max(len(item.endings) for item in group)


def _require_finite(logprobs: Sequence[float]) -> None:
    if not all(each > -float("inf") for each in logprobs):  # false for NaN, too
        raise UserError(Fault.NOT_FINITE)
