"""Blocks into text documents, character format by character format: no HTML is made or read, nothing is loaded."""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from PySide6.QtCore import Qt, QUrl
from PySide6.QtGui import (
    QColor,
    QFont,
    QFontMetrics,
    QFontMetricsF,
    QGuiApplication,
    QImage,
    QTextBlockFormat,
    QTextCharFormat,
    QTextCursor,
    QTextDocument,
    QTextFormat,
    QTextImageFormat,
    QTextLength,
    QTextOption,
    QTextTable,
    QTextTableCellFormat,
    QTextTableFormat,
)

from chatdesk.ui import theme
from chatdesk.ui.chat.formulas import LONGEST, Formula, drawing, is_known, picture
from chatdesk.ui.chat.markdown import Block, address
from chatdesk.ui.widgets.inert import inert

if TYPE_CHECKING:
    from markdown_it.token import Token

_HEADING_PX = {"h1": 20, "h2": 17, "h3": 15}
_BULLETS = "•◦▪"
_INDENT_PX = 24
_FORMULA_SIZE = 1.15  # the letters of the formula font are smaller than those of the system's fonts
_TASK = re.compile(r"\[([ xX])\] ")
_ALIGN = {
    "text-align:right": Qt.AlignmentFlag.AlignRight,
    "text-align:center": Qt.AlignmentFlag.AlignHCenter,
}


class InertDocument(QTextDocument):
    """A document that loads nothing. (An empty image says so; None would let Qt look for a local file.)

    Pictures in it are made here, with their source as the alternative text. ``pending``: formulas that are shown as
    source because they are not drawn yet. ``widest``: pixels of the widest picture.
    """

    def __init__(self) -> None:
        super().__init__()
        self.pending: list[Formula] = []
        self.widest = 0

    def loadResource(self, kind: int, name: QUrl | str) -> object:
        """Qt override: nothing is there."""
        return QImage()


def new_document(font: QFont, wrap: bool = True) -> InertDocument:
    """An empty document without margins and without undo."""
    document = InertDocument()
    document.setUndoRedoEnabled(False)
    document.setDocumentMargin(0)
    document.setDefaultFont(font)
    option = QTextOption()
    mode = QTextOption.WrapMode
    option.setWrapMode(mode.WrapAtWordBoundaryOrAnywhere if wrap else mode.NoWrap)
    option.setTabStopDistance(4 * QFontMetricsF(font).horizontalAdvance(" "))
    document.setDefaultTextOption(option)
    return document


def line_format(px: int = 14) -> QTextBlockFormat:
    """Lines as high as one and a half times the letters; higher where a glyph needs it."""
    found = QTextBlockFormat()
    found.setLineHeight(theme.scaled(round(px * 1.5)), QTextBlockFormat.LineHeightTypes.MinimumHeight.value)
    return found


def plain_document(text: str, color: str) -> InertDocument:
    """Text as it was typed."""
    document = new_document(theme.font("text"))
    cursor = QTextCursor(document)
    cursor.setBlockFormat(line_format())
    style = QTextCharFormat()
    style.setForeground(QColor(color))
    cursor.insertText(inert(text), style)
    return document


def code_document(text: str) -> InertDocument:
    """Code: no line is wrapped."""
    document = new_document(theme.font("code"), wrap=False)
    append_code(document, text)
    return document


def append_code(document: QTextDocument, text: str) -> None:
    """More code at the end."""
    cursor = QTextCursor(document)
    cursor.movePosition(QTextCursor.MoveOperation.End)
    if cursor.atStart():
        cursor.setBlockFormat(line_format(12))
    style = QTextCharFormat()
    style.setForeground(QColor(theme.current().text))
    cursor.insertText(inert(text), style)


def block_document(block: Block) -> InertDocument:
    """A block of Markdown that is neither code at the left margin nor a rule."""
    document = new_document(theme.font("text"))
    _Writer(document).write(block)
    return document


def insert_picture(cursor: QTextCursor, picture: QImage, alternative: str, font: QFont) -> None:
    """Put a picture made for ``font`` into the line: it reaches as far below the letters as those of the font do."""
    document = cursor.document()
    name = f"picture:{picture.cacheKey()}"
    document.addResource(QTextDocument.ResourceType.ImageResource, QUrl(name), picture)
    form = QTextImageFormat()
    form.setFont(font)
    form.setName(name)
    form.setWidth(picture.deviceIndependentSize().width())
    form.setHeight(picture.deviceIndependentSize().height())
    form.setVerticalAlignment(QTextCharFormat.VerticalAlignment.AlignBaseline)
    form.setProperty(QTextFormat.Property.ImageAltText, alternative)
    cursor.insertImage(form)
    if isinstance(document, InertDocument):
        document.widest = max(document.widest, math.ceil(form.width()))


def _ratio() -> float:
    app = QGuiApplication.instance()
    return app.devicePixelRatio() if isinstance(app, QGuiApplication) else 1.0


def _seat(font: QFont, depth: float) -> tuple[QFont, float]:
    """A font whose letters reach at least ``depth`` pixels below the line, and how far they reach."""
    found = QFont(font)
    while (descent := QFontMetrics(found).descent()) < depth:
        found.setPixelSize(found.pixelSize() + max(1, round(depth - descent)))
    return found, descent


@dataclass
class _Level:
    """A list or a quote that is open. ``number``: of the next item of an ordered list."""

    kind: Literal["bullets", "numbers", "quote"]
    number: int = 1


class _Writer:
    """Writes the tokens of one block into a document."""

    def __init__(self, document: InertDocument) -> None:
        self.document = document
        self.cursor = QTextCursor(document)
        self.colors = theme.current()
        self.levels: list[_Level] = []
        self.marker = ""  # of the list item whose first line comes next
        self.box = ""  # the icon of its box, where it is a task
        self.fresh = True  # nothing written yet: the first block of a document is there already
        self.heading = ""
        self.table: QTextTable | None = None
        self.cell = (-1, -1)

    def write(self, block: Block) -> None:
        """Write all tokens, and lay them out once."""
        edit = QTextCursor(self.document)
        edit.beginEditBlock()
        self._write(block.tokens)
        edit.endEditBlock()

    def _write(self, tokens: Sequence["Token"]) -> None:
        for index, token in enumerate(tokens):
            kind = token.type
            if kind == "inline":
                self._inline(token.children or [])
            elif kind == "math_block":
                self._start_block()
                self._formula(token)
            elif kind in ("fence", "code_block"):
                self._code(token.content)
            elif kind == "hr":
                self._start_block()
                self.cursor.insertText("———", self._style("faint"))
            elif kind in ("paragraph_open", "heading_open"):
                self.heading = token.tag if kind == "heading_open" else ""
                self._start_block(tight=token.hidden)
            elif kind == "table_open":
                self._open_table(tokens[index:])
            elif self.table is not None:
                self._table_token(token)
            else:
                self._level_token(token)
                self._look_for_box(tokens[index : index + 3])

    def _look_for_box(self, tokens: Sequence["Token"]) -> None:
        """A list item that begins with [ ] or [x] is a task."""
        if [token.type for token in tokens] == ["list_item_open", "paragraph_open", "inline"]:
            found = _TASK.match(tokens[2].content)
            self.box = ("box" if found[1] == " " else "box-checked") if found else ""

    def _level_token(self, token: "Token") -> None:
        if token.type == "bullet_list_open":
            self.levels.append(_Level("bullets"))
        elif token.type == "ordered_list_open":
            start = token.attrGet("start")
            self.levels.append(_Level("numbers", 1 if start is None else int(start)))
        elif token.type == "blockquote_open":
            self.levels.append(_Level("quote"))
        elif token.type == "list_item_open":
            self._open_item(self.levels[-1])
        elif token.type == "list_item_close" and self.marker:
            self._start_block(tight=True)  # an item without a word still has its marker
        elif token.type in ("bullet_list_close", "ordered_list_close", "blockquote_close"):
            self.levels.pop()

    def _open_item(self, level: _Level) -> None:
        if level.kind == "numbers":
            self.marker = f"{level.number}."
            level.number += 1
        else:
            depth = sum(each.kind == "bullets" for each in self.levels)
            self.marker = _BULLETS[min(depth, len(_BULLETS)) - 1]

    def _start_block(self, tight: bool = False) -> None:
        form = line_format(_HEADING_PX.get(self.heading, 14))
        margins = [theme.scaled(16 if each.kind == "quote" else _INDENT_PX) for each in self.levels]
        form.setLeftMargin(sum(margins))
        if not self.fresh:
            form.setTopMargin(theme.scaled(4 if tight or self.marker else 8))
        if self.marker:
            form.setTextIndent(-theme.scaled(_INDENT_PX))
            form.setTabPositions([QTextOption.Tab(theme.scaled(_INDENT_PX), QTextOption.TabType.LeftTab)])
        if self.fresh:
            self.cursor.setBlockFormat(form)
        else:
            self.cursor.insertBlock(form)
        self.fresh = False
        if self.box:
            checked = self.box == "box-checked"
            picture = theme.pixmap(self.box, "accent" if checked else "soft", 16, _ratio()).toImage()
            insert_picture(self.cursor, picture, "[x]" if checked else "[ ]", theme.font("text"))
        if self.marker:
            self.cursor.insertText(("" if self.box else self.marker) + "\t", self._style("soft"))
            self.marker = ""

    def _code(self, text: str) -> None:
        for number, line in enumerate(text.removesuffix("\n").split("\n")):
            self._start_block(tight=True)
            form = self.cursor.blockFormat()
            form.setBackground(QColor(self.colors.side))
            form.setLineHeight(0, QTextBlockFormat.LineHeightTypes.SingleHeight.value)
            form.setTopMargin(0 if number else form.topMargin())
            self.cursor.setBlockFormat(form)
            style = self._style("text")
            style.setFont(theme.font("code"))
            self.cursor.insertText(inert(line), style)

    # -- tables ------------------------------------------------------------------------------------------------------

    def _open_table(self, tokens: Iterable["Token"]) -> None:
        rows = columns = width = 0
        for token in tokens:
            if token.type == "table_close":
                break
            if token.type == "tr_open":
                rows, width = rows + 1, 0
            elif token.type in ("th_open", "td_open"):
                width += 1
                columns = max(columns, width)
        form = QTextTableFormat()
        form.setBorder(0)
        form.setCellSpacing(0)
        form.setCellPadding(0)
        form.setBorderCollapse(True)
        if not self.fresh:
            form.setTopMargin(theme.scaled(8))
        form.setColumnWidthConstraints([QTextLength()] * columns)
        self.fresh = False
        self.table = self.cursor.insertTable(rows, columns, form)
        self.cell = (-1, -1)

    def _table_token(self, token: "Token") -> None:
        assert self.table is not None
        row, column = self.cell
        if token.type == "tr_open":
            self.cell = (row + 1, -1)
        elif token.type in ("th_open", "td_open"):
            self.cell = (row, column + 1)
            cell = self.table.cellAt(row, column + 1)
            cell.setFormat(self._cell_format(column + 1 == 0, row == 0))
            self.cursor = cell.firstCursorPosition()
            form = line_format()
            form.setAlignment(_ALIGN.get(str(token.attrGet("style")), Qt.AlignmentFlag.AlignLeft))
            self.cursor.setBlockFormat(form)
            self.heading = "th" if token.tag == "th" else ""
        elif token.type == "table_close":
            self.table, self.heading = None, ""
            self.cursor = QTextCursor(self.document)
            self.cursor.movePosition(QTextCursor.MoveOperation.End)

    def _cell_format(self, first: bool, header: bool) -> QTextTableCellFormat:
        form = QTextTableCellFormat()
        form.setLeftPadding(0 if first else theme.scaled(12))
        form.setRightPadding(theme.scaled(12))
        form.setTopPadding(theme.scaled(6))
        form.setBottomPadding(theme.scaled(6))
        form.setBottomBorder(1)
        form.setBottomBorderStyle(QTextTableFormat.BorderStyle.BorderStyle_Solid)
        form.setBottomBorderBrush(QColor(self.colors.faint if header else self.colors.line))
        return form

    # -- words -------------------------------------------------------------------------------------------------------

    def _style(self, role: str = "") -> QTextCharFormat:
        style = QTextCharFormat()
        quoted = any(level.kind == "quote" for level in self.levels)
        style.setForeground(QColor(getattr(self.colors, role or ("soft" if quoted else "text"))))
        if self.heading:
            style.setFontWeight(QFont.Weight.DemiBold)
            style.setProperty(QTextFormat.Property.FontPixelSize, theme.scaled(_HEADING_PX.get(self.heading, 14)))
        return style

    def _inline(self, tokens: list["Token"]) -> None:
        marks: list[str] = []
        href = ""
        skipped, self.box = 4 if self.box else 0, ""
        for token in tokens:
            if skipped and token.type == "text":
                self.cursor.insertText(inert(token.content[skipped:]), self._style())
                skipped = 0
            elif token.type == "math_inline":
                self._formula(token)
            elif token.nesting == 1:
                marks.append(token.tag)
                href = address(token.attrGet("href")) if token.tag == "a" else href
            elif token.nesting == -1:
                marks.remove(token.tag)
                href = "" if token.tag == "a" else href
            else:
                self.cursor.insertText(*self._words(token, marks, href))

    def _formula(self, token: "Token") -> None:
        """A formula; its source, as long as it is not drawn or if it cannot be."""
        style = self._style()
        color = style.foreground().color().name()
        px = theme.scaled(_HEADING_PX.get(self.heading, 14)) * _FORMULA_SIZE
        formula = Formula(token.info, token.markup == "display", px, color)
        if len(token.info) > LONGEST or is_known(formula):
            drawn = drawing(formula)
        else:
            drawn = None
            self.document.pending.append(formula)
        if drawn is None:
            style.setFontFamilies(theme.font("code").families())
            style.setProperty(QTextFormat.Property.FontPixelSize, theme.scaled(13))
            self.cursor.insertText(inert(token.content), style)
        else:
            if token.type == "math_block" and not self.levels:
                centred = QTextBlockFormat()
                centred.setAlignment(Qt.AlignmentFlag.AlignHCenter)
                self.cursor.mergeBlockFormat(centred)
            font, descent = _seat(theme.font("text"), drawn.depth)
            insert_picture(self.cursor, picture(drawn, descent - drawn.depth, _ratio()), inert(token.content), font)

    def _words(self, token: "Token", marks: list[str], href: str) -> tuple[str, QTextCharFormat]:
        style = self._style()
        if "strong" in marks:
            style.setFontWeight(QFont.Weight.DemiBold)
        style.setFontItalic("em" in marks)
        style.setFontStrikeOut("s" in marks)
        if href:
            style.setForeground(QColor(self.colors.accent))
            style.setFontUnderline(True)
            style.setAnchor(True)
            style.setAnchorHref(href)
        if token.type == "softbreak":
            return " ", style
        if token.type == "hardbreak":
            return "\u2028", style
        if token.type == "image":
            return f"{inert(token.content)} ({inert(str(token.attrGet('src') or ''))})".strip(), style
        if token.type == "code_inline":
            style.setFontFamilies(theme.font("code").families())
            style.setProperty(QTextFormat.Property.FontPixelSize, theme.scaled(13))
            style.setBackground(QColor(self.colors.hover))
        return inert(token.content), style
