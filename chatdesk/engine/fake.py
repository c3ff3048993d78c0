"""A scripted engine without torch: for tests, and for the window without a model.

It keeps every promise of `chatdesk.engine.api`. Its replies are words drawn with the seed, or a fixed script; a word
is a token. A folder that exists, or any name that begins with ``fake:``, can be loaded, or be an adapter.

Words in a text prompt, in the last message or in the name of the model make it misbehave, ``@n`` after n tokens
(load steps) instead of none: ``fake:raise`` (an exception), ``fake:oom`` (out of memory), ``fake:endless`` (no end
token). With ``pipe``, in a child process of its own, also ``fake:exit`` (exit code 3), ``fake:abort``, ``fake:kill``
(SIGKILL), ``fake:hang`` (deaf to cancelling), ``fake:garbage`` (no frame on the pipe), ``fake:print``.

Non-goals: realistic text, batching, a cache.
"""

import itertools
import math
import os
import random
import re
import signal
import threading
import time
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from chatdesk.engine.api import (
    BANNED,
    DEFAULT_SAMPLING,
    AlternativeToken,
    Attend,
    Cancel,
    Capability,
    Count,
    Counted,
    DeviceMemory,
    DraftFinished,
    Event,
    Failed,
    Finished,
    FinishReason,
    Generate,
    Load,
    Loaded,
    MakePrompt,
    Measure,
    Measured,
    ModelInfo,
    Ping,
    Pong,
    Progress,
    PromptMade,
    Read,
    Request,
    Sampling,
    Score,
    Started,
    Survey,
    Surveyed,
    TokenEvent,
)
from chatdesk.engine.fake_inside import answer
from chatdesk.engine.speeds import LEAST_ROUNDS, Figure, Speeds
from chatdesk.errors import Fault, UserError
from chatdesk.settings.options import SAMPLING

_WORDS = re.findall(
    r"\w+",
    "a and the of in on with light rain river stone house night morning old small quiet window garden road "
    "went came saw kept found opened she he they we it was is there then again never always",
)
_RANGES = {
    "drafts": (1, 64, "from 1 to 64"),
    "top_logprobs": (0, 100, "from 0 to 100"),
    "seed": (0, 2**63 - 64, "from 0 to 2^63 - 64"),
}
_MISDEED = re.compile(r"fake:(raise|oom|endless|exit|abort|kill|hang|garbage|print)(?:@(\d+))?")


class FakeEngine:
    """See the module. ``tokens``: the script of each reply; ``tokens_per_s``: speed over all drafts, else at once;
    ``load_s``: seconds of a load, in ``load_steps`` steps; ``pipe``: descriptor of the pipe of its own process.
    """

    capabilities: tuple[Capability, ...] = tuple(Capability)

    def __init__(
        self,
        tokens: Sequence[str] | None = None,
        *,
        tokens_per_s: float | None = None,
        load_steps: int = 4,
        load_s: float = 0.0,
        context_length: int = 2048,
        pipe: int | None = None,
    ) -> None:
        self._script = tokens
        self._pause_s = 1 / tokens_per_s if tokens_per_s else 0.0
        self._load_steps = load_steps
        self._load_s = load_s
        self._context_length = context_length
        self._pipe = pipe
        self._model: ModelInfo | None = None
        self._lock = threading.Lock()
        self._live: dict[int, threading.Event] = {}  # the requests that are not over; set: cancelled

    def run(self, request: Request) -> Iterator[Event]:
        """See `Engine.run`. A request counts as waiting from this call on."""
        with self._lock:
            stop = self._live[request.id] = threading.Event()
        return self._run(request, stop)

    def cancel(self, request: int) -> None:
        """See `Engine.cancel`."""
        with self._lock:
            if request in self._live:
                self._live[request].set()

    def close(self) -> None:
        """See `Engine.close`."""
        self._model = None

    def _run(self, request: Request, stop: threading.Event) -> Iterator[Event]:
        try:
            yield from self._answer(request, stop)
        except UserError as error:
            yield Failed(request.id, error.fault, error.fields)
        finally:
            with self._lock:
                self._live.pop(request.id, None)

    def _answer(self, request: Request, stop: threading.Event) -> Iterator[Event]:
        match request:
            case Load():
                yield from self._load(request, stop)
            case Generate():
                yield from self._generate(request, stop)
            case MakePrompt():
                yield self._make_prompt(request, stop)
            case Score() | Read() | Attend():
                yield from self._look_inside(request, stop)
            case Measure():
                yield from self._measure(request, stop)
            case Count():
                self._loaded()
                yield Counted(request.id, len(_split(request.text)))
            case Survey():
                yield Surveyed(request.id, (DeviceMemory("cpu", "CPU", 16 * 10**9, 12 * 10**9, False),))
            case Ping():
                yield Pong(request.id)
            case Cancel():
                self.cancel(request.request)

    def _loaded(self) -> ModelInfo:
        if self._model is None:
            raise UserError(Fault.NO_MODEL)
        return self._model

    def _load(self, request: Load, stop: threading.Event) -> Iterator[Event]:
        _require_folder(request.path)
        self._model = None
        misdeed = _Misdeed.asked_for(request.path)
        for step in range(self._load_steps):
            misdeed.commit(step, self._pipe)
            if stop.wait(self._load_s / self._load_steps):
                raise UserError(Fault.CANCELLED)
            yield Progress(request.id, step + 1, self._load_steps)
        self._model = ModelInfo(
            name=Path(request.path).name,
            path=request.path,
            architecture="Fake",
            parameters=0,
            device="cpu",
            device_name="none",
            dtype="float32",
            context_length=self._context_length,
            has_chat_template=True,
            sampling=DEFAULT_SAMPLING,
            load_s=self._load_s,
            can_fill=True,
        )
        yield Loaded(request.id, self._model)

    def _generate(self, request: Generate, stop: threading.Event) -> Iterator[Event]:
        model = self._loaded()
        _check(request)
        if request.adapter:
            _require_folder(request.adapter)
        sampling = _resolved(request.sampling)
        prompt, messages, tokens, unseen = _fitted(request, model.context_length)
        seed = random.getrandbits(32) if request.seed is None else request.seed
        misdeed = _Misdeed.asked_for(_last_text(request))
        limits = _limits(sampling, len(prompt), model.context_length)
        begin = time.perf_counter()
        yield Started(request.id, _ids(prompt), sampling, seed, messages, tokens, unseen)
        drafts = [
            _Draft(request, i, self._words(seed + i, sampling, misdeed.name == "endless", request))
            for i in range(request.drafts)
        ]
        first_s, new_tokens, step = 0.0, 0, 0
        while live := [draft for draft in drafts if not draft.is_finished]:
            misdeed.commit(step, self._pipe)
            step += 1
            for draft in live:
                if stop.wait(self._pause_s):
                    yield draft.finish("cancelled")
                    continue
                for event in draft.step(limits):
                    new_tokens += isinstance(event, TokenEvent)
                    first_s = first_s or time.perf_counter() - begin
                    yield event
        spent_s = max(time.perf_counter() - begin, 1e-9)
        yield Finished(request.id, len(prompt), 0, new_tokens, first_s, new_tokens / spent_s)

    def _look_inside(self, request: Score | Read | Attend, stop: threading.Event) -> Iterator[Event]:
        context = self._loaded().context_length
        if request.adapter:
            _require_folder(request.adapter)
        yield from answer(request, _split, context, stop.is_set)

    def _make_prompt(self, request: MakePrompt, stop: threading.Event) -> PromptMade:
        model = self._loaded()
        sampling = _resolved(request.sampling)
        prompt, *dropped = _fitted(request, model.context_length)
        _limits(sampling, len(prompt), model.context_length)
        if stop.is_set():
            raise UserError(Fault.CANCELLED)
        return PromptMade(request.id, _ids(prompt), tuple(prompt), (), model.context_length, *dropped)

    def _measure(self, request: Measure, stop: threading.Event) -> Iterator[Event]:
        """Figures of a machine that there is not: each 4 times as good as the plain one."""
        rounds = request.rounds
        misdeed = _Misdeed.asked_for(self._loaded().path)
        if rounds < LEAST_ROUNDS:
            raise UserError(Fault.BAD_VALUE, name="rounds", value=rounds, allowed=f"at least {LEAST_ROUNDS}")
        for step in range(rounds):
            misdeed.commit(step, self._pipe)
            yield Progress(request.id, step, rounds)
            if stop.wait(self._pause_s):
                raise UserError(Fault.CANCELLED)
        fast, slow = (100.0,) * rounds, (25.0,) * rounds
        times = Figure((0.02,) * rounds, (0.08,) * rounds)
        speeds = Figure(fast, slow)
        sizes = (10**8, 10**8, 4 * 10**8, 64, 128, 512, 32, 512)
        found = Speeds(speeds, speeds, times, (1.25e10,) * rounds, *sizes, threads=1, way="plain")
        yield Measured(request.id, found)

    def _words(self, seed: int, sampling: Sampling, is_endless: bool, request: Generate) -> Iterator[str]:
        banned = {each.text.strip() for each in request.bias if each.value <= BANNED}
        if self._script is not None:
            script = [word for word in self._script if word.strip() not in banned]
            yield from itertools.cycle(script) if is_endless else script
            return
        rng = random.Random((0 if sampling.temperature == 0 else seed) + zlib.crc32(request.adapter.encode()))
        count = itertools.count() if is_endless else range(rng.randint(20, 60))
        for i in count:
            yield (" " if i else "") + rng.choice([word for word in _WORDS if word not in banned] if banned else _WORDS)


class _Draft:
    """One reply in the making. Text that may begin a stop string is held back."""

    def __init__(self, request: Generate, index: int, words: Iterator[str]) -> None:
        self._request = request
        self._index = index
        self._words = words
        self._held = ""
        self._tokens = 0
        self.is_finished = False

    def step(self, limits: Sequence[tuple[int, FinishReason]]) -> Iterator[Event]:
        """The next token, and the end of the draft where it has come. ``limits``: counts of tokens with reasons."""
        word = next(self._words, None)
        if word is None:
            yield self.finish("stop")
            return
        self._tokens += 1
        self._held += word
        found = [at for stop in self._request.stop if (at := self._held.find(stop)) >= 0]
        if found:
            text, self._held = self._held[: min(found)], ""
        else:
            keep = max((_overlap(self._held, stop) for stop in self._request.stop), default=0)
            text, self._held = self._held[: len(self._held) - keep], self._held[len(self._held) - keep :]
        yield self._token(word, text)
        reached = [reason for limit, reason in limits if self._tokens >= limit]
        if found or reached:
            yield self.finish("stop" if found else reached[0])

    def finish(self, reason: FinishReason) -> DraftFinished:
        """End the draft; its last increment is what was held back."""
        self.is_finished = True
        return DraftFinished(self._request.id, self._index, reason, self._held)

    def _token(self, word: str, text: str) -> TokenEvent:
        logprob = -math.log(len(_WORDS))
        others = [word, *(other for other in _WORDS if other != word)][: self._request.top_logprobs]
        top = tuple(AlternativeToken(_ids([w])[0], w, logprob, logprob) for w in others)
        return TokenEvent(self._request.id, self._index, _ids([word])[0], text, logprob, logprob, top)


@dataclass(frozen=True)
class _Misdeed:
    """What a prompt or the name of a model asks for, and after how many steps."""

    name: str = ""
    at: int = 0

    @classmethod
    def asked_for(cls, text: str) -> "_Misdeed":
        found = _MISDEED.search(text)
        return cls(found[1], int(found[2] or 0)) if found else cls()

    def commit(self, step: int, pipe: int | None) -> None:
        """Do it, if this is the step for it. ``pipe``: without one, nothing that would harm the process."""
        if step != self.at:
            return
        if self.name == "raise":
            raise ZeroDivisionError("asked for by the prompt")
        if self.name == "oom":
            raise UserError(Fault.OUT_OF_MEMORY, device="cpu")
        if pipe is not None:
            self._harm(pipe)

    def _harm(self, pipe: int) -> None:
        match self.name:
            case "exit":
                os._exit(3)
            case "abort":
                os.abort()
            case "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            case "hang":
                threading.Event().wait()
            case "garbage":
                os.write(pipe, b"\0\0\0\4abcd")
            case "print":
                os.write(1, b"a stray word from a library\n")
                print("and one from Python")


def _resolved(wanted: Sampling) -> Sampling:
    """The sampling really used. Raises `UserError` for values that mean nothing."""
    asked = {name: getattr(wanted, name) for name in wanted.__struct_fields__}
    if asked["max_new_tokens"] is not None and asked["max_length"] is not None:
        raise UserError(Fault.BOTH_LENGTHS)
    for name, value in asked.items():
        if value is not None:
            SAMPLING[name].check(value)
    used = {n: getattr(DEFAULT_SAMPLING, n) if value is None else value for n, value in asked.items()}
    if asked["max_length"] is not None:
        used["max_new_tokens"] = None
    return Sampling(**used)


def _require_folder(path: str) -> None:
    """FILE_NOT_FOUND for what is neither there nor called ``fake:``."""
    if not path.startswith("fake:") and not Path(path).is_dir():
        raise UserError(Fault.FILE_NOT_FOUND, path=path)


def _check(request: Generate) -> None:
    """Raises `UserError` for what is not part of the sampling and means nothing."""
    for name, (low, high, allowed) in _RANGES.items():
        value = getattr(request, name)
        if value is not None and not low <= value <= high:
            raise UserError(Fault.BAD_VALUE, name=name, value=value, allowed=allowed)
    if not all(request.stop):
        raise UserError(Fault.BAD_VALUE, name="stop", value="empty", allowed="at least one character")
    for each in request.bias:
        if not (each.text.strip() and BANNED <= each.value <= -BANNED):
            raise UserError(Fault.BAD_VALUE, name="bias", value=each.value, allowed="a number from -100 to 100")


def _limits(sampling: Sampling, prompt: int, context: int) -> list[tuple[int, FinishReason]]:
    """How many new tokens there may be, with the reason that each limit gives; the nearest first."""
    if sampling.max_length is not None and sampling.max_length <= prompt:
        allowed = f"more than the {prompt} tokens of the prompt"
        raise UserError(Fault.BAD_VALUE, name="max_length", value=sampling.max_length, allowed=allowed)
    length = sampling.max_new_tokens or (sampling.max_length or context) - prompt
    limits: list[tuple[int, FinishReason]] = [(length, "length"), (context - prompt, "context")]
    return sorted(limits, key=lambda limit: limit[0])


def _fitted(request: Generate | MakePrompt, context_length: int) -> tuple[list[str], int, int, int]:
    """The prompt's tokens, cut to leave room for one new token; how many messages or tokens were dropped, and how
    many messages stood before the last dropped one, it included.

    The oldest messages go first; those of the system and pinned ones stay. Raises `UserError`.
    """
    room = context_length - 1
    if isinstance(request.prompt, str):
        if not (request.lead + request.prompt).strip():
            raise UserError(Fault.EMPTY_PROMPT)
        room = context_length - max(1, min(request.sampling.max_new_tokens or 1, context_length // 4))
        lead, tokens, after = _split(request.lead), _split(request.prompt), _split(request.suffix)
        room -= len(lead) + len(after)
        if room < 1:
            raise UserError(Fault.PROMPT_TOO_LONG, tokens=len(lead) + len(tokens) + len(after), limit=context_length)
        return [*lead, *tokens[-room:], *after], 0, max(len(tokens) - room, 0), 0
    if not request.prompt or not request.prompt[-1].text.strip():
        raise UserError(Fault.EMPTY_PROMPT)
    sizes = [len(_split(message.text)) for message in request.prompt]
    total = sum(sizes)
    said = [i for i, message in enumerate(request.prompt) if message.role != "system"]
    gone: list[int] = []
    for i in said[:-1]:
        if total > room and not request.prompt[i].is_pinned:
            if request.overflow == "refuse":
                raise UserError(Fault.CONTEXT_FULL, tokens=total, limit=room)
            gone.append(i)
            total -= sizes[i]
    if total > room:
        raise UserError(Fault.PROMPT_TOO_LONG, tokens=total, limit=room)
    words = [word for i, message in enumerate(request.prompt) if i not in gone for word in _split(message.text)]
    return words, len(gone), 0, said.index(gone[-1]) + 1 if gone else 0


def _last_text(request: Generate) -> str:
    return request.prompt if isinstance(request.prompt, str) else request.prompt[-1].text


def _split(text: str) -> list[str]:
    return re.findall(r"\s*\S+|\s+$", text)


def _ids(words: Sequence[str]) -> tuple[int, ...]:
    return tuple(zlib.crc32(word.encode("utf-8", "replace")) % 50_000 for word in words)


def _overlap(text: str, stop: str) -> int:
    """Length of the longest end of ``text`` that begins ``stop``."""
    return next((n for n in range(min(len(text), len(stop)), 0, -1) if stop.startswith(text[-n:])), 0)
