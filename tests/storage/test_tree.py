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
        return id in self.tree and self.tree[id][0] in self.heads

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

    @rule(id=conversations, deleted=st.booleans())
    def trash(self, id, deleted):
        if id in self.heads:
            (self.real.delete if deleted else self.real.restore)(id)
            self.heads[id][3] = deleted

    @rule(id=consumes(conversations))
    def purge(self, id):
        self.real.purge(id)
        del self.heads[id]
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
        return self.add(conversation, parent, text, False)

    def add(self, conversation, parent, text, clear):
        id = self.real.add_message(conversation, parent, "user", text, clear_draft=clear).id
        self.tree[id] = (conversation, parent, text)
        self.heads[conversation][2] = id
        if clear:
            self.heads[conversation][1] = ""
        return id

    @rule(message=messages)
    def choose(self, message):
        if self.under(message):
            self.real.choose(message)
            below = [id for id in self.tree if message in self.line(id)]
            self.heads[self.tree[message][0]][2] = below[-1]

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
            assert self.real.finish_reply(partial, text, (1, 2), "stop", {}).id == partial
            conversation, parent, _ = self.unfinished.pop(partial)
            self.settle(partial, conversation, parent, text)
        return partial

    def settle(self, id, conversation, parent, text):
        self.tree[id] = (conversation, parent, text)
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
        for id, (conversation, parent, _) in self.tree.items():
            siblings = [key for key, value in self.tree.items() if value[:2] == (conversation, parent)]
            assert [message.id for message in self.real.siblings(id)] == siblings


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
