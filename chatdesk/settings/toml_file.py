"""A TOML file that is replaced whole or stays as it was; one that cannot be read is kept aside."""

import contextlib
import errno
import itertools
import os
import tomllib
from pathlib import Path
from typing import Any

import tomli_w

from chatdesk.errors import Fault, UserError


class TomlFile:
    """One file, which may be missing. What was not read, as another program held it, is never written over."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._is_unread = False

    def read(self) -> tuple[dict[str, Any], list[UserError]]:
        """What the file holds, and what was wrong with it. A missing one holds nothing; a damaged one is kept aside."""
        try:
            return tomllib.loads(self._path.read_bytes().decode("utf-8-sig")), []  # some editors leave a mark in front
        except FileNotFoundError:
            return {}, []
        except OSError as error:
            self._is_unread = True
            return {}, [UserError(Fault.BROKEN_TEXT, path=self._path, reason=error.strerror or error)]
        except (ValueError, RecursionError):  # neither UTF-8 nor TOML, or nested too deeply
            aside = self._path
            with contextlib.suppress(OSError):
                aside = _set_aside(self._path, "damaged")
            return {}, [UserError(Fault.FILE_DAMAGED, path=self._path, aside=aside)]

    def replace(self, values: dict[str, Any]) -> None:
        """Write the file anew. Raises `UserError`: the disk is full, or the file or a text cannot be written."""
        new = self._path.with_suffix(".new")
        try:
            data = tomli_w.dumps(values).encode()
        except UnicodeEncodeError as error:
            raise UserError(Fault.CANNOT_WRITE, path=self._path, reason="a text in it is not Unicode") from error
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with new.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            if self._is_unread:
                with contextlib.suppress(FileNotFoundError):
                    _set_aside(self._path, "unread")
                self._is_unread = False
            os.replace(new, self._path)
        except OSError as error:
            with contextlib.suppress(OSError):
                new.unlink()
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise UserError(Fault.DISK_FULL, path=self._path) from error
            raise UserError(Fault.CANNOT_WRITE, path=self._path, reason=error.strerror or error) from error


def _set_aside(path: Path, why: str) -> Path:
    """Give a file another name beside its own, one that is free."""
    names = (path.with_suffix(f".{why}{f'-{number}' if number else ''}.toml") for number in itertools.count())
    aside = next(name for name in names if not name.exists())
    os.replace(path, aside)
    return aside
