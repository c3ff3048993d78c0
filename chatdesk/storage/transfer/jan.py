"""Threads of Jan: a folder each with ``thread.json`` and ``messages.jsonl`` (also in a zip), or one JSON with both.

``thread.json`` has ``id``, ``title``, ``assistants`` (``instructions``: the system prompt) and ``created`` or
``updated``; a message has ``role``, ``content`` (a list of ``{type, text: {value}}``) and ``created_at``. Old files
give seconds, newer ones milliseconds. There is no tree: messages stand in the order of their times.
"""

from typing import Any

from chatdesk.storage.transfer.sheets import Loose, Sheet, as_dict, as_id, as_list, as_text, as_time, as_title
from chatdesk.storage.transfer.trees import Notes, Reason

SOURCE = "jan"


def knows(entry: dict[str, Any]) -> bool:
    """Whether this is a thread of Jan, with or without its messages."""
    return entry.get("object") == "thread" or "assistants" in entry


def sheet(entry: dict[str, Any], name: str, notes: Notes) -> Sheet:
    """The conversation; ``name`` is the file's. ``messages`` of the entry are those of ``messages.jsonl``."""
    key = as_id(entry.get("id"))
    title = as_title(entry.get("title")) or as_title(as_dict(entry.get("metadata")).get("title"))
    found = Sheet(SOURCE, key, title or key or name, title)
    found.created_at = as_time(entry.get("created")) or as_time(entry.get("created_at"))
    found.changed_at = as_time(entry.get("updated"))
    assistant = as_dict(next(iter(as_list(entry.get("assistants"))), None))
    found.system_prompt = as_text(assistant.get("instructions"))
    model = as_title(as_dict(assistant.get("model")).get("id")) or as_title(as_dict(entry.get("model")).get("id"))
    messages = as_list(entry.get("messages"))
    times = [as_time(as_dict(message).get("created_at")) for message in messages]
    if all(times):
        messages = [
            message for _, message in sorted(zip(times, messages, strict=True), key=lambda pair: pair[0] or 0.0)
        ]
    above = None
    for number, message in enumerate(messages):
        loose = Loose(as_id(as_dict(message).get("id")) or str(number), above)
        found.messages.append(loose)
        if isinstance(message, dict):
            found.lay(loose, message.get("role"), _text(message.get("content"), found.where, notes), notes)
            loose.created_at = as_time(message.get("created_at"))
        else:
            notes.add(found.where, Reason.NOT_A_MESSAGE)
        if loose.role == "assistant":
            loose.model = model
        above = loose.id
    return found


def _text(content: Any, where: str, notes: Notes) -> str:
    if isinstance(content, str):
        return as_text(content)
    texts = []
    for part in map(as_dict, as_list(content)):
        match part.get("type"):
            case "text":
                texts.append(as_text(as_dict(part.get("text")).get("value")) or as_text(part.get("text")))
            case "reasoning":
                notes.add(where, Reason.THOUGHT)
            case "tool_call":
                notes.add(where, Reason.TOOL)
            case "image_url" | "image":
                texts.append("[image]")
            case _:
                texts.append("[attachment]")
    return "\n".join(filter(None, texts))
