"""What a person can do with conversations, one rule each, beside a plain model of what must come of it.

``test_tree`` runs it; `Tree` has the operations on the tree itself, the checks stand in ``test_tree``.
"""

import contextlib
import itertools
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from chatdesk.storage.conversations import Conversations
from chatdesk.storage.database import open_database
from chatdesk.storage.records import Attachment

TEXT = st.text(max_size=20)
FILES = st.lists(st.builds(Attachment, TEXT, TEXT), max_size=2).map(tuple)
PLACE = st.integers(0, 199)  # of a thing among those that there are, so that each step does something
SETTINGS = st.fixed_dictionaries({}, optional={"temperature": st.floats(0, 2), "system_prompt": TEXT})


@dataclass
class Head:
    """What a conversation is beside its messages."""

    title: str
    draft: str = ""
    unsent: tuple[Attachment, ...] = ()
    tip: str | None = None
    is_deleted: bool = False
    settings: dict = field(default_factory=dict)
    folder: str = ""
    is_pinned: bool = False


def at(place, things):
    """One of some things."""
    return list(things)[place % len(things)]


class Tree(RuleBasedStateMachine):
    """The model: heads by conversation; for each message its parent and the record that the store acknowledged."""

    def __init__(self):
        super().__init__()
        self.stack = contextlib.ExitStack()
        folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory()))
        self.later_s = 0.0
        self.clock = time.time
        self.stack.enter_context(mock.patch("time.time", self.now))
        self.path = folder / "chatdesk.db"
        self.database = open_database(self.path, folder)
        self.real = Conversations(self.database)
        self.heads = {}  # id -> Head
        self.tree = {}  # id -> (conversation, parent), in the order of creation
        self.records = {}  # id -> Message
        self.unfinished = {}  # id -> [conversation, parent, text]
        self.removed = {}  # id -> (batch, was the tip)
        self.pins = set()
        self.words = {}  # id -> a word that no other message has
        self.numbers = itertools.count()
        self.batches = []

    def teardown(self):
        self.database.close()
        self.stack.close()

    # -- the model

    def now(self):
        return self.clock() + self.later_s

    def line(self, id):
        ids = []
        while id is not None:
            ids.append(id)
            id = self.tree[id][1]
        return ids[::-1]

    def under(self, id):
        return id in self.tree and id not in self.removed

    def live(self, conversation):
        return [id for id, value in self.tree.items() if value[0] == conversation and id not in self.removed]

    def every(self):
        return [id for id in self.tree if id not in self.removed]

    def leaf(self, id):
        return [below for below in self.live(self.tree[id][0]) if id in self.line(below)][-1]

    def named(self, text):
        word = f"zq{next(self.numbers)}zq"
        return word, f"{text} {word}"

    def keep(self, message, word):
        """The store has acknowledged a message."""
        self.words[message.id] = word
        self.records[message.id] = message
        self.tree[message.id] = (message.conversation_id, message.parent_id)

    def show(self, message, word):
        self.keep(message, word)
        self.heads[message.conversation_id].tip = message.id

    def settle(self, message, word):
        """A reply has become a message, in the trash where its question is."""
        self.keep(message, word)
        if message.parent_id in self.removed:
            self.removed[message.id] = (self.removed[message.parent_id][0], False)
        else:
            self.heads[message.conversation_id].tip = message.id

    def forget(self, ids):
        for id in ids:
            del self.tree[id]
            self.removed.pop(id, None)
            self.pins.discard(id)

    # -- conversations

    @initialize(titles=st.lists(TEXT, min_size=1, max_size=2))
    def talk(self, titles):
        """Two branches, so that the first step has something to work on."""
        for title in titles:
            self.create(title)
            id = list(self.heads)[-1]
            self.add(id, None, "", False, ())
            self.regenerate(len(self.every()) - 1, "")
            self.add(id, self.heads[id].tip, "", False, ())

    @precondition(lambda self: len(self.heads) < 3)
    @rule(title=TEXT)
    def create(self, title):
        self.heads[self.real.create(title).id] = Head(title)

    @precondition(lambda self: self.heads)
    @rule(place=PLACE, title=TEXT, draft=TEXT, files=FILES, settings=SETTINGS)
    def write(self, place, title, draft, files, settings):
        id = at(place, self.heads)
        self.real.rename(id, title)
        self.real.set_draft(id, draft)
        self.real.set_unsent_attachments(id, files)
        self.real.set_settings(id, settings)
        head = self.heads[id]
        head.title, head.draft, head.unsent, head.settings = title, draft, files, settings

    @precondition(lambda self: self.heads)
    @rule(place=PLACE, folder=st.sampled_from(["", "Work", "旅行"]), pinned=st.booleans())
    def put(self, place, folder, pinned):
        id = at(place, self.heads)
        self.real.set_folder(id, folder)
        self.real.set_pinned(id, pinned)
        self.heads[id].folder, self.heads[id].is_pinned = folder, pinned

    @precondition(lambda self: self.heads)
    @rule(place=PLACE, deleted=st.booleans())
    def trash(self, place, deleted):
        id = at(place, self.heads)
        (self.real.delete if deleted else self.real.restore)(id)
        self.heads[id].is_deleted = deleted

    @precondition(lambda self: any(head.is_deleted for head in self.heads.values()))
    @rule(place=PLACE)
    def purge(self, place):
        id = at(place, [id for id, head in self.heads.items() if head.is_deleted])
        self.real.purge(id)
        self.lose(id)

    def lose(self, id):
        del self.heads[id]
        self.forget([key for key, value in self.tree.items() if value[0] == id])
        self.unfinished = {key: value for key, value in self.unfinished.items() if value[0] != id}

    # -- messages

    @precondition(lambda self: self.heads)
    @rule(place=PLACE, text=TEXT, clear=st.booleans(), files=FILES)
    def begin(self, place, text, clear, files):
        self.add(at(place, self.heads), None, text, clear, files)

    @precondition(lambda self: self.heads)
    @rule(place=PLACE, text=TEXT, clear=st.booleans(), files=FILES)
    def send(self, place, text, clear, files):
        id = at(place, self.heads)
        self.add(id, self.heads[id].tip, text, clear, files)

    @precondition(lambda self: self.every())
    @rule(place=PLACE, text=TEXT, files=FILES)
    def branch_off(self, place, text, files):
        parent = at(place, self.every())
        self.add(self.tree[parent][0], parent, text, False, files)

    def add(self, conversation, parent, text, clear, files):
        word, text = self.named(text)
        message = self.real.add_message(conversation, parent, "user", text, clear_draft=clear, attachments=files)
        assert (message.text, message.attachments) == (text, files)
        if clear:
            self.heads[conversation].draft, self.heads[conversation].unsent = "", ()
        self.show(message, word)

    @precondition(lambda self: self.every())
    @rule(place=PLACE, text=TEXT)
    def edit(self, place, text):
        old = self.records[at(place, self.every())]
        word, text = self.named(text)
        made = self.real.edit(old.id, text)
        assert (made.parent_id, made.role, made.text) == (old.parent_id, old.role, text)
        assert made.attachments == old.attachments
        self.show(made, word)

    @precondition(lambda self: self.every())
    @rule(place=PLACE, text=TEXT)
    def regenerate(self, place, text):
        """Another version of a reply, or, of a question, a reply to it."""
        old = self.records[at(place, self.every())]
        parent = old.parent_id if old.role == "assistant" else old.id
        word, text = self.named(text)
        partial = self.real.begin_reply(old.conversation_id, parent, {"model": "m", "seed": 3})
        made = self.real.finish_reply(partial.id, text, (1, 2), "stop", {"ttft_s": 0.5})
        assert (made.parent_id, made.role, made.text) == (parent, "assistant", text)
        self.show(made, word)

    @precondition(lambda self: self.every())
    @rule(place=PLACE)
    def choose(self, place):
        id = at(place, self.every())
        self.real.choose(id)
        self.heads[self.tree[id][0]].tip = self.leaf(id)

    @precondition(lambda self: self.every())
    @rule(place=PLACE)
    def show_until(self, place):
        id = at(place, self.every())
        self.real.show_until(id)
        self.heads[self.tree[id][0]].tip = id

    @precondition(lambda self: self.every())
    @rule(place=PLACE, pinned=st.booleans())
    def pin(self, place, pinned):
        id = at(place, self.every())
        self.real.pin(id, pinned)
        (self.pins.add if pinned else self.pins.discard)(id)

    # -- the trash

    @precondition(lambda self: self.every())
    @rule(place=PLACE)
    def delete(self, place):
        id = at(place, self.every())
        conversation, parent = self.tree[id]
        siblings = [key for key in self.live(conversation) if self.tree[key][1] == parent]
        place = siblings.index(id)
        head = self.heads[conversation]
        batch = self.real.delete_message(id)
        if self.take_out([key for key in self.live(conversation) if id in self.line(key)], batch, head.tip):
            nearest = siblings[place - 1] if place else siblings[1] if len(siblings) > 1 else None
            head.tip = self.leaf(nearest) if nearest else parent

    @precondition(lambda self: self.heads)
    @rule(place=PLACE)
    def clear(self, place):
        id = at(place, self.heads)
        self.take_out(self.live(id), self.real.clear(id), self.heads[id].tip)
        self.heads[id].tip = None

    def take_out(self, ids, batch, tip):
        self.batches.append(batch)
        self.removed |= {id: (batch, id == tip) for id in ids}
        return tip in ids

    def removed_with(self, batch):
        return {id for id, value in self.removed.items() if value[0] == batch}

    @precondition(lambda self: self.batches)
    @rule(place=PLACE)
    def undo(self, place):
        batch = at(place, self.batches)
        back = self.removed_with(batch)
        if not back:
            with pytest.raises(KeyError):
                self.real.undo_removal(batch)
            return
        self.real.undo_removal(batch)
        head = self.heads[self.tree[min(back)][0]]
        if shown := [id for id in back if self.removed[id][1]]:
            (head.tip,) = shown
        elif head.tip is None:
            head.tip = [id for id in self.tree if id in back][-1]
        for above in {above for id in back for above in self.line(id)}:
            self.removed.pop(above, None)

    @precondition(lambda self: self.removed)
    @rule(place=PLACE)
    def purge_removed(self, place):
        """For good, with what was removed below before, and with replies that were being written there."""
        batch = at(place, self.removed.values())[0]
        roots = self.removed_with(batch)
        doomed = [id for id in self.tree if not roots.isdisjoint(self.line(id))]
        self.real.purge_removal(batch)
        for partial in [partial for partial, (_, parent, _) in self.unfinished.items() if parent in doomed]:
            del self.unfinished[partial]
        self.forget(doomed)
        with pytest.raises(KeyError):
            self.real.purge_removal(batch)

    @precondition(lambda self: len(self.every()) < len(self.records))
    @rule(place=PLACE, work=st.sampled_from(["edit", "choose", "show_until", "pin", "delete_message"]))
    def touch_what_is_gone(self, place, work):
        """Nothing can be done with a message in the trash, or purged."""
        id = at(place, [id for id in self.records if not self.under(id)])
        more = {"edit": ("x",), "pin": (True,)}.get(work, ())
        with pytest.raises(KeyError):
            getattr(self.real, work)(id, *more)

    # -- replies that are being written

    @precondition(lambda self: self.every())
    @rule(place=PLACE)
    def stream(self, place):
        parent = at(place, self.every())
        conversation = self.tree[parent][0]
        self.unfinished[self.real.begin_reply(conversation, parent, {"model": "m"}).id] = [conversation, parent, ""]

    @precondition(lambda self: self.unfinished)
    @rule(place=PLACE, text=TEXT)
    def extend(self, place, text):
        partial = at(place, self.unfinished)
        self.words[partial], text = self.named(text)
        self.real.extend_reply(partial, text, (1,))
        self.unfinished[partial][2] = text

    @precondition(lambda self: self.unfinished)
    @rule(place=PLACE, text=TEXT)
    def finish(self, place, text):
        partial = at(place, self.unfinished)
        word, text = self.named(text)
        made = self.real.finish_reply(partial, text, (1, 2), "stop", {})
        assert [made.conversation_id, made.parent_id, made.text] == [*self.unfinished.pop(partial)[:2], text]
        self.settle(made, word)

    @rule()
    def reopen(self):
        """As after a crash: what was written of a reply becomes a message."""
        self.database.close()
        self.database = open_database(self.path, self.path.parent)
        self.real = Conversations(self.database)
        recovered = self.real.recover()
        assert {made.id: [made.conversation_id, made.parent_id, made.text] for made in recovered} == {
            id: partial for id, partial in self.unfinished.items() if partial[2]
        }
        for made in recovered:
            self.settle(made, self.words[made.id])
        self.unfinished = {}
