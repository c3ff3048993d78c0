"""The decode step of a whole batch as one captured graph: on a GPU, Python takes longer to ask for it than it takes.

A `Step` works over buffers that stay where they are: the tokens to feed and their position are read from one tensor,
the new keys and values are written at that position, and what lies behind it is not looked at. So the same kernels
serve every token until the text grows out of its bucket. They are our own (`fused`) where the architecture has a
description, else those of the model's own forward: more than forty for each block, which take three milliseconds in all
on the fastest device. On a device that captures nothing the same is called each time; the results are the same.

A step is checked against the ordinary forward before it is used: a model that counts its positions on its own, or
looks at its cache in another way, keeps the ordinary one.
"""

import contextlib
import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import torch
from transformers.cache_utils import DynamicCache, DynamicLayer

from chatdesk.engine.local.fused.ahead import Ahead, check_choices
from chatdesk.engine.local.fused.driver import Kernels
from chatdesk.engine.local.fused.maker import FusedMaker
from chatdesk.engine.local.sampling import Sampler

Buffers = Sequence[tuple[torch.Tensor, torch.Tensor]]
"""Keys and values of each layer, ``[rows, heads, room, size]``, zeroed where nothing was written yet."""

Forward = Callable[[torch.Tensor, Any, dict[str, torch.Tensor]], torch.Tensor]
"""``(ids, cache, more arguments of the model)`` to logits, float32 ``[rows, vocabulary]``."""

Make = Callable[[torch.Tensor], Callable[[], torch.Tensor]]
"""From the tensor of a step's ids and position to what computes its logits from it."""

_SMALLEST, _LARGEST_STEP = 256, 4096
_FAR = {torch.float32: 1e-3}  # root mean square of the difference, over that of the logits
_FAR_HALF = 5e-2
_TIMES = 3
_LONG_S = 0.03
_CLEARLY = 0.97  # of the time of the first kind, where the second one is to be taken

_logger = logging.getLogger(__name__)


def bucket(tokens: int) -> int:
    """The room that a text of so many tokens is given: powers of two, then multiples of 4,096."""
    if tokens > _LARGEST_STEP:
        return -(-tokens // _LARGEST_STEP) * _LARGEST_STEP
    return max(_SMALLEST, 1 << (tokens - 1).bit_length())


class SlotLayer(DynamicLayer):  # type: ignore[no-untyped-call]
    """A layer's buffers as a step sees them: one token is written at a position, all ``room`` are returned."""

    def __init__(self, buffers: tuple[torch.Tensor, torch.Tensor], position: torch.Tensor, room: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._buffers, self._position, self._room = buffers, position, room
        self.is_initialized = True

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """All keys and values, those of the new token among them."""
        keys, values = self._buffers
        keys.index_copy_(2, self._position, key_states)
        values.index_copy_(2, self._position, value_states)
        return keys[:, :, : self._room], values[:, :, : self._room]

    def get_seq_length(self) -> int:
        """Always 0: a graph would keep the number of its first call. Who goes by it is found out by the check."""
        return 0

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Length and offset of what attention sees."""
        return self._room, 0


class OwnForward:
    """The model's own forward over ``buffers`` up to ``room`` tokens, fed from ``inputs``: ids, then their position."""

    def __init__(self, forward: Forward, buffers: Buffers, room: int, inputs: torch.Tensor) -> None:
        keys = buffers[0][0]
        self._forward, self._inputs, self._rows = forward, inputs, keys.shape[0]
        self._places = torch.arange(room, device=keys.device)
        self._shown = torch.zeros(self._rows, 1, 1, room, dtype=keys.dtype, device=keys.device)
        self._cache = DynamicCache()
        self._cache.layers = [SlotLayer(pair, inputs[-1:], room) for pair in buffers]

    def __call__(self) -> torch.Tensor:
        """The logits, float32 ``[rows, vocabulary]``."""
        position = self._inputs[-1:]
        mask = self._shown.masked_fill(self._places > position, torch.finfo(self._shown.dtype).min)
        more = {"position_ids": position.expand(self._rows, 1), "attention_mask": mask}
        return self._forward(self._inputs[:-1, None], self._cache, more)


class Step:
    """One token for each row of a batch over its buffers. ``make`` says how, given the tensor of ids and position.

    With a ``stream`` to do so on, the first call captures the graph. ``ids``: how many, where not one a row.
    """

    def __init__(self, buffers: Buffers, make: Make, stream: torch.cuda.Stream | None = None, ids: int = 0) -> None:
        keys = buffers[0][0]
        self.buffers, self.rows = buffers, keys.shape[0]
        self._stream = stream
        self.inputs = torch.zeros((ids or self.rows) + 1, dtype=torch.long, device=keys.device)
        self._run = make(self.inputs)
        self._graph: torch.cuda.CUDAGraph | None = None
        self._logits: torch.Tensor | None = None

    @torch.inference_mode()
    def __call__(self, ids: Sequence[int], position: int) -> torch.Tensor:
        """Feed a token to each row. The logits, float32 ``[rows, vocabulary]``, are good until the next call."""
        self.inputs.copy_(torch.tensor([*ids, position]))
        if self._stream is not None and self._graph is None:
            self._capture(self._stream)
        return self.again()

    @torch.inference_mode()
    def again(self) -> torch.Tensor:
        """As a call, with what lies in ``inputs``."""
        if self._graph is None or self._logits is None:
            return self._run()
        self._graph.replay()
        return self._logits

    def _capture(self, stream: torch.cuda.Stream) -> None:
        """Record the kernels of a call. One call is made first, so that the libraries have their plans and memory."""
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            self._run()
            torch.cuda.synchronize()
            graph = torch.cuda.CUDAGraph()
            graph.capture_begin(capture_error_mode="thread_local")
            try:
                self._logits = self._run()
            except BaseException:
                with contextlib.suppress(RuntimeError):  # it says once more that the capture has failed
                    graph.capture_end()
                raise
            graph.capture_end()
        torch.cuda.current_stream().wait_stream(stream)
        self._graph = graph


class StepMaker:
    """Makes the steps of one model: of kernels of our own where it has a description, else of its own forward.

    ``is_on``: whether it can; turned off for good when the steps of its own forward are wrong.
    """

    def __init__(self, model: Any, is_on: bool) -> None:
        self.is_on = is_on
        self.made = 0
        self.fused = FusedMaker(model)
        self._vocabulary: int = model.get_input_embeddings().weight.shape[0]
        self._choices: dict[tuple[float, ...], bool] = {}  # by setting, whether the device's are those of the sampler
        self._stream: torch.cuda.Stream | None = None  # one for all: a library keeps its workspace for each

    @property
    def is_ready(self) -> bool:
        """Whether steps can be made now."""
        return self.is_on and not self.fused.is_compiling

    def make(
        self, forward: Forward, buffers: Buffers, fed: tuple[Sequence[int], int], expected: torch.Tensor
    ) -> Step | None:
        """A step that was checked, with room for the tokens so far, or None where there can be none.

        ``fed``: ids that the ordinary forward took at a position just now, which gave the logits ``expected``.
        """
        room = bucket(fed[1] + 1)
        try:
            if self._stream is None and expected.is_cuda:
                self._stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
            step = self._fused(buffers, room, fed, expected)
            if step is None:
                step = self._checked(partial(OwnForward, forward, buffers, room), buffers, fed, expected)
                self.is_on = step is not None
        except torch.OutOfMemoryError:
            return None
        self.made += step is not None
        return step

    def _fused(
        self, buffers: Buffers, room: int, fed: tuple[Sequence[int], int], expected: torch.Tensor
    ) -> Step | None:
        """Of kernels of our own: of two kinds the quicker one, which is found out once for a number of rows.

        They add up in another order. So noise must not choose between two that take about as long: a reply that is
        written anew in the next process could differ.
        """
        made, rows = {}, len(fed[0])
        for kind, way in self.fused.ways(buffers, room):
            with contextlib.suppress(torch.OutOfMemoryError):  # there may be enough for the other one
                step = self._checked(way, buffers, fed, expected)
                if step is None:
                    self.fused.refused.add((kind, rows))
                    continue
                made[kind] = step
                if kind == self.fused.quickest.get(rows):
                    return step
        if len(made) < 2:
            return next(iter(made.values()), None)
        first, second = made
        seconds, other = (_seconds(step) for step in made.values())
        self.fused.quickest[rows] = second if other < _CLEARLY * seconds else first
        return made[self.fused.quickest[rows]]

    def ahead(
        self, step: Step, sampler: Sampler, fed: dict[int, tuple[int, int]], position: int, most: int
    ) -> Ahead | None:
        """Steps ahead of who looks at them, from a token that is to be fed at a position; None where it cannot be.

        What the device chooses is compared with what the sampler does, once for each setting of the filters.
        """
        kernels = self.fused.chooser
        most = min(most, bucket(position + 1) - position)
        if kernels is None or most <= 0:
            return None
        settings = sampler.settings()
        if settings not in self._choices:
            self._choices[settings] = self._chooses(kernels, sampler, step)
        return Ahead(step, kernels, sampler, fed, position, most) if self._choices[settings] else None

    def _chooses(self, kernels: Kernels, sampler: Sampler, step: Step) -> bool:
        """Whether the device's choices are right, which is said where they are not."""
        try:
            check_choices(kernels, sampler, self._vocabulary, step.inputs.device)
        except torch.OutOfMemoryError:
            return False
        except Exception as error:
            _logger.info("the sampler chooses, not the device: %s: %s", type(error).__name__, str(error))
            return False
        return True

    def _checked(
        self, make: Make, buffers: Buffers, fed: tuple[Sequence[int], int], expected: torch.Tensor
    ) -> Step | None:
        """None where it cannot be made or is wrong, which is said."""
        try:
            step = Step(buffers, make, self._stream)
            with unchanged(buffers, fed[1]):
                check(step(*fed), expected, buffers[0][0].dtype)
        except torch.OutOfMemoryError:
            raise
        except Exception as error:  # whatever a model's own code does not like about this way of being called
            _logger.info("no graph of the decode step: %s: %s", type(error).__name__, str(error))  # not its frames
            return None
        return step


def _seconds(step: Step) -> float:
    """That its kernels take: the best of some times, or the first, where it is so long that noise does not count and
    whoever stops the reply would wait. What it writes, it has written before.
    """
    best = math.inf
    for _ in range(_TIMES):
        started = time.perf_counter()
        for _ in range(_TIMES):
            logits = step.again()
        logits[0, 0].item()  # waits for the device
        best = min(best, time.perf_counter() - started)
        if best > _LONG_S:
            break
    return best


@torch.inference_mode()
def check(found: torch.Tensor, expected: torch.Tensor, dtype: torch.dtype) -> None:
    """Raise `ValueError` where logits are further from those of the ordinary forward than rounding explains."""
    difference = float((found - expected).square().mean().sqrt() / expected.square().mean().sqrt())
    if not difference <= _FAR.get(dtype, _FAR_HALF):
        raise ValueError(f"its logits differ by {difference:.2g} of their size")


@contextlib.contextmanager
def unchanged(buffers: Buffers, place: int | slice) -> Iterator[None]:
    """Put back what the buffers held at a place: a step that is tried over them may write what is wrong."""
    with torch.inference_mode():
        before = [(keys[:, :, place].clone(), values[:, :, place].clone()) for keys, values in buffers]
    try:
        yield
    finally:
        with torch.inference_mode():
            for now, then in zip(buffers, before, strict=True):
                now[0][:, :, place], now[1][:, :, place] = then
