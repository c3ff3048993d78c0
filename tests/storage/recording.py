"""A disk that remembers: what SQLite writes and flushes, in order, and what a power cut would leave of it.

The methods of SQLite's own files (``sqlite3_io_methods``, https://www.sqlite.org/c3ref/io_methods.html) are replaced
while a `Recorder` is entered; they write as before, and note it. That needs SQLite as a shared library.

What a power cut leaves: all that was flushed, and of what was written since, any sectors; a file that was made longer
may be longer and hold zeros. A file is there from its first write on, and is gone where it was deleted.
"""

import ctypes
import random
from pathlib import Path

from tests.storage.test_disk_full import SQLITE, Vfs

SECTOR = 512
_OK = 0
_int, _pointer, _int64 = ctypes.c_int, ctypes.c_void_p, ctypes.c_int64
OPEN = ctypes.CFUNCTYPE(_int, _pointer, ctypes.c_char_p, _pointer, _int, _pointer)
DELETE = ctypes.CFUNCTYPE(_int, _pointer, ctypes.c_char_p, _int)
WRITE = ctypes.CFUNCTYPE(_int, _pointer, _pointer, _int, _int64)
TRUNCATE = ctypes.CFUNCTYPE(_int, _pointer, _int64)
SYNC = ctypes.CFUNCTYPE(_int, _pointer, _int)


class Methods(ctypes.Structure):
    """The beginning of ``sqlite3_io_methods``; what follows ``xSync`` is copied as it is."""

    _fields_ = [
        ("iVersion", _int), ("xClose", _pointer), ("xRead", _pointer), ("xWrite", _pointer), ("xTruncate", _pointer),
        ("xSync", _pointer), ("rest", _pointer * 13),
    ]  # fmt: skip


class Recorder:
    """``events``: ``("write", name, offset, bytes)``, ``("truncate", name, size)``, ``("sync", name)``, ``("delete",
    name)``, and what a test adds.
    """

    def __init__(self):
        self.events = []
        self._names = {}  # address of an open file -> name
        self._methods = {}  # address of the methods of a kind of file -> those that note
        SQLITE.sqlite3_vfs_find.restype = ctypes.POINTER(Vfs)
        self._vfs = SQLITE.sqlite3_vfs_find(None).contents
        self._calls = {"x0": OPEN(self._open), "x1": DELETE(self._delete)}
        self._old = {name: getattr(self._vfs, name) for name in self._calls}

    def __enter__(self):
        for name, call in self._calls.items():
            setattr(self._vfs, name, ctypes.cast(call, _pointer).value)
        return self

    def __exit__(self, *_):
        for name, old in self._old.items():
            setattr(self._vfs, name, old)

    def _open(self, vfs, name, file, flags, out):
        code = OPEN(self._old["x0"])(vfs, name, file, flags, out)
        place = ctypes.cast(file, ctypes.POINTER(_pointer))
        if code == _OK and name and place[0]:
            self._names[file] = Path(name.decode()).name
            place[0] = ctypes.addressof(self._noting(place[0]))
        return code

    def _delete(self, vfs, name, is_flushed):
        code = DELETE(self._old["x1"])(vfs, name, is_flushed)
        if code == _OK:
            self.events.append(("delete", Path(name.decode()).name))
        return code

    def _noting(self, address):
        """The methods at an address, but noting; kept, as SQLite does not keep them."""
        if address in self._methods:
            return self._methods[address][0]
        old = ctypes.cast(address, ctypes.POINTER(Methods)).contents
        new = Methods.from_buffer_copy(old)
        write, truncate, sync = WRITE(old.xWrite), TRUNCATE(old.xTruncate), SYNC(old.xSync)

        def note(code, file, *event):
            if code == _OK and file in self._names:
                self.events.append((event[0], self._names[file], *event[1:]))
            return code

        calls = (
            WRITE(
                lambda f, data, size, at: note(write(f, data, size, at), f, "write", at, ctypes.string_at(data, size))
            ),
            TRUNCATE(lambda f, size: note(truncate(f, size), f, "truncate", size)),
            SYNC(lambda f, flags: note(sync(f, flags), f, "sync")),
        )
        new.xWrite, new.xTruncate, new.xSync = (ctypes.cast(call, _pointer).value for call in calls)
        self._methods[address] = (new, calls)
        return new


def left_over(events, dice):
    """What is on the disk after a power cut: bytes by name. ``dice``: which sectors that were not flushed are there."""
    flushed, since = {}, {}
    for kind, name, *rest in events:
        if kind in ("write", "truncate"):
            since.setdefault(name, []).append((kind, *rest))
            flushed.setdefault(name, bytearray())
        elif kind == "sync":
            for change in since.pop(name, ()):
                _apply(flushed[name], *change)
        elif kind == "delete":
            flushed.pop(name, None)
            since.pop(name, None)
    share = dice.choice([0.0, 0.5, 0.9])
    for name, changes in since.items():
        for change in _sectors(changes):
            if dice.random() < share:
                _apply(flushed[name], *change)
    return flushed


def _sectors(changes):
    """The same changes, none of more than a sector."""
    for kind, at, *data in changes:
        if kind == "truncate":
            yield kind, at
        for begin in range(0, len(data[0]) if data else 0, SECTOR):
            yield kind, at + begin, data[0][begin : begin + SECTOR]


def _apply(content, kind, at, data=b""):
    if kind == "truncate":
        del content[at:]
        return
    if len(content) < at:
        content += bytes(at - len(content))
    content[at : at + len(data)] = data


def cut(events, folder, seed):
    """Put into ``folder`` what the power cut leaves."""
    folder.mkdir(parents=True)
    for name, content in left_over(events, random.Random(seed)).items():
        (folder / name).write_bytes(content)
