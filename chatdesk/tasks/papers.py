"""Documents out of and into files: plain text, Markdown, and Word's .docx.

Of a .docx paragraphs, headings and tables are wanted. Nothing in it is followed, and sizes are looked at before
anything is unpacked.
"""

import io
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, TypeAlias, TypeVar

from chatdesk.errors import Fault, UserError
from chatdesk.storage.transfer import files, word
from chatdesk.tasks.attachments import decoded, safe_name

MOST_BYTES = 20_000_000
"""Of a file, and of the text inside a .docx."""

_MOST_OF_TITLE = 255  # characters that Word's own field takes
_HEADING = re.compile(r"(#{1,6}) (.+)")
_NO_XML = re.compile(r"[\x00-\x08\x0b-\x1f\ud800-\udfff\ufffe\uffff]")


Progress: TypeAlias = Callable[[float], object]
"""Told how much is done, from 0 to 1: a .docx takes nearly a second for each million characters."""

T = TypeVar("T")


class Paper(NamedTuple):
    """A file's name without its ending, and its text with ``\\n`` as the line's end."""

    title: str
    text: str


def _nobody(share: float) -> None:
    """Wants to know."""


def read(path: Path, progress: Progress = _nobody) -> Paper:
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
    text = _of_docx(data, name, progress) if path.suffix.lower() == ".docx" else decoded(data, name)
    return Paper(safe_name(path.stem), text.replace("\r\n", "\n").replace("\r", "\n"))


def write(path: Path, title: str, text: str, progress: Progress = _nobody) -> None:
    """Write a text as its file's ending says. Raises ``DISK_FULL`` or ``CANNOT_WRITE``; an older file stays then."""
    if path.suffix.lower() == ".docx":
        files.write(path, _docx(title, text, progress))
    else:
        files.write_text(path, text)


def _too_large(name: str, size: int) -> UserError:
    return UserError(
        Fault.ATTACHMENT_TOO_LARGE, name=name, size=f"{size / 1_000_000:,.1f}", most=MOST_BYTES // 1_000_000
    )


def _counted(items: Iterable[T], total: int, progress: Progress) -> Iterator[T]:
    """The items; the progress is told each hundredth of them."""
    step = max(1, total // 100)
    for number, item in enumerate(items):
        if number % step == 0:
            progress(min(1.0, number / max(1, total)))
        yield item


def _of_docx(data: bytes, name: str, progress: Progress) -> str:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as whole:
            size = sum(entry.file_size for entry in whole.infolist())
        if size > 5 * MOST_BYTES:
            raise _too_large(name, size)
        body, levels = word.opened(data)
        return "\n".join(
            f"{'#' * min(6, levels[style])} {text}" if style in levels else text
            for part in _counted(body, len(body), progress)
            for text, style in word.lines(part)
        )
    except UserError:
        raise
    except Exception as error:  # zip, XML and python-docx have a dozen ways to say that a file is damaged
        raise UserError(Fault.BROKEN_TEXT, path=name, reason="it is no Word document") from error


def _docx(title: str, text: str, progress: Progress) -> bytes:
    import docx

    document, target = docx.Document(), io.BytesIO()
    document.core_properties.title = _clean(title)[:_MOST_OF_TITLE]
    lines = text.split("\n")
    for line in _counted(lines, len(lines), progress):
        heading = _HEADING.fullmatch(line)
        document.add_paragraph(
            _clean(heading[2] if heading else line), f"Heading {len(heading[1])}" if heading else None
        )
    document.save(target)
    return target.getvalue()


def _clean(text: str) -> str:
    """Text for XML, without the control characters that it knows no way to write."""
    return _NO_XML.sub("", text)
