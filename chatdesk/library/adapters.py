"""LoRA adapters as peft saves them: looked through before torch sees them, and compared with a checkpoint's headers.

An adapter is a folder with ``adapter_config.json`` and ``adapter_model.safetensors``: for some matrices ``W`` of a base
model two thin ones, so that ``W x`` becomes ``W x + scale * B (A x)``. Which matrices these are is read from the names
of the tensors; ``target_modules`` is only compared with them, and a pattern in it is never run. The base model that it
names is shown and never followed. What would change the computation in another way (DoRA, whole layers, biases) is
refused: left out it would be another model without a word.

Not here: whether the numbers are finite, and the computation (`chatdesk.engine.local.adapters`).
"""

import math
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from chatdesk.errors import Fault, UserError
from chatdesk.library import configs, headers, safety
from chatdesk.library.headers import Tensor, shown

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
_PICKLE = "adapter_model.bin"
_MAX_CONFIG_BYTES = 2**20
_MAX_RANK = 4096
_MAX_NAMES = 1000
_MAX_NAME = 500  # characters; a pattern over all layers of a large model has about 200
_KEY = re.compile(r"base_model\.model\.(\w+(?:\.\w+){0,15})\.lora_([AB])(?:\.default)?\.weight", re.ASCII)
_BASE = re.compile(r"base_model\.model\.(\w+(?:\.\w+){0,15})\.base_layer\.weight", re.ASCII)
_PLAIN = re.compile(r"\w+(?:\.\w+)*", re.ASCII)
_DTYPES = ("F64", "F32", "F16", "BF16")

# Read here, or without any meaning for what is computed: how it was trained and begun, and by whom.
_KNOWN = frozenset(
    [
        "peft_type",
        "r",
        "lora_alpha",
        "use_rslora",
        "alpha_pattern",
        "rank_pattern",
        "target_modules",
        "exclude_modules",
        "layers_to_transform",
        "layers_pattern",
        "base_model_name_or_path",
        "bias",
        "fan_in_fan_out",
        "task_type",
        "auto_mapping",
        "peft_version",
        "revision",
        "inference_mode",
        "lora_dropout",
        "init_lora_weights",
        "megatron_core",
        "loftq_config",
        "eva_config",
        "corda_config",
        "lora_ga_config",
        "qalora_group_size",
        "runtime_config",
        "ensure_weight_tying",
    ]
)

_HARMLESS_BEGINNINGS = (None, "gaussian", "eva", "orthogonal")  # others (PiSSA, OLoRA) take a part out of the base


class Part(Struct, frozen=True):
    """What is added to one matrix: ``a`` and ``b`` name the tensors ``[rank, inputs]`` and ``[outputs, rank]``.

    ``base`` names a copy of the matrix itself, as peft saves it with an adapter for the head; empty without one.
    """

    a: str
    b: str
    rank: int
    inputs: int
    outputs: int
    scale: float
    base: str = ""


class Adapter(Struct, frozen=True):
    """A folder that can be attached to a model that it fits.

    ``base``: what it calls its base model, fit to be shown. ``parts``: by the name of the module that each changes.
    ``targets``: ends of names that it says it changes everywhere; empty where it says so by a pattern or for some
    layers only.
    """

    folder: Path
    name: str
    base: str
    rank: int
    parameters: int
    parts: dict[str, Part]
    targets: frozenset[str]


def is_adapter(folder: Path) -> bool:
    """Whether a folder says that it is an adapter."""
    return (folder / CONFIG).is_file()


def check(folder: Path) -> Adapter:
    """Look through an adapter's folder, without torch.

    Raises `UserError`: FILE_NOT_FOUND, NOT_AN_ADAPTER, ONLY_PICKLE, UNSAFE_PATH, UNSAFE_CONFIG, BROKEN_CONFIG,
    BROKEN_SAFETENSORS or LIMIT_EXCEEDED.
    """
    folder = Path(os.path.abspath(folder))
    files = safety.files_of(folder)
    if CONFIG not in files:
        raise _refused(folder, f"{CONFIG} is missing")
    if WEIGHTS not in files:
        if _PICKLE in files:
            raise UserError(Fault.ONLY_PICKLE, path=shown(str(folder), 1000), file=_PICKLE)
        raise _refused(folder, f"{WEIGHTS} is missing")
    if files[CONFIG] > _MAX_CONFIG_BYTES:
        reason = f"it has {files[CONFIG]:,} bytes, more than {_MAX_CONFIG_BYTES:,}"
        raise UserError(Fault.LIMIT_EXCEEDED, file=CONFIG, reason=reason)
    config = configs.read_json(folder / CONFIG)
    _must_be_plain_lora(folder, config)
    parts = _parts(folder, config, headers.read(folder / WEIGHTS))
    return Adapter(
        folder=folder,
        name=name_of(folder),
        base=_base(config),
        rank=max(part.rank for part in parts.values()),
        parameters=sum(part.rank * (part.inputs + part.outputs) for part in parts.values()),
        parts=parts,
        targets=_targets(folder, config),
    )


def name_of(folder: Path) -> str:
    """How an adapter is called wherever it is shown: that of a training run by the run's name."""
    own = folder.parent.name if (folder.parent / "run.json").is_file() else folder.name
    return shown(safety.snapshot_name(folder) or own)


def require_fit(adapter: Adapter, base: safety.Checked, model: str) -> None:
    """ADAPTER_DOES_NOT_FIT where the headers of ``base``, called ``model``, have no such matrices.

    Names in a file may lack the first word or two of those of the model's class, or have as many more.
    """
    matrices = {
        key.removesuffix(".weight"): tensor.shape
        for key, tensor in base.tensors.items()
        if key.endswith(".weight") and len(tensor.shape) == 2
    }
    longer = {way: name for name in matrices for way in _ways(name)}
    changed = set()
    for name, part in adapter.parts.items():
        place = next((way for way in _ways(name) if way in matrices), longer.get(name))
        if place is None and name == "lm_head":  # tied to the embeddings, it is in no file
            continue
        if place is None:
            raise does_not_fit(adapter, model, f"it changes {shown(name)}, which this model does not have")
        wanted = (part.outputs, part.inputs)
        if matrices[place] not in (wanted, wanted[::-1]):  # GPT-2's matrices lie the other way round
            raise does_not_fit(adapter, model, other_size(name, wanted, matrices[place]))
        changed.add(place)
    if missing := _said_to_change(adapter.targets, matrices, changed) - changed:
        raise does_not_fit(adapter, model, f"its numbers for {shown(min(missing))} are missing")


def does_not_fit(adapter: Adapter, model: str, reason: str) -> UserError:
    """The error that says so."""
    return UserError(Fault.ADAPTER_DOES_NOT_FIT, adapter=adapter.name, model=model, reason=reason, base=adapter.base)


def other_size(name: str, wanted: tuple[int, ...], found: tuple[int, ...]) -> str:
    """The reason for a matrix of another size."""
    return f"{shown(name)} would be {_size(wanted)}, and this model's is {_size(found)}"


def _size(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape))


def _base(config: Mapping[str, Any]) -> str:
    named = config.get("base_model_name_or_path")
    return shown(named, 100) if isinstance(named, str) and named.strip() else "(it does not say)"


def _must_be_plain_lora(folder: Path, config: Mapping[str, Any]) -> None:
    kind = config.get("peft_type")
    if kind != "LORA":
        raise _refused(folder, f"it is of the kind {shown(str(kind))}, not LORA")
    if config.get("bias", "none") != "none":
        raise _refused(folder, "it changes biases, too")
    begun = config.get("init_lora_weights", True)
    if not (isinstance(begun, bool) or begun in _HARMLESS_BEGINNINGS):
        raise _refused(folder, f"its training began with {shown(str(begun))}, which changed the base model")
    for key, value in config.items():
        if value and key not in _KNOWN:
            raise _refused(folder, f"it uses {shown(key)}, which this program does not compute")


def _targets(folder: Path, config: Mapping[str, Any]) -> frozenset[str]:
    """The plain names it says it changes in every layer."""
    named = config.get("target_modules")
    if isinstance(named, str):
        if len(named) > _MAX_NAME:
            raise _refused(folder, f"target_modules is longer than {_MAX_NAME} characters")
        return frozenset()
    names = named if isinstance(named, list) else []
    is_plain = all(isinstance(name, str) and len(name) <= _MAX_NAME and _PLAIN.fullmatch(name) for name in names)
    if named is not None and (not names or len(names) > _MAX_NAMES or not is_plain):
        raise _refused(folder, "target_modules is no list of names")
    some = any(config.get(key) for key in ("layers_to_transform", "exclude_modules"))
    return frozenset() if some else frozenset(names)


def _parts(folder: Path, config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> dict[str, Part]:
    found: dict[str, dict[str, str]] = {}
    bases = {match[1]: key for key in tensors if (match := _BASE.fullmatch(key))}
    for key, tensor in tensors.items():
        match = _KEY.fullmatch(key)
        if key in bases.values() and f"{key.removesuffix('base_layer.weight')}lora_A.weight" in tensors:
            continue
        if match is None:
            raise _refused(folder, f"its tensor {shown(key)} belongs to no LoRA matrix")
        if len(tensor.shape) != 2 or tensor.dtype not in _DTYPES:
            raise _refused(folder, f"{shown(key)} is no matrix of floating-point numbers")
        if match[2] in found.setdefault(match[1], {}):
            raise _refused(folder, f"it has {shown(key)} twice")
        found[match[1]][match[2]] = key
    if not found:
        raise _refused(folder, "it holds no tensors")
    scales = _Scales(folder, config)
    return {
        name: replace(_part(folder, name, pair, tensors, scales), base=bases.get(name, ""))
        for name, pair in found.items()
    }


def _part(folder: Path, name: str, pair: dict[str, str], tensors: Mapping[str, Tensor], scales: "_Scales") -> Part:
    if pair.keys() != {"A", "B"}:
        raise _refused(folder, f"{shown(name)} has only one of its two matrices")
    (rank, inputs), (outputs, rank_of_b) = tensors[pair["A"]].shape, tensors[pair["B"]].shape
    said = scales.rank(name)
    if rank != rank_of_b or (said is not None and rank != said):
        raise _refused(folder, f"the rank of {shown(name)} is {rank} in one place and {_other(rank, rank_of_b, said)}")
    if not 0 < rank <= _MAX_RANK or 0 in (inputs, outputs):
        raise _refused(folder, f"the rank of {shown(name)} is {rank}, and it must be from 1 to {_MAX_RANK}")
    return Part(pair["A"], pair["B"], rank, inputs, outputs, scales.scale(name, rank))


def _other(rank: int, rank_of_b: int, said: int | None) -> str:
    return f"{rank_of_b if rank != rank_of_b else said} in another"


class _Scales:
    """Ranks and scales as the config says them: alpha / rank, or alpha / √rank (rsLoRA), for some modules their own."""

    def __init__(self, folder: Path, config: Mapping[str, Any]) -> None:
        self._folder = folder
        self._rank = self._number("r", config.get("r", 8), whole=True)
        self._alpha = self._number("lora_alpha", config.get("lora_alpha", 8))
        self._by_root = bool(config.get("use_rslora"))
        self._ranks = self._pattern("rank_pattern", config.get("rank_pattern"), whole=True)
        self._alphas = self._pattern("alpha_pattern", config.get("alpha_pattern"))

    def rank(self, name: str) -> int | None:
        """What the config says."""
        return int(self._own(self._ranks, name, self._rank))

    def scale(self, name: str, rank: int) -> float:
        """What B A is multiplied by."""
        return self._own(self._alphas, name, self._alpha) / (math.sqrt(rank) if self._by_root else rank)

    @staticmethod
    def _own(values: Mapping[str, float], name: str, default: float) -> float:
        return next((values[end] for end in _ends(name) if end in values), default)

    def _pattern(self, key: str, value: object, whole: bool = False) -> dict[str, float]:
        """Numbers by ends of names; peft would take patterns there, which are refused unless they are plain names."""
        if not value:
            return {}
        if not isinstance(value, dict) or len(value) > _MAX_NAMES * 10 or not all(map(_PLAIN.fullmatch, value)):
            raise _refused(self._folder, f"{key} does not name modules")
        return {name: self._number(key, number, whole) for name, number in value.items()}

    def _number(self, key: str, value: Any, whole: bool = False) -> float:
        is_one = isinstance(value, int | float) and not isinstance(value, bool)
        if is_one and 0 < value < 1e6 and (not whole or value == int(value)):
            return float(value)
        raise _refused(self._folder, f"{key} is {shown(str(value))}")


def _ends(name: str) -> list[str]:
    """A name, and without its first words: what may stand for it."""
    words = name.split(".")
    return [".".join(words[cut:]) for cut in range(len(words))]


def _ways(name: str) -> list[str]:
    """A name, and without one and two of its first words."""
    return _ends(name)[:3]


def _said_to_change(targets: frozenset[str], matrices: Iterable[str], changed: set[str]) -> set[str]:
    """Matrices of the base that an adapter with these ``targets`` says it changes.

    Of a target that it changes in one place (a tower for pictures has names like those of the text) only the like.
    """
    kinds = set(map(_kind, changed))
    has = {end for name in changed for end in targets.intersection(_ends(name))}

    def is_said(name: str) -> bool:
        said = targets.intersection(_ends(name))
        return bool(said - has) or (bool(said) and _kind(name) in kinds)

    return set(filter(is_said, matrices))


def _kind(name: str) -> str:
    return re.sub(r"\d+", "#", name)


def _refused(folder: Path, reason: str) -> UserError:
    return UserError(Fault.NOT_AN_ADAPTER, path=shown(str(folder), 1000), reason=reason)
