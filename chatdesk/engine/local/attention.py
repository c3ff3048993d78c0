"""Which tokens each token looks at, for `Attend`: softmax(QKᵀ/√d) as the model itself computed it.

The model's own plain ("eager") attention, the only one that has these numbers, takes the place of the fast one for one
forward pass.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from chatdesk.engine.api import MAX_ATTENTION_TOKENS, Attend, Attended, AttentionMap, Event
from chatdesk.engine.local.detokenize import pieces
from chatdesk.engine.local.loading import Checkpoint
from chatdesk.engine.local.runner import Runner
from chatdesk.errors import Fault, UserError

_SIDE = 48


class Attention:
    """Shows the attention of one model."""

    def __init__(self, checkpoint: Checkpoint, runner: Runner) -> None:
        self._checkpoint, self._runner = checkpoint, runner

    @torch.inference_mode()
    def run(self, request: Attend) -> Iterator[Event]:
        """The events of a request. Raises ``EMPTY_PROMPT``, ``ATTENTION_TOO_LONG``, ``PROMPT_TOO_LONG``,
        ``NO_ATTENTION``, ``BAD_VALUE``, ``NOT_FINITE``, ``TENSORS_DO_NOT_MATCH`` and `Stopped`.
        """
        ids = self._ids(request.text)
        layers = self._weights(ids)
        heads = tuple(len(layer) for layer in layers)
        if not 0 <= request.layer < len(layers):
            allowed = f"from 0 to {len(layers) - 1}"
            raise UserError(Fault.BAD_VALUE, name="layer", value=request.layer, allowed=allowed)
        for head, values in enumerate(layers[request.layer]):
            yield AttentionMap(request.id, request.layer, head, _bytes(values))
        there = [layer for layer in layers if len(layer)]
        side = min(_SIDE, len(ids))
        overview = torch.cat([_small(layer, side) for layer in there])
        average = torch.stack([layer.mean(dim=0) for layer in there]).mean(dim=0)
        shown = tuple(pieces(self._checkpoint.tokens, ids))
        small = (overview * 255).round().to(torch.uint8).numpy().tobytes()
        yield Attended(request.id, shown, heads, side, small, _bytes(average), _bytes(rollout(there)))

    def _ids(self, text: str) -> list[int]:
        if not text.strip():
            raise UserError(Fault.EMPTY_PROMPT)
        tokens, context = self._checkpoint.tokens, self._checkpoint.info.context_length
        ids = [*tokens.leading, *tokens.encode(text)]
        if not ids:  # of a text without width, say
            raise UserError(Fault.EMPTY_PROMPT)
        if len(ids) > MAX_ATTENTION_TOKENS:
            raise UserError(Fault.ATTENTION_TOO_LONG, tokens=len(ids), limit=MAX_ATTENTION_TOKENS)
        if len(ids) > context:
            raise UserError(Fault.PROMPT_TOO_LONG, tokens=len(ids), limit=context)
        self._checkpoint.require_known(ids)
        return ids

    def _weights(self, ids: Sequence[int]) -> list[torch.Tensor]:
        """Of each layer float32 ``[heads, tokens, tokens]`` on the CPU; ``[0, …]`` for a layer without attention."""
        model, row = self._runner.model, torch.tensor([list(ids)], device=self._runner.device)
        self._runner.rope.set_for(len(ids))
        with _plainly(model):
            try:
                output = model(input_ids=row, output_attentions=True, return_dict=True)
            except (TypeError, ValueError):  # it takes no such wish, or has no plain attention
                raise UserError(Fault.NO_ATTENTION, model=self._checkpoint.info.name) from None
        found = getattr(output, "attentions", None) or ()
        if not bool(output.logits[0, -1].isfinite().all()):
            raise UserError(Fault.NOT_FINITE)
        shape = (len(ids), len(ids))
        nothing = torch.empty(0, *shape)
        layers = [nothing if layer is None or layer.shape[-2:] != shape else layer[0].float().cpu() for layer in found]
        if not any(map(len, layers)):
            raise UserError(Fault.NO_ATTENTION, model=self._checkpoint.info.name)
        return layers


@contextmanager
def _plainly(model: Any) -> Iterator[None]:
    """The model with its plain attention; its own comes back whatever happens."""
    before = model.config._attn_implementation
    try:
        if before != "eager":
            model.set_attn_implementation("eager")
        yield
    finally:
        if before != "eager":
            model.set_attn_implementation(before)


def rollout(layers: Sequence[torch.Tensor]) -> torch.Tensor:
    """Attention followed through all layers ``[tokens, tokens]``: what a token takes from the text in the end, if each
    layer leaves one half of what was there (its residual) and heads count alike (Abnar and Zuidema, 2020).
    """
    size = layers[0].shape[-1]
    joined = torch.eye(size)
    for layer in layers:
        step = 0.5 * layer.mean(dim=0) + 0.5 * torch.eye(size)
        joined = (step / step.sum(dim=-1, keepdim=True)) @ joined
    return joined


def _small(maps: torch.Tensor, side: int) -> torch.Tensor:
    """Maps ``[heads, tokens, tokens]`` as ``[heads, side, side]``, by maxima: a thin line stays seen."""
    return torch.nn.functional.adaptive_max_pool2d(maps[None], side)[0]


def _bytes(values: torch.Tensor) -> bytes:
    return values.contiguous().numpy().astype("<f4").tobytes()
