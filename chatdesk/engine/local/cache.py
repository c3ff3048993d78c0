"""Rows of tokens with their key-value cache, which can be continued, trimmed, copied and put together again.

`branches` keeps them from one request to the next. A sliding window that is full cannot forget its last
tokens: it is used again only where the new prompt continues the old one. Recurrent layers read a prompt at one go
and nothing after it but single tokens, so theirs is built anew each time. A model without any cache sees its whole
text again at every step.

A forward pass can be stopped between two layers, so that a cancel waits neither for a long chunk of a prompt nor for
a slow step; the cache then forgets what the layers before had taken in.

The single tokens of a decode go through steps, `graphs.Step` on a GPU and `lean.step.LeanStep` on the CPU, which write
into the same buffers; what the layers say about their length is put right before anything else looks at them.
"""

import inspect
import time
from collections.abc import Callable
from collections.abc import Sequence as Items
from contextlib import suppress
from copy import copy, deepcopy
from typing import Any

import torch
from transformers.cache_utils import DynamicCache, DynamicLayer, DynamicSlidingWindowLayer

from chatdesk.engine.local import chunk_attention
from chatdesk.engine.local.brake import Brake, Stopped
from chatdesk.engine.local.fused.ahead import Ahead
from chatdesk.engine.local.graphs import Step, StepMaker, bucket
from chatdesk.engine.local.lean.step import TOKENS as LEAN_TOKENS
from chatdesk.engine.local.lean.step import LeanMaker, LeanStep
from chatdesk.engine.local.padding import Padding
from chatdesk.engine.local.sampling import Sampler

_SPARE_TOKENS = 64
_TOKENS_AT_ONCE = 8
_SEVERAL, _SINGLE = 0, 1  # keys of the lean steps that take several tokens and one: they serve all lengths
_KEPT_ROOM = 8192
"""Tokens up to which buffers stay for an unrelated prompt, and the steps over them with them."""


class GrowingLayer(DynamicLayer):  # type: ignore[no-untyped-call]
    """A layer's keys and values ``[rows, heads, tokens, size]`` in buffers with room to spare.

    A new token is written behind the others; joining it to a copy of them all, as the base class does, takes longer
    than the attention itself once a text is long. What the base class crops stays in the buffer, to be written over.
    ``expected``: tokens that are to come at least, so that there is room for them from the beginning.
    """

    def __init__(self, room: Callable[[int], int]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.expected = 0
        self._room = room
        self._key_buffer: torch.Tensor | None = None
        self._value_buffer: torch.Tensor | None = None

    @property
    def buffers(self) -> tuple[torch.Tensor, torch.Tensor] | None:
        """The keys and values with the room behind them, where they lie in it."""
        if self._key_buffer is None or self._value_buffer is None:
            return None
        return self._key_buffer, self._value_buffer

    def show(self, tokens: int) -> None:
        """Count the first so many tokens of the buffers in, whoever wrote them."""
        if self._key_buffer is not None and self._value_buffer is not None:
            self.keys, self.values = self._key_buffer[..., :tokens, :], self._value_buffer[..., :tokens, :]

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """All keys and values, with the new ones at the end."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        self._key_buffer, self.keys = _append(self._key_buffer, self.keys, key_states, self._room_for)
        self._value_buffer, self.values = _append(self._value_buffer, self.values, value_states, self._room_for)
        return self.keys, self.values

    def _room_for(self, tokens: int) -> int:
        return self._room(max(tokens, self.expected))


def _append(
    buffer: torch.Tensor | None, kept: Any, new: torch.Tensor, room: Callable[[int], int]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Write ``new`` behind ``kept``: in the buffer if ``kept`` lies in it and there is room, else in a new one."""
    start = kept.shape[-2] if kept.numel() else 0
    end = start + new.shape[-2]
    is_inside = (
        buffer is not None
        and buffer.shape[0] == new.shape[0]
        and (start == 0 or kept.data_ptr() == buffer.data_ptr())  # nothing lies nowhere
    )
    if buffer is None or not is_inside or buffer.shape[-2] < end:
        buffer = new.new_zeros((*new.shape[:-2], room(end), new.shape[-1]))
        if start:
            buffer[..., :start, :] = kept
    buffer[..., start:end, :] = new
    return buffer, buffer[..., :end, :]


def _spare(tokens: int) -> int:
    """The room that a text of so many tokens is given on the CPU."""
    return tokens + max(_SPARE_TOKENS, tokens // 16)


_ATTENTION_LAYERS = (GrowingLayer, DynamicSlidingWindowLayer)


class Runner:
    """A model's forward pass with the arguments that its class takes.

    ``brake``: stops it in the middle. ``steps``: makes the steps of a decode on a device of `STEP_DEVICES`.
    """

    STEP_DEVICES = ("cuda",)

    def __init__(self, model: Any) -> None:
        self.model = model
        takes = inspect.signature(model.forward).parameters
        self.cache_name = next((name for name in ("past_key_values", "cache_params") if name in takes), None)
        self._extra: dict[str, Any] = {"use_cache": True} if self.cache_name and "use_cache" in takes else {}
        if "logits_to_keep" in takes:
            self._extra["logits_to_keep"] = 1
        self.device: torch.device = next(model.parameters()).device
        self.brake = Brake(model)
        self.padding = Padding(model)
        if self.device.type == "cuda":
            torch.backends.cuda.enable_cudnn_sdp(False)  # it plans anew for each length: 12 ms a layer on an H100
        if self.device.type == "cpu":
            chunk_attention.install()
        has_places = {"past_key_values", "position_ids", "attention_mask"} <= takes.keys()
        is_lean = self.device.type == "cpu" and "cpu" not in self.STEP_DEVICES
        self.steps = (
            LeanMaker(model, self.brake.check)
            if is_lean
            else StepMaker(model, has_places and self.device.type in self.STEP_DEVICES)
        )

    @property
    def chooses(self) -> bool:
        """Whether the device can choose tokens by itself: see `Batch.ahead`."""
        return isinstance(self.steps, StepMaker) and self.steps.fused.chooser is not None

    def new_cache(self) -> Any:
        """An empty cache of the kind that the model's layers need; None for a model without one."""
        if self.cache_name is None:
            return None
        cache = DynamicCache(config=self.model.config)
        room = bucket if self.steps.is_on else _spare
        cache.layers = [GrowingLayer(room) if type(layer) is DynamicLayer else layer for layer in cache.layers]
        return cache

    @torch.inference_mode()
    def __call__(self, rows: torch.Tensor, cache: Any, last: int = 1, spare: int = 0) -> torch.Tensor:
        """Logits after the ``last`` of some new tokens ``[rows, tokens]``: float32 ``[rows, last, vocabulary]``.

        With ``spare`` tokens, which stand behind those; `Batch` then forgets them.
        """
        return self._logits(rows.to(self.device), cache, {}, last, spare)

    def forward(self, ids: torch.Tensor, cache: Any, more: dict[str, torch.Tensor]) -> torch.Tensor:
        """As a call for the last token alone, ``[rows, vocabulary]``, with more arguments and all on the device."""
        return self._logits(ids, cache, more, 1)[:, 0]

    def _logits(
        self, ids: torch.Tensor, cache: Any, more: dict[str, torch.Tensor], last: int, spare: int = 0
    ) -> torch.Tensor:
        given, end = self._extra | more, ids.shape[1] - spare
        if "logits_to_keep" in given:
            given["logits_to_keep"] = last_places(ids, last, spare)
            end = last
        if self.cache_name is not None:
            given[self.cache_name] = cache
        output = self.model(input_ids=ids, return_dict=True, **given)
        logits: torch.Tensor = output.logits[:, end - last : end, :].float()
        return logits


def last_places(ids: torch.Tensor, last: int, spare: int = 0) -> int | torch.Tensor:
    """The places of the ``last`` of ``ids`` ``[rows, tokens]`` before some spare ones, as ``logits_to_keep``.

    On the CPU they are named one by one, as then the hidden states of them lie side by side: with a slice, torch copies
    the head's whole matrix for each row.
    """
    end = ids.shape[1] - spare
    is_named = ids.shape[1] > last and ids.device.type == "cpu"
    return torch.arange(end - last, end) if is_named else last


class Batch:
    """Rows of equal length that share a prefix, with their cache.

    A row that is not kept stays in the buffers, unused, until the cache is next written without a step: steps over
    fewer rows would have to be made anew. ``_places`` are the places of `rows` among the rows of the cache.
    """

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
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
        before = self.length
        spare = self._runner.padding.of(len(columns[0]), before) if self.can_part else 0
        if self._step_room() < before + len(columns[0]) + spare:
            self._steps = {}  # before there are new buffers beside the old ones
        for row, new in zip(self.rows, columns, strict=True):
            row.extend(new)
        fed = [[*row, *[row[-1]] * spare] for row in (columns if self._runner.cache_name else self.rows)]
        try:
            logits = self._runner(torch.tensor(fed, dtype=torch.long), self._cache, last, spare)
        except Stopped:
            self._go_back(before)
            raise
        for layer in self._cache.layers if spare else []:
            layer.crop(-spare)
        return logits

    def expect(self, tokens: int) -> None:
        """Make room for a text of so many tokens when there is to be new room anyway."""
        tokens += self._runner.padding.of(tokens - self.length, self.length)
        for layer in self._cache.layers if self._cache is not None else []:
            if type(layer) is GrowingLayer:
                layer.expected = tokens

    @property
    def most_at_once(self) -> int:
        """Tokens that `read` takes at once without taking much longer than for one."""
        maker = self._runner.steps
        if not isinstance(maker, LeanMaker) or not self._steps:
            return _TOKENS_AT_ONCE
        return LEAN_TOKENS if maker.races[1].is_over else 1

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
        before = self.length
        self.rows[0].extend(ids)
        self._is_behind = True
        try:
            return step(ids, before)
        except Stopped:
            del self.rows[0][before:]
            raise

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
        if race.is_over and race.is_new:
            return self._by(step, ids)
        if race.is_over:
            self._steps, self._wants_steps = {}, False
            return self.step(ids)
        is_lean, began = race.is_new, time.perf_counter()
        logits = self._by(step, ids) if is_lean else self.extend([[i] for i in ids])
        race.took(is_lean, time.perf_counter() - began)
        return logits

    def _ready(self) -> Step | LeanStep | None:
        """The step for the next token, where it is made."""
        if not isinstance(self._runner.steps, LeanMaker):
            return self._steps.get(bucket(self.length + 1))
        return self._steps.get(_SINGLE) if self.length < self._step_room() else None

    def _by(self, step: Step | LeanStep, ids: Items[int]) -> torch.Tensor:
        """As `step`, over the buffers."""
        self._runner.brake.check()
        given = [0] * step.rows
        for place, row, new in zip(self._places, self.rows, ids, strict=True):
            given[place] = new
            row.append(new)
        self._is_behind = True
        try:
            logits = step(given, self.length - 1)
        except Stopped:
            for row in self.rows:
                row.pop()
            raise
        return logits[self._places] if len(ids) < step.rows else logits

    def ahead(self, sampler: Sampler, drafts: Items[int], ids: Items[int], most: int) -> Ahead | None:
        """Steps that feed these tokens, one to each row, and what is chosen after them, at most so many; or None.

        ``drafts``: that of each row, as the sampler counts. What it gives has to be told to `fed`.
        """
        step, maker = self._ready(), self._runner.steps
        if not isinstance(step, Step) or not isinstance(maker, StepMaker):
            return None
        fed = dict(zip(self._places, zip(drafts, ids, strict=True), strict=True))
        return maker.ahead(step, sampler, fed, self.length, most)

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
        brake = self._runner.brake
        should_stop, brake.should_stop = brake.should_stop, lambda: False
        try:
            step = maker.make(self._runner.forward, plain, (ids, self.length - 1), logits)
        finally:
            brake.should_stop = should_stop
        if step is None:
            self._wants_steps = False
        else:
            self._steps[bucket(self.length)] = step

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
        if not all(type(layer) in _ATTENTION_LAYERS and _can_crop(layer) for layer in layers):
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
                copy(layer) if type(layer) in _ATTENTION_LAYERS else deepcopy(layer) for layer in self._cache.layers
            ]
            twin._pick([0] * rows)
        return twin

    def _pick(self, rows: Items[int]) -> None:
        """Leave these rows in the cache, in this order; one may come several times."""
        indices = torch.tensor(rows, device=self._runner.device)
        for layer in self._cache.layers:
            is_recurrent = hasattr(layer, "recurrent_states")  # these know one of the two names only
            (layer.reorder_cache if is_recurrent else layer.batch_select_indices)(indices)

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


def shares(cache: Any) -> bool:
    """Whether several tokens may be fed after those of a cache; None is none."""
    return cache is not None and all(type(layer) in _ATTENTION_LAYERS for layer in cache.layers)


def _can_crop(layer: Any) -> bool:
    return not (layer.is_sliding and layer.get_seq_length() >= layer.sliding_window)
