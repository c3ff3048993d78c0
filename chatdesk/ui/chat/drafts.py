"""Replies to one prompt side by side, in columns: one is chosen, the conversation goes on with it.

Each column is a transcript of one turn, so that it streams, scrolls and is copied as everywhere.
"""

from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtGui import QColor, QGuiApplication, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QFrame, QHBoxLayout, QScrollArea, QVBoxLayout, QWidget

from chatdesk.tasks.changes import DraftsOpened, Turn
from chatdesk.ui import shortcuts, theme
from chatdesk.ui.chat.buttons import QuietButton
from chatdesk.ui.chat.figures import facts
from chatdesk.ui.chat.pieces import answer
from chatdesk.ui.chat.transcript import Transcript
from chatdesk.ui.widgets.buttons import TextButton
from chatdesk.ui.widgets.labels import ElidedLabel, Label

_COLUMN_PX, _MARGIN_PX = 208, 14  # where they would be narrower they scroll sideways


class Column(QFrame):
    """One draft. Signals: ``chosen``, by the pointer or the focus; ``used``; ``link_clicked(address)``."""

    chosen = Signal()
    used = Signal()
    link_clicked = Signal(str)

    def __init__(self, turn: Turn, number: int, parent: QWidget) -> None:
        super().__init__(parent)
        self._number = number
        self._is_chosen = False
        self.turn = turn
        self.transcript = Transcript(self, has_footers=False)
        self.transcript.margin_px = _MARGIN_PX
        self.transcript.setAccessibleName(self.tr("Draft {number}").format(number=number))
        self.transcript.link_clicked.connect(self.link_clicked)
        self._title = Label(str(number), kind="section")
        self._facts = ElidedLabel(kind="small")
        self.copy_button = QuietButton("copy", self.tr("Copy the reply"), self)
        self.copy_button.clicked.connect(self._on_copy_clicked)
        self.use_button = TextButton(self.tr("Use this"))
        self.use_button.clicked.connect(self.used)
        self._head = QHBoxLayout()
        self._head.addWidget(self._title, 1)
        self._head.addWidget(self.copy_button)
        self._head.addWidget(self.use_button)
        self._rows = QVBoxLayout(self)
        self._rows.addLayout(self._head)
        self._rows.addWidget(self.transcript, 1)
        self._foot = QHBoxLayout()
        self._foot.addWidget(self._facts)
        self._rows.addLayout(self._foot)
        for widget in (self.transcript, self.transcript.viewport(), self.copy_button, self.use_button):
            widget.installEventFilter(self)
        self.dress()
        self.transcript.show_turns([turn])
        self._show_facts()

    def dress(self) -> None:
        """Take sizes from the theme."""
        scaled = theme.scaled
        self.setMinimumWidth(scaled(_COLUMN_PX))
        self._rows.setContentsMargins(2, scaled(8), 2, scaled(8))
        self._rows.setSpacing(0)
        side = scaled(_MARGIN_PX)
        self._head.setContentsMargins(side, 0, scaled(8), 0)
        self._head.setSpacing(scaled(4))
        self._foot.setContentsMargins(side, scaled(4), side, 0)
        self.update()

    def set_chosen(self, is_chosen: bool) -> None:
        """Whether the conversation goes on with it."""
        self._is_chosen = is_chosen
        self.use_button.setProperty("kind", "primary" if is_chosen else "")
        self.use_button.style().unpolish(self.use_button)
        self.use_button.style().polish(self.use_button)
        words = self.tr("Draft {number}, chosen") if is_chosen else self.tr("Draft {number}")
        self.setAccessibleName(words.format(number=self._number))
        self.update()

    def replace(self, id: str, turn: Turn) -> None:
        """It is another turn now."""
        self.turn = turn
        self.transcript.replace(id, turn)
        self._show_facts()

    def _show_facts(self) -> None:
        self._facts.set_words(facts(self.turn))

    def _on_copy_clicked(self) -> None:
        QGuiApplication.clipboard().setText(answer(self.transcript.text_of(self.turn.id)))
        self.copy_button.confirm()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """A click or the focus chooses; both go on to where they were meant."""
        if event.type() in (QEvent.Type.MouseButtonPress, QEvent.Type.FocusIn):
            self.chosen.emit()
        return super().eventFilter(watched, event)

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Qt override: a frame, in the accent colour where it is chosen."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        colors, width = theme.current(), 2 if self._is_chosen else 1
        painter.setPen(QPen(QColor(colors.accent if self._is_chosen else colors.line), width))
        edge = width / 2
        radius = theme.scaled(12)
        painter.drawRoundedRect(self.rect().toRectF().adjusted(edge, edge, -edge, -edge), radius, radius)


class DraftsView(QWidget):
    """All of them. Signals: ``chosen(id)``; ``closed(id)``: the conversation is wanted again, with this one;
    ``link_clicked(address)``.
    """

    chosen = Signal(str)
    closed = Signal(str)
    link_clicked = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.columns: list[Column] = []
        self._chosen = ""
        self._words = ElidedLabel(kind="soft")
        self._keys = Label(kind="small")
        self._content = QWidget()
        self._content.setObjectName("content")
        self._row = QHBoxLayout(self._content)
        self._area = QScrollArea()
        self._area.setWidgetResizable(True)
        self._area.setFrameShape(QFrame.Shape.NoFrame)
        self._area.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._area.setWidget(self._content)
        self._head = QHBoxLayout()
        self._head.addWidget(self._words, 1)
        self._head.addWidget(self._keys)
        self._rows = QVBoxLayout(self)
        self._rows.addLayout(self._head)
        self._rows.addWidget(self._area, 1)
        self._dress()
        theme.watcher.changed.connect(self._dress)
        self.hide()

    def _dress(self) -> None:
        scaled = theme.scaled
        self._rows.setContentsMargins(0, scaled(12), 0, scaled(12))
        self._rows.setSpacing(scaled(8))
        self._head.setContentsMargins(scaled(24), 0, scaled(24), 0)
        self._row.setContentsMargins(scaled(24), 0, scaled(24), 0)
        self._row.setSpacing(scaled(12))
        for column in self.columns:
            column.dress()

    def open(self, change: DraftsOpened) -> None:
        """Show these in place of others."""
        self._clear()
        for number, turn in enumerate(change.turns, 1):
            column = Column(turn, number, self._content)
            column.chosen.connect(lambda column=column: self.choose(column.turn.id))
            column.used.connect(lambda column=column: self.closed.emit(column.turn.id))
            column.link_clicked.connect(self.link_clicked)
            self.columns.append(column)
            self._row.addWidget(column)
        words = self.tr("{count} replies side by side. The chat goes on with the marked one.")
        self._words.set_words(words.format(count=len(change.turns)))
        before, after = shortcuts.key_text("version_before"), shortcuts.key_text("version_after")
        self._keys.setText(self.tr("{before} {after} mark · {key} back").format(before=before, after=after, key="Esc"))
        self._mark(change.chosen)
        self.show()

    def close_columns(self) -> None:
        """Show nothing."""
        self.hide()
        self._clear()

    def show_read(self, id: str, share: float) -> None:
        """How much of the prompt is read for the draft ``id``."""
        if (column := self._column(id)) is not None:
            column.transcript.show_read(id, share)

    def grow(self, id: str, text: str) -> None:
        """More text for the draft ``id``; others are not ours."""
        if (column := self._column(id)) is not None:
            column.transcript.grow(id, text)

    def replace(self, id: str, turn: Turn) -> None:
        """Draft ``id`` is now ``turn``."""
        if (column := self._column(id)) is not None:
            column.replace(id, turn)
            if self._chosen == id:
                self._chosen = turn.id

    def remove(self, id: str) -> None:
        """A draft ended before its first word."""
        if (column := self._column(id)) is not None:
            self.columns.remove(column)
            _let_go(column)
            if self._chosen == id and self.columns:
                self._mark(self.columns[0].turn.id)

    def choose(self, id: str) -> None:
        """Mark one, and say so where it was another."""
        if id != self._chosen:
            self._mark(id)
            self.chosen.emit(id)

    def step(self, direction: int) -> None:
        """Mark the next one (1) or the one before (-1)."""
        ids = [column.turn.id for column in self.columns]
        if self._chosen in ids:
            self.choose(ids[max(0, min(len(ids) - 1, ids.index(self._chosen) + direction))])

    def leave(self) -> None:
        """The conversation is wanted again, with the marked one."""
        self.closed.emit(self._chosen)

    def _mark(self, id: str) -> None:
        self._chosen = id
        for column in self.columns:
            column.set_chosen(column.turn.id == id)
            if column.turn.id == id:
                self._area.ensureWidgetVisible(column, theme.scaled(24), 0)

    def _column(self, id: str) -> Column | None:
        return next((column for column in self.columns if column.turn.id == id), None)

    def _clear(self) -> None:
        for column in self.columns:
            _let_go(column)
        self.columns = []


def _let_go(column: Column) -> None:
    """Without the focus that it has, which would choose the next column as it moves on."""
    column.blockSignals(True)
    column.hide()
    column.deleteLater()
