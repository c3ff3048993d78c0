"""The line above the composer after messages were deleted: one button brings them back."""

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QWidget

from chatdesk.ui import theme


class UndoBar(QWidget):
    """Hidden until there is something to bring back. Signals: ``undo_wanted``."""

    undo_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        words = QLabel(self.tr("The messages are in the trash."))
        words.setTextFormat(Qt.TextFormat.PlainText)
        words.setProperty("kind", "small")
        self.button = QPushButton(self.tr("Undo"))
        self.button.setProperty("kind", "link")
        self.button.clicked.connect(self.undo_wanted)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, theme.scaled(8))
        row.addStretch(1)
        row.addWidget(words)
        row.addWidget(self.button)
        row.addStretch(1)
        self.hide()
