"""The order in which a tree is read from top to bottom: the shown branch first, then what else was said.

Messages are numbered from 1 in this order. Where a message does not answer the one right above it, it says which.
"""

from collections import defaultdict
from collections.abc import Sequence

from msgspec import Struct

from chatdesk.storage.transfer.trees import Node, Tree


class Labels(Struct, frozen=True):
    """The words around the texts. English stands here; a window passes its own language."""

    user: str = "You"
    assistant: str = "Assistant"
    system: str = "System"
    system_prompt: str = "System prompt"
    version: str = "version {number} of {count}"
    answers: str = "answers message {number}"
    beginning: str = "another beginning"
    attachment: str = "Attachment: {name}"
    damaged: str = "This message is damaged."
    untitled: str = "Conversation"
    thoughts: str = "Thoughts"

    def speaker(self, node: Node) -> str:
        """Who wrote it."""
        return {"user": self.user, "assistant": self.assistant}.get(node.role, self.system)


class Line(Struct, frozen=True):
    """A message at its place. ``version`` of ``versions`` from 1; ``answers``: a number when it is not the one above.

    ``answers`` is None where the message above is answered, and 0 for a beginning that is not the first.
    """

    number: int
    node: Node
    version: int
    versions: int
    answers: int | None


def lines(tree: Tree) -> list[Line]:
    """All messages of a tree, also of a damaged one whose parents are missing or lead in a circle."""
    by_id = {node.id: node for node in tree.messages}
    below: defaultdict[str | None, list[Node]] = defaultdict(list)
    for node in tree.messages:
        below[node.parent_id if node.parent_id in by_id else None].append(node)
    version = {node.id: number for nodes in below.values() for number, node in enumerate(nodes, 1)}
    shown = _shown(tree.tip, by_id)
    numbers: dict[str, int] = {}
    found: list[Line] = []
    above: str | None = None
    for start in [None, *by_id]:  # after what has a beginning, what hangs on a circle
        if start in numbers:
            continue
        waiting = _shown_last(below[None], shown) if start is None else [by_id[start]]
        while waiting:
            node = waiting.pop()
            if node.id in numbers:
                continue
            numbers[node.id] = len(numbers) + 1
            parent_id = node.parent_id if node.parent_id in by_id else None
            answers = None if parent_id == above else numbers.get(parent_id or "", 0)
            found.append(Line(numbers[node.id], node, version[node.id], len(below[parent_id]), answers))
            waiting += _shown_last(below[node.id], shown)
            above = node.id
    return found


def heading(line: Line, labels: Labels) -> list[str]:
    """What is said about a message beside who wrote it: model, version, what it answers."""
    said = []
    if line.node.provenance and line.node.provenance.get("model"):
        said.append(str(line.node.provenance["model"]))
    if line.versions > 1:
        said.append(labels.version.format(number=line.version, count=line.versions))
    if line.answers is not None:
        said.append(labels.answers.format(number=line.answers) if line.answers else labels.beginning)
    return said


def thoughts_and_answer(node: Node) -> tuple[str, str]:
    """What a reply thinks before its first word, without the tags, and what it says."""
    head = node.text.lstrip()
    if node.role != "assistant" or not head.startswith("<think>"):
        return "", node.text
    thoughts, _, answer = head.removeprefix("<think>").partition("</think>")
    return thoughts.strip("\n"), answer.lstrip("\n")


def system_prompt(tree: Tree) -> str:
    """The conversation's own, or an empty text."""
    prompt = tree.settings.get("system_prompt")
    return prompt if isinstance(prompt, str) else ""


def _shown(tip: str | None, by_id: dict[str, Node]) -> set[str]:
    shown: set[str] = set()
    while tip is not None and tip in by_id and tip not in shown:
        shown.add(tip)
        tip = by_id[tip].parent_id
    return shown


def _shown_last(nodes: Sequence[Node], shown: set[str]) -> list[Node]:
    """For a stack: what comes last is taken first."""
    return sorted(nodes, key=lambda node: node.id not in shown)[::-1]
