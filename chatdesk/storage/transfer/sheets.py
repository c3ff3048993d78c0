"""Conversations as other programs' files have them, and how they become trees.

Non-goal: guessing. A value of the wrong type counts as absent, and what is lost with it is noted.
"""

import hashlib
import heapq
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from msgspec import Struct

from chatdesk.storage.rows import END_OF_TIME
from chatdesk.storage.tables import storable
from chatdesk.storage.transfer.trees import Node, Notes, Reason, Tree

LONGEST_TEXT = 16 * 2**20  # characters of one message
_LONGEST_TITLE = 300


class Loose(Struct):
    """A message as a file has it, before it has its place. An empty ``role``: it is not kept, those below it are.

    ``created_at``: None where the file does not say.
    """

    id: str
    parent_id: str | None
    role: str = ""
    text: str = ""
    created_at: float | None = None
    finish_reason: str | None = None
    model: str = ""


class Sheet(Struct):
    """A conversation as another program's file has it.

    ``key``: its id there, or an empty text; ``where``: how it is named to the person.
    """

    source: str
    key: str
    where: str
    title: str = ""
    messages: list[Loose] = []
    created_at: float | None = None
    changed_at: float | None = None
    tip: str | None = None
    system_prompt: str = ""

    def lay(self, loose: Loose, role: Any, text: str, notes: Notes) -> None:
        """Give a message of this sheet its role and text, if it is one to keep; a system text is the system prompt."""
        if not text.strip():
            return
        if len(text) > LONGEST_TEXT:
            notes.add(self.where, Reason.TEXT_TOO_LONG)
        elif role == "system":
            if self.system_prompt and self.system_prompt != text:
                notes.add(self.where, Reason.MORE_SYSTEM_PROMPTS)
            else:
                self.system_prompt = text
        elif role in ("user", "assistant"):
            loose.role, loose.text = role, text
        else:
            notes.add(self.where, Reason.TOOL if role == "tool" else Reason.UNKNOWN_ROLE)


def planted(messages: Sequence[Loose], where: str, notes: Notes) -> list[tuple[Loose, str | None]]:
    """The kept messages in order, each with its nearest kept ancestor. Whatever is wrong with the tree is mended.

    The order is that of ``messages`` as far as parents stand before their children. No recursion: any depth will do.
    """
    by_id = _unique(messages, where, notes)
    order = list(by_id)
    rank = {id: number for number, id in enumerate(order)}
    below = defaultdict(list)
    above: dict[str, str | None] = {}  # nearest kept ancestors
    for message in by_id.values():
        if message.parent_id in by_id:
            below[message.parent_id].append(message.id)
        else:
            above[message.id] = None
            if message.parent_id is not None and message.role:
                notes.add(where, Reason.NO_PARENT)
    ready = [rank[id] for id in above]
    kept: list[tuple[Loose, str | None]] = []
    for start in ["", *order]:
        if start and start not in above:  # what no beginning leads to hangs on a circle
            cut = _on_circle(start, by_id)
            notes.add(where, Reason.CYCLE)
            above[cut] = None
            ready = [rank[cut]]
        while ready:
            message = by_id[order[heapq.heappop(ready)]]
            if message.role:
                kept.append((message, above[message.id]))
            for child in below[message.id]:
                if child not in above:
                    above[child] = message.id if message.role else above[message.id]
                    heapq.heappush(ready, rank[child])
    return kept


def _unique(messages: Iterable[Loose], where: str, notes: Notes) -> dict[str, Loose]:
    by_id: dict[str, Loose] = {}
    for message in messages:
        if by_id.setdefault(message.id, message) is not message:
            notes.add(where, Reason.MESSAGE_TWICE)
    return by_id


def _on_circle(id: str, by_id: dict[str, Loose]) -> str:
    seen = set()
    while id not in seen:
        seen.add(id)
        id = by_id[id].parent_id or ""
    return id


def tree(sheet: Sheet, now: float, notes: Notes) -> Tree | None:
    """A tree from another program's conversation; None when no text is in it. ``now`` stands for unknown times.

    Its ids are digests: the conversation's of its source and id there, a message's of the conversation, the message it
    answers, its id there, its role and its text. So reading the same again gives the same ids, a conversation that went
    on gives some more, and a message that was changed in place gives a sibling.
    """
    where = sheet.where
    last = 0.0
    times = {}
    for message in sheet.messages:  # an unknown time is that of the message before
        last = times[id(message)] = message.created_at or last
    kept = planted(sorted(sheet.messages, key=lambda message: times[id(message)]), where, notes)
    if not kept:
        notes.add(where, Reason.EMPTY)
        return None
    created = sheet.created_at or min(filter(None, times.values()), default=now)
    key = sheet.key or digest(*(part for message, _ in kept for part in (message.role, message.text)))
    conversation_id = digest(sheet.source, key)
    ids: dict[str, str] = {}
    nodes = []
    for message, parent in kept:
        parent_id = None if parent is None else ids[parent]
        ids[message.id] = digest(conversation_id, parent_id or "", message.id, message.role, message.text)
        nodes.append(
            Node(
                ids[message.id],
                parent_id,
                message.role,
                message.text,
                times[id(message)] or created,
                message.finish_reason,
                {"model": message.model} if message.model else None,
            )
        )
    return Tree(
        conversation_id,
        sheet.title,
        created,
        sheet.changed_at or max(node.created_at for node in nodes),
        ids.get(_kept_tip(sheet, kept)) or nodes[-1].id,
        {"system_prompt": sheet.system_prompt} if sheet.system_prompt else {},
        tuple(nodes),
    )


def _kept_tip(sheet: Sheet, kept: Iterable[tuple[Loose, str | None]]) -> str:
    """The tip, or the nearest message above it that was kept; empty for none."""
    ids = {message.id for message, _ in kept}
    parents = {message.id: message.parent_id for message in sheet.messages}
    id: str | None = sheet.tip
    while id in parents and id not in ids:
        id = parents.pop(id)
    return id or ""


def digest(*parts: str) -> str:
    """32 hexadecimal digits; the lengths keep the parts apart."""
    framed = "".join(f"{len(part)}:{part}" for part in parts)
    return hashlib.sha256(framed.encode("utf-8", "replace")).hexdigest()[:32]


# -- values of any type, as files have them


def as_dict(value: Any) -> dict[str, Any]:
    """The object, or an empty one."""
    return value if isinstance(value, dict) else {}


def as_list(value: Any) -> list[Any]:
    """The array, or an empty one."""
    return value if isinstance(value, list) else []


def as_text(value: Any) -> str:
    """The text, or an empty one; halves of a surrogate pair are joined, lone ones become U+FFFD."""
    if not isinstance(value, str):
        return ""
    return storable(value)


def as_id(value: Any) -> str:
    """A text or a whole number as text, else empty."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else as_text(value)


def as_title(value: Any) -> str:
    """One line."""
    return " ".join(as_text(value).split())[:_LONGEST_TITLE]


def as_time(value: Any) -> float | None:
    """Seconds since 1970; milliseconds and finer are recognised by their size. None for anything else."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < 1e21:
        return None
    while value >= END_OF_TIME:
        value /= 1000
    return float(value)
