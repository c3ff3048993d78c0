"""Where tokenised text is kept: beside the text of a preparation, where runs share it, else in the run's own folder.

A shared folder is named by a digest of all that is in it: of the file's content, how it was sampled, and how text
becomes tokens. What is found under a name is therefore what would be made, and what goes missing is made again. So of
each text only the tokens that were used last are kept: every other vocabulary leaves about as much as the text takes.
"""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from filelock import FileLock, Timeout

_VERSION = 1
_TEXTS = ("train.jsonl", "held-out.jsonl")  # of a preparation
_TURN_S = 0.5
_KEPT = 4  # of each text: as many encodings as runs that a person goes to and fro between
_TOKENS, _HALF = "tokens", ".part"


def place_of(file: Path, name: str, sample: str, encoding: str, own: Path) -> Path:
    """The folder for the arrays of a source. ``name``: as the recipe calls the file; ``sample``: which part of it is
    read; ``encoding``: a digest of how it becomes tokens; ``own``: folder of the run, for text that is no preparation.
    """
    begin = file.name.split(".")[0]
    place = own / f"{begin}-{_digest(f'{name} {sample}')}"
    shared = None if place.is_dir() else _shared(file)
    if shared is None:
        return place
    return shared / f"{begin}-{_digest(f'{_VERSION} {file.name} {_content(file)} {sample} {encoding}')}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


@cache
def _content(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _shared(file: Path) -> Path | None:
    """The folder that runs share for the tokens of a file; None where there is none, or nothing can be written."""
    if file.name not in _TEXTS or not (file.parent / "report.json").is_file():
        return None
    folder = file.parent / _TOKENS
    try:
        folder.mkdir(exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError:
        return None


@contextmanager
def alone(folder: Path, wait: Callable[[], None]) -> Iterator[None]:
    """While no other run writes beside ``folder``. ``wait`` is called again and again until then, and may raise."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder.parent / "lock")
    while True:
        try:
            lock.acquire(timeout=_TURN_S)
            break
        except Timeout:
            wait()
    try:
        yield
    finally:
        lock.release()


def note_use(folder: Path) -> None:
    """Remember that a run has used the tokens in ``folder`` just now."""
    with suppress(OSError):
        os.utime(folder)


def make_room(folder: Path) -> None:
    """Take away what has not been used for long, and what was left half made, beside a folder that runs share.

    For who is `alone` there. A run that reads from what goes away reads on, or, on Windows, keeps it.
    """
    if folder.parent.name != _TOKENS:
        return
    text = folder.name.rpartition("-")[0]
    others = [path for path in folder.parent.glob(f"{text}-*") if path.suffix != _HALF and path != folder]
    others.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    for old in others[_KEPT - 1 :]:
        with suppress(OSError):  # else it would lose its files one by one
            old.rename(old.with_name(old.name + _HALF))
    for half in folder.parent.glob(f"*{_HALF}"):
        shutil.rmtree(half, ignore_errors=True)
