"""The text of an editor, to the letter."""

from PySide6.QtGui import QTextDocument


def raw_text(document: QTextDocument) -> str:
    r"""All of it, with ``\n`` as the line's end; toPlainText makes other spaces of some."""
    return document.toRawText().replace("\u2029", "\n")
