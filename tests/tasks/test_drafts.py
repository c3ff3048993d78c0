"""Drafts side by side, branches from anywhere, and taking both back."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from chatdesk.engine.api import DEFAULT_SAMPLING, DraftFinished, Failed, Finished, Generate, Started, TokenEvent
from chatdesk.tasks import changes
from tests.tasks.desk import Desk


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    desk.load()
    yield desk
    desk.close()


def write(desk: Desk, request: Generate, *drafts: str) -> None:
    desk.say(Started(request.id, (1, 2, 3), DEFAULT_SAMPLING, 7))
    for number, text in enumerate(drafts):
        desk.say(TokenEvent(request.id, number, 10 + number, text, -1.0, -1.0))


def finish(desk: Desk, request: Generate, count: int) -> None:
    desk.say(*(DraftFinished(request.id, n, "stop") for n in range(count)), Finished(request.id, 3, 0, 6, 0.1, 60.0))


def three(desk: Desk) -> Generate:
    desk.chat.set_setting("drafts", 3)
    request = desk.send("A name for a cat?")
    write(desk, request, "Tom", "Felix", "Mia")
    return request


def side(desk: Desk) -> list[str]:
    return [turn.text for turn in desk.chat._open.drafts.turns.values()]


def stored(desk: Desk) -> list[str]:
    home = desk.chat.open_id
    return desk.store.submit(lambda c: [message.text for message in c.branch(home)]).result()


def test_one_request_gives_all_drafts_and_they_are_shown_side_by_side(desk: Desk) -> None:
    request = three(desk)
    assert request.drafts == 3
    opened = desk.last(changes.DraftsOpened)
    assert [turn.state for turn in opened.turns] == ["waiting"] * 3
    assert side(desk) == ["Tom", "Felix", "Mia"]
    desk.say(TokenEvent(request.id, 1, 20, " the cat", -1.0, -1.0))
    assert desk.last(changes.TurnGrew) == changes.TurnGrew(opened.turns[1].id, " the cat")
    finish(desk, request, 3)
    found = desk.chat._open.drafts.turns.values()
    assert [(turn.text, turn.state, turn.finish_reason) for turn in found] == [
        ("Tom", "done", "stop"), ("Felix the cat", "done", "stop"), ("Mia", "done", "stop"),
    ]  # fmt: skip
    seeds = [desk.store.submit(lambda c, id=turn.id: c.provenance([id])[id].seed).result() for turn in found]
    assert seeds == [7, 8, 9]


def test_the_first_is_gone_on_with_until_another_is_chosen(desk: Desk) -> None:
    finish(desk, three(desk), 3)
    assert stored(desk) == ["A name for a cat?", "Tom"]
    third = list(desk.chat._open.drafts.turns)[2]
    desk.chat.choose_draft(third)
    desk.settle()
    assert stored(desk)[-1] == "Mia"
    desk.chat.close_drafts()
    desk.settle()
    assert isinstance(desk.last(changes.DraftsClosed), changes.DraftsClosed)
    last = desk.chat._open.turns[-1]
    assert (last.text, last.version, last.versions) == ("Mia", 3, 3)
    desk.chat.set_setting("drafts", 1)
    assert [message.text for message in desk.send("Why?").prompt] == ["A name for a cat?", "Mia", "Why?"]


def test_a_message_goes_on_from_the_chosen_draft_and_closes_the_others(desk: Desk) -> None:
    finish(desk, three(desk), 3)
    desk.chat.choose_draft(list(desk.chat._open.drafts.turns)[1])
    desk.chat.set_setting("drafts", 1)
    request = desk.send("Why?")
    assert [message.text for message in request.prompt] == ["A name for a cat?", "Felix", "Why?"]
    assert side(desk) == []
    assert [turn.text for turn in desk.chat._open.turns] == ["A name for a cat?", "Felix", "Why?", ""]


def test_choosing_while_they_are_written_stops_them_and_keeps_all(desk: Desk) -> None:
    request = three(desk)
    desk.chat.close_drafts(list(desk.chat._open.drafts.turns)[1])
    assert desk.engine.cancelled == [request.id]
    assert side(desk) == ["Tom", "Felix", "Mia"]  # until the engine has stopped
    desk.say(*(DraftFinished(request.id, n, "cancelled") for n in range(3)), Finished(request.id, 3, 0, 3, 0.1, 9.0))
    assert side(desk) == []
    last = desk.chat._open.turns[-1]
    assert (last.text, last.version, last.versions, last.finish_reason) == ("Felix", 2, 3, "cancelled")


def test_a_draft_without_a_word_goes_away(desk: Desk) -> None:
    desk.chat.set_setting("drafts", 2)
    request = desk.send("Hello there, how are you?")
    write(desk, request)
    desk.say(TokenEvent(request.id, 1, 11, "Fine", -1.0, -1.0))
    desk.say(Failed(request.id, "engine_died", {"reason": "x"}))
    assert side(desk) == ["Fine"]
    assert stored(desk)[-1] == "Fine"
    assert desk.last(changes.NoticeChanged).notice.fault == "engine_died"


def test_leaving_and_coming_back_while_they_are_written(desk: Desk) -> None:
    request = three(desk)
    home = desk.chat.open_id
    desk.chat.new()
    desk.settle()
    assert side(desk) == []
    desk.chat.open(home)
    desk.settle()
    assert side(desk) == ["Tom", "Felix", "Mia"]
    desk.chat.new()
    desk.settle()
    finish(desk, request, 3)
    desk.chat.open(home)
    desk.settle()
    last = desk.chat._open.turns[-1]
    assert (last.text, last.version, last.versions) == ("Tom", 1, 3)


def test_one_command_writes_drafts_of_the_last_reply_and_versions_can_be_compared(desk: Desk) -> None:
    desk.answer("A name for a dog?", "Rex")
    desk.chat.write_drafts()
    request = desk.asked()
    assert request.drafts == 3
    write(desk, request, "Bello", "Waldi", "Lassie")
    finish(desk, request, 3)
    desk.chat.close_drafts()
    desk.settle()
    last = desk.chat._open.turns[-1]
    assert (last.text, last.versions) == ("Bello", 4)
    desk.chat.compare(last.id)
    desk.settle()
    assert side(desk) == ["Rex", "Bello", "Waldi", "Lassie"]
    assert desk.last(changes.DraftsOpened).chosen == last.id


def test_a_crash_leaves_every_draft_as_a_version(desk: Desk) -> None:
    three(desk)
    desk.chat.tick()
    desk.settle()
    desk.store.close()  # without chat.close: as a crash leaves it
    desk.close = lambda: None  # type: ignore[method-assign]
    again = Desk(desk.folder)
    home = again.store.submit(lambda c: c.list()[0].id).result()
    texts = again.store.submit(lambda c: {m.text for m in c.siblings(c.branch(home)[-1].id)}).result()
    again.close()
    assert texts == {"Tom", "Felix", "Mia"}


def long(desk: Desk) -> list[str]:
    for text, reply in (("One?", "1"), ("Two?", "2"), ("Three?", "3")):
        desk.answer(text, reply)
    return [turn.id for turn in desk.chat._open.turns]


def test_any_reply_can_be_written_again_and_that_can_be_taken_back(desk: Desk) -> None:
    ids = long(desk)
    desk.chat.regenerate_at(ids[3])
    request = desk.asked()
    assert [message.text for message in request.prompt] == ["One?", "1", "Two?"]
    desk.stream(request, "two")
    desk.finish(request)
    assert desk.texts() == ["One?", "1", "Two?", "two"]
    assert (desk.chat._open.turns[-1].version, desk.chat._open.turns[-1].versions) == (2, 2)
    assert desk.last(changes.UndoChanged).what == "branch"
    desk.chat.undo()
    desk.settle()
    assert desk.texts() == ["One?", "1", "Two?", "2", "Three?", "3"]


def test_a_branch_begins_at_any_message(desk: Desk) -> None:
    ids = long(desk)
    desk.chat.branch_from(ids[1])
    desk.settle()
    assert desk.texts() == ["One?", "1"]
    request = desk.send("Other?")
    assert [message.text for message in request.prompt] == ["One?", "1", "Other?"]
    desk.stream(request, "other")
    desk.finish(request)
    assert desk.chat._open.turns[2].versions == 2
    assert desk.last(changes.UndoChanged).what == ""  # it would leave the branch that is used now
    desk.chat.undo()
    desk.settle()
    assert desk.texts()[-1] == "other"


def test_a_branch_that_was_only_begun_can_be_taken_back(desk: Desk) -> None:
    ids = long(desk)
    desk.chat.branch_from(ids[1])
    desk.settle()
    assert desk.last(changes.UndoChanged).what == "branch"
    desk.chat.undo()
    desk.settle()
    assert desk.texts()[-1] == "3"


def test_a_jump_to_another_branch_waits_for_the_reply_that_is_written(desk: Desk) -> None:
    ids = long(desk)
    desk.chat.edit(ids[4], "Four?")
    request = desk.asked()
    desk.stream(request, "fo")
    desk.chat.open(desk.chat.open_id, ids[5])
    desk.settle()
    assert desk.texts() == ["One?", "1", "Two?", "2", "Four?", "fo"]
    desk.finish(request)
    desk.chat.open(desk.chat.open_id, ids[5])
    desk.settle()
    assert desk.texts()[-1] == "3"


def test_undoing_an_edit_stops_its_reply_and_shows_what_was_there(desk: Desk) -> None:
    ids = long(desk)
    desk.chat.edit(ids[4], "Four?")
    request = desk.asked()
    desk.stream(request, "fo")
    assert desk.last(changes.UndoChanged).what == "edit"
    desk.chat.undo()
    assert desk.engine.cancelled == [request.id]
    desk.finish(request, "cancelled")
    assert desk.texts() == ["One?", "1", "Two?", "2", "Three?", "3"]
    assert desk.chat._open.turns[4].versions == 2  # the edit is still there


def test_a_greeting_gets_its_title_from_the_first_exchange(desk: Desk) -> None:
    desk.answer("Hi", "Hello! ", "What shall we talk about?")
    assert desk.last(changes.Renamed).title == "Hi – Hello! What shall we talk about?"
    assert desk.last(changes.ListChanged).conversations[0].title == "Hi – Hello! What shall we talk about?"
    desk.answer("And now?", "Tea.")
    assert desk.last(changes.ListChanged).conversations[0].title == "Hi – Hello! What shall we talk about?"


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        ("What would you like to **talk** about?", "What would you like to talk about?"),
        ("# **Head**", "Head"),
        ("- *a* list of `code`", "a list of code"),
        ("2*3*4, a ** b ** c, my_name", "2*3*4, a ** b ** c, my_name"),
    ],
)
def test_a_title_has_no_signs_of_markdown(desk: Desk, reply: str, said: str) -> None:
    desk.answer("Hi", reply)
    assert desk.last(changes.Renamed).title == f"Hi – {said}"


def test_a_title_of_ones_own_stays(desk: Desk) -> None:
    request = desk.send("Hi")
    desk.chat.rename(desk.chat.open_id, "Mine")
    desk.stream(request, "Hello!")
    desk.finish(request)
    assert desk.last(changes.ListChanged).conversations[0].title == "Mine"
