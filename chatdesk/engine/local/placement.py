"""Where the weights go and in what precision: the rules, and nothing that loads.

Device ``auto`` is the first of CUDA, MPS, XPU that is there, else the CPU.

Precision ``auto``: on a GPU bfloat16 where it computes in it, else float16; weights stored in float16 stay float16.
On the CPU float32, but bfloat16 for a model of more than `LARGE` parameters that is stored in bfloat16, on a
processor with instructions for it (AVX512-BF16, AMX, ARM BF16): half the bytes to read, and no slow emulation.
"""

from typing import TYPE_CHECKING, Any, Literal, get_args

import torch

from chatdesk.engine.api import Device, Dtype
from chatdesk.errors import Fault, UserError

if TYPE_CHECKING:
    from collections.abc import Callable

LARGE = 50_000_000
"""Parameters above which the CPU computes in bfloat16, see above."""

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
    """The precision for a load, by the rules above. ``stored``: torch's name of the type in the files."""
    if wanted != "auto":
        return {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[wanted]
    if device.type == "cpu":
        is_bfloat16 = stored == "bfloat16" and parameters > LARGE and _cpu_has_bfloat16()
        return torch.bfloat16 if is_bfloat16 else torch.float32
    if stored == "float16" or not _gpu_has_bfloat16(device):
        return torch.float16
    return torch.bfloat16


def _gpu_has_bfloat16(device: torch.device) -> bool:
    match device.type:
        case "cuda":
            return bool(torch.cuda.is_bf16_supported(including_emulation=False))
        case "mps":
            return bool(torch.backends.mps.is_macos_or_newer(14, 0))
        case _:
            return True


def _cpu_has_bfloat16() -> bool:
    found: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()  # older releases of torch cannot tell
    return any(found.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))
