"""A long text to be read: the exact prompt, or a file that went with a message."""

from collections.abc import Iterator, Sequence
from time import perf_counter
from typing import TypeAlias

from PySide6.QtCore import QMimeData, Qt, QTimer
from PySide6.QtGui import QColor, QTextCharFormat, QTextCursor
from PySide6.QtWidgets import QFrame, QPlainTextEdit

from chatdesk.ui import theme
from chatdesk.ui.widgets.raw_text import with_text

_PORTION_S = 0.006
_MOST_LINE = 4_000  # characters of one line of the editor: longer ones, without a blank, take too long
_AT_ONCE = 16_000  # characters that are inserted together
_GOES_ON = 1  # state of a line that goes on with the one before

Run: TypeAlias = tuple[bool, str]
"""Whether it is a marker, which is tinted; and what it says."""


class LongText(QPlainTextEdit):
    """A text of any length, to be read and copied: it is filled in portions between events; nothing in it is markup.

    What is given must be inert (`chatdesk.ui.widgets.inert`).
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self.setReadOnly(True)
        self.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        self.setAccessibleName(name)
        self.setTabChangesFocus(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setUndoRedoEnabled(False)
        self._runs: Sequence[Run] = ()
        self._filling: Iterator[None] = iter(())
        self._portions = QTimer(self, interval=0)
        self._portions.timeout.connect(self._fill)
        theme.watcher.changed.connect(self._begin)
        self._begin()

    def set_runs(self, runs: Sequence[Run]) -> None:
        """Show these, one behind the other."""
        self._runs = runs
        self._begin()

    def is_whole(self) -> bool:
        """Whether all of it is there."""
        return not self._portions.isActive()

    def _begin(self) -> None:
        self.setFont(theme.font("code"))
        self.clear()
        self._filling = self._insertions()
        self._portions.start()
        self._fill()
        self.moveCursor(QTextCursor.MoveOperation.Start)  # what comes behind it no longer takes it along

    def _fill(self) -> None:
        until = perf_counter() + _PORTION_S
        for _ in self._filling:
            if perf_counter() > until:
                return
        self._portions.stop()

    def _insertions(self) -> Iterator[None]:
        """Insert many lines at once: one at a time they take ten times the memory."""
        colors, plain, marker = theme.current(), QTextCharFormat(), QTextCharFormat()
        plain.setForeground(QColor(colors.text))
        marker.setForeground(QColor(colors.accent))
        marker.setBackground(QColor(colors.tint))
        cursor, length = QTextCursor(self.document()), 0
        for is_marker, text in self._runs:
            style, held = marker if is_marker else plain, ""
            for number, line in enumerate(text.split("\n")):
                if number:
                    held, length = held + "\n", 0
                for start in range(0, len(line) or 1, _MOST_LINE):
                    part = line[start : start + _MOST_LINE]
                    if length and length + len(part) > _MOST_LINE:
                        cursor.insertText(held, style)
                        cursor.insertBlock()
                        cursor.block().setUserState(_GOES_ON)
                        held, length = "", 0
                    held, length = held + part, length + len(part)
                    if len(held) > _AT_ONCE:
                        cursor.insertText(held, style)
                        held = ""
                        yield
            cursor.insertText(held, style)
            yield

    def createMimeDataFromSelection(self) -> QMimeData:
        """Qt override: lines that only go on are one."""
        cursor = self.textCursor()
        text, *others = cursor.selectedText().split("\u2029")
        block = self.document().findBlock(cursor.selectionStart())
        for line in others:
            block = block.next()
            text += line if block.userState() == _GOES_ON else f"\n{line}"
        return with_text(super().createMimeDataFromSelection(), text)
