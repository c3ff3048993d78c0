"""How varied generated texts are, and how much of them stands in the text that a model was trained on.

All measures are over words: runs of letters and digits, single Chinese characters, and single signs of punctuation.

distinct-n      different n-grams of all texts over all their n-grams (Li et al. 2016, https://arxiv.org/abs/1510.03055)
self-BLEU       mean BLEU-4 of each text with all others as its references (Zhu et al. 2018,
                https://arxiv.org/abs/1802.01886), the sentence BLEU of nltk: uniform weights, closest reference length,
                an n-gram order without a match counts 0.1 (smoothing method 1 of Chen and Cherry 2014); 1 is all alike
repetition      share of the 4-grams of a text that it has had before, mean over texts (Welleck et al. 2020,
                https://arxiv.org/abs/1908.04319: seq-rep-4)
copied          share of all 8-grams that stand in a training text, too
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
from msgspec import Struct

from chatdesk.training import readers
from chatdesk.training.cleaning import texts
from chatdesk.training.corpus import Array

BLEU_ORDER = 4
REPETITION_ORDER = 4
COPY_ORDER = 8

_CHINESE = r"\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"[{_CHINESE}]|[^\W{_CHINESE}]+(?:['’][^\W{_CHINESE}]+)*|[^\w\s]")
_SMOOTH = 0.1
_MULTIPLIER = 0x9E3779B97F4A7C15  # odd, so that no bit of a word is lost in a product

Words = Sequence[str]


class Diversity(Struct, frozen=True):
    """The measures of ``texts`` texts with ``words`` words; each from 0 to 1, None where no text is long enough for it.

    ``distinct``: for n = 1, 2, 3. ``copied``: None, too, without a training text.
    """

    texts: int
    words: int
    distinct: tuple[float | None, float | None, float | None]
    self_bleu: float | None
    repetition: float | None
    copied: float | None = None

    def rows(self) -> list[tuple[str, str]]:
        """Names and figures, for people."""
        rows = [
            ("samples", f"{self.texts:,} texts, {self.words:,} words"),
            ("distinct-1/2/3", " / ".join(map(_shown, self.distinct))),
            ("self-BLEU", _shown(self.self_bleu)),
            ("repetition", f"{_shown(self.repetition)} of 4-grams"),
        ]
        return rows if self.copied is None else [*rows, ("copied", f"{_shown(self.copied)} of 8-grams")]


def _shown(share: float | None) -> str:
    return "-" if share is None else f"{share:.3f}"


def words_of(text: str) -> list[str]:
    """The words of a text, as all measures count them."""
    return _WORD.findall(text)


def diversity(samples: Sequence[Words], copied: float | None = None) -> Diversity:
    """All measures of some texts, cut into words."""
    one, two, three = (distinct(samples, n) for n in (1, 2, 3))
    total = sum(map(len, samples))
    return Diversity(len(samples), total, (one, two, three), self_bleu(samples), repetition(samples), copied)


def distinct(samples: Sequence[Words], order: int) -> float | None:
    """Different n-grams over all n-grams; None where there is none."""
    counts = Counter(gram for words in samples for gram in _grams(words, order))
    return len(counts) / counts.total() if counts else None


def repetition(samples: Sequence[Words], order: int = REPETITION_ORDER) -> float | None:
    """Mean share of n-grams that are a repetition, over the texts that have any; None where none has."""
    shares = []
    for words in samples:
        if counts := Counter(_grams(words, order)):
            shares.append(1 - len(counts) / counts.total())
    return math.fsum(shares) / len(shares) if shares else None


def self_bleu(samples: Sequence[Words], order: int = BLEU_ORDER) -> float | None:
    """Mean BLEU of each text beside all others; None for fewer than two texts with words."""
    filled = [words for words in samples if words]
    if len(filled) < 2:
        return None
    orders = [_Matches(filled, n) for n in range(1, order + 1)]
    lengths = Counter(map(len, filled))
    scores = []
    for index, words in enumerate(filled):
        hits = [matches.of(index) for matches in orders]
        if not hits[0]:
            scores.append(0.0)
            continue
        totals = [max(1, len(words) - n) for n in range(order)]
        logs = (math.log((hit or _SMOOTH) / total) for hit, total in zip(hits, totals, strict=True))
        scores.append(_brevity(len(words), lengths) * math.exp(math.fsum(logs) / order))
    return math.fsum(scores) / len(scores)


class _Matches:
    """Clipped matches of each text in all others, for n-grams of one length, without comparing all pairs.

    Of each n-gram it knows the two texts that have most of it: the best of all others is one of them.
    """

    def __init__(self, samples: Sequence[Words], order: int) -> None:
        self._counts = [Counter(_grams(words, order)) for words in samples]
        self._most: dict[Words, tuple[int, int, int]] = {}  # the text that has most, how many, the next one's number
        for index, counts in enumerate(self._counts):
            for gram, count in counts.items():
                owner, first, second = self._most.get(gram, (-1, 0, 0))
                self._most[gram] = (index, count, first) if count > first else (owner, first, max(second, count))

    def of(self, index: int) -> int:
        """How many n-grams of a text have a match."""
        found = 0
        for gram, count in self._counts[index].items():
            owner, first, second = self._most[gram]
            found += min(count, second if owner == index else first)
        return found


def _brevity(length: int, lengths: Counter[int]) -> float:
    """The brevity penalty beside the other text whose length is closest, of two such the shorter."""
    others = [other for other, times in lengths.items() if other != length or times > 1]
    closest = min(others, key=lambda other: (abs(other - length), other))
    return min(1.0, math.exp(1 - closest / length))


def _grams(words: Words, order: int) -> Iterable[Words]:
    return (tuple(words[i : i + order]) for i in range(len(words) - order + 1))


class Copies:
    """Finds n-grams of generated texts in training texts of any length: only the hashes of the former are kept.

    ``groups``: several sets of texts, of several models, for one reading.
    """

    def __init__(self, groups: Sequence[Sequence[Words]], order: int = COPY_ORDER) -> None:
        self._order = order
        self._hashes = [
            np.concatenate([_hashes(words, order) for words in group] or [np.empty(0, np.uint64)]) for group in groups
        ]
        self._wanted = np.unique(np.concatenate(self._hashes)) if groups else np.empty(0, np.uint64)
        self._is_found = np.zeros(len(self._wanted), bool)

    def look_through(self, files: Sequence[Path], tell: Callable[[int, int], None] = lambda *_: None) -> None:
        """Read training texts. ``tell``: files done, and of how many. Raises what `readers.read` raises."""
        for done, file in enumerate(files):
            tell(done, len(files))
            passages = (words_of(text) for document in readers.read(file) for text in texts(document))
            for words in passages:
                self.take([words])
        tell(len(files), len(files))

    def take(self, passages: Sequence[Words]) -> None:
        """Look into some passages; an n-gram does not reach from one into the next."""
        if not len(self._wanted):
            return
        for words in passages:
            hashes = _hashes(words, self._order)
            places = np.searchsorted(self._wanted, hashes).clip(max=len(self._wanted) - 1)
            self._is_found[places[self._wanted[places] == hashes]] = True

    def shares(self) -> list[float | None]:
        """Of each group the share of its n-grams that were found; None where it has none."""
        found = self._wanted[self._is_found]
        return [float(np.isin(hashes, found).mean()) if len(hashes) else None for hashes in self._hashes]


def _hashes(words: Words, order: int) -> Array:
    """64 bits for each n-gram; two different ones that agree are one case in 10^19."""
    if len(words) < order:
        return np.empty(0, np.uint64)
    single = np.fromiter(map(hash, words), np.int64, len(words)).astype(np.uint64)
    count = len(words) - order + 1
    whole = np.zeros(count, np.uint64)
    for place in range(order):
        whole = whole * np.uint64(_MULTIPLIER) + single[place : place + count]
    return whole
