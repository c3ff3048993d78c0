"""One `Measure` request: how fast the loaded model decodes and reads prompts, beside transformers' own `generate`.

Both ways run over the same weights in the same process, in turns: who comes first in one round is second in the next.
A round that is not counted goes before the others, and with it what is made once: kernels, graphs, buffers. Prompts
are different in every round, so that nothing is known of them. How long they are follows from the speed of the
machine, so that a round takes seconds, and from the memory that is free.

Non-goals: sampling, drafts (tests/benchmarks/engine.py measures them).
"""

import dataclasses
import random
import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import torch

from chatdesk.engine.api import (
    Event,
    Finished,
    Generate,
    Measure,
    Measured,
    Progress,
    Sampling,
)
from chatdesk.engine.local.brake import Stopped
from chatdesk.engine.local.generation import Generator
from chatdesk.engine.local.lean.step import LeanMaker
from chatdesk.engine.local.placement import memory
from chatdesk.engine.local.yardsticks import bandwidth, bytes_per_token, generate_times, weight_bytes
from chatdesk.engine.speeds import LEAST_ROUNDS, Figure, Speeds, Way
from chatdesk.errors import Fault, UserError
from chatdesk.library import safety
from chatdesk.library.figures import short_bytes
from chatdesk.library.footprint import measure

_MOST_ROUNDS = 1000
_WORDS = re.findall(
    r"\w+",
    "the a of and in to with from when where under over before after small large old new quiet bright river house "
    "garden letter winter morning road window teacher water light stone bread paper walked found opened wrote asked "
    "knew told carried left kept she he they it we was had is are will could never always again there here then",
)
_SHORT, _TURN, _FIRST = 64, 32, 128
_LONGEST, _MOST_NEW, _LEAST_NEW = 2048, 128, 16
_PREFILL_S, _DECODE_S = 2.0, 3.0
"""How long reading the long prompt and decoding should take, in seconds, where the model lets them."""


@dataclasses.dataclass(frozen=True)
class _Sizes:
    """In tokens: a short prompt with ``new`` tokens after it, and a long one with a next turn."""

    short: int
    new: int
    prompt: int
    turn: int


@dataclasses.dataclass(frozen=True)
class _Text:
    """A prompt that nothing is known of, and its tokens."""

    words: str
    ids: tuple[int, ...]


class Bench:
    """Measures for one request. Raises `UserError`, ``CANCELLED`` among them, and memory errors as they come."""

    def __init__(self, generator: Generator, request: Measure, is_cancelled: Callable[[], bool]) -> None:
        self._generator, self._request, self._is_cancelled = generator, request, is_cancelled
        self._info, self._runner = generator.checkpoint.info, generator.cache.runner
        self._device = self._runner.device
        self._figures: defaultdict[str, tuple[list[float], list[float]]] = defaultdict(lambda: ([], []))
        self._texts = 0
        self._reused = self._prompt = 0

    def run(self) -> Iterator[Event]:
        """`Progress`, and at last `Measured`."""
        rounds = self._request.rounds
        if not LEAST_ROUNDS <= rounds <= _MOST_ROUNDS:
            allowed = f"from {LEAST_ROUNDS} to {_MOST_ROUNDS}"
            raise UserError(Fault.BAD_VALUE, name="rounds", value=rounds, allowed=allowed)
        done, total = 0, 3 + 4 * (rounds + 1)
        bandwidths: list[float] = []
        with _endless(self._generator):
            yield Progress(self._request.id, done, total)
            self._wait_for_kernels()
            yield Progress(self._request.id, done := done + 1, total)
            sizes = self._choose_sizes()
            yield Progress(self._request.id, done := done + 1, total)
            used = self._used_bytes(sizes)
            for round_ in range(rounds + 1):
                for part in (self._measure_prompt, self._measure_turn, self._measure_decode):
                    yield Progress(self._request.id, done := done + 1, total)
                    part(sizes, is_own_first=round_ % 2 == 0)
                yield Progress(self._request.id, done := done + 1, total)
                self._check_cancelled()
                bandwidths.append(bandwidth(self._device, self._free_bytes() // 4, self._check_cancelled))
        yield Measured(self._request.id, self._speeds(sizes, used, bandwidths[1:]))

    def _wait_for_kernels(self) -> None:
        steps = self._runner.steps
        while steps.is_on and not steps.is_ready:
            self._check_cancelled()
            time.sleep(0.05)

    def _choose_sizes(self) -> _Sizes:
        """From the speed of two small replies, of which the first one makes what is made once."""
        context = self._info.context_length
        room = max(1, context // 4)
        short, new, turn = min(_SHORT, room), min(_LEAST_NEW, room), min(_TURN, max(1, context // 8))
        for _ in range(2):
            decoding = self._own(self._text(short), new).tokens_per_s
        new = max(new, min(_MOST_NEW, room, int(decoding * _DECODE_S)))
        longest = max(1, min(_LONGEST, context - new - turn - _LEAST_NEW))
        prompt = min(_FIRST, longest)
        text = self._text(prompt)
        speed = len(text.ids) / max(self._own(text, 1).ttft_s, 1e-6)
        while prompt < longest and 2 * prompt <= speed * _PREFILL_S and self._fits(min(2 * prompt, longest)):
            prompt = min(2 * prompt, longest)
        if not self._fits(prompt):
            needed, total = short_bytes(self._needed_bytes(prompt)), short_bytes(self._free_bytes())
            raise UserError(Fault.DOES_NOT_FIT, name=self._info.name, needed=needed, total=total)
        return _Sizes(short, new, prompt, turn)

    def _fits(self, prompt: int) -> bool:
        return self._needed_bytes(prompt) <= self._free_bytes()

    def _needed_bytes(self, prompt: int) -> int:
        """Beside the model: the keys and values of both ways, and room for one step."""
        size, tokens = measure(safety.check(Path(self._info.path))), prompt + _TURN + _MOST_NEW
        return 2 * size.cache_bytes(self._info.dtype, tokens) + size.work_bytes(prompt, tokens)

    def _free_bytes(self) -> int:
        return next(each.free for each in memory(None) if each.device == self._device.type)

    def _used_bytes(self, sizes: _Sizes) -> int:
        """Memory of the model's device that the process takes once it has done what it does for a person."""
        self._own(self._text(sizes.prompt), sizes.new)
        match self._device.type:
            case "cuda" | "xpu":
                return int(getattr(torch, self._device.type).max_memory_reserved())
            case "mps":
                return torch.mps.driver_allocated_memory()
            case _:
                return int(psutil.Process().memory_full_info().uss)

    def _measure_prompt(self, sizes: _Sizes, is_own_first: bool) -> None:
        """Reading a prompt. It stays kept for `_measure_turn`."""
        self._long = text = self._text(sizes.prompt)
        self._prompt = len(text.ids)
        self._both(
            "prefill",
            lambda: len(text.ids) / self._own(text, 1).ttft_s,
            lambda: len(text.ids) / self._plain(text, 1)[0],
            is_own_first,
        )

    def _measure_turn(self, sizes: _Sizes, is_own_first: bool) -> None:
        text = self._text(sizes.turn, self._long.words)

        def own() -> float:
            reply = self._own(text, 1)
            self._reused = reply.reused_tokens
            return reply.ttft_s

        self._both("first_token", own, lambda: self._plain(text, 1)[0], is_own_first)

    def _measure_decode(self, sizes: _Sizes, is_own_first: bool) -> None:
        text = self._text(sizes.short)

        def plain() -> float:
            times = self._plain(text, sizes.new)
            return (len(times) - 1) / (times[-1] - times[0])

        self._both("decode", lambda: self._own(text, sizes.new).tokens_per_s, plain, is_own_first)

    def _both(self, name: str, own: Callable[[], float], plain: Callable[[], float], is_own_first: bool) -> None:
        found = {}
        for work in (own, plain) if is_own_first else (plain, own):
            self._check_cancelled()
            found[work] = work()
        for figures, work in zip(self._figures[name], (own, plain), strict=True):
            figures.append(found[work])

    def _own(self, text: _Text, new: int) -> Finished:
        """The last event of a reply by the engine, with all that goes with one."""
        sampling = Sampling(temperature=0, top_p=1, top_k=0, min_p=0, repetition_penalty=1, max_new_tokens=new)
        *_, last = self._generator.run(Generate(self._request.id, text.words, sampling, 1), self._is_cancelled)
        self._check_cancelled()
        assert isinstance(last, Finished), last
        return last

    def _plain(self, text: _Text, new: int) -> list[float]:
        """When transformers' `generate` had each token."""
        self._runner.brake.should_stop = self._is_cancelled
        try:
            times = generate_times(self._runner.model, text.ids, new, self._is_cancelled)
        except Stopped:
            raise UserError(Fault.CANCELLED) from None
        self._check_cancelled()
        return times

    def _text(self, tokens: int, begin: str = "") -> _Text:
        """About so many tokens, behind ``begin``; another one at each call."""
        self._texts += 1
        known, encode = self._generator.checkpoint.tokens, self._generator.checkpoint.tokens.encode
        rng = random.Random(self._texts)
        drawn = [rng.choice(_WORDS) for _ in range(tokens)]
        fitting = max(1, tokens * len(drawn) // max(1, len(encode(" ".join(drawn)))))
        words = " ".join(filter(None, (begin, *drawn[:fitting])))
        return _Text(words, (*known.leading, *encode(words)))

    def _check_cancelled(self) -> None:
        if self._is_cancelled():
            raise UserError(Fault.CANCELLED)

    def _speeds(self, sizes: _Sizes, used: int, bandwidths: list[float]) -> Speeds:
        def figure(name: str) -> Figure:
            own, plain = (tuple(values[1:]) for values in self._figures[name])
            return Figure(own, plain)

        return Speeds(
            decode=figure("decode"),
            prefill=figure("prefill"),
            first_token=figure("first_token"),
            bandwidth=tuple(bandwidths),
            bytes_per_token=self._bytes_per_token(),
            weight_bytes=weight_bytes(self._runner.model),
            memory_bytes=used,
            short_tokens=sizes.short,
            new_tokens=sizes.new,
            prompt_tokens=self._prompt,
            turn_tokens=sizes.turn,
            reused_tokens=self._reused,
            threads=torch.get_num_threads(),
            way=self._way(),
        )

    def _bytes_per_token(self) -> int | None:
        """As they are read: of some weights there may be shorter copies."""
        steps, found = self._runner.steps, bytes_per_token(self._runner.model, self._device)
        return found - steps.saved_bytes if found is not None and isinstance(steps, LeanMaker) else found

    def _way(self) -> Way:
        steps = self._runner.steps
        if not (steps.is_on and steps.made):
            return "plain"
        if isinstance(steps, LeanMaker):
            race = steps.races.get(1)
            return "kernels" if race is not None and race.has_won else "plain"
        return "graph"


@contextmanager
def _endless(generator: Generator) -> Iterator[None]:
    """End tokens end nothing, so that all replies are of one length; what is kept is new before and after.

    Nothing is guessed: text without an end repeats itself, and guesses would make its decoding look too fast.
    """
    known, guesses = generator.checkpoint, generator.guesses
    generator.cache.forget()
    generator.guesses = False
    generator.checkpoint = dataclasses.replace(known, eos_ids=frozenset())
    try:
        yield
    finally:
        generator.checkpoint, generator.guesses = known, guesses
        generator.cache.forget()
