"""The editor: ghost text, undo of mixed edits and generations against a plain model, and which words a model wrote."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PySide6.QtCore import QMimeData, Qt
from PySide6.QtGui import QInputMethodEvent, QTextCursor, QTextOption
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLineEdit, QVBoxLayout, QWidget

from chatdesk.storage.records import DocumentText, Span
from chatdesk.tasks.diffing import Piece
from chatdesk.ui.writing.editor import Editor
from chatdesk.ui.writing.spans import in_characters, in_units

CONTROL = Qt.KeyboardModifier.ControlModifier


@pytest.fixture
def editor(qtbot):
    made = Editor()
    qtbot.addWidget(made)
    made.resize(800, 600)
    made.show()
    made.setFocus()
    return made


def offer(editor, text, generation="g"):
    editor.begin_ghost(generation)
    for start in range(0, len(text), 3):
        editor.grow_ghost(text[start : start + 3])


def test_ghost_text_is_no_part_of_the_words_until_it_is_taken(editor):
    editor.load(DocumentText("It was\nand after"))
    cursor = editor.textCursor()
    cursor.setPosition(6)
    editor.setTextCursor(cursor)
    edits = []
    editor.edited.connect(lambda: edits.append(1))
    offer(editor, " dark.\nRain fell")
    assert editor.toPlainText() == "It was\nand after"
    assert editor.document().firstBlock().layout().lineCount() == 2  # it moves what follows
    assert (edits, editor.document().isUndoAvailable()) == ([], False)
    QTest.keyClick(editor, Qt.Key.Key_Tab)
    assert editor.words() == DocumentText("It was dark.\nRain fell\nand after", (Span(6, 22, "g"),))
    assert editor.ghost == ""
    editor.undo()
    assert editor.words() == DocumentText("It was\nand after")
    editor.redo()
    assert editor.words().spans == (Span(6, 22, "g"),)


def test_a_word_at_a_time_and_the_rest_is_dropped(editor):
    offer(editor, " dark and 天气 cold")
    for expected in (" dark", " dark and", " dark and 天", " dark and 天气"):
        QTest.keyClick(editor, Qt.Key.Key_Right, CONTROL)
        assert editor.toPlainText() == expected
    assert editor.ghost == " cold"
    QTest.keyClick(editor, Qt.Key.Key_Escape)
    assert (editor.toPlainText(), editor.ghost) == (" dark and 天气", "")
    assert editor.document().firstBlock().layout().preeditAreaText() == ""


def test_nothing_stands_under_ghost_text_in_an_empty_document(editor):
    words = editor.placeholderText()
    assert words
    offer(editor, "dark")
    assert editor.placeholderText() == ""
    editor.drop_ghost()
    assert editor.placeholderText() == words


def test_typing_along_keeps_the_offer_and_anything_else_drops_it(editor):
    left = []
    editor.ghost_left.connect(left.append)
    offer(editor, "dark")
    QTest.keyClicks(editor, "da")
    assert (editor.toPlainText(), editor.ghost, left) == ("da", "rk", [])
    assert editor.words().spans == ()
    QTest.keyClicks(editor, "x")
    assert (editor.toPlainText(), editor.ghost, left) == ("dax", "", [False])


@pytest.mark.parametrize("key", [Qt.Key.Key_Left, Qt.Key.Key_Backspace, Qt.Key.Key_Return, Qt.Key.Key_Home])
def test_moving_and_deleting_drop_the_offer(editor, key):
    editor.load(DocumentText("some words"))
    offer(editor, "more")
    QTest.keyClick(editor, key)
    assert not editor.has_ghost
    assert editor.document().firstBlock().layout().preeditAreaText() == ""


def test_a_click_drops_the_offer_and_places_the_cursor(editor):
    editor.load(DocumentText("words"))
    offer(editor, " and many more")
    QTest.mouseClick(editor.viewport(), Qt.MouseButton.LeftButton, pos=editor.viewport().rect().center())
    assert not editor.has_ghost
    assert editor.textCursor().position() == 5


def test_what_the_hand_types_inside_generated_words_is_its_own(editor):
    editor.load(DocumentText("abcdef", (Span(0, 6, "g"),)))
    cursor = editor.textCursor()
    cursor.setPosition(3)
    editor.setTextCursor(cursor)
    QTest.keyClicks(editor, "XY")
    assert editor.words() == DocumentText("abcXYdef", (Span(0, 3, "g"), Span(5, 8, "g")))
    cursor.setPosition(1)
    cursor.setPosition(7, QTextCursor.MoveMode.KeepAnchor)
    editor.setTextCursor(cursor)
    QTest.keyClicks(editor, "Z")
    assert editor.words() == DocumentText("aZf", (Span(0, 1, "g"), Span(2, 3, "g")))


def test_pasted_words_are_plain_and_nobodys_but_the_persons(editor):
    editor.load(DocumentText("abc", (Span(0, 3, "g"),)))
    data = QMimeData()
    data.setHtml("<b>bold</b><img src='file:///x'>")
    data.setText("pasted\r\nwords")
    editor.insertFromMimeData(data)
    assert editor.words() == DocumentText("abcpasted\nwords", (Span(0, 3, "g"),))


def test_a_selection_is_replaced_in_one_step(editor):
    editor.load(DocumentText("one two three"))
    cursor = editor.textCursor()
    cursor.setPosition(4)
    cursor.setPosition(7, QTextCursor.MoveMode.KeepAnchor)
    editor.setTextCursor(cursor)
    editor.replace_selection([(Piece("t", "t"), "g"), (Piece("w", "EN"), "g"), (Piece("o", "s"), "g")])
    assert editor.words() == DocumentText("one tENs three", (Span(5, 8, "g"),))
    assert editor.textCursor().selectedText() == "tENs"
    editor.undo()
    assert editor.words() == DocumentText("one two three")


def test_what_a_rework_leaves_stays_known_as_generated(editor):
    before = DocumentText("one 😀wo\nthree four", (Span(0, 7, "a"), Span(13, 18, "b")))
    editor.load(before)
    editor.selectAll()
    pieces = [Piece("one 😀wo\nth", "one 😀wo\nth"), Piece("ree", ""), Piece(" four", " four")]
    editor.replace_selection([(piece, "new") for piece in pieces])
    assert editor.words() == DocumentText("one 😀wo\nth four", (Span(0, 7, "a"), Span(10, 15, "b")))
    assert editor.textCursor().selectedText() == "one 😀wo\u2029th four"
    editor.undo()
    assert editor.words() == before


def test_a_long_line_is_broken_anywhere_and_words_are_whole_again_without_it(editor, qtbot):
    long = "x" * 1_000_000
    modes = QTextOption.WrapMode
    editor.load(DocumentText(long))
    assert editor.wordWrapMode() == modes.WrapAnywhere
    editor.load(DocumentText("short"))
    assert editor.wordWrapMode() == modes.WrapAtWordBoundaryOrAnywhere
    data = QMimeData()
    data.setText(long)
    editor.insertFromMimeData(data)
    assert editor.wordWrapMode() == modes.WrapAnywhere
    editor.undo()
    qtbot.waitUntil(lambda: editor.wordWrapMode() == modes.WrapAtWordBoundaryOrAnywhere)
    editor.redo()
    assert editor.wordWrapMode() == modes.WrapAnywhere
    editor.viewport().repaint()
    assert editor.document().characterCount() == 1_000_006


def test_other_words_in_place_of_all_can_be_undone(editor):
    editor.load(DocumentText("old", (Span(0, 3, "g"),)))
    editor.replace_all(DocumentText("new words", (Span(4, 9, "h"),)))
    assert editor.words() == DocumentText("new words", (Span(4, 9, "h"),))
    editor.undo()
    assert editor.words() == DocumentText("old", (Span(0, 3, "g"),))


@given(st.text("a😀天\n", max_size=30), st.data())
def test_places_beyond_the_basic_plane(text, data):
    edges = sorted(data.draw(st.lists(st.integers(0, len(text)), min_size=2, max_size=2)))
    spans = (Span(*edges, "g"),)
    assert in_characters(text, in_units(text, spans)) == spans
    assert in_units(text, spans)[0].end == len(text[: edges[1]].encode("utf-16-le")) // 2


STEP = st.one_of(
    st.tuples(st.just("type"), st.text("ab c", min_size=1, max_size=5)),
    st.tuples(st.just("generate"), st.text("XY \n", min_size=1, max_size=6)),
    st.tuples(st.just("word"), st.text("XY ", min_size=1, max_size=6)),
    st.tuples(st.just("move"), st.integers(0, 100)),
    st.tuples(st.just("delete"), st.none()),
    st.tuples(st.just("undo"), st.none()),
    st.tuples(st.just("redo"), st.none()),
)


class Person:
    """Does steps in an editor, and knows what undo may do: a run of the hand's edits, or one generation."""

    def __init__(self, editor):
        self.editor = editor
        self.done, self.undone = [], []  # (is it a generation, state before, state after); groups of such
        editor.load(DocumentText(""))
        self.number = 0

    def state(self):
        words = self.editor.words()
        whose = [""] * len(words.text)
        for span in words.spans:
            whose[span.start : span.end] = [span.generation] * (span.end - span.start)
        return words.text, tuple("" if sign == "\n" else who for sign, who in zip(words.text, whose, strict=True))

    def do(self, kind, what):
        editor, before = self.editor, self.state()
        match kind:
            case "type":
                QTest.keyClicks(editor, what)
            case "delete":
                QTest.keyClick(editor, Qt.Key.Key_Backspace)
            case "generate" | "word":
                self.number += 1
                offer(editor, what, f"g{self.number}")
                if kind == "generate":
                    editor.take_ghost()
                else:
                    editor.take_word()
                    editor.drop_ghost()
            case "move":
                cursor = editor.textCursor()
                cursor.setPosition(what % editor.document().characterCount())
                editor.setTextCursor(cursor)
            case "undo":
                editor.undo()
                self.check_undo(before)
                return
            case "redo":
                editor.redo()
                self.check_redo(before)
                return
        if self.state() != before:
            self.done.append((kind in ("generate", "word"), before, self.state()))
            self.undone = []

    def check_undo(self, before):
        now = self.state()
        if not self.done:
            assert now == before
            return
        group = [self.done.pop()]
        while group[-1][1] != now:
            assert not group[-1][0], "a generation went together with an edit"
            assert self.done, "undo led to what was never there"
            assert not self.done[-1][0], "a generation went together with an edit"
            group.append(self.done.pop())
        self.undone.append(group[::-1])

    def check_redo(self, before):
        if not self.undone:
            assert self.state() == before
            return
        group = self.undone.pop()
        assert self.state() == group[-1][2]
        self.done += group


def play(editor, steps):
    person = Person(editor)
    for kind, what in steps:
        person.do(kind, what)
        length = editor.document().characterCount() - 1
        assert editor.spans.all == editor.spans.joined(editor.spans.read(0, length))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(STEP, max_size=25))
def test_undo_never_mixes_the_hand_and_a_model(editor, steps):
    play(editor, steps)


@pytest.mark.soak
@settings(max_examples=2000, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(STEP, max_size=60))
def test_undo_never_mixes_the_hand_and_a_model_often(editor, steps):
    play(editor, steps)


def test_an_offer_that_is_typed_to_its_end_is_over(editor):
    left = []
    editor.ghost_left.connect(left.append)
    offer(editor, "ab")
    QTest.keyClicks(editor, "ab")
    assert (editor.has_ghost, left) == (True, [])  # more may come
    editor.grow_ghost("cd")
    editor.end_ghost()
    QTest.keyClicks(editor, "cd")
    assert (editor.has_ghost, left, editor.toPlainText()) == (False, [True], "abcd")
    editor.begin_ghost("h")
    editor.end_ghost()
    assert not editor.has_ghost


def test_an_input_method_with_nothing_to_show_changes_nothing(editor):
    editor.load(DocumentText("It was"))
    editor.moveCursor(QTextCursor.MoveOperation.End)
    offer(editor, " dark.")
    QApplication.sendEvent(editor, QInputMethodEvent())
    assert (editor.ghost, editor.textCursor().block().layout().preeditAreaText()) == (" dark.", " dark.")
    editor.take_ghost()
    editor.selectAll()
    QApplication.sendEvent(editor, QInputMethodEvent())
    assert editor.toPlainText() == "It was dark."
    offered = QInputMethodEvent()
    offered.setCommitString("新")
    QApplication.sendEvent(editor, offered)
    assert editor.toPlainText() == "新"
    assert editor.spans.all == []


@pytest.mark.qt_log_ignore("This plugin does not support .*", extend=True)
def test_shift_tab_leaves_the_text_and_tab_does_not(qtbot):
    whole = QWidget()
    qtbot.addWidget(whole)
    column, before, text = QVBoxLayout(whole), QLineEdit(), Editor()
    column.addWidget(before)
    column.addWidget(text)
    whole.show()
    text.setFocus()
    qtbot.keyClick(text, Qt.Key.Key_Tab)
    assert whole.focusWidget() is text
    qtbot.keyClick(text, Qt.Key.Key_Backtab, Qt.KeyboardModifier.ShiftModifier)
    assert whole.focusWidget() is before


def test_blanks_that_break_no_line_and_ends_of_lines_inside_a_paragraph_stay_what_they_are(editor):
    text = "10\u00a0km « vite\u00a0»\nfirst\u2028second"
    editor.load(DocumentText(text, (Span(0, 5, "g"),)))
    assert editor.words() == DocumentText(text, (Span(0, 5, "g"),))
