"""The rows of a conversation and where they stand: heights, some measured and some estimated, and their sums.

Only numbers and records; widgets come and go in `chatdesk.ui.chat.transcript`.
"""

import time
from bisect import bisect_right
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from chatdesk.storage.records import Attachment
from chatdesk.tasks.changes import Turn
from chatdesk.ui.chat.pieces import Cutter, Piece, cut

if TYPE_CHECKING:
    from chatdesk.ui.chat.views import RowView

RowKind: TypeAlias = Literal["piece", "unseen", "files", "waiting", "footer", "editor", "dropped", "notice"]

_CUT_OFF = frozenset(("length", "context", "cancelled", "interrupted", "error"))
_COLUMNS = 72  # characters of a line, for an estimate
_BLOCK = 128  # rows


@dataclass(eq=False)
class Entry:
    """A turn and its text in pieces, cut when they are asked for first. A streaming one has a ``cutter``, ``arrived``
    holds what it has been fed.

    Of its thoughts: whether they are unfolded, when the first came (seconds of `time.monotonic`, 0 when nobody saw it)
    and how long they took so far.
    """

    turn: Turn
    cutter: Cutter | None = None
    arrived: list[str] = field(default_factory=list)
    rows: list["Row"] = field(default_factory=list)
    is_open: bool = False
    began_s: float = 0.0
    thought_s: float = 0.0
    _pieces: list[Piece] | None = None

    @classmethod
    def of(cls, turn: Turn) -> "Entry":
        """The entry of a turn."""
        if turn.state == "done":
            return cls(turn)
        cutter = Cutter(turn.role == "assistant")
        cutter.feed(turn.text)
        return cls(turn, cutter, [turn.text], _pieces=cutter.pieces)

    @property
    def pieces(self) -> list[Piece]:
        """The text in pieces."""
        if self._pieces is None:
            self._pieces = cut(self.turn.text, self.turn.role == "assistant")
        return self._pieces

    @property
    def is_cut(self) -> bool:
        """Whether the pieces are there already."""
        return self._pieces is not None

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


class Step(NamedTuple):
    """From one version of a turn to the next (1) or the one before (-1): below which turn (empty: a first one), to
    which of them; how far its footer stood below the upper edge, in pixels; whether the keys were at its button.
    """

    direction: int
    below: str
    version: int
    place: int
    is_by_key: bool


def is_cut_off(turn: Turn) -> bool:
    """Whether a reply ended before the model was done, so that it can be gone on with."""
    return turn.role == "assistant" and turn.finish_reason in _CUT_OFF


@dataclass(eq=False, slots=True)
class Row:
    """``height`` with the ``gap`` above, in pixels; ``width`` for which it was measured, 0 while it is estimated.

    An ``unseen`` one stands for all pieces of a turn that nobody has come near to yet.
    """

    kind: RowKind
    entry: Entry | None = None
    piece: Piece | None = None
    gap: int = 0
    height: int = 0
    width: int = 0
    block: "_Block | None" = None
    view: "RowView | None" = None


def estimated_height(piece: Piece, line_px: int) -> int:
    """About how high a piece will be."""
    if not piece.length and piece.kind != "thought":
        return 0
    lines = piece.lines + (1 if piece.kind == "code" else piece.length // _COLUMNS + 1)
    return lines * line_px + (3 * line_px if piece.kind == "code" and not piece.continued else 0)


def estimated_height_of(text: str, line_px: int) -> int:
    """About how high a text will be that is not cut yet."""
    return (text.count("\n") + len(text) // _COLUMNS + 1) * line_px


class _Block:
    """Neighbouring rows, their heights summed up."""

    __slots__ = ("height", "rows")

    def __init__(self, rows: list["Row"]) -> None:
        self.rows = rows
        self.height = sum(row.height for row in rows)
        for row in rows:
            row.block = self


class Rows:
    """All rows from top to bottom, in blocks: what changes one row touches its block and the sums of the blocks alone.

    So no step looks at all the rows of a long conversation.
    """

    def __init__(self) -> None:
        self._blocks: list[_Block] = []
        self._count = 0
        self._firsts: list[int] = []  # of each block its first row, and behind the last how many rows there are
        self._tops: list[int] = []  # the same of heights
        self._places: dict[_Block, int] = {}
        self._is_summed = False

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Row:
        if not 0 <= index < self._count:
            raise IndexError(index)
        self._sum()
        block = bisect_right(self._firsts, index) - 1
        return self._blocks[block].rows[index - self._firsts[block]]

    def clear(self) -> None:
        """No rows."""
        self._blocks, self._count, self._is_summed = [], 0, False

    def insert(self, index: int, rows: list[Row]) -> None:
        """Put rows before row ``index``."""
        if not rows:
            return
        place, within = len(self._blocks), 0
        if index < self._count or (self._blocks and len(self._blocks[-1].rows) < _BLOCK):
            place, within = self._find(index)
            old = self._blocks.pop(place).rows
            rows = old[:within] + rows + old[within:]
        size = _BLOCK if len(rows) > 2 * _BLOCK else len(rows)  # full ones stay whole until they have twice as many
        self._blocks[place:place] = [_Block(rows[at : at + size]) for at in range(0, len(rows), size)]
        self._count = sum(len(block.rows) for block in self._blocks)
        self._is_summed = False

    def remove(self, row: Row) -> None:
        """Take a row out."""
        block = self._block(row)
        block.rows.remove(row)
        block.height -= row.height
        row.block = None
        if not block.rows:
            self._blocks.remove(block)
        self._count -= 1
        self._is_summed = False

    def set_height(self, row: Row, height: int) -> None:
        """A height became known."""
        self._block(row).height += height - row.height
        row.height = height
        self._is_summed = False

    def index(self, row: Row) -> int:
        """Where a row is."""
        self._sum()
        block = self._block(row)
        return self._firsts[self._places[block]] + block.rows.index(row)

    def top(self, index: int) -> int:
        """Upper edge of row ``index``; of the one behind the last: the height of all."""
        self._sum()
        if index == self._count:
            return self._tops[-1]
        place, within = self._find(index)
        return self._tops[place] + sum(row.height for row in self._blocks[place].rows[:within])

    def at(self, y: int) -> int:
        """The row at height ``y``, the first or last beyond them; 0 where there are none."""
        if not self._count:
            return 0
        self._sum()
        place = max(0, min(bisect_right(self._tops, y) - 1, len(self._blocks) - 1))
        found, top = self._firsts[place], self._tops[place]
        for row in self._blocks[place].rows:
            top += row.height
            if top > y:
                return found
            found += 1
        return found - 1

    def _find(self, index: int) -> tuple[int, int]:
        """The block with row ``index``, and where in it; the one behind the last row is in the last block."""
        self._sum()
        place = min(bisect_right(self._firsts, index) - 1, len(self._blocks) - 1)
        return place, index - self._firsts[place]

    def _block(self, row: Row) -> _Block:
        if row.block is None:
            raise ValueError("the row is not among these")
        return row.block

    def _sum(self) -> None:
        if not self._is_summed:
            self._firsts = list(accumulate((len(block.rows) for block in self._blocks), initial=0))
            self._tops = list(accumulate((block.height for block in self._blocks), initial=0))
            self._places = {block: place for place, block in enumerate(self._blocks)}
            self._is_summed = True
