"""Markdown into blocks. What a model writes is untrusted: nothing of it becomes HTML, is loaded or can be run.

CommonMark with tables, strikethrough and formulas (`chatdesk.ui.chat.mathematics`). Raw HTML stays text, an image
becomes its description and address as text, a link keeps its address only for http, https and mailto. Control
characters are shown as ^[ and the like.
"""

from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Literal, TypeAlias
from urllib.parse import urlsplit

from chatdesk.ui.chat import mathematics
from chatdesk.ui.widgets.inert import inert

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

BlockKind: TypeAlias = Literal["paragraph", "heading", "list", "quote", "table", "code", "rule", "math"]

_KINDS: dict[str, BlockKind] = {
    "heading_open": "heading",
    "bullet_list_open": "list",
    "ordered_list_open": "list",
    "blockquote_open": "quote",
    "table_open": "table",
    "fence": "code",
    "code_block": "code",
    "hr": "rule",
    "math_block": "math",
}

# Characters that a terminal or Qt's documents would act on; tab and newline are meant as they are.


@dataclass(frozen=True)
class Block:
    """A block at the left margin. Two of the same kind and source look the same; ``tokens`` are markdown-it's."""

    kind: BlockKind
    source: str
    tokens: "tuple[Token, ...]" = field(compare=False)


@cache
def _parser() -> "MarkdownIt":
    from markdown_it import MarkdownIt  # when the first text is shown: the window is painted before

    parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    mathematics.enable(parser)
    return parser


def blocks(text: str) -> list[Block]:
    """The blocks of a text, from top to bottom."""
    lines = text.split("\n")
    found: list[Block] = []
    opened: list[Token] = []
    for token in _parser().parse(text):
        opened.append(token)
        if token.level == 0 and token.nesting <= 0:
            first = opened[0]
            begin, end = first.map or (0, 0)
            found.append(Block(_KINDS.get(first.type, "paragraph"), "\n".join(lines[begin:end]), tuple(opened)))
            opened = []
    return found


def address(href: object) -> str:
    """The address of a link that may be opened, or an empty text."""
    try:
        scheme = urlsplit(str(href)).scheme.lower()
    except ValueError:
        return ""
    return inert(str(href)) if scheme in ("http", "https", "mailto") else ""
