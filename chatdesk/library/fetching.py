"""Fetches one file of a repository: by one connection that goes on where the last one ended, as often as it takes.

It takes as long as there is progress; see `partial` for what is kept. Not here: which files, how many at once, and what
is said of all of them together (`download`).
"""

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

from filelock import FileLock, Timeout
from msgspec import Struct

from chatdesk.errors import Fault, UserError
from chatdesk.library import partial, snapshots
from chatdesk.library.connection import Answer, Connection, Transient
from chatdesk.library.hub import RemoteFile, Repository, resolve_path
from chatdesk.library.partial import Partial

_PROGRESS = 2**16  # bytes that make a connection a good one
_UNREAD = 3 * 2**20  # bytes that the system may hold unread; with `partial.STEP` what a kill costs at most

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


class Tell(Protocol):
    """Called with where a file is."""

    def __call__(
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
        """``done`` bytes of ``file`` are there, ``received`` came over the line since the last call; see
        `chatdesk.library.download.Step`. ``must``: not to be left out, however soon it comes. Raises CANCELLED to end
        the fetch.
        """


class Fetcher:
    """Fetches files of one repository into the cache, each call on any thread.

    ``share``: how many files share in what a kill may cost. ``ended`` cuts a wait short.
    """

    def __init__(
        self,
        hub: Connection,
        repository: Repository,
        cache: Path,
        patience: Patience,
        share: int,
        tell: Tell,
        ended: threading.Event,
    ) -> None:
        self._hub = hub
        self._repository = repository
        self._cache = cache
        self._patience = patience
        self._unread, self._step = _UNREAD // share, partial.STEP // share
        self._tell = tell
        self._ended = ended

    def make_sure(self, file: RemoteFile, check: bool) -> None:
        """Have a file in the cache. ``check``: read one that is there, and fetch it anew where it is wrong."""
        with self._locked(file):
            place = snapshots.existing(self._cache, self._repository, file)
            if place is None or (check and not self._is_right(place, file)):
                self._fetch(file)

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
            with Partial(snapshots.blob(self._cache, self._repository.name, file), file, self._step) as part:
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
                self._tell(file, part.done, "waiting", trouble=trouble, wait_s=wait, must=True)
                self._ended.wait(wait)

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
        self._tell(file, part.done, must=True)
        with self._hub.open(path, headers=headers) as answer:
            answer.hold_little(self._unread)
            skip = self._begin(answer, part, file)
            since, received = time.monotonic(), 0
            for data in answer.raw():
                received += len(data)
                new = data[skip:]
                skip = max(0, skip - len(data))
                part.write(new[: file.size - part.done])
                self._tell(file, part.done, received=len(data))
                if part.done == file.size:
                    return
                if time.monotonic() - since > self._patience.slow_s:
                    if received < self._patience.slow_bytes:
                        raise Transient(Fault.HUB_UNREACHABLE, host=self._hub.host, reason="it sends too slowly")
                    since, received = time.monotonic(), 0
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

    def _odd(self, reason: str) -> Transient:
        return Transient(Fault.HUB_ANSWER, host=self._hub.host, reason=reason)


def _tag(header: str) -> str:
    """What an ETag says, strong or weak."""
    return header.strip().removeprefix("W/").strip('"')
