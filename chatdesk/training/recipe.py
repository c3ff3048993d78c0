"""The recipe of a training run: a versioned TOML file that says everything the result depends on.

    version = 1
    seed = 1
    [model]
    vocabulary = 8000
    context = 1024
    width = 256
    layers = 5
    heads = 4
    [[stages]]
    name = "prose"
    tokens = 6_000_000
    sequence = 256
    batch = 16
    learning_rate = 3e-3
    sources = [{ file = "books.jsonl.xz", weight = 60 }, { file = "articles.jsonl.xz", weight = 40 }]

Instead of ``[model]``, ``[start]`` names a checkpoint to go on from, and ``[lora]`` trains an adapter for it alone:

    [start]
    checkpoint = "models/small"
    [lora]
    rank = 8
    alpha = 16

A file is looked for in the text folder given with the run, then beside the recipe. A weight is a share of the stage's
tokens. Unknown keys are refused: a key that is accepted and ignored is a lie. No torch here.
"""

import hashlib
import os
import re
import tomllib
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import msgspec
import tomli_w
from msgspec import Meta, Struct

from chatdesk.errors import Fault, UserError

R = TypeVar("R")
WORDS = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]|[^\s\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+")
"""Words as an opening counts them: a Chinese or Japanese character is one."""

VERSION = 1
LEAST_VOCABULARY = 261
"""Each byte and the special tokens."""

Positive = Annotated[int, Meta(ge=1, le=1 << 48)]
Dimension = Annotated[int, Meta(ge=1, le=1_000_000)]
Rate = Annotated[float, Meta(gt=0, le=1)]
Name = Annotated[str, Meta(min_length=1)]


_MOST_ROWS = 1 << 29  # each takes 16 bytes of memory
_LONGEST_NAME = 60  # of a stage
_FORBIDDEN = '\\ / : * ? " < > |'
_NOT_IN_NAMES = re.compile(r'[\\/:*?"<>|\x00-\x1f]')


class Source(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A file of text and its share of the tokens (any unit: the weights of a stage are summed)."""

    file: Name
    weight: Annotated[float, Meta(gt=0, le=1e9)] = 1.0


class ModelShape(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A new model: ``context`` in tokens, ``width`` a multiple of ``heads``. Input and output share a matrix.

    The tokenizer is trained on the run's text with ``vocabulary`` tokens, or taken from the folder ``tokenizer`` (a
    checkpoint's, a preparation's, with its tokenizer.json), whose size then counts; the marks of a dialogue are added.
    ``key_value_heads``: of a Llama whose heads share keys and values in groups; 0: each has its own.
    """

    vocabulary: Annotated[int, Meta(ge=0, le=1_000_000)]
    context: Dimension
    width: Dimension
    layers: Dimension
    heads: Dimension
    kind: Literal["gpt2", "llama"] = "gpt2"
    key_value_heads: Annotated[int, Meta(ge=0)] = 0
    tokenizer: str = ""


class Start(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The folder of the checkpoint to go on from; a relative one is looked for beside the recipe.

    Its tokenizer and chat template are kept. Any causal model that chatdesk loads will do.
    """

    checkpoint: Name


class Lora(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """An adapter of low rank (Hu et al. 2021, https://arxiv.org/abs/2106.09685) instead of all weights.

    What it adds is multiplied by ``alpha / rank``. ``targets``: ends of the names of layers; without any, all linear
    layers but the output.
    """

    rank: Annotated[int, Meta(ge=1, le=4096)] = 8
    alpha: Annotated[float, Meta(gt=0, le=1e6)] = 16.0
    dropout: Annotated[float, Meta(ge=0, lt=1)] = 0.0
    targets: tuple[Name, ...] = ()


class Stage(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One part of a run, with its own text and schedule.

    ``sequence`` is in tokens, ``batch`` in sequences; ``accumulate``: in so many parts a batch is computed, which takes
    less memory for the same result. The length is ``tokens`` or ``steps``, one of the two.
    ``loss``: on every token, or on the assistant's replies (and prose) alone. ``isolate``: a document sees only itself
    and its positions start at 0, as in a real conversation; otherwise it also sees what was packed before it.
    The learning rate rises over ``warmup_steps`` and falls along a cosine to ``final_learning_rate``.
    ``layers``: the model grows to so many blocks as the stage begins (see `model.new_model`), and keeps them.
    """

    name: Name
    sources: Annotated[tuple[Source, ...], Meta(min_length=1)]
    sequence: Dimension
    batch: Dimension
    learning_rate: Rate
    tokens: Positive | None = None
    steps: Positive | None = None
    final_learning_rate: Annotated[float, Meta(ge=0, le=1)] = 0.0
    warmup_steps: Annotated[int, Meta(ge=0)] = 0
    loss: Literal["everything", "replies"] = "everything"
    isolate: bool = False
    held_out: tuple[Source, ...] = ()
    layers: Dimension | None = None
    accumulate: Positive = 1

    @property
    def step_count(self) -> int:
        """Steps of this stage; a budget in tokens is rounded down to whole steps, but never to none."""
        return self.steps or max(1, (self.tokens or 0) // self.tokens_per_step)

    @property
    def tokens_per_step(self) -> int:
        """Tokens shown to the model in one step."""
        return self.sequence * self.batch


class SamplingDefaults(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How the finished checkpoint suggests to sample; 0 turns top-k and min-p off, ``max_new_tokens`` is a length.

    Every value is written: transformers 5 fills what is missing with its own (top-k 50).
    """

    temperature: Annotated[float, Meta(ge=0, le=100)] = 0.7
    top_p: Rate = 0.9
    top_k: Annotated[int, Meta(ge=0)] = 0
    min_p: Annotated[float, Meta(ge=0, le=1)] = 0.0
    repetition_penalty: Annotated[float, Meta(gt=0, le=100)] = 1.1
    max_new_tokens: Positive = 256


class Recipe(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A whole run. ``weight_decay`` and ``clip`` (of the gradient's norm) hold for all stages.

    With ``muon`` the matrices inside the blocks are trained by Muon at the stage's learning rate, all other parameters
    by AdamW at ``other_rate`` times that rate; with ``adamw`` everything by AdamW at the stage's rate.

    Every ``held_out_every_steps`` and at a stage's end the loss on held-out text is measured, and each of
    ``sample_prompts`` is continued by up to ``sample_tokens``; in a stage that learns replies it is asked as a message.
    With ``patience`` a stage ends after so many measurements without a better loss, and takes the weights of the best;
    0 is off. ``checkpointing`` computes the blocks twice and so keeps less in memory for the backward pass.
    """

    version: int
    stages: Annotated[tuple[Stage, ...], Meta(min_length=1)]
    model: ModelShape | None = None
    start: Start | None = None
    lora: Lora | None = None
    seed: Annotated[int, Meta(ge=0, le=1 << 62)] = 0
    precision: Literal["bf16", "fp32"] = "bf16"
    optimizer: Literal["adamw", "muon"] = "adamw"
    other_rate: Annotated[float, Meta(gt=0, le=1)] = 0.15
    weight_decay: Annotated[float, Meta(ge=0, le=1)] = 0.1
    clip: Annotated[float, Meta(gt=0)] = 1.0
    held_out_every_steps: Positive = 200
    save_every_seconds: Annotated[float, Meta(gt=0)] = 180.0
    sample_prompts: tuple[Name, ...] = ()
    sample_tokens: Positive = 60
    patience: Annotated[int, Meta(ge=0)] = 0
    checkpointing: bool = False
    sampling: SamplingDefaults = SamplingDefaults()

    def layers_in(self, stage: int) -> int:
        """Blocks of the model while stage number ``stage`` is trained; before the first: -1."""
        grown = [part.layers for part in self.stages[: stage + 1] if part.layers is not None]
        return max([self.shape.layers, *grown])

    @property
    def shape(self) -> ModelShape:
        """The new model's; a recipe with ``start`` has none."""
        if self.model is None:
            raise LookupError("the recipe begins with a checkpoint")
        return self.model

    @property
    def hash(self) -> str:
        """SHA-256 of the meaning: comments and the order of keys do not count."""
        return hashlib.sha256(msgspec.json.encode(self, order="deterministic")).hexdigest()

    @property
    def token_count(self) -> int:
        """Tokens shown to the model in the whole run."""
        return sum(stage.step_count * stage.tokens_per_step for stage in self.stages)


def load_recipe(path: Path) -> Recipe:
    """The recipe in the file ``path``. Raises ``FILE_NOT_FOUND`` or ``BAD_RECIPE`` with the key that is wrong."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(Fault.FILE_NOT_FOUND, path=path) from None
    except OSError as error:
        raise UserError(Fault.BAD_RECIPE, path=path, reason=error.strerror or error) from None
    except (ValueError, RecursionError) as error:  # also bytes that are no UTF-8, and numbers of 5,000 digits
        raise UserError(Fault.BAD_RECIPE, path=path, reason=f"not valid TOML: {error}") from None
    version = data.get("version")
    if version != VERSION:
        said = "says no version" if version is None else f"has version {version}"
        raise UserError(Fault.BAD_RECIPE, path=path, reason=f"it {said}; this program reads version = {VERSION}")
    try:
        recipe = msgspec.convert(data, Recipe)
    except msgspec.ValidationError as error:
        raise UserError(Fault.BAD_RECIPE, path=path, reason=_sentence(str(error))) from None
    reason = _contradiction(recipe)
    if reason:
        raise UserError(Fault.BAD_RECIPE, path=path, reason=reason)
    return recipe


def write_recipe(recipe: Recipe, path: Path) -> None:
    """Write a recipe as `load_recipe` reads it, without what is as usual; the file is replaced whole.

    Raises ``CANNOT_WRITE``.
    """
    half = path.with_name(path.name + ".part")
    try:
        half.write_text(tomli_w.dumps(msgspec.to_builtins(recipe)), encoding="utf-8")
        os.replace(half, path)
    except OSError as error:
        raise UserError(Fault.CANNOT_WRITE, path=path, reason=error.strerror or error) from None


def _sentence(message: str) -> str:
    """The validator's words with the key first: "stages[0].batch: Expected `int` >= 1"."""
    what, _, where = message.partition(" - at `$")
    what = what.replace("Object contains unknown field", "unknown key").replace(
        "Object missing required field", "missing key"
    )
    key = where.rstrip("`").lstrip(".")
    return f"{key}: {what}" if key else what


def _contradiction(recipe: Recipe) -> str | None:
    """What is wrong although each value alone is right."""
    if recipe.lora and not recipe.start:
        return "lora needs start: an adapter changes a checkpoint"
    if (recipe.model is None) == (recipe.start is None):
        return "give either model, for a new one, or start, for a checkpoint to go on from"
    reason = _wrong_shape(recipe.model) if recipe.model else _wrong_start(recipe)
    if reason:
        return reason
    if recipe.patience and not all(stage.held_out for stage in recipe.stages):
        return "patience needs held_out in every stage"
    names = [stage.name for stage in recipe.stages]
    for index, stage in enumerate(recipe.stages):
        if reason := _wrong_name(stage.name, names[:index]) or _wrong_stage(stage, recipe.model):
            return f"stages[{index}]{reason}"
    return None


def _wrong_stage(stage: Stage, model: ModelShape | None) -> str | None:
    if (stage.tokens is None) == (stage.steps is None):
        return ": give either tokens or steps"
    if stage.step_count * stage.batch > _MOST_ROWS:
        return f": {stage.step_count} steps of {stage.batch} rows are more than can be planned; give fewer"
    if model and stage.sequence > model.context:
        return f".sequence ({stage.sequence}) is longer than model.context ({model.context})"
    if stage.batch % stage.accumulate:
        return f".batch ({stage.batch}) is not a multiple of accumulate ({stage.accumulate})"
    return None


def _wrong_name(name: str, before: list[str]) -> str | None:
    if name in before:
        return f".name ({name}) is used twice"
    if len(name) > _LONGEST_NAME or _NOT_IN_NAMES.search(name):
        return f".name: a file is called by it, so at most {_LONGEST_NAME} letters and none of {_FORBIDDEN}"
    return None


def _wrong_shape(shape: ModelShape) -> str | None:
    if shape.width % shape.heads:
        return f"model.width ({shape.width}) is not a multiple of model.heads ({shape.heads})"
    if not shape.tokenizer and shape.vocabulary < LEAST_VOCABULARY:
        return f"model.vocabulary ({shape.vocabulary}) is below {LEAST_VOCABULARY}: every byte and mark needs a token"
    if shape.kind == "gpt2" and shape.key_value_heads:
        return "model.key_value_heads is for kind = llama"
    if shape.kind == "llama" and (shape.width // shape.heads) % 2:
        return f"model.width / model.heads ({shape.width // shape.heads}) is odd, and Llama turns pairs of numbers"
    if shape.key_value_heads and shape.heads % shape.key_value_heads:
        return f"model.heads ({shape.heads}) is not a multiple of model.key_value_heads ({shape.key_value_heads})"
    return None


def _wrong_start(recipe: Recipe) -> str | None:
    if any(stage.layers for stage in recipe.stages):
        return "layers in a stage is for a new model; a checkpoint keeps its blocks"
    if recipe.lora and recipe.optimizer == "muon":
        return "optimizer = muon is for whole matrices; choose adamw with lora"
    return None


def read_record(file: Path, kind: type[R]) -> R:
    """What a run keeps in a file of JSON. Raises ``RUN_RECORD_DAMAGED``, and `OSError`."""
    data = file.read_bytes()
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        reason = f"it is not what was written ({error})" if data.strip() else "it is empty"
        raise UserError(Fault.RUN_RECORD_DAMAGED, path=file, reason=reason) from None


def opening(text: str, words: int) -> str:
    """The first so many `WORDS` of a text, a prompt to go on with; blanks between them are made single."""
    found = list(islice(WORDS.finditer(text), words))
    return " ".join(text[: found[-1].end()].split()) if found else ""


def find_checkpoint(start: Start, recipe: Path) -> Path:
    """The folder of the checkpoint that a recipe begins with."""
    return find_folder(start.checkpoint, recipe)


def find_folder(name: str, recipe: Path) -> Path:
    """Where the folder ``name`` lies, beside the recipe unless it is absolute. Raises ``BAD_RECIPE``."""
    try:
        return (recipe.parent / _expanded(name)).resolve()
    except (OSError, ValueError) as error:  # a loop of links; a NUL in the name
        raise UserError(Fault.BAD_RECIPE, path=recipe, reason=f"the folder {name!r} cannot be: {error}") from None


def _expanded(name: str) -> Path:
    """With the home folder for ``~``."""
    try:
        return Path(name).expanduser()
    except RuntimeError:  # nobody is called so
        return Path(name)


def with_whole_paths(recipe: Recipe, path: Path) -> Recipe:
    """The recipe of the file ``path`` as it means the same from any other folder."""

    def whole(name: str) -> str:
        return name if _expanded(name).is_absolute() else str(find_folder(name, path))

    if recipe.start is not None:
        return msgspec.structs.replace(recipe, start=Start(whole(recipe.start.checkpoint)))
    if recipe.shape.tokenizer:
        shape = msgspec.structs.replace(recipe.shape, tokenizer=whole(recipe.shape.tokenizer))
        return msgspec.structs.replace(recipe, model=shape)
    return recipe


def checked_text(text: Path | None) -> Path | None:
    """The folder of text that a person names. Raises ``FILE_NOT_FOUND``: else files of the same names beside the
    recipe would be taken.
    """
    if text is not None and not text.is_dir():
        raise UserError(Fault.FILE_NOT_FOUND, path=text)
    return text


def find_file(name: str, recipe: Path, text: Path | None) -> Path:
    """Where the source ``name`` lies: in the folder ``text``, else beside the recipe. Raises ``FILE_NOT_FOUND``."""
    for folder in (text, recipe.parent):
        with suppress(OSError):  # a name longer than any can be
            if folder is not None and (file := folder / _expanded(name)).is_file():
                return file
    raise UserError(Fault.FILE_NOT_FOUND, path=(text or recipe.parent) / name)
