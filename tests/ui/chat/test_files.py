"""Files on screen: dropped, pasted, chosen; as plates above the text; read in the viewer."""

from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDragLeaveEvent, QDropEvent, QGuiApplication
from PySide6.QtWidgets import QApplication, QFileDialog
from shiboken6 import isValid

from chatdesk.errors import Fault
from chatdesk.storage.records import Attachment
from chatdesk.tasks.changes import AttachingFailed, AttachmentsChanged, Notice, UndoChanged
from chatdesk.ui.attaching import proposed_name
from chatdesk.ui.chat.file_view import FileDialog
from chatdesk.ui.widgets.chips import Chip

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support .*", extend=True)
CTRL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
LONG = "二〇二六年春季学期自然语言处理课程期末作业要求与评分标准说明(修订第三版).txt"
FILES = (Attachment("notes.md", "# Notes\n"), Attachment(LONG, "第一条\n"), Attachment("run.log", "a\nb"))


@pytest.fixture
def composer(desk, qtbot):
    desk.window.activateWindow()
    qtbot.waitUntil(desk.window.isActiveWindow)
    desk.chat.say(AttachmentsChanged(FILES, (12, None, 1_234)))
    return desk.page.composer


def chips(composer) -> list[Chip]:
    return composer._files.chips.chips


def mime(*paths: object) -> QMimeData:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    return data


def hold(desk, data: QMimeData) -> bool:
    """Hold something over the window; whether it may be dropped."""
    enter = QDragEnterEvent(
        QPoint(9, 9), Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    )
    enter.ignore()
    desk.window.dragEnterEvent(enter)
    return enter.isAccepted()


def drop(desk, data: QMimeData) -> None:
    desk.window.dropEvent(
        QDropEvent(
            QPointF(9, 9), Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
        )
    )


# -- coming in ---------------------------------------------------------------------------------------------------------


def test_dropped_files_are_attached(desk, tmp_path):
    data = mime(tmp_path / "a.md", tmp_path / "b.txt")
    assert hold(desk, data)
    assert desk.page.composer._editor.placeholderText() == "Drop files to attach them"
    drop(desk, data)
    assert desk.chat.said("attach") == [([tmp_path / "a.md", tmp_path / "b.txt"],)]
    assert desk.page.composer._editor.placeholderText() == "Message"
    assert desk.models.calls == []


def test_files_held_over_the_window_and_taken_elsewhere(desk, tmp_path):
    assert hold(desk, mime(tmp_path / "a.md"))
    QApplication.sendEvent(desk.window, QDragLeaveEvent())
    assert desk.page.composer._editor.placeholderText() == "Message"
    assert desk.chat.said("attach") == []


def test_a_checkpoint_is_a_model_even_so(desk, tmp_path):
    assert hold(desk, mime(tmp_path))
    assert desk.page.composer._editor.placeholderText() == "Message"
    drop(desk, mime(tmp_path))
    assert (desk.models.calls, desk.chat.said("attach")) == ([("load", str(tmp_path), "auto", "auto")], [])


def test_files_dropped_on_the_settings_bring_the_chat(desk, tmp_path):
    desk.window.show_page("settings")
    drop(desk, mime(tmp_path / "a.md"))
    assert desk.page.isVisible()
    assert len(desk.chat.said("attach")) == 1


def test_pasted_files_are_attached_and_pasted_words_typed(desk, composer, qtbot, tmp_path):
    data = mime(tmp_path / "a.md")
    data.setText(str(tmp_path / "a.md"))  # a file manager gives both
    QGuiApplication.clipboard().setMimeData(data)
    qtbot.keyClick(composer._editor, Qt.Key.Key_V, CTRL)
    assert (desk.chat.said("attach"), composer.text()) == ([([tmp_path / "a.md"],)], "")
    QGuiApplication.clipboard().setText("words")
    qtbot.keyClick(composer._editor, Qt.Key.Key_V, CTRL)
    assert (len(desk.chat.said("attach")), composer.text()) == (1, "words")


@pytest.mark.parametrize("by_key", [True, False])
def test_files_are_chosen(desk, composer, qtbot, tmp_path, by_key):
    if by_key:
        qtbot.keyClick(desk.window, Qt.Key.Key_A, CTRL | SHIFT)
    else:
        composer._clip.click()
    (dialog,) = desk.window.findChildren(QFileDialog)
    assert dialog.fileMode() == QFileDialog.FileMode.ExistingFiles
    dialog.filesSelected.emit([str(tmp_path / "a.md"), str(tmp_path / "b.md")])
    assert desk.chat.said("attach") == [([tmp_path / "a.md", tmp_path / "b.md"],)]
    dialog.close()
    assert composer._clip.accessibleName() == "Attach files…"
    assert "Ctrl+Shift+A" in composer._clip.toolTip()


# -- above the text ----------------------------------------------------------------------------------------------------


def test_plates_say_name_and_tokens(composer):
    assert [chip.accessibleName() for chip in chips(composer)] == [
        "notes.md, 12 tokens",
        LONG,
        "run.log, 1,234 tokens",
    ]
    assert all(chip.isVisible() and chip.width() <= 290 for chip in chips(composer))
    assert chips(composer)[1].width() == 290  # the long one is cut, and whole in its tip
    assert chips(composer)[1].toolTip() == LONG


def test_a_name_is_never_markup_nor_breaks_its_line(desk, composer):
    desk.chat.say(AttachmentsChanged((Attachment("<b>a</b>\nb\u202e.txt", "x"),), (None,)))
    (chip,) = chips(composer)
    assert chip.name == "<b>a</b>\ufffdb\ufffd.txt"
    assert "&lt;b&gt;a&lt;/b&gt;\ufffdb\ufffd.txt" in chip.toolTip()


def test_counts_that_come_later_leave_the_focus(desk, composer, qtbot):
    chips(composer)[1].setFocus()
    before = chips(composer)
    desk.chat.say(AttachmentsChanged(FILES, (12, 1, 1_234)))
    assert chips(composer) == before
    assert chips(composer)[1].hasFocus()
    assert chips(composer)[1].accessibleName() == f"{LONG}, 1 token"


def test_plates_are_removed_by_mouse_and_keyboard(desk, composer, qtbot):
    cross = chips(composer)[0].stops()[1]
    assert cross.accessibleName() == "Take notes.md away"
    cross.click()
    chips(composer)[1].setFocus()
    qtbot.keyClick(chips(composer)[1], Qt.Key.Key_Delete)
    qtbot.keyClick(chips(composer)[1], Qt.Key.Key_Backspace)
    assert desk.chat.said("detach") == [(0,), (1,), (1,)]
    desk.chat.say(AttachmentsChanged((FILES[0], FILES[2]), (12, None)))
    assert chips(composer)[1].hasFocus()  # its neighbour
    desk.chat.say(AttachmentsChanged((), ()))
    assert composer._editor.hasFocus()
    assert not composer._files.isVisible()


def test_taking_away_can_be_undone(desk, qtbot):
    desk.chat.say(UndoChanged("file"))
    assert desk.page.undo_bar.isVisible()
    desk.page.undo_bar.button.click()
    assert desk.chat.said("undo") == [()]


def test_the_tab_key_goes_from_plate_to_plate_and_then_to_the_message(composer, qtbot):
    first, *others = composer._files.chips.stops()
    first.setFocus()
    seen = []
    for _ in range(6):
        qtbot.keyClick(QApplication.focusWidget(), Qt.Key.Key_Tab)
        seen.append(QApplication.focusWidget())
    assert seen == [*others, composer._editor]


def test_files_go_without_words(desk, composer, qtbot):
    qtbot.keyClick(composer._editor, Qt.Key.Key_Return)
    assert desk.chat.said("send") == [("",)]
    desk.chat.say(AttachmentsChanged((), ()))
    qtbot.keyClick(composer._editor, Qt.Key.Key_Return)
    assert len(desk.chat.said("send")) == 1


def test_many_files_scroll_in_a_narrow_window(desk, composer, qtbot):
    desk.window.resize(420, 700)
    many = tuple(Attachment(f"{number} {LONG}", "x") for number in range(20))
    desk.chat.say(AttachmentsChanged(many, (None,) * 20))
    assert composer._files.height() < 4 * chips(composer)[0].height()
    assert composer._files.verticalScrollBar().maximum() > 0
    right = max(chip.geometry().right() for chip in chips(composer))
    assert right <= composer._files.viewport().width()
    chips(composer)[19].setFocus(Qt.FocusReason.TabFocusReason)
    place = chips(composer)[19].mapTo(composer._files.viewport(), QPoint(0, 0)).y()
    assert 0 <= place < composer._files.viewport().height()


def test_why_files_are_not_there(desk, composer):
    said = [Notice(Fault.ATTACHMENT_BINARY, {"name": f"{number}.jpg"}) for number in range(5)]
    before = composer.height()
    desk.chat.say(AttachingFailed(tuple(said)))
    lines = composer._problems.text().splitlines()
    assert lines[0] == "0.jpg is not a text file. Save what it says as plain text and choose that."
    assert (len(lines), lines[3]) == (4, "2 more files were not attached.")
    assert composer.height() > before
    desk.chat.say(AttachingFailed(tuple(said[:4])))
    assert composer._problems.text().splitlines()[3] == "Another file was not attached."
    desk.chat.say(AttachingFailed(()))
    assert (composer._problems.isVisible(), composer.height()) == (False, before)


def test_another_language_keeps_the_files(desk, composer, qtbot):
    desk.settings["language"] = "zh_CN"
    qtbot.waitUntil(lambda: desk.page.composer is not composer)
    assert [chip.name for chip in chips(desk.page.composer)] == [file.name for file in FILES]


# -- the viewer --------------------------------------------------------------------------------------------------------


@pytest.fixture
def viewer(desk, composer, qtbot) -> FileDialog:
    qtbot.keyClick(chips(composer)[0], Qt.Key.Key_Return)
    found = desk.window.findChild(FileDialog)
    qtbot.waitUntil(found.text.is_whole)
    return found


def test_a_plate_opens_its_file(desk, composer, viewer, qtbot):
    assert (viewer.windowTitle(), viewer.text.toPlainText()) == ("notes.md", "# Notes\n")
    assert viewer.words.text() == "1 line · 8 characters"
    [(file, told)] = desk.chat.said("look_at")
    assert file == FILES[0]
    told(12)
    assert viewer.words.text() == "1 line · 8 characters · 12 tokens"
    viewer.copy.click()
    assert QGuiApplication.clipboard().text() == "# Notes\n"
    assert viewer.status.words() == "Copied."
    qtbot.keyClick(viewer, Qt.Key.Key_Escape)
    qtbot.waitUntil(lambda: not isValid(viewer))
    told(13)  # late


def test_a_file_is_saved_as(desk, viewer, tmp_path):
    viewer.save.click()
    (dialog,) = viewer.findChildren(QFileDialog)
    assert dialog.acceptMode() == QFileDialog.AcceptMode.AcceptSave
    assert Path(dialog.selectedFiles()[0]).name == "notes.md"
    dialog.fileSelected.emit(str(tmp_path / "copy.md"))
    assert desk.shelf.said("save") == [(FILES[0], tmp_path / "copy.md")]
    desk.shelf.callbacks["save"](Notice(Fault.DISK_FULL, {"path": "/data"}))
    assert viewer.status.words().startswith("The disk with /data is full.")
    desk.shelf.callbacks["save"](None)
    assert viewer.status.words() == "Saved."
    dialog.close()


def test_text_of_a_file_is_shown_as_it_is(desk, qtbot):
    hostile = "<b>bold</b> ![x](file:///etc/hostname)\n\x1b[31mred\n" + "long" * 50_000 + "\nend"
    desk.page.file_wanted.emit(Attachment("<i>x</i>", hostile))
    found = desk.window.findChild(FileDialog)
    qtbot.waitUntil(found.text.is_whole)
    shown = found.text.toPlainText()
    assert shown.startswith("<b>bold</b> ![x](file:///etc/hostname)\n^[[31mred\nlong")
    assert shown.endswith("\nend")
    assert found.words.text() == f"4 lines · {len(hostile):,} characters"
    found.copy.click()
    assert QGuiApplication.clipboard().text() == hostile


def test_lines_of_every_kind_are_whole(desk, qtbot):
    """Blank ones, many, long ones in a row, none at the end."""
    text = "\n" * 40_000 + "a\n" * 9_000 + ("b" * 9_000 + "\n") * 3 + "\n\nc"
    desk.page.file_wanted.emit(Attachment("a.txt", text))
    found = desk.window.findChild(FileDialog)
    qtbot.waitUntil(found.text.is_whole)
    found.text.selectAll()
    found.text.setFocus()
    found.text.copy()
    assert QGuiApplication.clipboard().text() == text


@pytest.mark.parametrize(
    ("name", "proposed"),
    [
        ("a.md", "a.md"),
        ("../../x.md", ".. .. x.md"),
        ("CON.txt", "_CON.txt"),
        (LONG, LONG),
        ("a.b/c", "a.b c"),
        ("", "conversation"),
    ],
)
def test_the_name_that_is_proposed(name, proposed):
    assert proposed_name(name).strip(". ") == proposed.strip(". ")
