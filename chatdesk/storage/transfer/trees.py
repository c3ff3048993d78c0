"""What travels: trees of messages, and what was left behind with the reason.

Times are seconds since 1970 (UTC). Nodes stand parents first; among siblings, and over the whole tree, the older first.
"""

from collections import Counter
from enum import StrEnum
from typing import Any

from msgspec import Struct

from chatdesk.errors import QT_TRANSLATE_NOOP
from chatdesk.storage.records import Attachment


class Node(Struct, frozen=True, omit_defaults=True):
    """One message. ``provenance``: the fields of `records.Provenance` without the message's id, or None.

    ``damaged``: its row did not match its digest when it was exported; it stays marked when it is imported.
    """

    id: str
    parent_id: str | None
    role: str
    text: str
    created_at: float
    finish_reason: str | None = None
    provenance: dict[str, Any] | None = None
    attachments: tuple[Attachment, ...] = ()
    damaged: bool = False


class Tree(Struct, frozen=True):
    """One conversation, or a part of it. ``tip``: the last message of the branch that is shown."""

    id: str
    title: str
    created_at: float
    changed_at: float
    tip: str | None
    settings: dict[str, Any]
    messages: tuple[Node, ...]
    folder: str = ""


class Reason(StrEnum):
    """Why something was not read. The value is the English phrase; other languages by the context ``transfer``."""

    # a whole file
    CANNOT_OPEN = QT_TRANSLATE_NOOP("transfer", "it cannot be opened")
    NOT_JSON = QT_TRANSLATE_NOOP("transfer", "it is not JSON, or only a part of it is there")
    NOT_TEXT = QT_TRANSLATE_NOOP("transfer", "its bytes are not text")
    TOO_DEEP = QT_TRANSLATE_NOOP("transfer", "it is nested too deeply")
    UNKNOWN_FORMAT = QT_TRANSLATE_NOOP("transfer", "it is no export that this program knows")
    NEWER_FORMAT = QT_TRANSLATE_NOOP("transfer", "it was written by a newer chatdesk")
    NO_CONVERSATION = QT_TRANSLATE_NOOP("transfer", "there is no conversation in it")
    BROKEN_ZIP = QT_TRANSLATE_NOOP("transfer", "the zip file is damaged or encrypted")
    ZIP_BOMB = QT_TRANSLATE_NOOP("transfer", "it unpacks to more than it should")
    NO_MEMORY = QT_TRANSLATE_NOOP("transfer", "there is not enough memory to read it")
    TOO_LARGE = QT_TRANSLATE_NOOP("transfer", "it is larger than 1 GB")
    # a part of it
    DAMAGED_BYTES = QT_TRANSLATE_NOOP("transfer", "some bytes are not UTF-8 and were replaced by \ufffd")
    NOT_A_CONVERSATION = QT_TRANSLATE_NOOP("transfer", "an entry is not a conversation")
    EMPTY = QT_TRANSLATE_NOOP("transfer", "it has no message with text")
    TWICE = QT_TRANSLATE_NOOP("transfer", "it stands in the file more than once")
    TAKEN = QT_TRANSLATE_NOOP("transfer", "ids of its messages belong to another conversation here")
    NOT_A_MESSAGE = QT_TRANSLATE_NOOP("transfer", "a message has the wrong form")
    UNKNOWN_ROLE = QT_TRANSLATE_NOOP("transfer", "a message is from nobody this program knows")
    TEXT_TOO_LONG = QT_TRANSLATE_NOOP("transfer", "a message is too long")
    TOOL = QT_TRANSLATE_NOOP("transfer", "messages from and to tools are not imported")
    THOUGHT = QT_TRANSLATE_NOOP("transfer", "thoughts of the model are not imported")
    MORE_SYSTEM_PROMPTS = QT_TRANSLATE_NOOP("transfer", "only the first system prompt is kept")
    MESSAGE_TWICE = QT_TRANSLATE_NOOP("transfer", "a message stands there more than once; the first was kept")
    NO_PARENT = QT_TRANSLATE_NOOP("transfer", "a message answers one that is missing; it was put at the beginning")
    CYCLE = QT_TRANSLATE_NOOP("transfer", "messages answer one another in a circle; it was cut")
    IN_TRASH = QT_TRANSLATE_NOOP("transfer", "it goes on below a message in the trash; take that back first")
    REMOVED = QT_TRANSLATE_NOOP("transfer", "a message of it is in the trash; restore it there")
    TRASHED = QT_TRANSLATE_NOOP("transfer", "it is in the trash; restore it there")
    BAD_ATTACHMENT = QT_TRANSLATE_NOOP("transfer", "an attachment cannot be read")
    BAD_SETTINGS = QT_TRANSLATE_NOOP("transfer", "its settings cannot be read")
    BAD_PROVENANCE = QT_TRANSLATE_NOOP("transfer", "where a reply comes from cannot be read")


class Skipped(Struct, frozen=True):
    """Something that was not taken over as it is. ``where``: a file, or the title of a conversation."""

    where: str
    reason: Reason
    count: int = 1


class Found(Struct, frozen=True):
    """What a file holds. ``source``: ``chatdesk``, ``chatgpt``, ``open-webui``, ``lm-studio`` or ``jan``."""

    conversations: tuple[Tree, ...]
    skipped: tuple[Skipped, ...]
    source: str


class Notes:
    """What is left behind while a file is read, counted by place and reason."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, Reason]] = Counter()

    def add(self, where: str, reason: Reason) -> None:
        """One more."""
        self._counts[where, reason] += 1

    def all(self) -> tuple[Skipped, ...]:
        """In the order of the first of each."""
        return tuple(Skipped(where, reason, count) for (where, reason), count in self._counts.items())
