"""Opening: newer and foreign files, a second program, folders and disks that cannot be written."""

import contextlib
import os
import shutil
import sqlite3
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from chatdesk.errors import Fault, UserError
from chatdesk.storage.conversations import Conversations
from chatdesk.storage.database import open_database
from chatdesk.storage.migrations import MIGRATIONS


def everything(folder):
    return {entry.name: entry.read_bytes() for entry in folder.iterdir() if entry.is_file()}


def test_pragmas_are_those_that_keep_what_was_committed(database):
    for pragma, value in {
        "journal_mode": "wal", "synchronous": 2, "locking_mode": "exclusive", "foreign_keys": 1, "secure_delete": 1,
    }.items():  # fmt: skip
        assert database.query(f"PRAGMA {pragma}") == [(value,)]


def test_a_newer_database_is_refused_byte_for_byte(tmp_path):
    path = tmp_path / "chatdesk.db"
    with contextlib.closing(open_database(path, tmp_path)) as database:
        Conversations(database).create("old")
        database.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    before = everything(tmp_path)
    with pytest.raises(UserError) as caught:
        open_database(path, tmp_path)
    assert caught.value.fault is Fault.DATABASE_NEWER
    assert caught.value.fields["found"] == str(len(MIGRATIONS) + 1)
    assert "newer" in str(caught.value)
    assert everything(tmp_path) == before


def test_a_newer_database_is_recognised_in_its_log(tmp_path):
    live = tmp_path / "live"
    live.mkdir()
    crashed = tmp_path / "crashed"
    crashed.mkdir()
    with contextlib.closing(open_database(live / "chatdesk.db", live)) as database:
        database.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
        for name, content in everything(live).items():  # as a kill would leave it
            (crashed / name).write_bytes(content)
    before = everything(crashed)
    assert before["chatdesk.db-wal"]
    with pytest.raises(UserError) as caught:
        open_database(crashed / "chatdesk.db", crashed)
    assert caught.value.fault is Fault.DATABASE_NEWER
    assert everything(crashed) == before


@pytest.mark.parametrize("torn", [bytes(4096), b"x" * 4096, b"SQLite format 3\0" + b"\x7f" * 4080, b"SQLite for"])
def test_a_frame_that_a_power_cut_left_by_half_is_no_reason_to_refuse(tmp_path, torn):
    live, crashed = tmp_path / "live", tmp_path / "crashed"
    live.mkdir()
    crashed.mkdir()
    with contextlib.closing(open_database(live / "chatdesk.db", live)) as database:
        Conversations(database).create("kept")
        for name, content in everything(live).items():
            (crashed / name).write_bytes(content)
    log = crashed / "chatdesk.db-wal"
    content = log.read_bytes()
    frame = struct.pack(">II", 1, 9) + content[16:24] + bytes(8)
    log.write_bytes(content + frame + torn)
    with contextlib.closing(open_database(crashed / "chatdesk.db", crashed)) as database:
        assert [found.title for found in Conversations(database).list()] == ["kept"]


def test_a_transaction_that_was_not_committed_does_not_count(tmp_path):
    path = tmp_path / "chatdesk.db"
    open_database(path, tmp_path).close()
    with contextlib.closing(open_database(path, tmp_path)) as database:
        Conversations(database).create("old")
        files = everything(tmp_path)
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    log = bytearray(files["chatdesk.db-wal"])
    log += struct.pack(">II", 1, 0) + log[16:24] + bytes(8)  # page 1, with no commit
    page = bytearray(files["chatdesk.db"][:4096])
    page[60:64] = (99).to_bytes(4)
    (tmp_path / "chatdesk.db-wal").write_bytes(log + page)
    with contextlib.closing(open_database(path, tmp_path)) as database:
        assert [c.title for c in Conversations(database).list()] == ["old"]


def test_another_programs_database_is_refused_byte_for_byte(tmp_path):
    path = tmp_path / "chatdesk.db"
    with contextlib.closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE bookmarks (id)")
    before = everything(tmp_path)
    with pytest.raises(UserError) as caught:
        open_database(path, tmp_path)
    assert caught.value.fault is Fault.DATABASE_CORRUPT
    assert caught.value.fields["reason"] == "it is not a database of chatdesk"
    assert everything(tmp_path) == before


def test_a_file_left_before_its_first_table_is_a_new_one(tmp_path):
    for content in (b"", empty_database(tmp_path / "empty.db")):
        path = tmp_path / "chatdesk.db"
        path.write_bytes(content)
        with contextlib.closing(open_database(path, tmp_path)) as database:
            assert Conversations(database).list() == []
        path.unlink()


def empty_database(path):
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    return path.read_bytes()


def test_a_second_connection_is_kept_out(tmp_path):
    path = tmp_path / "chatdesk.db"
    with contextlib.closing(open_database(path, tmp_path)) as database:
        Conversations(database).create("mine")
        with pytest.raises(UserError) as caught:
            open_database(path, tmp_path)
        assert caught.value.fault is Fault.ALREADY_RUNNING
        assert len(Conversations(database).list()) == 1


READ = """
import encodings.utf_16_le, os  # the codec is loaded while the library can be read
from pathlib import Path
from chatdesk.errors import UserError
from chatdesk.storage.conversations import Conversations
from chatdesk.storage.database import open_database
if os.getuid() == 0:
    os.setuid(65534)
folder = Path({folder!r})
database = open_database(folder / "chatdesk.db", folder / "backups")
conversations = Conversations(database)
print(database.read_only.fault, [c.title for c in conversations.list()])
print([message.text for message in conversations.recover()])
try:
    conversations.create("new")
except UserError as error:
    print(error.fault)
database.close()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="permissions of folders work differently")
@pytest.mark.parametrize(
    ("kind", "titles"), [("closed", ["logged", "kept"]), ("crashed", ["logged", "kept"]), ("none", [])]
)
def test_a_folder_that_cannot_be_written_is_read(tmp_path, child_command, kind, titles):
    folder = tmp_path / "profile"
    folder.mkdir()
    if kind != "none":
        build = tmp_path / "build"
        with contextlib.closing(open_database(build / "chatdesk.db", build)) as database:
            Conversations(database).create("kept")
        with contextlib.closing(open_database(build / "chatdesk.db", build)) as database:
            id = Conversations(database).create("logged").id
            partial = Conversations(database).begin_reply(id, None, {})
            Conversations(database).extend_reply(partial.id, "half", (1,))
            if kind == "crashed":
                shutil.copytree(build, folder, dirs_exist_ok=True)
        if kind == "closed":
            shutil.copytree(build, folder, dirs_exist_ok=True)
    recovered = ["half"] if titles else []
    before = everything(folder)
    for parent in (folder, *(each for each in folder.parents if Path(tempfile.gettempdir()) in each.parents)):
        os.chmod(parent, 0o755)
    for entry in folder.iterdir():
        entry.chmod(0o444)
    folder.chmod(0o555)
    try:
        command = [*child_command[:2], child_command[2].format(READ.format(folder=str(folder)))]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    finally:
        folder.chmod(0o755)
    assert done.stdout == f"cannot_write {titles}\n{recovered}\ncannot_write\n", done.stderr
    assert everything(folder) == before


def test_a_write_in_a_full_file_says_so_and_changes_nothing(database):
    conversations = Conversations(database)
    id = conversations.create("kept").id
    first = conversations.add_message(id, None, "user", "first")
    conversations.set_draft(id, "long")
    (pages,) = database.query("PRAGMA page_count")[0]
    database.query(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(UserError) as caught:
        conversations.add_message(id, first.id, "user", "x" * 100_000, clear_draft=True)
    assert caught.value.fault is Fault.DISK_FULL
    assert caught.value.fields["path"] == str(database.path)
    assert conversations.branch(id) == [first]
    assert conversations.get(id).draft == "long"
    database.query(f"PRAGMA max_page_count = {pages + 1000}")
    second = conversations.add_message(id, first.id, "user", "x" * 100_000, clear_draft=True)
    assert conversations.branch(id) == [first, second]
