"""Trees as Markdown: a heading for each message, its text below as it was written, thoughts of a model as a quotation.

Non-goal: making texts harmless. A text is its own source here; whoever renders it decides what is allowed.
"""

import re
import time
from collections.abc import Sequence
from pathlib import Path

from chatdesk.storage.transfer.files import write
from chatdesk.storage.transfer.order import Labels, heading, lines, system_prompt, thoughts_and_answer
from chatdesk.storage.transfer.trees import Tree


def document(trees: Sequence[Tree], labels: Labels = Labels()) -> str:  # noqa: B008 — frozen
    """One text with all trees."""
    return "\n".join(part for tree in trees for part in _tree(tree, labels))


def export_markdown(trees: Sequence[Tree], path: Path, labels: Labels = Labels()) -> None:  # noqa: B008 — frozen
    """Write it, UTF-8. Raises ``DISK_FULL`` or ``CANNOT_WRITE``; the file is then as it was."""
    write(path, document(trees, labels).encode())


def _tree(tree: Tree, labels: Labels) -> list[str]:
    parts = [f"# {' '.join(tree.title.split()) or labels.untitled}\n"]
    if prompt := system_prompt(tree):
        parts.append(_quoted(labels.system_prompt, prompt))
    for line in lines(tree):
        written = time.strftime("%Y-%m-%d %H:%M", time.localtime(line.node.created_at))
        said = " · ".join([written, *heading(line, labels)])
        parts.append(f"## {line.number}. {labels.speaker(line.node)}\n\n*{said}*\n")
        if line.node.damaged:
            parts.append(f"**{labels.damaged}**\n")
        thoughts, answer = thoughts_and_answer(line.node)
        if thoughts.strip():
            parts.append(_quoted(labels.thoughts, thoughts))
        parts.append(f"{_closed(answer)}\n")
        for attachment in line.node.attachments:
            named = labels.attachment.format(name=" ".join(attachment.name.split()))
            fence = "`" * max([3, *(len(run) + 1 for run in re.findall("`+", attachment.text))])
            parts.append(f"**{named}**\n\n{fence}\n{attachment.text}\n{fence}\n")
    return parts


def _quoted(words: str, text: str) -> str:
    """A text that stands apart; a code block that is open in it ends with the quotation."""
    quoted = "\n".join(f"> {line}".rstrip() for line in text.splitlines())
    return f"> **{words}**\n>\n{quoted}\n"


def _closed(text: str) -> str:
    """The text with an open code block closed, so that it does not swallow the messages below."""
    if "```" not in text and "~~~" not in text:
        return text
    from markdown_it import MarkdownIt  # when something is exported: the window starts without it

    tokens = MarkdownIt("commonmark").parse(f"{text}\n\nend")
    last = tokens[-1]
    return f"{text}\n{last.markup}" if last.type == "fence" and last.content.endswith("end") else text
