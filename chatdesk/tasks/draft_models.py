"""Which small checkpoint guesses ahead for a large one: those that can, and what a person chose.

The settings keep a line of JSON for each choice: ``[folder of the large one, folder of the small one]``.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from chatdesk.library import vocabulary
from chatdesk.library.catalogue import Entry
from chatdesk.library.removing import is_within
from chatdesk.settings.store import Settings

_Line = tuple[str, str]
_MOST = 100


def fitting(large: Entry, entries: Sequence[Entry]) -> list[Entry]:
    """Those that are smaller and share the vocabulary, the smallest first; takes a moment for each.

    As the engine has it: the tokens of one vocabulary all have the same ids in the other.
    """
    smaller = [entry for entry in entries if entry.fault is None and entry.parameters < large.parameters]
    known = vocabulary.read(large.path) if smaller else {}
    found = [entry for entry in smaller if _is_part(*sorted((vocabulary.read(entry.path), known), key=len))]
    return sorted(found, key=lambda entry: entry.parameters)


def _is_part(one: dict[str, int], other: dict[str, int]) -> bool:
    return bool(one) and one.items() <= other.items()


def chosen(settings: Settings, large: str) -> str:
    """The folder of the checkpoint that guesses ahead for the one in the folder ``large``; empty is none."""
    return next((small for path, small in _lines(settings["draft_models"]) if path == large), "")


def choose(settings: Settings, large: str, small: str) -> None:
    """Remember it; empty is none."""
    lines = [line for line in _lines(settings["draft_models"]) if line[0] != large]
    _keep(settings, [(large, small), *lines] if small else lines)


def forget_within(settings: Settings, place: Path) -> None:
    """Forget the choices that have to do with checkpoints in ``place``."""
    _keep(settings, [line for line in _lines(settings["draft_models"]) if not any(is_within(p, place) for p in line)])


def _keep(settings: Settings, lines: Sequence[_Line]) -> None:
    settings.keep("draft_models", tuple(msgspec.json.encode(line).decode() for line in lines[:_MOST]))


def _lines(kept: Iterable[str]) -> list[_Line]:
    found = []
    for line in kept:
        with suppress(msgspec.MsgspecError):  # a person may edit the file
            found.append(msgspec.json.decode(line, type=_Line))
    return found
