"""The fifth step: two models answer the same prompts, and the person says which answer is better, blind."""

from pathlib import Path

from PySide6.QtCore import QLocale, Qt, Signal
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QPlainTextEdit, QProgressBar, QWidget

from chatdesk.errors import UserError
from chatdesk.tasks.comparing import Choice, Comparison, Question
from chatdesk.tasks.lab import Lab, Run
from chatdesk.ui import theme
from chatdesk.ui.errors import sentence_of
from chatdesk.ui.lab.parts import column
from chatdesk.ui.widgets.buttons import TextButton
from chatdesk.ui.widgets.dialogs import choose_folder
from chatdesk.ui.widgets.labels import ElidedLabel, Label


class CompareStep(QWidget):
    """Signals: ``compare_wanted(other, prompts)``. Attributes: ``other``, the folder of the second checkpoint;
    ``prompts``; ``other_button``, ``start_button``, ``cancel_button``; ``votes``, by choice; ``left``, ``right``;
    ``tally``.
    """

    compare_wanted = Signal(object, object)

    def __init__(self, lab: Lab, other: Path) -> None:
        super().__init__()
        self._lab = lab
        self._run: Run | None = None
        self._comparison: Comparison | None = None
        self._question: Question | None = None
        self.other = other
        self.other_button = TextButton(self.tr("Compare with…"), icon="folder")
        self.other_button.clicked.connect(lambda: choose_folder(self, self.choose_other))
        self.other_name = ElidedLabel(str(other))
        self.prompts = QPlainTextEdit()
        self.prompts.setAccessibleName(self.tr("Prompts, one a line"))
        self.prompts.setPlaceholderText(self.tr("One prompt a line; both models answer all of them."))
        self.prompts.setTabChangesFocus(True)
        self.prompts.textChanged.connect(self._follow_start)
        self.start_button = TextButton(self.tr("Let both answer"), kind="primary")
        self.start_button.clicked.connect(lambda: self.compare_wanted.emit(self.other, self._lines()))
        self.cancel_button = TextButton(self.tr("Cancel"))
        self.cancel_button.clicked.connect(lab.stop)
        self.progress = QProgressBar()
        self.progress.setTextVisible(False)
        self.progress.setAccessibleName(self.tr("Progress of the answers"))
        self.prompt = Label(kind="section", wrap=True)
        self.left, self.right = Label(wrap=True), Label(wrap=True)
        names: dict[Choice, str] = {
            "left": self.tr("Left is better"), "right": self.tr("Right is better"),
            "same": self.tr("Alike"), "bad": self.tr("Both bad"),
        }  # fmt: skip
        self.votes = {choice: TextButton(words) for choice, words in names.items()}
        for choice, button in self.votes.items():
            button.clicked.connect(lambda _=False, c=choice: self._vote(c))
        self.tally = Label(kind="soft", wrap=True)
        self._lay_out()

    def _lay_out(self) -> None:
        gap = theme.scaled(8)
        body = column(self)
        body.addWidget(Label(self.tr("Side by side, blind"), kind="section"))
        help_ = self.tr(
            "This model and another one answer the same prompts. Which of them stands on the left changes from prompt "
            "to prompt; it is told when all votes are given."
        )
        body.addWidget(Label(help_, kind="soft", wrap=True))
        line = QHBoxLayout()
        line.setSpacing(gap)
        line.addWidget(self.other_button)
        line.addWidget(self.other_name, 1)
        body.addLayout(line)
        self.prompts.setFixedHeight(theme.scaled(112))
        body.addWidget(self.prompts)
        body.addLayout(_line(self.start_button, self.cancel_button))
        body.addWidget(self.progress)
        body.addWidget(self.prompt)
        answers = QGridLayout()
        answers.setHorizontalSpacing(theme.scaled(24))
        self._heads = (Label(self.tr("Left"), kind="small"), Label(self.tr("Right"), kind="small"))
        for place, (head, answer) in enumerate(zip(self._heads, (self.left, self.right), strict=True)):
            answer.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            answers.addWidget(head, 0, place)
            answers.addWidget(answer, 1, place, Qt.AlignmentFlag.AlignTop)
            answers.setColumnStretch(place, 1)
        body.addLayout(answers)
        body.addLayout(_line(*self.votes.values()))
        body.addWidget(self.tally)
        body.addStretch()

    def choose_other(self, folder: str) -> None:
        """Compare with the checkpoint in that folder."""
        self.other = Path(folder)
        self.other_name.set_words(folder)

    def _lines(self) -> tuple[str, ...]:
        return tuple(line.strip() for line in self.prompts.toPlainText().splitlines() if line.strip())

    def _follow_start(self) -> None:
        run = self._run
        has_model = run is not None and run.checkpoint is not None and run.checkpoint.name == "model"  # no adapter
        is_ready = has_model and self._lab.work is None
        self.start_button.setEnabled(is_ready and bool(self._lines()))

    def show_run(self, run: Run) -> None:
        """Show a run as it is now."""
        self._run = run
        work, file = self._lab.work, self._lab.compared.get(run.path)
        is_mine = work is not None and work.kind == "compare" and work.path == run.path
        trouble = ""
        self._follow_start()
        self.cancel_button.setVisible(is_mine)
        self.progress.setVisible(is_mine)
        if work is not None and is_mine:
            self.progress.setRange(0, work.total)
            self.progress.setValue(work.done)
        if is_mine or file is None or not file.is_file():
            self._comparison = None  # the file is still written by the child
        elif self._comparison is None or self._comparison.journal != file:
            trouble = self._open(file)
        self._show()
        if trouble:
            self.tally.setText(trouble)
            self.tally.show()

    def _open(self, file: Path) -> str:
        """Take up the answers in a file; the sentence that says why they cannot be read."""
        self._comparison = None
        try:
            self._comparison = Comparison.read(file)
        except UserError as error:
            return sentence_of(error)
        return ""

    def _vote(self, choice: Choice) -> None:
        if self._comparison is not None and self._question is not None:
            try:
                self._comparison.vote(self._question.index, choice)
            except UserError as error:
                self.tally.setText(sentence_of(error))
                return
            self._show()
            if self._question is not None:
                self.votes[choice].setFocus()

    def _show(self) -> None:
        comparison = self._comparison
        self._question = question = comparison.question if comparison is not None else None
        for part in (self.prompt, self.left, self.right, *self._heads, *self.votes.values()):
            part.setVisible(question is not None)
        if question is not None:
            self.prompt.setText(question.prompt)
            self.left.setText(question.left.strip() or self.tr("(nothing)"))
            self.right.setText(question.right.strip() or self.tr("(nothing)"))
        self.tally.setVisible(comparison is not None)
        if comparison is not None:
            self.tally.setText(self._told(comparison))

    def _told(self, comparison: Comparison) -> str:
        total = len(comparison.about.prompts)
        if self._question is not None:
            return self.tr("{done} of {total} prompts voted on").format(done=comparison.votes, total=total)
        tally, about = comparison.tally, comparison.about
        if not comparison.votes:
            return self.tr("The answers are not all there. Let both answer again: it goes on.")
        text = self.tr("{first}: {a} · {second}: {b} · alike: {same} · both bad: {bad}. Sign test: p = {p}.")
        said = text.format(
            first=about.a, a=tally.a, second=about.b, b=tally.b, same=tally.same, bad=tally.bad,
            p=QLocale().toString(tally.p, "g", 2),
        )  # fmt: skip
        return said if tally.p < 0.05 else said + " " + self.tr("The difference may well be chance.")


def _line(*buttons: TextButton) -> QHBoxLayout:
    line = QHBoxLayout()
    line.setSpacing(theme.scaled(8))
    for button in buttons:
        line.addWidget(button)
    line.addStretch()
    return line
