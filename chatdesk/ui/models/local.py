"""The checkpoints on this machine: the list, what is typed to narrow it, and the chosen one beside or below it."""

from collections.abc import Callable
from typing import TYPE_CHECKING, ParamSpec

from PySide6.QtCore import QEvent, QModelIndex, QObject, Qt, QUrl
from PySide6.QtGui import QDesktopServices, QDragEnterEvent, QDropEvent, QKeyEvent, QResizeEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLineEdit, QVBoxLayout, QWidget

from chatdesk.errors import UserError
from chatdesk.library import removing
from chatdesk.library.figures import short_bytes
from chatdesk.tasks.changes import ModelChanged
from chatdesk.ui import shortcuts, theme
from chatdesk.ui.dropping import dropped_folder
from chatdesk.ui.errors import sentence_of
from chatdesk.ui.models.details import Details
from chatdesk.ui.models.rows import ROW_ROLE, CheckpointDelegate, CheckpointModel, RowsView
from chatdesk.ui.models.split import Split, while_there
from chatdesk.ui.widgets.buttons import IconButton, TextButton
from chatdesk.ui.widgets.labels import Label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chatdesk.library.catalogue import Entry
    from chatdesk.library.removing import Removal
    from chatdesk.tasks.models import Models, Plans

P = ParamSpec("P")


class LocalModels(QWidget):
    """Attributes: ``filter``, ``view``, ``details``, ``complaint``: what went wrong last."""

    def __init__(self, models: "Models") -> None:
        super().__init__()
        self._models = models
        self._chosen = ""
        self._round = 0
        self._found = False
        self._drafts: Sequence[Entry] = ()  # what could guess ahead for the chosen one
        self._state = models.state
        self.setAcceptDrops(True)
        self.model = CheckpointModel(self)
        self.filter = QLineEdit()
        self.filter.setPlaceholderText(self.tr("Filter"))
        self.filter.setAccessibleName(self.tr("Filter the models"))
        self.filter.setClearButtonEnabled(True)
        self.filter.textChanged.connect(self._on_filter)
        self.filter.installEventFilter(self)
        self.add = TextButton(self.tr("Add folder…"), icon="plus")
        self.add.clicked.connect(self._choose_folder)
        self.again = IconButton("regenerate", self.tr("Look again"))
        self.again.clicked.connect(self.refresh)
        self.complaint = Label(kind="danger", wrap=True)
        self.empty = Label(kind="soft", wrap=True)
        self.view = self._make_view()
        self.details = Details()
        self._connect_details()
        self._lay_out()
        self.show_state(models.state)

    def _make_view(self) -> RowsView:
        view = RowsView(self.model, CheckpointDelegate(), self.tr("Models on this machine"))
        view.selectionModel().currentChanged.connect(self._on_current)
        view.doubleClicked.connect(lambda _: self.load())
        view.installEventFilter(self)
        shortcuts.action(view, "delete", self._ask_to_remove)
        return view

    def _connect_details(self) -> None:
        details, models = self.details, self._models
        details.load_wanted.connect(self.load)
        details.plan_wanted.connect(lambda plan: models.load_plan(self._chosen, plan))
        details.unload_wanted.connect(models.unload)
        details.cancel_wanted.connect(models.cancel_load)
        details.wake_wanted.connect(models.wake)
        details.action_wanted.connect(self._help)
        details.folder_wanted.connect(lambda: QDesktopServices.openUrl(QUrl.fromLocalFile(self._chosen)))
        details.forget_wanted.connect(self._forget)
        details.remove_wanted.connect(self._ask_to_remove)
        details.draft.chosen.connect(self._choose_draft)

    def _lay_out(self) -> None:
        tools = QHBoxLayout()
        tools.setSpacing(theme.scaled(8))
        tools.addWidget(self.filter, 1)
        tools.addWidget(self.again)
        tools.addWidget(self.add)
        side = theme.scaled(16)
        top = QVBoxLayout()
        top.setContentsMargins(side, theme.scaled(14), side, theme.scaled(6))
        top.setSpacing(theme.scaled(8))
        top.addLayout(tools)
        top.addWidget(self.complaint)
        top.addWidget(self.empty)
        self.complaint.hide()
        self.empty.hide()
        side_list = QFrame()
        column = QVBoxLayout(side_list)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addLayout(top)
        column.addWidget(self.view, 1)
        self._split = Split(self, side_list, self.details)

    # -- what there is -------------------------------------------------------------------------------------------------

    def enter(self) -> None:
        """The page is shown: look at the disk and at the memory."""
        self.view.setFocus(Qt.FocusReason.OtherFocusReason)
        self.refresh()

    def find_here(self) -> None:
        """Go to the line that narrows the list."""
        self.filter.setFocus()
        self.filter.selectAll()

    def refresh(self) -> None:
        """Look for checkpoints, then whether they fit."""
        if not self._found:
            self._say_empty(self.tr("Looking for models…"))
        self._models.checkpoints.refresh(self._if_there(self._show_entries))

    def show_checkpoint(self, path: str) -> None:
        """Mark a checkpoint that has just come."""
        self._chosen = path
        self.filter.clear()
        self.refresh()

    def show_state(self, state: ModelChanged) -> None:
        """Follow the model that is loaded; another one leaves another memory."""
        had, self._state = self._state, state
        self.model.set_state(state)
        self._show_details()
        if self.isVisible() and (had.state, had.path) != (state.state, state.path) and state.state != "loading":
            self.refresh()

    def _show_entries(self, entries: "list[Entry]") -> None:
        self._found = True
        self.model.set_entries(entries)
        self._choose(self._chosen or self._state.path)
        self._find_drafts()
        self._round += 1
        number = self._round

        def take(path: str, plans: "Plans") -> None:
            if number == self._round:
                self.model.set_plan(path, plans)
                if path == self._chosen:
                    self._show_details()

        if paths := self.model.paths():
            # The chosen one first: it is the one that is looked at.
            paths.sort(key=lambda path: path != self._chosen)
            self._models.plans_of_many(paths, self._if_there(take))

    def _choose(self, path: str) -> None:
        """Mark a checkpoint, or the first where it is not there."""
        row = self.model.row_of(path)
        row = row if row >= 0 else self.model.row_of(self.model.first())
        if row >= 0:
            self.view.setCurrentIndex(self.model.index(row))
            self.view.scrollTo(self.model.index(row))
        self._show_nothing_found(row < 0)
        self._show_details()

    def _show_nothing_found(self, nothing: bool) -> None:
        typed = self.filter.text().strip()
        words = self.tr("No model here has “{words}” in its name or facts.").format(words=typed)
        self._say_empty((words if typed else self.tr("Add a folder, or drop one here.")) if nothing else "")

    def _say_empty(self, words: str) -> None:
        self.empty.setText(words)
        self.empty.setVisible(bool(words))

    def _on_filter(self, text: str) -> None:
        self.model.set_filter(text)
        self._choose(self._chosen)

    def _on_current(self, index: QModelIndex, _before: QModelIndex) -> None:
        row = index.data(ROW_ROLE)
        if row is None or not row.path or row.path == self._chosen:
            return
        self._chosen = row.path
        self._drafts = ()
        self._show_details()
        self._find_drafts()
        chosen = self._chosen
        show = self._if_there(lambda text: self.details.show_card(text) if chosen == self._chosen else None)
        self._models.checkpoints.card(chosen, show)

    def _show_details(self) -> None:
        entry = self.model.entry(self._chosen)
        self.details.setVisible(entry is not None)
        if entry is not None:
            self.details.show_entry(entry, self.model.plans(self._chosen), self._state)
            self._show_draft()

    def _find_drafts(self) -> None:
        """Look which checkpoints could guess ahead for the chosen one."""
        entry = self.model.entry(self._chosen)
        if entry is None or entry.fault is not None:
            return

        def take(fitting: "Sequence[Entry]") -> None:
            if entry is not None and str(entry.path) == self._chosen:
                self._drafts = fitting
                self._show_draft()

        self._models.draft_models(entry, self.model.entries, self._if_there(take))

    def _show_draft(self) -> None:
        state, models = self._state, self._models
        is_at_work = state.path == self._chosen and bool(state.draft_model)
        self.details.draft.show_choice(self._drafts, models.draft_model(self._chosen), is_at_work, models.guesses)

    def _choose_draft(self, draft: str) -> None:
        """Let it guess ahead; it takes memory, too."""
        self._models.choose_draft_model(self._chosen, draft)
        self.refresh()

    # -- what is done --------------------------------------------------------------------------------------------------

    def load(self) -> None:
        """Load the chosen checkpoint the best way; one that is loaded or cannot be stays as it is."""
        entry, plans = self.model.entry(self._chosen), self.model.plans(self._chosen)
        state = self._state
        is_here = state.path == self._chosen and state.state in ("ready", "loading")
        if entry is None or entry.fault is not None or isinstance(plans, UserError) or is_here:
            return
        self._complain("")
        if plans:
            self._models.load_plan(self._chosen, plans[0])
        else:
            self._models.load(self._chosen)

    def _help(self, action: str) -> None:
        match action:
            case "use_less":
                self._models.load_smaller()
            case "use_cpu":
                self._models.reload("cpu")
            case _:
                self._models.reload()

    def _choose_folder(self) -> None:
        from chatdesk.ui.widgets.dialogs import choose_folder

        choose_folder(self, self.add_folder)

    def add_folder(self, path: str) -> None:
        """Have a folder in the list, and mark it."""

        def added(entry: "Entry") -> None:
            self._complain("")
            self.show_checkpoint(str(entry.path))

        self._models.checkpoints.add(path, self._if_there(added), self._if_there(self._fail))

    def _forget(self) -> None:
        self._models.checkpoints.forget(self._chosen)
        self.refresh()

    def _ask_to_remove(self) -> None:
        if self.details.remove.isVisible() and self.details.remove.isEnabled():
            self._models.checkpoints.removal(self._chosen, self._if_there(self._confirm), self._if_there(self._fail))

    def _confirm(self, what: "Removal") -> None:
        from chatdesk.ui.widgets.dialogs import ask_whether

        entry = self.model.entry(self._chosen)
        if entry is None or removing.place_of(entry.path) != what.place:
            return  # another one was chosen meanwhile
        question = self.tr("Move “{name}” to the trash?").format(name=entry.name)
        ask_whether(self, question, self._what_goes(what), self.tr("Move to the trash"), lambda: self._remove(what))

    def _what_goes(self, what: "Removal") -> str:
        if what.is_link:
            return self.tr("{folder} is a link; the folder it leads to stays.").format(folder=what.place)
        goes = self.tr("The whole folder goes: {folder}, with {count} files, {size}.").format(
            folder=what.place, count=what.files, size=short_bytes(what.disk_bytes)
        )
        versions = self.tr("These are {count} versions of the model.").format(count=what.snapshots)
        later = self.tr("The space is free again when the trash is emptied.")
        return "\n".join((goes, versions, later) if what.snapshots > 1 else (goes, later))

    def _remove(self, what: "Removal") -> None:
        def removed() -> None:
            self._complain("")
            self.refresh()

        self._models.remove(what, self._if_there(removed), self._if_there(self._fail))

    def _fail(self, error: UserError) -> None:
        self._complain(sentence_of(error))

    def _complain(self, words: str) -> None:
        self.complaint.setText(words)
        self.complaint.setVisible(bool(words))

    # -- events --------------------------------------------------------------------------------------------------------

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Enter loads; the arrows go from the filter to the list."""
        if event.type() == QEvent.Type.KeyPress and isinstance(event, QKeyEvent):
            if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and not event.modifiers():
                self.load()
                return True
            if watched is self.filter and event.key() == Qt.Key.Key_Down:
                self.view.setFocus(Qt.FocusReason.TabFocusReason)
                return True
        return super().eventFilter(watched, event)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """A folder may be dropped."""
        if dropped_folder(event):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Have it in the list."""
        event.acceptProposedAction()
        self.add_folder(dropped_folder(event))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """The chosen one stands beside the list where there is room, else below it."""
        super().resizeEvent(event)
        self._split.fit()
        self.view.scrollTo(self.view.currentIndex())

    def _if_there(self, call: Callable[P, object]) -> Callable[P, None]:
        return while_there(self, call)
