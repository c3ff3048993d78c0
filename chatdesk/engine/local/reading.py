"""How probable the model finds each token of a text that is there already, for `Read`."""

import math
from collections.abc import Iterator, Sequence

import torch

from chatdesk.engine.api import Event, Progress, Read, Sampling, SomeRead, TokenReading, TokensRead
from chatdesk.engine.local.detokenize import Detokenizer
from chatdesk.engine.local.loading import Checkpoint
from chatdesk.engine.local.prompts import PromptMaker, without_opening
from chatdesk.engine.local.runner import Runner
from chatdesk.engine.local.sampling import FLOOR, MAX_TOP_LOGPROBS, candidates, check_range, resolve
from chatdesk.engine.local.scoring import Forward
from chatdesk.errors import Fault, UserError

_CHUNK_LOGITS = 1 << 24
_PART = 1024
"""Tokens of one event: with ten alternatives each about 0.8 MB, which is taken in a moment and has room in a frame."""

_ROWS = 32
"""Places whose probabilities are computed at once; more would take memory and no less time."""


class Reader:
    """Reads with one model."""

    def __init__(self, checkpoint: Checkpoint, runner: Runner, prompts: PromptMaker) -> None:
        self._checkpoint, self._prompts = checkpoint, prompts
        self._forward, self._rope = Forward(runner), runner.rope

    @torch.inference_mode()
    def run(self, request: Read) -> Iterator[Event]:
        """The events of a request. Raises ``EMPTY_PROMPT``, ``PROMPT_TOO_LONG``, ``BAD_VALUE``, ``NOT_FINITE`` and
        `Stopped`.
        """
        check_range("top", request.top, (0, MAX_TOP_LOGPROBS, f"from 0 to {MAX_TOP_LOGPROBS}"))
        sampling = resolve(request.sampling, self._checkpoint.info.sampling)
        ids, start = self._ids(request)
        figures = _Figures(ids, sampling, request.top)
        readings: list[TokenReading] = []
        texts = self._texts(ids, start)
        if start == 0:
            readings.append(TokenReading(ids[0], texts[0]))
        place = max(1, start)  # the next token to be judged
        for first, logits in self._logits(ids, start):
            for offset in range(0, len(logits), _ROWS):
                rows = logits[offset : offset + _ROWS]
                begin = first + offset + 1
                wanted = rows[max(0, place - begin) :][: len(ids) - max(place, begin)]
                for found in figures.of(wanted, max(place, begin)) if len(wanted) else ():
                    readings.append(self._reading(ids[place], texts[place - start], found))
                    place += 1
            while len(readings) > _PART:
                yield SomeRead(request.id, tuple(readings[:_PART]))
                del readings[:_PART]
            yield Progress(request.id, place, len(ids))
        yield TokensRead(request.id, tuple(readings))

    def _ids(self, request: Read) -> tuple[list[int], int]:
        """What the model sees, and the first of its tokens that is read."""
        tokens, context = self._checkpoint.tokens, self._checkpoint.info.context_length
        if isinstance(request.prompt, str):
            if not request.prompt.strip():
                raise UserError(Fault.EMPTY_PROMPT)
            ids, start = [*tokens.leading, *tokens.encode(request.prompt)], len(tokens.leading)
        elif not request.prompt or request.prompt[-1].role != "assistant":
            raise UserError(Fault.BAD_VALUE, name="prompt", value="no reply", allowed="messages that end with a reply")
        else:
            messages = self._checkpoint.with_own_ids(request.prompt)
            reply = messages[-1]  # joined as it was written: through a template a space might come before it
            own = reply.token_ids or tokens.quoting.encode_plain(reply.text)
            sampling = resolve(Sampling(max_new_tokens=max(1, len(own))), self._checkpoint.info.sampling)
            before = self._prompts.make(messages[:-1], sampling, dialogue=request.dialogue)
            if before.opening and not reply.token_ids:
                own = tokens.quoting.encode_plain(without_opening(reply.text))
            ids, start = [*before.ids, *own], len(before.ids)
        if not ids:  # of a text without width, say
            raise UserError(Fault.EMPTY_PROMPT)
        if len(ids) > context:
            raise UserError(Fault.PROMPT_TOO_LONG, tokens=len(ids), limit=context)
        self._checkpoint.require_known(ids)
        return ids, start

    def _logits(self, ids: Sequence[int], start: int) -> Iterator[tuple[int, torch.Tensor]]:
        """Logits ``[tokens, vocabulary]`` after the tokens from a place on; those before ``start - 1`` may lack."""
        last = len(ids) - 1  # what comes after the last token is not asked for
        self._rope.set_for(len(ids))
        if not self._forward.shares:
            yield 0, self._forward(self._forward.tensor([ids]), None, len(ids))[0]
            return
        cache, size = self._forward.new_cache(), max(256, _CHUNK_LOGITS // self._checkpoint.vocabulary)
        at = 0
        while at < last:
            end = min(at + size, last)
            keep = end - at if end > start - 1 else 1
            yield end - keep, self._forward(self._forward.tensor([ids[at:end]]), cache, keep)[0]
            at = end

    def _texts(self, ids: Sequence[int], start: int) -> list[str]:
        detokenizer = Detokenizer(self._checkpoint.tokens, ids[:start], skip_special=False)
        texts = [detokenizer.feed(i) for i in ids[start:]]
        if texts:
            texts[-1] += detokenizer.flush()
        return texts

    def _reading(self, token_id: int, text: str, found: "_Found") -> TokenReading:
        rank, own, sampled, entropy, top = found
        make = self._checkpoint.tokens.alternative
        others = tuple(make(i, max(a, FLOOR), max(b, FLOOR)) for i, a, b in top)
        return TokenReading(token_id, text, rank, max(own, FLOOR), max(sampled, FLOOR), entropy, others)


_Found = tuple[int, float, float, float, list[tuple[int, float, float]]]
"""Rank, both log-probabilities, entropy and the alternatives of one token."""


class _Figures:
    """Figures of the tokens of one text, from the logits before each."""

    def __init__(self, ids: Sequence[int], sampling: Sampling, top: int) -> None:
        self._ids, self._sampling, self._top = ids, sampling, top

    def of(self, logits: torch.Tensor, first: int) -> list[_Found]:
        """The figures of the tokens from ``first`` on; ``logits`` ``[tokens, vocabulary]``: before each of them."""
        chosen = torch.tensor([self._ids[first : first + len(logits)]], device=logits.device).T
        logprobs = logits.log_softmax(dim=-1)
        own = logprobs.gather(1, chosen)
        if not bool(own.isfinite().all()) and not bool((own > -math.inf).all()):
            raise UserError(Fault.NOT_FINITE)
        ranks = (logprobs > own).sum(dim=-1) + 1
        entropies = torch.special.entr(logprobs.exp()).sum(dim=-1)
        sampled = self._sampled(logits, logprobs, first)
        after = sampled.gather(1, chosen)
        values, others = logprobs.topk(min(self._top, logprobs.shape[-1]), dim=-1)
        tops = [
            list(zip(*row, strict=True))
            for row in zip(others.tolist(), values.tolist(), sampled.gather(1, others).tolist(), strict=True)
        ]
        parts = (ranks.tolist(), own[:, 0].tolist(), after[:, 0].tolist(), entropies.tolist(), tops)
        return [(int(r), o, s, e, t) for r, o, s, e, t in zip(*parts, strict=True)]

    def _sampled(self, logits: torch.Tensor, logprobs: torch.Tensor, first: int) -> torch.Tensor:
        """Log-probabilities after the filters, `FLOOR` for what they take out."""
        scores = self._penalised(logits, first)
        if self._sampling.temperature == 0:
            best = scores.argmax(dim=-1, keepdim=True)
            return torch.full_like(logprobs, FLOOR).scatter(1, best, 0.0)
        kept, after, _ = candidates(scores / float(self._sampling.temperature or 1), logprobs, self._sampling)
        kept, after = kept.to(logprobs.device), after.to(logprobs.device, logprobs.dtype).clamp(min=FLOOR)
        return torch.full_like(logprobs, FLOOR).scatter(1, kept, after)

    def _penalised(self, logits: torch.Tensor, first: int) -> torch.Tensor:
        penalty = float(self._sampling.repetition_penalty or 1)
        if penalty == 1:
            return logits
        rows = []
        for offset, row in enumerate(logits):
            seen = torch.tensor(sorted(set(self._ids[: first + offset])), device=logits.device)
            score = row[seen]
            rows.append(row.scatter(0, seen, torch.where(score < 0, score * penalty, score / penalty)))
        return torch.stack(rows)
