import subprocess
import sys

import pytest
from PySide6.QtCore import QCoreApplication, QEvent, QPoint, QRect, Qt
from PySide6.QtWidgets import QAbstractButton, QAbstractSlider, QApplication, QDialog, QLineEdit, QScrollArea

from chatdesk.errors import Fault
from chatdesk.tasks import changes
from chatdesk.tasks.all import Tasks
from chatdesk.tasks.changes import Notice, Turn
from chatdesk.ui import shortcuts, theme
from chatdesk.ui.chat.editing import EditBox
from tests.ui.scripted import conversation

# What the offscreen platform says when a menu or a dialog opens.
pytestmark = pytest.mark.qt_log_ignore("This plugin does not support .*", extend=True)
CTRL, ALT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.AltModifier
NONE, SHIFT = Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ShiftModifier


def press(desk, qtbot, key, modifier=Qt.KeyboardModifier.NoModifier):
    desk.window.activateWindow()
    qtbot.keyClick(desk.window, key, modifier)


# -- start -------------------------------------------------------------------------------------------------------------


def test_the_window_can_be_typed_into_at_once(desk):
    desk.window.activateWindow()
    assert desk.chat.said("start") == [("", [])]
    assert QApplication.focusWidget() is desk.page.composer.focusProxy()


def test_the_whole_window_needs_no_torch():
    code = (
        "import sys, pkgutil, importlib, chatdesk.ui\n"
        "for m in pkgutil.walk_packages(chatdesk.ui.__path__, 'chatdesk.ui.'): importlib.import_module(m.name)\n"
        "print([n for n in ('torch', 'transformers', 'accelerate', 'numpy') if n in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert run.stdout.strip() == "[]"


def test_what_can_wait_is_not_imported_before_the_first_paint():
    code = (
        "import sys, chatdesk.ui.main_window, chatdesk.tasks.downloads, chatdesk.tasks.hub\n"
        "waits = ('markdown_it', 'pygments', 'httpx2', 'keyring', 'chatdesk.ui.settings.page')\n"
        "print([n for n in waits if n in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert run.stdout.strip() == "[]"


def test_changes_before_the_page_is_complete_are_not_lost(qtbot, tmp_path):
    from chatdesk.paths import Profile
    from chatdesk.settings.store import Settings
    from chatdesk.ui.main_window import MainWindow
    from tests.ui import scripted

    tasks = Tasks(
        scripted.ScriptedChat(),
        scripted.ScriptedModels(),
        scripted.ScriptedShelf(),
        scripted.ScriptedPrompts(),
        scripted.ScriptedHub(),
        scripted.ScriptedDownloads(),
        scripted.ScriptedBench(),
        scripted.ScriptedWriting(),
        scripted.ScriptedShelf(),
        scripted.ScriptedClassifier(),
        scripted.ScriptedLab(),
    )
    settings = Settings(tmp_path / "settings.toml")
    window = MainWindow(tasks, settings, Profile(tmp_path))
    qtbot.addWidget(window)
    window.apply(scripted.READY)
    window.apply(changes.NoticeChanged(Notice(Fault.NO_MODEL, {}, "choose_model")))
    with qtbot.waitSignal(window.painted):
        window.show()
    window.start()
    assert window.page.header.model_button.text().startswith("Starter 7M · float32 · CPU")


# -- keys and sizes ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "modifier", "call"),
    [(Qt.Key.Key_N, CTRL, ("new",)), (Qt.Key.Key_R, CTRL, ("regenerate",)), (Qt.Key.Key_Return, CTRL, ("send", "Hi"))],
)
def test_keys_reach_the_task(desk, qtbot, key, modifier, call):
    desk.page.composer.set_text("Hi")
    press(desk, qtbot, key, modifier)
    assert call in desk.chat.calls


@pytest.mark.parametrize("name", ["inspect", "classify", "models_page", "settings"])
def test_keys_do_not_reach_a_chat_that_is_hidden(desk, qtbot, name):
    desk.show_some()
    desk.page.composer.set_text("a draft")
    actions = {action.name: action for action in desk.window.findChildren(shortcuts.KeyedAction)}
    desk.window.show_page(name.removesuffix("_page"))
    before = list(desk.chat.calls)
    for key, modifier in (
        (Qt.Key.Key_Return, CTRL), (Qt.Key.Key_R, CTRL), (Qt.Key.Key_Return, ALT), (Qt.Key.Key_F2, NONE),
        (Qt.Key.Key_Left, ALT), (Qt.Key.Key_F3, NONE), (Qt.Key.Key_R, CTRL | SHIFT), (Qt.Key.Key_B, CTRL),
    ):  # fmt: skip
        press(desk, qtbot, key, modifier)
    for hidden in ("clear", "pin", "export_pdf", "delete"):
        actions[hidden].trigger()
    assert desk.chat.calls == before
    assert desk.settings["show_list"]
    press(desk, qtbot, Qt.Key.Key_1, CTRL)
    press(desk, qtbot, Qt.Key.Key_Return, CTRL)
    assert ("send", "a draft") in desk.chat.calls


def test_keys_show_and_hide_the_sides(desk, qtbot):
    page = desk.page
    assert page.list.isVisible()
    press(desk, qtbot, Qt.Key.Key_B, CTRL)
    assert page.list.isHidden()
    assert not desk.settings["show_list"]
    assert page.header.list_button.isVisible()
    press(desk, qtbot, Qt.Key.Key_B, CTRL)
    press(desk, qtbot, Qt.Key.Key_B, CTRL | Qt.KeyboardModifier.ShiftModifier)
    assert (page.list.isVisible(), page.panel.isVisible(), desk.settings["show_panel"]) == (True, False, False)


def test_keys_change_the_text_size(desk, qtbot):
    for key, size in ((Qt.Key.Key_Equal, 110), (Qt.Key.Key_Plus, 120), (Qt.Key.Key_Minus, 110), (Qt.Key.Key_0, 100)):
        press(desk, qtbot, key, CTRL)
        assert desk.settings["text_size"] == size
        assert theme.font().pixelSize() == round(14 * size / 100)
    for _ in range(12):
        press(desk, qtbot, Qt.Key.Key_Equal, CTRL)
    assert desk.settings["text_size"] == 200


def test_no_two_actions_have_the_same_key():
    keys = [(key, s.scope == "composer") for s in shortcuts.SHORTCUTS.values() for key in s.keys]
    assert len(keys) == len(set(keys))


def test_all_keys_are_listed(desk, qtbot):
    press(desk, qtbot, Qt.Key.Key_Slash, CTRL)
    dialog = next(d for d in desk.window.findChildren(QDialog) if isinstance(d, shortcuts.KeysDialog))
    texts = [label.text() for label in dialog.findChildren(shortcuts.QLabel)]
    for name in filter(shortcuts.keys, shortcuts.SHORTCUTS):
        assert shortcuts.title(name) in texts
    dialog.close()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    assert desk.window.findChildren(shortcuts.KeysDialog) == []


def test_all_keys_fit_into_a_small_window_and_the_arrows_reach_the_last(desk, qtbot, qapp):
    theme.apply(qapp, "light", 150)
    desk.window.resize(900, 600)
    press(desk, qtbot, Qt.Key.Key_Slash, CTRL)
    dialog = next(d for d in desk.window.findChildren(QDialog) if isinstance(d, shortcuts.KeysDialog))
    assert dialog.width() <= desk.window.width()
    bar = dialog.findChild(QScrollArea).verticalScrollBar()
    qtbot.waitUntil(lambda: bar.maximum() > 0)
    for _ in range(50):
        qtbot.keyClick(dialog.focusWidget(), Qt.Key.Key_PageDown)
    assert bar.value() == bar.maximum()


def test_a_wide_window_has_its_sides_beside_the_middle(desk):
    page = desk.page
    assert (desk.window.rail.width(), page.list.width(), page.panel.width(), page.header.height()) == (56, 248, 272, 56)
    assert not page.list_drawer.floating


def test_below_900_the_sides_are_drawers(desk, qtbot):
    desk.window.resize(899, 700)
    page = desk.page
    assert (page.list.isHidden(), page.panel.isHidden()) == (True, True)
    page.header.list_button.click()
    assert page.list.isVisible()
    assert page.list.height() == page.height()
    page.header.panel_button.click()
    assert (page.list.isVisible(), page.panel.isVisible()) == (False, True)
    qtbot.waitUntil(lambda: page.panel.x() == page.width() - page.panel.width())
    press(desk, qtbot, Qt.Key.Key_Escape)
    assert page.panel.isHidden()
    assert desk.settings["show_list"] is True
    desk.window.resize(900, 700)
    assert (page.list.isVisible(), page.panel.isVisible()) == (True, True)


def test_a_drawer_takes_the_focus_and_gives_it_back(desk):
    desk.window.resize(800, 700)
    desk.window.activateWindow()
    desk.page.composer.focus()
    desk.page.toggle_list()
    assert QApplication.focusWidget() is desk.page.list.new_button
    desk.page.stop()
    assert QApplication.focusWidget() is desk.page.composer.focusProxy()


def test_a_click_beside_a_drawer_closes_it(desk, qtbot):
    desk.window.resize(800, 700)
    desk.page.toggle_list()
    qtbot.mouseClick(desk.page._shade, Qt.MouseButton.LeftButton, pos=QPoint(700, 300))
    assert desk.page.list.isHidden()
    assert desk.page._shade.isHidden()


def test_opening_a_chat_closes_the_drawer(desk):
    desk.show_some()
    desk.window.resize(800, 700)
    desk.page.toggle_list()
    desk.page.list.open_wanted.emit("c")
    assert desk.page.list.isHidden()
    assert desk.chat.said("open") == [("c",)]


def test_below_640_the_rail_lies_in_the_list(desk, qtbot):
    desk.window.resize(639, 700)
    assert desk.window.rail.parentWidget() is desk.page.list
    desk.window.show_page("settings")
    assert desk.window.settings_page.back_button.isVisible()
    desk.window.settings_page.back_button.click()
    assert desk.page.isVisible()
    desk.window.resize(1000, 700)
    assert desk.window.rail.parentWidget() is not desk.page.list
    qtbot.waitUntil(desk.window.rail.isVisible)


@pytest.mark.parametrize("percent", [70, 150, 200])
def test_sides_grow_with_the_text(desk, percent):
    desk.window.resize(2400, 1000)
    desk.settings["text_size"] = percent
    assert desk.page.list.width() == theme.scaled(248)
    assert desk.page.header.height() == theme.scaled(56)


# -- settings ----------------------------------------------------------------------------------------------------------


def test_settings_are_kept_and_take_effect(desk):
    desk.window.show_page("settings")
    page = desk.window.settings_page
    model = {"unload_after", "branch_memory", "guesses"}
    assert set(page.rows) == {"language", "theme", "enter_sends", "text_size", "offline", "hub"} | model
    next(a for a in page.rows["theme"].menu.actions() if a.text() == "Dark").trigger()
    assert (desk.settings["theme"], theme.current()) == ("dark", theme.load("dark"))
    page.rows["enter_sends"].switch.click()
    assert desk.settings["enter_sends"] is False
    desk.settings["text_size"] = 120
    assert page.rows["text_size"].field.text() == "120"


def test_another_language_at_once(desk, qtbot):
    desk.show_some()
    desk.page.composer.set_text("half a thought")
    desk.window.show_page("settings")
    old = desk.page
    desk.settings["language"] = "zh_CN"
    qtbot.waitUntil(lambda: desk.page is not old)
    assert desk.page.list.new_button.text().strip() == "新对话"
    qtbot.waitUntil(desk.window.settings_page.isVisible)
    assert desk.page.list.model.row_of("b") > 0
    assert "Starter 7M" in desk.page.header.model_button.accessibleName()
    assert desk.chat.said("open") == [("b",)]


def test_the_unsent_words_of_a_new_chat_survive_another_language(desk, qtbot):
    desk.page.composer.set_text("half a thought")
    old = desk.page
    desk.settings["language"] = "zh_CN"
    qtbot.waitUntil(lambda: desk.page is not old)
    assert desk.page.composer.text() == "half a thought"


@pytest.mark.parametrize("setting", [("language", "zh_CN"), ("keys", ("find=Ctrl+G",))])
def test_what_is_typed_and_chosen_survives_another_language_and_other_keys(desk, qtbot, setting):
    desk.show_some()
    turns = Turn("u", "user", "Hi"), Turn("r", "assistant", "Ho", finish_reason="stop")
    desk.chat.show(conversation("b", "Second"), *turns)
    desk.page.transcript.edit("u")
    desk.page.transcript.findChild(EditBox)._text.setPlainText("Hi, half an edit")
    desk.page.composer.set_text("half a thought")
    desk.page.model_menu.device, desk.page.model_menu.dtype = "cpu", "int8"
    desk.chat.say(changes.UndoChanged("messages"))
    old = desk.page
    desk.window.show_page("settings")
    desk.settings[setting[0]] = setting[1]
    desk.window.show_page("chat")
    qtbot.waitUntil(lambda: desk.page is not old)
    assert desk.page.composer.text() == "half a thought"
    assert not desk.page.undo_bar.isHidden()
    assert (desk.page.model_menu.device, desk.page.model_menu.dtype) == ("cpu", "int8")
    desk.chat.show(conversation("b", "Second"), *turns)
    assert desk.page.transcript.findChild(EditBox).text() == "Hi, half an edit"


def test_what_is_typed_on_other_pages_survives_another_language(desk, qtbot):
    desk.window.show_page("inspect")
    desk.window.pages.inspect.text.setPlainText("once upon a time")
    desk.window.show_page("classify")
    desk.window.pages.classify.labels.names[0].setText("warm")
    old = desk.page
    desk.settings["language"] = "zh_CN"
    qtbot.waitUntil(lambda: desk.page is not old)
    assert desk.window.pages.inspect.text.toPlainText() == "once upon a time"
    assert desk.window.pages.classify.labels.plan().labels[0].name == "warm"
    qtbot.waitUntil(desk.window.pages.classify.isVisible)


def test_a_full_disk_does_not_stop_the_window(desk, monkeypatch):
    from chatdesk.errors import UserError

    def full(self, name, value):
        raise UserError(Fault.DISK_FULL, path="/disk")

    monkeypatch.setattr(type(desk.settings), "__setitem__", full)
    desk.page.toggle_list()
    assert desk.page.list.isHidden()
    desk.window.show_page("settings")
    page = desk.window.settings_page
    page.rows["enter_sends"].switch.click()
    assert page._complaint.text().startswith("The disk with /disk is full.")


def test_the_window_opens_where_it_was_closed(desk, qtbot):
    desk.window.resize(700, 640)
    desk.window.close()
    assert desk.settings["geometry"]
    from chatdesk.ui.main_window import MainWindow

    again = MainWindow(desk.tasks, desk.settings, desk.profile)
    qtbot.addWidget(again)
    assert (again.width(), again.height()) == (700, 640)


@pytest.mark.parametrize(
    "where",
    [
        QRect(3000, 200, 700, 600),  # on a screen that is gone
        QRect(-1900, -400, 700, 600),
        QRect(2000, 0, 2400, 1300),  # and was larger
        QRect(500, 500, 500, 600),
    ],
)
def test_a_place_that_is_gone_is_moved_onto_the_screen(desk, qtbot, where):
    desk.window.setGeometry(where)
    desk.window.close()
    from chatdesk.ui.main_window import MainWindow

    again = MainWindow(desk.tasks, desk.settings, desk.profile)
    qtbot.addWidget(again)
    room = again.screen().availableGeometry()
    assert room.contains(again.geometry())
    assert again.width() >= min(where.width(), room.width() - 16)


def test_the_first_window_and_its_frame_fit_a_screen_that_is_lower(desk, qtbot):
    desk.settings["geometry"] = ""
    from chatdesk.ui.main_window import MainWindow

    first = MainWindow(desk.tasks, desk.settings, desk.profile)
    qtbot.addWidget(first)
    room, place = first.screen().availableGeometry(), first.geometry()
    assert room.height() <= 800
    assert place.top() >= room.top() + 40
    assert room.adjusted(8, 0, -8, -8).contains(place)


@pytest.mark.parametrize("geometry", ["", "AAAA", "not base64 at all \u00e9"])
def test_a_damaged_geometry_is_no_matter(desk, qtbot, geometry):
    desk.settings["geometry"] = geometry
    from chatdesk.ui.main_window import MainWindow

    again = MainWindow(desk.tasks, desk.settings, desk.profile)
    qtbot.addWidget(again)
    assert again.width() >= 360


# -- for everyone -----------------------------------------------------------------------------------------------------


def test_every_control_has_an_accessible_name(desk):
    desk.show_some()
    desk.chat.show(conversation("a", "A"), Turn("u", "user", "Hi"), Turn("r", "assistant", "Ho", finish_reason="stop"))
    desk.window.show_page("settings")
    nameless = [
        (type(w).__name__, w.objectName(), w.parent())
        for kind in (QAbstractButton, QAbstractSlider, QLineEdit)
        for w in desk.window.findChildren(kind)
        if not w.accessibleName()
        and not (isinstance(w, QAbstractButton) and w.text())
        and type(w).__name__ != "QScrollBar"
        and not w.objectName().startswith("qt_")
    ]
    assert nameless == []


def test_the_tab_key_goes_round(desk, qtbot):
    desk.show_some()
    desk.window.activateWindow()
    desk.page.composer.focus()
    seen = []
    for _ in range(60):
        qtbot.keyClick(QApplication.focusWidget(), Qt.Key.Key_Tab)
        seen.append(QApplication.focusWidget())
        if seen[-1] is desk.page.composer.focusProxy():
            break
    assert seen[-1] is desk.page.composer.focusProxy()
    for wanted in (desk.page.list.new_button, desk.page.list.view, desk.page.header.model_button):
        assert wanted in seen


@pytest.mark.parametrize("words", ["Start & stop", "中文标题", "a" * 500, "<b>bold</b>"])
def test_titles_are_shown_as_they_are(desk, words):
    desk.chat.show(conversation("a", words))
    assert desk.page.header.title.words() == words
    assert desk.page.header.title.textFormat() == Qt.TextFormat.PlainText


def test_nothing_is_written_on_the_console(desk, capfd):
    desk.show_some()
    desk.window.resize(600, 600)
    desk.window.resize(1280, 800)
    desk.settings["theme"] = "dark"
    QApplication.processEvents()
    assert capfd.readouterr().err == ""
