"""A TOML file that is replaced whole or stays as it was; one that cannot be read is kept aside."""

import contextlib
import errno
import os
import tomllib
from pathlib import Path
from typing import Any

import tomli_w

from chatdesk.errors import Fault, UserError


def read(path: Path) -> tuple[dict[str, Any], list[UserError]]:
    """What the file holds, and what was wrong with it. A missing file holds nothing; a damaged one is kept aside."""
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8-sig")), []  # some editors leave a mark in front
    except FileNotFoundError:
        return {}, []
    except OSError as error:
        return {}, [UserError(Fault.BROKEN_TEXT, path=path, reason=error.strerror or error)]
    except (ValueError, RecursionError):  # neither UTF-8 nor TOML, or nested too deeply
        aside = path.with_suffix(".damaged.toml")
        try:
            os.replace(path, aside)
        except OSError:
            aside = path
        return {}, [UserError(Fault.FILE_DAMAGED, path=path, aside=aside)]


def replace(path: Path, values: dict[str, Any]) -> None:
    """Write the file anew. Raises `UserError`: the disk is full, or the file or a text cannot be written."""
    new = path.with_suffix(".new")
    try:
        data = tomli_w.dumps(values).encode()
    except UnicodeEncodeError as error:
        raise UserError(Fault.CANNOT_WRITE, path=path, reason="a text in it is not Unicode") from error
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with new.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            new.unlink()
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise UserError(Fault.DISK_FULL, path=path) from error
        raise UserError(Fault.CANNOT_WRITE, path=path, reason=error.strerror or error) from error
