"""The tokens of a reply in the window: from the menu under it to another version."""

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication
from shiboken6 import isValid

from chatdesk.engine.api import AlternativeToken, ChatMessage, TokenReading
from chatdesk.errors import Fault
from chatdesk.storage.records import DocumentText
from chatdesk.tasks.changes import Notice
from chatdesk.ui.inspect.tokens_dialog import TokensDialog, beginning

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support .*", extend=True)

TOP = (AlternativeToken(7, " b", -0.5, -0.1), AlternativeToken(8, " c", -1.5, -2.0))
READINGS = (TokenReading(5, "A", 1, -0.1, -0.1, 0.3, TOP), TokenReading(6, " d", 4, -4.0, -9999.0, 2.0, TOP))


@pytest.fixture
def dialog(desk):
    desk.chat.next_prompt = lambda unsent: ("", "", {"temperature": 0.5})
    desk.page.transcript.tokens_requested.emit("reply-1")
    (found,) = [widget for widget in QApplication.topLevelWidgets() if isinstance(widget, TokensDialog)]
    yield found
    if isValid(found):
        found.close()


def test_a_reply_is_asked_for_and_shown(desk, dialog):
    name, message_id, values, *_ = desk.tasks.inspect.calls[-1]
    assert (name, message_id) == ("reply", "reply-1")
    assert values == {"temperature": 0.5}
    dialog.take(READINGS)
    assert dialog.part.readings == READINGS
    assert dialog.part.bars.tokens == TOP


def test_an_alternative_begins_another_version(desk, dialog):
    dialog.take(READINGS)
    dialog.part.view.mark(1)
    dialog.part.bars.chosen.emit(1)
    assert desk.chat.calls[-1] == ("go_on_from", "reply-1", ChatMessage("assistant", "A c", (5, 8)))
    assert not isValid(dialog) or not dialog.isVisible()


def test_a_fault_is_said_in_the_dialog(dialog):
    dialog.take(Notice(Fault.OUT_OF_MEMORY, {"device": "CPU"}))
    assert "CPU ran out of memory" in dialog.part.note.text()
    assert not dialog.part.csv.isEnabled()


def test_the_beginning_has_its_own_tokens():
    assert beginning(READINGS, 0, 0) == ChatMessage("assistant", " b", (7,))


@pytest.fixture
def desk_dialog(desk):
    desk.window.show_page("write")
    editor = desk.window.pages.writing.editor
    editor.load(DocumentText("Before.\nA d and after"))
    cursor = editor.textCursor()
    cursor.setPosition(11)
    editor.setTextCursor(cursor)
    desk.tasks.writing.most_seen = lambda: 100
    desk.tasks.writing.calls.clear()
    desk.window.commands.look_inside()
    (found,) = [widget for widget in QApplication.topLevelWidgets() if isinstance(widget, TokensDialog)]
    yield found
    if isValid(found):
        found.close()


def test_the_text_of_the_desk_goes_on_from_an_alternative(desk, desk_dialog):
    name, text, *_ = desk.tasks.inspect.calls[-1]
    assert (name, text) == ("tokens", "Before.\nA d")
    first = TokenReading(1, "<s>Before.\n")  # what a tokenizer puts in front is not in the document
    desk_dialog.take((first, *READINGS))
    desk_dialog.part.view.mark(2)
    desk_dialog.part.bars.chosen.emit(1)
    page = desk.window.pages.writing
    assert page.editor.toPlainText() == "Before.\nA c and after"
    assert [(s.start, s.end) for s in page.editor.spans.all] == [(9, 11)]
    said = [call[:2] for call in desk.tasks.writing.calls]
    assert ("keep_version", "generated") in said
    assert ("go_on", "Before.\nA c") in said
    page.editor.undo()
    assert page.editor.toPlainText() == "Before.\nA d and after"


def test_tokens_that_are_not_those_of_the_text_change_nothing(desk, desk_dialog):
    desk_dialog.take((TokenReading(1, "x"), TokenReading(6, " q", 4, -4.0, -9.0, 2.0, TOP)))
    desk_dialog.part.view.mark(1)
    desk_dialog.part.bars.chosen.emit(0)
    page = desk.window.pages.writing
    assert page.editor.toPlainText() == "Before.\nA d and after"
    assert "changed" in page.hint.words()


def test_what_is_no_text_is_not_put_into_the_document(desk, desk_dialog, qtbot):
    top = (AlternativeToken(9, "<|end|>", -0.5, -0.5, True), AlternativeToken(3, "\ufffd", -1.0, -1.0), *TOP)
    desk_dialog.take((TokenReading(5, "A"), TokenReading(6, " d", 4, -4.0, -9.0, 2.0, top)))
    desk_dialog.part.view.mark(1)
    bars = desk_dialog.part.bars
    for number, why in ((0, "special token"), (1, "part of a character")):
        qtbot.mouseClick(bars, Qt.MouseButton.LeftButton, pos=bars.row_rect(number).center())
        qtbot.keyClick(bars, Qt.Key.Key_Return)
        assert why in bars.toolTip()
        assert why in bars.accessibleDescription()
    page = desk.window.pages.writing
    assert page.editor.toPlainText() == "Before.\nA d and after"
    assert desk_dialog.isVisible()
    qtbot.mouseClick(bars, Qt.MouseButton.LeftButton, pos=bars.row_rect(2).center())
    assert page.editor.toPlainText() == "Before.\nA b and after"


def test_the_page_that_looks_inside_shows_the_same_text(desk, desk_dialog):
    assert desk_dialog.more.isVisible()
    desk_dialog.more.click()
    assert desk.window.pages.shown == "inspect"
    assert desk.window.pages.inspect.text.toPlainText() == "Before.\nA d"
    desk.window.commands.look_inside()  # nothing is open there
    assert desk.window.pages.shown == "inspect"
