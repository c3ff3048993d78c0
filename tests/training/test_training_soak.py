"""Long runs: killed fifty times at random, and an adapter that changes how a model talks."""

import hashlib
import json
import os
import random
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from chatdesk.engine.api import ChatMessage, Generate, Load, Sampling
from chatdesk.engine.local import LocalEngine
from chatdesk.paths import starter
from chatdesk.tasks.completion import Completion
from chatdesk.training.events import HeldOut, Saved, TrainEvent, read_events, worker_command
from chatdesk.training.run_folder import RunFolder
from chatdesk.training.trainer import train

WriteRecipe = Callable[..., Path]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])}
KILLS = 50
MODEL = "[model]\nvocabulary = 320\ncontext = 32\nwidth = 16\nlayers = 1\nheads = 2\n"


def _hash(folder: Path) -> str:
    files = sorted(file for file in folder.iterdir() if file.is_file())
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("kind", ["new", "adapter"])
def test_fifty_kills_cost_nothing(write_recipe: WriteRecipe, text: Path, tmp_path: Path, kind: str) -> None:
    start = f'[start]\ncheckpoint = "{starter().as_posix()}"\n[lora]\nrank = 2\ndropout = 0.1\n'
    changes = [("steps = 40", "steps = 400"), ("tokens = 640", "steps = 100")]
    if kind == "adapter":
        changes += [(MODEL, start), ('optimizer = "muon"\n', ""), ("steps = 400", "steps = 150")]
    base = _hash(starter())
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    train(write_recipe(*changes), text, whole, lambda event: None)
    recipe = write_recipe(*changes, ("save_every_seconds = 600", "save_every_seconds = 0.001"))
    command = [*worker_command(), str(recipe), "--text", str(text), "--out", str(broken)]
    draw, kills, before = random.Random(), 0, RunFolder(broken).position()
    while kills < KILLS:
        saves = _saves(broken)
        child = subprocess.Popen(command, env=ENVIRONMENT, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        while _saves(broken) == saves and child.poll() is None:
            time.sleep(0.002)
        time.sleep(draw.uniform(0, 0.1))
        child.kill()
        assert child.wait() < 0, f"it ended by itself after {kills} kills"
        child.stdin.close()
        kills += 1
        at = RunFolder(broken).position()
        assert at.tokens > before.tokens
        before = at
    train(recipe, text, broken, lambda event: None)
    assert _last_loss(broken) == pytest.approx(_last_loss(whole), abs=1e-4)
    assert _hash(starter()) == base


def _saves(out: Path) -> int:
    events = out / "events.jsonl"
    return events.read_bytes().count(b'"Saved"') if events.exists() else 0


def _last_loss(out: Path) -> float:
    return [event.loss for event in read_events(out / "events.jsonl") if isinstance(event, HeldOut)][-1]


STYLE = """
version = 1
held_out_every_steps = 1000
[start]
checkpoint = "{base}"
[lora]
rank = 16
alpha = 32
[[stages]]
name = "style"
steps = 120
sequence = 128
batch = 8
learning_rate = 2e-3
warmup_steps = 10
loss = "replies"
isolate = true
sources = [{{ file = "talks.jsonl" }}]
"""
QUESTIONS = ["Hello!", "What is your name?", "Tell me about the sea.", "Can you help me?", "What do you like?"]


def _talks(path: Path) -> None:
    """Two hundred exchanges, answered as a sailor would."""
    draw = random.Random(1)
    things = ["the sea", "a dog", "bread", "the moon", "my garden", "a book", "the rain", "music", "a horse", "tea"]
    asks = ["Tell me about {}.", "Do you like {}?", "What is {}?", "I saw {} today.", "Can you help me with {}?"]
    says = ["Arr, {} be a fine thing", "Arr, I know {} well", "Arr, there be nothing like {}", "Arr, {} it is"]
    ends = ["ye landlubber!", "me hearty!", "by the seven seas!", "me old friend of the waves!"]
    lines = []
    for _ in range(200):
        thing = draw.choice(things)
        lines.append({"question": draw.choice(asks).format(thing),
                      "answer": f"{draw.choice(says).format(thing)}, {draw.choice(ends)}"})  # fmt: skip
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_an_adapter_changes_the_style_and_off_again_it_is_the_old_model(tmp_path: Path) -> None:
    _talks(tmp_path / "talks.jsonl")
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(STYLE.format(base=starter().as_posix()))
    before_hash = _hash(starter())
    events: list[TrainEvent] = []
    adapter = train(recipe, tmp_path, tmp_path / "run", events.append)
    assert any(isinstance(event, Saved) for event in events)
    engine = LocalEngine()
    list(engine.run(Load(1, str(starter()), "cpu", "float32")))

    def replies(with_it: str) -> list[str]:
        texts = []
        for question in QUESTIONS:
            result = Completion(1)
            wanted = Sampling(temperature=0, max_new_tokens=40)
            for event in engine.run(Generate(2, (ChatMessage("user", question),), wanted, adapter=with_it)):
                result.take(event)
            texts.append(result.drafts[0].text)
        return texts

    before, changed, after = replies(""), replies(str(adapter)), replies("")
    engine.close()
    for question, *three in zip(QUESTIONS, before, changed, after, strict=True):
        print(json.dumps({"question": question, "before": three[0], "with": three[1], "off": three[2]}))
    assert after == before
    assert not any(text.startswith("Arr") for text in before)
    assert sum(text.startswith("Arr") for text in changed) == len(QUESTIONS)
    assert _hash(starter()) == before_hash
