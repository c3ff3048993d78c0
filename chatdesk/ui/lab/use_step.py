"""The fourth step: talk to the model, measure it, take it elsewhere."""

import shutil
from pathlib import Path
from typing import Any

from PySide6.QtCore import QLocale, Qt, QUrl, Signal
from PySide6.QtGui import QDesktopServices, QGuiApplication
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QProgressBar, QWidget

from chatdesk.tasks.lab import REPORT, Lab, Run
from chatdesk.ui import theme
from chatdesk.ui.lab.parts import column
from chatdesk.ui.widgets.buttons import TextButton
from chatdesk.ui.widgets.dialogs import choose_place
from chatdesk.ui.widgets.labels import Label


class UseStep(QWidget):
    """Signals: ``talk_wanted(path)``, ``judge_wanted``, ``again_wanted``. Attributes: ``talk_button``,
    ``judge_button``, ``report_button``, ``save_button``, ``again_button``, ``figures``, ``command``.
    """

    talk_wanted = Signal(str)
    judge_wanted = Signal()
    again_wanted = Signal()

    def __init__(self, lab: Lab) -> None:
        super().__init__()
        self._lab = lab
        self._run: Run | None = None
        self.note = Label(kind="soft", wrap=True)
        self.talk_button = TextButton(self.tr("Talk to it"), kind="primary")
        self.talk_button.clicked.connect(self._talk)
        self.folder_button = TextButton(self.tr("Show its files"), icon="folder")
        self.folder_button.clicked.connect(self._show_files)
        self.judge_button = TextButton(self.tr("Evaluate"))
        self.judge_button.clicked.connect(self.judge_wanted)
        self.save_button = TextButton(self.tr("Save the report…"))
        self.save_button.clicked.connect(self._save)
        self.report_button = TextButton(self.tr("Open the report"))
        self.report_button.clicked.connect(self._open_report)
        self.again_button = TextButton(self.tr("New run with the same choices"), icon="plus")
        self.again_button.clicked.connect(self.again_wanted)
        self.copy_button = TextButton(self.tr("Copy the command"), icon="copy", kind="link")
        self.copy_button.clicked.connect(self._copy)
        self.progress = QProgressBar()
        self.progress.setTextVisible(False)
        self.progress.setAccessibleName(self.tr("Progress of the evaluation"))
        self.figures = QWidget()
        self.command = Label(kind="soft", wrap=True)
        self.command.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.heirs = self.judge_button, self.report_button, self.talk_button
        self._lay_out()

    def _lay_out(self) -> None:
        body = column(self)
        body.addWidget(Label(self.tr("The model"), kind="section"))
        body.addWidget(self.note)
        body.addLayout(_line(self.talk_button, self.folder_button, self.again_button))
        body.addSpacing(theme.scaled(8))
        body.addWidget(Label(self.tr("How good it is"), kind="section"))
        help_ = self.tr(
            "Measured on the held-out text, and by texts that it writes. Bits per byte compare any two "
            "models: text as it is takes 8, a good packing program 2 to 3, large models below 1."
        )
        body.addWidget(Label(help_, kind="soft", wrap=True))
        body.addLayout(_line(self.judge_button, self.report_button, self.save_button))
        body.addWidget(self.progress)
        body.addWidget(self.figures)
        self._grid = QGridLayout(self.figures)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(theme.scaled(24))
        self._grid.setColumnStretch(2, 1)
        body.addSpacing(theme.scaled(8))
        body.addWidget(Label(self.tr("On the command line"), kind="section"))
        body.addWidget(self.command)
        body.addWidget(self.copy_button, 0, Qt.AlignmentFlag.AlignLeft)
        body.addStretch()

    def show_run(self, run: Run) -> None:
        """Show a run as it is now."""
        self._run = run
        work, has_model = self._lab.work, run.checkpoint is not None
        is_mine = work is not None and work.kind == "judge" and work.path == run.path
        note = self.tr("There is none yet: train first. It can be talked to from the first save on.")
        if has_model and run.path.parent != self._lab.folder:
            note = self.tr("It lies in the folder of the run, as of its last save.")
        elif has_model:
            note = self.tr("It is on the Models page under the name of the run, as of its last save.")
        if run.checkpoint is not None and run.checkpoint.name == "adapter":
            text = self.tr("It is an adapter for {model}. Talking to it loads that model with the adapter.")
            note = text.format(model=Path(run.plan.start).name or self.tr("the model it was trained on"))
        self.note.setText(note)
        self.talk_button.setEnabled(has_model)
        self.folder_button.setEnabled(has_model)
        self.judge_button.setEnabled(has_model and work is None)
        self.judge_button.set_words(self.tr("Measuring…") if is_mine else self.tr("Evaluate"))
        self.progress.setVisible(is_mine)
        if work is not None and is_mine:
            self.progress.setRange(0, work.total)
            self.progress.setValue(work.done)
        found = self._lab.results.get((run.path, "judge"), {})
        for button in (self.save_button, self.report_button):
            button.setEnabled((run.path / REPORT).is_file() and not is_mine)
        self.figures.setVisible(bool(found))
        while (item := self._grid.takeAt(0)) is not None:
            if (old := item.widget()) is not None:
                old.deleteLater()
        for row, (words, figure) in enumerate(self._rows(found)):
            self._grid.addWidget(Label(words, kind="soft"), row, 0)
            self._grid.addWidget(Label(figure), row, 1, Qt.AlignmentFlag.AlignRight)
        self.command.setText(run.command)

    def _rows(self, found: dict[str, Any]) -> list[tuple[str, str]]:
        number = QLocale().toString
        found = {**found, **(found.get("diversity") or {})}
        for place, share in enumerate(found.get("distinct") or (), 1):
            found[f"distinct_{place}"] = share
        names = {
            "loss": (self.tr("Loss, nats a token"), 3),
            "perplexity": (self.tr("Perplexity"), 2),
            "bits_per_byte": (self.tr("Bits per byte"), 3),
            "distinct_1": (self.tr("Different words among those it writes"), 3),
            "distinct_2": (self.tr("Different pairs of words"), 3),
            "self_bleu": (self.tr("Self-BLEU: how alike its texts are"), 3),
            "repetition": (self.tr("Repetition: groups of four words written twice in a text"), 3),
            "copied": (self.tr("Copied: groups of eight words from the training text"), 3),
        }
        shown = {key: name for key, name in names.items() if found.get(key) is not None}
        return [(words, number(float(found[key]), "f", places)) for key, (words, places) in shown.items()]

    def _copy(self) -> None:
        QGuiApplication.clipboard().setText(self.command.text())

    def _talk(self) -> None:
        if self._run is not None and self._run.checkpoint is not None:
            self.talk_wanted.emit(str(self._run.checkpoint))

    def _show_files(self) -> None:
        if self._run is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._run.path)))

    def _open_report(self) -> None:
        if self._run is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._run.path / REPORT)))

    def _save(self) -> None:
        run = self._run
        if run is None:
            return

        def save(path: Path) -> None:
            try:
                shutil.copyfile(run.path / REPORT, path)
            except OSError as error:
                self.note.setText(self.tr("Not saved: {reason}").format(reason=error.strerror or error))

        choose_place(self, f"{run.name}.html", save)


def _line(*buttons: TextButton) -> QHBoxLayout:
    line = QHBoxLayout()
    line.setSpacing(theme.scaled(8))
    for button in buttons:
        line.addWidget(button)
    line.addStretch()
    return line
