"""The fifth step: two models answer the same prompts, and the person says which answer is better, blind."""

from pathlib import Path

from PySide6.QtCore import QLocale, Qt, QTimer, Signal
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QProgressBar, QWidget
from shiboken6 import isValid

from chatdesk.errors import UserError
from chatdesk.library.catalogue import Entry
from chatdesk.tasks.comparing import Choice, Comparison, Question
from chatdesk.tasks.lab import Lab, Run
from chatdesk.ui import theme
from chatdesk.ui.errors import sentence_of
from chatdesk.ui.lab.parts import column
from chatdesk.ui.widgets.buttons import ChoiceButton, TextButton
from chatdesk.ui.widgets.dialogs import choose_folder
from chatdesk.ui.widgets.labels import Label, tip
from chatdesk.ui.widgets.raw_text import TextField

_KEEP_MS = 500


class CompareStep(QWidget):
    """Signals: ``compare_wanted(other, prompts, is_text)``. Attributes: ``other``, the button that chooses the second
    model by its folder; ``prompts``; ``is_text``, whether they are continued; ``folder_button``, ``start_button``,
    ``cancel_button``; ``votes``, by choice; ``left``, ``right``; ``progress`` and ``count`` of the answers; ``tally``.
    """

    compare_wanted = Signal(object, object, bool)

    def __init__(self, lab: Lab, usual: Path) -> None:
        """``usual``: the checkpoint that a whole model is compared with where nobody says otherwise."""
        super().__init__()
        self._lab, self._usual = lab, usual
        self._run: Run | None = None
        self._comparison: Comparison | None = None
        self._question: Question | None = None
        self._entries: list[Entry] = []
        self._chosen = ""  # by the person; empty: what the run suggests
        self.other = ChoiceButton(self.tr("Compare with"), {"": ""})
        self.other.chosen.connect(lambda: self.choose_other(self.other.value))
        self.folder_button = TextButton(self.tr("Another folder…"), icon="folder")
        self.folder_button.clicked.connect(lambda: choose_folder(self, self.choose_other))
        self.prompts = TextField()
        self.prompts.setAccessibleName(self.tr("Prompts, one a line"))
        self.prompts.setPlaceholderText(self.tr("One prompt a line; both models answer all of them."))
        self.prompts.setTabChangesFocus(True)
        self.prompts.setPlainText(lab.prompts)
        self.prompts.textChanged.connect(self._on_typed)
        self._keep = QTimer(self, interval=_KEEP_MS, singleShot=True)
        self._keep.timeout.connect(self._keep_prompts)
        self.is_text = ChoiceButton(
            self.tr("How prompts are meant"),
            {False: self.tr("Prompts are messages"), True: self.tr("Prompts are beginnings of texts")},
        )
        self.start_button = TextButton(self.tr("Let both answer"), kind="primary")
        self.start_button.clicked.connect(
            lambda: self.compare_wanted.emit(Path(self.other.value), self._lines(), self.is_text.value)
        )
        self.cancel_button = TextButton(self.tr("Cancel"))
        self.cancel_button.clicked.connect(lab.stop)
        self.progress = QProgressBar()
        self.progress.setTextVisible(False)
        self.progress.setAccessibleName(self.tr("Progress of the answers"))
        self.count = Label(kind="small")
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
        self.heirs = self.cancel_button, *self.votes.values(), self.start_button
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
        line.addWidget(Label(self.tr("Compare with")))
        line.addWidget(self.other)
        line.addWidget(self.folder_button)
        line.addStretch()
        body.addLayout(line)
        self.prompts.setFixedHeight(theme.scaled(112))
        body.addWidget(self.prompts)
        body.addLayout(_line(self.start_button, self.is_text, self.cancel_button))
        body.addWidget(self.progress)
        body.addWidget(self.count)
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

    def enter(self) -> None:
        """The step is shown: look for what to compare with."""
        self._lab.find_checkpoints(self._take)

    def _take(self, entries: list[Entry]) -> None:
        if isValid(self):
            self._entries = entries
            self._offer()

    def choose_other(self, folder: str) -> None:
        """Compare with the checkpoint in that folder."""
        self._chosen = folder
        self._offer()

    def _choices(self, run: Run) -> dict[str, str]:
        """Names by folder: checkpoints of this machine and models of other runs. The one that suits the run is first:
        what an adapter was trained for, else the usual one.
        """
        names = {str(entry.path): entry.name for entry in self._entries if entry.fault is None}
        mine = run.checkpoint
        for other in self._lab.runs:
            if other.checkpoint is not None and other.path != run.path:
                base = self._lab.base_of(other.checkpoint)
                on = f"{names.get(base, Path(base).name)} + " if base else ""
                names[str(other.checkpoint)] = on + other.name
        first = (self._lab.base_of(mine) if mine is not None else "") or str(self._usual)
        found = {first: names.get(first, Path(first).name)} | names
        if self._chosen:
            found.setdefault(self._chosen, Path(self._chosen).name)
        found.pop(str(mine), None)
        return found

    def _offer(self) -> None:
        """What can be chosen just now."""
        if self._run is None:
            return
        choices = self._choices(self._run)
        self.other.set_choices(choices)
        self.other.set_value(self._chosen if self._chosen in choices else next(iter(choices)))
        self.other.setToolTip(tip(self.other.value))

    def _lines(self) -> tuple[str, ...]:
        return tuple(line.strip() for line in self.prompts.toPlainText().splitlines() if line.strip())

    def _on_typed(self) -> None:
        self._lab.prompts = self.prompts.toPlainText()
        self._keep.start()
        self._follow_start()

    def _keep_prompts(self) -> None:
        try:
            self._lab.keep_prompts()
        except UserError as error:
            self.tally.setText(sentence_of(error))
            self.tally.show()

    def _follow_start(self) -> None:
        run = self._run
        is_ready = run is not None and run.checkpoint is not None and self._lab.work is None
        self.start_button.setEnabled(is_ready and bool(self._lines()))

    def show_run(self, run: Run) -> None:
        """Show a run as it is now."""
        if self._run is None or self._run.path != run.path:
            self._chosen = ""
            self.is_text.set_value(run.is_of_prose)
        self._run = run
        work, file = self._lab.work, self._lab.compared.get(run.path)
        is_mine = work is not None and work.kind == "compare" and work.path == run.path
        trouble = ""
        self._offer()
        self._follow_start()
        self.cancel_button.setVisible(is_mine)
        self.progress.setVisible(is_mine)
        self.count.setVisible(is_mine)
        if work is not None and is_mine:
            self.progress.setRange(0, work.total)
            self.progress.setValue(work.done)
            count = self.tr("{done} of {total} answers").format(done=work.done, total=work.total)
            self.count.setText(count if work.total else "")
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
        return said if tally.p < 0.05 else self.tr("{votes} The difference may well be chance.").format(votes=said)


def _line(*buttons: TextButton) -> QHBoxLayout:
    line = QHBoxLayout()
    line.setSpacing(theme.scaled(8))
    for button in buttons:
        line.addWidget(button)
    line.addStretch()
    return line
