"""Checkpoint folders and how one is refused; somebody who downloads."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chatdesk.errors import Fault, UserError
from chatdesk.library import architectures, safety
from tests.library.folders import SHAPES, Folder, good_folder
from tests.library.hub_desk import Desk
from tests.library.hub_server import serve


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with serve() as server:
        made = Desk(server, tmp_path)
        yield made
        made.connection.close()


@pytest.fixture
def shapes() -> dict[str, list[int]]:
    """Names and shapes of the good folder's tensors."""
    return dict(SHAPES)


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Folder]:
    """Makes a good checkpoint folder at a path below the test's own folder."""

    return lambda name="model", dtype="F32": good_folder(tmp_path / name, dtype)


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
    Fault.QUANTISED: "Choose the original: it is made smaller when it is loaded",
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
