"""LoRA adapters on the loaded model: ``x -> W x + scale * B (A x)``, added behind the layers that stand there.

A hook adds it, so the base keeps its weights bit for bit, whole or quantised, and without the adapter it computes what
it did before. peft would put layers of its own in place of the model's, and has none for our quantised ones.

The two thin matrices are computed with in the precision of the layer they belong to, on the CPU in float32: there one
row times a thin matrix takes seven times as long in bfloat16. The last adapter stays in memory
while it is off, to be compared with; a file that has changed is read again.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from chatdesk.engine.api import ModelInfo
from chatdesk.engine.local.quantize import DTYPE, Int4Linear, Int8Linear
from chatdesk.errors import Fault, UserError
from chatdesk.library import adapters
from chatdesk.library.adapters import Adapter, Part
from chatdesk.library.footprint import GROUP
from chatdesk.library.headers import shown

_Stamp = tuple[tuple[str, int, int], ...]


class Adapters:
    """The adapters of one model, of which at most one is on."""

    def __init__(self, model: Any, info: ModelInfo, device: torch.device) -> None:
        self._model, self._info, self._device = model, info, device
        self._on: _Stamp | None = None
        self._held: _Stamp | None = None
        self._pairs: dict[str, tuple[Tensor, Tensor]] = {}
        self._hooks: list[Any] = []

    def is_on(self, path: str) -> bool:
        """Whether the model computes with the adapter in this folder, as it is there now; empty: with none."""
        return self._on == (_stamp(path) if path else None)

    def put_on(self, path: str) -> None:
        """Compute with the adapter in this folder from now on, or with none.

        Raises what `chatdesk.library.adapters.check` finds, ``ADAPTER_DOES_NOT_FIT``, and memory errors; none is on
        then. Caches of keys and values belong to what was on before.
        """
        for hook in self._hooks:
            hook.remove()
        self._hooks, self._on = [], None
        if not path:
            return
        stamp = _stamp(path)
        if stamp != self._held:
            self._held, self._pairs = None, {}  # free the old one first
            self._pairs = self._read(adapters.check(Path(path)))
            self._held = stamp
        modules = dict(self._model.named_modules())
        self._hooks = [modules[name].register_forward_hook(_adding(*pair)) for name, pair in self._pairs.items()]
        self._on = stamp

    @torch.inference_mode()
    def _read(self, adapter: Adapter) -> dict[str, tuple[Tensor, Tensor]]:
        """``A`` transposed, ``[inputs, rank]``, and scaled ``B``, ``[rank, outputs]``, for each layer."""
        modules = dict(self._model.named_modules())
        for name, part in adapter.parts.items():
            self._require_fit(adapter, name, part, modules.get(name))
        with safe_open(adapter.folder / adapters.WEIGHTS, framework="pt", device="cpu") as file:

            def read(key: str, scale: float, dtype: torch.dtype) -> Tensor:
                whole: Tensor = file.get_tensor(key).float()
                if not whole.isfinite().all():
                    reason = f"{shown(key)} holds what is no number (NaN or infinity)"
                    raise UserError(Fault.BROKEN_SAFETENSORS, file=adapters.WEIGHTS, reason=reason)
                return (whole * scale).to(self._device, dtype).T.contiguous()

            pairs = {}
            for name, part in adapter.parts.items():
                if part.base and not _is_same(file.get_tensor(part.base), modules[name].weight):
                    reason = f"it was trained on another {shown(name)} than this model's"
                    raise adapters.does_not_fit(adapter, self._info.name, reason)
                dtype = torch.float32 if self._device.type == "cpu" else _dtype(modules[name])
                pairs[name] = read(part.a, 1.0, dtype), read(part.b, part.scale, dtype)
        return pairs

    def _require_fit(self, adapter: Adapter, name: str, part: Part, layer: nn.Module | None) -> None:
        if not isinstance(layer, nn.Linear | Conv1D | Int8Linear | Int4Linear):
            reason = f"it changes {shown(name)}, which is no matrix of this model"
            raise adapters.does_not_fit(adapter, self._info.name, reason)
        if _size(layer) != (wanted := (part.outputs, part.inputs)):
            raise adapters.does_not_fit(adapter, self._info.name, adapters.other_size(name, wanted, _size(layer)))


def has_adapter(model: nn.Module) -> bool:
    """Whether one hangs on a model's matrices; the turning of positions has hooks of its own."""
    return any(module._forward_hooks for module in model.modules() if not hasattr(module, "rope_type"))


def _is_same(copy: Tensor, weight: Tensor) -> bool:
    """Whether a copy of a matrix is that matrix, up to what bfloat16 rounds away."""
    return copy.shape == weight.shape and torch.allclose(
        copy.to(weight.device, torch.float32), weight.float(), rtol=2**-7, atol=1e-6
    )


def _adding(a: Tensor, b: Tensor) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], Tensor]:
    def add(_layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        nonlocal a, b
        if a.device != output.device:  # a layer beside the GPU computes where its weights are
            a, b = a.to(output.device), b.to(output.device)
        rows, sums = inputs[0].reshape(-1, a.shape[0]), output.reshape(-1, b.shape[1])
        return torch.addmm(sums.to(b.dtype), rows.to(a.dtype) @ a, b).to(output.dtype).view(output.shape)

    return add


def _size(layer: nn.Linear | Conv1D | Int8Linear | Int4Linear) -> tuple[int, int]:
    """Outputs and inputs of a layer."""
    match layer:
        case nn.Linear():
            return layer.out_features, layer.in_features
        case Int4Linear():
            return layer.scales.shape[1], layer.scales.shape[0] * GROUP
        case _:
            rows, columns = layer.weight.shape
            return (columns, rows) if isinstance(layer, Conv1D) else (rows, columns)


def _dtype(layer: Any) -> torch.dtype:
    """What the layer computes in."""
    dtype: torch.dtype = layer.weight.dtype
    return DTYPE if isinstance(layer, Int8Linear | Int4Linear) else dtype


def _stamp(path: str) -> _Stamp:
    """The files of an adapter as they are now; nothing of those that cannot be read."""
    found = []
    for name in (adapters.CONFIG, adapters.WEIGHTS):
        try:
            status = (Path(path) / name).stat()
        except OSError:
            continue
        found.append((f"{path}/{name}", status.st_mtime_ns, status.st_size))
    return tuple(found)
