"""The key-value cache between requests: what a prompt shares with earlier ones is not read again.

One `Batch` is live. Where a new prompt leaves its text, what lies behind that place is set aside as a `Tail`, a copy
of the keys and values of those tokens alone: branches share what they have in common. A prompt that comes back to an
earlier branch is put together from the live text and the tails that go on from it. Tails take a given number of bytes
at most, and not much of what is free; the one that was not used for longest goes first.

Keys and values of sliding windows and recurrent layers cannot be cut into pieces: for such models the live text alone
is kept, as far as its cache can be trimmed.
"""

from collections.abc import Callable, Iterator
from collections.abc import Sequence as Items
from dataclasses import dataclass
from operator import eq

import torch

from chatdesk.engine.local.cache import Batch
from chatdesk.engine.local.runner import Runner
from chatdesk.remarks import Remark

_SHORTEST_TAIL = 16
"""Tokens that are worth a tail: fewer are read again in no time."""

_SHARE_OF_FREE = 0.25
_ENOUGH = 1 << 30


@dataclass(frozen=True, eq=False)
class Tail:
    """The keys and values of the tokens of ``ids`` from ``start`` on; they are true behind ``ids[:start]`` only.

    ``is_long``: which way their positions are turned, see `longrope`; the tokens before have to be turned alike.
    """

    ids: list[int]
    start: int
    layers: list[tuple[torch.Tensor, torch.Tensor]]
    is_long: bool

    @property
    def nbytes(self) -> int:
        """Its memory."""
        return sum(keys.nbytes + values.nbytes for keys, values in self.layers)

    def part(self, first: int, last: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Keys and values of some of the tokens, counted from the beginning of the text."""
        place = slice(first - self.start, last - self.start)
        return ((keys[:, :, place], values[:, :, place]) for keys, values in self.layers)


class PrefixCache:
    """Keeps what one model has read, for the next request.

    ``budget``: most bytes of the tails. ``free``: bytes that are free on the device now.
    """

    def __init__(self, runner: Runner, budget: int, free: Callable[[], int]) -> None:
        self.runner = runner
        self._budget, self._free = budget, free
        self._live: Batch | None = None
        self._tails: list[Tail] = []  # what was used last stands last

    @property
    def remark(self) -> Remark | None:
        """What is to be said where not all that was read can be used again."""
        batch = Batch(self.runner)
        if not batch.can_continue:
            return Remark.READS_AGAIN
        return None if batch.can_part else Remark.READS_CHANGES_AGAIN

    @property
    def nbytes(self) -> int:
        """Memory of the tails."""
        return sum(tail.nbytes for tail in self._tails)

    def take(self, prompt: Items[int]) -> Batch:
        """A batch of one row that holds the longest usable prefix of ``prompt``, at least one token short of it.

        It stays kept for the next request, with what is added to it until then.
        """
        wanted, is_long = list(prompt[:-1]), self.runner.rope.is_long_for(len(prompt))
        live = self._live
        common = common_prefix(live.rows[0], wanted) if live and live.is_long == is_long else 0
        chain = self._chain(common, wanted, is_long)
        if live is not None:
            self._set_aside(live, common)
        is_of_use = live is not None and (common > 0 or live.can_start_again) and live.is_long == is_long
        if live is None or not (is_of_use and live.can_continue and live.trim(common)):
            self._live = None  # free the old one before there is a new one
            live = self._live = Batch(self.runner, is_long)
            chain = chain if chain and chain[0].start == 0 else []
        for tail in chain:
            first, last = live.length, common_prefix(tail.ids, wanted)
            live.join(wanted[first:last], list(tail.part(first, last)))
        self._use(chain)
        return live

    def note(self, batch: Batch, row: int) -> None:
        """Keep a draft that ended in a row of a copy of the live batch, for it may be the one that is gone on with."""
        live = self._live
        if live is not None and batch.can_part:
            is_alike = live.is_long == batch.is_long
            self._keep(batch, common_prefix(live.rows[0], batch.rows[row]) if is_alike else 0, row)

    def prepare(self) -> None:
        """Make ready for what may be said next, where there is memory to spare: a graph keeps up to 200 MB."""
        if self._live is not None and self.runner.parts.is_on and self._free() >= _ENOUGH:
            self._live.prepare()

    def forget(self) -> None:
        """Free all that is kept."""
        self._live, self._tails = None, []

    def _chain(self, reach: int, wanted: list[int], is_long: bool) -> list[Tail]:
        """Tails that go on with a text from ``reach`` on, each from within the one before."""
        reaches = [(common_prefix(tail.ids, wanted), tail) for tail in self._tails if tail.is_long == is_long]
        chain: list[Tail] = []
        while usable := [(end, tail) for end, tail in reaches if tail.start <= reach < end]:
            reach, tail = max(usable, key=lambda each: each[0])
            chain.append(tail)
        return chain

    def _set_aside(self, live: Batch, common: int) -> None:
        """Keep what the live batch is about to forget."""
        if live.can_part:
            self._keep(live, common, 0)

    def _keep(self, batch: Batch, start: int, row: int) -> None:
        ids = batch.rows[row]
        if len(ids) - start < _SHORTEST_TAIL or not self._budget:
            return
        alike = [tail for tail in self._tails if tail.is_long == batch.is_long]
        if any(tail.start <= start and tail.ids[: len(ids)] == ids for tail in alike):
            return
        try:
            layers = batch.tail(start, row)
        except torch.OutOfMemoryError:
            self._tails = []
            return
        inside = [tail for tail in alike if tail.start >= start and ids[: len(tail.ids)] == tail.ids]
        others = [tail for tail in self._tails if tail not in inside]
        self._tails = [*others, Tail(list(ids), start, layers, batch.is_long)]
        self._make_room()

    def _use(self, chain: list[Tail]) -> None:
        """What was used, and had not to make room, stands behind what was not."""
        used = [tail for tail in chain[::-1] if tail in self._tails]
        self._tails = [tail for tail in self._tails if tail not in used] + used

    def _make_room(self) -> None:
        """Drop the oldest tails that are too much, and those that nothing leads to any more."""
        size = self.nbytes
        allowed = min(self._budget, int(_SHARE_OF_FREE * (self._free() + size)))
        while size > allowed:
            size -= self._tails.pop(0).nbytes
        texts = [self._live.rows[0]] if self._live else []
        while lost := [tail for tail in self._tails if not self._is_led_to(tail, texts)]:
            self._tails = [tail for tail in self._tails if tail not in lost]

    def _is_led_to(self, tail: Tail, texts: list[list[int]]) -> bool:
        before = tail.ids[: tail.start]
        others = [other.ids for other in self._tails if other.start < tail.start]
        return any(text[: tail.start] == before for text in (*texts, *others))


def common_prefix(first: Items[int], second: Items[int]) -> int:
    """How many leading items are the same."""
    same = bytes(map(eq, first, second)).find(0)
    return same if same >= 0 else min(len(first), len(second))
