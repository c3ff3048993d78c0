"""What a run keeps on disk, and how it survives a kill.

run.json            the recipe as it was read, its hash, every change of it under way, the stamp of its checkpoint,
                    where it and its text lay
recipe.toml         the recipe's file itself, as it was last taken over
run.lock            held by the process that trains
tokenizer/          the run's tokenizer
data/               tokenised text, made once; that of a preparation is shared with other runs, see `token_store`
state.safetensors   weights, optimizer and position in one file, replaced atomically: old or new, never half
after-NAME.safetensors   the state at the end of stage NAME (a hard link where the disk can);
                    put it in the place of state.safetensors to redo what followed
best.safetensors    under patience: the state with the least loss on held-out text in the stage
events.jsonl        all events, for plots; after a kill the steps since the last save are told twice
model/              the model as an ordinary checkpoint, as of the last save; of a run with lora instead:
adapter/            the adapter
"""

import contextlib
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import torch
from filelock import FileLock, Timeout
from msgspec import Struct
from msgspec.structs import replace
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn
from torch.optim import Optimizer

from chatdesk.errors import Fault, UserError
from chatdesk.training.events import TrainEvent
from chatdesk.training.recipe import Recipe, read_record


class Position(Struct, frozen=True):
    """Where a run stands: ``step`` steps of stage number ``stage`` are done; ``tokens`` were shown in all.

    Of the stage: ``best_loss`` on held-out text, measured after ``best_step``, and how many were ``worse`` since then.
    """

    stage: int = 0
    step: int = 0
    tokens: int = 0
    best_loss: float | None = None
    best_step: int = 0
    worse: int = 0


class Change(Struct, frozen=True):
    """The recipe was replaced at this position; ``recipe`` is the one before."""

    at: Position
    recipe: Recipe


class _About(Struct):
    hash: str
    recipe: Recipe
    changes: list[Change] = []
    base: str = ""  # `origins.stamp` of the checkpoint that the run began with
    source: str = ""  # the file of the recipe, absolute; empty where it is the run's own
    text: str = ""  # the folder of its text, absolute; empty where none was given


class RunFolder:
    """The folder of one run."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.tokenizer = root / "tokenizer"
        self.data = root / "data"
        self.model = root / "model"
        self.adapter = root / "adapter"
        self.events = root / "events.jsonl"
        self.best = root / "best.safetensors"
        self.recipe = root / "recipe.toml"
        self._state = root / "state.safetensors"
        self._about = root / "run.json"
        self._lock = FileLock(root / "run.lock", blocking=False)

    def lock(self) -> None:
        """Keep other processes away. Raises ``RUN_IN_USE``."""
        self.root.mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire()
        except Timeout:
            raise UserError(Fault.RUN_IN_USE, path=self.root) from None

    def unlock(self) -> None:
        """Let others in."""
        self._lock.release()

    def note(self, event: TrainEvent) -> None:
        """Add an event to the log."""
        with self.events.open("ab") as file:
            file.write(msgspec.json.encode(event) + b"\n")

    def whence(self, path: Path, text: Path | None) -> tuple[Path, Path | None]:
        """The recipe's file and the text folder from which names in the recipe ``path`` are looked up.

        The run's own copy of its recipe means what the file meant that it was copied from.
        """
        if not self._is_own(path) or not self._about.is_file():
            return path, text
        about = self._read_about()
        noted = Path(about.text) if about.text else None
        return Path(about.source) if about.source else path, text or noted

    def claim(self, recipe: Recipe, path: Path, accept_changes: bool, text: Path | None = None) -> bool:
        """Make this the run of ``recipe`` (read from ``path``); true when a changed recipe was taken over.

        Where the recipe and the folder ``text`` lie is noted, for `whence`. Raises ``RUN_RECORD_DAMAGED``,
        ``RUN_STATE_DAMAGED``, and ``BAD_RECIPE`` when the folder holds another recipe's run, or ``accept_changes``
        cannot mend it: the model, the seed and the finished stages must be the same.
        """
        for result in (self.model, self.adapter):
            old = result.with_name(result.name + ".old")
            if old.is_dir() and not result.exists():  # killed between two renames
                os.replace(old, result)
        if self.events.is_file() and not self.events.read_bytes().endswith(b"\n"):  # killed within a line
            with self.events.open("ab") as file:
                file.write(b"\n")
        if not self._about.is_file():
            self.root.mkdir(parents=True, exist_ok=True)
            self._write_about(self._placed(_About(recipe.hash, recipe), path, text), path)
            return False
        about = self._read_about()
        placed = self._placed(about, path, text)
        if about.recipe == recipe:
            if placed != about:
                self._write_about(placed)
            return False
        if not accept_changes:
            reason = f"{self.root} holds a run of another recipe; choose another folder, or accept the change"
            raise UserError(Fault.BAD_RECIPE, path=path, reason=reason)
        at = self.position()
        if _past(about.recipe, at.stage) != _past(recipe, at.stage):
            reason = "model, seed, precision, optimizer and finished stages cannot change in a run that has begun"
            raise UserError(Fault.BAD_RECIPE, path=path, reason=reason)
        changes = [*about.changes, Change(at, about.recipe)]
        self._write_about(replace(placed, hash=recipe.hash, recipe=recipe, changes=changes), path)
        return True

    def _is_own(self, recipe: Path) -> bool:
        return recipe.resolve() == self.recipe.resolve()

    def _placed(self, about: _About, recipe: Path, text: Path | None) -> _About:
        source = about.source if self._is_own(recipe) else str(recipe.resolve())
        return replace(about, source=source, text=str(text.resolve()) if text else "")

    def _read_about(self) -> _About:
        return read_record(self._about, _About)

    def hold_base(self, base: Path, stamp: str) -> None:
        """Note the ``stamp`` of the checkpoint that this run begins with. Raises ``BASE_CHANGED`` if it had another."""
        about = self._read_about()
        if not about.base:
            self._write_about(replace(about, base=stamp))
        elif about.base != stamp:
            raise UserError(Fault.BASE_CHANGED, base=base, path=self.root)

    def _write_about(self, about: _About, recipe: Path | None = None) -> None:
        if recipe is not None and not self._is_own(recipe):
            shutil.copyfile(recipe, self.recipe)
        half = self._about.with_suffix(".part")
        half.write_bytes(msgspec.json.format(msgspec.json.encode(about)))
        os.replace(half, self._about)

    def position(self) -> Position:
        """Where the last saved state stands; the beginning when there is none. Raises ``RUN_STATE_DAMAGED``."""
        if not self._state.is_file():
            return Position()
        try:
            with safe_open(self._state, "pt") as file:
                return msgspec.json.decode((file.metadata() or {}).get("position", ""), type=Position)
        except (SafetensorError, msgspec.MsgspecError) as error:
            raise UserError(Fault.RUN_STATE_DAMAGED, path=self._state, reason=error) from None

    def save(self, at: Position, model: nn.Module, optimizers: Sequence[Optimizer]) -> None:
        """Replace the state, durably."""
        tensors = {}
        for name, parameter in trained(model):
            tensors[f"model/{name}"] = parameter.detach()
            values = _owner(parameter, optimizers).state.get(parameter, {})
            tensors |= {f"optimizer/{name}/{key}": value for key, value in values.items()}
        half = self._state.with_suffix(".part")
        try:
            save_file(
                {name: value.contiguous() for name, value in tensors.items()},
                half,
                metadata={"position": msgspec.json.encode(at).decode()},
            )
            with half.open("rb+") as file:
                os.fsync(file.fileno())
        except BaseException:
            with contextlib.suppress(OSError):
                half.unlink(missing_ok=True)  # a full disk needs the room
            raise
        os.replace(half, self._state)

    def keep(self, name: str) -> None:
        """Keep the state as it is now under another name, too."""
        kept = self.kept(name)
        kept.unlink(missing_ok=True)
        try:
            os.link(self._state, kept)
        except OSError:  # a file system without hard links
            shutil.copyfile(self._state, kept)

    def kept(self, name: str) -> Path:
        """The file of `keep`."""
        return self.root / f"{name}.safetensors"

    def load(self, model: nn.Module, optimizers: Sequence[Optimizer], state: Path | None = None) -> None:
        """Put the saved state, the last or another, into ``model`` and ``optimizers``; without one nothing happens.

        Blocks of the model that are not in the state, because it grows now, keep their fresh weights.
        """
        state = state or self._state
        if not state.is_file():
            return
        with safe_open(state, "pt") as file, torch.no_grad():
            stored = set(file.keys())
            blocks = {_block(key) for key in stored if key.startswith("model/")}
            for name, parameter in trained(model):
                if _block(f"model/{name}") not in blocks:
                    continue
                parameter.copy_(file.get_tensor(f"model/{name}"))
                prefix = f"optimizer/{name}/"
                values = {key[len(prefix) :]: file.get_tensor(key) for key in stored if key.startswith(prefix)}
                device = parameter.device
                _owner(parameter, optimizers).state[parameter] = {
                    key: value.to(device, copy=True)  # not the mapped file, which Windows would not let be replaced
                    for key, value in values.items()
                }


def trained(model: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    """The parameters that a run changes, by name."""
    return ((name, value) for name, value in model.named_parameters() if value.requires_grad)


def _block(key: str) -> str:
    """The part of the model that a weight belongs to: its block, or itself."""
    head, found, tail = key.partition(".layers." if ".layers." in key else ".h.")
    return f"{head}{found}{tail.split('.')[0]}" if found else key


def _owner(parameter: nn.Parameter, optimizers: Sequence[Optimizer]) -> Optimizer:
    """The optimizer that trains ``parameter``."""
    for optimizer in optimizers:
        if any(parameter is mine for group in optimizer.param_groups for mine in group["params"]):
            return optimizer
    raise LookupError("a parameter without an optimizer")


def _past(recipe: Recipe, stage: int) -> tuple[object, ...]:
    """All that has already shaped a run that stands in ``stage``."""
    return (
        recipe.model,
        recipe.start,
        recipe.lora,
        recipe.seed,
        recipe.precision,
        recipe.optimizer,
        recipe.stages[:stage],
    )
