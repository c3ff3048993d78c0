"""Files as small plates in a row, each with its name, its tokens, and a cross where it can be taken away."""

from collections.abc import Sequence
from functools import partial

from PySide6.QtCore import QEvent, QRect, QSize, Qt, Signal
from PySide6.QtGui import QColor, QEnterEvent, QFocusEvent, QFontMetrics, QKeyEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QAbstractButton, QWidget

from chatdesk.ui import theme
from chatdesk.ui.widgets.buttons import IconButton
from chatdesk.ui.widgets.labels import tip
from chatdesk.ui.wording import grouped

_WIDEST_PX, _HIGH_PX, _GAP_PX = 290, 30, 6
_ENTER = (Qt.Key.Key_Return, Qt.Key.Key_Enter)
_REMOVE = (Qt.Key.Key_Delete, Qt.Key.Key_Backspace)


class Chip(QAbstractButton):
    """One file; a click shows it. Attributes: ``name``; ``tokens``, None where it is not known.

    Signals: ``removed``, by its cross or the Delete key; ``focused``.
    """

    removed = Signal()
    focused = Signal()

    def __init__(self, name: str, is_removable: bool, parent: QWidget) -> None:
        super().__init__(parent)
        self.name = name
        self.tokens: int | None = None
        self._cross: IconButton | None = None
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        if is_removable:
            self._cross = IconButton("close", self.tr("Take {name} away").format(name=name), side=22, size=12)
            self._cross.setToolTip(tip(self._cross.accessibleName()))
            self._cross.setParent(self)
            self._cross.setCursor(Qt.CursorShape.ArrowCursor)
            self._cross.clicked.connect(self.removed)
        self.set_tokens(None)

    def set_tokens(self, tokens: int | None) -> None:
        """How many tokens it has; None: not known."""
        self.tokens = tokens
        self.setAccessibleName(", ".join(filter(None, (self.name, self._figure()))))
        self.setToolTip(tip(self.accessibleName()))
        self.update()

    def stops(self) -> list[QWidget]:
        """Where the Tab key stops."""
        return [self, self._cross] if self._cross else [self]

    def _figure(self) -> str:
        if self.tokens is None:
            return ""
        words = self.tr("1 token") if self.tokens == 1 else self.tr("{count} tokens")
        return words.format(count=grouped(self.tokens))

    def _parts(self) -> tuple[QRect, QRect, QRect]:
        """Where icon, name and figure stand; the name gives way."""
        side, gap, high = theme.scaled(10), theme.scaled(6), self.height()
        icon = QRect(side, (high - theme.scaled(16)) // 2, theme.scaled(16), theme.scaled(16))
        right = self.width() - (theme.scaled(28) if self._cross else side)
        figure = QFontMetrics(theme.font("small")).horizontalAdvance(self._figure())
        left = icon.right() + gap
        return (
            icon,
            QRect(left, 0, right - left - figure - gap * bool(figure), high),
            QRect(right - figure, 0, figure, high),
        )

    def sizeHint(self) -> QSize:
        """Qt override: as wide as what it says, up to a measure."""
        icon, _, figure = self._parts()
        name = QFontMetrics(theme.font()).horizontalAdvance(self.name) + 2
        rest = theme.scaled(28) if self._cross else theme.scaled(10)
        gaps = theme.scaled(6) * (2 if figure.width() else 1)
        return QSize(
            min(theme.scaled(_WIDEST_PX), icon.right() + gaps + name + figure.width() + rest), theme.scaled(_HIGH_PX)
        )

    def place(self, box: QRect) -> None:
        """Stand there."""
        self.setGeometry(box)
        if self._cross:
            size = self._cross.width()
            self._cross.move(box.width() - size - theme.scaled(4), (box.height() - size) // 2)

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Qt override."""
        colors, painter = theme.current(), QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        width = 2 if self.hasFocus() else 1
        painter.setPen(QPen(QColor(colors.accent if self.hasFocus() else colors.line), width))
        painter.setBrush(QColor(colors.hover if self.underMouse() else colors.side))
        edge = width / 2
        painter.drawRoundedRect(
            self.rect().toRectF().adjusted(edge, edge, -edge, -edge), theme.scaled(8), theme.scaled(8)
        )
        icon, name, figure = self._parts()
        theme.icon("file", "soft", 16).paint(painter, icon)
        middle = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft
        painter.setFont(theme.font())
        painter.setPen(QColor(colors.text))
        shown = QFontMetrics(theme.font()).elidedText(self.name, Qt.TextElideMode.ElideMiddle, name.width())
        painter.drawText(name, middle | Qt.TextFlag.TextSingleLine, shown)
        painter.setFont(theme.font("small"))
        painter.setPen(QColor(colors.faint))
        painter.drawText(figure, middle, self._figure())

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Qt override: Enter shows it, Delete takes it away."""
        if event.key() in _ENTER and not event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier:
            self.click()
        elif event.key() in _REMOVE and self._cross:
            self.removed.emit()
        else:
            super().keyPressEvent(event)

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Qt override."""
        super().focusInEvent(event)
        self.focused.emit()

    def enterEvent(self, event: QEnterEvent) -> None:
        """Qt override."""
        super().enterEvent(event)
        self.update()

    def leaveEvent(self, event: QEvent) -> None:
        """Qt override."""
        super().leaveEvent(event)
        self.update()


class Chips(QWidget):
    """The files of a message, from left to right and in further lines.

    Signals: ``opened(number)``, show that file; ``removed(number)``, take it away; ``left``: the last one is gone, and
    it had the focus; ``focused(chip)``.
    """

    opened = Signal(int)
    removed = Signal(int)
    left = Signal()
    focused = Signal(QWidget)

    def __init__(self, parent: QWidget | None = None, is_removable: bool = False, at_right: bool = False) -> None:
        super().__init__(parent)
        self._is_removable, self._at_right = is_removable, at_right
        self.chips: list[Chip] = []

    def set_files(self, names: Sequence[str], tokens: Sequence[int | None]) -> None:
        """Show these. What has the focus keeps it; where it is gone, its neighbour gets it."""
        if [chip.name for chip in self.chips] != list(names):
            focused = next((n for n, chip in enumerate(self.chips) if _has_focus(chip)), None)
            for chip in self.chips:
                chip.hide()
                chip.deleteLater()
            self.chips = [self._chip(number, name) for number, name in enumerate(names)]
            if focused is not None and self.chips:
                self.chips[min(focused, len(self.chips) - 1)].setFocus()
            elif focused is not None:
                self.left.emit()
        for chip, count in zip(self.chips, tokens, strict=True):
            chip.set_tokens(count)

    def _chip(self, number: int, name: str) -> Chip:
        chip = Chip(name, self._is_removable, self)
        chip.clicked.connect(partial(self.opened.emit, number))
        chip.removed.connect(partial(self.removed.emit, number))
        chip.focused.connect(partial(self.focused.emit, chip))
        chip.show()
        return chip

    def fit(self, width: int) -> int:
        """Lay out for a width; returns the height."""
        lines: list[list[tuple[Chip, int]]] = []
        gap, high, room = theme.scaled(_GAP_PX), theme.scaled(_HIGH_PX), 0
        for chip in self.chips:
            wanted = min(width, chip.sizeHint().width())
            if not lines or room < wanted:
                lines.append([])
                room = width
            lines[-1].append((chip, wanted))
            room -= wanted + gap
        for row, line in enumerate(lines):
            used = sum(wanted for _, wanted in line) + gap * (len(line) - 1)
            x = width - used if self._at_right else 0
            for chip, wanted in line:
                chip.place(QRect(x, row * (high + gap), wanted, high))
                x += wanted + gap
        height = len(lines) * (high + gap) - gap if lines else 0
        self.resize(width, height)
        return height

    def stops(self) -> list[QWidget]:
        """Where the Tab key stops, from the first to the last."""
        return [stop for chip in self.chips for stop in chip.stops()]


def _has_focus(chip: Chip) -> bool:
    return any(stop.hasFocus() for stop in chip.stops())
