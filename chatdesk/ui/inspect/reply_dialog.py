"""The tokens of a reply in a dialog: coloured, with what could have stood there, and a way to go on from there."""

from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication, Signal
from PySide6.QtWidgets import QWidget

from chatdesk.engine.api import ChatMessage, TokenReading
from chatdesk.tasks.changes import Notice
from chatdesk.ui import theme
from chatdesk.ui.inspect.saving import save_text
from chatdesk.ui.inspect.tokens_part import TokensPart
from chatdesk.ui.widgets.dialog import Dialog

if TYPE_CHECKING:
    from chatdesk.tasks.inspect import Inspect


def beginning(readings: tuple[TokenReading, ...], place: int, number: int) -> ChatMessage:
    """A reply up to a token, with an alternative in its place."""
    other = readings[place].top[number]
    text = "".join(token.text for token in readings[:place]) + other.text
    return ChatMessage("assistant", text, (*(token.id for token in readings[:place]), other.id))


class ReplyTokensDialog(Dialog):
    """Signals: ``go_on_wanted(ChatMessage)``, with the beginning of another version. Attributes: ``part``."""

    go_on_wanted = Signal(object)

    def __init__(self, parent: QWidget, inspect: "Inspect") -> None:
        super().__init__(parent, QCoreApplication.translate("ReplyTokensDialog", "Tokens of the reply"), "")
        self.resize(theme.scaled(980), theme.scaled(620))
        self.words.setText(self.tr("Choose an alternative, and another version of the reply goes on from there."))
        self.part = TokensPart(inspect)
        self.part.note.setText(self.tr("The engine reads the reply as soon as it is free."))
        self.part.replaced.connect(self._on_replaced)
        self.part.save_wanted.connect(lambda name, text: save_text(self, name, text))
        self.body.addWidget(self.part, 1)

    def take(self, found: tuple[TokenReading, ...] | Notice) -> None:
        """Show the tokens, or why there are none."""
        self.part.take(found)
        if not isinstance(found, Notice):
            self.part.view.setFocus()

    def _on_replaced(self, place: int, number: int) -> None:
        self.go_on_wanted.emit(beginning(self.part.readings, place, number))
        self.accept()
