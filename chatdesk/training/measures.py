"""All that is said about checkpoints: how they tell text, what texts they write, which last words they guess."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from chatdesk.engine.local.loading import Checkpoint
from chatdesk.engine.out_of_memory import is_out_of_memory
from chatdesk.errors import Fault, UserError
from chatdesk.training import readers
from chatdesk.training.corpus import Document, read_documents
from chatdesk.training.diversity import Copies, Diversity, Words, diversity, words_of
from chatdesk.training.evaluate import Evaluation, evaluate_documents, open_checkpoint
from chatdesk.training.last_word import LastWords, last_words
from chatdesk.training.samples import Prompt, Sample, SampleWishes, draw, openings, read_prompts

PROMPTS = 20
"""How many openings of the text are continued where no prompts are given."""

Tell = Callable[[str, int, int], None]
"""Told what goes on, how much of it is done, and of how much."""


class Wanted(Struct, frozen=True):
    """What to measure; each part is left out where it is None or empty.

    ``texts``: files of held-out text, measured together, with ``stride`` in tokens; ``last_words``: passages;
    ``sampled``: texts that are written after ``prompts`` or, without those, after openings of ``texts``; with
    ``is_chat`` each prompt is a message. ``against``: files and folders of training text, in which copied 8-grams are
    looked for.
    """

    texts: tuple[Path, ...] = ()
    last_words: Path | None = None
    sampled: SampleWishes | None = None
    prompts: Path | None = None
    is_chat: bool = False
    against: tuple[Path, ...] = ()
    stride: int | None = None

    def check(self) -> None:
        """Raises ``BAD_VALUE``."""
        if self.sampled is not None:
            self.sampled.check()
            if not self.texts and self.prompts is None:
                allowed = "a file of prompts, or a text whose openings are continued"
                raise UserError(Fault.BAD_VALUE, name="the source of prompts", value="missing", allowed=allowed)
        elif self.against or self.prompts:
            allowed = "at least 1, for texts to be written"
            raise UserError(Fault.BAD_VALUE, name="the number of samples", value=0, allowed=allowed)
        elif not self.texts and self.last_words is None:
            allowed = "a text, a file for last words, or samples"
            raise UserError(Fault.BAD_VALUE, name="what is to be measured", value="nothing", allowed=allowed)


class Findings(Struct, frozen=True):
    """What was found about the checkpoint ``model``; a part that was not asked for is None or empty."""

    model: str
    parameters: int
    evaluation: Evaluation | None = None
    diversity: Diversity | None = None
    last_words: LastWords | None = None
    samples: tuple[Sample, ...] = ()

    def to_builtins(self) -> dict[str, Any]:
        """For JSON; the figures of the text stand at the top."""
        told: dict[str, Any] = msgspec.to_builtins(self)
        return {**(told.pop("evaluation") or {}), **told}

    def table(self) -> str:
        """The figures as lines for a terminal."""
        lines = [self.evaluation.table()] if self.evaluation else []
        rows: list[tuple[str, str]] = []
        if (last := self.last_words) is not None:
            left = f", {last.left_out} of fewer than two words left out" if last.left_out else ""
            rows.append(("last words", f"{last.accuracy:.1%} right of {last.passages} passages{left}"))
            rows.append(("", f"perplexity {last.perplexity:.2f} a word"))
        if self.diversity is not None:
            rows += self.diversity.rows()
        return "\n".join([*lines, *(f"{name:<14} {value}" for name, value in rows)])


def measure(
    models: Sequence[Path], wanted: Wanted, tell: Tell = lambda *_: None, adapters: Sequence[Path | None] = ()
) -> list[Findings]:
    """Measure checkpoints by the same text, prompts and seeds, one after the other; one is in memory at a time.

    ``adapters``: of the models in their order, None or left out for those that are measured as they are.
    Raises ``BAD_VALUE``, ``NO_TEXT``, ``NOT_FINITE``, ``MEASURE_OUT_OF_MEMORY`` and what reading, loading, attaching
    and generating raise.
    """
    wanted.check()
    documents = [document for file in wanted.texts for document in read_documents(file)]
    prompts = _prompts(wanted, documents)
    against = [path for path, _ in readers.files(wanted.against)]
    if wanted.against and not against:
        raise UserError(Fault.NO_TEXT, path=_named(wanted.against))
    found = []
    for model, adapter in zip_longest(models, adapters):
        with _told(model):
            found.append(_measure_one(open_checkpoint(model, adapter=adapter), wanted, documents, prompts, tell))
    if wanted.sampled is None:
        return found
    cut = [[words_of(sample.text) for sample in each.samples] for each in found]
    shares = _copied(cut, against, tell)
    return [
        msgspec.structs.replace(each, diversity=diversity(words, share))
        for each, words, share in zip(found, cut, shares, strict=True)
    ]


@contextlib.contextmanager
def _told(model: Path) -> Iterator[None]:
    """Turn a lack of memory into ``MEASURE_OUT_OF_MEMORY``."""
    try:
        yield
    except (MemoryError, RuntimeError, OSError) as error:
        if not is_out_of_memory(error):
            raise
        raise UserError(Fault.MEASURE_OUT_OF_MEMORY, model=model.name) from error


def _named(files: Sequence[Path]) -> str:
    return ", ".join(map(str, files))


def _prompts(wanted: Wanted, documents: Sequence[Document]) -> list[Prompt]:
    if wanted.sampled is None:
        return []
    if wanted.prompts is not None:
        return read_prompts(wanted.prompts, wanted.is_chat)
    prompts = openings(documents, PROMPTS)
    if not prompts:
        raise UserError(Fault.NO_TEXT, path=_named(wanted.texts))
    return prompts


def _measure_one(
    checkpoint: Checkpoint, wanted: Wanted, documents: Sequence[Document], prompts: Sequence[Prompt], tell: Tell
) -> Findings:
    info = checkpoint.info
    evaluation = last = None
    samples: list[Sample] = []
    if wanted.texts:
        evaluation = evaluate_documents(
            documents, checkpoint, wanted.stride, report=lambda *done: tell(f"{info.name}: reading", *done)
        )
        if evaluation is None:
            raise UserError(Fault.NO_TEXT, path=_named(wanted.texts))
    if wanted.last_words is not None:
        last = last_words(wanted.last_words, checkpoint, lambda *done: tell(f"{info.name}: last words", *done))
    if wanted.sampled is not None:
        samples = draw(checkpoint, prompts, wanted.sampled, lambda *done: tell(f"{info.name}: writing", *done))
    return Findings(info.name, info.parameters, evaluation, None, last, tuple(samples))


def _copied(cut: Sequence[Sequence[Words]], against: Sequence[Path], tell: Tell) -> list[float | None]:
    if not against:
        return [None] * len(cut)
    copies = Copies(cut)
    copies.look_through(against, lambda *done: tell("looking for copies", *done))
    return copies.shares()
