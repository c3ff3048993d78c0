"""Adapters in the window: the model menu offers them, the header and the footer name them."""

from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtWidgets import QMessageBox

from chatdesk.errors import Fault, UserError
from chatdesk.tasks.changes import Turn
from tests.ui.scripted import READY, conversation

PIRATE, POET = "/adapters/pirate", "/adapters/a & b"


@pytest.fixture
def menu(desk):
    desk.chat.say(replace(READY, adapter=PIRATE, adapters=(PIRATE, POET)))
    desk.page.model_menu.aboutToShow.emit()
    return desk.page.model_menu.adapters


def asked(desk):
    return [call[1] for call in desk.models.calls if call[0] == "choose_adapter"]


def test_those_before_can_be_switched_on_and_off(desk, menu):
    assert menu.title() == "Adapter: pirate"
    shown = [action.text() for action in menu.actions() if not action.isSeparator()]
    assert shown == ["None", "pirate", "a && b", "Open an adapter folder…"]
    assert [action.isChecked() for action in menu.actions()[:3]] == [False, True, False]
    menu.actions()[0].trigger()
    menu.actions()[2].trigger()
    assert asked(desk) == ["", POET]


def test_the_header_names_what_answers(desk, menu):
    assert desk.page.header.model_button._whole == "Starter 7M + pirate · float32 · CPU"
    desk.chat.say(READY)
    assert desk.page.header.model_button._whole == "Starter 7M · float32 · CPU"


def test_the_footer_names_both(desk, menu):
    desk.chat.show(conversation("a", "First"), Turn("r", "assistant", "Arr", model="Starter 7M + pirate"))
    from chatdesk.ui.chat.figures import facts

    assert facts(desk.page.transcript.last_turn()) == "Starter 7M + pirate"


def test_without_a_model_there_is_nothing_to_attach_to(desk):
    from chatdesk.tasks.changes import ModelChanged

    desk.chat.say(ModelChanged("none"))
    desk.page.model_menu.aboutToShow.emit()
    assert not [a for a in desk.page.model_menu.actions() if a.text().startswith("Adapter")]


def test_a_folder_that_is_opened_or_dropped_is_attached_and_not_loaded(desk, tmp_path: Path):
    (tmp_path / "adapter_config.json").write_text("{}")
    desk.page.load(str(tmp_path))
    assert asked(desk) == [str(tmp_path)]
    assert not [call for call in desk.models.calls if call[0] == "load"]


@pytest.mark.qt_log_ignore("propagateSizeHints")  # the offscreen screen says so of every dialog
def test_why_one_does_not_fit_is_said(desk):
    failed = []
    desk.models.choose_adapter = lambda path, callback: failed.append(callback)
    desk.page.choose_adapter(PIRATE)
    fields = {"adapter": "pirate", "model": "Starter 7M", "reason": "x", "base": "someone/tiny"}
    failed[0](UserError(Fault.ADAPTER_DOES_NOT_FIT, **fields))
    box = desk.page.findChild(QMessageBox)
    assert "someone/tiny" in box.text()
    box.close()
