"""The JSON files of a checkpoint: read under caps, searched for what selects code to run, and cleaned.

Two kinds of keys are kept apart. What could run code of others (a custom attention, kernels from a hub, quantisers
with their own modules, `trust_remote_code`) is refused at any depth, unless its value is empty or names one of the
attentions that ship with transformers. What only names code that is never fetched (`auto_map`), paths of the machine
that saved the file, and keys the architecture does not know are left out, with their names reported.

Where the architecture's config class cannot be read (see `architectures.known_keys`), all other keys stay: they are
plain JSON values that passed the same search.

Not here: whether tensors fit the config; the loader compares names and shapes itself.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from chatdesk.errors import Fault, UserError
from chatdesk.library import architectures
from chatdesk.library.headers import parsed, shown
from chatdesk.library.tokenizer_json import MAX_ADDED

MAX_DEPTH = 64
MAX_TEMPLATE_BYTES = 256 * 2**10
_MAX_REPEATED_PARTS = 10_000

# Refused unless empty: each lets a file bring code of its own.
_HOOKS = frozenset(
    [
        "trust_remote_code",
        "custom_generate",
        "quantization_config",
        "compression_config",
        "use_kernels",
        "kernel_config",
        "kernel_mapping",
        "kernels",
        "hub_kernels",
    ]
)
# Refused unless they name what ships with transformers: other values are fetched from a hub as kernels.
_IMPLEMENTATIONS = frozenset(
    [
        "attn_implementation",
        "_attn_implementation",
        "_attn_implementation_internal",
        "experts_implementation",
        "_experts_implementation",
        "_experts_implementation_internal",
    ]
)
_SHIPPED_IMPLEMENTATIONS = frozenset(
    ["eager", "sdpa", "flash_attention_2", "flash_attention_3", "flex_attention", "grouped_mm", "batched_mm"]
)
_QUANTISERS = frozenset(
    [
        "aqlm",
        "auto-round",
        "awq",
        "bitnet",
        "bitsandbytes",
        "compressed-tensors",
        "eetq",
        "exl2",
        "exl3",
        "fbgemm_fp8",
        "fp8",
        "gptq",
        "higgs",
        "hqq",
        "modelopt",
        "mxfp4",
        "quanto",
        "quark",
        "spqr",
        "torchao",
        "vptq",
    ]
)
# Left out even where transformers knows them: they name other files, repositories or devices, or what is to be given.
_LEFT_OUT = (
    _HOOKS
    | _IMPLEMENTATIONS
    | frozenset(
        [
            "auto_map",
            "custom_pipelines",
            "name_or_path",
            "_name_or_path",
            "_commit_hash",
            "transformers_weights",
            "extra_files",
            "extra_config_files",
            "use_pretrained_backbone",
            "distributed_config",
            "output_attentions",  # what a model is asked for is said with each call
            "output_hidden_states",
            "return_dict",
            "torchscript",
        ]
    )
)
_DTYPES = frozenset(["float64", "float32", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2"])
_COUNTS = re.compile(r"(num|n)_\w*(layers?|experts|blocks)|(en|de)coder_layers|num_labels")
_SIZES = frozenset(
    [
        "vocab_size",
        "hidden_size",
        "n_embd",
        "d_model",
        "num_hidden_layers",
        "n_layer",
        "n_layers",
        "num_layers",
        "num_attention_heads",
        "n_head",
        "n_heads",
        "num_heads",
    ]
)
_CONTEXT_KEYS = ["max_position_embeddings", "n_positions", "n_ctx", "max_sequence_length", "max_seq_len", "seq_length"]
_NO_JSON = ("Infinity", "-Infinity", "NaN")
_GENERATION_KEYS = frozenset(
    [
        "do_sample",
        "temperature",
        "top_k",
        "top_p",
        "min_p",
        "typical_p",
        "repetition_penalty",
        "no_repeat_ngram_size",
        "max_new_tokens",
        "max_length",
        "bos_token_id",
        "eos_token_id",
        "pad_token_id",
        "suppress_tokens",
        "begin_suppress_tokens",
    ]
)


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file, every key once, searched for code. Raises BROKEN_CONFIG, LIMIT_EXCEEDED or
    UNSAFE_CONFIG.
    """
    try:
        return parse_json(path.name, path.read_bytes())
    except OSError as error:
        raise _broken(path.name, error.strerror or type(error).__name__) from error


def parse_json(name: str, raw: bytes) -> dict[str, Any]:
    """What `read_json` finds in the bytes of the file ``name``."""
    try:
        value = parsed(raw)
    except RecursionError as error:
        raise _too_deep(name) from error
    except ValueError as error:
        raise _broken(name, "it is not valid JSON") from error
    if not isinstance(value, dict):
        raise _broken(name, "it holds no JSON object")
    for key, item in _walk(name, value, "", 1):
        _refuse_code(name, key, item)
    return {key: _with_infinities(item) for key, item in value.items()}


def _with_infinities(value: Any) -> Any:
    """With numbers in place of what transformers writes for those that JSON does not know."""
    if isinstance(value, list):
        return [_with_infinities(item) for item in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {"__float__"} and value["__float__"] in _NO_JSON:
        return float(value["__float__"])
    return {key: _with_infinities(item) for key, item in value.items()}


def check_text(path: Path) -> None:
    """BROKEN_CONFIG for a file that is not UTF-8."""
    try:
        path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise _broken(path.name, "it is no text in UTF-8") from error


def _walk(name: str, value: object, path: str, depth: int) -> Iterator[tuple[str, object]]:
    """Every key of nested objects, dotted, with its value."""
    if depth > MAX_DEPTH:
        raise _too_deep(name)
    if isinstance(value, dict):
        for key, item in value.items():
            yield f"{path}{key}", item
            yield from _walk(name, item, f"{path}{key}.", depth + 1)
    elif isinstance(value, list):
        for item in value:
            if isinstance(item, dict | list):
                yield from _walk(name, item, path, depth + 1)


def _refuse_code(name: str, path: str, value: object) -> None:
    key = path.rpartition(".")[2]
    if key == "quantization_config" and (method := _quantiser(value)):
        raise UserError(Fault.QUANTISED, method=method)
    private = key.startswith("__") and key.endswith("__") and key != "__float__"  # which is how infinity is written
    if private or (key in _HOOKS and value) or (key in _IMPLEMENTATIONS and not _shipped(value)):
        raise UserError(Fault.UNSAFE_CONFIG, file=name, key=shown(path, 100))
    if name == "config.json" and type(value) is int and abs(value) >= 2**63 and not _COUNTS.fullmatch(key):
        raise _broken(name, f"{shown(path, 100)} is too large for a number")
    if _COUNTS.fullmatch(key) and isinstance(value, int | float) and value > _MAX_REPEATED_PARTS:
        raise UserError(Fault.LIMIT_EXCEEDED, file=name, reason=f"{key} is more than {_MAX_REPEATED_PARTS:,}")


def _quantiser(value: object) -> str:
    """By what a checkpoint says to be quantised, where that is a well-known way; nothing else of it is believed."""
    method = value.get("quant_method") if isinstance(value, dict) else None
    return method if isinstance(method, str) and method in _QUANTISERS else ""


def _shipped(value: object) -> bool:
    if isinstance(value, dict):
        return all(_shipped(item) for item in value.values())
    return not value or (isinstance(value, str) and value in _SHIPPED_IMPLEMENTATIONS)


def _check_sizes(config: dict[str, Any]) -> None:
    """BROKEN_CONFIG where a size of the model is no number to count with."""
    text = config.get("text_config")
    for place in (config, text if isinstance(text, dict) else {}):
        for key in sorted(_SIZES & place.keys()):
            value = place[key]
            if value is not None and (type(value) is not int or value < 1):
                raise _broken("config.json", f"{key} is {shown(str(value), 30)}, no number of anything")


def architecture(config: dict[str, Any]) -> tuple[str, str]:
    """Model type and class of a config.json; UNKNOWN_ARCHITECTURE when transformers does not ship it as causal LM."""
    model_type, named = config.get("model_type"), config.get("architectures") or []
    if not isinstance(model_type, str) or not model_type:
        raise _broken("config.json", "it does not say its model_type")
    if not isinstance(named, list) or not all(isinstance(item, str) for item in named):
        raise _broken("config.json", "its architectures are no list of names")
    shipped = architectures.causal_lms().get(model_type, [])
    fitting = shipped if not named else [item for item in shipped if item.lower() in map(str.lower, named)]
    if not fitting:
        raise UserError(Fault.UNKNOWN_ARCHITECTURE, architecture=shown((named or [model_type])[0]))
    _check_sizes(config)
    return model_type, fitting[0]


def clean(config: dict[str, Any], model_type: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    """A config with only the keys its architecture knows, and the dotted names of those left out."""
    dropped: list[str] = []
    return _clean(config, architectures.known_keys(model_type), "", dropped), tuple(dropped)


def _clean(config: dict[str, Any], known: frozenset[str] | None, path: str, dropped: list[str]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for key, value in config.items():
        foreign_dtype = key in ("dtype", "torch_dtype") and isinstance(value, str) and value not in _DTYPES
        if key in _LEFT_OUT or foreign_dtype or (known is not None and key not in known):
            dropped.append(f"{path}{key}")
        elif isinstance(value, dict):
            kept[key] = _clean(value, _known_below(key, value, known), f"{path}{key}.", dropped)
        else:
            kept[key] = value
    return kept


def _known_below(key: str, value: dict[str, Any], known: frozenset[str] | None) -> frozenset[str] | None:
    """What is known in a nested object: a sub-config has a type of its own or belongs to the same module, anything
    else (labels, rotary parameters) is data.
    """
    if not key.endswith("_config") or key == "per_layer_config":
        return None
    model_type = value.get("model_type")
    return architectures.known_keys(model_type) if isinstance(model_type, str) else known


def context_length(config: dict[str, Any]) -> int | None:
    """Tokens the model can see, as its config says it; None where it says nothing."""
    text = config.get("text_config")
    for place in (config, text if isinstance(text, dict) else {}):
        for key in _CONTEXT_KEYS:
            value = place.get(key)
            if type(value) is int and value > 0:
                return value
    return None


def clean_generation(raw: dict[str, Any]) -> dict[str, Any]:
    """The sampling values of a generation_config.json: numbers, truth values and lists of token ids."""
    return {
        key: value
        for key, value in raw.items()
        if key in _GENERATION_KEYS
        and (isinstance(value, int | float) or (isinstance(value, list) and all(type(i) is int for i in value)))
    }


def check_tokenizer_class(file: str, name: object, *, own_code: bool, has_tokenizer_json: bool) -> None:
    """UNSAFE_CONFIG when the tokenizer named in ``file`` is not one of transformers' own.

    ``own_code``: an auto_map offers another. A name that this version no longer knows may pass without that beside a
    tokenizer.json, which says all there is to say.
    """
    if name is None and not own_code:
        return
    if isinstance(name, str) and architectures.looks_like_tokenizer(name):
        shipped = name in architectures.tokenizer_classes()
        if shipped or (has_tokenizer_json and not own_code):
            return
    key = "auto_map" if own_code else f"tokenizer_class: {shown(str(name))}"
    raise UserError(Fault.UNSAFE_CONFIG, file=file, key=key)


def clean_tokenizer(file: str, raw: dict[str, Any]) -> dict[str, Any]:
    """A tokenizer_config.json without code and without paths; a path that leads elsewhere is UNSAFE_PATH."""
    for key, value in raw.items():
        # The map of special tokens was saved with its path on the author's machine for years; nothing opens it.
        path = key.endswith("_file") and isinstance(value, str) and key != "special_tokens_map_file"
        if path and re.search(r"[/\\:]|^\.\.?$", value):
            raise UserError(Fault.UNSAFE_PATH, file=f"{file}: {shown(key)}")
    words = raw.get("added_tokens_decoder") or {}
    if not isinstance(words, dict):
        raise _broken(file, "its added words are no object")
    if len(words) > MAX_ADDED:
        raise UserError(Fault.LIMIT_EXCEEDED, file=file, reason=f"it adds more than {MAX_ADDED:,} words")
    templates = raw.get("chat_template")
    for template in templates if isinstance(templates, list) else [templates]:
        text = template.get("template") if isinstance(template, dict) else template
        if text is not None and not isinstance(text, str):
            raise _broken(file, "its chat template is no text")
        if text and len(text.encode()) > MAX_TEMPLATE_BYTES:
            raise UserError(Fault.LIMIT_EXCEEDED, file=file, reason="its chat template is longer than 256 KB")
    return {key: value for key, value in raw.items() if key not in _LEFT_OUT and not key.endswith("_file")}


def _too_deep(name: str) -> UserError:
    return UserError(Fault.LIMIT_EXCEEDED, file=name, reason=f"its JSON is nested deeper than {MAX_DEPTH} levels")


def _broken(name: str, reason: str) -> UserError:
    return UserError(Fault.BROKEN_CONFIG, file=name, reason=reason)
