"""What goes wrong under a conversation: crashes, full and read-only disks, newer databases, stops."""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from chatdesk.engine.api import Generate, Load, Loaded
from chatdesk.errors import Fault, UserError
from chatdesk.tasks.changes import (
    Action,
    DraftChanged,
    Notice,
    NoticeChanged,
    Opened,
    TurnAdded,
    TurnReplaced,
)
from tests.tasks.desk import INFO, Desk


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.close()


def test_a_stop_between_question_and_prompt(desk: Desk) -> None:
    desk.load()
    desk.chat.send("Hi")
    desk.store.submit(lambda c: None).result()
    desk._posted.get()()  # the message is stored and asked, its branch not yet read
    desk.chat.stop()
    desk.settle()
    assert not [r for r in desk.engine.requests if isinstance(r, Generate)]
    assert desk.texts() == ["Hi"]


def test_a_crash_mid_reply_is_found_at_the_next_start(desk: Desk, tmp_path: Path) -> None:
    desk.load()
    request = desk.send("Hi")
    desk.stream(request, "Half", " an answer")
    desk.chat.tick()
    desk.settle()
    conversation = desk.chat._open.unsent.conversation.id
    desk.store.close()  # without chat.close: as a crash leaves it
    desk.close = lambda: None  # type: ignore[method-assign]
    again = Desk(tmp_path)
    again.chat.open(conversation)
    again.settle()
    assert [(t.text, t.finish_reason) for t in again.chat._open.turns] == [
        ("Hi", None),
        ("Half an answer", "interrupted"),
    ]
    again.close()


def test_closing_keeps_a_streaming_reply(desk: Desk, tmp_path: Path) -> None:
    desk.load()
    request = desk.send("Hi")
    desk.stream(request, "Half")
    desk.chat.set_draft("next question")
    conversation = desk.chat._open.unsent.conversation.id
    desk.close()
    again = Desk(tmp_path)
    again.chat.open(conversation)
    again.settle()
    assert again.texts() == ["Hi", "Half"]
    assert again.last(DraftChanged).text == "next question"
    again.close()


def test_a_disk_that_refuses_keeps_the_words_and_tries_again(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    from chatdesk.storage.conversations import Conversations

    desk.load()
    request = desk.send("Hi")
    desk.stream(request, "Good")

    def full(*_: object, **__: object) -> None:
        raise UserError(Fault.DISK_FULL, path="/data")

    with monkeypatch.context() as patch:
        patch.setattr(Conversations, "finish_reply", full)
        patch.setattr(Conversations, "add_message", full)
        desk.finish(request)
        assert desk.last(NoticeChanged).notice.fault is Fault.DISK_FULL
        assert desk.texts() == ["Hi", "Good"]
        desk.chat.send("More")
        desk.settle()
        assert not [c for c in desk.changes if isinstance(c, TurnAdded) and c.turn.text == "More"]
    desk.chat.tick()
    desk.settle()
    assert desk.last(TurnReplaced).turn.finish_reason == "stop"
    desk.chat.send("More")
    desk.settle()
    assert desk.texts()[:3] == ["Hi", "Good", "More"]


def test_a_reply_that_the_disk_refuses_is_there_when_its_conversation_is_opened_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    from chatdesk.storage.conversations import Conversations

    def full(*_: object, **__: object) -> None:
        raise UserError(Fault.DISK_FULL, path="/data")

    desk.load()
    request = desk.send("Hi")
    home = desk.chat.open_id
    desk.stream(request, "Good")
    with monkeypatch.context() as patch:
        patch.setattr(Conversations, "finish_reply", full)
        desk.finish(request)
        desk.chat.new()
        desk.chat.open(home)
        desk.settle()
        assert [turn.text for turn in desk.last(Opened).turns] == ["Hi", "Good"]
    desk.chat.tick()
    desk.settle()
    assert [(turn.text, turn.finish_reason) for turn in desk.chat._open.turns] == [("Hi", None), ("Good", "stop")]


def test_a_reply_that_ends_while_its_conversation_is_opened_is_shown(desk: Desk) -> None:
    desk.load()
    request = desk.send("Hi")
    home = desk.chat.open_id
    desk.stream(request, "Good")
    desk.chat.new()
    desk.settle()
    desk.chat.open(home)  # its messages are asked for before the reply is one
    desk.finish(request)
    assert [(turn.text, turn.finish_reason) for turn in desk.chat._open.turns] == [("Hi", None), ("Good", "stop")]


def test_a_full_disk_when_the_reply_begins(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    from chatdesk.storage.conversations import Conversations

    def full(*_: object, **__: object) -> None:
        raise UserError(Fault.DISK_FULL, path="/data")

    desk.load()
    with monkeypatch.context() as patch:
        patch.setattr(Conversations, "begin_reply", full)
        request = desk.send("Hi")
    desk.stream(request, "Good")
    desk.chat.tick()
    desk.finish(request)
    assert desk.last(TurnReplaced).turn.text == "Good"


@pytest.mark.parametrize("action", ["retry", "use_less", "use_cpu", "restart_engine"])
def test_a_model_that_fails_does_not_make_a_finished_reply_again(desk: Desk, action: Action) -> None:
    desk.load()
    desk.answer("Hi", "Hello")
    asked = [r for r in desk.engine.requests if isinstance(r, Generate)]
    desk.models.load("/models/tiny")
    desk.fail(desk.engine.requests[-1], "out_of_memory")
    desk.chat.act(action)
    request = next(r for r in reversed(desk.engine.requests) if isinstance(r, Load))
    desk.say(Loaded(request.id, INFO))
    assert [r for r in desk.engine.requests if isinstance(r, Generate)] == asked
    assert [turn.state for turn in desk.chat._open.turns] == ["done", "done"]


def test_a_name_that_the_disk_refuses_offers_no_other_reply(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    from chatdesk.storage.conversations import Conversations

    def full(*_: object, **__: object) -> None:
        raise UserError(Fault.DISK_FULL, path="/data")

    desk.load()
    desk.answer("Hi", "Hello")
    monkeypatch.setattr(Conversations, "rename", full)
    desk.chat.rename(desk.chat.open_id, "Greetings")
    desk.settle()
    assert desk.last(NoticeChanged).notice == Notice(Fault.DISK_FULL, {"path": "/data"})


def test_a_database_that_cannot_be_written_is_said_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = UserError(Fault.DISK_FULL, path="/data")
    monkeypatch.setattr("chatdesk.tasks.ports.StoreLink.read_only", lambda self: full)
    desk = Desk(tmp_path)
    assert desk.last(NoticeChanged).notice.fault is Fault.DISK_FULL
    desk.close()


def test_a_newer_database_is_refused_and_said(tmp_path: Path) -> None:
    Desk(tmp_path).close()
    with contextlib.closing(sqlite3.connect(tmp_path / "chatdesk.db")) as database:
        database.execute("PRAGMA user_version = 99")
    before = (tmp_path / "chatdesk.db").read_bytes()
    desk = Desk(tmp_path)
    assert desk.last(NoticeChanged).notice.fault is Fault.DATABASE_NEWER
    desk.chat.send("Hi")
    desk.settle()
    assert not [c for c in desk.changes if isinstance(c, TurnAdded)]
    desk.close()
    assert (tmp_path / "chatdesk.db").read_bytes() == before


def test_what_was_wrong_at_the_start_is_said_also_over_the_last_conversation(desk: Desk) -> None:
    desk.load()
    desk.answer("Hi", "One")
    conversation = desk.chat.open_id
    desk.chat.start(conversation, [UserError(Fault.FILE_DAMAGED, path="settings.toml", aside="settings.damaged.toml")])
    desk.settle()
    assert desk.texts() == ["Hi", "One"]
    assert desk.last(NoticeChanged).notice.fault is Fault.FILE_DAMAGED
