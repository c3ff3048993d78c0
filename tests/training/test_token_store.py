"""Tokens of a prepared text are made once for all runs, whole or not at all, and made again when they go missing."""

import json
import os
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from chatdesk.training import trainer
from chatdesk.training.events import Paused, Preparing, TrainEvent
from chatdesk.training.token_store import make_room, note_use
from chatdesk.training.trainer import train

WriteRecipe = Callable[..., Path]
SHORT = (
    ("steps = 40", "steps = 2"), ("tokens = 640", "steps = 1"),
    ('{ file = "prose.jsonl.xz", weight = 3 }, { file = "plain.txt" }', '{ file = "train.jsonl" }'),
    ('[{ file = "plain.txt" }]', '[{ file = "held-out.jsonl" }]'),
    ('{ file = "talks.jsonl" }', '{ file = "train.jsonl" }'),
)  # fmt: skip


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    folder = tmp_path / "prepared-1"
    folder.mkdir()
    lines = [json.dumps({"text": f"Once upon a time there were {number} sheep on the hill."}) for number in range(40)]
    (folder / "train.jsonl").write_text("\n".join(lines[4:]))
    (folder / "held-out.jsonl").write_text("\n".join(lines[:4]))
    (folder / "report.json").write_text("{}")
    return folder


def _tokenised(recipe: Path, text: Path, out: Path) -> list[str]:
    """Which files a run has tokenised."""
    events: list[TrainEvent] = []
    assert train(recipe, text, out, events.append) == out / "model"
    told = [event.what for event in events if isinstance(event, Preparing)]
    return [what.removeprefix("tokenising ") for what in told if what.startswith("tokenising")]


def test_runs_share_the_tokens_of_a_preparation(write_recipe: WriteRecipe, prepared: Path, tmp_path: Path) -> None:
    recipe = write_recipe(*SHORT)
    first = _tokenised(recipe, prepared, tmp_path / "one")
    assert sorted(set(first)) == ["held-out.jsonl", "train.jsonl"]
    assert _tokenised(recipe, prepared, tmp_path / "two") == []
    assert not (tmp_path / "two" / "data").exists()
    assert (tmp_path / "one" / "model" / "model.safetensors").read_bytes() == (
        tmp_path / "two" / "model" / "model.safetensors"
    ).read_bytes()
    other = write_recipe(*SHORT, ("vocabulary = 320", "vocabulary = 310"))
    assert _tokenised(other, prepared, tmp_path / "three") == first  # by another tokenizer
    (prepared / "train.jsonl").write_text((prepared / "train.jsonl").read_text().replace("sheep", "goats"))
    assert "train.jsonl" in _tokenised(recipe, prepared, tmp_path / "four")


def test_what_goes_missing_is_made_again(write_recipe: WriteRecipe, prepared: Path, tmp_path: Path) -> None:
    recipe, out = write_recipe(*SHORT), tmp_path / "run"
    whole = _tokenised(recipe, prepared, out)
    (out / "after-prose.safetensors").replace(out / "state.safetensors")
    shutil.rmtree(prepared / "tokens")
    assert _tokenised(recipe, prepared, out) == [name for name in whole if name == "train.jsonl"][-1:]


def test_of_many_encodings_the_last_ones_stay(prepared: Path) -> None:
    """A run that reads from what goes away reads on."""
    tokens = prepared / "tokens"
    for number, name in enumerate(
        ["train-a", "train-b", "train-c", "train-d", "train-e", "held-out-a", "train-x.part"]
    ):
        (tokens / name).mkdir(parents=True)
        (tokens / name / "tokens.bin").write_bytes(b"12")
        os.utime(tokens / name, (1000 + number, 1000 + number))
    read = np.memmap(tokens / "train-b" / "tokens.bin", np.uint8, "r")
    note_use(tokens / "train-a")
    make_room(tokens / "train-e")
    assert sorted(path.name for path in tokens.iterdir()) == ["held-out-a", "train-a", "train-c", "train-d", "train-e"]
    assert bytes(read) == b"12"
    own = prepared / "data"
    tokens.rename(own)
    (own / "train-f").mkdir()
    make_room(own / "train-f")  # a run's own folder goes with the run
    assert len(list(own.iterdir())) == 6


def test_tokens_by_many_vocabularies_are_not_all_kept(
    write_recipe: WriteRecipe, prepared: Path, tmp_path: Path
) -> None:
    few = ("steps = 40", "steps = 1"), ("tokens = 640", "steps = 1"), *SHORT[2:]
    for number in range(6):
        recipe = write_recipe(*few, ("vocabulary = 320", f"vocabulary = {300 + number}"))
        assert _tokenised(recipe, prepared, tmp_path / str(number))
    assert len(list((prepared / "tokens").glob("train-*"))) <= 4
    assert _tokenised(recipe, prepared, tmp_path / "again") == []  # by the last one


def test_other_text_is_kept_with_the_run(write_recipe: WriteRecipe, prepared: Path, tmp_path: Path) -> None:
    (prepared / "report.json").unlink()
    _tokenised(write_recipe(*SHORT), prepared, tmp_path / "one")
    assert not (prepared / "tokens").exists()
    assert list((tmp_path / "one" / "data").glob("train-*"))


def test_a_preparation_that_cannot_be_written_is_no_trouble(
    write_recipe: WriteRecipe, prepared: Path, tmp_path: Path
) -> None:
    (prepared / "tokens").write_text("in the way")
    assert _tokenised(write_recipe(*SHORT), prepared, tmp_path / "one")
    assert list((tmp_path / "one" / "data").glob("train-*"))


def test_a_cut_leaves_no_half(
    write_recipe: WriteRecipe, prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("chatdesk.training.corpus.np.save", cut)
        with pytest.raises(trainer.UserError):
            _tokenised(write_recipe(*SHORT), prepared, tmp_path / "one")
    assert [path.name for path in (prepared / "tokens").iterdir()] == ["lock"]
    assert _tokenised(write_recipe(*SHORT), prepared, tmp_path / "one")


def test_one_waits_for_another_and_can_be_stopped(write_recipe: WriteRecipe, prepared: Path, tmp_path: Path) -> None:
    (prepared / "tokens").mkdir()
    stop, events = threading.Event(), list[TrainEvent]()
    recipe = write_recipe(*SHORT)
    with FileLock(prepared / "tokens" / "lock"):
        waiting = threading.Thread(target=train, args=(recipe, prepared, tmp_path / "one", events.append, False, stop))
        waiting.start()
        deadline = time.monotonic() + 60
        while not (tmp_path / "one" / "tokenizer").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        stop.set()
        waiting.join(60)
    assert isinstance(events[-1], Paused)
