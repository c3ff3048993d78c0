"""The text of an editor, to the letter."""

from PySide6.QtCore import QMimeData
from PySide6.QtGui import QTextCursor, QTextDocument
from PySide6.QtWidgets import QPlainTextEdit


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
