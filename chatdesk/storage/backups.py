"""Verified copies of the database: one before a migration, one a day; and how one takes the place of the database.

A copy is written under ``*.part``, checked, brought to the disk and only then given its name. The live database is
never checked: the copy is. A copy that shows damage is kept under another name, so that it never pushes out a good one.
"""

import contextlib
import itertools
import logging
import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from chatdesk.storage.rows import HASHED, as_text, digest

DAILY = "daily-"
MIGRATION = "before-migration-of-schema-"
RESTORING = "before-restoring-"
_DAMAGED = "-damaged.db"
_KEEP_DAILY = 7
_KEEP_MIGRATION = 3
_STEP_PAGES = 64  # 256 KiB: well under a millisecond
_SPARE_BYTES = 100 * 2**20  # a daily copy never takes the last of the disk

_log = logging.getLogger(__name__)


class Backup(Struct, frozen=True):
    """A copy that can be restored. ``made_at``: seconds since 1970.

    ``is_sound``: it can be read and no damage was seen when it was made. `restore` looks at its structure once more.
    """

    path: Path
    made_at: float
    size_bytes: int
    conversations: int
    messages: int
    is_sound: bool


class Damaged(Exception):
    """The copy shows that the database is damaged; its text says how."""


def before_migration(source: sqlite3.Connection, folder: Path, name: str) -> None:
    """Copy a database and check the copy. Raises `Damaged` (and keeps no copy), `sqlite3.Error` or `OSError`."""
    part = folder / f"{name}.part"
    try:
        _copy(source, part, lambda *_: None)
        with contextlib.closing(_connect(part)) as copy:
            (answer,) = copy.execute("PRAGMA integrity_check(1)").fetchone()
        if answer != "ok":
            raise Damaged(answer)
        _publish(part, folder / name)
    finally:
        part.unlink(missing_ok=True)
    _thin(folder, MIGRATION, _KEEP_MIGRATION, name)


class DailyBackup:
    """The copy of today. `copy` runs on the storage thread and lets other work in between its steps; the check of
    the copy runs on a thread of its own, which `stop` ends at once.
    """

    def __init__(self, source: sqlite3.Connection, folder: Path) -> None:
        self._source = source
        self._folder = folder
        self._stopping = threading.Event()
        self._connection: sqlite3.Connection | None = None
        self._thread: threading.Thread | None = None

    def due(self) -> bool:
        """No copy of today yet, and room for one. Clears away what an interrupted copy left."""
        if self._thread is not None and self._thread.is_alive():  # that of yesterday is still being checked
            return False
        try:
            for left in self._folder.glob("*.part*"):
                left.unlink()
            if any(self._folder.glob(f"{_today()}*.db")):
                return False
            self._folder.mkdir(parents=True, exist_ok=True)
            return shutil.disk_usage(self._folder).free > _size(self._source) + _SPARE_BYTES
        except (sqlite3.Error, OSError) as error:
            _log.warning("no daily backup: %s", error)
            return False

    def copy(self, between_steps: Callable[[], object]) -> None:
        """Copy in small steps, then start the check. An exception of ``between_steps`` ends the copy and goes on."""
        part = self._folder / f"{_today()}.part"
        try:
            _copy(self._source, part, lambda *_: between_steps(), _STEP_PAGES)
        except (sqlite3.Error, OSError) as error:
            _log.warning("no daily backup: %s", error)
            part.unlink(missing_ok=True)
            return
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        self._thread = threading.Thread(target=self._check, args=(part,), name="chatdesk-backup-check")
        self._thread.start()

    def stop(self) -> None:
        """End the check, at once; an unchecked copy is dropped."""
        self._stopping.set()
        while self._thread is not None and self._thread.is_alive():
            with contextlib.suppress(AttributeError, sqlite3.ProgrammingError):  # not yet open, or closed by now
                self._connection.interrupt()  # type: ignore[union-attr]
            self._thread.join(0.02)

    def _check(self, part: Path) -> None:
        try:
            with contextlib.closing(_connect(part)) as self._connection:
                damage = _damage(self._connection, self._breathe)
            if damage:
                _log.error("the database is damaged: %s", damage)
            made = self._folder / f"{_today()}{_DAMAGED if damage else '.db'}"
            _publish(part, made)
            _thin(self._folder, DAILY, _KEEP_DAILY, made.name)
        except _Stopped:
            pass
        except (sqlite3.Error, OSError) as error:
            if not self._stopping.is_set():
                _log.warning("no daily backup: %s", error)
        finally:
            part.unlink(missing_ok=True)

    def _breathe(self) -> None:
        """Leave the interpreter to the window now and then; end when told to."""
        if self._stopping.wait(0.002):
            raise _Stopped


class _Stopped(Exception):
    """The check was told to end."""


def available(folder: Path) -> list[Backup]:
    """The copies in a folder, the newest first; those kept by `restore`, too. Conversations in the trash count."""
    found = filter(None, map(_look_at, folder.glob("*.db")))
    return sorted(found, key=lambda backup: backup.made_at, reverse=True)


def restore(path: Path, database: Path, folder: Path) -> Path:
    """Put a copy in the place of the database, which is closed, and return where the former one was kept.

    The former file goes to ``folder`` under a dated name (with its log, if it had to be left one). Raises `Damaged`,
    `sqlite3.Error` or `OSError`; the database is as it was then.
    """
    part = database.with_name(f"{database.name}.part")
    try:
        _clone(path, part)
        if (log := _log_of(path)).is_file():
            _clone(log, _log_of(part))
        with contextlib.closing(_connect(part)) as copy:
            (answer,) = copy.execute("PRAGMA integrity_check(1)").fetchone()
        if answer != "ok":
            raise Damaged(answer)
        aside = _set_aside(database, folder)
        _publish(part, database)
    finally:
        part.unlink(missing_ok=True)
        _log_of(part).unlink(missing_ok=True)
    _thin(folder, RESTORING, _KEEP_MIGRATION, aside.name)
    return aside


def put_back(aside: Path, database: Path) -> None:
    """Undo `restore`."""
    _log_of(database).unlink(missing_ok=True)
    if (log := _log_of(aside)).is_file():
        _clone(log, _log_of(database))
    if aside.is_file():
        _clone(aside, database)


def _set_aside(database: Path, folder: Path) -> Path:
    """Copy the database away. It is copied, not moved: at no moment is there none under its name."""
    stamp = time.strftime("%Y-%m-%d-%H%M%S")
    numbered = (folder / f"{RESTORING}{stamp}{f'-{number}' if number else ''}.db" for number in itertools.count())
    aside = next(name for name in numbered if not name.exists())
    log = _log_of(database)
    if log.is_file() and log.stat().st_size:  # it could not be opened: a log of another file must not stay
        _clone(log, _log_of(aside))
    if database.is_file():
        _clone(database, aside)
    log.unlink(missing_ok=True)
    return aside


def _log_of(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def _clone(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.part")
    try:
        shutil.copyfile(source, part)
        _publish(part, target)
    finally:
        part.unlink(missing_ok=True)


def _look_at(path: Path) -> Backup | None:
    """What a copy holds; None where it has just gone, as older ones do."""
    try:
        stat = path.stat()
    except OSError:
        return None
    counts = [0, 0]
    is_sound = not path.name.endswith(_DAMAGED)
    try:
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?immutable=1", uri=True)) as copy:
            for place, table in enumerate(("conversations", "messages")):
                (counts[place],) = copy.execute(f"SELECT count(*) FROM {table}").fetchone()
    except (sqlite3.Error, UnicodeDecodeError):
        is_sound = False
    return Backup(path, stat.st_mtime, stat.st_size, counts[0], counts[1], is_sound)


def _today() -> str:
    return DAILY + time.strftime("%Y-%m-%d")


def _size(connection: sqlite3.Connection) -> int:
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    (page,) = connection.execute("PRAGMA page_size").fetchone()
    return int(pages) * int(page)


def _copy(source: sqlite3.Connection, part: Path, progress: Callable[[int, int, int], object], pages: int = -1) -> None:
    part.parent.mkdir(parents=True, exist_ok=True)
    part.unlink(missing_ok=True)
    with contextlib.closing(sqlite3.connect(part, isolation_level=None)) as target:
        target.execute("PRAGMA journal_mode = OFF")  # an unfinished copy is thrown away
        target.execute("PRAGMA synchronous = OFF")  # `_publish` brings it to the disk
        source.backup(target, pages=pages, progress=progress)
        target.execute("PRAGMA journal_mode = DELETE")  # one file that needs no log beside it


def _connect(part: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(part, isolation_level=None, check_same_thread=False)
    connection.text_factory = as_text
    return connection


def _damage(connection: sqlite3.Connection, breathe: Callable[[], None]) -> str:
    """What is wrong with a copy: its structure, then each row against its digest. Empty when it is sound."""
    try:
        breathe()
        answer = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if answer != "ok":
            return str(answer)
        for table, columns in HASHED.items():
            for count, row in enumerate(connection.execute(f"SELECT {', '.join(columns)}, digest FROM {table}")):
                if digest(row[:-1]) != row[-1]:
                    return f"a row of {table} does not match its digest"
                if count % 256 == 0:
                    breathe()
    except UnicodeDecodeError:  # SQLite quotes damaged bytes in its message
        return "its schema is not text"
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise
        return str(error)
    return ""


def _publish(part: Path, final: Path) -> None:
    """Give a checked copy its name, and both to the disk."""
    with part.open("rb+") as file:
        os.fsync(file.fileno())
    part.replace(final)
    if os.name == "posix":
        folder = os.open(final.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _thin(folder: Path, prefix: str, keep: int, made: str) -> None:
    """Keep the newest of a kind; copies with damage are counted apart from good ones. One that is in use stays.

    ``made`` stays, too, where a clock that was ahead has made others look newer.
    """
    names = sorted(entry.name for entry in folder.glob(f"{prefix}*.db"))
    damaged = [name for name in names if name.endswith(_DAMAGED)]
    good = [name for name in names if not name.endswith(_DAMAGED)]
    for name in {*damaged[:-keep], *good[:-keep]} - {made}:
        try:
            (folder / name).unlink(missing_ok=True)
            _log_of(folder / name).unlink(missing_ok=True)
        except OSError as error:
            _log.warning("an old backup stays: %s", error)
