"""Files of text as attachments: read in bounded memory, or one sentence that says why not.

Encodings: UTF-8, UTF-16 and UTF-32 with a mark at the beginning, GB18030. Line ends become ``\\n``. A name is that of
the file alone, made safe to be shown. Pure: nothing here knows the store, so it runs on any thread.
"""

import codecs
import os
import re
import stat
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from chatdesk.errors import Fault, UserError
from chatdesk.storage.records import Attachment

MOST_BYTES = 4_000_000  # of one file
MOST_CHARACTERS = 8_000_000  # of all files of one message
MOST_FILES = 20  # of one message

_MARKS = (  # the longer ones first: that of UTF-32 begins as that of UTF-16 does
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SIGNATURES = (b"%PDF-", b"{\\rtf")  # formats that look like text and are none to read
_CONTROLS = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")  # an escape sequence may stand in a log
_HIGH = re.compile(rb"[\x80-\xff]")
_PAIR = re.compile(rb"[\xa1-\xfe]{2}")
_JOINERS = "\u200c\u200d"  # parts of emoji and of words, the only marks without a shape that a name may have


class Read(NamedTuple):
    """What came of some files: those that can be attached, and why others cannot."""

    files: tuple[Attachment, ...]
    problems: tuple[UserError, ...]


def read_all(paths: Iterable[Path], already: Sequence[Attachment] = ()) -> Read:
    """Read files that are to go with ``already``, as far as one message holds them; one that is there is left out."""
    files: list[Attachment] = []
    problems: list[UserError] = []
    for path in paths:
        there = (*already, *files)
        try:
            _check_room(safe_name(path.name), there)
            file = read(path)
            _check_room(file.name, there, file.text)
            if file not in there:
                files.append(file)
        except UserError as error:
            problems.append(error)
    return Read(tuple(files), tuple(problems))


def joined(found: Read, already: Sequence[Attachment]) -> Read:
    """``found`` as far as it can go with ``already``: while it was read, other files may have come."""
    files, problems = list(already), list(found.problems)
    for file in found.files:
        try:
            if file not in files:
                _check_room(file.name, files, file.text)
                files.append(file)
        except UserError as error:
            problems.append(error)
    return Read(tuple(files[len(already) :]), tuple(problems))


def _check_room(name: str, there: Sequence[Attachment], text: str = "") -> None:
    """Raises ``ATTACHMENTS_TOO_MANY`` or ``ATTACHMENTS_TOO_LARGE`` for a further file beside these."""
    if len(there) >= MOST_FILES:
        raise UserError(Fault.ATTACHMENTS_TOO_MANY, name=name, most=MOST_FILES)
    if len(text) + sum(len(each.text) for each in there) > MOST_CHARACTERS:
        raise UserError(Fault.ATTACHMENTS_TOO_LARGE, name=name, most=MOST_CHARACTERS // 1_000_000)


def read(path: Path) -> Attachment:
    """One file. Raises `UserError` for a folder, a file that is gone, closed to us, empty, too large or not text."""
    name = safe_name(path.name)
    try:
        text = decoded(_bytes(path, name), name)
    except FileNotFoundError as error:
        raise UserError(Fault.FILE_NOT_FOUND, path=name) from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or error
        raise UserError(Fault.BROKEN_TEXT, path=name, reason=reason) from error
    if not text.strip():
        raise UserError(Fault.NO_TEXT, path=name)
    return Attachment(name, text.replace("\r\n", "\n").replace("\r", "\n"))


def safe_name(name: str) -> str:
    """A file name to be shown: what would break, hide or turn round the line becomes U+FFFD."""
    return "".join(
        "\ufffd" if unicodedata.category(sign) in ("Cc", "Cf", "Cs", "Zl", "Zp") and sign not in _JOINERS else sign
        for sign in name
    )


def _bytes(path: Path, name: str) -> bytes:
    """All bytes of a file. The size it says is not believed, and a pipe or a device is not opened: it may never end."""
    kind = path.stat().st_mode
    if stat.S_ISDIR(kind):
        raise UserError(Fault.ATTACHMENT_FOLDER, name=name)
    if not stat.S_ISREG(kind):
        raise UserError(Fault.ATTACHMENT_BINARY, name=name)
    with path.open("rb") as file:
        data = file.read(MOST_BYTES + 1)
        size = max(len(data), os.fstat(file.fileno()).st_size)
    if size > MOST_BYTES:
        raise UserError(
            Fault.ATTACHMENT_TOO_LARGE, name=name, size=f"{size / 1_000_000:,.1f}", most=MOST_BYTES // 1_000_000
        )
    return data


def decoded(data: bytes, name: str) -> str:
    """The text that some bytes are; ``name``: of the file, for the `UserError` where they are none."""
    encoding = next((encoding for mark, encoding in _MARKS if data.startswith(mark)), "")
    if not encoding and (b"\0" in data or data.startswith(_SIGNATURES)):
        raise UserError(Fault.ATTACHMENT_BINARY, name=name)
    try:
        text = data.decode(encoding or "utf-8")
    except UnicodeDecodeError as error:
        if _CONTROLS.search(data):
            raise UserError(Fault.ATTACHMENT_BINARY, name=name) from error
        if encoding or not _is_mostly_pairs(data):
            raise UserError(Fault.ATTACHMENT_ENCODING, name=name) from error
        try:
            text = data.decode("gb18030")
        except UnicodeDecodeError:
            raise UserError(Fault.ATTACHMENT_ENCODING, name=name) from error
    if "\0" in text:
        raise UserError(Fault.ATTACHMENT_BINARY, name=name)
    return text


def _is_mostly_pairs(data: bytes) -> bool:
    """Whether high bytes come in pairs, as in Chinese: GB18030 makes signs of many a word with one ä or é, too."""
    return 4 * len(_PAIR.findall(data)) > len(_HIGH.findall(data))
