"""How a checkpoint would be loaded on this machine: `chatdesk.library.fit` for the devices that the engine found."""

from collections.abc import Iterable
from pathlib import Path

from chatdesk.engine.api import DeviceMemory
from chatdesk.library import fit, footprint, safety
from chatdesk.library.catalogue import name_and_source

UNBOUNDED_CONTEXT = 8192
"""Context in tokens where a config names none: the engine's own rule."""


def plans(folder: Path, devices: Iterable[DeviceMemory], starter: Path | None = None) -> list[fit.Plan]:
    """Every way to load a checkpoint folder, best first. Raises what `safety.check` raises, and DOES_NOT_FIT."""
    checked = safety.check(folder)
    places = [
        fit.Place(
            each.device,
            each.name,
            each.total,
            each.free,
            fit.usual_precision(each.device, each.has_bfloat16, checked.dtype, checked.parameters),
        )
        for each in devices
    ]
    name = name_and_source(checked, starter)[0]
    return fit.plans(name, footprint.measure(checked), places, checked.context_length or UNBOUNDED_CONTEXT)
