"""The first step: which text, how it is cleaned, and what that has done."""

from pathlib import Path

from msgspec.structs import replace
from PySide6.QtCore import QLocale, Qt, QTimer, QUrl, Signal
from PySide6.QtGui import QDesktopServices, QFocusEvent, QKeyEvent
from PySide6.QtWidgets import QFileDialog, QGridLayout, QHBoxLayout, QListWidget, QProgressBar, QVBoxLayout, QWidget

from chatdesk.errors import QT_TRANSLATE_NOOP
from chatdesk.library.figures import short_bytes
from chatdesk.tasks.lab import Lab, Run
from chatdesk.tasks.lab_text import STEPS, Count, Report
from chatdesk.ui import theme
from chatdesk.ui.lab.parts import column, translated
from chatdesk.ui.widgets.buttons import ChoiceButton, Switch, TextButton
from chatdesk.ui.widgets.dialogs import choose_folder
from chatdesk.ui.widgets.labels import Label, tip

_SHARES = (0.0, 0.01, 0.02, 0.05, 0.1)
_STAGES = {
    "reading": QT_TRANSLATE_NOOP("lab", "the files are read"),
    "cleaning": QT_TRANSLATE_NOOP("lab", "the text is cleaned"),
}


class Paths(QListWidget):
    """Files and folders of a run. Signals: ``removed(number)``."""

    removed = Signal(int)

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Qt override: one of them is marked, so that the place can be seen."""
        if self.currentRow() < 0:
            self.setCurrentRow(0)
        super().focusInEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Qt override: Del takes one off the list."""
        if event.key() in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace) and self.currentRow() >= 0:
            self.removed.emit(self.currentRow())
        else:
            super().keyPressEvent(event)


class TextStep(QWidget):
    """Signals: ``next_wanted``, ``prepare_wanted``, ``own_wanted``, ``changed(plan)``, ``report_shown``.

    Attributes: ``paths``; ``switches``, by the name of a cleaning step; ``share``; ``prepare_button`` and
    ``cancel_button``; ``next_button``; ``files_button``.
    """

    next_wanted = Signal()
    changed = Signal(object)
    prepare_wanted = Signal()
    report_shown = Signal()
    own_wanted = Signal()

    def __init__(self, lab: Lab) -> None:
        super().__init__()
        self._lab = lab
        self._run: Run | None = None
        self._shown: Report | None = None
        self.paths = Paths()
        self.paths.setAccessibleName(self.tr("Files and folders"))
        self.paths.removed.connect(self._remove)
        self.add_files = TextButton(self.tr("Add files…"), icon="plus")
        self.add_files.clicked.connect(self._choose_files)
        self.add_folder = TextButton(self.tr("Add a folder…"), icon="folder")
        self.add_folder.clicked.connect(lambda: choose_folder(self, lambda path: self.add([path]), self.tr("Text")))
        self.add_own = TextButton(self.tr("Add my chats and documents"), icon="chat")
        self.add_own.setToolTip(self.tr("Copies them, as they are now, into a file of the lab on this machine."))
        self.add_own.clicked.connect(self.own_wanted)
        self.remove_button = TextButton(self.tr("Remove"))
        self.remove_button.clicked.connect(lambda: self._remove(self.paths.currentRow()))
        self.empty = Label(
            self.tr(
                "Drop files or folders here: txt, md, json, jsonl, csv, docx, epub, html, pdf, packed or not. One "
                "megabyte teaches a tiny model to spell; with five it begins to write sentences."
            ),
            kind="soft",
            wrap=True,
        )
        self.switches = {name: Switch(translated(title)) for name, (title, _) in STEPS.items()}
        for switch in self.switches.values():
            switch.toggled.connect(lambda _: self._change())
        self.share = ChoiceButton(
            self.tr("Held out"), {share: self.tr("{share} %").format(share=round(share * 100)) for share in _SHARES}
        )
        self.share.chosen.connect(self._change)
        self.prepare_button = TextButton(self.tr("Prepare the text"), kind="primary")
        self.prepare_button.clicked.connect(self.prepare_wanted)
        self.cancel_button = TextButton(self.tr("Cancel"))
        self.cancel_button.clicked.connect(lab.stop)
        self.next_button = TextButton(self.tr("Next: the model"), kind="primary")
        self.next_button.clicked.connect(self.next_wanted)
        self.progress = QProgressBar()
        self.progress.setTextVisible(False)
        self.progress.setAccessibleName(self.tr("Progress of the preparation"))
        self.note = Label(kind="soft", wrap=True)
        self.report = QWidget()
        self.samples = Label(kind="soft", wrap=True)
        self.samples.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.heirs = (
            self.cancel_button, self.next_button, self.prepare_button, self.paths, self.remove_button, self.add_files,
        )  # fmt: skip
        self._lay_out()

    def _lay_out(self) -> None:
        gap = theme.scaled(8)
        body = column(self)
        body.addWidget(Label(self.tr("Text"), kind="section"))
        body.addWidget(self.empty)
        body.addWidget(self.paths)
        line = QHBoxLayout()
        line.setSpacing(gap)
        for button in (self.add_files, self.add_folder, self.add_own, self.remove_button):
            line.addWidget(button)
        line.addStretch()
        body.addLayout(line)
        body.addSpacing(gap)
        body.addWidget(Label(self.tr("Cleaning"), kind="section"))
        for name, (_, help_) in STEPS.items():
            body.addLayout(_switch_row(self.switches[name], translated(help_)))
        line = QHBoxLayout()
        words = QVBoxLayout()
        words.setSpacing(0)
        words.addWidget(Label(self.tr("Held out")))
        help_ = self.tr("Documents the model never trains on: they say whether it learns or only remembers.")
        words.addWidget(Label(help_, kind="small", wrap=True))
        line.addLayout(words, 1)
        line.addWidget(self.share, 0, Qt.AlignmentFlag.AlignTop)
        body.addLayout(line)
        line = QHBoxLayout()
        line.setSpacing(gap)
        for button in (self.prepare_button, self.cancel_button, self.next_button):
            line.addWidget(button)
        line.addWidget(self.note, 1)
        body.addLayout(line)
        body.addWidget(self.progress)
        body.addWidget(self.report)
        body.addLayout(self._links())
        body.addWidget(self.samples)
        body.addStretch()
        self._table = QGridLayout(self.report)
        self._table.setContentsMargins(0, gap, 0, 0)
        self._table.setHorizontalSpacing(theme.scaled(24))
        self._table.setVerticalSpacing(theme.scaled(4))

    def _links(self) -> QHBoxLayout:
        """Under the report."""
        self.samples_button = TextButton(self.tr("Show samples, before and after"), kind="link")
        self.samples_button.setCheckable(True)
        self.samples_button.toggled.connect(lambda _: self._show_samples())
        self.files_button = TextButton(self.tr("Show its files"), kind="link")
        self.files_button.clicked.connect(self._show_files)
        line = QHBoxLayout()
        line.setSpacing(theme.scaled(8))
        for button in (self.samples_button, self.files_button):
            line.addWidget(button)
        line.addStretch()
        return line

    # -- what is shown -------------------------------------------------------------------------------------------------

    def show_run(self, run: Run) -> None:
        """Show a run as it is now."""
        self._run = run
        plan, work = run.plan, self._lab.work
        is_mine = work is not None and work.kind == "prepare" and work.path == run.path
        if [self.paths.item(row).toolTip() for row in range(self.paths.count())] != list(map(tip, plan.paths)):
            self.paths.clear()
            for path in plan.paths:
                self.paths.addItem(path)
                self.paths.item(self.paths.count() - 1).setToolTip(tip(path))
        rows = min(6, len(plan.paths))
        self.paths.setFixedHeight(rows * theme.scaled(36) + theme.scaled(4))
        self.paths.setVisible(bool(plan.paths))
        is_free = not run.has_begun and work is None and plan.size is not None
        for name, switch in self.switches.items():
            switch.blockSignals(True)
            switch.setChecked(name in plan.steps)
            switch.blockSignals(False)
            switch.setEnabled(is_free)
        self.share.set_value(min(_SHARES, key=lambda share: abs(share - plan.held_out)))
        for widget in (self.share, self.add_files, self.add_folder, self.add_own):
            widget.setEnabled(is_free)
        self.empty.setVisible(not plan.paths and is_free)
        self.remove_button.setVisible(bool(plan.paths) and is_free)
        is_ready = run.report is not None
        self.prepare_button.setVisible(not is_ready and not is_mine and plan.size is not None)
        self.prepare_button.setEnabled(is_free and bool(plan.paths))
        self.cancel_button.setVisible(is_mine)
        self.next_button.setVisible(is_ready or plan.size is None)
        self.progress.setVisible(is_mine)
        if work is not None and is_mine:
            self.progress.setRange(0, work.total)
            self.progress.setValue(work.done)
            self.note.setText(self.tr("Working: {what}").format(what=_stage(work.what)))
        else:
            self.note.setText("" if plan.size is not None else self.tr("The recipe names its text itself."))
        had = self._shown
        self._show_report(run.report)
        if run.report is not None and run.report is not had and self.isVisible():
            QTimer.singleShot(50, self, self.report_shown.emit)  # after it was laid out

    def _show_report(self, report: Report | None) -> None:
        self.report.setVisible(report is not None)
        self.samples_button.setVisible(report is not None and any(step.samples for step in report.steps))
        self.files_button.setVisible(report is not None)
        self._show_samples()
        if report is self._shown:
            return
        self._shown = report
        while (item := self._table.takeAt(0)) is not None:
            if (old := item.widget()) is not None:
                old.deleteLater()
        if report is None:
            return
        heads = ("", self.tr("documents"), self.tr("changed"), self.tr("left out"), self.tr("removed"))
        for place, head in enumerate(heads):
            self._cell(0, place, head, "small")
        for row, step in enumerate(report.steps, 1):
            self._row(row, step)
        number, row = QLocale().toString, len(report.steps) + 1
        text = self.tr("{documents} documents with {size} to train on; held out: {held}, {held_size}.")
        said = text.format(
            documents=number(report.train_documents),
            size=short_bytes(report.train_bytes),
            held=number(report.held_out_documents),
            held_size=short_bytes(report.held_out_bytes),
        )
        if report.is_cut:
            said = self.tr("{report} Whole documents are too few: parts of the text are held out.").format(report=said)
        self._table.addWidget(Label(said, wrap=True), row, 0, 1, 5)
        warnings = [self.tr("Not read: {file}").format(file=skipped) for skipped in report.skipped[:5]]
        if not report.held_out_documents and self.share.value:
            warnings.append(self.tr("Nothing is held out: too few documents. Such a model cannot be evaluated."))
        for place, words in enumerate(warnings, row + 1):
            self._table.addWidget(Label(words, kind="warning", wrap=True), place, 0, 1, 5)

    def _row(self, row: int, step: Count) -> None:
        number = QLocale().toString
        title = translated(STEPS[step.step][0]) if step.step in STEPS else step.step
        self._cell(row, 0, title, "soft")
        figures = (number(step.seen), number(step.changed), number(step.dropped), short_bytes(step.removed_bytes))
        for place, words in enumerate(figures, 1):
            self._cell(row, place, words, "")

    def _cell(self, row: int, place: int, words: str, kind: str) -> None:
        align = Qt.AlignmentFlag.AlignRight if place else Qt.AlignmentFlag.AlignLeft
        self._table.addWidget(Label(words, kind=kind), row, place, align)

    def _show_samples(self) -> None:
        report = self._run.report if self._run is not None else None
        is_shown = report is not None and self.samples_button.isChecked() and self.samples_button.isVisibleTo(self)
        self.samples.setVisible(is_shown)
        if report is None or not is_shown:
            return
        parts = []
        for step in report.steps:
            for sample in step.samples[:2]:
                after = sample.after or self.tr("(left out)")
                parts.append(f"{translated(STEPS[step.step][0])}\n− {sample.before}\n+ {after}")
        self.samples.setText("\n\n".join(parts))

    # -- what the person does ------------------------------------------------------------------------------------------

    def add(self, paths: list[str]) -> None:
        """Add files or folders."""
        if self._run is None or self._run.has_begun or self._run.plan.size is None:
            return
        wanted = dict.fromkeys((*self._run.plan.paths, *(str(Path(path)) for path in paths)))
        self.changed.emit(replace(self._run.plan, paths=tuple(wanted), text=""))

    def _remove(self, number: int) -> None:
        if self._run is not None and 0 <= number < len(self._run.plan.paths) and self.remove_button.isVisibleTo(self):
            paths = self._run.plan.paths
            self.changed.emit(replace(self._run.plan, paths=(*paths[:number], *paths[number + 1 :]), text=""))

    def _change(self) -> None:
        if self._run is not None:
            steps = tuple(name for name, switch in self.switches.items() if switch.isChecked())
            self.changed.emit(replace(self._run.plan, steps=steps, held_out=self.share.value, text=""))

    def _show_files(self) -> None:
        """The prepared text, with the tokens that were made of it: they take room on the disk."""
        if self._run is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(self._run.plan.text))

    def _choose_files(self) -> None:
        dialog = QFileDialog(self, self.tr("Add files of text"))
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setFileMode(QFileDialog.FileMode.ExistingFiles)
        dialog.filesSelected.connect(self.add)
        dialog.open()


def _switch_row(switch: Switch, help_: str) -> QHBoxLayout:
    words = QVBoxLayout()
    words.setSpacing(0)
    words.addWidget(Label(switch.accessibleName()))
    words.addWidget(Label(help_, kind="small", wrap=True))
    switch.setAccessibleDescription(help_)
    line = QHBoxLayout()
    line.addLayout(words, 1)
    line.addWidget(switch, 0, Qt.AlignmentFlag.AlignTop)
    return line


def _stage(what: str) -> str:
    return translated(_STAGES[what]) if what in _STAGES else what
