"""Rows of the database to records and back, and the digest that shows when a row is not what was written.

A damaged row never raises here: a flipped bit may leave any type and any bytes in a column, and what can be read of
it is worth showing.
"""

import hashlib
from collections.abc import Iterable
from typing import Any, TypeAlias

import msgspec

from chatdesk.storage.records import Conversation, Message, Partial, Provenance

Row: TypeAlias = tuple[Any, ...]

# The columns under the digest, in the order they are hashed; changing one needs a migration that hashes anew.
HASHED: dict[str, tuple[str, ...]] = {
    "conversations": (
        "id", "title", "tip", "settings", "draft", "created_at", "changed_at", "deleted_at",
    ),
    "messages": (
        "id", "conversation_id", "parent_id", "role", "text", "token_ids", "finish_reason", "created_at",
    ),
    "provenance": ("message_id", "record"),
    "partials": ("id", "conversation_id", "parent_id", "text", "token_ids", "provenance", "started_at"),
}  # fmt: skip


def digest(values: Iterable[str | bytes | int | float | None]) -> bytes:
    """SHA-256 over the columns of a row; msgpack keeps their borders and types apart."""
    return hashlib.sha256(msgspec.msgpack.encode(tuple(values))).digest()


def as_text(raw: bytes) -> str:
    """A text column as str. Bytes that are no UTF-8 (a flipped bit) must not raise: the digest tells of them."""
    return raw.decode("utf-8", "replace")


def conversation_values(record: Conversation) -> Row:
    """Columns of a conversation."""
    return (
        record.id,
        record.title,
        record.tip,
        _json(record.settings),
        record.draft,
        record.created_at,
        record.changed_at,
        record.deleted_at,
    )


def conversation(row: Row) -> Conversation:
    """A conversation from its columns and digest."""
    id, title, tip, settings, draft, created_at, changed_at, deleted_at = row[:-1]
    return Conversation(
        _text(id),
        _text(title),
        None if tip is None else _text(tip),
        _dict(settings),
        _text(draft),
        _time(created_at),
        _time(changed_at),
        None if deleted_at is None else _time(deleted_at),
        _is_damaged(row),
    )


def message_values(record: Message) -> Row:
    """Columns of a message."""
    return (
        record.id,
        record.conversation_id,
        record.parent_id,
        record.role,
        record.text,
        None if record.token_ids is None else msgspec.msgpack.encode(record.token_ids),
        record.finish_reason,
        record.created_at,
    )


def message(row: Row) -> Message:
    """A message from its columns and digest; a damaged one has no token ids, as no model should read them."""
    id, conversation_id, parent_id, role, text, token_ids, finish_reason, created_at = row[:-1]
    damaged = _is_damaged(row)
    return Message(
        _text(id),
        _text(conversation_id),
        None if parent_id is None else _text(parent_id),
        _text(role),
        _text(text),
        None if damaged or token_ids is None else _ids(token_ids),
        None if finish_reason is None else _text(finish_reason),
        _time(created_at),
        damaged,
    )


def provenance_values(record: Provenance) -> Row:
    """Columns of a provenance."""
    fields = msgspec.structs.asdict(record)
    del fields["damaged"]  # said by the digest
    return (record.message_id, _json(fields))


def provenance(row: Row) -> Provenance:
    """A provenance from its columns and digest; of a damaged one, nothing is believed."""
    message_id, record, _ = row
    if _is_damaged(row):
        return Provenance(_text(message_id), damaged=True)
    return msgspec.json.decode(record, type=Provenance)


def partial_values(record: Partial) -> Row:
    """Columns of an unfinished reply."""
    return (
        record.id,
        record.conversation_id,
        record.parent_id,
        record.text,
        msgspec.msgpack.encode(record.token_ids),
        _json(record.provenance),
        record.started_at,
    )


def partial(row: Row) -> Partial:
    """An unfinished reply from its columns and digest."""
    id, conversation_id, parent_id, text, token_ids, provenance, started_at = row[:-1]
    damaged = _is_damaged(row)
    return Partial(
        _text(id),
        _text(conversation_id),
        None if parent_id is None else _text(parent_id),
        _text(text),
        () if damaged else _ids(token_ids),
        {} if damaged else _dict(provenance),
        _time(started_at),
        damaged,
    )


def _is_damaged(row: Row) -> bool:
    return bool(digest(row[:-1]) != row[-1])


def _text(value: Any) -> str:
    return as_text(value) if isinstance(value, bytes) else str(value)


def _time(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _json(value: dict[str, Any]) -> str:
    return msgspec.json.encode(value).decode()


def _dict(value: Any) -> dict[str, Any]:
    try:
        return msgspec.json.decode(value, type=dict[str, Any])
    except (msgspec.DecodeError, TypeError):  # of a damaged row
        return {}


def _ids(value: bytes) -> tuple[int, ...]:
    return msgspec.msgpack.decode(value, type=tuple[int, ...])
