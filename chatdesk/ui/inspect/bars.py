"""Probabilities of tokens as bars: the model's own, and behind it what the samplers leave."""

import math
from collections.abc import Sequence

from PySide6.QtCore import QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFontMetrics, QKeyEvent, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QToolTip, QWidget

from chatdesk.engine.api import AlternativeToken
from chatdesk.ui import theme
from chatdesk.ui.widgets.tokens import sign

_ROW_PX, _WORD_PX, _FIGURE_PX = 30, 132, 128


def percent(logprob: float) -> str:
    """A probability in percent, with as many digits as say something."""
    share = 100 * math.exp(logprob)
    if share == 0 or logprob < -500:
        return "0 %"
    return f"{share:.1f} %" if share >= 1 else f"{share:.2g} %"


class Bars(QWidget):
    """Signals: ``chosen(number)``, by a click or Enter; ``moved(rect)``, the mark by a key.

    Attributes: ``tokens``; ``current``, the marked one.

    What is no text (a special token, half a character) cannot be chosen: its name would be put into the text.
    ``marked_id``: the token that really stands there has a dot before it.
    """

    chosen = Signal(int)
    moved = Signal(QRect)

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name
        self.tokens: Sequence[AlternativeToken] = ()
        self.current = 0
        self._marked_id = -1
        self.setMouseTracking(True)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self._describe()
        theme.watcher.changed.connect(self.updateGeometry)

    def set_tokens(self, tokens: Sequence[AlternativeToken], marked_id: int = -1) -> None:
        """Show these, best first."""
        self.tokens, self._marked_id = tokens, marked_id
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus if tokens else Qt.FocusPolicy.NoFocus)
        self.current = min(self.current, max(0, len(tokens) - 1))
        self._describe()
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        """A row for each token."""
        return QSize(theme.scaled(420), theme.scaled(_ROW_PX) * max(1, len(self.tokens)))

    def minimumSizeHint(self) -> QSize:
        """All rows; narrow ones have short bars."""
        return QSize(theme.scaled(300), self.sizeHint().height())

    def words(self, number: int) -> str:
        """What a row says."""
        token = self.tokens[number]
        text = self.tr("{token}: {before}, after the samplers {after}")
        said = text.format(token=sign(token.text), before=percent(token.logprob), after=percent(token.sampled_logprob))
        return said if token.is_text else f"{said}. {self._why_not(token)}"

    def _why_not(self, token: AlternativeToken) -> str:
        """Why a token cannot be chosen; empty where it can."""
        if token.is_special:
            return self.tr("A special token is no text: it cannot be chosen.")
        return "" if token.is_text else self.tr("A part of a character is no text: it cannot be chosen.")

    def _describe(self) -> None:
        self.setAccessibleName(self._name)
        self.setAccessibleDescription(self.words(self.current) if self.tokens else "")
        self.setToolTip(self._why_not(self.tokens[self.current]) if self.tokens else "")

    def row_rect(self, number: int) -> QRect:
        """Where a row stands."""
        height = theme.scaled(_ROW_PX)
        return QRect(0, number * height, self.width(), height)

    def inputMethodQuery(self, query: Qt.InputMethodQuery) -> object:
        """Qt override: where the mark is; Tab brings that into sight, and not the middle of all rows."""
        is_place = query == Qt.InputMethodQuery.ImCursorRectangle
        return self.row_rect(self.current) if is_place else super().inputMethodQuery(query)

    # -- Qt ------------------------------------------------------------------------------------------------------------

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Qt override: arrows mark, Enter chooses."""
        steps = {Qt.Key.Key_Up: -1, Qt.Key.Key_Down: 1}
        if event.key() in steps and self.tokens:
            self._mark(self.current + steps[Qt.Key(event.key())])
            self.moved.emit(self.row_rect(self.current))
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self.tokens:
            self._choose()
        else:
            super().keyPressEvent(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Qt override: mark the row under the pointer."""
        if self.tokens:
            self._mark(int(event.position().y()) // theme.scaled(_ROW_PX))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Qt override: choose the row that is clicked."""
        number = int(event.position().y()) // theme.scaled(_ROW_PX)
        if event.button() == Qt.MouseButton.LeftButton and 0 <= number < len(self.tokens):
            self._mark(number)
            self._choose()

    def _choose(self) -> None:
        if self.tokens[self.current].is_text:
            self.chosen.emit(self.current)
        else:
            where = self.mapToGlobal(self.row_rect(self.current).bottomLeft())
            QToolTip.showText(where, self.toolTip(), self)

    def _mark(self, number: int) -> None:
        self.current = max(0, min(number, len(self.tokens) - 1))
        self._describe()
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Qt override: the rows in sight."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        height = theme.scaled(_ROW_PX)
        first, last = event.rect().top() // height, min(len(self.tokens) - 1, event.rect().bottom() // height)
        for number in range(first, last + 1):
            self._draw(painter, number)
        painter.end()

    def _draw(self, painter: QPainter, number: int) -> None:
        colors, token, rect = theme.current(), self.tokens[number], self.row_rect(number)
        if number == self.current and (self.hasFocus() or self.underMouse()):
            painter.setPen(QColor(colors.accent) if self.hasFocus() else Qt.PenStyle.NoPen)
            painter.setBrush(QColor(colors.hover))
            painter.drawRoundedRect(rect.adjusted(1, 1, -1, -1), theme.scaled(6), theme.scaled(6))
        gap, word, figure = theme.scaled(8), theme.scaled(_WORD_PX), theme.scaled(_FIGURE_PX)
        painter.setFont(theme.font("code"))
        plain = colors.text if token.is_text else colors.soft
        painter.setPen(QColor(colors.accent if token.id == self._marked_id else plain))
        room = QRect(gap, rect.top(), word - gap, rect.height())
        text = QFontMetrics(painter.font()).elidedText(sign(token.text), Qt.TextElideMode.ElideRight, room.width())
        painter.drawText(room, Qt.AlignmentFlag.AlignVCenter, text)
        bar = QRect(word + gap, rect.top() + theme.scaled(7), rect.width() - word - figure - 2 * gap, theme.scaled(7))
        painter.setPen(Qt.PenStyle.NoPen)
        for place, (logprob, colour) in enumerate(
            ((token.logprob, colors.faint), (token.sampled_logprob, colors.accent))
        ):
            painter.setBrush(QColor(colour))
            share = max(1.0 if logprob > -500 else 0.0, bar.width() * math.exp(logprob))
            top = bar.top() + place * theme.scaled(9)
            painter.drawRoundedRect(QRectF(bar.left(), top, share, bar.height()), 2, 2)
        painter.setFont(theme.font("small"))
        painter.setPen(QColor(colors.soft))
        figures = f"{percent(token.logprob)} → {percent(token.sampled_logprob)}"
        end = QRect(rect.right() - figure - gap, rect.top(), figure, rect.height())
        painter.drawText(end, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight, figures)
