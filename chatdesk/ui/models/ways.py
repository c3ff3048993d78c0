"""The ways to load a checkpoint as a table, best first, each with a button."""

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QGridLayout, QWidget

from chatdesk.library.figures import short_bytes
from chatdesk.ui import theme
from chatdesk.ui.models import words
from chatdesk.ui.widgets.buttons import TextButton
from chatdesk.ui.widgets.labels import Label, tip

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chatdesk.library.fit import Plan


class WaysTable(QWidget):
    """Signals: ``chosen(plan)``. Attributes: ``buttons``, one for each way."""

    chosen = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.buttons: list[TextButton] = []
        self._shown: Sequence[Plan] | None = None
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(theme.scaled(10))
        self._grid.setVerticalSpacing(theme.scaled(8))

    def show_plans(self, plans: "Sequence[Plan]") -> None:
        """Show these; the same ones keep the focus where it is."""
        if plans == self._shown:
            return
        self._shown = plans
        self.buttons = []
        while (item := self._grid.takeAt(0)) is not None:
            if (old := item.widget()) is not None:
                old.hide()
                old.deleteLater()
        self._has_shared = any(words.is_shared(plan) for plan in plans)
        layers = [self.tr("Layers")] if self._has_shared else []
        heads = [self.tr("Device"), self.tr("Precision"), *layers, self.tr("Context"), self.tr("Memory")]
        for column, head in enumerate(heads):
            self._grid.addWidget(Label(head, kind="small"), 0, column)
        for number, plan in enumerate(plans):
            self._add(2 * number + 1, plan)
        self._grid.setColumnStretch(len(heads), 1)

    def _add(self, row: int, plan: "Plan") -> None:
        device, precision, context = words.where(plan), words.precision(plan.precision), words.tokens(plan.context)
        layers = [f"{plan.gpu_layers} + {plan.layers - plan.gpu_layers}"] if self._has_shared else []
        memory = self.tr("{needed} of {free}").format(
            needed=short_bytes(plan.needed), free=short_bytes(plan.place.free)
        )
        parts = self.tr("weights {weights}, keys and values {cache}, room to compute {work}").format(
            weights=short_bytes(plan.weight_bytes),
            cache=short_bytes(plan.cache_bytes),
            work=short_bytes(plan.work_bytes),
        )
        if plan.place.taken:
            parts += self.tr(", the model that guesses ahead {size}").format(size=short_bytes(plan.place.taken))
        cells = [device, precision, *layers, context, memory]
        for column, text in enumerate(cells):
            cell = Label(text)
            cell.setToolTip(tip(parts if text == memory else plan.place.name))
            self._grid.addWidget(cell, row, column)
        loud = words.loud(plan)
        load = TextButton(self.tr("Load"), kind="link")
        name = self.tr("Load on {device} in {precision}, context {context}").format(
            device=device, precision=precision, context=context
        )
        load.setAccessibleName(f"{name}\n{loud}".rstrip())
        load.setToolTip(load.accessibleName())
        load.clicked.connect(lambda: self.chosen.emit(plan))
        self._grid.addWidget(load, row, len(cells), Qt.AlignmentFlag.AlignLeft)
        if loud:
            note = Label(loud, kind=words.loudness(plan), wrap=True)
            note.setMinimumWidth(1)  # it must not widen the columns
            self._grid.addWidget(note, row + 1, 1, 1, len(cells))
        self.buttons.append(load)
