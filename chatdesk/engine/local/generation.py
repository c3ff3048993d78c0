"""One `Generate` request from its prompt to its last event: the glue between prompt, decoding, sampling and text.

`MakePrompt` shares the way to the prompt and ends there.
"""

import secrets
import time
from collections.abc import Callable, Iterator
from collections.abc import Generator as TypedGenerator
from dataclasses import replace
from functools import partial

import torch
from msgspec import structs

from chatdesk.engine.api import (
    Attend,
    DraftFinished,
    Event,
    Finished,
    FinishReason,
    Generate,
    MakePrompt,
    Progress,
    PromptMade,
    Read,
    Sampling,
    Score,
    Started,
    TokenEvent,
)
from chatdesk.engine.local.adapters import Adapters
from chatdesk.engine.local.attention import Attention
from chatdesk.engine.local.bias import TokenBias, check_biases
from chatdesk.engine.local.brake import Stopped
from chatdesk.engine.local.branches import PrefixCache
from chatdesk.engine.local.cache import Batch
from chatdesk.engine.local.decoding import ChunkSize, Step, decode, prefill
from chatdesk.engine.local.detokenize import Detokenizer, StopStrings, pieces
from chatdesk.engine.local.lean.compiler import COMPILER
from chatdesk.engine.local.loading import Checkpoint
from chatdesk.engine.local.placement import free_now
from chatdesk.engine.local.prompts import Around, Prompt, PromptMaker
from chatdesk.engine.local.reading import Reader
from chatdesk.engine.local.runner import Runner
from chatdesk.engine.local.sampling import (
    MAX_DRAFTS,
    MAX_SEED,
    MAX_TOP_LOGPROBS,
    Choice,
    Sampler,
    check_range,
    resolve,
)
from chatdesk.engine.local.scoring import Scorer
from chatdesk.engine.local.speculation import DraftModel, Guesses, Pace, decode_ahead, is_same_vocabulary
from chatdesk.engine.local.tokens import Tokens
from chatdesk.errors import Fault, UserError
from chatdesk.remarks import Remark


class Generator:
    """Generates with one loaded checkpoint; keeps its cache and what it learned about its speed."""

    def __init__(self, checkpoint: Checkpoint, branch_memory: int, guesses: bool) -> None:
        """``branch_memory`` and ``guesses``: see `Load`."""
        self.guesses, self._pace = guesses, Pace()
        self._draft: DraftModel | None = None
        self._prompts = PromptMaker(checkpoint.tokens, checkpoint.info.context_length, checkpoint.eos_ids)
        runner = Runner(checkpoint.model)
        self._cache = PrefixCache(runner, branch_memory << 20, partial(free_now, runner.device))
        self.checkpoint = _with_remark(checkpoint, self._cache.remark)
        self._adapters = Adapters(checkpoint.model, checkpoint.info, self._cache.runner.device)
        info = checkpoint.info
        self._chunk = ChunkSize(info.device, info.parameters, runner.brake.looks)

    def take_draft(self, checkpoint: Checkpoint | None) -> None:
        """Let a small checkpoint guess. One that cannot, or None, is left out, with a remark."""
        if checkpoint is not None and is_same_vocabulary(checkpoint.tokens, self.checkpoint.tokens):
            self._draft = DraftModel(checkpoint, self.checkpoint.vocabulary)
        else:
            self.checkpoint = _with_remark(self.checkpoint, Remark.DRAFT_UNUSED)

    @property
    def cache(self) -> PrefixCache:
        """What is kept of the last prompt, with the way the model is run."""
        return self._cache

    def close(self) -> None:
        """Free the cache and end the template process, and a compilation that is under way."""
        COMPILER.close()
        self._cache.forget()
        self._draft = None
        self._prompts.close()

    def run(self, request: Generate, is_cancelled: Callable[[], bool]) -> Iterator[Event]:
        """The events of a request; raises `UserError`, and memory errors as they come."""
        started = time.perf_counter()
        _check(request)
        sampling, prompt = self._prompt(request)
        self._put_on(request.adapter)
        seed = secrets.randbelow(2**32) if request.seed is None else request.seed
        writing = _Writing(request, self.checkpoint, prompt, sampling)
        bias = TokenBias(request.bias, self.checkpoint.tokens.encode, prompt.ids, self.checkpoint.vocabulary)
        sampler = Sampler(sampling, prompt.ids, seed, request.drafts, request.top_logprobs, bias)
        said = Started(
            request.id,
            prompt.ids,
            sampling,
            seed,
            prompt.dropped_messages,
            prompt.dropped_tokens,
            prompt.unseen_before,
            prompt.opening,
        )
        self._cache.runner.brake.should_stop = is_cancelled
        if self._draft is not None:
            self._draft.runner.brake.should_stop = is_cancelled
        try:
            reused = yield from self._write(said, writing, sampler, is_cancelled)
        except GeneratorExit:  # between two steps
            raise
        except BaseException:  # Ctrl+C, too
            self._cache.forget()  # a forward pass may have left it half written
            if self._draft is not None:
                self._draft.forget()
            raise
        yield writing.finished(len(prompt.ids), reused, started)
        if not is_cancelled():
            self._cache.prepare()

    def inspect(self, request: Score | Read | Attend, is_cancelled: Callable[[], bool]) -> Iterator[Event]:
        """The events of a request that generates nothing; raises as `run` does. The cache is not touched."""
        self._put_on(request.adapter)
        runner = self._cache.runner
        runner.brake.should_stop = is_cancelled
        try:
            match request:
                case Score():
                    yield from Scorer(self.checkpoint, runner).run(request)
                case Read():
                    yield from Reader(self.checkpoint, runner, self._prompts).run(request)
                case Attend():
                    yield from Attention(self.checkpoint, runner).run(request)
        except Stopped:
            raise UserError(Fault.CANCELLED) from None

    def _put_on(self, adapter: str) -> None:
        if not self._adapters.is_on(adapter):
            self._cache.forget()  # with another adapter the same tokens have other keys and values
            self._adapters.put_on(adapter)

    def make_prompt(self, request: MakePrompt, is_cancelled: Callable[[], bool]) -> PromptMade:
        """The prompt that `run` would begin with; raises `UserError` as it does. The cache is not touched."""
        _, prompt = self._prompt(request)
        if is_cancelled():
            raise UserError(Fault.CANCELLED)
        return PromptMade(
            request.id,
            prompt.ids,
            tuple(pieces(self.checkpoint.tokens, prompt.ids)),
            tuple(sorted(self.checkpoint.tokens.markers.intersection(prompt.ids))),
            self.checkpoint.info.context_length,
            prompt.dropped_messages,
            prompt.dropped_tokens,
            prompt.unseen_before,
        )

    def _prompt(self, request: Generate | MakePrompt) -> tuple[Sampling, Prompt]:
        """The sampling really used, and what the model sees."""
        sampling = resolve(request.sampling, self.checkpoint.info.sampling)
        around = Around(request.lead, request.suffix)
        asked = request.prompt
        if not isinstance(asked, str):
            asked = self.checkpoint.with_own_ids(asked)
        prompt = self._prompts.make(asked, sampling, request.overflow == "drop", request.dialogue, around)
        self.checkpoint.require_known(prompt.ids)
        return sampling, prompt

    def _write(
        self, said: Started, writing: "_Writing", sampler: Sampler, is_cancelled: Callable[[], bool]
    ) -> TypedGenerator[Event, None, int]:
        """All events but the last; returns how many tokens came from the cache."""
        prompt = said.prompt_token_ids
        batch = self._cache.take(prompt)
        reused = batch.length
        logits = None
        for item in prefill(batch, prompt, self._chunk, is_cancelled):
            if isinstance(item, int):
                yield Progress(said.request, item, len(prompt))
            else:
                logits = item
        yield said
        if logits is None:
            yield from writing.cancel()
            return reused
        live = batch if writing.drafts == 1 else batch.fan_out(writing.drafts)
        for step in self._steps(live, logits, sampler, writing.limit):
            yield from writing.take(step)
            if is_cancelled():
                yield from writing.cancel()
            step.ended |= writing.ended
            if live is not batch:
                for draft in step.ended.intersection(step.drafts):
                    self._cache.note(live, step.drafts.index(draft))
        yield from writing.cancel()  # what a stopped step has left
        return reused

    def _steps(self, live: Batch, logits: torch.Tensor, sampler: Sampler, most: int) -> Iterator[Step]:
        """With guesses where the person wants that and one text is written that can be trimmed.

        Where the device chooses by itself, a step is quicker than reading guesses.
        """
        is_slow = not (sampler.can_be_ahead and self._cache.runner.chooses)
        if self.guesses and is_slow and len(live.rows) == 1 and live.can_part:
            return decode_ahead(live, logits, sampler.choose, Guesses(self._draft), self._pace, most)
        return decode(live, logits, sampler, most)


class _Draft:
    """The text of one draft as it grows."""

    def __init__(self, tokens: Tokens, prompt: Prompt, stops: tuple[str, ...]) -> None:
        self._detokenizer = Detokenizer(tokens, prompt.ids if prompt.continues else ())
        self._stops = StopStrings(stops)
        self.tokens = 0

    def feed(self, token_id: int) -> str:
        self.tokens += 1
        return self._stops.feed(self._detokenizer.feed(token_id))

    def flush(self) -> str:
        return self._stops.feed(self._detokenizer.flush()) + self._stops.flush()

    @property
    def is_stopped(self) -> bool:
        return self._stops.found


class _Writing:
    """Turns the steps of one request into events, and decides which drafts have ended."""

    def __init__(self, request: Generate, checkpoint: Checkpoint, prompt: Prompt, sampling: Sampling) -> None:
        self._request, self._checkpoint = request.id, checkpoint
        stops = (*request.stop, *prompt.stops)
        named = (checkpoint.tokens.encode(stop) for stop in request.stop)  # a special token has no text to be found
        marks = {ids[0] for ids in named if len(ids) == 1 and ids[0] in checkpoint.tokens.specials}
        self._ends = checkpoint.eos_ids | prompt.stop_ids | marks
        self.drafts = request.drafts
        self._drafts = [_Draft(checkpoint.tokens, prompt, stops) for _ in range(request.drafts)]
        self.limit, self._reason = _limit(len(prompt.ids), sampling, checkpoint.info.context_length)
        self.ended: set[int] = set()
        self._first: tuple[float, int] | None = None  # when the first step came, and its tokens

    def take(self, step: Step) -> Iterator[Event]:
        """The events of one step."""
        now = time.perf_counter()
        for draft, choice in zip(step.drafts, step.choices, strict=True):
            if choice.id in self._ends:
                yield self._end(draft, "stop")
                continue
            yield self._token(draft, choice)
            if self._drafts[draft].is_stopped:
                yield self._end(draft, "stop")
            elif self._drafts[draft].tokens == self.limit:
                yield self._end(draft, self._reason)
        if self._first is None:
            self._first = (now, self._new_tokens)

    def cancel(self) -> Iterator[Event]:
        """End what has not ended."""
        for draft in range(len(self._drafts)):
            if draft not in self.ended:
                yield self._end(draft, "cancelled")

    def finished(self, prompt_tokens: int, reused: int, started: float) -> Finished:
        """The last event. The speed is that of all steps after the first."""
        first, at_first = self._first or (started, 0)
        seconds, tokens = time.perf_counter() - first, self._new_tokens - at_first
        speed = tokens / seconds if tokens and seconds > 0 else 0.0
        return Finished(self._request, prompt_tokens, reused, self._new_tokens, first - started, speed)

    @property
    def _new_tokens(self) -> int:
        return sum(draft.tokens for draft in self._drafts)

    def _token(self, draft: int, choice: Choice) -> TokenEvent:
        top = tuple(self._checkpoint.tokens.alternative(*found) for found in choice.top)
        text = self._drafts[draft].feed(choice.id)
        return TokenEvent(self._request, draft, choice.id, text, choice.logprob, choice.sampled_logprob, top)

    def _end(self, draft: int, reason: FinishReason) -> DraftFinished:
        self.ended.add(draft)
        return DraftFinished(self._request, draft, reason, self._drafts[draft].flush())


def _with_remark(checkpoint: Checkpoint, remark: Remark | None) -> Checkpoint:
    """The checkpoint with one more thing said of it."""
    if remark is None:
        return checkpoint
    return replace(checkpoint, info=structs.replace(checkpoint.info, remarks=(*checkpoint.info.remarks, remark)))


def _limit(prompt_tokens: int, sampling: Sampling, context: int) -> tuple[int, FinishReason]:
    """How many tokens a draft may have, and why it ends then."""
    wanted = sampling.max_new_tokens or (sampling.max_length or 0) - prompt_tokens
    room = context - prompt_tokens
    return (wanted, "length") if wanted <= room else (room, "context")


def _check(request: Generate) -> None:
    """``BAD_VALUE`` for what is not part of the sampling."""
    check_range("drafts", request.drafts, (1, MAX_DRAFTS, f"from 1 to {MAX_DRAFTS}"))
    check_range("top_logprobs", request.top_logprobs, (0, MAX_TOP_LOGPROBS, f"from 0 to {MAX_TOP_LOGPROBS}"))
    if request.seed is not None:
        check_range("seed", request.seed, (0, MAX_SEED, f"from 0 to {MAX_SEED}"))
    if not all(request.stop):
        raise UserError(Fault.BAD_VALUE, name="stop", value="empty", allowed="at least one character")
    check_biases(request.bias)
