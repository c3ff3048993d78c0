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

A file is looked for in the text folder given with the run, then beside the recipe. A weight is a share of the stage's
tokens. Unknown keys are refused: a key that is accepted and ignored is a lie. No torch here.
"""

import hashlib
import tomllib
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from chatdesk.errors import Fault, UserError

VERSION = 1

Positive = Annotated[int, Meta(ge=1)]
Rate = Annotated[float, Meta(gt=0, le=1)]
Name = Annotated[str, Meta(min_length=1)]


class Source(Struct, frozen=True, forbid_unknown_fields=True):
    """A file of text and its share of the tokens (any unit: the weights of a stage are summed)."""

    file: Name
    weight: Annotated[float, Meta(gt=0)] = 1.0


class ModelShape(Struct, frozen=True, forbid_unknown_fields=True):
    """The sizes of a GPT-2: ``context`` in tokens, ``width`` a multiple of ``heads``."""

    vocabulary: Annotated[int, Meta(ge=261, le=1_000_000)]
    context: Positive
    width: Positive
    layers: Positive
    heads: Positive


class Stage(Struct, frozen=True, forbid_unknown_fields=True):
    """One part of a run, with its own text and schedule.

    ``sequence`` is in tokens, ``batch`` in sequences. The length is ``tokens`` or ``steps``, one of the two.
    ``loss``: on every token, or on the assistant's replies (and prose) alone. ``isolate``: a document sees only itself
    and its positions start at 0, as in a real conversation; otherwise it also sees what was packed before it.
    The learning rate rises over ``warmup_steps`` and falls along a cosine to ``final_learning_rate``.
    ``layers``: the model grows to so many blocks as the stage begins (see `model.new_model`), and keeps them.
    """

    name: Name
    sources: Annotated[tuple[Source, ...], Meta(min_length=1)]
    sequence: Positive
    batch: Positive
    learning_rate: Rate
    tokens: Positive | None = None
    steps: Positive | None = None
    final_learning_rate: Annotated[float, Meta(ge=0, le=1)] = 0.0
    warmup_steps: Annotated[int, Meta(ge=0)] = 0
    loss: Literal["everything", "replies"] = "everything"
    isolate: bool = False
    held_out: tuple[Source, ...] = ()
    layers: Positive | None = None

    @property
    def step_count(self) -> int:
        """Steps of this stage; a budget in tokens is rounded down to whole steps, but never to none."""
        return self.steps or max(1, (self.tokens or 0) // self.tokens_per_step)

    @property
    def tokens_per_step(self) -> int:
        """Tokens shown to the model in one step."""
        return self.sequence * self.batch


class SamplingDefaults(Struct, frozen=True, forbid_unknown_fields=True):
    """How the finished checkpoint suggests to sample; 0 turns top-k and min-p off, ``max_new_tokens`` is a length.

    Every value is written: transformers 5 fills what is missing with its own (top-k 50).
    """

    temperature: Annotated[float, Meta(ge=0)] = 0.7
    top_p: Rate = 0.9
    top_k: Annotated[int, Meta(ge=0)] = 0
    min_p: Annotated[float, Meta(ge=0, le=1)] = 0.0
    repetition_penalty: Annotated[float, Meta(gt=0)] = 1.1
    max_new_tokens: Positive = 256


class Recipe(Struct, frozen=True, forbid_unknown_fields=True):
    """A whole run. ``weight_decay`` and ``clip`` (of the gradient's norm) hold for all stages.

    With ``muon`` the matrices inside the blocks are trained by Muon at the stage's learning rate, all other parameters
    by AdamW at ``other_rate`` times that rate; with ``adamw`` everything by AdamW at the stage's rate.

    Every ``held_out_every_steps`` and at a stage's end the loss on held-out text is measured, and each of
    ``sample_prompts`` is continued by up to ``sample_tokens``; in a stage that learns replies it is asked as a message.
    """

    version: int
    model: ModelShape
    stages: Annotated[tuple[Stage, ...], Meta(min_length=1)]
    seed: Annotated[int, Meta(ge=0)] = 0
    precision: Literal["bf16", "fp32"] = "bf16"
    optimizer: Literal["adamw", "muon"] = "adamw"
    other_rate: Annotated[float, Meta(gt=0, le=1)] = 0.15
    weight_decay: Annotated[float, Meta(ge=0, le=1)] = 0.1
    clip: Annotated[float, Meta(gt=0)] = 1.0
    held_out_every_steps: Positive = 200
    save_every_seconds: Annotated[float, Meta(gt=0)] = 180.0
    sample_prompts: tuple[Name, ...] = ()
    sample_tokens: Positive = 60
    sampling: SamplingDefaults = SamplingDefaults()

    def layers_in(self, stage: int) -> int:
        """Blocks of the model while stage number ``stage`` is trained; before the first: -1."""
        grown = [part.layers for part in self.stages[: stage + 1] if part.layers is not None]
        return max([self.model.layers, *grown])

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
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
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
    shape = recipe.model
    if shape.width % shape.heads:
        return f"model.width ({shape.width}) is not a multiple of model.heads ({shape.heads})"
    names = [stage.name for stage in recipe.stages]
    for index, stage in enumerate(recipe.stages):
        where = f"stages[{index}]"
        if (stage.tokens is None) == (stage.steps is None):
            return f"{where}: give either tokens or steps"
        if stage.sequence > shape.context:
            return f"{where}.sequence ({stage.sequence}) is longer than model.context ({shape.context})"
        if stage.name in names[:index]:
            return f"{where}.name ({stage.name}) is used twice"
    return None


def find_file(name: str, recipe: Path, text: Path | None) -> Path:
    """Where the source ``name`` lies: in the folder ``text``, else beside the recipe. Raises ``FILE_NOT_FOUND``."""
    for folder in (text, recipe.parent):
        if folder is not None and (folder / name).is_file():
            return folder / name
    raise UserError(Fault.FILE_NOT_FOUND, path=(text or recipe.parent) / name)
