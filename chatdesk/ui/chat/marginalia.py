"""What stands between and under the turns: speed and buttons of a reply, the line of what the model does not see,
an error with its button, the dots before the first word, and the sentence of an empty conversation.
"""

from PySide6.QtCore import QSize, Qt, QTimer, Signal
from PySide6.QtGui import QColor, QFontMetrics, QPainter, QPaintEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from chatdesk.tasks.changes import Turn
from chatdesk.ui import theme
from chatdesk.ui.chat.buttons import QuietButton
from chatdesk.ui.chat.views import RowView

_DOT_MS = 400


def _label(text: str, kind: str, parent: QWidget) -> QLabel:
    label = QLabel(text, parent)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setProperty("kind", kind)
    return label


class ReplyFooter(RowView):
    """Under a finished reply. Signals: ``copy_clicked``, ``regenerate_clicked``, ``version_clicked(step)``."""

    copy_clicked = Signal()
    regenerate_clicked = Signal()
    version_clicked = Signal(int)

    def __init__(self, turn: Turn, last: bool, parent: QWidget) -> None:
        super().__init__(parent)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(theme.scaled(2))
        self._figures = _label("", "small", self)
        self._back = QuietButton("chevron-left", self.tr("Previous version"), self)
        self._version = _label("", "small", self)
        self._forward = QuietButton("chevron-right", self.tr("Next version"), self)
        self._regenerate = QuietButton("regenerate", self.tr("Regenerate"), self)
        self._copy = QuietButton("copy", self.tr("Copy the reply"), self)
        row.addWidget(self._figures)
        row.addStretch(1)
        for widget in (self._back, self._version, self._forward, self._regenerate, self._copy):
            row.addWidget(widget)
        self._back.clicked.connect(lambda: self.version_clicked.emit(-1))
        self._forward.clicked.connect(lambda: self.version_clicked.emit(1))
        self._regenerate.clicked.connect(self.regenerate_clicked)
        self._copy.clicked.connect(self._on_copy_clicked)
        self.show_turn(turn, last)

    def show_turn(self, turn: Turn, last: bool) -> None:
        """Show what is known of a reply; ``last``: it is the last turn and can be made again."""
        self._figures.setText(self._figures_of(turn))
        self._figures.setToolTip(turn.model or "")
        several = turn.versions > 1
        for widget in (self._back, self._version, self._forward):
            widget.setVisible(several)
        self._version.setText(f"{turn.version} / {turn.versions}")
        self._version.setAccessibleName(
            self.tr("Version {number} of {count}").format(number=turn.version, count=turn.versions)
        )
        self._back.setEnabled(turn.version > 1)
        self._forward.setEnabled(turn.version < turn.versions)
        self._regenerate.setVisible(last)

    def _figures_of(self, turn: Turn) -> str:
        reasons = {
            "cancelled": self.tr("stopped"),
            "length": self.tr("length reached"),
            "interrupted": self.tr("interrupted"),
            "context": self.tr("context full"),
            "error": self.tr("ended by an error"),
        }
        parts = []
        if turn.tokens_per_s:
            speed = f"{turn.tokens_per_s:.0f}" if turn.tokens_per_s >= 10 else f"{turn.tokens_per_s:.1f}"
            parts.append(self.tr("{speed} tok/s").format(speed=speed))
        if turn.ttft_s is not None:
            parts.append(self.tr("first token {seconds} s").format(seconds=f"{turn.ttft_s:.1f}"))
        if turn.finish_reason in reasons:
            parts.append(reasons[turn.finish_reason])
        return " · ".join(parts)

    def _on_copy_clicked(self) -> None:
        self.copy_clicked.emit()
        self._copy.confirm()

    def stops(self) -> list[QWidget]:
        """The buttons, as they stand."""
        return [self._back, self._forward, self._regenerate, self._copy]

    def fit(self, width: int) -> int:
        """One line."""
        self.resize(width, theme.scaled(32))
        return theme.scaled(32)


class Waiting(RowView):
    """Three quiet dots: no word has come yet. They move only where the system allows motion."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setAccessibleName(self.tr("The model is reading"))
        self._step = 0
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._on_timeout)
        if theme.motion_ms():
            self._timer.start(_DOT_MS)

    def _on_timeout(self) -> None:
        self._step = (self._step + 1) % 3
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
        for text in (
            self.tr("Hello, who are you?"),
            self.tr("Tell me a short story about a lighthouse."),
            self.tr("What does temperature do?"),
        ):
            button = QPushButton(text, self)
            button.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
            button.clicked.connect(lambda _checked=False, text=text: self.example_chosen.emit(text))
            column.addWidget(button, 0, Qt.AlignmentFlag.AlignHCenter)
        column.addStretch(1)
