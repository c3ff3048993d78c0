"""Colours for code, by Pygments. The lexer is chosen by the name that the fence gives and never guessed."""

import time
from functools import cache

from pygments.lexer import Lexer
from pygments.lexers import get_all_lexers, get_lexer_by_name
from pygments.token import Comment, Keyword, Literal, Name, Number, Operator, String, _TokenType
from PySide6.QtGui import QColor, QTextCharFormat, QTextDocument, QTextLayout

from chatdesk.ui import theme

_ROLES: tuple[tuple[_TokenType, str], ...] = (
    (Comment, "code_comment"),
    (Keyword, "code_keyword"),
    (Operator.Word, "code_keyword"),
    (String, "code_string"),
    (Number, "code_number"),
    (Literal, "code_number"),
    (Name.Function, "code_name"),
    (Name.Class, "code_name"),
    (Name.Decorator, "code_name"),
    (Name.Tag, "code_name"),
    (Name.Attribute, "code_name"),
)


@cache
def _names() -> frozenset[str]:
    """The names that Pygments itself knows: for others it would look through every package that is installed."""
    return frozenset(alias for _, aliases, _, _ in get_all_lexers(plugins=False) for alias in aliases)


def _lexer(language: str) -> Lexer | None:
    known = language.lower() in _names()
    return get_lexer_by_name(language.lower(), stripnl=False, ensurenl=False) if known else None


@cache
def _role(kind: _TokenType) -> str:
    return next((role for parent, role in _ROLES if kind in parent), "")


class Colouring:
    """Colours a document that holds nothing but code, a few milliseconds at a time: a lexer may be slow.

    The text stays as it is, only how its layout is drawn changes.
    """

    def __init__(self, document: QTextDocument, language: str) -> None:
        lexer = _lexer(language)
        self._document = document
        self._tokens = lexer.get_tokens_unprocessed(document.toPlainText()) if lexer else iter(())
        colors = theme.current()
        self._formats = {role: QTextCharFormat() for _, role in _ROLES}
        for role, style in self._formats.items():
            style.setForeground(QColor(getattr(colors, role)))
        self._line = self._column = 0
        self._ranges: list[QTextLayout.FormatRange] = []

    def step(self, budget_s: float) -> bool:
        """Go on for about that long; returns whether all is coloured."""
        deadline = time.perf_counter() + budget_s
        first = self._line
        done = True
        for _, kind, value in self._tokens:
            self._take(_role(kind), value)
            if time.perf_counter() > deadline:
                done = False
                break
        self._close_line()
        begin, last = self._document.findBlockByNumber(first), self._document.findBlockByNumber(self._line)
        if begin.isValid() and last.isValid():
            self._document.markContentsDirty(begin.position(), last.position() + last.length() - begin.position())
        return done

    def _take(self, role: str, value: str) -> None:
        for index, part in enumerate(value.split("\n")):
            if index:
                self._close_line()
                self._line, self._column, self._ranges = self._line + 1, 0, []
            length = len(part) if part.isascii() else len(part.encode("utf-16-le")) // 2  # Qt counts in UTF-16
            if part and role:
                found = QTextLayout.FormatRange()
                found.start, found.length, found.format = self._column, length, self._formats[role]
                self._ranges.append(found)
            self._column += length

    def _close_line(self) -> None:
        block = self._document.findBlockByNumber(self._line)
        if block.isValid():
            block.layout().setFormats(self._ranges)
