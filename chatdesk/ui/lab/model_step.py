"""The second step: the size of the model, and what it asks for, said while a slider moves."""

from dataclasses import replace
from pathlib import Path

import msgspec
from PySide6.QtCore import QLocale, Signal
from PySide6.QtWidgets import QHBoxLayout, QWidget
from shiboken6 import isValid

from chatdesk.errors import QT_TRANSLATE_NOOP
from chatdesk.library.catalogue import Entry
from chatdesk.library.figures import short_bytes, short_count
from chatdesk.settings.options import Option
from chatdesk.tasks.lab import Lab, Run
from chatdesk.tasks.lab_sizes import PRESETS, Size, fitted, proposed
from chatdesk.ui import theme
from chatdesk.ui.lab.parts import column, duration, translated
from chatdesk.ui.widgets.buttons import ChoiceButton, TextButton
from chatdesk.ui.widgets.flow import Flow
from chatdesk.ui.widgets.labels import Label
from chatdesk.ui.widgets.option_rows import NumberRow

FIELDS = {
    option.name: option
    for option in (
        Option(
            "layers", int, 4, QT_TRANSLATE_NOOP("options", "Layers"),
            QT_TRANSLATE_NOOP("options", "Blocks on top of one another: more of them reason in more steps."),
            low=1, high=96, step=1, slider_high=24,
        ),
        Option(
            "heads", int, 4, QT_TRANSLATE_NOOP("options", "Heads"),
            QT_TRANSLATE_NOOP("options", "How many places of the text a block looks at at once."),
            low=1, high=96, step=1, slider_high=24,
        ),
        Option(
            "width", int, 128, QT_TRANSLATE_NOOP("options", "Width"),
            QT_TRANSLATE_NOOP("options", "Numbers that stand for a token; a multiple of the heads."),
            low=16, high=8192, step=16, slider_high=1024,
        ),
        Option(
            "context", int, 256, QT_TRANSLATE_NOOP("options", "Context"),
            QT_TRANSLATE_NOOP("options", "Most tokens the model sees at once; a token is about four letters."),
            low=16, high=131072, step=64, slider_high=2048,
        ),
        Option(
            "vocabulary", int, 2000, QT_TRANSLATE_NOOP("options", "Vocabulary"),
            QT_TRANSLATE_NOOP("options", "Different tokens, learned from the text; small ones suit small texts."),
            low=300, high=200_000, step=100, slider_high=32_000,
        ),
        Option(
            "passes", float, 4.0, QT_TRANSLATE_NOOP("options", "Times the text is read"),
            QT_TRANSLATE_NOOP("options", "Up to four teach nearly as much as new text; many are learned by heart."),
            low=0.1, high=1000.0, step=0.1, slider_high=20.0,
        ),
    )
}  # fmt: skip
_MINUTES = (5, 10, 30, 120)


class ModelStep(QWidget):
    """Signals: ``changed(plan)``, ``weigh_wanted``, ``next_wanted``. Attributes: ``origin`` and
    ``method``, of a checkpoint to go on from; ``presets``, buttons by name; ``rows``
    by field; ``facts``; ``measure_button``; ``fit_buttons`` by minutes; ``next_button``.
    """

    changed = Signal(object)
    weigh_wanted = Signal()
    next_wanted = Signal()

    def __init__(self, lab: Lab) -> None:
        super().__init__()
        self._lab = lab
        self._run: Run | None = None
        self._known: dict[str, str] = {}
        self.presets: dict[str, TextButton] = {}
        for name, (title, size) in PRESETS.items():
            button = self.presets[name] = TextButton(f"{translated(title)} · {short_count(size.parameters)}")
            button.setCheckable(True)
            button.clicked.connect(lambda _=False, chosen=name: self._choose(chosen))
        kinds = {"gpt2": "GPT-2", "llama": "Llama"}
        self.kind = ChoiceButton(self.tr("Architecture"), kinds)
        self.kind.chosen.connect(lambda: self._set("kind", self.kind.value))
        self.origin = ChoiceButton(self.tr("Begin with"), {"": self.tr("A new model")})
        self.origin.chosen.connect(self._on_origin)
        self.method = ChoiceButton(
            self.tr("What is trained"),
            {8: self.tr("An adapter (LoRA)"), 32: self.tr("A larger adapter"), 0: self.tr("All weights")},
        )
        self.method.chosen.connect(self._on_method)
        self.rows = {name: NumberRow(option, resettable=False) for name, option in FIELDS.items()}
        for row in self.rows.values():
            row.changed.connect(self._set)
        self.hint = Label(kind="soft", wrap=True)
        self.facts = Label(wrap=True)
        self.problem = Label(kind="danger", wrap=True)
        self.measure_button = TextButton(self.tr("Measure the time it takes"))
        self.measure_button.clicked.connect(self.weigh_wanted)
        self.fit_buttons: dict[int, TextButton] = {}
        for minutes in _MINUTES:
            button = self.fit_buttons[minutes] = TextButton(
                self.tr("Fit into {time}").format(time=duration(minutes * 60)), kind="link"
            )
            button.clicked.connect(lambda _=False, m=minutes: self._fit(m * 60))
        self.next_button = TextButton(self.tr("Next: training"), kind="primary")
        self.next_button.clicked.connect(self.next_wanted)
        self.heirs = self.measure_button, self.next_button
        self._lay_out()

    def _lay_out(self) -> None:
        body = column(self)
        line = QHBoxLayout()
        line.setSpacing(theme.scaled(8))
        line.addWidget(Label(self.tr("Size"), kind="section"))
        line.addStretch()
        for button in (self.origin, self.method, self.kind):
            line.addWidget(button)
        body.addLayout(line)
        flow = Flow(theme.scaled(8))
        flow.add(*self.presets.values())
        body.addLayout(flow)
        body.addWidget(self.hint)
        self._fields = QWidget()
        fields = column(self._fields)
        fields.setContentsMargins(0, 0, 0, 0)
        for row in self.rows.values():
            fields.addWidget(row)
        body.addWidget(self._fields)
        body.addWidget(Label(self.tr("What it takes"), kind="section"))
        body.addWidget(self.facts)
        body.addWidget(self.problem)
        flow = Flow(theme.scaled(8))
        flow.add(self.measure_button, *self.fit_buttons.values())
        body.addLayout(flow)
        line = QHBoxLayout()
        line.addWidget(self.next_button)
        line.addStretch()
        body.addLayout(line)
        body.addStretch()

    def show_run(self, run: Run) -> None:
        """Show a run as it is now."""
        self._run = run
        size, work = run.plan.size, self._lab.work
        is_free = size is not None and not run.has_begun and not self._lab.is_at_work(run.path)
        for widget in (*self.presets.values(), *self.rows.values(), self.kind):
            widget.setEnabled(is_free)
        for name, button in self.presets.items():
            button.setChecked(size is not None and replace(size, passes=0) == replace(PRESETS[name][1], passes=0))
        text_bytes = run.report.train_bytes if run.report else 0
        hint = self.tr("The recipe says the model; change it there.")
        if run.plan.start:
            hint = self.tr("It goes on from this checkpoint, which is left as it is.")
        elif size is not None:
            hint = self.tr("Prepare a text first; its amount says which size suits it.")
            if text_bytes:
                name = translated(PRESETS[proposed(text_bytes)][0])
                text = self.tr("For {size} of text, “{name}” spends the computing best. Larger ones know more words.")
                hint = text.format(size=short_bytes(text_bytes), name=name)
        self.hint.setText(hint)
        self._fields.setVisible(size is not None)
        self._show_origin(run)
        if size is not None:
            self.kind.set_value(size.kind if size.kind in ("gpt2", "llama") else "gpt2")
            for name, row in self.rows.items():
                row.show_value(getattr(size, name), None)
        self.problem.setText(translated(size.problem()) if size is not None else "")
        self.problem.setVisible(bool(self.problem.text()))
        self.facts.setText(self._words(run, text_bytes))
        is_mine = work is not None and work.kind == "weigh" and work.path == run.path
        words = self.tr("Measuring…") if is_mine else self.tr("Measure the time it takes")
        self.measure_button.set_words(words)
        self.measure_button.setEnabled(run.recipe is not None and work is None and not self.problem.text())
        for button in self.fit_buttons.values():
            button.setVisible(self._lab.flops is not None and is_free and text_bytes > 0)
        self.next_button.setEnabled(run.recipe is not None and not self.problem.text())

    def _words(self, run: Run, text_bytes: int) -> str:
        size, number = run.plan.size, QLocale().toString
        if size is None:
            return self.tr("{tokens} tokens are read in all.").format(
                tokens=number(run.recipe.token_count if run.recipe else 0)
            )
        if run.plan.start:
            tokens = size.tokens(text_bytes) if text_bytes else 0
            return self.tr("{tokens} tokens are read in all.").format(tokens=number(tokens))
        memory = size.memory_with(text_bytes, run.report.long_share if run.report else 0.0)
        parts = [
            self.tr("{parameters} parameters").format(parameters=number(size.parameters)),
            self.tr("about {size} of memory").format(size=short_bytes(memory)),
        ]
        if text_bytes:
            tokens = size.tokens(text_bytes)
            parts.append(self.tr("{tokens} tokens are read").format(tokens=short_count(tokens)))
            if self._lab.flops is not None:
                seconds = tokens * size.flops_per_token / self._lab.flops
                parts.append(self.tr("about {time} on this machine").format(time=duration(seconds)))
        return " · ".join(parts)

    def enter(self) -> None:
        """The step is shown: look for checkpoints to go on from."""
        self._lab.find_checkpoints(self._show_checkpoints)

    def _show_checkpoints(self, entries: list[Entry]) -> None:
        if not isValid(self):
            return
        self._known = {str(entry.path): entry.name for entry in entries if entry.fault is None}
        if self._run is not None:
            self.show_run(self._run)

    def _show_origin(self, run: Run) -> None:
        """A model that is there already has its sizes."""
        start = run.plan.start
        is_free = run.plan.size is not None and not run.has_begun and not self._lab.is_at_work(run.path)
        self.origin.setEnabled(is_free)
        known = {"": self.tr("A new model")} | self._known
        if start:
            known.setdefault(start, Path(start).name)
        self.origin.set_choices(known)
        self.origin.set_value(start)
        self.method.setVisible(bool(start))
        self.method.setEnabled(is_free)
        self.method.set_value(run.plan.rank if run.plan.rank in (0, 8, 32) else 8)
        self.kind.setVisible(not start)
        for button in self.presets.values():
            button.setVisible(not start)
        for name, row in self.rows.items():
            row.setVisible(not start or name in ("context", "passes"))
        self.measure_button.setVisible(not start)

    # -- what the person does ------------------------------------------------------------------------------------------

    def _choose(self, name: str) -> None:
        if self._run is not None and self._run.plan.size is not None:
            size = PRESETS[name][1]
            self._keep(replace(size, passes=self._run.plan.size.passes, kind=self._run.plan.size.kind))

    def _set(self, name: str, value: object) -> None:
        if self._run is not None and self._run.plan.size is not None and value is not None:
            self._keep(replace(self._run.plan.size, **{name: value}))  # type: ignore[arg-type]  # the row's own type

    def _fit(self, seconds: float) -> None:
        run = self._run
        if run is not None and run.plan.size is not None and run.report is not None and self._lab.flops is not None:
            self._keep(fitted(run.plan.size, run.report.train_bytes, seconds, self._lab.flops))

    def _on_origin(self) -> None:
        if self._run is not None:
            self.changed.emit(msgspec.structs.replace(self._run.plan, start=self.origin.value))

    def _on_method(self) -> None:
        if self._run is not None:
            self.changed.emit(msgspec.structs.replace(self._run.plan, rank=self.method.value))

    def _keep(self, size: Size) -> None:
        if self._run is not None:
            self.changed.emit(msgspec.structs.replace(self._run.plan, size=size))
