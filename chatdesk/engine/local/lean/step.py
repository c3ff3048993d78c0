"""Steps over `kernels.run`, made and checked as those of a GPU are (`graphs.StepMaker`).

Which way is faster depends on the model, its precision, the processor and the number of rows, so both are tried on the
first tokens, in turns, and the slower one is left alone, for a while. The same is then done with compact weights.
"""

import logging
import os
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch

from chatdesk.engine.local.adapters import has_adapter
from chatdesk.engine.local.brake import Stopped
from chatdesk.engine.local.graphs import Buffers, Forward, check, unchanged
from chatdesk.engine.local.lean.compaction import Compact, Compaction
from chatdesk.engine.local.lean.compiler import COMPILER, Compiler
from chatdesk.engine.local.lean.description import ARCHITECTURES
from chatdesk.engine.local.lean.meeting import begin, let_go
from chatdesk.engine.local.lean.race import Race
from chatdesk.engine.local.lean.together import together

SWITCH = "CHATDESK_LEAN"
"""Environment variable: ``off`` keeps torch's own path."""

TOKENS = 4
"""Most tokens of one text that are read at once: what the kernels read a row of weights for together."""

_logger = logging.getLogger(__name__)
_one_at_a_time = threading.Lock()  # the helpers of one step must not wait for those of another


class LeanStep:
    """One token for each row of a batch, over its buffers. ``brake`` raises where the step is to be stopped.

    ``make``: its program, with compact weights or without; ``compaction``: gives those, None where there are none.
    With a program for several tokens it takes so many at most, one after another, of the only row.
    """

    def __init__(
        self,
        make: Callable[[Mapping[int, Compact]], Any],
        run: Any,
        buffers: Buffers,
        brake: Callable[[], None],
        compaction: Callable[[], Compaction | None] = lambda: None,
    ) -> None:
        self.buffers, self.rows = buffers, buffers[0][0].shape[0]
        self._make, self._run, self._brake, self._compaction = make, run, brake, compaction
        self._program: Any = None
        self._tried: Any = None
        self._is_compact = False
        self._become_compact()
        if not self._is_compact:
            self._program = make({})
        self._turns = self._program.turns.numpy()

    def __call__(self, ids: Sequence[int], position: int) -> torch.Tensor:
        """Feed a token to each row. The logits, float32 ``[len(ids), vocabulary]``, are good until the next call."""
        with _one_at_a_time:
            found = self._become_compact()
            if self._is_compact or found is None or self._program.rows > 1:
                return self._by(self._program, ids, position)
            return self._with(found, ids, position)

    def _become_compact(self) -> Compaction | None:
        """Where those weights have won; what gives them, if anything does."""
        found = self._compaction()
        if found is None:
            self._tried = None
        elif found.has_won and not self._is_compact:
            self._is_compact, self._tried, self._program = True, None, self._make(found.made)
        return found

    def _with(self, compaction: Compaction, ids: Sequence[int], position: int) -> torch.Tensor:
        """A token, and what is to be done with it for the compact weights."""
        if not compaction.is_ready:
            logits = self._by(self._program, ids, position)
            compaction.go_on(self._brake)
            return logits
        if self._tried is None:
            self._tried = self._make(compaction.made)
            logits = self._by(self._tried, ids, position)
            expected = self._by(self._program, ids, position)
            compaction.check(logits, expected)
            return expected
        is_new, began = compaction.race.is_new, time.perf_counter()
        logits = self._by(self._tried if is_new else self._program, ids, position)
        compaction.took(is_new, time.perf_counter() - began)
        return logits

    def _by(self, program: Any, ids: Sequence[int], position: int) -> torch.Tensor:
        given, place, meeting = torch.tensor(ids).numpy(), (position, program.ahead), program.meeting
        for first, last in program.portions:
            self._brake()
            begin(meeting)
            work = program.ops[first:last], program.attentions, given, self._turns, place, meeting
            together(program.threads, partial(self._run, *work), partial(let_go, meeting))
        logits: torch.Tensor = program.logits[: len(ids)]
        return logits


class LeanMaker:
    """Makes the steps of one model on the CPU. ``is_on``: whether it can; turned off for good by one that is wrong."""

    def __init__(self, model: Any, brake: Callable[[], None], compiler: Compiler = COMPILER) -> None:
        self._model, self._brake, self._compiler = model, brake, compiler
        self._architecture: Any = ARCHITECTURES.get(model.config.model_type)
        self.is_on = self._architecture is not None and os.environ.get(SWITCH) != "off"
        self.made = 0
        self.reads_several = True
        """Whether `make_several` may be asked again: not after steps that were wrong."""
        self.races: defaultdict[int, Race] = defaultdict(Race)
        """By the number of rows."""
        self.compacts = True
        """Whether weights may be kept in twelve bits as well, where there is memory."""
        self._compact_race = Race()
        self._compaction: Compaction | None = None

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
        if not (self.races[len(buffers[0][0])].may_run() and self._can_make()):
            return None
        step = self._checked(buffers, fed, fed[1], expected)
        self.is_on = step is not None
        self.made += step is not None
        return step

    @torch.inference_mode()
    def make_several(self, buffers: Buffers, fed: tuple[Sequence[int], int], expected: torch.Tensor) -> LeanStep | None:
        """A checked step that takes up to `TOKENS` tokens of one text; ``fed``: those that gave ``expected``.

        To be asked for only where single steps over the same buffers are in use. Raises `Stopped`.
        """
        if not self.reads_several or not self._can_make():
            return None
        ids, position = fed
        step = self._checked(buffers, fed, slice(position, position + len(ids)), expected, TOKENS)
        self.reads_several = step is not None
        return step

    def _can_make(self) -> bool:
        return self._compiler.kernels is not None and not has_adapter(self._model)

    def _checked(
        self,
        buffers: Buffers,
        fed: tuple[Sequence[int], int],
        place: int | slice,
        expected: torch.Tensor,
        tokens: int = 0,
    ) -> LeanStep | None:
        """None where it cannot be made or is wrong, which is said. ``place``: where it writes."""
        from chatdesk.engine.local.lean.program import Program

        kernels: Any = self._compiler.kernels
        make = partial(Program, self._model, self._architecture, buffers, torch.get_num_threads(), tokens)
        try:
            step = LeanStep(make, kernels.run, buffers, self._brake, lambda: self.compaction)
            with unchanged(buffers, place):
                check(step(*fed), expected, buffers[0][0].dtype)
        except (Stopped, MemoryError):
            raise
        except Exception as error:  # whatever a model has that its description does not say
            what = "reading of several tokens" if tokens else "decode step"
            _logger.info("no lean %s: %s: %s", what, type(error).__name__, error)
            return None
        return step

    @property
    def compaction(self) -> Compaction | None:
        """Weights in twelve bits, from when single steps have turned out to be quicker; None where they are no use."""
        if self._compaction is None and self.compacts and self.races[1].has_won and self._compact_race.may_run():
            kernels: Any = self._compiler.kernels
            threads = torch.get_num_threads()
            self._compaction = Compaction(self._model, kernels.compact, threads, self._compact_race)
        if self._compaction is not None and not self._compaction.is_of_use:
            self._compaction = None
            self._compact_race.rest()
        return self._compaction

    @property
    def saved_bytes(self) -> int:
        """How much less of the weights a token reads than lie in the model."""
        found = self.compaction
        return found.saved_bytes if found is not None and found.has_won else 0
