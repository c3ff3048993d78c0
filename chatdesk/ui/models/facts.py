"""What is known of a checkpoint as a table of two columns, and labels that come, go and change their colour."""

from collections.abc import Iterable

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout, QWidget

from chatdesk.ui import theme
from chatdesk.ui.widgets.labels import ElidedLabel, Label


class FactsTable(QWidget):
    """Titles and values, one a line. Attributes: ``shown``, as they are; ``values``, their labels."""

    def __init__(self) -> None:
        super().__init__()
        self.values: list[ElidedLabel] = []
        self.shown: list[tuple[str, str]] = []
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(theme.scaled(24))
        self._grid.setVerticalSpacing(theme.scaled(6))
        self._grid.setColumnStretch(1, 1)

    def show_facts(self, facts: Iterable[tuple[str, str]]) -> None:
        """Show these; what is not known is left out."""
        shown = [(title, value) for title, value in facts if value]
        if shown == self.shown:
            return
        self.shown = shown
        self.values = []
        while (item := self._grid.takeAt(0)) is not None:
            if (old := item.widget()) is not None:
                old.hide()
                old.deleteLater()
        for row, (title, value) in enumerate(shown):
            text = ElidedLabel()  # a folder's name has no place to be broken
            text.set_words(value)
            text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            self.values.append(text)
            self._grid.addWidget(Label(title, kind="soft"), row, 0)
            self._grid.addWidget(text, row, 1)


def say(label: Label, text: str, kind: str = "") -> None:
    """Show ``text`` in a colour of the style sheet, or nothing at all."""
    label.setText(text)
    label.setVisible(bool(text))
    dress(label, kind)


def dress(widget: QWidget, kind: str) -> None:
    """Give a widget another look of the style sheet."""
    if widget.property("kind") != kind:
        widget.setProperty("kind", kind)
        widget.style().unpolish(widget)
        widget.style().polish(widget)
