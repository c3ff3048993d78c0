"""Reading and writing rows with their digests: what all operations on conversations stand on."""

import secrets
from collections.abc import Collection, Iterable
from contextlib import AbstractContextManager
from typing import Any

import msgspec

from chatdesk.storage import rows
from chatdesk.storage.database import Database
from chatdesk.storage.index import INDEXED, SearchIndex
from chatdesk.storage.records import Attachment, Conversation, Message
from chatdesk.storage.rows import HASHED, Row, digest

_TIMES = {"created_at", "changed_at", "deleted_at"}
SELECT = {
    table: f"SELECT {', '.join(f'{table}.{column}' for column in columns)}, {table}.digest FROM {table}"
    for table, columns in HASHED.items()
}


class Hashed:
    """Rows with digests in the tables of one `Database`, on its thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def transaction(self) -> AbstractContextManager[None]:
        """Several operations as one: all of them or none."""
        return self._database.transaction()

    def _insert(self, table: str, values: Row, damaged: bool = False) -> None:
        columns = HASHED[table]
        self._database.execute(
            f"INSERT INTO {table} ({', '.join(columns)}, digest) VALUES ({'?, ' * len(columns)}?)",
            *values,
            _mark(values, damaged),
        )

    def _replace(self, table: str, values: Row, changed: Collection[str], damaged: bool) -> None:
        """Change columns of a row, and its times: one that no calendar has was read as another."""
        by_column = dict(zip(HASHED[table], values, strict=True))
        columns = changed if damaged else {*changed, *(_TIMES & by_column.keys())}
        assignments = ", ".join(f"{column} = ?" for column in columns)
        self._database.execute(
            f"UPDATE {table} SET {assignments}, digest = ? WHERE id = ?",
            *(by_column[column] for column in columns),
            _mark(values, damaged),
            by_column["id"],
        )

    def _row(self, table: str, id: str) -> Row:
        found = self._database.query(f"{SELECT[table]} WHERE id = ?", id)
        if not found:
            raise KeyError(id)
        return found[0]


class Tables(Hashed):
    """The tables of conversations, and the full-text index that follows them."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._index = SearchIndex(database)

    def get(self, id: str) -> Conversation:
        """One conversation, also from the trash."""
        return rows.conversation(self._row("conversations", id))

    def message(self, id: str) -> Message:
        """One message, also from the trash."""
        return rows.message(self._row("messages", id))

    def _change(self, id: str, **fields: Any) -> Conversation:
        with self._database.transaction():
            return self._update(id, fields)

    def _update(self, id: str, fields: dict[str, Any]) -> Conversation:
        old = self.get(id)
        new = msgspec.structs.replace(old, **fields)
        self._replace("conversations", rows.conversation_values(new), fields, old.damaged)
        if new.title != old.title:
            self._index.change_title(id, new.title)
        return new

    def _insert(self, table: str, values: Row, damaged: bool = False) -> None:
        super()._insert(table, values, damaged)
        if table in INDEXED:
            columns = HASHED[table]
            found = (values[columns.index(column)] for column in INDEXED[table])
            self._index.add(table, values[columns.index("id")], *found)

    def _set_unsent(self, conversation_id: str, attachments: Iterable[Attachment]) -> None:
        self._database.execute("DELETE FROM unsent_attachments WHERE conversation_id = ?", conversation_id)
        for each in attachments:
            self._insert("unsent_attachments", (conversation_id, each.name, each.text))


def new_id() -> str:
    """A random id."""
    return secrets.token_hex(16)


def storable(text: str) -> str:
    """Text as UTF-8 can hold it: halves of a pair are joined, lone ones become U+FFFD."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def storable_attachments(attachments: Iterable[Attachment]) -> tuple[Attachment, ...]:
    """Files as the database can hold them."""
    return tuple(Attachment(storable(each.name), storable(each.text)) for each in attachments)


def _mark(values: Row, damaged: bool) -> bytes:
    """The digest of a row; what was damaged when it was read stays damaged when it is written."""
    return b"" if damaged else digest(values)
