"""A file that is being fetched: what has come lies beside its place, and takes the place when its digest is right.

What a process writes is sure to be on disk only after a sync, so there is one for each step, and whoever finds such a
file later goes on at the last whole step. So a kill or a power cut costs at most one step of each file that was being
fetched. Files that are fetched together have smaller steps, so that they cost no more than one alone.
"""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from chatdesk.library.hub import RemoteFile, git_sha1
from chatdesk.library.snapshots import INCOMPLETE, sync_folder

STEP = 4 * 2**20
"""Bytes between two syncs of all files together that are being fetched."""

_READ = 2**20
_sync = getattr(os, "fdatasync", os.fsync)  # the size counts as data; times do not


class Partial:
    """The bytes of one file so far. Close it; `OSError` is raised as it comes.

    Attributes: ``done``, how many bytes are there and in the digest; ``tag``, by which the server called the file.
    """

    def __init__(self, place: Path, file: RemoteFile, step: int = STEP) -> None:
        self._file = file
        self._step = step
        self._place = place
        self._path = place.with_name(place.name + INCOMPLETE)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._handle = os.open(self._path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o644)
        self._kept = min(os.fstat(self._handle).st_size, file.size) // step * step
        os.ftruncate(self._handle, self._kept)
        self._digest = _digest(file)
        self.done = 0
        self.tag = ""

    def __enter__(self) -> "Partial":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def read_back(self) -> Iterator[int]:
        """Take in what was there; yields ``done`` after each piece. To be exhausted before anything is written."""
        os.lseek(self._handle, 0, os.SEEK_SET)
        while self.done < self._kept:
            data = os.read(self._handle, min(_READ, self._kept - self.done))
            if not data:
                raise OSError(f"{self._path} became shorter")
            self._digest.update(data)
            self.done += len(data)
            yield self.done

    def write(self, data: bytes) -> None:
        """Add bytes at the end."""
        rest = memoryview(data)
        steps = self.done // self._step
        while rest:
            written = os.write(self._handle, rest)
            self._digest.update(rest[:written])
            self.done += written
            rest = rest[written:]
        if self.done // self._step > steps:
            _sync(self._handle)

    def clear(self) -> None:
        """Begin again with nothing."""
        os.ftruncate(self._handle, 0)
        os.lseek(self._handle, 0, os.SEEK_SET)
        self._digest, self._kept, self.done, self.tag = _digest(self._file), 0, 0, ""

    def finish(self) -> bool:
        """Give the whole file its place when its digest is right; else throw it away and return False."""
        if self.done != self._file.size or self._digest.hexdigest() != self._file.digest:
            self.close()
            self._path.unlink(missing_ok=True)
            return False
        os.fsync(self._handle)
        self.close()
        os.replace(self._path, self._place)
        sync_folder(self._place.parent)
        return True

    def close(self) -> None:
        """Let go of the file; what came stays."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1


def read(path: Path, file: RemoteFile) -> Iterator[bool | None]:
    """Compare a file with its digest: yields None while it reads, at last whether it is right."""
    digest = _digest(file)
    with path.open("rb") as opened:
        while data := opened.read(_READ):
            digest.update(data)
            yield None
    yield digest.hexdigest() == file.digest


def _digest(file: RemoteFile) -> "hashlib._Hash":
    return hashlib.sha256() if file.is_sha256 else git_sha1(file.size)
