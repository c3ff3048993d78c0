"""A child that edits, streams, deletes and undoes is killed (SIGKILL) at random moments.

What it had acknowledged is there as it was, and the step that it was in is done or not begun: a deletion takes all
below a message or nothing.
"""

import contextlib
import random
import shutil
import sys

import pytest

from chatdesk.storage.conversations import Conversations
from chatdesk.storage.database import open_database
from tests.storage.test_kills import acknowledged

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")


class Known:
    """What must be there: ``texts`` and ``parents`` of all messages by id, and which are ``live``."""

    def __init__(self):
        self.texts, self.parents, self.live = {}, {}, set()
        self.deleting, self.last_deleted = None, set()
        self.written = None  # a reply that had not become a message when the child was killed: (id, parent, text)

    def below(self, id):
        """Which live messages go where this one goes, itself among them."""
        found = {id} & self.live
        for each in self.texts:  # in the order of creation
            if self.parents[each] in found and each in self.live:
                found.add(each)
        return found

    def hear(self, kind, *words):
        if kind in ("added", "written"):
            self.written = None
        if kind == "added":
            id, parent, text = words
            self.texts[id], self.parents[id] = text, parent
            self.live.add(id)
        elif kind == "written":
            self.written = words
        elif kind == "deleting":
            self.deleting = words[0]
        elif kind == "deleted":
            self.deleting = None
            self.last_deleted = self.below(words[0])
            self.live -= self.last_deleted
        elif kind == "restored":
            self.live |= self.last_deleted


def look(path):
    """What is there, after what a crash interrupted was brought back; damage raises AssertionError."""
    found = Known()
    with contextlib.closing(open_database(path, path.parent / "backups")) as database:
        conversations = Conversations(database)
        recovered = [message.id for message in conversations.recover()]
        for conversation in conversations.list():
            assert not conversation.damaged
            found.live = {node.id for node in conversations.tree(conversation.id)}
            conversations.branch(conversation.id)
        for (id,) in database.query("SELECT id FROM messages ORDER BY number"):
            message = conversations.message(id)
            assert not message.damaged
            found.texts[id], found.parents[id] = message.text, message.parent_id
    assert len(recovered) <= 1
    return found, recovered


def check(known, found, recovered):
    """Nothing acknowledged is missing or other, and at most one more step was done."""
    if known.written:  # it is a message by now: finished, or brought back with what was flushed
        id, parent, text = known.written
        assert found.texts[id] in (text, f"{text} whole")
        known.hear("added", id, parent, found.texts[id])
    for id, text in known.texts.items():
        assert (found.texts.get(id), found.parents.get(id)) == (text, known.parents[id])
    new = [id for id in found.texts if id not in known.texts]
    assert len(new) <= 1
    assert set(recovered) <= {*new, *known.texts}
    missing, back = known.live - found.live, found.live - known.live - set(new)
    assert sum(map(bool, (new, missing, back))) <= 1, "more than one step"
    assert missing in (set(), known.below(known.deleting)), "half of a deletion"
    assert back in (set(), known.last_deleted), "half of an undoing"


def kill_while_changing(folder, kills, fault="none", seed=1):
    """Returns how many acknowledgements of each kind were checked."""
    dice = random.Random(seed)
    path = folder / "chatdesk.db"
    counts = {}
    for kill in range(kills):
        if kill % 25 == 0:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            known = Known()
        for kind, *words in acknowledged("change", path, fault, dice, 0.2):
            known.hear(kind, *words)
            counts[kind] = counts.get(kind, 0) + 1
        found, recovered = look(path)
        check(known, found, recovered)
        known = found
    return counts


def test_nothing_acknowledged_is_lost_when_killed_while_changing(tmp_path):
    counts = kill_while_changing(tmp_path / "profile", 15)
    assert sum(counts.values()) > 40


@pytest.mark.soak
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("kills", [1000])
def test_nothing_acknowledged_is_lost_when_killed_while_changing_often(tmp_path, kills):
    counts = kill_while_changing(tmp_path / "profile", kills, seed=2)
    print(counts)
    assert min(counts[kind] for kind in ("added", "written", "deleted", "restored")) > kills


@pytest.mark.parametrize("fault", ["acknowledged before the commit", "delete in two steps"])
def test_the_harness_notices_a_planted_fault_while_changing(tmp_path, fault):
    with pytest.raises(AssertionError):
        kill_while_changing(tmp_path / "profile", 100, fault)
