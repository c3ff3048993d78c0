"""Several replies to one prompt side by side: drafts being written, or versions that are there."""

from collections.abc import Callable, Sequence

from chatdesk.tasks.changes import Change, DraftsClosed, DraftsOpened, Turn, TurnRemoved, TurnReplaced


class SideBySide:
    """What is shown side by side; says so with ``say``. One thread.

    Attributes: ``turns``, by id, in their order; ``chosen``, the id of the one that the conversation goes on with.
    """

    def __init__(self, say: Callable[[Change], None]) -> None:
        self._say = say
        self.turns: dict[str, Turn] = {}
        self.chosen = ""

    def open(self, turns: Sequence[Turn], chosen: str) -> None:
        """Show these."""
        self.turns = {turn.id: turn for turn in turns}
        self.chosen = chosen
        self._say(DraftsOpened(tuple(turns), chosen))

    def close(self) -> None:
        """Show the conversation again."""
        if self.turns:
            self.turns, self.chosen = {}, ""
            self._say(DraftsClosed())

    def replace(self, turn_id: str, turn: Turn) -> None:
        """Turn ``turn_id`` is now ``turn``; its id may be another one."""
        if turn_id in self.turns:
            self.turns = {(turn.id if id == turn_id else id): t for id, t in self.turns.items()}
            self.turns[turn.id] = turn
            self.chosen = turn.id if self.chosen == turn_id else self.chosen
            self._say(TurnReplaced(turn_id, turn))

    def remove(self, turn_id: str) -> None:
        """A draft ended before its first word."""
        if self.turns.pop(turn_id, None) is not None:
            self._say(TurnRemoved(turn_id))
            if not self.turns:
                self.close()
            elif self.chosen == turn_id:
                self.chosen = next(iter(self.turns))

    def is_writing(self) -> bool:
        """Whether one of them is not stored yet."""
        return any(turn.state != "done" for turn in self.turns.values())
