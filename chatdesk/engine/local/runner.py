"""A model's forward pass as the engine calls it, and the caches that it fills."""

import inspect
from typing import Any

import torch
from transformers.cache_utils import DynamicCache, DynamicLayer, DynamicSlidingWindowLayer

from chatdesk.engine.local import chunk_attention
from chatdesk.engine.local.brake import Brake
from chatdesk.engine.local.graphs import StepMaker, bucket
from chatdesk.engine.local.growing import GrowingLayer
from chatdesk.engine.local.lean.step import LeanMaker
from chatdesk.engine.local.longrope import LongRope
from chatdesk.engine.local.padding import Padding
from chatdesk.engine.local.parts import PartMaker

ATTENTION_LAYERS = (GrowingLayer, DynamicSlidingWindowLayer)
"""Layers that several tokens may be fed to after others."""

_SPARE_TOKENS = 64
_LAYERS_A_LOOK = 4
"""A GPU takes less time for a layer than Python for the question whether to stop."""

_OWN_STATES = frozenset(["conv1d_state", "recurrent_states"])


class Runner:
    """A model's forward pass with the arguments that its class takes.

    ``brake``: stops it in the middle. ``steps`` and ``parts`` make the steps of a decode and what reads short parts of
    prompts, on a device of `STEP_DEVICES`.
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
        # the weights of a layer that are brought over for each step lie on no device in between
        is_split = any(parameter.device != self.device for parameter in model.parameters())
        self.brake = Brake(model, 1 if is_split or self.device.type == "cpu" else _LAYERS_A_LOOK)
        self.padding = Padding(model)
        self.rope = LongRope(model)
        if self.device.type == "cuda":
            torch.backends.cuda.enable_cudnn_sdp(False)  # it plans anew for each length: 12 ms a layer on an H100
        if self.device.type == "cpu":
            chunk_attention.install()
        self._takes_places = "position_ids" in takes
        has_places = self._takes_places and {"past_key_values", "attention_mask"} <= takes.keys()
        can_step = has_places and not is_split and self.device.type in self.STEP_DEVICES
        self.parts = PartMaker(can_step)
        is_lean = self.device.type == "cpu" and "cpu" not in self.STEP_DEVICES
        self.steps = LeanMaker(model, self.brake.check) if is_lean else StepMaker(model, can_step)

    @property
    def chooses(self) -> bool:
        """Whether the device can choose tokens by itself: see `Batch.ahead`."""
        return isinstance(self.steps, StepMaker) and self.steps.is_on and self.steps.fused.chooser is not None

    def new_cache(self) -> Any:
        """An empty cache of the kind that the model's layers need; None for a model without one."""
        if self.cache_name is None:
            return None
        cache = DynamicCache(config=self.model.config)
        room = bucket if self.steps.is_on else _spare
        cache.layers = [GrowingLayer(room) if self._keeps_all(layer) else layer for layer in cache.layers]
        return cache

    def _keeps_all(self, layer: Any) -> bool:
        """Whether it keeps the keys of all tokens: also a window that is wider than any text (Phi 3.5, Phi 4)."""
        if type(layer) is not DynamicSlidingWindowLayer:
            return type(layer) is DynamicLayer
        most = getattr(self.model.config.get_text_config(decoder=True), "max_position_embeddings", None)
        return isinstance(most, int) and layer.sliding_window >= most

    def pick_own(self, rows: torch.Tensor) -> None:
        """Leave these rows in the states that a model keeps in its modules, as RecurrentGemma does."""
        for module in self.model.modules():
            for name in _OWN_STATES & vars(module).keys():
                state: torch.Tensor | None = getattr(module, name)
                setattr(module, name, None if state is None else state[rows])

    @torch.inference_mode()
    def __call__(self, rows: torch.Tensor, cache: Any, start: int, last: int = 1, spare: int = 0) -> torch.Tensor:
        """Logits after the ``last`` of some new tokens ``[rows, tokens]``: float32 ``[rows, last, vocabulary]``.

        ``start``: the position of the first, said as `generate` says it, for some models count from 0 each time. With
        ``spare`` tokens, which stand behind those; `Batch` then forgets them.
        """
        more = {}
        if self._takes_places:
            more["position_ids"] = torch.arange(start, start + rows.shape[1], device=self.device).expand(rows.shape)
        return self._logits(rows.to(self.device), cache, more, last, spare)

    def forward(self, ids: torch.Tensor, cache: Any, more: dict[str, torch.Tensor]) -> torch.Tensor:
        """As a call for the last token alone, ``[rows, vocabulary]``, with more arguments and all on the device."""
        return self._logits(ids, cache, more, 1)[:, 0]

    def _logits(
        self, ids: torch.Tensor, cache: Any, more: dict[str, torch.Tensor], last: int, spare: int = 0
    ) -> torch.Tensor:
        logits = self._run(ids, cache, more, last_places(ids, last, spare))
        end = min(ids.shape[1] - spare, logits.shape[1])
        return logits[:, end - last : end, :].float()

    def at(self, ids: torch.Tensor, cache: Any, more: dict[str, torch.Tensor], place: torch.Tensor) -> torch.Tensor:
        """As `forward`, but after the token at a place ``[1]``, which is on the device, too."""
        logits = self._run(ids, cache, more, place)
        return (logits if logits.shape[1] == 1 else logits[:, place])[:, 0].float()

    def _run(
        self, ids: torch.Tensor, cache: Any, more: dict[str, torch.Tensor], wanted: int | torch.Tensor
    ) -> torch.Tensor:
        """Logits, at least where they are wanted."""
        given = self._extra | more
        if "logits_to_keep" in given:
            given["logits_to_keep"] = wanted
        if self.cache_name is not None:
            given[self.cache_name] = cache
        logits: torch.Tensor = self.model(input_ids=ids, return_dict=True, **given).logits
        return logits


def last_places(ids: torch.Tensor, last: int, spare: int = 0) -> int | torch.Tensor:
    """The places of the ``last`` of ``ids`` ``[rows, tokens]`` before some spare ones, as ``logits_to_keep``.

    On the CPU they are named one by one, as then the hidden states of them lie side by side: with a slice, torch copies
    the head's whole matrix for each row.
    """
    end = ids.shape[1] - spare
    is_named = ids.shape[1] > last and ids.device.type == "cpu"
    return torch.arange(end - last, end) if is_named else last


def _spare(tokens: int) -> int:
    """The room that a text of so many tokens is given on the CPU."""
    return tokens + max(_SPARE_TOKENS, tokens // 16)


def shares(cache: Any) -> bool:
    """Whether several tokens may be fed after those of a cache; None is none."""
    return cache is not None and all(type(layer) in ATTENTION_LAYERS for layer in cache.layers)
