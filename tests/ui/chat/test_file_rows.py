"""The files of a message in the transcript, and while the message is edited."""

import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QEnterEvent
from PySide6.QtWidgets import QApplication

from chatdesk.storage.records import Attachment
from chatdesk.tasks.changes import AttachmentsChanged, Turn
from chatdesk.ui.chat.editing import EditBox
from chatdesk.ui.chat.file_row import FileRow
from chatdesk.ui.chat.file_view import FileDialog
from chatdesk.ui.chat.footer import Footer
from chatdesk.ui.chat.transcript import Transcript
from chatdesk.ui.widgets.chips import Chip
from tests.ui.scripted import conversation

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support .*", extend=True)
LONG = "二〇二六年春季学期自然语言处理课程期末作业要求与评分标准说明(修订第三版).txt"
NOTES, PLAN = Attachment("notes.md", "# Notes\n"), Attachment(LONG, "第一条\n")


def own(text: str = "What is this?", files=(NOTES, PLAN), id: str = "u") -> Turn:
    return Turn(id, "user", text, attachments=files)


REPLY = Turn("r", "assistant", "A list.", finish_reason="stop")


def kinds(transcript: Transcript) -> list[str]:
    return [row.kind for row in transcript._live]


def chips(transcript: Transcript) -> list[Chip]:
    return [chip for chip in transcript.findChildren(Chip) if chip.isVisible()]


def box(transcript: Transcript) -> EditBox:
    (found,) = [each for each in transcript.findChildren(EditBox) if each.isVisible()]
    return found


def test_files_stand_above_the_words_at_the_right(transcript) -> None:
    transcript.show_turns([own(), REPLY])
    assert kinds(transcript) == ["files", "piece", "footer", "piece", "footer"]
    files, words = transcript._live[0].view, transcript._live[1].view
    assert files.y() < words.y()
    right = max(chip.mapTo(transcript, QPoint(chip.width(), 0)).x() for chip in chips(transcript))
    assert right == files.mapTo(transcript, QPoint(files.width(), 0)).x()
    assert [chip.accessibleName() for chip in chips(transcript)] == ["notes.md", LONG]
    assert not any(chip._cross for chip in chips(transcript))  # what is sent stays


def test_a_message_without_words_is_its_files(transcript) -> None:
    transcript.show_turns([own(""), REPLY])
    assert kinds(transcript) == ["files", "footer", "piece", "footer"]
    transcript.edit("u")
    assert box(transcript)._save.isEnabled()


def test_files_of_a_reply_stand_below_it(transcript) -> None:
    """Another program's export may hold such a thing."""
    transcript.show_turns([own(files=()), Turn("r", "assistant", "<think>so</think>Here.", attachments=(NOTES,))])
    assert kinds(transcript) == ["piece", "footer", "piece", "piece", "files", "footer"]


def test_a_plate_opens_its_file(transcript, qtbot) -> None:
    transcript.show_turns([own()])
    for chip, file in zip(chips(transcript), (NOTES, PLAN), strict=True):
        with qtbot.waitSignal(transcript.file_wanted) as wanted:
            qtbot.keyClick(chip, Qt.Key.Key_Return)
        assert wanted.args == [file]
    qtbot.keyClick(chips(transcript)[0], Qt.Key.Key_Delete)  # nothing: what is sent stays
    assert len(chips(transcript)) == 2


def test_the_window_shows_the_file(desk, qtbot) -> None:
    desk.chat.show(conversation("a", "A"), own())
    chips(desk.page.transcript)[1].click()
    assert desk.window.findChild(FileDialog).windowTitle() == LONG


def test_a_narrow_transcript_cuts_long_names(transcript) -> None:
    transcript.resize(320, 500)
    transcript.show_turns([own()])
    assert all(chip.mapTo(transcript, QPoint(0, 0)).x() >= 0 for chip in chips(transcript))
    assert len({chip.mapTo(transcript, QPoint(0, 0)).y() for chip in chips(transcript)}) == 2


def test_the_pointer_on_a_file_brings_the_buttons_of_the_message(transcript) -> None:
    transcript.show_turns([own(), REPLY])
    (files,) = [each for each in transcript.findChildren(FileRow) if each.isVisible()]
    footer = next(each for each in transcript.findChildren(Footer) if each._own)
    assert not footer._copy._drawn
    files.setAttribute(Qt.WidgetAttribute.WA_UnderMouse)
    QApplication.sendEvent(files, QEnterEvent(QPointF(1, 1), QPointF(1, 1), QPointF(1, 1)))
    assert footer._copy._drawn
    files.setAttribute(Qt.WidgetAttribute.WA_UnderMouse, False)
    QApplication.sendEvent(files, QEvent(QEvent.Type.Leave))
    assert not footer._copy._drawn


def test_files_on_screen_are_counted(desk) -> None:
    desk.chat.show(conversation("a", "A"), own(), REPLY)
    asked = dict(desk.chat.said("look_at"))
    assert list(asked) == [NOTES, PLAN]
    shown = chips(desk.page.transcript)
    before = shown[0].x()
    asked[PLAN](1_234)
    asked[PLAN](1_234)
    assert [chip.accessibleName() for chip in shown] == ["notes.md", f"{LONG}, 1,234 tokens"]
    asked[NOTES](1)
    assert shown[0].accessibleName() == "notes.md, 1 token"
    assert shown[0].x() < before  # it has become wider, to the left
    desk.chat.say(AttachmentsChanged((), ()))  # another model may have been loaded
    assert desk.chat.said("look_at")[-2:] == list(asked.items())
    desk.chat.show(None)
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    asked[NOTES](2)  # late


# -- editing -----------------------------------------------------------------------------------------------------------


def test_a_file_is_taken_away_from_another_version(transcript, qtbot) -> None:
    transcript.show_turns([own(), REPLY])
    transcript.edit("u")
    assert [chip.name for chip in chips(transcript)] == ["notes.md", LONG]
    chips(transcript)[0].setFocus()
    qtbot.keyClick(chips(transcript)[0], Qt.Key.Key_Delete)
    assert [chip.name for chip in chips(transcript)] == [LONG]
    assert chips(transcript)[0].hasFocus()
    with qtbot.waitSignal(transcript.edit_saved) as saved:
        box(transcript)._save.click()
    assert saved.args == ["u", "What is this?", (PLAN,)]


def test_without_words_and_files_nothing_can_be_saved(transcript, qtbot) -> None:
    transcript.show_turns([own("", (NOTES,)), REPLY])
    transcript.edit("u")
    chips(transcript)[0].stops()[1].click()
    assert not box(transcript)._save.isEnabled()
    assert not chips(transcript)
    box(transcript)._text.setPlainText("Words")
    assert box(transcript)._save.isEnabled()


def test_cancel_brings_the_files_back(transcript, qtbot) -> None:
    transcript.show_turns([own(), REPLY])
    transcript.edit("u")
    chips(transcript)[0].stops()[1].click()
    with qtbot.waitSignal(transcript.edit_left):
        box(transcript)._cancel.click()
    assert [chip.name for chip in chips(transcript)] == ["notes.md", LONG]
    transcript.edit("u")
    assert [chip.name for chip in chips(transcript)] == ["notes.md", LONG]


def test_what_was_taken_away_is_remembered_while_the_message_is_far_away(transcript) -> None:
    turns = [own()] + [Turn(f"r{n}", "assistant", "word\n\n" * 200, finish_reason="stop") for n in range(10)]
    transcript.show_turns(turns)
    transcript.edit("u")
    chips(transcript)[0].stops()[1].click()
    transcript.setFocus()
    transcript.go_to("r9")
    assert not [each for each in transcript.findChildren(EditBox) if each.isVisible()]
    transcript.edit("u")
    assert [chip.name for chip in chips(transcript)] == [LONG]


def test_a_file_can_be_read_while_editing(transcript, qtbot) -> None:
    transcript.show_turns([own()])
    transcript.edit("u")
    with qtbot.waitSignal(transcript.file_wanted) as wanted:
        chips(transcript)[1].click()
    assert wanted.args == [PLAN]


def test_the_tab_key_goes_through_files_text_and_buttons(transcript) -> None:
    transcript.show_turns([own()])
    transcript.edit("u")
    stops = box(transcript).stops()
    names = [stop.accessibleName() for stop in stops[:4]]
    assert names == ["notes.md", "Take notes.md away", LONG, f"Take {LONG} away"]
    assert len(stops) == 7
