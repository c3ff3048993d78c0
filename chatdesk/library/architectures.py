"""What the installed transformers can run, read from its source without importing it.

transformers takes seconds to import and pulls torch in; its mappings and config classes are plain declarations, so
`ast` finds them in milliseconds, and they always match the version that will load the checkpoint. What counts as a
known config key: a field, argument or alias of the config classes in the architecture's module, a key that these
take from their keyword arguments or set on themselves, and an attribute its modelling code reads from the config.

Not here: whether a name is safe (see `configs`), and architectures that need code of their own.
"""

import ast
import re
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

# Keys of every model, whatever its own class declares: what the base class and its rotary embeddings take by keyword.
_COMMON_KEYS = frozenset(
    [
        "model_type",
        "architectures",
        "tokenizer_class",
        "tie_word_embeddings",
        "torch_dtype",
        "num_labels",
        "output_attentions",
        "bos_token_id",
        "eos_token_id",
        "pad_token_id",
        "sep_token_id",
        "decoder_start_token_id",
        "rope_parameters",
        "rope_scaling",
        "rope_theta",
        "partial_rotary_factor",
        "per_layer_config",
    ]
)
_CONFIG_READS = re.compile(r"\bconfig\.([a-z]\w*)\b(?!\()|getattr\(\s*(?:\w+\.)*config,\s*[\"'](\w+)[\"']")
_TOKENIZER = re.compile(r"(?!Auto)[A-Z]\w*(?:Tokenizer|TokenizerFast|Backend)")
_GENERIC_TOKENIZERS = frozenset(
    [
        "PreTrainedTokenizer",
        "PreTrainedTokenizerFast",
        "TokenizersBackend",
        "SentencePieceBackend",
        "PythonBackend",
        "MistralCommonBackend",
    ]
)


@cache
def _package() -> Path:
    spec = find_spec("transformers")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("transformers is not installed")
    return Path(spec.submodule_search_locations[0])


@cache
def _parsed(path: str) -> ast.Module | None:
    """The syntax tree of one of the package's files; none where this version has no such file."""
    file = _package() / path
    return ast.parse(file.read_bytes()) if file.is_file() else None


def _assigned(path: str, name: str) -> Iterator[ast.expr]:
    """Everything a module's top level assigns to ``name`` or updates it with."""
    tree = _parsed(path)
    for node in tree.body if tree else ():
        match node:
            case ast.Assign(targets=[ast.Name(id=target)], value=value) if target == name:
                yield value
            case ast.AnnAssign(target=ast.Name(id=target), value=ast.expr() as value) if target == name:
                yield value
            case ast.Expr(ast.Call(ast.Attribute(ast.Name(id=target), "update"), args)) if target == name:
                yield from args


def _strings(node: ast.AST) -> list[str]:
    return [n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)]


def _pairs(path: str, name: str) -> dict[str, list[str]]:
    """A mapping of names, written as pairs or as a dict display, by its keys."""
    found: dict[str, list[str]] = {}
    for value in _assigned(path, name):
        for node in ast.walk(value):
            match node:
                case ast.Tuple(elts=[ast.Constant(value=str(key)), item]):
                    found[key] = _strings(item)
                case ast.Dict(keys=keys, values=items):
                    for name_node, item in zip(keys, items, strict=True):
                        if isinstance(name_node, ast.Constant) and isinstance(name_node.value, str):
                            found[name_node.value] = _strings(item)
    return found


@cache
def causal_lms() -> dict[str, list[str]]:
    """Model types that transformers itself ships as causal language models, with the names of their classes."""
    return _pairs("models/auto/modeling_auto.py", "MODEL_FOR_CAUSAL_LM_MAPPING_NAMES")


@cache
def tokenizer_classes() -> frozenset[str]:
    """Names of the tokenizer classes that transformers ships, with and without "Fast"."""
    mapping = _pairs("models/auto/tokenization_auto.py", "TOKENIZER_MAPPING_NAMES")
    names = {name.removesuffix("Fast") for names in mapping.values() for name in names if names}
    return frozenset(names | {f"{name}Fast" for name in names} | _GENERIC_TOKENIZERS)


def looks_like_tokenizer(name: str) -> bool:
    """Whether a class of this name can only be a tokenizer: the loader would take any class of transformers."""
    return _TOKENIZER.fullmatch(name) is not None


@cache
def _module(model_type: str) -> str:
    for path in ("models/auto/auto_mappings.py", "models/auto/configuration_auto.py"):
        special = _pairs(path, "SPECIAL_MODEL_TYPE_TO_MODULE_NAME").get(model_type)
        if special:
            return special[0]
    return model_type.replace("-", "_")


@cache
def known_keys(model_type: str) -> frozenset[str] | None:
    """Config keys the architecture knows; None where its config class is not written in the usual way."""
    if not re.fullmatch(r"[A-Za-z0-9_.\-]{1,100}", model_type):
        return None
    folder = _package() / "models" / _module(model_type)
    own = {key for file in folder.glob("configuration_*.py") for key in _declared(_inside(file))}
    if not own:
        return None
    base = {key for node in _classes("configuration_utils.py", r"Pre[Tt]rainedConfig") for key in _fields(node.body)}
    return _COMMON_KEYS | own | base | _reads(*folder.glob("modeling_*.py")) | _shared_reads()


@cache
def _shared_reads() -> frozenset[str]:
    """Attributes that masks, caches and rotary embeddings read from the config of any architecture."""
    return _reads(*(_package() / name for name in ("masking_utils.py", "cache_utils.py", "modeling_rope_utils.py")))


def _reads(*files: Path) -> frozenset[str]:
    found = [_CONFIG_READS.findall(file.read_text("utf-8")) for file in files if file.is_file()]
    return frozenset(first or second for reads in found for first, second in reads)


def _inside(file: Path) -> str:
    return file.relative_to(_package()).as_posix()


def _classes(path: str, name: str) -> list[ast.ClassDef]:
    tree = _parsed(path)
    return [n for n in tree.body if isinstance(n, ast.ClassDef) and re.fullmatch(name, n.name)] if tree else []


@cache
def _declared(path: str) -> frozenset[str]:
    """Keys that the config classes of a file take, with those of config files it imports classes from."""
    tree = _parsed(path)
    found: set[str] = set()
    for node in ast.walk(tree) if tree else ():
        match node:
            case ast.ClassDef(body=body):
                found.update(_fields(body))
            case ast.FunctionDef(name="__init__" | "__post_init__", args=arguments):
                found.update(arg.arg for arg in (*arguments.args, *arguments.kwonlyargs))
            case ast.Call(ast.Attribute(ast.Name("kwargs"), "pop" | "get"), [ast.Constant(value=str(key)), *_]):
                found.add(key)
            case ast.Attribute(ast.Name("self"), str(key), ast.Store()) if not key.startswith("_"):
                found.add(key)
            case ast.ImportFrom(level=2, module=str(source)) if ".configuration_" in source:
                found.update(_declared(f"models/{source.replace('.', '/')}.py"))
    return frozenset(found - {"self"})


def _fields(body: list[ast.stmt]) -> Iterator[str]:
    """Fields of a config class, and the keys of its mappings of aliases and of sub-configs."""
    for node in body:
        match node:
            case ast.AnnAssign(target=ast.Name(id=name), annotation=kind) if "ClassVar" not in ast.unparse(kind):
                yield name
            case ast.Assign(targets=[ast.Name("attribute_map" | "sub_configs" | "sub_configs_defaults")], value=value):
                yield from _strings(value)
