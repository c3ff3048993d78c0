"""The rows of the list of conversations: the pinned ones, folders, then the rest by day; and how they are drawn."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from PySide6.QtCore import (
    QAbstractItemModel,
    QAbstractListModel,
    QModelIndex,
    QPersistentModelIndex,
    QRect,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import QColor, QPainter, QPen
from PySide6.QtWidgets import QLineEdit, QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from chatdesk.storage.records import Conversation
from chatdesk.ui import theme
from chatdesk.ui.widgets.labels import tip

Index = QModelIndex | QPersistentModelIndex
ID_ROLE = Qt.ItemDataRole.UserRole
OPEN_ROLE = Qt.ItemDataRole.UserRole + 1
FOLDER_ROLE = Qt.ItemDataRole.UserRole + 2
_LONGEST = 200  # characters that can be typed as a title; one from elsewhere may have more
_CLOSED_ROLE = Qt.ItemDataRole.UserRole + 3


@dataclass(frozen=True)
class _Row:
    """A conversation, or the heading of a group (without an id); ``folder``: of a heading that can be closed."""

    title: str
    id: str = ""
    folder: str = ""
    is_closed: bool = False
    count: int = 0

    def place(self) -> tuple[str, str]:
        """What makes it the row it is: a conversation may get another title and be the same."""
        return self.id, "" if self.id else self.title


class ConversationModel(QAbstractListModel):
    """Conversations under the headings Pinned, the folders' names, Today, Yesterday and Earlier.

    Signals: ``renamed(id, title)``, when a title was edited; the row changes when the new list comes.
    """

    renamed = Signal(str, str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rows: list[_Row] = []
        self._open = ""
        self._conversations: Sequence[Conversation] = ()
        self._closed: frozenset[str] = frozenset()

    @property
    def closed(self) -> frozenset[str]:
        """Names of the folders that are closed."""
        return self._closed

    def set_conversations(self, conversations: Sequence[Conversation], today: datetime | None = None) -> bool:
        """Show ``conversations`` (newest first). Returns whether rows came, went or moved."""
        self._conversations = conversations
        rows = self._grouped(today or datetime.now())
        if [row.place() for row in rows] == [row.place() for row in self._rows]:
            self._rows = rows
            if rows:
                self.dataChanged.emit(self.index(0), self.index(len(rows) - 1))
            return False
        self.beginResetModel()
        self._rows = rows
        self.endResetModel()
        return True

    def set_closed(self, folders: Collection[str]) -> None:
        """Which folders show their heading only."""
        if frozenset(folders) != self._closed:
            self._closed = frozenset(folders)
            self.set_conversations(self._conversations)

    def set_open(self, conversation_id: str) -> None:
        """Mark the conversation that is shown."""
        changed, self._open = conversation_id != self._open, conversation_id
        if changed and self._rows:
            self.dataChanged.emit(self.index(0), self.index(len(self._rows) - 1), [OPEN_ROLE])

    def row_of(self, conversation_id: str) -> int:
        """Where a conversation stands; -1 when it does not."""
        return next((i for i, row in enumerate(self._rows) if row.id and row.id == conversation_id), -1)

    def row_of_folder(self, folder: str) -> int:
        """Where the heading of a folder stands; -1 when it does not."""
        return next((i for i, row in enumerate(self._rows) if row.folder and row.folder == folder), -1)

    def conversation(self, conversation_id: str) -> Conversation | None:
        """The record of a row, also of one in a closed folder."""
        return next((found for found in self._conversations if found.id == conversation_id), None)

    def folders(self) -> list[str]:
        """The names of all folders, in the order of the list."""
        names = {found.folder for found in self._conversations if found.folder}
        return sorted(names, key=lambda name: (name.casefold(), name))

    def _grouped(self, now: datetime) -> list[_Row]:
        pinned = [found for found in self._conversations if found.is_pinned]
        rows = [_Row(self.tr("Pinned")), *map(self._row, pinned)] if pinned else []
        for folder in self.folders():
            inside = [found for found in self._conversations if found.folder == folder and not found.is_pinned]
            is_closed = folder in self._closed
            if inside:
                rows.append(_Row(folder, folder=folder, is_closed=is_closed, count=len(inside)))
                rows += [] if is_closed else map(self._row, inside)
        last = ""
        for found in self._conversations:
            if not found.is_pinned and not found.folder:
                if (group := self._day(found, now)) != last:
                    rows.append(_Row(group))
                    last = group
                rows.append(self._row(found))
        return rows

    def _row(self, conversation: Conversation) -> _Row:
        return _Row(conversation.title or self.tr("New chat"), conversation.id)

    def _day(self, conversation: Conversation, now: datetime) -> str:
        today = now.replace(hour=0, minute=0, second=0, microsecond=0)
        changed = datetime.fromtimestamp(conversation.changed_at)
        if changed >= today:
            return self.tr("Today")
        return self.tr("Yesterday") if changed >= today - timedelta(days=1) else self.tr("Earlier")

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 - Qt's signature
        """Headings and conversations."""
        return 0 if parent.isValid() else len(self._rows)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """The title; `ID_ROLE`, empty for a heading; `FOLDER_ROLE`, empty but for a folder's heading; `OPEN_ROLE`."""
        if not index.isValid():
            return None
        row = self._rows[index.row()]
        match role:
            case Qt.ItemDataRole.DisplayRole | Qt.ItemDataRole.EditRole:
                return row.title
            case Qt.ItemDataRole.AccessibleTextRole:
                return self._spoken(row) if row.folder else row.title
            case Qt.ItemDataRole.ToolTipRole:
                return tip(row.title) if row.id or row.folder else None
        # A role of our own is a plain number.
        values = {ID_ROLE: row.id, FOLDER_ROLE: row.folder, _CLOSED_ROLE: row.is_closed}
        return bool(row.id) and row.id == self._open if role == OPEN_ROLE else values.get(role)

    def _spoken(self, row: _Row) -> str:
        words = self.tr("Folder {name}, closed: {count}") if row.is_closed else self.tr("Folder {name}: {count}")
        return words.format(name=row.title, count=row.count)

    def setData(self, index: Index, value: Any, role: int = Qt.ItemDataRole.EditRole) -> bool:
        """Ask for another title."""
        if not index.isValid() or role != Qt.ItemDataRole.EditRole:
            return False
        row, title = self._rows[index.row()], str(value).strip()
        if title and title != row.title:
            self.renamed.emit(row.id, title)
        return bool(title)

    def flags(self, index: Index) -> Qt.ItemFlag:
        """A folder's heading can be chosen, other headings cannot; only conversations can be edited."""
        if not index.isValid():
            return Qt.ItemFlag.NoItemFlags
        row = self._rows[index.row()]
        if not row.id and not row.folder:
            return Qt.ItemFlag.NoItemFlags
        chosen = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable
        return chosen | Qt.ItemFlag.ItemIsEditable if row.id else chosen


class RowDelegate(QStyledItemDelegate):
    """Draws headings small and conversations as rounded rows."""

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        """39 pixels for a conversation, 29 for a heading."""
        return QSize(theme.scaled(120), theme.scaled(39 if index.data(ID_ROLE) else 29))

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """Draw the row as what it is."""
        colors, rect, state = theme.current(), option.rect, option.state
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if index.data(FOLDER_ROLE):
            self._folder(painter, option, index)
        elif not index.data(ID_ROLE):
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

    def _folder(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """The heading of a folder: an arrow that says whether it is open, and its name."""
        colors, side = theme.current(), theme.scaled(14)
        box = option.rect.adjusted(theme.scaled(8), theme.scaled(6), -theme.scaled(12), 0)
        state = option.state
        if state & QStyle.StateFlag.State_MouseOver:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(colors.hover))
            painter.drawRoundedRect(box, theme.scaled(6), theme.scaled(6))
        if state & QStyle.StateFlag.State_HasFocus:
            painter.setPen(QPen(QColor(colors.accent), 2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(box.adjusted(1, 1, -1, -1), theme.scaled(6), theme.scaled(6))
        arrow = "chevron-right" if index.data(_CLOSED_ROLE) else "chevron-down"
        picture = theme.pixmap(arrow, "faint", 14, painter.device().devicePixelRatioF())
        painter.drawPixmap(box.left() + theme.scaled(3), box.center().y() - side // 2 + 1, picture)
        painter.setFont(theme.font("small"))
        painter.setPen(QColor(colors.soft))
        self._text(painter, box.adjusted(theme.scaled(22), 0, -theme.scaled(4), 0), index)

    def updateEditorGeometry(self, editor: QWidget, option: QStyleOptionViewItem, index: Index) -> None:
        """The whole box."""
        editor.setGeometry(self._box(option.rect).adjusted(0, -1, 0, 1))

    def createEditor(self, parent: QWidget, option: QStyleOptionViewItem, index: Index) -> QWidget:
        """A line for the title."""
        editor = QLineEdit(parent)
        editor.setAccessibleName(self.tr("Title of the chat"))
        editor.setMaxLength(max(_LONGEST, len(str(index.data()))))
        return editor

    def setEditorData(self, editor: QWidget, index: Index) -> None:
        """The title as it is; what has been typed over it stays, whatever else changes in the list."""
        if isinstance(editor, QLineEdit) and not editor.isModified():
            editor.setText(str(index.data()))
            editor.setProperty("given", editor.text())

    def setModelData(self, editor: QWidget, model: QAbstractItemModel, index: Index) -> None:
        """Only another title is one: a line may not hold the old one as it is."""
        if isinstance(editor, QLineEdit) and editor.text() != editor.property("given"):
            model.setData(index, editor.text())

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
