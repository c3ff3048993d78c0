"""Files as people have them, read as documents: text, Markdown, JSON (lines or a list), tables, Word, EPUB, HTML, PDF.

A name may end in ``.gz``, ``.xz`` or ``.zst`` besides. A text in another encoding than UTF-8 is recognised: UTF-16 by
its mark, GB18030 by what it gives, and what is neither counts as Windows-1252; UTF-8 with a few wrong bytes stays it.
Readers of the formats come from the field's usual libraries and are imported when such a file comes.

Files may come from anywhere, so sizes are bounded: no more than `MOST_BYTES` of a file that is read at once, unpacked.
"""

import codecs
import csv
import gzip
import io
import lzma
import posixpath
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast
from urllib.parse import unquote
from xml.etree import ElementTree

import msgspec

from chatdesk.errors import Fault, UserError
from chatdesk.storage.transfer import word
from chatdesk.training.corpus import Document, exchange, parse_line

MOST_BYTES = 1 << 30

_PACKED = (".gz", ".xz", ".zst")
_TEXT_COLUMNS = ("text", "content", "body", "document")
_JSON = (".jsonl", ".json")
_TWO_BYTES = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_HIDDEN = ("script", "style", "noscript", "template", "nav", "header", "footer", "aside", "form", "svg", "head")
_BLOCKS = re.compile(r"p|div|section|article|li|ul|ol|h[1-6]|blockquote|pre|table|tr|br|hr|dt|dd")
_CHINESE = re.compile(r"[\u4e00-\u9fff]")
_RIGHT_FOR_WRONG = 10  # letters beyond ASCII that are UTF-8 for each place that is not
_LEAST_CHINESE = 0.2  # of the characters of a text that GB18030 gives, for it to be Chinese


def kind(path: Path) -> str:
    """How a file is read: the ending of its name without that of its packing, such as ``.txt``; empty where unknown."""
    name = path.name.lower()
    for packed in _PACKED:
        name = name.removesuffix(packed)
    found = Path(name).suffix
    return found if found in READERS or found in _JSON else ""


def files(paths: Iterable[Path]) -> list[tuple[Path, bool]]:
    """The files to read, folders with all that is in them and can be read, and whether each was named itself.

    Raises FILE_NOT_FOUND, and BROKEN_TEXT for a named one that is no file, or of a kind that nobody reads.
    """
    found: list[tuple[Path, bool]] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(each for each in path.rglob("*") if each.is_file() and kind(each))
            found += [(each, False) for each in inside]
        elif not path.exists():
            raise UserError(Fault.FILE_NOT_FOUND, path=path)
        elif not path.is_file():
            raise UserError(Fault.BROKEN_TEXT, path=path, reason="it is neither a file nor a folder")
        elif not kind(path):
            known = ", ".join(sorted((*READERS, *_JSON)))
            raise UserError(Fault.BROKEN_TEXT, path=path, reason=f"it is none of {known}, packed or not")
        else:
            found.append((path, True))
    return found


def read(path: Path) -> Iterator[Document]:
    """The documents of a file, in order. Raises BROKEN_TEXT, with the line where there is one, and FILE_NOT_FOUND."""
    found = kind(path)
    with _opened(path) as file:
        if found == ".jsonl":
            for number, line in enumerate(_lines(file), 1):
                if len(line) > MOST_BYTES:
                    raise ValueError(f"line {number} has more than {MOST_BYTES >> 30} GB")
                if line.strip():
                    yield parse_line(line, path, f"line {number}")
            return
        data = _whole(file)
        if found == ".json":
            for number, entry in enumerate(msgspec.json.decode(decode(data), type=list[msgspec.Raw]), 1):
                yield parse_line(bytes(entry), path, f"entry {number}")
        else:
            yield from READERS[found](data)


def _whole(file: IO[bytes], begin: bytes = b"") -> bytes:
    """All bytes of a file, of which ``begin`` has been read. Raises `ValueError` for too many."""
    data = begin + file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise ValueError(f"it has more than {MOST_BYTES >> 30} GB")
    return data


def _lines(file: IO[bytes]) -> Iterator[bytes]:
    """The lines of a file, those of UTF-16 as UTF-8; of one that is too long its beginning."""
    line = file.readline(MOST_BYTES + 1)
    if line.startswith(_TWO_BYTES):
        yield from decode(_whole(file, line)).encode().split(b"\n")
        return
    while line:
        yield line
        line = file.readline(MOST_BYTES + 1)


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """The file, unpacked; whatever a reader does not like about its bytes becomes a user error."""
    try:
        match path.suffix.lower():
            case ".gz":
                with gzip.open(path) as unzipped:
                    yield cast("IO[bytes]", unzipped)
            case ".xz":
                with lzma.open(path) as packed:
                    yield packed
            case ".zst":
                import zstandard

                with path.open("rb") as raw, zstandard.ZstdDecompressor().stream_reader(raw) as stream:
                    yield io.BufferedReader(stream)
            case _:
                with path.open("rb") as file:
                    yield file
    except FileNotFoundError:
        raise UserError(Fault.FILE_NOT_FOUND, path=path) from None
    except UserError:
        raise
    except Exception as error:  # each library has its own ways to say that a file is damaged
        reason = " ".join(f"{error or type(error).__name__}".split())[:200]
        raise UserError(Fault.BROKEN_TEXT, path=path, reason=reason) from None


def decode(data: bytes) -> str:
    """The text of some bytes in whatever encoding."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    lenient = data.decode("utf-8", "replace")
    wrong, plain = lenient.count("\ufffd"), len(data.decode("ascii", "ignore"))
    if wrong * _RIGHT_FOR_WRONG < len(lenient) - wrong - plain:  # a few bytes were lost; elsewhere most would be wrong
        return lenient.removeprefix("\ufeff")
    try:
        chinese = data.decode("gb18030")
    except UnicodeDecodeError:
        chinese = ""
    if len(_CHINESE.findall(chinese)) > _LEAST_CHINESE * len(chinese):
        return chinese
    return data.decode("cp1252", "replace")


def _text(data: bytes) -> Iterator[Document]:
    yield decode(data)


def _table(data: bytes) -> Iterator[Document]:
    """A table with a heading: one document for each row, of a question and its answer, or of a column of text."""
    text = decode(data)
    heading = text.partition("\n")[0]
    delimiter = max(",;\t", key=heading.count)
    csv.field_size_limit(MOST_BYTES)
    rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    named = {name.strip().lower(): name for name in rows.fieldnames or () if name}
    column = next((named[name] for name in _TEXT_COLUMNS if name in named), None)
    if column is None and exchange(dict.fromkeys(named, "")) is None:
        raise ValueError("its first line names no column “text”, nor “question” and “answer”")
    for row in rows:
        pair = exchange({name: row[own] or "" for name, own in named.items()})
        yield pair if pair is not None else row[column or ""] or ""


def _word(data: bytes) -> Iterator[Document]:
    _check_unpacked(data)
    body, _ = word.opened(data)
    yield "\n\n".join(text for part in body for text, _ in word.lines(part) if text.strip())


def _epub(data: bytes) -> Iterator[Document]:
    """A book is one document: its parts in the order in which they are read."""
    _check_unpacked(data)
    with zipfile.ZipFile(io.BytesIO(data)) as book:
        root = _xml(book.read("META-INF/container.xml")).find(".//{*}rootfile")
        if root is None:
            raise ValueError("it names no book")
        package = root.get("full-path", "")
        content = _xml(book.read(package))
        hrefs = {item.get("id"): item.get("href", "") for item in content.iterfind(".//{*}manifest/{*}item")}
        order = [hrefs.get(item.get("idref"), "") for item in content.iterfind(".//{*}spine/{*}itemref")]
        folder = posixpath.dirname(package)
        names = [posixpath.normpath(posixpath.join(folder, unquote(href))) for href in order if href]
        parts = (html_text(decode(book.read(name))) for name in dict.fromkeys(names))  # each is read once
        yield "\n\n".join(filter(None, parts))


def _xml(data: bytes) -> ElementTree.Element:
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:  # entities can grow without bound
        raise ValueError("its XML defines entities")
    return ElementTree.fromstring(data)


def _check_unpacked(data: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > MOST_BYTES:
            raise ValueError(f"it unpacks to more than {MOST_BYTES >> 30} GB")


def _html(data: bytes) -> Iterator[Document]:
    yield html_text(decode(data))


def html_text(page: str) -> str:
    """What a page says: no scripts, no navigation, a line for each block."""
    from selectolax.lexbor import LexborHTMLParser

    tree = LexborHTMLParser(page)
    tree.strip_tags(list(_HIDDEN))
    parts: list[str] = []
    waiting: list[Any] = [tree.body] if tree.body is not None else []  # nodes, and what stands behind them
    while waiting:
        node = waiting.pop()
        if isinstance(node, str):
            parts.append(node)
        elif node.tag == "-text":
            parts.append(re.sub(r"\s+", " ", node.text_content or ""))
        else:
            around = "\n" if _BLOCKS.fullmatch(node.tag or "") else ""
            parts.append(around)
            waiting += [around, *reversed(list(node.iter(include_text=True)))]
    lines = (line.strip() for line in "".join(parts).splitlines())
    return "\n\n".join(line for line in lines if line)


def _pdf(data: bytes) -> Iterator[Document]:
    """The text layer, page after page; words that a line's end has cut are joined."""
    import pypdf

    pages = (page.extract_text() for page in pypdf.PdfReader(io.BytesIO(data)).pages)
    text = "\n\n".join(page.strip() for page in pages if page.strip())
    if not text:
        raise ValueError("it holds pictures of text, and no text")
    yield re.sub(r"(?<=[a-zà-ÿ])-\n(?=[a-zà-ÿ])", "", text)


READERS: dict[str, Callable[[bytes], Iterator[Any]]] = {
    ".txt": _text,
    ".md": _text,
    ".csv": _table,
    ".tsv": _table,
    ".docx": _word,
    ".epub": _epub,
    ".html": _html,
    ".htm": _html,
    ".pdf": _pdf,
}
"""By the ending of the name, what makes documents of the bytes of a file."""
