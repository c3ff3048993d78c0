"""The full-text index of messages and titles, kept in the same transaction as what it indexes.

It is derived: no damage to it may keep a message from being saved. Where writing it fails, the text is saved without,
and the next search of a session that finds the index short builds it anew.

Notes. ``message_search`` holds no text (``content=''``), so taking a message out needs its text again. One-character
prefixes have an index of their own: without it 天 or "e" took 39 and 82 ms over 100,000 messages, with it 3 ms; one
for two characters made the file half as large again and gained 3 ms.
"""

import contextlib
import logging
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from chatdesk.errors import Fault, UserError
from chatdesk.storage.rows import Row, attachment_names, to_text
from chatdesk.storage.words import indexed

if TYPE_CHECKING:
    from chatdesk.storage.database import Database  # which migrates, and a migration fills the index

CHUNK = 500  # rows that are held at once

INDEXED = {"messages": ("text", "attachments"), "conversations": ("title",)}  # columns; an index is named by the first
_TABLES = {"messages": "message_search", "conversations": "title_search"}

_SYMPTOMS = (UserError, sqlite3.OperationalError, sqlite3.IntegrityError)  # FTS5 has many words for damage

T = TypeVar("T")

_log = logging.getLogger(__name__)


class SearchIndex:
    """The index of one `Database`. All but `whole` and `rebuild` are called inside a transaction."""

    def __init__(self, database: "Database") -> None:
        self._database = database
        self._is_whole = False  # not yet known

    def add(self, source: str, id: str, *values: str) -> None:
        """Take in a row of ``messages`` or ``conversations`` that has just been inserted: its indexed columns."""
        insert = f"INSERT INTO {_TABLES[source]} (rowid, {INDEXED[source][0]}) VALUES (?, ?)"
        self._write(insert, self._number(source, id), indexed(searched(*values)))

    def change_title(self, conversation_id: str, title: str) -> None:
        """Take in another title of a conversation."""
        self.remove_title(conversation_id)
        self.add("conversations", conversation_id, title)

    def remove_messages(self, condition: str, *values: str | float) -> None:
        """Take out the messages that are about to be deleted: those of ``WHERE condition``."""
        with self._sparing():
            self._database.execute_many(
                "INSERT INTO message_search (message_search, rowid, text) VALUES ('delete', ?, ?)",
                _rows(self._database.query, "messages", condition, values),
            )

    def remove_title(self, conversation_id: str) -> None:
        """Take out the title of a conversation that is about to be deleted."""
        self._write("DELETE FROM title_search WHERE rowid = ?", self._number("conversations", conversation_id))

    def overwrite(self) -> None:
        """Let what was taken out be overwritten: the index is merged, about 2 s for 100,000 messages."""
        for table in _TABLES.values():
            self._write(f"INSERT INTO {table} ({table}) VALUES ('optimize')")

    def whole(self, look: Callable[[], T]) -> T:
        """What ``look`` finds in the index, which is built anew where it is damaged or, asked once a session, short."""
        if not self._is_whole:
            if not self._holds_all():
                self.rebuild()
            self._is_whole = True
        try:
            return look()
        except _SYMPTOMS as error:
            if _is_other_than_damage(error):
                raise
            self.rebuild()
            return look()

    def rebuild(self) -> None:
        """Build the index anew, in a transaction of its own; about 30 s for 100,000 messages."""
        _log.warning("the search index is built anew")
        with self._database.transaction(on_copy=True):
            for table in _TABLES.values():
                self._recreate(table)
            fill(self._database.query, self._database.execute_many)

    def _recreate(self, table: str) -> None:
        """A damaged FTS5 table cannot be dropped: what it keeps in other tables first becomes that of a new one."""
        ((statement,),) = self._database.query("SELECT sql FROM sqlite_schema WHERE name = ?", table)
        self._database.execute(statement.replace(table, "new_search"))
        pattern = "new\\_search\\_%"
        for (name,) in self._database.query("SELECT name FROM sqlite_schema WHERE name LIKE ? ESCAPE '\\'", pattern):
            kept = name.replace("new_search", table)
            self._database.execute(f"DELETE FROM {kept}")
            self._database.execute(f"INSERT INTO {kept} SELECT * FROM {name}")
        for old in (table, "new_search"):
            self._database.execute(f"DROP TABLE {old}")
        self._database.execute(statement)

    def _holds_all(self) -> bool:
        try:
            return all(self._count(f"{_TABLES[source]}_docsize") == self._count(source) for source in INDEXED)
        except _SYMPTOMS:
            return False

    def _number(self, source: str, id: str) -> int:
        return int(self._database.query(f"SELECT number FROM {source} WHERE id = ?", id)[0][0])

    def _count(self, table: str) -> int:
        return int(self._database.query(f"SELECT count(*) FROM {table}")[0][0])

    def _write(self, sql: str, *values: str | float) -> None:
        with self._sparing():
            self._database.execute(sql, *values)

    @contextlib.contextmanager
    def _sparing(self) -> Iterator[None]:
        """Give up what is written here, and no more, where the index is damaged.

        FTS5 writes at the end of a savepoint, so its failure shows here and not at the commit; there are two because
        one whose end fails is gone. The statements hold no SELECT: such a one fails earlier, and SQLite then takes back
        the whole transaction.
        """
        self._database.execute("SAVEPOINT search")
        self._database.execute("SAVEPOINT flush")
        try:
            yield
            self._database.execute("RELEASE flush")
        except _SYMPTOMS as error:
            if _is_other_than_damage(error):
                raise
            _log.error("the search index is damaged: %s", error)
            self._is_whole = False
            self._database.execute("ROLLBACK TO search")
        self._database.execute("RELEASE search")


def _is_other_than_damage(error: Exception) -> bool:
    return isinstance(error, UserError) and error.fault is not Fault.DATABASE_CORRUPT


def fill(query: Callable[..., list[Row]], execute_many: Callable[[str, Iterable[Row]], object]) -> None:
    """Index everything there is, inside a transaction; the tables are empty."""
    for source, columns in INDEXED.items():
        execute_many(f"INSERT INTO {_TABLES[source]} (rowid, {columns[0]}) VALUES (?, ?)", _rows(query, source))


def searched(text: Any, attachments: Any = "[]") -> str:
    """What can be found of a row: a title; or the text of a message, and the names of its attachments below it."""
    return "\n".join([to_text(text), *attachment_names(attachments)])


def _rows(
    query: Callable[..., list[Row]], source: str, condition: str = "1", values: tuple[str | float, ...] = ()
) -> Iterator[tuple[int, str]]:
    """Number and indexed words of each row, read in chunks, so that rows may be written in between."""
    last = 0
    columns = ", ".join(INDEXED[source])
    sql = f"SELECT number, {columns} FROM {source} WHERE number > ? AND {condition} ORDER BY number LIMIT {CHUNK}"
    while chunk := query(sql, last, *values):
        for number, *found in chunk:
            yield number, indexed(searched(*found))
        last = chunk[-1][0]
