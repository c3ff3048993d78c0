"""What the model made of a selection, under the text: taken whole, by piece, or not at all."""

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QVBoxLayout

from chatdesk.tasks.diffing import Piece
from chatdesk.tasks.writing_changes import Reworked
from chatdesk.ui import theme
from chatdesk.ui.widgets.buttons import TextButton
from chatdesk.ui.widgets.labels import ElidedLabel, Label
from chatdesk.ui.writing.diff_view import DiffView


class Review(QFrame):
    """Signals: ``taken``, with the pieces to put in place, each with the id of its generation; ``left``."""

    taken = Signal(list)
    left = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("review")
        self._found: Reworked | None = None
        self.title = Label(kind="section")
        self.hint = ElidedLabel(kind="small")
        self.hint.set_words(self.tr("← → go from change to change, the space bar takes or leaves one."))
        self.view = DiffView(self.tr("Changes"), can_choose=True)
        self.take_button = TextButton(self.tr("Take"), kind="primary")
        self.take_button.clicked.connect(self.take)
        self.leave_button = TextButton(self.tr("Leave it"))
        self.leave_button.clicked.connect(self.left)
        self.none_button = TextButton(self.tr("Leave all changes"), kind="link")
        self.none_button.clicked.connect(self._on_all_wanted)
        self.view.changed.connect(self._name_button)
        foot = QHBoxLayout()
        foot.setSpacing(theme.scaled(8))
        foot.addWidget(self.hint, 1)
        foot.addWidget(self.none_button)
        foot.addWidget(self.leave_button)
        foot.addWidget(self.take_button)
        column = QVBoxLayout(self)
        margin = theme.scaled(16)
        column.setContentsMargins(theme.scaled(24), margin, theme.scaled(24), margin)
        column.setSpacing(theme.scaled(8))
        column.addWidget(self.title)
        column.addWidget(self.view, 1)
        column.addLayout(foot)
        self.hide()

    def show_changes(self, found: Reworked) -> None:
        """Offer what came."""
        self._found = found
        words = found.name
        if found.is_few_shot:
            words += " · " + self.tr("by a base model, from examples")
        if found.is_cut:
            words += " · " + self.tr("cut off: there was no room for the whole answer")
        self.title.setText(words)
        self.view.show_pieces(found.pieces)
        if found.is_cut and self.view.accepted:
            self.view.toggle(max(self.view.accepted))  # the last change leaves out what the answer does not reach
        self._name_button()
        self.show()
        self.view.setFocus()

    def take(self) -> None:
        """Take the chosen changes."""
        if self._found is None:
            return
        taken, all_pieces = self.view.accepted, enumerate(self._found.pieces)
        parts = [piece if number in taken else Piece(piece.old, piece.old) for number, piece in all_pieces]
        self.taken.emit([(part, self._found.generation) for part in parts])

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Enter takes, Esc leaves."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.take()
        elif event.key() == Qt.Key.Key_Escape:
            self.left.emit()
        else:
            super().keyPressEvent(event)

    def _on_all_wanted(self) -> None:
        self.view.choose_all(not self.view.accepted)

    def _name_button(self) -> None:
        changes = sum(map(_is_change, self.view.pieces))
        count = len(self.view.accepted)
        whole = self.tr("Take all changes") if count == changes else self.tr("Take {count}").format(count=count)
        self.take_button.set_words(whole if changes else self.tr("Nothing has changed"))
        self.take_button.setEnabled(bool(count))
        self.none_button.set_words(self.tr("Leave all changes") if count else self.tr("Choose all changes"))


def _is_change(piece: Piece) -> bool:
    return piece.is_change
