"""The lab's page over scripted children: four steps, pauses, runs compared, bad input; one real preparation."""

import json
import queue
import sys
from pathlib import Path

import msgspec
import pytest
import shiboken6
from PySide6.QtCore import Qt
from PySide6.QtGui import QDesktopServices

from chatdesk.errors import Fault, UserError
from chatdesk.tasks import lab_runs
from chatdesk.tasks.lab import Commands, Lab, Plan
from chatdesk.training.errands import Done, Going, Refused, errand_command
from chatdesk.training.events import Began, Finished, HeldOut, Paused, Sampled, Saved, Stepped
from chatdesk.ui import theme
from chatdesk.ui.lab.page import LabPage
from chatdesk.ui.widgets.labels import Label

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support .*", extend=True)
FAKE = [sys.executable, "-S", "-E", str(Path(__file__).with_name("fake_child.py"))]
REPORT = {
    "files": 1, "documents": 20, "read_bytes": 60_000, "train_documents": 18, "train_bytes": 50_000,
    "held_out_documents": 2, "held_out_bytes": 5_000,
    "steps": [{
        "step": "duplicates", "seen": 20, "seen_bytes": 60_000, "changed": 0, "dropped": 2, "removed_bytes": 5_000,
        "samples": [{"before": "twice told", "after": ""}],
    }],
}  # fmt: skip


class Bench:
    def __init__(self, qtbot, folder, errand=None) -> None:
        self.folder = folder
        self.errand, self.training = folder / "errand.txt", folder / "training.txt"
        commands = Commands([*FAKE, str(self.training)], errand or [*FAKE, str(self.errand)])
        self._posted = queue.SimpleQueue()
        self.lab = Lab(folder / "runs", folder / "texts", folder / "lab.log", commands, self._posted.put)
        self.page = LabPage(self.lab)
        qtbot.addWidget(self.page)
        self.page.resize(1200, 800)
        self.page.show()
        self.qtbot = qtbot

    def until(self, so) -> None:
        def is_so() -> bool:
            while not self._posted.empty():
                self._posted.get()()
            return bool(so())

        self.qtbot.waitUntil(is_so, timeout=20_000)
        self.page.follow()

    def script(self, path, *lines) -> None:
        words = [line if isinstance(line, str) else msgspec.json.encode(line).decode() for line in lines]
        path.write_text("\n".join(words) + "\n", encoding="utf-8")

    def prepared(self) -> None:
        """A run with a text."""
        prepared = self.folder / "texts" / "prepared-1"
        prepared.mkdir(parents=True)
        (prepared / "report.json").write_text(json.dumps(REPORT))
        (prepared / "held-out.jsonl").write_text("{}\n")
        self.script(self.errand, Going("reading", 0, 1), Done(REPORT, str(prepared)))
        self.page.new_button.click()
        self.page.take([self.folder / "some.txt"])
        self.page.steps["text"].prepare_button.click()
        self.until(lambda: self.lab.work is None)


@pytest.fixture
def bench(qtbot, tmp_path):
    bench = Bench(qtbot, tmp_path)
    yield bench
    bench.lab.close()


def steps(first, last, loss=4.0):
    return [Stepped("text", n, 10, n * 1000, loss - n / 10, 0.01, 2000.0) for n in range(first, last + 1)]


def test_a_text_is_prepared_and_the_recipe_follows(bench):
    bench.prepared()
    text = bench.page.steps["text"]
    assert bench.page.run.report.train_documents == 18
    assert text.next_button.isVisible()
    assert not text.prepare_button.isVisible()
    assert lab_runs.read(bench.page.path).recipe.stages[0].sources[0].file == "train.jsonl"
    text.samples_button.click()
    assert "twice told" in text.samples.text()
    text.switches["mask"].click()  # another cleaning is another text
    bench.page.follow()
    assert bench.page.run.report is None
    assert "mask" in lab_runs.read(bench.page.path).plan.steps
    assert text.prepare_button.isVisible()


def test_a_prepared_text_can_be_found_on_the_disk(bench, monkeypatch):
    opened = []
    monkeypatch.setattr(QDesktopServices, "openUrl", opened.append)
    bench.page.new_run()
    step = bench.page.steps["text"]
    assert not step.files_button.isVisibleTo(step)
    bench.prepared()
    step.files_button.click()
    assert [url.toLocalFile() for url in opened] == [str(bench.folder / "texts" / "prepared-1")]


def test_of_a_single_book_it_is_said_that_parts_are_held_out(bench):
    (bench.folder / "texts" / "prepared-1").mkdir(parents=True)
    (bench.folder / "texts" / "prepared-1" / "report.json").write_text(json.dumps(REPORT | {"is_cut": True}))
    path = bench.lab.create("book", Plan(text=str(bench.folder / "texts" / "prepared-1")))
    bench.page.choose(path)
    bench.page.show_step("text")
    said = [label.text() for label in bench.page.steps["text"].report.findChildren(Label)]
    assert any(each.endswith("parts of the text are held out.") for each in said)


def test_a_text_of_which_nothing_is_held_out_is_warned_of(bench):
    bench.prepared()
    step = bench.page.steps["text"]

    def is_warned() -> bool:
        return any("Nothing is held out" in label.text() for label in step.report.findChildren(Label))

    assert not is_warned()
    report = REPORT | {"held_out_documents": 0, "held_out_bytes": 0}
    (bench.folder / "texts" / "prepared-1" / "report.json").write_text(json.dumps(report))
    bench.page.new_run()
    bench.page.take([bench.folder / "some.txt"])
    step.prepare_button.click()
    bench.until(lambda: bench.lab.work is None)
    assert is_warned()
    bench.lab.change_plan(bench.page.path, msgspec.structs.replace(bench.page.run.plan, held_out=0.0))
    bench.page.follow()
    bench.qtbot.waitUntil(lambda: not is_warned())  # the old rows go with the event loop's next turn


def test_sizes_are_answered_at_once_and_kept(bench):
    bench.prepared()
    page, model = bench.page, bench.page.steps["model"]
    page.show_step("model")
    before = model.facts.text()
    model.presets["small"].click()
    page.follow()
    assert model.facts.text() != before
    assert lab_runs.read(page.path).recipe.model.width == 256
    model.rows["heads"].field.setFocus()
    model.rows["heads"].field.selectAll()
    bench.qtbot.keyClicks(model.rows["heads"].field, "5")
    page.follow()
    assert "multiple" in model.problem.text()
    assert not model.next_button.isEnabled()
    assert lab_runs.read(page.path).recipe is None  # neither what cannot be nor what was chosen before
    page.show_step("train")
    assert not page.steps["train"].start_button.isEnabled()


def test_a_measurement_says_the_time_and_fits_it(bench):
    bench.prepared()
    page, model = bench.page, bench.page.steps["model"]
    page.show_step("model")
    bench.script(bench.errand, Done({"stages": [{"tokens_per_s": 1000.0}]}))
    model.measure_button.click()
    bench.until(lambda: bench.lab.work is None)
    assert "on this machine" in model.facts.text()
    model.fit_buttons[5].click()
    page.follow()
    assert "about 5 min" in model.facts.text()


def test_a_run_is_paused_goes_on_and_is_used(bench):
    bench.prepared()
    page, train = bench.page, bench.page.steps["train"]
    page.show_step("train")
    bench.script(
        bench.training, Began(5000, 10_000, 0), *steps(1, 4), HeldOut("text", 4, 3.5),
        Sampled("text", 4, "Once", " upon a time"), "wait", Saved("text", 4, "x"), Paused("text", 4, 4000, "x"),
    )  # fmt: skip
    train.start_button.click()
    bench.until(lambda: page.run.history.samples)
    assert train.start_button.text().strip() == "Pause"
    assert "“Once” → upon a time" in train.samples.text()
    assert "4K of 10K tokens" in train.state.text()
    assert page.run.history.seconds_left == pytest.approx(3.0)
    train.start_button.click()
    bench.until(lambda: bench.lab.work is None)
    assert (page.run.history.state, train.start_button.text().strip()) == ("paused", "Go on")
    (page.path / "model").mkdir()
    bench.script(bench.training, Began(5000, 10_000, 3000), *steps(4, 10, 3.9), Finished("x", 10_000, 9.0))
    train.start_button.click()
    bench.until(lambda: bench.lab.work is None)
    losses = page.run.history.losses
    assert [tokens for tokens, _ in losses] == list(range(1000, 11_000, 1000))  # the fourth is told twice, kept once
    assert losses[3][1] == pytest.approx(3.5)
    assert page.run.history.state == "finished"
    page.show_step("use")
    with bench.qtbot.waitSignal(page.talk_wanted) as talk:
        page.steps["use"].talk_button.click()
    assert talk.args == [str(page.path / "model")]
    bench.script(bench.errand, Going("scoring", 1, 2), Done({"perplexity": 7.25, "bits_per_byte": 2.0}))
    (page.path / "report.html").write_text("<html>")  # as the errand does
    page.steps["use"].judge_button.click()
    bench.until(lambda: bench.lab.work is None)
    assert bench.lab.results[page.path, "judge"]["perplexity"] == 7.25
    assert page.steps["use"].save_button.isEnabled()


def test_runs_stand_in_one_picture(bench):
    bench.prepared()
    first = bench.page.path
    (first / "events.jsonl").write_bytes(b"\n".join(map(msgspec.json.encode, steps(1, 5))))
    bench.page.steps["use"].again_wanted.emit()
    second = bench.page.path
    assert first != second
    assert bench.page.run.plan == bench.lab.run(first).plan
    (second / "events.jsonl").write_bytes(b"\n".join(map(msgspec.json.encode, steps(1, 3, 5.0))))
    bench.lab.refresh()
    bench.until(lambda: len([run for run in bench.lab.runs if run.history.losses]) == 2)
    bench.page.choose(second)
    bench.page.show_step("train")
    train = bench.page.steps["train"]
    train.compare(first.name, True)
    chart = train.loss
    assert [curve.name for curve in chart.curves] == ["training", first.name]
    chart.setFocus()
    bench.qtbot.keyClick(chart, Qt.Key.Key_Left)
    assert chart.looked_at == 2000
    assert "4.80" in chart.accessibleDescription()


def test_a_picture_is_drawn_while_its_run_is_told_again(bench):
    bench.prepared()
    page = bench.page
    told = [*steps(1, 4), HeldOut("text", 4, 3.5)]
    (page.path / "events.jsonl").write_bytes(b"\n".join(map(msgspec.json.encode, told)))
    bench.lab.refresh()
    bench.until(lambda: page.run.history.losses)
    page.show_step("train")
    chart = page.steps["train"].loss
    assert [curve.name for curve in chart.curves] == ["training", "held out"]
    page.run.history.take(Began(5000, 10_000, 3000))  # from the checkpoint before; the page follows later
    assert page.run.history.held_out == []
    assert not chart.grab().isNull()
    page.follow()
    assert [curve.name for curve in chart.curves] == ["training"]


def test_what_is_wrong_is_said_and_nothing_is_lost(bench):
    page = bench.page
    page.new_button.click()
    page.take([bench.folder / "empty"])
    bench.script(bench.errand, Refused("no_text", {"path": "empty"}), "exit 2")
    page.steps["text"].prepare_button.click()
    bench.until(lambda: bench.lab.work is None)
    assert "holds no text" in page.complaint.text()
    assert page.run.plan.paths == (str(bench.folder / "empty"),)
    bench.script(bench.errand, "exit 9")
    page.steps["text"].prepare_button.click()
    bench.until(lambda: bench.lab.work is None)
    assert "exit code 9" in page.complaint.text()
    wrong = bench.folder / "wrong.toml"
    wrong.write_text("version = 1\nlayres = 3\n")
    page.take([wrong])
    page.follow()
    assert str(wrong) in page.complaint.text()
    assert len(bench.lab.runs) == 1
    page.open(bench.folder)
    assert "holds no training run" in page.complaint.text()


def test_a_run_from_elsewhere_is_opened_and_found_again(bench, tmp_path_factory):
    away = tmp_path_factory.mktemp("away") / "far run"
    away.mkdir()
    (away / "run.json").write_text("{}")
    (away / "events.jsonl").write_bytes(b"\n".join(map(msgspec.json.encode, [Began(5000, 10_000, 0), *steps(1, 3)])))
    bench.page.open(away)
    assert bench.page.run.history.state == "paused"  # its process was killed
    assert bench.page.run.history.tokens == 3000
    again = Lab(bench.folder / "runs", bench.folder / "texts", bench.folder / "log", Commands([], []), print)
    assert again._opened == [str(away)]


def test_news_that_never_pause_are_shown(bench):
    bench.prepared()
    bench.page.show_step("train")
    shown = []
    bench.page.steps["train"].show_run = shown.append
    bench.qtbot.waitUntil(lambda: bench.lab.on_change() or bool(shown))  # there is news at each of its looks


def test_a_broken_plan_is_listed_and_left_alone(bench):
    broken = bench.folder / "runs" / "old"
    broken.mkdir(parents=True)
    (broken / "plan.json").write_text('{"paths": 3}')
    bench.lab.refresh()
    bench.until(lambda: bench.lab.runs)
    assert "old" in bench.page.complaint.text()
    assert bench.page.model.facts(bench.lab.runs[0]).endswith("cannot be read")
    assert (broken / "plan.json").read_text() == '{"paths": 3}'


def test_a_run_is_named_until_it_begins(bench):
    page = bench.page
    page.new_button.click()
    page.name.setFocus()
    page.name.setText("Tales: one")
    bench.qtbot.keyClick(page.name, Qt.Key.Key_Return)
    assert page.path == bench.folder / "runs" / "Tales  one"
    assert [run.name for run in bench.lab.runs] == ["Tales  one"]
    assert page.path.is_dir()


def test_a_name_belongs_to_the_run_it_was_typed_for(bench):
    page = bench.page
    page.new_button.click()
    page.name.setFocus()
    page.name.selectAll()
    bench.qtbot.keyClicks(page.name, "Novels")
    other = bench.lab.create("Other")
    page.choose(other)
    assert page.name.text() == "Other"
    page.new_button.setFocus()
    assert sorted(run.name for run in bench.lab.runs) == ["Novels", "Other"]
    assert page.run.name == "Other"


def test_choices_stand_still_while_a_child_works_with_them(bench):
    bench.prepared()
    page, model = bench.page, bench.page.steps["model"]
    page.show_step("model")
    bench.script(bench.errand, "wait", Done({"stages": [{"tokens_per_s": 1000.0}]}))
    model.measure_button.click()
    page.follow()
    assert not model.rows["layers"].isEnabled()
    assert not model.origin.isEnabled()
    before = page.run.plan
    page.take([bench.folder / "more.txt"])
    assert "works on My model just now" in page.complaint.text()
    assert page.run.plan == before
    bench.lab.stop()
    bench.until(lambda: bench.lab.work is None)
    assert bench.lab.flops == 1000.0 * before.size.flops_per_token


def test_a_real_preparation(qtbot, tmp_path):
    bench = Bench(qtbot, tmp_path, errand=errand_command())
    story = tmp_path / "stories"
    story.mkdir()
    for number in range(30):
        (story / f"{number}.txt").write_text(f"Once upon a time there were {number} sheep on the hill. " * 3)
    bench.page.take([story])
    bench.page.steps["text"].share.set_value(0.1)
    bench.page.steps["text"].share.chosen.emit()
    bench.page.steps["text"].prepare_button.click()
    bench.until(lambda: bench.lab.work is None)
    assert bench.lab.complaints == {}
    report = bench.page.run.report
    assert report.documents == 30
    assert [step.step for step in report.steps] == list(bench.page.run.plan.steps)
    bench.lab.close()


COMPARE = """
import sys
from pathlib import Path
import msgspec
from chatdesk.tasks.comparing import About, Comparison
from chatdesk.training.errands import Compare, Done, Going
asked = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Compare)
made = Comparison(About("mine", "other", asked.prompts, asked.seed), Path(asked.out))
was_stopped = Path(asked.out).with_suffix(".stopped")
for number, (side, index) in enumerate([(side, index) for side in "ab" for index in made.missing(side)], 1):
    made.answer(side, index, f"<b>{side}</b> {index}")
    print(msgspec.json.encode(Going("answering", number, 6)).decode(), flush=True)
    if number == 4 and not was_stopped.exists():
        was_stopped.touch()
        sys.stdin.read()
        sys.exit(3)
print(msgspec.json.encode(Done({})).decode())
"""


def test_own_texts_are_added_once_they_are_written(bench):
    bench.page.new_button.click()
    with bench.qtbot.waitSignal(bench.page.own_wanted) as asked:
        bench.page.steps["text"].add_own.click()
    assert asked.args == [bench.page.path]
    bench.lab.take_own(bench.page.path, UserError(Fault.NO_TEXT, path="own.jsonl"))
    bench.page.follow()
    assert "own.jsonl" in bench.page.complaint.text()
    assert bench.page.run.plan.paths == ()
    bench.lab.take_own(bench.page.path, None)
    bench.page.follow()
    assert bench.page.run.plan.paths == (str(bench.lab.own_texts),)
    assert not bench.page.complaint.isVisible()


def test_news_after_the_page_was_built_anew(bench):
    news = bench.lab.on_change
    shiboken6.delete(bench.page)
    news()  # another language deletes the page and makes the next one only when it is wanted
    assert not shiboken6.isValid(bench.page)
    bench.page = LabPage(bench.lab)
    bench.qtbot.addWidget(bench.page)
    bench.page.new_button.click()
    bench.qtbot.waitUntil(lambda: bench.page.model.rowCount() == 1)


def test_a_page_in_another_language_shows_the_same(bench, qtbot):
    bench.prepared()
    first = bench.page.path
    bench.page.new_run()
    bench.page.choose(first)
    bench.page.show_step("compare")
    bench.page.steps["compare"].prompts.setPlainText("one\n二")
    other = LabPage(bench.lab)
    qtbot.addWidget(other)
    assert other.path == first
    assert other.tabs["compare"].isChecked()
    assert other.steps["compare"].prompts.toPlainText() == "one\n二"


def test_a_log_with_figures_beyond_all_reason_is_shown(bench):
    bench.prepared()
    odd = Began(5, 9, 0), Stepped("t", 1, 1, 10**15, 1e300, 1e-300, 1e300), "wait"
    bench.script(bench.training, *odd)
    train = bench.page.steps["train"]
    bench.page.show_step("train")
    train.start_button.click()
    bench.until(lambda: bench.page.run.history.losses)
    assert train.progress.value() == 1000
    assert "tokens/s" in train.state.text()
    bench.page.grab()


def test_the_beginning_of_a_long_name_is_shown(bench):
    path = bench.lab.create("A name that is far too long for the room beside the five steps of a run")
    bench.page.choose(path)
    assert bench.page.name.cursorPosition() == 0
    assert bench.page.name.toolTip() == path.name


def test_a_run_goes_on_from_a_checkpoint(bench):
    from tests.ui.scripted import ScriptedCheckpoints

    bench.prepared()
    bench.lab.find_checkpoints = ScriptedCheckpoints().refresh
    page, model = bench.page, bench.page.steps["model"]
    page.show_step("model")
    model.origin._on_chosen("/models/my-gpt2")
    page.follow()
    recipe = lab_runs.read(page.path).recipe
    assert recipe.start.checkpoint == "/models/my-gpt2"
    assert recipe.lora.rank == 8
    assert not model.rows["layers"].isVisible()
    model.method._on_chosen(0)
    assert lab_runs.read(page.path).recipe.lora is None
    assert bench.lab.base_of(page.path / "adapter") == "/models/my-gpt2"
    (page.path / "adapter").mkdir()
    page.show_step("use")
    use = page.steps["use"]
    assert "adapter for my-gpt2" in use.note.text()
    assert use.talk_button.isEnabled()
    bench.script(bench.errand, Done({"perplexity": 3.5}))
    use.judge_button.click()
    bench.until(lambda: bench.lab.work is None)
    asked = json.loads((page.path / "errand.json").read_text())
    assert (asked["model"], asked["adapter"]) == ("/models/my-gpt2", str(page.path / "adapter"))
    assert "3.50" in [label.text() for label in use.figures.findChildren(Label)]


@pytest.mark.parametrize("width", [420, 900])
def test_the_buttons_can_be_read_in_a_low_window(bench, qapp, width):
    theme.apply(qapp, "light", 150)
    page = bench.page
    page.resize(width, 560)
    bench.qtbot.waitUntil(lambda: page.view.y() > page.new_button.y())
    for button in (page.new_button, page.open_button, page.open_folder_button):
        assert button.height() >= button.minimumSizeHint().height()
    theme.apply(qapp, "light", 100)
