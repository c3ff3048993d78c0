"""One SQLite connection: opened safely, every write whole or not at all, every failure with a name.

Notes. WAL with ``synchronous=FULL``: what was committed survives a power cut. ``locking_mode=EXCLUSIVE``: one
connection, so no shared memory file and no second writer. A file of a newer program or of another one is recognised
from its bytes, before SQLite touches it. Nothing here deletes a database.

When the file cannot be written at all (read-only folder, disk full at the start), a copy in memory is read instead:
`Database.read_only` says why, and every write is refused with it.
"""

import contextlib
import errno
import io
import sqlite3
import struct
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from chatdesk.errors import Fault, UserError
from chatdesk.storage import backups
from chatdesk.storage.migrations import MIGRATIONS, Migration, migrate
from chatdesk.storage.rows import APPLICATION_ID, HASHED, as_text

_PRAGMAS = (
    "locking_mode = EXCLUSIVE",  # before the log is opened: the index of the log is then kept in memory
    "journal_mode = WAL",
    "synchronous = FULL",
    "foreign_keys = ON",
    "cell_size_check = ON",
    "trusted_schema = OFF",
    "secure_delete = ON",  # what is purged is overwritten
    "temp_store = MEMORY",
    f"journal_size_limit = {16 * 2**20}",
)
_PRAGMAS_MACOS = ("fullfsync = ON", "checkpoint_fullfsync = ON")  # there fsync alone does not reach the disk


class Database:
    """The connection, used from the thread that opened it."""

    def __init__(self, connection: sqlite3.Connection, path: Path, read_only: UserError | None) -> None:
        self.connection = connection
        self.path = path
        self.read_only = read_only

    def query(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """All rows. Raises ``DATABASE_CORRUPT`` where the file is damaged."""
        with naming_faults(self.path):
            return self.connection.execute(sql, values).fetchall()

    def execute(self, sql: str, *values: Any) -> None:
        """Change something, inside a `transaction`."""
        with naming_faults(self.path):
            self.connection.execute(sql, values)

    def execute_many(self, sql: str, rows: Iterable[tuple[Any, ...]]) -> None:
        """Change something once for each row, inside a `transaction`."""
        with naming_faults(self.path):
            self.connection.executemany(sql, rows)

    @contextlib.contextmanager
    def transaction(self, on_copy: bool = False) -> Iterator[None]:
        """All of it or nothing; on the disk when the block has ended without an exception.

        ``on_copy``: where only a copy in memory is read, change that. Raises ``DISK_FULL`` or ``CANNOT_WRITE``; reading
        works after either.
        """
        if self.read_only and not on_copy:
            raise UserError(self.read_only.fault, **self.read_only.fields)
        is_part = self.connection.in_transaction
        if is_part:  # of a larger one
            yield
            return
        self.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.execute("COMMIT")
        except BaseException:
            if self.connection.in_transaction:  # some failures have rolled back by themselves
                self.connection.execute("ROLLBACK")
            raise

    def close(self) -> None:
        """Bring the log into the file and close. A full disk is no reason to fail here: the log is kept."""
        self.connection.close()


def open_database(path: Path, folder: Path, migrations: Sequence[Migration] = MIGRATIONS) -> Database:
    """Open the database, making or migrating it. ``folder``: where the backup before a migration goes.

    Raises ``DATABASE_NEWER``, ``DATABASE_CORRUPT`` (both leave the file as it is) or ``ALREADY_RUNNING``.
    """
    _refuse_unknown(path, len(migrations))
    try:
        with naming_faults(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            return Database(_connect(path, folder, migrations), path, None)
    except UserError as error:
        if error.fault not in (Fault.DISK_FULL, Fault.CANNOT_WRITE):
            raise
        with naming_faults(path):
            return Database(_connect_to_copy(path, migrations), path, error)


def _connect(path: Path, folder: Path, migrations: Sequence[Migration]) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, timeout=0)
    try:
        connection.text_factory = as_text
        for pragma in _PRAGMAS + (_PRAGMAS_MACOS if sys.platform == "darwin" else ()):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("BEGIN IMMEDIATE")  # says now whether it can be written
        connection.execute("ROLLBACK")
        migrate(connection, folder, migrations)
        _require_tables(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _connect_to_copy(path: Path, migrations: Sequence[Migration]) -> sqlite3.Connection:
    """The database as it is, in memory. With a log beside it SQLite must join the two, in a folder it can write to."""
    memory = sqlite3.connect(":memory:", isolation_level=None)
    try:
        memory.text_factory = as_text
        log = _log_of(path)
        if log.is_file() and log.stat().st_size:
            with tempfile.TemporaryDirectory(prefix="chatdesk-", ignore_cleanup_errors=True) as scratch:
                copy = Path(scratch) / path.name
                copy.write_bytes(path.read_bytes())
                _log_of(copy).write_bytes(log.read_bytes())
                _read_into(memory, copy.as_uri())
        elif path.is_file():
            _read_into(memory, f"{path.absolute().as_uri()}?immutable=1")
        migrate(memory, None, migrations)
        _require_tables(memory)
    except BaseException:
        memory.close()
        raise
    return memory


def _require_tables(connection: sqlite3.Connection) -> None:
    """A flipped bit in the name of a table or column is damage, too, and no mistake in our statements."""
    needed = {table: (*columns, "digest") for table, columns in HASHED.items()} | {"pins": ("message_id",)}
    for table, columns in (needed | {"removed": ("message_id", "batch", "at", "was_tip")}).items():
        try:
            connection.execute(f"SELECT {', '.join(columns)} FROM {table} LIMIT 0")
        except sqlite3.OperationalError as error:
            raise backups.Damaged(str(error)) from error


def _read_into(memory: sqlite3.Connection, uri: str) -> None:
    with contextlib.closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as source:
        source.execute("PRAGMA locking_mode = EXCLUSIVE")  # the index of the log in memory: no disk may have room
        source.backup(memory)


@contextlib.contextmanager
def naming_faults(path: Path) -> Iterator[None]:
    """Turn what the world does to a database into a `UserError`; a mistake of ours stays what it is."""
    try:
        yield
    except backups.Damaged as error:
        raise UserError(Fault.DATABASE_CORRUPT, path=path, reason=error) from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise UserError(Fault.DISK_FULL, path=path) from error
        raise UserError(Fault.CANNOT_WRITE, path=path, reason=error.strerror or error) from error
    except UnicodeDecodeError as error:  # SQLite quotes damaged bytes in its message
        raise UserError(Fault.DATABASE_CORRUPT, path=path, reason="its schema is not text") from error
    except sqlite3.Error as error:
        named = _name(error, path)
        if named is None:
            raise
        raise named from error


def _name(error: sqlite3.Error, path: Path) -> UserError | None:
    code = getattr(error, "sqlite_errorcode", 0)  # absent when the mistake is in the call
    match code & 0xFF:
        case sqlite3.SQLITE_FULL:
            return UserError(Fault.DISK_FULL, path=path)
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return UserError(Fault.DATABASE_CORRUPT, path=path, reason=error)
        case sqlite3.SQLITE_BUSY:
            return UserError(Fault.ALREADY_RUNNING, path=path)
        case sqlite3.SQLITE_IOERR | sqlite3.SQLITE_READONLY | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM:
            if _is_full(path.parent):
                return UserError(Fault.DISK_FULL, path=path)
            return UserError(Fault.CANNOT_WRITE, path=path, reason=error)
    return None


def _is_full(folder: Path) -> bool:
    """SQLite does not say why a flush to the disk failed; a small file does."""
    try:
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(bytes(64 * 1024))
    except OSError as error:
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    return False


def _log_of(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def _refuse_unknown(path: Path, known: int) -> None:
    """Look at the bytes before SQLite does: opening a file may already change it."""
    with naming_faults(path):
        refusal = _refusal(path, _first_page(path), known)
        if refusal is not None and _log_of(path).is_file():
            # A power cut may have left a frame by half. Sums over a long log take seconds, so only now.
            refusal = _refusal(path, _first_page(path, is_checked=True), known)
    if refusal is not None:
        raise refusal


def _refusal(path: Path, page: bytes, known: int) -> UserError | None:
    """Why this is no database of ours.

    Header fields of page 1 (https://www.sqlite.org/fileformat2.html): schema cookie at 40, user_version at 60,
    application_id at 68.
    """
    if not page:
        if _log_of(path).is_file() and _log_of(path).stat().st_size:
            # SQLite would delete the log of an empty file, and with it all that is left.
            return UserError(Fault.DATABASE_CORRUPT, path=path, reason="it is empty, but its log is not")
        return None
    if len(page) < 100 or not page.startswith(b"SQLite format 3\0"):
        return UserError(Fault.DATABASE_CORRUPT, path=path, reason="it is not a database")
    (cookie,), (version,), (owner,) = (struct.unpack_from(">I", page, offset) for offset in (40, 60, 68))
    if owner != APPLICATION_ID and (cookie or version):  # all zero: the program ended before its first table
        return UserError(Fault.DATABASE_CORRUPT, path=path, reason="it is not a database of chatdesk")
    if version > known:
        return UserError(Fault.DATABASE_NEWER, path=path, found=version, known=known)
    return None


def _first_page(path: Path, is_checked: bool = False) -> bytes:
    """The beginning of page 1: from the last commit in the log, else from the file. Empty where there is no file."""
    page = b""
    try:
        with path.open("rb") as file:
            page = file.read(100)
        log = _log_of(path).open("rb") if page else io.BytesIO()
    except FileNotFoundError:
        return page
    with log:
        written = page
        for number, size_at_commit, begin in _frames(log, is_checked):
            if number == 1:
                written = begin
            if size_at_commit:
                page = written
    return page


def _frames(log: BinaryIO, is_checked: bool) -> Iterator[tuple[int, int, bytes]]:
    """Of each frame in the log the page's number, the pages after a commit (else 0), and how the page begins.

    ``is_checked``: only as far as the sums are right, which is as far as SQLite reads. A sum goes on from the frame
    before it (https://www.sqlite.org/walformat.html).
    """
    header = log.read(32)
    if len(header) < 32:
        return
    size, order = int.from_bytes(header[8:12]), "<>"[header[3] & 1]
    sums = _sums(header[:24], (0, 0), order)
    if is_checked and header[24:] != struct.pack(">II", *sums):
        return
    while len(frame := log.read(24)) == 24 and frame[8:16] == header[16:24]:
        begin = log.read(size if is_checked else 100)
        if is_checked:
            sums = _sums(frame[:8] + begin, sums, order)
            if len(begin) < size or frame[16:] != struct.pack(">II", *sums):
                return
        log.seek(size - len(begin), io.SEEK_CUR)
        number, size_at_commit = struct.unpack_from(">II", frame)
        yield number, size_at_commit, begin[:100]


def _sums(content: bytes, before: tuple[int, int], order: str) -> tuple[int, int]:
    first, second = before
    numbers = struct.unpack(f"{order}{len(content) // 8 * 2}I", content[: len(content) // 8 * 8])
    for one, other in zip(numbers[::2], numbers[1::2], strict=True):
        first = (first + one + second) & 0xFFFFFFFF
        second = (second + other + first) & 0xFFFFFFFF
    return first, second
