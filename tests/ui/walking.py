"""Going through a window with the keyboard alone: where Tab leads, and whether the place of the focus can be seen."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

from PySide6.QtCore import QPoint, QRect, Qt
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QAbstractButton, QAbstractScrollArea, QApplication, QScrollArea, QWidget

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


def controls(page: QWidget) -> list[QWidget]:
    """All that a person may want to reach; what scrolls a page by itself is none, and of tabs it is the open one."""
    return [
        each
        for each in page.findChildren(QWidget)
        if each.isVisible() and each.isEnabled() and not isinstance(each, QScrollArea) and _is_control(each)
    ]


def _is_control(widget: QWidget) -> bool:
    if isinstance(widget, QAbstractButton):
        group = widget.group()
        return group is None or not group.exclusive() or group.checkedButton() in (widget, None)
    return bool(widget.focusPolicy() & Qt.FocusPolicy.TabFocus)


def problems(qtbot: Any, page: QWidget) -> list[str]:
    """What is wrong with going through ``page`` by Tab, from what has the focus on, and with how that looks."""
    unseen: list[QWidget] = []
    found = stops(qtbot, each=lambda widget: None if shows_focus(widget) else unseen.append(widget))
    wrong = [f"{name(each)} does not show the focus" for each in unseen]
    wrong += [f"{name(each)} is not reached" for each in controls(page) if each not in found]
    wrong += [f"{each} in {each.parent()} has no name" for each in found if not _named(each)]
    back = stops(qtbot, Qt.Key.Key_Backtab)
    if back != [found[0], *found[:0:-1]]:
        wrong.append(f"back it is another way: {[name(each) for each in back]}")
    return wrong


def jumps(found: list[QWidget], part: QWidget) -> list[str]:
    """Where the way through ``part`` goes up, or to the left in one line."""
    places = [(each, QRect(each.mapTo(part, QPoint()), each.size())) for each in found if part.isAncestorOf(each)]
    return [
        f"{name(one)} → {name(other)}"
        for (one, a), (other, b) in pairwise(places)
        if b.bottom() <= a.top() or (b.top() <= a.bottom() and a.top() <= b.bottom() and b.left() < a.left())
    ]


def _named(widget: QWidget) -> bool:
    return bool(widget.accessibleName() or getattr(widget, "text", str)())


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
