"""What the steps of the lab share: their layout, and figures in words."""

from collections.abc import Iterator
from contextlib import contextmanager

from PySide6.QtCore import QCoreApplication, Qt
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
    if minutes % 60 == 0:
        return QCoreApplication.translate("lab", "{count} h").format(count=minutes // 60)
    text = QCoreApplication.translate("lab", "{hours} h {minutes} min")
    return text.format(hours=minutes // 60, minutes=minutes % 60)


@contextmanager
def heirs(part: QWidget, *widgets: QWidget) -> Iterator[None]:
    """Where the one of these that has the focus goes away meanwhile, the first that can have it gets it.

    Qt would give it to whatever stands next in the window.
    """
    had = next((widget for widget in widgets if widget.hasFocus()), None)
    yield
    if had is not None and not _can_have_focus(had, part):
        heir = next((widget for widget in widgets if _can_have_focus(widget, part)), None)
        if heir is not None:
            heir.setFocus(Qt.FocusReason.OtherFocusReason)


def _can_have_focus(widget: QWidget, part: QWidget) -> bool:
    return widget.isVisibleTo(part) and widget.isEnabled()


def column(part: QWidget) -> QVBoxLayout:
    """The column of a step, no wider than can be read."""
    part.setMaximumWidth(theme.scaled(_WIDE_PX))
    found = QVBoxLayout(part)
    side = theme.scaled(24)
    found.setContentsMargins(side, theme.scaled(16), side, theme.scaled(24))
    found.setSpacing(theme.scaled(12))
    return found
