"""Every key of the window in one table: the actions, the menus' hints and the list of keys are made from it.

A person can give an action another key, see `rebind`; actions follow at once, hints when they are made anew.
"""

import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from PySide6.QtCore import QCoreApplication, QObject, Qt, Signal
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QGridLayout, QLabel, QWidget

from chatdesk.errors import QT_TRANSLATE_NOOP
from chatdesk.ui import theme
from chatdesk.ui.widgets.dialog import Dialog
from chatdesk.ui.widgets.frames import read_only


@dataclass(frozen=True)
class Shortcut:
    """One thing that has a key. ``keys``: Qt's portable names, the first is the one that is shown.

    ``scope``: ``window`` (works everywhere), ``list`` (in the list of conversations), ``composer`` (its own, which no
    action stands for and which cannot be changed). Without keys it is found by its name alone, until it is given one.
    """

    keys: tuple[str, ...]
    title: str
    scope: str = "window"


_ALONE = re.compile(r"(Shift\+)?(F\d+|Esc|Del|Ins)")
_MAC = sys.platform == "darwin"
_VERSION = "Ctrl+Meta+" if _MAC else "Alt+"  # there Alt moves by word
_MAP = "Ctrl+Shift+M" if _MAC else "Ctrl+M"  # which there minimises the window

SHORTCUTS: dict[str, Shortcut] = {
    "send": Shortcut(("Return",), QT_TRANSLATE_NOOP("shortcuts", "Send the message"), "composer"),
    "newline": Shortcut(("Shift+Return",), QT_TRANSLATE_NOOP("shortcuts", "New line in the message"), "composer"),
    "attach": Shortcut(("Ctrl+Shift+A",), QT_TRANSLATE_NOOP("shortcuts", "Attach files…")),
    "send_anyway": Shortcut(("Ctrl+Return",), QT_TRANSLATE_NOOP("shortcuts", "Send, whatever Enter does")),
    "stop": Shortcut(("Esc",), QT_TRANSLATE_NOOP("shortcuts", "Stop the reply")),
    "regenerate": Shortcut(("Ctrl+R",), QT_TRANSLATE_NOOP("shortcuts", "Write the last reply anew")),
    "continue": Shortcut(("Alt+Return",), QT_TRANSLATE_NOOP("shortcuts", "Continue the last reply")),
    "drafts": Shortcut(("Ctrl+Shift+R",), QT_TRANSLATE_NOOP("shortcuts", "Write several replies side by side")),
    "edit_last": Shortcut(("Up",), QT_TRANSLATE_NOOP("shortcuts", "Edit the last message (empty field)"), "composer"),
    "version_before": Shortcut((_VERSION + "Left",), QT_TRANSLATE_NOOP("shortcuts", "Version before")),
    "version_after": Shortcut((_VERSION + "Right",), QT_TRANSLATE_NOOP("shortcuts", "Version after")),
    "branches": Shortcut((_MAP,), QT_TRANSLATE_NOOP("shortcuts", "Branches…")),
    "prompt": Shortcut(("Ctrl+I",), QT_TRANSLATE_NOOP("shortcuts", "Show the exact prompt…")),
    "search": Shortcut(("Ctrl+K",), QT_TRANSLATE_NOOP("shortcuts", "Search")),
    "palette": Shortcut(("Ctrl+Shift+P",), QT_TRANSLATE_NOOP("shortcuts", "All commands")),
    "find": Shortcut(("Ctrl+F",), QT_TRANSLATE_NOOP("shortcuts", "Find in this chat")),
    "find_next": Shortcut(("F3",), QT_TRANSLATE_NOOP("shortcuts", "Next match")),
    "find_previous": Shortcut(("Shift+F3",), QT_TRANSLATE_NOOP("shortcuts", "Match before")),
    "new_chat": Shortcut(("Ctrl+N",), QT_TRANSLATE_NOOP("shortcuts", "New chat")),
    "rename": Shortcut(("F2",), QT_TRANSLATE_NOOP("shortcuts", "Rename")),
    "delete": Shortcut(("Del",), QT_TRANSLATE_NOOP("shortcuts", "Delete"), "list"),
    "clear": Shortcut((), QT_TRANSLATE_NOOP("shortcuts", "Delete all messages of this chat")),
    "undo_delete": Shortcut(("Ctrl+Z",), QT_TRANSLATE_NOOP("shortcuts", "Undo (deletion, edit, branch)"), "list"),
    "pin": Shortcut((), QT_TRANSLATE_NOOP("shortcuts", "Pin or unpin this chat")),
    "export_markdown": Shortcut((), QT_TRANSLATE_NOOP("shortcuts", "Export this chat as Markdown…")),
    "export_html": Shortcut((), QT_TRANSLATE_NOOP("shortcuts", "Export this chat as HTML…")),
    "export_json": Shortcut((), QT_TRANSLATE_NOOP("shortcuts", "Export this chat as JSON…")),
    "export_pdf": Shortcut((), QT_TRANSLATE_NOOP("shortcuts", "Export this chat as PDF…")),
    "export_all": Shortcut((), QT_TRANSLATE_NOOP("shortcuts", "Export everything…")),
    "import": Shortcut((), QT_TRANSLATE_NOOP("shortcuts", "Import…")),
    "trash": Shortcut((), QT_TRANSLATE_NOOP("shortcuts", "Trash…")),
    "backups": Shortcut((), QT_TRANSLATE_NOOP("shortcuts", "Backups…")),
    "models": Shortcut(("Ctrl+L",), QT_TRANSLATE_NOOP("shortcuts", "Choose a model")),
    "list": Shortcut(("Ctrl+B",), QT_TRANSLATE_NOOP("shortcuts", "Show or hide the chats")),
    "panel": Shortcut(("Ctrl+Shift+B",), QT_TRANSLATE_NOOP("shortcuts", "Show or hide the settings of this chat")),
    "chat": Shortcut(("Ctrl+1",), QT_TRANSLATE_NOOP("shortcuts", "Chat")),
    "models_page": Shortcut(("Ctrl+2",), QT_TRANSLATE_NOOP("shortcuts", "Models")),
    "write": Shortcut(("Ctrl+3",), QT_TRANSLATE_NOOP("shortcuts", "Write")),
    "rework": Shortcut(("Ctrl+E",), QT_TRANSLATE_NOOP("shortcuts", "Rework the selection (writing)")),
    "keep_version": Shortcut(("Ctrl+S",), QT_TRANSLATE_NOOP("shortcuts", "Keep a version (writing)")),
    "history": Shortcut(("Ctrl+H",), QT_TRANSLATE_NOOP("shortcuts", "History… (writing)")),
    "focus_mode": Shortcut(("Ctrl+Shift+F",), QT_TRANSLATE_NOOP("shortcuts", "Nothing but the text (writing)")),
    "look_inside": Shortcut(("Ctrl+Shift+I",), QT_TRANSLATE_NOOP("shortcuts", "Look inside the text (writing)")),
    "inspect": Shortcut(("Ctrl+4",), QT_TRANSLATE_NOOP("shortcuts", "Inspect")),
    "classify": Shortcut(("Ctrl+5",), QT_TRANSLATE_NOOP("shortcuts", "Classify")),
    "lab": Shortcut(("Ctrl+6",), QT_TRANSLATE_NOOP("shortcuts", "Lab")),
    "settings": Shortcut(("Ctrl+,",), QT_TRANSLATE_NOOP("shortcuts", "Settings")),
    "larger": Shortcut(("Ctrl+=", "Ctrl++"), QT_TRANSLATE_NOOP("shortcuts", "Larger text")),
    "smaller": Shortcut(("Ctrl+-",), QT_TRANSLATE_NOOP("shortcuts", "Smaller text")),
    "normal_size": Shortcut(("Ctrl+0",), QT_TRANSLATE_NOOP("shortcuts", "Text in its normal size")),
    "keys": Shortcut(("Ctrl+/",), QT_TRANSLATE_NOOP("shortcuts", "All keys")),
    "quit": Shortcut(("Ctrl+Q",), QT_TRANSLATE_NOOP("shortcuts", "Quit")),
}


class Watcher(QObject):
    """Says when keys are other ones. Signals: ``changed``, after `keys` gives the new ones."""

    changed = Signal()


watcher = Watcher()
_chosen: dict[str, str] = {}


def rebind(entries: Iterable[str]) -> None:
    """Use the person's own keys: texts ``action=key``, ``action=`` for none; the others keep those of the table.

    An own key wins over the table, the first over a second one. What is no key to be used so is left out: two actions
    of one key would both be dead, and a letter could not be typed any more.
    """
    _chosen.clear()
    for name, _, key in (entry.partition("=") for entry in entries):
        if can_be_changed(name) and (not key or (is_usable(key) and key not in _chosen.values())):
            _chosen[name] = key
    watcher.changed.emit()


def is_usable(key: str) -> bool:
    """Whether a key (a portable name) is one, and none that is typed, or moves about, in a text."""
    sequence = QKeySequence(key)
    is_one = sequence.count() == 1 and sequence.toString(QKeySequence.SequenceFormat.PortableText) == key
    has_modifier = any(modifier in key for modifier in ("Ctrl+", "Alt+", "Meta+"))
    return is_one and (has_modifier or _ALONE.fullmatch(key) is not None)


def chosen() -> dict[str, str]:
    """The person's own keys, by action."""
    return dict(_chosen)


def can_be_changed(name: str) -> bool:
    """Whether ``name`` is an action; what the composer does with Enter is a setting."""
    return name in SHORTCUTS and SHORTCUTS[name].scope != "composer"


def keys(name: str) -> tuple[str, ...]:
    """The keys in force, in Qt's portable names; the first is the one that is shown."""
    if name in _chosen:
        return (_chosen[name],) if _chosen[name] else ()
    return tuple(key for key in SHORTCUTS[name].keys if key not in _chosen.values())


def conflicts(name: str, key: str) -> list[str]:
    """The other names that have ``key`` now. Keys of the list and of the window get in each other's way, too."""
    wanted = QKeySequence(key)
    return [other for other in SHORTCUTS if other != name and wanted in [QKeySequence(k) for k in keys(other)]]


def title(name: str) -> str:
    """What the key does, in the person's language."""
    return QCoreApplication.translate("shortcuts", SHORTCUTS[name].title)


def key_text(name: str) -> str:
    """The key as this system writes it; empty where there is none."""
    return native(keys(name)[0]) if keys(name) else ""


def native(key: str) -> str:
    """A portable name of a key as this system writes it."""
    text = QKeySequence(key).toString(QKeySequence.SequenceFormat.NativeText)
    return text if _MAC else text.replace("Return", "Enter")


def hint(name: str, words: str = "") -> str:
    """A tool tip: what it does, and its key."""
    key = key_text(name)
    return f"{words or title(name)} ({key})" if key else words or title(name)


def menu_text(name: str) -> str:
    """An entry of a menu: what it does and, at the right edge, its key."""
    return f"{title(name)}\t{key_text(name)}".rstrip("\t")


class KeyedAction(QAction):
    """One of `SHORTCUTS` at work; it follows another choice of keys."""

    def __init__(self, name: str, owner: QWidget) -> None:
        super().__init__(title(name), owner)
        self.name = name
        self._take_keys()
        watcher.changed.connect(self._take_keys)

    def _take_keys(self) -> None:
        self.setShortcuts([QKeySequence(key) for key in keys(self.name)])


def action(owner: QWidget, name: str, done: Callable[[], object]) -> QAction:
    """Give ``owner`` the action ``name``: its key works in the whole window, or within ``owner`` for the list's."""
    found = KeyedAction(name, owner)
    if SHORTCUTS[name].scope == "list":
        found.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
    found.triggered.connect(lambda: done())
    owner.addAction(found)
    return found


class KeysDialog(Dialog):
    """All keys, in two blocks beside one another where the window is wide enough."""

    def __init__(self, parent: QWidget, enter_sends: bool = True) -> None:
        super().__init__(parent, title("keys"), "")
        self.words.hide()
        grid = QGridLayout()
        grid.setHorizontalSpacing(theme.scaled(32))
        grid.setVerticalSpacing(theme.scaled(8))
        names = [name for name in SHORTCUTS if keys(name)]
        titles = [QLabel(title(name)) for name in names]
        texts = [QLabel(_composer_key(name, enter_sends) or key_text(name)) for name in names]
        block = max(map(_width, titles)) + max(map(_width, texts)) + theme.scaled(64)
        rows = len(names) if 2 * block > parent.width() else (len(names) + 1) // 2
        for place, (words, key) in enumerate(zip(titles, texts, strict=True)):
            row, column = place % rows, place // rows * 2
            grid.addWidget(words, row, column)
            key.setProperty("kind", "soft")
            grid.addWidget(key, row, column + 1, Qt.AlignmentFlag.AlignRight)
        part = QWidget()
        part.setObjectName("content")
        grid.setContentsMargins(theme.scaled(8), theme.scaled(6), theme.scaled(16), theme.scaled(6))  # beside the bar
        part.setLayout(grid)
        area = read_only(part, title("keys"))
        area.setMinimumWidth(part.sizeHint().width() + theme.scaled(8))  # its frame
        self.body.addWidget(area)
        area.setFocus()
        room = parent.height() - theme.scaled(60)  # its frame stays in sight
        self.resize(self.sizeHint().width(), min(room, part.sizeHint().height() + theme.scaled(160)))


def _width(label: QLabel) -> int:
    return label.sizeHint().width()


def _composer_key(name: str, enter_sends: bool) -> str:
    """Send and newline change places with the setting "Enter sends"."""
    if enter_sends or name not in ("send", "newline"):
        return ""
    return native({"send": "Shift+Return", "newline": "Return"}[name])
