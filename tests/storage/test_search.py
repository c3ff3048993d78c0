"""What is found and what is not; that no query is an error; that damage to the index keeps no message out."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatdesk.errors import Fault, UserError
from chatdesk.storage import database as databases
from chatdesk.storage.conversations import Conversations
from chatdesk.storage.database import open_database
from chatdesk.storage.records import Attachment
from chatdesk.storage.words import indexed, query, ranges, snippet

TEXT = "Das Café in der Straße: 今天天气很好。Python天气 🌿, don't STOP"


def marked(hit):
    return [hit.snippet[start : start + length] for start, length in hit.matches]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("天", ["天", "天", "天"]),
        ("天气", ["天气", "天气"]),
        ("今天天气", ["今天天气"]),
        ("气很好", ["气很好"]),
        ("好", ["好"]),
        ("气天", None),
        ("cafe", ["Café"]),
        ("CAFÉ", ["Café"]),
        ("cafe\u0301", ["Café"]),
        ("ＣＡＦＥ", ["Café"]),
        ("strasse", ["Straße"]),
        ("STRA", ["Stra"]),
        ("trasse", None),
        ("天气 cafe", ["Café", "天气", "天气"]),
        ("caf das", None),  # only the last word may be unfinished
        ("das caf", ["Das", "Caf"]),
        ('"das cafe"', ["Das Café"]),
        ('"cafe das"', None),
        ('"das caf"', None),
        ("“das cafe”", ["Das Café"]),
        ('"das cafe', ["Das Café"]),
        ("don't", ["don't"]),
        ("python天", ["Python天"]),
        ("pyth", ["Pyth"]),
        ("🌿", ["🌿"]),
        ("d", ["Das", "der", "don"]),
    ],
)
def test_what_is_found(conversations, asked, found):
    id = conversations.create("Title").id
    message = conversations.add_message(id, None, "user", TEXT)
    hits = conversations.search(asked)
    if found is None:
        assert hits == []
        return
    (hit,) = hits
    assert (hit.conversation_id, hit.title, hit.message_id, hit.role) == (id, "Title", message.id, "user")
    assert hit.created_at == message.created_at
    assert marked(hit) == (["D", "d", "d"] if asked == "d" else found)


@given(
    st.text(max_size=30)
    | st.lists(st.sampled_from(['"', "*", "AND", "NEAR(", "天", "-", "^", ":", "a", " "])).map("".join)
)
@settings(max_examples=150, deadline=None)
def test_no_query_is_an_error(asked):
    read = query(asked)
    assert read.expression.count('"') % 2 == 0
    assert all(length > 0 for _, length in ranges(asked, read.patterns))


def test_of_a_text_pasted_as_a_query_the_first_words_count():
    asked = query(" ".join(f"word{number}" for number in range(3000)))
    assert len(asked.patterns) == 32
    assert asked.expression.endswith('"word31" *')


def test_no_query_is_an_error_for_the_database(conversations):
    conversations.add_message(conversations.create("a").id, None, "user", "a b text message_search 天")
    for asked in (
        '"',
        "*",
        "a*",
        "^a",
        "text:a",
        "-a",
        "a OR zzz",
        "NEAR(a b)",
        "(a",
        "a AND",
        "'",
        "\0",
        "{a}",
        "天*",
    ):
        assert all(hit.matches for hit in conversations.search(asked))
    assert conversations.search("") == conversations.search(' " ') == []
    assert conversations.search("a OR zzz") == []


@given(st.text(min_size=1, max_size=40), st.text(max_size=10), st.text(max_size=10))
@settings(max_examples=200, deadline=None)
def test_a_word_of_a_text_is_found_where_it_stands(word, before, after):
    text = f"{before} {word} {after}"
    patterns = query(f'"{word}"').patterns if '"' not in word else ()
    places = ranges(text, patterns)
    if indexed(word) and patterns:
        assert places
    assert all(0 <= start < start + length <= len(text) for start, length in places)


def test_titles_come_first_and_follow_a_renaming(conversations):
    id = conversations.create("Weather").id
    message = conversations.add_message(id, None, "user", "weather report")
    assert [hit.message_id for hit in conversations.search("weath")] == [None, message.id]
    assert conversations.search("weath")[0].role is None
    conversations.rename(id, "天气")
    assert [hit.message_id for hit in conversations.search("weather")] == [message.id]
    (hit,) = conversations.search("天")
    assert (hit.snippet, marked(hit), hit.message_id) == ("天气", ["天"], None)


def test_branches_count_and_the_trash_does_not(conversations):
    id = conversations.create("x").id
    first = conversations.add_message(id, None, "user", "amber one")
    second = conversations.edit(first.id, "amber two")
    assert {hit.message_id for hit in conversations.search("amber")} == {first.id, second.id}
    batch = conversations.delete_message(first.id)
    assert {hit.message_id for hit in conversations.search("amber")} == {second.id}
    conversations.undo_removal(batch)
    conversations.delete(id)
    assert conversations.search("amber") == []
    conversations.restore(id)
    assert len(conversations.search("amber")) == 2
    conversations.purge(id)
    assert conversations.search("amber") == []


def test_a_reply_is_found_when_it_is_finished(conversations):
    id = conversations.create("x").id
    partial = conversations.begin_reply(id, None, {})
    conversations.extend_reply(partial.id, "amber", (1,))
    assert conversations.search("amber") == []
    conversations.finish_reply(partial.id, "amber light", (1, 2), "stop", {})
    assert [hit.message_id for hit in conversations.search("amber")] == [partial.id]


def test_the_best_is_first_and_among_equals_the_newest(conversations, monkeypatch):
    id = conversations.create("x").id
    for number in range(20):
        conversations.add_message(id, None, "user", f"something else {number}")
    monkeypatch.setattr("time.time", lambda: 1e9)
    old = conversations.add_message(id, None, "user", "amber")
    monkeypatch.undo()
    new = conversations.add_message(id, None, "user", "amber")
    weak = conversations.add_message(id, None, "user", "amber among " + "very many other words " * 20)
    assert [hit.message_id for hit in conversations.search("amber")] == [new.id, old.id, weak.id]


def test_pages_hold_everything_once(conversations, monkeypatch):
    monkeypatch.setattr("chatdesk.storage.search._RANKED", 10)
    id = conversations.create("amber").id
    ids = [conversations.add_message(id, None, "user", f"amber {'x ' * (n % 7)}").id for n in range(35)]
    pages = [conversations.search("amber", 8, offset) for offset in range(0, 48, 8)]
    assert [len(page) for page in pages] == [8, 8, 8, 8, 4, 0]
    found = [hit.message_id for page in pages for hit in page]
    assert found[0] is None
    assert sorted(found[1:]) == sorted(ids)
    assert found[11:] == ids[24::-1]


def test_a_snippet_stands_around_its_match(conversations):
    id = conversations.create("x").id
    conversations.add_message(id, None, "user", "before\n" * 200 + "the amber\tlight" + " after" * 200)
    (hit,) = conversations.search("amber")
    assert hit.snippet.startswith("…before before")
    assert "the amber light after" in hit.snippet
    assert hit.snippet.endswith("…")
    assert "\n" not in hit.snippet
    assert marked(hit) == ["amber"]
    assert len(hit.snippet) < 170
    assert snippet("short", []) == ("short", ())


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE message_search_data SET block = x'ff00ff' WHERE id > 1",
        "UPDATE message_search_data SET block = zeroblob(5)",
        "DELETE FROM message_search_data",
        "UPDATE message_search_config SET v = 99",
        "DELETE FROM message_search_docsize",
    ],
)
def test_damage_to_the_index_keeps_no_message_out_and_is_mended(tmp_path, damage):
    path = tmp_path / "chatdesk.db"
    with contextlib.closing(open_database(path, tmp_path)) as database:
        c = Conversations(database)
        id = c.create("x").id
        for number in range(40):
            c.add_message(id, None, "user", f"amber {number}")
        database.execute(damage)
    with contextlib.closing(open_database(path, tmp_path)) as database:
        c = Conversations(database)
        last = c.add_message(id, None, "user", "amber last")
        assert c.branch(id) == [last]
        assert len(c.search("amber", 100)) == 41
        assert [hit.message_id for hit in c.search("last")] == [last.id]


def test_searching_works_where_nothing_can_be_written(tmp_path, monkeypatch):
    path = tmp_path / "chatdesk.db"
    with contextlib.closing(open_database(path, tmp_path)) as database:
        c = Conversations(database)
        c.add_message(c.create("x").id, None, "user", "amber")
        database.execute("DELETE FROM message_search_docsize")  # so that the index is built anew

    def refuse(*_):
        raise UserError(Fault.DISK_FULL, path=path)

    monkeypatch.setattr(databases, "_connect", refuse)
    with contextlib.closing(open_database(path, tmp_path)) as database:
        assert database.read_only is not None
        assert len(Conversations(database).search("amber")) == 1


def test_names_of_attachments_are_found_and_their_texts_are_not(conversations, database):
    id = conversations.create("x").id
    files = [Attachment("garden-plan.md", "beds of clover"), Attachment("天气表.csv", "")]
    message = conversations.add_message(id, None, "user", "See this", attachments=files)
    (hit,) = conversations.search("garden")
    assert (hit.message_id, hit.snippet) == (message.id, "See this garden-plan.md 天气表.csv")
    assert [hit.snippet[start:][:size] for start, size in hit.matches] == ["garden"]
    assert [hit.message_id for hit in conversations.search("天气")] == [message.id]
    assert conversations.search("clover") == []
    database.execute("UPDATE messages SET attachments = 'no json'")
    assert conversations.search("garden") == []


def test_a_purged_message_with_attachments_leaves_nothing_in_the_index(conversations, database):
    id = conversations.create("x").id
    conversations.add_message(id, None, "user", "See this", attachments=[Attachment("plan.md", "")])
    conversations.purge(id)
    assert database.query("SELECT rowid FROM message_search WHERE message_search MATCH 'plan'") == []
    assert database.query("SELECT count(*) FROM message_search_docsize") == [(0,)]
