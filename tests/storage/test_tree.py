"""The tree of messages against a plain model: any order of operations, and closing and opening in between."""

import contextlib
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule, run_state_machine_as_test

from chatdesk.storage.conversations import Conversations
from chatdesk.storage.database import open_database

TEXT = st.text(max_size=20)


class Tree(RuleBasedStateMachine):
    """Model: for each conversation a title, a draft, a tip; for each message its parent and text, in order."""

    conversations = Bundle("conversations")
    messages = Bundle("messages")
    partials = Bundle("partials")
    batches = Bundle("batches")

    def __init__(self):
        super().__init__()
        self.stack = contextlib.ExitStack()
        folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory()))
        self.path = folder / "chatdesk.db"
        self.database = open_database(self.path, folder)
        self.real = Conversations(self.database)
        self.heads = {}  # id -> [title, draft, tip, deleted]
        self.tree = {}  # id -> (conversation, parent, text), in the order of creation
        self.unfinished = {}  # id -> [conversation, parent, text]
        self.removed = {}  # id -> (batch, was the tip)
        self.pins = set()
        self.looks = {}  # conversation -> (folder, pinned)
        self.words = {}  # id -> a word that no other message has

    def teardown(self):
        self.database.close()
        self.stack.close()

    def line(self, id):
        ids = []
        while id is not None:
            ids.append(id)
            id = self.tree[id][1]
        return ids[::-1]

    def under(self, id):
        return id in self.tree and self.tree[id][0] in self.heads and id not in self.removed

    def live(self, conversation):
        return [id for id, value in self.tree.items() if value[0] == conversation and id not in self.removed]

    def leaf(self, id):
        return [below for below in self.live(self.tree[id][0]) if id in self.line(below)][-1]

    def named(self, text):
        word = f"zq{len(self.words)}zq"
        return word, f"{text} {word}"

    @rule(target=conversations, title=TEXT)
    def create(self, title):
        id = self.real.create(title).id
        self.heads[id] = [title, "", None, False]
        return id

    @rule(id=conversations, title=TEXT, draft=TEXT)
    def write(self, id, title, draft):
        if id in self.heads:
            self.real.rename(id, title)
            self.real.set_draft(id, draft)
            self.heads[id][:2] = title, draft

    @rule(id=conversations, folder=st.sampled_from(["", "Work", "旅行"]), pinned=st.booleans())
    def place(self, id, folder, pinned):
        if id in self.heads:
            self.real.set_folder(id, folder)
            self.real.set_pinned(id, pinned)
            self.looks[id] = (folder, pinned)

    @rule(id=conversations, deleted=st.booleans())
    def trash(self, id, deleted):
        if id in self.heads:
            (self.real.delete if deleted else self.real.restore)(id)
            self.heads[id][3] = deleted

    @rule(id=consumes(conversations))
    def purge(self, id):
        self.real.purge(id)
        del self.heads[id]
        self.looks.pop(id, None)
        self.tree = {key: value for key, value in self.tree.items() if value[0] != id}
        self.unfinished = {key: value for key, value in self.unfinished.items() if value[0] != id}

    @rule(target=messages, id=conversations, text=TEXT, clear=st.booleans())
    def begin(self, id, text, clear):
        return self.add(id, None, text, clear)

    @rule(target=messages, parent=messages, text=TEXT, clear=st.booleans())
    def reply(self, parent, text, clear):
        return self.add(self.tree[parent][0], parent, text, clear) if self.under(parent) else parent

    @rule(target=messages, message=messages, text=TEXT)
    def edit(self, message, text):
        if not self.under(message):
            return message
        conversation, parent, _ = self.tree[message]
        word, text = self.named(text)
        made = self.real.edit(message, text)
        assert (made.parent_id, made.role) == (parent, "user")
        return self.kept(made.id, word, conversation, parent, text)

    def add(self, conversation, parent, text, clear):
        word, text = self.named(text)
        id = self.real.add_message(conversation, parent, "user", text, clear_draft=clear).id
        self.kept(id, word, conversation, parent, text)
        if clear:
            self.heads[conversation][1] = ""
        return id

    def kept(self, id, word, conversation, parent, text):
        self.words[id] = word
        self.tree[id] = (conversation, parent, text)
        self.heads[conversation][2] = id
        return id

    @rule(message=messages)
    def choose(self, message):
        if self.under(message):
            self.real.choose(message)
            self.heads[self.tree[message][0]][2] = self.leaf(message)

    @rule(message=messages)
    def show_until(self, message):
        if self.under(message):
            self.real.show_until(message)
            self.heads[self.tree[message][0]][2] = message

    @rule(message=messages, pinned=st.booleans())
    def pin(self, message, pinned):
        if self.under(message):
            self.real.pin(message, pinned)
            (self.pins.add if pinned else self.pins.discard)(message)

    @rule(target=batches, message=messages)
    def delete(self, message):
        if not self.under(message):
            return ""
        conversation, parent, _ = self.tree[message]
        siblings = [id for id in self.live(conversation) if self.tree[id][1] == parent]
        place = siblings.index(message)
        head = self.heads[conversation]
        batch = self.real.delete_message(message)
        if self.take_out([id for id in self.live(conversation) if message in self.line(id)], batch, head[2]):
            nearest = siblings[place - 1] if place else siblings[1] if len(siblings) > 1 else None
            head[2] = self.leaf(nearest) if nearest else parent
        return batch

    @rule(target=batches, id=conversations)
    def clear(self, id):
        if id not in self.heads:
            return ""
        batch = self.real.clear(id)
        self.take_out(self.live(id), batch, self.heads[id][2])
        self.heads[id][2] = None
        return batch

    def take_out(self, ids, batch, tip):
        self.removed |= {id: (batch, id == tip) for id in ids}
        return tip in ids

    @rule(batch=batches)
    def undo(self, batch):
        back = [id for id, value in self.removed.items() if value[0] == batch and id in self.tree]
        if not back:
            with pytest.raises(KeyError):
                self.real.undo_removal(batch)
            return
        self.real.undo_removal(batch)
        for id in back:
            if self.removed[id][1]:
                self.heads[self.tree[id][0]][2] = id
        for above in {above for id in back for above in self.line(id)}:
            self.removed.pop(above, None)

    @rule(target=partials, parent=messages)
    def stream(self, parent):
        if not self.under(parent):
            return ""
        conversation = self.tree[parent][0]
        id = self.real.begin_reply(conversation, parent, {"model": "m"}).id
        self.unfinished[id] = [conversation, parent, ""]
        return id

    @rule(partial=partials, text=TEXT)
    def extend(self, partial, text):
        if partial in self.unfinished:
            self.real.extend_reply(partial, text, (1,))
            self.unfinished[partial][2] = text

    @rule(target=messages, partial=partials, text=TEXT)
    def finish(self, partial, text):
        if partial in self.unfinished:
            self.words[partial], text = self.named(text)
            assert self.real.finish_reply(partial, text, (1, 2), "stop", {}).id == partial
            conversation, parent, _ = self.unfinished.pop(partial)
            self.settle(partial, conversation, parent, text)
        return partial

    def settle(self, id, conversation, parent, text):
        self.tree[id] = (conversation, parent, text)
        if parent in self.removed:
            self.removed[id] = (self.removed[parent][0], False)
        else:
            self.heads[conversation][2] = id

    @rule()
    def reopen(self):
        self.database.close()
        self.database = open_database(self.path, self.path.parent)
        self.real = Conversations(self.database)
        recovered = [message.id for message in self.real.recover()]
        assert recovered == [id for id, partial in self.unfinished.items() if partial[2]]
        for id in recovered:
            self.settle(id, *self.unfinished[id])
        self.unfinished = {}

    @invariant()
    def same(self):
        found = {c.id: [c.title, c.draft, c.tip, c.deleted_at is not None] for c in self.real.list(True)}
        assert found == self.heads
        for id, head in self.heads.items():
            branch = self.real.branch(id)
            assert [message.id for message in branch] == self.line(head[2])
            assert [message.text for message in branch] == [self.tree[message.id][2] for message in branch]
            assert not any(message.damaged for message in branch)
            assert self.real.pinned(id) == {key for key in self.live(id) if key in self.pins}
            assert [(node.id, node.is_on_branch) for node in self.real.tree(id)] == [
                (key, key in self.line(head[2])) for key in self.live(id)
            ]
            assert [(shown.message, shown.version, shown.versions) for shown in self.real.branch_view(id)] == [
                (message, ids.index(message.id) + 1, len(ids))
                for message in branch
                for ids in [[each.id for each in self.real.siblings(message.id)]]
            ]
        for id, (conversation, parent, _) in self.tree.items():
            siblings = [
                key for key, value in self.tree.items()
                if value[:2] == (conversation, parent) and (key == id or key not in self.removed)
            ]  # fmt: skip
            assert [message.id for message in self.real.siblings(id)] == siblings

    @invariant()
    def same_folders(self):
        assert {c.id: (c.folder, c.is_pinned) for c in self.real.list(True) if c.folder or c.is_pinned} == {
            id: looks for id, looks in self.looks.items() if any(looks)
        }
        named = {folder for id, (folder, _) in self.looks.items() if folder and not self.heads[id][3]}
        assert set(self.real.folders()) == named

    @invariant()
    def found(self):
        """Every live message is found by its word, one in the trash or purged is not."""
        for id, word in self.words.items():
            is_shown = self.under(id) and not self.heads[self.tree[id][0]][3]
            assert [hit.message_id for hit in self.real.search(word)] == ([id] if is_shown else [])


def run(examples, steps):
    run_state_machine_as_test(
        Tree,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )
    return True


def test_tree_is_as_the_model_says():
    assert run(8, 25)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("examples", [500])
def test_tree_is_as_the_model_says_for_long(examples):
    assert run(examples, 60)
