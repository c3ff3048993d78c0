"""The exact prompt in its dialog: text, tokens, what is dropped, what is copied."""

from itertools import accumulate

import pytest
from PySide6.QtCore import QEvent, QPoint, Qt
from PySide6.QtGui import QGuiApplication, QMouseEvent
from PySide6.QtWidgets import QApplication, QDialog
from shiboken6 import isValid

from chatdesk.engine.api import PromptMade
from chatdesk.errors import Fault
from chatdesk.tasks.changes import Notice
from chatdesk.tasks.prompts import ExactPrompt
from chatdesk.ui import shortcuts, theme
from chatdesk.ui.chat.exact_prompt import ExactPromptDialog
from chatdesk.ui.widgets import long_text
from chatdesk.ui.widgets.tokens import sign

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support .*", extend=True)
CTRL = Qt.KeyboardModifier.ControlModifier
PIECES = ("<|im_start|>", "user", "\n", "Hel", "lo", " ", "", "天", "<|im_end|>", "\n", "a\nb")
IDS = (900, 5, 2, 10, 11, 3, 40, 41, 901, 2, 7)


def prompt(pieces=PIECES, ids=IDS, has_unsent=True, **more):
    markers = tuple(sorted({900, 901} & set(ids)))
    return ExactPrompt(PromptMade(1, tuple(ids), tuple(pieces), markers, 2048, **more), has_unsent)


@pytest.fixture
def dialog(desk, qtbot):
    desk.show_some()
    desk.page.composer.set_text("Hello")
    desk.window.activateWindow()
    qtbot.waitUntil(desk.window.isActiveWindow)
    qtbot.keyClick(desk.window, Qt.Key.Key_I, CTRL)
    return desk.window.findChild(ExactPromptDialog)


@pytest.fixture
def shown(desk, dialog, qtbot):
    dialog.take(prompt())
    qtbot.waitUntil(dialog.text.is_whole)
    return dialog


def press(qtbot, dialog, *keys):
    for key in keys:
        qtbot.keyClick(dialog.tokens, key)
    return dialog.tokens.current


# -- opening and closing -----------------------------------------------------------------------------------------------


def test_the_key_asks_with_what_is_typed(desk, dialog):
    assert desk.prompts.said("ask") == [("Hello",)]
    assert dialog.isVisible()
    assert dialog.message.isVisible()
    assert not any(b.isEnabled() for b in (dialog.copy_text, dialog.copy_ids, dialog.show_text, dialog.show_tokens))


def test_menu_and_palette_have_it(desk):
    desk.show_some()
    next(a for a in desk.page.header.more.actions() if a.text().startswith("Show the exact prompt…")).trigger()
    assert desk.prompts.said("ask") == [("",)]
    assert shortcuts.title("prompt") in [a.text() for a in desk.window.findChildren(shortcuts.KeyedAction)]


def test_escape_closes_and_forgets(desk, shown, qtbot):
    qtbot.keyClick(shown.text, Qt.Key.Key_Escape)
    assert desk.prompts.said("forget") == [()]
    qtbot.waitUntil(lambda: not isValid(shown))


def test_an_error_is_one_sentence(dialog):
    dialog.take(Notice(Fault.NO_MODEL, {}))
    assert dialog.message.isVisible()
    assert dialog.message.text() == "No model is loaded. Choose one from the model menu."
    assert not dialog.copy_text.isEnabled()


# -- text --------------------------------------------------------------------------------------------------------------


def test_it_is_shown_as_text(shown):
    assert shown.text.isVisible()
    assert shown.text.toPlainText() == "".join(PIECES)
    assert shown.text.textCursor().position() == 0
    assert (shown.words.text(), shown.facts.text()) == (
        "What the model reads when you send the message as it is typed now.",
        "11 of 2,048 tokens",
    )


def test_markers_are_tinted(shown):
    text = "".join(PIECES)
    tinted = ""
    for place, letter in enumerate(text):
        cursor = shown.text.textCursor()
        cursor.setPosition(place + 1)
        if cursor.charFormat().foreground().color().name() == theme.current().accent:
            tinted += letter
    assert tinted == "<|im_start|><|im_end|>"


@pytest.mark.parametrize(
    ("dropped", "words"), [(1, "1 older message is left out."), (12, "12 older messages are left out.")]
)
def test_what_is_dropped_is_said(dialog, dropped, words):
    dialog.take(prompt(has_unsent=False, dropped_messages=dropped))
    assert dialog.words.text() == f"What the model reads to answer your last message.\n{words}"


@pytest.mark.parametrize(
    "text", ["<b>bold</b><img src='file:///etc/passwd'>", "\x1b[31mred\x07", "a\u2028b\ufffcc\ud800"]
)
def test_it_is_inert(dialog, qtbot, text):
    dialog.take(prompt([text], [5]))
    qtbot.waitUntil(dialog.text.is_whole)
    shown = dialog.text.toPlainText()
    assert not {"\x1b", "\x07", "\ufffc", "\ud800"} & set(shown)
    assert "<" not in text or shown == text
    dialog.show_tokens.click()
    assert not {"\x1b", "\x07", "\ufffc", "\ud800"} & set(dialog.status.words())
    assert dialog.status.textFormat() == Qt.TextFormat.PlainText


def test_a_very_long_line_is_cut_for_the_eye_only(dialog, qtbot):
    pieces = ["x" * 9_000, "\n", "end"]
    dialog.take(prompt(pieces, [5, 2, 6]))
    qtbot.waitUntil(dialog.text.is_whole)
    assert max(map(len, dialog.text.toPlainText().split("\n"))) <= 4_000
    dialog.text.selectAll()
    dialog.text.copy()
    assert QGuiApplication.clipboard().text() == "".join(pieces)


def test_copying(shown):
    shown.copy_text.click()
    assert QGuiApplication.clipboard().text() == "".join(PIECES)
    assert shown.status.words() == "Copied."
    shown.copy_ids.click()
    assert QGuiApplication.clipboard().text() == str(list(IDS))


# -- tokens ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def tokens(shown, qtbot):
    shown.show_tokens.click()
    assert shown.tokens.isVisible()
    return shown


@pytest.mark.parametrize(
    ("piece", "shown"),
    [("", "◌"), (" ", "␣"), ("  ", "␣␣"), ("\n", "↵"), ("a\tb", "a→b"), (" the", " the"), ("\x1b", "^["), ("\r", "↵")],
)
def test_every_piece_has_a_sign(piece, shown):
    assert sign(piece) == shown


def test_arrows_go_from_token_to_token(tokens, qtbot):
    assert tokens.status.words() == "Token 1 of 11 · id 900 · <|im_start|> · special"
    assert press(qtbot, tokens, Qt.Key.Key_Right) == 1
    assert tokens.status.words() == "Token 2 of 11 · id 5 · user"
    assert press(qtbot, tokens, Qt.Key.Key_Left, Qt.Key.Key_Left) == 0
    assert press(qtbot, tokens, Qt.Key.Key_Down) in (3, 4)
    assert press(qtbot, tokens, Qt.Key.Key_End) == 9
    assert press(qtbot, tokens, Qt.Key.Key_Home) == 3
    assert press(qtbot, tokens, Qt.Key.Key_PageDown) == 10
    assert press(qtbot, tokens, Qt.Key.Key_Right) == 10
    qtbot.keyClick(tokens.tokens, Qt.Key.Key_Home, CTRL)
    assert tokens.tokens.current == 0
    qtbot.keyClick(tokens.tokens, Qt.Key.Key_End, CTRL)
    assert tokens.tokens.current == 10
    assert tokens.tokens.accessibleDescription() == tokens.status.words()


def test_pointer_and_click(tokens, qtbot):
    view = tokens.tokens
    place = view.place_of(4).center()
    none, where = Qt.MouseButton.NoButton, view.viewport().mapToGlobal(place)
    move = QMouseEvent(QEvent.Type.MouseMove, place, where, none, none, Qt.KeyboardModifier.NoModifier)
    QApplication.sendEvent(view.viewport(), move)
    assert tokens.status.words() == "Token 5 of 11 · id 11 · lo"
    assert view.current == 0
    qtbot.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert view.current == 4
    assert view.token_at(QPoint(view.viewport().width() - 2, place.y())) is None


def test_a_row_ends_where_the_text_does(tokens):
    rows = [tokens.tokens.place_of(number).top() for number in range(len(PIECES))]
    assert [number for number in range(1, len(rows)) if rows[number] > rows[number - 1]] == [3, 10]


def test_a_hundred_thousand_tokens(dialog, qtbot, monkeypatch):
    monkeypatch.setattr(long_text, "_PORTION_S", 0.0)  # a quick machine has all of it there at once
    pieces = [f" w{i % 977}" + "\n" * (i % 50 == 0) for i in range(100_000)]
    dialog.take(prompt(pieces, range(1_000, 101_000)))
    assert not dialog.text.is_whole()  # it comes in portions
    dialog.show_tokens.click()
    view = dialog.tokens
    assert view.place_of(99_999).isEmpty()
    assert not view.place_of(0).isEmpty()
    qtbot.keyClick(view, Qt.Key.Key_End, CTRL)
    assert dialog.status.words().startswith("Token 100,000 of 100,000")
    qtbot.waitUntil(lambda: view.viewport().rect().contains(view.place_of(99_999)), timeout=20_000)
    qtbot.waitUntil(dialog.text.is_whole, timeout=20_000)
    assert len(dialog.text.toPlainText()) == list(accumulate(map(len, pieces)))[-1]
    dialog.resize(dialog.width() - 60, dialog.height())
    assert view.place_of(99_999).isEmpty()
    qtbot.waitUntil(lambda: view.viewport().rect().intersects(view.place_of(99_999)), timeout=20_000)


@pytest.mark.parametrize("name", ["light", "dark"])
def test_markers_and_the_marked_token_have_their_grounds(tokens, qapp, name):
    theme.apply(qapp, name, 100)
    colors, view = theme.current(), tokens.tokens
    view.setFocus()
    view.mark(3)
    image = view.viewport().grab().toImage()
    ratio = image.devicePixelRatio()

    def ground(number):
        rect = view.place_of(number)
        return image.pixelColor(int((rect.left() + 3) * ratio), int(rect.center().y() * ratio)).name()

    assert (ground(0), ground(1), ground(4), ground(8)) == (colors.tint, colors.hover, colors.hover, colors.tint)
    assert ground(3) == colors.accent
    tokens.copy_ids.setFocus()
    image = view.viewport().grab().toImage()
    assert ground(3) == colors.hover


def test_all_controls_have_names(desk, tokens):
    assert isinstance(tokens, QDialog)
    assert tokens.windowTitle() == "Exact prompt"
    for part in (tokens.text, tokens.tokens, tokens.show_text, tokens.show_tokens, tokens.copy_text, tokens.copy_ids):
        assert part.accessibleName()
