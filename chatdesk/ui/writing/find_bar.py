"""Find and replace in the document: a substring, without regard to case."""

import re

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QKeyEvent, QTextCursor
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLineEdit

from chatdesk.ui import theme
from chatdesk.ui.widgets.buttons import IconButton, TextButton
from chatdesk.ui.widgets.labels import Label
from chatdesk.ui.widgets.raw_text import raw_text
from chatdesk.ui.wording import grouped
from chatdesk.ui.writing.editor import Editor
from chatdesk.ui.writing.spans import generated, stretches_in_units

_PAUSE_MS = 150


class FindBar(QFrame):
    """Signals: ``closed``. Attributes: ``field``, what is looked for; ``other``, what takes its place; ``count``."""

    closed = Signal()

    def __init__(self, editor: Editor) -> None:
        super().__init__()
        self.setObjectName("find")
        self._editor = editor
        self._found: list[tuple[int, int]] = []
        self.field, self.other = QLineEdit(), QLineEdit()
        self.field.setPlaceholderText(self.tr("Find"))
        self.other.setPlaceholderText(self.tr("Replace with"))
        for field in (self.field, self.other):
            field.setAccessibleName(field.placeholderText())
        self._later = QTimer(self, interval=_PAUSE_MS, singleShot=True)
        self._later.timeout.connect(self.look)
        self.field.textChanged.connect(lambda: self._later.start())
        self.field.returnPressed.connect(lambda: self.step(1))
        self.other.returnPressed.connect(self.replace)
        self.count = Label(kind="small")
        previous = IconButton("chevron-up", self.tr("Match before"), "", 32, 16)
        previous.clicked.connect(lambda: self.step(-1))
        following = IconButton("chevron-down", self.tr("Next match"), "", 32, 16)
        following.clicked.connect(lambda: self.step(1))
        self.replace_button = TextButton(self.tr("Replace"))
        self.replace_button.clicked.connect(self.replace)
        self.all_button = TextButton(self.tr("Replace all"))
        self.all_button.clicked.connect(self.replace_all)
        close = IconButton("close", self.tr("Close"), "", 32, 16)
        close.clicked.connect(self.leave)
        row = QHBoxLayout(self)
        row.setContentsMargins(theme.scaled(24), theme.scaled(8), theme.scaled(12), theme.scaled(8))
        row.setSpacing(theme.scaled(6))
        for widget, stretch in (
            (self.field, 3), (self.count, 0), (previous, 0), (following, 0), (self.other, 3),
            (self.replace_button, 0), (self.all_button, 0), (close, 0),
        ):  # fmt: skip
            row.addWidget(widget, stretch)
        editor.edited.connect(lambda: self._later.start() if self.isVisible() else None)
        self.hide()

    def open(self) -> None:
        """Look for the selection, or for what was looked for before."""
        chosen = self._editor.textCursor().selectedText()
        if chosen and "\u2029" not in chosen:
            self.field.setText(chosen)
        self.show()
        self.field.setFocus()
        self.field.selectAll()
        self.look()

    def seek(self, words: str) -> None:
        """Look for these from the beginning."""
        self.field.setText(words)
        self._later.stop()
        self.show()
        self.look()
        if self._found:
            self._select(self._found[0])

    def leave(self) -> None:
        """Close it; nothing is marked any more."""
        self.hide()
        self._found = []
        self._editor.set_found([])
        self.closed.emit()

    def look(self) -> None:
        """Find all, and say how many."""
        needle, text = self.field.text(), raw_text(self._editor.document())
        wanted = re.escape(needle).replace(r"\ ", "[ \u00a0]")  # a blank that breaks no line is one, too
        found = [match.span() for match in re.finditer(wanted, text, re.IGNORECASE)] if needle else []
        if len(text) != self._editor.document().characterCount() - 1:
            found = stretches_in_units(text, found)
        self._found = found
        self._editor.set_found(found)
        self._tell()

    def step(self, by: int) -> None:
        """Select the next match from the cursor on, or the one before."""
        if self._later.isActive():
            self._later.stop()
            self.look()
        if not self._found:
            return
        cursor = self._editor.textCursor()
        if by > 0:
            at = cursor.selectionEnd()
            target = next((each for each in self._found if each[0] >= at), self._found[0])
        else:
            at = cursor.selectionStart()
            target = next((each for each in reversed(self._found) if each[1] <= at), self._found[-1])
        self._select(target)

    def _select(self, target: tuple[int, int]) -> None:
        cursor = self._editor.textCursor()
        cursor.setPosition(target[0])
        cursor.setPosition(target[1], QTextCursor.MoveMode.KeepAnchor)
        self._editor.setTextCursor(cursor)
        self._editor.ensureCursorVisible()
        self._tell()

    def replace(self) -> None:
        """Put the other words in place of the selected match, and go to the next."""
        self.look()
        cursor = self._editor.textCursor()
        if (cursor.selectionStart(), cursor.selectionEnd()) in self._found:
            cursor.insertText(self.other.text(), generated(""))
            self._editor.setTextCursor(cursor)
            self.look()
        self.step(1)

    def replace_all(self) -> None:
        """Put them in place of all matches, as one step that can be undone."""
        self.look()
        if not self._found:
            return
        cursor = QTextCursor(self._editor.document())
        cursor.beginEditBlock()
        for start, end in reversed(self._found):
            cursor.setPosition(start)
            cursor.setPosition(end, QTextCursor.MoveMode.KeepAnchor)
            cursor.insertText(self.other.text(), generated(""))
        cursor.endEditBlock()
        self.look()

    def _tell(self) -> None:
        cursor = self._editor.textCursor()
        here = (cursor.selectionStart(), cursor.selectionEnd())
        number = self._found.index(here) + 1 if here in self._found else 0
        total = len(self._found)
        words = self.tr("{number} of {total}").format(number=grouped(number), total=grouped(total))
        self.count.setText((words if number else grouped(total)) if self.field.text() else "")
        for button in (self.replace_button, self.all_button):
            button.setEnabled(bool(self._found))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Esc closes."""
        if event.key() == Qt.Key.Key_Escape:
            self.leave()
        else:
            super().keyPressEvent(event)
