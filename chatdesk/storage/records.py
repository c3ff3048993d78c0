"""What storage returns: frozen records.

Times are seconds since 1970 (UTC). Ids are 32 random hexadecimal digits. ``damaged`` says that the row does not
match its digest: what could be read stands in the record, but it must be shown as damaged and not be trusted.
"""

from typing import Any

from msgspec import Struct


class Conversation(Struct, frozen=True):
    """One conversation. ``tip``: the last message of the branch that is shown; ``draft``: unsent text of the composer.

    ``settings``: what belongs to this conversation alone (sampling, seed, system prompt), as JSON holds it.
    ``changed_at``: when the last message came; a new title, draft or setting does not move it.
    ``deleted_at``: when it went to the trash.
    """

    id: str
    title: str
    tip: str | None
    settings: dict[str, Any]
    draft: str
    created_at: float
    changed_at: float
    deleted_at: float | None
    damaged: bool = False


class Message(Struct, frozen=True):
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
    damaged: bool = False


class Provenance(Struct, frozen=True):
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
