"""The lab over scripted children: the list of runs, and recipes that follow the choices."""

import contextlib
import json
import queue
import shlex
import sys
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from chatdesk.errors import Fault, UserError
from chatdesk.tasks import lab_runs
from chatdesk.tasks.lab import Commands, Lab
from chatdesk.tasks.lab_runs import Plan
from chatdesk.tasks.lab_sizes import Size
from chatdesk.training.errands import Compare, Contender, Judge, errand_command

REPORT = {
    "files": 1, "documents": 20, "read_bytes": 60_000, "train_documents": 18, "train_bytes": 50_000,
    "held_out_documents": 2, "held_out_bytes": 5_000, "steps": [], "skipped": [],
}  # fmt: skip


class Bench:
    def __init__(self, folder, errand=None) -> None:
        self.folder = folder
        self._posted = queue.SimpleQueue()
        idle = [sys.executable, "-c", "import sys; sys.stdin.read()"]
        commands = Commands(idle, errand or idle, compare=idle)
        self.lab = Lab(folder / "runs", folder / "texts", folder / "lab.log", commands, self._posted.put)
        self.text = folder / "texts" / "prepared"
        self.text.mkdir(parents=True)
        (self.text / "report.json").write_text(json.dumps(REPORT))

    def until(self, so) -> None:
        while not so():
            self._posted.get(timeout=20)()

    def planned(self) -> "lab_runs.Run":
        path = self.lab.create("one")
        self.lab.change_plan(path, Plan(text=str(self.text)))
        return self.lab.run(path)


@pytest.fixture
def bench(tmp_path):
    bench = Bench(tmp_path)
    yield bench
    bench.lab.close()


def test_own_texts_go_to_the_run_they_were_written_for(bench):
    one, other = bench.lab.create("one"), bench.lab.create("other")
    bench.lab.take_own(one, None)  # another run was chosen, or the page built anew, while they were written
    assert bench.lab.run(one).plan.paths == (str(bench.lab.own_texts),)
    assert bench.lab.run(other).plan.paths == ()
    bench.lab.prepare(one)
    bench.lab.take_own(one, None)  # while a child works with what was chosen
    assert bench.lab.complaints[one].fault is Fault.LAB_BUSY
    bench.lab.take_own(bench.folder / "gone", None)
    assert [run.path for run in bench.lab.runs] == [other, one]


def test_no_recipe_is_left_of_choices_that_give_none(bench):
    run = bench.planned()
    assert run.recipe.model.layers == Size().layers
    for plan in (
        msgspec.structs.replace(run.plan, size=replace(Size(), layers=12, width=512, heads=5)),
        msgspec.structs.replace(run.plan, text=""),
        msgspec.structs.replace(run.plan, size=replace(Size(), layers=0)),
    ):
        bench.lab.change_plan(run.path, Plan(text=str(bench.text)))
        assert (run.path / "recipe.toml").is_file()
        with contextlib.suppress(UserError):  # told or not: the old one must not be trained
            bench.lab.change_plan(run.path, plan)
        assert run.recipe is None
        assert not (run.path / "recipe.toml").exists()
        with pytest.raises(UserError) as told:
            bench.lab.train(run.path)
        assert told.value.fault == Fault.FILE_NOT_FOUND
        assert bench.lab.work is None


@pytest.mark.parametrize("name", ["😀" * 80, "长" * 80, "bad\udcff", " . "])
def test_a_run_may_be_called_anything(bench, name):
    path = bench.lab.create(name)
    assert path.parent == bench.lab.folder
    assert bench.lab.create(name) != path
    assert all((each.path / "plan.json").is_file() for each in bench.lab.runs)


def test_what_happens_while_the_disk_is_looked_at_is_kept(bench, monkeypatch):
    bench.lab.create("old")
    seen, survey = [], lab_runs.survey

    def look(*asked):
        found = survey(*asked)
        if not seen:
            bench.lab.create("new")
        seen.append(found)
        return found

    monkeypatch.setattr(lab_runs, "survey", look)
    done = []
    bench.lab.refresh(lambda: done.append(1))
    bench.until(lambda: done)
    assert sorted(run.name for run in bench.lab.runs) == ["new", "old"]
    assert len(seen) == 2


def test_choices_are_settled_while_a_child_works_with_them(bench):
    run = bench.planned()
    bench.lab.weigh(run.path)
    with pytest.raises(UserError) as told:
        bench.lab.change_plan(run.path, msgspec.structs.replace(run.plan, size=Size(layers=24)))
    assert told.value.fault == Fault.LAB_BUSY
    assert lab_runs.read(run.path).plan.size == Size()
    other = bench.lab.create("two")
    bench.lab.change_plan(other, Plan(paths=("a.txt",)))  # another run is free
    assert bench.lab.run(other).plan.paths == ("a.txt",)


def test_the_choices_of_an_opened_recipe_are_taken_again(bench):
    recipe = bench.planned().path / "recipe.toml"
    made = bench.lab.open(recipe.rename(bench.folder / "mine.toml"))
    again = bench.lab.again(made, "again")
    assert bench.lab.run(again).recipe == bench.lab.run(made).recipe
    assert bench.lab.run(again).recipe is not None
    assert bench.lab.run(again).plan == bench.lab.run(made).plan


def test_a_run_from_elsewhere_keeps_its_place_in_the_list_under_another_name(bench):
    away = bench.folder / "elsewhere"
    bench.planned().path.rename(away)
    bench.lab.open(away)
    bench.lab.complaints[away] = error = UserError(Fault.NO_TEXT, path=away)
    called = bench.lab.rename(away, "called")
    done = []
    bench.lab.refresh(lambda: done.append(1))
    bench.until(lambda: done)
    assert [run.path for run in bench.lab.runs] == [called]
    assert bench.lab.complaints == {called: error}
    assert lab_runs.opened(bench.folder / "runs") == [str(called)]


def test_figures_of_the_checkpoint_before_go_with_more_training(bench):
    run = bench.planned()
    bench.lab.results[run.path, "judge"] = {"loss": 9.0}
    bench.lab.train(run.path)
    assert bench.lab.results == {}


def test_an_errand_takes_thousands_of_paths(tmp_path):
    texts = tmp_path / ("a folder with a long name " * 4)
    texts.mkdir()
    for number in range(5000):
        (texts / f"{number:04}.txt").write_text(f"Story {number}.")
    bench = Bench(tmp_path, errand_command())
    paths = tuple(map(str, sorted(texts.iterdir())))
    path = bench.lab.create("many", Plan(paths=paths, steps=(), held_out=0.0))
    bench.lab.prepare(path)
    bench.until(lambda: bench.lab.work is None)
    assert bench.lab.complaints == {}
    assert bench.lab.run(path).report.documents == 5000
    bench.lab.close()


def test_a_run_of_the_command_line_has_its_text_and_its_checkpoint(bench):
    run = bench.folder / "elsewhere"
    run.mkdir()
    source = bench.folder / "recipes" / "mine.toml"
    source.parent.mkdir()
    (source.parent / "held.jsonl").write_text("{}")
    (bench.text / "train.jsonl").write_text("{}")
    stage = {"name": "x", "sources": [{"file": "train.jsonl"}], "held_out": [{"file": "held.jsonl"}], "sequence": 8}
    stage |= {"batch": 1, "learning_rate": 0.1, "steps": 1}
    recipe = {"version": 1, "start": {"checkpoint": "../base"}, "lora": {}, "stages": [stage]}
    about = {"hash": "", "recipe": recipe, "source": str(source), "text": str(bench.text)}
    (run / "run.json").write_text(json.dumps(about))
    found = lab_runs.read(run)
    assert found.fault is None
    assert found.plan.text == str(bench.text)
    assert found.plan.start == str(bench.folder / "base")
    assert found.report.train_documents == 18
    assert found.texts() == ((source.parent / "held.jsonl",), (bench.text / "train.jsonl",))
    (run / "run.json").write_text(json.dumps(about | {"text": ""}))
    assert lab_runs.read(run).plan.text == str(source.parent)  # beside the recipe, where none was named


def test_a_new_model_of_prose_goes_on_with_texts(bench):
    run = bench.planned()
    assert not run.is_of_prose  # there is no text to be seen
    for line, is_of_prose in (('{"text": "Once"}', True), ('{"turns": []}', False), ("{", False)):
        (bench.text / "train.jsonl").write_text(line + "\n")
        assert run.is_of_prose == is_of_prose
    (bench.text / "train.jsonl").write_text('{"text": "Once"}')
    bench.lab.change_plan(run.path, msgspec.structs.replace(run.plan, start="/models/base"))
    assert not run.is_of_prose


def test_an_adapter_is_judged_on_its_checkpoint(bench):
    path = bench.lab.create("mine")
    bench.lab.change_plan(path, Plan(text=str(bench.text), start="/models/base"))
    (path / "adapter").mkdir()
    with pytest.raises(UserError) as told:
        bench.lab.judge(path)
    assert told.value.fault == Fault.NO_HELD_OUT
    (bench.text / "held-out.jsonl").write_text("{}")
    bench.lab.judge(path)
    asked = msgspec.json.decode((path / "errand.json").read_bytes(), type=Judge)
    assert (asked.model, asked.adapter) == ("/models/base", str(path / "adapter"))
    assert asked.files == (str(bench.text / "held-out.jsonl"),)


def test_all_that_the_last_stage_holds_out_is_judged(bench, tmp_path):
    for name in ("a.jsonl", "b.jsonl", "c.jsonl", "early.jsonl"):
        (tmp_path / name).write_text("{}")
    stage = 'steps = 1\nsequence = 8\nbatch = 1\nlearning_rate = 0.1\nsources = [{ file = "a.jsonl" }]\n'
    (tmp_path / "mine.toml").write_text(
        "version = 1\n[model]\nvocabulary = 300\ncontext = 8\nwidth = 8\nlayers = 1\nheads = 1\n"
        f'[[stages]]\nname = "one"\n{stage}held_out = [{{ file = "early.jsonl" }}]\n'
        f'[[stages]]\nname = "two"\n{stage}held_out = [{{ file = "b.jsonl" }}, {{ file = "c.jsonl" }}]\n'
        f'[[stages]]\nname = "three"\n{stage}'
    )
    path = bench.lab.open(tmp_path / "mine.toml")
    (path / "model").mkdir()
    bench.lab.judge(path)
    asked = msgspec.json.decode((path / "errand.json").read_bytes(), type=Judge)
    assert [Path(file).name for file in asked.files] == ["b.jsonl", "c.jsonl"]


def test_prompts_of_a_chinese_text_are_short(tmp_path):
    lines = [{"text": "今天的天气很好，我们去公园里散步。" * 30}, {"text": "天气"}]
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    assert lab_runs.first_words(str(tmp_path)) == ("今天的天气很", "天")


def test_an_adapter_is_compared_with_its_checkpoint(bench):
    path = bench.lab.create("mine")
    bench.lab.change_plan(path, Plan(text=str(bench.text), start="/models/base"))
    (path / "adapter").mkdir()
    bench.lab.compare(path, Path("/models/base"), ("Who?",))
    asked = msgspec.json.decode((path / "errand.json").read_bytes(), type=Compare)
    assert asked.a == Contender("/models/base", str(path / "adapter"))
    assert asked.b == Contender("/models/base")
    bench.lab.stop()
    bench.until(lambda: bench.lab.work is None)
    assert bench.lab.complaints == {}


@pytest.mark.skipif(sys.platform == "win32", reason="other shells, other marks")
def test_a_copied_command_does_what_it_says_whatever_the_run_is_called(bench):
    path = bench.lab.create("$(touch pwned) `id` \"x'y")
    bench.lab.change_plan(path, Plan(text='/a "b" $HOME'))
    assert shlex.split(bench.lab.run(path).command) == [
        "chatdesk", "train", str(path / "recipe.toml"), "--text", '/a "b" $HOME', "--out", str(path)
    ]  # fmt: skip
    assert "'" in bench.lab.run(path).command


def test_a_file_that_vanishes_hides_no_run(bench, monkeypatch):
    path = bench.lab.create("mine")
    (path / "gone.part").symlink_to(path / "nothing")
    assert [run.path for run in lab_runs.survey(bench.lab.folder)] == [path]
