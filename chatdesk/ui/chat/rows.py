"""The rows of a conversation and where they stand: heights, some measured and some estimated, and their sums.

Only numbers and records; widgets come and go in `chatdesk.ui.chat.transcript`.
"""

import time
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from chatdesk.storage.records import Attachment
from chatdesk.tasks.changes import Turn
from chatdesk.ui.chat.pieces import Cutter, Piece, cut

if TYPE_CHECKING:
    from chatdesk.ui.chat.views import RowView

RowKind: TypeAlias = Literal["piece", "files", "waiting", "footer", "editor", "dropped", "notice"]

_CUT_OFF = frozenset(("length", "context", "cancelled", "interrupted", "error"))
_COLUMNS = 72  # characters of a line, for an estimate


@dataclass(eq=False)
class Entry:
    """A turn and its text in pieces. A streaming one has a ``cutter``, ``arrived`` holds what it has been fed.

    Of its thoughts: whether they are unfolded, when the first came (seconds of `time.monotonic`, 0 when nobody saw it)
    and how long they took so far.
    """

    turn: Turn
    pieces: list[Piece] = field(default_factory=list)
    cutter: Cutter | None = None
    arrived: list[str] = field(default_factory=list)
    rows: list["Row"] = field(default_factory=list)
    is_open: bool = False
    began_s: float = 0.0
    thought_s: float = 0.0

    @classmethod
    def of(cls, turn: Turn) -> "Entry":
        """The entry of a turn."""
        markdown = turn.role == "assistant"
        if turn.state == "done":
            return cls(turn, cut(turn.text, markdown))
        cutter = Cutter(markdown)
        cutter.feed(turn.text)
        return cls(turn, cutter.pieces, cutter, [turn.text])

    @property
    def text(self) -> str:
        """The text as it was typed or generated."""
        if self.cutter is None:
            return self.turn.text
        self.arrived = ["".join(self.arrived)]
        return self.arrived[0]

    @property
    def is_thinking(self) -> bool:
        """Whether what streams in are thoughts."""
        return self.cutter is not None and bool(self.pieces) and self.pieces[-1].kind == "thought"

    def is_shown(self, piece: Piece) -> bool:
        """Folded thoughts are one row: their first piece, which is their heading; none, when nothing was thought."""
        if piece.kind != "thought" or (self.is_open and piece.continued):
            return True
        return not piece.continued and (self.is_thinking or any(p.text.strip() for p in self.thoughts()))

    def thoughts(self) -> list[Piece]:
        """The pieces with thoughts."""
        return [piece for piece in self.pieces if piece.kind == "thought"]

    def clock_thoughts(self) -> None:
        """More text has come: measure how long the thoughts took."""
        if self.pieces and self.pieces[0].kind == "thought" and self.began_s:
            now = time.monotonic()
            if self.is_thinking or not self.thought_s:
                self.thought_s = now - self.began_s


class Edited(NamedTuple):
    """What a message is being made of while it is edited: another text, and which of its files it keeps."""

    text: str
    files: tuple[Attachment, ...]


def is_cut_off(turn: Turn) -> bool:
    """Whether a reply ended before the model was done, so that it can be gone on with."""
    return turn.role == "assistant" and turn.finish_reason in _CUT_OFF


@dataclass(eq=False)
class Row:
    """``height`` with the ``gap`` above, in pixels; ``width`` for which it was measured, 0 while it is estimated."""

    kind: RowKind
    entry: Entry | None = None
    piece: Piece | None = None
    gap: int = 0
    height: int = 0
    width: int = 0
    index: int = 0
    view: "RowView | None" = None


def estimated_height(piece: Piece, line_px: int) -> int:
    """About how high a piece will be."""
    if not piece.length and piece.kind != "thought":
        return 0
    lines = piece.lines + (1 if piece.kind == "code" else piece.length // _COLUMNS + 1)
    return lines * line_px + (3 * line_px if piece.kind == "code" and not piece.continued else 0)


class Rows:
    """All rows from top to bottom. Tops are summed up when they are asked for, from the first that changed."""

    def __init__(self) -> None:
        self._rows: list[Row] = []
        self._tops: list[int] = [0]
        self._dirty = 0

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> Row:
        return self._rows[index]

    def clear(self) -> None:
        """No rows."""
        self._rows, self._tops, self._dirty = [], [0], 0

    def insert(self, index: int, rows: list[Row]) -> None:
        """Put rows before row ``index``."""
        self._rows[index:index] = rows
        self._dirty = min(self._dirty, index)

    def remove(self, row: Row) -> None:
        """Take a row out."""
        index = self.index(row)
        del self._rows[index]
        self._dirty = min(self._dirty, index)

    def set_height(self, row: Row, height: int) -> None:
        """A height became known."""
        index = self.index(row)
        row.height = height
        self._dirty = min(self._dirty, index)

    def index(self, row: Row) -> int:
        """Where a row is."""
        self._sum()
        return row.index

    def top(self, index: int) -> int:
        """Upper edge of row ``index``; of the one behind the last: the height of all."""
        self._sum()
        return self._tops[index]

    def at(self, y: int) -> int:
        """The row at height ``y``, the first or last beyond them."""
        self._sum()
        return max(0, min(bisect_right(self._tops, y) - 1, len(self._rows) - 1))

    def _sum(self) -> None:
        if self._dirty > len(self._rows):
            return
        del self._tops[self._dirty + 1 :]
        top = self._tops[self._dirty]
        for index in range(self._dirty, len(self._rows)):
            row = self._rows[index]
            row.index = index
            top += row.height
            self._tops.append(top)
        self._dirty = len(self._rows) + 1
