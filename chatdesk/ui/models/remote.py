"""Models on a hub: searching by name, looking at one, downloading it. Nothing is asked before a person asks."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ParamSpec

from PySide6.QtCore import QModelIndex, Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QInputDialog,
    QLineEdit,
    QVBoxLayout,
    QWidget,
)

from chatdesk.errors import UserError
from chatdesk.library.figures import short_count
from chatdesk.ui import theme
from chatdesk.ui.errors import sentence_of
from chatdesk.ui.models import words
from chatdesk.ui.models.facts import say
from chatdesk.ui.models.hub_details import HubDetails
from chatdesk.ui.models.rows import RowsView
from chatdesk.ui.models.split import Split, while_there
from chatdesk.ui.widgets.buttons import ChoiceButton, TextButton
from chatdesk.ui.widgets.flow import Flow
from chatdesk.ui.widgets.labels import Label
from chatdesk.ui.widgets.picker import VALUE_ROLE, Entries, Entry, EntryDelegate

if TYPE_CHECKING:
    from chatdesk.library.catalogue import Entry as Checkpoint
    from chatdesk.library.hub import Found, Repository
    from chatdesk.library.safety import Checked
    from chatdesk.tasks.changes import Download
    from chatdesk.tasks.downloads import Downloads
    from chatdesk.tasks.hub import Hub
    from chatdesk.tasks.models import Models

P = ParamSpec("P")

_SIZES = (1, 3, 8, 15, 35, 80)  # billions of parameters
_LICENCES = ("apache-2.0", "mit", "llama3.1", "gemma", "cc-by-4.0", "cc-by-nc-4.0")


class HubModels(QWidget):
    """Signals: ``show_wanted(path)``, among the models on this machine. Attributes: ``field``, what is looked for;
    ``view``, what was found; ``details``.
    """

    show_wanted = Signal(str)

    def __init__(self, hub: "Hub", downloads: "Downloads", models: "Models") -> None:
        super().__init__()
        self._hub, self._downloads, self._models = hub, downloads, models
        self._chosen: Found | None = None
        self._found: list[Found] = []
        self._here: dict[str, str] = {}  # folders of the models that are on this machine, by their names
        self._was_asked = False
        self._coming: set[tuple[str, str]] = set()  # name and revision of what is being downloaded
        self.field = QLineEdit()
        self.field.setPlaceholderText(self.tr("Part of a name"))
        self.field.setAccessibleName(self.tr("Search the hub"))
        self.field.returnPressed.connect(self.search)
        self.go = TextButton(self.tr("Search"), kind="primary")
        self.go.clicked.connect(self.search)
        self._make_filters()
        self.token = TextButton(self.tr("Access token…"), kind="link")
        self.token.clicked.connect(self.ask_for_token)
        self.note = Label(kind="soft", wrap=True)
        self.entries = Entries(self)
        self.view = self._make_view()
        self.details = HubDetails()
        self.details.download_wanted.connect(self._download)
        self.details.token_wanted.connect(self.ask_for_token)
        self.details.retry_wanted.connect(self._look)
        self.details.revision_wanted.connect(self._look)
        self.details.show_wanted.connect(lambda: self.show_wanted.emit(self._path()))
        self._lay_out()
        say(self.note, self.tr("Only what this program can run is found. Nothing is asked until you search."), "soft")
        self.details.hide()

    def _make_filters(self) -> None:
        kinds = {"": self.tr("chat or base"), "chat": self.tr("with a chat template"), "base": self.tr("base models")}
        sizes = {size * 10**9: self.tr("up to {count}B").format(count=size) for size in _SIZES}
        licences = {licence: licence for licence in _LICENCES}
        self.kind = ChoiceButton(self.tr("Kind of model"), kinds)
        self.most = ChoiceButton(self.tr("Most parameters"), {0: self.tr("any size")} | sizes)
        self.licence = ChoiceButton(self.tr("Licence"), {"": self.tr("any licence")} | licences)
        for filter_ in (self.kind, self.most, self.licence):
            filter_.chosen.connect(lambda: self.search() if self._was_asked else None)

    def _make_view(self) -> RowsView:
        view = RowsView(self.entries, EntryDelegate(), self.tr("Models on the hub"))
        view.selectionModel().currentChanged.connect(self._on_current)
        return view

    def _lay_out(self) -> None:
        first, second = QHBoxLayout(), Flow(theme.scaled(8))
        first.setSpacing(theme.scaled(8))
        first.addWidget(self.field, 1)
        first.addWidget(self.go)
        second.add(self.kind, self.most, self.licence)
        side = theme.scaled(16)
        top = QVBoxLayout()
        top.setContentsMargins(side, theme.scaled(14), side, theme.scaled(6))
        top.setSpacing(theme.scaled(8))
        top.addLayout(first)
        top.addLayout(second)
        top.addWidget(self.note)
        side_list = QFrame()
        column = QVBoxLayout(side_list)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addLayout(top)
        column.addWidget(self.view, 1)
        end = QHBoxLayout()
        end.setContentsMargins(side, theme.scaled(4), side, theme.scaled(8))
        end.addWidget(self.token)
        end.addStretch()
        column.addLayout(end)
        self._split = Split(self, side_list, self.details)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Beside or below."""
        super().resizeEvent(event)
        self._split.fit()

    def enter(self) -> None:
        """The page is shown, ready to be typed into."""
        self.field.setFocus(Qt.FocusReason.OtherFocusReason)
        self.look_here()

    def look_here(self) -> None:
        """See which of the models that were found are on this machine."""
        self._models.checkpoints.refresh(self._if_there(self._mark))

    def _mark(self, entries: "list[Checkpoint]") -> None:
        self._here = {entry.name: str(entry.path) for entry in entries if entry.source == "cache"}
        if self._found:
            self.entries.set_entries([self._entry(each) for each in self._found])
            if self._chosen is not None:
                self.view.setCurrentIndex(self.entries.index(self._found.index(self._chosen)))
        self.details.show_here(bool(self._path()))

    def show_downloads(self, downloads: "Sequence[Download]") -> None:
        """Follow the downloads."""
        self._coming = {(each.name, each.revision) for each in downloads if each.is_coming}
        self._show_coming()

    def _show_coming(self) -> None:
        name = self._chosen.name if self._chosen is not None else ""
        self.details.show_coming((name, self.details.shown_revision) in self._coming)

    def _path(self) -> str:
        """The folder of the chosen one on this machine; empty where it is not there."""
        return self._here.get(self._chosen.name, "") if self._chosen is not None else ""

    def find_here(self) -> None:
        """Go to the line that is searched for."""
        self.field.setFocus()
        self.field.selectAll()

    # -- asking --------------------------------------------------------------------------------------------------------

    def search(self) -> None:
        """Ask the hub for what is typed."""
        text = self.field.text().strip()
        if not text:
            return
        self._was_asked = True
        say(self.note, self.tr("Asking the hub…"), "soft")
        self._hub.search(
            text,
            self._if_there(self._show_found),
            self._if_there(self._show_failed),
            self.kind.value,
            self.licence.value,
            self.most.value,
        )

    def _show_found(self, found: "list[Found]") -> None:
        nothing = self.tr("Nothing on the hub that this program can run fits this.")
        say(self.note, "" if found else nothing, "soft")
        self._show_entries(found)

    def _show_failed(self, error: UserError) -> None:
        say(self.note, sentence_of(error), "danger")
        self._show_entries([])

    def _show_entries(self, found: "list[Found]") -> None:
        self._chosen, self._found = None, found
        self.details.hide()
        self.entries.set_entries([self._entry(each) for each in found])
        if found:
            self.view.setCurrentIndex(self.entries.index(0))

    def _entry(self, found: "Found") -> Entry:
        facts = [
            words.family(found.architecture),
            short_count(found.parameters) if found.parameters else "",
            words.kind_of(found.is_chat),
            found.licence,
            self.tr("terms to accept") if found.is_gated else "",
        ]
        downloads = self.tr("{count} downloads").format(count=short_count(found.downloads))
        aside = self.tr("on this machine") if found.name in self._here else downloads
        return Entry(found, found.name, aside=aside, detail=" · ".join(fact for fact in facts if fact))

    def _on_current(self, index: QModelIndex, _before: QModelIndex) -> None:
        found = index.data(VALUE_ROLE)
        if found is not None and found is not self._chosen:
            self._chosen = found
            self.details.show()
            self.details.revision.clear()
            self._look()

    def _look(self) -> None:
        """Ask for the files of the chosen one, then its headers, then whether they fit; and for its card."""
        found = self._chosen
        if found is None:
            return
        self.details.show_found(found)
        self.details.show_here(bool(self._path()))

        def still(call: Callable[P, object]) -> Callable[P, None]:
            def if_chosen(*args: P.args, **kwargs: P.kwargs) -> None:
                if found is self._chosen:
                    call(*args, **kwargs)

            return self._if_there(if_chosen)

        def checked(headers: "Checked") -> None:
            self.details.show_checked(headers)
            self._models.plans_of_checked(found.name, headers, still(self.details.show_plans))

        def looked(repository: "Repository") -> None:
            self.details.show_repository(repository)
            self._show_coming()
            self._hub.preview(repository, still(checked), still(self.details.show_plans))
            self._hub.card(found.name, still(self.details.show_card), still(lambda error: None))

        self._hub.look(found.name, still(looked), still(self.details.show_error), self.details.wanted_revision)

    def _download(self) -> None:
        if self._chosen is not None:
            self._downloads.get(self._chosen.name, self.details.shown_revision)

    # -- the token -----------------------------------------------------------------------------------------------------

    def ask_for_token(self) -> None:
        """Ask for an access token and keep it in the system's keyring; an empty one is taken out of it."""
        dialog = QInputDialog(self)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setWindowTitle(self.tr("Access token"))
        dialog.setLabelText(self.tr("It is kept in the system's keyring and given to the hub alone. Empty: forget it."))
        dialog.setTextEchoMode(QLineEdit.EchoMode.Password)
        dialog.textValueSelected.connect(self._keep_token)
        dialog.open()

    def _keep_token(self, token: str) -> None:
        def kept() -> None:
            say(self.note, self.tr("The access token is kept.") if token.strip() else self.tr("There is no token now."))
            self._look()

        self._hub.keep_token(token, self._if_there(kept), self._if_there(self._say_error))

    def _say_error(self, error: UserError) -> None:
        say(self.note, sentence_of(error), "danger")

    def _if_there(self, call: Callable[P, object]) -> Callable[P, None]:
        return while_there(self, call)
