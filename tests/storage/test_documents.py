"""Documents of the writing desk: what is saved, every version of it, damage, the trash."""

import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatdesk.errors import Fault, UserError
from chatdesk.storage import documents as module
from chatdesk.storage.documents import _common
from chatdesk.storage.records import Span


@pytest.fixture
def documents(conversations):
    return conversations.documents


def test_what_is_saved_is_there(documents):
    made = documents.create("A letter", "Dear 天气", settings={"memory": "x"}, folder=" Letters ")
    assert (documents.get(made.id), made.folder) == (made, "Letters")
    spans = (Span(0, 4, "g"), Span(5, 7, "h"))
    documents.save(made.id, "Dear Ann \ud83d\ude00\ud800", spans)
    found = documents.text(made.id)
    assert (found.text, found.spans, found.damaged) == ("Dear Ann 😀\ufffd", spans, False)
    documents.rename(made.id, "Another")
    documents.set_folder(made.id, "")
    documents.set_settings(made.id, {"note": 1})
    (listed,) = documents.list()
    assert (listed.title, listed.folder, listed.settings) == ("Another", "", {"note": 1})
    with pytest.raises(KeyError):
        documents.save("nobody", "x")


def test_the_list_begins_with_what_was_changed_last(documents):
    first, second = documents.create("first"), documents.create("second")
    documents.save(first.id, "words")
    assert [each.title for each in documents.list()] == ["first", "second"]
    documents.delete(second.id)
    assert [each.title for each in documents.list()] == ["first"]
    assert [each.title for each in documents.trash()] == ["second"]
    documents.undelete(second.id)
    assert len(documents.list()) == 2


def test_purging_leaves_nothing(documents, database):
    made = documents.create("secret", "words")
    documents.keep(made.id)
    documents.add_generations(made.id, {"g": "more"}, {"model": "m"})
    documents.delete(made.id)
    documents.purge_expired(0.0)
    assert len(documents.trash()) == 1
    documents.purge_expired(2e10)
    for table in ("documents", "document_texts", "document_versions", "generations"):
        assert database.query(f"SELECT count(*) FROM {table}") == [(0,)]


def test_two_minutes_of_typing_are_a_version_and_the_same_words_never_two(documents, monkeypatch):
    made = documents.create()
    documents.save(made.id, "one")
    assert documents.versions(made.id) == ()
    monkeypatch.setattr(module, "VERSION_EVERY_S", 0.0)
    documents.save(made.id, "one two")
    documents.save(made.id, "one two")
    documents.keep(made.id)
    kept = documents.versions(made.id)
    assert [documents.version_text(version.id).text for version in kept] == ["one two", "one"]
    assert [version.reason for version in kept] == ["typed", "typed"]


def test_restoring_keeps_what_was_there(documents):
    made = documents.create("t", "first", (Span(0, 5, "g"),))
    documents.keep(made.id)
    documents.save(made.id, "second")
    (old,) = documents.versions(made.id)
    assert documents.restore_version(old.id).text == "first"
    assert documents.text(made.id).text == "first"
    assert documents.text(made.id).spans == (Span(0, 5, "g"),)
    texts = [documents.version_text(version.id).text for version in documents.versions(made.id)]
    assert texts == ["second", "first"]


def test_every_one_of_many_versions_is_as_it_was_and_small(documents, database):
    dice = random.Random(5)
    made = documents.create()
    text = " ".join(f"word{dice.random()}" for _ in range(5000))
    texts = []
    for number in range(130):
        at, length = dice.randrange(len(text)), dice.randrange(40)
        text = text[:at] + "天气 " * dice.randrange(5) + str(number) + text[at + length :]
        documents.save(made.id, text)
        documents.keep(made.id)
        texts.append(text)
    assert [documents.version_text(version.id).text for version in documents.versions(made.id)] == texts[::-1]
    ((size, whole),) = database.query("SELECT sum(length(body)), sum(base_id IS NULL) FROM document_versions")
    assert whole == 3
    assert size < 4 * len(text)


@given(st.text("ab", max_size=60), st.text("ab", max_size=60))
def test_the_common_beginning_is_the_longest(one, other):
    length = _common(one, other)
    assert one[:length] == other[:length]
    assert length == min(len(one), len(other)) or one[length] != other[length]


def test_damaged_words_are_shown_as_damaged_and_kept_when_others_take_their_place(documents, database):
    made = documents.create("t", "The quick fox", (Span(0, 3, "g"),))
    database.execute("UPDATE document_texts SET text = CAST(? AS TEXT)", b"The qu\xe9ck fox")
    found = documents.text(made.id)
    assert (found.text, found.spans, found.damaged) == ("The qu\ufffdck fox", (), True)
    documents.save(made.id, "The quick fox")
    assert not documents.text(made.id).damaged
    (kept,) = documents.versions(made.id)
    assert (kept.reason, documents.version_text(kept.id).text) == ("damaged", "The qu\ufffdck fox")


@pytest.mark.parametrize("column", ["body", "prefix", "base_id", "text_digest", "spans"])
def test_a_damaged_version_is_never_shown_as_sound_and_hinders_nothing(documents, database, column):
    made = documents.create("t", "a long enough beginning")
    for end in ("", " and", " and more", " and more words"):
        documents.save(made.id, f"a long enough beginning{end}")
        documents.keep(made.id)
    kept = documents.versions(made.id)
    value = {"body": "zeroblob(9)", "prefix": "3", "base_id": "NULL", "text_digest": "zeroblob(32)", "spans": "'['"}
    database.execute(f"UPDATE document_versions SET {column} = {value[column]} WHERE id = ?", kept[1].id)
    with pytest.raises(UserError) as caught:
        documents.version_text(kept[1].id)
    assert caught.value.fault is Fault.DATABASE_CORRUPT
    assert documents.version_text(kept[3].id).text == "a long enough beginning"
    documents.save(made.id, "a long enough beginning, changed")
    documents.keep(made.id)
    assert documents.version_text(documents.versions(made.id)[0].id).text == "a long enough beginning, changed"


def test_what_a_model_wrote_is_kept_with_its_origin(documents):
    made = documents.create()
    first, second = documents.add_generations(made.id, {"g": "one", "h": "two"}, {"model": "m", "seed": 7})
    assert documents.generations(made.id) == (second, first)
    assert first.record == {"model": "m", "seed": 7}
    with pytest.raises(KeyError):
        documents.add_generations("nobody", {"i": "x"}, {})


def test_documents_are_found_by_their_words(documents):
    old = documents.create("Voyage", "The Café by the sea.\nA boat sails at dawn.")
    new = documents.create("", "今天天气很好, and the boat waits.")
    gone = documents.create("Boat", "")
    documents.delete(gone.id)

    def found(text, limit=20):
        return [hit.document_id for hit in documents.search(text, limit)]

    assert found("boat") == [new.id, old.id]
    assert found("boat", 1) == [new.id]
    assert found("cafe SAI") == [old.id]  # all words, accents and case aside, the last may be a beginning
    assert found("天气") == [new.id]
    assert found("voyage dawn") == [old.id]  # of title and text together
    assert found("boat train") == found("  ") == []
    [hit] = documents.search("dawn")
    assert hit.snippet[hit.matches[0][0] :][: hit.matches[0][1]] == "dawn"
    [title] = documents.search("voy")
    assert (title.snippet, title.matches) == ("Voyage", ((0, 3),))


def test_a_title_is_found_behind_any_number_of_texts(documents):
    documents.create("The lighthouse", "nothing")
    for number in range(25):
        documents.create(f"n{number}", "a lighthouse here")
    found = documents.search("lighthouse", 20)
    assert [hit.title for hit in found[:2]] == ["The lighthouse", "n24"]
    assert len(found) == 20


def test_a_clock_that_was_ahead_holds_up_no_versions(documents, monkeypatch):
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 1e9)
    id = documents.create("D", "one").id
    documents.keep(id)
    monkeypatch.setattr(time, "time", lambda: now)
    for words in ("two", "three", "four"):
        documents.save(id, words)
    monkeypatch.setattr(time, "time", lambda: now + module.VERSION_EVERY_S)
    documents.save(id, "five")
    texts = [documents.version_text(each.id).text for each in documents.versions(id)]
    assert texts == ["four", "two", "one"]
