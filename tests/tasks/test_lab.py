"""The lab over scripted children: the list of runs, and recipes that follow the choices."""

import contextlib
import json
import queue
import sys
from dataclasses import replace

import msgspec
import pytest

from chatdesk.errors import Fault, UserError
from chatdesk.tasks import lab_runs
from chatdesk.tasks.lab import Commands, Lab
from chatdesk.tasks.lab_runs import Plan
from chatdesk.tasks.lab_sizes import Size

REPORT = {
    "files": 1, "documents": 20, "read_bytes": 60_000, "train_documents": 18, "train_bytes": 50_000,
    "held_out_documents": 2, "held_out_bytes": 5_000, "steps": [], "skipped": [],
}  # fmt: skip


class Bench:
    def __init__(self, folder) -> None:
        self.folder = folder
        self._posted = queue.SimpleQueue()
        idle = [sys.executable, "-c", "import sys; sys.stdin.read()"]
        self.lab = Lab(folder / "runs", folder / "texts", folder / "lab.log", Commands(idle, idle), self._posted.put)
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
