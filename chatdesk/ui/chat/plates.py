"""Very long texts of an editor that stand in it as small plates with their size, as they would stall it."""

from PySide6.QtCore import QObject, QSize, Qt, QUrl
from PySide6.QtGui import (
    QColor,
    QFontMetrics,
    QPainter,
    QPixmap,
    QTextBlock,
    QTextCharFormat,
    QTextCursor,
    QTextDocument,
    QTextImageFormat,
)
from PySide6.QtWidgets import QTextEdit

from chatdesk.ui import theme
from chatdesk.ui.widgets.raw_text import raw_text
from chatdesk.ui.wording import grouped


class Plates(QObject):
    """The plates of one editor."""

    def __init__(self, editor: QTextEdit) -> None:
        super().__init__(editor)
        self._editor = editor
        self._held: dict[str, str] = {}

    def clear(self) -> None:
        """Forget all: another text is to stand there."""
        self._held.clear()

    def insert(self, cursor: QTextCursor, text: str) -> None:
        """Put a plate in the place of what is selected."""
        name = f"held:{len(self._held)}"
        self._held[name] = text
        picture = self._draw(name, text)
        form = QTextImageFormat()
        form.setName(name)
        form.setWidth(picture.deviceIndependentSize().width())
        form.setHeight(picture.deviceIndependentSize().height())
        form.setVerticalAlignment(QTextCharFormat.VerticalAlignment.AlignMiddle)
        cursor.insertImage(form)

    def dress(self) -> None:
        """Take font and colours from the theme."""
        for name, text in self._held.items():
            self._draw(name, text)

    def text(self) -> str:
        """The whole text, to the letter."""
        document = self._editor.document()
        return self._between(0, document.characterCount() - 1) if self._held else raw_text(document)

    def selected(self) -> str:
        """The selected text, to the letter."""
        cursor = self._editor.textCursor()
        return self._between(cursor.selectionStart(), cursor.selectionEnd())

    def _between(self, start: int, end: int) -> str:
        """The text from position ``start`` to ``end``, as Qt counts."""
        parts: list[str] = []
        block = self._editor.document().findBlock(start)
        while block.isValid() and block.position() <= end:
            parts.append("".join(self._in_block(block, start, end)))
            block = block.next()
        return "\n".join(parts)

    def _in_block(self, block: QTextBlock, start: int, end: int) -> list[str]:
        parts: list[str] = []
        found = block.begin()
        while not found.atEnd():
            fragment = found.fragment()
            first = max(fragment.position(), start)
            last = min(fragment.position() + fragment.length(), end)
            if first < last:
                style = fragment.charFormat()
                held = self._held.get(style.toImageFormat().name()) if style.isImageFormat() else None
                parts.append(self._plain(first, last) if held is None else held * (last - first))
            found += 1
        return parts

    def _plain(self, first: int, last: int) -> str:
        cursor = QTextCursor(self._editor.document())
        cursor.setPosition(first)
        cursor.setPosition(last, QTextCursor.MoveMode.KeepAnchor)
        return cursor.selectedText()

    def _draw(self, name: str, text: str) -> QPixmap:
        words = self.tr("Pasted text, {count} characters").format(count=grouped(len(text)))
        font, ratio = theme.font("small"), self._editor.devicePixelRatio()
        size = QSize(QFontMetrics(font).horizontalAdvance(words) + theme.scaled(20), theme.scaled(24))
        picture = QPixmap(size * ratio)
        picture.setDevicePixelRatio(ratio)
        picture.fill(Qt.GlobalColor.transparent)
        painter = QPainter(picture)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(font)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(theme.current().tint))
        painter.drawRoundedRect(0, 0, size.width(), size.height(), theme.scaled(6), theme.scaled(6))
        painter.setPen(QColor(theme.current().text))
        painter.drawText(0, 0, size.width(), size.height(), Qt.AlignmentFlag.AlignCenter, words)
        painter.end()
        self._editor.document().addResource(QTextDocument.ResourceType.ImageResource, QUrl(name), picture)
        return picture
