"""A list and, beside or below it by the width there is, the chosen one; and answers that may come too late."""

from collections.abc import Callable
from typing import ParamSpec

from PySide6.QtCore import QEvent, QObject
from PySide6.QtWidgets import QBoxLayout, QFrame, QVBoxLayout, QWidget
from shiboken6 import isValid

from chatdesk.ui import theme

P = ParamSpec("P")

_LIST_PX = 360
_BESIDE_PX = 820
_MOST_PX = 16_777_215


class Split(QObject):
    """Lays out ``page``; call `fit` when its size is another one."""

    def __init__(self, page: QWidget, side: QFrame, chosen: QWidget) -> None:
        super().__init__(page)
        self._page, self._side = page, side
        side.setObjectName("models")
        side.installEventFilter(self)
        room = QVBoxLayout()  # keeps the place while nothing is chosen
        room.addWidget(chosen)
        self._row = QBoxLayout(QBoxLayout.Direction.LeftToRight, page)
        self._row.setContentsMargins(0, 0, 0, 0)
        self._row.setSpacing(0)
        self._row.addWidget(side)
        self._row.addLayout(room, 1)

    def fit(self) -> None:
        """Beside where there is room for both, else below."""
        width, side = self._page.width(), self._side
        beside = width >= theme.scaled(_BESIDE_PX)
        self._row.setDirection(QBoxLayout.Direction.LeftToRight if beside else QBoxLayout.Direction.TopToBottom)
        side.setProperty("beside", beside)
        side.style().unpolish(side)
        side.style().polish(side)
        side.setMinimumSize(0, 0)
        side.setMaximumSize(_MOST_PX, _MOST_PX)
        if beside:
            side.setFixedWidth(max(theme.scaled(_LIST_PX), width * 2 // 5))
        else:
            self._set_height()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Qt override: further lines over the list need room."""
        if event.type() == QEvent.Type.LayoutRequest and not self._side.property("beside"):
            self._set_height()
        return super().eventFilter(watched, event)

    def _set_height(self) -> None:
        layout = self._side.layout()
        least = layout.minimumHeightForWidth(self._page.width()) if layout is not None else 0  # with further lines
        self._side.setFixedHeight(max(least, self._side.minimumSizeHint().height(), self._page.height() * 2 // 5))


def while_there(page: QWidget, call: Callable[P, object]) -> Callable[P, None]:
    """``call``, unless ``page`` was replaced meanwhile: another language builds it anew."""

    def safe(*args: P.args, **kwargs: P.kwargs) -> None:
        if isValid(page):
            call(*args, **kwargs)

    return safe
