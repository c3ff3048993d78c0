"""Backups: what there is, and putting one in the place of the database while the program runs."""

import contextlib
import sqlite3
from pathlib import Path

import pytest

from chatdesk.errors import Fault, UserError
from chatdesk.storage import backups
from chatdesk.storage.conversations import Conversations
from chatdesk.storage.database import open_database
from chatdesk.storage.store import Store


def titles(store):
    return sorted(store.submit(lambda c: [each.title for each in c.list()]).result())


def save(path, *names):
    """A sound copy, as a backup is: one file."""
    with contextlib.closing(open_database(path, path.parent)) as database:
        for name in names:
            c = Conversations(database)
            c.add_message(c.create(name).id, None, "user", f"text of {name}")
        database.query("PRAGMA journal_mode = DELETE")
    return path


@pytest.fixture
def copy(tmp_path):
    (tmp_path / "backups").mkdir()
    return save(tmp_path / "backups" / "daily-2020-01-01.db", "old", "older")


def test_what_there_is(tmp_path, copy):
    (copy.parent / "daily-2020-01-02.db").write_bytes(b"no database")
    (copy.parent / "daily-2020-01-03-damaged.db").write_bytes(copy.read_bytes())
    (copy.parent / "half.db.part").write_bytes(b"")
    found = {backup.path.name: backup for backup in backups.available(copy.parent)}
    assert {name: backup.is_sound for name, backup in found.items()} == {
        "daily-2020-01-01.db": True, "daily-2020-01-02.db": False, "daily-2020-01-03-damaged.db": False,
    }  # fmt: skip
    sound = found[copy.name]
    assert (sound.conversations, sound.messages, sound.size_bytes) == (2, 2, copy.stat().st_size)
    assert sound.made_at == copy.stat().st_mtime
    assert backups.available(tmp_path / "nowhere") == []


def test_the_program_goes_on_with_the_restored_database(tmp_path, copy):
    before = copy.read_bytes()
    with Store(tmp_path / "chatdesk.db", copy.parent, quiet_s=60) as store:
        store.submit(lambda c: c.create("new")).result()
        restored = store.restore(copy)
        after = store.submit(lambda c: c.create("newest"))
        assert restored.result().read_only is None
        assert after.result().title == "newest"
        assert titles(store) == ["newest", "old", "older"]
        (former,) = [each for each in backups.available(copy.parent) if each.path.name.startswith("before-restoring-")]
        assert former.is_sound
        store.restore(former.path).result()
        assert titles(store) == ["new"]
    assert copy.read_bytes() == before
    assert sorted(each.name for each in tmp_path.iterdir()) == ["backups", "chatdesk.db"]
    with pytest.raises(RuntimeError):
        store.restore(copy)


def test_the_present_state_is_kept_although_a_clock_was_ahead(tmp_path, copy):
    """Three that look newer are no reason to remove it at once: it is what the person was promised."""
    for day in (1, 2, 3):
        (copy.parent / f"before-restoring-2099-01-0{day}-000000.db").write_bytes(b"later")
    with Store(tmp_path / "chatdesk.db", copy.parent, quiet_s=60) as store:
        store.submit(lambda c: c.create("new")).result()
        store.restore(copy).result()
        (former,) = [each for each in backups.available(copy.parent) if each.path != copy and each.is_sound]
        store.restore(former.path).result()
        assert titles(store) == ["new"]


def test_a_daily_backup_in_the_making_gives_way(tmp_path, copy):
    with Store(tmp_path / "chatdesk.db", copy.parent, quiet_s=0.0) as store:
        store.submit(lambda c: [c.create("x" * 50_000) for _ in range(50)]).result()
        store.restore(copy).result()
        assert titles(store) == ["old", "older"]


def damage_structure(path):
    content = bytearray(path.read_bytes())
    with contextlib.closing(sqlite3.connect(path)) as connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'messages'").fetchone()
    content[(page - 1) * 4096 : page * 4096] = b"\xff" * 4096
    path.write_bytes(content)


def make_newer(path):
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        (damage_structure, Fault.DATABASE_CORRUPT),
        (lambda path: path.write_bytes(b"garbage" * 1000), Fault.DATABASE_CORRUPT),
        (make_newer, Fault.DATABASE_NEWER),
        (lambda path: path.unlink(), Fault.FILE_NOT_FOUND),
    ],
)
def test_what_cannot_be_restored_changes_nothing(tmp_path, copy, spoil, fault):
    spoil(copy)
    with Store(tmp_path / "chatdesk.db", copy.parent, quiet_s=60) as store:
        store.submit(lambda c: c.create("new")).result()
        with pytest.raises(UserError) as caught:
            store.restore(copy).result()
        assert caught.value.fault is fault
        assert titles(store) == ["new"]
        store.submit(lambda c: c.create("newer")).result()
    with Store(tmp_path / "chatdesk.db", copy.parent, quiet_s=60) as store:
        assert titles(store) == ["new", "newer"]


def test_a_full_disk_leaves_the_database(tmp_path, copy, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    with Store(tmp_path / "chatdesk.db", copy.parent, quiet_s=60) as store:
        store.submit(lambda c: c.create("new")).result()
        monkeypatch.setattr(backups, "_set_aside", full)
        with pytest.raises(UserError) as caught:
            store.restore(copy).result()
        assert caught.value.fault is Fault.DISK_FULL
        assert titles(store) == ["new"]
    assert sorted(each.name for each in tmp_path.iterdir()) == ["backups", "chatdesk.db"]


def test_a_database_that_does_not_open_is_replaced(tmp_path, copy):
    path = tmp_path / "chatdesk.db"
    path.write_bytes(b"garbage" * 1000)
    (tmp_path / "chatdesk.db-wal").write_bytes(b"its log")
    with Store(path, copy.parent, quiet_s=60) as store:
        with pytest.raises(UserError):
            store.submit(Conversations.list).result()
        with pytest.raises(UserError):
            store.restore(tmp_path / "nowhere.db").result()
        with pytest.raises(UserError):
            store.submit(Conversations.list).result()
        assert path.read_bytes() == b"garbage" * 1000
        assert store.restore(copy).result().read_only is None
        assert titles(store) == ["old", "older"]
    kept = {entry.name.rpartition(".")[2]: entry.read_bytes() for entry in copy.parent.glob("before-restoring-*")}
    assert kept == {"db": b"garbage" * 1000, "db-wal": b"its log"}


def test_a_former_file_comes_back_with_its_log(tmp_path, copy):
    """As it is kept where the database could not be opened."""
    with contextlib.closing(open_database(tmp_path / "live.db", tmp_path)) as database:
        database.query("PRAGMA wal_autocheckpoint = 0")
        Conversations(database).create("logged")
        former = copy.parent / "before-restoring-2020-01-01-000000.db"
        former.write_bytes((tmp_path / "live.db").read_bytes())
        former.with_name(f"{former.name}-wal").write_bytes((tmp_path / "live.db-wal").read_bytes())
    with Store(tmp_path / "chatdesk.db", copy.parent, quiet_s=60) as store:
        store.restore(former).result()
        assert titles(store) == ["logged"]
    assert not list(tmp_path.glob("*.part*"))


def test_a_backup_of_an_older_schema_is_migrated(tmp_path, copy):
    released = Path(__file__).resolve().parents[1] / "databases" / "schema-1.db"
    copy.write_bytes(released.read_bytes())
    (look,) = backups.available(copy.parent)
    assert look.is_sound
    assert look.conversations == 3
    with Store(tmp_path / "chatdesk.db", copy.parent, quiet_s=60) as store:
        store.restore(copy).result()
        assert "A plan for the garden" in titles(store)


def test_the_trash_is_emptied_at_the_start(tmp_path, monkeypatch):
    path = tmp_path / "chatdesk.db"
    with Store(path, tmp_path / "backups", quiet_s=60) as store:
        id = store.submit(lambda c: c.create("old")).result().id
        store.submit(lambda c: c.delete(id)).result()
    with Store(path, tmp_path / "backups", quiet_s=60) as store:
        assert len(store.submit(lambda c: c.trash()).result()) == 1
    monkeypatch.setattr("chatdesk.storage.conversations.TRASH_DAYS", -1)
    with Store(path, tmp_path / "backups", quiet_s=60) as store:
        assert store.submit(lambda c: c.trash()).result() == []


def test_an_old_copy_that_is_in_use_stays_and_hinders_nothing(tmp_path, copy, monkeypatch):
    """Windows removes no file that another program has open."""
    for number in range(5):
        (copy.parent / f"{backups.RESTORING}2020-01-0{number}-000000.db").write_bytes(b"x")
    unlink = Path.unlink

    def refuse(path, missing_ok=False):
        if path.name.startswith(backups.RESTORING) and path.suffix == ".db":
            raise PermissionError(13, "in use", str(path))
        unlink(path, missing_ok)

    with Store(tmp_path / "chatdesk.db", copy.parent, quiet_s=60) as store:
        store.submit(lambda c: c.create("new")).result()
        monkeypatch.setattr(Path, "unlink", refuse)
        store.restore(copy).result()
        assert titles(store) == ["old", "older"]
    assert len(list(copy.parent.glob(f"{backups.RESTORING}*.db"))) == 6


def test_a_copy_that_goes_while_it_is_looked_for(copy, monkeypatch):
    monkeypatch.setattr(Path, "glob", lambda folder, _: [copy, folder / "gone.db"])
    assert [each.path for each in backups.available(copy.parent)] == [copy]
