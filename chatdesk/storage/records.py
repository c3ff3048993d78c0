"""What storage returns: frozen records.

Times are seconds since 1970 (UTC). Ids are 32 random hexadecimal digits. ``damaged`` says that the row does not
match its digest: what could be read stands in the record, but it must be shown as damaged and not be trusted.
``gc=False``: records make no circles, and ten thousand of them would keep the collector of circles busy.
"""

from typing import Any, NamedTuple

from msgspec import Struct


class Conversation(Struct, frozen=True):
    """One conversation. ``tip``: the last message of the branch that is shown; ``draft``: unsent text of the composer.

    ``settings``: what belongs to this conversation alone (sampling, seed, system prompt), as JSON holds it.
    ``changed_at``: when the last message came; a new title, draft or setting does not move it.
    ``deleted_at``: when it went to the trash. ``folder``: the name of the folder it is listed in, or empty.
    """

    id: str
    title: str
    tip: str | None
    settings: dict[str, Any]
    draft: str
    created_at: float
    changed_at: float
    deleted_at: float | None
    folder: str = ""
    is_pinned: bool = False
    damaged: bool = False


class Attachment(Struct, frozen=True, gc=False):
    """A file that went with a message: its name and its text."""

    name: str
    text: str


class Message(Struct, frozen=True, gc=False):
    """One immutable message. Messages with the same ``parent_id`` are versions (siblings) of one another.

    ``token_ids``: those of a generated reply, valid for the checkpoint named in its `Provenance` only.
    ``finish_reason``: as the engine said, or ``interrupted`` when the program ended before the reply did.
    """

    id: str
    conversation_id: str
    parent_id: str | None
    role: str
    text: str
    token_ids: tuple[int, ...] | None
    finish_reason: str | None
    created_at: float
    attachments: tuple[Attachment, ...] = ()
    damaged: bool = False


class Node(Struct, frozen=True):
    """A message in the small map of a conversation's branches. ``beginning``: its first 80 characters,
    of a reply those behind its thoughts."""

    id: str
    parent_id: str | None
    role: str
    beginning: str
    created_at: float
    is_on_branch: bool


class Removal(Struct, frozen=True):
    """Messages that were deleted at once and are in the trash. ``title``: their conversation's; ``beginning``: as of a
    `Node`, of the first of them."""

    batch: str
    conversation_id: str
    title: str
    beginning: str
    count: int
    deleted_at: float


class Shown(NamedTuple):
    """A message of the shown branch, which of its versions it is (counted from 1), of how many, and its origin."""

    message: Message
    version: int
    versions: int
    provenance: "Provenance | None"


class Hit(Struct, frozen=True):
    """What a search found. ``message_id`` and ``role`` are None where the title matched. Of a document: its id instead
    of a conversation's.

    ``snippet``: one line of plain text around the first match, the title for a title. ``matches``: (start, length) in
    characters of the snippet. ``created_at``: of the message; for a title, when the newest message came.
    """

    conversation_id: str
    title: str
    message_id: str | None
    role: str | None
    snippet: str
    matches: tuple[tuple[int, int], ...]
    created_at: float
    document_id: str = ""


class Provenance(Struct, frozen=True, gc=False):
    """Where a reply comes from. Times in seconds; None is what was not known when the reply ended."""

    message_id: str
    model: str = ""
    model_path: str = ""
    device: str = ""
    dtype: str = ""
    sampling: dict[str, Any] = {}
    seed: int | None = None
    prompt_tokens: int | None = None
    new_tokens: int | None = None
    ttft_s: float | None = None
    tokens_per_s: float | None = None
    dropped_messages: int = 0
    damaged: bool = False


class Partial(Struct, frozen=True):
    """A reply that is still being written. Its id will be that of the message it becomes."""

    id: str
    conversation_id: str
    parent_id: str | None
    text: str
    token_ids: tuple[int, ...]
    provenance: dict[str, Any]
    started_at: float
    damaged: bool = False


class Document(Struct, frozen=True):
    """A text on the writing desk, without its words. ``settings``: sampling, guidance, and what else belongs to it.

    ``changed_at``: when its text was last another one. ``deleted_at`` and ``folder``: as of a `Conversation`.
    """

    id: str
    title: str
    folder: str
    settings: dict[str, Any]
    created_at: float
    changed_at: float
    deleted_at: float | None = None
    damaged: bool = False


class Span(NamedTuple):
    """Text that a model wrote, ``start`` to ``end`` in characters, and the id of its `Generation`."""

    start: int
    end: int
    generation: str


class DocumentText(Struct, frozen=True):
    """The words of a document and which of them a model wrote: spans in order, none over another."""

    text: str
    spans: tuple[Span, ...] = ()
    damaged: bool = False


class DocumentVersion(Struct, frozen=True):
    """A kept state of a document, immutable. ``reason``: why it was kept, see `chatdesk.storage.documents`."""

    id: str
    document_id: str
    reason: str
    created_at: float


class Generation(Struct, frozen=True):
    """Something a model wrote for a document, taken or not. ``record``: the fields of `Provenance` known of it."""

    id: str
    document_id: str
    text: str
    record: dict[str, Any]
    created_at: float
    damaged: bool = False
