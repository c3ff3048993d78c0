"""The list of conversations: grouped by day, renamed in place, deleted with an undo.

The list never changes anything itself: it says what the person asked for, and shows what it is told.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from PySide6.QtCore import (
    QAbstractListModel,
    QModelIndex,
    QPersistentModelIndex,
    QPoint,
    QRect,
    QSize,
    Qt,
    QTimer,
    Signal,
)
from PySide6.QtGui import QColor, QPainter, QPen
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFrame,
    QHBoxLayout,
    QLineEdit,
    QListView,
    QMenu,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from chatdesk.storage.records import Conversation
from chatdesk.ui import shortcuts, theme
from chatdesk.ui.widgets.buttons import TextButton
from chatdesk.ui.widgets.labels import ElidedLabel, Label

Index = QModelIndex | QPersistentModelIndex
ID_ROLE = Qt.ItemDataRole.UserRole
OPEN_ROLE = Qt.ItemDataRole.UserRole + 1


@dataclass(frozen=True)
class _Row:
    """A conversation, or the heading of a group (without an id)."""

    title: str
    id: str = ""


class ConversationModel(QAbstractListModel):
    """Conversations under the headings Today, Yesterday and Earlier.

    Signals: ``renamed(id, title)``, when a title was edited; the row changes when the new list comes.
    """

    renamed = Signal(str, str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rows: list[_Row] = []
        self._open = ""

    def set_conversations(self, conversations: Sequence[Conversation], today: datetime | None = None) -> bool:
        """Show ``conversations`` (newest first). Returns whether rows came, went or moved."""
        rows = self._grouped(conversations, today or datetime.now())
        if [row.id for row in rows] == [row.id for row in self._rows]:
            self._rows = rows
            if rows:
                self.dataChanged.emit(self.index(0), self.index(len(rows) - 1))
            return False
        self.beginResetModel()
        self._rows = rows
        self.endResetModel()
        return True

    def set_open(self, conversation_id: str) -> None:
        """Mark the conversation that is shown."""
        changed, self._open = conversation_id != self._open, conversation_id
        if changed and self._rows:
            self.dataChanged.emit(self.index(0), self.index(len(self._rows) - 1), [OPEN_ROLE])

    def row_of(self, conversation_id: str) -> int:
        """Where a conversation stands; -1 when it does not."""
        return next((i for i, row in enumerate(self._rows) if row.id and row.id == conversation_id), -1)

    def _grouped(self, conversations: Sequence[Conversation], now: datetime) -> list[_Row]:
        today = now.replace(hour=0, minute=0, second=0, microsecond=0)
        yesterday = today - timedelta(days=1)
        rows: list[_Row] = []
        last = ""
        for conversation in conversations:
            changed = datetime.fromtimestamp(conversation.changed_at)
            if changed >= today:
                group = self.tr("Today")
            else:
                group = self.tr("Yesterday") if changed >= yesterday else self.tr("Earlier")
            if group != last:
                rows.append(_Row(group))
                last = group
            rows.append(_Row(conversation.title or self.tr("New chat"), conversation.id))
        return rows

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 - Qt's signature
        """Headings and conversations."""
        return 0 if parent.isValid() else len(self._rows)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """The title; `ID_ROLE`, empty for a heading; `OPEN_ROLE`."""
        if not index.isValid():
            return None
        row = self._rows[index.row()]
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.EditRole, Qt.ItemDataRole.AccessibleTextRole):
            return row.title
        if role == Qt.ItemDataRole.ToolTipRole:
            return row.title if row.id else None
        if role == ID_ROLE:
            return row.id
        return bool(row.id) and row.id == self._open if role == OPEN_ROLE else None

    def setData(self, index: Index, value: Any, role: int = Qt.ItemDataRole.EditRole) -> bool:
        """Ask for another title."""
        if not index.isValid() or role != Qt.ItemDataRole.EditRole:
            return False
        row, title = self._rows[index.row()], str(value).strip()
        if title and title != row.title:
            self.renamed.emit(row.id, title)
        return bool(title)

    def flags(self, index: Index) -> Qt.ItemFlag:
        """A heading can be neither chosen nor edited."""
        if not index.isValid() or not self._rows[index.row()].id:
            return Qt.ItemFlag.NoItemFlags
        return Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemIsEditable


class _Delegate(QStyledItemDelegate):
    """Draws headings small and conversations as rounded rows."""

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return QSize(theme.scaled(120), theme.scaled(39 if index.data(ID_ROLE) else 29))

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        colors, rect, state = theme.current(), option.rect, option.state
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if not index.data(ID_ROLE):
            painter.setFont(theme.font("small"))
            painter.setPen(QColor(colors.faint))
            self._text(painter, rect.adjusted(theme.scaled(12), theme.scaled(6), 0, 0), index)
        else:
            box = self._box(rect)
            is_open = bool(index.data(OPEN_ROLE))
            if is_open or state & QStyle.StateFlag.State_MouseOver:
                painter.setPen(Qt.PenStyle.NoPen)
                painter.setBrush(QColor(colors.tint if is_open else colors.hover))
                painter.drawRoundedRect(box, theme.scaled(8), theme.scaled(8))
            if state & QStyle.StateFlag.State_HasFocus:
                painter.setPen(QPen(QColor(colors.accent), 2))
                painter.setBrush(Qt.BrushStyle.NoBrush)
                painter.drawRoundedRect(box.adjusted(1, 1, -1, -1), theme.scaled(7), theme.scaled(7))
            painter.setFont(theme.font())
            painter.setPen(QColor(colors.text))
            self._text(painter, box.adjusted(theme.scaled(14), 0, -theme.scaled(8), 0), index)
        painter.restore()

    def updateEditorGeometry(self, editor: QWidget, option: QStyleOptionViewItem, index: Index) -> None:
        editor.setGeometry(self._box(option.rect).adjusted(0, -1, 0, 1))

    def createEditor(self, parent: QWidget, option: QStyleOptionViewItem, index: Index) -> QWidget:
        editor = QLineEdit(parent)
        editor.setAccessibleName(self.tr("Title of the chat"))
        editor.setMaxLength(200)
        return editor

    @staticmethod
    def _box(rect: QRect) -> QRect:
        side, over = theme.scaled(12), theme.scaled(4)
        return rect.adjusted(side, over, -side, -over)

    @staticmethod
    def _text(painter: QPainter, rect: QRect, index: Index) -> None:
        flags = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft
        title = str(index.data()).replace("\n", " ")
        words = painter.fontMetrics().elidedText(title, Qt.TextElideMode.ElideRight, rect.width())
        painter.drawText(rect, flags, words)


class _UndoBar(QFrame):
    """Says what was deleted, and brings it back."""

    undone = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.words = ElidedLabel(kind="soft")
        self.button = TextButton(self.tr("Undo"), kind="link")
        self.button.setToolTip(shortcuts.hint("undo_delete"))
        self.button.clicked.connect(self.undone)
        row = QHBoxLayout(self)
        row.setContentsMargins(theme.scaled(24), theme.scaled(8), theme.scaled(12), theme.scaled(8))
        row.addWidget(self.words, 1)
        row.addWidget(self.button)
        self.hide()

    def show_deleted(self, title: str) -> None:
        self.words.set_words(self.tr("Deleted “{title}”").format(title=title))
        self.show()


class ConversationList(QFrame):
    """New chat, the list, the undo bar, and below them a place for the rail in a narrow window.

    Signals: ``new_wanted``, ``open_wanted(id)``, ``rename_wanted(id, title)``, ``delete_wanted(id)``, ``undo_wanted``.
    """

    new_wanted = Signal()
    open_wanted = Signal(str)
    rename_wanted = Signal(str, str)
    delete_wanted = Signal(str)
    undo_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("list")
        self._pending: tuple[Sequence[Conversation], Conversation | None] | None = None
        self.new_button = TextButton(shortcuts.title("new_chat"), icon="plus", kind="left")
        self.new_button.setToolTip(shortcuts.hint("new_chat"))
        self.new_button.clicked.connect(self.new_wanted)
        self.model = ConversationModel(self)
        self.model.renamed.connect(self.rename_wanted)
        self.view = self._make_view()
        self.undo_bar = _UndoBar()
        self.undo_bar.undone.connect(self.undo_wanted)
        self.empty = Label(self.tr("The chats you begin will stand here."), kind="small", wrap=True)
        self._top = QVBoxLayout()
        self._top.addWidget(self.new_button)
        self._top.addWidget(self.empty)
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(0)
        self._column.addLayout(self._top)
        self._column.addWidget(self.view, 1)
        self._column.addWidget(self.undo_bar)
        shortcuts.action(self, "undo_delete", self.undo_wanted.emit)
        self.empty.hide()
        self._dress()
        theme.watcher.changed.connect(self._dress)

    def _make_view(self) -> QListView:
        view = QListView()
        view.setModel(self.model)
        delegate = _Delegate(view)
        # Later: the view still counts as editing while it is told.
        delegate.closeEditor.connect(lambda *_: QTimer.singleShot(0, self, self._on_editor_closed))
        view.setItemDelegate(delegate)
        view.setAccessibleName(self.tr("Chats"))
        view.setFrameShape(QFrame.Shape.NoFrame)
        view.setMouseTracking(True)
        view.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        view.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        view.setEditTriggers(QAbstractItemView.EditTrigger.EditKeyPressed)
        view.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        view.customContextMenuRequested.connect(self._on_menu_asked)
        view.clicked.connect(self._on_chosen)
        view.activated.connect(self._on_chosen)
        shortcuts.action(view, "delete", lambda: self._delete(view.currentIndex()))
        return view

    def _dress(self) -> None:
        side = theme.scaled(12)
        self._top.setContentsMargins(side, theme.scaled(14), side, theme.scaled(8))
        self._top.setSpacing(theme.scaled(12))
        self.new_button.setFixedHeight(theme.scaled(36))
        self.view.scheduleDelayedItemsLayout()
        self.view.viewport().update()

    def set_footer(self, footer: QWidget) -> None:
        """Put the rail below the list (it leaves with the layout that takes it next)."""
        self._column.addWidget(footer)

    def set_conversations(self, conversations: Sequence[Conversation], deleted: Conversation | None) -> None:
        """Show another list; while a title is being edited, when that has ended."""
        if self.view.state() == QAbstractItemView.State.EditingState:
            self._pending = (conversations, deleted)
            return
        place = self.view.verticalScrollBar().value()
        current = str(self.view.currentIndex().data(ID_ROLE) or "")
        if self.model.set_conversations(conversations) and (row := self.model.row_of(current)) >= 0:
            self.view.setCurrentIndex(self.model.index(row))
            self.view.verticalScrollBar().setValue(place)
        self.empty.setVisible(not conversations)
        if deleted is None:
            self.undo_bar.hide()
        else:
            self.undo_bar.show_deleted(deleted.title or self.tr("New chat"))

    def _on_editor_closed(self) -> None:
        if self._pending is not None:
            pending, self._pending = self._pending, None
            self.set_conversations(*pending)

    def set_open(self, conversation_id: str) -> None:
        """Mark the conversation that is shown, and let the keys begin from it."""
        self.model.set_open(conversation_id)
        row = self.model.row_of(conversation_id)
        if row >= 0 and self.view.state() != QAbstractItemView.State.EditingState:
            self.view.setCurrentIndex(self.model.index(row))

    def _on_chosen(self, index: QModelIndex) -> None:
        if conversation_id := index.data(ID_ROLE):
            self.open_wanted.emit(conversation_id)

    def _delete(self, index: QModelIndex) -> None:
        if index.isValid() and (conversation_id := index.data(ID_ROLE)):
            self.delete_wanted.emit(conversation_id)

    def _on_menu_asked(self, place: QPoint) -> None:
        index = self.view.indexAt(place)
        if index.isValid() and index.data(ID_ROLE):
            menu = self.menu_for(index)
            menu.popup(self.view.viewport().mapToGlobal(place))

    def menu_for(self, index: QModelIndex) -> QMenu:
        """What can be done with one conversation."""
        menu = QMenu(self.view)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.addAction(self.tr("Open")).triggered.connect(lambda: self._on_chosen(index))
        rename = menu.addAction(shortcuts.title("rename") + "\t" + shortcuts.key_text("rename"))
        rename.triggered.connect(lambda: self.view.edit(index))
        delete = menu.addAction(shortcuts.title("delete") + "\t" + shortcuts.key_text("delete"))
        delete.triggered.connect(lambda: self._delete(index))
        return menu
