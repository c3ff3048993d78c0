"""Damaged files, a full disk between two writes, losses that are no numbers: one sentence, and what was saved stays."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from chatdesk.errors import Fault, UserError
from chatdesk.tasks import lab_runs
from chatdesk.training import origins
from chatdesk.training.curves import read_curves
from chatdesk.training.estimate import estimate
from chatdesk.training.events import Finished, HeldOut, Preparing, TrainEvent
from chatdesk.training.model import LossModel
from chatdesk.training.run_folder import RunFolder
from chatdesk.training.trainer import train

WriteRecipe = Callable[..., Path]
FEW = (
    ("steps = 40", "steps = 4"),
    ("tokens = 640", "steps = 2"),
    ("held_out_every_steps = 20", "held_out_every_steps = 2"),
)
HELD_OUT = 'held_out = [{ file = "plain.txt" }]\n'


@pytest.fixture
def recipe(write_recipe: WriteRecipe) -> Path:
    return write_recipe(*FEW)


def _run(recipe: Path, text: Path, out: Path) -> list[TrainEvent]:
    events: list[TrainEvent] = []
    train(recipe, text, out, events.append)
    return events


def _fault(recipe: Path, text: Path, out: Path) -> UserError:
    with pytest.raises(UserError) as caught:
        _run(recipe, text, out)
    return caught.value


def _weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model" / "model.safetensors")


def _alike(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture
def run(recipe: Path, text: Path, tmp_path: Path) -> Path:
    _run(recipe, text, tmp_path / "run")
    return tmp_path / "run"


@pytest.mark.parametrize(("data", "reason"), [(b"", "it is empty"), (b"null", "not what was written"), (b"{", "not")])
def test_a_torn_record_is_told_and_may_be_removed(
    recipe: Path, text: Path, run: Path, data: bytes, reason: str
) -> None:
    (run / "run.json").write_bytes(data)
    error = _fault(recipe, text, run)
    assert (error.fault, error.fields["path"]) == (Fault.RUN_RECORD_DAMAGED, str(run / "run.json"))
    assert reason in str(error)
    assert str(lab_runs.read(run).fault) == str(error)  # the window says the same
    (run / "run.json").unlink()
    assert isinstance(_run(recipe, text, run)[-1], Finished)
    (run / "plan.json").write_bytes(data)
    assert str(run / "plan.json") in str(lab_runs.read(run).fault)


@pytest.mark.parametrize("data", [b"", b"x" * 100, None])
def test_a_torn_state_is_told(recipe: Path, text: Path, run: Path, data: bytes | None) -> None:
    if data is None:
        save_file({"one": torch.zeros(1)}, run / "state.safetensors")  # of something else
    else:
        (run / "state.safetensors").unlink()  # what hard links to it stays
        (run / "state.safetensors").write_bytes(data)
    error = _fault(recipe, text, run)
    assert (error.fault, error.fields["path"]) == (Fault.RUN_STATE_DAMAGED, str(run / "state.safetensors"))
    (run / "after-prose.safetensors").replace(run / "state.safetensors")
    assert isinstance(_run(recipe, text, run)[-1], Finished)


@pytest.mark.parametrize(("name", "data"), [("about.json", b""), ("tokens.bin", b""), ("tokens.bin", b"xx"),
                                            ("starts.npy", b"")])  # fmt: skip
def test_damaged_tokens_are_made_again(recipe: Path, text: Path, run: Path, name: str, data: bytes) -> None:
    whole = _weights(run)
    (run / "state.safetensors").unlink()
    for folder in (run / "data").glob("*-*"):
        (folder / name).write_bytes(data)
    events = _run(recipe, text, run)
    assert any(isinstance(event, Preparing) and "tokenising" in event.what for event in events)
    assert _alike(_weights(run), whole)


def test_a_tokenizer_is_whole_or_not_there(
    recipe: Path, text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(_tokenizer: object, folder: Path, _context: int) -> None:
        folder.mkdir(parents=True)
        (folder / "tokenizer.json").write_text('{"version":')
        raise KeyboardInterrupt  # a kill

    monkeypatch.setattr(origins, "save_tokenizer", cut)
    with pytest.raises(KeyboardInterrupt):
        _run(recipe, text, tmp_path / "run")
    monkeypatch.undo()
    assert isinstance(_run(recipe, text, tmp_path / "run")[-1], Finished)
    (tmp_path / "run" / "tokenizer" / "tokenizer.json").write_text('{"version":')
    assert _fault(recipe, text, tmp_path / "run").fault == Fault.BROKEN_CONFIG


def test_the_checkpoint_of_a_finished_run_is_written_after_all(
    recipe: Path, text: Path, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full between the last save of the state and the checkpoint that follows it."""
    full = [False]
    whole = origins.export

    def export(*arguments: Any) -> None:
        if full[0]:
            raise OSError(28, "No space left on device")
        full[0] = True  # after the first stage
        whole(*arguments)

    monkeypatch.setattr(origins, "export", export)
    other = tmp_path / "other"
    assert _fault(recipe, text, other).fault == Fault.RUN_NOT_SAVED
    assert RunFolder(other).position().stage == 2
    assert not _alike(_weights(other), _weights(run))
    monkeypatch.undo()
    assert isinstance(_run(recipe, text, other)[-1], Finished)
    assert _alike(_weights(other), _weights(run))
    assert (other / "after-talk.safetensors").is_file()


def test_the_best_state_is_kept_after_all(
    write_recipe: WriteRecipe, text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    talks = 'sources = [{ file = "talks'
    recipe = write_recipe(*FEW, ("seed = 3", "seed = 3\npatience = 9"), (talks, HELD_OUT + talks))
    out, count, keep = tmp_path / "run", [0], RunFolder.keep

    def full(folder: RunFolder, name: str) -> None:
        count[0] += 1
        if count[0] == 2:
            raise OSError(28, "No space left on device")
        keep(folder, name)

    monkeypatch.setattr(RunFolder, "keep", full)
    assert _fault(recipe, text, out).fault == Fault.RUN_NOT_SAVED
    at = RunFolder(out).position()
    assert at.best_step == at.step > 0
    monkeypatch.undo()
    kept: list[str] = []

    def noted(folder: RunFolder, name: str) -> None:
        kept.append(name)
        keep(folder, name)

    monkeypatch.setattr(RunFolder, "keep", noted)
    _run(recipe, text, out)
    assert kept[0] == "best"


@pytest.mark.parametrize("is_training", [True, False])
def test_a_loss_that_is_no_number_ends_the_run_before_anything_is_saved(
    recipe: Path, text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_training: bool
) -> None:
    whole, out = LossModel.forward, tmp_path / "run"

    def astray(model: LossModel, *inputs: Any) -> torch.Tensor:
        loss = whole(model, *inputs)
        return loss * float("nan") if model.training == is_training and len(list(out.glob("after-*"))) else loss

    monkeypatch.setattr(LossModel, "forward", astray)
    recipe.write_text(recipe.read_text() + HELD_OUT)
    error = _fault(recipe, text, out)
    assert error.fault == Fault.RUN_DIVERGED
    assert (error.fields["stage"], error.fields["step"]) == ("talk", "2")
    saved = load_file(out / "state.safetensors")
    assert all(bool(value.isfinite().all()) for value in saved.values() if value.is_floating_point())
    assert RunFolder(out).position().stage == 1
    monkeypatch.undo()
    assert isinstance(_run(recipe, text, out)[-1], Finished)


def test_curves_of_a_log_with_anything_in_it(run: Path) -> None:
    curves = read_curves(run)
    with (run / "events.jsonl").open("a") as log:  # what other versions and broken disks write
        log.write('null\n5\n{"type": "Stepped", "stage": "talk", "step": 3, "loss": null}\n{"type": "HeldOut"}\n[]\n')
    assert read_curves(run) == curves


def test_a_long_sequence_is_measured_too(write_recipe: WriteRecipe, text: Path, tmp_path: Path) -> None:
    long = (
        ("context = 32", "context = 40000"), ("sequence = 16", "sequence = 33000"), ("batch = 2", "batch = 1"),
        ("steps = 40", "steps = 1"), ("tokens = 640", "steps = 1"), ("width = 16", "width = 2"),
        ("heads = 2", "heads = 1"),
    )  # fmt: skip
    assert any(isinstance(event, HeldOut) for event in _run(write_recipe(*long), text, tmp_path / "run"))


def test_a_text_folder_that_is_not_there_is_told(recipe: Path, text: Path, tmp_path: Path) -> None:
    """Else files of the same names beside the recipe would be taken."""
    shutil.copytree(text, tmp_path, dirs_exist_ok=True)
    missing = tmp_path / "txet"
    error = _fault(recipe, missing, tmp_path / "run")
    assert (error.fault, error.fields["path"]) == (Fault.FILE_NOT_FOUND, str(missing))
    with pytest.raises(UserError, match="txet does not exist"):
        estimate(recipe, missing, 0.01)
