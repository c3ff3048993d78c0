"""Where the focus goes when what has it goes away: Qt would give it to whatever stands next in the window."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QWidget


def has_focus(part: QWidget) -> bool:
    """Whether ``part``, or something in it, has the focus."""
    focus = QApplication.focusWidget()
    return focus is not None and (focus is part or part.isAncestorOf(focus))


def hand_on(part: QWidget, heir: QWidget) -> None:
    """``part`` is to go away: if the focus is in it, ``heir`` gets it."""
    if has_focus(part):
        heir.setFocus(Qt.FocusReason.OtherFocusReason)
