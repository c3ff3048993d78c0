"""Going through a window with the keyboard alone: where Tab leads, and whether the place of the focus can be seen."""

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QPoint, QRect, Qt
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QAbstractScrollArea, QApplication, QScrollArea, QWidget

_MOST = 150


def focus() -> QWidget:
    """What has the focus."""
    found = QApplication.focusWidget()
    assert found is not None, "nothing has the focus"
    return found


def name(widget: QWidget) -> str:
    """What a screen reader says of it."""
    return widget.accessibleName() or getattr(widget, "text", str)() or f"nameless {type(widget).__name__}"


def press(qtbot: Any, key: Qt.Key) -> None:
    """One key, for what has the focus."""
    qtbot.keyClick(focus(), key)


def tab_to(qtbot: Any, wanted: QWidget, key: Qt.Key = Qt.Key.Key_Tab) -> None:
    """Press Tab until ``wanted`` has the focus."""
    passed = []
    while focus() is not wanted:
        passed.append(name(focus()))
        assert len(passed) < _MOST, f"{name(wanted)} is not reached: {passed}"
        press(qtbot, key)


def stops(qtbot: Any, key: Qt.Key = Qt.Key.Key_Tab, each: Callable[[QWidget], object] = id) -> list[QWidget]:
    """All that has the focus in turn, from what has it now until it comes round; ``each`` is called with it."""
    found: list[QWidget] = []
    while focus() not in found:
        found.append(focus())
        each(focus())
        assert len(found) < _MOST, [name(widget) for widget in found]
        press(qtbot, key)
    assert focus() is found[0], f"{name(focus())} keeps the focus to itself"
    return found


def can_stop(widget: QWidget) -> bool:
    """Whether Tab should stop there."""
    return bool(widget.focusPolicy() & Qt.FocusPolicy.TabFocus) and widget.isVisible() and widget.isEnabled()


def controls(page: QWidget) -> list[QWidget]:
    """All that a person may want to reach; what scrolls a page by itself is none."""
    return [each for each in page.findChildren(QWidget) if can_stop(each) and not isinstance(each, QScrollArea)]


def shows_focus(widget: QWidget) -> bool:
    """Whether it looks otherwise than without the focus; it has it now, and keeps it."""
    place = widget.viewport() if isinstance(widget, QAbstractScrollArea) else widget
    window, margin = widget.window(), 3
    rect = QRect(widget.mapTo(window, QPoint()), widget.size()).adjusted(-margin, -margin, margin, margin)
    had = picture(window, rect)
    widget.clearFocus()
    place.update()
    without = picture(window, rect)
    widget.setFocus(Qt.FocusReason.TabFocusReason)
    return had != without


def picture(window: QWidget, rect: QRect) -> QImage:
    """How a part of the window looks now, the cursor that blinks not counted."""
    return window.grab(rect).toImage()
