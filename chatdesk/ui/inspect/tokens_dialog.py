"""The tokens of a reply or of a document in a dialog: coloured, with what could have stood there, and a way to go on
from there.
"""

from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication, Qt, Signal
from PySide6.QtWidgets import QWidget

from chatdesk.engine.api import ChatMessage, TokenReading
from chatdesk.tasks.changes import Notice
from chatdesk.ui.inspect.saving import save_text
from chatdesk.ui.inspect.tokens_part import TokensPart
from chatdesk.ui.widgets.buttons import TextButton
from chatdesk.ui.widgets.dialog import Dialog
from chatdesk.ui.widgets.frames import scrolled
from chatdesk.ui.widgets.room import fitting

if TYPE_CHECKING:
    from chatdesk.tasks.inspect import Inspect


def beginning(readings: tuple[TokenReading, ...], place: int, number: int) -> ChatMessage:
    """A reply up to a token, with an alternative in its place."""
    other = readings[place].top[number]
    text = "".join(token.text for token in readings[:place]) + other.text
    return ChatMessage("assistant", text, (*(token.id for token in readings[:place]), other.id))


def tail(readings: tuple[TokenReading, ...], place: int) -> str:
    """The end of a text from a token on. (Its beginning may have a sign that the tokenizer put there.)"""
    return "".join(token.text for token in readings[place:])


class TokensDialog(Dialog):
    """Signals: ``replaced(place, alternative)``, a token by one of its alternatives, and the dialog is closed;
    ``page_wanted``: the page that shows more. Attributes: ``part``; ``more``, the button for that, hidden.
    """

    replaced = Signal(int, int)
    page_wanted = Signal()

    def __init__(self, parent: QWidget, inspect: "Inspect", words: str) -> None:
        super().__init__(parent, QCoreApplication.translate("TokensDialog", "Tokens"), words)
        self.resize(fitting(self, 980, 620))
        self.part = TokensPart(inspect)
        self.part.note.setText(self.tr("The engine reads the text as soon as it is free."))
        self.part.replaced.connect(self._on_replaced)
        self.part.save_wanted.connect(lambda name, text: save_text(self, name, text))
        self.more = TextButton(self.tr("Next word and attention"), kind="link")
        self.more.clicked.connect(self._on_more)
        self.more.hide()
        self.body.addWidget(scrolled(self.part), 1)
        self.body.addWidget(self.more, 0, Qt.AlignmentFlag.AlignLeft)
        self.finished.connect(lambda: inspect.forget())

    def take(self, found: tuple[TokenReading, ...] | Notice) -> None:
        """Show the tokens, or why there are none."""
        self.part.take(found)
        if not isinstance(found, Notice):
            self.part.view.setFocus()

    def _on_replaced(self, place: int, number: int) -> None:
        self.accept()  # before what it brings about takes the focus
        self.replaced.emit(place, number)

    def _on_more(self) -> None:
        self.reject()
        self.page_wanted.emit()
