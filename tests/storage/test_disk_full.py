"""Every single write of a session fails once: nothing that was said to be saved is lost, reading goes on.

SQLite offers its system calls for replacement (``xSetSystemCall``, https://www.sqlite.org/c3ref/vfs.html); the tests
put calls there that fail from the k-th write on. That needs SQLite as a shared library; elsewhere
``test_database.test_a_write_in_a_full_file_says_so_and_changes_nothing`` has to do.
"""

import contextlib
import ctypes
import errno
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from chatdesk.errors import Fault, UserError
from chatdesk.storage.conversations import Conversations
from chatdesk.storage.database import open_database
from chatdesk.storage.store import Store


class Vfs(ctypes.Structure):
    """``sqlite3_vfs``, as sqlite3.h has it."""

    _fields_ = [
        ("iVersion", ctypes.c_int), ("szOsFile", ctypes.c_int), ("mxPathname", ctypes.c_int),
        ("pNext", ctypes.c_void_p), ("zName", ctypes.c_char_p), ("pAppData", ctypes.c_void_p),
        *[(f"x{number}", ctypes.c_void_p) for number in range(13)],
        (
            "xSetSystemCall",
            ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p),
        ),
    ]  # fmt: skip


WRITE = ctypes.CFUNCTYPE(
    ctypes.c_ssize_t, ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int64, use_errno=True
)


def loaded_sqlite():
    """The library that Python's sqlite3 uses, or None when it cannot be reached."""
    if not sys.platform.startswith("linux") or not sqlite3.sqlite_version:
        return None
    for line in Path("/proc/self/maps").read_text().splitlines():
        if "libsqlite3" in line:
            return ctypes.CDLL(line.split(maxsplit=5)[5])
    return None


SQLITE = loaded_sqlite()
needs_calls = pytest.mark.skipif(SQLITE is None, reason="SQLite is not a shared library here")


class Disk:
    """Writes of SQLite: ``count`` of them so far; from number ``full_at`` on they fail with ``code``."""

    def __init__(self):
        self.count = 0
        self.full_at = None
        self.code = errno.ENOSPC
        libc = ctypes.CDLL(None, use_errno=True)
        self._pwrite = libc.pwrite64
        self._pwrite.restype = ctypes.c_ssize_t
        self._pwrite.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int64]
        self._call = WRITE(self._write)
        SQLITE.sqlite3_vfs_find.restype = ctypes.POINTER(Vfs)
        self._vfs = SQLITE.sqlite3_vfs_find(None)

    def _write(self, file, content, size, offset):
        self.count += 1
        if self.full_at is not None and self.count >= self.full_at:
            ctypes.set_errno(self.code)
            return -1
        return self._pwrite(file, content, size, offset)

    def __enter__(self):
        self._set(ctypes.cast(self._call, ctypes.c_void_p))
        return self

    def __exit__(self, *_):
        self._set(None)

    def _set(self, call):
        for name in (b"pwrite", b"pwrite64"):
            self._vfs.contents.xSetSystemCall(ctypes.addressof(self._vfs.contents), name, call)


STEPS = 7


def step(conversations, id, number):
    """One of the things a session saves."""
    tip = conversations.get(id).tip
    if number in (0, 3):
        conversations.set_draft(id, f"draft {number} " + "x" * 3000)
    elif number in (1, 4):
        conversations.add_message(id, tip, "user", f"text {number} " + "y" * 9000, clear_draft=True)
    elif number == 2:
        partial = conversations.begin_reply(id, tip, {"model": "Small"})
        conversations.extend_reply(partial.id, "so far", (1,))
        conversations.finish_reply(partial.id, "reply " + "z" * 20_000, range(3000), "stop", {})
    elif number == 5:
        conversations.rename(id, "Renamed")
    else:
        conversations.create("another")


def state(conversations, id):
    """All that can be read, but for an unfinished reply."""
    return (conversations.list(), conversations.branch(id))


def prepare(folder):
    with contextlib.closing(open_database(folder / "chatdesk.db", folder / "backups")) as database:
        conversations = Conversations(database)
        id = conversations.create("First").id
        conversations.add_message(id, None, "user", "before")
    return id


def failure_of(work, *arguments):
    try:
        work(*arguments)
    except UserError as error:
        return error
    return None


def session(folder, id, disk, fault):
    """Save until a write fails; then read, make room, save the rest. Returns how many steps were saved at first."""
    path = folder / "chatdesk.db"
    database = open_database(path, folder / "backups")
    conversations = Conversations(database)
    known = state(conversations, id)
    saved = 0
    failed = None
    while saved < STEPS and failed is None:
        failed = failure_of(step, conversations, id, saved)
        if failed is None:
            saved += 1
            known = state(conversations, id)
    assert failed is None or (failed.fault, failed.fields["path"]) == (fault, str(path))
    assert state(conversations, id) == known
    database.close()
    disk.full_at = None
    with contextlib.closing(open_database(path, folder / "backups")) as database:
        conversations = Conversations(database)
        assert database.read_only is None
        assert state(conversations, id) == known
        for number in range(saved, STEPS):
            step(conversations, id, number)
        assert database.query("PRAGMA integrity_check") == [("ok",)]
        assert conversations.get(id).title == "Renamed"
    return saved


@needs_calls
@pytest.mark.parametrize(
    ("code", "fault", "stride"),
    [
        (errno.ENOSPC, Fault.DISK_FULL, 4),
        (errno.EIO, Fault.CANNOT_WRITE, 4),
        pytest.param(errno.ENOSPC, Fault.DISK_FULL, 1, marks=pytest.mark.soak),
        pytest.param(errno.EIO, Fault.CANNOT_WRITE, 1, marks=pytest.mark.soak),
    ],
)
def test_any_write_may_fail(tmp_path, code, fault, stride):
    original = tmp_path / "original"
    id = prepare(original)
    outcomes = []
    with Disk() as disk:
        disk.code = code
        while not outcomes or outcomes[-1] < STEPS:
            folder = tmp_path / f"{len(outcomes)}"
            shutil.copytree(original, folder)
            disk.count, disk.full_at = 0, 1 + stride * len(outcomes)
            outcomes.append(session(folder, id, disk, fault))
    assert len(set(outcomes)) > STEPS - 3
    assert outcomes == sorted(outcomes)


@needs_calls
def test_an_unfinished_reply_waits_for_room(tmp_path):
    id = prepare(tmp_path)
    path = tmp_path / "chatdesk.db"
    with contextlib.closing(open_database(path, tmp_path)) as database:
        conversations = Conversations(database)
        conversations.extend_reply(conversations.begin_reply(id, None, {}).id, "half", (1,))
    with Disk() as disk, contextlib.closing(open_database(path, tmp_path)) as database:
        disk.full_at = disk.count
        assert Conversations(database).recover() == []
        assert [message.text for message in Conversations(database).branch(id)] == ["before"]
        disk.full_at = None
    with contextlib.closing(open_database(path, tmp_path)) as database:
        assert [message.text for message in Conversations(database).recover()] == ["half"]


@needs_calls
def test_room_in_the_same_session_lets_it_go_on(tmp_path):
    id = prepare(tmp_path)
    with Disk() as disk, contextlib.closing(open_database(tmp_path / "chatdesk.db", tmp_path)) as database:
        conversations = Conversations(database)
        for number in range(STEPS):
            disk.full_at = disk.count + 1
            with pytest.raises(UserError):
                step(conversations, id, number)
            disk.full_at = None
            step(conversations, id, number)
        assert [len(message.text) for message in conversations.branch(id)] == [6, 9007, 20006, 9007]


@needs_calls
def test_a_full_disk_does_not_keep_the_program_from_starting(tmp_path):
    """New profile: nothing to read, every save says why; its drafts stay in the window."""
    with Disk() as disk:
        for k in range(1, 40):
            folder = tmp_path / str(k)
            folder.mkdir()
            disk.count, disk.full_at = 0, k
            with Store(folder / "chatdesk.db", folder / "backups") as store:
                opened = store.opened.result()
                assert store.submit(Conversations.list).result() == []
                if opened.read_only is None:
                    break
                assert opened.read_only.fault is Fault.DISK_FULL
                with pytest.raises(UserError) as caught:
                    store.submit(Conversations.create).result()
                assert caught.value.fault is Fault.DISK_FULL
            disk.full_at = None
            with Store(folder / "chatdesk.db", folder / "backups") as store:
                assert store.opened.result().read_only is None
    assert k > 3


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 2 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("mounting needs rights")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.skipif(not sys.platform.startswith("linux") or os.getuid() != 0, reason="mounting needs rights")
def test_a_disk_that_is_really_full(small_disk):
    path = small_disk / "chatdesk.db"
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(300_000))
    with Store(path, small_disk / "backups", quiet_s=0.01) as store:
        id = store.submit(Conversations.create).result().id
        saved = []
        failed = None
        while failed is None:
            tip = saved[-1].id if saved else None
            work = store.submit(lambda c, tip=tip: c.add_message(id, tip, "user", "x" * 50_000))
            failed = work.exception()
            if failed is None:
                saved.append(work.result())
        assert failed.fault is Fault.DISK_FULL
        assert len(saved) > 5
        assert store.submit(lambda c: c.branch(id)).result() == saved
    with Store(path, small_disk / "backups", quiet_s=0.01) as store:  # it starts, and reads
        assert store.submit(lambda c: c.branch(id)).result() == saved
        with pytest.raises(UserError) as caught:
            store.submit(lambda c: c.add_message(id, saved[-1].id, "user", "x" * 500_000)).result()
        assert caught.value.fault is Fault.DISK_FULL
    with contextlib.suppress(OSError), ballast.open("ab", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    with Store(path, small_disk / "backups") as store:  # not a byte is left
        assert store.submit(lambda c: c.branch(id)).result() == saved
    ballast.unlink()
    with Store(path, small_disk / "backups") as store:
        more = store.submit(lambda c: c.add_message(id, saved[-1].id, "user", "short")).result()
        assert store.submit(lambda c: c.branch(id)).result() == [*saved, more]
