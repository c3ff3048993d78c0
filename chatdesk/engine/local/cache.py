"""The key-value cache between requests: the longest common prefix is kept, the rest trimmed.

`Batch` is rows of tokens with the cache that belongs to them. A sliding window that is full cannot forget its last
tokens: it is used again only where the new prompt continues the old one. Recurrent layers read a prompt at one go
and nothing after it but single tokens, so theirs is built anew each time. A model without any cache sees its whole
text again at every step.

A forward pass can be stopped between two layers, so that a cancel waits neither for a long chunk of a prompt nor for
a slow step; the cache then forgets what the layers before had taken in.
"""

import inspect
from collections.abc import Callable
from collections.abc import Sequence as Items
from copy import copy, deepcopy
from typing import Any

import torch
from transformers.cache_utils import DynamicCache, DynamicLayer, DynamicSlidingWindowLayer

_SPARE_TOKENS = 64


class Stopped(Exception):
    """A forward pass was ended by a `Brake`."""


class Brake:
    """Asks ``should_stop`` before each layer of a model, and raises `Stopped`. It holds no reference to the model."""

    def __init__(self, model: torch.nn.Module) -> None:
        self.should_stop: Callable[[], bool] = lambda: False
        lists = [module for module in model.modules() if isinstance(module, torch.nn.ModuleList)]
        blocks = max(lists, key=len, default=torch.nn.ModuleList())
        self.layers = len(blocks)
        for block in blocks:
            block.register_forward_pre_hook(self._before_layer)

    def _before_layer(self, _module: torch.nn.Module, _arguments: object) -> None:
        if self.should_stop():
            raise Stopped


class GrowingLayer(DynamicLayer):  # type: ignore[no-untyped-call]
    """A layer's keys and values ``[rows, heads, tokens, size]`` in buffers with room to spare.

    A new token is written behind the others; joining it to a copy of them all, as the base class does, takes longer
    than the attention itself once a text is long. What the base class crops stays in the buffer, to be written over.
    """

    _key_buffer: torch.Tensor | None = None
    _value_buffer: torch.Tensor | None = None

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """All keys and values, with the new ones at the end."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        self._key_buffer, self.keys = _append(self._key_buffer, self.keys, key_states)
        self._value_buffer, self.values = _append(self._value_buffer, self.values, value_states)
        return self.keys, self.values


def _append(buffer: torch.Tensor | None, kept: Any, new: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Write ``new`` behind ``kept``: in the buffer if ``kept`` lies in it and there is room, else in a new one."""
    start = kept.shape[-2] if kept.numel() else 0
    end = start + new.shape[-2]
    is_inside = buffer is not None and buffer.shape[0] == new.shape[0] and kept.data_ptr() == buffer.data_ptr()
    if buffer is None or not is_inside or buffer.shape[-2] < end:
        buffer = new.new_empty((*new.shape[:-2], end + max(_SPARE_TOKENS, end // 4), new.shape[-1]))
        if start:
            buffer[..., :start, :] = kept
    buffer[..., start:end, :] = new
    return buffer, buffer[..., :end, :]


_ATTENTION_LAYERS = (GrowingLayer, DynamicSlidingWindowLayer)


class Runner:
    """A model's forward pass with the arguments that its class takes. ``brake``: stops it in the middle."""

    def __init__(self, model: Any) -> None:
        self.model = model
        takes = inspect.signature(model.forward).parameters
        self.cache_name = next((name for name in ("past_key_values", "cache_params") if name in takes), None)
        self._extra: dict[str, Any] = {"use_cache": True} if self.cache_name and "use_cache" in takes else {}
        if "logits_to_keep" in takes:
            self._extra["logits_to_keep"] = 1
        self.device: torch.device = next(model.parameters()).device
        self.brake = Brake(model)

    def new_cache(self) -> Any:
        """An empty cache of the kind that the model's layers need; None for a model without one."""
        if self.cache_name is None:
            return None
        cache = DynamicCache(config=self.model.config)
        cache.layers = [
            GrowingLayer() if type(layer) is DynamicLayer else layer  # type: ignore[no-untyped-call]
            for layer in cache.layers
        ]
        return cache

    @torch.inference_mode()
    def __call__(self, rows: torch.Tensor, cache: Any) -> torch.Tensor:
        """Logits after the last of some new tokens ``[rows, tokens]``: float32 ``[rows, vocabulary]``."""
        given = dict(self._extra)
        if self.cache_name is not None:
            given[self.cache_name] = cache
        output = self.model(input_ids=rows.to(self.device), return_dict=True, **given)
        logits: torch.Tensor = output.logits[:, -1, :].float()
        return logits


class Batch:
    """Rows of equal length that share a prefix, with their cache."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._cache = runner.new_cache()
        self.rows: list[list[int]] = [[]]

    @property
    def length(self) -> int:
        """Tokens in each row."""
        return len(self.rows[0])

    @property
    def can_continue(self) -> bool:
        """Whether several tokens may be fed after others: a prompt in chunks, a new turn after the old ones."""
        return self._cache is not None and all(type(layer) in _ATTENTION_LAYERS for layer in self._cache.layers)

    def extend(self, columns: Items[Items[int]]) -> torch.Tensor:
        """Feed new tokens to each row; logits after the last, float32 ``[rows, vocabulary]``.

        Raises `Stopped`; the batch is then as it was before, or empty where its cache cannot be.
        """
        before = self.length
        for row, new in zip(self.rows, columns, strict=True):
            row.extend(new)
        fed = columns if self._runner.cache_name else self.rows
        try:
            return self._runner(torch.tensor([list(row) for row in fed], dtype=torch.long), self._cache)
        except Stopped:
            self._go_back(before)
            raise

    @torch.inference_mode()
    def _go_back(self, length: int) -> None:
        """Forget what some of the layers took in."""
        layers = self._cache.layers if self._cache is not None else []
        if not all(type(layer) in _ATTENTION_LAYERS and _can_crop(layer) for layer in layers):
            self._cache, length = self._runner.new_cache(), 0
            layers = []
        for layer in layers:
            surplus = layer.get_seq_length() - length
            if surplus > 0:
                layer.crop(-surplus)
        for row in self.rows:
            del row[length:]

    @torch.inference_mode()
    def fan_out(self, rows: int) -> "Batch":
        """So many copies of the only row; this batch stays as it is."""
        twin = copy(self)
        twin.rows = [list(self.rows[0]) for _ in range(rows)]
        if self._cache is not None:
            twin._cache = copy(self._cache)
            twin._cache.layers = [
                copy(layer) if type(layer) in _ATTENTION_LAYERS else deepcopy(layer) for layer in self._cache.layers
            ]
            twin._cache.batch_repeat_interleave(rows)
        return twin

    @torch.inference_mode()
    def keep(self, indices: Items[int]) -> None:
        """Leave only these rows."""
        self.rows = [self.rows[i] for i in indices]
        if self._cache is not None:
            self._cache.batch_select_indices(torch.tensor(list(indices), device=self._runner.device))

    @torch.inference_mode()
    def trim(self, length: int) -> bool:
        """Forget all tokens of the only row after the first ``length``; False where the cache cannot."""
        surplus = self.length - length
        if surplus and self._cache is not None:
            if not all(_can_crop(layer) for layer in self._cache.layers):
                return False
            self._cache.crop(-surplus)
        del self.rows[0][length:]
        return True


def _can_crop(layer: Any) -> bool:
    return not (layer.is_sliding and layer.get_seq_length() >= layer.sliding_window)


class PrefixCache:
    """Keeps the last single row of one model for the next request."""

    def __init__(self, runner: Runner) -> None:
        self.runner = runner
        self._last: Batch | None = None

    def take(self, prompt: Items[int]) -> Batch:
        """A batch of one row that holds the longest usable prefix of ``prompt``, at least one token short of it.

        It stays kept for the next request, with what is added to it until then.
        """
        last = self._last
        common = common_prefix(last.rows[0], prompt[:-1]) if last else 0
        if last is None or not (common and last.can_continue and last.trim(common)):
            self._last = None  # free the old one before there is a new one
            last = self._last = Batch(self.runner)
        return last

    def forget(self) -> None:
        """Free what is kept."""
        self._last = None


def common_prefix(first: Items[int], second: Items[int]) -> int:
    """How many leading items are the same."""
    shorter = min(len(first), len(second))
    return next((i for i in range(shorter) if first[i] != second[i]), shorter)
