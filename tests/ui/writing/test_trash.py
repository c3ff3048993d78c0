"""The deleted documents of the desk, over a real store."""

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QMessageBox

from chatdesk.errors import Fault, UserError
from chatdesk.storage.documents import Documents
from chatdesk.ui.writing.trash import TrashDialog
from tests.ui.writing.test_writing_page import Desk

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support .*", extend=True)


@pytest.fixture
def desk(tmp_path, qtbot):
    made = Desk(tmp_path, qtbot)
    yield made
    made.close()


@pytest.fixture
def trash(desk):
    """Two documents lie in it: "second" on top."""
    for words in ("first", "second"):
        desk.type(words)
        desk.page.do("keep_version")
        desk.page.do("delete")
        desk.settle()
    desk.page.list.trash_wanted.emit()
    desk.settle()
    return desk.page.window().findChild(TrashDialog)


def titles(trash):
    return [
        trash.entries.index(row).data(Qt.ItemDataRole.AccessibleTextRole) for row in range(trash.entries.rowCount())
    ]


def purged(desk, trash, words="Delete for good"):
    """Answer the question, which is returned."""
    box = trash.findChildren(QMessageBox)[-1]
    next(button for button in box.buttons() if button.text() == words).click()
    desk.settle()
    return box.text()


def test_a_deleted_document_comes_back_from_the_trash(desk, trash):
    assert [title.split(",")[0] for title in titles(trash)] == ["second", "first"]
    assert desk.page.list.undo_bar.isVisible()
    QTest.keyClick(trash.view, Qt.Key.Key_Return)
    desk.settle()
    assert desk.editor.toPlainText() == "second"
    assert not trash.isVisible()
    assert not desk.page.list.undo_bar.isVisible(), "it is back already"


def test_a_document_is_deleted_for_good_once_that_is_sure(desk, trash):
    QTest.keyClick(trash.view, Qt.Key.Key_Delete)
    assert trash.findChild(QMessageBox).defaultButton().text() == "Cancel"
    assert purged(desk, trash, "Cancel") == "Delete “second” for good?"
    assert len(titles(trash)) == 2
    trash.purge_button.click()
    purged(desk, trash)
    assert [title.split(",")[0] for title in titles(trash)] == ["first"]
    tables = ("documents", "document_texts", "document_versions")
    left = [
        desk.store.submit(lambda c, t=t: c.documents._database.query(f"SELECT * FROM {t}")).result() for t in tables
    ]
    assert not any("second" in str(row) for rows in left for row in rows)
    assert not desk.page.list.undo_bar.isVisible(), "there is nothing to undo"
    trash.purge_button.click()
    purged(desk, trash)
    assert (trash.empty.text(), trash.empty.isHidden()) == ("The trash is empty.", False)
    assert not trash.purge_button.isEnabled()
    assert not trash.restore_button.isEnabled()


def test_what_keeps_a_document_from_going_is_said_over_the_trash(desk, trash, monkeypatch):
    def full(self, id):
        raise UserError(Fault.DISK_FULL, path="/profile")

    monkeypatch.setattr(Documents, "purge", full)
    trash.purge_button.click()
    purged(desk, trash)
    assert "/profile" in trash.findChildren(QMessageBox)[-1].text()
    assert len(titles(trash)) == 2
    assert desk.page.notice.isHidden()
