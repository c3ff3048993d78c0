"""The words of a text: what the full-text index holds of it, what a person's query asks, and where it is found.

Notes. FTS5's own tokenizers know no words in Chinese, and its trigrams find no word of two characters, so this module
cuts the text and hands FTS5 (tokenizer ``ascii``) words with blanks between them. A run of Chinese, Japanese or Korean
characters, or of symbols, becomes its overlapping pairs and its last character: 天气好 is 天气, 气好, 好. A single
character is then the beginning of a pair (a prefix), and a longer word is a phrase of pairs. Case, accents and the
width of letters do not count; each character is folded by itself, so that a place in the folded text has a place in
the text. A change of how words are cut needs a migration that builds the index anew. Non-goals: stemming, dictionaries.
"""

import re
import unicodedata
from collections.abc import Sequence
from itertools import islice, pairwise

from msgspec import Struct

_ACCENTS = re.compile("[\u0300-\u036f]")
_PAIRED = (  # scripts without blanks between words, and symbols: U+2600-27BF and the emoji
    "\u1100-\u11ff\u2600-\u27bf\u2e80-\u2fdf\u3005-\u3007\u3040-\u30ff\u3130-\u318f\u31a0-\u31ff\u3400-\u4dbf"
    "\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U0001f000-\U0001faff\U00020000-\U0003ffff"
)
_LETTER = rf"[^\W_{_PAIRED}]"
_RUNS = re.compile(rf"([{_PAIRED}]+)|{_LETTER}{{1,40}}")  # what has no blanks for longer is no word
_QUOTES = str.maketrans(dict.fromkeys("“”„«»「」＂", '"'))
_TERMS = re.compile(r'"([^"]*)"?|([^"\s]+)')
_BLANK = re.compile(r"\s")
_MOST_MATCHES = 1000  # marked in one text
_MOST_TERMS = 32  # that count of a query: a pattern takes milliseconds to make, and somebody may paste a whole text

Ranges = list[tuple[int, int]]


class _Folded(dict[int, str]):
    """Each character as it is compared, worked out once; ``resized`` are those that become none or several."""

    def __init__(self) -> None:
        self.resized: set[str] = set()

    def __missing__(self, code: int) -> str:
        plain = _ACCENTS.sub("", unicodedata.normalize("NFKD", chr(code)))
        folded = self[code] = unicodedata.normalize("NFC", plain.casefold())
        if len(folded) != 1:
            self.resized.add(chr(code))
        return folded


_folded = _Folded()


class Query(Struct, frozen=True):
    """What a person typed: as FTS5 reads it (empty: no word in it), and the patterns of its terms in a folded text."""

    expression: str
    patterns: tuple[re.Pattern[str], ...]


def indexed(text: str) -> str:
    """The words of a text with blanks between them, for the index."""
    words: list[str] = []
    for run in _RUNS.finditer(text.translate(_folded)):
        words += _pairs(run[0], is_whole=True) if run[1] else (run[0],)
    return " ".join(words)


def query(text: str) -> Query:
    """Read a query: all its words must be there, the last may be a beginning, quotes make a phrase. Never fails.

    Of many words only the first count.
    """
    terms = (found.groups() for found in _TERMS.finditer(text.translate(_QUOTES).translate(_folded)))
    read = ((runs, word is not None) for phrase, word in terms if (runs := list(_RUNS.finditer(phrase or word or ""))))
    cut = list(islice(read, _MOST_TERMS))
    expressions: list[str] = []
    patterns: list[re.Pattern[str]] = []
    for number, (runs, is_open) in enumerate(cut, 1):
        is_beginning = is_open and number == len(cut)
        expressions.append(_expression(runs, is_beginning))
        patterns.append(_pattern(runs, is_beginning))
    return Query(" ".join(expressions), tuple(patterns))


def holds_all(text: str, patterns: Sequence[re.Pattern[str]]) -> bool:
    """Whether each pattern is found somewhere."""
    folded = text.lower() if text.isascii() else text.translate(_folded)  # ten times as fast, and the same
    return all(each.search(folded) for each in patterns)


def ranges(text: str, patterns: Sequence[re.Pattern[str]]) -> Ranges:
    """Where patterns are found: (start, length) in characters of the text, in order, none over another."""
    folded = text.translate(_folded)
    spans = sorted(found.span() for each in patterns for found in islice(each.finditer(folded), _MOST_MATCHES))
    if spans and not _folded.resized.isdisjoint(text):
        places = [place for place, char in enumerate(text) for _ in _folded[ord(char)]] + [len(text)]
        spans = [(places[start], max(places[end], places[end - 1] + 1)) for start, end in spans]
    found_ranges: Ranges = []
    last = 0
    for start, end in spans:
        if start >= last and end > start:
            found_ranges.append((start, end - start))
            last = end
    return found_ranges


def snippet(text: str, found: Ranges, before: int = 40, length: int = 160) -> tuple[str, tuple[tuple[int, int], ...]]:
    """One line of a text around its first match, and the matches in it. Lengths in characters."""
    begin = max(0, found[0][0] - before) if found else 0
    if begin and (blank := _BLANK.search(text, begin, begin + before // 2)):  # at a word, where there are words
        begin = blank.end()
    end = min(len(text), begin + length)
    head = "…" if begin else ""
    line = head + _BLANK.sub(" ", text[begin:end]) + ("…" if end < len(text) else "")
    shift = len(head) - begin
    return line, tuple((start + shift, min(size, end - start)) for start, size in found if begin <= start < end)


def _pairs(run: str, is_whole: bool) -> list[str]:
    """Overlapping pairs; ``is_whole``: the last character, too, which begins no pair."""
    pairs = [first + second for first, second in pairwise(run)]
    return [*pairs, run[-1]] if is_whole or not pairs else pairs


def _expression(runs: Sequence[re.Match[str]], is_beginning: bool) -> str:
    words: list[str] = []
    for number, run in enumerate(runs, 1):
        words += _pairs(run[0], is_whole=number < len(runs)) if run[1] else (run[0],)
    is_single = runs[-1][1] and len(runs[-1][0]) == 1
    needs_prefix = is_single or (is_beginning and not runs[-1][1])
    return f'"{" ".join(words)}"{" *" if needs_prefix else ""}'


def _pattern(runs: Sequence[re.Match[str]], is_beginning: bool) -> re.Pattern[str]:
    begin = "" if runs[0][1] else f"(?<!{_LETTER})"
    end = "" if is_beginning or runs[-1][1] else f"(?!{_LETTER})"
    return re.compile(begin + r"[\W_]*".join(re.escape(run[0]) for run in runs) + end)
