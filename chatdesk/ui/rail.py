"""The rail: the pages there are."""

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QBoxLayout, QFrame

from chatdesk.ui import shortcuts, theme
from chatdesk.ui.widgets.buttons import IconButton

RAIL_PX = 56
_PAGES = {
    "chat": "chat",
    "write": "pencil",
    "inspect": "lens",
    "classify": "labels",
    "models": "cube",
    "lab": "flask",
    "settings": "settings",
}
_KEYS = {"models": "models_page"}  # "models" is the menu's


class Rail(QFrame):
    """The pages there are: settings below, the others above. Signals: ``chosen(page)``."""

    chosen = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("rail")
        self.buttons: dict[str, IconButton] = {}
        for name, icon in _PAGES.items():
            key = _KEYS.get(name, name)
            button = IconButton(icon, shortcuts.title(key), shortcuts.hint(key), checkable=True)
            button.clicked.connect(lambda _=False, n=name: self.chosen.emit(n))
            self.buttons[name] = button
        self._row = QBoxLayout(QBoxLayout.Direction.TopToBottom, self)
        for name, button in self.buttons.items():
            if name == "settings":
                self._row.addStretch()
            self._row.addWidget(button)
        self.set_flat(False)

    def set_flat(self, flat: bool) -> None:
        """Lie at the bottom of the list, or stand at the left edge."""
        direction = QBoxLayout.Direction
        self._row.setDirection(direction.LeftToRight if flat else direction.TopToBottom)
        side, end = theme.scaled(10), theme.scaled(8 if flat else 14)
        self._row.setContentsMargins(side, end, side, end)
        self.setMinimumWidth(0)
        self.setMaximumWidth(16_777_215)
        if not flat:
            self.setFixedWidth(theme.scaled(RAIL_PX))

    def mark(self, page: str) -> None:
        """Show which page is open."""
        for name, button in self.buttons.items():
            button.setChecked(name == page)
