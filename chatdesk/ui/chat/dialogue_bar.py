"""The line above a chat with a base model: in which form its messages are written, and that this is a choice."""

from functools import partial

from PySide6.QtCore import QCoreApplication, Signal
from PySide6.QtGui import QActionGroup
from PySide6.QtWidgets import QFrame, QHBoxLayout, QMenu

from chatdesk.errors import QT_TRANSLATE_NOOP
from chatdesk.library.dialogues import DIALOGUES
from chatdesk.tasks.changes import ModelChanged
from chatdesk.ui import theme
from chatdesk.ui.widgets.buttons import IconButton, TextButton
from chatdesk.ui.widgets.labels import ElidedLabel

_WORDS = {  # the other names are those of models, the same in every language
    "": QT_TRANSLATE_NOOP("DialogueMenu", "Its own template"),
    "plain": QT_TRANSLATE_NOOP("DialogueMenu", "Plain dialogue"),
}


class DialogueMenu(QMenu):
    """The ways to write messages for the loaded model. Signals: ``chosen(name)``."""

    chosen = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._group = QActionGroup(self)

    def show_state(self, state: ModelChanged) -> str:
        """Offer what this model can take; the words for what it takes now."""
        own = ("",) if state.info is not None and state.info.has_chat_template else ()
        taken = state.dialogue or ("" if own else "plain")
        self.clear()
        for name in (*own, *DIALOGUES):
            action = self.addAction(_words(name))
            action.setCheckable(True)
            action.setChecked(name == taken)
            action.triggered.connect(partial(self._choose, name))
            self._group.addAction(action)
        return _words(taken)

    def _choose(self, name: str, _checked: bool = True) -> None:
        self.chosen.emit(name)


def _words(name: str) -> str:
    return QCoreApplication.translate("DialogueMenu", _WORDS[name]) if name in _WORDS else DIALOGUES[name].name


class DialogueBar(QFrame):
    """Shown for a model without a chat template until somebody has chosen.

    Signals: ``chosen(name)``, ``prompt_wanted``: show what the model sees.
    """

    chosen = Signal(str)
    prompt_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._words = ElidedLabel(kind="small")
        self.menu = DialogueMenu()
        self.menu.chosen.connect(self.chosen)
        self.button = TextButton("", icon="chevron-down", icon_behind=True)
        self.button.setMenu(self.menu)
        self.prompt = TextButton(self.tr("Show the prompt"), kind="link")
        self.prompt.clicked.connect(self.prompt_wanted)
        self.close_button = IconButton("close", self.tr("Keep this form for this model"), side=28, size=14)
        self.close_button.clicked.connect(lambda: self.chosen.emit("plain"))
        row = QHBoxLayout(self)
        row.setContentsMargins(theme.scaled(24), theme.scaled(4), theme.scaled(20), theme.scaled(4))
        row.addWidget(self._words, 1)
        row.addWidget(self.button)
        row.addWidget(self.prompt)
        row.addWidget(self.close_button)
        self.hide()

    def show_state(self, state: ModelChanged) -> None:
        """Show the choice for a base model for which nobody has made it."""
        info = state.info if state.state == "ready" else None
        is_open = info is not None and not info.has_chat_template and not state.dialogue
        if is_open:
            self._words.set_words(self.tr("Base model. Your messages are written as"))
            words = self.menu.show_state(state)
            self.button.set_words(words)
            self.button.setAccessibleName(self.tr("Form of the messages: {name}").format(name=words))
        self.setVisible(is_open)
