"""The desk while the disk refuses, the store is slow, answers fail, or a backup is restored: no word is lost."""

import contextlib
import sqlite3

import msgspec
import pytest

from chatdesk.engine.api import Count, Counted, Failed, Loaded
from chatdesk.errors import Fault, UserError
from chatdesk.storage.backups import RESTORING, available, before_migration
from chatdesk.storage.documents import Documents
from chatdesk.tasks import writing_changes as w
from chatdesk.tasks.shelf import Shelf
from tests.tasks.desk import INFO, answered
from tests.tasks.writing_desk import WritingDesk


@pytest.fixture
def desk(tmp_path):
    made = WritingDesk(tmp_path)
    yield made
    made.close()


@pytest.fixture
def full(monkeypatch):
    """A disk that takes no words; calling it makes room."""

    def refuse(*_):
        raise UserError(Fault.DISK_FULL, path="x")

    with monkeypatch.context() as patch:
        patch.setattr(Documents, "save", refuse)
        yield patch.undo


def two_documents(desk):
    """Ids of one that is not open, and of the open one."""
    desk.type("other")
    other = desk.writing.document.id
    desk.tick()
    desk.writing.new()
    desk.settle()
    return other, desk.writing.document.id


def test_words_that_the_disk_refuses_are_not_left(desk, request):
    other, first = two_documents(desk)
    make_room = request.getfixturevalue("full")
    desk.type("mine")
    for _ in range(2):
        desk.writing.open(other)
        desk.settle()
        assert (desk.writing.document.id, desk.text) == (first, "mine")
        assert desk.newest(w.WritingNotice).notice.fault is Fault.DISK_FULL
    make_room()
    desk.tick()
    assert desk.newest(w.WritingNotice).notice is None
    desk.writing.open(other)
    desk.settle()
    assert (desk.text, desk.stored(first).text, desk.stored(other).text) == ("other", "mine", "other")


def test_refused_words_come_into_the_editor_that_follows(desk, request):
    make_room = request.getfixturevalue("full")
    desk.type("mine")
    id = desk.writing.document.id
    desk.writing.close()
    desk.text = ""  # the window is built anew, in another language
    desk.writing.start(id)
    desk.settle()
    assert desk.text == "mine"
    desk.tick()
    assert desk.newest(w.WritingNotice).notice.fault is Fault.DISK_FULL
    make_room()
    desk.tick()
    assert desk.stored(id).text == "mine"


def test_words_typed_while_another_document_is_read_are_not_lost_to_a_full_disk(desk, request):
    other, first = two_documents(desk)
    desk.writing.open(other)
    desk.store.submit(lambda c: None).result()
    request.getfixturevalue("full")
    desk.type("late")
    desk.settle()
    assert (desk.writing.document.id, desk.text) == (first, "late")


def test_nothing_is_open_until_the_new_editor_has_the_words(desk):
    desk.type("words")
    desk.tick()
    id = desk.writing.document.id
    desk.text = ""  # a new editor
    desk.writing.start(id)
    desk.type("x")
    desk.writing.tick()
    desk.settle()
    assert (desk.text, desk.stored(id).text) == ("words", "words")


def test_a_document_is_not_read_over_what_was_typed_into_it_meanwhile(desk):
    desk.type("words")
    desk.tick()
    desk.writing.open(desk.writing.document.id)
    desk.type("words and more")
    desk.settle()
    assert desk.text == "words and more"
    desk.tick()
    assert desk.stored().text == "words and more"


def test_what_follows_an_opening_follows_that_one_alone(desk):
    other, _ = two_documents(desk)
    called = []
    desk.writing.new(then=lambda: called.append("left"))
    desk.writing.open(other)
    desk.settle()
    assert (called, desk.text) == ([], "other")
    desk.writing.new(then=lambda: called.append(desk.writing.document.id))
    desk.settle()
    assert called == [desk.writing.document.id] != [other]


def test_a_version_of_a_document_that_was_left_does_not_come_into_another(desk):
    desk.type("old")
    desk.writing.keep_version()
    (kept,) = answered(desk, desk.writing.versions)
    desk.type("first")
    first = desk.writing.document.id
    desk.writing.new()
    desk.writing.restore_version(kept.id)
    desk.settle()
    assert desk.writing.document.id != first
    assert desk.text == ""
    assert not [c for c in desk.seen if isinstance(c, w.DocumentOpened) and c.is_restored and c.document.id != first]


def test_counting_goes_on_after_an_answer_that_failed_and_with_another_model(desk):
    def counts():
        return [each.text for each in desk.engine.requests if isinstance(each, Count)]

    desk.load()
    desk.type("some words")
    desk.tick()
    desk.tick()
    desk.say(Failed(desk.engine.requests[-1].id, Fault.CANCELLED, {}))  # the model was unloaded meanwhile
    desk.type("more words")
    desk.tick()
    desk.tick()
    assert counts() == ["some words", "more words"]
    desk.say(Counted(desk.engine.requests[-1].id, 2))
    desk.tick()
    assert len(counts()) == 2
    desk.models.load("/models/tiny")
    desk.say(Loaded(desk.engine.requests[-1].id, msgspec.structs.replace(INFO, path="/models/other")))
    desk.tick()
    assert counts()[2:] == ["more words"]
    desk.say(Counted(desk.engine.requests[-1].id, 3))
    desk.type("x" * 200_001)
    desk.tick()
    desk.tick()
    assert len(counts()) == 3
    assert desk.newest(w.Counts).tokens == 0  # no figure rather than that of an older text


def test_a_title_given_by_hand_is_not_overwritten_by_words_on_their_way(desk):
    desk.type("A line")
    desk.tick()
    desk.type("A line, longer")
    desk.writing.rename(desk.writing.document.id, "Mine")
    desk.writing.tick()  # before the store has answered
    desk.settle()
    assert desk.newest(w.DocumentsChanged).documents[0].title == desk.writing.document.title == "Mine"


def test_the_title_is_that_of_the_newest_words(desk):
    for words in ("A", "A longer title"):
        desk.type(words)
        desk.writing.tick()
    desk.settle()
    assert desk.writing.document.title == desk.newest(w.DocumentRenamed).title == "A longer title"


def test_words_typed_while_a_document_is_deleted_are_in_the_trash_with_it(desk):
    desk.type("kept")
    desk.tick()
    id = desk.writing.document.id
    desk.writing.delete(id)
    desk.type("kept and more")
    desk.settle()
    assert desk.stored(id).text == "kept and more"
    assert desk.writing.document.id != id


def test_refused_words_outlive_their_editor_and_are_tried_again(desk, request):
    desk.type("kept")
    desk.tick()
    id = desk.writing.document.id
    make_room = request.getfixturevalue("full")
    desk.type("only here")
    desk.writing.close()  # the window is built anew, with another page shown: no editor follows for now
    desk.writing.words = lambda: pytest.fail("the editor is gone")
    desk.settle()
    desk.tick()
    assert desk.stored(id).text == "kept"
    make_room()
    desk.tick()
    assert desk.stored(id).text == "only here"
    assert desk.writing._left == {}


def test_the_open_document_is_shown_as_a_restored_backup_has_it(desk):
    copies = desk.folder / "copies"
    shelf = Shelf(desk.store, desk.chat, copies, desk._posted.put)
    shelf.leave_documents = desk.writing.leave
    desk.type("as it was")
    desk.tick()
    id = desk.writing.document.id
    desk.store.submit(lambda c: before_migration(c._database.connection, copies, "copy.db")).result()
    desk.type("a mistake")  # not yet on the disk
    assert answered(desk, lambda back: shelf.restore_backup(copies / "copy.db", back)) is None
    desk.settle()
    assert (desk.writing.document.id, desk.text) == (id, "as it was")
    desk.type("as it was, and more")
    desk.tick()
    assert desk.stored(id).text == "as it was, and more"
    (former,) = (each for each in available(desk.folder / "backups") if each.path.name.startswith(RESTORING))
    with contextlib.closing(sqlite3.connect(former.path)) as before:
        assert before.execute("SELECT text FROM document_texts").fetchall() == [("a mistake",)]


def test_an_answer_from_before_the_window_was_built_anew_is_not_shown(desk):
    id = desk.writing.document.id
    desk.writing.new()  # reads the document, which is empty still
    desk.type("typed meanwhile")
    desk.writing.close()
    desk.text = ""
    desk.seen.clear()
    desk.writing.start(id)
    desk.settle()
    assert [each.words.text for each in desk.seen if isinstance(each, w.DocumentOpened)] == ["typed meanwhile"]


def test_of_refused_words_the_newest_are_tried_again(desk, request):
    id = desk.writing.document.id
    make_room = request.getfixturevalue("full")
    desk.type("one")
    desk.writing.tick()
    desk.type("one two")
    desk.writing.close()  # both are on their way, and the first one will be refused
    desk.store.submit(lambda c: None).result()
    desk._posted.get()()
    make_room()
    desk.writing.close()
    desk.settle()
    assert desk.stored(id).text == "one two"
    assert (desk.writing._left, desk.writing._newest) == ({}, {})


def test_the_same_refused_words_may_be_tried_twice_at_once(desk, monkeypatch):
    id, save, takes = desk.writing.document.id, Documents.save, iter([False, True, False, True])

    def maybe(documents, *words):
        if not next(takes):
            raise UserError(Fault.DISK_FULL, path="x")
        save(documents, *words)

    monkeypatch.setattr(Documents, "save", maybe)
    desk.type("one")
    desk.writing.close()
    desk.settle()
    desk.writing.close()
    desk.writing.close()
    desk.settle()
    desk.tick()
    assert desk.stored(id).text == "one"
    assert desk.writing._left == {}


def refuse(*_):
    raise UserError(Fault.DISK_FULL, path="x")


def test_settings_that_the_disk_refuses_stay_and_are_written_later(desk, monkeypatch):
    other, opened = two_documents(desk)
    with monkeypatch.context() as patch:
        patch.setattr(Documents, "set_settings", refuse)
        desk.writing.set_setting("memory", "Ada keeps a lighthouse.")
        desk.tick()
        assert desk.newest(w.WritingNotice).notice.fault == Fault.DISK_FULL
        desk.writing.open(other)
        desk.settle()
        desk.writing.open(opened)
        desk.settle()
        assert desk.writing.values == {"memory": "Ada keeps a lighthouse."}
        desk.writing.open(other)
        desk.settle()
    desk.tick()
    settings = desk.store.submit(lambda c: c.documents.get(opened).settings).result()
    assert settings["memory"] == "Ada keeps a lighthouse."
    desk.writing.open(opened)
    desk.settle()
    desk.writing.set_setting("memory", None)
    desk.tick()
    assert "memory" not in desk.store.submit(lambda c: c.documents.get(opened).settings).result()


def test_a_title_that_the_disk_refuses_is_not_shown(desk, monkeypatch):
    other, opened = two_documents(desk)
    before = desk.writing.document.title
    with monkeypatch.context() as patch:
        patch.setattr(Documents, "rename", refuse)
        desk.writing.rename(opened, "Another")
        desk.settle()
    assert desk.newest(w.DocumentRenamed).title == before
    assert desk.newest(w.WritingNotice).notice.fault == Fault.DISK_FULL
    seen = len(desk.seen)
    with monkeypatch.context() as patch:
        patch.setattr(Documents, "rename", refuse)
        desk.writing.rename(other, "Another")
        desk.settle()
    assert not any(isinstance(change, w.DocumentRenamed) for change in desk.seen[seen:])


def test_half_a_character_in_a_setting_costs_no_other(desk):
    desk.writing.set_setting("memory", "half \ud83d of one")
    desk.writing.set_setting("temperature", 0.25)
    desk.settle()
    settings = desk.store.submit(lambda c: c.documents.get(desk.writing.document.id).settings).result()
    assert (settings["memory"], settings["temperature"]) == ("half \ufffd of one", 0.25)
