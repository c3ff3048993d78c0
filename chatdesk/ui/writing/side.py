"""The right side of the desk: guidance in one tab, alternatives and the drawer in the other."""

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QScrollArea, QStackedWidget, QVBoxLayout, QWidget

from chatdesk.settings.options import WRITING
from chatdesk.ui import theme
from chatdesk.ui.widgets.buttons import IconButton, Tabs, TextButton
from chatdesk.ui.widgets.frames import scrolled
from chatdesk.ui.writing.cards import Cards

if TYPE_CHECKING:
    from chatdesk.ui.widgets.option_rows import OptionRow
    from chatdesk.ui.widgets.presets import PresetButton


class Side(QFrame):
    """Signals: ``changed(name, value)``; ``close_wanted``. Attributes: ``rows``, by the option's name; ``cards``;
    ``guidance_tab`` and ``cards_tab``.
    """

    changed = Signal(str, object)
    close_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("panel")
        self.rows: dict[str, OptionRow] = {}
        self._presets: PresetButton | None = None
        self.cards = Cards()
        self._parts = QStackedWidget()
        self._parts.addWidget(self._make_guidance())
        self._parts.addWidget(self.cards)
        self.guidance_tab = TextButton(self.tr("Guidance"))
        self.cards_tab = TextButton(self.tr("Alternatives"))
        close = IconButton("close", self.tr("Close"), "", 32, 16)
        close.clicked.connect(self.close_wanted)
        head = QHBoxLayout()
        head.setContentsMargins(theme.scaled(19), theme.scaled(10), theme.scaled(12), theme.scaled(10))
        head.setSpacing(theme.scaled(4))
        group = Tabs(self)
        for place, tab in enumerate((self.guidance_tab, self.cards_tab)):
            tab.clicked.connect(lambda _=False, p=place: self._parts.setCurrentIndex(p))
            group.add(tab)
            head.addWidget(tab)
        self.guidance_tab.setChecked(True)
        head.addStretch()
        head.addWidget(close)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addLayout(head)
        column.addWidget(self._parts, 1)

    def _make_guidance(self) -> QScrollArea:
        from chatdesk.ui.widgets.option_rows import row_for

        content = QWidget()
        content.setObjectName("content")
        rows = self._rows_column = QVBoxLayout(content)
        rows.setContentsMargins(theme.scaled(19), theme.scaled(4), theme.scaled(19), theme.scaled(16))
        rows.setSpacing(theme.scaled(16))
        for name, option in WRITING.items():
            row = row_for(option, narrow=True)
            row.changed.connect(self.changed)
            self.rows[name] = row
            rows.addWidget(row)
        rows.addStretch()
        area = scrolled(content)
        area.setAccessibleName(self.tr("Guidance"))
        return area

    def set_presets(self, button: "PresetButton") -> None:
        """Offer presets above the rows."""
        self._presets = button
        self._rows_column.insertWidget(0, button)

    def show_cards(self) -> None:
        """Turn to the alternatives."""
        self.cards_tab.setChecked(True)
        self._parts.setCurrentWidget(self.cards)

    def set_values(self, values: dict[str, object], defaults: dict[str, object]) -> None:
        """Show what is set, and the defaults for the rest."""
        if self._presets is not None:
            self._presets.show_values(values)
        for name, row in self.rows.items():
            row.show_value(values.get(name), defaults.get(name, WRITING[name].default))
