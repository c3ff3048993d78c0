"""The power is cut at any moment: what was acknowledged is there, and the step that was under way is done or not begun.

A session is recorded once (`recording`); each cut takes its beginning up to some moment and lets go of what had not
been flushed. The planted fault, ``synchronous = NORMAL``, is noticed.
"""

import contextlib
import random
import shutil

import pytest

from chatdesk.storage.conversations import Conversations
from chatdesk.storage.database import open_database
from chatdesk.storage.records import Attachment
from tests.storage.recording import Recorder, cut
from tests.storage.test_disk_full import SQLITE

pytestmark = pytest.mark.skipif(SQLITE is None, reason="SQLite is not a shared library here")

TABLES = ("conversations", "messages", "provenance", "partials", "removed", "pins", "unsent_attachments")
STEPS = 120


def rows(database):
    return {table: sorted(database.query(f"SELECT * FROM {table}"), key=repr) for table in TABLES}


def step(c, id, dice, number):
    """One of the things a session saves, each one transaction."""
    live = [node.id for node in c.tree(id)]
    text = f"text {number} 今天天气 " + "x" * dice.choice([10, 3_000, 30_000])
    partials = [partial for (partial,) in c._database.query("SELECT id FROM partials")]
    batches = [batch for (batch,) in c._database.query("SELECT DISTINCT batch FROM removed ORDER BY at")]
    match dice.randrange(9) if live else 0:
        case 0 | 1:
            c.add_message(id, dice.choice([None, *live]), "user", text, clear_draft=True)
        case 2:
            c.edit(dice.choice(live), text)
        case 3 if not partials:
            c.begin_reply(id, dice.choice(live), {"model": "m"})
        case 3 | 4 if partials:
            c.extend_reply(partials[0], text, range(len(text)))
        case 5 if partials:
            c.finish_reply(partials[0], text, range(len(text)), "stop", {})
        case 6 if len(live) > 4:
            c.delete_message(dice.choice(live))
        case 6 if batches:
            c.undo_removal(batches[-1])
        case 7:
            c.pin(dice.choice(live), True)
        case _:
            c.set_unsent_attachments(id, [Attachment("notes.txt", text)])


def record(folder, synchronous="FULL"):
    """Run a session; returns its events, and after each acknowledgement the rows, the empty database first."""
    dice = random.Random(7)
    with Recorder() as disk:
        with contextlib.closing(open_database(folder / "chatdesk.db", folder / "backups")) as database:
            database.execute(f"PRAGMA synchronous = {synchronous}")
            database.execute("PRAGMA wal_autocheckpoint = 40")  # the log goes into the file again and again
            c = Conversations(database)
            states = [rows(database)]
            commits = [len(disk.events)]
            id = c.create("Power").id
            for number in range(STEPS):
                states.append(rows(database))
                commits.append(len(disk.events))
                step(c, id, dice, number)
            states.append(rows(database))
            commits.append(len(disk.events))
        states.append(states[-1])  # closing brings the log into the file
        commits.append(len(disk.events))
    return disk.events, commits, states


def lost(folder, recorded, cuts, seed=1):
    """How many of some cuts lost something, or left half of something."""
    events, commits, states = recorded
    dice = random.Random(seed)
    found = 0
    for number in range(cuts):
        moment = dice.randrange(commits[0], len(events) + 1)
        known = max(place for place, commit in enumerate(commits) if commit <= moment)
        place = folder / str(number)
        cut(events[:moment], place, dice.random())
        with contextlib.closing(open_database(place / "chatdesk.db", place / "backups")) as database:
            assert database.read_only is None
            is_whole = database.query("PRAGMA integrity_check") == [("ok",)]
            is_as_said = rows(database) in states[known : known + 2]
        found += not (is_whole and is_as_said)
        shutil.rmtree(place)
    return found


@pytest.mark.parametrize("cuts", [60, pytest.param(3000, marks=[pytest.mark.soak, pytest.mark.timeout(3600)])])
def test_a_power_cut_loses_nothing_that_was_acknowledged(tmp_path, cuts):
    recorded = record(tmp_path / "session")
    kinds = [(event[0], event[1]) for event in recorded[0]]
    assert kinds.count(("sync", "chatdesk.db")) > 5  # there were checkpoints
    assert kinds.count(("sync", "chatdesk.db-wal")) >= STEPS // 2
    assert lost(tmp_path / "cuts", recorded, cuts) == 0


def test_a_database_that_does_not_flush_is_noticed(tmp_path):
    assert lost(tmp_path / "cuts", record(tmp_path / "session", "NORMAL"), 40) > 10


def test_the_making_of_a_database_can_be_cut(tmp_path):
    """Before the first acknowledgement there is nothing to lose, but it must open."""
    with Recorder() as disk:
        open_database(tmp_path / "chatdesk.db", tmp_path).close()
    for moment in range(len(disk.events)):
        folder = tmp_path / str(moment)
        cut(disk.events[:moment], folder, moment)
        with contextlib.closing(open_database(folder / "chatdesk.db", folder / "backups")) as database:
            assert rows(database) == {table: [] for table in TABLES}
            Conversations(database).create("works")
