"""A run trains, survives a kill, and leaves an ordinary checkpoint behind."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import transformers

from chatdesk.errors import Fault, UserError
from chatdesk.tasks.lab_runs import read_history
from chatdesk.training.events import Began, Changed, Finished, HeldOut, Paused, Stepped, TrainEvent
from chatdesk.training.model import new_model
from chatdesk.training.recipe import ModelShape, load_recipe
from chatdesk.training.run_folder import Position, RunFolder
from chatdesk.training.trainer import _Meter, learning_rate, make_optimizers, train

WriteRecipe = Callable[..., Path]
CHILD = Path(__file__).with_name("kill_child.py")


def _run(recipe: Path, text: Path, out: Path, **options: bool) -> list[TrainEvent]:
    events: list[TrainEvent] = []
    assert train(recipe, text, out, events.append, **options) == out / "model"
    return events


def _weights(out: Path) -> dict[str, torch.Tensor]:
    loaded = transformers.AutoModelForCausalLM.from_pretrained(out / "model", dtype=torch.float32)
    return dict(loaded.named_parameters())


def test_a_run_learns_and_leaves_a_checkpoint(write_recipe: WriteRecipe, text: Path, tmp_path: Path) -> None:
    events = _run(write_recipe(), text, tmp_path / "run")
    losses = [event.loss for event in events if isinstance(event, HeldOut)]
    assert len(losses) == 2
    assert losses[-1] < 5.0  # log(320) = 5.77 is where it began
    assert isinstance(events[-1], Finished)
    assert events[-1].tokens == load_recipe(write_recipe()).token_count
    assert next(event for event in events if isinstance(event, Stepped)).tokens_per_second > 0
    written = (tmp_path / "run" / "events.jsonl").read_text().splitlines()
    assert [json.loads(line)["type"] for line in written] == [type(event).__name__ for event in events]


def test_every_measurement_stands_behind_its_steps(write_recipe: WriteRecipe, text: Path, tmp_path: Path) -> None:
    """A run too fast for an event by time tells its curve all the same, each step once."""
    few = (("steps = 40", "steps = 10"), ("held_out_every_steps = 20", "held_out_every_steps = 3"))
    events = _run(write_recipe(*few, ("tokens = 640", "steps = 1")), text, tmp_path / "run")
    news = [(type(event).__name__, event.step) for event in events if isinstance(event, Stepped | HeldOut)]
    prose = [(name, step) for step in (3, 6, 9, 10) for name in ("Stepped", "HeldOut")]
    assert news == [*prose, ("Stepped", 1)]
    history = read_history(tmp_path / "run" / "events.jsonl")
    assert [tokens for tokens, _ in history.held_out] == [3 * 32, 6 * 32, 9 * 32, 10 * 32]


def test_a_run_that_cannot_begin_says_why(write_recipe: WriteRecipe, text: Path, tmp_path: Path) -> None:
    named = ("vocabulary = 320", 'vocabulary = 0\ntokenizer = "nowhere"')
    with pytest.raises(UserError) as caught:
        train(write_recipe(named), text, tmp_path / "run", lambda event: None)
    assert caught.value.fault == Fault.FILE_NOT_FOUND


def test_a_stop_before_the_first_step_is_a_pause(write_recipe: WriteRecipe, text: Path, tmp_path: Path) -> None:
    stop, events = threading.Event(), list[TrainEvent]()
    stop.set()
    assert train(write_recipe(), text, tmp_path / "run", events.append, stop=stop) is None
    assert isinstance(events[-1], Paused)


def test_the_checkpoint_is_an_ordinary_one(write_recipe: WriteRecipe, text: Path, tmp_path: Path) -> None:
    _run(write_recipe(("steps = 40", "steps = 2"), ("tokens = 640", "steps = 1")), text, tmp_path / "run")
    folder = tmp_path / "run" / "model"
    model = transformers.AutoModelForCausalLM.from_pretrained(folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    assert type(model).__name__ == "GPT2LMHeadModel"
    assert model.dtype == torch.bfloat16
    assert model.config.activation_function == "gelu_new"
    said = json.loads((folder / "generation_config.json").read_text())
    assert said["eos_token_id"] == tokenizer.convert_tokens_to_ids(["<|endoftext|>", "<|end|>"])
    assert (said["temperature"], said["top_p"], said["top_k"], said["repetition_penalty"]) == (0.7, 0.9, 0, 1.1)
    prompt = tokenizer.apply_chat_template(
        [{"role": "user", "content": "Hello"}], add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    assert model.generate(**prompt, max_new_tokens=3).shape[1] > prompt["input_ids"].shape[1]


def test_a_killed_run_ends_where_the_unbroken_one_does(write_recipe: WriteRecipe, text: Path, tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    kill_after = random.randint(1, 15)  # saves; the child makes about 35, one a step
    short = ("steps = 40", "steps = 24")
    recipe = write_recipe(short, ("save_every_seconds = 600", "save_every_seconds = 0.001"))
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    child = subprocess.Popen([sys.executable, str(CHILD), str(recipe), str(text), str(broken)], env=environment)
    deadline = time.monotonic() + 120
    while _saves(broken) < kill_after and child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    child.kill()
    assert child.wait() == -signal.SIGKILL, f"the child ended before it was killed after {kill_after} saves"
    resumed = _run(recipe, text, broken)
    _run(write_recipe(short), text, whole)
    began = next(event for event in resumed if isinstance(event, Began))
    assert 0 < began.tokens_done < began.tokens_total
    assert _last_held_out(broken) == pytest.approx(_last_held_out(whole), abs=1e-4)
    for name, value in _weights(whole).items():
        torch.testing.assert_close(_weights(broken)[name], value, atol=1e-2, rtol=1e-2)


@pytest.mark.soak
def test_two_processes_end_where_one_does(write_recipe: WriteRecipe, text: Path, tmp_path: Path) -> None:
    recipe = write_recipe()
    _run(recipe, text, tmp_path / "one")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    shared = {"OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    children = [
        subprocess.Popen(
            [sys.executable, str(CHILD), str(recipe), str(text), str(tmp_path / "two")],
            env={**os.environ, **shared, "WORLD_SIZE": "2", "RANK": rank, "LOCAL_RANK": rank},
        )
        for rank in ("0", "1")
    ]
    assert [child.wait(timeout=150) for child in children] == [0, 0]
    assert _last_held_out(tmp_path / "two") == pytest.approx(_last_held_out(tmp_path / "one"), abs=0.01)


def _saves(out: Path) -> int:
    events = out / "events.jsonl"
    return events.read_bytes().count(b'"Saved"') if events.exists() else 0


def _last_held_out(out: Path) -> float:
    """From the log: the kill may have come after the last measurement."""
    lines = map(json.loads, (out / "events.jsonl").read_text().splitlines())
    return float([line["loss"] for line in lines if line["type"] == "HeldOut"][-1])


def test_a_changed_recipe_is_refused_unless_accepted(write_recipe: WriteRecipe, text: Path, tmp_path: Path) -> None:
    short = (("steps = 40", "steps = 2"), ("tokens = 640", "steps = 2"))
    out = tmp_path / "run"
    _run(write_recipe(*short), text, out)
    later = (short[0], ("tokens = 640", "steps = 3"))
    with pytest.raises(UserError) as caught:
        _run(write_recipe(*later), text, out)
    assert caught.value.fault == Fault.BAD_RECIPE
    (out / "state.safetensors").unlink()
    (out / "after-prose.safetensors").rename(out / "state.safetensors")
    events = _run(write_recipe(*later), text, out, accept_changes=True)
    assert isinstance(events[0], Changed)
    assert [event.stage for event in events if isinstance(event, Stepped)] == ["talk"]
    assert len(json.loads((out / "run.json").read_text())["changes"]) == 1
    with pytest.raises(UserError) as caught:
        _run(write_recipe(*later, ("seed = 3", "seed = 4")), text, out, accept_changes=True)
    assert "cannot change" in caught.value.fields["reason"]


def test_a_run_goes_on_with_its_own_recipe(
    write_recipe: WriteRecipe, text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, stop = tmp_path / "run", threading.Event()
    stop.set()
    monkeypatch.chdir(tmp_path)
    recipe = write_recipe(("steps = 40", "steps = 1"), ("tokens = 640", "steps = 1"))
    assert train(Path(recipe.name), Path("text"), out, lambda event: None, stop=stop) is None
    assert RunFolder(out).whence(out / "recipe.toml", None) == (recipe.resolve(), text.resolve())
    monkeypatch.chdir(out)
    assert train(Path("recipe.toml"), None, out, lambda event: None) == out / "model"
    assert RunFolder(out).whence(out / "recipe.toml", None) == (recipe.resolve(), text.resolve())


def test_a_finished_run_is_not_trained_again(write_recipe: WriteRecipe, text: Path, tmp_path: Path) -> None:
    recipe = write_recipe(("steps = 40", "steps = 1"), ("tokens = 640", "steps = 1"))
    _run(recipe, text, tmp_path / "run")
    before = _weights(tmp_path / "run")
    events = _run(recipe, text, tmp_path / "run")
    assert not any(isinstance(event, Stepped) for event in events)
    assert all(torch.equal(value, before[name]) for name, value in _weights(tmp_path / "run").items())


def test_a_missing_file_is_told_before_any_work(write_recipe: WriteRecipe, text: Path, tmp_path: Path) -> None:
    (text / "talks.jsonl").unlink()
    with pytest.raises(UserError) as caught:
        train(write_recipe(), text, tmp_path / "run", lambda event: None)
    assert caught.value.fault == Fault.FILE_NOT_FOUND
    assert not (tmp_path / "run").exists()


def test_the_learning_rate_rises_and_falls(write_recipe: WriteRecipe) -> None:
    stage = load_recipe(write_recipe()).stages[0]
    rates = [learning_rate(stage, step) for step in range(40)]
    assert rates[:4] == pytest.approx([0.0025, 0.005, 0.0075, 0.01])
    assert rates[4] == 0.01
    assert rates[4:] == sorted(rates[4:], reverse=True)
    assert rates[-1] < 1e-4


def test_an_isolated_document_sees_only_itself() -> None:
    model = new_model(ModelShape(300, 32, 16, 2, 2), end_id=0, seed=1).eval()
    row = torch.randint(5, 300, (1, 12), generator=torch.Generator().manual_seed(0))
    positions = torch.tensor([[0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 5, 6]])
    counted = torch.zeros(1, 12, dtype=torch.bool)
    counted[:, 5:] = True
    packed = model(row, row, positions, counted).detach()
    alone = model(row[:, 5:], row[:, 5:], positions[:, 5:], counted[:, 5:]).detach()
    assert float(packed) == pytest.approx(float(alone), rel=1e-5)


def test_the_state_file_is_replaced_whole(write_recipe: WriteRecipe, text: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    _run(write_recipe(("steps = 40", "steps = 1"), ("tokens = 640", "steps = 1")), text, out)
    (out / "state.part").write_bytes(b"half of a state")  # what a kill in the middle of a save leaves
    assert RunFolder(out).position().stage == 2


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs Linux's list of mapped files")
def test_a_resumed_run_lets_go_of_its_state(write_recipe: WriteRecipe, text: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    recipe = write_recipe(("steps = 40", "steps = 1"), ("tokens = 640", "steps = 1"))
    _run(recipe, text, out)
    read = load_recipe(recipe)
    model = new_model(read.shape, end_id=0, seed=1)
    optimizers = make_optimizers(model, read)
    RunFolder(out).load(model, optimizers)
    assert all(optimizer.state for optimizer in optimizers)
    assert str(out / "state.safetensors") not in Path("/proc/self/maps").read_text()


def test_a_loss_is_the_mean_over_the_tokens_that_count(write_recipe: WriteRecipe) -> None:
    meter = _Meter(load_recipe(write_recipe()).stages[1])
    for step, (loss, counted) in enumerate([(2.0, 10), (0.0, 0), (4.0, 30)], 1):
        meter.add(torch.tensor(loss), counted, 0.1, Position(1, step, 64 * step))
    told = meter.take()
    assert told is not None
    assert (told.loss, told.step) == (3.5, 3)
    meter.add(torch.tensor(0.0), 0, 0.1, Position(1, 4, 256))
    assert meter.take() is None  # nothing was learned yet that has a loss
