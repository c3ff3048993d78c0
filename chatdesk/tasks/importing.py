"""An import that is under way, so that it can be stopped and says how far it is."""

import threading
import time
from collections.abc import Callable

from chatdesk.errors import Fault, UserError
from chatdesk.tasks.ports import Post

_SAY_EVERY_S = 0.1


class Importing:
    """``say(done, total)``, of conversations that are stored, is called on the tasks' thread; steps come from any."""

    def __init__(self, post: Post, say: Callable[[int, int], None]) -> None:
        self._post = post
        self._say = say
        self._stopped = threading.Event()
        self._said_at = 0.0

    def stop(self) -> None:
        """End it at its next step; one that has ended stays as it is."""
        self._stopped.set()

    def go_on(self) -> None:
        """A step of reading. Raises CANCELLED when it is to end."""
        if self._stopped.is_set():
            raise UserError(Fault.CANCELLED)

    def store(self, done: int, total: int) -> None:
        """A step of storing. Raises CANCELLED when it is to end."""
        self.go_on()
        if (now := time.monotonic()) - self._said_at >= _SAY_EVERY_S:
            self._said_at = now
            self._post(lambda: self._say(done, total))
