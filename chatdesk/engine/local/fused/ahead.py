"""Steps that are asked for before anybody has looked at what the ones before have given.

The device chooses each token itself (`choose.cu`) and feeds it to the next step, so that it never waits for Python;
what was chosen is fetched meanwhile. When a reply ends, up to `DEPTH` steps more have been made than were wanted: what
they have written lies behind the text and is written over.
"""

import ctypes
from collections.abc import Sequence
from typing import Any, Protocol

import torch

from chatdesk.engine.local.fused.driver import Kernels
from chatdesk.engine.local.sampling import Sampler

DEPTH = 2
COLUMNS = 256
"""Random numbers that lie ready for a row: as the kernel has it."""

_THREADS = 1024
_Pointer, _Int = ctypes.c_void_p, ctypes.c_int


class Choose(ctypes.Structure):
    """As in the kernels."""

    _fields_ = (
        *((name, _Pointer) for name in ("logits", "scores", "seen", "numbers", "settings", "inputs", "results")),
        *((name, _Int) for name in ("vocabulary", "column", "next_place")),
    )


_TRIALS = 8
_NEAR = 1e-3


class Repeatable(Protocol):
    """What `graphs.Step` is."""

    rows: int
    inputs: torch.Tensor

    def again(self) -> torch.Tensor:
        """Run with what lies in ``inputs``; the logits."""


class Ahead:
    """The next tokens of some drafts. ``fed``: for each place among the rows of the step its draft and last token.

    ``position``: of that token. ``most``: steps that may be made.
    """

    def __init__(
        self,
        step: Repeatable,
        kernels: Kernels,
        sampler: Sampler,
        fed: dict[int, tuple[int, int]],
        position: int,
        most: int,
    ) -> None:
        self._step, self._kernels, self._sampler = step, kernels, sampler
        self._drafts = {place: draft for place, (draft, _) in fed.items()}
        self._position, self._left = position, most
        self._asked = self._taken = 0
        device, rows = step.inputs.device, step.rows
        self._waits = device.type == "cuda"
        ids = [fed[place][1] if place in fed else 0 for place in range(rows)]
        step.inputs.copy_(torch.tensor([*ids, position]))
        self._settings = torch.tensor(sampler.settings(), dtype=torch.float32).to(device)
        self._numbers = torch.zeros(rows, COLUMNS, dtype=torch.float64, device=device)
        self._results = torch.zeros(rows, 3, dtype=torch.int32, device=device)
        self._fetched = [torch.zeros(rows, 3, dtype=torch.int32, pin_memory=self._waits) for _ in range(DEPTH + 1)]
        self._events: list[Any] = [torch.cuda.Event() for _ in self._fetched] if self._waits else []  # type: ignore[no-untyped-call]
        self._scores: torch.Tensor | None = None
        self._seen: torch.Tensor | None = None

    @property
    def has_next(self) -> bool:
        """Whether `take` has something to give."""
        return self._asked > self._taken or self._left > 0

    @torch.inference_mode()
    def ask(self) -> None:
        """Have as many steps under way as there may be."""
        while self._left > 0 and self._asked - self._taken < DEPTH:
            self._ask_one()

    def take(self, places: Sequence[int]) -> list[tuple[int, float, float]]:
        """The next token at each of these places: id, log-probability of the model and after the filters."""
        self.ask()
        slot = self._taken % len(self._fetched)
        if self._waits:
            self._events[slot].synchronize()
        self._taken += 1
        found = self._fetched[slot]
        ids, numbers = found[:, 0].tolist(), found.view(torch.float32)[:, 1:].tolist()
        return [(ids[place], *numbers[place]) for place in places]

    def _ask_one(self) -> None:
        column = self._position % COLUMNS
        if self._asked == 0 or column == 0:
            self._give_numbers(column)
        logits = self._step.again()
        scores, seen = self._rest(logits)
        self._position += 1
        given = (logits, scores, seen, self._numbers, self._settings, self._step.inputs, self._results)
        argument = Choose(*(tensor.data_ptr() for tensor in given), logits.shape[1], column, self._position)
        self._kernels.launch("choose", (self._step.rows, 1, 1), _THREADS, 0, argument, early=False)
        slot = self._asked % len(self._fetched)
        self._fetched[slot].copy_(self._results, non_blocking=self._waits)
        if self._waits:
            self._events[slot].record()
        self._asked += 1
        self._left -= 1

    def _give_numbers(self, column: int) -> None:
        """For the columns from here on."""
        table = torch.zeros(self._step.rows, COLUMNS, dtype=torch.float64)
        count = min(COLUMNS - column, self._left)
        for place, draft in self._drafts.items():
            table[place, column : column + count] = torch.tensor(
                self._sampler.numbers(draft, count), dtype=torch.float64
            )
        self._numbers.copy_(table)

    def _rest(self, logits: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Room for scores, and which tokens of each row count as repeated."""
        if self._scores is None or self._seen is None:
            self._scores = torch.empty_like(logits)
            seen = torch.zeros(logits.shape, dtype=torch.uint8)
            for place, draft in self._drafts.items():
                ids = torch.tensor(self._sampler.repeated(draft), dtype=torch.long)
                seen[place, ids[ids < logits.shape[1]]] = 1
            self._seen = seen.to(logits.device)
        return self._scores, self._seen


class _Trial:
    """A step of one row with logits made before."""

    rows = 1

    def __init__(self, logits: torch.Tensor) -> None:
        self._logits = iter(logits)
        self.inputs = torch.zeros(2, dtype=torch.long, device=logits.device)

    def again(self) -> torch.Tensor:
        """The next logits."""
        logits: torch.Tensor = next(self._logits)
        return logits


@torch.inference_mode()
def check_choices(kernels: Kernels, sampler: Sampler, vocabulary: int, device: torch.device) -> None:
    """Raise `ValueError` where the device, at random logits, chooses other tokens than a sampler like this one."""
    logits = 2 * torch.randn(_TRIALS, 1, vocabulary, generator=torch.Generator().manual_seed(1)).to(device)
    here, there = sampler.afresh(), sampler.afresh()
    ahead = Ahead(_Trial(logits), kernels, there, {0: (0, 0)}, 0, _TRIALS)
    for each in logits:
        found, expected = there.took([0], ahead.take([0]))[0], here.choose(each, [0])[0]
        if found.id != expected.id:
            raise ValueError(f"it has chosen {found.id} in place of {expected.id}")
        apart = max(abs(found.logprob - expected.logprob), abs(found.sampled_logprob - expected.sampled_logprob))
        if not apart < _NEAR:
            raise ValueError(f"its log-probabilities differ by {apart:.2g}")
