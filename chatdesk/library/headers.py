"""The header of a safetensors file, read with our own caps and believed in nothing.

Format: 8 bytes, little-endian length of the header; the header, a JSON object from tensor names to dtype, shape and
the two offsets into the data that follows; the data. A file is good when its tensors fill the data exactly, without
gap or overlap. Source: https://github.com/huggingface/safetensors, README, "Format".

Not here: the data itself. Only the header is read, so a file of any size takes a moment.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from chatdesk.errors import Fault, UserError

MAX_HEADER_BYTES = 16 * 2**20
MAX_TENSORS = 100_000
_MAX_RANK = 32

_BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "U16": 16, "I16": 16, "U32": 32, "I32": 32, "U64": 64, "I64": 64,
    "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8,
    "F8_E5M2FNUZ": 8, "F16": 16, "BF16": 16, "F32": 32, "F64": 64, "C64": 64,
}  # fmt: skip


class RepeatedKey(ValueError):
    """A JSON object says one key twice: readers differ in which of them they believe."""


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object of a JSON text (``object_pairs_hook``); raises `RepeatedKey`."""
    entry = dict(pairs)
    if len(entry) != len(pairs):
        raise RepeatedKey
    return entry


def parsed(raw: bytes) -> Any:
    """What a JSON text says, every key once. Raises `ValueError`, also where half a character stands in it."""
    found = json.loads(raw.decode("utf-8"), object_pairs_hook=unique)
    if b"\\ud" in raw.lower():
        json.dumps(found, ensure_ascii=False).encode()
    return found


class Tensor(Struct, frozen=True):
    """One entry of a header: dtype in the format's own words ("BF16"), where its bytes lie in the data."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int
    elements: int


def read(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file, by name. Raises BROKEN_SAFETENSORS or LIMIT_EXCEEDED with ``file``."""
    try:
        with path.open("rb") as file:
            return parse(path.name, path.stat().st_size, file.read)
    except OSError as error:
        raise _broken(path.name, error.strerror or type(error).__name__) from error


def parse(name: str, size: int, take: Callable[[int], bytes]) -> dict[str, Tensor]:
    """The tensors of a file of ``size`` bytes, of which ``take`` hands out the next ones; see `read`."""
    length = int.from_bytes(take(8), "little")
    if size < 8 or length > size - 8:
        raise _broken(name, "it ends before its header does")
    if length > MAX_HEADER_BYTES:
        raise UserError(Fault.LIMIT_EXCEEDED, file=shown(name), reason=f"its header has {length:,} bytes")
    raw = take(length)
    if len(raw) != length or not raw.startswith(b"{"):
        raise _broken(name, "its header is not readable")
    header = _parsed(name, raw)
    metadata = header.pop("__metadata__", None) or {}
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise _broken(name, "its metadata are no texts by name")
    tensors = {key: _tensor(name, key, entry) for key, entry in header.items()}
    if len(tensors) > MAX_TENSORS:
        raise _too_many(name)
    _fill_exactly(name, tensors, size - 8 - length)
    return tensors


def _parsed(name: str, raw: bytes) -> dict[str, Any]:
    """The header as JSON, every name once.

    A tensor takes four colons, so counting them bounds the work before any of it is done.
    """
    if raw.count(b":") > 5 * MAX_TENSORS or raw.count(b",") > 10 * MAX_TENSORS:
        raise _too_many(name)
    try:
        return dict(parsed(raw))
    except RepeatedKey as error:
        raise _broken(name, "its header says one name twice") from error
    except (ValueError, RecursionError) as error:
        raise _broken(name, "its header is not valid JSON") from error


def _tensor(name: str, key: str, entry: object) -> Tensor:
    if not isinstance(entry, Mapping) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise _broken(name, f"its header describes {shown(key)} in no known way")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in _BITS:
        raise _broken(name, f"{shown(key)} has the unknown type {shown(str(dtype))}")
    if not _naturals(shape) or len(shape) > _MAX_RANK:
        raise _broken(name, f"{shown(key)} has an impossible shape")
    if not _naturals(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
        raise _broken(name, f"{shown(key)} has impossible offsets")
    begin, end = offsets
    elements = 1
    for length in shape:
        elements *= length
    if elements * _BITS[dtype] != (end - begin) * 8:
        raise _broken(name, f"the shape of {shown(key)} does not fit its length")
    return Tensor(dtype, tuple(shape), begin, end, elements)


def _naturals(value: object) -> bool:
    return isinstance(value, list) and all(type(n) is int and 0 <= n < 2**63 for n in value)


def _fill_exactly(name: str, tensors: Mapping[str, Tensor], size: int) -> None:
    position = 0
    for key, tensor in sorted(tensors.items(), key=lambda item: (item[1].begin, item[1].end)):
        if tensor.end > size:
            raise _broken(name, f"it ends before {shown(key)} does")
        if tensor.begin < position:
            raise _broken(name, f"{shown(key)} lies over another tensor")
        if tensor.begin > position:
            raise _broken(name, f"there is a gap before {shown(key)}")
        position = tensor.end
    if position != size:
        raise _broken(name, f"{size - position:,} bytes at its end belong to no tensor")


def shown(text: str, limit: int = 60) -> str:
    """A name out of an untrusted file, fit for one line on screen: printable and at most ``limit`` characters."""
    line = "".join(c if c.isprintable() else "?" for c in text[:limit])
    return f"{line}…" if len(text) > limit else line


def _too_many(name: str) -> UserError:
    return UserError(Fault.LIMIT_EXCEEDED, file=shown(name), reason=f"it names more than {MAX_TENSORS:,} tensors")


def _broken(name: str, reason: str) -> UserError:
    return UserError(Fault.BROKEN_SAFETENSORS, file=shown(name), reason=reason)
