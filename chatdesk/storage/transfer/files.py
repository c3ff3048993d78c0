"""Files outside the profile: written whole or not at all, named so that every system takes the name, read with caps.

Of a zip or a folder only the members that an export is known to have are looked at, by their names.
"""

import contextlib
import lzma
import os
import re
import secrets
import shutil
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TypeAlias

from chatdesk.errors import Fault, UserError
from chatdesk.storage.database import naming_faults
from chatdesk.storage.tables import storable
from chatdesk.storage.transfer.trees import Reason

Files: TypeAlias = dict[str, Callable[[], bytes]]
"""Relative name (with slashes) of a file to what reads it."""

LARGEST = 2**30  # bytes that are read of one file, and of all members of a zip or folder together
_HIGHEST_RATIO = 200  # of a zip member beyond _SMALL; JSON of chats is packed 5 to 30 times smaller
_SMALL = 16 * 2**20
_MOST_FILES = 100_000
_DEEPEST = 5
_CHUNK = 2**20

_MEMBERS = re.compile(
    r"conversations(-\d+)?\.json|.*\.conversation\.json|thread\.json|messages\.jsonl|chat-export-.*\.json|chatdesk.*\.json",
    re.IGNORECASE,
)

_LONGEST_STEM = 80  # characters, and at most
_MOST_BYTES = 180  # of UTF-8: a name may have 255 with its suffix, a number and the temporary file's ending
_RESERVED = re.compile(r"(CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(COM|LPT)[0-9¹²³])", re.IGNORECASE)


class Unreadable(Exception):
    """A file, or a member of one, cannot be read."""

    def __init__(self, reason: Reason) -> None:
        self.reason = reason
        super().__init__(reason)


def write(path: Path, data: bytes) -> None:
    """Replace a file by another, or leave it as it is. Raises ``DISK_FULL`` or ``CANNOT_WRITE``.

    Who may read it: as with the file it replaces, else as with any new file of the person's.
    """
    part = path.with_name(f".{secrets.token_hex(8)}.part")
    with naming_faults(path):
        try:
            with part.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            with contextlib.suppress(OSError):  # there is none
                shutil.copymode(path, part)
            os.replace(part, path)
        except BaseException:
            with contextlib.suppress(OSError):
                part.unlink()
            raise


def write_text(path: Path, text: str, is_table: bool = False) -> None:
    """`write` a text, UTF-8. A table (CSV) begins with the mark without which Excel takes it for another encoding."""
    write(path, storable(text).encode("utf-8-sig" if is_table else "utf-8"))


def file_name(title: str, suffix: str) -> str:
    """A name for a file from a title, one that Windows, macOS and Linux take. ``suffix`` with its dot."""
    letters = (
        " " if letter in '<>:"/\\|?*' or unicodedata.category(letter)[0] in "CZ" else letter
        for letter in unicodedata.normalize("NFC", title)
    )
    stem = " ".join("".join(letters).split())[:_LONGEST_STEM]
    stem = stem.encode()[:_MOST_BYTES].decode("utf-8", "ignore").strip(" .")
    if _RESERVED.fullmatch(stem.split(".")[0].strip()):
        stem = f"_{stem}"
    return f"{stem or 'conversation'}{suffix}"


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Files]:
    """What is to be read at a path: a file, the known members of a zip, or of a folder; within the caps.

    Raises ``FILE_NOT_FOUND``, ``IMPORT_TOO_LARGE`` or ``IMPORT_UNREADABLE``; the functions raise `Unreadable`.
    """
    try:
        if path.exists() and not path.is_file() and not path.is_dir():  # reading a pipe or a device may never end
            raise UserError(Fault.IMPORT_UNREADABLE, path=path, reason=Reason.UNKNOWN_FORMAT)
        if path.is_dir():
            yield _in_folder(path)
        elif zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                yield _in_zip(archive)
        else:
            size = path.stat().st_size
            if size > LARGEST:
                raise UserError(Fault.IMPORT_TOO_LARGE, path=path, size=f"{size / 2**30:.1f}")
            yield {path.name: lambda: _read(path, _Budget())}
    except FileNotFoundError as error:
        raise UserError(Fault.FILE_NOT_FOUND, path=path) from error
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise UserError(Fault.IMPORT_UNREADABLE, path=path, reason=Reason.BROKEN_ZIP) from error
    except OSError as error:
        raise UserError(Fault.IMPORT_UNREADABLE, path=path, reason=error.strerror or error) from error


class _Budget:
    """Bytes that may still be read."""

    def __init__(self) -> None:
        self.left = LARGEST

    def take(self, size: int) -> None:
        self.left -= size
        if self.left < 0:
            raise Unreadable(Reason.TOO_LARGE)


def _read(path: Path, budget: _Budget) -> bytes:
    try:
        budget.take(path.stat().st_size)
        return path.read_bytes()
    except OSError as error:
        raise Unreadable(Reason.CANNOT_OPEN) from error


def _in_folder(folder: Path) -> Files:
    budget = _Budget()
    files: Files = {}
    for root, folders, names in os.walk(folder):  # links to folders are not followed
        place = Path(root)
        if len(place.relative_to(folder).parts) >= _DEEPEST:
            folders.clear()
        for name in sorted(names):
            path = place / name
            if _MEMBERS.fullmatch(name) and not path.is_symlink() and len(files) < _MOST_FILES:
                files[path.relative_to(folder).as_posix()] = partial(_read, path, budget)
        folders.sort()
    return files


def _in_zip(archive: zipfile.ZipFile) -> Files:
    budget = _Budget()
    files: Files = {}
    for member in archive.infolist():
        place = PurePosixPath(member.filename)
        if _MEMBERS.fullmatch(place.name) and "__MACOSX" not in place.parts and len(files) < _MOST_FILES:
            files.setdefault(member.filename, partial(_unpacked, archive, member, budget))
    return files


def _unpacked(archive: zipfile.ZipFile, member: zipfile.ZipInfo, budget: _Budget) -> bytes:
    """The member, as long as it keeps what its header says and stays in the caps; the header is not believed."""
    chunks = []
    size = 0
    try:
        with archive.open(member) as file:
            while chunk := file.read(_CHUNK):
                size += len(chunk)
                if size > max(_SMALL, _HIGHEST_RATIO * member.compress_size):
                    raise Unreadable(Reason.ZIP_BOMB)
                budget.take(len(chunk))
                chunks.append(chunk)
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, RuntimeError, ValueError, EOFError, OSError) as error:
        raise Unreadable(Reason.BROKEN_ZIP) from error
    return b"".join(chunks)
