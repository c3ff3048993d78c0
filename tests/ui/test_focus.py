"""Where the focus is when what had it in the conversation goes away: never in a field that happens to stand next."""

import msgspec
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QPushButton

from chatdesk.errors import Fault
from chatdesk.tasks import changes
from chatdesk.tasks.changes import ModelChanged, Notice, Turn
from chatdesk.ui.chat.editing import EditBox
from chatdesk.ui.chat.footer import Footer
from tests.ui.scripted import INFO, READY, conversation

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support .*", extend=True)
QUESTION, REPLY = Turn("u", "user", "Hi there"), Turn("r", "assistant", "Ho", finish_reason="stop")


@pytest.fixture
def talk(desk):
    desk.chat.show(conversation("a", "A"), QUESTION, REPLY)
    desk.window.activateWindow()
    return desk


def footer(desk, place: int) -> Footer:
    return [row.view for row in desk.page.transcript.live() if isinstance(row.view, Footer)][place]


def press(qtbot, button) -> None:
    button.setFocus(Qt.FocusReason.TabFocusReason)
    qtbot.keyClick(button, Qt.Key.Key_Space)


def focus() -> str:
    found = QApplication.focusWidget()
    return found.accessibleName() if found is not None else ""


@pytest.mark.parametrize("setting", [("theme", "dark"), ("text_size", 120)])
def test_who_edits_a_message_types_on_in_another_theme(talk, qtbot, setting):
    talk.page.transcript.edit("u")
    box = talk.page.transcript.findChild(EditBox)
    qtbot.keyClick(box._text, Qt.Key.Key_Home)
    qtbot.keyClicks(box._text, "Oh ")
    talk.settings[setting[0]] = setting[1]
    assert QApplication.focusWidget() is box._text
    qtbot.keyClicks(QApplication.focusWidget(), "and ")
    assert box.text() == "Oh and Hi there"
    box._text.undo()
    assert box.text() != "Oh and Hi there"


def test_a_button_keeps_it_in_another_theme(talk, qtbot):
    footer(talk, 1)._edit.setFocus()
    talk.settings["theme"] = "dark"
    assert footer(talk, 1)._edit.hasFocus()


def test_after_regenerating_the_next_words_go_to_the_message(talk, qtbot):
    press(qtbot, footer(talk, 1)._regenerate)
    assert talk.chat.said("regenerate_at") == [("r",)]
    talk.chat.say(changes.TurnReplaced("r", Turn("reply-1", "assistant", "", "waiting", None, 2, 2)))
    assert focus() == "Message"


def test_pinning_keeps_it(talk):
    footer(talk, 0)._more.setFocus(Qt.FocusReason.TabFocusReason)
    talk.chat.say(changes.TurnReplaced("u", Turn("u", "user", "Hi there", is_pinned=True)))
    assert footer(talk, 0)._more.hasFocus()


def test_the_button_of_an_error(talk, qtbot):
    talk.chat.say(changes.NoticeChanged(Notice(Fault.OUT_OF_MEMORY, {}, "use_less")))
    (row,) = [row for row in talk.page.transcript.live() if row.kind == "notice"]
    press(qtbot, row.view.stops()[0])
    assert talk.chat.said("act") == [("use_less",)]
    talk.chat.say(changes.NoticeChanged(None))
    assert focus() == "Message"


def test_an_example(desk, qtbot):
    desk.window.activateWindow()
    press(qtbot, desk.page.transcript.findChildren(QPushButton)[0])
    assert desk.chat.said("send_example") == [("Hello, who are you?",)]
    desk.chat.say(changes.TurnAdded(QUESTION))
    assert focus() == "Message"


def test_code_that_is_made_anew_and_drafts(talk, qtbot):
    code = "Look:\n\n    x = 1\n"
    talk.chat.say(changes.TurnAdded(Turn("s", "assistant", code, "streaming")))
    talk.page.transcript.flush()
    stop = talk.page.transcript.live()[-1].view.stops()[0]
    stop.setFocus()
    talk.chat.say(changes.TurnGrew("s", "    y = 2\n"))
    talk.page.transcript.flush()
    assert focus() == "Message"
    talk.page.transcript.live()[-1].view.stops()[0].setFocus()
    talk.chat.say(changes.DraftsOpened((REPLY, Turn("r2", "assistant", "Ha")), "r"))
    assert focus() == "Message"
    talk.page.reading.drafts.columns[0].use_button.setFocus()
    talk.chat.say(changes.DraftsClosed())
    assert focus() == "Message"


def test_a_load_that_is_cancelled_and_a_form_that_is_chosen(talk, qtbot):
    talk.chat.say(ModelChanged("loading", "Tiny", "/tiny"))
    press(qtbot, talk.page.loading.cancel)
    talk.chat.say(ModelChanged("none"))
    assert focus() == "Message"
    base = msgspec.structs.replace(INFO, has_chat_template=False)
    talk.chat.say(ModelChanged("ready", base.name, base.path, info=base))
    press(qtbot, talk.page.dialogue_bar.close_button)
    talk.chat.say(READY)
    assert focus() == "Message"


def test_who_deletes_in_the_list_goes_on_there(desk, qtbot):
    some = desk.show_some()
    desk.window.activateWindow()
    view = desk.page.list.view
    view.setFocus()
    qtbot.keyClick(view, Qt.Key.Key_Delete)
    assert desk.chat.said("delete") == [("b",)]
    desk.chat.show(None)
    desk.chat.say(changes.ListChanged((some[0], some[2]), some[1]))
    assert (QApplication.focusWidget(), desk.page.list.current()) == (view, "c")
    qtbot.keyClick(view, Qt.Key.Key_Delete)
    desk.chat.say(changes.ListChanged((some[0],), some[2]))
    assert (QApplication.focusWidget(), desk.page.list.current()) == (view, "a")
    desk.chat.say(changes.ListChanged((), some[0]))
    assert desk.page.list.current() == ""
    desk.window.page.new_chat()
    assert focus() == "Message"
