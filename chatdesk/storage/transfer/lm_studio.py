"""Conversations of LM Studio: ``<milliseconds>.conversation.json``.

``messages`` is a list of turns ``{versions, currentlySelected}``; a version is ``singleStep`` (``role``, ``content``)
or ``multiStep`` (``role``, ``steps`` of ``contentBlock`` and others). All versions come in; the next turn answers the
selected one. There are no ids: a turn's number and its version's stand for them. Thinking blocks and tool calls stay
behind. Times in milliseconds.
"""

from typing import Any

from chatdesk.storage.transfer.sheets import Loose, Sheet, as_dict, as_id, as_list, as_text, as_time, as_title
from chatdesk.storage.transfer.trees import Notes, Reason

SOURCE = "lm-studio"

_SYSTEM_PROMPT = "llm.prediction.systemPrompt"
_FINISH = {
    "eosFound": "stop",
    "stopStringFound": "stop",
    "maxPredictedTokensReached": "length",
    "contextLengthReached": "context",
    "userStopped": "cancelled",
}


def knows(entry: dict[str, Any]) -> bool:
    """Whether this is a conversation of LM Studio."""
    messages = as_list(entry.get("messages"))
    return any("versions" in as_dict(turn) for turn in messages) or "perChatPredictionConfig" in entry


def sheet(entry: dict[str, Any], name: str, notes: Notes) -> Sheet:
    """The conversation; ``name`` is the file's, which is when it began."""
    title = as_title(entry.get("name"))
    key = as_id(entry.get("createdAt")) or name.rpartition("/")[2].removesuffix(".conversation.json")
    found = Sheet(SOURCE, key, title or name, title, created_at=as_time(entry.get("createdAt")))
    found.system_prompt = _system_prompt(entry)
    above = None
    for number, turn in enumerate(as_list(entry.get("messages"))):
        versions = as_list(as_dict(turn).get("versions")) or [turn]
        for count, version in enumerate(versions):
            loose = Loose(f"{number}.{count}", above)
            found.messages.append(loose)
            _fill(loose, version, found, notes)
        chosen = as_dict(turn).get("currentlySelected", 0)
        above = f"{number}.{chosen if isinstance(chosen, int) and 0 <= chosen < len(versions) else 0}"
    found.tip = above
    return found


def _system_prompt(entry: dict[str, Any]) -> str:
    for field in as_list(as_dict(entry.get("perChatPredictionConfig")).get("fields")):
        if as_dict(field).get("key") == _SYSTEM_PROMPT and (text := as_text(field.get("value"))):
            return text
    return as_text(entry.get("systemPrompt"))


def _fill(loose: Loose, version: Any, found: Sheet, notes: Notes) -> None:
    if not isinstance(version, dict):
        return notes.add(found.where, Reason.NOT_A_MESSAGE)
    blocks = [_text(version.get("content"))]
    for step in map(as_dict, as_list(version.get("steps"))):
        blocks += _step(step, loose, found.where, notes)
    found.lay(loose, version.get("role"), "\n\n".join(filter(None, blocks)), notes)
    if loose.role == "assistant":
        loose.model = as_title(as_dict(version.get("senderInfo")).get("senderName"))
    return None


def _step(step: dict[str, Any], loose: Loose, where: str, notes: Notes) -> list[str]:
    if step.get("type") != "contentBlock":
        if "tool" in as_text(step.get("type")).lower():
            notes.add(where, Reason.TOOL)
        return []
    if as_dict(step.get("style")).get("type") == "thinking":
        notes.add(where, Reason.THOUGHT)
        return []
    stats = as_dict(as_dict(step.get("genInfo")).get("stats"))
    loose.finish_reason = _FINISH.get(as_text(stats.get("stopReason")), loose.finish_reason)
    return [_text(step.get("content"))]


def _text(content: Any) -> str:
    if isinstance(content, str):
        return as_text(content)
    return "\n".join(filter(None, (_part(as_dict(part)) for part in as_list(content))))


def _part(part: dict[str, Any]) -> str:
    if part.get("type") == "file":
        return "[image]" if part.get("fileType") == "image" else "[attachment]"
    return as_text(part.get("text"))
