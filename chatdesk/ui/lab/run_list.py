"""The list of runs: what each is called, how far it is, how good."""

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import (
    QAbstractListModel,
    QCoreApplication,
    QLocale,
    QModelIndex,
    QPersistentModelIndex,
    QRect,
    QSize,
    Qt,
)
from PySide6.QtGui import QColor, QPainter
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

from chatdesk.library.figures import short_count
from chatdesk.tasks.lab import Lab, Run
from chatdesk.ui import theme
from chatdesk.ui.lab.train_step import STATES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

Index = QModelIndex | QPersistentModelIndex
RUN_ROLE = Qt.ItemDataRole.UserRole
_ROW_PX = 56


class RunModel(QAbstractListModel):
    """The runs of a lab. Attributes: ``paths``."""

    def __init__(self, lab: Lab) -> None:
        super().__init__()
        self._lab = lab
        self.paths: list[Path] = []

    def follow(self) -> None:
        """Show them as they are now."""
        paths = [run.path for run in self._lab.runs]
        if paths != self.paths:
            self.beginResetModel()
            self.paths = paths
            self.endResetModel()
        elif paths:
            self.dataChanged.emit(self.index(0), self.index(len(paths) - 1))

    def rowCount(self, parent: Index | None = None) -> int:
        """Qt override."""
        return 0 if parent is not None and parent.isValid() else len(self.paths)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Qt override."""
        run = self._lab.run(self.paths[index.row()]) if index.isValid() else None
        if run is None:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return run.name
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return f"{run.name}, {self.facts(run)}"
        return run if role == RUN_ROLE else None

    def facts(self, run: Run) -> str:
        """What is said under the name."""
        work, history = self._lab.work, run.history
        is_mine = work is not None and work.path == run.path
        parts: Sequence[str] = [QCoreApplication.translate("lab", STATES[history.state])]
        if work is not None and is_mine:
            busy = {
                "prepare": self.tr("preparing"), "weigh": self.tr("measuring"), "judge": self.tr("evaluating"),
                "compare": self.tr("comparing"),
            }  # fmt: skip
            parts = [busy.get(work.kind, QCoreApplication.translate("lab", STATES["running"]))]
        elif run.fault is not None:
            parts = [self.tr("cannot be read")]
        if history.parameters:
            parts = [*parts, short_count(history.parameters)]
        if history.held_out or history.losses:
            loss = (history.held_out or history.losses)[-1][1]
            parts = [*parts, self.tr("loss {loss}").format(loss=QLocale().toString(loss, "f", 2))]
        return " · ".join(parts)


class RunDelegate(QStyledItemDelegate):
    """Two lines a run, and under them how far it is."""

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        """Qt override."""
        return QSize(0, theme.scaled(_ROW_PX))

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """Qt override."""
        run, model = index.data(RUN_ROLE), index.model()
        if run is None or not isinstance(model, RunModel):
            return
        colors, state = theme.current(), option.state
        rect: QRect = option.rect.adjusted(theme.scaled(8), 2, -theme.scaled(8), -2)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        is_chosen = bool(state & QStyle.StateFlag.State_Selected)
        if is_chosen or state & QStyle.StateFlag.State_MouseOver:
            painter.setPen(QColor(colors.accent) if state & QStyle.StateFlag.State_HasFocus else Qt.PenStyle.NoPen)
            painter.setBrush(QColor(colors.tint if is_chosen else colors.hover))
            painter.drawRoundedRect(rect, theme.scaled(8), theme.scaled(8))
        inner = rect.adjusted(theme.scaled(10), theme.scaled(7), -theme.scaled(10), -theme.scaled(7))
        for font, colour, words, place in (
            ("text", colors.text, run.name, Qt.AlignmentFlag.AlignTop),
            ("small", colors.soft, model.facts(run), Qt.AlignmentFlag.AlignBottom),
        ):
            painter.setFont(theme.font(font))  # type: ignore[arg-type]  # two of its roles
            painter.setPen(QColor(colour))
            text = painter.fontMetrics().elidedText(words, Qt.TextElideMode.ElideRight, inner.width())
            painter.drawText(inner, place | Qt.AlignmentFlag.AlignLeft, text)
        total = run.history.tokens_total
        if total and run.history.state != "finished":
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(colors.accent))
            width = round(inner.width() * min(1.0, run.history.tokens / total))
            painter.drawRect(QRect(inner.left(), rect.bottom() - 2, width, 2))
        painter.restore()
