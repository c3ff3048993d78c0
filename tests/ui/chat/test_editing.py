"""What can be done with a message: its buttons, its menu, editing it in its place."""

import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QEnterEvent, QGuiApplication
from PySide6.QtWidgets import QAbstractButton, QApplication, QMenu, QPlainTextEdit

from chatdesk.tasks.changes import Turn
from chatdesk.ui import theme
from chatdesk.ui.chat.editing import EditBox
from chatdesk.ui.chat.footer import Footer
from chatdesk.ui.chat.transcript import Transcript

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support .*", extend=True)
CTRL = Qt.KeyboardModifier.ControlModifier


def own(number: int, text: str = "A question", **fields) -> Turn:
    return Turn(f"u{number}", "user", text, **fields)


def reply(number: int, text: str = "An answer", **fields) -> Turn:
    return Turn(f"r{number}", "assistant", text, finish_reason=fields.pop("finish_reason", "stop"), **fields)


def visible(transcript: Transcript, name: str) -> list[QAbstractButton]:
    found = [each for each in transcript.findChildren(QAbstractButton) if each.accessibleName() == name]
    return sorted((each for each in found if each.isVisible()), key=lambda b: b.mapTo(transcript, QPoint(0, 0)).y())


def box(transcript: Transcript) -> EditBox:
    (found,) = [each for each in transcript.findChildren(EditBox) if each.isVisible()]
    return found


def typed(transcript: Transcript) -> QPlainTextEdit:
    return box(transcript)._text


@pytest.mark.parametrize("reason", ["length", "context", "cancelled", "interrupted", "error", "stop"])
def test_only_a_last_reply_that_was_cut_off_can_be_continued(transcript, qtbot, reason) -> None:
    transcript.show_turns([own(0), reply(0, finish_reason="length"), own(1), reply(1, finish_reason=reason)])
    found = visible(transcript, "Continue the reply")
    assert len(found) == (reason != "stop")
    if found:
        with qtbot.waitSignal(transcript.continue_requested):
            found[0].click()


def test_versions_of_own_messages(transcript, qtbot) -> None:
    transcript.show_turns([own(0, version=2, versions=3), reply(0)])
    (back,) = visible(transcript, "Previous version")
    with qtbot.waitSignal(transcript.version_requested) as asked:
        back.click()
    assert asked.args == ["u0", -1]
    assert [each._version.text() for each in transcript.findChildren(Footer) if each._version.isVisible()] == ["2 / 3"]


def menu_of(transcript: Transcript, number: int) -> QMenu:
    visible(transcript, "More")[number].click()
    menus = [menu for menu in transcript.findChildren(QMenu) if menu.isVisible()]
    return menus[-1]


def test_the_menu_of_a_reply(transcript, qtbot) -> None:
    transcript.show_turns([own(0), reply(0, "# Title\n\nA *word* and\n\n- [one](https://a.b)\n- two")])
    menu = menu_of(transcript, 1)
    entries = {action.text(): action for action in menu.actions()}
    assert list(entries) == [
        "Copy as plain text", "Copy as Markdown", "Look at the tokens…",
        "Pin", "Export the message…", "Delete from here",
    ]  # fmt: skip
    entries["Copy as plain text"].trigger()
    assert QGuiApplication.clipboard().text() == "Title\n\nA word and\n\n- one\n- two"
    entries["Copy as Markdown"].trigger()
    assert QGuiApplication.clipboard().text() == "# Title\n\nA *word* and\n\n- [one](https://a.b)\n- two"
    with qtbot.waitSignal(transcript.pin_requested) as asked:
        entries["Pin"].trigger()
    assert asked.args == ["r0", True]
    with qtbot.waitSignal(transcript.delete_requested) as asked:
        entries["Delete from here"].trigger()
    assert asked.args == ["r0"]
    menu.close()


BRANCHES = ["Write another reply here", "Branch from here"]


def test_another_branch_begins_at_any_message_with_something_below(transcript, qtbot) -> None:
    transcript.show_turns([own(0), reply(0, versions=2), own(1), reply(1)])
    menus = []
    for number in range(4):
        menu = menu_of(transcript, number)
        menus.append({action.text(): action for action in menu.actions()})
        menu.close()
    assert [[words for words in entries if words in BRANCHES] for entries in menus] == [
        BRANCHES[1:], BRANCHES, BRANCHES[1:], [],
    ]  # fmt: skip
    with qtbot.waitSignal(transcript.branch_requested) as asked:
        menus[0]["Branch from here"].trigger()
    assert asked.args == ["u0"]
    with qtbot.waitSignal(transcript.regenerate_requested) as asked:
        menus[1]["Write another reply here"].trigger()
    assert asked.args == ["r0"]


def test_while_a_reply_is_written_no_other_branch_is_offered(transcript) -> None:
    transcript.show_turns([own(0), reply(0, versions=2), own(1)])
    transcript.add(Turn("r1", "assistant", "", "waiting"))
    kept = {"Copy as plain text", "Copy as Markdown", "Look at the tokens…", "Pin", "Export the message…"}

    def enabled() -> set[str]:
        menu = menu_of(transcript, 1)
        found = {action.text() for action in menu.actions() if action.isEnabled()}
        menu.close()
        return found

    assert enabled() == kept
    transcript.replace("r1", reply(1))
    assert enabled() == kept | {"Compare the versions", *BRANCHES, "Delete from here"}


def test_the_menu_of_a_pinned_message(transcript, qtbot) -> None:
    transcript.show_turns([own(0, is_pinned=True), reply(0)])
    menu = menu_of(transcript, 0)
    entries = {action.text(): action for action in menu.actions()}
    assert list(entries) == ["Branch from here", "Unpin", "Export the message…", "Delete from here"]
    with qtbot.waitSignal(transcript.pin_requested) as asked:
        entries["Unpin"].trigger()
    assert asked.args == ["u0", False]
    assert transcript._live[1].view._figures.text() == "pinned"
    menu.close()


def test_buttons_of_own_messages_are_drawn_with_the_pointer(transcript) -> None:
    transcript.show_turns([own(0), reply(0)])
    view, footer = transcript._live[0].view, transcript._live[1].view
    assert not footer._edit._drawn
    view.setAttribute(Qt.WidgetAttribute.WA_UnderMouse)
    QApplication.sendEvent(view, QEnterEvent(QPointF(1, 1), QPointF(1, 1), QPointF(1, 1)))
    assert footer._edit._drawn
    view.setAttribute(Qt.WidgetAttribute.WA_UnderMouse, False)
    QApplication.sendEvent(view, QEvent(QEvent.Type.Leave))
    assert not footer._edit._drawn


def test_an_own_message_is_edited_and_asked_again(transcript, qtbot) -> None:
    transcript.show_turns([own(0, "First words"), reply(0)])
    visible(transcript, "Edit the message")[0].click()
    assert typed(transcript).toPlainText() == "First words"
    assert QApplication.focusWidget() is typed(transcript)
    assert box(transcript)._save.text() == "Save and ask"
    typed(transcript).setPlainText("Other\u00a0words")
    with qtbot.waitSignal(transcript.edit_saved) as saved:
        qtbot.keyClick(typed(transcript), Qt.Key.Key_Return, CTRL)
    assert saved.args == ["u0", "Other\u00a0words", ()]
    assert typed(transcript).toPlainText()  # stays until it is stored
    transcript.show_turns([own(7, "Other\u00a0words", version=2, versions=2)])
    assert not [each for each in transcript.findChildren(EditBox) if each.isVisible()]
    transcript.show_turns([own(0, "First words"), reply(0)])
    assert not [each for each in transcript.findChildren(EditBox) if each.isVisible()]


def test_an_edit_that_was_refused_is_there_when_its_conversation_is_opened_again(transcript, qtbot) -> None:
    transcript.show_turns([own(0, "First words"), reply(0)])
    transcript.edit("u0")
    typed(transcript).setPlainText("Other words")
    with qtbot.waitSignal(transcript.edit_saved):
        qtbot.keyClick(typed(transcript), Qt.Key.Key_Return, CTRL)
    transcript.set_notice("The disk is full.")
    transcript.show_turns([own(7)])
    transcript.show_turns([own(0, "First words"), reply(0)])
    assert typed(transcript).toPlainText() == "Other words"


def test_a_reply_is_edited(transcript, qtbot) -> None:
    transcript.show_turns([own(0), reply(0, "# An answer")])
    visible(transcript, "Edit the reply")[0].click()
    assert box(transcript)._save.text() == "Save"
    qtbot.keyClick(typed(transcript), Qt.Key.Key_Return)
    assert box(transcript).text() == "# An answer\n"
    with qtbot.waitSignal(transcript.edit_saved) as saved:
        box(transcript)._save.click()
    assert saved.args == ["r0", "# An answer\n", ()]


def test_escape_leaves_everything_as_it_was(transcript, qtbot) -> None:
    transcript.show_turns([own(0, "First words"), reply(0)])
    transcript.edit("u0")
    typed(transcript).setPlainText("Other words")
    with qtbot.waitSignal(transcript.edit_left):
        qtbot.keyClick(typed(transcript), Qt.Key.Key_Escape)
    assert [row.kind for row in transcript._live] == ["piece", "footer", "piece", "footer"]
    transcript.edit("u0")
    assert typed(transcript).toPlainText() == "First words"


def test_an_unchanged_reply_is_not_saved(transcript, qtbot) -> None:
    transcript.show_turns([own(0), reply(0, "a\u2028b\u00a0c")])
    saved = []
    transcript.edit_saved.connect(lambda *args: saved.append(args))
    transcript.edit("r0")
    qtbot.keyClick(typed(transcript), Qt.Key.Key_Return, CTRL)
    assert saved == []
    assert [row.kind for row in transcript._live] == ["piece", "footer", "piece", "footer"]


def test_blank_texts_and_texts_during_a_reply_cannot_be_saved(transcript) -> None:
    transcript.show_turns([own(0), reply(0), own(1)])
    transcript.edit("u0")
    assert box(transcript)._save.isEnabled()
    transcript.add(Turn("s", "assistant", "", state="waiting"))
    transcript.verticalScrollBar().setValue(0)
    assert not box(transcript)._save.isEnabled()
    transcript.remove("s")
    assert box(transcript)._save.isEnabled()
    typed(transcript).setPlainText(" \n ")
    assert not box(transcript)._save.isEnabled()


def test_tab_goes_from_the_text_to_its_buttons(desk, qtbot) -> None:
    desk.window.activateWindow()
    transcript = desk.page.transcript
    transcript.show_turns([own(0), reply(0)])
    transcript.edit("u0")
    qtbot.keyClick(typed(transcript), Qt.Key.Key_Tab)
    assert QApplication.focusWidget() is box(transcript)._cancel
    qtbot.keyClick(box(transcript)._cancel, Qt.Key.Key_Tab)
    assert QApplication.focusWidget() is box(transcript)._save


def test_what_is_typed_is_kept_while_it_is_out_of_sight(transcript) -> None:
    turns = [turn for number in range(60) for turn in (own(number), reply(number))]
    transcript.show_turns(turns)
    transcript.edit("u0")
    typed(transcript).setPlainText("half a tho")
    transcript.setFocus()
    transcript.verticalScrollBar().setValue(transcript.verticalScrollBar().maximum())
    assert not transcript.findChildren(EditBox) or not box_is_near(transcript)
    transcript.show_turns([own(900)])
    transcript.show_turns(turns)
    theme.watcher.changed.emit()
    transcript.verticalScrollBar().setValue(0)
    assert typed(transcript).toPlainText() == "half a tho"


def box_is_near(transcript: Transcript) -> bool:
    return any(row.kind == "editor" for row in transcript._live)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("text", ["word " * 200_000, "a" * 1_000_000, "line\n" * 100_000])
def test_long_texts_can_be_edited(transcript, qtbot, text) -> None:
    transcript.show_turns([own(0, text), reply(0)])
    transcript.edit("u0")
    assert box(transcript).height() < transcript.viewport().height()
    qtbot.keyClick(typed(transcript), Qt.Key.Key_X)
    assert box(transcript).text() == text + "x"


def test_the_box_is_as_high_as_its_text(transcript) -> None:
    transcript.show_turns([own(0, "One line"), reply(0)])
    transcript.edit("u0")
    low = box(transcript).height()
    typed(transcript).setPlainText("line\n" * 8)
    assert low + 80 < box(transcript).height() <= 320
    assert typed(transcript).parentWidget().geometry().bottom() <= transcript.viewport().height()


def test_the_last_own_message_is_found(transcript) -> None:
    assert not transcript.edit_last_own()
    transcript.show_turns([own(0), reply(0), own(1, "The last"), reply(1)])
    assert transcript.edit_last_own()
    assert typed(transcript).toPlainText() == "The last"


def test_a_reply_goes_on_as_one_message(transcript) -> None:
    transcript.show_turns([own(0), reply(0, "One two", finish_reason="length")])
    transcript.replace("r0", Turn("s", "assistant", "One two", state="waiting"))
    assert [row.kind for row in transcript._live] == ["piece", "footer", "piece"]
    transcript.grow("s", " three")
    transcript.replace("s", reply(9, "One two three"))
    assert transcript.text_of("r9") == "One two three"
    assert [row.kind for row in transcript._live] == ["piece", "footer", "piece", "footer"]


def test_what_is_typed_is_told_and_comes_back(transcript, qtbot) -> None:
    said: list[tuple[str, str | None]] = []
    transcript.edit_typed.connect(lambda id, text: said.append((id, text)))
    transcript.keep_edits({"u0": "A longer question", "u1": "A question", "gone": "x"})  # of an earlier session
    transcript.show_turns([own(0), reply(0), own(1), reply(1)])
    assert typed(transcript).toPlainText() == "A longer question"  # the other one says what the message says
    assert said == []
    typed(transcript).setPlainText("Better")
    assert said == [("u0", "Better")]
    transcript.keep_edits({"u0": "older"})
    transcript.show_turns([own(0), reply(0), own(1), reply(1)])
    assert typed(transcript).toPlainText() == "Better"
    qtbot.keyClick(typed(transcript), Qt.Key.Key_Escape)
    assert said[-1] == ("u0", None)
