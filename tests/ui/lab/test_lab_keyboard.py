"""From an empty profile to a vote with the keyboard alone, and where Tab leads on the way."""

import json
import queue
import shutil
import sys

import msgspec
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QFileDialog, QLineEdit, QWidget

from chatdesk.paths import starter
from chatdesk.tasks.lab import Commands, Lab
from chatdesk.training.errands import Done, Going
from chatdesk.training.events import Began, Finished, Paused, Saved, Stepped
from tests.ui import walking
from tests.ui.lab.test_lab_page import COMPARE, FAKE, REPORT, Bench
from tests.ui.walking import focus, press, tab_to

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support .*", extend=True)
SPACE, ENTER, TAB, BACK = Qt.Key.Key_Space, Qt.Key.Key_Return, Qt.Key.Key_Tab, Qt.Key.Key_Backtab


class Walk(Bench):
    """The lab in a real window, over scripted children, with nothing in it."""

    def __init__(self, desk, qtbot, folder) -> None:
        self.qtbot, self.folder, self.window = qtbot, folder, desk.window
        self._posted = queue.SimpleQueue()
        self.errand, self.training = folder / "errand.txt", folder / "training.txt"
        commands = Commands(
            [*FAKE, str(self.training)], [*FAKE, str(self.errand)], None, [sys.executable, "-c", COMPARE]
        )
        self.lab = Lab(folder / "runs", folder / "texts", folder / "lab.log", commands, self._posted.put)
        object.__setattr__(desk.tasks, "lab", self.lab)
        desk.window.activateWindow()
        qtbot.waitUntil(lambda: desk.window.isActiveWindow() and desk.window.isAncestorOf(QApplication.focusWidget()))
        qtbot.keyClick(focus(), Qt.Key.Key_6, Qt.KeyboardModifier.ControlModifier)
        self.page = desk.window.pages.lab
        self.settle()

    def settle(self) -> None:
        self.until(lambda: self.lab.work is None)

    def go(self, widget: QWidget, *keys: Qt.Key, back: bool = False) -> None:
        """Tab to it, then these keys."""
        tab_to(self.qtbot, widget, BACK if back else TAB)
        for key in keys:
            press(self.qtbot, key)

    def add_text(self, file) -> None:
        """Through the dialog for files."""
        self.go(self.page.steps["text"].add_files, SPACE)
        dialog = self.page.findChild(QFileDialog)
        self.qtbot.waitUntil(dialog.isActiveWindow)
        line = dialog.findChild(QLineEdit)
        tab_to(self.qtbot, line)
        line.setText(str(file))  # what Qt proposes while one types is not ours
        self.qtbot.keyClick(line, ENTER)
        assert not dialog.isVisible()
        self.window.activateWindow()  # as the system does
        self.qtbot.waitUntil(self.window.isActiveWindow)


@pytest.fixture
def walk(desk, qtbot, tmp_path):
    made = Walk(desk, qtbot, tmp_path)
    yield made
    made.lab.close()


def scripted_text(walk) -> None:
    prepared = walk.folder / "texts" / "prepared-1"
    prepared.mkdir(parents=True)
    (prepared / "report.json").write_text(json.dumps(REPORT))
    (prepared / "held-out.jsonl").write_text("{}\n")
    walk.script(walk.errand, Going("reading", 0, 1), "wait", Done(REPORT, str(prepared)))


def stepped(first: int, last: int) -> list[Stepped]:
    return [Stepped("text", n, 10, n * 1000, 4 - n / 10, 0.01, 2000.0) for n in range(first, last + 1)]


def test_from_nothing_to_a_vote(walk, qtbot):
    page, steps = walk.page, walk.page.steps
    assert focus() is page.new_button
    press(qtbot, SPACE)
    text = walk.folder / "story.txt"
    text.write_text("Once upon a time.")
    walk.add_text(text)
    assert page.run.plan.paths == (str(text),)
    scripted_text(walk)
    walk.go(steps["text"].prepare_button, SPACE)
    assert focus() is steps["text"].cancel_button
    walk.lab._process.stop()  # the child waits for it
    walk.settle()
    assert focus() is steps["text"].next_button
    press(qtbot, SPACE)
    walk.go(steps["model"].presets["small"], SPACE)
    assert page.run.recipe.model.width == 256
    walk.go(steps["model"].next_button, SPACE)
    train(walk, qtbot)
    walk.go(steps["use"].talk_button)
    walk.go(page.tabs["use"], Qt.Key.Key_Right, back=True)
    assert focus() is page.tabs["compare"]
    compare(walk, qtbot)
    walk.go(page.tabs["compare"], Qt.Key.Key_Left, back=True)
    walk.go(steps["use"].talk_button)
    with qtbot.waitSignal(page.talk_wanted):
        press(qtbot, SPACE)
    assert focus().accessibleName() == "Message"


def train(walk, qtbot) -> None:
    """Begin, pause, go on."""
    page, step = walk.page, walk.page.steps["train"]
    shutil.copytree(starter(), page.path / "model")
    told = Began(5000, 10_000, 0), *stepped(1, 4), "wait", Saved("text", 4, "x"), Paused("text", 4, 4000, "x")
    walk.script(walk.training, *told)
    walk.go(step.start_button, SPACE)
    walk.until(lambda: page.run.history.losses)
    assert (focus(), walking.name(step.start_button)) == (step.start_button, "Pause")
    press(qtbot, SPACE)
    walk.settle()
    walk.script(walk.training, Began(5000, 10_000, 4000), *stepped(5, 10), Finished("x", 10_000, 9.0))
    assert (focus(), walking.name(step.start_button)) == (step.start_button, "Go on")
    press(qtbot, SPACE)
    walk.settle()
    assert page.run.history.state == "finished"
    assert focus() is step.use_button
    press(qtbot, SPACE)


def compare(walk, qtbot) -> None:
    """Let both answer, and vote."""
    step = walk.page.steps["compare"]
    walk.go(step.prompts)
    qtbot.keyClicks(step.prompts, "One?")
    press(qtbot, ENTER)
    qtbot.keyClicks(step.prompts, "Two?")
    walk.go(step.start_button, SPACE)
    walk.until(lambda: walk.lab.work.done == 4)
    assert focus() is step.cancel_button
    press(qtbot, SPACE)
    walk.settle()
    assert focus() in step.votes.values()  # on what is there
    walk.go(step.start_button, SPACE, back=True)
    walk.settle()
    assert focus() in step.votes.values()
    walk.go(step.votes["right"], SPACE)
    assert focus() is step.votes["right"]
    press(qtbot, SPACE)
    assert not step.votes["right"].isVisible()
    assert "p = " in step.tally.text()


def test_every_control_is_reached_named_and_shows_the_focus(walk, qtbot):
    page = walk.page
    assert walking.problems(qtbot, page) == []
    press(qtbot, SPACE)
    assert walking.problems(qtbot, page) == []
    page.take([walk.folder / "story.txt"])
    scripted_text(walk)
    walk.go(page.steps["text"].prepare_button, SPACE)
    walk.lab._process.stop()
    walk.settle()
    (page.path / "model").mkdir()
    (page.path / "events.jsonl").write_bytes(b"\n".join(map(msgspec.json.encode, stepped(1, 5))))
    walk.lab.refresh()
    walk.until(lambda: page.run.history.losses)
    for step in page.steps:
        page.show_step(step)
        qtbot.wait(60)
        page.new_button.setFocus()
        assert (step, walking.problems(qtbot, page)) == (step, [])
        assert walking.jumps(walking.stops(qtbot), page.steps[step]) == []
