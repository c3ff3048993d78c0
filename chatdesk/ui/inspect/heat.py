"""Matrices as heat: one large map with a cross under the pointer, and all heads as small pictures.

numpy is imported with the first matrix: the window does not need it to open.
"""

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, TypeAlias

from PySide6.QtCore import QPoint, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QImage, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QPixmap
from PySide6.QtWidgets import QWidget

from chatdesk.ui import theme

if TYPE_CHECKING:
    import numpy as np

    Matrix: TypeAlias = np.ndarray[tuple[int, int], np.dtype[np.float32]]
    Bytes: TypeAlias = np.ndarray[tuple[int, int], np.dtype[np.uint8]]


def matrix(values: bytes) -> "Matrix":
    """The square matrix of an `AttentionMap`; of no bytes, an empty one."""
    import numpy as np

    flat = np.frombuffer(values, "<f4").astype(np.float32)
    side = round(len(flat) ** 0.5)
    return flat.reshape(side, side)


POWER = 0.4
"""Shares are drawn by this power of theirs: among hundreds of tokens even large ones are small."""


@cache
def _ramp(ground: str, accent: str, power: float) -> list[int]:
    """256 colours between the two, by a power of their place."""
    low, high = QColor(ground), QColor(accent)
    found = []
    for step in range(256):
        share = (step / 255) ** power
        parts = zip((low.red(), low.green(), low.blue()), (high.red(), high.green(), high.blue()), strict=True)
        found.append(QColor(*(round(a + (b - a) * share) for a, b in parts)).rgb())
    return found


def picture(bytes_: "Bytes", power: float = POWER) -> QImage:
    """An image with one pixel for each value from 0 to 255, coloured by a power of it."""
    import numpy as np

    height, width = bytes_.shape
    wide = np.zeros((height, (width + 3) // 4 * 4), np.uint8)  # Qt's lines are multiples of four bytes
    wide[:, :width] = bytes_
    image = QImage(wide.tobytes(), width, height, wide.shape[1], QImage.Format.Format_Indexed8).copy()
    image.setColorTable(_ramp(theme.current().hover, theme.current().accent, power))
    return image


def _heat(values: "Matrix") -> QImage:
    """An image of shares from 0 to 1."""
    import numpy as np

    return picture((np.clip(values, 0, 1) ** POWER * 255).astype(np.uint8), power=1)


class HeatMap(QWidget):
    """A square matrix; rows look, columns are looked at. Signals: ``pointed(row, column)``; -1 for none.

    Attributes: ``values``, None while there are none; ``row``, the one that is marked.
    """

    pointed = Signal(int, int)

    def __init__(self, name: str) -> None:
        super().__init__()
        self.values: Matrix | None = None
        self.row = -1
        self._column = -1
        self._pixels = QPixmap()
        self.setAccessibleName(name)
        self.setMouseTracking(True)
        self.setMinimumSize(theme.scaled(220), theme.scaled(220))
        theme.watcher.changed.connect(self._dress)

    def sizeHint(self) -> QSize:
        """A square."""
        return QSize(theme.scaled(460), theme.scaled(460))

    @property
    def tokens(self) -> int:
        """Tokens on each side."""
        return 0 if self.values is None else len(self.values)

    def set_values(self, values: "Matrix | None") -> None:
        """Show a matrix, or nothing."""
        self.values = values
        if self.row >= self.tokens:
            self.row = -1
        self._dress()

    def set_row(self, row: int) -> None:
        """Mark the row of a token."""
        self.row, self._column = row, -1
        self.update()

    def image(self) -> QImage:
        """The picture alone, at least 512 pixels wide."""
        if self.values is None:
            return QImage()
        side = self.tokens * -(-512 // self.tokens)
        return _heat(self.values).convertToFormat(QImage.Format.Format_RGB32).scaled(side, side)

    def _dress(self) -> None:
        self._pixels = QPixmap()
        self.update()

    def square(self) -> QRect:
        """Where the matrix stands."""
        side = min(self.width(), self.height())
        return QRect(0, 0, side, side)

    def place_at(self, point: QPoint) -> tuple[int, int]:
        """Row and column under a point; -1 outside."""
        square, size = self.square(), self.tokens
        if not size or not square.contains(point):
            return -1, -1
        row, column = point.y() * size // square.height(), point.x() * size // square.width()
        return min(row, size - 1), min(column, size - 1)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Qt override: the cross follows the pointer."""
        row, self._column = self.place_at(event.position().toPoint())
        if row >= 0:
            self.row = row
        self.pointed.emit(row, self._column)
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Qt override: one picture and two lines."""
        size, square = self.tokens, self.square()
        if self.values is None:
            return
        painter = QPainter(self)
        if self._pixels.isNull():
            self._pixels = QPixmap.fromImage(_heat(self.values))
        painter.drawPixmap(square, self._pixels)
        painter.setPen(QPen(QColor(theme.current().text), 1))
        cell = square.width() / size
        if self.row >= 0:
            painter.drawRect(QRectF(0, self.row * cell, square.width() - 1, max(1.0, cell)))
        if self._column >= 0:
            painter.drawRect(QRectF(self._column * cell, 0, max(1.0, cell), square.height() - 1))
        painter.end()


class Overview(QWidget):
    """All heads as small pictures, a line for each layer. Signals: ``chosen(layer, head)``.

    Attributes: ``current``, layer and head.
    """

    chosen = Signal(int, int)
    moved = Signal(QRect)

    def __init__(self, name: str) -> None:
        super().__init__()
        self.current = (0, 0)
        self._heads: Sequence[int] = ()
        self._maps: Sequence[Bytes] = ()
        self._pixels: list[QPixmap] = []
        self.setAccessibleName(name)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        theme.watcher.changed.connect(self._dress)

    def set_maps(self, heads: Sequence[int], side: int, data: bytes) -> None:
        """Show these; ``heads``: of each layer; ``data``: ``side`` × ``side`` bytes for each head."""
        import numpy as np

        self._heads = heads
        self._maps = list(np.frombuffer(data, np.uint8).reshape(-1, side, side))
        layer = min(self.current[0], max(0, len(heads) - 1))
        self.current = (layer, min(self.current[1], max(0, (heads[layer] if heads else 1) - 1)))
        self._dress()

    def clear(self) -> None:
        """Show nothing."""
        self._heads, self._maps = (), ()
        self._dress()

    def _dress(self) -> None:
        self._pixels = [QPixmap.fromImage(picture(each)) for each in self._maps]
        self._describe()
        self.updateGeometry()
        self.update()

    def _describe(self) -> None:
        words = self.tr("layer {layer}, head {head}")
        self.setAccessibleDescription(words.format(layer=self.current[0] + 1, head=self.current[1] + 1))

    def _cell(self) -> int:
        """Pixels of one picture and the gap behind it."""
        most = max(self._heads, default=1)
        return max(theme.scaled(14), min(theme.scaled(56), self.width() // max(1, most)))

    def sizeHint(self) -> QSize:
        """As many lines as layers."""
        return QSize(theme.scaled(360), self._cell() * max(1, len(self._heads)))

    def minimumSizeHint(self) -> QSize:
        """All lines."""
        most = max(self._heads, default=1)
        return QSize(theme.scaled(14) * most, self._cell() * max(1, len(self._heads)))

    def rect_of(self, layer: int, head: int) -> QRect:
        """Where a head's picture stands."""
        cell = self._cell()
        return QRect(head * cell, layer * cell, cell - 3, cell - 3)

    def choose(self, layer: int, head: int) -> None:
        """Choose a head."""
        layer = max(0, min(layer, len(self._heads) - 1))
        if not self._heads or not self._heads[layer]:
            return
        before, self.current = self.current, (layer, max(0, min(head, self._heads[layer] - 1)))
        self._describe()
        for place in (before, self.current):  # the frame around the one is gone, around the other it is new
            self.update(self.rect_of(*place).adjusted(-2, -2, 3, 3))
        self.chosen.emit(*self.current)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Qt override: choose what is clicked."""
        point, cell = event.position().toPoint(), self._cell()
        layer, head = point.y() // cell, point.x() // cell
        if 0 <= layer < len(self._heads) and 0 <= head < self._heads[layer]:
            self.choose(layer, head)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Qt override: the arrows go from head to head."""
        steps = {
            Qt.Key.Key_Left: (0, -1),
            Qt.Key.Key_Right: (0, 1),
            Qt.Key.Key_Up: (-1, 0),
            Qt.Key.Key_Down: (1, 0),
        }
        if event.key() in steps and self._heads:
            down, right = steps[Qt.Key(event.key())]
            self.choose(self.current[0] + down, self.current[1] + right)
            self.moved.emit(self.rect_of(*self.current))
        else:
            super().keyPressEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Qt override: the pictures in sight."""
        painter = QPainter(self)
        number = 0
        for layer, heads in enumerate(self._heads):
            for head in range(heads):
                rect = self.rect_of(layer, head)
                if rect.intersects(event.rect()):
                    painter.drawPixmap(rect, self._pixels[number])
                    if (layer, head) == self.current:
                        colour = theme.current().accent if self.hasFocus() else theme.current().text
                        painter.setPen(QPen(QColor(colour), 2))
                        painter.drawRect(rect)
                number += 1
        painter.end()
