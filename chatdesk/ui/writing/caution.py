"""What is said once: a model's words are to be read with care."""

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout

from chatdesk.ui import theme
from chatdesk.ui.widgets.buttons import TextButton
from chatdesk.ui.widgets.labels import Label


class Caution(QFrame):
    """Signals: ``understood``."""

    understood = Signal()

    def __init__(self) -> None:
        super().__init__()
        words = self.tr("What a model writes can be wrong or biased. Check statements of fact, above all in news.")
        button = TextButton(self.tr("Understood"), kind="link")
        button.clicked.connect(self.understood)
        row = QHBoxLayout(self)
        row.setContentsMargins(theme.scaled(24), theme.scaled(8), theme.scaled(12), theme.scaled(8))
        row.addWidget(Label(words, kind="small", wrap=True), 1)
        row.addWidget(button)
