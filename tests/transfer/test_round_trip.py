"""Our own JSON out and in again, and the store: identity, no doubles, all or nothing."""

import contextlib
import functools
import itertools
import json
import random
import sqlite3
import tempfile
import time
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chatdesk.errors import Fault, UserError
from chatdesk.storage.conversations import Conversations
from chatdesk.storage.database import open_database
from chatdesk.storage.records import Attachment
from chatdesk.storage.transfer import native
from chatdesk.storage.transfer import store as doors
from chatdesk.storage.transfer.reading import read
from chatdesk.storage.transfer.trees import Found, Reason
from tests.transfer.samples import chatgpt, jan_in_one, lm_studio, open_webui, outcome

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


def everything(database):
    """All rows of all tables that hold what people have."""
    tables = ("conversations", "messages", "provenance", "partials", "removed", "pins", "title_search")
    return {table: database.query(f"SELECT * FROM {table}") for table in tables}


def fill(conversations, seed=0, count=12):
    """A conversation with random branches; its id."""
    chance = random.Random(seed)
    id = conversations.create("Salt / 盐", {"system_prompt": "Be brief.", "temperature": 0.5}).id
    ids = [None]
    for number in range(count):
        parent = chance.choice(ids)
        if number % 3:
            files = (Attachment("notes.txt", "# Notes\n"),) if number % 2 else ()
            message = conversations.add_message(id, parent, "user", f"text {number}\r\n\0", attachments=files)
            ids.append(message.id)
        else:
            partial = conversations.begin_reply(id, parent, {"model": "m", "seed": number, "sampling": {"top_k": 3}})
            ids.append(conversations.finish_reply(partial.id, f"reply {number}", (1, 2), "stop", {"ttft_s": 0.5}).id)
    conversations.choose(chance.choice(ids[1:]))
    conversations.set_folder(id, "Kitchen")
    return id


@contextlib.contextmanager
def fresh():
    """Another store, empty."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        with contextlib.closing(open_database(path / "chatdesk.db", path / "backups")) as database:
            database.connection.execute("PRAGMA synchronous = OFF")
            yield Conversations(database)


def passed_on(trees, folder):
    """What is read from the file with these trees."""
    path = Path(folder) / "export.json"
    native.export_json(trees, path)
    return read(path)


def test_a_tree_is_the_same_on_the_other_side(conversations, tmp_path):
    tree = doors.whole(conversations, fill(conversations))
    found = passed_on([tree], tmp_path)
    assert (found.source, found.skipped) == ("chatdesk", ())
    with fresh() as other:
        imported = doors.store(other, found)
        assert (imported.new, imported.known, imported.skipped) == ((tree.id,), (), ())
        assert doors.whole(other, tree.id) == tree
        for node in tree.messages:
            here, there = conversations.siblings(node.id), other.siblings(node.id)
            assert [message.id for message in there] == [message.id for message in here]
            assert conversations.choose(node.id).tip == other.choose(node.id).tip
        assert not any(message.damaged for message in other.branch(tree.id))
        ids = [node.id for node in tree.messages]
        assert other.provenance(ids) == conversations.provenance(ids)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    title=TEXTS,
    prompt=st.dictionaries(TEXTS, st.one_of(TEXTS, st.integers(-(2**60), 2**60), st.booleans(), st.none()), max_size=3),
    messages=st.lists(
        st.tuples(st.integers(0, 8), st.sampled_from(["user", "assistant", "system"]), TEXTS), max_size=9
    ),
)
def test_any_small_tree_is_the_same_on_the_other_side(title, prompt, messages, tmp_path):
    with fresh() as here, fresh() as there:
        id = here.create(title, prompt).id
        ids = []
        for parent, role, text in messages:
            parent_id = ids[parent] if parent < len(ids) else None
            ids.append(here.add_message(id, parent_id, role, text).id)
        tree = doors.whole(here, id)
        found = passed_on([tree], tmp_path)
        assert found.skipped == ()
        doors.store(there, found)
        assert doors.whole(there, id) == tree


def test_the_document_is_as_documented(conversations, tmp_path):
    tree = doors.whole(conversations, fill(conversations))
    document = json.loads(native.document([tree]))
    assert list(document) == ["format", "version", "exported_at", "conversations"]
    assert (document["format"], document["version"]) == ("chatdesk-export", 1)
    (conversation,) = document["conversations"]
    described = native.__doc__
    for name in [*document, *conversation, *(field for message in conversation["messages"] for field in message)]:
        assert f"{name}``" in described
    for name in conversation["messages"][0]["provenance"]:
        assert f"``{name}``" in described


def test_a_branch_and_a_message(conversations):
    id = fill(conversations)
    tip = conversations.get(id).tip
    branch = doors.branch(conversations, id)
    assert [node.id for node in branch.messages] == [message.id for message in conversations.branch(id)]
    assert 1 < len(branch.messages) < 12
    single = doors.single(conversations, tip)
    assert [(node.id, node.parent_id) for node in single.messages] == [(tip, None)]
    assert single.tip == tip
    assert [tree.id for tree in doors.everything(conversations)] == [id]


def test_a_branch_grows_to_the_whole_tree(conversations, tmp_path):
    """First a branch, then everything: nothing twice, nothing missing, and what is here is not touched."""
    id = fill(conversations)
    whole = doors.whole(conversations, id)
    with fresh() as other:
        doors.store(other, passed_on([doors.branch(conversations, id)], tmp_path))
        other.rename(id, "My own name")
        imported = doors.store(other, passed_on([whole], tmp_path))
        assert (imported.new, imported.grown, imported.known) == ((), (id,), ())
        grown = doors.whole(other, id)
        assert sorted(grown.messages, key=lambda node: node.id) == sorted(whole.messages, key=lambda node: node.id)
        assert grown.title == "My own name"


@pytest.mark.parametrize("make", [chatgpt, open_webui, lm_studio, jan_in_one])
def test_twice_makes_no_doubles(make, read_document, conversations, database):
    first = doors.store(conversations, read_document(make()))
    before = everything(database)
    assert (len(first.new), first.known) == (1, ())
    again = doors.store(conversations, read_document(make()))
    assert (again.new, again.grown, again.known) == ((), (), first.new)
    assert everything(database) == before
    conversations.delete(first.new[0])
    in_trash = doors.store(conversations, read_document(make()))
    assert (in_trash.known, [skipped.reason for skipped in in_trash.skipped][-1]) == (first.new, Reason.TRASHED)
    assert conversations.list() == []


def test_a_conversation_that_went_on_elsewhere_gets_the_new_messages(read_document, conversations):
    (id,) = doors.store(conversations, read_document(chatgpt())).new
    mine = conversations.add_message(id, conversations.get(id).tip, "user", "written here")
    later = chatgpt()
    content = {"content_type": "text", "parts": ["More."]}
    message = {"author": {"role": "user"}, "content": content, "create_time": 2e9}
    later[0]["mapping"]["q9"] = {"id": "q9", "message": message, "parent": "a3", "children": []}
    imported = doors.store(conversations, read_document(later))
    assert (imported.new, imported.grown, imported.known) == ((), (id,), ())
    assert [sibling.text for sibling in conversations.siblings(mine.id)] == ["written here", "More."]
    assert conversations.get(id).tip == mine.id
    assert conversations.get(id).changed_at == 2e9


def test_a_message_changed_in_place_is_a_sibling(read_document, conversations):
    (id,) = doors.store(conversations, read_document(open_webui())).new
    changed = open_webui()
    changed[0]["chat"]["history"]["messages"]["q2"]["content"] = "Thank you"
    assert doors.store(conversations, read_document(changed)).grown == (id,)
    texts = [message.text for message in conversations.siblings(conversations.get(id).tip)]
    assert texts == ["Thanks", "Thank you"]


def test_what_is_in_the_trash_does_not_travel_and_nothing_grows_on_it(conversations, tmp_path):
    id = conversations.create("Salt").id
    first, second, third = (conversations.add_message(id, None, "user", text) for text in ("one", "two", "three"))
    below = conversations.add_message(id, third.id, "assistant", "reply")
    whole = doors.whole(conversations, id)
    conversations.delete_message(third.id)
    assert [node.id for node in doors.whole(conversations, id).messages] == [first.id, second.id]
    imported = doors.store(conversations, passed_on([whole], tmp_path))
    assert (imported.known, [(s.reason, s.count) for s in imported.skipped]) == ((id,), [(Reason.REMOVED, 2)])
    more = msgspec.structs.replace(whole.messages[-1], id="f" * 32, parent_id=below.id)
    longer = msgspec.structs.replace(whole, messages=(*whole.messages, more))
    imported = doors.store(conversations, passed_on([longer], tmp_path))
    assert (imported.known, [s.reason for s in imported.skipped]) == ((id,), [Reason.REMOVED, Reason.IN_TRASH])
    assert conversations.get(id).tip == second.id


def test_a_conversation_without_messages_shows_what_came(conversations, tmp_path):
    id = conversations.create("Salt").id
    empty = doors.whole(conversations, id)
    message = conversations.add_message(id, None, "user", "Ask")
    full = doors.whole(conversations, id)
    with fresh() as other:
        doors.store(other, passed_on([empty], tmp_path))
        assert doors.store(other, passed_on([full], tmp_path)).grown == (id,)
        assert other.get(id).tip == message.id


def test_what_was_imported_is_found(read_document, conversations):
    doors.store(conversations, read_document(chatgpt()))
    assert conversations.search("chloride")


def test_stolen_ids_stay_out(conversations, database, tmp_path):
    """A forged file cannot write into another conversation."""
    tree = doors.whole(conversations, fill(conversations))
    forged = msgspec.structs.replace(tree, id="0" * 32)
    before = everything(database)
    imported = doors.store(conversations, passed_on([forged], tmp_path))
    assert (imported.new, [skipped.reason for skipped in imported.skipped]) == ((), [Reason.TAKEN])
    assert everything(database) == before


def test_damage_stays_marked(conversations, database, tmp_path):
    id = fill(conversations)
    tip = conversations.get(id).tip
    database.connection.execute("UPDATE messages SET text = 'forged' WHERE id = ?", (tip,))
    with fresh() as other:
        doors.store(other, passed_on([doors.whole(conversations, id)], tmp_path))
        assert other.message(tip).damaged
        assert sum(node.damaged for node in doors.whole(other, id).messages) == 1


def test_a_newer_document_is_refused(tmp_path):
    path = tmp_path / "export.json"
    path.write_text('{"format": "chatdesk-export", "version": 2, "conversations": []}', encoding="utf-8")
    with pytest.raises(UserError) as caught:
        read(path)
    assert caught.value.fields["reason"] == Reason.NEWER_FORMAT


@functools.cache
def exported():
    """A small conversation as JSON."""
    with fresh() as other:
        return native.document([doors.whole(other, fill(other, count=4))])


WRONG = [None, True, -1, 10**30, 1e308, "", "text", [], [None], {}, {"a": [[]]}, "\ud800"]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_wrong_value_at_any_place_is_survived(read_document, conversations, data):
    document = json.loads(exported())
    (entry,) = document["conversations"]
    holder = data.draw(st.sampled_from([document, entry, *entry["messages"], *entry["messages"][:1]]))
    if data.draw(st.booleans()):
        holder = next((message["provenance"] for message in entry["messages"] if message.get("provenance")), holder)
    holder[data.draw(st.sampled_from(sorted(holder)))] = data.draw(st.sampled_from(WRONG))
    found = outcome(read_document, document)
    if isinstance(found, UserError):
        assert found.fault is Fault.IMPORT_UNREADABLE
        return
    for id in doors.store(conversations, found).new:
        assert doors.whole(conversations, id).id == id
    assert doors.store(conversations, found).new == ()


class Full:
    """A connection on which the k-th statement that changes something finds the disk full."""

    def __init__(self, connection, fails_at):
        self._connection = connection
        self._left = fails_at

    def execute(self, sql, values=()):
        if not sql.startswith(("SELECT", "ROLLBACK")):
            self._left -= 1
            if self._left == 0:
                error = sqlite3.OperationalError("database or disk is full")
                error.sqlite_errorcode = sqlite3.SQLITE_FULL
                raise error
        return self._connection.execute(sql, values)

    def __getattr__(self, name):
        return getattr(self._connection, name)


def test_a_full_disk_in_the_middle_changes_nothing(read_document, conversations, database):
    doors.store(conversations, read_document(open_webui()))
    before = everything(database)
    document = chatgpt()
    more = chatgpt()
    more[0] |= {"conversation_id": "2", "title": "Pepper"}
    found = read_document([*document, *more, jan_in_one()])
    connection = database.connection
    for k in itertools.count(1):
        database.connection = Full(connection, k)
        imported = outcome(doors.store, conversations, found)
        database.connection = connection
        if not isinstance(imported, UserError):
            break
        assert imported.fault is Fault.DISK_FULL
        assert everything(database) == before
    assert k > 15
    assert len(imported.new) == 3
    assert len(conversations.list()) == 4


def test_a_store_that_cannot_be_written_says_so(read_document, conversations, database):
    database.read_only = UserError(Fault.CANNOT_WRITE, path="here", reason="read-only")
    with pytest.raises(UserError) as caught:
        doors.store(conversations, read_document(chatgpt()))
    assert caught.value.fault is Fault.CANNOT_WRITE


def test_nothing_found_is_nothing_stored(conversations):
    assert doors.store(conversations, Found((), (), "")) == doors.Imported((), (), (), ())


@pytest.mark.parametrize("odd", [1e14, -1.0, "soon"])
def test_a_time_that_no_calendar_has_is_as_none(conversations, tmp_path, odd):
    conversations.add_message(conversations.create("T").id, None, "user", "words")
    native.export_json(doors.everything(conversations), tmp_path / "out.json")
    document = json.loads((tmp_path / "out.json").read_text())
    (entry,) = document["conversations"]
    entry["id"] = "a" * 32
    entry["created_at"] = entry["changed_at"] = odd
    entry["messages"][0] |= {"id": "b" * 32, "created_at": odd}
    (tmp_path / "in.json").write_text(json.dumps(document))
    doors.store(conversations, read(tmp_path / "in.json"))
    came = conversations.get("a" * 32)
    assert 0 <= came.changed_at <= time.time()
    assert conversations.message("b" * 32).created_at == 0
