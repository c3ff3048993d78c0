"""The composer: where a message is typed.

It never clears itself: the page does, when the words are safe on disk. A very long paste would stall the editor, so it
stands in the text as a small plate with its size; `Composer.text` has it whole. Files that are to go with the text
stand above it; what they hold and who reads them is the tasks' affair.

Non-goals: sent messages, which are edited where they stand: `chatdesk.ui.chat.editing`.
"""

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QMimeData, QSize, Qt, Signal
from PySide6.QtGui import (
    QAccessible,
    QAccessibleAnnouncementEvent,
    QColor,
    QDragEnterEvent,
    QFocusEvent,
    QInputMethodEvent,
    QKeyEvent,
    QPainter,
    QPaintEvent,
    QPalette,
    QPen,
    QResizeEvent,
    QTextCharFormat,
    QTextOption,
)
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QScrollArea, QTextEdit, QToolButton, QVBoxLayout, QWidget

from chatdesk.ui import shortcuts, theme
from chatdesk.ui.chat.column import column
from chatdesk.ui.chat.plates import Plates
from chatdesk.ui.dropping import local_files
from chatdesk.ui.widgets.buttons import IconButton
from chatdesk.ui.widgets.chips import Chips
from chatdesk.ui.widgets.labels import Label
from chatdesk.ui.widgets.raw_text import with_text

PASTE_LIMIT = 20_000  # characters of one paste that are shown as text
_WORD_LIMIT = 1_000  # characters without a space from which on lines break anywhere: the other way is quadratic
_TEXT_LIMIT = 5 * PASTE_LIMIT  # characters that are shown as text in all
_IN_PX = 8
_FILES_PX = 116  # three lines of files, and a bit of the fourth
_MOST_PROBLEMS = 3  # sentences about files
_MOST = 0.4  # of the window's height


class Editor(QTextEdit):
    """A plain text editor that is as high as its text.

    Signals: ``entered``, Enter that sends; ``left_upwards``, ↑ where nothing is typed; ``height_changed``;
    ``focus_changed(has_focus)``; ``files_given(paths)``, pasted ones.
    """

    entered = Signal()
    left_upwards = Signal()
    height_changed = Signal()
    focus_changed = Signal(bool)
    files_given = Signal(list)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.enter_sends = True
        self._composing = False
        self._plates = Plates(self)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setAcceptRichText(False)
        self.setTabChangesFocus(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.document().setDocumentMargin(0)
        self.document().documentLayout().documentSizeChanged.connect(lambda _size: self.height_changed.emit())
        self.viewport().setAutoFillBackground(False)
        self.setStyleSheet("QTextEdit { background: transparent; border: none; padding: 0; }")
        self.dress()

    def dress(self) -> None:
        """Take fonts and colours from the theme."""
        self.setFont(theme.font("text"))
        self.document().setDefaultFont(theme.font("text"))
        palette = self.palette()
        palette.setColor(QPalette.ColorRole.PlaceholderText, QColor(theme.current().faint))
        self.setPalette(palette)
        self._plates.dress()

    # -- text --------------------------------------------------------------------------------------------------------

    def text(self) -> str:
        """The text, with everything that only stands in it as a plate."""
        return self._plates.text()

    def set_text(self, text: str) -> None:
        """Put another text in the place of all."""
        self.clear()
        self.setWordWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
        self._plates.clear()
        self.insert(text)

    def insert(self, text: str) -> None:
        """Put a text where the cursor is; a very long one as a plate."""
        cursor = self.textCursor()
        if len(text) > PASTE_LIMIT or self.document().characterCount() + len(text) > _TEXT_LIMIT:
            self._plates.insert(cursor, text)
        else:
            if max(map(len, text.split()), default=0) > _WORD_LIMIT:
                self.setWordWrapMode(QTextOption.WrapMode.WrapAnywhere)
            cursor.insertText(text, QTextCharFormat())
        self.setTextCursor(cursor)
        self.ensureCursorVisible()

    # -- Qt ----------------------------------------------------------------------------------------------------------

    def insertFromMimeData(self, source: QMimeData) -> None:
        """Qt override: plain text, or files."""
        if files := local_files(source):
            self.files_given.emit(files)
        elif source.hasText():
            self.insert(source.text().replace("\r\n", "\n").replace("\r", "\n"))

    def createMimeDataFromSelection(self) -> QMimeData:
        """Qt override: what is copied or cut comes back to the letter, and with all that a plate stands for."""
        return with_text(super().createMimeDataFromSelection(), self._plates.selected())

    def canInsertFromMimeData(self, source: QMimeData) -> bool:
        """Qt override: plain text, or files."""
        return source.hasText() or bool(local_files(source))

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Qt override: a file or folder that is dropped here is for the window."""
        if local_files(event.mimeData()):
            event.ignore()
        else:
            super().dragEnterEvent(event)

    def inputMethodEvent(self, event: QInputMethodEvent) -> None:
        """Qt override: know whether a word is being composed."""
        self._composing = bool(event.preeditString())
        super().inputMethodEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Qt override: Enter sends or begins a line; never sends while a word is being composed."""
        if event.key() not in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            held = event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
            if event.key() == Qt.Key.Key_Up and not held and not self._composing and self.document().isEmpty():
                self.left_upwards.emit()
            else:
                super().keyPressEvent(event)
            return
        if self._composing:  # Enter means the word that is being composed
            return
        held = event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
        shift = held == Qt.KeyboardModifier.ShiftModifier
        if held and not shift:
            event.ignore()
        elif shift == self.enter_sends:
            self.textCursor().insertBlock()
            self.ensureCursorVisible()
        elif not event.isAutoRepeat():
            self.entered.emit()

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Qt override."""
        super().focusInEvent(event)
        self.focus_changed.emit(True)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Qt override."""
        super().focusOutEvent(event)
        self._composing = False
        self.focus_changed.emit(False)


class _Box(QFrame):
    """The rounded frame; with the focus inside, its ring is in the accent colour."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.focused = False

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        colors = theme.current()
        width = 2 if self.focused else 1
        painter.setPen(QPen(QColor(colors.accent if self.focused else colors.line), width))
        painter.setBrush(QColor(colors.background))
        edge = width / 2
        radius = theme.scaled(14)
        painter.drawRoundedRect(self.rect().toRectF().adjusted(edge, edge, -edge, -edge), radius, radius)


class _SendButton(QToolButton):
    """Send, and while a reply is written Stop."""

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        colors = theme.current()
        box = self.rect().toRectF().adjusted(1, 1, -1, -1)
        painter.setPen(QPen(QColor(colors.text), 2) if self.hasFocus() else Qt.PenStyle.NoPen)
        painter.setBrush(QColor(colors.accent))
        painter.setOpacity(0.85 if self.isDown() or self.underMouse() else 1.0)
        painter.drawRoundedRect(box, theme.scaled(10), theme.scaled(10))
        painter.setOpacity(1.0)
        size = self.iconSize()
        left, top = (self.width() - size.width()) // 2, (self.height() - size.height()) // 2
        self.icon().paint(painter, left, top, size.width(), size.height())


class _Files(QScrollArea):
    """The files above the text; more than three lines of them scroll."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.chips = Chips(is_removable=True)
        self.chips.setObjectName("content")
        self.setWidget(self.chips)
        self.chips.focused.connect(self.ensureWidgetVisible)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.hide()

    def fit(self, width: int) -> None:
        """As high as its lines, up to three; what is left of the fourth shows that there are more."""
        most = theme.scaled(_FILES_PX)
        height = self.chips.fit(width)
        if height > most:
            self.chips.fit(width - self.verticalScrollBar().sizeHint().width())
        self.setFixedHeight(min(height, most))


class Composer(QWidget):
    """The box at the foot of the page, in the column of the transcript.

    Signals: ``sent(text)``, not for blank texts without files and not while replying; ``stopped()``;
    ``text_changed()``; ``last_wanted()``: the last message is to be edited; ``files_wanted()``, the person is to be
    asked for files; ``files_given(paths)``, pasted ones; ``file_opened(number)``, it is to be shown;
    ``file_removed(number)``.
    """

    sent = Signal(str)
    stopped = Signal()
    text_changed = Signal()
    last_wanted = Signal()
    files_wanted = Signal()
    files_given = Signal(list)
    file_opened = Signal(int)
    file_removed = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._replying = False
        self._box = _Box(self)
        self._editor = Editor(self._box)
        self._meter = QLabel(self._box)
        self._meter.setTextFormat(Qt.TextFormat.PlainText)
        self._meter.setProperty("kind", "small")
        self._meter.hide()
        self._button = _SendButton(self._box)
        self._rows = QVBoxLayout(self._box)
        self._foot = QHBoxLayout()
        self._files = _Files(self._box)
        self._problems = Label(kind="danger", wrap=True)
        self._problems.hide()
        self._clip = IconButton("clip", shortcuts.title("attach"), shortcuts.hint("attach"), side=36, size=20)
        self._foot.addWidget(self._clip)
        self._foot.addStretch(1)
        self._foot.addWidget(self._meter)
        self._foot.addWidget(self._button)
        self._above = QVBoxLayout()
        for part in (self._files, self._problems, self._editor):
            self._above.addWidget(part)
        self._rows.addLayout(self._above)
        self._rows.addLayout(self._foot)
        self._editor.entered.connect(self._on_entered)
        self._editor.left_upwards.connect(self.last_wanted)
        self._editor.textChanged.connect(self.text_changed)
        self._editor.height_changed.connect(self._fit)
        self._editor.focus_changed.connect(self._on_focus_changed)
        self._editor.files_given.connect(self.files_given)
        self._button.clicked.connect(self._on_button_clicked)
        self._clip.clicked.connect(self.files_wanted)
        self._files.chips.opened.connect(self.file_opened)
        self._files.chips.removed.connect(self.file_removed)
        self._files.chips.left.connect(self.focus)
        self.setFocusProxy(self._editor)
        theme.watcher.changed.connect(self._on_theme_changed)
        self._dress()

    # -- text --------------------------------------------------------------------------------------------------------

    def text(self) -> str:
        """What has been typed and pasted, to the letter."""
        return self._editor.text()

    def set_text(self, text: str) -> None:
        """Another text, with the cursor at its end."""
        self._editor.set_text(text)

    def clear(self) -> None:
        """An empty composer."""
        self._editor.set_text("")

    def focus(self) -> None:
        """Ready to type."""
        self._editor.setFocus(Qt.FocusReason.OtherFocusReason)

    # -- files -------------------------------------------------------------------------------------------------------

    def set_files(self, names: Sequence[str], tokens: Sequence[int | None]) -> None:
        """The files that are to go with the text: their names, and how many tokens each has where that is known."""
        self._files.chips.set_files(names, tokens)
        self._files.setVisible(bool(names))
        self._fit()

    def set_problems(self, sentences: Sequence[str]) -> None:
        """Why some files are not there; none: nothing is wrong any more."""
        shown = list(sentences[:_MOST_PROBLEMS])
        if (more := len(sentences) - len(shown)) > 0:
            words = (
                self.tr("Another file was not attached.")
                if more == 1
                else self.tr("{count} more files were not attached.")
            )
            shown.append(words.format(count=more))
        self._problems.setText("\n".join(shown))
        self._problems.setVisible(bool(shown))
        if shown and QAccessible.isActive():
            QAccessible.updateAccessibility(QAccessibleAnnouncementEvent(self._problems, "\n".join(shown)))
        self._fit()

    def set_dropping(self, is_dropping: bool) -> None:
        """Files are held over the window: they can be dropped."""
        self._box.focused = is_dropping or self._editor.hasFocus()
        self._box.update()
        self._editor.setPlaceholderText(self.tr("Drop files to attach them") if is_dropping else self.tr("Message"))

    # -- state -------------------------------------------------------------------------------------------------------

    def set_enter_sends(self, sends: bool) -> None:
        """Whether Enter sends and Shift+Enter begins a line, or the other way round."""
        self._editor.enter_sends = sends

    def set_replying(self, replying: bool) -> None:
        """While a reply is written the button stops it."""
        self._replying = replying
        self._dress_button()

    def set_meter(self, text: str) -> None:
        """Figures beside the button; hidden when empty."""
        self._meter.setText(text)
        self._meter.setVisible(bool(text))

    # -- slots -------------------------------------------------------------------------------------------------------

    def _on_entered(self) -> None:
        text = self.text()
        if (text.strip() or self._files.chips.chips) and not self._replying:
            self.sent.emit(text)

    def _on_button_clicked(self) -> None:
        if self._replying:
            self.stopped.emit()
        else:
            self._on_entered()
        self.focus()

    def _on_focus_changed(self, focused: bool) -> None:
        self._box.focused = focused
        self._box.update()

    def _on_theme_changed(self) -> None:
        self._editor.dress()
        self._dress()

    # -- looks -------------------------------------------------------------------------------------------------------

    def _dress(self) -> None:
        scaled = theme.scaled
        self._editor.setPlaceholderText(self.tr("Message"))
        self._editor.setAccessibleName(self.tr("Message"))
        self._clip.setAccessibleName(shortcuts.title("attach"))
        self._clip.setToolTip(shortcuts.hint("attach"))
        self._meter.setToolTip(self.tr("Tokens of this conversation and what the model can see"))
        self._rows.setContentsMargins(scaled(_IN_PX), scaled(12), scaled(10), scaled(10))
        self._above.setContentsMargins(scaled(16 - _IN_PX), 0, 0, 0)  # the icon at the foot stands under the text then
        self._above.setSpacing(scaled(8))
        self._rows.setSpacing(scaled(4))
        self._foot.setSpacing(scaled(16))
        self._button.setFixedSize(scaled(36), scaled(36))
        self._button.setIconSize(QSize(scaled(18), scaled(18)))
        self._dress_button()
        self._fit()

    def _dress_button(self) -> None:
        name = self.tr("Stop") if self._replying else self.tr("Send")
        self._button.setIcon(theme.icon("stop" if self._replying else "send", "on_accent", 18))
        self._button.setAccessibleName(name)
        self._button.setToolTip(name)

    def _fit(self) -> None:
        """As high as the text, up to a part of the window."""
        left, width = column(self.width())
        line = theme.scaled(24)
        most = max(2 * line, int(self.window().height() * _MOST) - theme.scaled(64))
        wanted = max(line, round(self._editor.document().size().height()) + 2)
        self._editor.setFixedHeight(min(wanted, most))
        policy = Qt.ScrollBarPolicy
        self._editor.setVerticalScrollBarPolicy(
            policy.ScrollBarAsNeeded if wanted > most else policy.ScrollBarAlwaysOff
        )
        inner = width - theme.scaled(16) - theme.scaled(10)
        self._files.fit(inner)
        self._problems.setFixedHeight(max(0, self._problems.heightForWidth(inner)))
        self._above.invalidate()  # what a hidden part was high is remembered else
        height = self._rows.sizeHint().height()
        self._box.setGeometry(left, 0, width, height)
        self.setFixedHeight(height)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Qt override."""
        super().resizeEvent(event)
        self._fit()

    def changeEvent(self, event: QEvent) -> None:
        """Qt override: another language."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.LanguageChange:
            self._dress()
