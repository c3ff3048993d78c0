"""The transcript: the turns of a conversation, one below the other.

The words of turns come from `chatdesk.tasks.changes`; text that streams in is gathered and shown 30 times a second, and
what it does not change is not rendered again. How rows come and go on screen: `chatdesk.ui.chat.arranging`.

What is typed into a message that is being edited is kept by the turn's id until it is saved or given up, also while the
message is far away, or another conversation is shown; `edit_typed` says it to who keeps it on the disk.
"""

import time
from collections.abc import Mapping, Sequence

from PySide6.QtCore import QTimer, Signal
from PySide6.QtGui import QGuiApplication, QResizeEvent
from PySide6.QtWidgets import QWidget

from chatdesk.tasks.changes import Turn
from chatdesk.ui import theme
from chatdesk.ui.chat.editing import EditBox
from chatdesk.ui.chat.file_row import FileRow
from chatdesk.ui.chat.footer import Footer
from chatdesk.ui.chat.marginalia import DroppedLine, EmptyState, NoticeView, Waiting
from chatdesk.ui.chat.pieces import Piece, answer
from chatdesk.ui.chat.plain import plain_text
from chatdesk.ui.chat.rows import Edited, Entry, Row, Step
from chatdesk.ui.chat.thoughts import ThoughtView
from chatdesk.ui.chat.turn_rows import TurnRows
from chatdesk.ui.chat.views import CodeFrame, MarkdownView, PlainView, RowView
from chatdesk.ui.widgets.focus import hand_on

_PAINT_MS = 33
_REST = 4  # after a paint the window rests at least this many times as long as the paint took


class Transcript(TurnRows):
    """Shows turns, with what can be done with them in footers. A turn is named by its ``id``.

    Signals: ``regenerate_requested(id)``; ``version_requested(id, step)`` with step -1 or 1; ``continue_requested()``;
    ``edit_saved(id, text, files)``, those that the message keeps; ``edit_typed(id, text)``, None where the edit is
    given up; ``edit_left()``; ``file_wanted(attachment)``;
    ``pin_requested(id, pinned)``; ``delete_requested(id)``;
    ``branch_requested(id)``, a new one below it; ``compare_requested(id)``, of a reply with all its versions;
    ``export_requested(id)``; ``tokens_requested(id)``;
    ``notice_clicked()``; ``link_clicked(address)``, http, https or mailto: show the address before it is opened;
    ``example_chosen(text)``; ``shown_changed()``: other turns or texts are shown.
    """

    regenerate_requested = Signal(str)
    branch_requested = Signal(str)
    version_requested = Signal(str, int)
    continue_requested = Signal()
    edit_saved = Signal(str, str, object)
    edit_typed = Signal(str, object)
    file_wanted = Signal(object)
    edit_left = Signal()
    pin_requested = Signal(str, bool)
    delete_requested = Signal(str)
    compare_requested = Signal(str)
    export_requested = Signal(str)
    tokens_requested = Signal(str)
    shown_changed = Signal()
    notice_clicked = Signal()
    example_chosen = Signal(str)

    def __init__(self, parent: QWidget | None = None, has_footers: bool = True) -> None:
        super().__init__(parent, has_footers)
        self.setAccessibleName(self.tr("Conversation"))
        self._sought = ""  # a turn to go to when it comes
        self._step: Step | None = None  # another version of a turn is to come
        self._saved = ""  # the turn whose text has been handed over to be stored
        self._notice: tuple[str, str | None] | None = None
        self._empty: EmptyState | None = None
        self._arrived: dict[str, list[str]] = {}
        self._paint = QTimer(self)
        self._paint.setSingleShot(True)
        self._paint.setInterval(_PAINT_MS)
        self._paint.timeout.connect(self.flush)
        theme.watcher.changed.connect(self._on_theme_changed)
        self._show_empty_state()

    # -- turns -------------------------------------------------------------------------------------------------------

    def show_turns(self, turns: Sequence[Turn], is_whole: bool = True) -> None:
        """Show another conversation, from its end. Unless ``is_whole``, `add_above` brings the rest."""
        self.clear()
        self._is_whole = is_whole
        self._entries = {turn.id: Entry.of(turn) for turn in turns}
        self._forget_saved()
        self.shown_changed.emit()
        self.rows.insert(0, [row for entry in self._entries.values() for row in self._rows_of(entry)])
        self._show_empty_state()
        self.arrange()
        self._take_step()

    def add_above(self, turns: Sequence[Turn], is_whole: bool) -> None:
        """More turns of the conversation above all others. What the reader sees stays where it is."""
        above = {turn.id: Entry.of(turn) for turn in turns}
        self._entries, self._is_whole = above | self._entries, is_whole
        self.rows.insert(0, [row for entry in above.values() for row in self._rows_of(entry)])
        self._place_dropped_line()
        self.shown_changed.emit()
        self.arrange()
        self._take_step()
        if self._sought in above:
            self.go_to(self._sought)

    def clear(self) -> None:
        """Show an empty conversation."""
        self._paint.stop()
        self._arrived.clear()
        self._entries.clear()
        self._dropped, self._dropped_row = 0, None
        self._is_whole, self._sought = True, ""
        self._notice, self._notice_row = None, None
        self.forget_rows()
        self._show_empty_state()
        self.arrange()

    def add(self, turn: Turn) -> None:
        """Another turn at the end. The person's own words take the view to the end."""
        entry = Entry.of(turn)
        self._entries[turn.id] = entry
        self.rows.insert(self._end(), self._rows_of(entry))
        self._show_empty_state()
        self._after_change()
        if turn.role == "user":
            self.follow()
        self.arrange()

    def show_read(self, id: str, share: float) -> None:
        """How much of the prompt has been read, beside the dots of a waiting turn."""
        for row in self._entries[id].rows if id in self._entries else ():
            if isinstance(row.view, Waiting):
                row.view.show_read(share)

    def grow(self, id: str, text: str) -> None:
        """More text for a streaming turn; shown with the next paint."""
        if id in self._entries:
            self._arrived.setdefault(id, []).append(text)
            if not self._paint.isActive():
                self._paint.start()

    def replace(self, id: str, turn: Turn) -> None:
        """Turn ``id`` is now ``turn``. What is shown of its text stays, if the text goes on from there."""
        if id not in self._entries:
            return
        self.flush()
        entry = self._entries[id]
        shown, focus = entry.text, self.focused_stop()
        if entry.cutter is not None and turn.text.startswith(shown):
            entry.turn = turn
            self._feed(entry, turn.text[len(shown) :])
            if turn.state == "done":
                entry.cutter.finish()
                entry.cutter, entry.arrived = None, []
                self._show_thoughts(entry)
            self._replace_rows(entry, [row for row in entry.rows if row.kind != "piece"])
        else:
            fresh = Entry.of(turn)
            fresh.rows, entry = entry.rows, fresh
            held = self.place_of(entry.rows[-1]) if entry.rows else None
            self._replace_rows(entry, list(entry.rows))
            if held is not None:
                self.hold(entry.rows[-1], held)
        self._entries = {
            (turn.id if each == id else each): (entry if each == id else kept) for each, kept in self._entries.items()
        }
        self._after_change()
        self.arrange()
        for row in entry.rows if focus is not None else ():  # the same button of what is shown now
            if focus is not None and row.kind == focus[0].kind and focus[0].block is None:
                self.focus_stop(row, focus[1])

    def remove(self, id: str) -> None:
        """Turn ``id`` is gone."""
        entry = self._entries.pop(id, None)
        if entry is None:
            return
        self._arrived.pop(id, None)
        for row in entry.rows:
            self.drop_row(row)
        self._show_empty_state()
        self._after_change()
        self.arrange()

    def _after_change(self) -> None:
        self._forget_saved()
        self._update_footers()
        self._place_dropped_line()
        self.shown_changed.emit()

    def set_notice(self, text: str | None, button: str | None = None) -> None:
        """An error in plain words under the last turn, with one button; ``None`` takes it away."""
        if self._notice_row is not None:
            self.drop_row(self._notice_row)
        self._notice = None if text is None else (text, button)
        self._notice_row = None
        if text is not None:
            self._saved = ""  # it may have been refused: the box stays
            self._notice_row = Row("notice", gap=theme.scaled(16), height=theme.scaled(56))
            self.rows.insert(len(self.rows), [self._notice_row])
        self._show_empty_state()
        self.arrange()

    def set_dropped(self, turns: int) -> None:
        """Say above the first turn that the model sees that it does not see the ``turns`` before it."""
        self._dropped = turns
        self._place_dropped_line()
        self.arrange()

    def text_of(self, id: str) -> str:
        """The text of a turn as it was typed or generated."""
        self.flush()
        return self._entries[id].text

    def last_turn(self) -> Turn | None:
        """The turn at the end."""
        last = next(reversed(self._entries.values()), None)
        return last.turn if last is not None else None

    def flush(self) -> None:
        """Show what has arrived now."""
        self._paint.stop()
        if not self._arrived:
            return
        began = time.perf_counter()
        arrived, self._arrived = self._arrived, {}
        for id, parts in arrived.items():
            self._feed(self._entries[id], "".join(parts))
        self.arrange()
        self.shown_changed.emit()
        spent_ms = 1_000 * (time.perf_counter() - began)
        self._paint.setInterval(max(_PAINT_MS, round(_REST * spent_ms)))

    def _update_footers(self) -> None:
        """The buttons that make a reply again or go on with it belong to the last turn; nothing is saved meanwhile."""
        busy = self._is_replying()
        for row in self.live():
            if isinstance(row.view, Footer) and row.entry is not None:
                row.view.show_turn(row.entry.turn, self._is_last(row.entry), busy)
            elif isinstance(row.view, EditBox):
                row.view.set_busy(busy)

    def _is_replying(self) -> bool:
        last = next(reversed(self._entries.values()), None)
        return last is not None and last.cutter is not None

    def _is_last(self, entry: Entry) -> bool:
        return next(reversed(self._entries.values()), None) is entry

    # -- views -------------------------------------------------------------------------------------------------------

    def make_view(self, row: Row) -> RowView:
        """The widget of a row."""
        parent = self.viewport()
        if row.kind == "dropped":
            return DroppedLine(parent)
        if row.kind == "notice":
            text, button = self._notice or ("", None)
            notice = NoticeView(text, button, parent)
            notice.clicked.connect(self.notice_clicked)
            return notice
        if row.kind == "waiting" or row.entry is None:
            return Waiting(parent)
        if row.kind == "editor":
            return self._make_editor(row.entry)
        if row.kind == "files":
            return self._make_files(row.entry)
        if row.piece is None:
            return self._make_footer(row.entry)
        return self._make_text(row.entry, row.piece)

    def _make_footer(self, entry: Entry) -> Footer:
        footer = Footer(entry.turn, self._is_last(entry), self._is_replying(), self.viewport())
        footer.wanted.connect(lambda what: self._on_wanted(entry, what))
        footer.version_clicked.connect(lambda step: self._on_step(entry, footer, step))
        footer.hovered.connect(lambda: self._light(entry))
        return footer

    def _on_step(self, entry: Entry, footer: Footer, direction: int) -> None:
        """Another version of a turn is wanted: its footer is to stay where it is, and the keys at its button."""
        ids = list(self._entries)
        place = ids.index(entry.turn.id)
        below, above_footer = ids[place - 1] if place else "", footer.y() - entry.rows[-1].gap
        self._step = Step(direction, below, entry.turn.version + direction, above_footer, footer.is_at(direction))
        self.version_requested.emit(entry.turn.id, direction)

    def _take_step(self) -> None:
        """Put the footer of the version that has come where that of the one before it stood."""
        step, ids = self._step, list(self._entries)
        if step is None or (step.below not in ids and not self._is_whole):  # it is still to come
            return
        self._step = None
        place = ids.index(step.below) + 1 if step.below in ids else 0
        entry = self._entries[ids[place]] if place < len(ids) else None
        if entry is None or entry.turn.version != step.version or not entry.rows:  # something else is shown
            return
        self.put(entry.rows[-1], step.place)
        if step.is_by_key and isinstance(entry.rows[-1].view, Footer):
            entry.rows[-1].view.go_to(step.direction)

    def _make_files(self, entry: Entry) -> FileRow:
        files = FileRow(entry.turn.attachments, entry.turn.role == "user", self.viewport())
        files.opened.connect(self.file_wanted)
        files.hovered.connect(lambda: self._light(entry))
        return files

    def _light(self, entry: Entry) -> None:
        """The buttons of the person's own words are drawn while the pointer is on them or on the words."""
        if entry.turn.role == "user":
            lit = any(row.view is not None and row.view.underMouse() for row in entry.rows)
            for row in entry.rows:
                if isinstance(row.view, Footer):
                    row.view.set_lit(lit)

    def _on_wanted(self, entry: Entry, what: str) -> None:
        turn = entry.turn
        match what:
            case "regenerate":
                self.regenerate_requested.emit(turn.id)
            case "branch":
                self.branch_requested.emit(turn.id)
            case "continue":
                self.continue_requested.emit()
            case "edit":
                self.edit(turn.id)
            case "pin":
                self.pin_requested.emit(turn.id, not turn.is_pinned)
            case "delete":
                self.delete_requested.emit(turn.id)
            case "compare" | "export" | "tokens":
                {
                    "compare": self.compare_requested,
                    "export": self.export_requested,
                    "tokens": self.tokens_requested,
                }[what].emit(turn.id)
            case "copy_plain":
                QGuiApplication.clipboard().setText(plain_text(entry.text))
            case _:
                QGuiApplication.clipboard().setText(entry.text if turn.role == "user" else answer(entry.text))

    def _make_text(self, entry: Entry, piece: Piece) -> RowView:
        parent = self.viewport()
        if piece.kind == "plain":
            own = PlainView(piece, piece is entry.pieces[0], piece is entry.pieces[-1], parent)
            own.hovered.connect(lambda: self._light(entry))
            return own
        if piece.kind == "thought":
            thought = ThoughtView(piece, entry.is_open, parent)
            thought.show_state(*self._thinking(entry))
            thought.toggled.connect(lambda: self._fold(entry))
            return thought
        if piece.kind == "markdown":
            return MarkdownView(piece, parent)
        frame = CodeFrame(piece.text, piece.info, parent, piece.continued, self._goes_on(entry, piece))
        frame.code_copy_requested.connect(lambda: self._copy_code(entry, piece))
        return frame

    def _copy_code(self, entry: Entry, piece: Piece) -> None:
        """Copy a code block with all the pieces in which it goes on."""
        first = entry.pieces.index(piece)
        parts = [piece.text]
        for following in entry.pieces[first + 1 :]:
            if not following.continued:
                break
            parts.append(following.text)
        QGuiApplication.clipboard().setText("".join(parts))

    # -- editing -------------------------------------------------------------------------------------------------------

    def edit(self, id: str) -> None:
        """Make a text box of a turn, and go there."""
        entry = self._entries.get(id)
        if entry is None or entry.cutter is not None:
            return
        if id not in self._edits:
            self._edits[id] = Edited(entry.text, entry.turn.attachments)
            self._make_again(entry)
        row = entry.rows[0]
        self.show_row(row)
        if isinstance(row.view, EditBox):
            row.view.focus()
            self.reveal(row.view)

    def keep_edits(self, edits: Mapping[str, str]) -> None:
        """What was typed into messages of the turns that are shown next, unless it is known here."""
        self._kept = {id: text for id, text in edits.items() if id not in self._edits}

    def take_over(self, other: "Transcript") -> None:
        """What is being edited in another transcript is edited in this one from now on."""
        for row in other.live():
            other.keep_typed(row)
        self._edits, self._saved = dict(other._edits), other._saved

    def go_to(self, id: str) -> None:
        """Bring a turn into view; as soon as it is there, where it is still to come."""
        entry = self._entries.get(id)
        self._sought = "" if entry else id
        if entry is not None and entry.rows:
            self.show_row(entry.rows[0])

    def edit_last_own(self) -> bool:
        """Edit the person's last message; returns whether there is one."""
        own = next((id for id, entry in reversed(self._entries.items()) if entry.turn.role == "user"), None)
        if own is not None:
            self.edit(own)
        return own is not None

    def _make_editor(self, entry: Entry) -> EditBox:
        id = entry.turn.id
        box = EditBox(self._edits[id], entry.turn.role == "user", self.viewport())
        box.set_busy(self._is_replying())
        box.typed.connect(lambda: self.edit_typed.emit(id, box.text()))
        box.saved.connect(lambda text, files: self._on_edit_saved(entry, Edited(text, files)))
        box.file_opened.connect(self.file_wanted)
        box.cancelled.connect(lambda: self._leave_edit(entry))
        return box

    def _on_edit_saved(self, entry: Entry, edited: Edited) -> None:
        """The box stays until the text is stored: then other turns are shown."""
        if edited == (entry.text, entry.turn.attachments) and entry.turn.role != "user":
            self._leave_edit(entry)
            return
        self._edits[entry.turn.id], self._saved = edited, entry.turn.id
        self.edit_saved.emit(entry.turn.id, *edited)

    def _leave_edit(self, entry: Entry) -> None:
        self._edits.pop(entry.turn.id, None)
        self._make_again(entry)
        self.edit_typed.emit(entry.turn.id, None)
        self.edit_left.emit()

    def _make_again(self, entry: Entry) -> None:
        held = self.place_of(entry.rows[0]) if entry.rows else None
        self._replace_rows(entry, list(entry.rows))
        if held is not None:
            self.hold(entry.rows[0], held)
        self._place_dropped_line()
        self.arrange()

    def _forget_saved(self) -> None:
        if self._saved and self._saved not in self._entries:
            self._edits.pop(self._saved, None)
            self._saved = ""

    def release(self, row: Row) -> None:
        """Take the widget of a row away; what is typed into it is kept."""
        self.keep_typed(row)
        super().release(row)

    def keep_typed(self, row: Row) -> None:
        """Keep what is typed into the widget of a row."""
        if isinstance(row.view, EditBox) and row.entry is not None and row.entry.turn.id in self._edits:
            self._edits[row.entry.turn.id] = Edited(row.view.text(), row.view.files)

    # -- the empty state, theme ----------------------------------------------------------------------------------------

    def _show_empty_state(self) -> None:
        wanted = not self._entries and self._notice is None
        if wanted and self._empty is None:
            self._empty = EmptyState(self.viewport())
            self._empty.example_chosen.connect(self.example_chosen)
            self._empty.setGeometry(self.viewport().rect())
            self._empty.show()
        elif not wanted and self._empty is not None:
            hand_on(self._empty, self.heir)
            self._empty.hide()
            self._empty.deleteLater()
            self._empty = None

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Qt override."""
        super().resizeEvent(event)
        if self._empty is not None:
            self._empty.setGeometry(self.viewport().rect())

    def _on_theme_changed(self) -> None:
        """Colours or sizes are others: make everything that is on screen anew."""
        if self._empty is not None:
            hand_on(self._empty, self.heir)
            self._empty.deleteLater()
            self._empty = None
            self._show_empty_state()
        self.renew()
