"""Editing, deleting, undoing, clearing; pins; the map of the branches; a long conversation in a few queries."""

import contextlib
import time

import pytest

from chatdesk.storage.conversations import Conversations
from chatdesk.storage.database import open_database
from chatdesk.storage.records import Attachment, Node


@pytest.fixture
def talk(conversations):
    """question -> (answer -> thanks, other answer); the first answer's branch is shown."""
    id = conversations.create("Talk").id
    add = conversations.add_message
    question = add(id, None, "user", "What grows in shade?", attachments=[Attachment("plan.txt", "一")])
    answer = add(id, question.id, "assistant", "Ferns")
    other = add(id, question.id, "assistant", "Moss")
    thanks = add(id, answer.id, "user", "Thanks")
    return id, question, answer, other, thanks


def test_editing_keeps_role_place_and_attachments(conversations, talk):
    id, question, answer, _, thanks = talk
    edited = conversations.edit(question.id, "What grows in sun?")
    assert (edited.role, edited.parent_id, edited.attachments) == ("user", None, (Attachment("plan.txt", "一"),))
    assert conversations.branch(id) == [edited]
    conversations.choose(question.id)
    assert conversations.branch(id) == [question, answer, thanks]
    again = conversations.edit(answer.id, "Hostas")
    assert conversations.branch(id) == [question, again]


def test_editing_can_leave_attachments_out(conversations, talk):
    _, question, *_ = talk
    assert conversations.edit(question.id, "What grows?", ()).attachments == ()
    more = [Attachment("\ud800.md", "half \udc00 pair")]
    assert conversations.edit(question.id, "", more).attachments == (Attachment("\ufffd.md", "half \ufffd pair"),)
    assert conversations.message(question.id).attachments == (Attachment("plan.txt", "一"),)


def test_attachments_come_back_and_are_under_the_digest(conversations, database, talk):
    _, question, *_ = talk
    assert conversations.message(question.id) == question
    database.execute(
        'UPDATE messages SET attachments = \'[{"name":"plan.txt","text":"二"}]\' WHERE id = ?', question.id
    )
    assert conversations.message(question.id).damaged
    database.execute("UPDATE messages SET attachments = 'no json' WHERE id = ?", question.id)
    assert conversations.message(question.id).attachments == ()


def test_deleting_takes_what_is_below_and_shows_the_nearest_version(conversations, talk):
    id, question, answer, other, thanks = talk
    batch = conversations.delete_message(answer.id)
    assert conversations.branch(id) == [question, other]
    assert conversations.siblings(other.id) == [other]
    assert conversations.children(question.id) == [other]
    conversations.undo_removal(batch)
    assert conversations.branch(id) == [question, answer, thanks]
    assert conversations.siblings(other.id) == [answer, other]


def test_deleting_the_only_version_shows_its_parent(conversations, talk):
    id, question, answer, other, thanks = talk
    first = conversations.delete_message(thanks.id)
    assert conversations.branch(id) == [question, answer]
    second = conversations.delete_message(other.id)
    assert conversations.branch(id) == [question, answer]
    third = conversations.delete_message(question.id)
    assert conversations.branch(id) == []
    conversations.undo_removal(first)  # and with it what stands above
    assert conversations.branch(id) == [question, answer, thanks]
    conversations.undo_removal(second)
    assert conversations.siblings(answer.id) == [answer, other]
    with pytest.raises(KeyError):
        conversations.undo_removal(third)


def test_what_comes_back_is_shown_where_nothing_is(conversations, talk):
    id, question, _, other, _ = talk
    batch = conversations.delete_message(other.id)
    conversations.clear(id)
    conversations.undo_removal(batch)
    assert conversations.branch(id) == [question, other]


def test_what_is_in_the_trash_is_not_there(conversations, talk):
    id, _, answer, *_ = talk
    conversations.delete_message(answer.id)
    for work in (
        lambda: conversations.delete_message(answer.id),
        lambda: conversations.edit(answer.id, "x"),
        lambda: conversations.choose(answer.id),
        lambda: conversations.show_until(answer.id),
        lambda: conversations.pin(answer.id, True),
        lambda: conversations.add_message(id, answer.id, "user", "x"),
        lambda: conversations.begin_reply(id, answer.id, {}),
        lambda: conversations.undo_removal("nothing"),
    ):
        with pytest.raises(KeyError):
            work()
    assert answer.id not in [node.id for node in conversations.tree(id)]


def test_clearing_can_be_undone(conversations, talk):
    id, *messages, _ = talk
    before = conversations.branch(id)
    batch = conversations.clear(id)
    assert (conversations.branch(id), conversations.tree(id)) == ([], [])
    new = conversations.add_message(id, None, "user", "afresh")
    conversations.undo_removal(batch)
    assert conversations.branch(id) == before
    assert conversations.siblings(new.id) == [messages[0], new]


@pytest.mark.parametrize("is_crash", [False, True])
def test_a_reply_to_a_deleted_question_goes_where_the_question_is(conversations, talk, is_crash):
    id, question, answer, other, thanks = talk
    partial = conversations.begin_reply(id, thanks.id, {})
    conversations.extend_reply(partial.id, "You are", (1,))
    batch = conversations.delete_message(thanks.id)
    if is_crash:
        (reply,) = conversations.recover()
    else:
        reply = conversations.finish_reply(partial.id, "You are welcome", (1, 2), "stop", {})
    assert conversations.branch(id) == [question, answer]
    assert conversations.siblings(reply.id) == [reply]
    conversations.undo_removal(batch)
    assert conversations.branch(id) == [question, answer, thanks]
    assert conversations.children(thanks.id) == [reply]
    assert conversations.choose(other.id).tip == other.id


def test_pins(conversations, talk):
    id, question, answer, other, _ = talk
    for message in (question, answer, answer, other):
        conversations.pin(message.id, True)
    conversations.pin(other.id, False)
    assert conversations.pinned(id) == {question.id, answer.id}
    batch = conversations.delete_message(answer.id)
    assert conversations.pinned(id) == {question.id}
    conversations.undo_removal(batch)
    assert conversations.pinned(id) == {question.id, answer.id}


def test_another_branch_begins_below_any_message(conversations, database, talk):
    id, question, answer, other, thanks = talk
    assert conversations.show_until(answer.id).tip == answer.id
    assert Conversations(database).branch(id) == [question, answer]
    more = conversations.add_message(id, conversations.get(id).tip, "user", "And in the sun?")
    assert conversations.branch(id) == [question, answer, more]
    assert conversations.children(answer.id) == [thanks, more]
    conversations.show_until(question.id)
    assert conversations.branch(id) == [question]
    assert conversations.choose(other.id).tip == other.id


def test_the_map_of_the_branches(conversations, talk):
    id, question, answer, other, thanks = talk
    long = conversations.add_message(id, other.id, "user", "天" * 100)
    assert conversations.tree(id) == [
        Node(question.id, None, "user", "What grows in shade?", question.created_at, True),
        Node(answer.id, question.id, "assistant", "Ferns", answer.created_at, False),
        Node(other.id, question.id, "assistant", "Moss", other.created_at, True),
        Node(thanks.id, answer.id, "user", "Thanks", thanks.created_at, False),
        Node(long.id, other.id, "user", "天" * 80, long.created_at, True),
    ]
    assert conversations.siblings_of(id) == {
        None: [question.id], question.id: [answer.id, other.id], answer.id: [thanks.id], other.id: [long.id],
    }  # fmt: skip


def test_a_long_conversation_opens_in_four_queries(conversations, database, monkeypatch):
    id = conversations.create().id
    parent = None
    with database.transaction():
        monkeypatch.setattr(database, "transaction", contextlib.nullcontext)
        for number in range(300):
            partial = conversations.begin_reply(id, parent, {"model": f"m{number}"})
            parent = conversations.finish_reply(partial.id, f"reply {number}", (), "stop", {}).id
    again = conversations.edit(conversations.branch(id)[-1].id, "another")
    asked = []
    query = database.query
    monkeypatch.setattr(database, "query", lambda sql, *values: (asked.append(sql), query(sql, *values))[1])
    shown = conversations.branch_view(id)
    assert len(asked) <= 4
    assert len(shown) == 300
    assert [(each.version, each.versions) for each in shown] == [(1, 1)] * 299 + [(2, 2)]
    assert [each.provenance.model for each in shown[:-1]] == [f"m{number}" for number in range(299)]
    assert (shown[-1].message, shown[-1].provenance) == (again, None)
    asked.clear()
    last = conversations.branch_view(id, most=7)
    above = conversations.branch_view(id, last[0].message.id, 290)
    assert len(asked) <= 8
    assert above + last == shown[3:]
    assert conversations.branch_view(id, above[0].message.id, 290) == shown[:3]
    assert conversations.branch_view(id, shown[0].message.id, 290) == []
    assert conversations.branch_view(id, last[0].message.id) == shown[:-7]


def test_folders_and_pinned_conversations(conversations):
    first, second, third = (conversations.create(title) for title in "abc")
    conversations.set_folder(first.id, " Work ")
    conversations.set_folder(second.id, "garden")
    conversations.set_folder(third.id, "旅行")
    conversations.set_pinned(second.id, True)
    assert {c.title: (c.folder, c.is_pinned, c.damaged) for c in conversations.list()} == {
        "a": ("Work", False, False), "b": ("garden", True, False), "c": ("旅行", False, False),
    }  # fmt: skip
    conversations.set_folder(first.id, "")
    assert {c.title: c.folder for c in conversations.list()}["a"] == ""
    with pytest.raises(KeyError):
        conversations.set_folder("x", "Work")


def test_the_trash_begins_with_the_newest_and_empties_itself_after_thirty_days(tmp_path, monkeypatch):
    with contextlib.closing(open_database(tmp_path / "chatdesk.db", tmp_path)) as database:
        c = Conversations(database)
        old, young, live = (c.create(title).id for title in ("old", "young", "live"))
        for id in (old, young, live):
            c.add_message(id, None, "user", f"{id} cobalt")
        kept = c.add_message(live, None, "user", "cobalt kept")
        gone = c.add_message(live, None, "user", "cobalt gone")
        now = time.time()
        monkeypatch.setattr(time, "time", lambda: now - 31 * 86400)
        c.delete(old)
        c.delete_message(gone.id)
        monkeypatch.setattr(time, "time", lambda: now - 29 * 86400)
        c.delete(young)
        c.delete_message(kept.id)
        monkeypatch.setattr(time, "time", lambda: now)
        assert [each.title for each in c.trash()] == ["young", "old"]
        waiting = c.begin_reply(live, None, {})
        c.purge_expired()
        assert [each.title for each in c.trash()] == ["young"]
        assert c.message(gone.id).text == "cobalt gone"  # a reply waits in this conversation
        c.drop_reply(waiting.id)
        c.purge_expired()
        with pytest.raises(KeyError):
            c.message(gone.id)
        assert c.message(kept.id) == kept
        assert [hit.conversation_id for hit in c.search("cobalt")] == [live]
        assert database.query("SELECT count(*) FROM message_search_docsize") == [(3,)]
        assert database.query("PRAGMA foreign_key_check") == []
    assert b"cobalt gone" not in (tmp_path / "chatdesk.db").read_bytes()


def test_messages_in_the_trash_are_listed_and_can_go_for_good(tmp_path, monkeypatch):
    with contextlib.closing(open_database(tmp_path / "chatdesk.db", tmp_path)) as database:
        c = Conversations(database)
        id = c.create("Colours").id
        ask = c.add_message(id, None, "user", "cobalt ask")
        reply = c.add_message(id, ask.id, "assistant", "<think>hm</think>\n\ncobalt reply")
        other = c.add_message(id, ask.id, "assistant", "cobalt other")
        first, second = c.delete_message(reply.id), c.clear(id)
        found = [(each.batch, each.title, each.beginning, each.count) for each in c.removals()]
        assert found == [(second, "Colours", "cobalt ask", 2), (first, "Colours", "cobalt reply", 1)]
        c.delete(id)
        assert c.removals() == ()  # they are with their conversation
        c.restore(id)
        c.purge_removal(first)
        c.undo_removal(second)
        assert [each.text for each in c.branch(id)] == [ask.text, other.text]
        assert len(c.search("cobalt")) == 2
        c.purge_removal(c.delete_message(ask.id))
        assert (c.removals(), c.branch(id), c.search("cobalt")) == ((), [], [])
        assert database.query("PRAGMA foreign_key_check") == []
    assert b"cobalt" not in (tmp_path / "chatdesk.db").read_bytes()


def test_a_reply_deleted_while_the_clock_was_ahead_goes_with_its_question(conversations, monkeypatch):
    """Else the trash could not be emptied, and the program not be started."""
    id = conversations.create().id
    ask = conversations.add_message(id, None, "user", "ask")
    reply = conversations.add_message(id, ask.id, "assistant", "reply")
    now = time.time()
    for message, days in ((reply, 400), (ask, 0)):
        monkeypatch.setattr(time, "time", lambda days=days: now + days * 86400)
        conversations.delete_message(message.id)
    monkeypatch.setattr(time, "time", lambda: now + 31 * 86400)
    conversations.purge_expired()
    for message in (ask, reply):
        with pytest.raises(KeyError):
            conversations.message(message.id)


@pytest.mark.parametrize(
    ("text", "beginning"),
    [
        ("<think>\nlong " + "x" * 90 + "</think>\n\nThe answer", "The answer"),
        (" \n<think></think>b", "b"),
        ("<think>never closed", "<think>never closed"),
        ("a <think>b</think>c", "a <think>b</think>c"),
        ("y" * 90, "y" * 80),
    ],
)
def test_the_map_shows_how_answers_begin(conversations, text, beginning):
    """Versions differ there, not in what was thought first."""
    home = conversations.create("Salt")
    asked = conversations.add_message(home.id, None, "user", "<think>a</think>b")
    conversations.add_message(home.id, asked.id, "assistant", text, finish_reason="stop")
    assert [node.beginning for node in conversations.tree(home.id)] == ["<think>a</think>b", beginning]
