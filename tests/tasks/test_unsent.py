"""What stands unsent, while the store answers, refuses, or another conversation is shown: no letter is lost."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from chatdesk.errors import Fault, UserError
from chatdesk.storage.conversations import Conversations
from chatdesk.storage.records import Attachment, Conversation
from chatdesk.storage.transfer.store import everything
from chatdesk.tasks.changes import (
    AttachmentsChanged,
    DraftChanged,
    EditsKept,
    NoticeChanged,
    Opened,
    Renamed,
    TurnAdded,
)
from tests.tasks.desk import Desk

NOTES, CODE = Attachment("notes.md", "# Notes"), Attachment("a.py", "a = 1")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.close()


def full(*_: object, **__: object) -> None:
    raise UserError(Fault.DISK_FULL, path="/data")


def stored(desk: Desk) -> list[Conversation]:
    desk.chat.tick()
    desk.settle()
    return desk.store.submit(lambda c: c.list()).result()


def drafts(desk: Desk) -> dict[str, str]:
    return {found.title: found.draft for found in stored(desk)}


def typed(desk: Desk, text: str) -> None:
    desk.chat.set_draft(text)
    desk.changes.clear()


@pytest.mark.parametrize("ticks", [False, True])
def test_letters_typed_while_a_message_is_deleted_stay(desk: Desk, ticks: bool) -> None:
    desk.load()
    desk.answer("Hi", "Hello")
    typed(desk, "typed ")
    desk.chat.delete_turn(desk.chat._open.turns[-1].id)
    desk.chat.set_draft("typed more")
    if ticks:  # what is written then is newer than what the store answers
        desk.chat.tick()
    desk.settle()
    assert {change.text for change in desk.changes if isinstance(change, DraftChanged)} == {"typed more"}
    assert drafts(desk) == {"Hi – Hello": "typed more"}


def test_letters_typed_while_another_conversation_is_read_go_to_the_first(desk: Desk) -> None:
    desk.load()
    desk.answer("A question that is long enough for a title", "One")
    first = desk.chat.open_id
    desk.chat.new()
    desk.answer("Another one that is long enough for a title", "Two")
    desk.chat.set_draft("here")
    desk.chat.open(first)
    desk.chat.set_draft("here, too")
    desk.settle()
    assert desk.last(DraftChanged).text == ""
    assert drafts(desk) == {
        "A question that is long enough for a title": "",
        "Another one that is long enough for a title": "here, too",
    }


def test_letters_typed_while_a_new_conversation_is_made_go_to_it(desk: Desk) -> None:
    desk.chat.set_draft("half")
    desk.chat.tick()
    desk.chat.set_draft("half a letter")
    desk.chat.new()
    desk.settle()
    assert desk.last(DraftChanged).text == ""
    assert drafts(desk) == {"": "half a letter"}


def test_letters_typed_while_the_first_message_is_stored_go_to_its_conversation(desk: Desk) -> None:
    desk.load()
    desk.chat.send("A question that is long enough for a title")
    desk.chat.set_draft("and more")
    desk.chat.new()
    desk.settle()
    assert drafts(desk) == {"A question that is long enough for a title": "and more"}


def test_an_example_leaves_the_unsent_text_and_files(desk: Desk) -> None:
    desk.load()
    desk.chat.set_draft("half a letter")
    desk.chat._open.set_files((NOTES,))
    desk.chat.send_example("A question that is long enough for a title")
    assert desk.asked().prompt[0].text == "A question that is long enough for a title"
    assert drafts(desk) == {"A question that is long enough for a title": "half a letter"}
    home = desk.chat.open_id
    assert desk.store.submit(lambda c: c.unsent_attachments(home)).result() == (NOTES,)
    assert desk.last(AttachmentsChanged).files == (NOTES,)


def test_an_example_that_the_disk_refuses_leaves_them_too(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.load()
    desk.chat.set_draft("half a letter")
    with monkeypatch.context() as patch:
        patch.setattr(Conversations, "add_message", full)
        desk.chat.send_example("Who are you?")
        desk.settle()
    assert drafts(desk) == {"": "half a letter"}


def test_settings_that_the_disk_refuses_are_written_later(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.load()
    desk.answer("Hi", "Hello")
    with monkeypatch.context() as patch:
        patch.setattr(Conversations, "set_settings", full)
        desk.chat.set_setting("temperature", 0.25)
        desk.chat.tick()
        desk.settle()
    assert stored(desk)[0].settings == {"temperature": 0.25}


def test_what_the_disk_refuses_of_a_conversation_that_is_left_is_written_later(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.load()
    desk.answer("Hi", "Hello")
    first = desk.chat.open_id
    with monkeypatch.context() as patch:
        patch.setattr(Conversations, "set_draft", full)
        desk.chat.set_draft("here")
        desk.chat.new()
        desk.settle()
        desk.chat.set_draft("a new one")
        desk.chat.open(first)
        desk.settle()
        assert desk.last(DraftChanged).text == "here"
        desk.chat.new()
        desk.settle()
    assert drafts(desk) == {"Hi – Hello": "here", "": "a new one"}
    desk.chat.tick()
    assert desk.chat._open._left == []


def test_a_message_that_the_disk_refuses_in_a_conversation_that_is_left_is_unsent(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.load()
    with monkeypatch.context() as patch:
        patch.setattr(Conversations, "add_message", full)
        desk.chat.set_draft("Hi")
        desk.chat.send("Hi")
        desk.chat.new()
        desk.settle()
    assert drafts(desk) == {"": "Hi"}


@pytest.mark.parametrize(("now", "left"), [((NOTES, CODE), (CODE,)), ((CODE,), (CODE,)), ((), ())])
def test_files_that_change_while_the_message_is_stored(
    desk: Desk, now: tuple[Attachment, ...], left: tuple[Attachment, ...]
) -> None:
    desk.load()
    desk.answer("Hi", "Hello")
    desk.chat._open.set_files((NOTES,))
    desk.chat.send("Look")
    desk.chat._open.set_files(now)
    desk.chat.tick()  # before the store has answered
    desk.asked()
    home = stored(desk)[0].id
    assert desk.chat._open.unsent.files == left
    assert desk.store.submit(lambda c: c.unsent_attachments(home)).result() == left


def test_the_newest_of_two_refused_texts_is_written(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.load()
    desk.answer("Hi", "Hello")
    with monkeypatch.context() as patch:
        patch.setattr(Conversations, "set_draft", full)
        for text in ("old", "new"):
            desk.chat.set_draft(text)
            desk.chat.tick()
        desk.settle()
    assert drafts(desk) == {"Hi – Hello": "new"}


@pytest.mark.parametrize("refused", ["add_message", "rename"])
def test_a_first_message_that_the_disk_refuses_makes_no_conversation(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, refused: str
) -> None:
    desk.load()
    with monkeypatch.context() as patch:
        patch.setattr(Conversations, refused, full)
        desk.chat.set_draft("Hi")
        desk.chat.send("Hi")
        desk.settle()
        assert desk.store.submit(lambda c: c.list()).result() == []
    desk.send("Hi")
    assert [change.turn.text for change in desk.changes if isinstance(change, TurnAdded)] == ["Hi", ""]
    assert desk.texts() == ["Hi", ""]
    assert drafts(desk) == {"Hi": ""}


def test_a_refused_title_does_not_cost_the_reply(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.load()
    request = desk.send("Hi")
    desk.stream(request, "Hello")
    with monkeypatch.context() as patch:
        patch.setattr(Conversations, "rename", full)
        desk.finish(request)
    desk.chat.tick()
    desk.settle()
    assert [turn.finish_reason for turn in desk.chat._open.turns] == [None, "stop"]


def test_a_backup_without_the_conversation_is_restored_while_one_types(desk: Desk) -> None:
    desk.load()
    desk.answer("Hi", "Hello")
    home = desk.chat.open_id
    desk.store.submit(lambda c: c.purge(home))
    desk.chat.set_draft("words")
    desk.chat.set_setting("temperature", 0.25)
    assert stored(desk) == []


def test_what_is_typed_into_a_message_outlives_a_crash(desk: Desk, tmp_path: Path) -> None:
    desk.load()
    desk.answer("Hi", "Hello")
    home, question = desk.chat.open_id, desk.chat._open.turns[0].id
    desk.chat.keep_edit(question, "A far longer question \ud83d")
    desk.chat.set_setting("temperature", 1.5)
    desk.chat.tick()
    desk.settle()
    desk.store.close()  # without chat.close: as a crash leaves it
    desk.close = lambda: None  # type: ignore[method-assign]
    again = Desk(tmp_path)
    again.load()
    again.chat.open(home)
    again.settle()
    said = [change for change in again.changes if isinstance(change, EditsKept | Opened)]
    assert said[-2:] == [EditsKept({question: "A far longer question \ufffd"}), said[-1]]
    assert again.chat._open.unsent.values == {"temperature": 1.5}
    again.chat.edit(question, "A far longer question")
    again.settle()
    assert again.last(EditsKept).edits == {}
    assert again.store.submit(lambda c: c.get(home).settings).result() == {"temperature": 1.5}
    again.close()


def refused_edit(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> str:
    """The id of a message that was to become longer, on a full disk."""
    desk.load()
    desk.answer("Hi", "Hello")
    question = desk.chat._open.turns[0].id
    desk.chat.keep_edit(question, "Longer")
    desk.chat.tick()
    with monkeypatch.context() as patch:
        patch.setattr(Conversations, "edit", full)
        desk.chat.edit(question, "Longer")
        desk.settle()
    return question


def test_an_edit_that_the_disk_refuses_is_still_kept(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    question = refused_edit(desk, monkeypatch)
    home = desk.chat.open_id
    assert desk.store.submit(lambda c: c.get(home).settings).result() == {"edits": {question: "Longer"}}
    desk.chat.keep_edit(question, None)
    desk.chat.keep_edit(question, None)
    desk.chat.keep_edit(question, "Again")
    desk.chat.keep_edit(question, None)  # given up
    desk.chat.tick()
    desk.settle()
    assert desk.store.submit(lambda c: c.get(home).settings).result() == {}


def test_no_export_has_what_was_not_saved(desk: Desk, tmp_path: Path) -> None:
    desk.load()
    desk.answer("Hi", "Hello")
    desk.chat.keep_edit(desk.chat._open.turns[0].id, "secret")
    desk.chat.tick()
    desk.settle()
    (tree,) = desk.store.submit(everything).result()
    assert tree.settings == {}


def test_an_edit_that_the_disk_refused_stays_with_the_next_settings(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    question = refused_edit(desk, monkeypatch)
    desk.chat.set_setting("temperature", 0.25)
    assert stored(desk)[0].settings == {"temperature": 0.25, "edits": {question: "Longer"}}
    desk.chat.edit(question, "Longer")
    assert stored(desk)[0].settings == {"temperature": 0.25}


def test_a_system_prompt_typed_for_a_new_conversation_stays(desk: Desk) -> None:
    desk.load()
    desk.answer("Hi", "Hello")
    first = desk.chat.open_id
    desk.chat.new()
    desk.chat.set_setting("system_prompt", "Be brief.")
    desk.chat.open(first)
    desk.settle()
    assert {found.title: found.settings for found in stored(desk)} == {
        "Hi – Hello": {},
        "": {"system_prompt": "Be brief."},
    }


def test_what_new_conversations_begin_with_makes_none(desk: Desk) -> None:
    desk.chat.begin_with("system_prompt", "Be brief.")
    desk.chat.set_setting("temperature", 0.25)
    desk.chat.set_setting("stop", " ")
    assert stored(desk) == []
    desk.chat.set_draft("Hi")
    assert [found.settings for found in stored(desk)] == [
        {"system_prompt": "Be brief.", "temperature": 0.25, "stop": " "}
    ]


def test_a_title_that_the_disk_refuses_is_not_shown(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.load()
    desk.answer("Hi", "Hello")
    with monkeypatch.context() as patch:
        patch.setattr(Conversations, "rename", full)
        desk.chat.rename(desk.chat.open_id, "Another")
        assert desk.last(Renamed).title == "Another"
        desk.settle()
    assert desk.last(Renamed).title == "Hi – Hello"
    assert desk.last(NoticeChanged).notice is not None


def test_half_a_character_in_a_setting_costs_no_other(desk: Desk) -> None:
    desk.load()
    desk.answer("Hi", "Hello")
    desk.chat.set_setting("system_prompt", "half \ud83d of one")
    desk.chat.set_setting("temperature", 0.25)
    assert stored(desk)[0].settings == {"system_prompt": "half \ufffd of one", "temperature": 0.25}


@pytest.mark.parametrize(
    "text", ["a\0b", "a\ufeffb", "\u2028x\u2029y", "e\u0301🙂\u200d", "\x1b[31m", "a\r\nb\rc", " \n ", "x" * 300_000]
)
def test_what_is_unsent_comes_back_to_the_letter(tmp_path: Path, text: str) -> None:
    desk = Desk(tmp_path)
    desk.load()
    desk.answer(f"{text}!", "Hello")
    home, question = desk.chat.open_id, desk.chat._open.turns[0].id
    desk.chat.set_draft(text)
    desk.chat.set_setting("system_prompt", text)
    desk.chat.keep_edit(question, text)
    desk.chat.tick()
    desk.close()
    again = Desk(tmp_path)
    again.chat.open(home)
    again.settle()
    assert (again.texts()[0], again.last(DraftChanged).text) == (f"{text}!", text)
    assert again.chat._open.unsent.values == {"system_prompt": text}
    assert again.last(EditsKept).edits == {question: text}
    again.close()
