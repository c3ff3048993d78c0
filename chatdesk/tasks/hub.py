"""Looking for models on a hub, and the token for it. Nothing is asked before a person asks, and nothing here blocks.

What speaks to a hub is imported on the threads that do: it takes as long to import as the window takes to open.
"""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from chatdesk.errors import UserError
from chatdesk.library import tokens
from chatdesk.tasks.ports import Post, T, aside

if TYPE_CHECKING:
    from chatdesk.library.connection import Connection
    from chatdesk.library.hub import Found, Kind, Repository
    from chatdesk.library.safety import Checked


class Hub:
    """Asks the hub that ``connect`` connects to. All methods belong to the tasks' thread, and so do the answers."""

    def __init__(self, connect: Callable[[], "Connection"], post: Post) -> None:
        self._connect = connect
        self._post = post
        self._searches = 0

    def search(
        self,
        text: str,
        then: Callable[["list[Found]"], None],
        failed: Callable[[UserError], None],
        kind: "Kind" = "",
        licence: str = "",
        most_parameters: int = 0,
    ) -> None:
        """Models whose name has ``text`` in it, see `hub.search`. A later search makes an earlier one's answer void."""
        self._searches += 1
        number = self._searches

        def if_last(call: Callable[[T], None]) -> Callable[[T], None]:
            return lambda result: call(result) if number == self._searches else None

        def work(connection: "Connection") -> "list[Found]":
            from chatdesk.library import hub

            return hub.search(connection, text, kind, licence, most_parameters)

        self._ask(work, if_last(then), if_last(failed))

    def look(
        self,
        name: str,
        then: Callable[["Repository"], None],
        failed: Callable[[UserError], None],
        revision: str = "main",
    ) -> None:
        """The files of a model, with their sizes, before anything is fetched."""

        def work(connection: "Connection") -> "Repository":
            from chatdesk.library import hub

            return hub.repository(connection, name, revision)

        self._ask(work, then, failed)

    def preview(
        self, found: "Repository", then: Callable[["Checked"], None], failed: Callable[[UserError], None]
    ) -> None:
        """What a model would need in memory, from a few bytes of each file; for `fit.plans_of`."""

        def work(connection: "Connection") -> "Checked":
            from chatdesk.library import hub

            return hub.preview(connection, found)

        self._ask(work, then, failed)

    def card(self, name: str, then: Callable[[str], None], failed: Callable[[UserError], None]) -> None:
        """The model card, as untrusted text."""

        def work(connection: "Connection") -> str:
            from chatdesk.library import hub

            return hub.card(connection, name)

        self._ask(work, then, failed)

    def keep_token(self, token: str, then: Callable[[], None], failed: Callable[[UserError], None]) -> None:
        """Keep the access token for the hub in the system's keyring; an empty one removes it."""
        call = partial(tokens.keep, token=token) if token.strip() else tokens.forget
        self._ask(lambda c: call(c.host), lambda _: then(), failed)

    def _ask(
        self, work: Callable[["Connection"], T], then: Callable[[T], None], failed: Callable[[UserError], None]
    ) -> None:
        def ask() -> T:
            connection = self._connect()
            try:
                return work(connection)
            finally:
                connection.close()

        aside(self._post, ask, then, failed)
