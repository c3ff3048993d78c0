"""Every key of the window in one table: the actions, the menus' hints and the list of keys are made from it."""

import sys
from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtCore import QCoreApplication, Qt
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QDialog, QGridLayout, QLabel, QVBoxLayout, QWidget

from chatdesk.errors import QT_TRANSLATE_NOOP
from chatdesk.ui import theme


@dataclass(frozen=True)
class Shortcut:
    """One thing that has a key. ``keys``: Qt's portable names, the first is the one that is shown.

    ``scope``: ``window`` (works everywhere), ``list`` (in the list of conversations), ``composer`` (its own).
    """

    keys: tuple[str, ...]
    title: str
    scope: str = "window"


_MAC = sys.platform == "darwin"
_VERSION = "Ctrl+Meta+" if _MAC else "Alt+"  # there Alt moves by word

SHORTCUTS: dict[str, Shortcut] = {
    "send": Shortcut(("Return",), QT_TRANSLATE_NOOP("shortcuts", "Send the message"), "composer"),
    "newline": Shortcut(("Shift+Return",), QT_TRANSLATE_NOOP("shortcuts", "New line in the message"), "composer"),
    "send_anyway": Shortcut(("Ctrl+Return",), QT_TRANSLATE_NOOP("shortcuts", "Send, whatever Enter does")),
    "stop": Shortcut(("Esc",), QT_TRANSLATE_NOOP("shortcuts", "Stop the reply")),
    "regenerate": Shortcut(("Ctrl+R",), QT_TRANSLATE_NOOP("shortcuts", "Write the last reply anew")),
    "version_before": Shortcut((_VERSION + "Left",), QT_TRANSLATE_NOOP("shortcuts", "Version before")),
    "version_after": Shortcut((_VERSION + "Right",), QT_TRANSLATE_NOOP("shortcuts", "Version after")),
    "new_chat": Shortcut(("Ctrl+N",), QT_TRANSLATE_NOOP("shortcuts", "New chat")),
    "rename": Shortcut(("F2",), QT_TRANSLATE_NOOP("shortcuts", "Rename")),
    "delete": Shortcut(("Del",), QT_TRANSLATE_NOOP("shortcuts", "Delete"), "list"),
    "undo_delete": Shortcut(("Ctrl+Z",), QT_TRANSLATE_NOOP("shortcuts", "Undo the deletion"), "list"),
    "models": Shortcut(("Ctrl+L",), QT_TRANSLATE_NOOP("shortcuts", "Choose a model")),
    "list": Shortcut(("Ctrl+B",), QT_TRANSLATE_NOOP("shortcuts", "Show or hide the chats")),
    "panel": Shortcut(("Ctrl+Shift+B",), QT_TRANSLATE_NOOP("shortcuts", "Show or hide the settings of this chat")),
    "chat": Shortcut(("Ctrl+1",), QT_TRANSLATE_NOOP("shortcuts", "Chat")),
    "settings": Shortcut(("Ctrl+,",), QT_TRANSLATE_NOOP("shortcuts", "Settings")),
    "larger": Shortcut(("Ctrl+=", "Ctrl++"), QT_TRANSLATE_NOOP("shortcuts", "Larger text")),
    "smaller": Shortcut(("Ctrl+-",), QT_TRANSLATE_NOOP("shortcuts", "Smaller text")),
    "normal_size": Shortcut(("Ctrl+0",), QT_TRANSLATE_NOOP("shortcuts", "Text in its normal size")),
    "keys": Shortcut(("Ctrl+/",), QT_TRANSLATE_NOOP("shortcuts", "All keys")),
    "quit": Shortcut(("Ctrl+Q",), QT_TRANSLATE_NOOP("shortcuts", "Quit")),
}


def title(name: str) -> str:
    """What the key does, in the person's language."""
    return QCoreApplication.translate("shortcuts", SHORTCUTS[name].title)


def key_text(name: str) -> str:
    """The key as this system writes it."""
    return _native(SHORTCUTS[name].keys[0])


def _native(keys: str) -> str:
    text = QKeySequence(keys).toString(QKeySequence.SequenceFormat.NativeText)
    return text if _MAC else text.replace("Return", "Enter")


def hint(name: str, words: str = "") -> str:
    """A tool tip: what it does, and its key."""
    return f"{words or title(name)} ({key_text(name)})"


def action(owner: QWidget, name: str, done: Callable[[], object]) -> QAction:
    """Give ``owner`` the action ``name``: its key works in the whole window, or within ``owner`` for the list's."""
    found = QAction(title(name), owner)
    found.setShortcuts([QKeySequence(keys) for keys in SHORTCUTS[name].keys])
    if SHORTCUTS[name].scope == "list":
        found.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
    found.triggered.connect(lambda: done())
    owner.addAction(found)
    return found


class KeysDialog(QDialog):
    """All keys, in two columns."""

    def __init__(self, parent: QWidget, enter_sends: bool = True) -> None:
        super().__init__(parent)
        self.setWindowTitle(title("keys"))
        heading = QLabel(title("keys"))
        heading.setProperty("kind", "title")
        grid = QGridLayout()
        grid.setHorizontalSpacing(theme.scaled(48))
        grid.setVerticalSpacing(theme.scaled(8))
        for row, name in enumerate(SHORTCUTS):
            grid.addWidget(QLabel(title(name)), row, 0)
            key = QLabel(_composer_key(name, enter_sends) or key_text(name))
            key.setProperty("kind", "soft")
            grid.addWidget(key, row, 1, Qt.AlignmentFlag.AlignRight)
        column = QVBoxLayout(self)
        margin = theme.scaled(24)
        column.setContentsMargins(margin, margin, margin, margin)
        column.setSpacing(theme.scaled(16))
        column.addWidget(heading)
        column.addLayout(grid)


def _composer_key(name: str, enter_sends: bool) -> str:
    """Send and newline change places with the setting "Enter sends"."""
    if enter_sends or name not in ("send", "newline"):
        return ""
    return _native({"send": "Shift+Return", "newline": "Return"}[name])
