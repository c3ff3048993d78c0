"""What may be loaded: a checkpoint folder is looked through here before torch or transformers sees it.

A flag is no boundary: a config.json alone has run code in loaders that were told to trust nothing. So nothing here
asks whether a file means well; it says what a checkpoint consists of and refuses the rest. Only JSON files, chat
templates' sizes and the headers of safetensors are read; pickles are never opened, and neither is anything outside
the folder, except the blobs that a snapshot in the Hugging Face cache links to.

The caps are above every published checkpoint seen: tokenizer.json reaches 34 MB, a header 1 MB.

Not here: whether the tensors fit the config and hold finite numbers (the loader), whether there is memory for them,
and whether a chat template ends (it is rendered in a process of its own).
"""

import logging
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from chatdesk.errors import Fault, UserError
from chatdesk.library import configs, headers, tokenizer_json
from chatdesk.library.headers import Tensor, shown

_log = logging.getLogger(__name__)

_WEIGHTS = "model.safetensors"
_INDEX = "model.safetensors.index.json"
_MAX_ENTRIES = 10_000
_MIB = 2**20
MAX_INDEX_BYTES = 32 * _MIB

# The files that transformers opens beside the weights, and the most bytes each may have.
_CAPS = {
    "config.json": _MIB,
    "generation_config.json": _MIB,
    "special_tokens_map.json": _MIB,
    "tokenizer_config.json": 16 * _MIB,
    "added_tokens.json": 16 * _MIB,
    _INDEX: MAX_INDEX_BYTES,
    "chat_template.jinja": configs.MAX_TEMPLATE_BYTES,
    "chat_template.json": configs.MAX_TEMPLATE_BYTES,
}
_MAX_VOCABULARY = 64 * _MIB
_TOKENIZERS = frozenset(
    [
        "tokenizer.json",
        "tokenizer.model",
        "vocab.json",
        "vocab.txt",
        "spiece.model",
        "sentencepiece.bpe.model",
        "sentencepiece.model",
        "spm.model",
        "spm_char.model",
        "source.spm",
        "bpe.codes",
        "dict.txt",
        "tekken.json",
        "prophetnet.tokenizer",
        "vocab-src.json",
    ]
)
_VOCABULARIES = _TOKENIZERS | {"merges.txt", "target.spm", "emoji.json", "entity_vocab.json", "vocab-tgt.json"}
_TEMPLATES = "additional_chat_templates"
_CARDS = ("README.md", "LICENSE", "LICENSE.txt", "LICENSE.md")  # what the catalogue reads of the licence
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # devices in Windows, not files
_CONFIGS = ("config.json", "adapter_config.json")
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")

_DTYPES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
}


class Checked(Struct, frozen=True):
    """A folder that may be loaded, and what its headers and configs say.

    ``config``, ``tokenizer_config`` and ``generation_config``: the parsed JSON files with only the keys that may pass
    (the last two are empty without a file). ``weight_files``: the safetensors to load, in order. ``dtype``: torch's
    name of the type most of the weights have ("bfloat16"). ``weight_bytes`` and ``parameters``: summed over the
    headers. ``tensors``: those of all files, by name. ``context_length``: tokens. ``dropped_keys``: the config's keys
    that were left out, dotted.
    """

    folder: Path
    config: dict[str, Any]
    weight_files: tuple[Path, ...]
    architecture: str
    model_type: str
    dtype: str | None
    weight_bytes: int
    parameters: int
    tensors: dict[str, Tensor]
    dropped_keys: tuple[str, ...]
    has_chat_template: bool
    context_length: int | None
    tokenizer_config: dict[str, Any]
    generation_config: dict[str, Any]


def check(folder: Path) -> Checked:
    """Look through a checkpoint folder, in much less than a second, without torch.

    Raises `UserError`: FILE_NOT_FOUND, NOT_A_CHECKPOINT, IS_ADAPTER, ONLY_PICKLE, ONLY_GGUF, BROKEN_SAFETENSORS,
    BROKEN_CONFIG, LIMIT_EXCEEDED, UNSAFE_PATH, UNSAFE_CONFIG, QUANTISED, UNKNOWN_ARCHITECTURE or NO_TOKENIZER.
    """
    folder = Path(os.path.abspath(folder))
    files = files_of(folder)
    _must_be_a_checkpoint(folder, files)
    _within_caps(files)
    raw = configs.read_json(folder / "config.json")
    configs.architecture(raw)
    tokenizer = _tokenizer(folder, files, raw)
    generation = configs.read_json(folder / "generation_config.json") if "generation_config.json" in files else {}
    names, tensors = _weights(folder, files)
    found = preview(folder, raw, tensors)
    if found.dropped_keys:
        _log.info("%s: left out of config.json: %s", folder, ", ".join(map(shown, found.dropped_keys)))
    return replace(
        found,
        weight_files=tuple(folder / name for name in names),
        has_chat_template=bool(tokenizer.get("chat_template")) or "chat_template.jinja" in files,
        tokenizer_config=tokenizer,
        generation_config=configs.clean_generation(generation),
    )


def preview(folder: Path, raw: dict[str, Any], tensors: dict[str, Tensor]) -> Checked:
    """What config.json and the headers of the weights say by themselves, of a folder that need not be there (yet).

    ``raw``: config.json as `configs.parse_json` gives it. Raises UNKNOWN_ARCHITECTURE or BROKEN_CONFIG.
    """
    model_type, architecture = configs.architecture(raw)
    config, dropped = configs.clean(raw, model_type)
    return Checked(
        folder=folder,
        config=config,
        weight_files=(),
        architecture=architecture,
        model_type=model_type,
        dtype=_main_dtype(tensors.values()),
        weight_bytes=sum(t.end - t.begin for t in tensors.values()),
        parameters=sum(t.elements for t in tensors.values()),
        tensors=tensors,
        dropped_keys=dropped,
        has_chat_template=False,
        context_length=configs.context_length(config),
        tokenizer_config={},
        generation_config={},
    )


def parts(name: str, files: Mapping[str, int], index: Callable[[str], dict[str, Any]]) -> list[str]:
    """Which of a repository's ``files`` (sizes in bytes) a checkpoint needs, small ones before the weights.

    ``name`` stands for a folder in the sentences; ``index`` reads a JSON file of the repository, where the weights are
    in several files. Raises what `check` says of names and sizes.
    """
    where = Path(name)
    _must_be_a_checkpoint(where, files)
    wanted = [each for each in files if _is_small_part(each)]
    _within_caps({each: files[each] for each in wanted})
    if not _has_tokenizer(wanted):
        raise UserError(Fault.NO_TOKENIZER, path=name)
    weights = [_WEIGHTS] if _WEIGHTS in files else sorted(set(_places(index(_INDEX)).values()))
    for each in weights:
        _must_be_a_shard(where, files, each)
    for each in (*wanted, *weights):
        is_plain = re.fullmatch(rf"({_TEMPLATES}/)?[A-Za-z0-9][\w.-]*", each, re.ASCII)
        if not is_plain or _RESERVED.fullmatch(each.rpartition("/")[2]):
            raise UserError(Fault.UNSAFE_PATH, file=shown(each))
    return sorted(wanted) + weights


def _is_small_part(name: str) -> bool:
    if name == _INDEX or name in _CAPS or name in _VOCABULARIES or name in _CARDS or name.endswith(".tiktoken"):
        return "/" not in name
    return name.startswith(f"{_TEMPLATES}/") and name.endswith(".jinja")


def snapshot_name(folder: Path) -> str | None:
    """``owner/name`` of a folder that is a snapshot in a Hugging Face cache, else None."""
    repository = folder.parent.parent
    if folder.parent.name != "snapshots" or not repository.name.startswith("models--"):
        return None
    return repository.name.removeprefix("models--").replace("--", "/")


def files_of(folder: Path) -> dict[str, int]:
    """Regular files in the folder and their sizes in bytes, with those of the folder of more chat templates.

    Those of a checkpoint or an adapter stay within it; of another folder, which is refused for what it lacks, links
    that lead out are passed over.

    Raises FILE_NOT_FOUND, NOT_A_CHECKPOINT, ONLY_PICKLE, ONLY_GGUF or UNSAFE_PATH.
    """
    found: dict[str, int] = {}
    astray: list[str] = []
    try:
        _list(folder, "", found, astray)
        if (folder / _TEMPLATES).is_dir():
            _list(folder, f"{_TEMPLATES}/", found, astray)
    except FileNotFoundError as error:
        raise UserError(Fault.FILE_NOT_FOUND, path=_path(folder)) from error
    except NotADirectoryError as error:
        raise _single_file(folder) from error
    except OSError as error:
        raise _no_checkpoint(folder, f"it cannot be read ({error.strerror})") from error
    if astray and any(name in _CONFIGS for name in (*found, *astray)):  # without one, it is just somebody's folder
        raise UserError(Fault.UNSAFE_PATH, file=shown(astray[0]))
    return found


def _list(folder: Path, prefix: str, found: dict[str, int], astray: list[str]) -> None:
    """Add the files below ``prefix`` to ``found``, and to ``astray`` the links that lead out of the folder."""
    real = Path(os.path.realpath(folder))
    with os.scandir(folder / prefix) as entries:
        for count, entry in enumerate(entries):
            if count >= _MAX_ENTRIES:
                raise _no_checkpoint(folder, f"it holds more than {_MAX_ENTRIES:,} files")
            # On Windows a junction is a way out that does not say it is a link.
            if (entry.is_symlink() or os.name == "nt") and not _stays(real, Path(os.path.realpath(entry.path))):
                astray.append(f"{prefix}{entry.name}")
            elif entry.is_file():
                found[f"{prefix}{entry.name}"] = entry.stat().st_size


def _stays(real: Path, target: Path) -> bool:
    """Whether a link leads to the folder itself, or from a snapshot to a blob of its repository or its cache."""
    if target.is_relative_to(real):
        return True
    if snapshot_name(real) is None:
        return False
    repository = real.parent.parent
    shared = repository.parent / "blobs"
    return target.parent == repository / "blobs" or (
        target.parent.parent == shared and re.fullmatch(r"[0-9a-f]{64}", target.name) is not None
    )


def _must_be_a_checkpoint(folder: Path, files: Mapping[str, int]) -> None:
    if not files:
        raise _no_checkpoint(folder, "it holds no files")
    if "adapter_config.json" in files:
        raise UserError(Fault.IS_ADAPTER, path=_path(folder))
    if not any(name.endswith(".safetensors") for name in files):
        for name in sorted(files):
            _refuse_other_formats(folder, name)
    if "config.json" not in files:
        raise _no_checkpoint(folder, "config.json is missing")
    if _WEIGHTS not in files and _INDEX not in files:
        raise _no_checkpoint(folder, f"neither {_WEIGHTS} nor {_INDEX} is there")


def _refuse_other_formats(path: Path, name: str) -> None:
    if name.lower().endswith(_PICKLES):
        raise UserError(Fault.ONLY_PICKLE, path=_path(path), file=shown(name))
    if name.lower().endswith(".gguf"):
        raise UserError(Fault.ONLY_GGUF, path=_path(path), file=shown(name))


def _within_caps(files: Mapping[str, int]) -> None:
    for name, size in files.items():
        cap = configs.MAX_TEMPLATE_BYTES if name.startswith(_TEMPLATES) else _CAPS.get(name)
        cap = _MAX_VOCABULARY if cap is None and name in _VOCABULARIES else cap
        if cap is not None and size > cap:
            reason = f"it has {size:,} bytes, more than {cap:,}"
            raise UserError(Fault.LIMIT_EXCEEDED, file=shown(name), reason=reason)


def _tokenizer(folder: Path, files: Mapping[str, int], config: dict[str, Any]) -> dict[str, Any]:
    """The cleaned tokenizer_config.json; the other JSON files of the tokenizer are searched, too."""
    fast = "tokenizer.json" in files
    configs.check_tokenizer_class("config.json", config.get("tokenizer_class"), own_code=False, has_tokenizer_json=fast)
    for name in ("special_tokens_map.json", "added_tokens.json", "chat_template.json"):
        if name in files:
            configs.read_json(folder / name)
    if not _has_tokenizer(files):
        raise UserError(Fault.NO_TOKENIZER, path=_path(folder))
    if fast:
        tokenizer_json.check(folder / "tokenizer.json")
    for name in files:
        if name.endswith(".jinja"):
            configs.check_text(folder / name)
    name = "tokenizer_config.json"
    if name not in files:
        return {}
    raw = configs.read_json(folder / name)
    own_code = bool(raw.get("auto_map"))
    configs.check_tokenizer_class(name, raw.get("tokenizer_class"), own_code=own_code, has_tokenizer_json=fast)
    return configs.clean_tokenizer(name, raw)


def _has_tokenizer(files: Iterable[str]) -> bool:
    return any(name in _TOKENIZERS or name.endswith(".tiktoken") for name in files)


def _weights(folder: Path, files: Mapping[str, int]) -> tuple[list[str], dict[str, Tensor]]:
    """The weight files in order, and the tensors in all of them."""
    if _WEIGHTS in files:  # which transformers prefers, too
        tensors = headers.read(folder / _WEIGHTS)
        if not tensors:
            raise _broken(_WEIGHTS, "it holds no tensors")
        return [_WEIGHTS], tensors
    index = configs.read_json(folder / _INDEX)
    places = _places(index)
    names = sorted(set(places.values()))
    for name in names:
        _must_be_a_shard(folder, files, name)
    tensors = {key: tensor for name in names for key, tensor in _shard(folder, name, places).items()}
    _compare_total(folder, index, sum(t.end - t.begin for t in tensors.values()))
    return names, tensors


def _places(index: dict[str, Any]) -> dict[str, str]:
    """Which file each tensor is in, as an index says."""
    places = index.get("weight_map")
    if not isinstance(places, dict) or not places or not all(isinstance(name, str) for name in places.values()):
        raise UserError(Fault.BROKEN_CONFIG, file=_INDEX, reason="it has no map of tensors to files")
    if len(places) > headers.MAX_TENSORS:
        reason = f"it names more than {headers.MAX_TENSORS:,} tensors"
        raise UserError(Fault.LIMIT_EXCEEDED, file=_INDEX, reason=reason)
    return places


def _must_be_a_shard(folder: Path, files: Mapping[str, int], name: str) -> None:
    if not name or re.search(r"[/\\:\x00]", name) or name.startswith(".."):
        raise UserError(Fault.UNSAFE_PATH, file=f"{_INDEX}: {shown(name)}")
    _refuse_other_formats(folder, name)
    if not name.endswith(".safetensors") or name not in files:
        raise _broken(name, "the index names it and it is not there")


def _shard(folder: Path, name: str, places: dict[str, str]) -> dict[str, Tensor]:
    """The tensors of one file; index and header must say the same: every tensor once, where the index names it."""
    found = headers.read(folder / name)
    expected = {tensor for tensor, place in places.items() if place == name}
    if missing := expected - found.keys():
        raise _broken(name, f"the index looks for {shown(min(missing))} in it, which is not there")
    if unexpected := found.keys() - expected:
        raise _broken(name, f"it holds {shown(min(unexpected))}, of which the index knows nothing")
    return found


def _compare_total(folder: Path, index: dict[str, Any], found: int) -> None:
    """Published totals are often wrong by shared or converted tensors, and nothing uses them: only said in the log."""
    metadata = index.get("metadata")
    total = metadata.get("total_size") if isinstance(metadata, dict) else None
    if total is not None and total != found:
        _log.warning("%s: %s says %s bytes, the files hold %s", folder, _INDEX, shown(str(total)), found)


def _main_dtype(tensors: Iterable[Tensor]) -> str | None:
    sizes: Counter[str] = Counter()
    for tensor in tensors:
        sizes[tensor.dtype] += tensor.end - tensor.begin
    return _DTYPES.get(sizes.most_common(1)[0][0])


def _single_file(path: Path) -> UserError:
    try:
        _refuse_other_formats(path, path.name)
    except UserError as error:
        return error
    return _no_checkpoint(path, "it is a single file, and a checkpoint is a folder")


def _path(path: Path) -> str:
    return shown(str(path), 1000)


def _no_checkpoint(folder: Path, reason: str) -> UserError:
    return UserError(Fault.NOT_A_CHECKPOINT, path=_path(folder), reason=reason)


def _broken(name: str, reason: str) -> UserError:
    return UserError(Fault.BROKEN_SAFETENSORS, file=shown(name), reason=reason)
