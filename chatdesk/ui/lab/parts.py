"""What the steps of the lab share: their layout, and figures in words."""

from PySide6.QtCore import QCoreApplication
from PySide6.QtWidgets import QVBoxLayout, QWidget

from chatdesk.ui import theme

_WIDE_PX = 760


def translated(text: str) -> str:
    """A text of the tasks in the person's language."""
    return QCoreApplication.translate("lab", text)


def duration(seconds: float) -> str:
    """A time as people say it."""
    minutes = round(seconds / 60)
    if seconds < 55:
        return QCoreApplication.translate("lab", "{count} s").format(count=max(1, round(seconds)))
    if minutes < 60:
        return QCoreApplication.translate("lab", "{count} min").format(count=minutes)
    text = QCoreApplication.translate("lab", "{hours} h {minutes} min")
    return text.format(hours=minutes // 60, minutes=minutes % 60)


def column(part: QWidget) -> QVBoxLayout:
    """The column of a step, no wider than can be read."""
    part.setMaximumWidth(theme.scaled(_WIDE_PX))
    found = QVBoxLayout(part)
    side = theme.scaled(24)
    found.setContentsMargins(side, theme.scaled(16), side, theme.scaled(24))
    found.setSpacing(theme.scaled(12))
    return found
