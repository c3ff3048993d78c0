"""Fetches the files of a repository into the Hugging Face cache: resumed, checked, and safe to be killed at any moment.

Each file is fetched by one connection that goes on where the last one ended, as often as it takes while there is
progress; see `partial` for what is kept and `snapshots` for where. Nothing gets its final name before its digest is
right. Not here: what to fetch (`hub.repository`), and queues (the tasks).
"""

import errno
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, TypeAlias

from filelock import FileLock, Timeout
from msgspec import Struct

from chatdesk.errors import Fault, UserError
from chatdesk.library import partial, snapshots
from chatdesk.library.connection import Answer, Connection, Transient
from chatdesk.library.figures import short_bytes
from chatdesk.library.hub import RemoteFile, Repository, resolve_path
from chatdesk.library.partial import Partial

_PROGRESS = 2**16  # bytes that make a connection a good one
_SPARE = 50 * 10**6  # bytes that a disk should have left
_UNREAD = 3 * 2**20  # bytes; with `partial.STEP` what a kill costs at most
_SAY_EVERY_S = 0.1

State: TypeAlias = Literal["fetching", "checking", "waiting"]


class Patience(Struct, frozen=True):
    """``tries``: connections in a row that bring next to nothing. Waits double from ``first_wait_s``; a server that
    asks for more than ``most_asked_s`` is left alone. Fewer than ``slow_bytes`` in ``slow_s`` are as good as none.
    """

    tries: int = 9
    first_wait_s: float = 1.0
    most_wait_s: float = 30.0
    most_asked_s: float = 120.0
    slow_s: float = 60.0
    slow_bytes: int = 2**16


class Step(Struct, frozen=True):
    """Progress: ``done`` of ``total`` bytes of the repository, ``file`` in work, ``fetched``: bytes that came over the
    line since the download began, for its rate. ``checking``: bytes that are there are compared with their digest.
    ``waiting``: after ``trouble``, for ``wait_s`` seconds.
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
    job = _Job(hub, repository, cache, say, stop or threading.Event(), patience or Patience())
    try:
        return job.run()
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise job.no_space() from error
        raise UserError(Fault.DOWNLOAD_CANNOT_WRITE, path=cache, reason=error.strerror or error) from error


class _Job:
    def __init__(
        self,
        hub: Connection,
        repository: Repository,
        cache: Path,
        say: Callable[[Step], None],
        stop: threading.Event,
        patience: Patience,
    ) -> None:  # fmt: skip
        self._hub = hub
        self._repository = repository
        self._cache = cache
        self._say = say
        self._stop = stop
        self._patience = patience
        self._before = 0  # bytes of the files that are done
        self._fetched = 0
        self._said_at = 0.0

    def run(self) -> Path:
        files = self._repository.files
        there = {file.path for file in files if snapshots.existing(self._cache, self._repository, file)}
        if len(there) < len(files) and self._free() < self._missing() + _SPARE:
            raise self.no_space()
        for file in files:
            with self._locked(file):
                place = snapshots.existing(self._cache, self._repository, file)
                # Of a model that is there altogether somebody wants to know whether it is right.
                if place is None or (len(there) == len(files) and not self._is_right(place, file)):
                    self._fetch(file)
            self._before += file.size
            self._tell(file, 0, force=True)
        return snapshots.publish(self._cache, self._repository)

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

    @contextmanager
    def _locked(self, file: RemoteFile) -> Iterator[None]:
        """Keep huggingface_hub, in whatever program, and ourselves from writing one file at a time."""
        path = snapshots.lock(self._cache, self._repository.name, file)
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise UserError(Fault.DOWNLOAD_BUSY, file=file.path, name=self._repository.name) from None
        try:
            yield
        finally:
            lock.release()

    def _is_right(self, place: Path, file: RemoteFile) -> bool:
        is_right = False
        read = 0
        for found in partial.read(place, file):
            read = min(read + 2**20, file.size)
            self._tell(file, read, "checking")
            is_right = bool(found)
        if not is_right:
            place.unlink()
        return is_right

    def _fetch(self, file: RemoteFile) -> None:
        """Fetch a file; one whose bytes are wrong, of which an older part may be the reason, once more."""
        for _ in range(2):
            with Partial(snapshots.blob(self._cache, self._repository.name, file), file) as part:
                for done in part.read_back():
                    self._tell(file, done, "checking")
                self._fill(part, file)
                if part.finish():
                    return
        raise UserError(Fault.DOWNLOAD_DAMAGED, file=file.path, name=self._repository.name)

    def _fill(self, part: Partial, file: RemoteFile) -> None:
        """Connect until all bytes are there, or nothing more comes."""
        tries = restarts = 0
        while part.done < file.size:
            before = part.done
            try:
                self._stream(part, file)
            except Transient as trouble:
                restarts += part.done < before
                tries = 1 if part.done - before >= _PROGRESS else tries + 1
                wait = self._wait(tries, trouble)
                if tries >= self._patience.tries or restarts > 2 or wait > self._patience.most_asked_s:
                    raise
                self._tell(file, part.done, "waiting", trouble, wait)
                self._stop.wait(wait)

    def _wait(self, tries: int, trouble: Transient) -> float:
        """Seconds until the next try."""
        own = min(self._patience.first_wait_s * 2.0 ** (tries - 1), self._patience.most_wait_s)
        return max(own, trouble.wait_s or 0.0)

    def _stream(self, part: Partial, file: RemoteFile) -> None:
        """Take what one connection brings."""
        headers = {"Accept-Encoding": "identity"}  # else the bytes counted are not those of the file
        if part.done:
            headers["Range"] = f"bytes={part.done}-"
        path = resolve_path(self._repository.name, self._repository.commit, file.path)
        self._tell(file, part.done, force=True)
        with self._hub.open(path, headers=headers) as answer:
            answer.hold_little(_UNREAD)
            skip = self._begin(answer, part, file)
            since, mark = time.monotonic(), part.done
            for data in answer.raw():
                self._fetched += len(data)
                new = data[skip:]
                skip = max(0, skip - len(data))
                part.write(new[: file.size - part.done])
                self._tell(file, part.done)
                if part.done == file.size:
                    return
                if time.monotonic() - since > self._patience.slow_s:
                    if part.done - mark < self._patience.slow_bytes and not skip:
                        raise Transient(Fault.HUB_UNREACHABLE, host=self._hub.host, reason="it sends too slowly")
                    since, mark = time.monotonic(), part.done
        raise self._odd("a file ends too early")

    def _begin(self, answer: Answer, part: Partial, file: RemoteFile) -> int:
        """Whether an answer goes on where the part ends; how many of its bytes are there already."""
        self._hub.refuse_page(answer)
        if answer.headers.get("content-encoding", "identity") != "identity":
            raise self._odd("it packs a file that was asked for unpacked")
        linked = _tag(answer.hub_headers.get("x-linked-etag", ""))
        if linked and linked != file.digest:
            raise self._odd("it offers another file than its list names")
        tag = linked or _tag(answer.headers.get("etag", ""))
        if answer.status == 416 or (part.tag and tag and tag != part.tag):
            part.clear()
            raise self._odd("the file has changed")
        part.tag = tag
        if answer.status == 206 and part.done:
            found = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+|\*)", answer.headers.get("content-range", ""))
            if not found or int(found[1]) != part.done or found[3] not in (str(file.size), "*"):
                raise self._odd("it sends another part of a file than was asked for")
            return 0
        if answer.status != 200:
            raise self._odd(f"status {answer.status}")
        if answer.headers.get("content-length", str(file.size)) != str(file.size):
            raise self._odd("a file has another length than its list says")
        return part.done

    def _tell(
        self,
        file: RemoteFile,
        done: int,
        state: State = "fetching",
        trouble: UserError | None = None,
        wait_s: float = 0.0,
        force: bool = False,
    ) -> None:
        """Say where we are, not too often; the place where a stop is heard."""
        if self._stop.is_set():
            raise UserError(Fault.CANCELLED)
        now = time.monotonic()
        if force or trouble or now - self._said_at >= _SAY_EVERY_S:
            self._said_at = now
            done, total = self._before + done, self._repository.size_bytes
            self._say(Step(done, total, file.path, self._fetched, state, trouble, wait_s))

    def _odd(self, reason: str) -> Transient:
        return Transient(Fault.HUB_ANSWER, host=self._hub.host, reason=reason)


def _tag(header: str) -> str:
    """What an ETag says, strong or weak."""
    return header.strip().removeprefix("W/").strip('"')
