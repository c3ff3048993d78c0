"""The editor of the writing desk: a long text, ghost text at the cursor, and which words a model wrote.

Taking ghost text, or a word of it, is one step of undo. What a hand types never has the format of generated words, so
neither tint nor undo mixes the two.
"""

import re
from typing import TYPE_CHECKING

from PySide6.QtCore import QMimeData, Qt, QTimer, Signal
from PySide6.QtGui import (
    QColor,
    QContextMenuEvent,
    QFontMetricsF,
    QInputMethodEvent,
    QKeyEvent,
    QKeySequence,
    QMouseEvent,
    QResizeEvent,
    QTextBlock,
    QTextCharFormat,
    QTextCursor,
    QTextOption,
)
from PySide6.QtWidgets import QFrame, QTextEdit, QWidget

from chatdesk.storage.records import DocumentText
from chatdesk.ui import theme
from chatdesk.ui.widgets.raw_text import RawTextEdit, raw_text
from chatdesk.ui.writing.ghost import Ghost
from chatdesk.ui.writing.spans import GENERATION, Spans, generated, in_characters, in_units, units

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from chatdesk.tasks.diffing import Piece

COLUMN_CHARACTERS = 76
MOST_CHARACTERS = 20_000_000
"""Of a document: a longer one takes Qt seconds to lay out."""
_NEXT_WORD = re.compile(r"\s*(?:[\u3400-\u9fff]|[^\s\u3400-\u9fff]+)|\s+")
_LONG_LINE = 5_000  # a longer line is broken anywhere: Qt takes seconds to look for blanks in one of a megabyte
_REST_MS = 300  # from the last deletion to a look whether long lines are left

_CHINESE = re.compile("[\u3400-\u9fff]")
_MODIFIERS = (Qt.Key.Key_Shift, Qt.Key.Key_Control, Qt.Key.Key_Alt, Qt.Key.Key_Meta, Qt.Key.Key_AltGr)


class Editor(RawTextEdit):
    """Signals: ``edited``, by hand, undo or a model; ``ghost_left(bool)``: all of it was taken (True) or dropped;
    ``refused(characters)``: so many were pasted, which is too many.

    Attributes: ``spans``.
    """

    edited = Signal()
    ghost_left = Signal(bool)
    refused = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName(self.tr("Text"))
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setProperty("kind", "paper")
        self.setTabChangesFocus(False)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.spans = Spans(self.document())
        self._ghost = Ghost(self.document(), self._on_ghost)
        self._show_placeholder()
        self._is_tinted = True
        self._is_loading = False
        self._found: list[tuple[int, int]] = []
        self._marks = QTimer(self, interval=0, singleShot=True)
        self._marks.timeout.connect(self._mark)
        self._shorter = QTimer(self, interval=_REST_MS, singleShot=True)
        self._shorter.timeout.connect(self._on_shorter)
        self.document().contentsChange.connect(self._on_contents)
        self.cursorPositionChanged.connect(self._on_cursor)
        self.verticalScrollBar().valueChanged.connect(self._marks.start)
        self._dress()
        theme.watcher.changed.connect(self._dress)

    # -- the words -------------------------------------------------------------------------------------------------

    def load(self, words: DocumentText) -> None:
        """Show another document; there is nothing to undo then."""
        self.drop_ghost()
        self._is_loading = True
        self.document().setUndoRedoEnabled(False)
        is_long = has_long_line(words.text)
        if is_long:
            self._break_anywhere(True)
        self.setPlainText(words.text)
        self._break_anywhere(is_long)  # only now: Qt breaks the old words anew when the mode changes
        cursor = QTextCursor(self.document())
        for span in in_units(words.text, words.spans):
            cursor.setPosition(min(span.start, self.document().characterCount() - 1))
            cursor.setPosition(min(span.end, self.document().characterCount() - 1), QTextCursor.MoveMode.KeepAnchor)
            cursor.setCharFormat(generated(span.generation))
        self.document().setUndoRedoEnabled(True)
        self._is_loading = False
        self.moveCursor(QTextCursor.MoveOperation.End)
        self._marks.start()

    def words(self) -> DocumentText:
        """The words as they are, and which of them a model wrote."""
        text = raw_text(self.document())
        return DocumentText(text, in_characters(text, self.spans.all))

    def replace_all(self, words: DocumentText) -> None:
        """Put other words in place of all, as one step that can be undone."""
        self.drop_ghost()
        cursor = QTextCursor(self.document())
        cursor.beginEditBlock()
        cursor.select(QTextCursor.SelectionType.Document)
        cursor.removeSelectedText()
        self._insert_spans(cursor, words)
        cursor.endEditBlock()
        self.setTextCursor(cursor)

    def replace_selection(self, parts: "Sequence[tuple[Piece, str]]") -> None:
        """Change the selection by pieces, each with the id of its generation, as one step, and select what is there.

        Pieces that stay as they are are not touched: what was generated before stays known as that.
        """
        self.drop_ghost()
        cursor = self.textCursor()
        start = cursor.selectionStart()
        cursor.setPosition(start)
        cursor.beginEditBlock()
        for piece, generation in parts:
            cursor.setPosition(cursor.position() + units(piece.old), QTextCursor.MoveMode.KeepAnchor)
            if piece.is_change:
                cursor.insertText(piece.new, generated(generation))
            else:
                cursor.clearSelection()
        cursor.endEditBlock()
        end = cursor.position()
        cursor.setPosition(start)
        cursor.setPosition(end, QTextCursor.MoveMode.KeepAnchor)
        self.setTextCursor(cursor)

    def around(self, most: int) -> tuple[str, str, int]:
        """The words before and after the cursor or selection, at most so many, and how many before are left out."""
        cursor = self.textCursor()
        start, end, last = cursor.selectionStart(), cursor.selectionEnd(), self.document().characterCount() - 1
        first = max(0, start - most)
        return self._between(first, start), self._between(end, min(last, end + most)), first

    def _between(self, start: int, end: int) -> str:
        cursor = QTextCursor(self.document())
        cursor.setPosition(start)
        cursor.setPosition(end, QTextCursor.MoveMode.KeepAnchor)
        text = cursor.selectedText().replace("\u2029", "\n")
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "ignore")  # a pair may be cut in two

    def count_words(self) -> int:
        """How many words there are; a Chinese character is one. Only lines that have changed are looked at."""
        total = 0
        for block in self._blocks():
            count = block.userState()
            if count < 0:
                text = block.text()
                count = len((text if text.isascii() else _CHINESE.sub(" x ", text)).split())
                block.setUserState(count)
            total += count
        return total

    def insert_generated(self, text: str, generation: str) -> None:
        """Put a model's words at the cursor, as one step of undo."""
        self.drop_ghost()
        self._insert(text, generation)

    def replace_before(self, tail: str, other: str, generation: str) -> None:
        """Put a model's words in place of those that end before the cursor, as one step of undo."""
        self.drop_ghost()
        cursor = self.textCursor()
        end = cursor.selectionStart()
        cursor.setPosition(end - units(tail))
        cursor.setPosition(end, QTextCursor.MoveMode.KeepAnchor)
        self.setTextCursor(cursor)
        self._insert(other, generation)

    def _insert(self, text: str, generation: str) -> None:
        cursor = self.textCursor()
        cursor.beginEditBlock()
        cursor.insertText(text, generated(generation))
        cursor.endEditBlock()
        self.setTextCursor(cursor)
        self.ensureCursorVisible()

    def _insert_spans(self, cursor: QTextCursor, words: DocumentText) -> None:
        done = 0
        for span in words.spans:
            cursor.insertText(words.text[done : span.start], generated(""))
            cursor.insertText(words.text[span.start : span.end], generated(span.generation))
            done = span.end
        cursor.insertText(words.text[done:], generated(""))

    def _on_contents(self, at: int, removed: int, added: int) -> None:
        if self._is_loading or (not removed and not added):
            return
        if self._ghost.is_laying_out:
            return
        block = self.document().findBlock(at)
        while block.isValid() and block.position() <= at + added:
            block.setUserState(-1)
            if added > _LONG_LINE and block.length() > _LONG_LINE:  # it came back by undo
                self._break_anywhere(True)
            block = block.next()
        if removed and self.wordWrapMode() == QTextOption.WrapMode.WrapAnywhere:
            self._shorter.start()
        self._marks.start()
        self.edited.emit()

    # -- ghost text ------------------------------------------------------------------------------------------------

    def begin_ghost(self, generation: str) -> None:
        """What comes now is offered at the cursor."""
        self.drop_ghost()
        cursor = self.textCursor()
        cursor.setPosition(cursor.selectionEnd())
        self.setTextCursor(cursor)
        self._ghost.offer(cursor.position(), generation)
        self._ghost.is_growing = True

    def grow_ghost(self, text: str) -> None:
        """More of it."""
        self._ghost.grow(text)

    def end_ghost(self) -> None:
        """No more comes; where nothing came, nothing is offered."""
        self._ghost.is_growing = False
        if not self.ghost:
            self.drop_ghost()

    @property
    def ghost(self) -> str:
        """The words that are offered at the cursor."""
        return self._ghost.text

    @property
    def has_ghost(self) -> bool:
        """Whether words are offered, or to be."""
        return self._ghost.is_offered

    def take_ghost(self) -> None:
        """Make all of it part of the text."""
        text, generation = self.ghost, self._ghost.generation
        if text:
            self._ghost.hide()
            self._insert(text, generation)
            self.ghost_left.emit(True)

    def take_word(self) -> None:
        """Make its first word part of the text; the rest is offered on."""
        found = _NEXT_WORD.match(self.ghost)
        if found is None:
            return
        generation, rest = self._ghost.generation, self.ghost[found.end() :]
        self._ghost.hide()
        self._insert(found[0], generation)
        self._offer_rest(rest, generation)

    def _offer_rest(self, rest: str, generation: str) -> None:
        """Offer at the cursor what is left, or what is still to come."""
        if rest or self._ghost.is_growing:
            self._ghost.offer(self.textCursor().position(), generation, rest)
        else:
            self.ghost_left.emit(True)

    def drop_ghost(self) -> None:
        """Offer nothing any more."""
        if self.has_ghost:
            self._ghost.hide()
            self.ghost_left.emit(False)

    def _on_ghost(self) -> None:
        self._show_placeholder()
        self.viewport().update()
        if self.ghost:
            self.ensureCursorVisible()

    def _show_placeholder(self) -> None:
        """The words of an empty document; Qt would leave them under the ghost text."""
        words = self.tr("Write something, then press Ctrl+Enter to have it continued.")
        self.setPlaceholderText("" if self.ghost else words)

    def _on_cursor(self) -> None:
        if self.has_ghost and self.textCursor().position() != self._ghost.at:
            self.drop_ghost()

    # -- the hand --------------------------------------------------------------------------------------------------

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Tab takes the ghost text, Ctrl+→ a word of it, Esc drops it; what is typed is the hand's own."""
        if self.ghost and self._on_ghost_key(event):
            return
        if event.key() == Qt.Key.Key_Escape and self.has_ghost:
            self.drop_ghost()
            return
        if (text := event.text()) and text.isprintable() and not event.matches(QKeySequence.StandardKey.Paste):
            if self.ghost.startswith(text) and not self.textCursor().hasSelection():
                self._type_along(text)
                return
            self._use_own_format()
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Tab):
            self._use_own_format()
        if self.has_ghost and event.key() not in _MODIFIERS:  # before the text changes under it
            self.drop_ghost()
        super().keyPressEvent(event)

    def focusNextPrevChild(self, is_next: bool) -> bool:
        """Qt override: Tab belongs to the text, but Shift+Tab leaves it."""
        return super().focusNextPrevChild(True) if is_next else QWidget.focusNextPrevChild(self, False)

    def _on_ghost_key(self, event: QKeyEvent) -> bool:
        plain = event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
        match event.key():
            case Qt.Key.Key_Tab if plain == Qt.KeyboardModifier.NoModifier:
                self.take_ghost()
            case Qt.Key.Key_Right if plain in (
                Qt.KeyboardModifier.ControlModifier,
                Qt.KeyboardModifier.AltModifier,  # the word key of macOS
            ):
                self.take_word()
            case _:
                return False
        return True

    def _type_along(self, text: str) -> None:
        """The hand types what is offered: the offer stays, one character shorter."""
        generation, rest = self._ghost.generation, self.ghost[len(text) :]
        self._ghost.hide()
        self._use_own_format()
        self.textCursor().insertText(text, generated(""))
        self._offer_rest(rest, generation)

    def _use_own_format(self) -> None:
        """What is inserted next is nobody's but the person's."""
        cursor = self.textCursor()
        if cursor.hasSelection():
            if cursor.charFormat().hasProperty(GENERATION):
                cursor.removeSelectedText()
                self.setTextCursor(cursor)
            else:
                return
        if cursor.charFormat().hasProperty(GENERATION):
            self.setCurrentCharFormat(generated(""))

    def inputMethodEvent(self, event: QInputMethodEvent) -> None:
        """An input method shows what it composes at the same place; it also says when there is nothing to show."""
        if event.commitString() or event.preeditString() or event.replacementLength():
            self.drop_ghost()
            self._use_own_format()
        elif self.ghost:  # Qt would take it for what was composed, and clear it
            event.ignore()
            return
        super().inputMethodEvent(event)

    def insertFromMimeData(self, source: QMimeData) -> None:
        """Plain text alone, as the person's own words."""
        self.drop_ghost()
        text = source.text().replace("\r\n", "\n") if source.hasText() else ""
        if self.document().characterCount() + len(text) > MOST_CHARACTERS:
            self.refused.emit(len(text))
        elif text:
            if has_long_line(text):
                self._break_anywhere(True)
            self._use_own_format()
            self.textCursor().insertText(text, generated(""))
            self.ensureCursorVisible()

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """The menu can undo and paste, which would change the text under the offer."""
        self.drop_ghost()
        super().contextMenuEvent(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """A click leaves the ghost text: its places are not those of the document."""
        self.drop_ghost()
        super().mousePressEvent(event)

    # -- how it looks ----------------------------------------------------------------------------------------------

    def set_tinted(self, is_tinted: bool) -> None:
        """Show which words a model wrote."""
        self._is_tinted = is_tinted
        self._marks.start()

    def set_found(self, found: list[tuple[int, int]]) -> None:
        """Mark places, each from and to."""
        self._found = found
        self._marks.start()

    def _mark(self) -> None:
        """Tint what is on screen."""
        first = self.firstVisibleBlock().position()
        below = self._below()
        colors = theme.current()
        marks: list[QTextEdit.ExtraSelection] = []
        if self._is_tinted:
            for span in self.spans.within(first, below):
                marks.append(self._marked(max(first, span.start), min(below, span.end), colors.tint))
        for start, end in self._found:
            if end > first and start < below:
                mark = self._marked(start, end, colors.user_block)
                mark.format.setUnderlineStyle(QTextCharFormat.UnderlineStyle.SingleUnderline)
                mark.format.setUnderlineColor(QColor(colors.accent))  # grounds differ little, and in high contrast not
                marks.append(mark)
        self.setExtraSelections(marks)

    def _below(self) -> int:
        """The place behind the last line that can be seen; places of a click would count ghost text."""
        block, bottom = self.firstVisibleBlock(), self.viewport().height()
        while block.isValid():
            if self.blockBoundingGeometry(block).translated(self.contentOffset()).bottom() >= bottom:
                return block.position() + block.length()
            block = block.next()
        return self.document().characterCount()

    def _marked(self, start: int, end: int, colour: str) -> QTextEdit.ExtraSelection:
        selection = QTextEdit.ExtraSelection()
        cursor = QTextCursor(self.document())
        last = self.document().characterCount() - 1
        cursor.setPosition(min(start, last))
        cursor.setPosition(min(end, last), QTextCursor.MoveMode.KeepAnchor)
        selection.cursor = cursor
        selection.format.setBackground(QColor(colour))
        return selection

    def _break_anywhere(self, is_wanted: bool) -> None:
        mode = QTextOption.WrapMode.WrapAnywhere if is_wanted else QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere
        if mode != self.wordWrapMode():
            self.setWordWrapMode(mode)

    def _on_shorter(self) -> None:
        """A long line may have gone; Qt is told between two events, not inside a change."""
        self._break_anywhere(any(block.length() > _LONG_LINE for block in self._blocks()))

    def _blocks(self) -> "Iterator[QTextBlock]":
        block = self.document().firstBlock()
        while block.isValid():
            yield block
            block = block.next()

    def _dress(self) -> None:
        font = theme.font()
        font.setPixelSize(theme.scaled(16))
        self.setFont(font)
        self.document().setDefaultFont(font)
        self._fit()
        self._marks.start()

    def _fit(self) -> None:
        """A column of text in the middle."""
        metrics = QFontMetricsF(self.font())
        wanted = round(metrics.averageCharWidth() * COLUMN_CHARACTERS)
        side = max(theme.scaled(24), (self.width() - wanted) // 2)
        self.setViewportMargins(side, theme.scaled(24), side - theme.scaled(12), 0)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Keep the column in the middle."""
        self._fit()  # first: the text is laid out for the width there is then
        super().resizeEvent(event)
        self._marks.start()


def has_long_line(text: str) -> bool:
    """Whether Qt would take long to look for blanks in one of the lines."""
    return max(map(len, text.split("\n"))) > _LONG_LINE
