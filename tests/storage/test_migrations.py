"""Released schemas, and what a migration does to the file when it succeeds and when it fails.

For a new schema N: open a copy of ``tests/databases/schema-(N-1).db`` with the new program, fill what is new, set
``PRAGMA journal_mode = DELETE``, keep it as ``schema-N.db``, and what `read_all` finds in it as ``schema-N.json``.
"""

import contextlib
import json
import shutil
import sqlite3
from pathlib import Path

import msgspec
import pytest

from chatdesk.errors import Fault, UserError
from chatdesk.storage import backups, migrations
from chatdesk.storage.conversations import Conversations
from chatdesk.storage.database import open_database
from chatdesk.storage.migrations import MIGRATIONS

DATABASES = Path(__file__).resolve().parents[1] / "databases"
RELEASED = sorted(DATABASES.glob("schema-*.db"))


def schema(connection):
    return connection.execute("SELECT type, name, sql FROM sqlite_schema ORDER BY name").fetchall()


def read_all(database):
    """Everything in a database, as JSON holds it."""
    conversations = Conversations(database)
    everything = []
    for conversation in conversations.list(include_deleted=True):
        ids = database.query("SELECT id FROM messages WHERE conversation_id = ? ORDER BY number", conversation.id)
        messages = [conversations.message(id) for (id,) in ids]
        everything.append(
            {
                "conversation": conversation,
                "branch": [message.id for message in conversations.branch(conversation.id)],
                "messages": messages,
                "provenance": conversations.provenance([message.id for message in messages]),
                "pinned": sorted(conversations.pinned(conversation.id)),
                "tree": conversations.tree(conversation.id),
                "unsent_attachments": conversations.unsent_attachments(conversation.id),
            }
        )
    documents = conversations.documents
    for document in documents.list():
        versions = documents.versions(document.id)
        everything.append(
            {
                "document": document,
                "text": documents.text(document.id),
                "versions": versions,
                "version_texts": [documents.version_text(version.id) for version in versions],
                "generations": documents.generations(document.id),
            }
        )
    return json.loads(msgspec.json.encode(everything))


def agrees(found, expected):
    """All that was there then is there now; a record may have got more fields."""
    if isinstance(expected, dict):
        return all(key in found and agrees(found[key], value) for key, value in expected.items())
    if isinstance(expected, list):
        return len(found) == len(expected) and all(map(agrees, found, expected))
    return found == expected


def test_every_schema_has_its_database():
    assert [path.name for path in RELEASED] == [f"schema-{n}.db" for n in range(1, len(MIGRATIONS) + 1)]


@pytest.mark.parametrize("path", RELEASED, ids=lambda path: path.stem)
def test_a_released_schema_is_what_its_steps_make(path):
    number = int(path.stem.removeprefix("schema-"))
    with (
        contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as fresh,
        contextlib.closing(sqlite3.connect(f"{path.as_uri()}?immutable=1", uri=True)) as released,
    ):
        migrations.migrate(fresh, None, MIGRATIONS[:number])
        assert schema(fresh) == schema(released)
        assert released.execute("PRAGMA user_version").fetchone() == (number,)


@pytest.mark.parametrize("path", RELEASED, ids=lambda path: path.stem)
def test_a_released_database_opens_with_all_that_is_in_it(tmp_path, path):
    copy = tmp_path / "chatdesk.db"
    shutil.copyfile(path, copy)
    with contextlib.closing(open_database(copy, tmp_path / "backups")) as database:
        assert database.query("PRAGMA user_version") == [(len(MIGRATIONS),)]
        expected = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        found = read_all(database)
        assert agrees(found, expected)
        assert not agrees(found, [{}, *expected])
        assert [hit.snippet for hit in Conversations(database).search("moss")] == ["Moss."]
        named = [hit.snippet for hit in Conversations(database).search("plan.txt")]
        assert named == (["See the plan. plan.txt"] if path.stem != "schema-1" else [])
        (recovered,) = Conversations(database).recover()
        assert recovered.text == "An unfinished reply, 一半"


def add_colour(connection):
    connection.execute("ALTER TABLE conversations ADD COLUMN colour TEXT")


def fail_late(connection):
    connection.execute("DROP TABLE partials")
    raise RuntimeError("a mistake of ours")


def lose_conversations(connection):
    connection.execute("DELETE FROM conversations")


@pytest.fixture
def old(tmp_path):
    path = tmp_path / "chatdesk.db"
    with contextlib.closing(open_database(path, tmp_path / "backups")) as database:
        conversations = Conversations(database)
        conversations.add_message(conversations.create("Old").id, None, "user", "kept")
    return path


def titles(path, steps=MIGRATIONS):
    with contextlib.closing(open_database(path, path.parent / "backups", steps)) as database:
        return [conversation.title for conversation in Conversations(database).list()]


def test_a_new_database_needs_no_backup(old):
    assert not (old.parent / "backups").exists()


def test_a_migration_makes_a_backup_that_opens(old):
    assert titles(old, (*MIGRATIONS, add_colour)) == ["Old"]
    (backup,) = (old.parent / "backups").iterdir()
    assert backup.name.startswith(f"before-migration-of-schema-{len(MIGRATIONS)}-")
    shutil.copyfile(backup, old.with_name("restored.db"))
    assert titles(old.with_name("restored.db")) == ["Old"]
    with pytest.raises(UserError) as caught:
        titles(old)
    assert caught.value.fault is Fault.DATABASE_NEWER


@pytest.mark.parametrize(("step", "error"), [(fail_late, RuntimeError), (lose_conversations, sqlite3.IntegrityError)])
def test_a_failing_step_changes_nothing_but_steps_before_it_stay(old, step, error):
    with pytest.raises(error):
        titles(old, (*MIGRATIONS, add_colour, step))
    assert titles(old, (*MIGRATIONS, add_colour)) == ["Old"]
    with contextlib.closing(open_database(old, old.parent, (*MIGRATIONS, add_colour))) as database:
        assert database.query("PRAGMA foreign_keys") == [(1,)]
        assert database.query("PRAGMA foreign_key_check") == []
        assert database.query("SELECT count(*) FROM partials") == [(0,)]


def test_without_a_sound_backup_there_is_no_migration(old):
    content = bytearray(old.read_bytes())
    with contextlib.closing(sqlite3.connect(old)) as connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'partials'").fetchone()
    content[(page - 1) * 4096 : page * 4096] = b"\xff" * 4096
    old.write_bytes(content)
    with pytest.raises(UserError) as caught:
        titles(old, (*MIGRATIONS, add_colour))
    assert caught.value.fault is Fault.DATABASE_CORRUPT
    assert old.read_bytes() == content
    assert list((old.parent / "backups").glob("*")) == []


def test_without_room_for_a_backup_the_old_database_is_read(old, monkeypatch):
    def no_room(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(backups, "before_migration", no_room)
    content = old.read_bytes()
    with contextlib.closing(open_database(old, old.parent / "backups", (*MIGRATIONS, add_colour))) as database:
        assert database.read_only.fault is Fault.DISK_FULL
        assert [conversation.title for conversation in Conversations(database).list()] == ["Old"]
        with pytest.raises(UserError):
            Conversations(database).create("new")
    assert old.read_bytes() == content


def test_old_backups_of_migrations_make_room(tmp_path, old):
    folder = tmp_path / "backups"
    folder.mkdir()
    for year in range(2001, 2006):
        (folder / f"before-migration-of-schema-1-{year}-01-01-000000.db").write_bytes(b"")
    titles(old, (*MIGRATIONS, add_colour))
    names = sorted(entry.name for entry in folder.iterdir())
    assert len(names) == 3
    assert names[0].endswith("2004-01-01-000000.db")
