"""The page of the lab: the runs, and the chosen one in four steps, from text to a model that can be talked to."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QResizeEvent
from PySide6.QtWidgets import (
    QApplication,
    QBoxLayout,
    QFileDialog,
    QFrame,
    QHBoxLayout,
    QLineEdit,
    QListView,
    QScrollArea,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)
from shiboken6 import isValid

from chatdesk.errors import UserError
from chatdesk.paths import starter
from chatdesk.tasks.lab import Lab, Plan, Run
from chatdesk.ui import theme
from chatdesk.ui.dropping import dropped_files
from chatdesk.ui.errors import sentence_of
from chatdesk.ui.lab.compare_step import CompareStep
from chatdesk.ui.lab.model_step import ModelStep
from chatdesk.ui.lab.parts import heirs
from chatdesk.ui.lab.run_list import RunDelegate, RunModel
from chatdesk.ui.lab.text_step import TextStep
from chatdesk.ui.lab.train_step import TrainStep
from chatdesk.ui.lab.use_step import UseStep
from chatdesk.ui.widgets.buttons import IconButton, Tabs, TextButton
from chatdesk.ui.widgets.frames import page_header, scrolled
from chatdesk.ui.widgets.labels import Label, tip

_LIST_PX, _BESIDE_PX, _MOST_PX = 260, 760, 16_777_215


class LabPage(QWidget):
    """Signals: ``back_wanted``; ``talk_wanted(path)``; ``own_wanted(path)``, for a run; see `Lab.take_own`.

    Attributes: ``back_button``; ``view`` and ``model`` of the runs;
    ``new_button``, ``open_button``; ``tabs`` and ``steps``, by "text", "model", "train", "use" and "compare"; ``name``;
    ``complaint``; ``run``, the chosen one.
    """

    back_wanted = Signal()
    talk_wanted = Signal(str)
    own_wanted = Signal(object)

    def __init__(self, lab: Lab) -> None:
        super().__init__()
        self.setObjectName("page")
        self.setAcceptDrops(True)
        self._lab = lab
        self.path: Path | None = None
        self._named: Path | None = None  # whose name stands in the field
        self.model = RunModel(lab)
        self.view = QListView()
        self.view.setModel(self.model)
        self.view.setItemDelegate(RunDelegate(self.view))
        self.view.setAccessibleName(self.tr("Runs"))
        self.view.setMouseTracking(True)
        self.view.selectionModel().currentChanged.connect(self._on_current)
        self.new_button = TextButton(self.tr("New run"), icon="plus", kind="left")
        self.new_button.clicked.connect(self.new_run)
        self.open_button = TextButton(self.tr("Open a recipe…"), icon="file", kind="left")
        self.open_button.clicked.connect(self._choose_recipe)
        self.open_folder_button = TextButton(self.tr("Open a run's folder…"), icon="folder", kind="left")
        self.open_folder_button.clicked.connect(self._choose_folder)
        self.name = QLineEdit()
        self.name.setProperty("kind", "quiet-title")
        self.name.setAccessibleName(self.tr("Name of the run and its model"))
        self.name.editingFinished.connect(self._rename)
        self.complaint = Label(kind="danger", wrap=True)
        self.complaint.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.empty = Label(
            self.tr(
                "Train a language model of your own on this machine, from a folder of texts to a model you can talk "
                "to. "
                "Begin a new run, or open a recipe."
            ),
            kind="soft",
            wrap=True,
        )
        self.steps: dict[str, Any] = {
            "text": TextStep(lab), "model": ModelStep(lab), "train": TrainStep(lab), "use": UseStep(lab),
            "compare": CompareStep(lab, starter()),
        }  # fmt: skip
        self.tabs: dict[str, TextButton] = {}
        self._said: UserError | None = None
        self._follow = QTimer(self, interval=50, singleShot=True)  # many news at once are one picture
        self._follow.timeout.connect(self.follow)
        self._connect()
        self._lay_out()
        lab.on_change = self._on_news
        if lab.place is None:
            self.follow()
        else:  # this page stands in for one in another language
            self.path, step = lab.place
            self.show_step(step)

    def _connect(self) -> None:
        text, model, train, use, compare = self.steps.values()
        for step in (text, model):
            step.changed.connect(self._change)
        text.prepare_wanted.connect(lambda: self._try(self._lab.prepare))
        text.next_wanted.connect(lambda: self.show_step("model"))
        text.own_wanted.connect(lambda: self._try(self.own_wanted.emit))
        text.report_shown.connect(self._show_report)
        model.weigh_wanted.connect(lambda: self._try(self._lab.weigh))
        model.next_wanted.connect(lambda: self.show_step("train"))
        train.train_wanted.connect(lambda: self._try(self._lab.train))
        train.use_wanted.connect(lambda: self.show_step("use"))
        use.judge_wanted.connect(lambda: self._try(self._lab.judge))
        use.again_wanted.connect(self._again)
        compare.compare_wanted.connect(lambda *asked: self._try(lambda path: self._lab.compare(path, *asked)))
        use.talk_wanted.connect(self.talk_wanted)

    # -- the look ------------------------------------------------------------------------------------------------------

    def _lay_out(self) -> None:
        self._side = QFrame()
        self._side.setObjectName("models")
        self._side.setProperty("beside", True)
        list_ = QVBoxLayout(self._side)
        gap = theme.scaled(8)
        list_.setContentsMargins(0, theme.scaled(12), 0, theme.scaled(8))
        list_.setSpacing(gap)
        tools = self._tools = QBoxLayout(QBoxLayout.Direction.TopToBottom)
        tools.setContentsMargins(theme.scaled(12), 0, theme.scaled(12), 0)
        tools.setSpacing(theme.scaled(6))
        for button in (self.new_button, self.open_button, self.open_folder_button):
            tools.addWidget(button)
        list_.addLayout(tools)
        list_.addWidget(self.view, 1)
        self._body = QHBoxLayout()
        self._body.setSpacing(0)
        self._body.addWidget(self._side)
        self._body.addLayout(self._room(), 1)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.setSpacing(0)
        whole.addWidget(self._header())
        whole.addLayout(self._body, 1)

    def _room(self) -> QVBoxLayout:
        """The chosen run, under what went wrong."""
        self._chosen = QWidget()
        right = QVBoxLayout(self._chosen)
        right.setContentsMargins(0, 0, 0, 0)
        right.setSpacing(0)
        right.addLayout(self._step_bar())
        self._parts = QStackedWidget()
        for step in self.steps.values():
            self._parts.addWidget(scrolled(step))
        right.addWidget(self._parts, 1)
        room = QVBoxLayout()
        room.setSpacing(0)
        edge = QVBoxLayout()
        edge.setContentsMargins(theme.scaled(24), 0, theme.scaled(24), 0)
        edge.addWidget(self.empty)
        edge.addWidget(self.complaint)
        self.empty.setContentsMargins(0, theme.scaled(24), 0, 0)
        self.complaint.setContentsMargins(0, theme.scaled(12), 0, 0)
        room.addLayout(edge)
        room.addWidget(self._chosen, 1)
        room.addStretch()
        return room

    def _header(self) -> QFrame:
        self.back_button = IconButton("chevron-left", self.tr("Back to the chat"))
        self.back_button.clicked.connect(self.back_wanted)
        return page_header(self.back_button, Label(self.tr("Lab"), kind="title"))

    def _step_bar(self) -> QHBoxLayout:
        line = QHBoxLayout()
        line.setContentsMargins(theme.scaled(24), theme.scaled(12), theme.scaled(24), 0)
        line.setSpacing(theme.scaled(8))
        group = Tabs(self)
        names = {
            "text": self.tr("1 Text"),
            "model": self.tr("2 Model"),
            "train": self.tr("3 Train"),
            "use": self.tr("4 Use"),
            "compare": self.tr("5 Compare"),
        }
        for name, words in names.items():
            tab = self.tabs[name] = TextButton(words)
            tab.clicked.connect(lambda _=False, n=name: self.show_step(n))
            group.add(tab)
            line.addWidget(tab)
        line.addSpacing(theme.scaled(8))
        line.addWidget(self.name, 1)
        self.tabs["text"].setChecked(True)
        return line

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Qt override: the list stands beside the run while there is room for both, else above it."""
        super().resizeEvent(event)
        beside = self.width() >= theme.scaled(_BESIDE_PX)
        direction = QBoxLayout.Direction
        self._body.setDirection(direction.LeftToRight if beside else direction.TopToBottom)
        self._tools.setDirection(direction.LeftToRight)
        if beside or self._tools.sizeHint().width() > self.width():
            self._tools.setDirection(direction.TopToBottom)
        self._side.setProperty("beside", beside)
        self._side.style().unpolish(self._side)
        self._side.style().polish(self._side)
        self._side.setMinimumSize(0, 0)
        self._side.setMaximumSize(_MOST_PX, _MOST_PX)
        if beside:
            self._side.setFixedWidth(theme.scaled(_LIST_PX))
        else:
            self._side.setFixedHeight(max(self.height() * 2 // 5, self._side.minimumSizeHint().height()))

    # -- what is shown -------------------------------------------------------------------------------------------------

    @property
    def run(self) -> Run | None:
        """The chosen run."""
        return self._lab.run(self.path) if self.path is not None else None

    def enter(self) -> None:
        """The page is shown: look at the disk."""
        self.new_button.setFocus()
        self._lab.refresh(self._focus_list)

    def _on_news(self) -> None:
        if isValid(self) and not self._follow.isActive():  # another language builds it anew; news may never pause
            self._follow.start()

    def _focus_list(self) -> None:
        if isValid(self) and self._lab.runs and self.new_button.hasFocus():
            self.view.setFocus()

    def follow(self) -> None:
        """Show everything as it is now."""
        self.model.follow()
        self.view.setFocusPolicy(Qt.FocusPolicy.StrongFocus if self.model.paths else Qt.FocusPolicy.NoFocus)
        if self.run is None:
            self.path = self._lab.runs[0].path if self._lab.runs else None
        if self.path is not None and self.view.currentIndex().row() != self.model.paths.index(self.path):
            self.view.setCurrentIndex(self.model.index(self.model.paths.index(self.path)))
        run = self.run
        if run is not None:
            self._lab.place = run.path, list(self.steps)[self._parts.currentIndex()]
        self._chosen.setVisible(run is not None)
        self.empty.setVisible(run is None)
        if run is not None:
            step = self._shown_step()
            with heirs(step, *step.heirs):
                step.show_run(run)
            self.name.setReadOnly(run.has_begun)
            if not self.name.hasFocus() or self.name.isReadOnly() or self._named != run.path:
                if self.name.text() != run.name:
                    self.name.setText(run.name)
                    self.name.setCursorPosition(0)  # of a long name its beginning is shown
                self.name.setToolTip(tip(run.name))
                self._named = run.path
        wrong = self._said or (run and (self._lab.complaints.get(run.path) or run.fault))
        self.complaint.setText(sentence_of(wrong) if wrong else "")
        self.complaint.setVisible(bool(wrong))

    def show_step(self, name: str) -> None:
        """Show one of the steps of the chosen run."""
        focus = QApplication.focusWidget()
        had_focus = focus is not None and self._shown_step().isAncestorOf(focus)
        self._parts.setCurrentIndex(list(self.steps).index(name))
        self.tabs[name].setChecked(True)
        if name in ("model", "compare"):
            self.steps[name].enter()
        if had_focus:
            self.tabs[name].setFocus()  # what was pressed is out of sight
        self.follow()

    def _show_report(self) -> None:
        """What the preparation has done stands below what is usually in sight."""
        area = self._parts.widget(0)
        if isinstance(area, QScrollArea):
            area.ensureWidgetVisible(self.steps["text"].report, 0, theme.scaled(64))

    def _shown_step(self) -> Any:
        return list(self.steps.values())[self._parts.currentIndex()]

    def choose(self, path: Path) -> None:
        """Show another run, where a person would go on with it."""
        if path != self.path:
            self._rename()  # a name that is being typed belongs to the run before
        self.path, self._said = path, None
        run = self.run
        if run is not None:
            is_begun = "use" if run.history.state == "finished" else "train"
            self.show_step(is_begun if run.has_begun else "model" if run.report else "text")

    def _on_current(self, index: Any, _before: Any) -> None:
        if index.isValid() and self.model.paths[index.row()] != self.path:
            self.choose(self.model.paths[index.row()])

    # -- what the person does ------------------------------------------------------------------------------------------

    def new_run(self) -> None:
        """Begin one."""
        self._begin(lambda name: self._lab.create(name))

    def _again(self) -> None:
        if (run := self.run) is not None:
            self._begin(lambda name: self._lab.again(run.path, name))

    def _begin(self, make: Callable[[str], Path]) -> None:
        try:
            path = make(self.tr("My model"))
        except UserError as error:
            self._complain(error)
        else:
            self.choose(path)

    def open(self, path: Path) -> None:
        """Open a recipe file or the folder of a run."""
        try:
            self.choose(self._lab.open(path))
        except UserError as error:
            self._complain(error)

    def _choose_recipe(self) -> None:
        dialog = QFileDialog(self, self.tr("Open a recipe"))
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.setNameFilters([self.tr("Recipes") + " (*.toml)", self.tr("All files") + " (*)"])
        dialog.fileSelected.connect(lambda path: self.open(Path(path)))
        dialog.open()

    def _choose_folder(self) -> None:
        from chatdesk.ui.widgets.dialogs import choose_folder

        choose_folder(self, lambda path: self.open(Path(path)), self.tr("Open a run's folder"))

    def _rename(self) -> None:
        run = self._lab.run(self._named) if self._named is not None else None
        name = self.name.text().strip()
        if run is None or run.has_begun or not name or name == run.name:
            return
        try:
            path = self._lab.rename(run.path, name)
        except UserError as error:
            self._complain(error)
        else:
            if self.path == run.path:
                self.path = path
            self._named = path
            self.name.setText(path.name)
            self.follow()

    def _change(self, plan: Plan) -> None:
        self._try(lambda path: self._lab.change_plan(path, plan))

    def _try(self, do: Any) -> None:
        self._said = None
        if self.path is not None:
            try:
                do(self.path)
            except UserError as error:
                self._complain(error)
        self.follow()

    def _complain(self, error: UserError) -> None:
        self._said = error
        self.follow()

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Qt override: files and folders of text, a recipe, or the folder of a run."""
        if dropped_files(event):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Qt override: take them."""
        self.take([Path(path) for path in dropped_files(event)])
        event.acceptProposedAction()

    def take(self, paths: list[Path]) -> None:
        """A recipe and a run's folder are opened; all else is text of the chosen run, or of a new one."""
        first = paths[0]
        if first.suffix == ".toml" or (first / "run.json").is_file():
            self.open(first)
            return
        if self.run is None or self.run.has_begun:
            self.new_run()
        self.show_step("text")
        self.steps["text"].add([str(path) for path in paths])
