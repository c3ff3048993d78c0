"""Every operation on conversations: a tree of immutable messages, of which one branch is shown.

Each method is one transaction. An id that is not there (purged meanwhile) raises `KeyError`; a full disk
``DISK_FULL``, any other failed write ``CANNOT_WRITE``: nothing has changed then, and reading goes on.
"""

import secrets
import time
from collections.abc import Collection, Iterable, Sequence
from typing import Any, TypeAlias

import msgspec

from chatdesk.errors import Fault, UserError
from chatdesk.storage import rows
from chatdesk.storage.database import Database
from chatdesk.storage.records import Conversation, Message, Partial, Provenance
from chatdesk.storage.rows import HASHED, Row, digest

_List: TypeAlias = list[Conversation]
_Messages: TypeAlias = list[Message]  # inside the class below, ``list`` is the method

INTERRUPTED = "interrupted"

_SELECT = {table: f"SELECT {', '.join(columns)}, digest FROM {table}" for table, columns in HASHED.items()}


class Conversations:
    """The operations, on one `Database` and its thread."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # -- conversations

    def create(self, title: str = "", settings: dict[str, Any] | None = None) -> Conversation:
        """A new, empty conversation."""
        now = time.time()
        conversation = Conversation(_new_id(), _storable(title), None, settings or {}, "", now, now, None)
        with self._database.transaction():
            self._insert("conversations", rows.conversation_values(conversation))
        return conversation

    def list(self, include_deleted: bool = False) -> _List:
        """All conversations, the one with the newest message first; those in the trash only when asked for."""
        where = "" if include_deleted else " WHERE deleted_at IS NULL"
        found = self._database.query(f"{_SELECT['conversations']}{where} ORDER BY changed_at DESC, number DESC")
        return [rows.conversation(row) for row in found]

    def get(self, id: str) -> Conversation:
        """One conversation, also from the trash."""
        return rows.conversation(self._row("conversations", id))

    def rename(self, id: str, title: str) -> None:
        """Give it another title."""
        self._change(id, title=_storable(title))

    def set_settings(self, id: str, settings: dict[str, Any]) -> None:
        """Replace its settings; anything that JSON can hold."""
        self._change(id, settings=settings)

    def set_draft(self, id: str, text: str) -> None:
        """Keep what stands unsent in the composer."""
        self._change(id, draft=_storable(text))

    def delete(self, id: str) -> None:
        """Move it to the trash."""
        self._change(id, deleted_at=time.time())

    def restore(self, id: str) -> None:
        """Take it back from the trash."""
        self._change(id, deleted_at=None)

    def purge(self, id: str) -> None:
        """Remove it with all its messages, for good."""
        with self._database.transaction():
            self._row("conversations", id)
            self._database.execute("DELETE FROM conversations WHERE id = ?", id)

    # -- messages

    def add_message(
        self,
        conversation_id: str,
        parent_id: str | None,
        role: str,
        text: str,
        token_ids: Sequence[int] | None = None,
        finish_reason: str | None = None,
        clear_draft: bool = False,
    ) -> Message:
        """Add a message below ``parent_id`` (None: a first one) and show it, in one transaction.

        ``clear_draft`` empties the composer's draft in the same: a text is either sent or still there.
        """
        ids = None if token_ids is None else tuple(token_ids)
        message = Message(_new_id(), conversation_id, parent_id, role, _storable(text), ids, finish_reason, time.time())
        with self._database.transaction():
            self._require_parent(conversation_id, parent_id)
            self._insert("messages", rows.message_values(message))
            shown = {"tip": message.id, "changed_at": message.created_at}
            self._update(conversation_id, shown | {"draft": ""} if clear_draft else shown)
        return message

    def message(self, id: str) -> Message:
        """One message."""
        return rows.message(self._row("messages", id))

    def branch(self, conversation_id: str) -> _Messages:
        """The messages that are shown, from the first to the tip; see `path`."""
        return self.path(self.get(conversation_id).tip)

    def path(self, message_id: str | None) -> _Messages:
        """The messages from the first to ``message_id``; none for None.

        Where a damaged message no longer names its parent, the path begins with it; a message that is missing
        without such a mark raises ``DATABASE_CORRUPT``.
        """
        messages: _Messages = []
        seen: set[str | None] = {None}
        next_id = message_id
        while next_id not in seen:
            seen.add(next_id)
            found = self._database.query(f"{_SELECT['messages']} WHERE id = ?", next_id)
            if not found:
                if messages and messages[-1].damaged:
                    break
                raise UserError(
                    Fault.DATABASE_CORRUPT, path=self._database.path, reason=f"message {next_id} is missing"
                )
            messages.append(rows.message(found[0]))
            next_id = messages[-1].parent_id
        return messages[::-1]

    def siblings(self, message_id: str) -> _Messages:
        """All versions of a message, itself among them, in the order of creation."""
        message = self.message(message_id)
        return self._below(message.conversation_id, message.parent_id)

    def children(self, message_id: str) -> _Messages:
        """The messages right below one, in the order of creation."""
        return self._below(self.message(message_id).conversation_id, message_id)

    def choose(self, message_id: str) -> Conversation:
        """Show the branch through a message, down to the newest message below it; the choice is kept."""
        # A child is always newer than its parent, so the newest descendant is a leaf.
        found = self._database.query(
            "WITH RECURSIVE below (id) AS (VALUES (?) UNION "
            "SELECT messages.id FROM messages JOIN below ON messages.parent_id = below.id) "
            "SELECT id, conversation_id FROM messages WHERE id IN below ORDER BY number DESC LIMIT 1",
            message_id,
        )
        if not found:
            raise KeyError(message_id)
        tip, conversation_id = found[0]
        return self._change(conversation_id, tip=tip)

    def provenance(self, message_ids: Iterable[str]) -> dict[str, Provenance]:
        """Where replies come from; messages without a provenance are left out."""
        by_id: dict[str, Provenance] = {}
        for message_id in message_ids:
            found = self._database.query(f"{_SELECT['provenance']} WHERE message_id = ?", message_id)
            if found:
                by_id[message_id] = rows.provenance(found[0])
        return by_id

    # -- replies that are being written

    def begin_reply(self, conversation_id: str, parent_id: str | None, provenance: dict[str, Any]) -> Partial:
        """Begin a reply. ``provenance``: the fields of `Provenance` known by now, as JSON can hold them."""
        partial = Partial(_new_id(), conversation_id, parent_id, "", (), provenance, time.time())
        _provenance(partial)  # a mistake in it must not wait until the end, or until `recover`
        with self._database.transaction():
            self._require_parent(conversation_id, parent_id)
            self._insert("partials", rows.partial_values(partial))
        return partial

    def extend_reply(self, partial_id: str, text: str, token_ids: Sequence[int]) -> None:
        """Keep the reply as it is by now: its whole text and all its tokens."""
        with self._database.transaction():
            partial = rows.partial(self._row("partials", partial_id))
            changed = msgspec.structs.replace(partial, text=_storable(text), token_ids=tuple(token_ids))
            self._replace("partials", rows.partial_values(changed), ("text", "token_ids"), partial.damaged)

    def finish_reply(
        self,
        partial_id: str,
        text: str,
        token_ids: Sequence[int],
        finish_reason: str,
        provenance: dict[str, Any],
    ) -> Message:
        """Make a reply the immutable message it is, with the id it had, and show it, in one transaction.

        ``provenance`` is laid over what `begin_reply` was given.
        """
        with self._database.transaction():
            partial = rows.partial(self._row("partials", partial_id))
            whole = msgspec.structs.replace(
                partial,
                text=_storable(text),
                token_ids=tuple(token_ids),
                provenance=partial.provenance | provenance,
                damaged=False,
            )
            return self._settle(whole, finish_reason)

    def drop_reply(self, partial_id: str) -> None:
        """Forget a reply in which nothing was written."""
        with self._database.transaction():
            self._row("partials", partial_id)
            self._database.execute("DELETE FROM partials WHERE id = ?", partial_id)

    def recover(self) -> _Messages:
        """Make messages of the replies that a crash left unfinished, and drop the empty ones.

        To be called once, at the start, before a reply is begun. It never fails for want of room: the replies then
        wait for the next start, and a copy that can only be read shows them all the same.
        """
        recovered: _Messages = []
        found = self._database.query(f"{_SELECT['partials']} ORDER BY number")
        if not found:
            return recovered
        try:
            with self._database.transaction(on_copy=True):
                for partial in map(rows.partial, found):
                    if not (partial.text or partial.damaged):
                        self._database.execute("DELETE FROM partials WHERE id = ?", partial.id)
                    elif place := self._place(partial):
                        recovered.append(self._settle(place, INTERRUPTED))
        except UserError as error:
            if error.fault not in (Fault.DISK_FULL, Fault.CANNOT_WRITE):
                raise
            return []
        return recovered

    # -- inside a transaction

    def _place(self, partial: Partial) -> Partial | None:
        """A reply whose damage hides where it belongs goes below the tip; without its conversation it stays aside."""
        try:
            tip = self.get(partial.conversation_id).tip
            self._require_parent(partial.conversation_id, partial.parent_id)
        except KeyError as missing:
            if missing.args == (partial.conversation_id,):
                return None
            return msgspec.structs.replace(partial, parent_id=tip)
        return partial

    def _settle(self, partial: Partial, finish_reason: str) -> Message:
        message = Message(
            partial.id,
            partial.conversation_id,
            partial.parent_id,
            "assistant",
            partial.text,
            None if partial.damaged else partial.token_ids,
            finish_reason,
            time.time(),
            partial.damaged,
        )
        self._insert("messages", rows.message_values(message), message.damaged)
        self._insert("provenance", rows.provenance_values(_provenance(partial)), partial.damaged)
        self._database.execute("DELETE FROM partials WHERE id = ?", partial.id)
        self._update(partial.conversation_id, {"tip": message.id, "changed_at": message.created_at})
        return message

    def _change(self, id: str, **fields: Any) -> Conversation:
        with self._database.transaction():
            return self._update(id, fields)

    def _update(self, id: str, fields: dict[str, Any]) -> Conversation:
        old = self.get(id)
        new = msgspec.structs.replace(old, **fields)
        self._replace("conversations", rows.conversation_values(new), fields, old.damaged)
        return new

    def _insert(self, table: str, values: Row, damaged: bool = False) -> None:
        columns = HASHED[table]
        self._database.execute(
            f"INSERT INTO {table} ({', '.join(columns)}, digest) VALUES ({'?, ' * len(columns)}?)",
            *values,
            _mark(values, damaged),
        )

    def _replace(self, table: str, values: Row, changed: Collection[str], damaged: bool) -> None:
        by_column = dict(zip(HASHED[table], values, strict=True))
        assignments = ", ".join(f"{column} = ?" for column in changed)
        self._database.execute(
            f"UPDATE {table} SET {assignments}, digest = ? WHERE id = ?",
            *(by_column[column] for column in changed),
            _mark(values, damaged),
            by_column["id"],
        )

    def _row(self, table: str, id: str) -> Row:
        found = self._database.query(f"{_SELECT[table]} WHERE id = ?", id)
        if not found:
            raise KeyError(id)
        return found[0]

    def _below(self, conversation_id: str, parent_id: str | None) -> _Messages:
        found = self._database.query(
            f"{_SELECT['messages']} WHERE conversation_id = ? AND parent_id IS ? ORDER BY number",
            conversation_id,
            parent_id,
        )
        return [rows.message(row) for row in found]

    def _require_parent(self, conversation_id: str, parent_id: str | None) -> None:
        self._row("conversations", conversation_id)
        if parent_id is not None and self.message(parent_id).conversation_id != conversation_id:
            raise KeyError(parent_id)


def _new_id() -> str:
    return secrets.token_hex(16)


def _provenance(partial: Partial) -> Provenance:
    fields = msgspec.to_builtins(partial.provenance)
    return msgspec.convert({**fields, "message_id": partial.id}, Provenance)


def _storable(text: str) -> str:
    """Text as UTF-8 can hold it: halves of a pair are joined, lone ones become U+FFFD."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _mark(values: Row, damaged: bool) -> bytes:
    """The digest of a row; what was damaged when it was read stays damaged when it is written."""
    return b"" if damaged else digest(values)
