"""The part of the model menu that puts an adapter on the loaded model, or takes it off."""

from functools import partial

from PySide6.QtCore import Signal
from PySide6.QtGui import QActionGroup
from PySide6.QtWidgets import QMenu

from chatdesk.tasks import adapters
from chatdesk.tasks.changes import ModelChanged
from chatdesk.ui import theme
from chatdesk.ui.widgets.labels import tip


class AdapterMenu(QMenu):
    """The adapters that the loaded model had before. Signals: ``chosen(path)``, empty is none; ``folder_wanted``."""

    chosen = Signal(str)
    folder_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setToolTipsVisible(True)
        self._group = QActionGroup(self)

    def show_state(self, state: ModelChanged) -> str:
        """Offer what this model had; the words for what it has now."""
        self.clear()
        for path in ("", *state.adapters):
            action = self.addAction(adapters.name(path).replace("&", "&&") if path else self.tr("None"))
            action.setCheckable(True)
            action.setChecked(path == state.adapter)
            action.setToolTip(tip(path) if path else "")
            action.triggered.connect(partial(self._choose, path))
            self._group.addAction(action)
        self.addSeparator()
        self.addAction(theme.icon("folder", size=16), self.tr("Open an adapter folder…"), self.folder_wanted.emit)
        return adapters.name(state.adapter) if state.adapter else self.tr("none")

    def _choose(self, path: str, _checked: bool = True) -> None:
        self.chosen.emit(path)
