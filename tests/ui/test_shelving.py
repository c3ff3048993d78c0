import time
from pathlib import Path

import msgspec
import pytest
from PySide6.QtCore import Qt, QUrl
from PySide6.QtGui import QGuiApplication, QTextDocument
from PySide6.QtWidgets import QFileDialog, QInputDialog, QMessageBox
from shiboken6 import isValid

from chatdesk.errors import Fault
from chatdesk.storage.backups import Backup
from chatdesk.storage.conversations import TRASH_DAYS
from chatdesk.storage.records import Removal
from chatdesk.storage.transfer.store import Imported
from chatdesk.storage.transfer.trees import Reason, Skipped
from chatdesk.tasks.changes import Notice, Turn
from chatdesk.ui.pdf import PdfExport, _Document, pieces
from chatdesk.ui.settings.records import BackupsDialog, ImportDialog, ReportDialog, TrashDialog
from tests.ui.scripted import conversation

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support .*", extend=True)
LONG_AGO = 1_700_000_000.0


def entries(dialog):
    return [
        dialog.entries.index(row).data(Qt.ItemDataRole.AccessibleTextRole) for row in range(dialog.entries.rowCount())
    ]


def message_box(desk):
    return desk.window.findChildren(QMessageBox)[-1]


def click(box, words):
    next(button for button in box.buttons() if button.text() == words).click()


def choose(desk, path, name_filter=""):
    """Answer the file dialog."""
    dialog = desk.window.findChildren(QFileDialog)[-1]
    if name_filter:
        dialog.selectNameFilter(name_filter)
    dialog.fileSelected.emit(str(path))
    dialog.close()


# -- out and in --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "what"), [("markdown", "branch"), ("html", "branch"), ("json", "conversation")])
def test_exporting_the_open_chat(desk, tmp_path, kind, what):
    desk.show_some()
    exports = next(action.menu() for action in desk.page.header.more.actions() if action.text() == "Export as")
    next(a for a in exports.actions() if a.text().casefold().startswith(kind)).trigger()
    choose(desk, tmp_path / "x")
    target, said, asked, id, labels = desk.shelf.said("export")[0]
    assert (target, said, asked, id, labels.user) == (tmp_path / "x", what, kind, "b", "You")
    assert QGuiApplication.overrideCursor() is not None
    desk.shelf.callbacks["export"](None)
    assert QGuiApplication.overrideCursor() is None
    assert message_box(desk).text() == f"Exported to {tmp_path / 'x'}"


def test_a_failed_export_says_why(desk, tmp_path):
    desk.show_some()
    desk.page.list.export_wanted.emit("a", "json")
    choose(desk, tmp_path / "x.json")
    desk.shelf.callbacks["export"](Notice(Fault.DISK_FULL, {"path": "/disk"}))
    assert message_box(desk).text().startswith("The disk with /disk is full.")
    assert QGuiApplication.overrideCursor() is None


def test_the_proposed_name_is_one_every_system_takes(desk):
    desk.chat.say(*[])
    from chatdesk.tasks.changes import ListChanged

    desk.chat.say(ListChanged((conversation("a", 'What: "a/b"?'),)))
    desk.page.list.export_wanted.emit("a", "markdown")
    proposed = desk.window.findChildren(QFileDialog)[-1].selectedFiles()[0]
    assert Path(proposed).suffix == ".md"
    assert not set(Path(proposed).name) & set('/\\:*?"<>|')


def test_a_new_chat_has_nothing_to_export(desk):
    desk.window.shelving.export("pdf")
    assert desk.window.findChildren(QFileDialog) == []


@pytest.mark.parametrize(
    ("name", "name_filter", "kind"),
    [
        ("all", "HTML (*.html)", "html"),
        ("all.md", "HTML (*.html)", "markdown"),
        ("all.JSON", "", "json"),
        ("all.x", "", "json"),
    ],
)
def test_everything_in_the_format_that_is_chosen(desk, tmp_path, name, name_filter, kind):
    desk.window.show_page("settings")
    desk.window.settings_page.export_button.click()
    choose(desk, tmp_path / name, name_filter)
    assert desk.shelf.said("export")[0][:4] == (tmp_path / name, "all", kind, "")
    desk.shelf.callbacks["export"](None)


@pytest.mark.parametrize(
    ("result", "words", "lines"),
    [
        (Imported(("a",), (), (), ()), "1 conversation came in.", ""),
        (
            Imported(("a", "b"), ("c",), ("d",), (Skipped("x.json", Reason.NOT_JSON), Skipped("Plan", Reason.TOOL, 4))),
            "2 conversations came in.\n1 got more messages.\n1 was here already.\n2 did not come in as they are:",
            "x.json: it is not JSON, or only a part of it is there\n"
            "Plan: messages from and to tools are not imported (× 4)",
        ),
    ],
)
def test_what_an_import_brought(desk, tmp_path, result, words, lines):
    desk.window.show_page("settings")
    desk.window.settings_page.import_button.menu().actions()[0].trigger()
    choose(desk, tmp_path / "x.zip")
    assert desk.shelf.said("import_file") == [(tmp_path / "x.zip",)]
    desk.shelf.callbacks["import_file"](result)
    report = desk.window.findChild(ReportDialog)
    assert (report.words.text(), report.lines.toPlainText()) == (words, lines)
    assert report.lines.isHidden() is not bool(lines)
    assert QGuiApplication.overrideCursor() is None


def begin_import(desk, tmp_path):
    """An import that takes its time, and its dialog."""
    desk.window.show_page("settings")
    desk.window.shelving.import_from()
    choose(desk, tmp_path / "conversations.json")
    return desk.window.findChild(ImportDialog)


def test_a_long_import_says_how_far_it_is_and_can_be_stopped(desk, qtbot, tmp_path):
    dialog = begin_import(desk, tmp_path)
    qtbot.waitUntil(dialog.isVisible)
    assert dialog.words.text() == "Reading conversations.json…"
    dialog.show_progress(3, 12)
    assert dialog.words.text() == "3 of 12 conversations are stored. Until all are, none is kept."
    assert (dialog.progress.value(), dialog.progress.maximum()) == (3, 12)
    assert desk.shelf.said("stop import_file") == []
    dialog.close_button.click()
    qtbot.waitUntil(lambda: not isValid(dialog))
    assert desk.shelf.said("stop import_file") == [()]
    assert QGuiApplication.overrideCursor() is not None  # until it has stopped
    desk.shelf.callbacks["import_file"](Notice(Fault.CANCELLED, {}))
    assert QGuiApplication.overrideCursor() is None
    assert desk.window.findChildren(QMessageBox) == []


def test_the_dialog_of_an_import_goes_when_that_ends(desk, qtbot, tmp_path):
    """Also one that ended before it was shown; what came in although it was stopped is said."""
    for is_stopped in (False, True, None):
        dialog = begin_import(desk, tmp_path)
        if is_stopped is not None:
            qtbot.waitUntil(dialog.isVisible)
        if is_stopped:
            dialog.reject()
        desk.shelf.callbacks["import_file"](Imported(("a",), (), (), ()))
        report = desk.window.findChild(ReportDialog)
        assert report.words.text() == "1 conversation came in."
        report.accept()
        qtbot.waitUntil(lambda dialogs=(dialog, report): not any(map(isValid, dialogs)))


def test_an_import_of_thousands_of_faults_is_cut(desk):
    skipped = tuple(Skipped(f"{n}.json", Reason.EMPTY) for n in range(5000))
    desk.window.shelving._imported(Imported((), (), (), skipped))
    lines = desk.window.findChild(ReportDialog).lines.toPlainText().splitlines()
    assert (len(lines), lines[-1]) == (201, "… and 4800 more")


def test_an_unreadable_import_says_why(desk, tmp_path):
    desk.window.shelving.import_from(is_folder=True)
    choose(desk, tmp_path)
    desk.shelf.callbacks["import_file"](Notice(Fault.IMPORT_UNREADABLE, {"path": "x", "reason": "it is empty"}))
    assert message_box(desk).text().startswith("Nothing was imported from x: it is empty.")


# -- PDF ---------------------------------------------------------------------------------------------------------------

PAGE = "<html><head><style>p { color: #000 }</style></head><body><h1>T</h1>{}</body></html>"
MESSAGE = '<div class="message user"><h2>1. You</h2><p>{}</p></div>'


def printed(qtbot, html, target):
    """The notice of an export to PDF."""
    from PySide6.QtCore import QObject

    parent, said = QObject(), []
    PdfExport(html, target, said.append, parent)
    qtbot.waitUntil(lambda: len(said) == 1, timeout=60_000)
    return said[0]


def test_a_pdf_of_the_open_chat(desk, qtbot, tmp_path):
    desk.show_some()
    target = tmp_path / "x.pdf"
    desk.window.shelving.export("pdf", "a")
    choose(desk, target)
    assert desk.shelf.said("html_for_print")[0][:2] == ("branch", "a")
    desk.shelf.callbacks["html_for_print"](PAGE.replace("{}", MESSAGE.format("Hello 你好")))
    qtbot.waitUntil(target.exists, timeout=60_000)
    assert target.read_bytes().startswith(b"%PDF")
    assert message_box(desk).text() == f"Exported to {target}"
    assert QGuiApplication.overrideCursor() is None


@pytest.mark.parametrize(("name", "kind"), [("m.md", "markdown"), ("m.json", "json"), ("m.pdf", "pdf")])
def test_one_message_in_the_format_that_is_chosen(desk, tmp_path, name, kind):
    reply = Turn("r", "assistant", "Yes.", finish_reason="stop")
    desk.chat.show(desk.show_some()[1], reply)
    desk.page.transcript._on_wanted(desk.page.transcript._entries["r"], "export")
    choose(desk, tmp_path / name)
    if kind == "pdf":
        assert desk.shelf.said("html_for_print")[0][:2] == ("message", "r")
        desk.shelf.callbacks["html_for_print"]("")
    else:
        assert desk.shelf.said("export")[0][:4] == (tmp_path / name, "message", kind, "r")
        desk.shelf.callbacks["export"](None)
    assert QGuiApplication.overrideCursor() is None


def test_a_chat_that_cannot_be_read_makes_no_pdf(desk, tmp_path):
    desk.show_some()
    desk.window.shelving.export("pdf", "a")
    choose(desk, tmp_path / "x.pdf")
    desk.shelf.callbacks["html_for_print"]("")
    assert "could not be read" in message_box(desk).text()
    assert list(tmp_path.glob("*.pdf")) == []


def test_a_long_text_has_many_pages_in_several_pieces(qtbot, tmp_path, monkeypatch):
    monkeypatch.setattr("chatdesk.ui.pdf.pieces", lambda html: pieces(html, 20_000))
    html = PAGE.replace("{}", MESSAGE.format("word " * 2000) * 6)
    assert printed(qtbot, html, tmp_path / "x.pdf") is None
    assert (tmp_path / "x.pdf").read_bytes().count(b"/Type /Page\n") > 6


def test_one_endless_word_does_not_hang(qtbot, tmp_path):
    assert printed(qtbot, PAGE.replace("{}", MESSAGE.format("a" * 200_000)), tmp_path / "x.pdf") is None


def test_a_pdf_that_cannot_be_written(qtbot, tmp_path):
    target = tmp_path / "missing" / "x.pdf"
    notice = printed(qtbot, PAGE.replace("{}", ""), target)
    assert (notice.fault, notice.fields["path"]) == (Fault.CANNOT_WRITE, str(target))
    assert notice.fields["reason"]


def test_pieces_hold_everything_once():
    html = PAGE.replace("{}", "".join(MESSAGE.format(n) for n in range(50)))
    parts = list(pieces(html, 300))
    assert len(parts) >= 10
    head = html[: html.index("<body>") + 6]
    assert all(part.startswith(head) for part in parts)
    assert "".join(part.removeprefix(head) for part in parts) == html.removeprefix(head)
    assert list(pieces("no body at all")) == ["no body at all"]


def test_a_printed_text_opens_nothing(qapp, tmp_path):
    picture = tmp_path / "secret.png"
    picture.write_bytes(b"x")
    document = _Document()
    found = document.resource(QTextDocument.ResourceType.ImageResource, QUrl.fromLocalFile(str(picture)))
    assert found is not None
    assert found.isNull()


# -- the trash and the backups -----------------------------------------------------------------------------------------


@pytest.fixture
def trash(desk):
    desk.window.show_page("settings")
    desk.window.settings_page.trash_button.click()
    dialog = desk.window.findChild(TrashDialog)
    desk.shelf.callbacks["trash"]([conversation("a", "First"), conversation("b", "")])
    return dialog


def test_restoring_from_the_trash(desk, trash):
    assert [line.split(",")[0] for line in entries(trash)] == ["First", "New chat"]
    assert trash.words.text().startswith(f"Deleted chats and messages stay here for {TRASH_DAYS} days, ")
    assert trash.words.text().endswith("deleted documents in the trash of Write.")
    trash.restore_button.click()
    assert desk.shelf.said("restore") == [("a",)]
    desk.shelf.callbacks["trash"]([])
    assert (trash.empty.text(), trash.empty.isHidden()) == ("The trash is empty.", False)
    assert not trash.restore_button.isEnabled()


def test_deleting_for_good_asks_first(desk, trash):
    trash.view.setCurrentIndex(trash.entries.index(1))
    trash.purge_button.click()
    box = trash.findChild(QMessageBox)
    assert box.text() == "Delete “New chat” for good?"
    assert desk.shelf.said("purge") == []
    assert box.defaultButton().text() == "Cancel"
    click(box, "Delete for good")
    assert desk.shelf.said("purge") == [("b",)]
    assert len(desk.shelf.said("trash")) == 2


def test_deleted_messages_are_in_the_trash(desk, trash):
    removal = Removal("batch", "a", "First", "How\nare you?", 3, time.time())
    one = msgspec.structs.replace(removal, batch="other", title="", count=1)
    desk.shelf.callbacks["trash"]([removal, one])
    details = [trash.entries.index(row).data(Qt.ItemDataRole.AccessibleTextRole) for row in (0, 1)]
    for detail, words in zip(details, (("First", "3 messages"), ("New chat", "1 message")), strict=True):
        assert all(word in detail for word in (*words, ": How are you?"))
    trash.view.setCurrentIndex(trash.entries.index(1))
    trash.purge_button.click()
    box = trash.findChild(QMessageBox)
    assert box.text() == "Delete these messages of “New chat” for good?"
    click(box, "Delete for good")
    assert desk.shelf.said("purge_messages") == [(one,)]
    trash.view.setCurrentIndex(trash.entries.index(0))
    trash.restore_button.click()
    assert desk.shelf.said("restore_messages") == [(removal,)]
    assert (trash.isVisible(), desk.window.pages.shown) == (False, "chat")  # where they are seen
    assert (desk.shelf.said("restore"), desk.shelf.said("purge")) == ([], [])


def test_why_nothing_can_be_restored_or_purged_is_said_over_the_trash(desk, trash):
    """The chat that would say it lies behind."""
    trash.restore_button.click()
    trash.purge_button.click()
    click(trash.findChild(QMessageBox), "Delete for good")
    for work in ("restore", "purge"):
        desk.shelf.callbacks[work](Notice(Fault.DISK_FULL, {"path": "/profile"}))
        assert "/profile" in trash.findChildren(QMessageBox)[-1].text()


def test_a_late_list_for_a_closed_dialog_is_dropped(desk, trash, qtbot):
    trash.restore_button.click()
    late = desk.shelf.callbacks["trash"]
    with qtbot.waitSignal(trash.destroyed):
        trash.accept()
    late([conversation("c", "Late")])
    assert desk.window.findChildren(TrashDialog) == []


@pytest.fixture
def backups(desk):
    desk.window.shelving.open_backups()
    desk.shelf.callbacks["backups"](
        [
            Backup(Path("/b/daily-1.db"), LONG_AGO, 12_300_000, 3, 40, True),
            Backup(Path("/b/daily-2.db"), LONG_AGO, 512, 0, 0, False),
        ]
    )
    return desk.window.findChild(BackupsDialog)


def test_backups_say_what_they_hold(backups):
    first, second = entries(backups)
    assert "12 MB · 3 chats · 40 messages, sound" in first
    assert second.endswith("damaged")
    backups.view.setCurrentIndex(backups.entries.index(1))
    assert not backups.restore_button.isEnabled()


@pytest.mark.parametrize(
    ("notice", "words"),
    [
        (None, "The chats of the backup are here again."),
        (Notice(Fault.DISK_FULL, {"path": "/disk"}), "The disk with /disk is full."),
    ],
)
def test_going_back_to_a_backup(desk, backups, notice, words):
    backups.restore_button.click()
    box = backups.findChild(QMessageBox)
    assert "kept aside" in box.informativeText()
    assert desk.shelf.said("restore_backup") == []
    click(box, "Restore")
    assert desk.shelf.said("restore_backup") == [(Path("/b/daily-1.db"),)]
    desk.shelf.callbacks["restore_backup"](notice)
    assert message_box(desk).text().startswith(words)


def test_a_restore_that_ends_after_its_dialog_is_told(desk, backups, qtbot):
    backups.restore_button.click()
    click(backups.findChild(QMessageBox), "Restore")
    with qtbot.waitSignal(backups.destroyed):
        backups.accept()
    desk.shelf.callbacks["restore_backup"](Notice(Fault.DISK_FULL, {"path": "/disk"}))
    assert message_box(desk).text().startswith("The disk with /disk is full.")
    click(message_box(desk), "OK")
    desk.shelf.callbacks["restore_backup"](None)
    assert message_box(desk).text() == "The chats of the backup are here again."


# -- pins and folders --------------------------------------------------------------------------------------------------


def test_pinning_by_command_and_by_menu(desk):
    desk.show_some()
    desk.window.shelving.pin()
    desk.page.list.pin_wanted.emit("a", True)
    assert desk.shelf.said("set_pinned") == [("b", True), ("a", True)]


def test_a_new_folder_is_asked_for(desk):
    desk.show_some()
    model = desk.page.list.model
    menu = desk.page.list.menu_for(model.index(model.row_of("a")))
    folders = next(action.menu() for action in menu.actions() if action.text() == "Move to folder")
    assert [action.text() for action in folders.actions()] == ["No folder", "New folder…"]
    folders.actions()[1].trigger()
    dialog = desk.window.findChild(QInputDialog)
    dialog.setTextValue("  Boats ")
    dialog.accept()
    assert desk.shelf.said("set_folder") == [("a", "Boats")]
