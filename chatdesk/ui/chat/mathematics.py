"""Where mathematics stands in Markdown: ``$…$``, ``$$…$$``, ``\\(…\\)`` and ``\\[…\\]``, as rules for markdown-it.

Tokens ``math_inline`` and ``math_block``: ``content`` is the source with its delimiters, ``info`` the LaTeX inside,
``markup`` is ``display`` where it is set large. A single dollar is careful: no space inside the delimiters, no digit
behind, on one line, and nothing that reads like prices. A formula without its end is text.
"""

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.rules_block import StateBlock
    from markdown_it.rules_inline import StateInline

_INLINE = (
    re.compile(r"\$\$((?:[^$\\]|\\.){1,2000}?)\$\$", re.DOTALL),
    re.compile(r"\\\[((?:[^\\]|\\[^\]]){1,2000}?)\\\]", re.DOTALL),
    re.compile(r"\\\(((?:[^\\]|\\[^)]){1,2000}?)\\\)", re.DOTALL),
    re.compile(r"\$(?![\s$])((?:[^$\\\n]|\\[^\n]){1,500}?)(?<!\s)\$(?![\d$])"),
)
_CLOSERS = {"$$": "$$", "\\[": "\\]"}
_DOUBLE = frozenset((*_CLOSERS, "\\("))
_MOST_LINES = 200
_PROSE = re.compile(r"^\d[^\\]*\s[^\W\d_]{2}")  # a number, then words: 5 and 10
_SHORT = 3


def enable(parser: "MarkdownIt") -> None:
    """Teach a parser mathematics."""
    parser.inline.ruler.before("escape", "math", _inline)
    parser.block.ruler.before("fence", "math", _block, {"alt": ["paragraph", "reference", "blockquote", "list"]})


def _inline(state: "StateInline", silent: bool) -> bool:
    if state.src[state.pos] not in "$\\":
        return False
    for pattern in _INLINE:
        found = pattern.match(state.src, state.pos, state.posMax)
        if found and found[1].strip() and (found[0][:2] in _DOUBLE or _is_meant(state, found)):
            break
    else:
        return False
    if not silent:
        token = state.push("math_inline", "math", 0)
        token.content, token.info = found[0], found[1].strip()
        token.markup = "display" if found[0][:2] in _CLOSERS else ""
    state.pos = found.end()
    return True


def _is_meant(state: "StateInline", found: re.Match[str]) -> bool:
    """Whether single dollars are delimiters: not in US$5 or $HOME/$PATH, and not prices with words between them."""
    before = state.src[found.start() - 1 : found.start()]
    after = state.src[found.end() : found.end() + 1]
    if before.isalnum() or before == "$" or _PROSE.match(found[1]):
        return False
    return not after.isalpha() or "\\" in found[1] or len(found[1]) <= _SHORT


def _block(state: "StateBlock", start: int, end: int, silent: bool) -> bool:
    if state.is_code_block(start):
        return False
    at = state.bMarks[start] + state.tShift[start]
    closer = _CLOSERS.get(state.src[at : at + 2])
    if closer is None:
        return False
    lines = [state.src[at + 2 : state.eMarks[start]]]
    line = start
    while closer not in lines[-1]:
        line += 1
        if line >= min(end, start + _MOST_LINES) or state.isEmpty(line) or state.sCount[line] < state.blkIndent:
            return False
        lines.append(state.src[state.bMarks[line] + state.tShift[line] : state.eMarks[line]])
    inside, _, behind = lines[-1].partition(closer)
    latex = "\n".join([*lines[:-1], inside]).strip()
    if behind.strip() or not latex:
        return False
    if not silent:
        state.line = line + 1
        token = state.push("math_block", "math", 0)
        token.block, token.map = True, [start, line + 1]
        token.content, token.info, token.markup = state.src[at : state.eMarks[line]].rstrip(), latex, "display"
    return True
