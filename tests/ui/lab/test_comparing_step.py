"""The step that compares, over scripted children: blind votes, refusals, what there is to choose, typed prompts."""

import json
import shutil
import sys
from dataclasses import replace

import msgspec
import pytest

from chatdesk.errors import Fault, UserError
from chatdesk.paths import starter
from chatdesk.tasks import lab_runs
from chatdesk.tasks.lab import Commands, Lab
from chatdesk.training.errands import Refused
from chatdesk.training.events import Began, Finished
from tests.ui.lab.test_lab_page import COMPARE, FAKE, Bench

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support .*", extend=True)


@pytest.fixture
def bench(qtbot, tmp_path):
    bench = Bench(qtbot, tmp_path)
    yield bench
    bench.lab.close()


def test_two_models_are_compared_blind(bench):
    bench.prepared()
    bench.lab._commands = replace(bench.lab._commands, compare=[sys.executable, "-c", COMPARE])
    shutil.copytree(starter(), bench.page.path / "model")
    bench.script(bench.training, Began(5000, 10_000, 0), Finished(str(bench.page.path / "model"), 10_000, 9.0))
    bench.page.steps["train"].start_button.click()
    bench.until(lambda: bench.lab.work is None)
    step = bench.page.steps["compare"]
    bench.page.show_step("compare")
    assert not step.start_button.isEnabled()
    step.prompts.setPlainText("One?\n\nTwo?\nThree?")
    step.start_button.click()
    assert step.cancel_button.isVisible()
    bench.until(lambda: bench.lab.work.done == 4)
    assert (step.progress.value(), step.progress.maximum()) == (4, 6)
    assert step.count.text() == "4 of 6 answers"
    step.cancel_button.click()
    bench.until(lambda: bench.lab.work is None)
    assert not bench.page.complaint.isVisible()
    assert not step.count.isVisible()
    step.start_button.click()  # it goes on
    bench.until(lambda: bench.lab.work is None)
    assert step.prompt.text() == "One?"
    while step.left.isVisible():
        assert "mine" not in step.tally.text()
        step.votes["left" if step.left.text().startswith("<b>a") else "right"].click()
    assert "mine: 3" in step.tally.text()
    assert "chance" in step.tally.text()
    step.is_text._on_chosen(True)  # another comparison
    step.start_button.click()
    bench.until(lambda: bench.lab.work.done == 4)
    assert json.loads((bench.page.path / "errand.json").read_text())["is_text"]
    assert not step.votes["left"].isVisible()


def test_a_comparison_that_is_refused_says_why(bench):
    bench.prepared()
    bench.lab._commands = replace(bench.lab._commands, compare=[*FAKE, str(bench.errand)])
    (bench.page.path / "model").mkdir()
    step = bench.page.steps["compare"]
    bench.page.show_step("compare")
    step.prompts.setPlainText("One?")
    step.choose_other("/models/none")
    bench.script(bench.errand, Refused("file_not_found", {"path": "/models/none"}), "exit 2")
    step.start_button.click()
    bench.until(lambda: bench.lab.work is None)
    assert bench.page.complaint.text() == "/models/none does not exist. Check the name."
    assert step.start_button.isEnabled()


def test_what_a_model_can_be_compared_with(bench):
    from tests.ui.scripted import ScriptedCheckpoints

    bench.prepared()
    mine = bench.page.path
    bench.lab.change_plan(mine, msgspec.structs.replace(bench.page.run.plan, start="/models/my-gpt2"))
    (mine / "adapter").mkdir()
    scripted = ScriptedCheckpoints()
    bench.lab.find_checkpoints = lambda then: then(scripted.entries)
    step = bench.page.steps["compare"]
    bench.page.show_step("compare")
    assert step.other.value == "/models/my-gpt2"  # what it was trained for
    assert step.other.accessibleName() == "Compare with: my-gpt2"
    bench.page.new_button.click()
    (bench.page.path / "model").mkdir()
    bench.page.show_step("compare")
    assert step.other.value == str(starter())
    assert step.other._choices[str(mine / "adapter")] == f"my-gpt2 + {mine.name}"
    assert str(bench.page.path / "model") not in step.other._choices
    step.other._on_chosen(str(mine / "adapter"))
    bench.page.follow()
    assert step.other.value == str(mine / "adapter")


def test_typed_prompts_are_kept(bench, monkeypatch):
    prompts = bench.page.steps["compare"].prompts
    prompts.setPlainText("one\n二")
    kept = bench.lab.folder / "prompts.txt"
    bench.until(lambda: kept.exists())
    prompts.setPlainText("one\n二\nthree")
    bench.lab.close()  # before they were written by themselves
    lab = Lab(bench.lab.folder, bench.folder / "texts", bench.folder / "lab.log", Commands([], []), lambda work: None)
    assert lab.prompts == "one\n二\nthree"

    def full(*_):
        raise UserError(Fault.CANNOT_WRITE, path=kept, reason="No space left on device")

    monkeypatch.setattr(lab_runs, "write_prompts", full)
    prompts.setPlainText("four")
    bench.until(lambda: "No space left" in bench.page.steps["compare"].tally.text())
