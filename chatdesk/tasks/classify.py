"""Sorting texts by what a model finds likely to follow them: labels, their probabilities, how good they are.

A text is put into a prompt, and each label's wording is scored as its continuation; nothing is generated, so any base
model can do it. Longer wordings are less probable by their length alone: their log-probability is divided by their
tokens. And some wordings are probable whatever the text says: the probabilities are divided by those that the labels
have after texts without content, and made to sum to 1 again (contextual calibration; Zhao et al., 2021).

Pure: nothing here knows engines in other processes or files of tables.
"""

import hashlib
import math
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from msgspec import Struct

from chatdesk.engine.api import Choices, ChoiceScores
from chatdesk.errors import QT_TRANSLATE_NOOP, Fault, UserError

MARK = "{text}"
"""Where the text stands in a prompt."""

_UNSPACED = re.compile(  # Thai, Lao, Burmese, Khmer, Japanese, Chinese, and their signs
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3000-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]"
)
_VERSION = 2  # of how labels are scored: other results of the same words

CONTENT_FREE = ("N/A", "", "[MASK]")
"""Texts that say nothing, after which the labels' own likelihood shows."""


class Label(Struct, frozen=True):
    """What a text can be. ``wording``: what the model would write for it."""

    name: str
    wording: str


class Plan(Struct, frozen=True):
    """How texts are sorted. ``by_length`` divides by the wordings' tokens, ``calibrated`` by what texts without
    content give.
    """

    prompt: str
    labels: tuple[Label, ...]
    by_length: bool = True
    calibrated: bool = True

    def check(self) -> None:
        """Raises ``NO_TEXT_MARK``, ``LABEL_EMPTY``, ``LABELS_TOO_FEW`` or ``LABEL_TWICE``."""
        if MARK not in self.prompt:
            raise UserError(Fault.NO_TEXT_MARK, mark=MARK)
        for number, label in enumerate(self.labels, 1):
            if not label.name.strip() or not label.wording.strip():
                raise UserError(Fault.LABEL_EMPTY, number=number)
        if len(self.labels) < 2:
            raise UserError(Fault.LABELS_TOO_FEW)
        for what in ([each.name for each in self.labels], [each.wording.strip() for each in self.labels]):
            twice = next((each for each in what if what.count(each) > 1), None)
            if twice is not None:
                raise UserError(Fault.LABEL_TWICE, label=twice)

    def places(self) -> dict[str, int]:
        """Where a label stands, by its name or wording, as they are and in small letters."""
        found: dict[str, int] = {}
        for change in (str.casefold, str):
            for words in ([each.wording.strip() for each in self.labels], [each.name.strip() for each in self.labels]):
                found |= {change(each): place for place, each in enumerate(words)}
        return found

    def choices(self, text: str) -> Choices:
        """The text in its prompt, with the labels' wordings as continuations."""
        prompt = self.prompt.replace(MARK, text)
        ends = prompt[-1:]
        return Choices(prompt, tuple(_joined(ends, label.wording) for label in self.labels))


def _joined(end: str, wording: str) -> str:
    """A wording behind a prompt that ends with ``end``; between words there is a space, where the script has any."""
    is_open = not end or end.isspace() or unicodedata.category(end) in ("Ps", "Pi")
    needs = not is_open and wording[:1].isalnum() and not _UNSPACED.search(end + wording[:1])
    return f" {wording}" if needs else wording


SETS: dict[str, tuple[str, Plan]] = {
    "sentiment": (
        QT_TRANSLATE_NOOP("classify", "Sentiment"),
        Plan(
            "Review: {text}\nSentiment:",
            (Label("positive", "great"), Label("negative", "terrible")),
        ),
    ),
    "sentiment3": (
        QT_TRANSLATE_NOOP("classify", "Sentiment, with neutral"),
        Plan(
            "Review: {text}\nSentiment:",
            (Label("positive", "great"), Label("neutral", "okay"), Label("negative", "terrible")),
        ),
    ),
    "topic": (
        QT_TRANSLATE_NOOP("classify", "Topic of a news item"),
        Plan(
            "News: {text}\nThis is about",
            (
                Label("world", "the world"),
                Label("sports", "sports"),
                Label("business", "business"),
                Label("science", "science and technology"),
            ),
        ),
    ),
    "sentiment_zh": (
        QT_TRANSLATE_NOOP("classify", "Sentiment of Chinese texts"),
        Plan("评论：{text}\n这条评论的态度是", (Label("好评", "好的"), Label("差评", "坏的"))),
    ),
}
"""Plans that are ready, by name, each with what it is called."""


class Result(Struct, frozen=True, omit_defaults=True):
    """What came of one text: a probability for each label, or why there is none (``empty``, ``too_long``).

    ``tokens``: at least as many has a text that is too long, with its prompt.
    """

    probabilities: tuple[float, ...] = ()
    problem: str = ""
    tokens: int = 0

    @property
    def best(self) -> int | None:
        """The most probable label's place among the labels."""
        return self.probabilities.index(max(self.probabilities)) if self.probabilities else None


def prior(plan: Plan, scores: Sequence[ChoiceScores]) -> tuple[float, ...]:
    """What the labels have after `CONTENT_FREE`, on average; equal for all where nothing is calibrated."""
    found = [_softmax(plan, score) for score in scores if score.logprobs]
    if not plan.calibrated or not found:
        return (1 / len(plan.labels),) * len(plan.labels)
    return tuple(math.fsum(each) / len(found) for each in zip(*found, strict=True))


def result(plan: Plan, score: ChoiceScores, before: Sequence[float]) -> Result:
    """What the scores of one text say. ``before``: what `prior` gave."""
    if not score.logprobs:
        return Result((), "too_long", score.too_long)
    weights = [
        math.log(p or 5e-324) - math.log(b or 5e-324) for p, b in zip(_softmax(plan, score), before, strict=True)
    ]
    return Result(tuple(_normalised(weights)))


def _softmax(plan: Plan, score: ChoiceScores) -> list[float]:
    sizes = score.tokens if plan.by_length else (1,) * len(score.logprobs)
    return _normalised([logprob / size for logprob, size in zip(score.logprobs, sizes, strict=True)])


def _normalised(logs: Sequence[float]) -> list[float]:
    """Probabilities that sum to 1, from their logarithms up to a constant."""
    top = max(logs)
    weights = [math.exp(each - top) for each in logs]
    total = math.fsum(weights)
    return [each / total for each in weights]


def digest(plan: Plan, texts: Sequence[str], model: str) -> str:
    """One name for the plan, the texts and the model: work that was begun is found again by it."""
    found = hashlib.sha256(msgspec.json.encode((_VERSION, plan, model)))
    for text in texts:
        data = text.encode("utf-8", "surrogatepass")
        found.update(len(data).to_bytes(8, "big") + data)
    return found.hexdigest()[:32]


@dataclass(frozen=True)
class Report:
    """How good the labels are, where the true ones are known.

    ``confusion[true][said]``: counts; ``counted``: texts whose true label is one of the plan's and that have a result;
    ``uncounted``: those with another true label, or none, or no result.
    """

    labels: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]
    counted: int
    uncounted: int

    @property
    def accuracy(self) -> float:
        """The share that is right; 0 where nothing was counted."""
        right = sum(row[i] for i, row in enumerate(self.confusion))
        return right / self.counted if self.counted else 0.0

    @property
    def commonest(self) -> float:
        """The accuracy of always saying the commonest true label: what a model has to beat."""
        return max(map(sum, self.confusion), default=0) / self.counted if self.counted else 0.0


def place_of(truth: str, places: dict[str, int]) -> int | None:
    """Which label a true one means, of `Plan.places`; None where it is another one."""
    return places.get(truth.strip(), places.get(truth.strip().casefold()))


def report(plan: Plan, results: Sequence[Result | None], truths: Sequence[str]) -> Report:
    """Compare results with the true labels, given by name or wording; capitals do not matter."""
    places = plan.places()
    table = [[0] * len(plan.labels) for _ in plan.labels]
    counted = 0
    for found, truth in zip(results, truths, strict=True):
        place = place_of(truth, places)
        if place is not None and found is not None and found.best is not None:
            table[place][found.best] += 1
            counted += 1
    names = tuple(label.name for label in plan.labels)
    return Report(names, tuple(map(tuple, table)), counted, len(results) - counted)
