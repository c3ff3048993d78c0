"""Reading a prompt and decoding, over `cache.Batch`: the loops know no text and no events.

A prompt is read in chunks. A cancel is noticed between layers of the model (`Brake`), so a chunk is as long as it takes
`LOOK_S` from one look to the next, as measured on the chunks before it, but at most `CHUNK_S`, for there is a word
about the progress after each. Longer chunks are better: every one reads all the weights again.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

from chatdesk.engine.local.brake import Stopped
from chatdesk.engine.local.cache import Batch
from chatdesk.engine.local.sampling import Choice, Sampler

if TYPE_CHECKING:
    from chatdesk.engine.local.fused.ahead import Ahead

CHUNK_S = 2.0
LOOK_S = 0.08
"""How long a chunk of a prompt, and what is read of it between two looks, should take at most, in seconds."""

_LONGEST_CHUNK = 4096
_SHORTEST_CHUNK = 128
_CAUTIOUS_SPEED = {"cpu": 5e10}  # floating-point operations a second, for a first guess
_CAUTIOUS_SPEED_GPU = 5e12


class ChunkSize:
    """How many tokens of a prompt to read at once; remembered from one prompt to the next."""

    def __init__(self, device: str, parameters: int, looks: int) -> None:
        self._target_s = min(CHUNK_S, LOOK_S * max(1, looks))
        speed = _CAUTIOUS_SPEED.get(device, _CAUTIOUS_SPEED_GPU) / (2 * parameters)  # tokens a second
        self.tokens = _power_of_two(self._target_s * speed)

    def measured(self, tokens: int, seconds: float) -> None:
        """Adapt to a chunk that was read; at most twice as long next time, a power of two."""
        if tokens < self.tokens and seconds < self._target_s:
            return  # the short rest of a prompt says nothing about longer ones
        self.tokens = _power_of_two(min(tokens * self._target_s / max(seconds, 1e-6), 2.0 * self.tokens))


def _power_of_two(tokens: float) -> int:
    """The next lower power of two, within the limits."""
    return 1 << (int(max(_SHORTEST_CHUNK, min(tokens, _LONGEST_CHUNK))).bit_length() - 1)


def prefill(
    batch: Batch, prompt: Sequence[int], chunk: ChunkSize, is_cancelled: Callable[[], bool]
) -> Iterator[int | torch.Tensor]:
    """Read what the batch does not hold of a prompt, at least its last token.

    Yields the number of prompt tokens read after each chunk but the last, then the logits after the last token, float32
    ``[1, vocabulary]``. Ends without logits when it is cancelled.
    """
    batch.expect(len(prompt))
    while not is_cancelled():
        started = time.perf_counter()
        size = chunk.tokens if batch.can_continue else len(prompt)
        new = prompt[batch.length : batch.length + size]
        try:
            logits = batch.go_on(new)
        except Stopped:
            return
        if batch.length == len(prompt):
            yield logits
            return
        if logits.device.type != "cpu":
            logits[0, 0].item()  # wait for the device: its queue must not hide how long a chunk takes
        chunk.measured(len(new), time.perf_counter() - started)
        yield batch.length


@dataclass
class Step:
    """One token for each live draft. The consumer puts drafts that end with it into ``ended``."""

    drafts: list[int]
    choices: Sequence[Choice]
    ended: set[int] = field(default_factory=set)


def decode(batch: Batch, logits: torch.Tensor, sampler: Sampler, most: int) -> Iterator[Step]:
    """Continue each row of a batch, until all have ended, by at most ``most`` tokens.

    ``logits``: float32 ``[rows or 1, vocabulary]`` after the prompt. A token is fed only when the next one is wanted,
    but where the device chooses by itself it is some steps ahead. Ends early when it is stopped.
    """
    drafts = list(range(len(batch.rows)))
    choices = sampler.choose(logits.expand(len(drafts), -1), drafts)
    ahead: Ahead | None = None
    made = 1
    while True:
        if ahead is not None:
            ahead.ask()
        step = Step(drafts, choices)
        yield step
        staying = [row for row, draft in enumerate(drafts) if draft not in step.ended]
        if not staying:
            return
        if len(staying) < len(drafts):
            batch.keep(staying)
        drafts, ids = [drafts[row] for row in staying], [choices[row].id for row in staying]
        if ahead is None and sampler.can_be_ahead:
            ahead = batch.ahead(sampler, drafts, ids, most - made)
        made += 1
        if ahead is not None:
            choices = sampler.took(drafts, batch.fed(ahead, ids))
            ahead = ahead if ahead.has_next else None
            continue
        try:
            choices = sampler.choose(batch.step(ids), drafts)
        except Stopped:
            return
