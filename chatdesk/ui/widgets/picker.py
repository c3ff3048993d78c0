"""A box over the window: a line to type into and, below it, what can be chosen. Made for search and for commands.

It lies inside the window and not in one of its own: no window manager has to place it, and input methods work in it.
While it is there every key goes to its line; a click beside it or Esc closes it and gives the focus back.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import (
    QAbstractListModel,
    QEvent,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QPointF,
    QRect,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import (
    QColor,
    QFont,
    QFontMetrics,
    QInputMethodEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPen,
    QTextCharFormat,
    QTextLayout,
)
from PySide6.QtWidgets import (
    QApplication,
    QFrame,
    QLineEdit,
    QListView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)
from shiboken6 import isValid

from chatdesk.ui import theme
from chatdesk.ui.widgets.labels import Label

WIDTH_PX, HEIGHT_PX, TOP_PX = 560, 440, 72
VALUE_ROLE = Qt.ItemDataRole.UserRole
_ENTRY_ROLE = Qt.ItemDataRole.UserRole + 1
_STEPS: dict[int, int] = {Qt.Key.Key_Down: 1, Qt.Key.Key_Up: -1, Qt.Key.Key_PageDown: 8, Qt.Key.Key_PageUp: -8}

Index = QModelIndex | QPersistentModelIndex
Places = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Entry:
    """One row. ``aside``: small, at the right. ``detail``: a second line. ``note``: for a screen reader alone.

    Places are (start, length) in characters.
    """

    value: Any
    title: str
    title_places: Places = ()
    aside: str = ""
    detail: str = ""
    detail_places: Places = ()
    note: str = ""


class Entries(QAbstractListModel):
    """What can be chosen now."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._entries: Sequence[Entry] = ()

    def set_entries(self, entries: Sequence[Entry]) -> None:
        """Show others."""
        self.beginResetModel()
        self._entries = entries
        self.endResetModel()

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 - Qt's signature
        """One for each entry."""
        return 0 if parent.isValid() else len(self._entries)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """The title; `VALUE_ROLE`."""
        if not index.isValid():
            return None
        entry = self._entries[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return entry.title
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return ", ".join(part for part in (entry.title, entry.detail, entry.aside, entry.note) if part)
        if role == VALUE_ROLE:
            return entry.value
        return entry if role == _ENTRY_ROLE else None


class EntryDelegate(QStyledItemDelegate):
    """A rounded row: the title, what stands aside, and the second line where there is one."""

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        """40 pixels for one line, 56 for two."""
        return QSize(theme.scaled(200), theme.scaled(56 if index.data(_ENTRY_ROLE).detail else 40))

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """Draw the row."""
        entry: Entry = index.data(_ENTRY_ROLE)
        colors, state = theme.current(), option.state
        side = theme.scaled(8)
        box = option.rect.adjusted(side, 1, -side, -1)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        is_current = bool(state & QStyle.StateFlag.State_Selected)
        if is_current or state & QStyle.StateFlag.State_MouseOver:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(colors.tint if is_current else colors.hover))
            painter.drawRoundedRect(box, theme.scaled(8), theme.scaled(8))
        if state & QStyle.StateFlag.State_HasFocus:
            painter.setPen(QPen(QColor(colors.accent), 2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(box.adjusted(1, 1, -1, -1), theme.scaled(7), theme.scaled(7))
        inner = box.adjusted(theme.scaled(12), 0, -theme.scaled(12), 0)
        whole = QRect(inner.left(), option.rect.top(), inner.width(), option.rect.height())
        inner.setLeft(inner.left() + self.draw_before(painter, whole, entry))
        if entry.detail:
            over = theme.scaled(6)
            first, second = inner.adjusted(0, over, 0, 0), inner.adjusted(0, 0, 0, -over)
            first.setHeight(inner.height() // 2 - over + 1)
            second.setTop(first.bottom())
            self._words(painter, second, entry.detail, entry.detail_places, theme.font("small"), colors.soft)
        else:
            first = inner
        painter.setFont(theme.font("small"))
        painter.setPen(QColor(colors.faint))
        aside = painter.fontMetrics().elidedText(entry.aside, Qt.TextElideMode.ElideRight, first.width() // 2)
        painter.drawText(first, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight, aside)
        taken = painter.fontMetrics().horizontalAdvance(aside) + theme.scaled(16 if aside else 0)
        first.setRight(first.right() - taken)
        self._words(painter, first, entry.title, entry.title_places, theme.font(), colors.text)
        painter.restore()

    def draw_before(self, painter: QPainter, room: QRect, entry: Entry) -> int:
        """Draw what stands before the words, from the upper edge of the row to the lower; how wide it is."""
        return 0

    @staticmethod
    def _words(painter: QPainter, room: QRect, words: str, places: Places, font: QFont, colour: str) -> None:
        """One line that ends in … where it does not fit, with the places in the accent's colour and semibold."""
        strong = QFont(font)
        strong.setWeight(QFont.Weight.DemiBold)
        metrics = QFontMetrics(strong if places else font)
        shown = metrics.elidedText(words.replace("\n", " "), Qt.TextElideMode.ElideRight, room.width())
        layout = QTextLayout(shown, font)
        layout.setCacheEnabled(False)
        look = QTextCharFormat()
        look.setFont(strong)
        look.setForeground(QColor(theme.current().accent))
        ranges = []
        for start, length in places:
            span = QTextLayout.FormatRange()
            # Qt counts in UTF-16, the places are in characters.
            span.start, span.length, span.format = _utf16(words[:start]), _utf16(words[start : start + length]), look
            ranges.append(span)
        layout.setFormats(ranges)
        layout.beginLayout()
        line = layout.createLine()
        layout.endLayout()
        painter.setPen(QColor(colour))
        layout.draw(painter, QPointF(room.left(), room.top() + (room.height() - line.height()) / 2))


def _utf16(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


class Picker(QFrame):
    """The box and the shade around it. Signals: ``chosen(value)``; ``closed``, after it is gone either way.

    Attributes: ``field``, the line; ``view``, the list; ``is_left``, whether it was closed. A subclass tells it what
    there is with `show_entries`.
    """

    chosen = Signal(object)
    closed = Signal()

    def __init__(self, window: QWidget, name: str, placeholder: str) -> None:
        super().__init__(window)
        self.setObjectName("shade")
        self._focus_before = QApplication.focusWidget()
        self.is_left = False
        self._is_composing = False
        self._window = window
        self.box = QFrame(self)
        self.box.setObjectName("box")
        self.field = QLineEdit()
        self.field.setProperty("kind", "picker")
        self.field.setAccessibleName(name)
        self.field.setPlaceholderText(placeholder)
        self.field.installEventFilter(self)
        self.entries = Entries(self)
        self.view = QListView()
        self.view.setModel(self.entries)
        self.view.setItemDelegate(EntryDelegate(self.view))
        self.view.setAccessibleName(name)
        self.view.setFrameShape(QFrame.Shape.NoFrame)
        self.view.setMouseTracking(True)
        self.view.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.view.setVerticalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        self.view.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.view.clicked.connect(self._choose)
        self.view.selectionModel().currentChanged.connect(self._say)
        self.words = Label(kind="soft", wrap=True)
        self.words.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        self.words.setMargin(theme.scaled(24))
        self.words.hide()
        column = QVBoxLayout(self.box)
        column.setContentsMargins(1, 1, 1, theme.scaled(8))
        column.setSpacing(theme.scaled(8))
        column.addWidget(self.field)
        column.addWidget(self.words)
        column.addWidget(self.view, 1)
        window.installEventFilter(self)

    def open(self) -> None:
        """Show it, ready to be typed into."""
        self._place()
        self.show()
        self.raise_()
        self.field.setFocus(Qt.FocusReason.PopupFocusReason)

    def leave(self) -> None:
        """Close it and give the focus back."""
        if self.is_left:
            return
        self.is_left = True
        self.hide()
        if self._focus_before is not None and isValid(self._focus_before):  # a title's editor is gone by now
            self._focus_before.setFocus(Qt.FocusReason.PopupFocusReason)
        self.closed.emit()
        self.deleteLater()

    def show_entries(self, entries: Sequence[Entry], nothing: str = "", marked: int = 0) -> None:
        """Show what can be chosen, one of it marked; where there is nothing, say so."""
        self.entries.set_entries(entries)
        self.words.setText(nothing)
        self.words.setVisible(not entries)
        self.view.setVisible(bool(entries))
        if entries:
            self.view.setCurrentIndex(self.entries.index(marked))
            self.view.scrollTo(self.view.currentIndex(), QListView.ScrollHint.PositionAtCenter)
        else:
            self.field.setAccessibleDescription(nothing)

    def _say(self, marked: QModelIndex) -> None:
        """A screen reader follows the line, where the keys are."""
        if words := marked.data(Qt.ItemDataRole.AccessibleTextRole):
            self.field.setAccessibleDescription(words)

    def accept(self) -> None:
        """Enter: take the marked entry."""
        if self.view.currentIndex().isValid():
            self._choose(self.view.currentIndex())

    def _choose(self, index: QModelIndex) -> None:
        value = index.data(VALUE_ROLE)
        self.leave()
        self.chosen.emit(value)

    def _place(self) -> None:
        window = self._window
        self.setGeometry(window.rect())
        margin = theme.scaled(16)
        width = min(theme.scaled(WIDTH_PX), window.width() - 2 * margin)
        top = min(theme.scaled(TOP_PX), window.height() // 8)
        height = min(theme.scaled(HEIGHT_PX), window.height() - top - margin)
        self.box.setGeometry((window.width() - width) // 2, top, width, height)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """A click beside the box closes it."""
        if not self.box.geometry().contains(event.position().toPoint()):
            self.leave()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Take the keys before the window's actions do; keep to the window's size."""
        kind = event.type()
        if watched is self._window and kind == QEvent.Type.Resize:
            self._place()
        elif watched is self.field and kind == QEvent.Type.ShortcutOverride:
            event.accept()
        elif watched is self.field and isinstance(event, QInputMethodEvent):
            self._is_composing = bool(event.preeditString())
        elif watched is self.field and kind == QEvent.Type.KeyPress and isinstance(event, QKeyEvent):
            return not self._is_composing and self._on_key(event.key())
        return super().eventFilter(watched, event)

    def _on_key(self, key: int) -> bool:
        """Whether ``key`` is the box's and not the line's."""
        if key == Qt.Key.Key_Escape:
            self.leave()
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.accept()
        elif key in _STEPS:
            row = self.view.currentIndex().row() + _STEPS[key]
            last = self.entries.rowCount() - 1
            if last >= 0:
                self.view.setCurrentIndex(self.entries.index(max(0, min(last, row))))
        else:
            return key in (Qt.Key.Key_Tab, Qt.Key.Key_Backtab)
        return True
