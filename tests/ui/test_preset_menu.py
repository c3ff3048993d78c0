import pytest
from PySide6.QtWidgets import QInputDialog, QMessageBox

from chatdesk import paths
from chatdesk.settings.options import WRITING
from chatdesk.settings.presets import NAMES, WRITING_NAMES, Presets
from chatdesk.tasks.changes import SettingsChanged
from chatdesk.tasks.writing_changes import WritingSettings
from chatdesk.ui.widgets.presets import PresetButton

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support .*", extend=True)


@pytest.fixture
def button(desk):
    return desk.window._presets


def menu(button):
    button.menu_of_presets.aboutToShow.emit()
    return {action.text(): action for action in button.menu_of_presets.actions() if action.text()}


def kept(desk):
    return Presets(paths.resources() / "presets" / "presets.toml", desk.profile.presets)


def precise(desk):
    return kept(desk).all()[2].values


def test_choosing_one_sets_every_value_but_the_seed(desk, button):
    menu(button)["Precise"].trigger()
    said = dict(desk.chat.said("set_setting"))
    assert said == {name: precise(desk).get(name) for name in NAMES}
    assert said["temperature"] == 0.2
    assert said["top_k"] is None


def test_the_button_names_what_is_set(desk, button, defaults):
    assert button.accessibleName() == "Preset: No preset"
    desk.chat.say(SettingsChanged(precise(desk) | {"seed": 4}, defaults))
    assert button.text().strip() == "Precise"
    assert [name for name, action in menu(button).items() if action.isChecked()] == ["Precise"]
    desk.chat.say(SettingsChanged({"temperature": 1.5}, defaults))
    assert button.text().strip() == "Own values"


def test_no_preset_goes_back_to_the_model(desk, button, defaults):
    desk.chat.say(SettingsChanged({"temperature": 1.5}, defaults))
    menu(button)["No preset"].trigger()
    assert desk.chat.said("set_setting") == [(name, None) for name in NAMES]


def test_saving_using_for_new_chats_and_deleting_one(desk, button, defaults):
    desk.chat.say(SettingsChanged({"temperature": 1.5, "seed": 3}, defaults))
    menu(button)["Save as preset…"].trigger()
    dialog = desk.window.findChild(QInputDialog)
    dialog.setTextValue("Wild & free")
    dialog.accept()
    assert button.text().strip() == "Wild && free"
    assert kept(desk).all()[5].values == {"temperature": 1.5}
    menu(button)["Use “Wild && free” for new chats"].trigger()
    assert kept(desk).default.name == "Wild & free"
    desk.chat.show(None)
    assert ("temperature", 1.5) in desk.chat.said("begin_with")
    desk.chat.say(SettingsChanged({"temperature": 1.5}, defaults))
    menu(button)["Delete “Wild && free”…"].trigger()
    box = desk.window.findChild(QMessageBox)
    next(b for b in box.buttons() if b.text() == "Delete").click()
    assert (len(kept(desk).all()), kept(desk).default) == (5, None)


def test_a_stored_conversation_keeps_its_own_settings(desk, button):
    kept(desk).set_default("precise")
    button._presets.set_default("precise")
    desk.show_some()
    assert desk.chat.said("set_setting") == []
    desk.chat.show(None)
    assert dict(desk.chat.said("begin_with"))["temperature"] == 0.2


def test_the_default_can_be_taken_back(desk, button, defaults):
    desk.chat.say(SettingsChanged(precise(desk), defaults))
    menu(button)["Use “Precise” for new chats"].trigger()
    assert menu(button)["Use “Precise” for new chats"].isChecked()
    menu(button)["Use “Precise” for new chats"].trigger()
    assert kept(desk).default is None
    menu(button)["Use “Precise” for new chats"].trigger()
    desk.chat.say(SettingsChanged({}, defaults))
    menu(button)["No preset for new chats"].trigger()
    assert kept(desk).default is None


def test_a_disk_that_takes_nothing_is_said(desk, button, defaults):
    desk.profile.presets.mkdir()
    desk.chat.say(SettingsChanged({"temperature": 1.5}, defaults))
    button._save("Wild")
    assert "presets.toml" in desk.window.findChild(QMessageBox).text()
    assert button.text().strip() == "Wild"


def test_presets_speak_the_language_of_the_window(desk, qtbot):
    old = desk.page
    desk.settings["language"] = "zh_CN"
    qtbot.waitUntil(lambda: desk.page is not old)
    assert "严谨" in menu(desk.window._presets)


def test_the_writing_desk_has_presets_of_its_own(desk):
    desk.tasks.writing.values = {"temperature": 0.5, "memory": "A keeper."}
    desk.window.show_page("write")
    page = desk.window.pages.writing
    button = page.side._presets
    assert button.text().strip() == "Own values"
    actions = menu(button)
    assert "Surprising" in actions
    assert not any("new chats" in text for text in actions)
    desk.tasks.writing.calls.clear()
    actions["Surprising"].trigger()
    said = {name: value for _, name, value in desk.tasks.writing.calls}
    assert (said["temperature"], said["drafts"], said["note"]) == (1.3, 8, None)
    assert not {"memory", "seed"} & set(said)  # those are the text's own
    page.take(WritingSettings({"temperature": 0.4, "top_p": 0.9, "repetition_penalty": 1.05, "memory": "x"}, {}))
    assert button.text().strip() == "Close to the text"
    button._save("Mine")
    own = Presets(supplied(), desk.profile.writing_presets, "en", WRITING_NAMES, WRITING).all()[-1]
    assert own.values == {"temperature": 0.4, "top_p": 0.9, "repetition_penalty": 1.05}
    assert kept(desk).all()[-1].name != "Mine"


def supplied():
    return paths.resources() / "presets" / "writing.toml"


def test_a_name_of_any_length_leaves_the_menu_as_wide_as_others(qtbot, tmp_path):
    presets = Presets(paths.resources() / "presets" / "presets.toml", tmp_path / "presets.toml")
    presets.save("long " * 2000, {"temperature": 0.3})
    button = PresetButton(lambda name, value: None, presets)
    qtbot.addWidget(button)
    button.show_values({"temperature": 0.3})
    button.menu_of_presets.aboutToShow.emit()
    assert button.menu_of_presets.sizeHint().width() < 900
    assert button.sizeHint().width() < 900
