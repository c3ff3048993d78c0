"""The lab in the window: its key, and what closing does while a model is being trained."""

import pytest
from PySide6.QtWidgets import QMessageBox

from chatdesk.tasks.lab import Commands, Lab
from tests.ui.lab.waiting import Posts

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support .*", extend=True)


@pytest.fixture
def training(desk):
    desk.tasks.lab.is_training = True
    yield desk
    desk.tasks.lab.is_training = False


def question(window):
    return next((box for box in window.findChildren(QMessageBox) if box.isVisible()), None)


def test_closing_asks_while_a_model_is_trained(training, qtbot):
    window = training.window
    window.close()
    assert window.isVisible()
    box = question(window)
    assert "saved" in box.informativeText()
    box.reject()
    assert window.isVisible()
    window.close()
    box = question(window)
    next(each for each in box.buttons() if box.buttonRole(each) == QMessageBox.ButtonRole.AcceptRole).click()
    qtbot.waitUntil(lambda: not window.isVisible())


def test_a_signal_closes_without_a_question(training):
    training.window.end()
    assert not training.window.isVisible()
    assert question(training.window) is None


def test_the_key_and_a_talk(desk, qtbot, tmp_path):
    lab = Lab(tmp_path / "runs", tmp_path / "texts", tmp_path / "log", Commands([], []), Posts().put)
    object.__setattr__(desk.tasks, "lab", lab)
    desk.window.show_page("lab")
    page = desk.window.pages.lab
    assert desk.window.rail.buttons["lab"].isChecked()
    assert page.new_button.isVisible()
    page.talk_wanted.emit(str(tmp_path / "runs" / "one" / "model"))
    assert ("load", str(tmp_path / "runs" / "one" / "model")) in desk.models.calls
    assert desk.window.pages.shown == "chat"
