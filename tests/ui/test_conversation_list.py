from datetime import datetime, timedelta

import msgspec
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QAbstractItemModelTester
from PySide6.QtWidgets import QLineEdit

from chatdesk.storage.records import Conversation
from chatdesk.tasks.changes import ListChanged
from chatdesk.ui.chat import conversation_rows, conversations
from chatdesk.ui.chat.conversation_rows import ID_ROLE, OPEN_ROLE, ConversationModel
from tests.ui.scripted import conversation

NOON = datetime(2026, 3, 29, 12, 0)  # a day of 23 hours in Europe


def at(id: str, when: datetime, title: str = "T") -> Conversation:
    return Conversation(id, title, None, {}, "", when.timestamp(), when.timestamp(), None)


def titles(model):
    return [model.index(row).data() for row in range(model.rowCount())]


def test_groups_by_day(qtmodeltester):
    model = ConversationModel()
    model.set_conversations(
        [
            at("a", NOON, "noon"),
            at("b", NOON.replace(hour=0, minute=0), "midnight"),
            at("c", NOON - timedelta(hours=13), "late"),
            at("d", NOON - timedelta(days=2), "old"),
        ],
        NOON,
    )
    assert titles(model) == ["Today", "noon", "midnight", "Yesterday", "late", "Earlier", "old"]
    qtmodeltester.check(model)


def test_model_keeps_its_promises_while_it_changes(qapp):
    model = ConversationModel()
    tester = QAbstractItemModelTester(model, QAbstractItemModelTester.FailureReportingMode.Fatal)
    assert model.set_conversations([at("a", NOON), at("b", NOON)], NOON)
    assert not model.set_conversations([at("a", NOON, "new"), at("b", NOON)], NOON)
    assert titles(model) == ["Today", "new", "T"]
    assert model.set_conversations([], NOON)
    assert (model.rowCount(), tester.model() is model) == (0, True)


def test_headings_cannot_be_chosen_or_edited(qapp):
    model = ConversationModel()
    model.set_conversations([at("a", NOON)], NOON)
    assert model.flags(model.index(0)) == Qt.ItemFlag.NoItemFlags
    assert model.flags(model.index(1)) & Qt.ItemFlag.ItemIsEditable


def test_an_untitled_conversation_has_a_name(qapp):
    model = ConversationModel()
    model.set_conversations([at("a", NOON, "")], NOON)
    assert model.index(1).data() == "New chat"


@pytest.mark.parametrize(("typed", "asked"), [(" Better ", [("a", "Better")]), ("  ", []), ("T", [])])
def test_editing_asks_for_another_title(qapp, typed, asked):
    model = ConversationModel()
    said = []
    model.renamed.connect(lambda id, title: said.append((id, title)))
    model.set_conversations([at("a", NOON)], NOON)
    model.setData(model.index(1), typed)
    assert said == asked
    assert model.index(1).data() == "T"


def index_of(desk, id):
    model = desk.page.list.model
    return model.index(model.row_of(id))


def test_the_open_conversation_is_marked(desk):
    desk.show_some()
    model = desk.page.list.model
    marked = [model.index(row).data(ID_ROLE) for row in range(model.rowCount()) if model.index(row).data(OPEN_ROLE)]
    assert marked == ["b"]
    assert desk.settings["conversation"] == "b"


def test_click_and_enter_open(desk, qtbot):
    desk.show_some()
    view = desk.page.list.view
    place = view.visualRect(index_of(desk, "c")).center()
    qtbot.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=place)
    view.setFocus()
    view.setCurrentIndex(index_of(desk, "a"))
    qtbot.keyClick(view, Qt.Key.Key_Return)
    qtbot.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=view.visualRect(index_of(desk, "b")).center())
    assert desk.chat.said("open") == [("c",), ("a",)]


def test_arrow_keys_pass_over_headings(desk, qtbot):
    desk.show_some()
    view = desk.page.list.view
    view.setFocus()
    qtbot.keyClick(view, Qt.Key.Key_Down)
    assert view.currentIndex().data(ID_ROLE) == "c"


def test_rename_in_place(desk, qtbot):
    desk.show_some()
    view = desk.page.list.view
    view.setFocus()
    view.setCurrentIndex(index_of(desk, "a"))
    desk.page.rename()
    editor = view.findChild(QLineEdit)
    editor.setText("Named")
    qtbot.keyClick(editor, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: desk.chat.said("rename") == [("a", "Named")])
    assert desk.chat.said("open") == []


def test_a_new_list_waits_while_a_title_is_edited(desk, qtbot):
    some = desk.show_some()
    view = desk.page.list.view
    view.setFocus()
    view.setCurrentIndex(index_of(desk, "a"))
    view.edit(index_of(desk, "a"))
    editor = view.findChild(QLineEdit)
    editor.setText("half a ti")
    desk.chat.say(ListChanged((some[2],)))
    assert (editor.text(), desk.page.list.model.row_of("a")) == ("half a ti", 1)
    qtbot.keyClick(editor, Qt.Key.Key_Escape)
    qtbot.waitUntil(lambda: desk.page.list.model.row_of("a") == -1)
    assert desk.chat.said("rename") == []


def test_the_keys_stay_where_they_are_while_the_list_changes(desk):
    """Else Del, pressed after a renaming or the end of a reply, would delete the conversation that is open."""
    first, second, third = desk.show_some()
    chats = desk.page.list
    assert chats.current() == "b"  # the open one
    chats.view.setCurrentIndex(index_of(desk, "c"))
    desk.chat.say(ListChanged((second, first, msgspec.structs.replace(third, title="Named"))))
    assert chats.current() == "c"
    desk.chat.show(first)
    assert chats.current() == "a"
    desk.chat.show(conversation("d", "New"))
    desk.chat.say(ListChanged((first, third)))
    assert chats.current() == "a"
    desk.chat.say(ListChanged((conversation("d", "New"), first, third)))
    assert chats.current() == "d"


def test_delete_and_undo(desk, qtbot):
    some = desk.show_some()
    bar = desk.page.list.undo_bar
    view = desk.page.list.view
    desk.window.activateWindow()
    view.setFocus()
    view.setCurrentIndex(index_of(desk, "c"))
    qtbot.keyClick(view, Qt.Key.Key_Delete)
    assert desk.chat.said("delete") == [("c",)]
    assert bar.isHidden()
    desk.chat.say(ListChanged(tuple(some[:2]), deleted=some[2]))
    assert bar.isVisible()
    assert bar.words.words() == "Deleted “Third”"
    bar.button.click()
    qtbot.keyClick(view, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert desk.chat.said("undo") == [(), ()]
    desk.chat.say(ListChanged(tuple(some)))
    assert bar.isHidden()


def test_the_context_menu_does_what_it_says(desk):
    desk.show_some()
    menu = desk.page.list.menu_for(index_of(desk, "a"))
    names = [action.text().split("\t")[0] for action in menu.actions()]
    assert names == ["Open", "Pin", "Move to folder", "Rename", "Export as", "", "Delete"]
    for action in (menu.actions()[0], menu.actions()[6]):
        action.trigger()
    assert desk.chat.said("open") == [("a",)]
    assert desk.chat.said("delete") == [("a",)]


def test_no_menu_on_a_heading(desk):
    desk.show_some()
    desk.page.list._on_menu_asked(QPoint(20, 5))
    assert desk.chat.said("delete") == []


def test_an_empty_list_says_what_will_be_there(desk):
    desk.chat.say(ListChanged(()))
    assert desk.page.list.empty.isVisible()
    desk.chat.say(ListChanged((conversation("a", "A"),)))
    assert desk.page.list.empty.isHidden()


def test_a_thousand_conversations_keep_the_place(desk):
    many = [conversation(str(i), f"Chat {i}", i * 60) for i in range(1000)]
    desk.chat.say(ListChanged(tuple(many)))
    view = desk.page.list.view
    view.scrollTo(index_of(desk, "500"))
    view.setCurrentIndex(index_of(desk, "500"))
    place = view.verticalScrollBar().value()
    assert place > 0
    desk.chat.say(ListChanged((many[999], *many[:999])))
    assert view.currentIndex().data(ID_ROLE) == "500"
    assert view.verticalScrollBar().value() == place


# -- pins and folders --------------------------------------------------------------------------------------------------


def shelved(id, title, folder="", is_pinned=False):
    return msgspec.structs.replace(conversation(id, title), folder=folder, is_pinned=is_pinned)


def show_folders(desk):
    found = (
        shelved("a", "Letter", folder="Boats", is_pinned=True),
        shelved("b", "Names", folder="boats"),
        shelved("c", "Study", folder="Art"),
        shelved("d", "More", folder="boats"),
        shelved("e", "Loose"),
    )
    desk.chat.say(ListChanged(found))
    return found


def test_pinned_ones_first_then_folders_then_days(desk):
    show_folders(desk)
    assert titles(desk.page.list.model) == [
        "Pinned", "Letter", "Art", "Study", "boats", "Names", "More", "Today", "Loose",
    ]  # fmt: skip


def test_a_folder_closes_by_click_key_and_arrow_and_that_is_kept(desk, qtbot):
    show_folders(desk)
    model, view = desk.page.list.model, desk.page.list.view
    place = view.visualRect(model.index(model.row_of_folder("boats"))).center()
    qtbot.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert model.row_of("b") == -1
    assert desk.settings["closed_folders"] == ("boats",)
    view.setFocus()
    qtbot.keyClick(view, Qt.Key.Key_Right)
    assert model.row_of("b") > 0
    qtbot.keyClick(view, Qt.Key.Key_Return)
    qtbot.keyClick(view, Qt.Key.Key_Left)
    assert model.row_of("b") == -1
    assert view.currentIndex().data() == "boats"
    show_folders(desk)
    assert model.row_of("b") == -1
    assert desk.chat.said("open") == []


def test_closed_folders_are_closed_in_the_next_window(desk, qtbot):
    desk.settings["closed_folders"] = ("boats",)
    desk.settings["language"] = "zh_CN"
    old = desk.page
    qtbot.waitUntil(lambda: desk.page is not old)
    show_folders(desk)
    assert desk.page.list.model.row_of("b") == -1


def test_a_folder_has_no_menu_and_cannot_be_renamed(desk):
    show_folders(desk)
    model, view = desk.page.list.model, desk.page.list.view
    index = model.index(model.row_of_folder("Art"))
    assert not model.flags(index) & Qt.ItemFlag.ItemIsEditable
    assert index.data(Qt.ItemDataRole.AccessibleTextRole) == "Folder Art: 1"
    view.setCurrentIndex(index)
    view.setFocus()
    shortcuts_delete = next(action for action in view.actions() if getattr(action, "name", "") == "delete")
    shortcuts_delete.trigger()
    assert desk.chat.said("delete") == []


def test_moving_unpinning_and_renaming_by_menu(desk):
    show_folders(desk)
    menu = desk.page.list.menu_for(index_of(desk, "a"))
    actions = {action.text().split("\t")[0]: action for action in menu.actions()}
    folders = actions["Move to folder"].menu().actions()
    assert [(a.text(), a.isChecked()) for a in folders if a.text()] == [
        ("Art", False), ("Boats", True), ("boats", False), ("No folder", False), ("New folder…", False),
    ]  # fmt: skip
    folders[0].trigger()
    next(action for action in folders if action.text() == "No folder").trigger()
    assert desk.shelf.said("set_folder") == [("a", "Art"), ("a", "")]
    actions["Unpin"].trigger()
    assert desk.shelf.said("set_pinned") == [("a", False)]
    actions["Rename"].trigger()
    assert desk.page.list.view.findChild(QLineEdit) is not None


LONG = "word " * 79 + "end"


def test_a_long_title_is_not_cut_by_looking_at_it(desk, qtbot):
    found = conversation("a", f"{LONG}\nof two lines")
    desk.chat.say(ListChanged((found,)))
    desk.chat.show(found)
    desk.page.header.edit_title()
    qtbot.keyClick(desk.page.header.editor, Qt.Key.Key_Return)
    view = desk.page.list.view
    desk.page.list._rename("a")
    qtbot.keyClick(view.findChild(QLineEdit), Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: view.state() != view.State.EditingState)
    assert desk.chat.said("rename") == []
    desk.page.header.edit_title()
    qtbot.keyClick(desk.page.header.editor, Qt.Key.Key_End)
    qtbot.keyClick(desk.page.header.editor, Qt.Key.Key_Backspace)
    qtbot.keyClick(desk.page.header.editor, Qt.Key.Key_Return)
    ((_, title),) = desk.chat.said("rename")
    assert title.startswith(LONG)


def test_a_title_that_is_typed_stays_while_another_chat_is_shown(desk, qtbot):
    desk.show_some()
    desk.page.list._rename("a")
    editor = desk.page.list.view.findChild(QLineEdit)
    qtbot.keyClicks(editor, "Typed")
    desk.page.list.set_open("c")
    assert editor.text() == "Typed"
    qtbot.keyClick(editor, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: desk.chat.said("rename") == [("a", "Typed")])


def test_today_becomes_yesterday_at_midnight(desk, monkeypatch):
    desk.show_some()
    tomorrow = datetime.now() + timedelta(days=1)

    class Later(datetime):
        @classmethod
        def now(cls, tz=None):
            return tomorrow

        @classmethod
        def today(cls):
            return tomorrow

    monkeypatch.setattr(conversation_rows, "datetime", Later)
    monkeypatch.setattr(conversations, "date", Later)
    assert titles(desk.page.list.model)[0] == "Today"
    desk.page.list._minute.timeout.emit()
    assert titles(desk.page.list.model)[0] == "Yesterday"
    assert desk.page.list.current() == "b"
