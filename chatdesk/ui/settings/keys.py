"""Giving actions other keys: one line for each, checked when it is typed, kept at once."""

from collections.abc import Callable
from functools import partial

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import (
    QDialog,
    QGridLayout,
    QHBoxLayout,
    QKeySequenceEdit,
    QLineEdit,
    QVBoxLayout,
    QWidget,
)
from shiboken6 import isValid

from chatdesk.ui import shortcuts, theme
from chatdesk.ui.widgets.buttons import TextButton
from chatdesk.ui.widgets.frames import scrolled
from chatdesk.ui.widgets.labels import Label
from chatdesk.ui.widgets.room import fitting


class KeysEditor(QDialog):
    """All actions and their keys. ``keep`` gets the person's own as a tuple of ``action=key``, after each change.

    Attributes: ``fields``, ``removes`` and ``resets``, by the action's name; ``complaint``, what was wrong with the
    last key.
    """

    def __init__(self, parent: QWidget, chosen: dict[str, str], keep: Callable[[tuple[str, ...]], object]) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(self.tr("Keys"))
        self.resize(fitting(self, 640, 560))
        self._chosen, self._keep = dict(chosen), keep
        self.fields: dict[str, QKeySequenceEdit] = {}
        self.removes: dict[str, TextButton] = {}
        self.resets: dict[str, TextButton] = {}
        self.complaint = Label(kind="danger", wrap=True)
        self.complaint.hide()
        self._grid = QGridLayout()
        self._grid.setContentsMargins(0, 0, theme.scaled(8), 0)
        self._grid.setColumnStretch(0, 1)
        self._grid.setHorizontalSpacing(theme.scaled(8))
        self._grid.setVerticalSpacing(theme.scaled(6))
        for name in filter(shortcuts.can_be_changed, shortcuts.SHORTCUTS):
            self._add_row(name)
        self._lay_out()
        self._show()

    def _add_row(self, name: str) -> None:
        title, row = shortcuts.title(name), self._grid.rowCount()
        field = QKeySequenceEdit()
        field.setMaximumSequenceLength(1)
        field.setAccessibleName(title)
        field.setFixedWidth(theme.scaled(170))
        if (line := field.findChild(QLineEdit)) is not None:
            line.setAccessibleName(title)
            line.setPlaceholderText(self.tr("no key"))
        field.editingFinished.connect(partial(self._on_typed, name))
        remove = TextButton(self.tr("Remove"), kind="link")
        remove.setAccessibleName(self.tr("{title}: no key").format(title=title))
        remove.clicked.connect(partial(self._remove, name))
        reset = TextButton(self.tr("Reset"), kind="link")
        reset.setAccessibleName(self.tr("{title}: back to the default").format(title=title))
        reset.clicked.connect(partial(self._reset, name))
        self._grid.addWidget(Label(title), row, 0)
        self._grid.addWidget(field, row, 1)
        self._grid.addWidget(remove, row, 2)
        self._grid.addWidget(reset, row, 3)
        self.fields[name], self.removes[name], self.resets[name] = field, remove, reset

    def _lay_out(self) -> None:
        content = QWidget()
        content.setObjectName("content")
        content.setLayout(self._grid)
        area = scrolled(content)
        close = TextButton(self.tr("Close"))
        close.clicked.connect(self.accept)
        line = QHBoxLayout()
        self.reset_all = TextButton(self.tr("Reset all"))
        self.reset_all.clicked.connect(self._reset_all)
        line.addWidget(self.reset_all)
        line.addStretch()
        line.addWidget(close)
        column = QVBoxLayout(self)
        margin = theme.scaled(24)
        column.setContentsMargins(margin, margin, margin, margin)
        column.setSpacing(theme.scaled(12))
        column.addWidget(Label(self.tr("Keys"), kind="title"))
        column.addWidget(Label(self.tr("Click a key and press another one."), kind="soft"))
        column.addWidget(area, 1)
        column.addWidget(self.complaint)
        column.addLayout(line)
        close.setFocus()  # in a field of a key Esc would be a key

    def _on_typed(self, name: str) -> None:
        if not isValid(self.complaint):  # a field that waits for a second key says so when all is deleted, too
            return
        text = self.fields[name].keySequence().toString(QKeySequence.SequenceFormat.PortableText)
        if text in ("", *shortcuts.keys(name)):
            self._show()
            return
        wrong = self._wrong(name, text)
        self._complain(wrong)
        if wrong:
            self._show()
        else:
            self._choose(name, text)

    def _remove(self, name: str) -> None:
        self._complain("")
        self._choose(name, "")

    def _choose(self, name: str, key: str) -> None:
        """Give an action a key; its first one of the table needs not be kept."""
        if key == (shortcuts.SHORTCUTS[name].keys or ("",))[0]:
            self._chosen.pop(name, None)
        else:
            self._chosen[name] = key
        self._tell()

    def _wrong(self, name: str, key: str) -> str:
        """Why ``key`` cannot be taken; empty when it can."""
        words, title = "", ""
        if not shortcuts.is_usable(key):
            words = self.tr("{key} is needed for typing. Press it together with Ctrl or Alt, or take F1 to F12.")
        elif others := shortcuts.conflicts(name, key):
            words = self.tr("{key} already belongs to “{title}”. Give that another key first.")
            title = shortcuts.title(others[0])
        return words.format(key=shortcuts.native(key), title=title)

    def _reset(self, name: str) -> None:
        wrong = next(filter(None, (self._wrong(name, key) for key in shortcuts.SHORTCUTS[name].keys)), "")
        self._complain(wrong)
        if not wrong:
            self._chosen.pop(name, None)
            self._tell()

    def _reset_all(self) -> None:
        self._complain("")
        self._chosen.clear()
        self._tell()

    def _tell(self) -> None:
        self._keep(tuple(f"{name}={key}" for name, key in self._chosen.items()))
        self._show()

    def _complain(self, words: str) -> None:
        self.complaint.setText(words)
        self.complaint.setVisible(bool(words))

    def _show(self) -> None:
        for name, field in self.fields.items():
            key = QKeySequence((shortcuts.keys(name) or ("",))[0])
            if field.keySequence() != key:
                field.blockSignals(True)
                field.setKeySequence(key)
                field.blockSignals(False)
            self.removes[name].setVisible(bool(shortcuts.keys(name)))
            self.resets[name].setVisible(name in self._chosen)
        self.reset_all.setEnabled(bool(self._chosen))
