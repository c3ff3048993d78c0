"""The third step: a run at work, as curves and samples; several runs in one picture."""

from functools import partial

from PySide6.QtCore import QCoreApplication, QLocale, Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QMenu, QProgressBar, QWidget

from chatdesk.errors import QT_TRANSLATE_NOOP
from chatdesk.library.figures import short_count
from chatdesk.tasks.lab import Lab, Run
from chatdesk.ui import theme
from chatdesk.ui.lab.curves import ROLES, Chart, Curve
from chatdesk.ui.lab.parts import column, duration
from chatdesk.ui.widgets.buttons import TextButton
from chatdesk.ui.widgets.labels import Label

STATES = {
    "new": QT_TRANSLATE_NOOP("lab", "not begun"),
    "running": QT_TRANSLATE_NOOP("lab", "running"),
    "paused": QT_TRANSLATE_NOOP("lab", "paused"),
    "finished": QT_TRANSLATE_NOOP("lab", "finished"),
    "broken": QT_TRANSLATE_NOOP("lab", "broken off"),
}
_PREPARING = {
    "loading the checkpoint": QT_TRANSLATE_NOOP("lab", "the checkpoint is loaded"),
    "training the tokenizer": QT_TRANSLATE_NOOP("lab", "the tokenizer is trained"),
}
_SAMPLES = 6


class TrainStep(QWidget):
    """Signals: ``train_wanted``, ``use_wanted``. Attributes: ``start_button`` (begins, pauses, goes on), ``loss``,
    ``rate`` and ``speed``, the charts; ``samples``; ``others``, the names of the runs that are shown beside this one.
    """

    train_wanted = Signal()
    use_wanted = Signal()

    def __init__(self, lab: Lab) -> None:
        super().__init__()
        self._lab = lab
        self._run: Run | None = None
        self.others: set[str] = set()
        self.start_button = TextButton(self.tr("Start training"), kind="primary")
        self.start_button.clicked.connect(self._start)
        self.use_button = TextButton(self.tr("Next: use it"))
        self.use_button.clicked.connect(self.use_wanted)
        self.compare_button = TextButton(self.tr("Compare with"), icon="chevron-down", icon_behind=True)
        self._menu = QMenu(self)
        self._menu.setLayoutDirection(Qt.LayoutDirection.LeftToRight)
        self._menu.aboutToShow.connect(self._fill_menu)
        self.compare_button.setMenu(self._menu)
        self.progress = QProgressBar()
        self.progress.setTextVisible(False)
        self.progress.setRange(0, 1000)
        self.progress.setAccessibleName(self.tr("Progress of the training"))
        self.state = Label(kind="soft", wrap=True)
        self.loss = Chart(self.tr("Loss, nats a token"), 280)
        self.rate = Chart(self.tr("Learning rate"), 130)
        self.speed = Chart(self.tr("Tokens a second"), 130)
        self.samples = Label(wrap=True)
        self.samples.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.samples_title = Label(self.tr("What it writes"), kind="section")
        self.heirs = self.start_button, self.use_button
        self._lay_out()

    def _lay_out(self) -> None:
        body = column(self)
        self.setMaximumWidth(theme.scaled(1000))
        line = QHBoxLayout()
        line.setSpacing(theme.scaled(8))
        line.addWidget(self.start_button)
        line.addWidget(self.use_button)
        line.addStretch()
        line.addWidget(self.compare_button)
        body.addLayout(line)
        body.addWidget(self.progress)
        body.addWidget(self.state)
        body.addWidget(self.loss)
        line = QHBoxLayout()
        line.setSpacing(theme.scaled(16))
        line.addWidget(self.rate)
        line.addWidget(self.speed)
        body.addLayout(line)
        body.addWidget(self.samples_title)
        body.addWidget(self.samples)
        body.addStretch()

    def show_run(self, run: Run) -> None:
        """Show a run as it is now."""
        if self._run is not None and self._run.path != run.path:
            self.others.clear()
        self._run = run
        history, work = run.history, self._lab.work
        is_mine = work is not None and work.kind == "train" and work.path == run.path
        words = self.tr("Go on") if run.has_begun else self.tr("Start training")
        if work is not None and is_mine:
            words = self.tr("Saving…") if work.is_stopping else self.tr("Pause")
        self.start_button.set_words(words)
        can_start = work is None and run.recipe is not None and history.state != "finished"
        self.start_button.setEnabled(is_mine or can_start)
        self.start_button.setVisible(history.state != "finished" or is_mine)
        self.use_button.setVisible(run.checkpoint is not None)
        self.compare_button.setVisible(len([each for each in self._lab.runs if each.history.losses]) > 1)
        total = history.tokens_total or (run.recipe.token_count if run.recipe else 0)
        self.progress.setValue(min(1000, round(1000 * history.tokens / total)) if total else 0)
        self.progress.setVisible(run.has_begun or is_mine)
        self.state.setText(self._words(run, is_mine))
        self._show_curves(run)
        texts = [
            self.tr("{tokens} tokens: “{prompt}” → {text}").format(
                tokens=short_count(tokens), prompt=prompt, text=" ".join(text.split())
            )
            for tokens, prompt, text in reversed(history.samples[-_SAMPLES:])
        ]
        self.samples.setText("\n\n".join(texts))
        self.samples_title.setVisible(bool(texts))
        self.samples.setVisible(bool(texts))

    def _words(self, run: Run, is_mine: bool) -> str:
        history, number = run.history, QLocale().toString
        if history.preparing and is_mine:
            what, _, file = history.preparing.partition("tokenising ")
            cut = self.tr("{file} is cut into tokens").format(file=file)
            what = QCoreApplication.translate("lab", _PREPARING[what]) if what in _PREPARING else what
            return self.tr("Preparing: {what}").format(what=cut if file else what)
        parts = [QCoreApplication.translate("lab", STATES["running" if is_mine else history.state])]
        if history.tokens_total:
            tokens = self.tr("{done} of {total} tokens")
            parts.append(tokens.format(done=short_count(history.tokens), total=short_count(history.tokens_total)))
        if history.held_out:
            parts.append(self.tr("held-out loss {loss}").format(loss=number(history.held_out[-1][1], "f", 3)))
        if history.speeds and is_mine:
            parts.append(self.tr("{speed} tokens/s").format(speed=number(history.speeds[-1][1], "f", 0)))
        if is_mine and (left := history.seconds_left) is not None:
            parts.append(self.tr("{time} left").format(time=duration(left)))
        return " · ".join(parts)

    def _show_curves(self, run: Run) -> None:
        history, others = run.history, [each for each in self._lab.runs if each.name in self.others]
        curves = [
            Curve(self.tr("training"), history.losses, "faint"),
            Curve(self.tr("held out"), history.held_out, "accent", has_dots=True),
        ]
        rates, speeds = [Curve("", history.rates, "accent")], [Curve("", history.speeds, "accent")]
        for number, other in enumerate(others):
            role = ROLES[1 + number % (len(ROLES) - 1)]
            told = other.history
            curves.append(Curve(other.name, told.held_out or told.losses, role, has_dots=bool(told.held_out)))
            rates.append(Curve("", told.rates, role))
            speeds.append(Curve("", told.speeds, role))
        self.loss.set_curves(curves)
        self.rate.set_curves(rates)
        self.speed.set_curves(speeds)
        for chart in (self.loss, self.rate, self.speed):
            chart.setVisible(bool(chart.curves))

    def _fill_menu(self) -> None:
        self._menu.clear()
        for run in self._lab.runs:
            if self._run is not None and run.path != self._run.path and run.history.losses:
                action = self._menu.addAction(run.name.replace("&", "&&"))
                action.setCheckable(True)
                action.setChecked(run.name in self.others)
                action.toggled.connect(partial(self.compare, run.name))

    def compare(self, name: str, is_shown: bool) -> None:
        """Show another run in the same picture, or no longer."""
        (self.others.add if is_shown else self.others.discard)(name)
        if self._run is not None:
            self._show_curves(self._run)

    def _start(self) -> None:
        if self._lab.is_training:
            self._lab.stop()
        else:
            self.train_wanted.emit()
