"""Steps over `kernels.run`, made and checked as those of a GPU are (`graphs.StepMaker`).

Which way is faster depends on the model, its precision, the processor and the number of rows, so both are tried on the
first tokens, in turns, and the slower one is not used again.
"""

import logging
import os
import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import cache, partial
from statistics import median
from typing import Any

import numpy as np
import torch

from chatdesk.engine.local.brake import Stopped
from chatdesk.engine.local.graphs import Buffers, Forward, check, unharmed
from chatdesk.engine.local.lean.compiler import COMPILER, Compiler
from chatdesk.engine.local.lean.description import ARCHITECTURES

SWITCH = "CHATDESK_LEAN"
"""Environment variable: ``off`` keeps torch's own path."""

TOKENS = 4
"""Most tokens of one text that are read at once: what the kernels read a row of weights for together."""

TRIALS = 8
"""Tokens for which each of the two ways is timed before one is chosen."""

_ALL_HERE = 1 << 62
"""Arrivals that no meeting of threads has to wait for."""

_logger = logging.getLogger(__name__)
_one_at_a_time = threading.Lock()  # the helpers of one step must not wait for those of another


class LeanStep:
    """One token for each row of a batch, over its buffers. ``brake`` raises where the step is to be stopped.

    With a program for several ``tokens`` it takes so many at most, one after another, of the only row.
    """

    def __init__(self, program: Any, run: Any, buffers: Buffers, brake: Callable[[], None]) -> None:
        self.buffers, self.rows = buffers, buffers[0][0].shape[0]
        self._program, self._run, self._brake = program, run, brake
        self._turns = program.turns.numpy()
        self._meeting = np.array([0, program.threads], np.int64)

    def __call__(self, ids: Sequence[int], position: int) -> torch.Tensor:
        """Feed a token to each row. The logits, float32 ``[len(ids), vocabulary]``, are good until the next call."""
        program, given = self._program, torch.tensor(ids).numpy()
        with _one_at_a_time:
            for first, last in program.portions:
                self._brake()
                self._meeting[0] = 0
                work = program.ops[first:last], program.attentions, given, self._turns, (position, program.ahead)
                _together(program.threads, partial(self._share, work), self._let_go)
        logits: torch.Tensor = program.logits[: len(ids)]
        return logits

    def _share(self, work: tuple[Any, ...], thread: int) -> None:
        self._run(*work, thread, self._meeting)

    def _let_go(self) -> None:
        """No thread waits any more for one that does not come."""
        self._meeting[0] = _ALL_HERE


def _together(threads: int, work: Callable[[int], None], let_go: Callable[[], None]) -> None:
    """Do ``work`` for each number below ``threads``, all at once and the first of them here.

    Where one raises, for want of memory, ``let_go`` is to end the others. None of them is at work afterwards.
    """

    def guarded(thread: int) -> None:
        try:
            work(thread)
        except BaseException:
            let_go()
            raise

    others = list[Future[None]]()
    try:
        for thread in range(1, threads):
            others.append(_helpers(threads).submit(guarded, thread))
        guarded(0)
    except BaseException:
        let_go()
        raise
    finally:
        wait(others)
    for other in others:
        other.result()


@cache
def _helpers(threads: int) -> ThreadPoolExecutor:
    """Threads that are all there: one that could not be started would be waited for in the kernels for ever."""
    pool, gate = ThreadPoolExecutor(max(1, threads - 1), "lean"), threading.Barrier(threads)
    try:
        for _ in range(threads - 1):
            pool.submit(gate.wait)
        gate.wait()
    except BaseException:
        gate.abort()
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    return pool


class Race:
    """The lean step and the model's own forward, in turns until the median times of both are known."""

    def __init__(self) -> None:
        self._seconds: dict[bool, list[float]] = {True: [], False: []}

    @property
    def is_over(self) -> bool:
        """Whether both were timed often enough."""
        return all(len(seconds) >= TRIALS for seconds in self._seconds.values())

    @property
    def is_lean(self) -> bool:
        """Whether the next token is for the lean step; when it is over, whether the lean step has won."""
        lean, own = self._seconds[True], self._seconds[False]
        if self.is_over:
            return not TRIALS or median(lean) <= median(own)
        return len(lean) <= len(own)

    def took(self, is_lean: bool, seconds: float) -> None:
        """A token was made in this time."""
        self._seconds[is_lean].append(seconds)


class LeanMaker:
    """Makes the steps of one model on the CPU. ``is_on``: whether it can; turned off for good by one that is wrong."""

    def __init__(self, model: Any, brake: Callable[[], None], compiler: Compiler = COMPILER) -> None:
        self._model, self._brake, self._compiler = model, brake, compiler
        self._architecture = ARCHITECTURES.get(model.config.model_type)
        self.is_on = self._architecture is not None and os.environ.get(SWITCH) != "off"
        self.made = 0
        self.reads_several = True
        """Whether `make_several` may be asked again: not after steps that were wrong."""
        self.races: defaultdict[int, Race] = defaultdict(Race)
        """By the number of rows."""

    @property
    def is_ready(self) -> bool:
        """Whether steps can be made now; begins to compile what they need."""
        if self.is_on and self._compiler.kernels is None:
            self._compiler.start()
            self.is_on = not self._compiler.has_failed
        return self.is_on and self._compiler.kernels is not None

    @torch.inference_mode()
    def make(
        self, forward: Forward, buffers: Buffers, fed: tuple[Sequence[int], int], expected: torch.Tensor
    ) -> LeanStep | None:
        """A step that was checked, or None where there can be none: see `graphs.StepMaker.make`. Raises `Stopped`.

        With an adapter on there is none, for it hangs on the model's own modules.
        """
        del forward
        kernels = self._compiler.kernels
        if kernels is None or self._architecture is None or _has_hooks(self._model):
            return None
        race = self.races[len(buffers[0][0])]
        if race.is_over and not race.is_lean:
            return None
        from chatdesk.engine.local.lean.program import Program

        try:
            program = Program(self._model, self._architecture, buffers, torch.get_num_threads())
            step = LeanStep(program, kernels.run, buffers, self._brake)
            with unharmed(buffers, fed[1]):
                check(step(*fed), expected, buffers[0][0].dtype)
        except (Stopped, MemoryError):
            raise
        except Exception as error:  # whatever a model has that its description does not say
            self.is_on = False
            _logger.info("no lean decode step: %s: %s", type(error).__name__, error)
            return None
        self.made += 1
        return step

    @torch.inference_mode()
    def make_several(self, buffers: Buffers, fed: tuple[Sequence[int], int], expected: torch.Tensor) -> LeanStep | None:
        """A checked step that takes up to `TOKENS` tokens of one text; ``fed``: those that gave ``expected``.

        To be asked for only where single steps over the same buffers are in use. Raises `Stopped`.
        """
        kernels = self._compiler.kernels if self.reads_several else None
        if kernels is None or self._architecture is None or _has_hooks(self._model):
            return None
        from chatdesk.engine.local.lean.program import Program

        ids, position = fed
        try:
            program = Program(self._model, self._architecture, buffers, torch.get_num_threads(), TOKENS)
            step = LeanStep(program, kernels.run, buffers, self._brake)
            with unharmed(buffers, slice(position, position + len(ids))):
                check(step(ids, position), expected, buffers[0][0].dtype)
        except (Stopped, MemoryError):
            raise
        except Exception as error:
            self.reads_several = False
            _logger.info("no lean reading of several tokens: %s: %s", type(error).__name__, error)
            return None
        return step


def _has_hooks(model: torch.nn.Module) -> bool:
    return any(module._forward_hooks for module in model.modules())
