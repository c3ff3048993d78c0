"""Finding, ordering, trash, backups, files out and in: over a real store, without a window."""

from collections.abc import Iterator
from pathlib import Path
from threading import current_thread
from typing import Any

import pytest

from chatdesk.errors import Fault, UserError
from chatdesk.storage.backups import before_migration
from chatdesk.storage.conversations import Conversations
from chatdesk.storage.documents import Documents
from chatdesk.storage.records import Conversation, Removal
from chatdesk.storage.transfer.store import Imported
from chatdesk.tasks.changes import Found, ListChanged, Notice, UndoChanged
from chatdesk.tasks.importing import Importing
from chatdesk.tasks.shelf import Shelf
from tests.tasks.desk import Desk, answered


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    made.load()
    made.answer("What is the weather like?", "It", " is raining")
    made.chat.new()
    made.answer("今天天气怎么样", "晴天")
    yield made
    made.close()


@pytest.fixture
def shelf(desk: Desk) -> Shelf:
    return Shelf(desk.store, desk.chat, desk.folder / "backups", desk._posted.put)


def test_search_in_both_languages_and_open_at_the_message(desk: Desk, shelf: Shelf) -> None:
    [hit] = answered(desk, lambda done: shelf.search("rain", done))
    assert hit.role == "assistant"
    shelf.show(hit.conversation_id, hit.message_id)
    desk.settle()
    assert desk.texts() == ["What is the weather like?", "It is raining"]
    assert desk.last(Found).id == hit.message_id
    hits = answered(desk, lambda done: shelf.search("天气", done))
    assert {hit.conversation_id for hit in hits} == {c.id for c in desk.last(ListChanged).conversations[:1]}


def test_only_the_last_search_is_answered(desk: Desk, shelf: Shelf) -> None:
    late: list[object] = []
    shelf.search("rain", late.append)
    assert answered(desk, lambda done: shelf.search("nothing of the kind", done)) == []
    assert late == []


def test_the_texts_are_looked_through_on_the_thread_of_the_store(
    desk: Desk, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[str] = []
    whole = Documents.search

    def search(documents: Documents, *asked: Any) -> Any:
        threads.append(current_thread().name)
        return whole(documents, *asked)

    monkeypatch.setattr(Documents, "search", search)
    assert answered(desk, lambda done: shelf.search("rain", done))
    assert threads == ["chatdesk-storage"]


def test_folders_and_pins(desk: Desk, shelf: Shelf) -> None:
    conversation = desk.chat.open_id
    shelf.set_folder(conversation, " Weather ")
    shelf.set_pinned(conversation, True)
    desk.settle()
    found = next(c for c in desk.last(ListChanged).conversations if c.id == conversation)
    assert (found.folder, found.is_pinned) == ("Weather", True)


def test_trash(desk: Desk, shelf: Shelf) -> None:
    conversation = desk.chat.open_id
    desk.chat.delete(conversation)
    desk.settle()
    assert [c.id for c in answered(desk, shelf.trash)] == [conversation]
    shelf.restore(conversation)
    desk.settle()
    assert conversation in {c.id for c in desk.last(ListChanged).conversations}
    desk.chat.delete(conversation)
    shelf.purge(conversation)
    desk.settle()
    assert answered(desk, shelf.trash) == []


def test_deleted_messages_come_back_from_the_trash_into_sight(desk: Desk, shelf: Shelf) -> None:
    """However long ago they were deleted, and whatever is shown: undo knows the last step alone."""
    texts, home = desk.texts(), desk.chat.open_id
    desk.chat.clear()
    desk.settle()
    desk.chat.new()
    desk.answer("Another", "one")
    [removal] = answered(desk, shelf.trash)
    assert (removal.conversation_id, removal.count, removal.beginning) == (home, 2, texts[0])
    shelf.restore_messages(removal)
    desk.settle()
    assert (desk.chat.open_id, desk.texts()) == (home, texts)
    assert desk.last(UndoChanged) == UndoChanged("")
    assert answered(desk, shelf.trash) == []


def test_what_the_disk_refuses_is_told_to_who_asked(desk: Desk, shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise UserError(Fault.DISK_FULL, path="x")

    for work in ("restore", "purge"):
        monkeypatch.setattr(Conversations, work, full)
        notice = answered(desk, lambda done, work=work: getattr(shelf, work)(desk.chat.open_id, done))
        assert notice.fault is Fault.DISK_FULL


def test_deleted_messages_go_for_good(desk: Desk, shelf: Shelf) -> None:
    conversation = desk.chat.open_id
    desk.chat.clear()
    desk.settle()
    [removal] = answered(desk, shelf.trash)
    desk.chat.new()
    desk.answer("Another", "one")
    desk.chat.delete(desk.chat.open_id)
    desk.settle()
    assert [type(found) for found in answered(desk, shelf.trash)] == [Conversation, Removal]
    shelf.purge_messages(removal)
    assert [type(found) for found in answered(desk, shelf.trash)] == [Conversation]
    desk.chat.undo()
    desk.settle()
    shelf.show(conversation)
    desk.settle()
    assert desk.texts() == []


@pytest.mark.parametrize("work", ["restore", "purge"])
def test_what_left_the_trash_cannot_be_undone_any_more(desk: Desk, shelf: Shelf, work: str) -> None:
    """Its place in the list, with Undo, goes; for what was gone for good Undo was a mistake of the program."""
    conversation = desk.chat.open_id
    desk.chat.delete(conversation)
    desk.settle()
    listed = desk.last(ListChanged)
    assert listed.deleted is not None
    assert (listed.deleted.id, desk.last(UndoChanged)) == (conversation, UndoChanged("conversation"))
    getattr(shelf, work)(conversation)
    desk.settle()
    assert (desk.last(ListChanged).deleted, desk.last(UndoChanged)) == (None, UndoChanged(""))
    desk.chat.undo()
    desk.settle()
    assert (conversation in {c.id for c in desk.last(ListChanged).conversations}) == (work == "restore")


def test_a_restored_backup_leaves_nothing_to_undo(desk: Desk, shelf: Shelf) -> None:
    """What was deleted may never have been there."""
    source = desk.store.submit(lambda c: c._database.connection).result()
    copy = desk.folder / "backups" / "daily-2026-01-01.db"
    desk.store.submit(lambda c: before_migration(source, copy.parent, copy.name)).result()
    desk.chat.new()
    desk.answer("Later", "words")
    desk.chat.delete(desk.chat.open_id)
    desk.settle()
    assert answered(desk, lambda done: shelf.restore_backup(copy, done)) is None
    assert desk.last(UndoChanged) == UndoChanged("")
    desk.chat.undo()
    desk.settle()
    assert len(desk.last(ListChanged).conversations) == 2


@pytest.mark.parametrize(("kind", "words"), [("markdown", "is raining"), ("html", "is raining"), ("json", "raining")])
def test_export(desk: Desk, shelf: Shelf, tmp_path: Path, kind: str, words: str) -> None:
    target = tmp_path / "out"
    assert answered(desk, lambda done: shelf.export(target, "all", kind, "", done)) is None
    assert words in target.read_text("utf-8")


def test_one_message_is_exported_alone(desk: Desk, shelf: Shelf, tmp_path: Path) -> None:
    target = tmp_path / "out.md"
    reply = desk.chat._open.turns[-1]
    assert answered(desk, lambda done: shelf.export(target, "message", "markdown", reply.id, done)) is None
    text = target.read_text("utf-8")
    assert reply.text in text
    assert desk.chat._open.turns[-2].text not in text.partition("\n")[2]  # the title may say it


def test_export_to_a_place_that_is_not_there(desk: Desk, shelf: Shelf, tmp_path: Path) -> None:
    target = tmp_path / "none" / "out.md"
    notice = answered(desk, lambda done: shelf.export(target, "branch", "markdown", desk.chat.open_id, done))
    assert isinstance(notice, Notice)
    assert notice.fault is Fault.CANNOT_WRITE


def test_what_was_exported_comes_in_elsewhere_once(desk: Desk, shelf: Shelf, tmp_path: Path) -> None:
    target = tmp_path / "all.json"
    answered(desk, lambda done: shelf.export(target, "all", "json", "", done))
    other = Desk(tmp_path / "other")
    there = Shelf(other.store, other.chat, tmp_path / "other" / "backups", other._posted.put)
    first = answered(other, lambda done: there.import_file(target, done))
    assert isinstance(first, Imported)
    assert len(first.new) == 2
    again = answered(other, lambda done: there.import_file(target, done))
    assert (len(again.new), len(again.known)) == (0, 2)
    other.settle()
    assert len(other.last(ListChanged).conversations) == 2
    other.close()


@pytest.mark.parametrize("step", ["go_on", "store"])
def test_a_stopped_import_leaves_nothing(
    desk: Desk, shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """While the file is read, and when one of two conversations is stored: `Shelf.close` stops it as well."""
    target = tmp_path / "all.json"
    answered(desk, lambda done: shelf.export(target, "all", "json", "", done))
    other = Desk(tmp_path / "other")
    there = Shelf(other.store, other.chat, tmp_path / "other" / "backups", other._posted.put)
    steps, whole = [], getattr(Importing, step)

    def take(run: Importing, *how_far: int) -> None:
        steps.append(how_far)
        if len(steps) == 2:
            there.close()
        whole(run, *how_far)

    monkeypatch.setattr(Importing, step, take)
    said: list[tuple[int, int]] = []
    notice = answered(other, lambda done: there.import_file(target, done, lambda *how_far: said.append(how_far)))
    assert (notice.fault, len(steps)) == (Fault.CANCELLED, 2)
    assert other.store.submit(lambda c: c.list(True)).result() == []
    monkeypatch.undo()
    assert len(answered(other, lambda done: there.import_file(target, done)).new) == 2
    assert said == ([(0, 2)] if step == "store" else [])
    other.close()


def test_an_import_that_cannot_be_read(desk: Desk, shelf: Shelf, tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text("{")
    notice = answered(desk, lambda done: shelf.import_file(tmp_path / "bad.json", done))
    assert isinstance(notice, Notice)
    assert len(desk.last(ListChanged).conversations) == 2


def test_a_map_of_the_branches_jumps_and_the_choice_is_kept(desk: Desk, shelf: Shelf) -> None:
    conversation = desk.chat.open_id
    desk.chat.regenerate()
    request = desk.asked()
    desk.stream(request, "雨")
    desk.finish(request)
    desk.answer("谢谢", "不客气")
    question, first, second = answered(desk, lambda done: shelf.branches(conversation, done))
    assert [(each.beginning, each.messages, each.is_shown, each.is_end) for each in (question, first, second)] == [
        ("今天天气怎么样", 1, True, False),
        ("晴天", 1, False, False),
        ("雨", 3, True, True),
    ]
    shelf.show(conversation, first.id)
    desk.settle()
    assert (desk.texts(), desk.last(Found).id) == (["今天天气怎么样", "晴天"], first.id)
    desk.chat.new()
    shelf.show(conversation)
    desk.settle()
    assert desk.texts() == ["今天天气怎么样", "晴天"]
    shelf.show(conversation, second.id)
    desk.settle()
    assert desk.texts() == ["今天天气怎么样", "雨", "谢谢", "不客气"]


def test_what_a_new_branch_leaves_behind_is_on_the_map(desk: Desk, shelf: Shelf) -> None:
    conversation = desk.chat.open_id
    desk.answer("谢谢", "不客气")
    desk.chat.branch_from(desk.chat._open.turns[1].id)
    shown, rest = answered(desk, lambda done: shelf.branches(conversation, done))
    assert desk.texts() == ["今天天气怎么样", "晴天"]
    assert [(each.messages, each.is_shown, each.is_end) for each in (shown, rest)] == [
        (2, True, True),
        (2, False, False),
    ]
    shelf.show(conversation, rest.id)
    desk.settle()
    assert desk.texts() == ["今天天气怎么样", "晴天", "谢谢", "不客气"]
    assert len(answered(desk, lambda done: shelf.branches(conversation, done))) == 1


def test_html_for_print(desk: Desk, shelf: Shelf) -> None:
    assert "晴天" in str(answered(desk, lambda done: shelf.html_for_print("branch", desk.chat.open_id, done)))
