"""The tokens of a reply in the window: from the menu under it to another version."""

import pytest
from PySide6.QtWidgets import QApplication
from shiboken6 import isValid

from chatdesk.engine.api import AlternativeToken, ChatMessage, TokenReading
from chatdesk.errors import Fault
from chatdesk.tasks.changes import Notice
from chatdesk.ui.inspect.reply_dialog import ReplyTokensDialog, beginning

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support .*", extend=True)

TOP = (AlternativeToken(7, " b", -0.5, -0.1), AlternativeToken(8, " c", -1.5, -2.0))
READINGS = (TokenReading(5, "A", 1, -0.1, -0.1, 0.3, TOP), TokenReading(6, " d", 4, -4.0, -9999.0, 2.0, TOP))


@pytest.fixture
def dialog(desk):
    desk.chat.next_prompt = lambda unsent: ("", "", {"temperature": 0.5})
    desk.page.transcript.tokens_requested.emit("reply-1")
    (found,) = [widget for widget in QApplication.topLevelWidgets() if isinstance(widget, ReplyTokensDialog)]
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
