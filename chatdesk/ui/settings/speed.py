"""How fast the loaded model is here, measured when asked, with what limits this machine in words."""

from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication, Qt
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QProgressBar, QVBoxLayout, QWidget

from chatdesk.library.figures import short_bytes
from chatdesk.tasks.changes import BenchChanged
from chatdesk.tasks.speed import LIMITS, Pair, Report, number
from chatdesk.ui import theme
from chatdesk.ui.errors import sentence
from chatdesk.ui.widgets.buttons import TextButton
from chatdesk.ui.widgets.labels import Label

if TYPE_CHECKING:
    from chatdesk.tasks.bench import Bench


class SpeedSection(QWidget):
    """Attributes: ``button``, measures or stops; ``bar``; ``words`` and ``limit``, what is said; ``table``, figures."""

    def __init__(self, bench: "Bench") -> None:
        super().__init__()
        self._bench = bench
        self.button = TextButton("")
        self.button.clicked.connect(self._on_clicked)
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setAccessibleName(self.tr("Measuring"))
        self.words = Label(kind="small", wrap=True)
        self.words.setContentsMargins(0, 0, 0, theme.scaled(4))
        self.limit = Label(wrap=True)
        for label in (self.words, self.limit):
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.table = QWidget()
        self._cells = QGridLayout(self.table)
        self._cells.setContentsMargins(0, theme.scaled(8), 0, theme.scaled(8))
        self._cells.setHorizontalSpacing(theme.scaled(24))
        self._cells.setVerticalSpacing(theme.scaled(6))
        self._cells.setColumnStretch(0, 1)
        line = QHBoxLayout()
        line.addWidget(Label(self.tr("Speed")), 1)
        line.addWidget(self.button)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.scaled(4))
        column.addLayout(line)
        for part in (self.words, self.bar, self.table, self.limit):
            column.addWidget(part)
        self.apply(bench.state)

    def apply(self, change: BenchChanged) -> None:
        """Show how far a measurement is, or what it found."""
        is_running, report = change.state == "running", change.report
        self.button.set_words(self.tr("Stop") if is_running else self.tr("Measure"))
        self.button.setAccessibleName(self.tr("Stop measuring") if is_running else self.tr("Measure the speed"))
        self.bar.setVisible(is_running)
        self.bar.setRange(0, change.total)
        self.bar.setValue(change.done)
        self.words.setText(self._words(change))
        self.table.setVisible(report is not None)
        self.limit.setVisible(report is not None)
        if report is not None:
            self._fill(report)
            self.limit.setText(f"{self._limit(report)}\n{self._memory(report)}")

    def _words(self, change: BenchChanged) -> str:
        match change.state:
            case "running":
                return self.tr("Measuring in turns with plain transformers. A message that you send stops it.")
            case "busy":
                return self.tr("A reply is being written. Measure when it has ended.")
            case "gave_way":
                return self.tr("Stopped, for a reply or another model was wanted.")
            case "failed" if change.notice is not None:
                return sentence(change.notice.fault, change.notice.fields)
            case "done" if change.report is not None:
                info = change.report.info
                rounds = self.tr("medians of {count} rounds").format(count=change.report.rounds)
                return " · ".join((info.name, info.dtype, info.device_name, rounds))
        return self.tr(
            "How fast the loaded model reads and writes on this machine, beside plain transformers, and what limits "
            "it. This takes a minute or two."
        )

    def _limit(self, report: Report) -> str:
        return QCoreApplication.translate("Speed", LIMITS[report.limit]).format(**report.fields())

    def _memory(self, report: Report) -> str:
        taken, weights = short_bytes(report.measured.memory_bytes), short_bytes(report.measured.weight_bytes)
        words = self.tr("The engine takes {taken} of memory, of which {weights} are the weights.")
        return words.format(taken=taken, weights=weights)

    def _fill(self, report: Report) -> None:
        """The figures beside those of transformers."""
        while (item := self._cells.takeAt(0)) is not None:
            if (old := item.widget()) is not None:
                old.hide()
                old.deleteLater()
        self._add_row(0, "", "chatdesk", "transformers", "", kind="section")
        self._add_row(1, self.tr("Writing, tokens a second"), *_speeds(report.decode))
        self._add_row(2, self.tr("Reading a prompt, tokens a second"), *_speeds(report.prefill))
        first = report.first_token
        times = f"{first.own:.2f}", f"{first.plain:.2f}", f"{number(first.ratio)} ×"
        self._add_row(3, self.tr("First word of a next reply, seconds"), *times)

    def _add_row(self, row: int, *words: str, kind: str = "") -> None:
        for column, word in enumerate(words):
            cell = Label(word, kind=kind)
            if column:
                cell.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            self._cells.addWidget(cell, row, column)

    def _on_clicked(self) -> None:
        if self._bench.state.state == "running":
            self._bench.cancel()
        else:
            self._bench.start()


def _speeds(pair: Pair) -> tuple[str, str, str]:
    return number(pair.own), number(pair.plain), f"{number(pair.ratio)} ×"
