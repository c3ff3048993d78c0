"""Markdown as plain text: what a reader sees, without signs, for the clipboard."""

from typing import TYPE_CHECKING

from chatdesk.ui.chat.markdown import Block, blocks
from chatdesk.ui.chat.pieces import answer, cut

if TYPE_CHECKING:
    from markdown_it.token import Token


def plain_text(markdown: str) -> str:
    """The words of a reply, without its thoughts: lists with their markers, cells with tabs, code as it is."""
    found: list[str] = []
    for piece in cut(answer(markdown), markdown=True):
        if piece.kind == "code":
            text = piece.text.rstrip("\n")
            if piece.continued and found:
                found[-1] += "\n" + text
            elif text:
                found.append(text)
        else:
            found += [text for block in blocks(piece.text) if (text := _block(block))]
    return "\n\n".join(found)


def _block(block: Block) -> str:
    lines: list[str] = []
    numbers: list[int] = []  # of the next item of each open list; 0: bullets
    marker = ""
    for token in block.tokens:
        kind = token.type
        if kind in ("bullet_list_open", "ordered_list_open"):
            start = token.attrGet("start")
            numbers.append(0 if kind == "bullet_list_open" else 1 if start is None else int(start))
        elif kind in ("bullet_list_close", "ordered_list_close"):
            numbers.pop()
        elif kind == "list_item_open":
            marker = f"{numbers[-1]}. " if numbers[-1] else "- "
            numbers[-1] += bool(numbers[-1])
        elif kind in ("th_open", "td_open"):
            lines[-1] += "\t" if lines[-1] else ""
        elif kind == "tr_open":
            lines.append("")
        elif kind in ("inline", "fence", "code_block", "math_block"):
            words = _inline(token) if kind == "inline" else token.content.rstrip("\n")
            if block.kind == "table":
                lines[-1] += words
                continue
            indent = "  " * max(len(numbers) - 1, 0)
            lines += [indent + (marker if not number else "") + line for number, line in enumerate(words.split("\n"))]
            marker = ""
    return "\n".join(lines)


def _inline(inline: "Token") -> str:
    parts = []
    for token in inline.children or []:
        if token.type in ("softbreak", "hardbreak"):
            parts.append(" " if token.type == "softbreak" else "\n")
        else:
            parts.append(token.content)
    return "".join(parts)
