"""What stands between the turns: the line of what the model does not see, an error with its button, the dots before
the first word, and the sentence of an empty conversation. (Under a turn: `chatdesk.ui.chat.footer`.)
"""

from PySide6.QtCore import QSize, Qt, QTimer, Signal
from PySide6.QtGui import QColor, QFontMetrics, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from chatdesk.ui import theme
from chatdesk.ui.chat.views import RowView

_DOT_MS = 400


def _label(text: str, kind: str, parent: QWidget) -> QLabel:
    label = QLabel(text, parent)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setProperty("kind", kind)
    return label


class Waiting(RowView):
    """Three quiet dots: no word has come yet. They move only where the system allows motion.

    Beside them stands how much of a long prompt has been read. Attribute: ``words``, that as a text.
    """

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAccessibleName(self.tr("The model is reading"))
        self.words = ""
        self._step = 0
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._on_timeout)
        if theme.motion_ms():
            self._timer.start(_DOT_MS)

    def _on_timeout(self) -> None:
        self._step = (self._step + 1) % 3
        self.update()

    def show_read(self, share: float) -> None:
        """How much of the prompt has been read, from 0 to 1."""
        self.words = self.tr("read {percent} %").format(percent=int(100 * share))
        self.setAccessibleName(f"{self.tr('The model is reading')}: {self.words}")
        self.update()

    def fit(self, _width: int) -> int:
        """The height of a line."""
        return theme.scaled(24)

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Qt override."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        size = theme.scaled(6)
        for dot in range(3):
            lit = dot == self._step or not self._timer.isActive()
            painter.setBrush(QColor(theme.current().faint if lit else theme.current().line))
            painter.drawEllipse(dot * 2 * size, (self.height() - size) // 2, size, size)
        painter.setFont(theme.font("small"))
        painter.setPen(QColor(theme.current().faint))
        place = self.rect().adjusted(7 * size, 0, 0, 0)
        painter.drawText(place, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, self.words)


class DroppedLine(RowView):
    """A thin line: what stands above it does not fit into what the model can see."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._words = self.tr("the model does not see what is above")
        self.setAccessibleName(self._words)

    def fit(self, _width: int) -> int:
        """The height of its words."""
        return theme.scaled(16)

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Qt override."""
        painter = QPainter(self)
        colors = theme.current()
        painter.setFont(theme.font("small"))
        painter.setPen(QColor(colors.faint))
        painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, self._words)
        words = QFontMetrics(painter.font()).horizontalAdvance(self._words) + theme.scaled(32)
        side = max(0, (self.width() - words) // 2)
        middle = self.height() // 2
        painter.fillRect(0, middle, side, 1, QColor(colors.line))
        painter.fillRect(self.width() - side, middle, side, 1, QColor(colors.line))


class NoticeView(RowView):
    """An error where it happened, with the one button that helps. Signal: ``clicked``."""

    clicked = Signal()

    def __init__(self, text: str, button: str | None, parent: QWidget) -> None:
        super().__init__(parent)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(theme.scaled(12))
        sign = QLabel(self)
        sign.setPixmap(theme.icon("warning", "danger", 16).pixmap(QSize(theme.scaled(16), theme.scaled(16))))
        sign.setFixedHeight(theme.scaled(24))
        words = _label(text, "text", self)
        words.setWordWrap(True)
        words.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        words.setMinimumHeight(theme.scaled(24))
        self._words = words
        row.addWidget(sign, 0, Qt.AlignmentFlag.AlignVCenter)
        row.addWidget(words, 1, Qt.AlignmentFlag.AlignVCenter)
        self._button: QPushButton | None = None
        if button:
            self._button = QPushButton(button, self)
            self._button.clicked.connect(self.clicked)
            row.addWidget(self._button, 0, Qt.AlignmentFlag.AlignVCenter)
        self.setAccessibleName(self.tr("Error") + ": " + text)

    def stops(self) -> list[QWidget]:
        """The button."""
        return [self._button] if self._button else []

    def fit(self, width: int) -> int:
        """As high as the sentence needs."""
        self.resize(width, self.height())
        layout = self.layout()
        return max(layout.totalHeightForWidth(width), theme.scaled(24)) if layout else 0


class EmptyState(QWidget):
    """An empty conversation: what to do, and three examples. Signal: ``example_chosen(text)``."""

    example_chosen = Signal(str)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        column = QVBoxLayout(self)
        column.setSpacing(theme.scaled(8))
        sentence = _label(self.tr("Type a message below. The model answers on this machine."), "soft", self)
        sentence.setAlignment(Qt.AlignmentFlag.AlignCenter)
        sentence.setWordWrap(True)
        column.addStretch(1)
        column.addWidget(sentence)
        column.addSpacing(theme.scaled(8))
        self._examples: dict[str, QPushButton] = {}
        for text in (
            self.tr("Hello, who are you?"),
            self.tr("Tell me a short story about a lighthouse."),
            self.tr("What does temperature do?"),
        ):
            button = QPushButton(text, self)
            button.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
            button.clicked.connect(lambda _checked=False, text=text: self.example_chosen.emit(text))
            column.addWidget(button, 0, Qt.AlignmentFlag.AlignHCenter)
            self._examples[text] = button
        column.addStretch(1)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Qt override: an example too long for a narrow window ends in a sign."""
        super().resizeEvent(event)
        room = self.width() - theme.scaled(64)
        for text, button in self._examples.items():
            button.setText(button.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, room))
            button.setAccessibleName(text)
