"""The settings of the open conversation: rows generated from `chatdesk.settings.options.CHAT`."""

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QVBoxLayout, QWidget

from chatdesk.settings.options import CHAT
from chatdesk.ui import shortcuts, theme
from chatdesk.ui.widgets.buttons import IconButton
from chatdesk.ui.widgets.frames import scrolled
from chatdesk.ui.widgets.labels import Label

if TYPE_CHECKING:
    from chatdesk.ui.widgets.option_rows import OptionRow
    from chatdesk.ui.widgets.presets import PresetButton


class SettingsPanel(QFrame):
    """One row for each option of a conversation, from `build` on.

    Signals: ``changed(name, value)``, ``None`` for "back to the default"; ``close_wanted``.
    Attributes: ``rows``, by the option's name.
    """

    changed = Signal(str, object)
    close_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("panel")
        self.rows: dict[str, OptionRow] = {}
        self._values: dict[str, object] = {}
        self._defaults: dict[str, object] = {}
        self._presets: PresetButton | None = None
        self._head = QHBoxLayout()
        self._head.addWidget(Label(self.tr("Settings of this chat"), kind="title"), 1)
        self.close_button = IconButton("close", self.tr("Close"), shortcuts.hint("panel", self.tr("Close")), 32, 16)
        self.close_button.clicked.connect(self.close_wanted)
        self._head.addWidget(self.close_button)
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(0)
        self._column.addLayout(self._head)
        self._column.addStretch()
        self._rows_column: QVBoxLayout | None = None
        self._dress()
        theme.watcher.changed.connect(self._dress)

    def build(self) -> None:
        """Make the rows, when they are to be seen for the first time."""
        if self._rows_column is not None:
            return
        from chatdesk.ui.widgets.option_rows import row_for

        content = QWidget()
        content.setObjectName("content")
        self._rows_column = QVBoxLayout(content)
        if self._presets is not None:
            self._rows_column.addWidget(self._presets)
        choices = {"overflow": {"drop": self.tr("Leave out the oldest"), "ask": self.tr("Stop and ask")}}
        for name, option in CHAT.items():
            row = row_for(option, names=choices.get(name), narrow=True)
            row.changed.connect(self.changed)
            self.rows[name] = row
            self._rows_column.addWidget(row)
        self._rows_column.addStretch()
        area = scrolled(content)
        area.setAccessibleName(self.tr("Settings of this chat"))
        self._column.takeAt(1)
        self._column.addWidget(area, 1)
        self._dress()
        self.set_values(self._values, self._defaults)

    def set_presets(self, button: "PresetButton") -> None:
        """The menu that stands above the rows."""
        self._presets = button
        if self._rows_column is not None:
            self._rows_column.insertWidget(0, button)
        button.show_values(self._values)

    def _dress(self) -> None:
        self._head.setContentsMargins(theme.scaled(19), theme.scaled(10), theme.scaled(12), theme.scaled(6))
        if self._rows_column is not None:
            self._rows_column.setContentsMargins(theme.scaled(19), theme.scaled(4), theme.scaled(19), theme.scaled(16))
            self._rows_column.setSpacing(theme.scaled(16))

    def set_values(self, values: dict[str, object], defaults: dict[str, object]) -> None:
        """Show what is set, and the defaults for the rest."""
        self._values, self._defaults = values, defaults
        for name, row in self.rows.items():
            row.show_value(values.get(name), defaults.get(name, CHAT[name].default))
        if self._presets is not None:
            self._presets.show_values(values)
