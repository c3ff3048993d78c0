"""The labels and what is around a text: what the model is to choose from, in words that can be changed."""

from PySide6.QtCore import QCoreApplication, Signal
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLineEdit, QVBoxLayout, QWidget

from chatdesk.tasks.classify import SETS, Label, Plan
from chatdesk.ui import theme
from chatdesk.ui.widgets.buttons import ChoiceButton, IconButton, Switch, TextButton
from chatdesk.ui.widgets.labels import Label as Words
from chatdesk.ui.widgets.raw_text import TextField, raw_text


class LabelsEditor(QWidget):
    """Signals: ``changed``. Attributes: ``ready`` (the sets), ``names`` and ``wordings`` (a field for each label),
    ``prompt``, ``by_length`` and ``calibrated``; ``back_button`` brings back what a set has taken the place of.
    """

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._sets = {key: QCoreApplication.translate("classify", name) for key, (name, _) in SETS.items()}
        self._before: Plan | None = None  # typed by the person, and replaced by a set
        self.ready = ChoiceButton(self.tr("Labels that are ready"), self._sets)
        self.ready.chosen.connect(self._on_ready)
        self.back_button = TextButton(self.tr("Bring back my labels"), kind="link")
        self.back_button.clicked.connect(self._bring_back)
        self.back_button.hide()
        self.names: list[QLineEdit] = []
        self.wordings: list[QLineEdit] = []
        self._removers: list[IconButton] = []
        self._grid = QGridLayout()
        self._grid.setHorizontalSpacing(theme.scaled(8))
        self._grid.setVerticalSpacing(theme.scaled(8))
        self.add_button = TextButton(self.tr("Add a label"), icon="plus", kind="link")
        self.add_button.clicked.connect(lambda: self._add(Label("", ""), focus=True))
        self.prompt = TextField()
        self.prompt.setTabChangesFocus(True)
        self.prompt.setAccessibleName(self.tr("Prompt around a text"))
        self.prompt.setFixedHeight(theme.scaled(76))
        self.prompt.textChanged.connect(self.changed)
        self.by_length = Switch(self.tr("Divide by the length of the wording"))
        self.calibrated = Switch(self.tr("Divide by what empty texts give"))
        for switch in (self.by_length, self.calibrated):
            switch.toggled.connect(lambda _: self.changed.emit())
        self._lay_out()
        self.changed.connect(self._name_set)
        self.show_plan(SETS["sentiment"][1])

    def _lay_out(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.scaled(10))
        line = QHBoxLayout()
        line.addWidget(Words(self.tr("Labels"), kind="section"))
        line.addStretch()
        line.addWidget(self.ready)
        column.addLayout(line)
        column.addLayout(self._grid)
        line = QHBoxLayout()
        line.addWidget(self.add_button)
        line.addStretch()
        line.addWidget(self.back_button)
        column.addLayout(line)
        column.addWidget(Words(self.tr("Prompt"), kind="section"))
        column.addWidget(self.prompt)
        help_ = self.tr("{mark} is the text; the model says how well each wording follows.").format(mark="{text}")
        column.addWidget(Words(help_, kind="small", wrap=True))
        for switch in (self.by_length, self.calibrated):
            line = QHBoxLayout()
            line.addWidget(Words(switch.accessibleName(), wrap=True), 1)
            line.addWidget(switch)
            column.addLayout(line)

    def plan(self) -> Plan:
        """What is chosen, unchecked."""
        pairs = zip(self.names, self.wordings, strict=True)
        labels = tuple(Label(name.text().strip(), wording.text().strip()) for name, wording in pairs)
        return Plan(raw_text(self.prompt.document()), labels, self.by_length.isChecked(), self.calibrated.isChecked())

    def show_plan(self, plan: Plan) -> None:
        """Show a plan."""
        for number in reversed(range(len(self.names))):
            self._take(number)
        for label in plan.labels:
            self._add(label)
        self.prompt.setPlainText(plan.prompt)
        self.by_length.setChecked(plan.by_length)
        self.calibrated.setChecked(plan.calibrated)
        self.changed.emit()

    def take_over(self, other: "LabelsEditor") -> None:
        """Show what another one shows, and keep what it has kept."""
        self._before = other._before
        self.back_button.setVisible(self._before is not None)
        self.show_plan(other.plan())

    def _name_set(self) -> None:
        """The button says which set is shown; what a person has typed is none of them."""
        name = _set_of(self.plan())
        self.ready.set_choices(self._sets if name else {"": self.tr("My own labels"), **self._sets})
        self.ready.set_value(name)

    def _on_ready(self) -> None:
        name, plan = self.ready.value, self.plan()
        if not name:
            return
        if not _set_of(plan):
            self._before = plan
            self.back_button.show()
        self.show_plan(SETS[name][1])

    def _bring_back(self) -> None:
        """What is typed now takes the place of what comes back."""
        plan, before, self._before = self.plan(), self._before, None
        if before is not None:
            self.show_plan(before)
        if not _set_of(plan):
            self._before = plan
        else:
            self.ready.setFocus()
            self.back_button.hide()

    def _add(self, label: Label, focus: bool = False) -> None:
        row = self._grid.rowCount()
        name, wording = QLineEdit(label.name), QLineEdit(label.wording)
        name.setPlaceholderText(self.tr("Name"))
        wording.setPlaceholderText(self.tr("Wording"))
        name.setAccessibleName(self.tr("Name of a label"))
        wording.setAccessibleName(self.tr("Wording of a label"))
        remover = IconButton("close", self.tr("Remove the label"), side=28, size=16)
        remover.clicked.connect(lambda: self._remove(remover))
        for column, widget in enumerate((name, wording, remover)):
            self._grid.addWidget(widget, row, column)
        for field in (name, wording):
            field.setCursorPosition(0)  # of long words the beginning is shown
            field.textChanged.connect(self.changed)
        self.names.append(name)
        self.wordings.append(wording)
        self._removers.append(remover)
        self._fit()
        if focus:
            name.setFocus()
            self.changed.emit()

    def _remove(self, remover: IconButton) -> None:
        number = self._removers.index(remover)
        self._take(number)
        self.names[min(number, len(self.names) - 1)].setFocus()
        self.changed.emit()

    def _take(self, number: int) -> None:
        for widget in (self.names.pop(number), self.wordings.pop(number), self._removers.pop(number)):
            self._grid.removeWidget(widget)
            widget.hide()
            widget.deleteLater()
        self._fit()

    def _fit(self) -> None:
        """Two labels have to stay."""
        for remover in self._removers:
            remover.setEnabled(len(self._removers) > 2)


def _set_of(plan: Plan) -> str:
    """Name of the ready set that a plan is; empty where a person has typed it."""
    return next((name for name, (_, ready) in SETS.items() if plan == ready), "")
