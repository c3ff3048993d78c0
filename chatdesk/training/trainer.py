"""The training loop, on accelerate: bf16 autocast, AdamW or Muon, warm-up and cosine, clipping, saves, resuming.

A run that was killed goes on from its last save with the same text in the same order, and with no dropout there is no
other chance in it: it ends where the unbroken run would have ended, but for rounding. Started in several processes by
``accelerate launch``, each takes its rows of every batch, and the first alone writes.

What it begins with and what it leaves is the matter of `origins`.
"""

import math
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, nullcontext
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from msgspec.structs import replace
from tokenizers import Tokenizer
from torch import Tensor
from torch.optim import AdamW, Optimizer

from chatdesk.engine.local.loading import give_back
from chatdesk.errors import Fault, UserError
from chatdesk.training.continuing import continuation
from chatdesk.training.corpus import (
    Document,
    TokenArrays,
    kept_arrays,
    sample_documents,
    text_bytes,
    tokenise,
    wanted_bytes,
)
from chatdesk.training.events import (
    Began,
    Changed,
    Finished,
    HeldOut,
    Paused,
    Preparing,
    Report,
    Sampled,
    Saved,
    Stepped,
    StoppedEarly,
    TrainEvent,
)
from chatdesk.training.feed import Ready, ahead, make_ready, on_device, split
from chatdesk.training.memory import SAMPLE_BYTES
from chatdesk.training.model import LossModel, blocks_of, count_parameters, is_in_block, keep_less
from chatdesk.training.order import Order, held_out_batches, require_replies
from chatdesk.training.origins import FromCheckpoint, NewModel, Origin, stamp
from chatdesk.training.process import told
from chatdesk.training.recipe import Recipe, Source, Stage, checked_text, find_checkpoint, find_file, load_recipe
from chatdesk.training.run_folder import Position, RunFolder
from chatdesk.training.token_store import alone, make_room, note_use, place_of
from chatdesk.training.tokenizer import sample, train_tokenizer

BETAS = (0.9, 0.95)  # as in GPT-3 (Brown et al. 2020, appendix B): the usual choice for small batches of text
_HELD_OUT_TOKENS = 32_768  # for each source: an error of about 0.02 nats, a few seconds of work
_REPORT_SECONDS = 5.0
_STEPS_BETWEEN_STOPS = 10  # in which several processes do not ask each other


class _Stop(Exception):
    """Ends the work where there is nothing to save."""


def train(
    recipe: Path,
    text: Path | None,
    out: Path,
    report: Report,
    accept_changes: bool = False,
    stop: threading.Event | None = None,
) -> Path | None:
    """Train the model of a recipe in the run folder ``out`` and return the folder of the finished checkpoint.

    Once ``stop`` is set, the run saves itself and tells so by `Paused`; None is returned.

    ``text`` is the folder the recipe's files are named from; with the run's own recipe.toml, the one it began with
    need not be said again. When ``out`` holds a run of this recipe, it is resumed;
    when the recipe has changed, it is refused, or goes on with what is left of the new one under ``accept_changes``
    (the change is noted in run.json). Raises ``BAD_RECIPE``, ``FILE_NOT_FOUND``, ``BROKEN_TEXT``, ``NO_TEXT``,
    ``NO_REPLIES``, ``BASE_CHANGED``, ``RUN_IN_USE``, ``RUN_NOT_SAVED``, ``RUN_OUT_OF_MEMORY``, ``RUN_DIVERGED`` when
    the loss is no number any more, ``RUN_RECORD_DAMAGED``, ``RUN_STATE_DAMAGED``; what was saved before stays whole.
    """
    read = load_recipe(recipe)
    if read.optimizer == "muon" and not hasattr(torch.optim, "Muon"):
        raise UserError(Fault.BAD_RECIPE, path=recipe, reason="optimizer = muon needs torch 2.9 or later; choose adamw")
    folder = RunFolder(out)
    place, text = folder.whence(recipe, checked_text(text))
    files = {
        source.file: find_file(source.file, place, text)
        for stage in read.stages
        for source in (*stage.sources, *stage.held_out)
    }
    accelerator = Accelerator(mixed_precision="bf16" if read.precision == "bf16" else "no")
    if accelerator.device.type == "cuda":
        torch.set_float32_matmul_precision("high")  # TF32 for what autocast leaves in float32
    with told(out):
        if accelerator.is_main_process:
            folder.lock()
        try:
            with accelerator.main_process_first():
                changed = folder.claim(read, recipe, accept_changes, text)
            return _Run(accelerator, read, files, folder, report, stop or threading.Event()).work(place, changed)
        finally:
            folder.unlock()


def learning_rate(stage: Stage, step: int) -> float:
    """The rate of step ``step`` (from 0): linear warm-up, then a cosine that would end after the last step."""
    if step < stage.warmup_steps:
        return stage.learning_rate * (step + 1) / stage.warmup_steps
    done = (step - stage.warmup_steps) / max(1, stage.step_count - stage.warmup_steps)
    height = (1 + math.cos(math.pi * done)) / 2
    return stage.final_learning_rate + (stage.learning_rate - stage.final_learning_rate) * height


def make_optimizers(model: LossModel, recipe: Recipe) -> list[Optimizer]:
    """The recipe's optimizers; each group says under "rate" by what the stage's learning rate is multiplied.

    Matrices decay, biases and norms do not. Muon (Jordan 2024, https://kellerjordan.github.io/posts/muon) makes the
    update of a block's matrix orthogonal; after 0.37 million tokens a model of 6 million parameters had a held-out loss
    of 5.69 with it and of 6.33 with AdamW alone.
    """
    named = [(name, value) for name, value in model.named_parameters() if value.requires_grad]
    inner = [value for name, value in named if recipe.optimizer == "muon" and is_in_block(name) and value.dim() == 2]
    outer = [value for _, value in named if not any(value is other for other in inner)]
    rate = recipe.other_rate if inner else 1.0
    groups = [
        {"params": [value for value in outer if value.dim() > 1], "weight_decay": recipe.weight_decay, "rate": rate},
        {"params": [value for value in outer if value.dim() < 2], "weight_decay": 0.0, "rate": rate},
    ]
    optimizers: list[Optimizer] = [AdamW(groups, betas=BETAS, fused=True)]
    if inner:
        optimizers.append(torch.optim.Muon([{"params": inner, "rate": 1.0}], weight_decay=recipe.weight_decay))
    return optimizers


class _Run:
    """One call of `train`: the recipe and what is at work on it."""

    def __init__(
        self,
        accelerator: Accelerator,
        recipe: Recipe,
        files: dict[str, Path],
        folder: RunFolder,
        report: Report,
        stop: threading.Event,
    ) -> None:
        self._accelerator = accelerator
        self._mine = slice(accelerator.process_index, None, accelerator.num_processes)  # of the rows of a batch
        self._recipe = recipe
        self._files = files
        self._folder = folder
        self._listener = report
        self._began = time.monotonic()
        self._saved = self._began
        self._stop = stop

    def work(self, path: Path, changed: bool) -> Path | None:
        """All stages that are left, then the finished checkpoint; None when it was stopped before."""
        try:
            with self._accelerator.main_process_first():
                self._origin = self._begin(path)
            with closing(self._origin.encoder):
                return self._work(path, changed)
        except _Stop:
            at = self._folder.position()
            stage = self._recipe.stages[min(at.stage, len(self._recipe.stages) - 1)]
            self._report(Paused(stage.name, at.step, at.tokens, str(self._folder.root)))
            return None

    def _work(self, path: Path, changed: bool) -> Path:
        recipe, at = self._recipe, self._folder.position()
        if recipe.start is not None:
            base = find_checkpoint(recipe.start, path)
            with self._accelerator.main_process_first():
                self._folder.hold_base(base, stamp(base))
        self._prepare(at.stage)
        if changed:
            stage = recipe.stages[min(at.stage, len(recipe.stages) - 1)]
            self._report(Changed(stage.name, at.step, recipe.hash))
        self._report(Began(count_parameters(self._model), recipe.token_count, at.tokens))
        self._make_up(at)
        for index in range(at.stage, len(recipe.stages)):
            at = self._stage(index, at)
        self._report(Finished(str(self._origin.result), at.tokens, time.monotonic() - self._began))
        return self._origin.result

    def _make_up(self, at: Position) -> None:
        """Do what follows the save of a state, where a kill or a full disk came in between."""
        if not self._accelerator.is_main_process:
            return
        if at.best_loss is not None and at.best_step == at.step:
            self._folder.keep(self._folder.best.stem)
        if at.stage and not at.step:
            name = f"after-{self._recipe.stages[at.stage - 1].name}"
            if not self._folder.kept(name).exists():
                self._folder.keep(name)
        if at.stage == len(self._recipe.stages):
            self._origin.export(self._model)

    def _report(self, event: TrainEvent) -> None:
        if not self._accelerator.is_main_process:
            return
        self._folder.note(event)
        self._listener(event)

    def _tell(self, meter: "_Meter") -> None:
        """Report the steps since the last report, if there are any: also before what would pass for their time."""
        if event := meter.take():
            self._check_sane(event.loss, event.stage, event.step)
            self._report(event)

    def _check_sane(self, loss: float, stage: str, step: int) -> None:
        """Before anything is saved: numbers that are none would take the place of the last good ones."""
        if not math.isfinite(loss):
            raise UserError(Fault.RUN_DIVERGED, stage=stage, step=step, path=self._folder.root)

    def _until_stopped(self, documents: Iterable[Document]) -> Iterator[Document]:
        """The documents, until the run is to stop: tokenising may take long, and begins anew when it was cut."""
        for document in documents:
            self._check_stop()
            yield document

    def _check_stop(self) -> None:
        if self._stop.is_set():
            raise _Stop

    def _is_stopped(self, step: int) -> bool:
        """Whether to stop after this step. Several processes must agree, which costs time, so they ask seldom."""
        if self._accelerator.num_processes == 1:
            return self._stop.is_set()
        if step % _STEPS_BETWEEN_STOPS:
            return False
        asked = torch.tensor(float(self._stop.is_set()), device=self._accelerator.device)
        return bool(self._mean(asked).item() > 0)

    # what is needed before the first step

    def _begin(self, path: Path) -> Origin:
        if self._recipe.start is None:
            return NewModel(self._recipe, path, self._folder, self._train_tokenizer)
        self._report(Preparing("loading the checkpoint"))
        return FromCheckpoint(self._recipe, path, self._folder, self._accelerator.device)

    def _train_tokenizer(self) -> Tokenizer:
        self._report(Preparing("training the tokenizer"))
        made = train_tokenizer(self._until_stopped(self._tokenizer_sample()), self._recipe.shape.vocabulary)
        give_back()  # what it needed is more than a small model takes
        return made

    def _prepare(self, stage: int) -> None:
        """Model and optimizers as the last save left them, but for blocks that are new.

        ``_shared`` is ``_model``, wrapped for several processes and, on CUDA, compiled.
        """
        self._model = self._origin.make(stage)
        if self._recipe.checkpointing:
            keep_less(self._model)
        optimizers = make_optimizers(self._model, self._recipe)
        self._shared, *self._optimizers = self._accelerator.prepare(self._model, *optimizers)
        self._folder.load(self._model, self._optimizers)
        if self._accelerator.device.type == "cuda" and find_spec("triton"):
            self._shared = torch.compile(self._shared, dynamic=False)

    def _tokenizer_sample(self) -> Iterator[Document]:
        """Text of all stages, in the shares in which it will be seen."""
        recipe = self._recipe
        parts = []
        for stage in recipe.stages:
            bytes_wanted = SAMPLE_BYTES * stage.step_count * stage.tokens_per_step / recipe.token_count
            for source, share in _shares(stage):
                parts.append(sample(self._files[source.file], bytes_wanted * share, recipe.seed))
        return chain.from_iterable(parts)

    def _arrays(self, source: Source, tokens: float, seed: int) -> TokenArrays:
        """The tokenised source, from where it is kept already; ``tokens`` bounds how much of it is read."""
        file, wanted = self._files[source.file], wanted_bytes(tokens)
        sample = "whole" if wanted >= text_bytes(file) else f"{tokens} {seed}"  # stages share a file that is seen whole
        encoder = self._origin.encoder
        folder = place_of(file, source.file, sample, encoder.digest(), self._folder.data)
        if (kept := kept_arrays(folder)) is not None:
            note_use(folder)
            return kept
        with alone(folder, self._check_stop):
            if kept_arrays(folder) is None:
                self._report(Preparing(f"tokenising {source.file}"))
            documents = self._until_stopped(sample_documents(file, wanted, seed))
            made = tokenise(documents, encoder.tokenizer, folder, encoder.encode)
            make_room(folder)
            return made

    # a stage

    def _stage(self, index: int, at: Position) -> Position:
        """The steps of a stage that are left; the position is then the beginning of the next stage."""
        stage, seed = self._recipe.stages[index], self._recipe.seed + index
        if self._recipe.model and self._recipe.layers_in(index) > len(blocks_of(self._model.causal)):
            self._accelerator.wait_for_everyone()  # the first process may still be writing what the others read now
            self._prepare(index)
        budget = stage.step_count * stage.tokens_per_step
        with self._accelerator.main_process_first():
            arrays = [self._arrays(source, budget * share, seed) for source, share in _shares(stage)]
            unseen = [self._arrays(source, 4 * _HELD_OUT_TOKENS, seed) for source in stage.held_out]
        require_replies(stage, [*arrays, *unseen])
        order = Order(stage, arrays, seed)
        held_out = self._held_out(stage, unseen)
        meter = _Meter(stage)
        steps = range(at.step, stage.step_count)
        for step, ready in zip(steps, ahead(lambda step: self._make_ready(order, step, stage), steps), strict=True):
            rate = learning_rate(stage, step)
            loss = self._step(ready, rate, stage.accumulate, hash((seed, step, self._accelerator.process_index)))
            at = replace(at, stage=index, step=step + 1, tokens=at.tokens + stage.tokens_per_step)
            meter.add(loss, ready.counted, rate, at)
            last = step + 1 == stage.step_count
            is_measured = last or (step + 1) % self._recipe.held_out_every_steps == 0
            if is_measured or meter.is_due():
                self._tell(meter)
            if is_measured:
                at = self._judged(at, stage, self._evaluate(stage, step + 1, held_out))
                meter.pause()
            if last or self._is_over(at, stage):
                break
            if (stopped := self._is_stopped(step + 1)) or self._is_due():
                self._tell(meter)
                self._save(at, stage)
                meter.pause()
            if stopped:
                raise _Stop
        return self._end(index, at)

    def _end(self, index: int, at: Position) -> Position:
        """Save what the stage leaves: under patience its best weights."""
        stage = self._recipe.stages[index]
        if at.best_loss is not None and at.worse:
            self._accelerator.wait_for_everyone()
            self._folder.load(self._model, self._optimizers, self._folder.best)
        at = Position(index + 1, 0, at.tokens)
        self._save(at, stage)
        if self._accelerator.is_main_process:
            self._folder.keep(f"after-{stage.name}")
        return at

    def _held_out(self, stage: Stage, sources: list[TokenArrays]) -> list[Ready]:
        """The batches that are measured, kept ready."""
        windows = max(1, _HELD_OUT_TOKENS // stage.sequence)
        return [
            make_ready(batch, slice(None), stage.isolate, self._accelerator.device)
            for source in sources
            for batch in held_out_batches(stage, source, windows)
        ]

    def _is_due(self) -> bool:
        """Whether it is time to save."""
        return time.monotonic() - self._saved > self._recipe.save_every_seconds

    def _is_over(self, at: Position, stage: Stage) -> bool:
        """Whether patience has come to its end."""
        is_over = 0 < self._recipe.patience <= at.worse
        if is_over:
            self._report(StoppedEarly(stage.name, at.step, at.best_step, at.best_loss or 0.0))
        return is_over

    def _judged(self, at: Position, stage: Stage, loss: float | None) -> Position:
        """The position with what the loss says of it; the best one so far is kept where it may be needed."""
        if loss is None or not self._recipe.patience:
            return at
        if at.best_loss is not None and loss >= at.best_loss:
            return replace(at, worse=at.worse + 1)
        at = replace(at, best_loss=loss, best_step=at.step, worse=0)
        self._save(at, stage)
        if self._accelerator.is_main_process:
            self._folder.keep(self._folder.best.stem)
        return at

    def _evaluate(self, stage: Stage, step: int, held_out: list[Ready]) -> float | None:
        """The loss on held-out text, if there is any, and sample texts."""
        loss = self._measure(held_out) if held_out else None
        if loss is not None:
            self._check_sane(loss, stage.name, step)
            self._report(HeldOut(stage.name, step, loss))
        if self._accelerator.is_main_process:
            self._model.eval()
            for prompt in self._recipe.sample_prompts:
                text = continuation(self._model.causal, self._origin.encoder, prompt, self._recipe, stage)
                self._report(Sampled(stage.name, step, prompt, text))
        return loss

    def _make_ready(self, order: Order, step: int, stage: Stage) -> Ready:
        return make_ready(order.batch(step), self._mine, stage.isolate, self._accelerator.device)

    def _step(self, ready: Ready, rate: float, accumulate: int, chance: int) -> Tensor:
        """One update, computed in parts; the mean loss of the batch over all processes, not yet waited for."""
        self._model.train()
        if self._recipe.lora:  # its dropout draws the same again when a run is resumed
            torch.manual_seed(chance % (1 << 63))
        for group in self._groups():
            group["lr"] = rate * group["rate"]
        # several processes take the mean of their gradients, so that each part must weigh as many times more
        weight = self._accelerator.num_processes / max(1, ready.counted)
        parts = split(ready.inputs, accumulate)
        loss = torch.zeros((), device=self._accelerator.device)
        for number, inputs in enumerate(parts, 1):
            with nullcontext() if number == len(parts) else self._accelerator.no_sync(self._shared):
                part = self._shared(*on_device(inputs, self._accelerator.device)) * weight
                self._accelerator.backward(part)
            loss += part.detach()
        self._accelerator.clip_grad_norm_(self._model.parameters(), self._recipe.clip)
        for optimizer in self._optimizers:
            optimizer.step()
            optimizer.zero_grad()
        return self._mean(loss)

    def _mean(self, value: Tensor) -> Tensor:
        """The mean over the processes."""
        mean: Tensor = self._accelerator.reduce(value, "mean")
        return mean

    def _groups(self) -> Iterator[dict[str, Any]]:
        return chain.from_iterable(optimizer.param_groups for optimizer in self._optimizers)

    def _measure(self, batches: list[Ready]) -> float:
        """Mean loss over the counted tokens of the held-out batches."""
        self._model.eval()
        with torch.no_grad():
            device = self._accelerator.device
            parts = [self._model(*on_device(batch.inputs, device)) for batch in batches[self._mine]]
        total: float = self._mean(torch.stack(parts).sum()).item() * self._accelerator.num_processes
        return total / sum(batch.counted for batch in batches)

    def _save(self, at: Position, stage: Stage) -> None:
        if not self._accelerator.is_main_process:
            return
        self._folder.save(at, self._model, self._optimizers)
        self._origin.export(self._model)
        self._saved = time.monotonic()
        self._report(Saved(stage.name, at.step or stage.step_count, str(self._origin.result)))


class _Meter:
    """Gathers steps into one event every few seconds."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._losses: list[Tensor] = []
        self._counted: list[int] = []
        self._rate, self._at = 0.0, Position()
        self._since = time.monotonic()

    def add(self, loss: Tensor, counted: int, rate: float, at: Position) -> None:
        """Count a step in, with its mean loss over so many tokens."""
        self._losses.append(loss)
        self._counted.append(counted)
        self._rate, self._at = rate, at

    def is_due(self) -> bool:
        """Whether it is time for an event."""
        return time.monotonic() - self._since >= _REPORT_SECONDS

    def take(self) -> Stepped | None:
        """The event of the steps since the last one; None when there are none in which a token counts."""
        if not (total := sum(self._counted)):
            return None
        losses, at = torch.stack(self._losses), self._at
        mean = float(losses @ losses.new_tensor(self._counted)) / total  # waits for the device
        speed = len(self._losses) * self._stage.tokens_per_step / max(time.monotonic() - self._since, 1e-9)
        self._losses, self._counted, self._since = [], [], time.monotonic()
        return Stepped(self._stage.name, at.step, self._stage.step_count, at.tokens, mean, self._rate, speed)

    def pause(self) -> None:
        """Leave out the time since the last event: it went into something else. No step has been made in it."""
        self._since = time.monotonic()


def _shares(stage: Stage) -> list[tuple[Source, float]]:
    """The sources of a stage with their shares, which sum to 1."""
    total = sum(source.weight for source in stage.sources)
    return [(source, source.weight / total) for source in stage.sources]
