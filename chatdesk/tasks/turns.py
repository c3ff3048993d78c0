"""From stored messages to what a transcript shows and what an engine reads."""

from typing import cast

from chatdesk.engine.api import ChatMessage, Role
from chatdesk.storage.conversations import Conversations
from chatdesk.storage.records import Message, Provenance
from chatdesk.tasks.changes import Turn

_TITLE_CHARS = 60


def turns(c: Conversations, conversation_id: str) -> list[Turn]:
    """The chosen branch of a conversation, root first."""
    pinned = c.pinned(conversation_id)
    return [_turn(*shown, is_pinned=shown[0].id in pinned) for shown in c.branch_view(conversation_id)]


def turn(message: Message, siblings: list[Message], origin: Provenance | None) -> Turn:
    """A stored message as a turn; ``siblings`` are all its versions, itself among them."""
    return _turn(message, [sibling.id for sibling in siblings].index(message.id) + 1, len(siblings), origin)


def _turn(message: Message, version: int, versions: int, origin: Provenance | None, is_pinned: bool = False) -> Turn:
    return Turn(
        message.id,
        message.role,
        message.text,
        "done",
        "damaged" if message.damaged else message.finish_reason,
        version,
        versions,
        origin.model if origin else None,
        origin.ttft_s if origin else None,
        origin.tokens_per_s if origin else None,
        is_pinned,
    )


def prompt(c: Conversations, message_id: str, model_path: str) -> tuple[ChatMessage, ...]:
    """The messages from the root to ``message_id``, as an engine reads them.

    A reply goes with its token ids when the checkpoint at ``model_path`` made it: its text is not encoded again.
    """
    path = c.path(message_id)
    pinned = c.pinned(path[-1].conversation_id) if path else set()
    origins = c.provenance([message.id for message in path])

    def chat_message(message: Message) -> ChatMessage:
        origin = origins.get(message.id)
        kept = message.token_ids if origin is not None and origin.model_path == model_path else None
        return ChatMessage(cast("Role", message.role), message.text, kept, message.id in pinned)

    return tuple(chat_message(message) for message in path)


def title(text: str) -> str:
    """The first line of a message, cut at a word, as the title of its conversation."""
    line = next(line.strip() for line in text.splitlines() if line.strip())
    if len(line) <= _TITLE_CHARS:
        return line
    return line[:_TITLE_CHARS].rsplit(" ", 1)[0].rstrip(",.;:") + "…"
