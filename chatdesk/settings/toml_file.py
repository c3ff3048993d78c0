"""A TOML file that is replaced whole or stays as it was; one that cannot be read is kept aside."""

import contextlib
import errno
import os
import tomllib
from pathlib import Path
from typing import Any

import tomli_w

from chatdesk.errors import Fault, UserError


def read(path: Path) -> dict[str, Any]:
    """What the file holds. Raises `OSError`, and `ValueError` when it is not TOML."""
    text = path.read_bytes()
    try:
        return tomllib.loads(text.decode("utf-8"))
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def keep_aside(path: Path) -> Path:
    """Give a damaged file another name, so that it is not overwritten; returns where it is now."""
    aside = path.with_suffix(".damaged.toml")
    try:
        os.replace(path, aside)
    except OSError:
        return path
    return aside


def replace(path: Path, values: dict[str, Any]) -> None:
    """Write the file anew. Raises `UserError`: the disk is full, or the file cannot be written."""
    new = path.with_suffix(".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with new.open("wb") as file:
            tomli_w.dump(values, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            new.unlink()
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise UserError(Fault.DISK_FULL, path=path) from error
        raise UserError(Fault.CANNOT_WRITE, path=path, reason=error.strerror or error) from error
