"""The page of the writing desk over a real store, with an engine that says what the test lets it say."""

import queue

import pytest
from PySide6.QtCore import QLocale, QMimeData, Qt
from PySide6.QtGui import QColor
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QMainWindow

from chatdesk.engine.api import (
    DEFAULT_SAMPLING,
    DraftFinished,
    Finished,
    Generate,
    Loaded,
    MakePrompt,
    Started,
    TokenEvent,
)
from chatdesk.errors import Fault
from chatdesk.paths import resources
from chatdesk.settings.store import Settings
from chatdesk.storage.store import Store
from chatdesk.tasks import diffing
from chatdesk.tasks.models import Models
from chatdesk.tasks.writing import Writing
from chatdesk.tasks.writing_changes import FileChanged, Reworked
from chatdesk.tasks.writing_prompts import WritingPrompts
from chatdesk.ui import theme
from chatdesk.ui.writing import spans
from chatdesk.ui.writing.history import HistoryDialog
from chatdesk.ui.writing.page import EXAMPLE, WritingPage
from chatdesk.ui.writing.review import Review
from chatdesk.ui.writing.templates import PromptsDialog
from tests.tasks.desk import INFO, Engine


class Desk:
    def __init__(self, folder, qtbot):
        self.folder, self.qtbot = folder, qtbot
        self.engine, self.store = Engine(), Store(folder / "chatdesk.db", folder / "backups")
        self.posted = queue.SimpleQueue()
        self.settings = Settings(folder / "settings.toml")
        self.models = Models(self.engine, lambda folders: [], self.settings, self.posted.put)
        prompts = lambda: WritingPrompts(resources() / "prompts", folder / "prompts.toml")  # noqa: E731
        self.writing = Writing(self.store, self.engine, self.models, prompts, self.posted.put)
        self.open_page()

    def open_page(self):
        self.page = WritingPage(self.writing, self.models, self.settings)
        self.models.on_change = self.page.apply
        self.window = QMainWindow()
        self.window.setMinimumSize(400, 400)
        self.window.setCentralWidget(self.page)
        self.qtbot.addWidget(self.window)
        self.window.resize(1200, 800)
        self.window.show()
        self.page.set_window_width(1200)
        self.settle()

    @property
    def editor(self):
        return self.page.editor

    def settle(self):
        for _ in range(4):
            self.store.submit(lambda c: None).result()
            while not self.posted.empty():
                self.posted.get()()

    def until(self, so):
        """Take what threads beside have posted, until something is so."""
        self.qtbot.waitUntil(lambda: self.settle() or so())

    def load(self):
        self.models.load("/models/tiny")
        self.say(Loaded(self.engine.requests[-1].id, INFO))

    def say(self, *events):
        for event in events:
            self.models.on_event(event)
            self.writing.on_event(event)
        self.settle()

    def type(self, text):
        if text.isascii():
            QTest.keyClicks(self.editor, text)
        else:
            self.editor.insertPlainText(text)

    def asked(self):
        self.settle()
        return next(each for each in reversed(self.engine.requests) if isinstance(each, Generate))

    def answer(self, *texts, ends=True):
        """Each text is a draft."""
        id = self.asked().id
        self.say(Started(id, (1, 2), DEFAULT_SAMPLING, 7))
        for draft, text in enumerate(texts):
            self.say(TokenEvent(id, draft, 5, text, -1.0, -1.0))
        if ends:
            self.say(
                *(DraftFinished(id, draft, "stop") for draft in range(len(texts))), Finished(id, 2, 0, 3, 0.1, 9.0)
            )

    def stored(self):
        self.writing.tick()
        self.settle()
        return self.store.submit(lambda c: c.documents.text(self.writing.document.id).text).result()

    def close(self):
        self.writing.close()
        self.store.close()


@pytest.fixture
def desk(tmp_path, qtbot):
    made = Desk(tmp_path, qtbot)
    yield made
    made.close()


def test_the_page_can_be_typed_into_at_once_and_keeps_what_is_typed(desk):
    assert desk.page.example.isVisible()
    desk.type("The lighthouse")
    assert desk.page.saved.text() == "…"
    assert desk.stored() == "The lighthouse"
    assert (desk.page.saved.text(), desk.page.header.title.text()) == ("saved", "The lighthouse")
    assert desk.page.list.view.topLevelItem(0).text(0) == "The lighthouse"


def test_a_continuation_is_offered_and_taken(desk):
    desk.load()
    desk.type("It was")
    desk.page.do("send_anyway")
    assert desk.asked().prompt == "It was"
    desk.answer(" dark", ends=False)
    assert (desk.editor.ghost, desk.editor.toPlainText()) == (" dark", "It was")
    assert desk.page.header.continue_button.text() == "Stop"
    desk.answer(" and cold")
    assert "Tab" in desk.page.hint.words()
    QTest.keyClick(desk.editor, Qt.Key.Key_Tab)
    assert desk.editor.toPlainText() == "It was dark and cold"
    assert desk.page.hint.words() == ""
    assert desk.stored() == "It was dark and cold"


def test_what_waits_for_the_model_is_said_and_given_up_when_the_cursor_moves(desk):
    desk.type("It was")
    desk.models.load("/models/tiny")
    load = desk.engine.requests[-1]
    desk.page.go_on()
    assert desk.page.hint.words() == "Waiting for the model…"
    assert desk.page.header.continue_button.text() == "Stop"
    QTest.keyClick(desk.editor, Qt.Key.Key_Home)
    assert (desk.page.hint.words(), desk.page.header.continue_button.text()) == ("", "Continue")
    desk.say(Loaded(load.id, INFO))
    desk.writing.tick()
    assert not any(isinstance(each, Generate) for each in desk.engine.requests)
    desk.page.go_on()
    assert desk.asked().prompt == ""


def test_escape_drops_and_another_is_asked_for(desk):
    desk.load()
    desk.type("It was")
    desk.page.do("send_anyway")
    desk.answer(" dark", ends=False)
    desk.page.do("regenerate")
    assert len([each for each in desk.engine.requests if isinstance(each, Generate)]) == 2
    assert desk.editor.ghost == ""
    desk.answer(" light", ends=False)
    desk.page.do("stop")
    desk.settle()
    assert (desk.editor.has_ghost, desk.writing.generating.is_busy) == (False, False)
    assert desk.editor.toPlainText() == "It was"
    desk.page.side.show_cards()
    assert [card.text for card in desk.page.side.cards.earlier] == [" light", " dark"]


def test_the_example_is_one_click(desk):
    desk.load()
    desk.page.example.click()
    request = desk.asked()
    assert (request.prompt, request.drafts) == (EXAMPLE, 5)
    assert (request.sampling.temperature, request.sampling.max_new_tokens) == (0.7, 50)
    desk.answer(" in.", " out. And on.", " up", " down", " off")
    cards = desk.page.side.cards.cards
    assert [card.text for card in cards] == [" in.", " out. And on.", " up", " down", " off"]
    cards[1].blend.menu().aboutToShow.emit()
    cards[1].blend.menu().actions()[0].trigger()
    assert desk.editor.toPlainText() == f"{EXAMPLE} out."
    assert [span.generation for span in desk.editor.spans.all] == [cards[1].generation]
    cards[0].use.click()
    assert desk.editor.toPlainText() == f"{EXAMPLE} out. in."


def test_a_selection_is_reworked_by_piece(desk):
    desk.load()
    desk.type("Hey Ann, come now.")
    desk.page.rework(desk.page.prompts["formal"])
    desk.answer("Dear Ann, please come now.")
    review = desk.page.review
    assert review.isVisible()
    assert review.title.text() == "More formal"
    assert [piece.new for piece in review.view.pieces if piece.is_change] == ["Dear", " please"]
    QTest.keyClick(review.view, Qt.Key.Key_Space)
    assert review.take_button.text() == "Take 1"
    QTest.keyClick(review.view, Qt.Key.Key_Return)
    assert desk.editor.toPlainText() == "Hey Ann, please come now."
    assert not review.isVisible()
    desk.editor.undo()
    assert desk.editor.toPlainText() == "Hey Ann, come now."


@pytest.mark.qt_log_ignore("This plugin does not support .*", extend=True)
def test_what_a_cut_answer_does_not_reach_stays(qtbot):
    review = Review()
    qtbot.addWidget(review)
    pieces = tuple(diffing.pieces("Hey Ann, come now. Bring the dog.", "Dear Ann, come"))
    review.show_changes(Reworked("g", "More formal", pieces, is_few_shot=False, is_cut=True))
    assert "cut off" in review.title.text()
    with qtbot.waitSignal(review.taken) as taken:
        review.take_button.click()
    assert "".join(piece.new for piece, _ in taken.args[0]) == "Dear Ann, come now. Bring the dog."


def test_a_new_rework_closes_the_review_of_the_last_one(desk):
    desk.load()
    desk.editor.insertPlainText("one\ntwo")
    desk.page.rework(desk.page.prompts["formal"])  # of the last line
    desk.answer("second")
    review = desk.page.review
    assert review.isVisible()
    cursor = desk.editor.textCursor()
    cursor.setPosition(1)
    desk.editor.setTextCursor(cursor)
    desk.page.rework(desk.page.prompts["formal"])
    assert not review.isVisible()
    desk.answer("first")
    review.take()
    assert desk.editor.toPlainText() == "first\ntwo"


def test_a_selection_that_has_changed_meanwhile_is_left_alone(desk):
    desk.load()
    desk.type("some words")
    desk.page.rework(desk.page.prompts["formal"])
    desk.answer("other words")
    cursor = desk.editor.textCursor()
    cursor.setPosition(2)
    cursor.insertText("XX")
    desk.page.review.take()
    assert desk.editor.toPlainText() == "soXXme words"
    assert "changed" in desk.page.hint.words()


def test_history_shows_what_changed_and_brings_it_back(desk):
    desk.type("old words")
    desk.page.do("keep_version")
    desk.settle()
    assert desk.page.hint.words() == "Kept as a version."
    desk.editor.selectAll()
    desk.type("new words")
    dialog = HistoryDialog(desk.page, desk.writing)
    desk.qtbot.addWidget(dialog)
    desk.settle()
    assert dialog.list.count() == 1
    desk.until(lambda: bool(dialog.view.pieces))
    assert tuple(dialog.view.pieces[0]) == ("old", "new")
    dialog.restore.click()
    desk.settle()
    assert desk.editor.toPlainText() == "old words"
    desk.editor.undo()
    assert desk.editor.toPlainText() == "new words"
    assert desk.stored() == "new words"


def test_what_is_found_is_seen_whatever_the_grounds_are(desk):
    desk.type("The cat and the hat")
    desk.page.do("find")
    desk.page.find_bar.field.setText("the")
    desk.page.find_bar.look()
    desk.until(lambda: len(desk.editor.extraSelections()) == 2)
    for mark in desk.editor.extraSelections():
        assert mark.cursor.selectedText().lower() == "the"
        assert (mark.format.fontUnderline(), mark.format.underlineColor()) == (True, QColor(theme.current().accent))


def test_find_and_replace(desk, monkeypatch):
    desk.type("The cat and the hat. 😀 the end")
    built = []
    real = spans._Places.__init__
    monkeypatch.setattr(spans._Places, "__init__", lambda *args: built.append(1) or real(*args))
    desk.page.do("find")
    bar = desk.page.find_bar
    bar.field.setText("the")
    built.clear()
    bar.look()
    assert bar.count.text() == "3"
    assert len(built) == 1  # not once for each match
    bar.step(1)
    assert (bar.count.text(), desk.editor.textCursor().selectedText()) == ("1 of 3", "The")
    bar.step(-1)
    assert desk.editor.textCursor().selectedText() == "the"
    assert bar.count.text() == "3 of 3"
    bar.other.setText("a")
    bar.replace()
    assert desk.editor.toPlainText() == "The cat and the hat. 😀 a end"
    bar.replace_all()
    assert desk.editor.toPlainText() == "a cat and a hat. 😀 a end"
    desk.editor.undo()
    assert desk.editor.toPlainText() == "The cat and the hat. 😀 a end"
    QTest.keyClick(bar.field, Qt.Key.Key_Escape)
    assert not bar.isVisible()


def test_a_template_fills_an_empty_document(desk):
    desk.load()
    dialog = PromptsDialog(desk.page, desk.page.prompts, "template", is_chat=True)
    desk.qtbot.addWidget(dialog)
    dialog.wanted.connect(desk.page.boxes.begin_from)
    dialog.choice.set_value("news")
    dialog.choice.chosen.emit()
    dialog.fields["headline"].setText("Rain at last")
    dialog.editor.setPlainText("My own words: {headline}")
    dialog.keep_button.click()
    assert dialog.back_button.isVisibleTo(dialog)
    dialog.write_button.click()
    assert desk.asked().prompt[0].text == "My own words: Rain at last"
    desk.answer("<think>It", ends=False)
    assert (desk.page.hint.words(), desk.editor.ghost) == ("The model thinks…", "")
    assert not desk.page.example.isVisible()  # it would leave no room for that
    desk.answer(" did.</think>It rained.")
    desk.editor.take_ghost()
    assert (desk.editor.toPlainText(), desk.page.header.title.text()) == ("It rained.", "Rain at last")


def test_a_template_without_a_model_says_so_in_the_new_document(desk):
    desk.type("words")
    first = desk.page.open_id
    desk.page.boxes.begin_from(desk.page.prompts["news"], {"headline": "Rain", "facts": ""})
    desk.settle()
    assert (desk.editor.toPlainText(), desk.page.header.title.text()) == ("", "Rain")
    assert desk.page.open_id != first
    assert "model" in desk.page.notice.text()
    assert desk.page.notice.isVisible()


def test_a_new_editor_takes_no_words_until_it_has_those_of_the_document(desk):
    desk.type("words")
    desk.writing.close()  # as the window does when its language changes
    page = WritingPage(desk.writing, desk.models, desk.settings)
    desk.qtbot.addWidget(page)
    QTest.keyClicks(page.editor, "x")
    desk.writing.tick()
    assert page.editor.isReadOnly()
    desk.settle()
    assert (page.editor.toPlainText(), page.editor.isReadOnly()) == ("words", False)
    assert desk.stored() == "words"


def test_folders_stand_in_the_list(desk):
    desk.type("words")
    desk.writing.set_folder(desk.page.open_id, "Letters")
    desk.settle()
    desk.page.do("new_chat")
    desk.settle()
    tops = [desk.page.list.view.topLevelItem(i) for i in range(desk.page.list.view.topLevelItemCount())]
    assert [top.text(0) for top in tops] == ["Letters", "Untitled"]
    assert tops[0].child(0).text(0) == "words"
    desk.page.list.view.itemClicked.emit(tops[0].child(0), 0)
    desk.settle()
    assert desk.editor.toPlainText() == "words"


@pytest.mark.parametrize("ending", ["txt", "md", "docx", "pdf"])
def test_a_document_is_written_into_a_file(desk, ending, tmp_path):
    desk.type("Some words")
    path = tmp_path / f"out.{ending}"
    desk.page.boxes.export(path)
    desk.qtbot.waitUntil(lambda: desk.settle() or path.exists(), timeout=10_000)
    assert path.read_bytes()[:4] in (b"Some", b"PK\x03\x04", b"%PDF")


def test_what_is_wrong_is_said_and_nothing_is_lost(desk, tmp_path):
    desk.type("words")
    desk.page.go_on()
    assert "model" in desk.page.notice.text()
    binary = tmp_path / "picture.txt"
    binary.write_bytes(b"\0\1")
    desk.writing.files.read(binary)
    desk.qtbot.waitUntil(lambda: desk.settle() or "picture.txt" in desk.page.notice.text(), timeout=10_000)
    assert desk.editor.toPlainText() == "words"


def test_a_paste_of_200_mb_is_refused_and_the_words_stay(desk):
    desk.type("words")
    data = QMimeData()
    data.setText("x" * 200_000_000)
    desk.editor.insertFromMimeData(data)
    assert f"{QLocale().toString(200_000_000)} characters are too many" in desk.page.notice.text()
    assert desk.editor.toPlainText() == "words"


def test_what_the_model_sees_is_shown(desk):
    desk.load()
    desk.type("words")
    wanted = []
    desk.page.exact_wanted.connect(lambda: wanted.append(1))
    assert desk.page.do("prompt")
    desk.writing.generating.exact_prompt(*desk.editor.around(99)[:2], desk.writing.in_force(), lambda answer: None)
    assert next(each for each in desk.engine.requests if isinstance(each, MakePrompt)).prompt == "words"
    assert wanted == [1]


def test_the_caution_is_shown_once(desk):
    assert desk.page.caution.isVisible()
    desk.page._on_understood()
    assert desk.settings["writing_notice"] is True
    assert not desk.page.caution.isVisible()


def test_nothing_but_the_text_and_back(desk):
    seen = []
    desk.page.focus_wanted.connect(seen.append)
    desk.page.do("focus_mode")
    assert (desk.page.header.isVisible(), desk.page.list.isVisible(), seen) == (False, False, [True])
    desk.page.do("stop")
    assert (desk.page.header.isVisible(), desk.page.list.isVisible(), seen) == (True, True, [True, False])


def test_settings_of_the_document_are_sent(desk):
    desk.load()
    desk.page.side.rows["memory"].field.setPlainText("Ann is tall.")
    desk.type("words")
    desk.page.go_on()
    assert desk.asked().lead == "Ann is tall.\n\n"


def test_a_damaged_text_says_so(desk, tmp_path):
    desk.type("words")
    desk.stored()
    id = desk.page.open_id
    desk.page.do("new_chat")
    desk.settle()
    desk.store.submit(
        lambda c: c._database.execute("UPDATE document_texts SET text = 'worXs' WHERE id = ?", id)
    ).result()
    desk.writing.open(id)
    desk.settle()
    assert desk.editor.toPlainText() == "worXs"
    assert "damaged" in desk.page.hint.words()


def test_every_control_has_a_name(desk):
    from PySide6.QtWidgets import QAbstractButton, QLineEdit, QPlainTextEdit

    for kind in (QAbstractButton, QLineEdit, QPlainTextEdit):
        for widget in desk.page.findChildren(kind):
            if not widget.objectName().startswith("qt_"):
                assert widget.accessibleName() or getattr(widget, "text", str)(), widget
    assert Fault.NO_MODEL


def test_a_file_that_is_read_or_written_says_how_far_it_is(desk, tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(desk.page.hint, "set_words", said.append)
    desk.editor.insertPlainText("one\ntwo")
    desk.page.boxes.export(tmp_path / "a.docx")
    desk.qtbot.waitUntil(
        lambda: (desk.settle(), (tmp_path / "a.docx").exists() and said[-1] == "Written to a.docx.")[1]
    )
    assert said[0] == "Writing a.docx…"
    desk.writing.on_change(FileChanged("a.docx", True, 0.25))
    assert said[-1] == "Writing a.docx… 25%"
    said.clear()
    desk.writing.files.read(tmp_path / "a.docx")
    desk.qtbot.waitUntil(lambda: (desk.settle(), desk.page.header.title.text() == "a")[1])
    assert said[0] == "Reading a.docx…"
    assert said[-1] == ""
    assert desk.editor.toPlainText() == "one\ntwo"


def test_a_long_title_ends_in_an_ellipsis_until_it_is_typed_into(desk):
    title = desk.page.header.title
    desk.page.header.set_title("A very long title of a document " * 6)
    assert title.elided().endswith("…")
    seen = title.grab().toImage()
    desk.page.header.edit_title()
    title.deselect()
    assert title.grab().toImage() != seen
    assert title.text().startswith("A very long title of a document A")
    desk.page.header.set_title("Short")
    title.setText("Short")
    assert title.elided() == "Short"
