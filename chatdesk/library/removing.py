"""Removing a checkpoint: its whole folder, to the system's trash, from where a person can bring it back.

A snapshot in the Hugging Face cache goes with the folder of its repository, as its files are links into that. What a
person may have elsewhere in a folder goes, too, so what goes is told before: `removal` looks, `remove` does it.
"""

import os
from pathlib import Path

from msgspec import Struct

from chatdesk.errors import Fault, UserError
from chatdesk.library import safety


class Removal(Struct, frozen=True):
    """What would go: ``place``, a folder, or a link to one (``is_link``: only the link goes). ``files``: how many are
    in it, ``disk_bytes`` in all. ``snapshots``: how many versions of the model, 0 outside the cache.
    """

    place: Path
    files: int
    disk_bytes: int
    snapshots: int = 0
    is_link: bool = False


def removal(folder: Path, starter: Path) -> Removal:
    """What removing a checkpoint would take along.

    Raises FILE_NOT_FOUND, NOT_A_CHECKPOINT, STAYS for a folder that holds the model in the box or the person's home, or
    CANNOT_REMOVE for one that cannot be read.
    """
    try:
        return _removal(folder, place_of(folder), starter)
    except OSError as error:
        raise UserError(Fault.CANNOT_REMOVE, path=folder, reason=error.strerror or error) from error


def _removal(folder: Path, place: Path, starter: Path) -> Removal:
    if not os.path.lexists(place):
        raise UserError(Fault.FILE_NOT_FOUND, path=place)
    if place.is_symlink():
        return Removal(place, 0, 0, is_link=True)
    if _holds(place, starter) or _holds(starter, place):
        raise UserError(Fault.STAYS, path=place)
    if _holds(place, Path.home()):
        raise UserError(Fault.STAYS, path=place)
    if not _looks_like_one(folder):
        reason = "it holds neither config.json nor .safetensors files"
        raise UserError(Fault.NOT_A_CHECKPOINT, path=folder, reason=reason)
    sizes = [path.lstat().st_size for path in place.rglob("*") if not path.is_symlink() and path.is_file()]
    snapshots = 0 if place == folder else sum(path.is_dir() for path in folder.parent.iterdir())
    return Removal(place, len(sizes), sum(sizes), snapshots)


def remove(what: Removal) -> None:
    """Move it to the trash. Raises REMOVED_WHILE_FETCHED or CANNOT_REMOVE; nothing is removed then."""
    from send2trash import send2trash  # on a Mac it takes a framework along

    from chatdesk.library import snapshots  # and with it the HTTP client

    with snapshots.alone(what.place) as is_alone:
        if not is_alone:
            raise UserError(Fault.REMOVED_WHILE_FETCHED, path=what.place)
        try:
            send2trash(what.place)
        except OSError as error:  # the package's own errors are of this kind
            raise UserError(Fault.CANNOT_REMOVE, path=what.place, reason=error.strerror or error) from error


def place_of(folder: Path) -> Path:
    """The folder that goes when a checkpoint goes."""
    folder = Path(os.path.abspath(folder))
    return folder if safety.snapshot_name(folder) is None else folder.parent.parent


def is_within(path: str, place: Path) -> bool:
    """Whether ``path`` goes with ``place``, by their names alone."""
    return Path(os.path.abspath(path)).is_relative_to(place)


def _looks_like_one(folder: Path) -> bool:
    """Also a broken one; a word typed wrong must not take a folder of letters along."""
    return (folder / "config.json").is_file() or any(path.is_file() for path in folder.glob("*.safetensors"))


def _holds(place: Path, other: Path) -> bool:
    return Path(os.path.realpath(other)).is_relative_to(os.path.realpath(place))
