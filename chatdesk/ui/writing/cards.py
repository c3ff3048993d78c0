"""Alternatives as cards beside the text, and under them the drawer: all that models wrote for this document."""

import re
from collections.abc import Sequence

from PySide6.QtCore import QDateTime, QLocale, Qt, Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QMenu, QScrollArea, QVBoxLayout, QWidget

from chatdesk.storage.records import Generation
from chatdesk.ui import theme
from chatdesk.ui.widgets.buttons import TextButton
from chatdesk.ui.widgets.labels import Label

_SENTENCE = re.compile(r".+?(?:[.!?…]+[\"”')\]]*(?=\s|$)|[。！？]+[”’」』）]*|\n|$)", re.DOTALL)
_MOST_EARLIER = 20
_SHORT = 60


def sentences(text: str) -> list[str]:
    """The sentences of a text, with what stands between them: joined they are the text."""
    found: list[str] = []
    for part in _SENTENCE.findall(text):
        if found and not part.strip():
            found[-1] += part
        else:
            found.append(part)
    return found


class Card(QFrame):
    """One text that can be put in whole or a sentence of it. Signals: ``chosen(text, generation)``."""

    chosen = Signal(str, str)

    def __init__(self, generation: str, text: str = "", origin: str = "") -> None:
        super().__init__()
        self.setObjectName("card")
        self.generation, self.text = generation, text
        self.words = Label(text.strip(), wrap=True)
        self.words.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.use = TextButton(self.tr("Use"))
        self.use.clicked.connect(lambda: self.chosen.emit(self.text, self.generation))
        self.blend = TextButton(self.tr("A sentence"), icon="chevron-down", icon_behind=True, kind="link")
        self._menu = QMenu(self)
        self._menu.aboutToShow.connect(self._fill)
        self.blend.setMenu(self._menu)
        foot = QHBoxLayout()
        foot.setSpacing(theme.scaled(4))
        foot.addWidget(self.use)
        foot.addWidget(self.blend)
        foot.addStretch()
        column = QVBoxLayout(self)
        side = theme.scaled(12)
        column.setContentsMargins(side, side, side, theme.scaled(8))
        column.setSpacing(theme.scaled(8))
        column.addWidget(self.words)
        if origin:
            column.addWidget(Label(origin, kind="small", wrap=True))
        column.addLayout(foot)
        self.grow("")

    def grow(self, text: str) -> None:
        """More of it."""
        self.text += text
        self.words.setText(self.text.strip() or "…")
        self.use.setAccessibleName(self.tr("Use: {text}").format(text=self.text.strip()[:_SHORT]))
        for button in (self.use, self.blend):
            button.setEnabled(bool(self.text.strip()))

    def _fill(self) -> None:
        self._menu.clear()
        for sentence in sentences(self.text):
            short = " ".join(sentence.split())
            words = short if len(short) <= _SHORT else short[: _SHORT - 1] + "…"
            action = self._menu.addAction(words.replace("&", "&&"))
            action.triggered.connect(lambda _=False, s=sentence: self.chosen.emit(s, self.generation))


class Cards(QScrollArea):
    """Signals: ``chosen(text, generation)``. Attributes: ``cards``, the alternatives; ``earlier``, the drawer."""

    chosen = Signal(str, str)

    def __init__(self) -> None:
        super().__init__()
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setAccessibleName(self.tr("Alternatives"))
        self.cards: list[Card] = []
        self.earlier: list[Card] = []
        self._generations: Sequence[Generation] = ()
        self.empty = Label(
            self.tr("Alternatives stand here, several at once. What you do not use stays below them."),
            kind="small",
            wrap=True,
        )
        self.heading = Label(self.tr("Written before"), kind="section")
        content = QWidget()
        content.setObjectName("content")
        self._column = QVBoxLayout(content)
        side = theme.scaled(19)
        self._column.setContentsMargins(side, theme.scaled(4), side, theme.scaled(16))
        self._column.setSpacing(theme.scaled(12))
        self._column.addWidget(self.empty)
        self._column.addWidget(self.heading)
        self._column.addStretch()
        self.setWidget(content)
        self._show_emptiness()

    def begin(self, generations: Sequence[str]) -> None:
        """New alternatives come."""
        self.clear_alternatives()
        for place, generation in enumerate(generations):
            card = self._made(Card(generation))
            self.cards.append(card)
            self._column.insertWidget(place, card)
        self._show_emptiness()
        self.verticalScrollBar().setValue(0)

    def grow(self, draft: int, text: str) -> None:
        """More of one of them."""
        if draft < len(self.cards):
            self.cards[draft].grow(text)

    def clear_alternatives(self) -> None:
        """Another document is shown, or other alternatives come."""
        for card in self.cards:
            card.deleteLater()
        self.cards = []
        self._show_emptiness()

    def show_drawer(self, generations: Sequence[Generation]) -> None:
        """Show what was written before; what stands above as an alternative is not shown twice."""
        self._generations = generations
        if self.isVisible():
            self._fill_drawer()

    def showEvent(self, event: QShowEvent) -> None:
        """Cards are made when they can be seen."""
        super().showEvent(event)
        self._fill_drawer()

    def _fill_drawer(self) -> None:
        above = {card.generation for card in self.cards}
        found = [each for each in self._generations if each.id not in above and each.text.strip()][:_MOST_EARLIER]
        wanted = {each.id for each in found}
        for card in [card for card in self.earlier if card.generation not in wanted]:
            self.earlier.remove(card)
            card.deleteLater()
        there = {card.generation: card for card in self.earlier}
        self.earlier = []
        for place, each in enumerate(found):
            card = there.get(each.id) or self._made(Card(each.id, each.text, _origin(each)))
            if each.id not in there:
                self._column.insertWidget(len(self.cards) + 2 + place, card)
            self.earlier.append(card)
        self._show_emptiness()

    def _made(self, card: Card) -> Card:
        card.chosen.connect(self.chosen)
        return card

    def _show_emptiness(self) -> None:
        self.empty.setVisible(not (self.cards or self.earlier))
        self.heading.setVisible(bool(self.earlier))


def _origin(generation: Generation) -> str:
    at = QDateTime.fromSecsSinceEpoch(round(generation.created_at))
    when = QLocale().toString(at, QLocale.FormatType.ShortFormat)
    parts = [str(generation.record.get("asked", "")), str(generation.record.get("model", "")), when]
    return " · ".join(part for part in parts if part)
