"""Where the weights go and in what precision: the rules, and nothing that loads.

Device ``auto`` is the first of CUDA, MPS, XPU that is there, else the CPU. Precision ``auto`` is the usual one of
`chatdesk.library.fit`.
"""

from itertools import chain
from typing import TYPE_CHECKING, Any, Literal, get_args

import psutil
import torch

from chatdesk.engine.api import Device, DeviceMemory, Dtype
from chatdesk.errors import Fault, UserError
from chatdesk.library.fit import usual_precision

if TYPE_CHECKING:
    from collections.abc import Callable

DeviceType = Literal["cuda", "mps", "xpu", "cpu"]


def available() -> tuple[DeviceType, ...]:
    """Devices of this machine, best first."""
    present: dict[DeviceType, Callable[[], bool]] = {
        "cuda": torch.cuda.is_available,
        "mps": torch.backends.mps.is_available,
        "xpu": torch.xpu.is_available,
        "cpu": lambda: True,
    }
    return tuple(name for name in get_args(DeviceType) if present[name]())


def choose_device(wanted: Device) -> torch.device:
    """The device for a load; ``NO_DEVICE`` where the machine has no such one."""
    found = available()
    if wanted == "auto":
        return torch.device(found[0])
    if wanted not in found:
        raise UserError(Fault.NO_DEVICE, device=wanted, available=", ".join(reversed(found)))
    return torch.device(wanted)


def device_name(device: torch.device) -> str:
    """What to call the device in a sentence: "NVIDIA H100", "CPU"."""
    if device.type in ("cuda", "xpu"):
        return str(getattr(torch, device.type).get_device_name(device))
    return {"mps": "Apple GPU", "cpu": "CPU"}[device.type]


def choose_dtype(wanted: Dtype, device: torch.device, stored: str | None, parameters: int) -> torch.dtype:
    """The precision for a load that is not quantised. ``stored``: torch's name of the type in the files."""
    if wanted == "auto":
        wanted = usual_precision(device.type, _has_bfloat16(device), stored, parameters)
    return {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[wanted]


def choose_bits(wanted: Dtype, device: torch.device) -> int | None:
    """Bits of a quantised weight, None where it is not to be; ``NO_PRECISION`` where the device cannot."""
    if wanted not in ("int8", "int4"):
        return None
    if not _has_bfloat16(device) and device.type != "cpu":
        raise UserError(Fault.NO_PRECISION, device=device_name(device), dtype=wanted)
    return 8 if wanted == "int8" else 4


def device_map(model: torch.nn.Module, layers: int, device: torch.device) -> dict[str, torch.device]:
    """Where each part of a model goes when only its first ``layers`` blocks stand on ``device``; accelerate reads it.

    The weights of the others stay in the computer's memory and are brought over for each step. ``model`` may be empty
    (on the meta device).
    """
    lists = [(name, part) for name, part in model.named_modules() if isinstance(part, torch.nn.ModuleList)]
    blocks, list_ = max(lists, key=lambda found: len(found[1]))
    places = {f"{blocks}.{i}": device if i < layers else torch.device("cpu") for i in range(len(list_))}
    for name, part in model.named_modules():
        is_above = not name or blocks == name or blocks.startswith(f"{name}.")
        is_listed = any(name == known or name.startswith(f"{known}.") for known in places)
        if not is_above and not is_listed and part is not model:
            places[name] = device
    return places


def memory(loaded: torch.nn.Module | None) -> tuple[DeviceMemory, ...]:
    """The devices of this machine, best first; what the model ``loaded`` takes counts as free."""
    return tuple(_memory(torch.device(name), loaded) for name in available())


def free_now(device: torch.device) -> int:
    """Bytes of a device's memory that are free beside what is loaded."""
    if device.type in ("cuda", "xpu"):
        library = getattr(torch, device.type)
        return int(library.mem_get_info()[0] + library.memory_reserved() - library.memory_allocated())
    return int(psutil.virtual_memory().available)


def _memory(device: torch.device, loaded: torch.nn.Module | None) -> DeviceMemory:
    match device.type:
        case "cuda" | "xpu":
            free, total = getattr(torch, device.type).mem_get_info()
            held = getattr(torch, device.type).memory_reserved()
        case "mps":
            total = torch.mps.recommended_max_memory()
            free = min(total, psutil.virtual_memory().available)
            held = torch.mps.driver_allocated_memory()
        case _:
            free, total = psutil.virtual_memory().available, psutil.virtual_memory().total
            held = _held(loaded) if loaded is not None else 0
    return DeviceMemory(device.type, device_name(device), total, min(total, free + held), _has_bfloat16(device))


def _held(loaded: torch.nn.Module) -> int:
    """Bytes of the computer's memory that a model takes; quantised weights are buffers."""
    parts = chain(loaded.parameters(), loaded.buffers())
    return sum(part.nbytes for part in parts if part.device.type == "cpu")


def _has_bfloat16(device: torch.device) -> bool:
    match device.type:
        case "cuda":
            return bool(torch.cuda.is_bf16_supported(including_emulation=False))
        case "mps":
            return bool(torch.backends.mps.is_macos_or_newer(14, 0))
        case "cpu":
            found: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()  # older torch cannot tell
            return any(found.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))
        case _:
            return True
