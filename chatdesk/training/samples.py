"""Texts that a checkpoint writes, to be measured and looked at."""

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from msgspec import Struct

from chatdesk.engine.api import ChatMessage, DraftFinished, Generate, Sampling, TokenEvent
from chatdesk.engine.local.generation import Generator
from chatdesk.engine.local.loading import Checkpoint
from chatdesk.engine.local.sampling import MAX_DRAFTS
from chatdesk.errors import Fault, UserError
from chatdesk.training.corpus import Document, Turn, read_documents
from chatdesk.training.recipe import WORDS, opening

_GAP = re.compile(r"\n\s*\n")
_OPENING = 8  # words of a document, or of a line, that make a prompt


class Prompt(Struct, frozen=True):
    """``text`` to be continued or, with ``is_message``, to be answered through the chat template."""

    text: str
    is_message: bool = False


class Sample(Struct, frozen=True):
    """What was written after a prompt."""

    prompt: str
    text: str


class SampleWishes(Struct, frozen=True):
    """How samples are drawn: ``each`` texts for a prompt, of ``tokens`` tokens at most.

    ``top_p`` 1 and ``temperature`` 1 are the model's own distribution; nothing else changes it.
    """

    each: int = 1
    tokens: int = 64
    temperature: float = 1.0
    top_p: float = 1.0
    seed: int = 1

    def check(self) -> None:
        """Raises ``BAD_VALUE``; the engine looks at the values that are its own."""
        for name, value in (("number of samples", self.each), ("length of the samples", self.tokens)):
            if not 1 <= value <= 10_000:
                raise UserError(Fault.BAD_VALUE, name=f"the {name}", value=value, allowed="from 1 to 10000")


def read_prompts(file: Path, is_message: bool) -> list[Prompt]:
    """A prompt for each line of a text file, or each document of JSON lines. Raises ``NO_TEXT`` where there is none."""
    found: list[Prompt] = []
    for document in read_documents(file):
        if isinstance(document, str) and not file.name.removesuffix(".xz").endswith(".jsonl"):
            found += [Prompt(line.strip(), is_message) for line in document.splitlines() if line.strip()]
        elif (prompt := _first_words(document, whole=True)) is not None:
            found.append(Prompt(prompt.text, is_message or prompt.is_message))
    if not found:
        raise UserError(Fault.NO_TEXT, path=file)
    return found


def openings(documents: Sequence[Document], most: int) -> list[Prompt]:
    """The first words of up to ``most`` paragraphs or, of dialogues, the person's first message."""
    parts = (
        part for document in documents for part in (_GAP.split(document) if isinstance(document, str) else [document])
    )
    return list(islice((prompt for part in parts if (prompt := _first_words(part)) is not None), most))


def _first_words(document: str | tuple[Turn, ...], whole: bool = False) -> Prompt | None:
    if isinstance(document, tuple):
        asked = next((turn.text.strip() for turn in document if turn.role == "user" and turn.text.strip()), None)
        return Prompt(asked, is_message=True) if asked else None
    if whole:
        return Prompt(document.strip()) if document.strip() else None
    is_long = len(list(islice(WORDS.finditer(document), _OPENING + 1))) > _OPENING
    return Prompt(opening(document, _OPENING)) if is_long else None


def draw(
    checkpoint: Checkpoint,
    prompts: Sequence[Prompt],
    how: SampleWishes,
    report: Callable[[int, int], None] = lambda *_: None,
) -> list[Sample]:
    """The samples, prompt by prompt; those of one prompt are decoded together. ``report``: done, and of how many.

    Raises ``BAD_VALUE`` and whatever generating raises.
    """
    how.check()
    generator = Generator(checkpoint, branch_memory=0, guesses=False)
    found: list[Sample] = []
    total = len(prompts) * how.each
    try:
        for number, prompt in enumerate(prompts):
            for start in range(0, how.each, MAX_DRAFTS):
                drafts = min(MAX_DRAFTS, how.each - start)
                seed = how.seed + number * how.each + start
                found += [Sample(prompt.text, text) for text in _written(generator, prompt, how, seed, drafts)]
                report(len(found), total)
    finally:
        generator.close()
    return found


def _written(generator: Generator, prompt: Prompt, how: SampleWishes, seed: int, drafts: int) -> Iterator[str]:
    sampling = Sampling(how.temperature, how.top_p, 0, 0.0, 1.0, how.tokens)
    asked = (ChatMessage("user", prompt.text),) if prompt.is_message else prompt.text
    texts = [""] * drafts
    for event in generator.run(Generate(1, asked, sampling, seed, drafts), lambda: False):
        if isinstance(event, TokenEvent | DraftFinished):
            texts[event.draft] += event.text
    yield from texts
