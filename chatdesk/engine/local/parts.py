"""A short new part of a prompt as one captured graph: what a person says next, behind all that is kept.

On a GPU a forward pass over a few tokens waits for Python: 19 ms for thirty layers on the fastest, for kernels that
take three. So it is recorded once for `TOKENS` tokens over the buffers of a batch, as `graphs.Step` is for one. Fewer
are read with others behind them, which no token sees; what those write lies behind the text.

It is recorded when a reply has ended, while the person reads, and used where it says the same as the ordinary forward
pass and is quicker.
"""

import logging
import time
from collections.abc import Callable, Sequence
from functools import partial

import torch
from transformers.cache_utils import DynamicCache

from chatdesk.engine.local.graphs import Buffers, SlotLayer, Step, check, unchanged

TOKENS = 64

_MOST_ROOM = 8192
_WORTH = 0.9  # of the time of the ordinary pass

Forward = Callable[[torch.Tensor, DynamicCache, dict[str, torch.Tensor], torch.Tensor], torch.Tensor]
"""``(ids, cache, more arguments of the model, place)`` to logits after that id, float32 ``[1, vocabulary]``."""

_logger = logging.getLogger(__name__)


class PartForward:
    """The model's own forward over ``buffers``. ``inputs``: ids, the place of the last that is wanted, the position."""

    def __init__(self, forward: Forward, buffers: Buffers, inputs: torch.Tensor) -> None:
        keys = buffers[0][0]
        self._forward, self._buffers, self._inputs = forward, buffers, inputs
        self._room = torch.arange(keys.shape[2], device=keys.device)

    def __call__(self) -> torch.Tensor:
        """The logits after the last, float32 ``[1, vocabulary]``."""
        last, start = self._inputs[-2:-1], self._inputs[-1:]
        places = start + self._room[:TOKENS]
        dtype = self._buffers[0][0].dtype
        shown = torch.zeros(1, 1, TOKENS, len(self._room), dtype=dtype, device=places.device)
        mask = shown.masked_fill(self._room > places[:, None], torch.finfo(dtype).min)
        cache = DynamicCache()
        cache.layers = [SlotLayer(pair, places, len(self._room)) for pair in self._buffers]
        known = torch.minimum(places, start + last)  # there may be no position behind the last
        more = {"position_ids": known[None], "attention_mask": mask}
        return self._forward(self._inputs[None, :TOKENS], cache, more, last)


class Part(Step):
    """Up to `TOKENS` tokens of the only row. With a ``stream`` to do so on, the first call captures the graph."""

    def __init__(self, forward: Forward, buffers: Buffers, stream: torch.cuda.Stream | None) -> None:
        super().__init__(buffers, partial(PartForward, forward, buffers), stream, TOKENS + 1)

    def takes(self, tokens: int, position: int) -> bool:
        """Whether so many can be read from a position on."""
        return tokens <= TOKENS and position + TOKENS <= self.buffers[0][0].shape[2]

    def __call__(self, ids: Sequence[int], position: int) -> torch.Tensor:
        """Feed them. The logits after the last, float32 ``[1, vocabulary]``, are good until the next call."""
        spare = [ids[-1]] * (TOKENS - len(ids))
        return super().__call__([*ids, *spare, len(ids) - 1], position)


class PartMaker:
    """Makes them for one model. ``is_on``: whether it can; turned off for good where one is wrong.

    ``most_room``: tokens of the buffers up to which they are worth it; all of them are looked at, whatever is text.
    """

    def __init__(self, is_on: bool) -> None:
        self.is_on, self.most_room = is_on, _MOST_ROOM
        self._stream: torch.cuda.Stream | None = None

    def fits(self, buffers: Buffers, tokens: int) -> bool:
        """Whether one can be made that reads the last of so many tokens."""
        room = buffers[0][0].shape[2] if buffers else 0
        return self.is_on and TOKENS <= tokens <= room <= self.most_room

    def make(
        self, forward: Forward, buffers: Buffers, text: Sequence[int], ordinary: Callable[[], torch.Tensor]
    ) -> Part | None:
        """One that was checked, with the last tokens of a text. ``ordinary`` reads them into the same buffers.

        What the buffers hold is as before.
        """
        start = len(text) - TOKENS
        try:
            if self._stream is None and buffers[0][0].is_cuda:
                self._stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
            with unchanged(buffers, slice(start, len(text))):
                expected, most_s = _timed(ordinary)
                part = Part(forward, buffers, self._stream)
                check(part(text[start:], start), expected, buffers[0][0].dtype)
                _, took_s = _timed(lambda: part(text[start:], start))
            if took_s > _WORTH * most_s:
                self.most_room = buffers[0][0].shape[2] - 1
                return None
        except torch.OutOfMemoryError:
            return None
        except Exception as error:  # as of a step
            _logger.info("no graph of a part: %s: %s", type(error).__name__, str(error))
            self.is_on = False
            return None
        return part


def _timed(work: Callable[[], torch.Tensor]) -> tuple[torch.Tensor, float]:
    """What it gives, and the seconds until it is there."""
    began = time.perf_counter()
    found = work()
    found[0, 0].item()
    return found, time.perf_counter() - began
