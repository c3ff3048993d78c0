"""The last step of a person that can be taken back. There is one: each takes the place of the one before."""

from collections.abc import Callable

from chatdesk.storage.records import Conversation
from chatdesk.tasks.changes import Change, Undoable, UndoChanged


class Undoing:
    """Says with ``say`` what can be taken back; ``refresh`` has the list say anew which deletion can.

    Attributes: ``what`` it is, empty where there is nothing; ``home``, the conversation that it is of; ``deleted``, the
    conversation that comes back with it.
    """

    def __init__(self, say: Callable[[Change], None], refresh: Callable[[], None]) -> None:
        self._say = say
        self._refresh = refresh
        self._undo: Callable[[], None] | None = None
        self.what: Undoable = ""
        self.home = ""
        self.deleted: Conversation | None = None

    def offer(self, what: Undoable, home: str, undo: Callable[[], None], deleted: Conversation | None = None) -> None:
        """This is the last step, and ``undo`` takes it back."""
        self._undo, self.what, self.home = undo, what, home
        before, self.deleted = self.deleted, deleted
        if before is not None and deleted is None:  # undo no longer means that
            self._refresh()
        self._say(UndoChanged(what))

    def forget(self, *what: Undoable) -> None:
        """Such a step can no longer be taken back."""
        if self.what and self.what in what:
            self._undo, self.what, self.deleted = None, "", None
            self._say(UndoChanged(""))

    def take(self) -> Callable[[], None] | None:
        """What takes the last step back, once; None where there is nothing."""
        undo, self._undo = self._undo, None
        if undo is not None:
            self.deleted = None
            self._say(UndoChanged(""))
        return undo
