"""The composer: keys, composition, pastes of any size, its button."""

import pytest
from PySide6.QtCore import QMimeData, Qt
from PySide6.QtGui import QGuiApplication, QInputMethodEvent, QTextCursor
from PySide6.QtWidgets import QApplication, QWidget

from chatdesk.ui.chat.composer import PASTE_LIMIT, Composer

SHIFT = Qt.KeyboardModifier.ShiftModifier


@pytest.fixture
def composer(qtbot):
    window = QWidget()
    qtbot.addWidget(window)
    window.resize(800, 600)
    found = Composer(window)
    found.resize(800, 100)
    found.sent_texts = []
    found.sent.connect(found.sent_texts.append)
    with qtbot.waitExposed(window):
        window.show()
    found.page = window  # kept alive
    return found


def test_enter_sends_and_keeps_the_text(composer: Composer, qtbot) -> None:
    qtbot.keyClicks(composer._editor, "Hello")
    qtbot.keyClick(composer._editor, Qt.Key.Key_Return)
    assert composer.sent_texts == ["Hello"]
    assert composer.text() == "Hello"
    qtbot.keyClick(composer._editor, Qt.Key.Key_Enter, Qt.KeyboardModifier.KeypadModifier)
    assert composer.sent_texts == ["Hello", "Hello"]


def test_shift_enter_begins_a_line(composer: Composer, qtbot) -> None:
    qtbot.keyClicks(composer._editor, "a")
    qtbot.keyClick(composer._editor, Qt.Key.Key_Return, SHIFT)
    qtbot.keyClicks(composer._editor, "b")
    assert composer.text() == "a\nb"
    assert composer.sent_texts == []


def test_enter_can_be_inverted(composer: Composer, qtbot) -> None:
    composer.set_enter_sends(False)
    qtbot.keyClicks(composer._editor, "a")
    qtbot.keyClick(composer._editor, Qt.Key.Key_Return)
    assert (composer.text(), composer.sent_texts) == ("a\n", [])
    qtbot.keyClick(composer._editor, Qt.Key.Key_Return, SHIFT)
    assert composer.sent_texts == ["a\n"]


def test_enter_while_composing_never_sends(composer: Composer, qtbot) -> None:
    composer.set_text("已有")
    QApplication.sendEvent(composer._editor, QInputMethodEvent("nihao", []))
    for modifier in (Qt.KeyboardModifier.NoModifier, SHIFT):
        qtbot.keyClick(composer._editor, Qt.Key.Key_Return, modifier)
    assert composer.sent_texts == []
    assert composer.text() == "已有"
    commit = QInputMethodEvent("", [])
    commit.setCommitString("你好")
    QApplication.sendEvent(composer._editor, commit)
    assert composer.text() == "已有你好"
    qtbot.keyClick(composer._editor, Qt.Key.Key_Return)
    assert composer.sent_texts == ["已有你好"]


@pytest.mark.parametrize("text", ["", " ", "\n\t \u3000\n"])
def test_blank_text_is_not_sent(composer: Composer, qtbot, text: str) -> None:
    composer.set_text(text)
    qtbot.keyClick(composer._editor, Qt.Key.Key_Return)
    composer._button.click()
    assert composer.sent_texts == []


def test_button_sends_then_stops(composer: Composer, qtbot) -> None:
    composer.set_text("Hello")
    assert composer._button.accessibleName() == "Send"
    composer._button.click()
    assert composer.sent_texts == ["Hello"]
    composer.set_replying(True)
    assert composer._button.accessibleName() == "Stop"
    with qtbot.waitSignal(composer.stopped):
        composer._button.click()
    qtbot.keyClick(composer._editor, Qt.Key.Key_Return)
    assert composer.sent_texts == ["Hello"]
    composer.set_replying(False)
    composer._button.click()
    assert composer.sent_texts == ["Hello", "Hello"]


def test_meter_is_hidden_when_empty(composer: Composer) -> None:
    composer.set_meter("412 / 1024")
    assert composer._meter.isVisible()
    assert composer._meter.text() == "412 / 1024"
    composer.set_meter("")
    assert not composer._meter.isVisible()


def test_height_follows_the_text_up_to_a_limit(composer: Composer) -> None:
    low = composer.height()
    composer.set_text("a\nb\nc")
    middle = composer.height()
    composer.set_text("line\n" * 200)
    high = composer.height()
    assert low < middle < high <= 600 * 0.45
    composer.clear()
    assert composer.height() == low


def test_only_plain_text_is_pasted(composer: Composer) -> None:
    data = QMimeData()
    data.setHtml("<b>bold</b><img src='file:///etc/passwd'>")
    data.setText("plain <b>not bold</b>\r\nnext")
    composer._editor.insertFromMimeData(data)
    assert composer.text() == "plain <b>not bold</b>\nnext"


EXACT = [
    "tabs\tand  spaces ",
    "no\u00a0break, \u3000 wide, \u200bzero, \u200dwidth",
    "👩‍👩‍👧‍👦 e\u0301 你好 سلام",
    "\ufffc object",
    "a\n\n\nb\n",
    "line\u2028separator",
]


@pytest.mark.parametrize("text", EXACT)
def test_text_is_kept_to_the_letter(composer: Composer, text: str) -> None:
    composer.set_text(text)
    assert composer.text() == text
    giant = text * (PASTE_LIMIT // len(text) + 1)
    composer.set_text(giant)
    assert composer.text() == giant


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "text", ["a" * 10_000_000, "words\n" * 1_700_000, "e" + "\u0301" * 100_000], ids=["line", "lines", "marks"]
)
def test_giant_paste_stands_as_a_plate(composer: Composer, qtbot, text: str) -> None:
    composer.set_text("before ")
    data = QMimeData()
    data.setText(text)
    composer._editor.insertFromMimeData(data)
    qtbot.keyClicks(composer._editor, " after")
    assert composer._editor.document().characterCount() < 100
    assert composer.text() == f"before {text} after"
    composer._editor.undo()
    composer._editor.undo()
    assert composer.text() == "before "


def test_many_long_pastes_do_not_add_up(composer: Composer) -> None:
    data = QMimeData()
    data.setText("b" * (PASTE_LIMIT - 1))
    for _ in range(20):
        composer._editor.insertFromMimeData(data)
    assert composer.text() == "b" * (PASTE_LIMIT - 1) * 20
    assert composer._editor.document().characterCount() <= 5 * PASTE_LIMIT + 20


def test_changes_are_told_and_focus_goes_to_the_text(composer: Composer, qtbot) -> None:
    with qtbot.waitSignal(composer.text_changed):
        composer.set_text("x")
    composer.focus()
    assert QGuiApplication.focusObject() in (composer._editor, None)
    assert composer.focusProxy() is composer._editor


def test_plates_survive_a_theme_change(composer: Composer) -> None:
    from chatdesk.ui import theme

    composer.set_text("y" * (PASTE_LIMIT + 1))
    theme.watcher.changed.emit()
    assert composer.text() == "y" * (PASTE_LIMIT + 1)


def _cut_and_paste(editor, qtbot) -> None:
    control = Qt.KeyboardModifier.ControlModifier
    for key in (Qt.Key.Key_A, Qt.Key.Key_X, Qt.Key.Key_V):
        qtbot.keyClick(editor, key, control)


def test_a_plate_that_is_cut_comes_back_whole(composer: Composer, qtbot) -> None:
    pasted = "x y " * PASTE_LIMIT
    composer.set_text("🙂 before\n")
    composer._editor.insert(pasted)
    composer._editor.insert(" after \ufffc")
    whole = composer.text()
    _cut_and_paste(composer._editor, qtbot)
    assert composer.text() == whole == f"🙂 before\n{pasted} after \ufffc"
    composer.set_text("🙂🙂")
    composer._editor.insert(pasted)
    composer._editor.insert("end")
    cursor = composer._editor.textCursor()
    cursor.setPosition(2)
    cursor.setPosition(6, QTextCursor.MoveMode.KeepAnchor)  # the second picture, the plate, a letter
    composer._editor.setTextCursor(cursor)
    composer._editor.copy()
    assert QGuiApplication.clipboard().text() == f"🙂{pasted}e"


@pytest.mark.parametrize("text", EXACT)
def test_what_is_cut_and_pasted_is_the_same_to_the_letter(composer: Composer, qtbot, text: str) -> None:
    from chatdesk.ui.widgets.raw_text import RawTextEdit, raw_text

    composer.set_text(text)
    _cut_and_paste(composer._editor, qtbot)
    assert composer.text() == text
    plain = RawTextEdit()
    qtbot.addWidget(plain)
    plain.setPlainText(text)
    _cut_and_paste(plain, qtbot)
    assert raw_text(plain.document()) == text


@pytest.mark.timeout(20)
def test_long_lines_are_pasted_into_fields_at_once(qtbot) -> None:
    from chatdesk.ui.widgets.raw_text import TextField, raw_text

    field = TextField()
    qtbot.addWidget(field)
    field.show()
    data = QMimeData()
    data.setText("a" * 1_000_000)  # Qt's own way to break lines takes minutes
    field.insertFromMimeData(data)
    field.setPlainText("short")
    field.insertFromMimeData(data)  # before the words: the cursor is there
    field.setPlainText(raw_text(field.document()) + "b")
    assert raw_text(field.document()) == f"{'a' * 1_000_000}shortb"
