import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence

from chatdesk.ui import shortcuts
from chatdesk.ui.palette import Palette, fit
from chatdesk.ui.settings.keys import KeysEditor

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support .*", extend=True)
CTRL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier


@pytest.fixture
def palette(desk, qtbot):
    desk.show_some()
    desk.window.activateWindow()
    qtbot.waitUntil(desk.window.isActiveWindow)
    qtbot.keyClick(desk.window, Qt.Key.Key_P, CTRL | SHIFT)
    return desk.window.findChild(Palette)


def titles(box):
    return [box.entries.index(row).data() for row in range(box.entries.rowCount())]


def test_it_knows_every_action_once(palette):
    names = [shortcuts.title(name) for name in shortcuts.SHORTCUTS if shortcuts.can_be_changed(name)]
    shown = titles(palette)
    assert shown == [name for name in names if name in shown]
    assert set(names) - set(shown) <= {shortcuts.title("palette"), shortcuts.title("stop")}
    for name in ("export_pdf", "backups", "delete", "keys"):
        assert shortcuts.title(name) in shown


def test_what_belongs_to_the_chat_is_offered_where_the_chat_is_shown(desk):
    desk.window.show_page("inspect")
    shown = titles(Palette(desk.window))
    for name in ("regenerate", "clear", "export_pdf", "delete"):
        assert shortcuts.title(name) not in shown
    assert {shortcuts.title("chat"), shortcuts.title("new_chat"), shortcuts.title("find")} <= set(shown)
    desk.window.show_page("write")
    shown = titles(Palette(desk.window))
    assert shortcuts.title("regenerate") in shown
    assert shortcuts.title("version_before") not in shown
    desk.window.show_page("chat")
    shown = titles(Palette(desk.window))
    assert {shortcuts.title("regenerate"), shortcuts.title("version_before"), shortcuts.title("delete")} <= set(shown)


@pytest.mark.parametrize(
    ("typed", "first"), [("ncht", "New chat"), ("trash", "Trash…"), ("e m", "Export this chat as Mark")]
)
def test_letters_in_their_order_find_it(palette, typed, first):
    palette.field.setText(typed)
    assert titles(palette)[0].startswith(first)


def test_enter_runs_it(desk, palette, qtbot):
    palette.field.setText("new chat")
    qtbot.keyClick(palette.field, Qt.Key.Key_Return)
    assert desk.chat.said("new") == [()]
    assert palette.is_left


def test_what_is_not_there_is_said(palette):
    palette.field.setText("qqq")
    assert (titles(palette), palette.words.text()) == ([], "There is no such command.")
    palette.accept()
    assert not palette.is_left


def test_a_screen_reader_in_the_line_hears_what_is_marked(palette, qtbot):
    palette.field.setText("export this")
    heard = palette.field.accessibleDescription
    assert heard() == palette.entries.index(0).data(Qt.ItemDataRole.AccessibleTextRole)
    qtbot.keyClick(palette.field, Qt.Key.Key_Down)
    assert heard() == palette.entries.index(1).data(Qt.ItemDataRole.AccessibleTextRole)
    palette.field.setText("qqq")
    assert heard() == "There is no such command."


@pytest.mark.parametrize(
    ("pattern", "text", "places"),
    [
        ("", "New chat", ()),
        ("nc", "New chat", ((0, 1), (4, 1))),
        ("NEW", "New chat", ((0, 1), (1, 1), (2, 1))),
        ("tc", "New chat", None),
        ("导出", "将此对话导出为 PDF…", ((4, 1), (5, 1))),
    ],
)
def test_fit(pattern, text, places):
    found = fit(pattern, text)
    assert (found and found[1]) == places


def test_beginnings_of_words_come_first():
    assert fit("st", "Stop the reply") > fit("st", "Write the last reply")


# -- other keys --------------------------------------------------------------------------------------------------------


@pytest.fixture
def editor(desk):
    desk.window.show_page("settings")
    desk.window.settings_page.keys_button.click()
    return desk.window.findChild(KeysEditor)


def press(editor, name, key):
    editor.fields[name].setKeySequence(QKeySequence(key))
    editor.fields[name].editingFinished.emit()


def test_another_key_works_at_once_and_is_kept(desk, editor, qtbot):
    press(editor, "new_chat", "Ctrl+T")
    assert desk.settings["keys"] == ("new_chat=Ctrl+T",)
    editor.accept()
    desk.window.show_page("chat")
    assert desk.page.list.new_button.toolTip() == "New chat (Ctrl+T)"
    desk.window.activateWindow()
    qtbot.waitUntil(desk.window.isActiveWindow)
    qtbot.keyClick(desk.window, Qt.Key.Key_T, CTRL)
    qtbot.keyClick(desk.window, Qt.Key.Key_N, CTRL)
    assert desk.chat.said("new") == [()]


def test_the_open_chat_stays_open_with_other_keys(desk, editor, qtbot):
    desk.chat.open_id = "b"
    press(editor, "new_chat", "Ctrl+T")
    editor.accept()
    desk.window.show_page("chat")
    assert desk.chat.said("open") == [("b",)]
    qtbot.waitUntil(desk.page.isVisible)


def test_a_key_that_is_taken_is_refused_by_name(desk, editor):
    press(editor, "new_chat", "Ctrl+K")
    assert editor.complaint.text() == "Ctrl+K already belongs to “Search”. Give that another key first."
    assert editor.fields["new_chat"].keySequence() == QKeySequence("Ctrl+N")
    assert desk.settings["keys"] == ()


def test_pressing_keys(desk, editor, qtbot):
    field = editor.fields["new_chat"]
    field.setFocus()
    qtbot.keyClick(field, Qt.Key.Key_K, CTRL)
    qtbot.waitUntil(lambda: "already belongs" in editor.complaint.text())
    assert desk.settings["keys"] == ()
    assert field.keySequence() == QKeySequence("Ctrl+N")
    qtbot.keyClick(field, Qt.Key.Key_J, CTRL)
    qtbot.waitUntil(lambda: desk.settings["keys"] == ("new_chat=Ctrl+J",))
    assert editor.complaint.text() == ""


def test_a_key_that_types_is_refused(desk, editor):
    press(editor, "new_chat", "A")
    assert editor.complaint.text().startswith("A is needed for typing.")
    assert desk.settings["keys"] == ()


def test_no_key_and_back_again(desk, editor):
    editor.removes["new_chat"].click()
    assert desk.settings["keys"] == ("new_chat=",)
    assert shortcuts.hint("new_chat") == "New chat"
    press(editor, "search", "Ctrl+N")
    editor.resets["new_chat"].click()
    assert "already belongs to “Search”" in editor.complaint.text()
    editor.resets["search"].click()
    editor.resets["new_chat"].click()
    assert (desk.settings["keys"], shortcuts.key_text("new_chat")) == ((), "Ctrl+N")
    press(editor, "pin", "F8")
    editor.reset_all.click()
    assert (desk.settings["keys"], shortcuts.keys("pin")) == ((), ())


def test_its_own_first_key_is_no_key_of_ones_own(desk, editor):
    press(editor, "new_chat", "Ctrl+T")
    press(editor, "new_chat", "Ctrl+N")
    assert desk.settings["keys"] == ()


def test_every_action_has_a_line_and_the_composers_keys_have_none(editor):
    assert set(editor.fields) == {name for name in shortcuts.SHORTCUTS if shortcuts.can_be_changed(name)}
    assert not {"send", "newline"} & set(editor.fields)


@pytest.mark.parametrize("entries", [("nothing=Ctrl+T",), ("send=Ctrl+T",), ("",), ("new_chat",), ("=",)])
def test_entries_that_mean_nothing_do_no_harm(qapp, entries):
    shortcuts.rebind(entries)
    kept = shortcuts.keys("send")
    shortcuts.rebind(())
    assert kept == ("Return",)


@pytest.mark.parametrize(
    ("key", "usable"),
    [("Ctrl+K", True), ("Alt+Up", True), ("F5", True), ("Shift+F5", True), ("Esc", True), ("Del", True), ("A", False),
     ("Shift+A", False), ("Return", False), ("Tab", False), ("Space", False), ("Up", False), ("Meta+1", True),
     ("zzz", False), ("Ctrl+K, Ctrl+C", False)],
)  # fmt: skip
def test_usable_keys(key, usable):
    assert shortcuts.is_usable(key) is usable


def test_an_own_key_is_never_dead_and_never_a_letter(qapp):
    """Of an edited file, or of a version that had other keys of its own."""
    shortcuts.rebind(("search=A", "new_chat=Ctrl+E", "find=Ctrl+J", "prompt=Ctrl+J", "pin=zzz", "trash="))
    keys = {name: shortcuts.keys(name) for name in ("search", "new_chat", "rework", "find", "prompt", "pin", "trash")}
    clashes = [name for name in shortcuts.SHORTCUTS for key in shortcuts.keys(name) if shortcuts.conflicts(name, key)]
    shortcuts.rebind(())
    assert keys == {
        "search": ("Ctrl+K",), "new_chat": ("Ctrl+E",), "rework": (), "find": ("Ctrl+J",), "prompt": ("Ctrl+I",),
        "pin": (), "trash": (),
    }  # fmt: skip
    assert clashes == []
    assert shortcuts.keys("rework") == ("Ctrl+E",)


def test_no_two_actions_share_a_key():
    clashes = {name: shortcuts.conflicts(name, key) for name in shortcuts.SHORTCUTS for key in shortcuts.keys(name)}
    assert {name: others for name, others in clashes.items() if others} == {}
