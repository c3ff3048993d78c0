"""A model on a hub: its files and sizes, whether it would fit, its card; before anything is fetched."""

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLineEdit, QScrollArea, QVBoxLayout, QWidget

from chatdesk.errors import Fault, UserError
from chatdesk.library.figures import short_bytes, short_count
from chatdesk.ui import theme
from chatdesk.ui.errors import sentence_of
from chatdesk.ui.models import words
from chatdesk.ui.models.facts import FactsTable, dress, say
from chatdesk.ui.widgets.buttons import TextButton
from chatdesk.ui.widgets.flow import Flow
from chatdesk.ui.widgets.inert import inert
from chatdesk.ui.widgets.labels import Label
from chatdesk.ui.widgets.long_text import LongText
from chatdesk.ui.wording import grouped

if TYPE_CHECKING:
    from chatdesk.library.hub import Found, Repository
    from chatdesk.library.safety import Checked
    from chatdesk.tasks.models import Plans

_WIDEST_PX = 720
_CARD_PX = 320
_REVISION_PX = 180
_MAIN = "main"


class HubDetails(QScrollArea):
    """Signals: ``download_wanted``, ``token_wanted``, ``retry_wanted``; ``revision_wanted``, look at `wanted_revision`;
    ``show_wanted``, the one that is on this machine.
    """

    download_wanted = Signal()
    token_wanted = Signal()
    retry_wanted = Signal()
    revision_wanted = Signal()
    show_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self._found: Found | None = None
        self._repository: Repository | None = None
        self._checked: Checked | None = None
        self.name = Label(kind="heading", wrap=True)
        self.plan = Label(wrap=True)
        self.loud = Label(wrap=True)
        self.status = Label(wrap=True)
        self.download = TextButton("", kind="primary")
        self.download.clicked.connect(self.download_wanted)
        self.token = TextButton(self.tr("Access token…"))
        self.token.clicked.connect(self.token_wanted)
        self.retry = TextButton(self.tr("Try again"))
        self.retry.clicked.connect(self.retry_wanted)
        self.here = Label(self.tr("It is on this machine already."), kind="soft")
        self.show_it = TextButton(self.tr("Show it"))
        self.show_it.clicked.connect(self.show_wanted)
        self.revision = QLineEdit()
        self.revision.setPlaceholderText(_MAIN)
        self.revision.setAccessibleName(self.tr("Branch, tag or commit"))
        self.revision.setToolTip(self.tr("Another branch, a tag or a commit: type it and press Enter."))
        self.revision.setFixedWidth(theme.scaled(_REVISION_PX))
        self.revision.returnPressed.connect(self.revision_wanted)
        self.facts = FactsTable()
        self.files_title = Label(self.tr("Files"), kind="title")
        self.files = FactsTable()
        self.card_title = Label(self.tr("Model card"), kind="title")
        self.card = LongText(self.tr("Model card"))
        self._lay_out()

    def _lay_out(self) -> None:
        buttons, version = Flow(theme.scaled(8)), Flow(theme.scaled(8))
        buttons.add(self.download, self.show_it, self.token, self.retry)
        title = Label(self.tr("Branch, tag or commit"), kind="soft")
        title.setMinimumHeight(self.revision.sizeHint().height())
        version.add(title, self.revision)
        self.card.setMinimumHeight(theme.scaled(_CARD_PX))
        holder = QWidget()
        holder.setMaximumWidth(theme.scaled(_WIDEST_PX))
        column = QVBoxLayout(holder)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.scaled(10))
        for part in (self.name, self.here, self.status, self.plan, self.loud):
            column.addWidget(part)
        column.addLayout(buttons)
        column.addLayout(version)
        column.addSpacing(theme.scaled(10))
        column.addWidget(self.facts)
        column.addSpacing(theme.scaled(14))
        column.addWidget(self.files_title)
        column.addWidget(self.files)
        column.addSpacing(theme.scaled(14))
        column.addWidget(self.card_title)
        column.addWidget(self.card)
        column.addStretch()
        content = QWidget()
        content.setObjectName("content")
        row = QHBoxLayout(content)
        margin = theme.scaled(24)
        row.setContentsMargins(margin, theme.scaled(20), margin, margin)
        row.addWidget(holder, 1)
        row.addStretch()
        self.setWidget(content)

    @property
    def wanted_revision(self) -> str:
        """What is typed: a branch, a tag or a commit."""
        return self.revision.text().strip() or _MAIN

    @property
    def shown_revision(self) -> str:
        """That of the files that are shown."""
        return self._repository.revision if self._repository else self.wanted_revision

    def show_here(self, is_here: bool) -> None:
        """Say whether it is on this machine."""
        self.here.setVisible(is_here)
        self.show_it.setVisible(is_here)

    def show_coming(self, is_coming: bool) -> None:
        """Whether just what is shown is being downloaded: there is nothing to press then."""
        self.download.setEnabled(not is_coming)

    def show_found(self, found: "Found") -> None:
        """Show what the search says; the rest is being asked."""
        self._found, self._repository, self._checked = found, None, None
        self.name.setText(found.name)
        say(self.status, self.tr("Looking at its files…"), "soft")
        say(self.plan, "")
        say(self.loud, "")
        for part in (self.download, self.token, self.retry, self.files_title, self.files):
            part.hide()
        self._show_facts()
        self.show_card("")
        self.verticalScrollBar().setValue(0)

    def show_repository(self, repository: "Repository") -> None:
        """Its files are known."""
        self._repository = repository
        say(self.status, "")
        self.download.set_words(self.tr("Download {size}").format(size=short_bytes(repository.size_bytes)))
        self.download.show()
        self.files_title.show()
        self.files.show()
        self.files.show_facts((short_bytes(file.size), file.path) for file in repository.files)
        say(self.plan, words.outcome(None)[0], "soft")
        self._show_facts()

    def show_checked(self, checked: "Checked") -> None:
        """The headers of its weights are known."""
        self._checked = checked
        self._show_facts()

    def show_plans(self, plans: "Plans") -> None:
        """Say whether it would fit."""
        if isinstance(plans, UserError):
            say(self.plan, sentence_of(plans), "danger")
            say(self.loud, "")
            dress(self.download, "")
        else:
            first = words.how_it_fits(plans[0])
            say(self.plan, first[:1].upper() + first[1:])
            say(self.loud, words.loud(plans[0]), words.loudness(plans[0]))
            dress(self.download, "primary")

    def show_error(self, error: UserError) -> None:
        """Say why its files cannot be looked at, and what helps."""
        say(self.status, sentence_of(error), "danger")
        self.token.setVisible(error.fault in (Fault.HUB_GATED, Fault.HUB_BAD_TOKEN, Fault.HUB_NOT_FOUND))
        self.retry.show()

    def show_card(self, text: str) -> None:
        """Show the model card, text of strangers, as the plain text it is."""
        self.card_title.setVisible(bool(text))
        self.card.setVisible(bool(text))
        self.card.set_runs([(False, inert(text))])

    def _show_facts(self) -> None:
        found, repository, checked = self._found, self._repository, self._checked
        if found is None:
            return
        count = checked.parameters if checked else found.parameters
        context = checked.context_length if checked else None
        self.facts.show_facts(
            (
                (self.tr("Architecture"), found.architecture),
                (self.tr("Parameters"), short_count(count) if count else ""),
                (self.tr("Download"), short_bytes(repository.size_bytes) if repository else ""),
                (self.tr("Stored in"), words.precision(checked.dtype or "") if checked else ""),
                (self.tr("Context"), self.tr("{count} tokens").format(count=grouped(context)) if context else ""),
                (self.tr("Messages"), words.kind_of(found.is_chat)),
                (self.tr("Licence"), found.licence),
                (self.tr("Access"), self.tr("only to those who accept its terms") if found.is_gated else ""),
                (self.tr("Downloads"), grouped(found.downloads)),
                (self.tr("Changed"), found.changed[:10]),
            )
        )
