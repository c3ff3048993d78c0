"""The small map of a conversation's branches: one row for each run of messages without a fork, drawn as a graph.

The last version at a fork goes straight on below; the others stand one lane further to the right, with all that
follows them. See `chatdesk.tasks.branches` for their order.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, QRect, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPainterPath, QPen
from PySide6.QtWidgets import QStyleOptionViewItem, QWidget

from chatdesk.tasks.branches import Segment
from chatdesk.ui import theme
from chatdesk.ui.chat.pieces import answer
from chatdesk.ui.dates import when
from chatdesk.ui.widgets.picker import Entry, EntryDelegate, Index, Picker

if TYPE_CHECKING:
    from chatdesk.tasks.shelf import Shelf

MOST_LANES = 8
_LANE_PX, _DOT_PX, _ROW_PX = 16, 4, 32
_BEFORE_MATCH = 24  # characters: what is found must not be behind the edge
_SHOWN, _OTHER = "accent", "faint"


@dataclass(frozen=True)
class Drawing:
    """The graph in one row. Lines are named by the role of their colour, empty where there is none.

    ``lane``: of the dot, counted from the left. ``lines``: in each lane up to the dot's (`MOST_LANES` at most), that
    from above and that going on below. ``bend``: from the lane before to the dot. ``is_end``: the shown branch ends.
    """

    lane: int
    lines: tuple[tuple[str, str], ...]
    bend: str
    dot: str
    is_end: bool


def drawings(segments: Sequence[Segment]) -> list[Drawing]:
    """The graph of all segments, row by row."""
    last: dict[int, int] = {}  # by the segment above
    shown: dict[int, int] = {}
    for place, each in enumerate(segments):
        if each.parent is not None:
            last[each.parent] = place
            if each.is_shown:
                shown[each.parent] = place
    found: list[Drawing] = []
    running: list[int] = []  # in each lane, the segment whose line leads on to versions further below
    for place, each in enumerate(segments):
        is_straight = last.get(each.parent, -1) == place if each.parent is not None else False
        lane = 0 if each.parent is None else found[each.parent].lane + (not is_straight)
        dot = _role(each.is_shown)
        lines = [
            (_role(shown.get(above, -1) >= place), _role(shown.get(above, -1) > place))
            for above in running[: min(lane, MOST_LANES)]
        ]
        if lane < MOST_LANES:
            lines.append((dot if is_straight else "", _role(place in shown) if place in last else ""))
        bend = "" if is_straight or each.parent is None else dot
        found.append(Drawing(lane, tuple(lines), bend, dot, each.is_end))
        running[lane:] = [place] if place in last else []
    return found


def _role(is_shown: bool) -> str:
    return _SHOWN if is_shown else _OTHER


@dataclass(frozen=True)
class BranchEntry(Entry):
    """A segment in the list."""

    drawing: Drawing = Drawing(0, (), "", _OTHER, False)


def _found(entry: BranchEntry, wanted: re.Pattern[str]) -> BranchEntry:
    """The entry by itself, without its neighbours in the graph, from a little before what is looked for."""
    spans = [match.span() for match in wanted.finditer(entry.title)]
    cut = max(0, spans[0][0] - _BEFORE_MATCH)
    mark = "…" if cut else ""
    places = tuple((start - cut + len(mark), end - start) for start, end in spans)
    alone = replace(entry.drawing, lane=0, lines=(), bend="")
    return replace(entry, title=mark + entry.title[cut:], title_places=places, drawing=alone)


class BranchDelegate(EntryDelegate):
    """A low row with the graph before its words."""

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        """32 pixels."""
        return QSize(theme.scaled(200), theme.scaled(_ROW_PX))

    def draw_before(self, painter: QPainter, room: QRect, entry: Entry) -> int:
        """The graph: at most a quarter of the row, "…" for lanes further to the right."""
        if not isinstance(entry, BranchEntry):
            return 0
        drawing, step = entry.drawing, theme.scaled(_LANE_PX)
        most = max(1, min(MOST_LANES, room.width() // (4 * step)))
        lane = min(drawing.lane, most)
        bottom = room.top() + room.height()
        middle = room.top() + room.height() / 2
        bend = min(step, room.height()) / 2
        lanes = [room.left() + step * (number + 0.5) for number in range(lane + 1)]
        if drawing.bend and drawing.lane < most:
            path = QPainterPath(QPointF(lanes[-2], middle - bend))
            path.quadTo(lanes[-2], middle, lanes[-2] + bend, middle)
            path.lineTo(lanes[-1], middle)
            painter.strokePath(path, _pen(drawing.bend))
        for number, (above, below) in enumerate(drawing.lines[:most]):
            x, turn = lanes[number], middle if number == drawing.lane else middle - bend
            parts = [(above, room.top(), turn), (below, turn, bottom)]
            for role, start, end in parts if above != below else [(above, room.top(), bottom)]:
                if role:
                    painter.setPen(_pen(role))
                    painter.drawLine(QPointF(x, start), QPointF(x, end))
        if drawing.lane < most:
            self._dot(painter, QPointF(lanes[-1], middle), drawing)
        else:
            painter.setPen(QColor(getattr(theme.current(), drawing.dot)))
            painter.setFont(theme.font("small"))
            column = QRect(room.left() + step * most, room.top(), step, room.height())
            painter.drawText(column, Qt.AlignmentFlag.AlignCenter, "…")
        return step * (lane + 1) + theme.scaled(8)

    @staticmethod
    def _dot(painter: QPainter, middle: QPointF, drawing: Drawing) -> None:
        """Full on the shown branch, with a ring where it ends; hollow on others."""
        colors, radius = theme.current(), theme.scaled(_DOT_PX)
        painter.setPen(_pen(drawing.dot))
        painter.setBrush(QColor(colors.background))
        if drawing.is_end:
            painter.drawEllipse(middle, radius + 3, radius + 3)
        if drawing.dot == _SHOWN:
            painter.setBrush(QColor(colors.accent))
        painter.drawEllipse(middle, radius, radius)


def _pen(role: str) -> QPen:
    width = theme.scaled(15) / 10
    return QPen(QColor(getattr(theme.current(), role)), width, c=Qt.PenCapStyle.FlatCap)


class BranchMap(Picker):
    """Chooses the id of the first message of a segment. An empty id of a conversation: nothing is stored yet."""

    def __init__(self, window: QWidget, shelf: "Shelf", conversation_id: str) -> None:
        super().__init__(window, self.tr("Branches"), self.tr("Find a branch by its first words"))
        self.view.setItemDelegate(BranchDelegate(self.view))
        self.view.setUniformItemSizes(True)
        self._all: list[BranchEntry] | None = None
        self._current = 0
        self.field.textChanged.connect(self._filter)
        if conversation_id:
            shelf.branches(conversation_id, self._on_found)
        else:
            self._on_found([])

    def _on_found(self, segments: Sequence[Segment]) -> None:
        if self.is_left:
            return
        self._all = list(map(self._entry, segments, drawings(segments))) if len(segments) > 1 else []
        self._current = next((place for place, each in enumerate(segments) if each.is_end), 0)
        self._filter(self.field.text())

    def _filter(self, text: str) -> None:
        if self._all is None:  # they will be there in a moment
            return
        if not self._all:
            words = self.tr("There is one branch.\nEdit a message or write a reply anew to make another.")
            self.show_entries([], words)
        elif not (text := text.strip()):
            self.show_entries(self._all, marked=self._current)
        else:
            wanted = re.compile(re.escape(text), re.IGNORECASE)
            found = [_found(entry, wanted) for entry in self._all if wanted.search(entry.title)]
            self.show_entries(found, self.tr("There is no such branch."))

    def _entry(self, segment: Segment, drawing: Drawing) -> BranchEntry:
        who = {"user": self.tr("You: {text}"), "assistant": self.tr("Model: {text}")}
        text = " ".join(answer(segment.beginning).removeprefix("<think>").split()) or "…"
        count = segment.messages
        messages = self.tr("1 message") if count == 1 else self.tr("{count} messages").format(count=count)
        aside = [self.tr("here")] if segment.is_end else []
        note = [self.tr("level {number}").format(number=segment.depth + 1)]
        note += [self.tr("shown")] if segment.is_shown else []
        return BranchEntry(
            segment.id,
            who.get(segment.role, self.tr("System: {text}")).format(text=text),
            aside=" · ".join((*aside, messages, when(segment.newest_at))),
            note=", ".join(note),
            drawing=drawing,
        )
