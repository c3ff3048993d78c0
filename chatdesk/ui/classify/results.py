"""The table of texts with what the model says about each, and how good that is."""

from typing import Any

from PySide6.QtCore import (
    QAbstractTableModel,
    QCoreApplication,
    QEvent,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    Qt,
    Signal,
)
from PySide6.QtGui import QColor, QResizeEvent
from PySide6.QtWidgets import QAbstractItemView, QGridLayout, QTableView, QVBoxLayout, QWidget

from chatdesk.errors import QT_TRANSLATE_NOOP
from chatdesk.tasks.classify import Report, place_of
from chatdesk.tasks.classify_run import Run
from chatdesk.ui import theme
from chatdesk.ui.widgets.frames import read_only
from chatdesk.ui.widgets.labels import Label, tip

_SHOWN = 300  # characters of a text
_TEXT_PX = 200  # least width of their column
_PROBLEMS = {
    "empty": QT_TRANSLATE_NOOP("Results", "no text"),
    "too_long": QT_TRANSLATE_NOOP("Results", "too long: at least {tokens} of {limit} tokens"),
}
Index = QModelIndex | QPersistentModelIndex


class ResultsModel(QAbstractTableModel):
    """A row for each text: the text, the true label where there are some, the label, the probability of each.

    Attributes: ``run``, what is shown, or None; ``has_long_text``, whether a text was too long for the model. Signals:
    ``widened``, with the first such text.
    """

    widened = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.run: Run | None = None
        self.has_long_text = False
        self._truths: list[str] = []

    def set_run(self, run: Run | None, truths: list[str]) -> None:
        """Show another table."""
        self.beginResetModel()
        self.run, self._truths, self.has_long_text = run, truths, False
        self.endResetModel()

    @property
    def label_column(self) -> int:
        """The column that says the label, or why there is none."""
        return 1 + bool(self._truths)

    def rows_changed(self, rows: tuple[int, ...]) -> None:
        """These have results now."""
        if rows and self.run is not None:
            self.dataChanged.emit(self.index(min(rows), 0), self.index(max(rows), self.columnCount() - 1))
            found = (self.run.results[row] for row in rows)
            if not self.has_long_text and any(each is not None and each.tokens for each in found):
                self.has_long_text = True
                self.widened.emit()

    def rowCount(self, parent: Index | None = None) -> int:
        """Qt override: the texts."""
        return len(self.run.texts) if self.run and not (parent and parent.isValid()) else 0

    def columnCount(self, parent: Index | None = None) -> int:
        """Qt override: see the class."""
        return 2 + bool(self._truths) + len(self.run.plan.labels) if self.run else 0

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Qt override: names of the columns, numbers of the rows."""
        if role == Qt.ItemDataRole.TextAlignmentRole and orientation == Qt.Orientation.Horizontal:
            return self._alignment(section)
        if role != Qt.ItemDataRole.DisplayRole or self.run is None:
            return None
        if orientation == Qt.Orientation.Vertical:
            return section + 1
        names = [self.tr("Text"), *([self.tr("True label")] if self._truths else []), self.tr("Label")]
        return [*names, *(label.name for label in self.run.plan.labels)][section]

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Qt override: what stands in a cell."""
        if self.run is None:
            return None
        row, column = index.row(), index.column() - bool(self._truths)
        if role == Qt.ItemDataRole.DisplayRole:
            return self._words(row, index.column())
        if role == Qt.ItemDataRole.ToolTipRole and index.column() == 0:
            return tip(self.run.texts[row][:2000])
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return self._alignment(index.column())
        if role == Qt.ItemDataRole.ForegroundRole and column == 1:
            found, colors = self.run.results[row], theme.current()
            if found is not None and found.problem:
                return QColor(colors.warning)
            return QColor(colors.danger) if self._is_wrong(row) else None
        return None

    def _alignment(self, column: int) -> int:
        """Words at the left, figures at the right."""
        is_figure = column - bool(self._truths) > 1
        side = Qt.AlignmentFlag.AlignRight if is_figure else Qt.AlignmentFlag.AlignLeft
        return int(side | Qt.AlignmentFlag.AlignVCenter)

    def _is_wrong(self, row: int) -> bool:
        """Whether the true label is another one that the plan has."""
        run, found = self.run, self.run.results[row] if self.run else None
        if run is None or not self._truths or found is None or found.best is None:
            return False
        return place_of(self._truths[row], run.plan.places()) not in (None, found.best)

    def _words(self, row: int, column: int) -> str:
        assert self.run is not None, "there is no row without a table"
        if column == 0:
            text = self.run.texts[row]
            return " ".join(text[:_SHOWN].split()) + ("…" if len(text) > _SHOWN else "")
        if self._truths and column == 1:
            return self._truths[row]
        found, place = self.run.results[row], column - 2 - bool(self._truths)
        if found is None:
            return "" if place >= 0 else "…"
        if found.best is None:
            words = QCoreApplication.translate("Results", _PROBLEMS.get(found.problem, "{tokens}"))
            return "" if place >= 0 else words.format(tokens=found.tokens, limit=self.run.limit)
        return f"{found.probabilities[place]:.3f}" if place >= 0 else self.run.plan.labels[found.best].name


class ResultsView(QTableView):
    """The table on screen."""

    def __init__(self, model: ResultsModel) -> None:
        super().__init__()
        self._model = model
        self.setModel(model)
        self.setAccessibleName(self.tr("Texts and their labels"))
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setTabKeyNavigation(False)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(theme.scaled(30))
        self.horizontalHeader().setHighlightSections(False)
        model.modelReset.connect(self._fit)
        model.widened.connect(self._fit)

    def _fit(self) -> None:
        """Each column has the room it needs; what cannot be sorted is rare, and is said at length."""
        header = self.horizontalHeader()
        header.setDefaultSectionSize(theme.scaled(104))
        if self.model().columnCount():
            widest = QCoreApplication.translate("Results", _PROBLEMS["too_long"]).format(tokens=88888, limit=88888)
            advance = self.fontMetrics().horizontalAdvance
            needed = advance(widest) if self._model.has_long_text else min(advance(widest), self._widest_label())
            header.resizeSection(self._model.label_column, max(theme.scaled(104), needed + theme.scaled(24)))
            self._fit_text()

    def _widest_label(self) -> int:
        labels = self._model.run.plan.labels if self._model.run else ()
        return max((self.fontMetrics().horizontalAdvance(label.name) for label in labels), default=0)

    def _fit_text(self) -> None:
        """The texts have the room that is left, and enough to be told apart."""
        header = self.horizontalHeader()
        others = sum(header.sectionSize(column) for column in range(1, header.count()))
        if header.count():
            header.resizeSection(0, max(theme.scaled(_TEXT_PX), self.viewport().width() - others))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Qt override."""
        super().resizeEvent(event)
        self._fit_text()


class ReportView(QWidget):
    """Accuracy and the confusion matrix. Attributes: ``words``; ``cells``, the counts as labels by (true, said)."""

    def __init__(self) -> None:
        super().__init__()
        self.words = Label(wrap=True)
        self.cells: dict[tuple[int, int], Label] = {}
        self._matrix = QWidget()
        self._matrix.installEventFilter(self)
        self._matrix.setObjectName("content")
        self._grid = QGridLayout(self._matrix)
        self._grid.setContentsMargins(theme.scaled(2), theme.scaled(2), theme.scaled(4), theme.scaled(2))
        self._grid.setHorizontalSpacing(theme.scaled(20))
        self._grid.setVerticalSpacing(theme.scaled(4))
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.scaled(8))
        column.addWidget(self.words)
        self._area = read_only(self._matrix, self.tr("True labels and what was said"))
        self._area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAsNeeded)
        column.addWidget(self._area)
        self.hide()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """All lines of the matrix are in sight; where it is too wide it is scrolled."""
        if event.type() == QEvent.Type.LayoutRequest:
            bar, frame = self._area.horizontalScrollBar().sizeHint(), self._area.frameWidth()
            self._area.setFixedHeight(self._matrix.sizeHint().height() + bar.height() + 2 * frame)
        return super().eventFilter(watched, event)

    def show_report(self, found: Report | None) -> None:
        """Show it; without true labels there is nothing."""
        while (item := self._grid.takeAt(0)) is not None:
            if (old := item.widget()) is not None:
                old.hide()
                old.deleteLater()
        self.cells = {}
        self.setVisible(found is not None)
        if found is None:
            return
        self._area.setVisible(bool(found.counted))
        if not found.counted:
            self.words.setText(self.tr("None of the true labels is one of these labels, so nothing can be counted."))
            return
        words = self.tr("Accuracy {accuracy} of {count} texts. Always saying the commonest label gives {commonest}.")
        shown = words.format(accuracy=f"{found.accuracy:.1%}", count=found.counted, commonest=f"{found.commonest:.1%}")
        if found.uncounted:
            shown += " " + self.tr("Not counted: {count}.").format(count=found.uncounted)
        self.words.setText(shown)
        self._grid.addWidget(Label(self.tr("true ↓ · said →"), kind="soft"), 0, 0)
        for place, name in enumerate(found.labels):
            self._grid.addWidget(Label(name, kind="soft"), 0, place + 1, Qt.AlignmentFlag.AlignRight)
            self._grid.addWidget(Label(name, kind="soft"), place + 1, 0)
            for said, count in enumerate(found.confusion[place]):
                cell = self.cells[place, said] = Label(str(count))
                self._grid.addWidget(cell, place + 1, said + 1, Qt.AlignmentFlag.AlignRight)
        self._grid.setColumnStretch(len(found.labels) + 1, 1)
