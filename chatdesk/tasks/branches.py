"""The branches of a conversation for a small map: what lies between one fork and the next is one segment."""

from collections.abc import Sequence
from typing import NamedTuple

from chatdesk.storage.records import Node


class Segment(NamedTuple):
    """A run of messages without a fork. ``id``, ``role``, ``beginning``: of its first message.

    ``messages``: how many; ``depth``: segments above it; ``newest_at``: seconds since 1970; ``parent``: place of the
    segment above it in the list, None for a beginning; ``is_shown``: its first message stands in the transcript;
    ``is_end``: so does its last message, and nothing below it.
    """

    id: str
    role: str
    beginning: str
    messages: int
    depth: int
    newest_at: float
    parent: int | None
    is_shown: bool
    is_end: bool


def segments(nodes: Sequence[Node]) -> list[Segment]:
    """All segments of a tree in depth-first order; of versions the one with most messages below it comes last.

    It is the one that a person went on with: drawn straight on, a long conversation stays a line with short sides, and
    no segment stands more than log2(messages) lanes aside. The other versions stand in the order of creation.
    ``nodes``: in the order of creation. Where the shown branch ends above other messages, these are a segment of
    their own: choosing it shows them again. What damage has cut off from its parent is a beginning.
    """
    known = {node.id for node in nodes}
    below: dict[str | None, list[Node]] = {}
    for node in nodes:
        below.setdefault(node.parent_id if node.parent_id in known else None, []).append(node)
    weights = _weights(nodes)
    for versions in below.values():
        heaviest = max(reversed(versions), key=lambda node: weights[node.id])
        versions.remove(heaviest)
        versions.append(heaviest)
    end = next((node.id for node in reversed(nodes) if node.is_on_branch), None)
    found: list[Segment] = []
    waiting: list[tuple[Node, int | None]] = [(node, None) for node in reversed(below.get(None, []))]
    while waiting:
        first, parent = waiting.pop()
        last, count, newest_at = first, 1, first.created_at
        while last.id != end and len(following := below.get(last.id, [])) == 1:
            last, count = following[0], count + 1
            newest_at = max(newest_at, last.created_at)
        waiting += [(node, len(found)) for node in reversed(below.get(last.id, []))]
        found.append(
            Segment(
                id=first.id,
                role=first.role,
                beginning=first.beginning,
                messages=count,
                depth=0 if parent is None else found[parent].depth + 1,
                newest_at=newest_at,
                parent=parent,
                is_shown=first.is_on_branch,
                is_end=last.id == end,
            )
        )
    return found


def _weights(nodes: Sequence[Node]) -> dict[str | None, int]:
    """How many messages each one has below it, itself counted; a child comes after its parent."""
    weights: dict[str | None, int] = dict.fromkeys((node.id for node in nodes), 1)
    for node in reversed(nodes):
        if node.parent_id in weights:
            weights[node.parent_id] += weights[node.id]
    return weights
