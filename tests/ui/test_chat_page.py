from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QMessageBox

from chatdesk.errors import Fault
from chatdesk.tasks import changes
from chatdesk.tasks.changes import ModelChanged, Notice, Turn
from chatdesk.ui.widgets import dialogs
from tests.ui.scripted import conversation

# What the offscreen platform says when a menu or a dialog opens.
pytestmark = pytest.mark.qt_log_ignore("This plugin does not support .*", extend=True)
CTRL, ALT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.AltModifier


def press(desk, qtbot, key, modifier=Qt.KeyboardModifier.NoModifier):
    desk.window.activateWindow()
    qtbot.keyClick(desk.window, key, modifier)


# -- the conversation --------------------------------------------------------------------------------------------------


def test_sending_clears_the_composer_when_the_words_are_safe(desk, qtbot):
    desk.page.composer.set_text("Hello")
    qtbot.keyClick(desk.page.composer.focusProxy(), Qt.Key.Key_Return)
    assert desk.chat.said("send") == [("Hello",)]
    assert desk.page.composer.text() == "Hello"
    desk.chat.say(changes.TurnAdded(Turn("u", "user", "Hello")))
    assert desk.page.composer.text() == ""


def test_words_typed_meanwhile_stay(desk):
    desk.page.composer.set_text("Hello, and more")
    desk.chat.say(changes.TurnAdded(Turn("u", "user", "Hello")))
    assert desk.page.composer.text() == "Hello, and more"


def test_the_draft_goes_to_the_task_and_is_not_echoed(desk):
    desk.page.composer.set_text("half a tho")
    assert desk.chat.said("set_draft")[-1] == ("half a tho",)
    said = len(desk.chat.said("set_draft"))
    desk.chat.say(changes.DraftChanged("another one"))
    assert desk.page.composer.text() == "another one"
    assert len(desk.chat.said("set_draft")) == said


def test_the_meter_counts_the_unsent_text_beside_the_context(desk, qtbot):
    desk.chat.say(changes.StatusChanged(context_used=412, context_length=1024))
    qtbot.waitUntil(lambda: desk.page.composer._meter.text() == "412 / 1024")
    desk.chat.say(changes.StatusChanged(context_used=412, context_length=1024, draft_tokens=9))
    qtbot.waitUntil(lambda: desk.page.composer._meter.text() == "9 · 412 / 1024")
    desk.chat.say(changes.StatusChanged(context_length=1024))
    qtbot.waitUntil(lambda: desk.page.composer._meter.text() == "")


def test_a_reply_streams_and_stops(desk, qtbot):
    desk.chat.say(
        changes.TurnAdded(Turn("u", "user", "Hi")),
        changes.TurnAdded(Turn("r", "assistant", "", "waiting")),
        changes.ReplyingChanged(True),
        changes.TurnReplaced("r", Turn("r", "assistant", "Go", "streaming")),
        changes.TurnGrew("r", "od day"),
        changes.StatusChanged(142.4, 0.21, 412, 1024),
    )
    assert desk.page.transcript.text_of("r") == "Good day"
    qtbot.waitUntil(lambda: desk.page.status.words() == "CPU · float32 · 142 tok/s · first token 210 ms")
    press(desk, qtbot, Qt.Key.Key_Escape)
    assert desk.chat.said("stop") == [()]
    desk.chat.say(changes.ReplyingChanged(False))
    press(desk, qtbot, Qt.Key.Key_Escape)
    assert desk.chat.said("stop") == [()]


def test_branches_begin_where_the_transcript_says(desk):
    desk.chat.show(conversation("a", "A"), Turn("u", "user", "Hi"), Turn("r", "assistant", "Ho", finish_reason="stop"))
    desk.page.transcript.regenerate_requested.emit("r")
    desk.page.transcript.branch_requested.emit("u")
    assert (desk.chat.said("regenerate_at"), desk.chat.said("branch_from")) == ([("r",)], [("u",)])


def test_an_example_goes_beside_what_stands_in_the_composer(desk):
    desk.page.composer.set_text("half a letter")
    desk.page.transcript.example_chosen.emit("Who are you?")
    desk.chat.say(changes.TurnAdded(Turn("u", "user", "Who are you?")))
    assert (desk.chat.said("send_example"), desk.chat.said("send")) == ([("Who are you?",)], [])
    assert desk.page.composer.text() == "half a letter"


def test_versions_by_key(desk, qtbot):
    turns = Turn("u", "user", "Hi"), Turn("r", "assistant", "two", version=2, versions=3, finish_reason="stop")
    desk.chat.show(conversation("a", "A"), *turns)
    press(desk, qtbot, Qt.Key.Key_Left, ALT)
    press(desk, qtbot, Qt.Key.Key_Right, ALT)
    assert desk.chat.said("choose_version") == [("r", -1), ("r", 1)]


def test_an_error_stands_in_the_conversation_with_its_button(desk):
    desk.chat.say(changes.NoticeChanged(Notice(Fault.OUT_OF_MEMORY, {"device": "GPU 0"}, "use_cpu")))
    text, button = desk.page.transcript._notice
    assert text.startswith("GPU 0 ran out of memory.")
    assert button == "Use the CPU"
    desk.page.transcript.notice_clicked.emit()
    assert desk.chat.said("act") == [("use_cpu",)]
    desk.chat.say(changes.NoticeChanged(None))
    assert desk.page.transcript._notice is None


def test_an_error_that_asks_for_a_model_opens_the_menu(desk, qtbot):
    desk.chat.say(changes.NoticeChanged(Notice(Fault.NO_MODEL, {}, "choose_model")))
    opened = []
    desk.page.model_menu.aboutToShow.connect(lambda: opened.append(True))
    from PySide6.QtCore import QTimer

    QTimer.singleShot(0, lambda: desk.page.model_menu.close())
    desk.page.transcript.notice_clicked.emit()
    qtbot.waitUntil(lambda: opened == [True])
    assert desk.chat.said("act") == []


@pytest.mark.parametrize("fault", list(Fault))
def test_every_fault_has_a_sentence_even_without_its_fields(qapp, fault):
    from chatdesk.ui.errors import sentence

    assert "{" not in sentence(fault, {})
    assert len(sentence(fault, {})) > 5 or fault is Fault.BAD_RECIPE


def test_every_action_has_a_button():
    from typing import get_args

    from chatdesk.ui.errors import button

    assert all(button(action) for action in get_args(changes.Action) if action)
    assert button("") == ""


def test_a_link_shows_its_address_before_it_is_opened(desk, monkeypatch, qtbot):
    opened = []
    monkeypatch.setattr(dialogs.QDesktopServices, "openUrl", lambda url: opened.append(url.toString()))
    desk.page.transcript.link_clicked.emit("https://example.org/a?b=1")
    box = desk.window.findChild(QMessageBox)
    assert (box.informativeText(), opened) == ("https://example.org/a?b=1", [])
    next(button for button in box.buttons() if button.text() == "Open").click()
    assert opened == ["https://example.org/a?b=1"]


def test_the_title_is_renamed_by_clicking_it(desk, qtbot):
    desk.show_some()
    header = desk.page.header
    qtbot.mouseClick(header.title, Qt.MouseButton.LeftButton, pos=QPoint(5, 5))
    assert header.editor.isVisible()
    header.editor.setText("Better")
    qtbot.keyClick(header.editor, Qt.Key.Key_Return)
    assert desk.chat.said("rename") == [("b", "Better")]
    assert header.title.isVisible()


def test_a_title_left_with_escape_stays(desk, qtbot):
    desk.show_some()
    desk.page.header.edit_title()
    desk.page.header.editor.setText("Better")
    press(desk, qtbot, Qt.Key.Key_Escape)
    assert desk.chat.said("rename") == []
    assert desk.page.header.title.words() == "Second"


def test_a_new_conversation_can_be_neither_renamed_nor_deleted(desk):
    able = [a.text().split("\t")[0] for a in desk.page.header.more.actions() if a.isEnabled() and not a.isSeparator()]
    assert able == ["Show the exact prompt…"]
    desk.page.header.edit_title()
    assert desk.page.header.title.isVisible()


# -- models ------------------------------------------------------------------------------------------------------------


def entries(menu):
    return [action.text().split("\t")[0] for action in menu.actions() if not action.isSeparator()]


def test_the_model_menu_lists_what_there_is_in_groups(desk):
    menu = desk.page.model_menu
    menu.aboutToShow.emit()
    assert entries(menu) == [
        "In the box", "Starter 7M", "Your folders", "my-gpt2", "On this machine", "SmolLM2-135M-Instruct",
        "Open a checkpoint folder…", "Unload", "Device: Automatic", "Precision: Automatic",
        "Messages: Its own template", "Adapter: none",
    ]  # fmt: skip
    next(a for a in menu.actions() if a.text().startswith("my-gpt2")).trigger()
    assert desk.models.calls == [("load", "/models/my-gpt2", "auto", "auto")]


def test_device_and_precision_load_the_model_again(desk):
    menu = desk.page.model_menu
    menu.aboutToShow.emit()
    devices = next(a.menu() for a in menu.actions() if a.text().startswith("Device"))
    next(a for a in devices.actions() if a.text() == "CPU").trigger()
    assert desk.models.calls == [("load", "/box/starter", "cpu", "auto")]


def test_a_load_is_shown_and_can_be_cancelled(desk):
    desk.chat.say(ModelChanged("loading", "SmolLM2", "/cache/smol", 120, 240))
    strip = desk.page.loading
    assert strip.isVisible()
    assert (strip.words.words(), strip.bar.value()) == ("Loading SmolLM2 · 50 %", 500)
    strip.cancel.click()
    assert desk.models.calls == [("cancel_load",)]
    desk.chat.say(ModelChanged("none"))
    assert strip.isHidden()
    assert desk.page.header.model_button.text().strip() == "Choose a model"


def test_a_failed_load_says_why(desk):
    notice = Notice(Fault.NO_TOKENIZER, {"path": "/m"}, "choose_model")
    desk.chat.say(ModelChanged("failed", "m", "/m", notice=notice))
    assert desk.page.transcript._notice[0].startswith("/m has no tokenizer.")
    desk.chat.show(None)
    assert desk.page.transcript._notice is not None
    desk.chat.say(ModelChanged("loading", "n", "/n"))
    assert desk.page.transcript._notice is None


def drop(desk, path: Path) -> bool:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path))])
    arguments = (Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier)
    enter = QDragEnterEvent(QPoint(9, 9), *arguments)
    enter.ignore()
    desk.window.dragEnterEvent(enter)
    if enter.isAccepted():
        desk.window.dropEvent(QDropEvent(QPointF(9, 9), *arguments))
    return enter.isAccepted()


def test_a_dropped_folder_is_loaded(desk, tmp_path):
    assert drop(desk, tmp_path)
    (tmp_path / "config.json").write_text("{}")
    assert drop(desk, tmp_path / "config.json")
    assert desk.chat.said("attach") == [([tmp_path / "config.json"],)], "other programs have one, too"
    (tmp_path / "model.safetensors").write_bytes(b"")
    assert drop(desk, tmp_path / "config.json")
    assert desk.models.calls == [("load", str(tmp_path), "auto", "auto")] * 2


def test_a_folder_dropped_on_the_composer_is_for_the_window(desk, tmp_path):
    files, words = QMimeData(), QMimeData()
    files.setUrls([QUrl.fromLocalFile(str(tmp_path))])
    files.setText(str(tmp_path))
    words.setText("words")
    editor = desk.page.composer.focusProxy()
    for data, is_for_editor in ((files, False), (words, True)):
        enter = QDragEnterEvent(
            QPoint(9, 9), Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
        )
        editor.dragEnterEvent(enter)
        assert enter.isAccepted() == is_for_editor


def test_what_is_no_file_of_this_machine_is_not_taken(desk):
    data = QMimeData()
    data.setUrls([QUrl("https://example.org/photo.jpg")])
    enter = QDragEnterEvent(
        QPoint(9, 9), Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    )
    enter.ignore()
    desk.window.dragEnterEvent(enter)
    assert not enter.isAccepted()
    assert desk.models.calls == []


# -- what can be done with a message -----------------------------------------------------------------------------------


def show_pair(desk, **fields):
    turns = Turn("u", "user", "Hi"), Turn("r", "assistant", "half a", finish_reason=fields.pop("reason", "length"))
    desk.chat.show(conversation("a", "A"), *turns)


def test_alt_enter_continues_only_a_reply_that_was_cut_off(desk, qtbot):
    show_pair(desk)
    press(desk, qtbot, Qt.Key.Key_Return, ALT)
    assert desk.chat.said("continue_reply") == [()]
    show_pair(desk, reason="stop")
    press(desk, qtbot, Qt.Key.Key_Return, ALT)
    assert desk.chat.said("continue_reply") == [()]


def test_up_in_the_empty_composer_edits_the_last_message(desk, qtbot):
    from chatdesk.ui.chat.editing import EditBox

    show_pair(desk)
    desk.page.composer.set_text("words")
    qtbot.keyClick(desk.page.composer.focusProxy(), Qt.Key.Key_Up)
    assert not desk.page.transcript.findChildren(EditBox)
    desk.page.composer.clear()
    qtbot.keyClick(desk.page.composer.focusProxy(), Qt.Key.Key_Up)
    (box,) = desk.page.transcript.findChildren(EditBox)
    box._text.setPlainText("Hello")
    qtbot.keyClick(box._text, Qt.Key.Key_Return, CTRL)
    assert desk.chat.said("edit") == [("u", "Hello", ())]
    assert desk.chat.said("send") == []
    qtbot.keyClick(box._text, Qt.Key.Key_Escape)
    assert desk.chat.said("stop") == []


def test_messages_are_deleted_pinned_and_brought_back(desk):
    show_pair(desk)
    desk.page.transcript.pin_requested.emit("r", True)
    desk.page.transcript.delete_requested.emit("u")
    assert desk.chat.said("pin_turn") == [("r", True)]
    assert desk.chat.said("delete_turn") == [("u",)]
    assert desk.page.undo_bar.isHidden()
    desk.chat.say(changes.UndoChanged("messages"))
    assert not desk.page.undo_bar.isHidden()
    desk.page.undo_bar.button.click()
    assert desk.chat.said("undo") == [()]
    desk.chat.say(changes.UndoChanged(""))
    assert desk.page.undo_bar.isHidden()


def test_ctrl_f_finds_and_escape_closes(desk, qtbot):
    show_pair(desk)
    press(desk, qtbot, Qt.Key.Key_F, CTRL)
    bar = desk.page.reading.find_bar
    assert bar.isVisible()
    bar.field.setText("h")
    assert bar.count.text() == "1 of 2"
    press(desk, qtbot, Qt.Key.Key_F3)
    assert bar.count.text() == "2 of 2"
    press(desk, qtbot, Qt.Key.Key_F3, Qt.KeyboardModifier.ShiftModifier)
    assert bar.count.text() == "1 of 2"
    press(desk, qtbot, Qt.Key.Key_Escape)
    assert bar.isHidden()
    assert desk.chat.said("stop") == []


def test_a_message_that_was_looked_for_comes_into_view(desk):
    turns = [Turn(str(n), "user", f"Words {n}") for n in range(100)]
    desk.chat.show(conversation("a", "A"), *turns)
    desk.chat.say(changes.Found("7"))
    row = desk.page.transcript._entries["7"].rows[0]
    assert row.view is not None
    assert 0 <= row.view.y() < desk.page.transcript.viewport().height()


def test_a_title_being_typed_outlives_the_one_that_the_first_reply_gives(desk):
    desk.show_some()
    header = desk.page.header
    header.edit_title()
    QTest.keyClicks(header.editor, "My own")
    desk.chat.say(changes.Renamed("Hi – Hello"))
    assert header.editor.isVisible()
    QTest.keyClick(header.editor, Qt.Key.Key_Return)
    assert desk.chat.said("rename") == [("b", "My own")]


def test_a_title_that_is_only_looked_at_is_not_given_back(desk):
    desk.show_some()
    desk.page.header.edit_title()
    desk.chat.say(changes.Renamed("Hi – Hello"))
    QTest.keyClick(desk.page.header.editor, Qt.Key.Key_Return)
    assert desk.chat.said("rename") == []
    assert desk.page.header.title.words() == "Hi – Hello"


def test_a_title_being_typed_is_kept_when_another_chat_is_begun(desk):
    desk.show_some()
    desk.chat.new = lambda: desk.chat.show(None)
    desk.page.header.edit_title()
    QTest.keyClicks(desk.page.header.editor, "My own")
    desk.page.new_chat()
    assert desk.chat.said("rename") == [("b", "My own")]
