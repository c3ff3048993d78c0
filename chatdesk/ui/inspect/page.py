"""The page that looks inside: one text, seen as the next word, as tokens, as attention."""

from functools import partial
from pathlib import Path

from PySide6.QtCore import QTimer, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import (
    QFrame,
    QSizePolicy,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from chatdesk.tasks.changes import Change, ModelChanged
from chatdesk.tasks.inspect import Inspect
from chatdesk.ui import theme
from chatdesk.ui.inspect.attention_part import AttentionPart
from chatdesk.ui.inspect.next_word import NextWord
from chatdesk.ui.inspect.saving import save_text, say_failed
from chatdesk.ui.inspect.tokens_part import TokensPart
from chatdesk.ui.widgets.buttons import IconButton, Tabs, TextButton
from chatdesk.ui.widgets.dialogs import choose_place
from chatdesk.ui.widgets.frames import page_header, scrolled
from chatdesk.ui.widgets.labels import Label
from chatdesk.ui.widgets.raw_text import TextField, raw_text

_PAUSE_MS = 120  # from a key to the question
EXAMPLE = "I enjoy walking with my cute dog"


class InspectPage(QWidget):
    """Signals: ``back_wanted``. Attributes: ``back_button``; ``text``; ``next_word``, ``tokens`` and ``attention``, the
    three parts, and ``tabs`` by their names.
    """

    back_wanted = Signal()

    def __init__(self, inspect: Inspect) -> None:
        super().__init__()
        self.setObjectName("page")
        self._inspect = inspect
        self._loaded: object = None
        self.text = TextField()
        self.text.setTabChangesFocus(True)
        self.text.setPlaceholderText(self.tr("Type or paste a text to look at"))
        self.text.setAccessibleName(self.tr("Text to look at"))
        self.text.setFixedHeight(theme.scaled(88))
        self.next_word, self.tokens, self.attention = NextWord(inspect), TokensPart(inspect), AttentionPart(inspect)
        self.next_word.go_on.connect(lambda more: self.set_text(raw_text(self.text.document()) + more))
        self.next_word.sampling_changed.connect(lambda: self.tokens.set_sampling(self.next_word.sampling))
        self.tokens.replaced.connect(lambda place, number: self.set_text(self.tokens.text_with(place, number)))
        for part in (self.tokens, self.attention):
            part.save_wanted.connect(self._save)
        self.attention.picture_wanted.connect(self._save_picture)
        self._parts = QStackedWidget()
        self._pause = QTimer(self, interval=_PAUSE_MS, singleShot=True)
        self._pause.timeout.connect(self.look)
        self.text.textChanged.connect(self._pause.start)
        self.text.textChanged.connect(self._leave)
        self._lay_out()
        theme.watcher.changed.connect(self._dress)

    def _dress(self) -> None:
        self.text.setFixedHeight(theme.scaled(88))

    def _lay_out(self) -> None:
        body = QVBoxLayout()
        side = theme.scaled(24)
        body.setContentsMargins(side, theme.scaled(16), side, theme.scaled(16))
        body.setSpacing(theme.scaled(16))
        body.addWidget(self.text)
        body.addWidget(self._parts, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        self._header = self._make_header()
        column.addWidget(self._header)
        column.addLayout(body, 1)

    def _make_header(self) -> QFrame:
        self.back_button = IconButton("chevron-left", self.tr("Back to the chat"))
        self.back_button.clicked.connect(self.back_wanted)
        self.example = TextButton(self.tr("Example"), kind="link")
        self.example.clicked.connect(lambda: self.set_text(EXAMPLE))
        self._title = Label(self.tr("Inspect"), kind="title")
        self._title.setContentsMargins(0, 0, theme.scaled(8), 0)
        group = Tabs(self)
        names = {"next_word": self.tr("Next word"), "tokens": self.tr("Tokens"), "attention": self.tr("Attention")}
        self.tabs: dict[str, TextButton] = {}
        for name, words in names.items():
            tab = self.tabs[name] = TextButton(words)
            group.add(tab)
            part = getattr(self, name)
            self._parts.addWidget(scrolled(part))
            tab.clicked.connect(partial(self._show, name))
        self.tabs["next_word"].setChecked(True)
        header = page_header(self.back_button, self._title, *self.tabs.values(), at_end=self.example)
        header.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)  # the page may be narrower
        return header

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Qt override: where there is no room for all in the header, the title goes; the rail says it, too."""
        super().resizeEvent(event)
        self._title.show()
        self._title.setVisible(self._header.sizeHint().width() <= self.width())

    def _show(self, name: str, _checked: bool = True) -> None:
        self._parts.setCurrentIndex(list(self.tabs).index(name))
        self.look()

    def enter(self) -> None:
        """The page is shown, ready to be typed into."""
        self.text.setFocus()
        self.look()

    def take_over(self, other: "InspectPage") -> None:
        """What a person has typed and chosen on a page that goes away."""
        self._inspect.forget()  # it was to be answered there
        self.text.setPlainText(raw_text(other.text.document()))
        self.next_word.set_sampling(other.next_word.sampling)
        self.tabs[list(self.tabs)[other._parts.currentIndex()]].setChecked(True)
        self._parts.setCurrentIndex(other._parts.currentIndex())

    def set_text(self, text: str) -> None:
        """Look at another text; the step can be undone."""
        cursor = self.text.textCursor()
        cursor.select(cursor.SelectionType.Document)
        cursor.insertText(text)
        self.text.setTextCursor(cursor)

    def _leave(self) -> None:
        text = raw_text(self.text.document())
        self.tokens.leave(text)
        self.next_word.leave(text)

    def look(self) -> None:
        """Ask about the text as it is now, for the part that is shown."""
        self._pause.stop()
        part = (self.next_word, self.tokens, self.attention)[self._parts.currentIndex()]
        part.look(raw_text(self.text.document()))

    def apply(self, change: Change) -> None:
        """Another model sees another thing."""
        if isinstance(change, ModelChanged):
            now = (change.state, change.path, change.adapter)
            if now != self._loaded and change.state == "ready" and self.isVisible():
                self.look()
            self._loaded = now

    def _save(self, name: str, text: str) -> None:
        save_text(self, name, text)

    def _save_picture(self, name: str) -> None:
        def save(path: Path) -> None:
            if not self.attention.save_picture(path):
                say_failed(self, path, OSError())

        choose_place(self, name, save)
