"""The plan of a load: device, precision, layers on the GPU and the CPU, context; from headers, config and free memory.

`plans` lists what is possible, best first: all of it on the GPU in the precision that is the rule there, with as much
context as fits; then smaller numbers; then some layers beside the GPU, and the CPU alone. When nothing is possible,
not even slowly from the disk's swap, DOES_NOT_FIT says what is needed and what there is.

The plan counts weights, keys and values, and room for one step; it says nothing about speed but the loud words.
"""

from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from chatdesk.errors import Fault, UserError
from chatdesk.library.figures import short_bytes
from chatdesk.library.footprint import Footprint, measure
from chatdesk.library.safety import Checked, check

Usual: TypeAlias = Literal["float32", "bfloat16", "float16"]
Precision: TypeAlias = Usual | Literal["int8", "int4"]

LARGE = 50_000_000
"""Parameters above which the CPU computes in bfloat16, see `usual_precision`."""

CHUNK = 512
"""Tokens of a prompt that are read in one step, for the room that a step needs."""

UNBOUNDED_CONTEXT = 8192
"""Context in tokens where the config names none: BLOOM's and MPT's position biases know no end."""

KERNELS = 100 * 10**6
"""Bytes that oneDNN takes on the CPU for products in bfloat16, which those of quantised weights are, too: it keeps its
kernels for each shape it meets. Measured, it was 6 MB to 99 MB after a prompt of 2,000 tokens, most with experts.
"""

_SHORTEST = 2048
"""A context below which a smaller precision is the better offer, in tokens."""

_SPARE_SHARE = 0.05  # of a device's memory is left to others: the display, the allocator's rounding
_SPARE_BYTES = 256 * 2**20
_LEAST_LAYERS = 0.25  # with fewer of its layers on the GPU a model is no faster than on the CPU


class Device(Protocol):
    """A device as the engine describes it; see `chatdesk.engine.api.DeviceMemory`."""

    @property
    def device(self) -> str:
        """Torch's name of its type."""

    @property
    def name(self) -> str:
        """What to call it."""

    @property
    def total(self) -> int:
        """Bytes of memory."""

    @property
    def free(self) -> int:
        """Bytes that a model could have now."""

    @property
    def has_bfloat16(self) -> bool:
        """Whether it computes in bfloat16 at full speed."""


class Place(Struct, frozen=True):
    """One device: torch's name of its type ("cuda", "cpu"), what to call it, its memory in bytes, and the precision
    that is the rule there for this checkpoint. ``taken``: bytes for the small checkpoint that guesses ahead for it.
    """

    device: str
    name: str
    total: int
    free: int
    precision: Precision
    taken: int = 0

    @property
    def usable(self) -> int:
        """Bytes that a model may take."""
        return self.free - max(_SPARE_BYTES, int(self.total * _SPARE_SHARE))


class Word(StrEnum):
    """What must be said loudly with a plan."""

    ON_CPU = "on_cpu"  # some or all layers are computed by the CPU although there is a GPU
    SWAPS = "swaps"  # it takes more than the memory that is free now
    SHORT = "short"  # the context is shorter than the model's own


class Plan(Struct, frozen=True):
    """``gpu_layers`` of ``layers`` are on ``place``, the rest on the CPU; ``context`` in tokens; sizes in bytes.
    ``work_bytes``: room for a step, and for the kernels of the processor (`KERNELS`).
    """

    place: Place
    precision: Precision
    context: int
    gpu_layers: int
    layers: int
    weight_bytes: int
    cache_bytes: int
    work_bytes: int
    words: tuple[Word, ...] = ()

    @property
    def needed(self) -> int:
        """Bytes in all, on both devices together, with the checkpoint that guesses."""
        return self.weight_bytes + self.cache_bytes + self.work_bytes + self.place.taken


def plans_of(checked: Checked, name: str, devices: Iterable[Device], draft: str = "") -> list[Plan]:
    """Every way to load a checkpoint, called ``name``, best first. ``devices``: best first, the CPU last, or one alone.
    ``draft``: folder of the checkpoint that guesses ahead for it, which is left out where both do not fit.

    Raises DOES_NOT_FIT.
    """
    size, context = measure(checked), checked.context_length or UNBOUNDED_CONTEXT
    guesser = _loadable(draft) if draft else None
    places = []
    for device in devices:
        precision = usual_precision(device.device, device.has_bfloat16, checked.dtype, checked.parameters)
        taken = _taken(guesser, device, context) if guesser is not None else 0
        places.append(Place(device.device, device.name, device.total, device.free, precision, taken))
    try:
        return plans(name, size, places, context)
    except UserError:
        if guesser is None:
            raise
    return plans(name, size, [replace(place, taken=0) for place in places], context)


def _loadable(folder: str) -> Checked | None:
    try:
        return check(Path(folder))
    except UserError:  # so the engine leaves it out, too
        return None


def _taken(draft: Checked, device: Device, context: int) -> int:
    """Bytes that a checkpoint takes on a device beside one that sees ``context`` tokens, loaded as is usual there."""
    precision = usual_precision(device.device, device.has_bfloat16, draft.dtype, draft.parameters)
    place = Place(device.device, device.name, device.total, device.free, precision)
    return _plan(measure(draft), place, precision, min(context, draft.context_length or UNBOUNDED_CONTEXT)).needed


def plans(name: str, size: Footprint, places: Sequence[Place], context: int) -> list[Plan]:
    """Every way to load the model ``name``, best first. ``places``: the best device first, the CPU last or not
    at all. ``context``: the model's own, in tokens. Raises DOES_NOT_FIT.
    """
    found = list(_plans(size, places, context))
    if not found:
        last = places[-1]
        least = _plan(size, last, "int4", min(context, _SHORTEST)).needed
        total = f"{short_bytes(last.total)} ({last.name})"
        raise UserError(Fault.DOES_NOT_FIT, name=name, needed=short_bytes(least), total=total)
    return found


def usual_precision(device: str, has_bfloat16: bool, stored: str | None, parameters: int) -> Usual:
    """The precision a checkpoint is loaded in when nobody asks for another. ``stored``: the type in its files.

    On a GPU bfloat16 where it computes in it, else float16; weights stored in float16 stay float16. On the CPU float32,
    but bfloat16 for a model of more than `LARGE` parameters that is stored in bfloat16, on a processor with
    instructions for it (AVX512-BF16, AMX, ARM BF16): half the bytes to read, and no slow emulation.
    """
    if device == "cpu":
        return "bfloat16" if stored == "bfloat16" and parameters > LARGE and has_bfloat16 else "float32"
    return "float16" if stored == "float16" or not has_bfloat16 else "bfloat16"


def _plans(size: Footprint, places: Sequence[Place], context: int) -> Iterator[Plan]:
    gpus = [place for place in places if place.device != "cpu"]
    cpu = next((place for place in places if place.device == "cpu"), None)
    for gpu in gpus:
        whole = [plan for precision in _precisions(gpu) if (plan := _fitting(size, gpu, precision, context))]
        yield from whole
        if cpu is not None and (not whole or whole[0].precision != gpu.precision):
            yield from _shared(size, gpu, cpu, context)
    if cpu is None:
        return
    words = (Word.ON_CPU,) if gpus else ()
    for precision in _precisions(cpu):
        if plan := _fitting(size, cpu, precision, context, words):
            yield plan
    for precision in _precisions(cpu):
        plan = _plan(size, cpu, precision, min(context, _SHORTEST), words=(*words, Word.SWAPS))
        if cpu.usable < plan.needed <= cpu.total - _SPARE_BYTES:
            yield plan


def _precisions(place: Place) -> tuple[Precision, ...]:
    return (place.precision, "int8", "int4")


def _fitting(
    size: Footprint, place: Place, precision: Precision, context: int, words: tuple[Word, ...] = ()
) -> Plan | None:
    """All of it on one device with the longest context that fits: the model's own, or a power of two below it."""
    length = context
    while length >= min(context, _SHORTEST):
        plan = _plan(size, place, precision, length, words=(*words, Word.SHORT) if length < context else words)
        if plan.needed <= place.usable:
            return plan
        length = (1 << (length - 1).bit_length()) >> 1 if length > 1 else 0
    return None


def _shared(size: Footprint, gpu: Place, cpu: Place, context: int) -> Iterator[Plan]:
    """As many layers on the GPU as fit, the others on the CPU; what is not a layer stands on the GPU."""
    length = min(context, _SHORTEST)
    words = (Word.ON_CPU, Word.SHORT) if length < context else (Word.ON_CPU,)
    plan = _plan(size, gpu, gpu.precision, length, words=words)
    blocks = max(1, size.blocks)
    per_layer = (plan.weight_bytes - _outside(size, gpu.precision) + plan.cache_bytes) / blocks
    room = gpu.usable - gpu.taken - _outside(size, gpu.precision) - plan.work_bytes
    layers = int(room // per_layer) if per_layer else 0
    if _LEAST_LAYERS * blocks <= layers < blocks and (blocks - layers) * per_layer <= cpu.usable:
        yield _plan(size, gpu, gpu.precision, length, layers, words)


def _outside(size: Footprint, precision: Precision) -> int:
    """Bytes of the embeddings and the head."""
    whole = size.weight_bytes(precision)
    return whole * size.others // max(1, size.others + size.matrices)


def _plan(
    size: Footprint,
    place: Place,
    precision: Precision,
    context: int,
    gpu_layers: int | None = None,
    words: tuple[Word, ...] = (),
) -> Plan:
    on_gpu = size.blocks if gpu_layers is None else gpu_layers
    kernels = KERNELS if place.device == "cpu" and precision in ("bfloat16", "int8", "int4") else 0
    return Plan(
        place=place,
        precision=precision,
        context=context,
        gpu_layers=0 if place.device == "cpu" else on_gpu,
        layers=size.blocks,
        weight_bytes=size.weight_bytes(precision),
        cache_bytes=size.cache_bytes(precision, context),
        work_bytes=size.work_bytes(min(CHUNK, context), context) + kernels,
        words=words,
    )
