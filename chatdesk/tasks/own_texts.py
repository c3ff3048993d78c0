"""A person's own conversations and documents as text to train on: JSON lines, as `chatdesk prepare` reads them.

Of a conversation it is the branch that is shown, each turn with its role, behind the system prompt, files framed as a
model reads them. It ends before what is damaged or empty, and with a reply; without one it is left out. A document is
one text. What lies in the trash stays there.
"""

import json
from pathlib import Path
from typing import Any

from chatdesk.errors import Fault, UserError
from chatdesk.storage.conversations import Conversations
from chatdesk.storage.records import Conversation
from chatdesk.tasks.turns import framed


def own_texts(c: Conversations) -> list[dict[str, Any]]:
    """All of them, as the lines' objects; on the storage thread."""
    talks = (_turns(c, conversation) for conversation in c.list())
    documents = (c.documents.text(document.id) for document in c.documents.list())
    return [
        *({"turns": turns} for turns in talks if turns),
        *({"text": words.text} for words in documents if words.text.strip() and not words.damaged),
    ]


def _turns(c: Conversations, conversation: Conversation) -> list[dict[str, str]]:
    turns: list[dict[str, str]] = []
    for message in c.path(conversation.tip):
        text = framed(message.text, message.attachments) if message.role == "user" else message.text
        if message.damaged or not text.strip():
            break
        turns.append({"speaker": message.role, "text": text})
    while turns and turns[-1]["speaker"] != "assistant":
        turns.pop()
    system = conversation.settings.get("system_prompt")
    if turns and isinstance(system, str) and system.strip():
        turns.insert(0, {"speaker": "system", "text": system.strip()})
    return turns


def write(texts: list[dict[str, Any]], path: Path) -> None:
    """Write them, whole or not at all. Raises ``NO_TEXT`` where there is none, ``DISK_FULL`` and ``CANNOT_WRITE``."""
    from chatdesk.storage.transfer import files

    if not texts:
        raise UserError(Fault.NO_TEXT, path=path.name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(Fault.CANNOT_WRITE, path=path, reason=error.strerror or error) from None
    lines = (json.dumps(text, ensure_ascii=False) for text in texts)
    files.write(path, "".join(f"{line}\n" for line in lines).encode("utf-8", "replace"))
