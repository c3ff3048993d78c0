"""Curves over the tokens a run was shown, drawn by ourselves: outlines of a few hundred points, two axes, one legend.

A plotting library would bring a second look and an import longer than the window's own.
"""

import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from PySide6.QtCore import QLineF, QPointF, QRect, QSize, Qt
from PySide6.QtGui import QColor, QFontMetrics, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from chatdesk.library.figures import short_count
from chatdesk.ui import theme
from chatdesk.ui.lab.outline import Outline, Points

Place = Callable[[float, float], QPointF]
ROLES = ("accent", "code_number", "code_keyword", "warning", "code_name")
"""Colours of several runs, in turn."""

_LEAST, _MOST = 1e-300, 1e300  # floats that can be divided and added up
_LEFT_PX, _RIGHT_PX, _TOP_PX, _BOTTOM_PX = 48, 12, 30, 26


@dataclass(frozen=True)
class Curve:
    """One line: ``points`` of (tokens, value), in the colour of ``role``; ``has_dots``: few values, each counts."""

    name: str
    points: Points
    role: str
    has_dots: bool = False


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round numbers from ``low`` to ``high``, at most ``most`` and a little."""
    if not high - low > _LEAST:
        return [low]
    step = (high - low) / most
    unit = 10.0 ** math.floor(math.log10(step))
    step = next(unit * each for each in (1, 2, 5, 10) if unit * each >= step * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [number * step for number in range(first, math.floor(high / step + 1e-9) + 1)]


class Chart(QWidget):
    """Attributes: ``curves``; ``looked_at``, tokens, None for the last. ``name``: its heading."""

    def __init__(self, name: str, height: int) -> None:
        super().__init__()
        self._name, self._height = name, height
        self.curves: Sequence[Curve] = ()
        self.looked_at: int | None = None
        self._outlines: list[Outline] = []
        self._seen: list[Points] = []  # of each curve
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setAccessibleName(name)
        theme.watcher.changed.connect(self.updateGeometry)

    def set_curves(self, curves: Sequence[Curve]) -> None:
        """Show these."""
        self.curves = [curve for curve in curves if curve.points]
        self._outlines += [Outline() for _ in self.curves[len(self._outlines) :]]
        outlines = zip(self._outlines, self.curves, strict=False)
        outlined = (outline.follow(curve.points) for outline, curve in outlines)
        self._seen = [[point for point in points if abs(point[1]) < _MOST] for points in outlined]
        self._describe()
        self.update()

    def sizeHint(self) -> QSize:
        """As high as was asked for."""
        return QSize(theme.scaled(280), theme.scaled(self._height))

    def minimumSizeHint(self) -> QSize:
        """The same, narrower."""
        return QSize(theme.scaled(160), theme.scaled(self._height))

    def values(self) -> list[tuple[Curve, int, float]]:
        """Each curve with its point at the cursor, or its last one."""
        found = []
        for curve in self.curves:
            place = len(curve.points) - 1
            if self.looked_at is not None:
                place = min(place, bisect_left(curve.points, self.looked_at, key=lambda point: point[0]))
            found.append((curve, *curve.points[place]))
        return found

    def _describe(self) -> None:
        said = [f"{curve.name} {_figure(value)}, {short_count(tokens)}" for curve, tokens, value in self.values()]
        self.setAccessibleDescription("; ".join(said))

    # -- Qt ------------------------------------------------------------------------------------------------------------

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Qt override: arrows move the cursor."""
        steps = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}
        if event.key() not in steps or not self.curves:
            super().keyPressEvent(event)
            return
        tokens = [point[0] for point in self.curves[0].points]
        now = len(tokens) - 1 if self.looked_at is None else bisect_left(tokens, self.looked_at)
        place = max(0, min(len(tokens) - 1, now + steps[Qt.Key(event.key())]))
        self._look(None if place == len(tokens) - 1 else tokens[place])

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Qt override: the cursor follows the pointer."""
        frame, (low, high) = self._frame(), self._across()
        share = (event.position().x() - frame.left()) / max(1, frame.width())
        self._look(round(low + max(0.0, min(1.0, share)) * (high - low)))

    def leaveEvent(self, event: object) -> None:
        """Qt override: back to the last values."""
        self._look(None)

    def _look(self, tokens: int | None) -> None:
        self.looked_at = tokens
        self._describe()
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Qt override: heading with the values, axes, lines."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._draw_heading(painter)
        if self.curves:
            place = self._place()
            self._draw_axes(painter, place)
            for curve, seen in zip(self.curves, self._seen, strict=True):
                self._draw_curve(painter, curve, [place(*point) for point in seen])
            self._draw_cursor(painter, place)
        if self.hasFocus():
            painter.setPen(QPen(QColor(theme.current().accent), 2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(self.rect().adjusted(1, 1, -1, -1), theme.scaled(6), theme.scaled(6))
        painter.end()

    def _frame(self) -> QRect:
        edges = (theme.scaled(px) for px in (_LEFT_PX, _TOP_PX, _RIGHT_PX, _BOTTOM_PX))
        left, top, right, bottom = edges
        return self.rect().adjusted(left, top, -right, -bottom)

    def _across(self) -> tuple[int, int]:
        high = max((curve.points[-1][0] for curve in self.curves), default=1)
        return 0, max(1, high)

    def _down(self) -> tuple[float, float]:
        values = [value for points in self._seen for _, value in points] or [0.0]
        low, high = min(values), max(values)
        room = (high - low) * 0.06 or abs(high) * 0.1 or 1.0
        return (low - room if low - room > 0 else 0.0), high + room

    def _place(self) -> Place:
        """Where a value stands, for as long as nothing changes."""
        frame, (first, last), (low, high) = self._frame(), self._across(), self._down()
        across, down = frame.width() / (last - first), frame.height() / (high - low)
        left, bottom = frame.left() - first * across, frame.bottom() + low * down
        return lambda tokens, value: QPointF(left + tokens * across, bottom - value * down)

    def _draw_heading(self, painter: QPainter) -> None:
        colors, x, height = theme.current(), theme.scaled(4), theme.scaled(20)
        painter.setFont(theme.font("small"))
        metrics = QFontMetrics(painter.font())
        painter.setPen(QColor(colors.soft))
        painter.drawText(QRect(x, 0, self.width(), height), Qt.AlignmentFlag.AlignVCenter, self._name)
        x += metrics.horizontalAdvance(self._name) + theme.scaled(16)
        for curve, _, value in self.values():
            words = f"{curve.name} {_figure(value)}".strip()
            painter.setPen(QColor(getattr(colors, curve.role)))
            if x + metrics.horizontalAdvance(words) > self.width():
                break
            painter.drawText(QRect(x, 0, self.width(), height), Qt.AlignmentFlag.AlignVCenter, words)
            x += metrics.horizontalAdvance(words) + theme.scaled(16)

    def _draw_axes(self, painter: QPainter, place: Place) -> None:
        colors, frame = theme.current(), self._frame()
        painter.setFont(theme.font("small"))
        high = theme.scaled(16)
        for value in ticks(*self._down(), most=max(2, frame.height() // theme.scaled(40))):
            y = round(place(0, value).y())
            painter.setPen(QPen(QColor(colors.line), 1))
            painter.drawLine(frame.left(), y, frame.right(), y)
            painter.setPen(QColor(colors.faint))
            room = QRect(0, y - high // 2, frame.left() - theme.scaled(6), high)
            painter.drawText(room, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, _figure(value))
        for tokens in ticks(*self._across(), most=max(2, frame.width() // theme.scaled(90))):
            x = round(place(tokens, 0).x())
            words = short_count(round(tokens))
            half = painter.fontMetrics().horizontalAdvance(words) // 2 + 1
            x = min(x, self.width() - half)  # the last one has less room
            room = QRect(x - half, frame.bottom() + theme.scaled(4), 2 * half, high)
            painter.drawText(room, Qt.AlignmentFlag.AlignHCenter, words)

    def _draw_curve(self, painter: QPainter, curve: Curve, line: Sequence[QPointF]) -> None:
        colour = QColor(getattr(theme.current(), curve.role))
        painter.setPen(QPen(colour, 1.6))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        # Line by line: as one path that goes up and down often it takes a hundred times as long.
        painter.drawLines([QLineF(one, next_one) for one, next_one in pairwise(line)])
        if curve.has_dots or len(line) == 1:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(colour)
            for point in line:
                painter.drawEllipse(point, 2.6, 2.6)

    def _draw_cursor(self, painter: QPainter, place: Place) -> None:
        if self.looked_at is None:
            return
        frame = self._frame()
        x = round(place(self.looked_at, 0).x())
        painter.setPen(QPen(QColor(theme.current().faint), 1, Qt.PenStyle.DotLine))
        painter.drawLine(x, frame.top(), x, frame.bottom())


def _figure(value: float) -> str:
    """Three or four figures."""
    if abs(value) >= 1000:
        return short_count(round(value))
    return f"{value:.3g}" if abs(value) < 0.1 or abs(value) >= 100 else f"{value:.2f}"
