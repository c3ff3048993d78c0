"""What a run will take on this machine: parameters, memory, hours, from steps of the very model on random tokens.

Memory is counted: weights, gradients and the optimizers' states in float32, the tensors that the backward pass keeps of
one step, as autograd saves them, and what `memory` adds. The time is that of whole steps; reading text, held-out
losses and saves come on top of it, a few per cent.
"""

import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import psutil
import torch
from msgspec import Struct
from torch import Tensor

from chatdesk.errors import Fault, UserError
from chatdesk.library.figures import short_bytes
from chatdesk.training.corpus import text_bytes, wanted_bytes
from chatdesk.training.feed import Inputs
from chatdesk.training.memory import LIBRARIES, peak_bytes, tokenizer_bytes
from chatdesk.training.model import LossModel, count_parameters, is_in_block, keep_less, new_model
from chatdesk.training.origins import FromCheckpoint, borrowed, sized
from chatdesk.training.recipe import ModelShape, Recipe, Stage, checked_text, find_file, find_folder, load_recipe
from chatdesk.training.run_folder import RunFolder, trained
from chatdesk.training.tokenizer import long_share
from chatdesk.training.trainer import make_optimizers

OPTIMAL = 20
"""Tokens for each parameter at which a given amount of computing is spent best (Hoffmann et al. 2022)."""

_FLOAT = 4
_HEAD = 64  # width of a head in the shapes that are proposed
_DOCUMENT = 256  # tokens of a document where documents see only themselves
_MOST_ROWS_S = 4.0


class StageEstimate(Struct, frozen=True):
    """One stage: ``seconds`` of its steps, ``memory_bytes`` at the most."""

    name: str
    parameters: int
    tokens: int
    tokens_per_s: float
    seconds: float
    memory_bytes: int


class Estimate(Struct, frozen=True):
    """A whole run. ``text_tokens``: about how many the recipe's files hold, each counted once; 0 without files.
    ``tokenizer_bytes``: memory to train the tokenizer before the first stage, 0 where none is or without files.

    ``proposed``: the shape that suits so much text, None without files.
    """

    device: str
    stages: tuple[StageEstimate, ...]
    text_tokens: int
    proposed: ModelShape | None
    tokenizer_bytes: int = 0

    @property
    def seconds(self) -> float:
        """Of all stages."""
        return sum(stage.seconds for stage in self.stages)

    @property
    def memory_bytes(self) -> int:
        """Of the stage that takes the most, or of the tokenizer's training."""
        return max(self.tokenizer_bytes, *(stage.memory_bytes for stage in self.stages))


def estimate(
    path: Path, text: Path | None = None, seconds: float = 30.0, tell: Callable[[str], None] = lambda _: None
) -> Estimate:
    """Measure the stages of a recipe for ``seconds`` together. ``text``: as `trainer.train` takes it.

    Raises BAD_RECIPE, FILE_NOT_FOUND, and DOES_NOT_FIT before a model is made that this machine cannot hold.
    """
    recipe, text = load_recipe(path), checked_text(text)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    stages = []
    for index, stage in enumerate(recipe.stages):
        tell(stage.name)
        stages.append(_stage(recipe, path, index, device, seconds / len(recipe.stages)))
    files = _files(recipe, path, text)
    tokens = int(sum(map(text_bytes, files)) / wanted_bytes(1))
    shape = _shape_of(recipe, path) if recipe.model else None
    proposed = propose(tokens, shape.vocabulary, shape.context) if tokens and shape else None
    name = torch.cuda.get_device_name() if device.type == "cuda" else "CPU"
    is_cut_anew = recipe.model is not None and not recipe.model.tokenizer
    return Estimate(name, tuple(stages), tokens, proposed, _tokenizer_bytes(files) if is_cut_anew else 0)


def propose(tokens: int, vocabulary: int, context: int) -> ModelShape:
    """The shape with about a parameter for every `OPTIMAL` tokens of text; the smallest one has a single head."""
    heads = 1
    while _size(heads + 1, vocabulary, context) <= tokens / OPTIMAL:
        heads += 1
    return _shape(heads, vocabulary, context)


def _shape(heads: int, vocabulary: int, context: int) -> ModelShape:
    """As deep as GPT-2's are for their width: twelve layers at 768, four at the least."""
    return ModelShape(vocabulary, context, width=heads * _HEAD, layers=max(4, heads), heads=heads)


def _size(heads: int, vocabulary: int, context: int) -> int:
    shape = _shape(heads, vocabulary, context)
    return 12 * shape.layers * shape.width**2 + (vocabulary + context) * shape.width


def _files(recipe: Recipe, path: Path, text: Path | None) -> list[Path]:
    names = {source.file for stage in recipe.stages for source in stage.sources}
    try:
        return [find_file(name, path, text) for name in sorted(names)]
    except UserError:  # a recipe may be weighed before there is text
        return []


def _tokenizer_bytes(files: list[Path]) -> int:
    total = sum(map(text_bytes, files))
    long = sum(text_bytes(file) * long_share(file) for file in files)
    return tokenizer_bytes(total, long / total) if total else 0


def _shape_of(recipe: Recipe, path: Path) -> ModelShape:
    shape = recipe.shape
    return sized(shape, borrowed(find_folder(shape.tokenizer, path))) if shape.tokenizer else shape


def _model(recipe: Recipe, path: Path, index: int, device: torch.device) -> LossModel:
    """The model of a stage, on the device. Raises DOES_NOT_FIT before a new one is made."""
    if recipe.start is not None:
        origin = FromCheckpoint(recipe, path, RunFolder(path.parent), device)
        origin.encoder.close()
        return origin.make(index).to(device)
    shape, name = _shape_of(recipe, path), recipe.stages[index].name
    with torch.device("meta"):
        held = _state_bytes(new_model(shape, 0, recipe.seed, recipe.layers_in(index)), recipe)
    free = torch.cuda.mem_get_info()[0] if device.type == "cuda" else psutil.virtual_memory().available
    if held > free:
        total = f"{short_bytes(free)} free"
        raise UserError(Fault.DOES_NOT_FIT, name=f"The stage {name}", needed=short_bytes(held), total=total)
    return new_model(shape, 0, recipe.seed, recipe.layers_in(index)).to(device)


def _stage(recipe: Recipe, path: Path, index: int, device: torch.device, seconds: float) -> StageEstimate:
    stage, model = recipe.stages[index], _model(recipe, path, index, device)
    parameters, held = count_parameters(model), _state_bytes(model, recipe)
    gradients = _FLOAT * sum(value.numel() for _, value in trained(model))
    if recipe.checkpointing:
        keep_less(model)
    model.train()
    step = _Step(model, recipe, stage, device)
    rows = stage.batch // stage.accumulate
    one, two = step.saved_bytes(1), step.saved_bytes(2)
    copies, kept = max(0, 2 * one - two), (two - one) * rows  # the weights' copies are the same for any rows
    logits = rows * stage.sequence * step.vocabulary
    libraries = LIBRARIES if device.type == "cpu" else 0
    memory = peak_bytes(held - gradients, gradients, copies, kept, logits, libraries, stage.accumulate)
    speed = step.speed(seconds)
    tokens = stage.step_count * stage.tokens_per_step
    return StageEstimate(stage.name, parameters, tokens, speed, tokens / speed, memory)


def _state_bytes(model: LossModel, recipe: Recipe) -> int:
    """Weights, gradients, and what the optimizers keep: two numbers for each trained parameter, Muon one."""
    named = list(trained(model))
    inner = sum(v.numel() for n, v in named if recipe.optimizer == "muon" and is_in_block(n) and v.dim() == 2)
    weights = sum(value.nbytes for value in model.parameters())
    return weights + _FLOAT * (3 * sum(value.numel() for _, value in named) - inner)


class _Step:
    """Steps of one stage on random tokens."""

    def __init__(self, model: LossModel, recipe: Recipe, stage: Stage, device: torch.device) -> None:
        self._model, self._recipe, self._stage, self._device = model, recipe, stage, device
        self._optimizers = make_optimizers(model, recipe)
        self.vocabulary: int = model.causal.get_input_embeddings().num_embeddings
        is_compiled = device.type == "cuda" and find_spec("triton") is not None
        self._shared = torch.compile(model, dynamic=False) if is_compiled else model

    def saved_bytes(self, rows: int) -> int:
        """What the backward pass keeps of the forward pass over some rows, the weights left out."""
        weights = {value.untyped_storage().data_ptr() for value in self._model.parameters()}
        found: dict[int, int] = {}

        def pack(tensor: Tensor) -> Tensor:
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in weights:
                found[storage.data_ptr()] = storage.nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor), self._precision():
            loss = self._model(*self._inputs(rows))
        del loss
        return sum(found.values())

    def speed(self, seconds: float) -> float:
        """Tokens a second of whole steps. On a slow machine fewer rows are measured, twice: an optimizer takes the same
        for any number of rows, so the time of a whole batch follows from the two.
        """
        self._once(1)
        batch = self._stage.batch
        rows = int(max(2, min(batch, min(_MOST_ROWS_S, seconds / 4) / self._once(1))))
        if rows >= batch:
            step_s = self._mean_s(batch, seconds)
        else:
            few, many = self._mean_s(1, seconds / 3), self._mean_s(rows, 2 * seconds / 3)
            step_s = many + max(0.0, many - few) * (batch - rows) / (rows - 1)
        return batch * self._stage.sequence / step_s

    def _mean_s(self, rows: int, seconds: float) -> float:
        """Seconds of a step of so many rows, the mean over ``seconds`` of them."""
        self._once(rows)  # makes what is made once
        times = [self._once(rows)]
        while sum(times) < seconds:
            times.append(self._once(rows))
        return sum(times) / len(times)

    def _once(self, rows: int) -> float:
        """Seconds of one step."""
        inputs, began = self._inputs(rows), time.perf_counter()
        with self._precision():
            loss = self._shared(*inputs) / (rows * self._stage.sequence)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._model.parameters(), self._recipe.clip)
        for optimizer in self._optimizers:
            optimizer.step()
            optimizer.zero_grad()
        if self._device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - began

    def _precision(self) -> torch.autocast:
        return torch.autocast(self._device.type, torch.bfloat16, enabled=self._recipe.precision == "bf16")

    def _inputs(self, rows: int) -> Inputs:
        size = rows, self._stage.sequence
        tokens = torch.randint(self.vocabulary, size, device=self._device)
        places = torch.arange(self._stage.sequence, device=self._device).expand(size)
        return tokens, tokens, places % _DOCUMENT if self._stage.isolate else None, torch.ones_like(tokens).bool()
