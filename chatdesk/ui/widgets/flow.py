"""A row of widgets that goes on in a further line where the width ends."""

from PySide6.QtCore import QPoint, QRect, QSize
from PySide6.QtWidgets import QLayout, QLayoutItem, QWidget


class Flow(QLayout):
    """From left to right, each as wide as it wants to be, but no wider than the whole."""

    def __init__(self, gap: int) -> None:
        super().__init__()
        self._items: list[QLayoutItem] = []
        self._gap = gap
        self.setContentsMargins(0, 0, 0, 0)

    def add(self, *widgets: QWidget) -> None:
        """Put widgets at the end."""
        for widget in widgets:
            self.addWidget(widget)

    def addItem(self, item: QLayoutItem) -> None:
        """Qt override."""
        self._items.append(item)

    def count(self) -> int:
        """Qt override."""
        return len(self._items)

    def itemAt(self, index: int) -> QLayoutItem | None:
        """Qt override."""
        return self._items[index] if 0 <= index < len(self._items) else None

    def takeAt(self, index: int) -> QLayoutItem | None:
        """Qt override."""
        return self._items.pop(index) if 0 <= index < len(self._items) else None

    def hasHeightForWidth(self) -> bool:
        """Qt override."""
        return True

    def heightForWidth(self, width: int) -> int:
        """Qt override."""
        return self._place(QRect(0, 0, width, 0), is_real=False)

    def setGeometry(self, rect: QRect) -> None:
        """Qt override."""
        super().setGeometry(rect)
        self._place(rect, is_real=True)

    def sizeHint(self) -> QSize:
        """Qt override: all in one line."""
        shown = [item.sizeHint() for item in self._items if not item.isEmpty()]
        gaps = self._gap * max(0, len(shown) - 1)
        return QSize(sum(size.width() for size in shown) + gaps, max((size.height() for size in shown), default=0))

    def minimumSize(self) -> QSize:
        """Qt override: any width will do."""
        return QSize(0, max((item.sizeHint().height() for item in self._items if not item.isEmpty()), default=0))

    def _place(self, rect: QRect, is_real: bool) -> int:
        """Lay out within a rectangle; the height that it takes."""
        x, y, high = rect.x(), rect.y(), 0
        line: list[tuple[QLayoutItem, QRect]] = []
        for item in self._items:
            if item.isEmpty():
                continue
            size = item.sizeHint()
            wide = min(size.width(), rect.width())
            if x > rect.x() and x + wide > rect.x() + rect.width():
                _settle(line, high)
                x, y, high, line = rect.x(), y + high + self._gap, 0, []
            if is_real:
                line.append((item, QRect(QPoint(x, y), QSize(wide, size.height()))))
            x, high = x + wide + self._gap, max(high, size.height())
        _settle(line, high)
        return y + high - rect.y()


def _settle(line: list[tuple[QLayoutItem, QRect]], high: int) -> None:
    """Put the items of a line in the middle of its height."""
    for item, place in line:
        item.setGeometry(place.translated(0, (high - place.height()) // 2))
