"""The tree of conversations against a plain model: any order of what a person can do, restarts and imports between.

After each step: nothing that was acknowledged has disappeared or changed, every message can be reached or lies in the
trash, the shown branches are the model's, and what can be found is what is not in the trash.
"""

import contextlib
import tempfile
from collections import Counter
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import invariant, precondition, rule, run_state_machine_as_test

from chatdesk.storage.conversations import TRASH_DAYS, Conversations
from chatdesk.storage.database import open_database
from chatdesk.storage.transfer import native
from chatdesk.storage.transfer import store as doors
from chatdesk.storage.transfer.reading import read
from chatdesk.storage.transfer.trees import Node, Reason
from tests.storage.tree_machine import PLACE, TEXT, Head, Tree, at


class Travels(Tree):
    """The tree, files out and in, time that passes, and the checks after each step."""

    def __init__(self):
        super().__init__()
        self.files = []  # trees as they were exported at some time

    # -- out and in

    def through_a_file(self, tree):
        path = self.path.with_name("export.json")
        native.export_json([tree], path)
        found = read(path)
        assert found.skipped == ()
        assert found.conversations == (tree,)
        return found

    @precondition(lambda self: self.heads)
    @rule(place=PLACE)
    def export(self, place):
        id = at(place, self.heads)
        tree = doors.whole(self.real, id)
        head = self.heads[id]
        assert (tree.title, tree.tip, tree.settings, tree.folder) == (head.title, head.tip, head.settings, head.folder)
        assert [(node.id, node.parent_id, node.text) for node in tree.messages] == [
            (key, self.tree[key][1], self.records[key].text) for key in self.live(id)
        ]
        self.files.append(tree)

    @precondition(lambda self: self.files)
    @rule(place=PLACE, parent=PLACE, text=TEXT)
    def go_on_elsewhere(self, place, parent, text):
        """The exported conversation got another message in another profile."""
        tree = at(place, self.files)
        self.words[id := f"{next(self.numbers):032x}"], text = self.named(text)
        parent_id = at(parent, tree.messages).id if tree.messages else None
        node = Node(id, parent_id, "user", text, 1e9)
        self.files.append(msgspec.structs.replace(tree, messages=(*tree.messages, node), tip=id))

    @precondition(lambda self: self.files)
    @rule(place=PLACE)
    def take_in(self, place):
        tree = at(place, self.files)
        missing = [node for node in tree.messages if node.id not in self.tree]
        is_new = tree.id not in self.heads
        refused = set(self.removed)
        for node in missing:
            if node.parent_id in refused:
                refused.add(node.id)
        missing = [node for node in missing if node.id not in refused]
        imported = doors.store(self.real, self.through_a_file(tree))
        state = imported.new if is_new else imported.grown if missing else imported.known
        assert state == (tree.id,)
        assert sum(map(len, (imported.new, imported.grown, imported.known))) == 1
        said = Counter({skipped.reason: skipped.count for skipped in imported.skipped})
        assert said == +Counter({
            Reason.IN_TRASH: len(refused - set(self.removed)),
            Reason.REMOVED: sum(node.id in self.removed for node in tree.messages),
            Reason.TRASHED: int(not is_new and self.heads[tree.id].is_deleted),
        })  # fmt: skip
        if is_new:
            self.heads[tree.id] = Head(tree.title, tip=tree.tip, settings=tree.settings, folder=tree.folder)
        elif missing and self.heads[tree.id].tip is None:
            self.heads[tree.id].tip = missing[-1].id
        for node in missing:
            made = self.real.message(node.id)
            assert (made.text, made.role, made.parent_id) == (node.text, node.role, node.parent_id)
            if node.id in self.records:  # it had been here before
                assert made == msgspec.structs.replace(self.records[node.id], token_ids=None)  # they do not travel
            self.keep(made, self.words[node.id])

    @precondition(lambda self: self.heads)
    @rule(place=PLACE)
    def move_house(self, place):
        """What was exported here and imported into an empty profile is the same there."""
        id = at(place, self.heads)
        tree = doors.whole(self.real, id)
        with tempfile.TemporaryDirectory(dir=self.path.parent) as folder:
            path = Path(folder) / "chatdesk.db"
            with contextlib.closing(open_database(path, path.parent)) as database:
                other = Conversations(database)
                assert doors.store(other, self.through_a_file(tree)).new == (id,)
                assert doors.whole(other, id) == tree
                ids = [message.id for message in self.real.branch(id)]
                assert [message.id for message in other.branch(id)] == ids
                assert other.provenance(self.live(id)) == self.real.provenance(self.live(id))

    # -- undo, time

    @precondition(lambda self: self.every())
    @rule(place=PLACE)
    def delete_and_undo(self, place):
        message = at(place, self.every())
        id = self.tree[message][0]
        before = self.seen(id)
        batch = self.real.delete_message(message)
        assert message not in {node.id for node in self.real.tree(id)}
        self.real.undo_removal(batch)
        assert self.seen(id) == before

    @precondition(lambda self: self.every())
    @rule(place=PLACE)
    def clear_and_undo(self, place):
        id = self.tree[at(place, self.every())][0]
        before = self.seen(id)
        batch = self.real.clear(id)
        assert (self.real.branch(id), self.real.tree(id)) == ([], [])
        self.real.undo_removal(batch)
        assert self.seen(id) == before

    @precondition(lambda self: not all(head.is_deleted for head in self.heads.values()))
    @rule(place=PLACE)
    def trash_and_restore(self, place):
        id = at(place, [id for id, head in self.heads.items() if not head.is_deleted])
        before = self.seen(id)
        self.real.delete(id)
        assert id not in {conversation.id for conversation in self.real.list()}
        self.real.restore(id)
        assert self.seen(id) == before

    def seen(self, id):
        """Everything that can be seen of a conversation."""
        c = self.real
        return c.get(id), c.branch_view(id), c.tree(id), c.siblings_of(id), c.pinned(id), c.unsent_attachments(id)

    @precondition(lambda self: self.removed)
    @rule()
    def a_month_later(self):
        """The trash empties itself, but where a reply waits to be recovered."""
        self.later_s += (TRASH_DAYS + 1) * 86400.0
        self.real.purge_expired()
        for id in [id for id, head in self.heads.items() if head.is_deleted]:
            self.lose(id)
        waiting = {conversation for conversation, *_ in self.unfinished.values()}
        self.forget([id for id in self.removed if self.tree[id][0] not in waiting])

    # -- what holds after each step

    @invariant()
    def nothing_has_disappeared(self):
        """All that was acknowledged is there as it was, and nothing else."""
        stored = {id for (id,) in self.database.query("SELECT id FROM messages")}
        assert stored == set(self.tree)
        assert {id: self.real.message(id) for id in self.tree} == {id: self.records[id] for id in self.tree}
        assert {id for (id,) in self.database.query("SELECT id FROM partials")} == set(self.unfinished)

    @invariant()
    def heads_are_as_they_were_left(self):
        found = {
            c.id: Head(
                c.title, c.draft, self.real.unsent_attachments(c.id), c.tip, c.deleted_at is not None, c.settings,
                c.folder, c.is_pinned,
            )
            for c in self.real.list(True)
        }  # fmt: skip
        assert found == self.heads
        assert [c.id for c in self.real.list()] == [
            c.id for c in self.real.list(True) if not self.heads[c.id].is_deleted
        ]

    @invariant()
    def what_was_removed_is_listed(self):
        found = {}
        for id, (batch, _) in self.removed.items():
            if not (head := self.heads[self.tree[id][0]]).is_deleted:
                first = min(self.removed_with(batch), key=list(self.tree).index)
                beginning = self.records[first].text.partition("\0")[0][:80]  # SQLite's substr ends there
                found[batch] = (self.tree[id][0], head.title, beginning, len(self.removed_with(batch)))
        listed = self.real.removals()
        assert {each.batch: (each.conversation_id, each.title, each.beginning, each.count) for each in listed} == found

    @invariant()
    def everything_is_reached_or_in_the_trash(self):
        for id, head in self.heads.items():
            line, live = self.line(head.tip), self.live(id)
            assert (head.tip is None) == (not live)
            assert [(node.id, node.parent_id, node.is_on_branch) for node in self.real.tree(id)] == [
                (key, self.tree[key][1], key in line) for key in live
            ]
            below = {}
            for key in live:
                below.setdefault(self.tree[key][1], []).append(key)
            assert self.real.siblings_of(id) == below
            assert self.real.pinned(id) == {key for key in live if key in self.pins}
            assert [(shown.message, shown.version, shown.versions) for shown in self.real.branch_view(id)] == [
                (self.records[key], ids.index(key) + 1, len(ids)) for key in line for ids in [below[self.tree[key][1]]]
            ]
            parts = [self.real.branch_view(id, most=2)]
            while parts[-1]:
                parts.append(self.real.branch_view(id, parts[-1][0].message.id, 2))
            assert [shown for part in reversed(parts) for shown in part] == self.real.branch_view(id)

    @invariant()
    def what_is_not_in_the_trash_is_found(self):
        """Every message by its word, in one search for all, and the newest by its own."""
        shown = [id for id in self.tree if self.under(id) and not self.heads[self.tree[id][0]].is_deleted]
        everything = self.real.search("zq", limit=1000)
        assert sorted(hit.message_id for hit in everything if hit.message_id) == sorted(shown)
        for id in list(self.words)[-3:]:
            found = [hit.message_id for hit in self.real.search(self.words[id])]
            assert found == ([id] if id in shown else [])


def run(examples, steps):
    run_state_machine_as_test(
        Travels,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )
    return True


def test_tree_is_as_the_model_says():
    assert run(20, 30)


@pytest.mark.soak
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("examples", [2000])
def test_tree_is_as_the_model_says_for_long(examples):
    assert run(examples, 50)
