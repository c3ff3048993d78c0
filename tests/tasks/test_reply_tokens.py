"""The tokens of a stored reply: what is read, and another version that goes on from one of them."""

from pathlib import Path

import pytest

from chatdesk.engine.api import (
    DEFAULT_SAMPLING,
    ChatMessage,
    Failed,
    Read,
    SomeRead,
    Started,
    TokenEvent,
    TokenReading,
    TokensRead,
)
from chatdesk.errors import Fault
from chatdesk.tasks.changes import Notice, TurnReplaced
from chatdesk.tasks.inspect import Inspect
from chatdesk.tasks.ports import StoreLink
from tests.tasks.desk import Desk


@pytest.fixture
def desk(tmp_path: Path):
    desk = Desk(tmp_path)
    desk.load()
    yield desk
    desk.close()


@pytest.fixture
def inspect(desk: Desk) -> Inspect:
    return Inspect(desk.engine, desk.models, StoreLink(desk.store, desk._posted.put, lambda error: None))


def last_id(desk: Desk) -> str:
    return desk.chat._open.turns[-1].id


def test_a_reply_is_read_behind_what_came_before_with_its_own_tokens(desk: Desk, inspect: Inspect) -> None:
    desk.answer("a question", "One", " two")
    desk.chat.set_setting("temperature", 0.5)
    desk.chat.set_setting("system_prompt", "Be brief.")
    got: list[object] = []
    inspect.reply(last_id(desk), desk.chat.next_prompt("")[2], got.append)
    desk.settle()
    request = desk.engine.requests[-1]
    assert isinstance(request, Read)
    assert request.prompt == (
        ChatMessage("system", "Be brief."),
        ChatMessage("user", "a question"),
        ChatMessage("assistant", "One two", (10, 11)),
    )
    assert (request.sampling.temperature, request.sampling.max_new_tokens, request.top) == (0.5, None, 10)
    readings = (TokenReading(10, "One"), TokenReading(11, " two"))
    inspect.on_event(SomeRead(request.id, readings[:1]))  # of a long one
    inspect.on_event(TokensRead(request.id, readings[1:]))
    assert got == [readings]


def test_a_reply_that_is_gone_or_cannot_be_read_is_a_notice(desk: Desk, inspect: Inspect) -> None:
    desk.answer("a question", "One")
    got: list[object] = []
    inspect.reply(last_id(desk), {}, got.append)
    desk.settle()
    inspect.on_event(Failed(desk.engine.requests[-1].id, Fault.OUT_OF_MEMORY, {"device": "CPU"}))
    (found,) = got
    assert isinstance(found, Notice)
    assert found.fault == Fault.OUT_OF_MEMORY


def test_another_version_goes_on_from_a_token(desk: Desk) -> None:
    desk.answer("a question", "One", " two", " three")
    first = last_id(desk)
    desk.chat.go_on_from(first, ChatMessage("assistant", "One other", (10, 77)))
    request = desk.asked()
    assert request.prompt[-1] == ChatMessage("assistant", "One other", (10, 77))  # type: ignore[comparison-overlap]
    assert desk.texts() == ["a question", "One other"]
    desk.stream(request, " end")
    desk.finish(request)
    assert desk.texts() == ["a question", "One other end"]
    turn = desk.chat._open.turns[-1]
    assert (turn.version, turn.versions) == (2, 2)
    kept = desk.store.submit(lambda c: c.message(turn.id).token_ids).result(20)
    assert kept == (10, 77, 10)
    desk.chat.undo()
    desk.settle()
    assert desk.texts() == ["a question", "One two three"]


def test_thoughts_that_the_template_opened_belong_to_the_reply(desk: Desk) -> None:
    """Their opening is no token: it stands in front of what was generated, and of what goes on from there."""
    request = desk.send("a question")
    desk.say(Started(request.id, (1, 2, 3), DEFAULT_SAMPLING, 7, opening="<think>\n"))
    assert desk.last(TurnReplaced).turn.text == "<think>\n"
    desk.say(
        TokenEvent(request.id, 0, 10, "Well", -1.0, -1.0), TokenEvent(request.id, 0, 11, "</think>Yes", -1.0, -1.0)
    )
    desk.finish(request)
    assert desk.texts() == ["a question", "<think>\nWell</think>Yes"]
    first = last_id(desk)
    assert desk.store.submit(lambda c: c.message(first).token_ids).result(20) == (10, 11)
    desk.chat.go_on_from(first, ChatMessage("assistant", "Well, no", (10, 77)))
    request = desk.asked()
    assert request.prompt[-1] == ChatMessage("assistant", "<think>\nWell, no", (10, 77))  # type: ignore[comparison-overlap]
    desk.stream(request, " end")
    desk.finish(request)
    assert desk.texts() == ["a question", "<think>\nWell, no end"]


def test_an_opening_without_a_word_is_no_reply(desk: Desk) -> None:
    request = desk.send("a question")
    desk.say(Started(request.id, (1, 2, 3), DEFAULT_SAMPLING, 7, opening="<think>\n"))
    desk.finish(request, "cancelled")
    assert desk.texts() == ["a question"]


def test_what_followed_stays_with_the_old_version(desk: Desk) -> None:
    desk.answer("first", "One", " two")
    reply = last_id(desk)
    desk.answer("second", "Three")
    desk.chat.go_on_from(reply, ChatMessage("assistant", "One b", (10, 5)))
    request = desk.asked()
    desk.stream(request, " c")
    desk.finish(request)
    assert desk.texts() == ["first", "One b c"]
    desk.chat.undo()
    desk.settle()
    assert desk.texts() == ["first", "One two", "second", "Three"]


def test_while_a_reply_is_written_nothing_goes_on(desk: Desk) -> None:
    desk.answer("first", "One")
    reply = last_id(desk)
    desk.send("second")
    count = len(desk.engine.requests)
    desk.chat.go_on_from(reply, ChatMessage("assistant", "One b", (10, 5)))
    desk.settle()
    assert len(desk.engine.requests) == count
