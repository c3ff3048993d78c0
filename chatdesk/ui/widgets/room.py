"""Windows that fit their screen: on a small one, with large text, their buttons would be out of sight."""

from PySide6.QtCore import QMargins, QRect, QSize
from PySide6.QtGui import QScreen
from PySide6.QtWidgets import QWidget

from chatdesk.ui import theme

_FRAME = QMargins(8, 40, 8, 8)
"""More than what systems draw around a window; how much that is, is known only when it is shown."""


def room_on(screen: QScreen) -> QRect:
    """Where a window is wholly on a screen, with its frame."""
    return screen.availableGeometry().marginsRemoved(_FRAME)


def fitting(window: QWidget, width: int, height: int) -> QSize:
    """A size in pixels at 100 %, scaled, or what there is room for."""
    return QSize(theme.scaled(width), theme.scaled(height)).boundedTo(room_on(window.screen()).size())
