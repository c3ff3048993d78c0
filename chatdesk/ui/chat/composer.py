"""The composer: where a message is typed.

It never clears itself: the page does, when the words are safe on disk. A very long paste would stall the editor, so it
stands in the text as a small plate with its size; `Composer.text` has it whole.

Non-goals: attachments. (Sent messages are edited where they stand: `chatdesk.ui.chat.editing`.)
"""

from PySide6.QtCore import QEvent, QMimeData, QSize, Qt, QUrl, Signal
from PySide6.QtGui import (
    QColor,
    QFocusEvent,
    QFontMetrics,
    QInputMethodEvent,
    QKeyEvent,
    QPainter,
    QPaintEvent,
    QPalette,
    QPen,
    QPixmap,
    QResizeEvent,
    QTextCharFormat,
    QTextCursor,
    QTextDocument,
    QTextImageFormat,
    QTextOption,
)
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QTextEdit, QToolButton, QVBoxLayout, QWidget

from chatdesk.ui import theme
from chatdesk.ui.chat.column import column

PASTE_LIMIT = 20_000  # characters of one paste that are shown as text
_WORD_LIMIT = 1_000  # characters without a space from which on lines break anywhere: the other way is quadratic
_TEXT_LIMIT = 5 * PASTE_LIMIT  # characters that are shown as text in all
_OBJECT = "\ufffc"
_MOST = 0.4  # of the window's height


class Editor(QTextEdit):
    """A plain text editor that is as high as its text.

    Signals: ``entered``, Enter that sends; ``left_upwards``, ↑ where nothing is typed; ``height_changed``;
    ``focus_changed(has_focus)``.
    """

    entered = Signal()
    left_upwards = Signal()
    height_changed = Signal()
    focus_changed = Signal(bool)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.enter_sends = True
        self._composing = False
        self._held: dict[str, str] = {}
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
        for name, text in self._held.items():
            self._draw_plate(name, text)

    # -- text --------------------------------------------------------------------------------------------------------

    def text(self) -> str:
        """The text, with everything that only stands in it as a plate."""
        shown = self.document().toRawText().replace("\u2029", "\n")  # toPlainText makes other spaces of some
        if not self._held or _OBJECT not in shown:
            return shown
        parts = []
        block = self.document().begin()
        while block.isValid():
            iterator = block.begin()
            while not iterator.atEnd():
                fragment = iterator.fragment()
                style = fragment.charFormat()
                name = style.toImageFormat().name() if style.isImageFormat() else ""
                held = self._held.get(name)
                parts.append(fragment.text() if held is None else held * fragment.length())
                iterator += 1
            block = block.next()
            if block.isValid():
                parts.append("\n")
        return "".join(parts)

    def set_text(self, text: str) -> None:
        """Put another text in the place of all."""
        self.clear()
        self.setWordWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
        self._held.clear()
        self.insert(text)

    def insert(self, text: str) -> None:
        """Put a text where the cursor is; a very long one as a plate."""
        cursor = self.textCursor()
        if len(text) > PASTE_LIMIT or self.document().characterCount() + len(text) > _TEXT_LIMIT:
            self._insert_plate(cursor, text)
        else:
            if max(map(len, text.split()), default=0) > _WORD_LIMIT:
                self.setWordWrapMode(QTextOption.WrapMode.WrapAnywhere)
            cursor.insertText(text, QTextCharFormat())
        self.setTextCursor(cursor)
        self.ensureCursorVisible()

    def _insert_plate(self, cursor: QTextCursor, text: str) -> None:
        name = f"held:{len(self._held)}"
        self._held[name] = text
        picture = self._draw_plate(name, text)
        form = QTextImageFormat()
        form.setName(name)
        form.setWidth(picture.deviceIndependentSize().width())
        form.setHeight(picture.deviceIndependentSize().height())
        form.setVerticalAlignment(QTextCharFormat.VerticalAlignment.AlignMiddle)
        cursor.insertImage(form)

    def _draw_plate(self, name: str, text: str) -> QPixmap:
        words = self.tr("Pasted text, {count} characters").format(count=f"{len(text):,}")
        font = theme.font("small")
        size = QSize(QFontMetrics(font).horizontalAdvance(words) + theme.scaled(20), theme.scaled(24))
        picture = QPixmap(size * self.devicePixelRatio())
        picture.setDevicePixelRatio(self.devicePixelRatio())
        picture.fill(Qt.GlobalColor.transparent)
        painter = QPainter(picture)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(font)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(theme.current().tint))
        painter.drawRoundedRect(0, 0, size.width(), size.height(), theme.scaled(6), theme.scaled(6))
        painter.setPen(QColor(theme.current().text))
        painter.drawText(0, 0, size.width(), size.height(), Qt.AlignmentFlag.AlignCenter, words)
        painter.end()
        self.document().addResource(QTextDocument.ResourceType.ImageResource, QUrl(name), picture)
        return picture

    # -- Qt ----------------------------------------------------------------------------------------------------------

    def insertFromMimeData(self, source: QMimeData) -> None:
        """Qt override: plain text only."""
        if source.hasText():
            self.insert(source.text().replace("\r\n", "\n").replace("\r", "\n"))

    def canInsertFromMimeData(self, source: QMimeData) -> bool:
        """Qt override: plain text only. A file or folder that is dropped here is for the window."""
        return source.hasText() and not any(url.isLocalFile() for url in source.urls())

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


class Composer(QWidget):
    """The box at the foot of the page, in the column of the transcript.

    Signals: ``sent(text)``, not for blank texts and not while replying; ``stopped()``; ``text_changed()``;
    ``last_wanted()``: the last message is to be edited.
    """

    sent = Signal(str)
    stopped = Signal()
    text_changed = Signal()
    last_wanted = Signal()

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
        self._foot.addStretch(1)
        self._foot.addWidget(self._meter)
        self._foot.addWidget(self._button)
        self._rows.addWidget(self._editor)
        self._rows.addLayout(self._foot)
        self._editor.entered.connect(self._on_entered)
        self._editor.left_upwards.connect(self.last_wanted)
        self._editor.textChanged.connect(self.text_changed)
        self._editor.height_changed.connect(self._fit)
        self._editor.focus_changed.connect(self._on_focus_changed)
        self._button.clicked.connect(self._on_button_clicked)
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
        if text.strip() and not self._replying:
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
        self._meter.setToolTip(self.tr("Tokens of this conversation and what the model can see"))
        self._rows.setContentsMargins(scaled(16), scaled(12), scaled(10), scaled(10))
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
