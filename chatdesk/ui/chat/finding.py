"""Find in the conversation that is shown: a bar with a field and a count, and what it finds.

A match is a substring, without regard to case (Unicode case folding), inside one piece of one message of the shown
branch. What has been on screen is searched as it is read there (without the signs of Markdown); a piece that has not
been laid out yet is searched in its source, so the count can change when it comes into view: a match that stood in the
address of a link is then gone. Matches that run from one piece, cell or paragraph into the next are not found.
"""

from collections.abc import Iterator

from PySide6.QtCore import QObject, Qt, QTimer, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QLineEdit, QWidget

from chatdesk.ui import shortcuts, theme
from chatdesk.ui.chat.buttons import QuietButton
from chatdesk.ui.chat.pieces import Piece
from chatdesk.ui.chat.rows import Entry, Row
from chatdesk.ui.chat.surface import Surface
from chatdesk.ui.chat.transcript import Transcript

_REFRESH_MS = 300
_WIDTH_PX = 280
_LAST = 1 << 30  # number of the last match of a piece, however many there are


def occurrences(text: str, needle: str) -> list[tuple[int, int]]:
    """Where ``needle`` stands in ``text``, without regard to case: begin and end, counted in characters."""
    wanted, folded = needle.casefold(), text.casefold()
    if not wanted:
        return []
    found = []
    at = folded.find(wanted)
    while at >= 0:
        found.append((at, at + len(wanted)))
        at = folded.find(wanted, at + len(wanted))
    if found and len(folded) != len(text):  # ß folds into two characters
        places = [index for index, character in enumerate(text) for _ in character.casefold()]
        found = [(places[begin], places[end - 1] + 1) for begin, end in found]
    return found


class Search(QObject):
    """What is looked for in a transcript.

    Signals: ``counted(number, total)``: the match that is shown, from 1, 0 where none is.
    """

    counted = Signal(int, int)

    def __init__(self, transcript: Transcript) -> None:
        super().__init__(transcript)
        self._transcript = transcript
        self._needle = ""
        self._places: list[tuple[Entry, Piece]] = []  # pieces with matches, from top to bottom
        self._sources: dict[Piece, tuple[int, int]] = {}  # length of the piece for which it was counted, and the count
        self._seen: dict[Piece, tuple[int, int]] = {}  # the same, as it is read on screen
        self._current: tuple[Piece, int] | None = None
        self._later = QTimer(self, interval=_REFRESH_MS, singleShot=True)
        self._later.timeout.connect(self._on_timeout)
        transcript.shown_changed.connect(self._on_shown_changed)
        transcript.view_made.connect(self._mark)

    def look_for(self, text: str) -> None:
        """Show the first match from the reader's place on; nothing is marked for an empty text."""
        self._needle, self._current = text, None
        self._sources.clear()
        self._seen.clear()
        self._count()
        self._mark_all()
        rows = self._transcript.rows
        seen = (rows[index] for index in range(self._transcript.first_row() or 0))
        above = {row.piece or row.entry for row in seen}  # an unseen turn is above with all its pieces
        below = (place for place in self._places if above.isdisjoint(place))
        place = next(below, self._places[0] if self._places else None)
        if place is not None:
            self._current = (place[1], 0)
            self._show(1)
        self._tell()

    def step(self, direction: int) -> None:
        """Go to the next match (1) or the one before (-1), around the ends."""
        self._count()
        if self._current is None:
            self.look_for(self._needle)
            return
        piece, number = self._current
        self._current = (piece, number + direction)
        self._show(direction)
        self._tell()

    # -- counting ----------------------------------------------------------------------------------------------------

    def _count(self) -> None:
        self._places = [(entry, piece) for entry, piece in self._pieces() if self._count_of(piece)]
        if self._current is not None and self._current[0] not in {piece for _, piece in self._places}:
            self._current = None

    def _pieces(self) -> Iterator[tuple[Entry, Piece]]:
        wanted = self._needle.casefold()
        for entry in self._transcript.entries():
            if entry.is_cut or wanted in entry.text.replace("\n", " ").casefold():
                for piece in entry.pieces:
                    yield entry, piece

    def _count_of(self, piece: Piece) -> int:
        if not self._needle or not piece.length:
            return 0
        for known in (self._seen, self._sources):
            length, count = known.get(piece, (-1, 0))
            if length == piece.length:
                return count
        count = len(occurrences(piece.text.replace("\n", " "), self._needle))
        self._sources[piece] = (piece.length, count)
        return count

    def _tell(self) -> None:
        before = total = 0
        for _, piece in self._places:
            if self._current is not None and piece is self._current[0]:
                before = total + self._current[1] + 1
            total += self._count_of(piece)
        self.counted.emit(min(before, total), total)

    # -- showing -----------------------------------------------------------------------------------------------------

    def _show(self, direction: int) -> None:
        """Bring the current match into view; on to the next where the screen does not show what the source has."""
        if self._current is None:
            return
        piece, number = self._current
        at = next(index for index, place in enumerate(self._places) if place[1] is piece)
        for _ in range(len(self._places) + 1):
            entry, piece = self._places[at]
            self._bring(entry, piece)
            count = self._count_of(piece)
            number = count - 1 if number == _LAST else number
            if 0 <= number < count:
                self._current = (piece, number)
                self._reveal(entry, piece)
                break
            at = (at + direction) % len(self._places)
            number = 0 if direction > 0 else _LAST
        self._count()

    def _bring(self, entry: Entry, piece: Piece) -> None:
        """Put a piece on screen, unfolding thoughts; it is counted as it is read there. One that is edited: its box."""
        row = self._transcript.row_of(entry, piece)
        self._transcript.show_row(row or entry.rows[0])
        if row is not None:
            self._mark(row)

    def _reveal(self, entry: Entry, piece: Piece) -> None:
        self._mark_all()
        row = self._transcript.row_of(entry, piece)
        if row is None or row.view is None or self._current is None:
            return
        left = self._current[1]
        for surface in row.view.surfaces():
            found = self._found_in(surface)
            if left < len(found):
                self._transcript.reveal_spot(surface, surface.show_position(found[left][0]))
                return
            left -= len(found)

    def _found_in(self, surface: Surface) -> list[tuple[int, int]]:
        text = surface.document.toRawText()
        found = occurrences(text, self._needle)
        if found and not text.isascii():  # Qt counts in UTF-16
            found = [(_utf16(text[:begin]), _utf16(text[:end])) for begin, end in found]
        return found

    def _mark(self, row: Row) -> None:
        """Mark the matches in a row that is on screen, and count them."""
        if row.view is None or row.piece is None or not self._needle:
            return
        number = self._current[1] if self._current is not None and self._current[0] is row.piece else -1
        count = 0
        for surface in row.view.surfaces():
            found = self._found_in(surface)
            surface.mark(found, number - count)
            count += len(found)
        if row.view.surfaces():
            self._seen[row.piece] = (row.piece.length, count)

    def _mark_all(self) -> None:
        for row in self._transcript.live():
            if not self._needle and row.view is not None:
                for surface in row.view.surfaces():
                    surface.mark([], -1)
            self._mark(row)

    def _on_shown_changed(self) -> None:
        if self._needle and not self._later.isActive():
            self._later.start()

    def _on_timeout(self) -> None:
        self._mark_all()
        self._count()
        self._tell()


def _utf16(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


class _Field(QLineEdit):
    """Signals: ``stepped(direction)``, Enter and Shift+Enter."""

    stepped = Signal(int)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        held = event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
        shift = Qt.KeyboardModifier.ShiftModifier
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and not held & ~shift:
            self.stepped.emit(-1 if held & shift else 1)
        else:
            super().keyPressEvent(event)


class FindBar(QFrame):
    """The bar above the transcript. Signals: ``closed``."""

    closed = Signal()

    def __init__(self, transcript: Transcript, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._search = Search(transcript)
        self._search.counted.connect(self._on_counted)
        self.field = _Field()
        self.field.setPlaceholderText(shortcuts.title("find"))
        self.field.setAccessibleName(shortcuts.title("find"))
        self.field.textChanged.connect(self._search.look_for)
        self.field.stepped.connect(self._search.step)
        self.count = QLabel()
        self.count.setTextFormat(Qt.TextFormat.PlainText)
        self.count.setProperty("kind", "small")
        before = QuietButton("chevron-up", shortcuts.title("find_previous"), self)
        after = QuietButton("chevron-down", shortcuts.title("find_next"), self)
        close = QuietButton("close", self.tr("Close the search"), self)
        before.setToolTip(shortcuts.hint("find_previous"))
        after.setToolTip(shortcuts.hint("find_next"))
        before.clicked.connect(lambda: self.step(-1))
        after.clicked.connect(lambda: self.step(1))
        close.clicked.connect(self.close_bar)
        self._row = QHBoxLayout(self)
        self._row.addStretch(1)
        for widget in (self.field, self.count, before, after, close):
            self._row.addWidget(widget)
        theme.watcher.changed.connect(self._dress)
        self._dress()
        self.hide()

    def open_bar(self, text: str) -> None:
        """Show the bar; ``text``: what to look for, or nothing to keep what was looked for."""
        self.show()
        if text:
            self.field.setText(text)
        elif self.field.text():
            self._search.look_for(self.field.text())
        self.field.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.field.selectAll()

    def step(self, direction: int) -> None:
        """Go to another match."""
        self._search.step(direction)

    def close_bar(self) -> bool:
        """Hide the bar and the marks; whether it was there."""
        was_open = self.isVisible()
        self.hide()
        if was_open:
            self._search.look_for("")  # the field keeps its words for the next time
            self.closed.emit()
        return was_open

    def _on_counted(self, number: int, total: int) -> None:
        if not self.field.text():
            words = ""
        elif not total:
            words = self.tr("Not found")
        else:
            words = self.tr("{number} of {count}").format(number=number, count=total)
        self.count.setText(words)

    def _dress(self) -> None:
        self._row.setContentsMargins(theme.scaled(24), theme.scaled(8), theme.scaled(24), theme.scaled(8))
        self._row.setSpacing(theme.scaled(4))
        self.field.setFixedWidth(theme.scaled(_WIDTH_PX))
        self.count.setMinimumWidth(theme.scaled(72))
        self.count.setIndent(theme.scaled(8))
