"""The next word: what the model expects after a text, what the samplers make of it, and the chain rule for the text."""

import math
from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QPlainTextEdit, QVBoxLayout

from chatdesk.engine.api import AlternativeToken, Sampling, TokenReading
from chatdesk.settings.options import SAMPLING
from chatdesk.tasks.changes import Notice
from chatdesk.tasks.inspect import NEUTRAL, Inspect, chain
from chatdesk.ui import theme
from chatdesk.ui.errors import sentence
from chatdesk.ui.inspect.bars import Bars
from chatdesk.ui.inspect.columns import Columns
from chatdesk.ui.widgets.frames import scrolled
from chatdesk.ui.widgets.labels import Label
from chatdesk.ui.widgets.option_rows import NumberRow, row_for
from chatdesk.ui.widgets.tokens import sign

_SLIDERS = ("temperature", "top_k", "top_p", "min_p")
_LONGEST = 400  # factors that are written out


class NextWord(Columns):
    """Signals: ``go_on(str)``, with what is to be added to the text; ``sampling_changed``. Attributes: ``bars``;
    ``rows``, the sliders by name; ``chain_text`` and ``sums``, the chain rule; ``sampling``.
    """

    go_on = Signal(str)
    sampling_changed = Signal()

    def __init__(self, inspect: Inspect) -> None:
        super().__init__()
        self._inspect = inspect
        self._text = self._read = ""  # the text of now, and the one that the tokens follow
        self.sampling: Sampling = NEUTRAL
        self.note = Label(kind="soft", wrap=True)
        self.bars = Bars(self.tr("Next tokens"))
        self.bars.chosen.connect(self._on_chosen)
        self.rows: dict[str, NumberRow] = {}
        self.sums = Label(kind="soft", wrap=True)
        self.sums.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.chain_text = QPlainTextEdit()
        self.chain_text.setReadOnly(True)
        self.chain_text.setTabChangesFocus(True)
        self.chain_text.setFont(theme.font("code"))
        self.chain_text.setAccessibleName(self.tr("The chain rule for this text"))
        self.chain_text.setMinimumHeight(theme.scaled(110))
        self._lay_out()

    def _lay_out(self) -> None:
        area = scrolled(self.bars, self.bars.moved)
        area.setMinimumHeight(theme.scaled(240))
        left = QVBoxLayout()
        left.setSpacing(theme.scaled(8))
        left.addWidget(Label(self.tr("What comes next"), kind="section"))
        left.addWidget(self.note)
        left.addWidget(area, 1)
        right = QVBoxLayout()
        right.setSpacing(theme.scaled(12))
        right.addWidget(Label(self.tr("Samplers"), kind="section"))
        for name in _SLIDERS:
            row = row_for(SAMPLING[name])
            assert isinstance(row, NumberRow), name
            row.show_value(getattr(NEUTRAL, name), getattr(NEUTRAL, name))
            row.changed.connect(self._on_changed)
            self.rows[name] = row
            right.addWidget(row)
        right.addSpacing(theme.scaled(8))
        right.addWidget(Label(self.tr("The chain rule"), kind="section"))
        right.addWidget(self.sums)
        right.addWidget(self.chain_text, 1)
        self.set_columns(left, right, 3, 2, (area, self.chain_text))

    def look(self, text: str) -> None:
        """The text is this now."""
        self._text = text
        if not text.strip():
            self._inspect.forget()
            self.bars.set_tokens(())
            self.note.setText(self.tr("Type a text, and the model's next words stand here."))
            self.note.show()
            self.sums.setText("")
            self.chain_text.setPlainText("")
            return
        self._ask()
        self._inspect.tokens(text, NEUTRAL, self.take_chain)

    def _ask(self) -> None:
        text = self._text
        self._inspect.next_word(text, self.sampling, lambda found: self._take(text, found))

    def leave(self, text: str) -> None:
        """The text is this now, and will soon be looked at."""
        self._text = text

    def _on_chosen(self, number: int) -> None:
        if self._read == self._text:  # else it would go behind what was typed since
            self.go_on.emit(self.bars.tokens[number].text)

    def _take(self, text: str, found: tuple[AlternativeToken, ...] | Notice) -> None:
        self._read = text
        self.take(found)

    def _on_changed(self, name: str, value: Any) -> None:
        values = {each: getattr(self.sampling, each) for each in self.sampling.__struct_fields__}
        self.set_sampling(Sampling(**{**values, name: getattr(NEUTRAL, name) if value is None else value}))
        if self._text.strip():
            self._ask()

    def set_sampling(self, sampling: Sampling) -> None:
        """What the samplers are set to."""
        self.sampling = sampling
        for name, row in self.rows.items():
            row.show_value(getattr(sampling, name), getattr(NEUTRAL, name))
        self.sampling_changed.emit()

    def take(self, found: tuple[AlternativeToken, ...] | Notice) -> None:
        """Show the next tokens, or why there are none."""
        if isinstance(found, Notice):
            self.note.setText(sentence(found.fault, found.fields))
            self.note.show()
            self.bars.set_tokens(())
            return
        words = self.tr("Grey: the model's own probability. Colour: after the samplers. Click one to add it.")
        self.note.setText(words)
        self.bars.set_tokens(found)

    def take_chain(self, tokens: tuple[TokenReading, ...] | Notice) -> None:
        """Write the chain rule out."""
        if isinstance(tokens, Notice):
            self.sums.setText(sentence(tokens.fault, tokens.fields))
            self.chain_text.setPlainText("")
            return
        found = chain(tokens)
        words = self.tr("log P = {log} nats over {count} tokens: {loss} a token, perplexity {perplexity}.")
        loss = found.log / found.tokens if found.tokens else 0.0
        figures = {"log": f"{found.log:.3f}", "loss": f"{loss:.4f}", "perplexity": f"{found.perplexity:.4g}"}
        self.sums.setText(words.format(count=found.tokens, **figures))
        self.chain_text.setPlainText("\n".join(self._factors(tokens)))

    def _factors(self, tokens: Sequence[TokenReading]) -> list[str]:
        lines = []
        names = [sign(token.text) for token in tokens[:_LONGEST]]
        wide = min(20, max(map(len, names), default=0) + len("P( | …)"))
        for token, name in zip(tokens, names, strict=False):
            if token.logprob is None:
                lines.append(self.tr("P({token}) is not known: nothing precedes it").format(token=name))
            else:
                share = f"{math.exp(token.logprob):.4g}"
                lines.append(f"{f'P({name} | …)':<{wide}} = {share:<9} log {token.logprob:.3f}")
        if len(tokens) > _LONGEST:
            lines.append(self.tr("and {count} more").format(count=len(tokens) - _LONGEST))
        return lines
