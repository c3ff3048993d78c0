"""Trees as one HTML file that needs nothing else: no script, no resource, light and dark as the system says.

What was written is untrusted. Raw HTML stays text, an image becomes its description and address as text, links lead to
http, https and mailto alone; a Content-Security-Policy forbids the rest once more. Code is coloured by classes of
Pygments. Thoughts of a model unfold. The ``printable`` variant has the same body with styles that Qt's documents
understand, dark on white; nothing is folded there.
"""

import html
import re
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from chatdesk.storage.transfer.files import write
from chatdesk.storage.transfer.order import Labels, Line, heading, lines, system_prompt, thoughts_and_answer
from chatdesk.storage.transfer.trees import Tree

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.renderer import RendererHTML
    from markdown_it.token import Token

_LONGEST_COLOURED = 20_000  # characters; some of Pygments' lexers take time that grows with the square

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")

_SCREEN = """
:root { color-scheme: light dark; --back: #fff; --text: #1b1b1b; --soft: #666; --line: #ddd; --code: #f5f5f5; }
@media (prefers-color-scheme: dark) {
  :root { --back: #1c1c1e; --text: #e8e8e8; --soft: #a0a0a0; --line: #444; --code: #26262a; }
}
body { background: var(--back); color: var(--text); font: 16px/1.55 system-ui, sans-serif; margin: 0; }
.page { max-width: 46rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
.message { border-top: 1px solid var(--line); margin-top: 1.5rem; overflow-wrap: anywhere; }
.said { color: var(--soft); font-size: .85rem; }
pre, code { font-family: ui-monospace, Consolas, monospace; font-size: .9em; background: var(--code); }
pre { padding: .75rem; overflow-x: auto; }
pre.plain { white-space: pre-wrap; font-family: inherit; font-size: inherit; }
blockquote { border-left: 3px solid var(--line); margin-left: 0; padding-left: 1rem; color: var(--soft); }
table { border-collapse: collapse; }
th, td { border: 1px solid var(--line); padding: .25rem .6rem; }
"""

_PRINT = """
body { color: #000000; background-color: #ffffff; }
.said { color: #555555; font-size: small; }
pre, code { font-family: monospace; }
pre { background-color: #f2f2f2; white-space: pre-wrap; }
blockquote { color: #333333; }
th, td { padding: 2px 8px; }
"""


def document(trees: Sequence[Tree], labels: Labels = Labels(), printable: bool = False) -> str:  # noqa: B008 — frozen
    """The page with all trees. ``printable``: for QTextDocument."""
    titles = [_title(tree, labels) for tree in trees]
    body = "\n".join(part for number, tree in enumerate(trees, 1) for part in _tree(tree, number, labels, printable))
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return (
        '<!DOCTYPE html>\n<html>\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_escaped(titles[0] if len(titles) == 1 else 'chatdesk')}</title>\n"
        f"<style>{_style(printable)}</style>\n</head>\n"
        f'<body>\n<div class="page">\n{body}\n</div>\n</body>\n</html>\n'
    )


def export_html(trees: Sequence[Tree], path: Path, labels: Labels = Labels()) -> None:  # noqa: B008 — frozen
    """Write the page, UTF-8. Raises ``DISK_FULL`` or ``CANNOT_WRITE``; the file is then as it was."""
    write(path, document(trees, labels).encode())


def fragment(text: str) -> str:
    """A Markdown text as harmless HTML."""
    return str(_parser().render(_CONTROL.sub("\ufffd", text)))


def _tree(tree: Tree, number: int, labels: Labels, printable: bool) -> list[str]:
    parts = [f"<h1>{_escaped(_title(tree, labels))}</h1>"]
    if prompt := system_prompt(tree):
        parts.append(f"<blockquote><p><b>{_escaped(labels.system_prompt)}</b></p>\n{fragment(prompt)}</blockquote>")
    parts += (_message(line, number, labels, printable) for line in lines(tree))
    return parts


def _message(line: Line, tree: int, labels: Labels, printable: bool) -> str:
    node = line.node
    thoughts, answer = thoughts_and_answer(node)
    written = time.strftime("%Y-%m-%d %H:%M", time.localtime(node.created_at))
    said = " · ".join(map(_escaped, [written, *heading(line, labels)]))
    if line.answers:
        said += f' <a href="#m{tree}-{line.answers}">↑</a>'
    damaged = f"<p><b>{_escaped(labels.damaged)}</b></p>\n" if node.damaged else ""
    attached = "".join(
        f'<p class="said">{_escaped(labels.attachment.format(name=attachment.name))}</p>\n'
        f'<pre class="plain">{_escaped(attachment.text)}</pre>\n'
        for attachment in node.attachments
    )
    return (
        f'<div class="message {"user" if node.role == "user" else "other"}" id="m{tree}-{line.number}">\n'
        f"<h2>{line.number}. {_escaped(labels.speaker(node))}</h2>\n"
        f'<p class="said">{said}</p>\n{damaged}'
        f"{_thoughts(thoughts, labels, printable) if thoughts.strip() else ''}{fragment(answer)}{attached}</div>"
    )


def _thoughts(text: str, labels: Labels, printable: bool) -> str:
    """As they were written, without Markdown."""
    words, shown = _escaped(labels.thoughts), f'<pre class="plain said">{_escaped(text)}</pre>\n'
    if printable:
        return f'<p class="said">{words}</p>\n{shown}'
    return f'<details>\n<summary class="said">{words}</summary>\n{shown}</details>\n'


def _title(tree: Tree, labels: Labels) -> str:
    return " ".join(tree.title.split()) or labels.untitled


def _escaped(text: str) -> str:
    return html.escape(_CONTROL.sub("\ufffd", text))


@cache
def _parser() -> "MarkdownIt":
    from markdown_it import MarkdownIt  # when something is exported: the window starts without it

    parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    parser.validateLink = _may_be_followed  # type: ignore[assignment, method-assign]
    parser.add_render_rule("fence", _code)
    parser.add_render_rule("code_block", _code)
    parser.add_render_rule("image", _image)
    parser.add_render_rule("link_open", _link)
    return parser


def _may_be_followed(address: str) -> bool:
    try:
        return urlsplit(address).scheme.lower() in ("http", "https", "mailto")
    except ValueError:
        return False


def _image(_: "RendererHTML", tokens: "Sequence[Token]", index: int, *__: Any) -> str:
    address = str(tokens[index].attrs.get("src", ""))
    return html.escape(f"[{tokens[index].content or 'image'}]({address})")


def _link(renderer: "RendererHTML", tokens: "Sequence[Token]", index: int, options: Any, _: Any) -> str:
    """An empty address is never asked about above: it would lead to the page itself."""
    token = tokens[index]
    if not _may_be_followed(str(token.attrs.get("href", ""))):
        token.attrs.pop("href", None)
    return renderer.renderToken(tokens, index, options, {})


def _code(_: "RendererHTML", tokens: "Sequence[Token]", index: int, *__: Any) -> str:
    token = tokens[index]
    language = token.info.split(maxsplit=1)[0] if token.info.strip() else ""
    code = token.content.removesuffix("\n")  # Qt would show an empty line
    return f'<pre class="code"><code>{_coloured(code, language)}</code></pre>\n'


def _coloured(code: str, language: str) -> str:
    if not language or len(code) > _LONGEST_COLOURED:
        return html.escape(code)
    from pygments import highlight
    from pygments.formatters.html import HtmlFormatter
    from pygments.lexers import get_lexer_by_name
    from pygments.util import ClassNotFound

    try:
        lexer = get_lexer_by_name(language, stripnl=False, ensurenl=False)
    except ClassNotFound:
        return html.escape(code)
    return str(highlight(code, lexer, HtmlFormatter(nowrap=True))).rstrip("\n")


@cache
def _style(printable: bool) -> str:
    light = _colours("friendly")
    if printable:
        return f"{_PRINT}{light}\n"
    return f"{_SCREEN}{light}\n@media (prefers-color-scheme: dark) {{\n{_colours('github-dark')}\n}}\n"


def _colours(name: str) -> str:
    from pygments.formatters.html import HtmlFormatter

    rules = HtmlFormatter(style=name, nobackground=True).get_style_defs(".code").splitlines()
    return "\n".join(rule for rule in rules if rule.startswith(".code ."))  # the others are of line numbers
