"""Our own JSON: everything of the trees, to be read again here or by any other program.

The document, UTF-8, an object (``?``: may be absent or null):

    ======================  =========  =================================================================
    ``format``              string     ``"chatdesk-export"``
    ``version``             integer    1; a reader refuses a higher one
    ``exported_at``         number     seconds since 1970 (UTC), as all times
    ``conversations``       array      of conversations:
    ``  id``                string     32 hexadecimal digits
    ``  title``             string     may be empty
    ``  created_at``        number
    ``  changed_at``        number     when the last message came
    ``  tip``               string?    id of the last message of the branch that is shown
    ``  folder``            string?    of the list of conversations
    ``  settings``          object     of this conversation alone: ``system_prompt``, ``temperature``, …
    ``  messages``          array      parents before children, older before newer; of messages:
    ``    id``              string     32 hexadecimal digits
    ``    parent_id``       string?    of the message it answers; null: a first one
    ``    role``            string     ``user``, ``assistant`` or ``system``
    ``    text``            string     Markdown as it was written
    ``    created_at``      number
    ``    finish_reason``   string?    ``stop``, ``length``, ``context``, ``cancelled``, ``error``, ``interrupted``
    ``    provenance``      object?    ``model``, ``model_path``, ``device``, ``dtype``, ``sampling`` (object),
                                       ``seed``, ``prompt_tokens``, ``new_tokens``, ``ttft_s``,
                                       ``tokens_per_s``, ``dropped_messages``
    ``    attachments``     array?     of objects with ``name`` and ``text``, the files that went with a message
    ``    damaged``         boolean?   true: the row was damaged when it was exported
    ======================  =========  =================================================================

Messages with the same ``parent_id`` are versions of one another. Unknown fields are ignored. Ids are kept when they are
read, so that a conversation that is here already is recognised and what came to it is added.
"""

import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from chatdesk.storage.records import Attachment, Provenance
from chatdesk.storage.rows import END_OF_TIME
from chatdesk.storage.transfer.files import Unreadable, write
from chatdesk.storage.transfer.sheets import LONGEST_TEXT, Loose, as_dict, as_list, as_text, as_title, digest, planted
from chatdesk.storage.transfer.trees import Node, Notes, Reason, Tree

SOURCE = "chatdesk"
FORMAT = "chatdesk-export"
VERSION = 1
CONVERSATIONS = "conversations"

_ROLES = ("user", "assistant", "system")
_ID = re.compile("[0-9a-f]{32}")
_DEEPEST = 16  # objects and arrays in one another, in settings and provenance


def document(trees: Sequence[Tree]) -> bytes:
    """The JSON document, UTF-8, indented."""
    fields = {"format": FORMAT, "version": VERSION, "exported_at": time.time(), CONVERSATIONS: trees}
    return msgspec.json.format(msgspec.json.encode(fields), indent=1)


def export_json(trees: Sequence[Tree], path: Path) -> None:
    """Write the document. Raises ``DISK_FULL`` or ``CANNOT_WRITE``; the file is then as it was."""
    write(path, document(trees))


def knows(document: dict[str, Any]) -> bool:
    """Whether this is a document of ours."""
    return document.get("format") == FORMAT


def refuse_newer(document: dict[str, Any]) -> None:
    """Raises `Unreadable` for a newer version than is known here."""
    version = document.get("version")
    if isinstance(version, int) and version > VERSION:
        raise Unreadable(Reason.NEWER_FORMAT)


def tree(entry: dict[str, Any], name: str, now: float, notes: Notes) -> Tree:
    """A tree with the ids that the file gives; ids of another form are replaced by digests of them."""
    id = _id(entry.get("id")) or digest(name, as_title(entry.get("title")))
    title = as_text(entry.get("title"))
    where = as_title(title) or id
    settings = _plain(entry.get("settings", {}))
    if not isinstance(settings, dict):
        notes.add(where, Reason.BAD_SETTINGS)
        settings = {}
    raw: dict[str, Any] = {}
    loose = []
    for message in as_list(entry.get("messages")):
        checked = _loose(message, where, notes)
        if checked:
            loose.append(checked)
            raw.setdefault(checked.id, message)
    kept = planted(loose, where, notes)
    nodes = tuple(_node(message, parent_id, raw[message.id], where, notes) for message, parent_id in kept)
    tip: str | None = _id(entry.get("tip"))
    if tip not in raw:
        tip = nodes[-1].id if nodes else None
    created = _time(entry.get("created_at")) or now
    changed = _time(entry.get("changed_at")) or max((node.created_at for node in nodes), default=created)
    return Tree(id, title, created, changed, tip, settings, nodes, as_title(entry.get("folder")))


def _loose(message: Any, where: str, notes: Notes) -> Loose | None:
    fields = as_dict(message)
    id = _id(fields.get("id"))
    parent_id = fields.get("parent_id")
    if not id or not isinstance(fields.get("text"), str) or not isinstance(parent_id, str | None):
        notes.add(where, Reason.NOT_A_MESSAGE)
        return None
    if fields.get("role") not in _ROLES:
        notes.add(where, Reason.UNKNOWN_ROLE)
        return None
    if len(fields["text"]) > LONGEST_TEXT:
        notes.add(where, Reason.TEXT_TOO_LONG)
        return None
    return Loose(id, None if parent_id is None else _id(parent_id) or "?", fields["role"], as_text(fields["text"]))


def _node(message: Loose, parent_id: str | None, fields: dict[str, Any], where: str, notes: Notes) -> Node:
    finish_reason = as_title(fields.get("finish_reason")) or None
    provenance = None
    if fields.get("provenance") is not None:
        provenance = _provenance(fields["provenance"])
        if provenance is None:
            notes.add(where, Reason.BAD_PROVENANCE)
    created = _time(fields.get("created_at")) or 0.0
    attachments = []
    for each in as_list(fields.get("attachments")):
        name, text = as_dict(each).get("name"), as_dict(each).get("text")
        if isinstance(name, str) and isinstance(text, str) and len(text) <= LONGEST_TEXT:
            attachments.append(Attachment(as_text(name), as_text(text)))
        else:
            notes.add(where, Reason.BAD_ATTACHMENT)
    return Node(
        message.id,
        parent_id,
        message.role,
        message.text,
        created,
        finish_reason,
        provenance,
        tuple(attachments),
        fields.get("damaged") is True,
    )


def _provenance(value: Any) -> dict[str, Any] | None:
    plain = _plain(value)
    if not isinstance(plain, dict):
        return None
    try:
        record = msgspec.convert(plain | {"message_id": ""}, Provenance)
    except msgspec.ValidationError:
        return None
    return provenance_fields(record)


def provenance_fields(record: Provenance) -> dict[str, Any]:
    """A provenance without what its message says already."""
    fields = msgspec.structs.asdict(record)
    del fields["message_id"], fields["damaged"]
    return fields


def _plain(value: Any) -> Any:
    """The value as the database can hold it; None for what it cannot."""
    if not _is_shallow(value, _DEEPEST):
        return None
    try:
        return msgspec.json.decode(msgspec.json.encode(value))
    except (ValueError, TypeError, OverflowError, msgspec.MsgspecError):  # a lone surrogate, a huge number
        return None


def _is_shallow(value: Any, left: int) -> bool:
    if not isinstance(value, dict | list):
        return True
    inner = value.values() if isinstance(value, dict) else value
    return left > 0 and all(_is_shallow(item, left - 1) for item in inner)


def _id(value: Any) -> str:
    """An id of ours as it is, any other text as a digest; empty for anything else."""
    if not isinstance(value, str) or not value:
        return ""
    return value if _ID.fullmatch(value) else digest("id", value)


def _time(value: Any) -> float | None:
    return float(value) if type(value) in (int, float) and 0 <= value < END_OF_TIME else None
