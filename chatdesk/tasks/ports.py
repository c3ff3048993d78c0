"""What tasks need from outside: the engine behind its worker thread, the store behind its own, one place to meet."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any, Protocol, TypeVar

from chatdesk.engine.api import Request
from chatdesk.errors import UserError
from chatdesk.storage.conversations import Conversations
from chatdesk.storage.store import Store

T = TypeVar("T")


class EngineLink(Protocol):
    """The sending side of an engine. Nothing here blocks; events come to the tasks' ``on_event``."""

    def next_id(self) -> int:
        """A request id not used before."""
        ...

    def send(self, request: Request) -> None:
        """Queue a request."""
        ...

    def cancel(self, request: int) -> None:
        """Make a request end early."""
        ...

    def unload(self) -> None:
        """End the engine with its model; all its memory goes back to the machine."""
        ...


Post = Callable[[Callable[[], None]], None]
"""Runs a callable on the tasks' thread, soon and in order; may be called from any thread."""


def aside(post: Post, work: Callable[[], T], then: Callable[[T], None], failed: Callable[[UserError], None]) -> None:
    """Do slow work on a thread of its own; its result or its user error comes back to the tasks' thread.

    Other exceptions are mistakes of ours: they are printed by the thread.
    """

    def run() -> None:
        try:
            result = work()
        except UserError as error:
            post(partial(failed, error))
        else:
            post(lambda: then(result))

    threading.Thread(target=run, name="files", daemon=True).start()


class StoreLink:
    """Asks the store and brings the answer back to the tasks' thread. ``failed`` is called when nobody else is."""

    def __init__(self, store: Store, post: Post, failed: Callable[[UserError], None]) -> None:
        self._store = store
        self._post = post
        self._failed = failed

    def read_only(self) -> UserError | None:
        """Why nothing can be written, or None; known once the first answer has come."""
        return self._store.opened.result().read_only

    def call(
        self,
        work: Callable[[Conversations], T],
        then: Callable[[T], Any] | None = None,
        failed: Callable[[UserError], None] | None = None,
        always: Callable[[], None] | None = None,
    ) -> Future[T]:
        """Run ``work`` on the store's thread, in order; then ``then(result)`` or ``failed(error)`` on the tasks'.

        Other exceptions are mistakes of ours and are raised on the tasks' thread. ``always`` comes before all three.
        """

        def take(future: Future[T]) -> None:
            if always is not None:
                always()
            try:
                result = future.result()
            except UserError as error:
                (failed or self._failed)(error)
            else:
                if then is not None:
                    then(result)

        future = self._store.submit(work)
        future.add_done_callback(lambda done: self._post(lambda: take(done)))
        return future
