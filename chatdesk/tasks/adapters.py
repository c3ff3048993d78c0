"""Which adapter a checkpoint answers with: checked before it is taken, and remembered with those taken before.

The settings keep a line of JSON for each pair, the last taken first: ``[base folder, adapter folder, whether on]``.
"""

from collections.abc import Iterable
from pathlib import Path

import msgspec

from chatdesk.engine.api import ModelInfo
from chatdesk.errors import Fault, UserError
from chatdesk.library import adapters, safety
from chatdesk.library.removing import is_within
from chatdesk.settings.store import Settings

_Line = tuple[str, str, bool]
_MOST = 100


def name(adapter: str) -> str:
    """How an adapter is called wherever it is shown."""
    return adapters.name_of(Path(adapter))


def called(model: str, adapter: str) -> str:
    """How a model is called that answers with an adapter, or with none."""
    return f"{model} + {name(adapter)}" if adapter else model


def checked(path: str, model: ModelInfo | None) -> str:
    """The folder of an adapter that fits ``model``; takes a moment. Raises `UserError` that says which it needs."""
    if model is None:
        found = adapters.check(Path(path))
        raise UserError(Fault.ADAPTER_NEEDS_MODEL, adapter=found.name, base=found.base)
    return fitting(Path(path), safety.check(Path(model.path)), model.name)


def fitting(adapter: Path, base: safety.Checked, model: str) -> str:
    """The folder of an adapter that fits a checkpoint called ``model``. Raises `UserError`."""
    found = adapters.check(adapter)
    adapters.require_fit(found, base, model)
    return str(found.folder)


def taken_before(settings: Settings, base: str) -> tuple[str, ...]:
    """Folders of the adapters that a checkpoint had, the last one first."""
    return tuple(adapter for path, adapter, _ in _lines(settings["adapters"]) if path == base)


def chosen(settings: Settings, base: str) -> str:
    """The adapter that is on for a checkpoint, else nothing; one that is no longer there counts for nothing."""
    on = (adapter for path, adapter, is_on in _lines(settings["adapters"]) if path == base and is_on)
    found = next(on, "")
    return found if found and adapters.is_adapter(Path(found)) else ""


def choose(settings: Settings, base: str, adapter: str) -> None:
    """Remember that a checkpoint answers with this adapter from now on, or with none."""
    lines = [(path, other, is_on and path != base) for path, other, is_on in _lines(settings["adapters"])]
    if adapter:
        lines = [(base, adapter, True), *(line for line in lines if line[:2] != (base, adapter))]
    settings.keep("adapters", _text(lines[:_MOST]))


def forget_within(settings: Settings, place: Path) -> None:
    """Forget the adapters of all checkpoints in ``place``."""
    settings.keep("adapters", _text(line for line in _lines(settings["adapters"]) if not is_within(line[0], place)))


def _lines(kept: Iterable[str]) -> list[_Line]:
    found = []
    for line in kept:
        try:
            found.append(msgspec.json.decode(line, type=_Line))
        except msgspec.MsgspecError:  # a person may edit the file
            continue
    return found


def _text(lines: Iterable[_Line]) -> tuple[str, ...]:
    return tuple(msgspec.json.encode(line).decode() for line in lines)
