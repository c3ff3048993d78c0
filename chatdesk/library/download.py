"""Fetches the files of a repository into the Hugging Face cache: resumed, checked, and safe to be killed at any moment.

Several files come at once, each as `fetching` does it; see `snapshots` for where they are kept. Nothing gets its final
name before its digest is right. Not here: what to fetch (`hub.repository`), and queues (the tasks).
"""

import errno
import math
import shutil
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue

from msgspec import Struct

from chatdesk.errors import Fault, UserError
from chatdesk.library import snapshots
from chatdesk.library.connection import Connection
from chatdesk.library.fetching import Fetcher, Patience, State
from chatdesk.library.figures import short_bytes
from chatdesk.library.hub import RemoteFile, Repository
from chatdesk.library.partial import STEP

AT_ONCE = 4
"""Files that are fetched together."""

_SPARE = 50 * 10**6  # bytes that a disk should have left
_SMALL = STEP // AT_ONCE  # bytes; what a kill costs of a smaller file does not count
_SAY_EVERY_S = 0.1
_LONGEST_WAIT_S = 1.0  # for threads, after Ctrl+C


class Step(Struct, frozen=True):
    """Progress: ``done`` of ``total`` bytes of the repository; ``file``: one of those in work; ``fetched``: bytes that
    came over the line since the download began, for its rate. ``checking``: bytes that are there are compared with
    their digest. ``waiting``: after ``trouble``, for ``wait_s`` seconds.
    """

    done: int
    total: int
    file: str
    fetched: int
    state: State = "fetching"
    trouble: UserError | None = None
    wait_s: float = 0.0


def download(
    hub: Connection,
    repository: Repository,
    cache: Path,
    say: Callable[[Step], None] = lambda step: None,
    stop: threading.Event | None = None,
    patience: Patience | None = None,
) -> Path:
    """Fetch what is missing of a repository; returns the folder of the snapshot. A model that is there is checked.

    ``say`` is called on this thread, some ten times a second. ``stop`` ends it with CANCELLED, and so does an exception
    out of ``say``; what has come is kept. Raises what `Connection.open` raises, DOWNLOAD_DAMAGED, DOWNLOAD_NO_SPACE,
    DOWNLOAD_BUSY or DOWNLOAD_CANNOT_WRITE.
    """
    job = _Job(hub, repository, cache, patience or Patience())
    try:
        job.run(say, stop or threading.Event())
        return snapshots.publish(cache, repository)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise job.no_space() from error
        raise UserError(Fault.DOWNLOAD_CANNOT_WRITE, path=cache, reason=error.strerror or error) from error


class _Job:
    """Files of a repository that are fetched by threads, which say where they are to the one that waits for them."""

    def __init__(self, hub: Connection, repository: Repository, cache: Path, patience: Patience) -> None:
        self._hub = hub
        self._repository = repository
        self._cache = cache
        self._ended = threading.Event()
        self._steps: SimpleQueue[Step | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._done: dict[str, int] = {}  # bytes, by the path of the file
        self._fetched = 0
        self._said_at = 0.0
        self._error: BaseException | None = None
        by_digest: dict[str, list[RemoteFile]] = {}
        for file in repository.files:
            by_digest.setdefault(file.digest, []).append(file)  # which the cache keeps once
        self._groups = list(by_digest.values())
        missing = [files[0] for files in self._groups if snapshots.existing(cache, repository, files[0]) is None]
        share = max(1, min(AT_ONCE, sum(file.size > _SMALL for file in missing)))
        self._fetcher = Fetcher(hub, repository, cache, patience, share, self._tell, self._ended)

    def run(self, say: Callable[[Step], None], stop: threading.Event) -> None:
        """Have all files; see `download`."""
        files = self._repository.files
        there = {file.path for file in files if snapshots.existing(self._cache, self._repository, file)}
        if len(there) < len(files) and self._free() < self._missing() + _SPARE:
            raise self.no_space()
        # Of a model that is there altogether somebody wants to know whether it is right.
        check = len(there) == len(files)
        left: SimpleQueue[list[RemoteFile]] = SimpleQueue()
        for group in self._groups:
            left.put(group)
        work = partial(self._fetch_all, left, check)
        # A program that ends waits for no server, so these are no threads of a pool.
        threads = [threading.Thread(target=work, name="download file", daemon=True) for _ in range(AT_ONCE)]
        for thread in threads:
            thread.start()
        most_s = math.inf
        try:
            self._listen(say, stop)
        except KeyboardInterrupt:
            most_s = _LONGEST_WAIT_S  # somebody waits at a terminal, and a kill does no harm
            raise
        finally:
            self._end(threads, most_s)
        if self._error is not None:
            raise self._error

    def _listen(self, say: Callable[[Step], None], stop: threading.Event) -> None:
        """Pass on what the threads say until all files are there or one has failed."""
        left = len(self._groups)
        while left and self._error is None:
            if stop.is_set():
                raise UserError(Fault.CANCELLED)
            with suppress(Empty):
                step = self._steps.get(timeout=_SAY_EVERY_S)
                if step is None:
                    left -= 1
                else:
                    say(step)

    def _end(self, threads: Iterable[threading.Thread], most_s: float) -> None:
        """Let the threads end soon, also those that wait for a server, and wait for them."""
        self._ended.set()
        until = time.monotonic() + most_s
        for thread in threads:
            while thread.is_alive() and time.monotonic() < until:
                self._hub.hang_up()
                thread.join(_SAY_EVERY_S)

    def _fetch_all(self, left: "SimpleQueue[list[RemoteFile]]", check: bool) -> None:
        """Take one group after the other; all files of a group have the same bytes."""
        while not self._ended.is_set():
            try:
                group = left.get_nowait()
            except Empty:
                return
            try:
                for file in group:
                    self._fetcher.make_sure(file, check)
                    self._tell(file, file.size, must=True)
            except BaseException as error:  # for the thread that waits
                self._error = self._error or error
            self._steps.put(None)

    def no_space(self) -> UserError:
        """What is missing, and what the disk has."""
        needed, free = short_bytes(self._missing()), short_bytes(self._free())
        name = self._repository.name
        return UserError(Fault.DOWNLOAD_NO_SPACE, name=name, needed=needed, path=self._cache, free=free)

    def _missing(self) -> int:
        missing = 0
        for file in self._repository.files:
            if snapshots.existing(self._cache, self._repository, file) is None:
                part = snapshots.blob(self._cache, self._repository.name, file)
                part = part.with_name(part.name + snapshots.INCOMPLETE)
                missing += max(0, file.size - (part.stat().st_size if part.exists() else 0))
        return missing

    def _free(self) -> int:
        folder = self._cache.absolute()
        while not folder.exists() and folder != folder.parent:
            folder = folder.parent
        return shutil.disk_usage(folder).free

    def _tell(
        self,
        file: RemoteFile,
        done: int,
        state: State = "fetching",
        *,
        received: int = 0,
        trouble: UserError | None = None,
        wait_s: float = 0.0,
        must: bool = False,
    ) -> None:
        """Take in where a file is and say where all are, not too often; the place where an end is heard."""
        if self._ended.is_set():
            raise UserError(Fault.CANCELLED)
        with self._lock:
            self._done[file.path] = done
            self._fetched += received
            now = time.monotonic()
            if must or now - self._said_at >= _SAY_EVERY_S:
                self._said_at = now
                done, total = sum(self._done.values()), self._repository.size_bytes
                self._steps.put(Step(done, total, file.path, self._fetched, state, trouble, wait_s))
