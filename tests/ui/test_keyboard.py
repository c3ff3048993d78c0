"""Every page with the keyboard alone: what Tab reaches, how it looks; and where the focus is when something closes."""

from itertools import groupby
from operator import attrgetter

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication

from chatdesk.ui import shortcuts
from tests.ui import walking

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support .*", extend=True)
ESC = Qt.Key.Key_Escape


@pytest.fixture
def window(desk, qtbot):
    desk.window.activateWindow()
    qtbot.waitUntil(lambda: desk.window.isActiveWindow() and desk.window.isAncestorOf(QApplication.focusWidget()))
    desk.show_some()
    return desk.window


@pytest.mark.parametrize("width", [1280, 600])
@pytest.mark.parametrize("name", ["chat", "models", "write", "inspect", "classify", "settings"])
def test_every_control_is_reached_named_and_shows_the_focus(window, qtbot, name, width):
    window.resize(width, 800)
    window.show_page(name)
    qtbot.wait(20)
    caret = ["Text does not show the focus"] if name == "write" else []  # but by its cursor, which grabs do not show
    assert walking.problems(qtbot, window) == caret


@pytest.mark.parametrize("name", ["chat", "write", "classify", "settings"])
@pytest.mark.parametrize("key", [Qt.Key.Key_Tab, Qt.Key.Key_Backtab])
def test_what_has_the_focus_is_in_sight(window, qtbot, name, key):
    """Also where Tab comes from outside into a part that is scrolled."""
    window.resize(1280, 480)
    window.show_page(name)
    window.rail.buttons["chat"].setFocus()
    qtbot.wait(20)
    unseen: list[str] = []
    walking.stops(
        qtbot, key, lambda stop: unseen.append(walking.name(stop)) if stop.visibleRegion().isEmpty() else None
    )
    assert unseen == []


PARTS = {
    "chat": ("list", "header", "transcript", "composer", "panel"),
    "write": ("list", "header", "editor", "side"),
    "models": ("local.filter", "local.view", "local.details"),
    "classify": ("text", "labels", "view"),
}


@pytest.mark.parametrize("name", PARTS)
def test_tab_goes_from_part_to_part_as_one_reads(window, desk, qtbot, name):
    window.resize(1280, 1700)  # nothing scrolls: places are compared
    window.show_page(name)
    page = {"chat": window.page, "write": window.pages.writing}.get(name) or window.pages.currentWidget()
    if name == "classify":  # what comes later stands where it is seen
        page.labels.add_button.click()
    parts = [window.rail, *(attrgetter(part)(page) for part in PARTS[name])]
    window.rail.buttons["chat"].setFocus()
    qtbot.wait(20)  # until all has its place
    found = walking.stops(qtbot)
    passed = [part for stop in found for part in parts if part is stop or part.isAncestorOf(stop)]
    assert [part for part, _ in groupby(passed)] == parts
    assert [jump for part in parts for jump in walking.jumps(found, part)] == []


def press_key(qtbot, action: str) -> None:
    sequence = shortcuts.keys(action)[0]
    qtbot.keySequence(walking.focus(), sequence)


@pytest.mark.parametrize("action", ["list", "panel"])
def test_a_side_that_closes_with_the_focus_inside_leaves_it_to_the_message(window, desk, qtbot, action):
    side = {"list": desk.page.list, "panel": desk.page.panel}[action]
    inside = next(each for each in walking.controls(side) if each.focusPolicy() & Qt.FocusPolicy.TabFocus)
    inside.setFocus()
    press_key(qtbot, action)
    assert not side.isVisible()
    assert walking.name(walking.focus()) == "Message"
    press_key(qtbot, action)
    assert walking.name(walking.focus()) == "Message"


@pytest.mark.parametrize("action", ["list", "panel"])
def test_tab_stays_in_a_drawer_that_hides_what_is_around(window, desk, qtbot, action):
    window.resize(600, 700)
    press_key(qtbot, action)
    side = {"list": desk.page.list, "panel": desk.page.panel}[action]
    qtbot.waitUntil(lambda: action == "panel" or window.rail.isVisible())  # it lies in the list now
    found = walking.stops(qtbot)
    assert len(found) > 5
    assert all(side.isAncestorOf(each) for each in found)
    qtbot.keyClick(walking.focus(), ESC)
    assert walking.name(walking.focus()) == "Message"
    assert len(walking.stops(qtbot)) > 5


@pytest.mark.parametrize("action", ["list", "panel"])
def test_the_desk_leaves_it_to_the_text(window, qtbot, action):
    window.resize(1400, 800)
    window.show_page("write")
    page = window.pages.writing
    side = {"list": page.list, "panel": page.side}[action]
    qtbot.waitUntil(side.isVisible)
    walking.controls(side)[0].setFocus()
    press_key(qtbot, action)
    assert not side.isVisible()
    assert walking.focus() is page.editor


@pytest.mark.parametrize(("opens", "closes"), [("find", ESC), ("rename", ESC), ("rename", Qt.Key.Key_Return)])
def test_the_message_has_the_focus_again(window, qtbot, opens, closes):
    press_key(qtbot, opens)
    assert walking.name(walking.focus()) in ("Find in this chat", "Title of the chat")
    qtbot.keyClick(walking.focus(), closes)
    assert walking.name(walking.focus()) == "Message"


@pytest.mark.parametrize(("key", "title"), [(ESC, "Untitled"), (Qt.Key.Key_Return, "Rain")])
def test_a_title_of_the_desk_leaves_it_to_the_text(window, desk, qtbot, key, title):
    window.show_page("write")
    header, editor = window.pages.writing.header, window.pages.writing.editor
    header.show_document("d", "Untitled")
    press_key(qtbot, "rename")
    qtbot.keyClicks(walking.focus(), "Rain")
    qtbot.keyClick(walking.focus(), key)
    assert walking.focus() is editor
    assert header.title.text() == title
    assert [words for _, words in desk.tasks.writing.said("rename")] == ["Rain"] * (title == "Rain")


def test_the_list_of_keys_can_be_gone_through(window, qtbot):
    press_key(qtbot, "keys")
    qtbot.waitUntil(lambda: walking.focus().window() is not window)
    dialog = walking.focus().window()
    assert walking.problems(qtbot, dialog) == []
    dialog.close()


def test_escape_leaves_the_list_of_keys(window, qtbot, desk):
    window.show_page("settings")
    page = window.settings_page
    page.keys_button.click()
    qtbot.waitUntil(lambda: walking.focus().window() is not window)
    assert walking.name(walking.focus()) == "Close"
    qtbot.keyClick(walking.focus(), ESC)
    assert QApplication.activeModalWidget() is None
    assert desk.settings["keys"] == ()
