"""What a model thinks before its answer: one quiet line that unfolds. While it thinks, the line shows its last words.

Thoughts are shown as they were written, without Markdown: they are a draft. How they are found: `pieces`.
"""

from PySide6.QtCore import QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFontMetrics, QKeyEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QAbstractButton, QWidget

from chatdesk.ui import theme
from chatdesk.ui.chat.pieces import Piece
from chatdesk.ui.chat.rendering import plain_document
from chatdesk.ui.chat.surface import Surface
from chatdesk.ui.chat.views import RowView
from chatdesk.ui.widgets.inert import inert

_ENTER = (Qt.Key.Key_Return, Qt.Key.Key_Enter)
_LAST_CHARACTERS = 400


class ThoughtHeading(QAbstractButton):
    """The line that folds and unfolds; ``line``: the last words, beside it."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._line = ""
        self._open = False
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)

    def show_state(self, words: str, line: str, is_open: bool) -> None:
        """Say ``words``."""
        self.setText(words)
        self._line, self._open = line, is_open
        self.setAccessibleName(words)
        self.setAccessibleDescription(self.tr("Unfolded") if is_open else self.tr("Folded"))
        self.update()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Qt override: Enter as well as Space."""
        if event.key() in _ENTER and not event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier:
            self.click()
        else:
            super().keyPressEvent(event)

    def sizeHint(self) -> QSize:
        """Qt override: the words and the arrow."""
        metrics = QFontMetrics(theme.font("small"))
        return QSize(metrics.horizontalAdvance(self.text()) + theme.scaled(28), theme.scaled(28))

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Qt override."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        colors, role = theme.current(), "text" if self.underMouse() or self.hasFocus() else "soft"
        painter.setFont(theme.font("small"))
        painter.setPen(QColor(getattr(colors, role)))
        middle = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft
        box = self.rect().adjusted(theme.scaled(4), 0, 0, 0)
        painter.drawText(box, middle, self.text())
        used = theme.scaled(8) + painter.fontMetrics().horizontalAdvance(self.text())
        arrow = theme.icon("chevron-down" if self._open else "chevron-right", role, 14)
        side = theme.scaled(14)
        arrow.paint(painter, QRect(used, (self.height() - side) // 2, side, side))
        if self._line:
            rest = box.adjusted(used + side + theme.scaled(8), 0, 0, 0)
            painter.setPen(QColor(colors.faint))
            words = painter.fontMetrics().elidedText(self._line, Qt.TextElideMode.ElideLeft, rest.width())
            painter.drawText(rest, middle, words)
        if self.hasFocus():
            painter.setPen(QPen(QColor(colors.accent), 2))
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), theme.scaled(6), theme.scaled(6))


class ThoughtView(RowView):
    """A piece of thoughts; the first one has the heading. Signals: ``toggled``."""

    toggled = Signal()

    def __init__(self, piece: Piece, is_open: bool, parent: QWidget) -> None:
        super().__init__(parent)
        self._heading: ThoughtHeading | None = None
        self._surface: Surface | None = None
        if not piece.continued:
            self._heading = ThoughtHeading(self)
            self._heading.clicked.connect(self.toggled)
        self.grow(piece.text, is_open)

    def grow(self, text: str, is_open: bool) -> None:
        """Show ``text``, or where it is folded nothing of it."""
        if self._surface is not None:
            self._surface.hide()
            self._surface.deleteLater()
            self._surface = None
        shown = text.strip("\n")
        if is_open and shown.strip():
            self._surface = Surface(plain_document(shown, theme.current().soft), self)
            self._surface.show()

    def show_state(self, words: str, text: str, is_open: bool) -> None:
        """Name the heading; of ``text``, what is thought right now, the last line stands beside it while folded."""
        if self._heading is not None:
            lines = text[-_LAST_CHARACTERS:].strip().splitlines()
            self._heading.show_state(words, "" if is_open or not lines else inert(lines[-1].strip()), is_open)
            self._wide = bool(lines) and not is_open

    def surfaces(self) -> list[Surface]:
        """The text, where it is unfolded."""
        return [self._surface] if self._surface else []

    def stops(self) -> list[QWidget]:
        """The heading."""
        return [self._heading] if self._heading else []

    def fit(self, width: int) -> int:
        """The heading, and the text beside a line at its left."""
        y = 0
        if self._heading is not None:
            y = theme.scaled(28)
            self._heading.setGeometry(-theme.scaled(4), 0, width if self._wide else self._heading.sizeHint().width(), y)
        if self._surface is None:
            return y
        side, gap = theme.scaled(16), theme.scaled(4) if y else 0
        height = self._surface.fit(width - side)
        self._surface.move(side, y + gap)
        return y + gap + height

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Qt override: the line beside the text."""
        if self._surface is not None:
            top = self._surface.y()
            QPainter(self).fillRect(0, top, theme.scaled(2), self.height() - top, QColor(theme.current().line))
