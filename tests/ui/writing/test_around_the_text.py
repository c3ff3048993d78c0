"""Around the text: titles typed or given by the first line, the list, dialogs closed too early, files out."""

from types import SimpleNamespace

import pytest
from PySide6.QtCore import QCoreApplication, QEvent, Qt
from PySide6.QtGui import QTextDocument
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLineEdit

from chatdesk.engine.api import Failed
from chatdesk.errors import Fault
from chatdesk.ui.chat.exact_prompt import ExactPromptDialog
from chatdesk.ui.prompting import Prompting
from chatdesk.ui.widgets.raw_text import raw_text
from chatdesk.ui.writing.history import HistoryDialog
from chatdesk.ui.writing.page import WritingPage
from chatdesk.ui.writing.trash import TrashDialog
from tests.ui.writing.test_writing_page import Desk

# What the offscreen platform says when a dialog opens.
pytestmark = pytest.mark.qt_log_ignore("This plugin does not support .*", extend=True)


@pytest.fixture
def desk(tmp_path, qtbot):
    made = Desk(tmp_path, qtbot)
    yield made
    made.close()


def titles(desk):
    desk.settle()
    return sorted(each.title for each in desk.store.submit(lambda c: c.documents.list()).result())


def test_a_title_is_typed_for_a_document_that_is_there(desk):
    page = WritingPage(desk.writing, desk.models, desk.settings)
    desk.qtbot.addWidget(page)
    title = page.header.title
    QTest.keyClicks(title, "Too early")
    assert (title.isReadOnly(), title.text()) == (True, "")
    desk.settle()
    assert not title.isReadOnly()
    QTest.keyClicks(title, "Mine")
    desk.writing.delete(page.open_id)
    desk.posted.get(timeout=20)()  # the document is gone, and the next one not there yet
    assert (title.isReadOnly(), title.text()) == (True, "")
    desk.settle()
    assert titles(desk) == [""]
    desk.writing.undo()
    assert titles(desk) == ["", "Mine"]


def test_what_is_done_before_a_document_is_open(desk):
    page = WritingPage(desk.writing, desk.models, desk.settings)
    desk.qtbot.addWidget(page)
    page.do("delete")  # nothing is there to be deleted
    page.boxes.begin_from(page.prompts["news"], {"headline": "Rain", "facts": ""})
    desk.settle()
    assert page.header.title.text() == "Rain"
    assert titles(desk) == ["Rain"]


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


def shown(desk):
    return sorted(item.text(0) for item in desk.page.list._items())


def rename_in_the_list(desk, text, key):
    view = desk.page.list.view
    view.setFocus()
    view.setCurrentItem(desk.page.list._items()[0])
    view.editItem(desk.page.list._items()[0], 0)
    field = view.findChild(QLineEdit)
    field.setText(text)
    return lambda: QTest.keyClick(field, key) or desk.until(lambda: view.findChild(QLineEdit) is None)


def test_a_blank_title_in_the_list_is_none(desk):
    desk.type("First")
    desk.stored()
    rename_in_the_list(desk, "  ", Qt.Key.Key_Return)()
    desk.until(lambda: shown(desk) == ["First"])
    assert titles(desk) == ["First"]


def test_what_comes_while_a_title_is_edited_in_the_list_is_shown_after_it(desk):
    desk.type("First")
    desk.stored()
    leave = rename_in_the_list(desk, "Other", Qt.Key.Key_Escape)
    desk.store.submit(lambda c: c.documents.create("Second", "x")).result()
    desk.writing.refresh()
    desk.settle()
    assert shown(desk) == ["First"]
    leave()
    desk.until(lambda: shown(desk) == ["First", "Second"])
    rename_in_the_list(desk, "Mine", Qt.Key.Key_Return)()
    desk.until(lambda: "Mine" in shown(desk))
    assert "Mine" in titles(desk)


def test_the_prompt_may_come_when_its_dialog_is_closed(desk, qtbot):
    desk.load()
    desk.type("text")
    prompting = Prompting(desk.window, SimpleNamespace(prompts=None))
    prompting.show_for(desk.writing, "text", "")
    desk.window.findChild(ExactPromptDialog).reject()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    assert desk.window.findChild(ExactPromptDialog) is None
    desk.say(Failed(desk.engine.requests[-1].id, Fault.ENGINE_DIED, {"reason": "x"}))


def test_history_and_trash_may_be_closed_before_they_are_filled(desk):
    desk.type("text")
    for dialog in (HistoryDialog(desk.page, desk.writing), TrashDialog(desk.page, desk.writing)):
        dialog.open()
        dialog.reject()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    desk.settle()
    assert desk.stored() == "text"


def test_blanks_stay_in_a_pdf(desk, tmp_path, monkeypatch):
    printed = []
    monkeypatch.setattr("chatdesk.ui.pdf.PdfExport", lambda html, *_: printed.append(html))
    desk.editor.setPlainText("    deep   in\n\n\u00a0<b>")
    desk.page.boxes.export(tmp_path / "out.pdf")
    document = QTextDocument()
    document.setHtml(printed[0])
    assert raw_text(document) == "    deep   in\n\u2028\n\u00a0<b>"
