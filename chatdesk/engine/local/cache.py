"""Rows of tokens with their key-value cache, which can be continued, trimmed, copied and put together again.

`branches` keeps them from one request to the next. A sliding window that is full cannot forget its last
tokens: it is used again only where the new prompt continues the old one. Recurrent layers read a prompt at one go
and nothing after it but single tokens, so theirs is built anew each time. A model without any cache sees its whole
text again at every step. Where all positions are turned anew beyond some length (`longrope`), the text is read again.

A forward pass can be stopped between two layers, so that a cancel waits neither for a long chunk of a prompt nor for
a slow step; the cache then forgets what the layers before had taken in.

The single tokens of a decode go through steps, `graphs.Step` on a GPU and `lean.step.LeanStep` on the CPU, which write
into the same buffers; what the layers say about their length is put right before anything else looks at them.
"""

import sys
import time
from collections.abc import Sequence as Items
from contextlib import suppress
from copy import copy, deepcopy
from typing import Any

import torch

from chatdesk.engine.local.brake import Stopped
from chatdesk.engine.local.fused.ahead import Ahead
from chatdesk.engine.local.graphs import Step, StepMaker, bucket
from chatdesk.engine.local.growing import GrowingLayer
from chatdesk.engine.local.lean.step import TOKENS as LEAN_TOKENS
from chatdesk.engine.local.lean.step import LeanMaker, LeanStep
from chatdesk.engine.local.parts import TOKENS as PART_TOKENS
from chatdesk.engine.local.parts import Part
from chatdesk.engine.local.runner import ATTENTION_LAYERS, Runner, shares
from chatdesk.engine.local.sampling import Sampler

_TOKENS_AT_ONCE = 8
_PART = 256  # tokens of each row that are read again at once
_SEVERAL, _SINGLE = 0, 1  # keys of the lean steps that take several tokens and one: they serve all lengths
_NEXT_PART = -1  # key of what takes a short part of a prompt on a GPU
_KEPT_ROOM = 8192
"""Tokens up to which buffers stay for an unrelated prompt, and the steps over them with them."""


class Batch:
    """Rows of equal length that share a prefix, with their cache.

    A row that is not kept stays in the buffers, unused, until the cache is next written without a step: steps over
    fewer rows would have to be made anew. ``_places`` are the places of `rows` among the rows of the cache.
    """

    def __init__(self, runner: Runner, is_long: bool = False) -> None:
        """``is_long``: which way its positions are turned, see `longrope`."""
        self._runner, self.is_long = runner, is_long
        self._cache = runner.new_cache()
        self.rows: list[list[int]] = [[]]
        self._places, self._cache_rows = [0], 1
        self._steps: dict[int, Step | LeanStep] = {}
        self._wants_steps = True
        self._is_behind = False  # whether steps have written tokens that the layers do not count in

    @property
    def length(self) -> int:
        """Tokens in each row."""
        return len(self.rows[0])

    @property
    def can_continue(self) -> bool:
        """Whether several tokens may be fed after others: a prompt in chunks, a new turn after the old ones."""
        return shares(self._cache)

    @property
    def can_part(self) -> bool:
        """Whether `tail` can be asked for: each layer holds the keys and values of each token."""
        return self._cache is not None and all(type(layer) is GrowingLayer for layer in self._cache.layers)

    @property
    def can_start_again(self) -> bool:
        """Whether the buffers are worth keeping for another text."""
        return 0 < self._step_room() <= _KEPT_ROOM

    def extend(self, columns: Items[Items[int]]) -> torch.Tensor:
        """Feed new tokens to each row; logits after the last, float32 ``[rows, vocabulary]``.

        Raises `Stopped`; the batch is then as it was before, or empty where its cache cannot be.
        """
        return self._feed(columns, 1)[:, 0]

    def _feed(self, columns: Items[Items[int]], last: int) -> torch.Tensor:
        self._settle()
        if self._short_room < len(columns[0]):
            self._read_again()
        before = self.length
        spare = self._runner.padding.of(len(columns[0]), before) if self.can_part else 0
        if self._step_room() < before + len(columns[0]) + spare:
            self._steps = {}  # before there are new buffers beside the old ones
        for row, new in zip(self.rows, columns, strict=True):
            row.extend(new)
        shown, start = (columns, before) if self._runner.cache_name else (self.rows, 0)
        fed = torch.tensor([[*row, *[row[-1]] * spare] for row in shown], dtype=torch.long)
        self._runner.rope.is_long = self.is_long
        try:
            logits = self._runner(fed, self._cache, start, last, spare)
        except Stopped:
            self._go_back(before)
            raise
        for layer in self._cache.layers if spare else []:
            layer.crop(-spare)
        return logits

    @property
    def _short_room(self) -> int:
        """How many tokens more there may be before all positions are turned in the other way."""
        return sys.maxsize if self.is_long else self._runner.rope.limit - self.length

    def _read_again(self) -> None:
        """All that there is so far, in the way of long texts. Raises `Stopped`; the batch is then empty."""
        rows, tokens = self.rows, self.length
        self._cache, self._steps, self.is_long = self._runner.new_cache(), {}, True
        self.rows = [[] for _ in rows]
        for first in range(0, tokens, _PART):
            self._feed([row[first : first + _PART] for row in rows], 1)

    def expect(self, tokens: int) -> None:
        """A text of so many tokens is to come: make room for it when there is to be new room anyway."""
        self._wants_steps |= isinstance(self._runner.steps, LeanMaker)  # a race that was lost may be run again
        tokens += self._runner.padding.of(tokens - self.length, self.length)
        for layer in self._cache.layers if self._cache is not None else []:
            if type(layer) is GrowingLayer:
                layer.expected = tokens + 1  # the first of the reply

    @property
    def most_at_once(self) -> int:
        """Tokens that `read` takes at once without taking much longer than for one."""
        maker = self._runner.steps
        most = max(1, min(_TOKENS_AT_ONCE, self._short_room))
        if not isinstance(maker, LeanMaker) or not self._steps:
            return most
        return min(most, LEAN_TOKENS) if maker.races[1].is_over else 1

    @property
    def reads_as_ever(self) -> bool:
        """Whether the next `read` makes nothing for those after it, which would take longer."""
        maker = self._runner.steps
        makes = bool(self._steps) and isinstance(maker, LeanMaker) and maker.reads_several
        return _SEVERAL in self._steps or not makes

    def read(self, ids: Items[int]) -> torch.Tensor:
        """Feed several tokens to the only row; logits after each, float32 ``[len(ids), vocabulary]``. See `step`."""
        step, maker = self._steps.get(_SEVERAL), self._runner.steps
        has_room = self._step_room() >= self.length + len(ids)
        if has_room and step is None and isinstance(maker, LeanMaker) and maker.reads_several:
            return self._read_singly(ids, maker)
        if not has_room or step is None:
            return self._feed([ids], len(ids))[0]
        self._runner.brake.check()
        logits = step(ids, self.length)
        self.rows[0].extend(ids)
        self._is_behind = True
        return logits

    def _read_singly(self, ids: Items[int], maker: LeanMaker) -> torch.Tensor:
        """As `read`, one by one, and the step for several is made, which has to say the same."""
        before, found = self.length, list[torch.Tensor]()
        try:
            for i in ids:
                found.append(self.step([i]).clone())
        except Stopped:
            del self.rows[0][before:]
            raise
        logits = torch.cat(found)
        with suppress(Stopped):  # what was fed is fed; whoever goes on is stopped then
            several = maker.make_several(self._buffers(), (ids, before), logits)
            self._steps |= {_SEVERAL: several} if several else {}
        return logits

    def step(self, ids: Items[int]) -> torch.Tensor:
        """Feed one token to each row, as `extend` does; the logits are good until the next call."""
        step, maker = self._ready(), self._runner.steps
        if step is None:
            logits = self.extend([[i] for i in ids])
            if self._wants_steps and maker.is_ready:
                self._make_step(ids, logits)
            return logits
        if not isinstance(maker, LeanMaker) or len(ids) < step.rows:
            return self._by(step, ids)
        race = maker.races[step.rows]
        if race.has_won:
            return self._by(step, ids)
        if race.is_over:
            race.rest()
            self._steps, self._wants_steps = {}, False
            return self.step(ids)
        is_lean, began = race.is_new, time.perf_counter()
        logits = self._by(step, ids) if is_lean else self.extend([[i] for i in ids])
        race.took(is_lean, time.perf_counter() - began)
        return logits

    def go_on(self, new: Items[int]) -> torch.Tensor:
        """Feed a part of a prompt to the only row, as `extend` does; the logits are good until the next call."""
        if len(new) == 1 and self._ready() is not None:
            return self.step(new)
        part = self._steps.get(_NEXT_PART)
        if not isinstance(part, Part) or not part.takes(len(new), self.length) or self._short_room < len(new):
            return self.extend([new])
        self._runner.brake.check()
        self._runner.rope.is_long = self.is_long
        logits = part(new, self.length)
        self.rows[0].extend(new)
        self._is_behind = True
        return logits

    @torch.inference_mode()
    def prepare(self) -> None:
        """Make what reads the next short part of a prompt sooner; takes as long as some forward passes."""
        maker, text = self._runner.parts, list(self.rows[0])
        if not (self._runner.steps.is_on and self.can_part) or _NEXT_PART in self._steps:
            return
        self._settle()
        if not maker.fits(buffers := self._buffers(), len(text)):
            return

        def ordinary() -> torch.Tensor:
            self.trim(len(text) - PART_TOKENS)
            return self.extend([text[-PART_TOKENS:]])

        try:
            with self._runner.brake.released():
                part = maker.make(self._runner.at, buffers, text, ordinary)
        finally:
            self.rows, self._is_behind = [text], True  # the buffers hold all of it, whatever has failed
        self._steps |= {_NEXT_PART: part} if part else {}

    def _ready(self) -> Step | LeanStep | None:
        """The step for the next token, where it is made."""
        if self._short_room < 1:
            return None
        if not isinstance(self._runner.steps, LeanMaker):
            return self._steps.get(bucket(self.length + 1))
        return self._steps.get(_SINGLE) if self.length < self._step_room() else None

    def _by(self, step: Step | LeanStep, ids: Items[int]) -> torch.Tensor:
        """As `step`, over the buffers."""
        self._runner.brake.check()
        self._runner.rope.is_long = self.is_long
        given = [0] * step.rows
        for place, new in zip(self._places, ids, strict=True):
            given[place] = new
        logits = step(given, self.length)
        for row, new in zip(self.rows, ids, strict=True):
            row.append(new)
        self._is_behind = True
        return logits[self._places] if len(ids) < step.rows else logits

    def ahead(self, sampler: Sampler, drafts: Items[int], ids: Items[int], most: int) -> Ahead | None:
        """Steps that feed these tokens, one to each row, and what is chosen after them, at most so many; or None.

        ``drafts``: that of each row, as the sampler counts. What it gives has to be told to `fed`.
        """
        step, maker = self._ready(), self._runner.steps
        if not isinstance(step, Step) or not isinstance(maker, StepMaker):
            return None
        fed = dict(zip(self._places, zip(drafts, ids, strict=True), strict=True))
        return maker.ahead(step, sampler, fed, self.length, min(most, self._short_room))

    def fed(self, ahead: Ahead, ids: Items[int]) -> list[tuple[int, float, float]]:
        """These tokens, one for each row, were fed by ``ahead``; what was chosen after them."""
        for row, new in zip(self.rows, ids, strict=True):
            row.append(new)
        self._is_behind = True
        return ahead.take(self._places)

    def _make_step(self, ids: Items[int], logits: torch.Tensor) -> None:
        """For the tokens after those that were fed just now. On the CPU, where a step may be slow, it can be stopped:
        then the next token tries again.
        """
        plain, maker = self._buffers(), self._runner.steps
        if len(plain) < len(self._cache.layers):
            maker.is_on = False
            return
        if isinstance(maker, LeanMaker):
            with suppress(Stopped):
                lean = maker.make(self._runner.forward, plain, (ids, self.length - 1), logits)
                self._wants_steps = lean is not None
                self._steps |= {_SINGLE: lean} if lean else {}
            return
        with self._runner.brake.released():
            step = maker.make(self._runner.forward, plain, (ids, self.length - 1), logits)
        self._wants_steps = step is not None
        self._steps |= {bucket(self.length): step} if step else {}

    def _buffers(self) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Those of the layers that have some."""
        layers = [layer for layer in self._cache.layers if type(layer) is GrowingLayer]
        return [layer.buffers for layer in layers if layer.buffers is not None]

    def _step_room(self) -> int:
        """Tokens for which the buffers under the steps have room; 0 without steps."""
        return max((step.buffers[0][0].shape[-2] for step in self._steps.values()), default=0)

    @torch.inference_mode()
    def _settle(self) -> None:
        """Make the cache say what steps and `keep` have done."""
        if self._is_behind:
            for layer in self._cache.layers:
                layer.show(self.length)
            self._is_behind = False
        if self._cache is not None and self._places != list(range(self._cache_rows)):
            self._pick(self._places)
            self._steps = {}
        self._places = list(range(len(self.rows)))
        self._cache_rows = len(self.rows)

    @torch.inference_mode()
    def _go_back(self, length: int) -> None:
        """Forget what some of the layers took in."""
        layers = self._cache.layers if self._cache is not None else []
        if not all(type(layer) in ATTENTION_LAYERS and _can_crop(layer) for layer in layers):
            self._cache, length = self._runner.new_cache(), 0
            self._steps, layers = {}, []
        for layer in layers:
            surplus = layer.get_seq_length() - length
            if surplus > 0:
                layer.crop(-surplus)
        for row in self.rows:
            del row[length:]

    @torch.inference_mode()
    def fan_out(self, rows: int) -> "Batch":
        """So many copies of the only row; this batch stays as it is."""
        self._settle()
        twin = copy(self)
        twin.rows = [list(self.rows[0]) for _ in range(rows)]
        twin._places, twin._cache_rows, twin._steps = list(range(rows)), rows, {}
        if self._cache is not None:
            twin._cache = copy(self._cache)
            twin._cache.layers = [
                copy(layer) if type(layer) in ATTENTION_LAYERS else deepcopy(layer) for layer in self._cache.layers
            ]
            twin._pick([0] * rows)
        return twin

    def _pick(self, rows: Items[int]) -> None:
        """Leave these rows in the cache, in this order; one may come several times."""
        indices = torch.tensor(rows, device=self._runner.device)
        for layer in self._cache.layers:
            is_recurrent = hasattr(layer, "recurrent_states")  # these know one of the two names only
            (layer.reorder_cache if is_recurrent else layer.batch_select_indices)(indices)
        self._runner.pick_own(indices)

    def keep(self, indices: Items[int]) -> None:
        """Leave only these rows."""
        self.rows = [self.rows[i] for i in indices]
        self._places = [self._places[i] for i in indices]

    @torch.inference_mode()
    def tail(self, start: int, row: int = 0) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Copies of a row's keys and values from token ``start`` on, ``[1, heads, tokens, size]`` for each layer."""
        layers = self._cache.layers
        if self._is_behind:
            for layer in layers:
                layer.show(self.length)
        place = slice(self._places[row], self._places[row] + 1)
        return [(layer.keys[place, :, start:].clone(), layer.values[place, :, start:].clone()) for layer in layers]

    @torch.inference_mode()
    def join(self, ids: Items[int], layers: Items[tuple[torch.Tensor, torch.Tensor]]) -> None:
        """Append tokens to the only row with the keys and values that a `tail` of the same text has for them."""
        self._settle()
        if self._step_room() < self.length + len(ids):
            self._steps = {}
        for layer, (keys, values) in zip(self._cache.layers, layers, strict=True):
            layer.update(keys, values)
        self.rows[0].extend(ids)

    @torch.inference_mode()
    def trim(self, length: int) -> bool:
        """Forget all tokens of the only row after the first ``length``; False where the cache cannot."""
        if self._is_behind and self._places == list(range(self._cache_rows)):
            del self.rows[0][length:]  # what steps have written needs no crop: it is not counted in yet
            return True
        self._settle()
        surplus = self.length - length
        if surplus and self._cache is not None:
            if not all(_can_crop(layer) for layer in self._cache.layers):
                return False
            self._cache.crop(-surplus)
        del self.rows[0][length:]
        return True


def _can_crop(layer: Any) -> bool:
    return not (layer.is_sliding and layer.get_seq_length() >= layer.sliding_window)
