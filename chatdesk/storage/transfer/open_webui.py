"""Chats exported by Open WebUI: a JSON list of ``{id, title, chat: {title, models, params, history}, created_at, …}``.

``history`` is a tree: ``messages`` by id (``parentId``, ``childrenIds``, ``role``, ``content``, ``timestamp``) and
``currentId``. Old chats have only the list ``messages``, the shown branch. Reasoning and tool calls stand in the text
as ``<details type="reasoning">`` and ``<details type="tool_calls">``: they stay behind.
"""

from typing import Any

from chatdesk.storage.transfer.sheets import Loose, Sheet, as_dict, as_id, as_list, as_text, as_time, as_title
from chatdesk.storage.transfer.trees import Notes, Reason

SOURCE = "open-webui"

_FOLDED = {'<details type="reasoning"': Reason.THOUGHT, '<details type="tool_calls"': Reason.TOOL}
_END = "</details>"


def knows(entry: dict[str, Any]) -> bool:
    """Whether this is a chat of Open WebUI."""
    return "chat" in entry or "history" in entry


def sheet(entry: dict[str, Any], name: str, notes: Notes) -> Sheet:
    """The conversation; ``name`` is the file's."""
    chat = as_dict(entry.get("chat")) or entry
    title = as_title(entry.get("title")) or as_title(chat.get("title"))
    key = as_id(entry.get("id"))
    found = Sheet(SOURCE, key, title or key or name, title)
    found.created_at = as_time(entry.get("created_at")) or as_time(chat.get("timestamp"))
    found.changed_at = as_time(entry.get("updated_at"))
    found.system_prompt = as_text(as_dict(chat.get("params")).get("system")) or as_text(chat.get("system"))
    history = as_dict(chat.get("history"))
    found.tip = as_id(history.get("currentId")) or None
    if messages := as_dict(history.get("messages")):
        for id, message in messages.items():
            _add(found, as_text(id), as_id(as_dict(message).get("parentId")) or None, message, notes)
    else:
        above = None
        for number, message in enumerate(as_list(chat.get("messages"))):
            id = as_id(as_dict(message).get("id")) or str(number)
            _add(found, id, above, message, notes)
            above = id
    return found


def _add(found: Sheet, id: str, parent_id: str | None, message: Any, notes: Notes) -> None:
    loose = Loose(id, parent_id)
    found.messages.append(loose)
    if not isinstance(message, dict):
        return notes.add(found.where, Reason.NOT_A_MESSAGE)
    role = message.get("role")
    found.lay(loose, role, _unfolded(_text(message), found.where, notes), notes)
    loose.created_at = as_time(message.get("timestamp"))
    if role == "assistant":
        loose.model = as_title(message.get("model"))
        loose.finish_reason = "stop" if message.get("done") is True else None
    return None


def _text(message: dict[str, Any]) -> str:
    content = message.get("content")
    parts = [as_text(content)]
    if isinstance(content, list):
        parts = [as_text(as_dict(part).get("text")) or "[image]" for part in content]
    files = (as_dict(file).get("type") for file in as_list(message.get("files")))
    parts += ["[image]" if kind == "image" else "[attachment]" for kind in files]
    return "\n".join(part for part in parts if part)


def _unfolded(text: str, where: str, notes: Notes) -> str:
    """The text without its folded thoughts and tool calls."""
    for begin, reason in _FOLDED.items():
        pieces = []
        at = 0
        while (found := text.find(begin, at)) >= 0 and (end := text.find(_END, found)) >= 0:
            pieces.append(text[at:found])
            at = end + len(_END)
            notes.add(where, reason)
        if at:
            text = "".join([*pieces, text[at:]]).strip("\n")
    return text
