"""Where the focus goes: with the Tab key as one reads, and to whom when what has it goes away.

Qt goes through widgets in the order in which they came into their window, and gives the focus of what goes away to
whatever stands next.
"""

from collections.abc import Iterator

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QLayout, QScrollArea, QWidget


def has_focus(part: QWidget) -> bool:
    """Whether ``part``, or something in it, has the focus."""
    focus = QApplication.focusWidget()
    return focus is not None and (focus is part or part.isAncestorOf(focus))


def hand_on(part: QWidget, heir: QWidget) -> None:
    """``part`` is to go away: if the focus is in it, ``heir`` gets it."""
    if has_focus(part):
        heir.setFocus(Qt.FocusReason.OtherFocusReason)


def step(window: QWidget, forward: bool) -> bool:
    """The Tab key, or Shift+Tab: to what stands next as layouts place it, without them from top to bottom.

    A floating drawer is not left: it hides a part of what is around it. False where nothing of the order has the focus.
    """
    focus = around = QApplication.focusWidget()
    while around is not None and around is not window and not around.property("drawer"):
        around = around.parentWidget()
    stops = list(_stops(around)) if around is not None else []
    if focus is None or focus not in stops:
        return False
    reason = Qt.FocusReason.TabFocusReason if forward else Qt.FocusReason.BacktabFocusReason
    to = stops[(stops.index(focus) + (1 if forward else -1)) % len(stops)]
    to.setFocus(reason)
    _bring_into_sight(to)
    return True


def _bring_into_sight(part: QWidget) -> None:
    """Scroll what it stands in; Qt does so only for who was in there before."""
    around = part.parentWidget()
    while around is not None and not around.isWindow():
        if isinstance(around, QScrollArea):
            around.ensureWidgetVisible(part)
        around = around.parentWidget()


def _stops(part: QWidget) -> Iterator[QWidget]:
    """What the Tab key comes to in ``part`` as it is seen now."""
    if part.isEnabled() and part.focusPolicy() & Qt.FocusPolicy.TabFocus:
        yield part
    layout = part.layout()
    placed = dict.fromkeys(_placed(layout)) if layout is not None else {}
    others = [each for each in part.children() if isinstance(each, QWidget) and each not in placed]
    for child in (*placed, *sorted(others, key=lambda each: (each.y(), each.x()))):
        if child.isVisible() and not child.isWindow():
            yield from _stops(child)


def _placed(layout: QLayout) -> Iterator[QWidget]:
    """The widgets of a layout and of those inside it."""
    for number in range(layout.count()):
        item = layout.itemAt(number)
        if item is None:
            continue
        if (widget := item.widget()) is not None:
            yield widget
        elif (inner := item.layout()) is not None:
            yield from _placed(inner)
