import pytest
from PySide6.QtCore import QCoreApplication, QEvent, Qt
from PySide6.QtGui import QColor, QInputMethodEvent
from PySide6.QtWidgets import QApplication

from chatdesk.storage.records import Document, DocumentText, Hit
from chatdesk.tasks import changes
from chatdesk.tasks.writing_changes import DocumentOpened
from chatdesk.ui import theme
from chatdesk.ui.search.box import SearchBox
from chatdesk.ui.widgets.picker import Entry, Picker

CTRL = Qt.KeyboardModifier.ControlModifier
MESSAGE = Hit("c", "Third", "m7", "assistant", "…the 😀 boat sails", ((6, 1), (8, 4)), 1_700_000_000.0)
TITLE = Hit("a", "A boat", None, None, "A boat", ((2, 4),), 1_700_000_000.0)


@pytest.fixture
def box(desk, qtbot):
    desk.show_some()
    desk.window.activateWindow()
    qtbot.waitUntil(desk.window.isActiveWindow)
    qtbot.keyClick(desk.window, Qt.Key.Key_K, CTRL)
    return desk.window.findChild(SearchBox)


def titles(box):
    return [box.entries.index(row).data() for row in range(box.entries.rowCount())]


def search(desk, box, qtbot, text, hits):
    box.field.setText(text)
    qtbot.waitUntil(lambda: desk.shelf.said("search")[-1:] == [(text,)])
    desk.shelf.callbacks["search"](hits)


def test_an_empty_line_shows_the_newest_conversations(desk, box):
    assert box.isVisible()
    assert QApplication.focusWidget() is box.field
    assert titles(box) == ["First", "Second", "Third"]
    assert desk.shelf.said("search") == []


def test_no_chats_at_all_is_said(desk):
    desk.chat.say(changes.ListChanged(()))
    desk.window.shelving.search()
    box = desk.window.findChild(SearchBox)
    assert (box.words.text(), box.words.isHidden()) == ("There are no chats yet.", False)


def test_results_as_one_types_asked_once_for_a_burst(desk, box, qtbot):
    for text in ("b", "bo", "boa"):
        box.field.setText(text)
    search(desk, box, qtbot, "boat", [TITLE, MESSAGE])
    assert desk.shelf.said("search") == [("boat",)]
    assert titles(box) == ["A boat", "Third"]
    entry = box.entries.index(1).data(Qt.ItemDataRole.AccessibleTextRole)
    assert "…the 😀 boat sails" in entry


def test_enter_opens_at_the_message(desk, box, qtbot):
    search(desk, box, qtbot, "boat", [TITLE, MESSAGE])
    qtbot.keyClick(box.field, Qt.Key.Key_Down)
    qtbot.keyClick(box.field, Qt.Key.Key_Down)  # stays at the last
    qtbot.keyClick(box.field, Qt.Key.Key_Return)
    assert desk.shelf.said("show") == [("c", "m7")]
    assert box.is_left


def test_a_document_is_opened_on_the_desk_at_the_words(desk, box, qtbot):
    asked = []
    desk.tasks.writing.open = asked.append
    found = Hit("", "Voyage", None, None, "…the boat sails", ((5, 4),), 1_700_000_000.0, "d7")
    search(desk, box, qtbot, "boat", [found])
    assert titles(box) == ["Voyage"]
    assert box.entries.index(0).data(Qt.ItemDataRole.AccessibleTextRole).count("Document") == 1
    qtbot.keyClick(box.field, Qt.Key.Key_Return)
    assert desk.window.pages.shown == "write"
    page = desk.window.pages.writing
    assert asked == ["d7"]
    for id, text in (("other", "a boat"), ("d7", "All of it:\nthe boat sails")):  # the one that was open came first
        page.take(DocumentOpened(Document(id, id, "", {}, 1.0, 1.0), DocumentText(text)))
    assert asked == ["d7", "d7"]
    assert page.editor.textCursor().selectedText() == "boat"
    assert page.find_bar.field.text() == "boat"


def test_a_click_opens_and_the_focus_goes_back(desk, box, qtbot):
    place = box.view.visualRect(box.entries.index(2)).center()
    qtbot.mouseClick(box.view.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert desk.shelf.said("show") == [("c", None)]
    assert QApplication.focusWidget() is desk.page.composer.focusProxy()


def test_enter_before_the_answer_takes_the_first_of_it(desk, box, qtbot):
    box.field.setText("boat")
    qtbot.keyClick(box.field, Qt.Key.Key_Return)
    assert desk.shelf.said("show") == []
    qtbot.waitUntil(lambda: desk.shelf.said("search") == [("boat",)])
    desk.shelf.callbacks["search"]([MESSAGE])
    assert desk.shelf.said("show") == [("c", "m7")]


def test_a_late_answer_is_not_shown(desk, box, qtbot):
    search(desk, box, qtbot, "boat", [])
    assert box.words.text() == "Nothing was found for “boat”."
    late = desk.shelf.callbacks["search"]
    box.field.clear()
    late([MESSAGE])
    assert titles(box) == ["First", "Second", "Third"]
    qtbot.keyClick(box.field, Qt.Key.Key_Escape)
    QApplication.processEvents()
    late([MESSAGE])
    assert desk.shelf.said("show") == []


def test_escape_and_a_click_beside_close_and_stop_nothing(desk, box, qtbot):
    desk.chat.say(changes.ReplyingChanged(True))
    qtbot.keyClick(box.field, Qt.Key.Key_Escape)
    assert box.is_left
    desk.window.shelving.search()
    other = next(found for found in desk.window.findChildren(SearchBox) if not found.is_left)
    qtbot.mouseClick(other, Qt.MouseButton.LeftButton, pos=other.rect().bottomLeft())
    assert other.is_left
    assert desk.chat.said("stop") == []


def test_the_windows_keys_rest_while_it_is_open(desk, box, qtbot):
    qtbot.keyClick(box.field, Qt.Key.Key_N, CTRL)
    qtbot.keyClick(box.field, Qt.Key.Key_Tab)
    assert desk.chat.said("new") == []
    assert QApplication.focusWidget() is box.field


def test_enter_while_an_input_method_composes_chooses_nothing(desk, box, qtbot):
    QApplication.sendEvent(box.field, QInputMethodEvent("zhu", []))
    qtbot.keyClick(box.field, Qt.Key.Key_Return)
    assert not box.is_left
    commit = QInputMethodEvent()
    commit.setCommitString("注")
    QApplication.sendEvent(box.field, commit)
    qtbot.waitUntil(lambda: desk.shelf.said("search") == [("注",)])
    desk.shelf.callbacks["search"]([MESSAGE])
    qtbot.keyClick(box.field, Qt.Key.Key_Return)
    assert desk.shelf.said("show") == [("c", "m7")]


def test_a_title_that_was_being_edited_does_no_harm(desk, qtbot):
    desk.show_some()
    view = desk.page.list.view
    view.setFocus()
    view.edit(view.currentIndex())
    desk.window.shelving.search()
    QApplication.processEvents()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    box = desk.window.findChild(SearchBox)
    box.leave()
    assert box.is_left


def test_the_box_keeps_to_the_window(desk, box):
    assert box.box.width() == 560
    desk.window.resize(420, 500)
    assert box.geometry() == desk.window.rect()
    assert box.rect().contains(box.box.geometry())


def test_the_list_has_a_way_to_it(desk):
    button = desk.page.list.search_button
    assert button.text().split() == ["Search", "Ctrl+K"]
    button.click()
    assert desk.window.findChild(SearchBox) is not None


def test_long_and_strange_words_are_drawn(desk, qtbot):
    picker = Picker(desk.window, "Test", "")
    picker.show_entries(
        [
            Entry(1, "a" * 3000, ((0, 3000),), "now", "b" * 3000, ((2990, 10),)),
            Entry(2, "\u202eright to left\n", ((0, 99),), "", "\ud83d", ((0, 1),)),
        ]
    )
    picker.open()
    assert not picker.grab().isNull()
    picker.leave()


def test_a_long_aside_leaves_the_title_half_of_the_row(desk, qtbot):
    picker = Picker(desk.window, "Name", "Words")
    picker.open()
    picker.show_entries([Entry(1, "Title", aside="aside " * 200)])
    row = picker.view.visualRect(picker.entries.index(0))
    image = picker.view.viewport().grab(row.adjusted(0, 0, -row.width() * 2 // 3, 0)).toImage()
    text = QColor(theme.current().text)
    assert any(image.pixelColor(x, y) == text for x in range(image.width()) for y in range(image.height()))
    picker.leave()
