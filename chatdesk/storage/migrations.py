"""The schema, as numbered steps from an empty file to today. A released step is never edited: add one.

Each step is one transaction that also writes its number into ``user_version``; before the first step on a file with
data a verified backup is made. Every released schema stays in ``tests/databases``.

Notes on schema 1. ``number`` is the order of insertion: a child is always newer than its parent, siblings sort by
it, and a full-text index can use it as its stable rowid. ``digest`` covers all other columns but ``number``.

Notes on schema 2. A message in ``removed`` is in the trash; all messages removed at once share a ``batch``, and
``was_tip`` marks the one that was shown. Neither table has a digest: a flipped bit there names no message.

Notes on schema 3. Attachments of unsent texts have a table of their own, so that neither the list of conversations nor
each flush of a text that is being typed reads and writes whole files.

Notes on schema 4. The text of a document stands apart, so that a list of documents reads none. It is not compressed: a
flipped bit then costs a letter. A version is stored as what differs from the one before it (``base_id``).
"""

import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

from chatdesk.storage import backups, index
from chatdesk.storage.rows import APPLICATION_ID, digest

Migration: TypeAlias = Callable[[sqlite3.Connection], None]

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


_SCHEMA_2 = (
    "ALTER TABLE conversations ADD COLUMN folder TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE conversations ADD COLUMN is_pinned INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE messages ADD COLUMN attachments TEXT NOT NULL DEFAULT '[]'",
    """CREATE TABLE pins (
        message_id TEXT NOT NULL PRIMARY KEY REFERENCES messages (id) ON DELETE CASCADE
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE removed (
        message_id TEXT NOT NULL PRIMARY KEY REFERENCES messages (id) ON DELETE CASCADE,
        batch TEXT NOT NULL,
        at REAL NOT NULL,
        was_tip INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID""",
    "CREATE INDEX removed_by_batch ON removed (batch)",
    "CREATE VIRTUAL TABLE message_search USING fts5 (text, content='', tokenize='ascii', prefix='1')",
    "CREATE VIRTUAL TABLE title_search USING fts5 (title, tokenize='ascii', prefix='1')",
)


def _second_schema(connection: sqlite3.Connection) -> None:
    """Folders, pins, attachments, a trash for messages, and the full-text index (30 s for 100,000 messages)."""
    for statement in _SCHEMA_2:
        connection.execute(statement)
    conversation = "id, title, tip, settings, draft, created_at, changed_at, deleted_at"
    _hash_anew(connection, "conversations", conversation, ("", 0))
    message = "id, conversation_id, parent_id, role, text, token_ids, finish_reason, created_at"
    _hash_anew(connection, "messages", message, ("[]",))
    index.fill(lambda sql, *values: connection.execute(sql, values).fetchall(), connection.executemany)


_SCHEMA_3 = (
    """CREATE TABLE unsent_attachments (
        number INTEGER PRIMARY KEY,
        conversation_id TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
        name TEXT NOT NULL,
        text TEXT NOT NULL,
        digest BLOB NOT NULL
    ) STRICT""",
    "CREATE INDEX unsent_attachments_by_conversation ON unsent_attachments (conversation_id)",
)


def _third_schema(connection: sqlite3.Connection) -> None:
    """Attachments of unsent texts; names of attachments are searched, so an index without them is to be built anew."""
    for statement in _SCHEMA_3:
        connection.execute(statement)
    if connection.execute("SELECT 1 FROM messages WHERE attachments != '[]' LIMIT 1").fetchone():
        connection.execute("INSERT INTO message_search (message_search) VALUES ('delete-all')")


_SCHEMA_4 = (
    """CREATE TABLE documents (
        number INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        title TEXT NOT NULL,
        folder TEXT NOT NULL,
        settings TEXT NOT NULL,
        created_at REAL NOT NULL,
        changed_at REAL NOT NULL,
        deleted_at REAL,
        digest BLOB NOT NULL
    ) STRICT""",
    """CREATE TABLE document_texts (
        number INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE REFERENCES documents (id) ON DELETE CASCADE,
        text TEXT NOT NULL,
        spans TEXT NOT NULL,
        digest BLOB NOT NULL
    ) STRICT""",
    """CREATE TABLE document_versions (
        number INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        document_id TEXT NOT NULL REFERENCES documents (id) ON DELETE CASCADE,
        base_id TEXT REFERENCES document_versions (id) DEFERRABLE INITIALLY DEFERRED,
        prefix INTEGER NOT NULL,
        suffix INTEGER NOT NULL,
        body BLOB NOT NULL,
        text_digest BLOB NOT NULL,
        spans TEXT NOT NULL,
        reason TEXT NOT NULL,
        created_at REAL NOT NULL,
        digest BLOB NOT NULL
    ) STRICT""",
    "CREATE INDEX document_versions_by_document ON document_versions (document_id)",
    "CREATE INDEX document_versions_by_base ON document_versions (base_id)",
    """CREATE TABLE generations (
        number INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        document_id TEXT NOT NULL REFERENCES documents (id) ON DELETE CASCADE,
        text TEXT NOT NULL,
        record TEXT NOT NULL,
        created_at REAL NOT NULL,
        digest BLOB NOT NULL
    ) STRICT""",
    "CREATE INDEX generations_by_document ON generations (document_id)",
)


def _fourth_schema(connection: sqlite3.Connection) -> None:
    """Documents of the writing desk, their versions, and what models wrote for them."""
    for statement in _SCHEMA_4:
        connection.execute(statement)


def _hash_anew(connection: sqlite3.Connection, table: str, columns: str, added: tuple[str | int, ...]) -> None:
    """Digests that cover the added columns, too; a row that was damaged before stays damaged."""
    last = 0
    read = f"SELECT number, digest, {columns} FROM {table} WHERE number > ? ORDER BY number LIMIT {index.CHUNK}"
    while chunk := connection.execute(read, (last,)).fetchall():
        connection.executemany(
            f"UPDATE {table} SET digest = ? WHERE number = ?",
            ((digest((*row, *added)) if digest(row) == old else b"", number) for number, old, *row in chunk),
        )
        last = chunk[-1][0]


MIGRATIONS: tuple[Migration, ...] = (_first_schema, _second_schema, _third_schema, _fourth_schema)


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
