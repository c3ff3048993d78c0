"""Two texts in one, by pieces: what goes is struck through, what comes is underlined; pieces can be taken or left."""

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent, QMouseEvent, QTextCharFormat, QTextCursor
from PySide6.QtWidgets import QFrame, QTextEdit

from chatdesk.tasks.diffing import Piece
from chatdesk.ui import theme

_CONTEXT = 400  # characters that stay around a change where the texts are long


class DiffView(QTextEdit):
    """Shows pieces. Where they can be chosen: ← and → go from change to change, the space bar and a click take or
    leave one. Signals: ``changed``. Attributes: ``pieces``; ``accepted``, the numbers of those that are taken.
    """

    changed = Signal()

    def __init__(self, name: str, can_choose: bool = False) -> None:
        super().__init__()
        self.setReadOnly(True)
        self.setAcceptRichText(False)
        self.setAccessibleName(name)
        self.setTabChangesFocus(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        self.pieces: Sequence[Piece] = ()
        self.accepted: set[int] = set()
        self._can_choose = can_choose
        self._current = -1
        self._places: list[tuple[int, int, int]] = []  # from, to, number of each change
        theme.watcher.changed.connect(self._show)

    def show_pieces(self, pieces: Sequence[Piece], is_folded: bool = False) -> None:
        """Show two texts, all changes taken to begin with. ``is_folded``: long stretches that agree are cut."""
        self.pieces = [_folded(piece, i, len(pieces)) for i, piece in enumerate(pieces)] if is_folded else pieces
        changes = [i for i, piece in enumerate(pieces) if piece.is_change]
        self.accepted = set(changes)
        self._current = changes[0] if changes and self._can_choose else -1
        self._show()

    def choose_all(self, is_accepted: bool) -> None:
        """Take all changes, or leave all."""
        self.accepted = {number for _, _, number in self._places} if is_accepted else set()
        self._show()
        self.changed.emit()

    def toggle(self, number: int) -> None:
        """Take a change, or leave it."""
        self.accepted ^= {number}
        self._current = number
        self._show()
        self.changed.emit()

    def step(self, by: int) -> None:
        """Go to the next change, or the one before."""
        numbers = [number for _, _, number in self._places]
        if numbers:
            place = numbers.index(self._current) + by if self._current in numbers else 0
            self._current = numbers[place % len(numbers)]
            self._show()

    def _show(self) -> None:
        place = self.verticalScrollBar().value()
        self.setFont(theme.font())
        self.clear()
        self._places = []
        cursor = QTextCursor(self.document())
        cursor.beginEditBlock()
        for number, piece in enumerate(self.pieces):
            if not piece.is_change:
                cursor.insertText(piece.old, self._format("text"))
                continue
            start, is_taken = cursor.position(), number in self.accepted
            cursor.insertText(piece.old, self._format("danger" if is_taken else "text", is_struck=is_taken))
            cursor.insertText(
                piece.new, self._format("accent" if is_taken else "faint", is_new=True, is_taken=is_taken)
            )
            self._places.append((start, cursor.position(), number))
        cursor.endEditBlock()
        self._mark_current()
        self.verticalScrollBar().setValue(place)

    def _format(
        self, role: str, is_struck: bool = False, is_new: bool = False, is_taken: bool = True
    ) -> QTextCharFormat:
        found = QTextCharFormat()
        found.setForeground(QColor(getattr(theme.current(), role)))
        found.setFontStrikeOut(is_struck or (is_new and not is_taken))
        found.setFontUnderline(is_new and is_taken)
        return found

    def _mark_current(self) -> None:
        marks = []
        for start, end, number in self._places:
            if number == self._current:
                mark = QTextEdit.ExtraSelection()
                mark.cursor = QTextCursor(self.document())
                mark.cursor.setPosition(start)
                mark.cursor.setPosition(end, QTextCursor.MoveMode.KeepAnchor)
                mark.format.setBackground(QColor(theme.current().tint))
                marks.append(mark)
                shown = QTextCursor(self.document())
                shown.setPosition(start)
                self.setTextCursor(shown)
        self.setExtraSelections(marks)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """The keys of the class."""
        key = event.key()
        if not self._can_choose:
            super().keyPressEvent(event)
        elif key in (Qt.Key.Key_Left, Qt.Key.Key_Right):
            self.step(1 if key == Qt.Key.Key_Right else -1)
        elif key == Qt.Key.Key_Space and self._current >= 0:
            self.toggle(self._current)
        else:
            super().keyPressEvent(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """A click on a change takes or leaves it."""
        super().mouseReleaseEvent(event)
        if self._can_choose and not self.textCursor().hasSelection():
            at = self.cursorForPosition(event.position().toPoint()).position()
            for start, end, number in self._places:
                if start <= at <= end:
                    self.toggle(number)
                    return


def _folded(piece: Piece, number: int, count: int) -> Piece:
    if piece.is_change or len(piece.old) <= 3 * _CONTEXT:
        return piece
    head = piece.old[:_CONTEXT] if number else ""
    tail = piece.old[-_CONTEXT:] if number < count - 1 else ""
    text = f"{head}\n…\n{tail}"
    return Piece(text, text)
