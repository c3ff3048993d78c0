"""A long conversation: its last turns are shown at once, the others come above them, whatever happens meanwhile."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from chatdesk.errors import Fault
from chatdesk.storage.conversations import Conversations
from chatdesk.tasks import opened
from chatdesk.tasks.changes import Found, NoticeChanged, Opened, Turn, TurnsAbove
from tests.tasks.desk import Desk


@pytest.fixture
def desk(tmp_path: Path, monkeypatch) -> Iterator[Desk]:
    monkeypatch.setattr(opened, "_FIRST", 6)
    monkeypatch.setattr(opened, "_MORE", 4)
    made = Desk(tmp_path)
    yield made
    made.close()


def fill(desk: Desk, count: int) -> tuple[str, list[str]]:
    """A conversation of so many messages; its id and theirs."""

    def work(c: Conversations) -> tuple[str, list[str]]:
        home, parent, ids = c.create("Long").id, None, []
        for number in range(count):
            parent = c.add_message(home, parent, ("user", "assistant")[number % 2], f"{number}").id
            ids.append(parent)
        return home, ids

    return desk.store.submit(work).result()


def shown(desk: Desk) -> list[Turn]:
    """All turns of the conversation opened last, as they were said."""
    found: list[Turn] = []
    for change in desk.changes:
        if isinstance(change, Opened):
            found = list(change.turns)
        elif isinstance(change, TurnsAbove):
            found[:0] = change.turns
    return found


def whole(desk: Desk) -> bool:
    return [c.is_whole for c in desk.changes if isinstance(c, Opened | TurnsAbove)][-1]


@pytest.mark.parametrize("count", [0, 1, 5, 6, 7, 10, 14, 15, 31])
def test_the_last_turns_come_first_and_all_in_the_end(desk: Desk, count: int) -> None:
    home, ids = fill(desk, count)
    desk.changes.clear()
    desk.chat.open(home)
    while not whole(desk) if desk.changes else True:
        desk.settle()
    assert [turn.id for turn in desk.last(Opened).turns] == ids[-6:]
    assert [turn.id for turn in shown(desk)] == ids
    assert desk.chat._open.turns == shown(desk)
    assert desk.last(Opened).is_whole == (count < 6)


def test_another_conversation_opened_meanwhile_gets_none_of_them(desk: Desk) -> None:
    home, _ = fill(desk, 30)
    other, ids = fill(desk, 3)
    desk.chat.open(home)
    desk.store.submit(lambda c: None).result()
    desk._posted.get()()  # it is shown, and more of it is asked for
    desk.chat.open(other)
    for _ in range(4):
        desk.settle()
    assert [turn.id for turn in shown(desk)] == ids
    assert desk.chat._open.turns == shown(desk)


def test_turns_added_meanwhile_stay_at_the_end(desk: Desk) -> None:
    desk.load()
    home, ids = fill(desk, 31)
    desk.chat.open(home)
    desk.store.submit(lambda c: None).result()
    desk._posted.get()()
    desk.send("more")
    for _ in range(4):
        desk.settle()
    kept = [turn.id for turn in desk.chat._open.turns]
    assert kept[: len(ids)] == ids
    assert [turn.text for turn in desk.chat._open.turns[len(ids) :]] == ["more", ""]


def test_a_reply_is_made_again_whose_question_is_still_to_come(desk: Desk) -> None:
    desk.load()
    home, ids = fill(desk, 31)
    desk.chat.open(home)
    desk.store.submit(lambda c: None).result()
    desk._posted.get()()  # the last six are shown, the first of them a reply
    desk.chat.regenerate_at(ids[25])
    request = desk.asked()
    assert [message.text for message in request.prompt] == [f"{number}" for number in range(25)]
    desk.stream(request, "again")
    desk.finish(request)
    desk.chat.undo()
    for _ in range(9):
        desk.settle()
    assert [turn.id for turn in desk.chat._open.turns] == ids


def test_a_message_far_up_is_found(desk: Desk) -> None:
    home, ids = fill(desk, 30)
    desk.chat.open(home, ids[2])
    for _ in range(4):
        desk.settle()
    assert desk.last(Found).id == ids[2]
    assert ids[2] in {turn.id for turn in shown(desk)}


def test_messages_in_a_circle_are_said_once(desk: Desk) -> None:
    """Damage alone can make one."""
    home, ids = fill(desk, 20)
    names_its_own_end = "UPDATE messages SET parent_id = ? WHERE id = ?"
    desk.store.submit(lambda c: c._database.execute(names_its_own_end, ids[-1], ids[3])).result()
    desk.chat.open(home)
    for _ in range(9):
        desk.settle()
    assert [turn.id for turn in shown(desk)] == ids[3:]
    assert whole(desk)


def test_a_message_that_is_missing_above_is_said(desk: Desk) -> None:
    home, ids = fill(desk, 20)

    def lose(c: Conversations) -> None:
        c._database.execute("PRAGMA foreign_keys = OFF")
        c._database.execute("DELETE FROM messages WHERE id = ?", ids[3])

    desk.store.submit(lose).result()
    desk.chat.open(home)
    for _ in range(9):
        desk.settle()
    assert [turn.id for turn in shown(desk)][-6:] == ids[-6:]
    assert desk.last(NoticeChanged).notice.fault is Fault.DATABASE_CORRUPT
