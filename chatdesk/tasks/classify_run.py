"""One file of texts on its way through the model: what is to be asked next, what is known, and the journal of it.

Results go into a journal as they come, so that a crash or a kill costs at most what was not written yet. A journal is
named by what it is about: the same texts, labels and weights go on where they were.
"""

import os
from collections import deque
from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from chatdesk.engine.api import Choices, Score, Scored
from chatdesk.errors import Fault, UserError
from chatdesk.tasks.classify import CONTENT_FREE, Plan, Result, digest, prior, result

_TEXTS, _CHARACTERS = 64, 32_000
"""Most of one request: a request cannot be paused, and a chat waits for its end."""

_KEPT = 20
"""Journals that stay, the newest ones."""


class _Line(Struct, frozen=True, omit_defaults=True):
    """One line of a journal: the prior, or the result of one row."""

    row: int = -1
    result: Result | None = None
    prior: tuple[float, ...] = ()


class Run:
    """Classifies some texts. ``folder``: where journals lie; None keeps none. ``model``: what is computed with.

    Attributes: ``results``, one for each text, None while there is none; ``limit``, tokens the model can see.
    """

    def __init__(
        self, plan: Plan, texts: Sequence[str], model: str, adapter: str = "", folder: Path | None = None
    ) -> None:
        plan.check()
        self.plan, self.texts = plan, texts
        self.results: list[Result | None] = [None if text.strip() else Result((), "empty") for text in texts]
        self.limit = 0
        self._adapter = adapter
        self._prior: tuple[float, ...] = () if plan.calibrated else prior(plan, ())
        self._asked: list[int] = []
        self._unwritten: deque[_Line] = deque()
        made_with = f"{model}|{adapter}|{_stamp(model.partition('|')[0], adapter)}"
        self._journal = folder / f"{digest(plan, texts, made_with)}.jsonl" if folder else None
        self._resume()
        # texts of like length are read together
        self._order = sorted((i for i, found in enumerate(self.results) if found is None), key=lambda i: len(texts[i]))
        self.resumed = self.done

    @property
    def done(self) -> int:
        """Texts that have a result, or cannot have one."""
        return sum(found is not None for found in self.results)

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to be asked."""
        return not self._order

    def next_request(self, request_id: int) -> Score:
        """What is to be asked now; asking again before the answer is the same request under another id."""
        if not self._prior:
            self._asked = []
            return Score(request_id, tuple(map(self.plan.choices, CONTENT_FREE)), self._adapter)
        self._asked, size = [], 0
        for row in self._order[:_TEXTS]:
            size += len(self.texts[row])
            if self._asked and size > _CHARACTERS:
                break
            self._asked.append(row)
        return Score(request_id, tuple(self._choices(row) for row in self._asked), self._adapter)

    def take(self, scored: Scored) -> tuple[int, ...]:
        """The answer to the last request; the rows that have a result by it. `write` keeps it."""
        self.limit = scored.limit
        if not self._asked:
            self._prior = prior(self.plan, scored.scores)
            self._unwritten.append(_Line(prior=self._prior))
            return ()
        for row, score in zip(self._asked, scored.scores, strict=True):
            found = self.results[row] = result(self.plan, score, self._prior)
            self._unwritten.append(_Line(row, found))
        rows = tuple(self._asked)
        del self._order[: len(rows)]
        return rows

    def _choices(self, row: int) -> Choices:
        return self.plan.choices(self.texts[row])

    # -- the journal ---------------------------------------------------------------------------------------------------

    def _resume(self) -> None:
        """Take what a journal has; a line that was cut off by a kill is as if it were not there."""
        if self._journal is None:
            return
        try:
            lines = self._journal.read_bytes().splitlines()
        except OSError:
            return
        for data in lines:
            try:
                line = msgspec.json.decode(data, type=_Line)
            except (msgspec.DecodeError, UnicodeDecodeError):
                continue
            width = len(self.plan.labels)
            if len(line.prior) == width:
                self._prior = line.prior
            elif line.result is not None and 0 <= line.row < len(self.texts) and _fits(line.result, width):
                self.results[line.row] = line.result

    @property
    def is_written(self) -> bool:
        """Whether all that is known is in the journal."""
        return not self._unwritten or self._journal is None

    def write(self) -> None:
        """Keep what was taken since; once all is over, old journals go. On any thread, but on one at a time.

        Raises ``CANNOT_WRITE``; the next call tries the same again.
        """
        if self._journal is None:
            return
        count = len(self._unwritten)
        lines = [self._unwritten[place] for place in range(count)]
        self._append(b"\n" + b"".join(msgspec.json.encode(line) + b"\n" for line in lines))
        for _ in lines:
            self._unwritten.popleft()
        if self.is_over:
            _prune(self._journal.parent)

    def _append(self, data: bytes) -> None:
        """Begins with a line's end: the last line may have been cut off by a kill."""
        assert self._journal is not None, "there is nothing to append to"
        try:
            self._journal.parent.mkdir(parents=True, exist_ok=True)
            with self._journal.open("ab") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise UserError(Fault.CANNOT_WRITE, path=self._journal, reason=error.strerror or error) from error


def _prune(folder: Path) -> None:
    try:
        found = sorted(folder.glob("*.jsonl"), key=lambda path: path.stat().st_mtime)
        for path in found[:-_KEPT]:
            path.unlink(missing_ok=True)
    except OSError:
        return  # they are small


def _fits(found: Result, labels: int) -> bool:
    return bool(found.problem) or len(found.probabilities) == labels


def _stamp(*folders: str) -> str:
    """The files of weights as they are now: a model that was trained further is another one."""
    found = []
    for folder in filter(None, folders):
        for path in sorted(Path(folder).glob("*.safetensors")):
            status = path.stat()
            found.append(f"{path.name}:{status.st_size}:{status.st_mtime_ns}")
    return ",".join(found)
