"""The schema, as numbered steps from an empty file to today. A released step is never edited: add one.

Each step is one transaction that also writes its number into ``user_version``; before the first step on a file with
data a verified backup is made. Every released schema stays in ``tests/databases``.

Notes on schema 1. ``number`` is the order of insertion: a child is always newer than its parent, siblings sort by
it, and a full-text index can use it as its stable rowid. ``digest`` covers all other columns but ``number``.
"""

import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

from chatdesk.storage import backups

Migration: TypeAlias = Callable[[sqlite3.Connection], None]

APPLICATION_ID = 0x63686464  # "chdd": tells our files from other programs' SQLite files

_SCHEMA_1 = (
    """CREATE TABLE conversations (
        number INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        title TEXT NOT NULL,
        tip TEXT REFERENCES messages (id) DEFERRABLE INITIALLY DEFERRED,
        settings TEXT NOT NULL,
        draft TEXT NOT NULL,
        created_at REAL NOT NULL,
        changed_at REAL NOT NULL,
        deleted_at REAL,
        digest BLOB NOT NULL
    ) STRICT""",
    """CREATE TABLE messages (
        number INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        conversation_id TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
        parent_id TEXT REFERENCES messages (id) DEFERRABLE INITIALLY DEFERRED,
        role TEXT NOT NULL,
        text TEXT NOT NULL,
        token_ids BLOB,
        finish_reason TEXT,
        created_at REAL NOT NULL,
        digest BLOB NOT NULL
    ) STRICT""",
    "CREATE INDEX conversations_by_tip ON conversations (tip)",  # asked for each message that is purged
    "CREATE INDEX messages_by_conversation ON messages (conversation_id, parent_id)",
    "CREATE INDEX messages_by_parent ON messages (parent_id)",
    """CREATE TABLE provenance (
        message_id TEXT PRIMARY KEY REFERENCES messages (id) ON DELETE CASCADE,
        record TEXT NOT NULL,
        digest BLOB NOT NULL
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE partials (
        number INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        conversation_id TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
        parent_id TEXT REFERENCES messages (id) DEFERRABLE INITIALLY DEFERRED,
        text TEXT NOT NULL,
        token_ids BLOB NOT NULL,
        provenance TEXT NOT NULL,
        started_at REAL NOT NULL,
        digest BLOB NOT NULL
    ) STRICT""",
    f"PRAGMA application_id = {APPLICATION_ID}",
)


def _first_schema(connection: sqlite3.Connection) -> None:
    for statement in _SCHEMA_1:
        connection.execute(statement)


MIGRATIONS: tuple[Migration, ...] = (_first_schema,)


def migrate(connection: sqlite3.Connection, folder: Path | None, migrations: Sequence[Migration] = MIGRATIONS) -> None:
    """Bring a database to the newest schema. ``folder``: where the backup goes; None for a copy in memory.

    Raises `backups.Damaged` when the backup shows damage (nothing was changed), else `sqlite3.Error` or `OSError`.
    """
    (found,) = connection.execute("PRAGMA user_version").fetchone()
    if found == len(migrations):
        return
    if found and folder is not None:
        stamp = time.strftime("%Y-%m-%d-%H%M%S")
        backups.before_migration(connection, folder, f"{backups.MIGRATION}{found}-{stamp}.db")
    # Rebuilding a table drops the old one, which must not cascade; the check below takes the place.
    connection.execute("PRAGMA foreign_keys = OFF")
    for number, step in enumerate(migrations[found:], found + 1):
        _apply(connection, step, number)
    connection.execute("PRAGMA foreign_keys = ON")


def _apply(connection: sqlite3.Connection, step: Migration, number: int) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        step(connection)
        if connection.execute("PRAGMA foreign_key_check").fetchone() is not None:
            raise sqlite3.IntegrityError(f"schema {number} leaves a reference to nothing")
        connection.execute(f"PRAGMA user_version = {number}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
