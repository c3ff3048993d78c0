"""Checkpoint folders as files: written by hand, so that they can be broken by hand."""

import json
import math
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chatdesk.errors import Fault, UserError
from chatdesk.library import architectures, safety

BITS = {"F32": 32, "F16": 16, "BF16": 16, "U8": 8}


class Folder:
    """A small GPT-2 on disk and the means to break it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True)

    def text(self, name: str, text: str) -> Path:
        path = self.path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def json(self, name: str, value: object) -> Path:
        return self.text(name, json.dumps(value))

    def change(self, name: str, **entries: object) -> None:
        """Add entries to a JSON object that is there or not."""
        path = self.path / name
        self.json(name, {**(json.loads(path.read_text("utf-8")) if path.exists() else {}), **entries})

    def raw(self, header: bytes, data: bytes = b"", length: int | None = None, name: str = "model.safetensors") -> Path:
        """A safetensors file from the bytes of its header, whose length may be a lie."""
        size = len(header) if length is None else length
        path = self.path / name
        path.write_bytes(size.to_bytes(8, "little") + header + data)
        return path

    def header(self, entries: dict[str, Any], data: bytes = b"") -> Path:
        return self.raw(json.dumps(entries).encode(), data)

    def weights(self, shapes: dict[str, list[int]], dtype: str = "F32", name: str = "model.safetensors") -> Path:
        """A good safetensors file of zeros."""
        header, position = {}, 0
        for tensor, shape in shapes.items():
            end = position + math.prod(shape) * BITS[dtype] // 8
            header[tensor] = {"dtype": dtype, "shape": shape, "data_offsets": [position, end]}
            position = end
        return self.raw(json.dumps(header).encode(), bytes(position), name=name)

    def shards(self, places: dict[str, str], shapes: dict[str, list[int]], total: int | None = None) -> None:
        """An index and its files, in place of the single file."""
        (self.path / "model.safetensors").unlink(missing_ok=True)
        for name in sorted(set(places.values())):
            self.weights({t: shapes[t] for t, place in places.items() if place == name}, name=name)
        metadata = {} if total is None else {"total_size": total}
        self.json("model.safetensors.index.json", {"metadata": metadata, "weight_map": places})


SHAPES = {
    "transformer.wte.weight": [16, 4],
    "transformer.wpe.weight": [8, 4],
    "transformer.h.0.ln_1.weight": [4],
    "transformer.h.0.ln_1.bias": [4],
}
CONFIG = {
    "model_type": "gpt2",
    "architectures": ["GPT2LMHeadModel"],
    "vocab_size": 16,
    "n_positions": 8,
    "n_embd": 4,
    "n_layer": 1,
    "n_head": 1,
    "torch_dtype": "float32",
    "transformers_version": "4.44.0",
}


@pytest.fixture
def shapes() -> dict[str, list[int]]:
    """Names and shapes of the good folder's tensors."""
    return dict(SHAPES)


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Folder]:
    """Makes a good checkpoint folder at a path below the test's own folder."""

    def good(name: str = "model", dtype: str = "F32") -> Folder:
        folder = Folder(tmp_path / name)
        folder.json("config.json", CONFIG)
        folder.json("tokenizer.json", {"version": "1.0", "model": {"type": "BPE", "vocab": {}, "merges": []}})
        folder.json("tokenizer_config.json", {"tokenizer_class": "GPT2Tokenizer", "model_max_length": 8})
        folder.weights(SHAPES, dtype)
        return folder

    return good


@pytest.fixture
def snapshot(tmp_path: Path, make: Callable[..., Folder]) -> Callable[..., Path]:
    """Makes a good checkpoint in the layout of the Hugging Face cache: its files are links to blobs."""

    def in_cache(name: str = "owner/small", revision: str = "abc123", main: str | None = "abc123") -> Path:
        repository = tmp_path / "hub" / f"models--{name.replace('/', '--')}"
        folder = repository / "snapshots" / revision
        folder.mkdir(parents=True)
        blobs = repository / "blobs"
        blobs.mkdir(exist_ok=True)
        for file in make(f"source-{name.replace('/', '-')}-{revision}").path.iterdir():
            blob = file.rename(blobs / f"{revision}{file.name.encode().hex()}")
            (folder / file.name).symlink_to(Path("../../blobs") / blob.name)
        if main is not None:
            (repository / "refs").mkdir(exist_ok=True)
            (repository / "refs" / "main").write_text(main)
        return folder

    return in_cache


ADVICE = {
    Fault.FILE_NOT_FOUND: "Check the name",
    Fault.NOT_A_CHECKPOINT: "Choose a folder that holds config.json and .safetensors",
    Fault.IS_ADAPTER: "Load the model it was made for",
    Fault.ONLY_PICKLE: "Look for the same model with .safetensors files",
    Fault.ONLY_GGUF: "Look for the original checkpoint",
    Fault.BROKEN_SAFETENSORS: "Download or copy the file again",
    Fault.BROKEN_CONFIG: "Download or copy the file again",
    Fault.LIMIT_EXCEEDED: "A checkpoint from a good source does not need so much",
    Fault.UNSAFE_PATH: "Get it from a source you trust",
    Fault.UNSAFE_CONFIG: "Look for a version without this entry",
    Fault.UNKNOWN_ARCHITECTURE: "Choose a causal language model that transformers supports",
    Fault.NO_TOKENIZER: "Copy tokenizer.json",
}
_opened: list[str] | None = None


def _listen(event: str, arguments: tuple[Any, ...]) -> None:
    if _opened is not None and event == "open" and isinstance(arguments[0], str | bytes):
        _opened.append(os.fsdecode(arguments[0]))


sys.addaudithook(_listen)


def _refused(folder: Any, fault: Fault, *mentions: str) -> None:
    """Checks the folder in the light of all rules of the house."""
    global _opened
    package = str(Path(architectures._package()).resolve())
    _opened = []
    began = time.thread_time()
    try:
        with pytest.raises(UserError) as caught:
            safety.check(folder.path)
        seconds = time.thread_time() - began
        opened = _opened
    finally:
        _opened = None
    sentence = str(caught.value)
    assert caught.value.fault == fault, sentence
    assert ADVICE[fault] in sentence
    assert all(mention in sentence for mention in mentions), sentence
    assert sentence.isprintable()
    assert len(sentence) < 600 + len(str(folder.path))
    assert seconds < 1
    assert not Path("canary").exists()
    inside = str(folder.path)
    assert [p for p in opened if not os.path.abspath(p).startswith((inside, package))] == []
    assert [p for p in opened if p.startswith(inside) and Path(p).suffix not in (".json", ".safetensors")] == []


@pytest.fixture
def refused() -> Callable[..., None]:
    """Checks a folder that must be refused: ``refused(folder, fault, *what its sentence mentions)``."""
    return _refused
