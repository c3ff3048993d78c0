"""Replies side by side in the real window, over a scripted chat."""

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest

from chatdesk.tasks import changes
from chatdesk.tasks.changes import Turn
from tests.ui.scripted import conversation

ASKED = Turn("q", "user", "A name for a cat?")


@pytest.fixture
def drafts(desk):
    turns = tuple(Turn(f"r{n}", "assistant", "", "waiting") for n in range(3))
    desk.chat.show(conversation("a", "Cats"), ASKED)
    desk.chat.say(changes.TurnAdded(turns[0]), changes.DraftsOpened(turns, "r0"), changes.ReplyingChanged(True))
    return desk


def view(desk):
    return desk.page.reading.drafts


def written(desk, *texts):
    for number, text in enumerate(texts):
        desk.chat.say(changes.TurnReplaced(f"r{number}", Turn(f"m{number}", "assistant", text, finish_reason="stop")))
    desk.chat.say(changes.ReplyingChanged(False))


def chosen(desk):
    return [column.turn.id for column in view(desk).columns if column._is_chosen]


def test_they_stream_in_columns_in_place_of_the_conversation(drafts):
    assert drafts.page.transcript.isHidden()
    assert view(drafts).isVisible()
    drafts.chat.say(changes.TurnReplaced("r1", Turn("r1", "assistant", "Fe", "streaming")))
    drafts.chat.say(changes.TurnGrew("r1", "lix"))
    assert [column.transcript.text_of(column.turn.id) for column in view(drafts).columns] == ["", "Felix", ""]
    written(drafts, "Tom", "Felix", "Mia")
    assert [column.turn.id for column in view(drafts).columns] == ["m0", "m1", "m2"]
    assert chosen(drafts) == ["m0"]
    drafts.chat.say(changes.DraftsClosed())
    assert view(drafts).isHidden()
    assert drafts.page.transcript.isVisible()


def test_keys_mark_and_escape_goes_back(drafts):
    written(drafts, "Tom", "Felix", "Mia")
    drafts.page.choose_version(1)
    drafts.page.choose_version(1)
    drafts.page.choose_version(1)  # there is no fourth
    assert drafts.chat.said("choose_draft") == [("m1",), ("m2",)]
    assert chosen(drafts) == ["m2"]
    drafts.page.choose_version(-1)
    assert chosen(drafts) == ["m1"]
    assert drafts.chat.said("choose_version") == []
    drafts.page.stop()
    assert drafts.chat.said("close_drafts") == [()]


def test_escape_stops_first(drafts):
    drafts.page.stop()
    assert drafts.chat.said("stop") == [()]
    assert drafts.chat.said("close_drafts") == []


def test_a_click_chooses_and_the_button_uses(drafts, qtbot):
    written(drafts, "Tom", "Felix", "Mia")
    columns = view(drafts).columns
    qtbot.mouseClick(columns[2].transcript.viewport(), Qt.MouseButton.LeftButton)
    assert chosen(drafts) == ["m2"]
    qtbot.mouseClick(columns[1].use_button, Qt.MouseButton.LeftButton)
    assert drafts.chat.said("close_drafts") == [("m1",)]


def test_the_tab_key_reaches_every_button(drafts):
    written(drafts, "Tom", "Felix", "Mia")
    view(drafts).columns[0].copy_button.setFocus()
    seen = []
    for _ in range(9):
        QTest.keyClick(QGuiApplication.focusWindow() or drafts.window.windowHandle(), Qt.Key.Key_Tab)
        seen.append(drafts.window.focusWidget())
    for column in view(drafts).columns[1:]:
        assert {column.copy_button, column.use_button, column.transcript} <= set(seen)
    assert chosen(drafts) == ["m2"]


def test_copying_one(drafts, qtbot):
    written(drafts, "Tom", "**Felix**", "Mia")
    qtbot.mouseClick(view(drafts).columns[1].copy_button, Qt.MouseButton.LeftButton)
    assert QGuiApplication.clipboard().text() == "**Felix**"


def test_one_that_never_got_a_word_goes_away(drafts):
    drafts.chat.say(changes.TurnRemoved("r0"))
    assert [column.turn.id for column in view(drafts).columns] == ["r1", "r2"]
    assert chosen(drafts) == ["r1"]


def test_nothing_is_looked_for_while_they_are_shown(drafts):
    drafts.page.open_find()
    assert drafts.page.reading.find_bar.isHidden()


def test_versions_are_compared_from_the_menu_of_a_reply(desk, qtbot):
    reply = Turn("b", "assistant", "Tom", finish_reason="stop", version=1, versions=2)
    desk.chat.show(conversation("a", "Cats"), ASKED, reply)
    desk.page.transcript._on_wanted(desk.page.transcript._entries["b"], "compare")
    assert desk.chat.said("compare") == [("b",)]


def test_undo_is_offered_for_what_was_done(desk):
    bar = desk.page.undo_bar
    said = set()
    for what in ("messages", "edit", "branch"):
        desk.chat.say(changes.UndoChanged(what))
        assert bar.isVisible()
        said.add(bar._words.text())
    assert len(said) == 3
    desk.chat.say(changes.UndoChanged("conversation"))  # the list offers that
    assert bar.isHidden()


def test_undo_has_its_key_in_the_transcript_and_is_one_command(desk):
    from chatdesk.ui.palette import Palette

    desk.chat.show(conversation("a", "Cats"), ASKED)
    desk.page.transcript.setFocus()
    QTest.keyClick(desk.page.transcript, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert desk.chat.said("undo") == [()]
    names = [action.name for action in Palette(desk.window)._actions]
    assert names.count("undo_delete") == 1
    assert len(names) == len(set(names))
