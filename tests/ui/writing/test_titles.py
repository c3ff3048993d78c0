"""The titles of documents: typed, looked at, given by the first line; in the header and in the list."""

import pytest
from PySide6.QtTest import QTest

from tests.ui.writing.test_writing_page import Desk


@pytest.fixture
def desk(tmp_path, qtbot):
    made = Desk(tmp_path, qtbot)
    yield made
    made.close()


def titles(desk):
    desk.settle()
    return sorted(each.title for each in desk.store.submit(lambda c: c.documents.list()).result())


def test_a_title_that_is_typed_is_that_of_its_document_whatever_is_opened_then(desk):
    desk.type("A story")
    desk.stored()
    desk.page.header.edit_title()
    QTest.keyClicks(desk.page.header.title, "Mine")
    desk.page.do("new_chat")
    assert titles(desk) == ["", "Mine"]
    assert desk.page.header.title.text() == ""


def test_a_title_that_is_only_looked_at_goes_on_following_the_words(desk):
    desk.type("A sto")
    desk.stored()
    desk.page.header.edit_title()
    desk.editor.insertPlainText("ry")
    desk.stored()
    desk.editor.setFocus()
    assert titles(desk) == [desk.page.header.title.text()] == ["A story"]
    desk.type(" of the sea")
    desk.stored()
    assert titles(desk) == ["A story of the sea"]
