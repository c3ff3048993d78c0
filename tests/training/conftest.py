"""A tiny text folder and recipe: a run over them takes a second or two.

One thread: on a busy machine two threads that wait for each other at every tiny operation take ten times as long.
"""

import json
import lzma
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

PROSE = [
    "The cat sat on the mat and looked at the rain. It was a quiet day in the old house by the river.",
    "A man went down the road to the market with his dog. He bought bread, and the dog ate the bread.",
    "In the spring the birds came back and sang in the trees, and the children played under them.",
]
TALK = [
    {"speaker": "a", "text": "Hello there!"},
    {"speaker": "b", "text": "Hello! How are you?"},
    {"speaker": "a", "text": "I am fine."},
    {"speaker": "b", "text": "Good to hear."},
]
RECIPE = """
version = 1
seed = 3
optimizer = "muon"
held_out_every_steps = 20
save_every_seconds = 600
other_rate = 1.0
[model]
vocabulary = 320
context = 32
width = 16
layers = 1
heads = 2
[[stages]]
name = "prose"
steps = 40
sequence = 16
batch = 2
learning_rate = 1e-2
warmup_steps = 4
sources = [{ file = "prose.jsonl.xz", weight = 3 }, { file = "plain.txt" }]
held_out = [{ file = "plain.txt" }]
[[stages]]
name = "talk"
tokens = 640
sequence = 32
batch = 2
learning_rate = 5e-3
loss = "replies"
isolate = true
sources = [{ file = "talks.jsonl" }]
"""


def _lines(values: list[dict[str, object]]) -> str:
    return "".join(json.dumps(value) + "\n" for value in values)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Torch computes in one thread while a test runs."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def text(tmp_path: Path) -> Path:
    """Prose as .jsonl.xz, dialogues as .jsonl and a plain text."""
    folder = tmp_path / "text"
    folder.mkdir()
    with lzma.open(folder / "prose.jsonl.xz", "wt", encoding="utf-8") as file:
        file.write(_lines([{"title": "x", "text": text} for text in PROSE * 4]))
    system = {"speaker": "system", "text": "Be kind."}
    (folder / "talks.jsonl").write_text(_lines([{"turns": TALK}, {"turns": [system, *TALK[:2]]}] * 5))
    (folder / "plain.txt").write_text("The river runs to the sea. " * 30, encoding="utf-8")
    return folder


@pytest.fixture
def write_recipe(tmp_path: Path) -> Callable[..., Path]:
    """Writes the tiny recipe with pieces of it replaced, and returns its path."""

    def write(*changes: tuple[str, str]) -> Path:
        content = RECIPE
        for old, new in changes:
            assert old in content
            content = content.replace(old, new, 1)
        path = tmp_path / "recipe.toml"
        path.write_text(content, encoding="utf-8")
        return path

    return write
