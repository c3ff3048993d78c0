"""The transcript: the turns of a conversation, one below the other.

The words of turns come from `chatdesk.tasks.changes`; text that streams in is gathered and shown 30 times a second, and
what it does not change is not rendered again. How rows come and go on screen: `chatdesk.ui.chat.viewport`.

Non-goals: editing, searching and folding of turns.
"""

import time
from collections.abc import Sequence

from PySide6.QtCore import QTimer, Signal
from PySide6.QtGui import QGuiApplication, QResizeEvent
from PySide6.QtWidgets import QWidget

from chatdesk.tasks.changes import Turn
from chatdesk.ui import theme
from chatdesk.ui.chat.marginalia import DroppedLine, EmptyState, NoticeView, ReplyFooter, Waiting
from chatdesk.ui.chat.pieces import Piece
from chatdesk.ui.chat.rows import Entry, Row, estimated_height
from chatdesk.ui.chat.viewport import RowViewport
from chatdesk.ui.chat.views import CodeFrame, MarkdownView, PlainView, RowView

_PAINT_MS = 33
_REST = 16  # after a paint the window rests at least this many times as long as the paint took


class Transcript(RowViewport):
    """Shows turns. A turn is named by its ``id``.

    Signals: ``regenerate_requested(id)``; ``version_requested(id, step)`` with step -1 or 1; ``notice_clicked()``;
    ``link_clicked(address)``, http, https or mailto: show the address before it is opened; ``example_chosen(text)``.
    """

    regenerate_requested = Signal(str)
    version_requested = Signal(str, int)
    notice_clicked = Signal()
    example_chosen = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(self.tr("Conversation"))
        self._entries: dict[str, Entry] = {}
        self._dropped = 0
        self._dropped_row: Row | None = None
        self._notice: tuple[str, str | None] | None = None
        self._notice_row: Row | None = None
        self._empty: EmptyState | None = None
        self._arrived: dict[str, list[str]] = {}
        self._paint = QTimer(self)
        self._paint.setSingleShot(True)
        self._paint.timeout.connect(self.flush)
        theme.watcher.changed.connect(self._on_theme_changed)
        self._show_empty_state()

    # -- turns -------------------------------------------------------------------------------------------------------

    def show_turns(self, turns: Sequence[Turn]) -> None:
        """Show another conversation, from its end."""
        self.clear()
        self._entries = {turn.id: Entry.of(turn) for turn in turns}
        for entry in self._entries.values():
            self.rows.insert(len(self.rows), self._rows_of(entry))
        self._show_empty_state()
        self.arrange()

    def clear(self) -> None:
        """Show an empty conversation."""
        self._paint.stop()
        self._arrived.clear()
        self._entries.clear()
        self._dropped, self._dropped_row = 0, None
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
        self._update_footers()
        self._place_dropped_line()
        if turn.role == "user":
            self.follow()
        self.arrange()

    def grow(self, id: str, text: str) -> None:
        """More text for a streaming turn; shown with the next paint."""
        if id in self._entries:
            self._arrived.setdefault(id, []).append(text)
            if not self._paint.isActive():
                self._paint.start(_PAINT_MS)

    def replace(self, id: str, turn: Turn) -> None:
        """Turn ``id`` is now ``turn``. What is shown of its text stays, if the text goes on from there."""
        if id not in self._entries:
            return
        self.flush()
        entry = self._entries[id]
        shown = entry.text
        if entry.cutter is not None and turn.text.startswith(shown):
            entry.turn = turn
            self._feed(entry, turn.text[len(shown) :])
            if turn.state == "done":
                entry.cutter = None
                entry.arrived = []
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
        self._update_footers()
        self._place_dropped_line()
        self.arrange()

    def remove(self, id: str) -> None:
        """Turn ``id`` is gone."""
        entry = self._entries.pop(id, None)
        if entry is None:
            return
        self._arrived.pop(id, None)
        for row in entry.rows:
            self.drop_row(row)
        self._show_empty_state()
        self._update_footers()
        self._place_dropped_line()
        self.arrange()

    def set_notice(self, text: str | None, button: str | None = None) -> None:
        """An error in plain words under the last turn, with one button; ``None`` takes it away."""
        if self._notice_row is not None:
            self.drop_row(self._notice_row)
        self._notice = None if text is None else (text, button)
        self._notice_row = None
        if text is not None:
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
        spent_ms = 1_000 * (time.perf_counter() - began)
        self._paint.setInterval(max(_PAINT_MS, round(_REST * spent_ms)))

    # -- rows --------------------------------------------------------------------------------------------------------

    def _end(self) -> int:
        return len(self.rows) - (self._notice_row is not None)

    def _rows_of(self, entry: Entry) -> list[Row]:
        """All rows of a turn, and the entry's record of them."""
        entry.rows = [self._piece_row(entry, piece) for piece in entry.pieces]
        entry.rows += self._rows_behind(entry)
        return list(entry.rows)

    def _rows_behind(self, entry: Entry) -> list[Row]:
        """What stands under the text of a turn."""
        turn = entry.turn
        if turn.role == "user":
            return []
        if turn.state == "done":
            return [Row("footer", entry, gap=theme.scaled(8), height=theme.scaled(40))]
        if not any(piece.length for piece in entry.pieces):
            return [Row("waiting", entry, gap=theme.scaled(16), height=theme.scaled(40))]
        return []

    def _piece_row(self, entry: Entry, piece: Piece) -> Row:
        first = piece is entry.pieces[0]
        gap = 4 * (piece.kind == "markdown") if piece.continued else 24 if first and piece.kind == "plain" else 16
        height = estimated_height(piece, theme.scaled(21))
        return Row("piece", entry, piece, theme.scaled(gap), height and height + theme.scaled(gap))

    def _replace_rows(self, entry: Entry, old: list[Row]) -> None:
        """Put the rows that a turn should have now in the place of ``old``."""
        kept = [row for row in entry.rows if row not in old]
        position = self.rows.index(entry.rows[0]) if entry.rows else self._end()
        for row in old:
            self.drop_row(row)
        entry.rows = kept
        new = self._rows_behind(entry) if kept else [self._piece_row(entry, piece) for piece in entry.pieces]
        if not kept:
            new += self._rows_behind(entry)
        self.rows.insert(position + len(kept), new)
        entry.rows = kept + new

    def _feed(self, entry: Entry, text: str) -> None:
        if not text or entry.cutter is None:
            return
        before = len(entry.pieces)
        entry.cutter.feed(text)
        entry.arrived.append(text)
        waiting = next((row for row in entry.rows if row.kind == "waiting"), None)
        if before:
            row = next(row for row in reversed(entry.rows) if row.piece is entry.pieces[before - 1])
            self._regrow(row)
        new = [self._piece_row(entry, piece) for piece in entry.pieces[before:]]
        if waiting is not None:
            index = self.rows.index(waiting)
            self.drop_row(waiting)
            entry.rows.remove(waiting)
        else:
            index = self.rows.index(entry.rows[-1]) + 1 if entry.rows else self._end()
        self.rows.insert(index, new)
        entry.rows += new

    def _regrow(self, row: Row) -> None:
        """The piece of a row has another text."""
        assert row.piece is not None
        if isinstance(row.view, MarkdownView | CodeFrame):
            if isinstance(row.view, CodeFrame) and row.entry is not None:
                row.view.goes_on = self._goes_on(row.entry, row.piece)
            row.view.grow(row.piece.text)
        elif row.view is not None:
            self.release(row)
        row.width = 0
        if row.view is None:
            height = estimated_height(row.piece, theme.scaled(21))
            self.rows.set_height(row, height and height + row.gap)

    def _goes_on(self, entry: Entry, piece: Piece) -> bool:
        index = entry.pieces.index(piece) + 1
        return index < len(entry.pieces) and entry.pieces[index].kind == piece.kind and entry.pieces[index].continued

    def _update_footers(self) -> None:
        """The button that makes a reply again belongs to the last turn alone."""
        for entry in self._entries.values():
            for row in entry.rows[-1:]:
                if isinstance(row.view, ReplyFooter):
                    row.view.show_turn(entry.turn, self._is_last(entry))

    def _is_last(self, entry: Entry) -> bool:
        return next(reversed(self._entries.values()), None) is entry

    def _place_dropped_line(self) -> None:
        if self._dropped_row is not None:
            self.drop_row(self._dropped_row)
            self._dropped_row = None
        entries = list(self._entries.values())
        if 0 < self._dropped < len(entries) and entries[self._dropped].rows:
            self._dropped_row = Row("dropped", gap=theme.scaled(16), height=theme.scaled(40))
            self.rows.insert(self.rows.index(entries[self._dropped].rows[0]), [self._dropped_row])

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
        if row.piece is None:
            return self._make_footer(row.entry)
        return self._make_text(row.entry, row.piece)

    def _make_footer(self, entry: Entry) -> ReplyFooter:
        footer = ReplyFooter(entry.turn, self._is_last(entry), self.viewport())
        footer.copy_clicked.connect(lambda: self._copy_turn(entry))
        footer.regenerate_clicked.connect(lambda: self.regenerate_requested.emit(entry.turn.id))
        footer.version_clicked.connect(lambda step: self.version_requested.emit(entry.turn.id, step))
        return footer

    def _make_text(self, entry: Entry, piece: Piece) -> RowView:
        parent = self.viewport()
        if piece.kind == "plain":
            return PlainView(piece, piece is entry.pieces[0], piece is entry.pieces[-1], parent)
        if piece.kind == "markdown":
            return MarkdownView(piece, parent)
        frame = CodeFrame(piece.text, piece.info, parent, piece.continued, self._goes_on(entry, piece))
        frame.code_copy_requested.connect(lambda: self._copy_code(entry, piece))
        return frame

    def _copy_turn(self, entry: Entry) -> None:
        QGuiApplication.clipboard().setText(entry.text)

    def _copy_code(self, entry: Entry, piece: Piece) -> None:
        """Copy a code block with all the pieces in which it goes on."""
        first = entry.pieces.index(piece)
        parts = [piece.text]
        for following in entry.pieces[first + 1 :]:
            if not following.continued:
                break
            parts.append(following.text)
        QGuiApplication.clipboard().setText("".join(parts))

    # -- the empty state, theme ----------------------------------------------------------------------------------------

    def _show_empty_state(self) -> None:
        wanted = not self._entries and self._notice is None
        if wanted and self._empty is None:
            self._empty = EmptyState(self.viewport())
            self._empty.example_chosen.connect(self.example_chosen)
            self._empty.setGeometry(self.viewport().rect())
            self._empty.show()
        elif not wanted and self._empty is not None:
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
            self._empty.deleteLater()
            self._empty = None
            self._show_empty_state()
        self.renew()
