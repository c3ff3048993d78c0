"""The line above the composer: messages were deleted, a branch begun, a file taken away; one button takes it back."""

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QWidget

from chatdesk.tasks.changes import Undoable
from chatdesk.ui import shortcuts, theme
from chatdesk.ui.widgets.buttons import TextButton
from chatdesk.ui.widgets.labels import Label


class UndoBar(QWidget):
    """Hidden until there is something to take back. Signals: ``undo_wanted``."""

    undo_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._words = Label(kind="small")
        self.button = TextButton(self.tr("Undo"), kind="link")
        self.button.setToolTip(shortcuts.hint("undo_delete", self.tr("Undo")))
        self.button.clicked.connect(self.undo_wanted)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, theme.scaled(8))
        row.addStretch(1)
        row.addWidget(self._words)
        row.addWidget(self.button)
        row.addStretch(1)
        self.hide()

    def show_undo(self, what: Undoable) -> None:
        """Say what can be taken back; a deleted conversation is the list's."""
        words = {
            "messages": self.tr("The messages are in the trash."),
            "edit": self.tr("The message was edited; the old one is kept."),
            "file": self.tr("The file was taken away."),
            "branch": self.tr("A new branch begins here; the old one is kept."),
        }
        self._words.setText(words.get(what, ""))
        self.setVisible(what in words)
