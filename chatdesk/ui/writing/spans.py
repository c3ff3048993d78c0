"""Which words of an editor a model wrote, kept in step with every change, undo and redo among them.

The words carry it themselves: a property of their format names the generation, and so undo brings it back with them.
`Spans` keeps the list of it, as reading the formats of a megabyte would take too long: only what has changed is read.
Places are Qt's (UTF-16); `in_characters` turns them into characters.
"""

import re
from bisect import bisect_left
from collections.abc import Callable, Sequence

from PySide6.QtGui import QTextCharFormat, QTextDocument, QTextFormat

from chatdesk.storage.records import Span

_WIDE = re.compile("[\U00010000-\U0010ffff]")
_PARAGRAPH = "\u2029"
GENERATION = QTextFormat.Property.UserProperty.value + 1


def generated(id: str) -> QTextCharFormat:
    """The format of words of a generation; empty: of a person's own."""
    found = QTextCharFormat()
    if id:
        found.setProperty(GENERATION, id)
    return found


class Spans:
    """The spans of a document, in order. Attributes: ``all``."""

    def __init__(self, document: QTextDocument) -> None:
        self._document = document
        self.all: list[Span] = []
        document.contentsChange.connect(self._on_change)

    def _on_change(self, at: int, removed: int, added: int) -> None:
        end, shift = at + removed, added - removed
        kept: list[Span] = []
        for span in self.all:
            if span.start < at:
                kept.append(span._replace(end=min(span.end, at)))
            if span.end > end:
                kept.append(Span(max(span.start, end) + shift, span.end + shift, span.generation))
        kept = [self._trimmed(s) if s.end == at or s.start == at + added else s for s in kept if s.start < s.end]
        place = bisect_left(kept, at, key=lambda span: span.start)
        self.all = self.joined([*kept[:place], *self.read(at, at + added), *kept[place:]])

    def read(self, start: int, end: int) -> list[Span]:
        """The spans of a stretch, from its formats."""
        found: list[Span] = []
        block = self._document.findBlock(start)
        while block.isValid() and block.position() < end:
            it = block.begin()
            while not it.atEnd():
                fragment = it.fragment()
                id = fragment.charFormat().property(GENERATION)
                first, last = max(start, fragment.position()), min(end, fragment.position() + fragment.length())
                if id and first < last:
                    found.append(Span(first, last, str(id)))
                it += 1
            block = block.next()
        return found

    def joined(self, spans: Sequence[Span]) -> list[Span]:
        """Neighbours of one generation are one; a line's end between them, which has no format, belongs to it."""
        found: list[Span] = []
        for span in spans:
            if span.start >= span.end:
                continue
            last = found[-1] if found else None
            if last is not None and last.generation == span.generation and self._are_lines(last.end, span.start):
                found[-1] = last._replace(end=span.end)
            else:
                found.append(span)
        return found

    def _trimmed(self, span: Span) -> Span:
        """Without the lines' ends at its edges: they have no format, and belong to no one there."""
        start, end = span.start, span.end
        while start < end and self._document.characterAt(start) == _PARAGRAPH:
            start += 1
        while start < end and self._document.characterAt(end - 1) == _PARAGRAPH:
            end -= 1
        return span._replace(start=start, end=end)

    def _are_lines(self, start: int, end: int) -> bool:
        """Whether nothing but ends of lines stands between two places."""
        return all(self._document.characterAt(place) == _PARAGRAPH for place in range(start, end))

    def within(self, start: int, end: int) -> list[Span]:
        """Those that reach into a stretch."""
        place = bisect_left(self.all, start, key=lambda span: span.end)
        found = []
        for span in self.all[place:]:
            if span.start >= end:
                break
            found.append(span)
        return found


def units(text: str) -> int:
    """How long a text is for Qt."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def in_characters(text: str, spans: Sequence[Span]) -> tuple[Span, ...]:
    """Spans counted by Qt, counted in characters of the text."""
    return _mapped(spans, _Places(text).to_characters) if spans else ()


def stretches_in_units(text: str, stretches: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Stretches counted in characters, each from and to, as Qt counts them."""
    places = _Places(text)
    return [(places.to_units(start), places.to_units(end)) for start, end in stretches]


def in_units(text: str, spans: Sequence[Span]) -> tuple[Span, ...]:
    """The way back."""
    return _mapped(spans, _Places(text).to_units) if spans else ()


def _mapped(spans: Sequence[Span], place: Callable[[int], int]) -> tuple[Span, ...]:
    return tuple(Span(place(span.start), place(span.end), span.generation) for span in spans)


class _Places:
    """Between characters and UTF-16: they differ after each character beyond the basic plane."""

    def __init__(self, text: str) -> None:
        self._wide = [] if text.isascii() else [found.start() for found in _WIDE.finditer(text)]
        self._units = [place + number for number, place in enumerate(self._wide)]

    def to_units(self, place: int) -> int:
        return place + bisect_left(self._wide, place)

    def to_characters(self, place: int) -> int:
        return place - bisect_left(self._units, place)
