"""Tokens as chips that run on like text: the arrow keys go from one to the next, pointer and status name them.

Rows are found in portions between events and only those in sight are drawn, so a long prompt stalls nothing.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from time import perf_counter

from PySide6.QtCore import QEvent, QPoint, QRect, Qt, QTimer, Signal
from PySide6.QtGui import (
    QAccessible,
    QAccessibleAnnouncementEvent,
    QColor,
    QFocusEvent,
    QFontMetrics,
    QHelpEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QResizeEvent,
)
from PySide6.QtWidgets import QAbstractScrollArea, QFrame, QToolTip

from chatdesk.ui import theme
from chatdesk.ui.widgets.inert import inert

_PORTION_S = 0.006
_ROW_PX, _CHIP_PX, _GAP_PX, _SIDE_PX = 27, 23, 2, 4
_MOST_SHOWN = 200  # characters of one token
_SIGNS = str.maketrans({"\n": "↵", "\t": "→"})


def sign(piece: str) -> str:
    """How a token is written on its chip: line breaks as signs, blanks alone as "␣", a part of a character as "◌"."""
    if not piece:
        return "◌"
    shown = inert(piece[:_MOST_SHOWN])
    return shown.replace(" ", "␣") if not shown.strip(" ") else shown.translate(_SIGNS)


class TokenView(QAbstractScrollArea):
    """Signals: ``marked(number)``; ``pointed(number)``: the token under the pointer, else the marked one.

    Attributes: ``current``, the marked token, from 0.
    """

    marked = Signal(int)
    pointed = Signal(int)

    def __init__(self, name: str) -> None:
        super().__init__()
        self.current = 0
        self._pieces: Sequence[str] = ()
        self._ids: Sequence[int] = ()
        self._markers: frozenset[int] = frozenset()
        self._grounds: Sequence[QColor] = ()
        self._rows: list[int] = []  # the first token of each row found so far
        self._next = 0  # the first token that has no row yet
        self._edge = 0  # where the last row ends, in pixels
        self._kept: int | None = None  # this token is to be in sight when its row is found
        self._widths: dict[str, int] = {}
        self._portions = QTimer(self, interval=0)
        self._portions.timeout.connect(self._find_rows)
        self.setAccessibleName(name)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.viewport().setMouseTracking(True)
        self._metrics = QFontMetrics(theme.font("code"))
        theme.watcher.changed.connect(self._begin)

    def set_tokens(self, ids: Sequence[int], pieces: Sequence[str], markers: frozenset[int]) -> None:
        """Show these; ``markers``: the ids of special tokens."""
        self._ids, self._pieces, self._markers, self._grounds = ids, pieces, markers, ()
        self.current = 0
        self._begin()

    def set_grounds(self, grounds: Sequence[QColor]) -> None:
        """Colour each token; nothing for the ordinary look."""
        self._grounds = grounds
        self.viewport().update()

    # -- rows --------------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        """Find all rows anew; what is in sight stays so."""
        top = self.verticalScrollBar().value() // theme.scaled(_ROW_PX)
        if self._kept is None and 0 < top < len(self._rows):
            self._kept = self._rows[top]
        self._metrics = QFontMetrics(theme.font("code"))
        self._widths.clear()
        self._rows, self._next, self._edge = [], 0, 0
        self._portions.start()
        self._find_rows()

    def _find_rows(self) -> None:
        """One portion of rows."""
        until, most = perf_counter() + _PORTION_S, self._room()
        gap = theme.scaled(_GAP_PX)
        while self._next < len(self._pieces):
            piece = self._pieces[self._next]
            width = self._width(piece)
            after_break = self._next > 0 and "\n" in self._pieces[self._next - 1]
            if not self._rows or after_break or self._edge + width > most:
                self._rows.append(self._next)
                self._edge = 0
            self._edge += width + gap
            self._next += 1
            if self._next % 64 == 0 and perf_counter() > until:
                break
        else:
            self._portions.stop()
        height, bar = theme.scaled(_ROW_PX), self.verticalScrollBar()
        bar.setSingleStep(height)
        bar.setPageStep(self.viewport().height())
        bar.setRange(0, max(0, len(self._rows) * height - self.viewport().height()))
        if self._kept is not None and self._next > self._kept:
            bar.setValue(self._row_of(self._kept) * height)
            if not self._portions.isActive() or bar.value() == self._row_of(self._kept) * height:
                self._kept = None
        self.viewport().update()

    def _room(self) -> int:
        return max(theme.scaled(40), self.viewport().width() - theme.scaled(_SIDE_PX))

    def _width(self, piece: str) -> int:
        width = self._widths.get(piece)
        if width is None:
            width = self._metrics.horizontalAdvance(sign(piece)) + 2 * theme.scaled(_SIDE_PX)
            width = self._widths[piece] = min(width, self._room())
        return width

    def _row_of(self, number: int) -> int:
        return bisect_right(self._rows, number) - 1

    def _chips(self, row: int) -> Iterator[tuple[int, QRect]]:
        """The tokens of a row and where they stand in the viewport."""
        height, gap = theme.scaled(_ROW_PX), theme.scaled(_GAP_PX)
        end = self._rows[row + 1] if row + 1 < len(self._rows) else self._next
        x, y = 0, row * height - self.verticalScrollBar().value()
        for number in range(self._rows[row], end):
            width = self._width(self._pieces[number])
            yield number, QRect(x, y + theme.scaled(_GAP_PX), width, theme.scaled(_CHIP_PX))
            x += width + gap

    def place_of(self, number: int) -> QRect:
        """Where a token stands in the viewport; an empty rectangle while its row is not found."""
        if number >= self._next:
            return QRect()
        return next(rect for n, rect in self._chips(self._row_of(number)) if n == number)

    def token_at(self, point: QPoint) -> int | None:
        """The token under a point of the viewport."""
        row = (point.y() + self.verticalScrollBar().value()) // theme.scaled(_ROW_PX)
        if not 0 <= row < len(self._rows):
            return None
        return next((number for number, rect in self._chips(row) if rect.contains(point)), None)

    # -- the marked token ----------------------------------------------------------------------------------------------

    def mark(self, number: int) -> None:
        """Mark a token, bring it into sight and say which it is."""
        if not self._pieces:
            return
        self.current = max(0, min(number, len(self._pieces) - 1))
        self.show_current()
        self.pointed.emit(self.current)
        self.marked.emit(self.current)
        self.viewport().update()

    def announce(self, words: str) -> None:
        """Have a screen reader say what is marked."""
        self.setAccessibleDescription(words)
        if QAccessible.isActive():
            QAccessible.updateAccessibility(QAccessibleAnnouncementEvent(self, words))

    def show_current(self) -> None:
        """Scroll as little as is needed to show the marked token."""
        if self.current >= self._next:
            self._kept = self.current
            return
        height, bar = theme.scaled(_ROW_PX), self.verticalScrollBar()
        top = self._row_of(self.current) * height
        bar.setValue(min(top, max(bar.value(), top + height - self.viewport().height())))

    def _step_rows(self, rows: int) -> int:
        """The token above or below the marked one, so many rows away."""
        here = self.place_of(self.current).center().x()
        row = max(0, min(self._row_of(self.current) + rows, len(self._rows) - 1))
        return min(self._chips(row), key=lambda chip: abs(chip[1].center().x() - here))[0]

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Qt override: arrows, Home and End of the row, with Ctrl of all; pages."""
        key, page = event.key(), max(1, self.viewport().height() // theme.scaled(_ROW_PX) - 1)
        rows = {
            Qt.Key.Key_Up: -1,
            Qt.Key.Key_Down: 1,
            Qt.Key.Key_PageUp: -page,
            Qt.Key.Key_PageDown: page,
        }
        if not self._pieces or self.current >= self._next:
            super().keyPressEvent(event)
        elif key in (Qt.Key.Key_Left, Qt.Key.Key_Right):
            self.mark(self.current + (1 if key == Qt.Key.Key_Right else -1))
        elif key in rows:
            self.mark(self._step_rows(rows[Qt.Key(key)]))
        elif key in (Qt.Key.Key_Home, Qt.Key.Key_End):
            is_all = bool(event.modifiers() & Qt.KeyboardModifier.ControlModifier)
            self.mark(self._edge_token(key == Qt.Key.Key_End, is_all))
        else:
            super().keyPressEvent(event)

    def _edge_token(self, is_last: bool, of_all: bool) -> int:
        if of_all:
            return len(self._pieces) - 1 if is_last else 0
        row = [number for number, _ in self._chips(self._row_of(self.current))]
        return row[-1] if is_last else row[0]

    # -- Qt ------------------------------------------------------------------------------------------------------------

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Qt override: mark the token that is clicked."""
        if (number := self.token_at(event.position().toPoint())) is not None:
            self.mark(number)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Qt override: name the token under the pointer."""
        number = self.token_at(event.position().toPoint())
        self.pointed.emit(self.current if number is None else number)

    def viewportEvent(self, event: QEvent) -> bool:
        """Qt override: the number and the id of the token under the pointer; its text is not repeated there."""
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            number = self.token_at(event.pos())
            words = "" if number is None else self.tr("id {id}").format(id=self._ids[number])
            QToolTip.showText(event.globalPos(), words, self.viewport())
            return True
        if event.type() == QEvent.Type.Leave and self._pieces:
            self.pointed.emit(self.current)
        return super().viewportEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Qt override: other rows."""
        super().resizeEvent(event)
        self._begin()

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Qt override: the mark is filled."""
        super().focusInEvent(event)
        self.viewport().update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Qt override: the mark is an outline."""
        super().focusOutEvent(event)
        self.viewport().update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Qt override: the rows in sight."""
        painter = QPainter(self.viewport())
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(theme.font("code"))
        height, first = theme.scaled(_ROW_PX), self.verticalScrollBar().value()
        last = min(len(self._rows) - 1, (first + self.viewport().height()) // height)
        for row in range(first // height, last + 1):
            for number, rect in self._chips(row):
                self._draw(painter, number, rect)

    def _draw(self, painter: QPainter, number: int, rect: QRect) -> None:
        colors = theme.current()
        is_marker, is_marked = self._ids[number] in self._markers, number == self.current
        ground, ink = (colors.tint, colors.accent) if is_marker else (colors.hover, colors.text)
        if self._grounds:
            ground, ink = self._grounds[number].name(), _ink(self._grounds[number])
        if is_marked and self.hasFocus():
            ground, ink = colors.accent, colors.on_accent
        has_edge = is_marked or ground == colors.background  # in high contrast all grounds are one
        painter.setPen(QColor(colors.accent if is_marked else colors.line) if has_edge else Qt.PenStyle.NoPen)
        painter.setBrush(QColor(ground))
        painter.drawRoundedRect(rect.toRectF().adjusted(0.5, 0.5, -0.5, -0.5), theme.scaled(4), theme.scaled(4))
        inner = rect.adjusted(theme.scaled(_SIDE_PX), 0, -theme.scaled(_SIDE_PX), 0)
        text = sign(self._pieces[number])
        if self._metrics.horizontalAdvance(text) > inner.width():
            text = self._metrics.elidedText(text, Qt.TextElideMode.ElideRight, inner.width())
        painter.setPen(QColor(ink))
        painter.drawText(inner, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, text)


def _ink(ground: QColor) -> str:
    """Black or white, whichever can be read on a colour."""
    light = 0.299 * ground.red() + 0.587 * ground.green() + 0.114 * ground.blue()
    return "#111111" if light > 117 else "#ffffff"
