"""A part of the page in two columns."""

from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QBoxLayout, QLayout, QWidget

from chatdesk.ui import theme

_BESIDE_PX = 840


class Columns(QWidget):
    """Two columns side by side where there is room, else one below the other."""

    def set_columns(self, left: QLayout, right: QLayout, left_share: int, right_share: int) -> None:
        """Put them in; the shares say how they divide the width."""
        self._columns = QBoxLayout(QBoxLayout.Direction.LeftToRight, self)
        self._columns.setContentsMargins(0, 0, 0, 0)
        self._columns.setSpacing(theme.scaled(32))
        self._columns.addLayout(left, left_share)
        self._columns.addLayout(right, right_share)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Qt override: beside or below."""
        super().resizeEvent(event)
        beside = self.width() >= theme.scaled(_BESIDE_PX)
        self._columns.setDirection(QBoxLayout.Direction.LeftToRight if beside else QBoxLayout.Direction.TopToBottom)
