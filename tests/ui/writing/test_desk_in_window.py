"""The desk as a page of the window."""

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from shiboken6 import isValid

from chatdesk.tasks.changes import ModelChanged
from chatdesk.tasks.writing_changes import SavedChanged


def test_keys_mean_what_they_mean_on_the_page_that_is_shown(desk):
    window = desk.window
    window.show_page("write")
    assert window.rail.buttons["write"].isChecked()
    page = window.pages.writing
    done = []
    page.do = lambda name: done.append(name) or name != "keys"
    for key in (Qt.Key.Key_Return, Qt.Key.Key_R, Qt.Key.Key_N, Qt.Key.Key_F, Qt.Key.Key_S):
        QTest.keyClick(window, key, Qt.KeyboardModifier.ControlModifier)
    assert done == ["send_anyway", "regenerate", "new_chat", "find", "keep_version"]
    assert desk.chat.said("new") == []
    window.show_page("chat")
    QTest.keyClick(window, Qt.Key.Key_N, Qt.KeyboardModifier.ControlModifier)
    assert len(done) == 5
    QTest.keyClick(window, Qt.Key.Key_H, Qt.KeyboardModifier.ControlModifier)
    assert window.pages.shown == "write"


def test_the_title_has_room_whatever_stands_beside_the_text(desk, qtbot):
    window = desk.window
    window.show()
    window.show_page("write")
    page = window.pages.writing
    header = page.header
    for width in (1000, 1280, 1600):
        for is_open in (True, False):
            window.resize(width, 700)
            page.list_drawer.set_open(is_open)
            page.side_drawer.set_open(is_open)
            qtbot.wait(1)
            assert header.title.width() >= 160, (width, is_open)
            assert header.more_button.geometry().right() <= header.width(), (width, is_open)
            assert header.rework_button.isVisible() or width < 1280, (width, is_open)
    names = [action.text().split("\t")[0] for action in header.more_button.menu().actions()]
    assert "Rework" in names  # where its button has no room


def test_without_a_model_there_is_always_a_way_to_one(desk, qtbot):
    window = desk.window
    window.show()
    window.show_page("write")
    window.resize(1000, 700)
    header = window.pages.writing.header
    header.show_model(ModelChanged("none"))
    qtbot.wait(1)
    assert header.model_button.isVisible()
    assert header.model_button.accessibleName() == "No model"
    window.resize(1160, 700)  # both sides stand beside the text
    qtbot.wait(1)
    assert header.model_button.isVisible()
    assert not header.rework_button.isVisible()


def test_on_the_desk_alt_and_an_arrow_are_the_editors(desk, qtbot):
    desk.page.composer.set_text("a draft")
    desk.window.show_page("write")
    editor = desk.window.pages.writing.editor
    got = []
    editor.keyPressEvent = lambda event: got.append(event.key())
    desk.window.activateWindow()
    editor.setFocus()
    for key in (Qt.Key.Key_Left, Qt.Key.Key_Right):
        QTest.keyClick(editor, key, Qt.KeyboardModifier.AltModifier)
    assert [key for key in got if key != Qt.Key.Key_Alt] == [Qt.Key.Key_Left, Qt.Key.Key_Right]
    called, went_on = len(desk.chat.calls), []
    desk.window.pages.writing.go_on = lambda: went_on.append(1)
    QTest.keyClick(editor, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    assert went_on == [1]
    assert Qt.Key.Key_Return not in got
    assert len(desk.chat.calls) == called


def test_what_the_store_still_says_after_another_language_finds_no_page_that_is_gone(desk, qtbot):
    desk.window.show_page("write")
    gone = desk.window.pages.writing
    desk.window.show_page("settings")
    desk.settings["language"] = "zh_CN"
    qtbot.waitUntil(lambda: desk.window.pages.writing is None)
    desk.writing.on_change(SavedChanged(True))
    qtbot.waitUntil(lambda: not isValid(gone))
    desk.writing.on_change(SavedChanged(True))
    desk.window.show_page("write")
    desk.writing.on_change(SavedChanged(False))
    desk.settings["language"] = "en"
    qtbot.waitUntil(lambda: desk.window.pages.writing is not None and isValid(desk.window.pages.writing))
