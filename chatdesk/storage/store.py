"""The storage thread: it owns the only connection, and does what it is given in order.

Opening, migrating and the daily backup happen on this thread, so that no window waits for them. `Store.opened` says how
the opening went; if it failed, every piece of work fails with the same `UserError`, until a backup is restored.
"""

import logging
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, Self, TypeAlias, TypeVar

from msgspec import Struct

from chatdesk.errors import Fault, UserError
from chatdesk.storage.backups import DailyBackup, put_back, restore
from chatdesk.storage.conversations import Conversations
from chatdesk.storage.database import Database, naming_faults, open_database

T = TypeVar("T")
_Job: TypeAlias = "tuple[Future[Any], Callable[[Conversations], Any]] | _Restoring"

_log = logging.getLogger(__name__)

_PAUSE_S = 0.01  # between two steps of a backup: 25 MB/s at most
_LOOK_EVERY_S = 3600.0  # whether a new day has begun


class Opened(Struct, frozen=True):
    """How the opening went. ``read_only``: why nothing can be written (reading works), or None."""

    read_only: UserError | None


class Store:
    """The database of a profile. `submit` from any thread; `close` (or leave the ``with`` block) at the end.

    ``quiet_s``: after so many seconds without work the backup of the day begins; ``look_every_s``: how often it is
    looked whether the day has one.
    """

    def __init__(self, path: Path, backups: Path, quiet_s: float = 3.0, look_every_s: float = _LOOK_EVERY_S) -> None:
        self.opened: Future[Opened] = Future()
        self._path = path
        self._backups = backups
        self._quiet_s, self._look_every_s = quiet_s, look_every_s
        self._queue: SimpleQueue[_Job | None] = SimpleQueue()
        self._closing = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="chatdesk-storage")
        self._thread.start()

    def submit(self, work: Callable[[Conversations], T]) -> Future[T]:
        """Do some work on the storage thread, after all that was given before; its outcome is in the future."""
        future: Future[T] = Future()
        with self._closing:
            if self._closed:
                raise RuntimeError("the store is closed")
            self._queue.put((future, work))
        return future

    def restore(self, path: Path) -> Future[Opened]:
        """Put a backup (see `backups.available`) in the place of the database, after all that was given before.

        The future says how the restored one opened; work given later is done there. The former file is kept beside the
        backups. Where it fails (``DATABASE_CORRUPT``, ``DATABASE_NEWER``, ``DISK_FULL``, ``CANNOT_WRITE``) the former
        one is in its place.
        """
        future: Future[Opened] = Future()
        with self._closing:
            if self._closed:
                raise RuntimeError("the store is closed")
            self._queue.put(_Restoring(path, future))
        return future

    def close(self) -> None:
        """Do what was given, end the backup, close the database. Harmless a second time."""
        with self._closing:
            if not self._closed:
                self._closed = True
                self._queue.put(None)
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self) -> None:
        wish: _Restoring | None = None
        while True:
            try:
                self._open_and_serve(wish)
            except _Closing:
                return
            except _Restoring as restoring:
                wish = restoring
            except Exception as error:  # the opening failed, or it is a mistake of ours: nobody waits in vain
                if not self.opened.done():
                    self.opened.set_exception(error)
                wish = self._refuse(error)
                if wish is None:
                    return

    def _refuse(self, error: Exception) -> "_Restoring | None":
        """Fail what is given, until the closing (None) or the wish to restore a backup."""
        while (job := self._queue.get()) is not None:
            if isinstance(job, _Restoring):
                return job
            if job[0].set_running_or_notify_cancel():
                job[0].set_exception(error)
        return None

    def _open_and_serve(self, wish: "_Restoring | None") -> None:
        database = self._open(wish)
        if not self.opened.done():
            self.opened.set_result(Opened(database.read_only))
        backup = DailyBackup(database.connection, self._backups)
        try:
            self._serve(database, backup)
        finally:
            backup.stop()
            database.close()

    def _open(self, wish: "_Restoring | None") -> Database:
        """Open the database, with a backup in its place where that is wished and where it can be opened."""
        if wish is None or not wish.future.set_running_or_notify_cancel():
            return open_database(self._path, self._backups)
        try:
            if not wish.path.is_file():
                raise UserError(Fault.FILE_NOT_FOUND, path=wish.path)
            with naming_faults(wish.path):
                former = restore(wish.path, self._path, self._backups)
            try:
                database = open_database(self._path, self._backups)
            except Exception:
                put_back(former, self._path)
                raise
        except Exception as error:
            wish.future.set_exception(error)
            return open_database(self._path, self._backups)
        wish.future.set_result(Opened(database.read_only))
        return database

    def _serve(self, database: Database, backup: DailyBackup) -> None:
        conversations = Conversations(database)
        is_writable = database.read_only is None
        if is_writable:
            self._purge_expired(conversations)
        look_at = 0.0
        while True:
            wait_s = max(self._quiet_s, look_at - time.monotonic()) if is_writable else None
            if not self._work(conversations, wait_s):
                look_at = time.monotonic() + self._look_every_s
                if backup.due():
                    backup.copy(lambda: self._work(conversations, _PAUSE_S))

    def _purge_expired(self, conversations: Conversations) -> None:
        try:
            conversations.purge_expired()
        except (UserError, sqlite3.Error) as error:  # no reason not to serve
            _log.warning("the trash is not emptied: %s", error)

    def _work(self, conversations: Conversations, timeout: float | None) -> bool:
        """Wait for one piece of work and do it; False when there was none in time (seconds)."""
        try:
            job = self._queue.get(timeout=timeout)
        except Empty:
            return False
        if job is None:
            raise _Closing
        if isinstance(job, _Restoring):
            raise job
        future, work = job
        if future.set_running_or_notify_cancel():
            try:
                future.set_result(work(conversations))
            except Exception as error:
                future.set_exception(error)
        return True


class _Closing(Exception):
    """All work is done and the store is to be closed."""


class _Restoring(Exception):
    """A backup is to take the place of the database."""

    def __init__(self, path: Path, future: Future[Opened]) -> None:
        self.path = path
        self.future = future
        super().__init__(path)
