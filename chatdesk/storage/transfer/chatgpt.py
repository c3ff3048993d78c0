"""Conversations of ChatGPT's data export (``conversations.json``, ``conversations-000.json``, …).

Each has a ``mapping`` of nodes (``message`` or null, ``parent``, ``children``) and a ``current_node``. Times in
seconds. What belongs to tools (role ``tool``, messages with another ``recipient`` than ``all``) and thoughts stays
behind; what answers them is kept below the message before. System texts and custom instructions become the system
prompt.
"""

from typing import Any

from chatdesk.storage.transfer.sheets import Loose, Sheet, as_dict, as_id, as_list, as_text, as_time, as_title
from chatdesk.storage.transfer.trees import Notes, Reason

SOURCE = "chatgpt"

_INSTRUCTIONS = "user_editable_context"
_THOUGHTS = ("thoughts", "reasoning_recap")
_FINISH = {"stop": "stop", "max_tokens": "length", "interrupted": "cancelled"}
_ASSETS = {
    "image_asset_pointer": "[image]",
    "audio_asset_pointer": "[audio]",
    "video_container_asset_pointer": "[video]",
}


def knows(entry: dict[str, Any]) -> bool:
    """Whether this is a conversation of ChatGPT."""
    return "mapping" in entry


def sheet(entry: dict[str, Any], name: str, notes: Notes) -> Sheet:
    """The conversation; ``name`` is the file's."""
    key = as_id(entry.get("conversation_id")) or as_id(entry.get("id"))
    title = as_title(entry.get("title"))
    found = Sheet(SOURCE, key, title or key or name, title)
    found.created_at, found.changed_at = as_time(entry.get("create_time")), as_time(entry.get("update_time"))
    found.tip = as_id(entry.get("current_node")) or None
    for id, node in as_dict(entry.get("mapping")).items():
        if not isinstance(node, dict):
            notes.add(found.where, Reason.NOT_A_MESSAGE)
            continue
        loose = Loose(as_text(id), as_id(node.get("parent")) or None)
        found.messages.append(loose)
        message = node.get("message")
        if isinstance(message, dict):
            _fill(loose, message, found, notes)
        elif message is not None:
            notes.add(found.where, Reason.NOT_A_MESSAGE)
    return found


def _fill(loose: Loose, message: dict[str, Any], found: Sheet, notes: Notes) -> None:
    """Lay a message into its node, unless it is one that stays behind."""
    content = as_dict(message.get("content"))
    role = as_dict(message.get("author")).get("role")
    if role == "tool" or message.get("recipient", "all") not in ("all", None):
        return notes.add(found.where, Reason.TOOL)
    if content.get("content_type") in _THOUGHTS:
        return notes.add(found.where, Reason.THOUGHT)
    found.lay(loose, "system" if content.get("content_type") == _INSTRUCTIONS else role, _text(content), notes)
    loose.created_at = as_time(message.get("create_time"))
    if role == "assistant":
        metadata = as_dict(message.get("metadata"))
        loose.finish_reason = _FINISH.get(as_text(as_dict(metadata.get("finish_details")).get("type")))
        loose.model = as_title(metadata.get("model_slug"))
    return None


def _text(content: dict[str, Any]) -> str:
    match content.get("content_type"):
        case "code":
            language = as_title(content.get("language"))
            code = as_text(content.get("text"))
            return f"```{'' if language == 'unknown' else language}\n{code}\n```" if code else ""
        case "user_editable_context":
            both = (as_text(content.get(field)) for field in ("user_profile", "user_instructions"))
            return "\n\n".join(text for text in both if text.strip())
    parts = [_part(part) for part in as_list(content.get("parts"))] or [as_text(content.get("text"))]
    return "\n".join(part for part in parts if part)


def _part(part: Any) -> str:
    """A part's text; what is not text is named."""
    if isinstance(part, dict):
        kind = as_text(part.get("content_type"))
        return as_text(part.get("text")) or _ASSETS.get(kind, "[attachment]")
    return as_text(part)
