"""What is read of a conversation: the transcript with its find bar, or replies side by side in its place."""

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QApplication, QVBoxLayout, QWidget
from shiboken6 import isValid

from chatdesk.tasks import changes
from chatdesk.tasks.changes import Change, DraftsOpened
from chatdesk.ui.chat.drafts import DraftsView
from chatdesk.ui.chat.finding import FindBar
from chatdesk.ui.chat.transcript import Transcript
from chatdesk.ui.widgets.focus import hand_on

_FIND_MOST = 100  # characters of a selection that are looked for


class Reading(QWidget):
    """Shows changes of turns, see `apply`.

    Signals: ``draft_chosen(id)``; ``drafts_closed(id)``, the conversation is wanted again with this one;
    ``link_clicked(address)``. Attributes: ``transcript``, ``find_bar``.
    """

    draft_chosen = Signal(str)
    drafts_closed = Signal(str)
    link_clicked = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.transcript = Transcript()
        self.transcript.link_clicked.connect(self.link_clicked)
        self.find_bar = FindBar(self.transcript)
        self.find_bar.closed.connect(self._give_focus_back)
        self._focus_before: QWidget | None = None  # it was taken by the find bar
        self.drafts: DraftsView | None = None
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(0)
        self._column.addWidget(self.find_bar)
        self._column.addWidget(self.transcript)
        self.setFocusProxy(self.transcript)

    def apply(self, change: Change) -> None:
        """Show a change of turns; others are not ours."""
        match change:
            case changes.DraftsOpened():
                self._open_drafts(change)
            case changes.DraftsClosed():
                self._close_drafts()
            case changes.PromptRead() | changes.TurnGrew() | changes.TurnReplaced() | changes.TurnRemoved():
                for view in (self.transcript, self.drafts):
                    if view is not None:
                        _show(change, view)
            case _:
                self._apply_to_transcript(change)

    def _apply_to_transcript(self, change: Change) -> None:
        match change:
            case changes.EditsKept(edits):
                self.transcript.keep_edits(edits)
            case changes.Opened(_, turns, is_whole):
                self.transcript.show_turns(turns, is_whole)
            case changes.TurnsAbove(turns, is_whole):
                self.transcript.add_above(turns, is_whole)
            case changes.TurnAdded(turn):
                self.transcript.add(turn)
            case changes.ContextDropped(count):
                self.transcript.set_dropped(count)
            case changes.Found(id):
                self.transcript.go_to(id)

    @property
    def are_drafts_shown(self) -> bool:
        """Whether replies stand side by side."""
        return self.drafts is not None and not self.drafts.isHidden()

    def step_drafts(self, direction: int) -> bool:
        """Mark the draft beside the marked one; whether there are drafts."""
        if self.drafts is not None and self.are_drafts_shown:
            self.drafts.step(direction)
        return self.are_drafts_shown

    def open_find(self) -> None:
        """Open the find bar, with what is selected in the transcript."""
        if not self.are_drafts_shown:
            if self.find_bar.isHidden():
                self._focus_before = QApplication.focusWidget()
            selected = self.transcript.selected_text()
            self.find_bar.open_bar(selected if len(selected) <= _FIND_MOST and "\n" not in selected else "")

    def _give_focus_back(self) -> None:
        before = self._focus_before
        is_there = before is not None and isValid(before) and before.isVisible()
        (before if before is not None and is_there else self.transcript).setFocus()

    def find_step(self, direction: int) -> None:
        """The next match (1) or the one before (-1)."""
        if self.find_bar.isHidden():
            self.open_find()
        else:
            self.find_bar.step(direction)

    def _open_drafts(self, change: DraftsOpened) -> None:
        if self.drafts is None:
            self.drafts = DraftsView()
            self.drafts.chosen.connect(self.draft_chosen)
            self.drafts.closed.connect(self.drafts_closed)
            self.drafts.link_clicked.connect(self.link_clicked)
            self._column.addWidget(self.drafts)
        self.find_bar.close_bar()
        hand_on(self.transcript, self.transcript.heir)
        self.transcript.hide()
        self.drafts.open(change)

    def _close_drafts(self) -> None:
        if self.drafts is not None:
            hand_on(self.drafts, self.transcript.heir)
            self.drafts.close_columns()
            self.transcript.show()


def _show(change: Change, view: Transcript | DraftsView) -> None:
    """Both know their turns by id and leave others alone."""
    match change:
        case changes.PromptRead(id, done, total):
            view.show_read(id, done / max(1, total))
        case changes.TurnGrew(id, text):
            view.grow(id, text)
        case changes.TurnReplaced(id, turn):
            view.replace(id, turn)
        case changes.TurnRemoved(id):
            view.remove(id)
