"""Rows of the database to records and back, and the digest that shows when a row is not what was written.

A damaged row never raises here: a flipped bit may leave any type and any bytes in a column, and what can be read of
it is worth showing.
"""

import hashlib
from collections.abc import Iterable
from typing import Any, TypeAlias

import msgspec

from chatdesk.storage.records import Attachment, Conversation, Message, Partial, Provenance

Row: TypeAlias = tuple[Any, ...]

APPLICATION_ID = 0x63686464  # "chdd": tells our files from other programs' SQLite files
END_OF_TIME = 32_503_680_000  # the year 3000: what follows not every system can show

# The columns under the digest, in the order they are hashed; changing one needs a migration that hashes anew.
HASHED: dict[str, tuple[str, ...]] = {
    "conversations": (
        "id", "title", "tip", "settings", "draft", "created_at", "changed_at", "deleted_at",
        "folder", "is_pinned",
    ),
    "messages": (
        "id", "conversation_id", "parent_id", "role", "text", "token_ids", "finish_reason", "created_at",
        "attachments",
    ),
    "provenance": ("message_id", "record"),
    "partials": ("id", "conversation_id", "parent_id", "text", "token_ids", "provenance", "started_at"),
    "unsent_attachments": ("conversation_id", "name", "text"),
    "documents": ("id", "title", "folder", "settings", "created_at", "changed_at", "deleted_at"),
    "document_texts": ("id", "text", "spans"),
    "document_versions": (
        "id", "document_id", "base_id", "prefix", "suffix", "body", "text_digest", "spans", "reason", "created_at",
    ),
    "generations": ("id", "document_id", "text", "record", "created_at"),
}  # fmt: skip

# Made once: to make one takes longer than to read a row.
_encode = msgspec.msgpack.Encoder().encode
_decode_ids = msgspec.msgpack.Decoder(tuple[int, ...]).decode
_decode_provenance = msgspec.json.Decoder(Provenance).decode


class _Named(msgspec.Struct):
    name: str


_decode_names = msgspec.json.Decoder(tuple[_Named, ...]).decode


def digest(values: Iterable[str | bytes | int | float | None]) -> bytes:
    """SHA-256 over the columns of a row; msgpack keeps their borders and types apart."""
    return hashlib.sha256(_encode(tuple(values))).digest()


def as_text(raw: bytes) -> str:
    """A text column as str. Bytes that are no UTF-8 (a flipped bit) must not raise: the digest tells of them."""
    return raw.decode("utf-8", "replace")


def conversation_values(record: Conversation) -> Row:
    """Columns of a conversation."""
    return (
        record.id,
        record.title,
        record.tip,
        to_json(record.settings),
        record.draft,
        record.created_at,
        record.changed_at,
        record.deleted_at,
        record.folder,
        int(record.is_pinned),
    )


def conversation(row: Row) -> Conversation:
    """A conversation from its columns and digest."""
    id, title, tip, settings, draft, created_at, changed_at, deleted_at, folder, is_pinned = row[:-1]
    return Conversation(
        to_text(id),
        to_text(title),
        None if tip is None else to_text(tip),
        to_dict(settings),
        to_text(draft),
        to_time(created_at),
        to_time(changed_at),
        None if deleted_at is None else to_time(deleted_at),
        to_text(folder),
        bool(is_pinned),
        is_damaged(row),
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
        msgspec.json.encode(record.attachments).decode(),
    )


def message(row: Row) -> Message:
    """A message from its columns and digest; a damaged one has no token ids, as no model should read them."""
    id, conversation_id, parent_id, role, text, token_ids, finish_reason, created_at, attachments = row[:-1]
    if not is_damaged(row):
        ids = None if token_ids is None else _ids(token_ids)
        return Message(
            id, conversation_id, parent_id, role, text, ids, finish_reason, created_at, _attachments(attachments)
        )
    return Message(
        to_text(id),
        to_text(conversation_id),
        None if parent_id is None else to_text(parent_id),
        to_text(role),
        to_text(text),
        None,
        None if finish_reason is None else to_text(finish_reason),
        to_time(created_at),
        _attachments(attachments),
        True,
    )


def provenance_values(record: Provenance) -> Row:
    """Columns of a provenance."""
    fields = msgspec.structs.asdict(record)
    del fields["damaged"]  # said by the digest
    return (record.message_id, to_json(fields))


def provenance(row: Row) -> Provenance:
    """A provenance from its columns and digest; of a damaged one, nothing is believed."""
    message_id, record, _ = row
    if is_damaged(row):
        return Provenance(to_text(message_id), damaged=True)
    return _decode_provenance(record)


def partial_values(record: Partial) -> Row:
    """Columns of an unfinished reply."""
    return (
        record.id,
        record.conversation_id,
        record.parent_id,
        record.text,
        msgspec.msgpack.encode(record.token_ids),
        to_json(record.provenance),
        record.started_at,
    )


def partial(row: Row) -> Partial:
    """An unfinished reply from its columns and digest."""
    id, conversation_id, parent_id, text, token_ids, provenance, started_at = row[:-1]
    damaged = is_damaged(row)
    return Partial(
        to_text(id),
        to_text(conversation_id),
        None if parent_id is None else to_text(parent_id),
        to_text(text),
        () if damaged else _ids(token_ids),
        {} if damaged else to_dict(provenance),
        to_time(started_at),
        damaged,
    )


def attachment(row: Row) -> Attachment:
    """A file of an unsent text from its columns and digest; of a damaged one, what can be read."""
    _, name, text, _ = row
    return Attachment(to_text(name), to_text(text))


def attachment_names(value: Any) -> list[str]:
    """The names alone from the column of a message's attachments; their texts are skipped."""
    if value == "[]":  # nearly always
        return []
    try:
        return [each.name for each in _decode_names(value)]
    except (msgspec.DecodeError, TypeError):  # of a damaged row
        return []


def is_damaged(row: Row) -> bool:
    """Whether a row with its digest is no longer what was written."""
    return bool(digest(row[:-1]) != row[-1])


def to_text(value: Any) -> str:
    """A text column that may have become anything."""
    return as_text(value) if isinstance(value, bytes) else str(value)


def to_time(value: Any) -> float:
    """A column of seconds that may have become anything; 0 where no calendar has it."""
    return float(value) if isinstance(value, int | float) and 0 <= value < END_OF_TIME else 0.0


def to_json(value: dict[str, Any]) -> str:
    """What a column of JSON holds."""
    return msgspec.json.encode(value).decode()


def to_dict(value: Any) -> dict[str, Any]:
    """A column of JSON; nothing where damage made it something else."""
    try:
        return msgspec.json.decode(value, type=dict[str, Any])
    except (msgspec.DecodeError, TypeError):  # of a damaged row
        return {}


def _attachments(value: Any) -> tuple[Attachment, ...]:
    if value == "[]":  # nearly always
        return ()
    try:
        return msgspec.json.decode(value, type=tuple[Attachment, ...])
    except (msgspec.DecodeError, TypeError):  # of a damaged row
        return ()


def _ids(value: bytes) -> tuple[int, ...]:
    return _decode_ids(value)
