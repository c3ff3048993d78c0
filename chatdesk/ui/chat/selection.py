"""What the reader has selected inside one turn. It may run over many surfaces, some of which are not on screen."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from chatdesk.ui.chat.pieces import Piece
from chatdesk.ui.chat.rows import Entry, Row
from chatdesk.ui.chat.views import RowView

Place: TypeAlias = tuple[int, int, int]
"""Piece of the turn, surface of the piece, position in the surface."""

BEGIN: Place = (0, 0, 0)
END: Place = (1 << 40, 0, 0)


@dataclass
class Selection:
    """From ``anchor`` to ``head``, in either order, in the turn ``entry``."""

    entry: Entry
    anchor: Place
    head: Place

    @property
    def is_empty(self) -> bool:
        """Whether nothing is selected."""
        return self.anchor == self.head

    def paint(self, row: Row) -> None:
        """Show in the view of a row what of it is selected."""
        if row.view is not None and row.piece is not None and row.entry is self.entry:
            self._mark(self.entry.pieces.index(row.piece), row.view)

    def _mark(self, piece: int, view: RowView) -> None:
        first, last = sorted((self.anchor, self.head))
        for number, surface in enumerate(view.surfaces()):
            here = (piece, number)
            start = 0 if here > first[:2] else first[2] if here == first[:2] else surface.length()
            end = surface.length() if here < last[:2] else last[2] if here == last[:2] else 0
            surface.select(start, end)

    def text(self, view_of: Callable[[Row], RowView]) -> str:
        """The selected text. Pieces in between give their source; at both ends ``view_of`` a row is asked."""
        first, last = sorted((self.anchor, self.head))
        if first == BEGIN and last == END:
            return self.entry.text
        found: list[str] = []
        for row in self.entry.rows:
            if row.piece is None:
                continue
            number = self.entry.pieces.index(row.piece)
            if not first[0] <= number <= last[0]:
                continue
            if row.view is None and first[0] < number < last[0]:
                text = row.piece.text.strip("\n")
            else:
                view = view_of(row)
                self._mark(number, view)
                text = "\n".join(t for surface in view.surfaces() if (t := surface.selected_text()))
            if text:
                found.append(_joint(found, row.piece) + text)
        return "".join(found)


def _joint(found: list[str], piece: Piece) -> str:
    if not found:
        return ""
    return "\n" if piece.kind != "plain" or piece.continued else "\n\n"
