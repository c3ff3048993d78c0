"""The queue of downloads: one at a time, on a thread of its own; paused, gone on with and given up as a person says.

What was not finished is in the settings, and shown as paused at the next start: nothing is fetched unasked.

What speaks to a hub is imported on the threads that do: it takes as long to import as the window takes to open.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from chatdesk.errors import Fault, UserError
from chatdesk.library import catalogue
from chatdesk.settings.store import Settings
from chatdesk.tasks.changes import Action, Change, Download, DownloadsChanged, Notice
from chatdesk.tasks.ports import Post, aside

if TYPE_CHECKING:
    from chatdesk.library.connection import Connection
    from chatdesk.library.download import Step

_RATE_S = 8.0
_LONGEST_WAIT_S = 2.0  # for a thread at the end of the program; a kill does no harm


class Rate:
    """Bytes a second of late, and the time that the rest takes."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: deque[tuple[float, int]] = deque()

    def add(self, step: "Step") -> tuple[float, float | None]:
        """Take in a step; the rate in bytes a second, and the seconds left where they can be said."""
        now = self._clock()
        self._seen.append((now, step.fetched))
        while now - self._seen[0][0] > _RATE_S:
            self._seen.popleft()
        since, before = self._seen[0]
        rate = (step.fetched - before) / (now - since) if now - since >= 0.5 else 0.0
        return rate, (step.total - step.done) / rate if rate else None


class Downloads:
    """Fetches models into the cache; says `DownloadsChanged`. All methods belong to the tasks' thread.

    ``connect`` makes a connection as the settings say now. Attributes: ``on_change``, set by whoever assembles;
    ``on_done``, called with the entry of a model that is there now.
    """

    def __init__(self, connect: Callable[[], "Connection"], cache: Path, settings: Settings, post: Post) -> None:
        self._connect = connect
        self._cache = cache
        self._settings = settings
        self._post = post
        self._downloads: dict[str, Download] = {}
        self._run: _Run | None = None
        self._given_up: dict[str, Download] = {}
        self._discarding: set[str] = set()
        self._real_names: dict[str, str] = {}  # of models that have moved: what the cache knows them by
        self.on_change: Callable[[Change], None] = lambda change: None
        self.on_done: Callable[[catalogue.Entry], None] = lambda entry: None
        for line in settings["downloads"]:
            name, _, revision = line.partition("@")
            self._downloads[name] = Download(name, revision or "main", "paused")
        settings.watch(self._on_setting)

    @property
    def all(self) -> tuple[Download, ...]:
        """The downloads, in their order."""
        return tuple(self._downloads.values())

    def get(self, name: str, revision: str = "main") -> None:
        """Fetch a model, or go on with it; after those that were asked for before. Another revision takes its place."""
        known = self._downloads.get(name)
        if known is not None and known.is_coming:
            if known.revision == revision:
                return
            self._stop(name)
        self._given_up.pop(name, None)
        done, total = (known.done, known.total) if known is not None and known.revision == revision else (0, 0)
        self._downloads.pop(name, None)
        self._set(Download(name, revision, "waiting", done, total))
        self._keep_list()
        self._advance()

    def resume(self, name: str) -> None:
        """Go on with a paused or failed download."""
        if (known := self._downloads.get(name)) is not None and known.state in ("paused", "failed"):
            self.get(name, known.revision)

    def pause(self, name: str) -> None:
        """Stop a download; what has come is kept."""
        known = self._downloads.get(name)
        if known is None or known.state in ("done", "failed", "paused"):
            return
        self._stop(name)
        self._set(replace(known, state="paused", bytes_per_s=0.0, seconds_left=None, notice=None))

    def cancel(self, name: str) -> None:
        """Give a download up, and remove what has come of it. One that is done only leaves the list, and one that was
        whole before it heard of this comes back as done: there may be a model that was on this machine before.
        """
        known = self._downloads.pop(name, None)
        if known is None:
            return
        if known.state != "done":
            self._given_up[name] = known
            if not self._stop(name):
                self._discard(self._given_up.pop(name))
        self._keep_list()
        self._say()

    def close(self) -> None:
        """Stop the download that is under way; the next start shows it as paused."""
        run, self._run = self._run, None
        if run is not None:
            run.stop()
            run.thread.join(_LONGEST_WAIT_S)

    # -- one at a time ---------------------------------------------------------------------------------------------

    def _advance(self) -> None:
        ready = (each for each in self.all if each.state == "waiting" and each.name not in self._discarding)
        waiting = next(ready, None)
        if self._run is not None or waiting is None:
            return
        self._set(replace(waiting, state="fetching"))
        run = self._run = _Run(self._connect, waiting.name, waiting.revision, self._cache)
        run.start(
            lambda step, rate, left: self._post(lambda: self._on_step(run, step, rate, left)),
            lambda result: self._post(lambda: self._on_end(run, result)),
        )

    def _stop(self, name: str) -> bool:
        """Stop the thread that fetches ``name``, if one does; `_on_end` comes when it has ended."""
        if self._run is None or self._run.name != name:
            return False
        self._run.stop()
        return True

    def _learn_name(self, run: "_Run") -> None:
        if self._real_name(run.name) != run.real_name:
            self._real_names[run.name] = run.real_name
            self._keep_list()

    def _real_name(self, name: str) -> str:
        return self._real_names.get(name, name)

    def _on_step(self, run: "_Run", step: "Step", rate: float, left: float | None) -> None:
        self._learn_name(run)
        known = self._downloads.get(run.name)
        if run is not self._run or run.is_stopped or known is None:
            return
        state = "trying" if step.state == "waiting" else step.state
        notice = _notice(step.trouble, "") if step.trouble else None
        self._set(Download(run.name, run.revision, state, step.done, step.total, rate, left, notice))

    def _on_end(self, run: "_Run", result: catalogue.Entry | UserError) -> None:
        if run is not self._run:  # the program ends
            return
        self._run = None
        self._learn_name(run)
        given_up = self._given_up.pop(run.name, None)
        known = self._downloads.get(run.name, given_up)
        if given_up is not None and not isinstance(result, catalogue.Entry):
            self._discard(Download(run.name, run.revision, "paused"))
        elif known is None or known.revision != run.revision:
            pass  # another one is wanted by now
        elif isinstance(result, catalogue.Entry):
            self._set(replace(known, state="done", done=known.total, seconds_left=None, path=str(result.path)))
            self._keep_list()
            self.on_done(result)
        elif not run.is_stopped:
            stopped = replace(known, state="failed", bytes_per_s=0.0, seconds_left=None)
            self._set(replace(stopped, notice=_notice(result, "retry")))
        self._advance()

    def _discard(self, given_up: Download) -> None:
        """Remove what has come, aside: many gigabytes take their time. What cannot be removed is listed again."""
        name = given_up.name

        def work() -> None:
            from chatdesk.library import snapshots

            snapshots.discard(self._cache, self._real_name(name))

        def ended() -> None:
            self._discarding.discard(name)
            self._advance()

        def failed(error: UserError) -> None:
            if name not in self._downloads:
                self._set(replace(given_up, state="failed", notice=_notice(error, "")))
            ended()

        self._discarding.add(name)
        aside(self._post, work, lambda _: ended(), failed)

    def _on_setting(self, name: str) -> None:
        if name == "offline" and self._settings["offline"]:
            for each in self.all:
                self.pause(each.name)

    def _keep_list(self) -> None:
        unfinished = (each for each in self.all if each.state != "done")
        with suppress(UserError):  # of a full disk: the list is a convenience, and the next change writes it
            self._settings["downloads"] = tuple(f"{self._real_name(each.name)}@{each.revision}" for each in unfinished)

    def _set(self, changed: Download) -> None:
        self._downloads[changed.name] = changed
        self._say()

    def _say(self) -> None:
        self.on_change(DownloadsChanged(self.all))


class _Run:
    """One download on its thread. ``real_name``: what the hub calls it, once that is known."""

    def __init__(self, connect: Callable[[], "Connection"], name: str, revision: str, cache: Path) -> None:
        self.name = self.real_name = name
        self.revision = revision
        self._connect = connect
        self._cache = cache
        self._stopped = threading.Event()
        self._connection: Connection | None = None

    @property
    def is_stopped(self) -> bool:
        return self._stopped.is_set()

    def start(
        self,
        say: Callable[["Step", float, float | None], None],
        end: Callable[[catalogue.Entry | UserError], None],
    ) -> None:
        """``say`` and ``end`` are called on the new thread."""
        self.thread = threading.Thread(target=lambda: end(self._fetch(say)), name="download", daemon=True)
        self.thread.start()

    def stop(self) -> None:
        """End it soon, also while it waits for a server."""
        self._stopped.set()
        if self._connection is not None:
            self._connection.close()

    def _fetch(self, say: Callable[["Step", float, float | None], None]) -> catalogue.Entry | UserError:
        from chatdesk.library import hub
        from chatdesk.library.download import download

        rate = Rate()
        try:
            connection = self._connection = self._connect()
            try:
                if self.is_stopped:
                    raise UserError(Fault.CANCELLED)
                repository = hub.repository(connection, self.name, self.revision)
                self.real_name = repository.name
                path = download(
                    connection, repository, self._cache, lambda step: say(step, *rate.add(step)), self._stopped
                )
            finally:
                connection.close()
            return catalogue.describe(path)
        except UserError as error:
            return error


def _notice(error: UserError, action: Action) -> Notice:
    return Notice(error.fault, error.fields, action)
