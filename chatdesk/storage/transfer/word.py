"""The words of a Word document, in the order of its XML.

python-docx knows paragraphs and tables, and passes over what stands around their words: tracked insertions, content
controls (a cover, a field, a bibliography), tables in tables, text in shapes. What was deleted or moved away is none of
the text. Sizes are looked at by whoever calls.
"""

import io
from collections.abc import Iterator
from typing import Any

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_PARAGRAPH, _TABLE, _ROW, _CELL, _TEXT, _BREAK = (f"{_W}{tag}" for tag in ("p", "tbl", "tr", "tc", "t", "br"))
_AROUND = {f"{_W}{tag}" for tag in ("sdt", "sdtContent", "customXml", "ins", "moveTo", "smartTag")}
_SIGNS = {f"{_W}tab": "\t", f"{_W}ptab": "\t", f"{_W}cr": "\n", f"{_W}noBreakHyphen": "-"}
_LEFT_OUT = {f"{_W}{tag}" for tag in ("pPr", "rPr", "sdtPr", "del", "moveFrom")} | {
    "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"  # says the same again
}


def opened(data: bytes) -> tuple[Any, dict[str, int]]:
    """The body of a .docx, whose parts are for `lines`, and the levels of headings by the names of their styles.

    Raises whatever zip, XML and python-docx have to say of a damaged file.
    """
    import docx

    document = docx.Document(io.BytesIO(data))
    names = {style.style_id: (style.name or "").removeprefix("Heading ") for style in document.styles}
    return document.element.body, {style: int(name) for style, name in names.items() if name.isdecimal()}


def lines(part: Any) -> Iterator[tuple[str, str]]:
    """Each paragraph of a part with the name of its style, and each row of a table, its cells behind tabs."""
    if part.tag == _PARAGRAPH:
        style = part.find(f"{_W}pPr/{_W}pStyle")
        yield "".join(_words(part)), "" if style is None else style.get(f"{_W}val", "")
    elif part.tag == _TABLE:
        for row in _inside(part, _ROW):
            yield "\t".join(map(_cell, _inside(row, _CELL))), ""
    elif part.tag in _AROUND:
        for each in part:
            yield from lines(each)


def _cell(cell: Any) -> str:
    return "\n".join(text for part in cell for text, _ in lines(part))


def _inside(part: Any, tag: str) -> Iterator[Any]:
    """The rows of a table, or the cells of a row."""
    for each in part:
        if each.tag == tag:
            yield each
        elif each.tag in _AROUND:
            yield from _inside(each, tag)


def _words(part: Any) -> Iterator[str]:
    for each in part:
        if each.tag == _TEXT:
            yield each.text or ""
        elif each.tag == _BREAK:
            yield "" if each.get(f"{_W}type") in ("page", "column") else "\n"
        elif each.tag in _SIGNS:
            yield _SIGNS[each.tag]
        elif each.tag not in _LEFT_OUT:
            yield "\n" if each.tag == _PARAGRAPH else ""  # in a shape
            yield from _words(each)
