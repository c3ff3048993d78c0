"""The map of the branches: its graph for any tree, its rows, and where it goes."""

import itertools
import math
import time

import pytest
from hypothesis import given
from PySide6.QtCore import QCoreApplication, QEvent, QRect, Qt
from PySide6.QtGui import QColor, QImage, QPainter
from shiboken6 import isValid

from chatdesk.tasks.branches import segments
from chatdesk.ui import theme
from chatdesk.ui.chat.branch_map import MOST_LANES, BranchDelegate, BranchEntry, BranchMap, Drawing, drawings
from tests.tasks.trees import nodes, trees

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support .*", extend=True)
CTRL = Qt.KeyboardModifier.ControlModifier
ON, OFF = "accent", "faint"
#  0 ─ 1 ─┬─ 2 ─ 3 ─┬─ 6 (shown)
#         ├─ 4      └─ 7 ─ 8
#         └─ 5
FORKED = [None, 0, 1, 2, 1, 1, 3, 3, 7]


def test_the_graph_row_by_row():
    assert drawings(segments(nodes(FORKED, end=6))) == [
        Drawing(0, (("", ON),), "", ON, False),
        Drawing(1, ((ON, ON), ("", "")), OFF, OFF, False),
        Drawing(1, ((ON, ON), ("", "")), OFF, OFF, False),
        Drawing(0, ((ON, ON),), "", ON, False),
        Drawing(1, ((ON, OFF), ("", "")), ON, ON, True),
        Drawing(0, ((OFF, ""),), "", OFF, False),
    ]


def test_several_beginnings_are_not_joined():
    graph = drawings(segments(nodes([None, 0, None, 2], end=1)))
    assert [(each.lane, each.lines, each.bend) for each in graph] == [(0, (("", ""),), "")] * 2


def half(drawing, which):
    return {lane: line[which] for lane, line in enumerate(drawing.lines) if line[which]}


@given(trees())
def test_every_line_goes_on_in_the_next_row_and_few_lanes_are_enough(tree):
    parents, end = tree
    found = segments(nodes(parents, end))
    graph = drawings(found)
    for before, after in itertools.pairwise(graph):
        assert half(before, 1) == half(after, 0)
    assert half(graph[0], 0) == half(graph[-1], 1) == {}
    for segment, each in zip(found, graph, strict=True):
        has_line = bool(each.bend) or bool(each.lines[-1][0])
        assert has_line is (segment.parent is not None)
        assert each.dot == (ON if segment.is_shown else OFF)
        assert each.lane <= math.log2(len(parents))


def test_lines_beyond_the_most_lanes_are_left_out():
    parents = [None]
    level = [0]
    for _ in range(MOST_LANES + 2):  # every message answered twice
        below = [(len(parents) + n, parent) for n, parent in enumerate(p for p in level for _ in range(2))]
        parents += [parent for _, parent in below]
        level = [n for n, _ in below]
    graph = drawings(segments(nodes(parents, end=level[0])))
    assert max(each.lane for each in graph) == MOST_LANES + 2
    assert max(len(each.lines) for each in graph) == MOST_LANES


# -- in the window -----------------------------------------------------------------------------------------------------


def told(parents, end, texts=()):
    """Segments as the shelf tells them, from an hour ago."""
    found = segments(nodes(parents, end))
    texts = list(texts) + [each.beginning for each in found[len(texts) :]]
    return [each._replace(beginning=text, newest_at=time.time()) for each, text in zip(found, texts, strict=True)]


@pytest.fixture
def branches(desk, qtbot):
    desk.show_some()
    desk.window.activateWindow()
    qtbot.waitUntil(desk.window.isActiveWindow)
    qtbot.keyClick(desk.window, Qt.Key.Key_M, CTRL)
    return desk.window.findChild(BranchMap)


def titles(box):
    return [box.entries.index(row).data() for row in range(box.entries.rowCount())]


def spoken(box, row):
    return box.entries.index(row).data(Qt.ItemDataRole.AccessibleTextRole)


def test_it_opens_where_the_shown_branch_ends(desk, branches):
    assert desk.shelf.said("branches") == [("b",)]
    assert (branches.isVisible(), titles(branches), branches.words.isHidden()) == (True, [], True)
    desk.shelf.callbacks["branches"](told(FORKED, 6))
    assert titles(branches) == [f"You: text {n}" for n in (0, 4, 5, 2, 6, 7)]
    assert branches.view.currentIndex().row() == 4


def test_enter_jumps_and_the_focus_goes_back(desk, branches, qtbot):
    desk.shelf.callbacks["branches"](told(FORKED, 6))
    qtbot.keyClick(branches.field, Qt.Key.Key_Up)
    qtbot.keyClick(branches.field, Qt.Key.Key_Up)
    qtbot.keyClick(branches.field, Qt.Key.Key_Return)
    assert desk.shelf.said("show") == [("b", "5")]
    assert branches.is_left


def test_escape_and_a_click_leave_and_choose(desk, branches, qtbot):
    desk.shelf.callbacks["branches"](told(FORKED, 6))
    qtbot.keyClick(branches.field, Qt.Key.Key_Escape)
    assert (branches.is_left, desk.shelf.said("show")) == (True, [])
    desk.window.shelving.show_branches()
    (again,) = [box for box in desk.window.findChildren(BranchMap) if not box.is_left]
    desk.shelf.callbacks["branches"](told(FORKED, 6))
    place = again.view.visualRect(again.entries.index(0)).center()
    qtbot.mouseClick(again.view.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert desk.shelf.said("show") == [("b", "0")]


def test_the_header_opens_it(desk):
    desk.show_some()
    next(a for a in desk.page.header.more.actions() if a.text().startswith("Branches…")).trigger()
    assert desk.shelf.said("branches") == [("b",)]


def test_it_opens_from_the_settings_over_the_chat(desk, qtbot):
    desk.show_some()
    desk.window.show_page("settings")
    desk.window.activateWindow()
    qtbot.waitUntil(desk.window.isActiveWindow)
    qtbot.keyClick(desk.window, Qt.Key.Key_M, CTRL)
    assert desk.page.isVisible()
    assert desk.window.findChild(BranchMap).isVisible()


def test_one_branch_says_how_to_make_another(desk, branches, qtbot):
    desk.shelf.callbacks["branches"](told([None, 0], 1))
    words = "There is one branch.\nEdit a message or write a reply anew to make another."
    assert (branches.words.text(), branches.words.isHidden(), titles(branches)) == (words, False, [])
    branches.field.setText("x")
    assert branches.words.text() == words
    qtbot.keyClick(branches.field, Qt.Key.Key_Return)
    assert not branches.is_left


def test_a_chat_that_is_not_stored_yet_has_none(desk):
    desk.window.shelving.show_branches()
    assert desk.window.findChild(BranchMap).words.text().startswith("There is one branch.")
    assert desk.shelf.said("branches") == []


def test_typing_finds_by_text(desk, branches):
    branches.field.setText("SEA")
    long = "A letter that was written in the long rain, to the sea (again)"
    desk.shelf.callbacks["branches"](told(FORKED, 6, ["One", "By the sea", long]))
    assert titles(branches) == ["You: By the sea", "…n the long rain, to the sea (again)"]
    entry = branches.entries._entries[1]
    assert [entry.title[start : start + length] for start, length in entry.title_places] == ["sea"]
    assert branches.view.currentIndex().row() == 0
    branches.field.setText("sea (")
    assert len(titles(branches)) == 1
    branches.field.setText("nothing of the kind")
    assert branches.words.text() == "There is no such branch."
    branches.field.setText(" ")
    assert (len(titles(branches)), branches.view.currentIndex().row()) == (6, 4)


@pytest.mark.parametrize(
    ("role", "text", "title"),
    [
        ("user", "two\n  lines", "You: two lines"),
        ("assistant", "<b>bold</b> & {x}", "Model: <b>bold</b> & {x}"),
        ("system", "Be brief", "System: Be brief"),
        ("assistant", "<think>\n\n</think>\n\nYes", "Model: Yes"),
        ("assistant", "<think>\nThe person wants", "Model: The person wants"),
        ("user", " \n", "You: …"),
    ],
)
def test_who_said_it_and_how_it_begins(desk, branches, role, text, title):
    first, *rest = told([None, None], 1)
    desk.shelf.callbacks["branches"]([first._replace(role=role, beginning=text), *rest])
    assert titles(branches)[0] == title


def test_what_a_screen_reader_says(desk, branches):
    desk.shelf.callbacks["branches"](told(FORKED, 6))
    assert spoken(branches, 1).startswith("You: text 4, 1 message · ")
    assert spoken(branches, 1).endswith(", level 2")
    assert ", here · 1 message · " in spoken(branches, 4)
    assert spoken(branches, 4).endswith(", level 3, shown")
    assert ", 2 messages · " in spoken(branches, 5)


def test_an_answer_that_comes_late_is_dropped(desk, branches):
    late = desk.shelf.callbacks["branches"]
    branches.leave()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    assert not isValid(branches)
    late(told(FORKED, 6))


def drawn(drawing, width=280):
    """A row of 32 pixels on the background, and how much of its width the graph has taken."""
    image = QImage(width, 32, QImage.Format.Format_RGB32)
    image.fill(QColor(theme.current().background))
    painter = QPainter(image)
    entry = BranchEntry("id", "title", drawing=drawing)
    taken = BranchDelegate().draw_before(painter, QRect(0, 0, width, 32), entry)
    painter.end()
    return image, taken


def colours(image, x):
    """What stands in the lane around ``x``, from top to bottom."""
    colors = theme.current()
    names = {getattr(colors, name): name for name in (ON, OFF, "background")}
    return [names.get(image.pixelColor(x, y).name(), "?") for y in range(image.height())]


@pytest.fixture
def light(qapp):
    theme.apply(qapp, "light", 100)
    yield qapp
    theme.apply(qapp, "light", 100)


@pytest.mark.parametrize("name", ["light", "dark"])
def test_the_shown_branch_is_drawn_in_the_accent(light, name):
    theme.apply(light, name, 100)
    image, taken = drawn(Drawing(1, ((ON, OFF), ("", ON)), ON, ON, False))
    assert taken == 40
    assert set(colours(image, 8)[:8]) == {ON}
    assert set(colours(image, 8)[8:]) == {OFF}
    assert colours(image, 24)[:11] == ["background"] * 11
    assert colours(image, 24)[16] == ON
    assert set(colours(image, 24)[21:]) == {ON}
    image, _ = drawn(Drawing(0, ((OFF, ""),), "", OFF, False))
    assert (colours(image, 8)[0], colours(image, 8)[16], colours(image, 8)[-1]) == (OFF, "background", "background")


@pytest.mark.usefixtures("light")
def test_where_the_shown_branch_ends_stands_a_ring():
    dot, ring = (drawn(Drawing(0, (("", ""),), "", ON, is_end))[0] for is_end in (False, True))
    assert colours(dot, 8)[16] == colours(ring, 8)[16] == ON
    assert colours(dot, 8)[:11] == ["background"] * 11
    assert set(colours(ring, 8)[8:11]) != {"background"}


@pytest.mark.parametrize(("width", "lanes"), [(280, 4), (520, 8), (2000, 8), (40, 1)])
@pytest.mark.usefixtures("light")
def test_at_most_a_quarter_of_the_row_is_graph(width, lanes):
    lines = ((OFF, OFF),) * MOST_LANES
    image, taken = drawn(Drawing(29, lines, OFF, OFF, False), width)
    assert taken == 16 * (lanes + 1) + 8
    for lane in range(lanes):
        assert set(colours(image, 16 * lane + 8)) == {OFF}
    dots = {colour for x in range(16 * lanes, min(width, taken)) for colour in colours(image, x)}
    assert dots > {"background"}  # the three dots
