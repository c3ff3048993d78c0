"""Ghost text: words that are offered at a place of a document and are no part of it.

They stand in the layout of the place's line as an input method's do, so they move what follows, and neither undo nor
the words that are kept know of them.
"""

from collections.abc import Callable

from PySide6.QtGui import QColor, QTextBlock, QTextCharFormat, QTextDocument, QTextLayout

from chatdesk.ui import theme
from chatdesk.ui.writing.spans import units

_LINE = "\u2028"  # a line's end inside a block, as the layout knows it


class Ghost:
    """What is offered, at one place at a time; ``laid_out`` is called when it looks otherwise.

    Attributes: ``text``, the words; ``at``, their place, -1 where nothing is offered; ``generation``, to which they
    belong; ``is_growing``, whether more may come; ``is_laying_out``, while the document's change is that and no edit.
    """

    def __init__(self, document: QTextDocument, laid_out: Callable[[], None]) -> None:
        self._document, self._laid_out = document, laid_out
        self._block = QTextBlock()
        self.text, self.at, self.generation = "", -1, ""
        self.is_growing = self.is_laying_out = False

    @property
    def is_offered(self) -> bool:
        """Whether words are offered, or to be."""
        return self.at >= 0

    def offer(self, at: int, generation: str, text: str = "") -> None:
        """Offer words at a place, or let them come."""
        self.at, self.generation, self.text = at, generation, text
        if text:
            self._show()

    def grow(self, text: str) -> None:
        """More of them."""
        if self.is_offered:
            self.text += text
            self._show()

    def hide(self) -> None:
        """Offer nothing any more."""
        self.text, self.at, self.generation = "", -1, ""
        if self._block.isValid():
            self._lay_out("")

    def _show(self) -> None:
        self._block = self._document.findBlock(self.at)
        self._lay_out(self.text.replace("\n", _LINE))

    def _lay_out(self, text: str) -> None:
        """Give the line these words, or none, and have it laid out again."""
        block, layout = self._block, self._block.layout()
        if text:
            inside = self.at - block.position()
            layout.setPreeditArea(inside, text)
            style = QTextCharFormat()
            style.setForeground(QColor(theme.current().faint))
            shown = QTextLayout.FormatRange()
            shown.start, shown.length, shown.format = inside, units(text), style
            layout.setFormats([shown])
        else:
            layout.setPreeditArea(-1, "")
            layout.clearFormats()
        self.is_laying_out = True
        self._document.markContentsDirty(block.position(), block.length())
        self.is_laying_out = False
        self._laid_out()
