"""Labels of the style sheet's kinds, and tool tips of words that are not ours."""

import html

from PySide6.QtCore import Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QLabel, QSizePolicy


def tip(words: str) -> str:
    """Words for a tool tip, as they are: of what looks like HTML to Qt, it would open the pictures."""
    if "<" not in words and "&" not in words:
        return words
    return f'<p style="white-space: pre-wrap">{html.escape(words)}</p>'


class Label(QLabel):
    """Plain text of one ``kind``; never read as rich text, whatever stands in it."""

    def __init__(self, words: str = "", kind: str = "", wrap: bool = False) -> None:
        super().__init__(words)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setProperty("kind", kind)
        self.setWordWrap(wrap)


class ElidedLabel(Label):
    """One line that ends in … where it does not fit; all of it stands in the tool tip then."""

    def __init__(self, words: str = "", kind: str = "") -> None:
        super().__init__(kind=kind)
        self._words = words
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)

    def set_words(self, words: str) -> None:
        """Show ``words``."""
        self._words = words
        self._elide()

    def words(self) -> str:
        """What it says, whole."""
        return self._words

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Cut again."""
        super().resizeEvent(event)
        self._elide()

    def _elide(self) -> None:
        shown = self.fontMetrics().elidedText(self._words, Qt.TextElideMode.ElideRight, self.contentsRect().width())
        self.setText(shown)
        self.setAccessibleName(self._words)
        self.setToolTip(tip(self._words) if shown != self._words else "")
