"""A part of the page in two columns."""

from collections.abc import Sequence

from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QBoxLayout, QLayout, QSizePolicy, QWidget

from chatdesk.ui import theme

_BESIDE_PX = 840


class Columns(QWidget):
    """Two columns side by side where there is room, else one below the other."""

    def set_columns(
        self, left: QLayout, right: QLayout, left_share: int, right_share: int, tall: Sequence[QWidget]
    ) -> None:
        """Put them in; the shares say how they divide the width.

        ``tall``: what is as high as there is room while they stand side by side, and as high as it likes in a page
        that is scrolled anyway.
        """
        self._tall = tall
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
        for part in self._tall:
            policy = part.sizePolicy()
            policy.setVerticalPolicy(QSizePolicy.Policy.Ignored if beside else QSizePolicy.Policy.Expanding)
            part.setSizePolicy(policy)
