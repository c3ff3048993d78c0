"""Cleaning documents in visible steps: each says how many it changed or left out, with samples before and after.

A step looks at one document at a time. What it must know of all of them (how often a line occurs, which documents
were seen) it keeps as hashes, so a corpus may be larger than memory. Of duplicates the first one stays.
"""

import hashlib
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

import numpy as np
from msgspec import Struct

from chatdesk.training.corpus import Document, Turn, size_bytes

Step: TypeAlias = Callable[[Document], Document | None]
"""A document as it is afterwards, or None where it is left out."""

STEPS = (
    "repair",
    "normalise",
    "boilerplate",
    "language",
    "length",
    "duplicates",
    "near duplicates",
    "mask",
    "stop words",
)
"""In the order in which they are taken."""

USUAL = ("repair", "normalise", "boilerplate", "length", "duplicates", "near duplicates")
"""Those that are taken unless others are named. A language model keeps its stop words: it has to learn them."""

LEAST_CHARACTERS = 40
_SAMPLES = 3
_SHOWN = 160
_COMMON_SHARE, _COMMON_LEAST = 0.2, 5  # a line of so many documents is none of their words
_SHINGLE = 5
_BANDS, _BAND = 16, 8  # documents that share 80 % of their shingles meet in a band with 94 %, at 50 % with 6 %
_ALIKE = 0.8
_WORDS = re.compile(r"[\u4e00-\u9fff\u3040-\u30ff]|[^\W\u4e00-\u9fff\u3040-\u30ff]+")
_LETTER = r"[^\W\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]"  # Chinese and Japanese stand beside words without a space
_EMAIL = re.compile(rf"(?<!{_LETTER})(?<![.+-])(?:{_LETTER}|[.+-])+@(?:{_LETTER}|-)+(?:\.(?:{_LETTER}|-)+)+")
_PHONE = re.compile(
    rf"(?<!{_LETTER})(?<![.+/-])(?:(?:\+|00)\d(?:[ ()/.-]{{0,2}}\d){{7,13}}|0\d{{2,4}}[ /-]?\d(?:[ -]?\d){{4,9}}"
    rf"|\(?\d{{3}}\)?[ -]\d{{3}}-\d{{4}}|1[3-9]\d{{9}})(?!{_LETTER})(?![/-])"
)
"""With the code of a country or a town, as Americans write one, or a Chinese mobile one: digits alone are a number."""

_GUTENBERG = re.compile(
    r"^\*\*\* ?(START|END) OF (?:THE|THIS) PROJECT GUTENBERG EBOOK.*$", re.MULTILINE | re.IGNORECASE
)
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u200b\u2060\ufeff]")
_USUAL_WORDS = {
    language: frozenset(re.findall(r"\w+", words))
    for language, words in {
        "en": "the of and to in is that it was for with as he she they you not are this have a an on at be by",
        "de": "der die das und ist nicht ein eine zu den mit von sich auf für im dem auch als wie",
        "fr": "le la les des et est une un dans que qui pour pas sur ne au avec il elle ce",
        "es": "el la los las de que y en un una es por con no para su se del al lo",
        "it": "il la di che e un una per non con del della sono si da come le gli nel più",
        "pt": "o a os as de que e do da em um uma para com não se por mais dos no",
        "nl": "de het een en van is dat niet te op in met voor zijn er aan maar ook als bij",
    }.items()
}
LANGUAGES = ("zh", *_USUAL_WORDS)


class Sample(Struct, frozen=True):
    """The place of a document where a step changed it first; ``after`` is empty where it was left out."""

    before: str
    after: str


class Count(Struct):
    """What a step has done. ``seen`` and ``seen_bytes``: documents that came to it."""

    step: str
    seen: int = 0
    seen_bytes: int = 0
    changed: int = 0
    dropped: int = 0
    removed_bytes: int = 0
    samples: list[Sample] = []


class Cleaner:
    """The steps named in ``steps``. ``counts``: one for each, in their order.

    ``languages``: those that stay, of `LANGUAGES`; none named: all. Call `learn` with all documents first.
    """

    def __init__(self, steps: Iterable[str], languages: tuple[str, ...] = ()) -> None:
        wanted = set(steps)
        self._lines: Counter[int] = Counter()
        self._documents = 0
        makers: dict[str, Callable[[], Step]] = {
            "repair": lambda: _on_text(repaired),
            "normalise": lambda: _on_text(normalised),
            "boilerplate": lambda: _on_text(self._without_boilerplate),
            "language": lambda: lambda document: document if language_of(document) in (*languages, "") else None,
            "length": lambda: _long_enough,
            "duplicates": Duplicates,
            "near duplicates": NearDuplicates,
            "mask": lambda: _on_text(masked),
            "stop words": lambda: _on_text(without_stop_words),
        }
        self._steps = [(makers[name](), Count(step=name, samples=[])) for name in STEPS if name in wanted]
        if not languages:
            self._steps = [pair for pair in self._steps if pair[1].step != "language"]
        self.counts = [count for _, count in self._steps]

    def learn(self, documents: Iterable[Document]) -> None:
        """Count how many documents have which lines, as `normalised` makes them."""
        for document in documents:
            self._documents += 1
            found = {_line_hash(line) for text in texts(document) for line in normalised(text).splitlines()}
            self._lines.update(found)
            if len(self._lines) > 1_000_000:  # a line of one document among so many is no boilerplate
                self._lines = Counter({line: times for line, times in self._lines.items() if times > 1})

    def clean(self, documents: Iterable[Document]) -> Iterator[Document]:
        """What is left of the documents."""
        for document in documents:
            if (found := self._cleaned(document)) is not None:
                yield found

    def _cleaned(self, document: Document) -> Document | None:
        for step, count in self._steps:
            found = step(document)
            _note(count, document, found)
            if found is None:
                return None
            document = found
        return document

    def _without_boilerplate(self, text: str) -> str:
        """No licence around a book of Project Gutenberg, and no line that many documents have."""
        marks = list(_GUTENBERG.finditer(text))
        start = next((mark.end() for mark in marks if mark[1].upper() == "START"), 0)
        end = next((mark.start() for mark in marks if mark[1].upper() == "END" and mark.start() >= start), len(text))
        common = max(_COMMON_LEAST, _COMMON_SHARE * self._documents)
        lines = text[start:end].splitlines()
        kept = [line for line in lines if not line.strip() or self._lines[_line_hash(line)] < common]
        return normalised("\n".join(kept)) if marks or len(kept) < len(lines) else text


def texts(document: Document) -> list[str]:
    """What was written, or said in each turn."""
    return [document] if isinstance(document, str) else [turn.text for turn in document]


def _on_text(change: Callable[[str], str]) -> Step:
    def step(document: Document) -> Document | None:
        if isinstance(document, str):
            return change(document) or None
        turns = tuple(Turn(turn.role, change(turn.text)) for turn in document)
        return turns if all(turn.text for turn in turns) else None

    return step


def repaired(text: str) -> str:
    """Broken encodings put right; quotation marks, ligatures and wide Chinese punctuation as they are."""
    import ftfy

    plain = ftfy.TextFixerConfig(
        uncurl_quotes=False, fix_latin_ligatures=False, fix_character_width=False, unescape_html=False
    )
    return ftfy.fix_text(text, plain)


def normalised(text: str) -> str:
    """Unicode NFC, no control characters, no blanks at the end of lines, at most one empty line in a row."""
    text = _CONTROLS.sub("", unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n")))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(line.rstrip() for line in text.split("\n"))).strip()


def masked(text: str) -> str:
    """Addresses of e-mail and numbers of telephones replaced by words that say what stood there."""
    return _PHONE.sub("[phone]", _EMAIL.sub("[e-mail]", text))


def without_stop_words(text: str) -> str:
    """The text without the commonest words of its language."""
    usual = _USUAL_WORDS.get(language_of(text), frozenset())
    kept = re.sub(r"\w+", lambda word: "" if word[0].lower() in usual else word[0], text)
    return normalised(re.sub(r"[ \t]{2,}", " ", kept))


def language_of(document: Document) -> str:
    """Which of `LANGUAGES` a document is likeliest in, by its script and its usual words; empty: none of them."""
    text = " ".join(texts(document))[:5000]
    words = [word.lower() for word in _WORDS.findall(text)]
    if not words:
        return ""
    if sum("\u4e00" <= word <= "\u9fff" for word in words) > len(words) / 3:
        return "zh"
    found = {name: sum(word in usual for word in words) for name, usual in _USUAL_WORDS.items()}
    best = max(found, key=lambda name: found[name])
    return best if found[best] >= 0.1 * len(words) else ""


def _long_enough(document: Document) -> Document | None:
    is_dialogue = not isinstance(document, str)
    return document if is_dialogue or len("".join(texts(document))) >= LEAST_CHARACTERS else None


class Duplicates:
    """Leaves out what was there before, letter for letter but for blanks and capitals."""

    def __init__(self) -> None:
        self._seen: set[bytes] = set()

    def __call__(self, document: Document) -> Document | None:
        """See `Step`."""
        words = " ".join(" ".join(texts(document)).lower().split())
        key = hashlib.blake2b(words.encode(), digest_size=16).digest()
        if key in self._seen:
            return None
        self._seen.add(key)
        return document


class NearDuplicates:
    """Leaves out a document that shares `_ALIKE` of its runs of five words with one before, estimated by MinHash."""

    def __init__(self) -> None:
        draw = np.random.default_rng(1).integers(0, 1 << 64, (2, _BANDS * _BAND, 1), dtype=np.uint64, endpoint=False)
        self._factors, self._terms = draw[0] | np.uint64(1), draw[1]  # products wrap: that mixes
        self._bands: defaultdict[tuple[int, bytes], list[int]] = defaultdict(list)
        self._signatures: list[np.ndarray[tuple[int], np.dtype[np.uint32]]] = []

    def __call__(self, document: Document) -> Document | None:
        """See `Step`."""
        signature = self.signature(document)
        if signature is None:
            return document
        keys = [(band, signature[band * _BAND : (band + 1) * _BAND].tobytes()) for band in range(_BANDS)]
        candidates = {place for key in keys for place in self._bands.get(key, ())}
        if any((self._signatures[place] == signature).mean() >= _ALIKE for place in candidates):
            return None
        for key in keys:
            self._bands[key].append(len(self._signatures))
        self._signatures.append(signature)
        return document

    def signature(self, document: Document) -> "np.ndarray[tuple[int], np.dtype[np.uint32]] | None":
        """The least hash of all shingles under each of 128 functions, uint32 ``[128]``; None for a few words."""
        words = [word.lower() for word in _WORDS.findall(" ".join(texts(document)))]
        if len(words) < 2 * _SHINGLE:
            return None
        each = np.fromiter((_line_hash(word) & 0xFFFFFFFF for word in words), np.uint64, len(words))
        runs = np.zeros(len(words) - _SHINGLE + 1, np.uint64)
        for place in range(_SHINGLE):
            runs = runs * np.uint64(1_000_003) + each[place : place + len(runs)]
        runs = np.unique(runs >> np.uint64(16) & np.uint64(0xFFFFFFFF))
        least = np.full(_BANDS * _BAND, 0xFFFFFFFF, np.uint32)
        for first in range(0, len(runs), 4096):  # little memory for a book
            part = (self._factors * runs[first : first + 4096] + self._terms) >> np.uint64(32)
            least = np.minimum(least, part.min(1).astype(np.uint32))
        return least


def _line_hash(line: str) -> int:
    return int.from_bytes(hashlib.blake2b(line.strip().encode("utf-8", "replace"), digest_size=8).digest(), "big")


def _note(count: Count, before: Document, after: Document | None) -> None:
    size = size_bytes(before)
    count.seen += 1
    count.seen_bytes += size
    if after is before or after == before:
        return
    count.changed += after is not None
    count.dropped += after is None
    count.removed_bytes += size - (size_bytes(after) if after is not None else 0)
    if len(count.samples) < _SAMPLES:
        count.samples.append(_sample(before, after))


def _sample(before: Document, after: Document | None) -> Sample:
    old, new = "\n".join(texts(before)), "\n".join(texts(after)) if after is not None else ""
    pairs = zip(old, new, strict=False)
    place = next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(old), len(new))) if new else 0
    start = max(0, place - _SHOWN // 4)
    return Sample(old[start : start + _SHOWN], new[start : start + _SHOWN])
