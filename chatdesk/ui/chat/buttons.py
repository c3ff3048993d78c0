"""The small buttons of a conversation: an icon in faint, brighter under the pointer and with the focus."""

from PySide6.QtCore import QEvent, QSize, Qt, QTimer
from PySide6.QtGui import QColor, QEnterEvent, QFocusEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QToolButton, QWidget

from chatdesk.ui import theme

_CONFIRMED_MS = 1_000


class QuietButton(QToolButton):
    """An icon with a name: it is the tooltip and what a screen reader says."""

    def __init__(self, icon: str, name: str, parent: QWidget) -> None:
        super().__init__(parent)
        self._icon = icon
        self.setAccessibleName(name)
        self.setToolTip(name)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.ArrowCursor)
        self.setIconSize(QSize(theme.scaled(16), theme.scaled(16)))
        self.setFixedSize(theme.scaled(32), theme.scaled(32))
        self._drawn = True
        self._confirmed = QTimer(self)
        self._confirmed.setSingleShot(True)
        self._confirmed.timeout.connect(self._paint_icon)
        self._paint_icon()

    def set_drawn(self, drawn: bool) -> None:
        """Whether it can be seen without the focus or the pointer on it."""
        self._drawn = drawn
        self.update()

    def confirm(self) -> None:
        """Show a check mark for a second: it has been done."""
        self.setIcon(theme.icon("check", "accent", 16))
        self._confirmed.start(_CONFIRMED_MS)

    def _paint_icon(self) -> None:
        if not self._confirmed.isActive():
            bright = self.underMouse() or self.hasFocus()
            self.setIcon(theme.icon(self._icon, "text" if bright else "faint", 16))

    def paintEvent(self, event: QPaintEvent) -> None:
        """Qt override."""
        if self._drawn or self.hasFocus() or self.underMouse() or self._confirmed.isActive():
            super().paintEvent(event)

    def enterEvent(self, event: QEnterEvent) -> None:
        """Qt override."""
        super().enterEvent(event)
        self._paint_icon()

    def leaveEvent(self, event: QEvent) -> None:
        """Qt override."""
        super().leaveEvent(event)
        self._paint_icon()

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Qt override."""
        super().focusInEvent(event)
        self._paint_icon()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Qt override."""
        super().focusOutEvent(event)
        self._paint_icon()


class RoundButton(QuietButton):
    """A quiet button that floats over text: on a round ground of its own."""

    def paintEvent(self, event: QPaintEvent) -> None:
        """Qt override."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        colors = theme.current()
        painter.setPen(QPen(QColor(colors.accent if self.hasFocus() else colors.line), 2 if self.hasFocus() else 1))
        painter.setBrush(QColor(colors.hover if self.underMouse() else colors.background))
        painter.drawEllipse(self.rect().toRectF().adjusted(1, 1, -1, -1))
        size = self.iconSize()
        left, top = (self.width() - size.width()) // 2, (self.height() - size.height()) // 2
        self.icon().paint(painter, left, top, size.width(), size.height())
