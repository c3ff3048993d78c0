"""Attention: all heads at a glance, one of them large, and the text coloured by what one of its tokens looks at."""

from pathlib import Path
from typing import TYPE_CHECKING, cast

from PySide6.QtCore import QByteArray, Signal
from PySide6.QtGui import QImageWriter
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout

from chatdesk.tasks.changes import Notice
from chatdesk.tasks.inspect import Attention, Inspect, map_as_csv
from chatdesk.ui import theme
from chatdesk.ui.errors import sentence
from chatdesk.ui.inspect.columns import Columns
from chatdesk.ui.inspect.heat import HeatMap, Overview, matrix
from chatdesk.ui.inspect.tokens_part import shades
from chatdesk.ui.widgets.buttons import ChoiceButton, TextButton
from chatdesk.ui.widgets.frames import scrolled
from chatdesk.ui.widgets.labels import ElidedLabel, Label
from chatdesk.ui.widgets.tokens import TokenView, sign

if TYPE_CHECKING:
    from chatdesk.ui.inspect.heat import Matrix


class AttentionPart(Columns):
    """Signals: ``save_wanted(name, text)``, ``picture_wanted(name)``. Attributes: ``overview``, ``heat``, ``view``,
    ``what`` (one head, the mean of its layer, of all, or rollout), ``csv`` and ``png``.
    """

    save_wanted = Signal(str, str)
    picture_wanted = Signal(str)

    def __init__(self, inspect: Inspect) -> None:
        super().__init__()
        self._inspect = inspect
        self._text = ""
        self._found: Attention | None = None
        self.what = ChoiceButton(
            self.tr("What is shown"),
            {
                "head": self.tr("one head"),
                "layer": self.tr("mean of the layer"),
                "all": self.tr("mean of all heads"),
                "rollout": self.tr("rollout through all layers"),
            },
        )
        self.what.chosen.connect(self._show)
        self.where = Label(kind="soft")
        self.csv, self.png = TextButton("CSV…"), TextButton("PNG…")
        self.csv.setAccessibleName(self.tr("Export the map as CSV"))
        self.png.setAccessibleName(self.tr("Export the map as a picture"))
        self.csv.clicked.connect(self._export)
        self.png.clicked.connect(lambda: self.picture_wanted.emit("attention.png"))
        self.note = Label(kind="soft", wrap=True)
        self.heat = HeatMap(self.tr("Attention: rows look, columns are looked at"))
        self.heat.pointed.connect(self._on_pointed)
        self.overview = Overview(self.tr("All heads"))
        self.overview.chosen.connect(self._on_head)
        self.view = TokenView(self.tr("Tokens: the marked one looks at the coloured ones"))
        self.view.marked.connect(self._on_token)
        self.status = ElidedLabel(kind="soft")
        self._lay_out()
        theme.watcher.changed.connect(self._colour)

    def _lay_out(self) -> None:
        warning = self.tr("Attention shows where values are taken from. It is no explanation of what the model says.")
        line = QHBoxLayout()
        line.setSpacing(theme.scaled(8))
        for widget in (self.what, self.where):
            line.addWidget(widget)
        line.addStretch()
        line.addWidget(self.csv)
        line.addWidget(self.png)
        left = QVBoxLayout()
        left.setSpacing(theme.scaled(8))
        left.addLayout(line)
        left.addWidget(Label(warning, kind="soft", wrap=True))
        left.addWidget(self.note)
        left.addWidget(self.heat, 1)
        left.addWidget(self.status)
        area = scrolled(self.overview, self.overview.moved)
        area.setMinimumHeight(theme.scaled(180))
        self.view.setMinimumHeight(theme.scaled(110))
        right = QVBoxLayout()
        right.setSpacing(theme.scaled(8))
        right.addWidget(Label(self.tr("All heads, a line for each layer"), kind="section"))
        right.addWidget(area, 3)
        right.addWidget(Label(self.tr("The text, by what the marked token looks at"), kind="section"))
        right.addWidget(self.view, 2)
        self.set_columns(left, right, 1, 1, (self.heat, area, self.view))

    def look(self, text: str) -> None:
        """The text is this now."""
        self._text = text
        if text.strip():
            self._inspect.attention(text, self.overview.current[0], self.take)
        else:
            self._inspect.forget()
            self._clear(self.tr("Type a text of up to 512 tokens, and its attention stands here."))

    def take(self, found: Attention | Notice) -> None:
        """Show it, or why there is none."""
        if isinstance(found, Notice):
            if self.overview.current[0] and "layer" in str(found.fields.get("name", "")):  # another model has fewer
                self.overview.current = (0, 0)
                self.look(self._text)
                return
            self._clear(sentence(found.fault, found.fields))
            return
        seen = found.seen
        is_new = self._found is None or self._found.seen.pieces != seen.pieces
        self._found = found
        self.note.hide()
        self.overview.set_maps(seen.heads, seen.side, seen.overview)
        if is_new:
            self.view.set_tokens(range(len(seen.pieces)), seen.pieces, frozenset())
            self.view.current = len(seen.pieces) - 1
            self.heat.set_row(len(seen.pieces) - 1)
        self._enable(True)
        self._show()

    def _clear(self, words: str) -> None:
        self._found = None
        self.note.setText(words)
        self.note.show()
        self.overview.clear()
        self.heat.set_values(None)
        self.view.set_tokens((), (), frozenset())
        self.status.set_words("")
        self.where.setText("")
        self._enable(False)

    def _enable(self, is_there: bool) -> None:
        for button in (self.csv, self.png, self.what):
            button.setEnabled(is_there)

    def values(self) -> "Matrix | None":
        """What is shown large."""
        found = self._found
        if found is None or not found.maps:
            return None
        match self.what.value:
            case "layer":
                total = matrix(found.maps[0])
                for each in found.maps[1:]:
                    total = total + matrix(each)
                return cast("Matrix", total / len(found.maps))
            case "all":
                return matrix(found.seen.average)
            case "rollout":
                return matrix(found.seen.rollout)
            case _:
                return matrix(found.maps[min(self.overview.current[1], len(found.maps) - 1)])

    def _show(self) -> None:
        layer, head = self.overview.current
        words = {
            "head": self.tr("layer {layer}, head {head}").format(layer=layer + 1, head=head + 1),
            "layer": self.tr("layer {layer}").format(layer=layer + 1),
        }
        self.where.setText(words.get(self.what.value, ""))
        self.heat.set_values(self.values())
        self._colour()

    def _on_head(self, layer: int, _head: int) -> None:
        if self._found is not None and layer != self._found.layer:
            self._inspect.attention(self._text, layer, self.take)
        if self.what.value in ("all", "rollout"):
            self.what.set_value("head")
        if self._found is not None and layer == self._found.layer:
            self._show()

    def _on_token(self, number: int) -> None:
        self.heat.set_row(number)
        self._colour()
        self.view.announce(self.status.words())

    def _on_pointed(self, row: int, column: int) -> None:
        if self._found is None or self.heat.values is None or row < 0:
            return
        if row != self.view.current:
            self.view.current = row
            self.view.show_current()
            self._colour()
        pieces = self._found.seen.pieces
        words = self.tr("{one} looks at {other}: {share}")
        share = f"{self.heat.values[row, column]:.4f}"
        self.status.set_words(words.format(one=sign(pieces[row]), other=sign(pieces[column]), share=share))

    def _colour(self) -> None:
        """The text by what the marked token looks at, and that in words."""
        values, row = self.heat.values, self.heat.row
        if self._found is None or values is None or not 0 <= row < len(values):
            self.view.set_grounds([])
            return
        self.view.set_grounds(shades([float(value) for value in values[row]]))
        pieces = self._found.seen.pieces
        best = sorted(range(len(pieces)), key=lambda place: -values[row, place])[:3]
        shown = ", ".join(f"{sign(pieces[place])} {values[row, place]:.3f}" for place in best)
        self.status.set_words(self.tr("{one} looks most at {others}").format(one=sign(pieces[row]), others=shown))

    def _export(self) -> None:
        if self._found is not None and self.heat.values is not None:
            values = [[float(value) for value in line] for line in self.heat.values]
            self.save_wanted.emit("attention.csv", map_as_csv(self._found.seen.pieces, values))

    def save_picture(self, path: Path) -> bool:
        """Write what is shown large as a picture; whether it could be written."""
        return bool(QImageWriter(str(path), QByteArray(b"PNG")).write(self.heat.image()))
