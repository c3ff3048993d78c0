"""Two models answer the same prompts, and a person says which answer is better without knowing whose it is.

Which model stands on the left is a coin thrown for each prompt from a seed. All of it is one file of JSON lines: a head
that says what is compared, every answer, every vote. Each line is on the disk before the next step, so a kill loses
nothing, and the same comparison begun again goes on; a last line that was cut is taken back.
"""

import hashlib
import json
import math
import os
import random
from collections import Counter
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import msgspec
from msgspec import Struct

from chatdesk.errors import Fault, UserError

Side: TypeAlias = Literal["a", "b"]
Choice: TypeAlias = Literal["left", "right", "same", "bad"]
CHOICES: tuple[Choice, ...] = get_args(Choice)
_VERSION = 1


class About(Struct, frozen=True):
    """What is compared: names of the two models, the prompts, the seed of coins and of sampling, and how is sampled."""

    a: str
    b: str
    prompts: tuple[str, ...]
    seed: int
    how: str = ""
    version: int = _VERSION

    @property
    def digest(self) -> str:
        """A short name for this comparison."""
        return hashlib.sha256(msgspec.json.encode(self)).hexdigest()[:16]


class Question(Struct, frozen=True):
    """What a person is shown. ``index``: of the prompt."""

    index: int
    prompt: str
    left: str
    right: str


class Tally(Struct, frozen=True):
    """Votes for each model, for both alike, and for both bad. ``p``: two-sided sign test of ``a`` against ``b``, the
    probability of a difference at least as large between models that are equally good; other votes do not count in it.
    """

    a: int
    b: int
    same: int
    bad: int
    p: float


class _Line(Struct):
    """An answer of a model, or a vote."""

    prompt: int
    model: Side | None = None
    answer: str | None = None
    vote: Literal["a", "b", "same", "bad"] | None = None


class Comparison:
    """A comparison in the file ``journal``. Attributes: ``about``, ``journal``."""

    def __init__(self, about: About, journal: Path) -> None:
        """Raises ``NO_TEXT`` without prompts, ``BAD_VALUE`` where the file is of something else, ``BROKEN_TEXT`` where
        a line of it is damaged, ``CANNOT_WRITE``.
        """
        if not about.prompts:
            raise UserError(Fault.NO_TEXT, path="the file of prompts")
        self.about, self.journal = about, journal
        self._answers: dict[tuple[Side, int], str] = {}
        self._votes: dict[int, str] = {}
        try:
            journal.parent.mkdir(parents=True, exist_ok=True)
            self._resume()
        except OSError as error:
            raise UserError(Fault.CANNOT_WRITE, path=journal, reason=error.strerror or error) from None

    @classmethod
    def read(cls, journal: Path) -> "Comparison":
        """The comparison of a file, which no other process writes any more. Raises ``BROKEN_TEXT``."""
        try:
            with journal.open("rb") as file:
                about = msgspec.json.decode(file.readline(), type=About)
        except (OSError, msgspec.MsgspecError) as error:
            raise UserError(Fault.BROKEN_TEXT, path=journal, reason=error) from None
        return cls(about, journal)

    def _resume(self) -> None:
        data = self.journal.read_bytes() if self.journal.exists() else b""
        whole = data[: data.rfind(b"\n") + 1]
        if len(whole) < len(data):
            os.truncate(self.journal, len(whole))
        head, *lines = whole.splitlines() or [b""]
        if not head:
            self._append(msgspec.to_builtins(self.about))
            return
        try:
            is_mine = msgspec.json.decode(head, type=About) == self.about
        except msgspec.MsgspecError:
            is_mine = False
        if not is_mine:
            allowed = "that of the same models, prompts and seed, or a new one"
            raise UserError(Fault.BAD_VALUE, name="the file of the comparison", value=self.journal, allowed=allowed)
        for number, line in enumerate(lines, 2):
            self._take(line, number)

    def _take(self, line: bytes, number: int) -> None:
        try:
            said = msgspec.json.decode(line, type=_Line)
        except msgspec.MsgspecError:
            said = _Line(-1)
        is_known = 0 <= said.prompt < len(self.about.prompts)
        if is_known and said.answer is not None and said.model is not None:
            self._answers[said.model, said.prompt] = said.answer
        elif is_known and said.vote is not None:
            self._votes[said.prompt] = said.vote
        else:
            raise UserError(Fault.BROKEN_TEXT, path=self.journal, reason=f"line {number} is no answer and no vote")

    def _append(self, line: dict[str, Any]) -> None:
        try:
            with self.journal.open("ab") as file:
                file.write(json.dumps(line, ensure_ascii=False).encode("utf-8", "replace") + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise UserError(Fault.CANNOT_WRITE, path=self.journal, reason=error.strerror or error) from None

    def missing(self, side: Side) -> list[int]:
        """Which prompts a model has not answered yet."""
        return [index for index in range(len(self.about.prompts)) if (side, index) not in self._answers]

    def answer(self, side: Side, index: int, text: str) -> None:
        """Take a model's answer to prompt number ``index``."""
        self._append({"model": side, "prompt": index, "answer": text})
        self._answers[side, index] = text

    def is_swapped(self, index: int) -> bool:
        """Whether model b stands on the left at this prompt."""
        return random.Random(f"{self.about.seed} {index}").random() < 0.5

    @property
    def question(self) -> Question | None:
        """The first prompt that both have answered and nobody has voted on; None where there is none."""
        for index, prompt in enumerate(self.about.prompts):
            a, b = self._answers.get(("a", index)), self._answers.get(("b", index))
            if index not in self._votes and a is not None and b is not None:
                left, right = (b, a) if self.is_swapped(index) else (a, b)
                return Question(index, prompt, left, right)
        return None

    def vote(self, index: int, choice: Choice) -> None:
        """Count a vote in. It is written down by the model's side, so that the file can be read alone."""
        chosen: str = choice
        if choice in ("left", "right"):
            chosen = "b" if (choice == "left") == self.is_swapped(index) else "a"
        self._append({"prompt": index, "vote": chosen})
        self._votes[index] = chosen

    @property
    def votes(self) -> int:
        """How many prompts are voted on."""
        return len(self._votes)

    @property
    def tally(self) -> Tally:
        """The votes so far."""
        counts = Counter(self._votes.values())
        return Tally(counts["a"], counts["b"], counts["same"], counts["bad"], sign_test(counts["a"], counts["b"]))


def sign_test(first: int, second: int) -> float:
    """Two-sided: how probable votes at least as unequal are, if each is a fair coin."""
    total, fewer = first + second, min(first, second)
    ways = sum(math.comb(total, k) for k in range(fewer + 1))
    return min(1.0, 2 * ways / (1 << total))


def read_prompts(file: Path) -> tuple[str, ...]:
    """One prompt for each line of a UTF-8 text. Raises ``FILE_NOT_FOUND``, ``BROKEN_TEXT`` and ``NO_TEXT``."""
    try:
        lines = [line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines()]
    except FileNotFoundError:
        raise UserError(Fault.FILE_NOT_FOUND, path=file) from None
    except UnicodeDecodeError as error:
        raise UserError(Fault.BROKEN_TEXT, path=file, reason=f"it is not UTF-8 (byte {error.start})") from None
    except OSError as error:
        raise UserError(Fault.BROKEN_TEXT, path=file, reason=error.strerror or error) from None
    found = [line for line in lines if line]
    if not found:
        raise UserError(Fault.NO_TEXT, path=file)
    return tuple(found)
