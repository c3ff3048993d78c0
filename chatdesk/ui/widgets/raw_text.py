"""The text of an editor, to the letter."""

from PySide6.QtCore import QMimeData, QSignalBlocker
from PySide6.QtGui import QTextCursor, QTextDocument, QTextOption
from PySide6.QtWidgets import QPlainTextEdit

_LONG_WORD = 1_000  # characters without a space from which on another way to break lines takes too long


def raw_text(document: QTextDocument) -> str:
    r"""All of it, with ``\n`` as the line's end; toPlainText makes other spaces of some."""
    return document.toRawText().replace("\u2029", "\n")


def raw_selection(cursor: QTextCursor) -> str:
    r"""What is selected, with ``\n`` as the line's end."""
    return cursor.selectedText().replace("\u2029", "\n")


def with_text(data: QMimeData, text: str) -> QMimeData:
    """``data``, which Qt has made of a selection, with this text and nothing else.

    One made in Python asks Python about its end, which on the clipboard may come after Python's.
    """
    data.text()  # it is filled when it is first asked
    data.clear()
    data.setText(text)
    return data


class RawTextEdit(QPlainTextEdit):
    """An editor of plain text. What is copied and cut comes back to the letter; Qt makes other spaces of some."""

    def createMimeDataFromSelection(self) -> QMimeData:
        """Qt override."""
        return with_text(super().createMimeDataFromSelection(), raw_selection(self.textCursor()))


class TextField(RawTextEdit):
    """One to type into, a few words or a pasted book: lines with very long words break anywhere."""

    def setPlainText(self, text: str) -> None:
        """Qt override."""
        modes = QTextOption.WrapMode
        mode = modes.WrapAnywhere if _has_long_word(text) else modes.WrapAtWordBoundaryOrAnywhere
        if mode != self.wordWrapMode():
            with QSignalBlocker(self):  # empty: else what stood there is laid out once more in the other way
                super().setPlainText("")
            self.setWordWrapMode(mode)
        super().setPlainText(text)

    def insertFromMimeData(self, source: QMimeData) -> None:
        """Qt override."""
        if _has_long_word(source.text()):
            self.setWordWrapMode(QTextOption.WrapMode.WrapAnywhere)
        super().insertFromMimeData(source)


def _has_long_word(text: str) -> bool:
    return max(map(len, text.split()), default=0) > _LONG_WORD
