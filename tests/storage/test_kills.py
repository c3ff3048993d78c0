"""A child is killed (SIGKILL) at random moments; what it had acknowledged must be there, and nothing by half.

The planted faults show that the harness notices what it is for. A power cut is another matter: a killed process
leaves its writes to the operating system, so nothing here depends on ``synchronous``.
"""

import contextlib
import json
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from chatdesk.storage.conversations import Conversations
from chatdesk.storage.database import open_database
from chatdesk.storage.migrations import MIGRATIONS, migrate
from chatdesk.storage.rows import digest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")

CHILD = Path(__file__).with_name("crash_child.py")
ROOT = Path(__file__).resolve().parents[2]


def acknowledged(mode, path, fault, dice, seconds):
    """Run the child until it is killed: within ``seconds`` after it is ready, or, saving, at a random
    acknowledgement.
    """
    command = [sys.executable, str(CHILD), str(ROOT), mode, str(path), fault]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
        lines = [child.stdout.readline()]
        if mode == "migrate" or dice.random() < 0.5:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(dice.random() * seconds)
        else:
            lines += [child.stdout.readline() for _ in range(dice.randrange(30))]
        child.send_signal(signal.SIGKILL)
        lines += child.stdout.readlines()
        child.wait()
    assert child.returncode in (-signal.SIGKILL, 0)
    return [json.loads(line) for line in lines if line.endswith(b"\n")]


def check_saved(path, said, before):
    """Raise AssertionError unless everything acknowledged is there. Returns the texts of the branch."""
    with contextlib.closing(open_database(path, path.parent / "backups")) as database:
        conversations = Conversations(database)
        recovered = conversations.recover()
        assert len(recovered) <= 1
        found = conversations.list()
        if not found:
            assert said == []
            return []
        (conversation,) = found
        branch = conversations.branch(conversation.id)
        assert not conversation.damaged
        assert not any(message.damaged for message in branch)
        texts = [message.text for message in branch]
    assert texts[: len(before)] == before
    new = texts[len(before) :]
    kept = [words[1] for words in said if words[0] == "message"]
    assert new[: len(kept)] == kept
    assert len(new) <= len(kept) + 1  # the last one may have been saved before it could be said
    if recovered:
        assert new[-1] == recovered[0].text
    check_last(said, new, kept, conversation.draft)
    return texts


def check_last(said, new, kept, draft):
    """What was under way: a draft is still there or sent, a reply is as long as was said, or longer."""
    kind, *words = said[-1] if said else ("ready",)
    if kind == "draft":
        assert (draft, new[len(kept) :]) in ((words[0], []), ("", [words[0]]))
    elif kind == "partial":
        assert new[len(kept) :], "the reply is gone"
        assert new[-1].startswith(words[0])
    elif kind == "message" and words[0].startswith("question"):
        assert draft == ""


def kill_while_saving(folder, kills, fault="none", seed=1):
    dice = random.Random(seed)
    path = folder / "chatdesk.db"
    texts = []
    acks = 0
    for kill in range(kills):
        if kill % 50 == 0:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            texts = []
        said = acknowledged("save", path, fault, dice, 0.2)
        acks += len(said)
        texts = check_saved(path, said, texts)
    return acks


def test_nothing_acknowledged_is_lost_when_killed(tmp_path):
    assert kill_while_saving(tmp_path / "profile", 20) > 40


@pytest.mark.soak
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("kills", [1000])
def test_nothing_acknowledged_is_lost_when_killed_often(tmp_path, kills):
    acks = kill_while_saving(tmp_path / "profile", kills, seed=2)
    print(acks, "acknowledgements")
    assert acks > kills


@pytest.mark.parametrize("fault", ["acknowledged before the commit", "send in two steps", "finish in two steps"])
def test_the_harness_notices_a_planted_fault(tmp_path, fault):
    with pytest.raises(AssertionError):
        kill_while_saving(tmp_path / "profile", 100, fault)


# -- a document of the writing desk


def kill_while_writing(folder, kills, fault="none", seed=3):
    """Returns how many saves and versions were acknowledged; every one of them must be there."""
    dice = random.Random(seed)
    path = folder / "chatdesk.db"
    folder.mkdir()
    counts = {}
    versions = 0
    for _ in range(kills):
        said = acknowledged("write", path, fault, dice, 0.2)
        for kind, *_rest in said:
            counts[kind] = counts.get(kind, 0) + 1
        with contextlib.closing(open_database(path, path.parent / "backups")) as database:
            documents = Conversations(database).documents
            if not (found := documents.list()):
                assert said == []
                continue
            (document,) = found
            words, kept = documents.text(document.id), documents.versions(document.id)
            assert (document.damaged, words.damaged) == (False, False)
            assert all(documents.version_text(version.id).text for version in kept)
            versions += sum(kind == "kept" for kind, *_rest in said)
            assert len(kept) >= versions
            versions = len(kept)
            if last := [each[1] for each in said if each[0] == "saved"]:
                assert words.text.startswith(last[-1])
    return counts


def test_nothing_saved_of_a_document_is_lost_when_killed(tmp_path):
    counts = kill_while_writing(tmp_path / "profile", 12)
    assert counts["saved"] > 12
    assert counts["kept"] > 0


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kills", [200])
def test_nothing_saved_of_a_document_is_lost_when_killed_often(tmp_path, kills):
    counts = kill_while_writing(tmp_path / "profile", kills, seed=4)
    print(counts)
    assert counts["kept"] > kills


def test_the_harness_notices_a_save_acknowledged_before_the_commit(tmp_path):
    with pytest.raises(AssertionError):
        kill_while_writing(tmp_path / "profile", 100, "acknowledged before the commit")


# -- migrating


def content(path):
    """All rows of the tables of schema 1, and whether the migration has been applied."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        tables = {}
        for table in ("conversations", "messages", "provenance", "partials"):
            names = [row[1] for row in connection.execute(f"PRAGMA table_info({table})") if row[1] != "loud"]
            tables[table] = (names, connection.execute(f"SELECT {', '.join(names)} FROM {table}").fetchall())
        (columns,) = connection.execute("SELECT count(*) FROM pragma_table_info('messages')").fetchone()
        (integrity,) = connection.execute("PRAGMA integrity_check").fetchone()
    return version, columns, integrity, tables


def prepare_old(folder):
    path = folder / "old.db"
    with contextlib.closing(open_database(path, folder)) as database:
        conversations = Conversations(database)
        id = conversations.create("Old").id
        parent = None
        for number in range(60):
            parent = conversations.add_message(id, parent, "user", f"text {number} " + "x" * 1000).id
    return path


def kill_while_migrating(folder, kills, fault="none", seed=1):
    """Returns how often the old and the new schema was found, and nothing else ever."""
    dice = random.Random(seed)
    old = prepare_old(folder)
    _, _, _, expected = content(old)
    found = {}
    for kill in range(kills):
        profile = folder / f"profile{kill}"
        profile.mkdir()
        path = profile / "chatdesk.db"
        shutil.copyfile(old, path)
        acknowledged("migrate", path, fault, dice, 0.12)
        version, columns, integrity, tables = content(path)
        assert tables == expected
        assert integrity == "ok"
        assert (version, columns) in ((len(MIGRATIONS), 11), (len(MIGRATIONS) + 1, 12))
        backups = list((profile / "backups").glob("before-migration*.db"))
        if version > len(MIGRATIONS):
            assert len(backups) == 1
        for backup in backups:
            assert content(backup) == (len(MIGRATIONS), 11, "ok", expected)
        found[version] = found.get(version, 0) + 1
        shutil.rmtree(profile)
    return found


def test_a_killed_migration_is_done_or_not_begun(tmp_path):
    found = kill_while_migrating(tmp_path, 6)
    assert sum(found.values()) == 6


@pytest.mark.soak
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("kills", [200])
def test_a_killed_migration_is_done_or_not_begun_often(tmp_path, kills):
    found = kill_while_migrating(tmp_path, kills, seed=2)
    print(found)
    assert len(found) == 2


# -- from released schemas


def prepare_released(folder, schema, count=1500):
    """A database of a released schema with one branch; its last message is damaged."""
    path = folder / "first.db"
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        migrate(connection, None, MIGRATIONS[:1])
        connection.execute("BEGIN")
        head = ("c", "First 天气", f"m{count - 1}", "{}", "draft", 1.0, 2.0, None)
        connection.execute(f"INSERT INTO conversations VALUES (1{', ?' * 9})", (*head, digest(head)))
        for number in range(count):
            parent = f"m{number - 1}" if number else None
            row = (f"m{number}", "c", parent, "user", f"text {number} 今天天气很好 " + "word " * 50, None, None, 3.0)
            mark = digest(row) if number < count - 1 else b"damaged"
            connection.execute(f"INSERT INTO messages VALUES (?{', ?' * 9})", (number + 1, *row, mark))
        connection.execute("COMMIT")
        migrate(connection, None, MIGRATIONS[:schema])
    return path


def kill_while_upgrading(folder, kills, schema, seed=1):
    """Returns how often the old schema and the newest was found. From either the program goes on with everything."""
    dice = random.Random(seed)
    old = prepare_released(folder, schema)
    found = {}
    for kill in range(kills):
        path = folder / f"profile{kill}" / "chatdesk.db"
        path.parent.mkdir()
        shutil.copyfile(old, path)
        acknowledged("upgrade", path, "none", dice, 1.0)
        with contextlib.closing(sqlite3.connect(path)) as connection:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            names = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema")}
        is_new = version == len(MIGRATIONS)
        assert is_new or version == schema
        assert ("removed" in names, "message_search" in names) == (is_new or schema > 1,) * 2
        assert ("unsent_attachments" in names) == (is_new or schema > 2)
        assert ("documents" in names) == is_new
        with contextlib.closing(open_database(path, path.parent / "backups")) as database:
            conversations = Conversations(database)
            branch = conversations.branch("c")
            assert [message.damaged for message in branch] == [False] * 1499 + [True]
            assert conversations.get("c").damaged is False
            assert [hit.message_id for hit in conversations.search("天气 1234")] == ["m1234"]
            assert [hit.title for hit in conversations.search("first")] == ["First 天气"]
        assert list((path.parent / "backups").glob(f"before-migration-of-schema-{schema}-*.db"))
        found[version] = found.get(version, 0) + 1
        shutil.rmtree(path.parent)
    return found


@pytest.mark.parametrize("schema", range(1, len(MIGRATIONS)))
def test_a_killed_upgrade_is_done_or_not_begun(tmp_path, schema):
    assert sum(kill_while_upgrading(tmp_path, 3, schema).values()) == 3


@pytest.mark.soak
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("kills", [200])
@pytest.mark.parametrize("schema", range(1, len(MIGRATIONS)))
def test_a_killed_upgrade_is_done_or_not_begun_often(tmp_path, schema, kills):
    found = kill_while_upgrading(tmp_path, kills, schema, seed=2)
    print(found)
    assert len(found) == 2


def test_the_harness_notices_a_migration_in_two_steps(tmp_path):
    with pytest.raises(AssertionError):
        kill_while_migrating(tmp_path, 100, "migrate in two steps")
