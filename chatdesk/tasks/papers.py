"""Documents out of and into files: plain text, Markdown, and Word's .docx.

A .docx is a zip of XML; its paragraphs and headings are read and written by hand, as no more than that is wanted of
it. Nothing in it is followed, sizes are looked at before anything is unpacked.
"""

import io
import zipfile
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from chatdesk.errors import Fault, UserError
from chatdesk.storage.transfer import files
from chatdesk.tasks.attachments import decoded, safe_name

MOST_BYTES = 20_000_000
"""Of a file, and of the text inside a .docx."""

_WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_DOCUMENT = "word/document.xml"


class Paper(NamedTuple):
    """A file's name without its ending, and its text with ``\\n`` as the line's end."""

    title: str
    text: str


def read(path: Path) -> Paper:
    """The text of a file. Raises `UserError` for one that is gone, too large, or no text."""
    name = safe_name(path.name)
    try:
        if not path.is_file():
            raise UserError(Fault.ATTACHMENT_FOLDER if path.is_dir() else Fault.FILE_NOT_FOUND, path=name, name=name)
        if path.stat().st_size > MOST_BYTES:
            raise _too_large(name, path.stat().st_size)
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise UserError(Fault.BROKEN_TEXT, path=name, reason=error.strerror or error) from error
    text = _of_docx(data, name) if path.suffix.lower() == ".docx" else decoded(data, name)
    return Paper(safe_name(path.stem), text.replace("\r\n", "\n").replace("\r", "\n"))


def write(path: Path, title: str, text: str) -> None:
    """Write a text as its file's ending says. Raises ``DISK_FULL`` or ``CANNOT_WRITE``; an older file stays then."""
    files.write(path, _docx(title, text) if path.suffix.lower() == ".docx" else text.encode())


def _too_large(name: str, size: int) -> UserError:
    return UserError(
        Fault.ATTACHMENT_TOO_LARGE, name=name, size=f"{size / 1_000_000:,.1f}", most=MOST_BYTES // 1_000_000
    )


def _of_docx(data: bytes, name: str) -> str:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as whole:
            size = whole.getinfo(_DOCUMENT).file_size
            if size > 5 * MOST_BYTES:
                raise _too_large(name, size)
            with whole.open(_DOCUMENT) as part:
                xml = part.read(5 * MOST_BYTES + 1)
        if b"<!DOCTYPE" in xml[:2000]:  # Word writes none; entities can grow without bound
            raise UserError(Fault.BROKEN_TEXT, path=name, reason="it declares entities")
        body = ElementTree.fromstring(xml)
    except (zipfile.BadZipFile, KeyError, ElementTree.ParseError, RuntimeError, OSError, EOFError, ValueError) as error:
        raise UserError(Fault.BROKEN_TEXT, path=name, reason="it is no Word document") from error
    return "\n".join(_paragraph(element) for element in body.iter(f"{{{_WORD}}}p"))


def _paragraph(element: ElementTree.Element) -> str:
    words = "".join(
        part.text or "" if part.tag.endswith("}t") else {"tab": "\t", "br": "\n", "cr": "\n"}[part.tag.split("}")[1]]
        for part in element.iter()
        if part.tag in (f"{{{_WORD}}}{kind}" for kind in ("t", "tab", "br", "cr"))
    )
    style = element.find(f"{{{_WORD}}}pPr/{{{_WORD}}}pStyle")
    value = style.get(f"{{{_WORD}}}val", "") if style is not None else ""
    level = value.removeprefix("Heading")
    return f"{'#' * min(6, int(level))} {words}" if value.startswith("Heading") and level.isdecimal() else words


def _docx(title: str, text: str) -> bytes:
    paragraphs = "".join(map(_written, text.split("\n")))
    ending = "application/vnd.openxmlformats"
    parts = {
        "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        f'<Default Extension="rels" ContentType="{ending}-package.relationships+xml"/>'
        '<Default Extension="xml" ContentType="application/xml"/>'
        f'<Override PartName="/word/document.xml" ContentType="{ending}-officedocument.wordprocessingml.'
        'document.main+xml"/>'
        f'<Override PartName="/word/styles.xml" ContentType="{ending}-officedocument.wordprocessingml.styles+xml"/>'
        '<Override PartName="/docProps/core.xml" ContentType="application/vnd.openxmlformats-package.'
        'core-properties+xml"/></Types>',
        "_rels/.rels": '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        '<Relationship Id="a" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/'
        'officeDocument" Target="word/document.xml"/>'
        '<Relationship Id="b" Type="http://schemas.openxmlformats.org/package/2006/relationships/metadata/'
        'core-properties" Target="docProps/core.xml"/></Relationships>',
        "word/_rels/document.xml.rels": '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/'
        'relationships"><Relationship Id="a" Type="http://schemas.openxmlformats.org/officeDocument/2006/'
        'relationships/styles" Target="styles.xml"/></Relationships>',
        "word/styles.xml": f'<w:styles xmlns:w="{_WORD}">'
        + "".join(
            f'<w:style w:type="paragraph" w:styleId="Heading{level}"><w:name w:val="heading {level}"/>'
            f'<w:pPr><w:outlineLvl w:val="{level - 1}"/></w:pPr>'
            f'<w:rPr><w:b/><w:sz w:val="{max(24, 40 - 4 * level)}"/></w:rPr></w:style>'
            for level in range(1, 7)
        )
        + "</w:styles>",
        "docProps/core.xml": '<cp:coreProperties xmlns:cp="http://schemas.openxmlformats.org/package/2006/metadata/'
        'core-properties" xmlns:dc="http://purl.org/dc/elements/1.1/">'
        f"<dc:title>{_clean(title)}</dc:title></cp:coreProperties>",
        _DOCUMENT: f'<w:document xmlns:w="{_WORD}"><w:body>{paragraphs}</w:body></w:document>',
    }
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as whole:
        for name, xml in parts.items():
            whole.writestr(name, f'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n{xml}'.encode())
    return target.getvalue()


def _written(line: str) -> str:
    marks, _, rest = line.partition(" ")
    is_heading = bool(rest) and 0 < len(marks) <= 6 and set(marks) == {"#"}
    style = f'<w:pPr><w:pStyle w:val="Heading{len(marks)}"/></w:pPr>' if is_heading else ""
    words = "<w:tab/>".join(
        f'<w:t xml:space="preserve">{_clean(part)}</w:t>' if part else ""
        for part in (rest if is_heading else line).split("\t")
    )
    return f"<w:p>{style}<w:r>{words}</w:r></w:p>"


def _clean(text: str) -> str:
    """Text for XML, without the control characters that it knows no way to write."""
    return escape(
        "".join(sign for sign in text if sign in "\t\n" or (ord(sign) >= 32 and ord(sign) not in (0xFFFE, 0xFFFF)))
    )
