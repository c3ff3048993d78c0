"""One checkpoint: all that is known of it, what can be done with it, the ways to load it, its model card."""

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QProgressBar, QScrollArea, QVBoxLayout, QWidget

from chatdesk.errors import UserError
from chatdesk.library.figures import short_bytes, short_count
from chatdesk.tasks.changes import ModelChanged
from chatdesk.ui import theme
from chatdesk.ui.dates import exactly
from chatdesk.ui.errors import button, remark, sentence, sentence_of
from chatdesk.ui.models import words
from chatdesk.ui.models.draft_row import DraftRow
from chatdesk.ui.models.facts import FactsTable, dress, say
from chatdesk.ui.models.ways import WaysTable
from chatdesk.ui.widgets.buttons import TextButton
from chatdesk.ui.widgets.inert import inert
from chatdesk.ui.widgets.labels import Label
from chatdesk.ui.widgets.long_text import LongText
from chatdesk.ui.wording import asleep, grouped

if TYPE_CHECKING:
    from chatdesk.library.catalogue import Entry
    from chatdesk.library.fit import Plan
    from chatdesk.tasks.models import Plans

_WIDEST_PX = 720
_CARD_PX = 320


class Details(QScrollArea):
    """Signals: ``load_wanted``, the best way; ``plan_wanted(plan)``; ``unload_wanted``, ``cancel_wanted``,
    ``wake_wanted``, ``action_wanted(action)`` of what failed, ``folder_wanted``, ``forget_wanted``, ``remove_wanted``.
    Attributes: ``draft``, which checkpoint guesses ahead.
    """

    load_wanted = Signal()
    plan_wanted = Signal(object)
    unload_wanted = Signal()
    cancel_wanted = Signal()
    wake_wanted = Signal()
    action_wanted = Signal(str)
    folder_wanted = Signal()
    forget_wanted = Signal()
    remove_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.entry: Entry | None = None
        self._action = ""
        self.name = Label(kind="heading", wrap=True)
        self.status = Label(kind="soft", wrap=True)
        self.remarks = Label(kind="warning", wrap=True)
        self.plan = Label(wrap=True)
        self.loud = Label(kind="warning", wrap=True)
        self.progress = QProgressBar()
        self.progress.setTextVisible(False)
        self.progress.setAccessibleName(self.tr("Loading the model"))
        self._make_buttons()
        self.facts = FactsTable()
        self.draft = DraftRow()
        self.ways_title = Label(self.tr("Ways to load it"), kind="title")
        self.ways = WaysTable()
        self.ways.chosen.connect(self.plan_wanted)
        self.card_title = Label(self.tr("Model card"), kind="title")
        self.card = LongText(self.tr("Model card"))
        self._lay_out()

    def _make_buttons(self) -> None:
        self.load = TextButton(self.tr("Load"), kind="primary")
        self.unload = TextButton(self.tr("Unload"))
        self.cancel = TextButton(self.tr("Cancel loading"))
        self.wake = TextButton(self.tr("Wake it"))
        self.help = TextButton("", kind="primary")
        self.folder = TextButton(self.tr("Show in folder"), icon="folder")
        self.forget = TextButton(self.tr("Take off the list"))
        self.forget.setToolTip(self.tr("The folder stays where it is."))
        self.remove = TextButton(self.tr("Remove…"), icon="trash")
        for made, wanted in (
            (self.load, self.load_wanted),
            (self.unload, self.unload_wanted),
            (self.cancel, self.cancel_wanted),
            (self.wake, self.wake_wanted),
            (self.folder, self.folder_wanted),
            (self.forget, self.forget_wanted),
            (self.remove, self.remove_wanted),
        ):
            made.clicked.connect(wanted)
        self.help.clicked.connect(lambda: self.action_wanted.emit(self._action))

    def _lay_out(self) -> None:
        now, later = QHBoxLayout(), QHBoxLayout()
        for row, buttons in (
            (now, (self.help, self.load, self.wake, self.unload, self.cancel)),
            (later, (self.folder, self.forget, self.remove)),
        ):
            row.setSpacing(theme.scaled(8))
            for each in buttons:
                row.addWidget(each)
            row.addStretch()
        self.card.setMinimumHeight(theme.scaled(_CARD_PX))
        holder = QWidget()
        holder.setMaximumWidth(theme.scaled(_WIDEST_PX))
        column = QVBoxLayout(holder)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.scaled(10))
        for part in (self.name, self.status, self.remarks, self.plan, self.loud, self.progress):
            column.addWidget(part)
        column.addLayout(now)
        column.addSpacing(theme.scaled(10))
        column.addWidget(self.facts)
        column.addLayout(later)
        column.addWidget(self.draft)
        column.addSpacing(theme.scaled(14))
        column.addWidget(self.ways_title)
        column.addWidget(self.ways)
        column.addSpacing(theme.scaled(14))
        column.addWidget(self.card_title)
        column.addWidget(self.card, 1)
        column.addStretch()
        content = QWidget()
        content.setObjectName("content")
        row = QHBoxLayout(content)
        margin = theme.scaled(24)
        row.setContentsMargins(margin, theme.scaled(20), margin, margin)
        row.addWidget(holder)
        row.addStretch()
        row.setStretch(0, 1)
        self.setWidget(content)

    def show_entry(self, entry: "Entry", plans: "Plans | None", state: ModelChanged) -> None:
        """Show a checkpoint. ``plans``: None while they are not known; ``state``: of the model that is loaded."""
        is_other = self.entry is None or self.entry.path != entry.path
        self.entry = entry
        self.name.setText(entry.name)
        self._show_facts(entry)
        self._show_state(entry, plans, state if state.path == str(entry.path) else ModelChanged("none"))
        if is_other:
            self.show_card("")
            self.verticalScrollBar().setValue(0)

    def show_card(self, text: str) -> None:
        """Show the model card, text of strangers, as the plain text it is."""
        self.card_title.setVisible(bool(text))
        self.card.setVisible(bool(text))
        self.card.set_runs([(False, inert(text))])

    def _show_state(self, entry: "Entry", plans: "Plans | None", state: ModelChanged) -> None:
        is_here = state.state in ("ready", "loading", "asleep")
        can_load = entry.fault is None and not isinstance(plans, UserError)
        self.load.setVisible(not is_here and can_load)
        self.unload.setVisible(state.state in ("ready", "asleep"))
        self.wake.setVisible(state.state == "asleep")
        self.cancel.setVisible(state.state == "loading")
        self.forget.setVisible(entry.source == "folder" and not is_here)
        self.remove.setVisible(entry.source != "box")
        self.remove.setEnabled(not is_here and entry.path.exists())
        self.remove.setToolTip(
            self.tr("Unload it first.") if is_here else self.tr("To the system's trash, asked first.")
        )
        self.folder.setEnabled(entry.path.exists())
        self._show_status(state)
        self._show_plans(entry, plans)

    def _show_status(self, state: ModelChanged) -> None:
        self.progress.setVisible(state.state == "loading")
        self._action = state.notice.action if state.notice and state.notice.action != "choose_model" else ""
        self.help.set_words(button(self._action))
        self.help.setVisible(bool(self._action))
        dress(self.load, "" if self._action else "primary")
        said, kind = "", "soft"
        found = state.info.remarks if state.state == "ready" and state.info is not None else ()
        say(self.remarks, "\n".join(map(remark, found)), "warning")
        if state.state == "ready" and state.info is not None:
            said = self.tr("Loaded in {precision} on {device}, context {context}.").format(
                precision=words.precision(state.info.dtype),
                device=state.info.device_name,
                context=words.tokens(state.info.context_length),
            )
        elif state.state == "asleep":
            said = asleep()
        elif state.state == "loading":
            self.progress.setRange(0, 1000 if state.total else 0)
            self.progress.setValue(state.done * 1000 // state.total if state.total else 0)
            sizes = {"done": short_bytes(state.done), "total": short_bytes(state.total)}
            said = self.tr("Loading {done} of {total}").format(**sizes) if state.total else self.tr("Loading…")
        elif state.state == "failed" and state.notice is not None:
            said, kind = sentence(state.notice.fault, state.notice.fields), "danger"
        say(self.status, said, kind)

    def _show_plans(self, entry: "Entry", plans: "Plans | None") -> None:
        if entry.fault is not None:
            say(self.plan, sentence_of(entry.fault), "danger")
        elif isinstance(plans, list):
            first = words.how_it_fits(plans[0])
            say(self.plan, first[:1].upper() + first[1:])
        elif isinstance(plans, UserError):
            say(self.plan, sentence_of(plans), "danger")
        else:
            say(self.plan, words.outcome(None)[0], "soft")
        ways: list[Plan] = plans if isinstance(plans, list) else []
        say(self.loud, words.loud(ways[0]) if ways else "", words.loudness(ways[0]) if ways else "")
        self.ways_title.setVisible(len(ways) > 0)
        self.ways.setVisible(len(ways) > 0)
        self.ways.show_plans(ways)

    def _show_facts(self, entry: "Entry") -> None:
        is_sound = entry.fault is None
        self.facts.show_facts(
            (
                (self.tr("Architecture"), entry.architecture),
                (self.tr("Parameters"), short_count(entry.parameters) if is_sound else ""),
                (self.tr("On disk"), short_bytes(entry.disk_bytes or entry.size_bytes) if is_sound else ""),
                (self.tr("Stored in"), words.precision(entry.dtype or "")),
                (self.tr("Context"), self._context(entry)),
                (self.tr("Messages"), words.kind(entry) if is_sound else ""),
                (self.tr("Licence"), entry.licence),
                (self.tr("Last used"), exactly(entry.last_used) if entry.last_used else ""),
                (self.tr("Folder"), str(entry.path)),
            )
        )

    def _context(self, entry: "Entry") -> str:
        if entry.context_length is None:
            return ""
        return self.tr("{count} tokens").format(count=grouped(entry.context_length))
