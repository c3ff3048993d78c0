"""Which smaller checkpoint guesses ahead for the one that is looked at."""

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from chatdesk.library.figures import short_bytes
from chatdesk.ui import theme
from chatdesk.ui.widgets.buttons import ChoiceButton
from chatdesk.ui.widgets.labels import Label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chatdesk.library.catalogue import Entry


class DraftRow(QWidget):
    """A choice and what it does. Signals: ``chosen(path)``, by the person; empty is none. Attributes: ``button``,
    ``note``.
    """

    chosen = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        title = self.tr("Guess ahead with")
        self.button = ChoiceButton(title, {"": self.tr("None")})
        self.button.chosen.connect(lambda: self.chosen.emit(self.button.value))
        self.note = Label(kind="small", wrap=True)
        line = QHBoxLayout()
        line.setSpacing(theme.scaled(16))
        line.addWidget(Label(title))
        line.addWidget(self.button)
        line.addStretch()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.scaled(4))
        column.addLayout(line)
        column.addWidget(self.note)
        self.hide()

    def show_choice(self, fitting: "Sequence[Entry]", chosen: str, is_at_work: bool, guesses: bool) -> None:
        """Offer those that fit, beside the one that was ``chosen``; with nothing to choose there is no row.

        ``guesses``: whether the settings let anything be guessed.
        """
        choices = {"": self.tr("None")} | {str(e.path): f"{e.name} · {short_bytes(e.size_bytes)}" for e in fitting}
        if chosen not in choices:  # it went away since
            choices[chosen] = chosen
        self.button.set_choices(choices)
        self.button.set_value(chosen)
        self.button.setEnabled(guesses)
        self.setVisible(len(choices) > 1)
        words = self.tr("A smaller model with the same vocabulary. Replies stay the same and may come sooner.")
        if not guesses:
            words = self.tr("“Guess ahead” is off in the settings.")
        elif is_at_work:
            words = self.tr("It is at work. Replies stay the same and may come sooner.")
        self.note.setText(words)
