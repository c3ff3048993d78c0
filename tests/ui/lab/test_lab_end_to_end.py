"""From text to a model in the lab with the real processes: prepared, weighed, trained, paused, gone on with."""

import itertools

import pytest

from chatdesk.engine.child import child_environment
from chatdesk.tasks import lab_runs
from chatdesk.tasks.lab import Commands, Lab
from chatdesk.tasks.lab_sizes import Size
from chatdesk.training.errands import errand_command
from chatdesk.training.events import worker_command
from tests.ui.lab.waiting import Posts


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_from_text_to_a_model(tmp_path, monkeypatch):
    monkeypatch.setattr("chatdesk.tasks.lab.MEASURE_S", 1.0)
    posts = Posts()
    commands = Commands(worker_command(), errand_command(), child_environment(None))
    lab = Lab(tmp_path / "runs", tmp_path / "texts", tmp_path / "lab.log", commands, posts.put)
    try:
        story = tmp_path / "story.txt"
        names, things = ("Anna", "Tom", "Mia", "Ben"), ("sheep", "boats", "stars", "birds", "shells")
        told = itertools.islice(itertools.cycle(itertools.product(names, things, range(3, 40))), 1500)
        story.write_text("\n\n".join(f"{name} counted {number} {thing} today." for name, thing, number in told))
        plan = lab_runs.Plan(paths=(str(story),), steps=(), held_out=0.1, size=Size(1, 1, 16, 32, 300, 8.0))
        path = lab.create("tiny", plan)
        for work in (lab.prepare, lab.weigh):
            work(path)
            posts.until(lambda: lab.work is None)
            assert lab.complaints == {}
        assert lab.flops is not None
        lab.train(path)
        posts.until(lambda: bool(lab.run(path).history.losses) or lab.work is None)
        lab.stop()
        posts.until(lambda: lab.work is None)
        if lab.run(path).history.state != "finished":  # a quick machine may be through
            assert lab.run(path).history.state == "paused"
            lab.train(path)
            posts.until(lambda: lab.work is None)
        run = lab.run(path)
        assert lab.complaints == {}
        assert run.history.state == "finished"
        assert run.history.tokens == run.recipe.token_count
        assert (run.checkpoint / "model.safetensors").is_file()
        assert run.history.samples
    finally:
        lab.close()
