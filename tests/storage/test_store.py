"""The thread: order, errors, closing, and the backup of the day in between."""

import contextlib
import sqlite3
import subprocess
import threading
import time

import pytest

from chatdesk.errors import Fault, UserError
from chatdesk.storage import backups
from chatdesk.storage.conversations import Conversations
from chatdesk.storage.database import open_database
from chatdesk.storage.store import Store


def wait_for(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return condition()


def test_work_is_done_in_order_on_one_thread(tmp_path):
    done = []
    with Store(tmp_path / "chatdesk.db", tmp_path / "backups") as store:
        futures = [store.submit(lambda _, n=n: done.append((n, threading.current_thread().name))) for n in range(50)]
        assert all(future.result() is None for future in futures)
    assert done == [(n, "chatdesk-storage") for n in range(50)]


def test_an_error_of_one_piece_of_work_is_its_own(tmp_path):
    with Store(tmp_path / "chatdesk.db", tmp_path / "backups") as store:
        bad = store.submit(lambda c: c.get("nobody"))
        good = store.submit(Conversations.create)
        with pytest.raises(KeyError):
            bad.result()
        assert good.result().title == ""


def test_a_trash_that_cannot_be_emptied_keeps_nobody_from_working(tmp_path, monkeypatch):
    def fails(_):
        raise sqlite3.IntegrityError("FOREIGN KEY constraint failed")

    monkeypatch.setattr(Conversations, "purge_expired", fails)
    with Store(tmp_path / "chatdesk.db", tmp_path / "backups") as store:
        assert store.submit(lambda c: c.list()).result() == []


def test_work_that_was_cancelled_is_not_done(tmp_path):
    gate = threading.Event()
    done = []
    with Store(tmp_path / "chatdesk.db", tmp_path / "backups") as store:
        store.submit(lambda _: gate.wait(30))
        waiting = store.submit(lambda _: done.append("done"))
        assert waiting.cancel()
        gate.set()
    assert done == []


def test_closing_does_what_was_given_and_leaves_one_file(tmp_path):
    store = Store(tmp_path / "chatdesk.db", tmp_path / "backups")
    futures = [store.submit(Conversations.create) for _ in range(30)]
    store.close()
    store.close()
    assert all(future.done() for future in futures)
    assert [entry.name for entry in tmp_path.iterdir()] == ["chatdesk.db"]
    with pytest.raises(RuntimeError):
        store.submit(Conversations.create)
    with Store(tmp_path / "chatdesk.db", tmp_path / "backups") as store:
        assert len(store.submit(Conversations.list).result()) == 30


def test_a_failed_opening_is_told_to_everyone(tmp_path):
    path = tmp_path / "chatdesk.db"
    path.write_bytes(b"garbage" * 100)
    with Store(path, tmp_path / "backups") as store:
        for future in (store.opened, store.submit(Conversations.list), store.submit(Conversations.list)):
            with pytest.raises(UserError) as caught:
                future.result()
            assert caught.value.fault is Fault.DATABASE_CORRUPT
    assert path.read_bytes() == b"garbage" * 100


def fill(store, count=200):
    id = store.submit(Conversations.create).result().id

    def work(conversations):
        for _ in range(count):
            conversations.add_message(id, None, "user", "x" * 20_000)

    store.submit(work).result()
    return id


def test_one_backup_a_day_is_made_and_is_whole(tmp_path):
    folder = tmp_path / "backups"
    with Store(tmp_path / "chatdesk.db", folder, quiet_s=0.05) as store:
        id = fill(store, 20)
        assert wait_for(lambda: any(folder.glob("daily-*.db")))
        (backup,) = folder.iterdir()
        written = backup.stat().st_mtime_ns
        messages = store.submit(lambda c: c.branch(id)).result()
    with Store(tmp_path / "chatdesk.db", folder, quiet_s=0.0) as store:
        store.submit(Conversations.list).result()
        time.sleep(0.3)
    assert [entry.stat().st_mtime_ns for entry in folder.iterdir()] == [written]
    with contextlib.closing(open_database(backup, tmp_path)) as database:
        assert Conversations(database).branch(id) == messages


@pytest.fixture
def steps_when_asked(monkeypatch):
    """A backup goes on with the next step when the store has done a piece of work, and not by itself."""
    monkeypatch.setattr("chatdesk.storage.store._PAUSE_S", 60.0)


@pytest.mark.usefixtures("steps_when_asked")
def test_work_is_done_between_the_steps_of_a_backup(tmp_path):
    folder = tmp_path / "backups"
    with Store(tmp_path / "chatdesk.db", folder, quiet_s=0.2) as store:
        id = fill(store)  # 4 MB: more than ten steps
        assert wait_for(lambda: any(folder.glob("*.part")))
        during = []
        while not any(folder.glob("*.db")):
            during.append(store.submit(lambda c: c.add_message(id, None, "user", "during")).result())
            if len(during) == 1:
                assert not any(folder.glob("*.db"))  # done before the backup was
            with pytest.raises(KeyError):
                store.submit(lambda c: c.get("nobody")).result()
        siblings = store.submit(lambda c: c.siblings(during[0].id)).result()
        assert siblings[200:] == during
    (backup,) = folder.glob("*.db")
    assert "damaged" not in backup.name


def test_a_clock_that_was_ahead_does_not_end_the_backups(tmp_path, monkeypatch):
    folder = tmp_path / "backups"
    folder.mkdir()
    ahead = [f"daily-2099-01-0{day}.db" for day in range(1, 8)]
    for name in ahead:
        (folder / name).write_bytes(b"later")
    thinned = threading.Event()
    thin = backups._thin
    monkeypatch.setattr(backups, "_thin", lambda *how: (thin(*how), thinned.set()))
    with Store(tmp_path / "chatdesk.db", folder, quiet_s=0.0) as store:
        fill(store, 1)
        assert thinned.wait(30)
    (made,) = {entry.name for entry in folder.iterdir()} - set(ahead)
    assert made.endswith(".db")


@pytest.mark.usefixtures("steps_when_asked")
def test_closing_ends_a_backup_and_leaves_nothing_of_it(tmp_path):
    folder = tmp_path / "backups"
    with Store(tmp_path / "chatdesk.db", folder, quiet_s=0.2) as store:
        fill(store)
        assert wait_for(lambda: any(folder.glob("*.part")))
    assert list(folder.iterdir()) == []
    assert not any(thread.name.startswith("chatdesk-") for thread in threading.enumerate())


def test_closing_ends_the_check_of_a_backup(tmp_path, monkeypatch):
    monkeypatch.setattr(backups.DailyBackup, "_breathe", wait_to_be_stopped)
    folder = tmp_path / "backups"
    with Store(tmp_path / "chatdesk.db", folder, quiet_s=0.0) as store:
        fill(store, 1)
        assert wait_for(lambda: any(t.name == "chatdesk-backup-check" for t in threading.enumerate()))
        assert store.submit(Conversations.list).result()
    assert list(folder.iterdir()) == []


def wait_to_be_stopped(backup):
    backup._stopping.wait(30)
    raise backups._Stopped


def test_a_damaged_copy_gets_another_name_and_good_ones_stay(tmp_path):
    folder = tmp_path / "backups"
    folder.mkdir()
    for day in range(1, 10):
        (folder / f"daily-2020-01-{day:02}.db").write_bytes(b"good")
        (folder / f"daily-2020-01-{day:02}-damaged.db").write_bytes(b"bad")
    (folder / "daily-2019-01-01.part").write_bytes(b"left over")
    path = tmp_path / "chatdesk.db"
    with Store(path, folder) as store:
        fill(store, 3)
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE messages SET text = 'y' WHERE number = 2")
    with Store(path, folder, quiet_s=0.0):
        assert wait_for(lambda: not (folder / "daily-2020-01-03-damaged.db").exists())
        assert wait_for(lambda: not (folder / "daily-2020-01-02.db").exists())
    names = sorted(entry.name for entry in folder.iterdir())
    damaged = [name for name in names if "damaged" in name]
    assert len(damaged) == 7
    assert not damaged[-1].startswith("daily-2020")
    assert [name for name in names if name not in damaged] == [f"daily-2020-01-{day:02}.db" for day in range(3, 10)]


def test_no_backup_where_there_is_no_room(tmp_path, monkeypatch):
    monkeypatch.setattr(backups, "_SPARE_BYTES", 2**62)
    with contextlib.closing(open_database(tmp_path / "chatdesk.db", tmp_path)) as database:
        assert backups.DailyBackup(database.connection, tmp_path / "backups").due() is False
        monkeypatch.setattr(backups, "_SPARE_BYTES", 0)
        assert backups.DailyBackup(database.connection, tmp_path / "backups").due() is True


def test_storage_imports_little(child_command):
    script = """
from chatdesk.storage import store
heavy = {"torch", "PySide6", "transformers", "numpy", "asyncio", "rich", "chatdesk.engine", "chatdesk.settings"}
print(sorted(heavy & set(sys.modules)))
"""
    command = [*child_command[:2], child_command[2].format(script)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "[]\n"


def test_a_program_that_stays_open_makes_a_backup_each_day(tmp_path, monkeypatch):
    day = ["2026-01-01"]
    monkeypatch.setattr(backups, "_today", lambda: backups.DAILY + day[0])
    folder = tmp_path / "backups"
    with Store(tmp_path / "chatdesk.db", folder, quiet_s=0.02, look_every_s=0.1) as store:
        store.submit(Conversations.create).result()
        assert wait_for(lambda: (folder / "daily-2026-01-01.db").exists())
        day[0] = "2026-01-02"
        assert wait_for(lambda: (folder / "daily-2026-01-02.db").exists())
