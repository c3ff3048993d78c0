"""A file that goes or went with a message: its text, to be read, copied and saved.

It is text of strangers: shown as plain text, control characters as signs; copied and saved to the letter.
"""

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QFontMetrics, QGuiApplication
from PySide6.QtWidgets import QWidget

from chatdesk.storage.records import Attachment
from chatdesk.tasks.attachments import safe_name
from chatdesk.tasks.changes import Notice
from chatdesk.ui import theme
from chatdesk.ui.errors import sentence
from chatdesk.ui.widgets.buttons import TextButton
from chatdesk.ui.widgets.dialog import Dialog
from chatdesk.ui.widgets.inert import inert
from chatdesk.ui.widgets.labels import ElidedLabel
from chatdesk.ui.widgets.long_text import LongText
from chatdesk.ui.widgets.room import fitting
from chatdesk.ui.wording import grouped

_HEADING_PX = 640


class FileDialog(Dialog):
    """Signals: ``save_wanted``: ask where, write it, and tell `saved`.

    Attributes: ``text``, the view; ``status``, what was done last; ``copy`` and ``save``, the buttons.
    """

    save_wanted = Signal()

    def __init__(self, parent: QWidget, file: Attachment) -> None:
        name = safe_name(file.name)
        heading = QFontMetrics(theme.font("title")).elidedText(
            name, Qt.TextElideMode.ElideMiddle, theme.scaled(_HEADING_PX)
        )
        super().__init__(parent, heading, "")
        self.setWindowTitle(name)
        self.resize(fitting(self, 760, 600))
        self._file = file
        self.text, self.status = LongText(self.tr("Text of the file")), ElidedLabel(kind="soft")
        self.copy, self.save = TextButton(self.tr("Copy text")), TextButton(self.tr("Save as…"))
        self.body.addWidget(self.text, 1)
        self.buttons.insertWidget(0, self.status, 1)
        for place, button in enumerate((self.copy, self.save), start=2):
            self.buttons.insertWidget(place, button)
        self.copy.clicked.connect(self._on_copy_clicked)
        self.save.clicked.connect(self.save_wanted)
        self.show_tokens(None)
        self.text.set_runs([(False, inert(file.text))])
        self.text.setFocus()

    def show_tokens(self, tokens: int | None) -> None:
        """Say how large the file is; ``tokens`` are known later, or never without a model."""
        lines = self._file.text.count("\n") + (not self._file.text.endswith("\n"))
        facts = [
            (lines, self.tr("1 line"), self.tr("{count} lines")),
            (len(self._file.text), self.tr("1 character"), self.tr("{count} characters")),
            (tokens, self.tr("1 token"), self.tr("{count} tokens")),
        ]
        said = (one if n == 1 else many.format(count=grouped(n)) for n, one, many in facts if n is not None)
        self.words.setText(" · ".join(said))

    def saved(self, notice: Notice | None) -> None:
        """It is written, or why not."""
        self.status.set_words(sentence(notice.fault, notice.fields) if notice else self.tr("Saved."))

    def _on_copy_clicked(self) -> None:
        QGuiApplication.clipboard().setText(self._file.text)
        self.status.set_words(self.tr("Copied."))
