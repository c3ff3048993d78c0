"""The tokens of a text, coloured by how the model expected them; each with its alternatives."""

import math
from collections.abc import Sequence

from PySide6.QtCore import Signal
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout

from chatdesk.engine.api import Sampling, TokenReading
from chatdesk.tasks.changes import Notice
from chatdesk.tasks.inspect import NEUTRAL, Inspect, tokens_as_csv, tokens_as_json
from chatdesk.ui import theme
from chatdesk.ui.errors import sentence
from chatdesk.ui.inspect.bars import Bars, percent
from chatdesk.ui.inspect.columns import Columns
from chatdesk.ui.widgets.buttons import ChoiceButton, TextButton
from chatdesk.ui.widgets.frames import scrolled
from chatdesk.ui.widgets.labels import ElidedLabel, Label
from chatdesk.ui.widgets.tokens import TokenView, sign


def strength(token: TokenReading, by: str) -> float:
    """How unexpected a token is, from 0 to 1: by its probability, its rank or the entropy of its place."""
    if token.logprob is None or token.entropy is None:
        return 0.0
    match by:
        case "rank":
            return min(1.0, math.log2(max(1, token.rank)) / 10)
        case "entropy":
            return min(1.0, token.entropy / 7)
        case _:
            return min(1.0, -token.logprob / 10)


def mixed(low: str, high: str, share: float) -> QColor:
    """A colour between two."""
    one, two = QColor(low), QColor(high)
    parts = zip((one.red(), one.green(), one.blue()), (two.red(), two.green(), two.blue()), strict=True)
    return QColor(*(round(a + (b - a) * share) for a, b in parts))


class TokensPart(Columns):
    """Signals: ``replaced(place, alternative)``, a token by one of its alternatives; ``save_wanted(name, text)``.

    Attributes: ``view``, ``bars``, ``by`` (what colours), ``csv`` and ``json`` (exports), ``readings``.
    """

    replaced = Signal(int, int)
    save_wanted = Signal(str, str)

    def __init__(self, inspect: Inspect) -> None:
        super().__init__()
        self._inspect = inspect
        self._sampling: Sampling = NEUTRAL
        self._text = self._read = ""  # the text of now, and the one that the tokens are of
        self.readings: tuple[TokenReading, ...] = ()
        choices = {"probability": self.tr("by probability"), "rank": self.tr("by rank")}
        self.by = ChoiceButton(self.tr("Colour"), choices | {"entropy": self.tr("by entropy")})
        self.by.chosen.connect(self._colour)
        self.legend = Label(kind="soft")
        self.csv, self.json = TextButton("CSV…"), TextButton("JSON…")
        self.csv.setAccessibleName(self.tr("Export the tokens as CSV"))
        self.json.setAccessibleName(self.tr("Export the tokens as JSON"))
        self.csv.clicked.connect(lambda: self.save_wanted.emit("tokens.csv", tokens_as_csv(self.readings)))
        self.json.clicked.connect(lambda: self.save_wanted.emit("tokens.json", tokens_as_json(self.readings)))
        self.view = TokenView(self.tr("Tokens of the text"))
        self.view.pointed.connect(self._show_token)
        self.view.marked.connect(lambda number: self.view.announce(self.words(number)))
        self.note, self.status = Label(kind="soft", wrap=True), ElidedLabel(kind="soft")
        self.bars = Bars(self.tr("What could have stood there"))
        self.bars.chosen.connect(self._on_chosen)
        self._pointed = 0
        self._lay_out()
        theme.watcher.changed.connect(self._colour)

    def _lay_out(self) -> None:
        line = QHBoxLayout()
        line.setSpacing(theme.scaled(8))
        line.addWidget(self.by)
        line.addWidget(self.legend)
        line.addStretch()
        line.addWidget(self.csv)
        line.addWidget(self.json)
        left = QVBoxLayout()
        left.setSpacing(theme.scaled(8))
        left.addLayout(line)
        left.addWidget(self.note)
        self.view.setMinimumHeight(theme.scaled(120))
        left.addWidget(self.view, 1)
        left.addWidget(self.status)
        area = scrolled(self.bars, self.bars.moved)
        area.setMinimumHeight(theme.scaled(200))
        right = QVBoxLayout()
        right.setSpacing(theme.scaled(8))
        right.addWidget(Label(self.tr("What could have stood there"), kind="section"))
        words = self.tr("Grey: the model's own probability. Colour: after the samplers. Click one to go on from there.")
        right.addWidget(Label(words, kind="soft", wrap=True))
        right.addWidget(area, 1)
        self.set_columns(left, right, 3, 2, (self.view, area))

    def set_sampling(self, sampling: Sampling) -> None:
        """The samplers that the second probabilities go through."""
        self._sampling = sampling

    def look(self, text: str) -> None:
        """The text is this now."""
        self._text = text
        if text.strip():
            self._inspect.tokens(text, self._sampling, lambda found: self._take(text, found))
        else:
            self._inspect.forget()
            self.show_readings(())
            self.note.setText(self.tr("Type a text, and its tokens stand here."))
            self.note.show()

    def leave(self, text: str) -> None:
        """The text is this now, and will soon be looked at."""
        self._text = text

    def _take(self, text: str, found: tuple[TokenReading, ...] | Notice) -> None:
        self._read = text
        self.take(found)

    def take(self, found: tuple[TokenReading, ...] | Notice) -> None:
        """Show the tokens, or why there are none."""
        if isinstance(found, Notice):
            self.show_readings(())
            self.note.setText(sentence(found.fault, found.fields))
            self.note.show()
        else:
            self.show_readings(found)

    def show_readings(self, readings: tuple[TokenReading, ...]) -> None:
        """Show these tokens."""
        self.readings = readings
        self.note.hide()
        self.csv.setEnabled(bool(readings))
        self.json.setEnabled(bool(readings))
        self.view.set_tokens([t.id for t in readings], [t.text for t in readings], frozenset())
        self.view.current = min(1, max(0, len(readings) - 1))  # the first one that something precedes
        self._colour()
        self._show_token(self.view.current)

    def _colour(self) -> None:
        colors = theme.current()
        by = self.by.value
        self.view.set_grounds([mixed(colors.hover, colors.warning, 0.75 * strength(t, by)) for t in self.readings])
        legends = {
            "rank": self.tr("strong: rank 1000 and more"),
            "entropy": self.tr("strong: the model did not know"),
        }
        self.legend.setText(legends.get(by, self.tr("strong: unexpected")))

    def words(self, number: int) -> str:
        """What is known of a token."""
        token = self.readings[number]
        if token.logprob is None or token.entropy is None or token.sampled_logprob is None:
            return self.tr("{text} · nothing precedes it").format(text=sign(token.text))
        words = self.tr("{text} · {before} (after the samplers {after}) · rank {rank} · entropy {entropy} nats")
        figures = {"before": percent(token.logprob), "after": percent(token.sampled_logprob)}
        return words.format(text=sign(token.text), rank=token.rank, entropy=f"{token.entropy:.2f}", **figures)

    def _show_token(self, number: int) -> None:
        if not 0 <= number < len(self.readings):
            self.status.set_words("")
            self.bars.set_tokens(())
            return
        self._pointed = number
        self.status.set_words(self.words(number))
        self.bars.set_tokens(self.readings[number].top, self.readings[number].id)

    def _on_chosen(self, number: int) -> None:
        if self._read == self._text:  # else it would put an older text in the place of what was typed since
            self.replaced.emit(self._pointed, number)

    def text_with(self, place: int, number: int) -> str:
        """The text up to a token, with an alternative in its place."""
        before = "".join(token.text for token in self.readings[:place])
        return before + self.readings[place].top[number].text


def shades(values: Sequence[float]) -> list[QColor]:
    """The colours of what a token looks at, as on a map."""
    colors = theme.current()
    return [mixed(colors.hover, colors.accent, 0.8 * max(0.0, min(1.0, value)) ** 0.4) for value in values]
