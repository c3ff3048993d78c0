"""The training process: events as lines, stopping and going on, two at one folder, and a full disk."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from chatdesk.errors import Fault, UserError
from chatdesk.training.events import (
    Began,
    Failed,
    Paused,
    Sampled,
    Saved,
    TrainEvent,
    read_events,
    worker_command,
)
from chatdesk.training.run_folder import RunFolder
from chatdesk.training.trainer import train

WriteRecipe = Callable[..., Path]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])}
SAMPLES = ("seed = 3", 'seed = 3\nsample_prompts = ["The cat", "Hello"]\nsample_tokens = 5')


def _start(recipe: Path, text: Path, out: Path, **options: object) -> "subprocess.Popen[bytes]":
    command = [*worker_command(), str(recipe), "--text", str(text), "--out", str(out)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    return subprocess.Popen(command, env=ENVIRONMENT, **pipes, **options)  # type: ignore[call-overload]


def _events(data: bytes) -> list[TrainEvent]:
    decoder = msgspec.json.Decoder(TrainEvent)
    return [decoder.decode(line) for line in data.splitlines()]


def test_it_stops_when_asked_and_goes_on(write_recipe: WriteRecipe, text: Path, tmp_path: Path) -> None:
    recipe = write_recipe(("steps = 40", "steps = 4000"), ("held_out_every_steps = 20", "held_out_every_steps = 4000"))
    child = _start(recipe, text, tmp_path / "run")
    lines = iter(child.stdout.readline, b"")
    before = [next(lines) for _ in range(5)]  # three files are tokenised, the run begins
    said, _ = child.communicate(b"stop\n", timeout=60)
    events = _events(b"".join(before) + said)
    assert child.returncode == 0
    saved, paused = events[-2:]
    assert isinstance(saved, Saved)
    assert isinstance(paused, Paused)
    assert 0 < paused.step < 4000
    assert list(read_events(tmp_path / "run" / "events.jsonl")) == events
    assert RunFolder(tmp_path / "run").position().step == paused.step
    again = _start(recipe, text, tmp_path / "run")
    first = _events(again.stdout.readline())
    again.stdin.close()  # as when the window has gone
    rest = _events(again.stdout.read())
    again.stdout.close()
    assert again.wait(60) == 0
    assert next(event for event in [*first, *rest] if isinstance(event, Began)).tokens_done == paused.tokens
    assert isinstance(rest[-1], Paused)


def test_it_shows_what_the_model_writes(write_recipe: WriteRecipe, text: Path, tmp_path: Path) -> None:
    recipe = write_recipe(SAMPLES, ("steps = 40", "steps = 3"), ("tokens = 640", "steps = 1"))
    events: list[TrainEvent] = []
    train(recipe, text, tmp_path / "run", events.append)
    samples = [event for event in events if isinstance(event, Sampled)]
    assert [(event.stage, event.prompt) for event in samples] == [
        ("prose", "The cat"), ("prose", "Hello"), ("talk", "The cat"), ("talk", "Hello"),
    ]  # fmt: skip
    assert any(event.text for event in samples)


def test_a_wrong_recipe_is_one_event(write_recipe: WriteRecipe, text: Path, tmp_path: Path) -> None:
    child = _start(write_recipe(("width = 16", "width = 17")), text, tmp_path / "run")
    said, _ = child.communicate(timeout=60)
    (event,) = _events(said)
    assert isinstance(event, Failed)
    assert (child.returncode, event.fault) == (2, Fault.BAD_RECIPE)
    assert "model.width" in event.fields["reason"]


def test_two_cannot_train_in_one_folder(write_recipe: WriteRecipe, text: Path, tmp_path: Path) -> None:
    other = RunFolder(tmp_path / "run")
    other.lock()
    with pytest.raises(UserError) as caught:
        train(write_recipe(), text, tmp_path / "run", lambda event: None)
    other.unlock()
    assert caught.value.fault == Fault.RUN_IN_USE


@pytest.mark.skipif(sys.platform == "win32", reason="limits of a process are a matter of POSIX")
def test_a_full_disk_leaves_the_last_save_whole(write_recipe: WriteRecipe, text: Path, tmp_path: Path) -> None:
    import resource

    out, state = tmp_path / "run", tmp_path / "run" / "state.safetensors"
    train(write_recipe(("steps = 40", "steps = 4"), ("tokens = 640", "steps = 1")), text, out, lambda event: None)
    (out / "after-prose.safetensors").replace(state)
    before = state.read_bytes()
    longer = write_recipe(("steps = 40", "steps = 4"), ("tokens = 640", "steps = 2"))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, hard))
    try:
        with pytest.raises(UserError) as caught:
            train(longer, text, out, lambda event: None, accept_changes=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.fault == Fault.RUN_NOT_SAVED
    assert "large" in caught.value.fields["reason"]
    assert state.read_bytes() == before
    assert not state.with_suffix(".part").exists()
    assert (out / "model" / "model.safetensors").is_file()
