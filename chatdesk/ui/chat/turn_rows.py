"""The rows that a turn has: its pieces, what stands under them, its thoughts; how they grow while it streams."""

import time

from PySide6.QtWidgets import QWidget

from chatdesk.ui import theme
from chatdesk.ui.chat.pieces import Piece
from chatdesk.ui.chat.rows import Edited, Entry, Row, estimated_height, estimated_height_of
from chatdesk.ui.chat.thoughts import ThoughtView
from chatdesk.ui.chat.viewport import RowViewport
from chatdesk.ui.chat.views import CodeFrame, MarkdownView


class TurnRows(RowViewport):
    """Keeps entries and rows in step. `Transcript` says when, and makes the widgets."""

    def __init__(self, parent: QWidget | None, has_footers: bool) -> None:
        super().__init__(parent)
        self._has_footers = has_footers
        self._entries: dict[str, Entry] = {}
        self._edits: dict[str, Edited] = {}  # messages that are being edited
        self._kept: dict[str, str] = {}  # what was typed into some before the program was started
        self._is_whole = True  # are all turns there, from the first on
        self._dropped = 0
        self._dropped_row: Row | None = None
        self._notice_row: Row | None = None

    def _end(self) -> int:
        return len(self.rows) - (self._notice_row is not None)

    def _rows_of(self, entry: Entry) -> list[Row]:
        """All rows of a turn, and the entry's record of them."""
        kept = self._kept.pop(entry.turn.id, entry.turn.text)
        if kept != entry.turn.text:
            self._edits.setdefault(entry.turn.id, Edited(kept, entry.turn.attachments))
        if entry.turn.id in self._edits and entry.cutter is None:
            entry.rows = [Row("editor", entry, gap=theme.scaled(16), height=theme.scaled(160))]
        else:
            before = self._file_rows(entry) if entry.turn.role == "user" else []
            entry.rows = before + self._text_rows(entry) + self._rows_behind(entry)
        return list(entry.rows)

    def _file_rows(self, entry: Entry) -> list[Row]:
        """The files of a turn, if it has some: above the person's words, below a reply."""
        return [Row("files", entry, gap=theme.scaled(16), height=theme.scaled(46))] if entry.turn.attachments else []

    def _text_rows(self, entry: Entry) -> list[Row]:
        if entry.is_cut or not entry.turn.text:
            return self._piece_rows(entry, entry.pieces)
        gap = theme.scaled(16)
        return [Row("unseen", entry, gap=gap, height=gap + estimated_height_of(entry.turn.text, theme.scaled(21)))]

    def cut_up(self, row: Row) -> list[Row]:
        """The rows of the pieces for which an unseen one has stood."""
        assert row.entry is not None
        entry = row.entry
        new = self._piece_rows(entry, entry.pieces)
        place = entry.rows.index(row)
        entry.rows[place : place + 1] = new
        return new

    def see(self, entry: Entry) -> None:
        """The pieces of a turn are asked for: they have rows of their own from now on."""
        for row in [row for row in entry.rows if row.kind == "unseen"]:
            self.replace_unseen(row)

    def _piece_rows(self, entry: Entry, pieces: list[Piece]) -> list[Row]:
        return [self._piece_row(entry, piece) for piece in pieces if entry.is_shown(piece)]

    def _rows_behind(self, entry: Entry) -> list[Row]:
        """What stands under the text of a turn."""
        turn = entry.turn
        if turn.state == "done" and not self._has_footers:
            return []
        if turn.role == "user":
            return [Row("footer", entry, height=theme.scaled(32))]
        if turn.state == "done":
            return [*self._file_rows(entry), Row("footer", entry, gap=theme.scaled(8), height=theme.scaled(40))]
        if not any(piece.length for piece in entry.pieces):
            return [Row("waiting", entry, gap=theme.scaled(16), height=theme.scaled(40))]
        return []

    def _piece_row(self, entry: Entry, piece: Piece) -> Row:
        first = piece is entry.pieces[0]
        over = 16 if not first or piece.kind == "plain" else 4  # the footer above a reply has room of its own
        if first and piece.kind == "plain" and entry.turn.attachments:  # they are of the same message
            over = 8
        gap = 4 * (piece.kind == "markdown") if piece.continued else over
        height = estimated_height(piece, theme.scaled(21))
        if piece.kind == "thought" and not entry.is_open:
            height = theme.scaled(28)
        return Row("piece", entry, piece, theme.scaled(gap), height and height + theme.scaled(gap))

    def _replace_rows(self, entry: Entry, old: list[Row]) -> None:
        """Put the rows that a turn should have now in the place of ``old``."""
        kept = [row for row in entry.rows if row not in old]
        position = self.rows.index(entry.rows[0]) if entry.rows else self._end()
        for row in old:
            self.drop_row(row)
        entry.rows = kept
        new = self._rows_behind(entry) if kept else self._rows_of(entry)
        self.rows.insert(position + len(kept), new)
        entry.rows = kept + new

    def _feed(self, entry: Entry, text: str) -> None:
        if not text or entry.cutter is None:
            return
        before = len(entry.pieces)
        if not entry.arrived or not entry.arrived[-1]:
            entry.began_s = time.monotonic()
        entry.cutter.feed(text)
        entry.arrived.append(text)
        entry.clock_thoughts()
        if not entry.pieces:
            return
        waiting = next((row for row in entry.rows if row.kind == "waiting"), None)
        grown = entry.pieces[before - 1] if before else None
        row = next((row for row in reversed(entry.rows) if row.piece is grown and grown is not None), None)
        if row is not None:
            self._regrow(row)
        new = self._piece_rows(entry, entry.pieces[before:])
        if waiting is not None:
            index = self.rows.index(waiting)
            self.drop_row(waiting)
            entry.rows.remove(waiting)
        else:
            index = self.rows.index(entry.rows[-1]) + 1 if entry.rows else self._end()
        self.rows.insert(index, new)
        entry.rows += new
        self._show_thoughts(entry)

    def _regrow(self, row: Row) -> None:
        """The piece of a row has another text."""
        assert row.piece is not None
        if isinstance(row.view, MarkdownView | CodeFrame):
            if isinstance(row.view, CodeFrame) and row.entry is not None:
                row.view.goes_on = self._goes_on(row.entry, row.piece)
            row.view.grow(row.piece.text)
        elif isinstance(row.view, ThoughtView) and row.entry is not None:
            row.view.grow(row.piece.text, row.entry.is_open)
        elif row.view is not None:
            self.release(row)
        row.width = 0
        if row.view is None and row.piece.kind != "thought":
            height = estimated_height(row.piece, theme.scaled(21))
            self.rows.set_height(row, height and height + row.gap)

    def _goes_on(self, entry: Entry, piece: Piece) -> bool:
        index = entry.pieces.index(piece) + 1
        return index < len(entry.pieces) and entry.pieces[index].kind == piece.kind and entry.pieces[index].continued

    def entries(self) -> list[Entry]:
        """The turns, from top to bottom."""
        return list(self._entries.values())

    def row_of(self, entry: Entry, piece: Piece) -> Row | None:
        """The row of a piece. Thoughts are unfolded for it; ``None`` while the turn is edited."""
        self.see(entry)
        if piece.kind == "thought" and not entry.is_open and entry.rows[0].piece is not None:
            self._fold(entry)
        return next((row for row in entry.rows if row.piece is piece), None)

    def _place_dropped_line(self) -> None:
        if self._dropped_row is not None:
            self.drop_row(self._dropped_row)
            self._dropped_row = None
        entries = list(self._entries.values())
        if self._is_whole and 0 < self._dropped < len(entries) and entries[self._dropped].rows:
            self._dropped_row = Row("dropped", gap=theme.scaled(16), height=theme.scaled(40))
            self.rows.insert(self.rows.index(entries[self._dropped].rows[0]), [self._dropped_row])

    # -- thoughts ------------------------------------------------------------------------------------------------------

    def _thinking(self, entry: Entry) -> tuple[str, str, bool]:
        """Words of the heading, what is thought right now, whether it is unfolded."""
        if entry.is_thinking:
            return self.tr("Thinking…"), entry.pieces[-1].text, entry.is_open
        if entry.thought_s:
            seconds = max(1, round(entry.thought_s))
            return self.tr("Thought for {seconds} s").format(seconds=seconds), "", entry.is_open
        return self.tr("Thoughts"), "", entry.is_open

    def _show_thoughts(self, entry: Entry) -> None:
        """Bring the heading up to date; empty thoughts are nothing to be shown."""
        row = next((row for row in entry.rows[:1] if row.piece is not None and row.piece.kind == "thought"), None)
        if row is None or row.piece is None:
            return
        if not entry.is_shown(row.piece):
            entry.rows.remove(row)
            self.drop_row(row)
        elif isinstance(row.view, ThoughtView):
            row.view.show_state(*self._thinking(entry))
            row.width = 0

    def _fold(self, entry: Entry) -> None:
        """Fold or unfold thoughts. Their heading stays under the pointer."""
        entry.is_open = not entry.is_open
        head = entry.rows[0]
        self.keep_in_place(head)
        for row in [row for row in entry.rows[1:] if row.piece is not None and row.piece.kind == "thought"]:
            self.drop_row(row)
            entry.rows.remove(row)
        more = self._piece_rows(entry, entry.thoughts()[1:])
        self.rows.insert(self.rows.index(head) + 1, more)
        entry.rows[1:1] = more
        self._regrow(head)
        self._show_thoughts(entry)
        self.arrange()
