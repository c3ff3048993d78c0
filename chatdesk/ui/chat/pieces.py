"""A text in pieces, each small enough to be laid out in a moment: the unit in which the transcript shows text.

The cuts depend on the text alone, never on how it arrived, so a streamed reply has the pieces of the whole one. A piece
of Markdown ends before a block at the left margin; a fenced code block is a piece of its own. Only where a block is
very long is it cut inside (``continued`` says so): a giant list between two items, a giant line anywhere.

What a reply says between ``<think>`` and ``</think>`` before its first word are thoughts: pieces of their own, plain
text. Without the closing tag all of it is. Further down in a reply the tags are text like any other.

Non-goals: Markdown is not parsed here (`chatdesk.ui.chat.markdown` does); a reference definition is known to the links
of its own piece only.
"""

import re
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

PieceKind: TypeAlias = Literal["plain", "markdown", "code", "thought"]

TARGET = 1_500  # characters (of Markdown with `LINE_WEIGHT`) after which the next block starts a new piece
LONG = 2 * TARGET  # a block is cut inside from here on
LINE_WEIGHT = 40  # characters that a line counts more: a short item costs nearly as much as a long one
LONGEST = 12_000  # lines that are not at the margin, too
CODE = 8_000  # characters of code in a piece
LINE = 4_000  # characters of a line that are laid out together

_FENCE = re.compile(r" {0,3}(`{3,}(?=[^`]*$)|~{3,})(.*)")
_TABLE_RULE = frozenset("|-: \t\n")  # characters of the line under a table's header
_BLANK_LINE = re.compile(r"\n[^\S\n]*\n")
_RULE_LINE = re.compile(r"\n[-|: \t]*\n")
_BLANK_LINES = re.compile(r"(?:[^\S\n]*\n)+")
_OPEN, _CLOSE = "<think>", "</think>"


@dataclass(eq=False)
class Piece:
    """``text``: what is to be rendered, of a code block without its fences. ``info``: what the opening fence says."""

    kind: PieceKind
    parts: list[str] = field(default_factory=list)
    info: str = ""
    continued: bool = False
    length: int = 0
    lines: int = 0

    @property
    def text(self) -> str:
        """The text; of an unfinished piece, so far."""
        if len(self.parts) > 1:
            self.parts = ["".join(self.parts)]
        return self.parts[0] if self.parts else ""

    def append(self, text: str) -> None:
        """Add to the end."""
        self.parts.append(text)
        self.length += len(text)
        self.lines += text.count("\n")


class Cutter:
    """Cuts a text that arrives in increments.

    ``pieces`` grows at its end; with new text only the last piece, and new ones behind it, can change. Call `finish`
    after the last increment.
    """

    def __init__(self, markdown: bool) -> None:
        self.pieces: list[Piece] = []
        self._kind: PieceKind = "markdown" if markdown else "plain"
        self._take = self._take_markdown if markdown else self._take_plain
        self._many = self._many_markdown if markdown else self._many_plain
        self._is_begun = not markdown  # is it known whether the text begins with thoughts
        self._held = ""  # what may be a part of a tag
        self._line = ""  # the line that is not finished yet; it stands at the end of the last piece
        self._fence = ""  # the marker that opened the code we are in
        self._inner_fence = ""  # the same for code inside a list item or after spaces: no piece of its own
        self._blank = False  # was the line before blank
        self._header = ""  # the line before, where it may be the header of a table
        self._table = ""  # header and rule of the table we are in

    def feed(self, text: str) -> None:
        """Take the next increment."""
        text, self._held = self._held + text, ""
        if not self._is_begun:
            head = text.lstrip()
            if len(head) < len(_OPEN) and _OPEN.startswith(head):
                self._held = text
                return
            self._is_begun = True
            if head.startswith(_OPEN):
                self._kind, self._take, self._many = "thought", self._take_plain, self._many_plain
                text = head[len(_OPEN) :]
                self._last()
        if self._kind == "thought":
            text = self._feed_thought(text)
        self._feed(text)

    def finish(self) -> None:
        """The text is whole: what looked like the beginning of a tag is none."""
        self._is_begun, held, self._held = True, self._held, ""
        self._feed(held)

    def _feed_thought(self, text: str) -> str:
        """Take thoughts, and go on with Markdown behind the tag that closes them. Returns what is left to take."""
        end = text.find(_CLOSE)
        if end < 0:
            part = next(size for size in range(len(_CLOSE), -1, -1) if text.endswith(_CLOSE[:size]))
            self._held = text[len(text) - part :]
            return text[: len(text) - part]
        self._feed(text[:end])
        self._kind, self._take, self._many = "markdown", self._take_markdown, self._many_markdown
        self.pieces.append(Piece("markdown"))
        self._line = ""
        return text[end + len(_CLOSE) :]

    def _feed(self, text: str) -> None:
        if not text:
            return
        self._hide_unfinished_line()
        text, at = self._line + text, 0
        while (end := text.find("\n", at)) >= 0:
            many = self._many(text, at)
            if many > at:
                self.pieces[-1].append(text[at:many])
                at = many
                continue
            line = text[at:end]
            if len(line) > LINE:
                line = self._take_giant(line)
            self._take(line + "\n")
            at = end + 1
        self._line = text[at:]
        if len(self._line) > LINE:
            self._line = self._take_giant(self._line)
        if self._line:
            self._last().append(self._line)

    # Many short lines at a time, where line by line would come to the same: a list of 1 MB has 250,000 of them. All
    # three return where the lines end that the last piece takes as they are, ``at`` where there are none.

    def _many_plain(self, text: str, at: int) -> int:
        room = min(TARGET - self._last().length, LINE)
        end = text.rfind("\n", at, at + room) + 1 if room > 0 else at
        return max(end, at)

    def _many_markdown(self, text: str, at: int) -> int:
        last = self._last()
        if self._fence:
            end = text.rfind("\n", at, at + min(CODE - last.length, LINE)) + 1 if last.length < CODE else at
            return max(self._before_fence(text, at, end), at)
        if self._inner_fence:
            return at
        if blank := _BLANK_LINES.match(text, at):
            self._blank, self._header, self._table = True, "", ""
            return blank.end()
        return self._many_prose(text, at, last.length + LINE_WEIGHT * last.lines)

    def _many_prose(self, text: str, at: int, length: int) -> int:
        """Lines of a paragraph, list or table: up to where the piece is so full that each line has to be looked at."""
        limit = TARGET if self._table or self._blank else LONG
        end = text.rfind("\n", at, at + max(limit - length, 0)) + 1
        lines = text.count("\n", at, end)
        if end <= at or lines < 2:
            return at
        if (weight := end - at + LINE_WEIGHT * lines) > limit - length:
            end = text.rfind("\n", at, at + (end - at) * (limit - length) // weight) + 1
        end = self._before_fence(text, at, end)
        chunk = text[at:end]
        weight = len(chunk) + LINE_WEIGHT * chunk.count("\n")
        if not chunk or weight > limit - length or _BLANK_LINE.search(chunk):
            return at
        if not self._table and ("|" in chunk or self._header) and _RULE_LINE.search("\n" + chunk):
            return at  # a table begins
        self._blank = False
        header = chunk[chunk.rfind("\n", 0, -1) + 1 :]
        self._header = header if "|" in header else ""
        return end

    def _before_fence(self, text: str, at: int, end: int) -> int:
        for fence in ("```", "~~~"):
            found = text.find(fence, at, end)
            if found >= 0:
                end = text.rfind("\n", at, found) + 1
        return end

    def _hide_unfinished_line(self) -> None:
        if self._line:
            piece = self.pieces[-1]
            kept = piece.text[: piece.length - len(self._line)]
            piece.parts, piece.length = [kept], len(kept)

    def _take_giant(self, line: str) -> str:
        """Take a line in pieces, as far as it is too long for one; returns its rest."""
        at = 0
        while len(line) - at > LINE:
            space = line.rfind(" ", at + LINE // 2, at + LINE)
            end = space + 1 if space > 0 else at + LINE
            self._last().append(line[at:end])
            self._begin()
            at = end
        self._blank, self._header = False, ""
        return line[at:]

    def _take_plain(self, line: str) -> None:
        if self._last().length >= TARGET:
            self._begin()
        self.pieces[-1].append(line)

    def _take_markdown(self, line: str) -> None:
        fence = _FENCE.match(line) if "```" in line or "~~~" in line else None
        if self._fence:
            if fence and _closes(fence, self._fence):
                self._fence = ""
                self.pieces.append(Piece("markdown"))
                return
            if self._last().length + len(line) > CODE:
                self._begin()
        elif self._inner_fence:
            if fence and _closes(fence, self._inner_fence):
                self._inner_fence = ""
            elif self._last().length > LONGEST:
                self._begin()
        elif fence and line[0] != " ":
            self._fence = fence[1]
            self.pieces.append(Piece("code", info=fence[2].strip()))
            return
        else:
            self._make_room(line)
            self._inner_fence = fence[1] if fence else ""
        self.pieces[-1].append(line)

    def _make_room(self, line: str) -> None:
        """Begin a new piece before a line of prose, if the last one is full."""
        last = self._last()
        length = last.length + LINE_WEIGHT * last.lines
        if line.isspace():
            self._blank, self._header, self._table = True, "", ""
            return
        if length >= TARGET and line[0] not in " \t":
            if self._blank:
                self._begin(continued=False)
            elif self._table:
                self._begin()
                self.pieces[-1].append(self._table)  # each part of a giant table has its header
            elif length >= LONG and not self._table:
                self._begin()
        elif length >= LONGEST:
            self._begin()
        if self._header and not self._table and _TABLE_RULE.issuperset(line):
            self._table = self._header + line
        self._header = line if "|" in line else ""
        self._blank = False

    def _last(self) -> Piece:
        if not self.pieces:
            self.pieces.append(Piece(self._kind))
        return self.pieces[-1]

    def _begin(self, continued: bool = True) -> None:
        last = self._last()
        self.pieces.append(Piece(last.kind, info=last.info, continued=continued))


def _closes(fence: re.Match[str], opened: str) -> bool:
    return fence[1][0] == opened[0] and len(fence[1]) >= len(opened) and not fence[2].strip()


def cut(text: str, markdown: bool) -> list[Piece]:
    """The pieces of a whole text."""
    if (
        "```" not in text
        and "<think>" not in text
        and "~~~" not in text
        and len(text) + LINE_WEIGHT * text.count("\n") <= TARGET
    ):
        piece = Piece("markdown" if markdown else "plain")  # the same, without looking at lines
        piece.append(text)
        return [piece] if text else []
    cutter = Cutter(markdown)
    cutter.feed(text)
    cutter.finish()
    return cutter.pieces


def answer(text: str) -> str:
    """A reply without its thoughts; all of it, where there is nothing but thoughts."""
    head = text.lstrip()
    return (head.partition(_CLOSE)[2].lstrip() or text) if head.startswith(_OPEN) else text
