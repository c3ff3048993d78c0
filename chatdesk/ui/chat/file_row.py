"""The files of a message as a row of the transcript."""

from collections.abc import Sequence
from functools import partial

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QWidget
from shiboken6 import isValid

from chatdesk.storage.records import Attachment
from chatdesk.tasks.attachments import safe_name
from chatdesk.ui.chat.views import RowView
from chatdesk.ui.widgets.chips import Chips


class FileRow(RowView):
    """Plates, on the side where the words of the message stand. Signals: ``opened(attachment)``, show it.

    Attributes: ``files``; ``tellers``, for each of them what is to hear how many tokens it has.
    """

    opened = Signal(object)

    def __init__(self, files: Sequence[Attachment], at_right: bool, parent: QWidget) -> None:
        super().__init__(parent)
        self.files, self._at_right = files, at_right
        self.tellers = [partial(self._show_tokens, number) for number in range(len(files))]
        self._chips = Chips(self, at_right=at_right)
        self._chips.set_files([safe_name(file.name) for file in files], [None] * len(files))
        self._chips.opened.connect(lambda number: self.opened.emit(files[number]))

    def _show_tokens(self, number: int, tokens: int) -> None:
        if isValid(self) and self._chips.chips[number].tokens != tokens:  # it may be far away by then
            self._chips.chips[number].set_tokens(tokens)
            self.resized.emit()

    def stops(self) -> list[QWidget]:
        """The plates, from the first to the last."""
        return self._chips.stops()

    def fit(self, width: int) -> int:
        """As many lines as they need; at the right no wider than words there."""
        room = width * 4 // 5 if self._at_right else width
        self._chips.move(width - room, 0)
        return self._chips.fit(room)
