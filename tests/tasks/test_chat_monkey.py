"""A hasty person: random steps while the store answers late and a reply comes in pieces.

Whatever the order, nothing raises, what the changes show is what the tasks hold and what is on the disk, and nothing
waits forever.
"""

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from chatdesk.engine.api import (
    DEFAULT_SAMPLING,
    DraftFinished,
    Event,
    Failed,
    Finished,
    Generate,
    Started,
    TokenEvent,
)
from chatdesk.errors import Fault
from chatdesk.storage.records import Conversation, Removal
from chatdesk.tasks.changes import (
    Change,
    Opened,
    ReplyingChanged,
    Turn,
    TurnAdded,
    TurnGrew,
    TurnRemoved,
    TurnReplaced,
)
from chatdesk.tasks.shelf import Shelf
from tests.tasks.desk import Desk


class Screen:
    """What a window shows, from the changes alone: texts of turns by id, and whether Stop is offered."""

    def __init__(self) -> None:
        self.turns: dict[str, str] = {}
        self.is_replying = False

    def take(self, change: Change) -> None:
        match change:
            case Opened(turns=turns):
                self.turns = {turn.id: turn.text for turn in turns}
            case TurnAdded(turn):
                self.turns[turn.id] = turn.text
            case TurnGrew(id, text) if id in self.turns:
                self.turns[id] += text
            case TurnReplaced(id, turn) if id in self.turns:
                self._replace(id, turn)
            case TurnRemoved(id):
                self.turns.pop(id, None)
            case ReplyingChanged(replying):
                self.is_replying = replying

    def _replace(self, id: str, turn: Turn) -> None:
        self.turns = {(turn.id if id == each else each): text for each, text in self.turns.items()}
        self.turns[turn.id] = turn.text


class Monkey:
    """One person at one desk; ``play`` does some steps, ``settle`` lets all come to its end."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.some = random.Random(seed)
        self.desk = Desk(folder)
        self.desk.load()
        self.chat, self.screen = self.desk.chat, Screen()
        self.chat.on_change = self.screen.take
        self.shelf = Shelf(self.desk.store, self.chat, folder / "backups", self.desk._posted.put)
        self.said = 0
        self.stage: dict[int, str] = {}  # of requests: started, done

    def play(self, steps: int) -> None:
        for _ in range(steps):
            self.said += 1
            self.some.choice(self._steps())()
            if self.some.random() < 0.5:
                self._some_answers(self.some.randrange(4))

    def _some_answers(self, most: int) -> None:
        self.desk.store.submit(lambda c: None).result()
        while most and not self.desk._posted.empty():
            most -= 1
            self.desk._posted.get()()

    def _steps(self) -> list[Callable[[], object]]:
        chat, some, words = self.chat, self.some, f"words {self.said}"
        drafts = list(chat._open.drafts.turns)
        found: list[Callable[[], object]] = [
            *[lambda: chat.send(words)] * 2, *[self._speak] * 3, *[lambda: self._some_answers(1)] * 2,
            chat.regenerate, chat.undo, chat.new, chat.stop, chat.continue_reply, chat.write_drafts, chat.clear,
            chat.tick, lambda: chat.set_draft(words), lambda: chat.close_drafts(some.choice([*drafts, ""])),
            self._open_one, self._look_into_trash,
        ]  # fmt: skip
        if drafts:
            found.append(lambda: chat.choose_draft(some.choice(drafts)))
        if chat.open_id:
            found.append(lambda: chat.delete(chat.open_id))
        if self.screen.turns:
            turn = some.choice(list(self.screen.turns))
            found += [
                lambda: chat.regenerate_at(turn), lambda: chat.edit(turn, words), lambda: chat.delete_turn(turn),
                lambda: chat.branch_from(turn), lambda: chat.choose_version(turn, some.choice((-1, 1))),
                lambda: chat.pin_turn(turn, True), lambda: chat.compare(turn), lambda: chat.keep_edit(turn, words),
            ]  # fmt: skip
        return found

    def _open_one(self) -> None:
        ids = self.desk.store.submit(lambda c: [each.id for each in c.list()]).result()
        if ids:
            self.chat.open(self.some.choice(ids))

    def _look_into_trash(self) -> None:
        """What was said before its list is shown by then."""
        lists: list[list[Conversation | Removal]] = []
        self.shelf.trash(lists.append)
        while not lists:
            self._some_answers(1)
        if found := self.some.choice([*lists[0], None]):
            kind, name = ("_messages", found) if isinstance(found, Removal) else ("", found.id)
            getattr(self.shelf, self.some.choice(("restore", "purge")) + kind)(name)

    def _speak(self) -> bool:
        """The engine says a bit more of each reply; whether there was one."""
        asked = [each for each in self.desk.engine.requests if isinstance(each, Generate)]
        open_ones = [each for each in asked if self.stage.get(each.id) != "done"]
        for request in open_ones:
            is_cancelled, drafts = request.id in self.desk.engine.cancelled, range(request.drafts)
            if request.id not in self.stage:
                self.stage[request.id] = "started"
                self._say(Started(request.id, (1, 2), DEFAULT_SAMPLING, 7))
            elif not is_cancelled and self.some.random() < 0.7:
                word = f"w{self.some.randrange(99)} "
                self._say(*(TokenEvent(request.id, draft, 5, word, -1.0, -1.0) for draft in drafts))
            elif not is_cancelled and self.some.random() < 0.2:
                self.stage[request.id] = "done"
                self._say(Failed(request.id, Fault.ENGINE_DIED, {"reason": "x"}))
            else:
                self.stage[request.id] = "done"
                ends = (DraftFinished(request.id, d, "cancelled" if is_cancelled else "stop") for d in drafts)
                self._say(*ends, Finished(request.id, 2, 0, 2, 0.1, 9.0))
        return bool(open_ones)

    def _say(self, *events: Event) -> None:
        for event in events:
            self.desk.models.on_event(event)
            self.chat.on_event(event)

    def settle(self) -> None:
        self.desk.settle()
        while self._speak():
            self.desk.settle()
        self.desk.settle()

    def check(self) -> None:
        assert (self.chat.is_replying, self.chat._open.is_taken, self.screen.is_replying) == (False, False, False)
        partials = self.desk.store.submit(lambda c: c._database.query("SELECT id FROM partials")).result()
        assert partials == []
        if (home := self.chat.open_id) and not self.chat._open.drafts.turns:
            stored = self.desk.store.submit(lambda c: {each.id: each.text for each in c.branch(home)}).result()
            assert self.screen.turns == stored == {turn.id: turn.text for turn in self.chat._open.turns}


def run(folder: Path, seeds: range) -> None:
    for seed in seeds:
        monkey = Monkey(folder / str(seed), seed)
        try:
            for _ in range(3):
                monkey.play(25)
                monkey.settle()
                monkey.check()
        except Exception as error:
            raise AssertionError(f"seed {seed}") from error
        finally:
            monkey.desk.close()


def test_a_hasty_person(tmp_path: Path) -> None:
    run(tmp_path, range(12))


@pytest.mark.soak
def test_many_hasty_people(tmp_path: Path) -> None:
    run(tmp_path, range(12, 2000))
