"""Steps of a person that come faster than the store answers or a reply ends: each is done once, or not at all."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chatdesk.engine.api import DraftFinished, Finished, Generate, TokenEvent
from chatdesk.errors import Fault, UserError
from chatdesk.storage.conversations import Conversations
from chatdesk.tasks.changes import NoticeChanged, Opened, ReplyingChanged, UndoChanged
from tests.tasks.desk import Desk


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    made.load()
    yield made
    made.close()


def full(*_: object, **__: object) -> None:
    raise UserError(Fault.DISK_FULL, path="/data")


def questions(desk: Desk) -> int:
    desk.settle()
    return sum(isinstance(request, Generate) for request in desk.engine.requests)


def edited(desk: Desk) -> Generate:
    """An answered question that was edited; the new reply is being written."""
    desk.answer("one", "first")
    desk.chat.edit(desk.chat._open.turns[0].id, "two")
    request = desk.asked()
    desk.stream(request, "sec")
    return request


def test_undo_from_another_conversation_stops_the_reply_that_it_takes_back(desk: Desk) -> None:
    request = edited(desk)
    home = desk.chat.open_id
    desk.chat.new()
    desk.chat.undo()
    desk.settle()
    assert desk.engine.cancelled == [request.id]
    desk.finish(request, "cancelled")
    assert (desk.chat.open_id, desk.texts()) == (home, ["one", "first"])


def test_undo_that_waits_for_a_reply_is_not_forgotten_over_another_conversation(desk: Desk) -> None:
    request = edited(desk)
    home = desk.chat.open_id
    desk.chat.undo()
    desk.chat.new()
    desk.settle()
    assert desk.last(UndoChanged).what == ""
    desk.finish(request, "cancelled")
    desk.chat.open(home)
    desk.settle()
    assert desk.texts() == ["one", "first"]


def twice_edit(desk: Desk) -> None:
    for _ in range(2):
        desk.chat.edit(desk.chat._open.turns[0].id, "other")


def twice_anew(desk: Desk) -> None:
    for _ in range(2):
        desk.chat.regenerate_at(desk.chat._open.turns[1].id)


def anew_while_sending(desk: Desk) -> None:
    desk.chat.send("three")
    desk.chat.regenerate()


def sending_while_editing(desk: Desk) -> None:
    desk.chat.edit(desk.chat._open.turns[0].id, "other")
    desk.chat.send("three")


@pytest.mark.parametrize("steps", [twice_edit, twice_anew, anew_while_sending, sending_while_editing])
def test_two_steps_at_once_ask_once(desk: Desk, steps: Callable[[Desk], None]) -> None:
    desk.answer("one", "first")
    desk.answer("two", "second")
    asked = questions(desk)
    steps(desk)
    assert questions(desk) == asked + 1
    desk.stream(desk.asked(), "third")
    desk.finish(desk.asked())
    desk.chat.send("four")
    assert questions(desk) == asked + 2


def test_after_a_step_that_the_disk_refused_others_are_taken(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.answer("one", "first")
    with monkeypatch.context() as patch:
        patch.setattr(Conversations, "edit", full)
        desk.chat.edit(desk.chat._open.turns[0].id, "other")
        desk.settle()
    desk.chat.send("two")
    assert questions(desk) == 2


def refused(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> str:
    """Id of the turn of a reply that has ended, and that the disk refused."""
    request = desk.send("Hi")
    desk.stream(request, "Good")
    with monkeypatch.context() as patch:
        patch.setattr(Conversations, "finish_reply", full)
        desk.finish(request)
    return desk.chat._open.turns[-1].id


def test_the_next_message_goes_below_a_reply_that_the_disk_refused(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    refused(desk, monkeypatch)
    request = desk.send("Next")
    assert [message.text for message in request.prompt] == ["Hi", "Good", "Next"]
    desk.stream(request, "Again")
    desk.finish(request)
    desk.chat.open(desk.chat.open_id)
    desk.settle()
    assert desk.texts() == ["Hi", "Good", "Next", "Again"]


def test_nothing_is_done_with_a_reply_that_is_not_stored(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    id = refused(desk, monkeypatch)
    asked = questions(desk)
    desk.chat.continue_reply()
    desk.chat.choose_version(id, -1)
    desk.chat.pin_turn(id, True)
    desk.chat.edit(id, "other")
    desk.chat.compare(id)
    desk.chat.delete_turn(id)
    assert questions(desk) == asked
    notice = desk.last(NoticeChanged)
    assert isinstance(notice, NoticeChanged)
    assert notice.notice is not None
    assert notice.notice.fault is Fault.DISK_FULL
    desk.chat.tick()
    desk.settle()
    assert desk.texts() == ["Hi", "Good"]


def test_a_question_that_waits_for_a_model_is_not_asked_after_the_end(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.models.load("/models/tiny")
    desk.chat.send("Hi")
    desk.settle()
    desk.chat.close()  # a backup is restored
    desk.chat.start()
    desk.settle()
    desk.load()
    assert questions(desk) == 0
    desk.close()


def test_a_step_on_what_a_step_before_has_removed_leaves_what_is_shown_true(desk: Desk) -> None:
    desk.answer("one", "first")
    desk.answer("two", "second")
    home, turn = desk.chat.open_id, desk.chat._open.turns[2].id
    steps = (
        lambda: desk.chat.delete_turn(turn),
        lambda: desk.chat.edit(turn, "other"),
        lambda: desk.chat.pin_turn(turn, True),
        desk.chat.regenerate,
        lambda: desk.chat.choose_version(turn, 1),
        lambda: desk.chat.branch_from(turn),
    )
    desk.chat.delete_turn(turn)
    for step in steps:
        step()
    desk.settle()
    opened = desk.last(Opened)
    assert isinstance(opened, Opened)
    assert [each.text for each in opened.turns] == desk.texts() == ["one", "first"]
    assert not desk.chat.is_replying
    desk.chat._open.change_and_show(home, lambda c: c.pin(turn, True), lambda _: pytest.fail("it is in the trash"))
    desk.settle()
    assert desk.texts() == ["one", "first"]


def test_a_message_sent_while_another_conversation_is_read_is_shown_where_it_is(desk: Desk) -> None:
    desk.answer("A question that is long enough for a title", "One")
    first = desk.chat.open_id
    desk.chat.new()
    desk.answer("Another question that is long enough for a title", "Two")
    second = desk.chat.open_id
    desk.chat.open(first)
    desk.chat.send("to the second")
    desk.settle()
    assert (desk.chat.open_id, len(desk.texts())) == (first, 2)
    desk.chat.open(second)
    desk.settle()
    assert desk.texts()[2] == "to the second"


def test_undo_pressed_while_a_message_is_on_its_way_is_none(desk: Desk) -> None:
    desk.answer("one", "first")
    desk.answer("two", "second")
    desk.chat.branch_from(desk.chat._open.turns[1].id)
    desk.settle()
    desk.chat.send("three")
    desk.chat.undo()
    desk.stream(desk.asked(), "third")
    desk.finish(desk.asked())
    stored = desk.store.submit(lambda c: [message.text for message in c.branch(desk.chat.open_id)]).result()
    assert stored == desk.texts() == ["one", "first", "three", "third"]


def test_a_question_whose_message_was_deleted_is_not_asked(desk: Desk) -> None:
    desk.answer("one", "first")
    home, question = desk.chat.open_id, desk.chat._open.turns[0].id
    desk.store.submit(lambda c: c.clear(home)).result()
    desk.chat._open.ask(home, question)
    desk.settle()
    assert questions(desk) == 1
    assert not desk.chat.is_replying
    replying = desk.last(ReplyingChanged)
    assert isinstance(replying, ReplyingChanged)
    assert not replying.replying


def test_a_reply_on_its_way_to_the_disk_is_not_written_anew(desk: Desk) -> None:
    request = desk.send("one")
    desk.stream(request, "first")
    for event in (DraftFinished(request.id, 0, "stop"), Finished(request.id, 3, 0, 2, 0.1, 50.0)):
        desk.chat.on_event(event)
    desk.chat.regenerate()  # before the store has answered: if that is stopped, there is nothing to go back to
    desk.chat.stop()
    desk.settle()
    assert questions(desk) == 1
    assert [(turn.text, turn.state) for turn in desk.chat._open.turns] == [("one", "done"), ("first", "done")]


def test_drafts_of_a_question_that_was_deleted(desk: Desk) -> None:
    desk.answer("one", "first")
    desk.chat.write_drafts()
    request = desk.asked()
    for draft in range(3):
        desk.say(TokenEvent(request.id, draft, 5, f"draft {draft}", -1.0, -1.0))
    home = desk.chat.open_id
    desk.chat.on_event(Finished(request.id, 3, 0, 3, 0.1, 50.0))
    desk.store.submit(lambda c: c.clear(home)).result()
    desk.settle()
    assert not desk.chat.is_replying
