"""A message that is being edited, in its place: a text box with Save and Cancel.

Long texts stay quick: only the lines that are seen are laid out, and a line without spaces breaks anywhere. The files
of the message stand above the text and can be taken away; Cancel brings them back.

Non-goals: adding files to a sent message; Markdown is edited as it is written.
"""

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtGui import QInputMethodEvent, QKeyEvent
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from chatdesk.tasks.attachments import safe_name
from chatdesk.ui import theme
from chatdesk.ui.chat.rows import Edited
from chatdesk.ui.chat.views import RowView
from chatdesk.ui.widgets.chips import Chips
from chatdesk.ui.widgets.raw_text import TextField, raw_text

_SHORT = 4_000  # characters up to which the box is as high as the text; above, as high as it may be
_LEAST_LINES = 2
_ENTER = (Qt.Key.Key_Return, Qt.Key.Key_Enter)


class _Text(TextField):
    """Signals: ``accepted``, Ctrl+Enter; ``left``, Esc. Both keys belong to the window outside of it."""

    accepted = Signal()
    left = Signal()

    def __init__(self, text: str, parent: QWidget) -> None:
        super().__init__(parent)
        self._composing = False
        self.setTabChangesFocus(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setPlainText(text)
        self.moveCursor(self.textCursor().MoveOperation.End)

    def wanted_height(self) -> int:
        """Pixels for all lines; of a long text, more than there are."""
        if self.document().characterCount() > _SHORT:
            return 1 << 20
        lines, block = 0.0, self.document().begin()
        while block.isValid():
            lines += self.blockBoundingRect(block).height()
            block = block.next()
        return round(lines) + theme.scaled(28)

    def _meant(self, event: QEvent) -> str:
        """What a key means here, that means something else to the window."""
        if not isinstance(event, QKeyEvent) or self._composing:
            return ""
        held = event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
        if event.key() in _ENTER and held == Qt.KeyboardModifier.ControlModifier:
            return "accept"
        return "leave" if event.key() == Qt.Key.Key_Escape and not held else ""

    def event(self, event: QEvent) -> bool:
        """Qt override: keep the two keys from the window's shortcuts."""
        if event.type() == QEvent.Type.ShortcutOverride and self._meant(event):
            event.accept()
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Qt override."""
        meant = self._meant(event)
        if meant and not event.isAutoRepeat():
            (self.accepted if meant == "accept" else self.left).emit()
        elif not meant:
            super().keyPressEvent(event)

    def inputMethodEvent(self, event: QInputMethodEvent) -> None:
        """Qt override: know whether a word is being composed."""
        self._composing = bool(event.preeditString())
        super().inputMethodEvent(event)


class EditBox(RowView):
    """The text of a message, to be changed, and its files. ``asks``: the person's own message, which is asked again.

    Signals: ``saved(text, files)``, not for blank texts without files; ``cancelled``; ``typed``;
    ``file_opened(attachment)``.
    """

    saved = Signal(str, object)
    typed = Signal()
    cancelled = Signal()
    file_opened = Signal(object)

    def __init__(self, edited: Edited, asks: bool, parent: QWidget) -> None:
        super().__init__(parent)
        text = self._given = edited.text
        self.files = edited.files
        self._chips = Chips(self, is_removable=True)
        self._chips.opened.connect(lambda number: self.file_opened.emit(self.files[number]))
        self._chips.removed.connect(self._on_file_removed)
        self._chips.left.connect(self.focus)
        self._busy = False
        self._height = 0
        self._text = _Text(text, self)
        self._first = self._shown()
        self._text.setAccessibleName(self.tr("Edit the message") if asks else self.tr("Edit the reply"))
        self._save = QPushButton(self.tr("Save and ask") if asks else self.tr("Save"), self)
        self._save.setProperty("kind", "primary")
        self._save.setToolTip(self.tr("The version before stays; ‹ brings it back. (Ctrl+Enter)"))
        self._cancel = QPushButton(self.tr("Cancel"), self)
        self._cancel.setToolTip(self.tr("Leave the message as it was (Esc)"))
        column = self._column = QVBoxLayout(self)
        row = self._row = QHBoxLayout()
        row.addStretch(1)
        row.addWidget(self._cancel)
        row.addWidget(self._save)
        column.addWidget(self._chips)
        column.addWidget(self._text)
        column.addLayout(row)
        self._save.clicked.connect(self._on_saved)
        self._text.accepted.connect(self._on_saved)
        self._cancel.clicked.connect(self.cancelled)
        self._text.left.connect(self.cancelled)
        self._text.textChanged.connect(self._on_text_changed)
        self._text.textChanged.connect(self.typed)
        self.dress()
        self._show_files()

    def dress(self) -> bool:
        """Take font and sizes from the theme: who types goes on where he is."""
        self._column.setContentsMargins(0, 0, 0, theme.scaled(12))
        self._column.setSpacing(theme.scaled(8))
        self._row.setSpacing(theme.scaled(8))
        self._text.setFont(theme.font("text"))
        return True

    def text(self) -> str:
        """The text as it stands here, to the letter."""
        shown = self._shown()
        return self._given if shown == self._first else shown

    def _shown(self) -> str:
        return raw_text(self._text.document())

    def set_busy(self, busy: bool) -> None:
        """While a reply is written nothing can be saved."""
        self._busy = busy
        self._on_text_changed()

    def focus(self) -> None:
        """Ready to type."""
        self._text.setFocus(Qt.FocusReason.OtherFocusReason)

    def _on_saved(self) -> None:
        if self._save.isEnabled():
            self.saved.emit(self.text(), self.files)

    def _on_file_removed(self, number: int) -> None:
        self.files = (*self.files[:number], *self.files[number + 1 :])
        self._show_files()
        self.resized.emit()

    def _show_files(self) -> None:
        self._chips.set_files([safe_name(file.name) for file in self.files], [None] * len(self.files))
        self._chips.setVisible(bool(self.files))
        self._on_text_changed()

    def _on_text_changed(self) -> None:
        document = self._text.document()
        blank = document.characterCount() < _SHORT and not document.toRawText().strip()
        self._save.setEnabled(not self._busy and (not blank or bool(self.files)))
        if self._height and self._text_height() != self._text.height():
            self.resized.emit()

    def _text_height(self) -> int:
        least = _LEAST_LINES * theme.scaled(21) + theme.scaled(28)
        return max(least, min(self._text.wanted_height(), self._most()))

    def _most(self) -> int:
        """Half of what can be seen of the conversation."""
        parent = self.parentWidget()
        return (parent.height() if parent else 0) // 2

    def stops(self) -> list[QWidget]:
        """The files, the text, then the buttons as they stand."""
        return [*self._chips.stops(), self._text, self._cancel, self._save]

    def fit(self, width: int) -> int:
        """As high as the files and the text, which is up to half of what can be seen."""
        self.resize(width, max(self._height, theme.scaled(120)))
        self._text.resize(width, self._text.height())
        self._text.setFixedHeight(self._text_height())
        self._chips.setFixedHeight(self._chips.fit(width))
        layout = self.layout()
        self._height = layout.sizeHint().height() if layout else 0
        return self._height
