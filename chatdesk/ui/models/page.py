"""The page of the models."""

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QVBoxLayout, QWidget

from chatdesk.tasks.changes import ModelChanged
from chatdesk.ui import theme
from chatdesk.ui.models.local import LocalModels
from chatdesk.ui.widgets.buttons import IconButton
from chatdesk.ui.widgets.labels import Label

if TYPE_CHECKING:
    from chatdesk.tasks.models import Models


class ModelsPage(QWidget):
    """Signals: ``back_wanted``. Attributes: ``back_button``, for windows without a rail; ``local``."""

    back_wanted = Signal()

    def __init__(self, models: "Models") -> None:
        super().__init__()
        self.setObjectName("page")
        self.back_button = IconButton("chevron-left", self.tr("Back to the chat"))
        self.back_button.clicked.connect(self.back_wanted)
        self.local = LocalModels(models)
        header = QFrame()
        header.setObjectName("header")
        header.setFixedHeight(theme.scaled(56))
        row = QHBoxLayout(header)
        row.setContentsMargins(theme.scaled(16), 0, theme.scaled(16), 0)
        row.addWidget(self.back_button)
        row.addWidget(Label(self.tr("Models"), kind="title"), 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(header)
        column.addWidget(self.local, 1)

    def enter(self) -> None:
        """The page is shown."""
        self.local.enter()

    def find_here(self) -> None:
        """Go to the line that narrows the list."""
        self.local.filter.setFocus()
        self.local.filter.selectAll()

    def show_state(self, state: ModelChanged) -> None:
        """Follow the model that is loaded."""
        self.local.show_state(state)
