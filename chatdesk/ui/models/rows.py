"""The rows of the list of checkpoints: groups, what each one is, how it would be loaded; and how they are drawn."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QAbstractListModel, QCoreApplication, QModelIndex, QPersistentModelIndex, QRect, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPen
from PySide6.QtWidgets import QFrame, QListView, QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from chatdesk.tasks.changes import ModelChanged
from chatdesk.ui import theme
from chatdesk.ui.dates import when
from chatdesk.ui.errors import remark
from chatdesk.ui.models import words
from chatdesk.ui.widgets.labels import tip
from chatdesk.ui.wording import GROUPS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chatdesk.library.catalogue import Entry
    from chatdesk.tasks.models import Plans

Index = QModelIndex | QPersistentModelIndex
ROW_ROLE = Qt.ItemDataRole.UserRole


@dataclass(frozen=True)
class Row:
    """A checkpoint, or the heading of a group (without an entry). ``outcome``: of its plans, and how loud that is.
    ``state``: what happens with it now, in a word. ``remarks``: what must be said of it since it is loaded.
    """

    title: str
    entry: "Entry | None" = None
    facts: str = ""
    outcome: tuple[str, str] = ("", "faint")
    state: str = ""
    aside: str = ""
    remarks: str = ""

    @property
    def path(self) -> str:
        """The folder; empty for a heading."""
        return str(self.entry.path) if self.entry is not None else ""

    def spoken(self) -> str:
        """All of it, for a screen reader."""
        return ", ".join(
            part for part in (self.title, self.state, self.facts, self.outcome[0], self.aside, self.remarks) if part
        )


class CheckpointModel(QAbstractListModel):
    """The checkpoints under the headings of the model menu. Attributes: ``entries``, all of them."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rows: list[Row] = []
        self.entries: Sequence[Entry] = ()
        self._plans: dict[str, Plans] = {}
        self._state = ModelChanged("none")
        self._filter = ""

    def entry(self, path: str) -> "Entry | None":
        """The checkpoint at ``path``, whether it is shown or not."""
        return next((entry for entry in self.entries if str(entry.path) == path), None)

    def plans(self, path: str) -> "Plans | None":
        """What is known of how it could be loaded."""
        return self._plans.get(path)

    def paths(self) -> list[str]:
        """All that could be loaded."""
        return [str(entry.path) for entry in self.entries if entry.fault is None]

    def row_of(self, path: str) -> int:
        """Where a checkpoint stands; -1 when it does not."""
        return next((i for i, row in enumerate(self._rows) if path and row.path == path), -1)

    def first(self) -> str:
        """The path of the first one that is shown; empty where there is none."""
        return next((row.path for row in self._rows if row.path), "")

    def set_entries(self, entries: "Sequence[Entry]") -> None:
        """Show others."""
        self.entries = entries
        self._fill()

    def set_filter(self, text: str) -> None:
        """Show only those that have each word of ``text`` in what is said of them."""
        self._filter = text
        self._fill()

    def set_state(self, state: ModelChanged) -> None:
        """Say which one is loaded."""
        self._state = state
        self._fill()

    def set_plan(self, path: str, plans: "Plans") -> None:
        """Say how one could be loaded."""
        self._plans[path] = plans
        place = self.row_of(path)
        if place >= 0 and (entry := self._rows[place].entry) is not None:
            self._rows[place] = self._row(entry)
            self.dataChanged.emit(self.index(place), self.index(place))

    def _fill(self) -> None:
        rows = []
        for source, heading in GROUPS.items():
            group = [row for entry in self.entries if entry.source == source and self._fits(row := self._row(entry))]
            if group:
                rows += [Row(QCoreApplication.translate("ModelMenu", heading)), *group]
        same = [row.path or row.title for row in rows] == [row.path or row.title for row in self._rows]
        if not same:
            self.beginResetModel()
        self._rows = rows
        if not same:
            self.endResetModel()
        elif rows:
            self.dataChanged.emit(self.index(0), self.index(len(rows) - 1))

    def _fits(self, row: Row) -> bool:
        said = f"{row.title} {row.facts} {row.path}".casefold()
        return all(word in said for word in self._filter.casefold().split())

    def _row(self, entry: "Entry") -> Row:
        path = str(entry.path)
        if entry.fault is not None:
            return Row(entry.name, entry, words.facts(entry), (words.fault_in_short(entry.fault, path), "danger"))
        aside = self.tr("used {when}").format(when=when(entry.last_used)) if entry.last_used else ""
        outcome = words.outcome(self._plans.get(path))
        return Row(entry.name, entry, words.facts(entry), outcome, self._state_of(path), aside, self._remarks_of(path))

    def _state_of(self, path: str) -> str:
        if self._state.path != path:
            return ""
        percent = self._state.done * 100 // self._state.total if self._state.total else 0
        return {
            "ready": self.tr("loaded"),
            "asleep": self.tr("asleep"),
            "failed": self.tr("not loaded"),
            "loading": self.tr("loading {percent} %").format(percent=percent),
        }.get(self._state.state, "")

    def _remarks_of(self, path: str) -> str:
        is_ready = self._state.path == path and self._state.state == "ready"
        return "\n".join(map(remark, self._state.info.remarks)) if is_ready and self._state.info is not None else ""

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 - Qt's signature
        """Headings and checkpoints."""
        return 0 if parent.isValid() else len(self._rows)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """The name; `ROW_ROLE`."""
        if not index.isValid():
            return None
        row = self._rows[index.row()]
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return row.title
            case Qt.ItemDataRole.AccessibleTextRole:
                return row.spoken()
            case Qt.ItemDataRole.ToolTipRole:
                return (
                    tip("\n".join(part for part in (row.path, row.outcome[0], row.remarks) if part))
                    if row.entry
                    else None
                )
        return row if role == ROW_ROLE else None

    def flags(self, index: Index) -> Qt.ItemFlag:
        """Headings cannot be chosen."""
        if not index.isValid() or self._rows[index.row()].entry is None:
            return Qt.ItemFlag.NoItemFlags
        return Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable


class CheckpointDelegate(QStyledItemDelegate):
    """Draws headings small and checkpoints as rounded rows of three lines."""

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        """80 pixels for a checkpoint, 34 for a heading."""
        return QSize(theme.scaled(200), theme.scaled(80 if index.data(ROW_ROLE).entry else 34))

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """Draw the row as what it is."""
        row: Row = index.data(ROW_ROLE)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        rect = option.rect
        if row.entry is None:
            painter.setFont(theme.font("small"))
            painter.setPen(QColor(theme.current().faint))
            place = rect.adjusted(theme.scaled(24), theme.scaled(8), -theme.scaled(24), 0)
            painter.drawText(place, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, row.title)
        else:
            box = rect.adjusted(theme.scaled(12), 1, -theme.scaled(12), -1)
            self._ground(painter, box, option.state)
            self._lines(painter, box.adjusted(theme.scaled(12), theme.scaled(9), -theme.scaled(12), 0), row)
        painter.restore()

    @staticmethod
    def _ground(painter: QPainter, box: QRect, state: QStyle.StateFlag) -> None:
        colors = theme.current()
        is_chosen = bool(state & QStyle.StateFlag.State_Selected)
        if is_chosen or state & QStyle.StateFlag.State_MouseOver:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(colors.tint if is_chosen else colors.hover))
            painter.drawRoundedRect(box, theme.scaled(8), theme.scaled(8))
        if state & QStyle.StateFlag.State_HasFocus:
            painter.setPen(QPen(QColor(colors.accent), 2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(box.adjusted(1, 1, -1, -1), theme.scaled(7), theme.scaled(7))

    def _lines(self, painter: QPainter, room: QRect, row: Row) -> None:
        colors, step = theme.current(), theme.scaled(20)
        first = QRect(room.left(), room.top(), room.width(), step)
        aside, colour = (row.state, colors.accent) if row.state else (row.aside, colors.faint)
        taken = self._line(painter, first, aside, colour, right=True)
        first.setRight(first.right() - taken - (theme.scaled(16) if taken else 0))
        if row.remarks:
            self._sign(painter, QRect(first.right() - theme.scaled(4), first.top(), 0, step), "warning")
            first.setRight(first.right() - theme.scaled(14))
        painter.setFont(theme.font())
        self._line(painter, first, row.title, colors.text)
        painter.setFont(theme.font("small"))
        self._line(painter, _under(room, step), row.facts, colors.soft)
        words, loudness = row.outcome
        last = _under(room, 2 * step)
        if loudness in ("warning", "danger"):
            self._sign(painter, last, loudness)
            last.setLeft(last.left() + theme.scaled(14 + 6))
        self._line(painter, last, words, getattr(colors, loudness))

    @staticmethod
    def _sign(painter: QPainter, room: QRect, colour: str) -> None:
        """A small warning sign at the left of a line."""
        picture = theme.pixmap("warning", colour, 14, painter.device().devicePixelRatioF())
        painter.drawPixmap(room.left(), room.center().y() - theme.scaled(14) // 2, picture)

    @staticmethod
    def _line(painter: QPainter, room: QRect, words: str, colour: str, right: bool = False) -> int:
        """One line that ends in … where it does not fit; how wide it is."""
        if right:
            painter.setFont(theme.font("small"))
        painter.setPen(QColor(colour))
        side = Qt.AlignmentFlag.AlignRight if right else Qt.AlignmentFlag.AlignLeft
        most = room.width() // 2 if right else room.width()
        shown = painter.fontMetrics().elidedText(words.replace("\n", " "), Qt.TextElideMode.ElideRight, most)
        painter.drawText(room, side | Qt.AlignmentFlag.AlignVCenter | Qt.TextFlag.TextSingleLine, shown)
        return painter.fontMetrics().horizontalAdvance(shown)


class RowsView(QListView):
    """A list drawn by a delegate of its own, at the side of a page."""

    def __init__(self, model: QAbstractListModel, delegate: QStyledItemDelegate, name: str) -> None:
        super().__init__()
        delegate.setParent(self)
        self.setModel(model)
        self.setItemDelegate(delegate)
        self.setAccessibleName(name)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setMouseTracking(True)
        self.setVerticalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)


def _under(room: QRect, below: int) -> QRect:
    """The line ``below`` pixels under the upper edge."""
    return QRect(room.left(), room.top() + below, room.width(), theme.scaled(20))
