"""Runs of the lab as files: a folder each, which ``chatdesk train`` knows as well.

recipe.toml    what is trained; written by the window until the run begins
plan.json      what only the window needs: files, steps of the cleaning, the folder of the prepared text
errand.json    what a child process was asked to do last
events.jsonl   what the training has told, also after a kill; run.json, model/ and others are the trainer's
"""

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path
from typing import Any, Literal, TypeAlias

import msgspec
from msgspec import Struct

from chatdesk.errors import Fault, UserError
from chatdesk.tasks.lab_sizes import Size
from chatdesk.tasks.lab_text import USUAL, Report
from chatdesk.training import events
from chatdesk.training.events import TrainEvent
from chatdesk.training.recipe import (
    WORDS,
    Recipe,
    Source,
    find_checkpoint,
    find_file,
    load_recipe,
    opening,
    read_record,
    with_whole_paths,
    write_recipe,
)

State: TypeAlias = Literal["new", "running", "paused", "finished", "broken"]
SAMPLES_KEPT = 40
_OPENED = "opened.txt"
_PROMPTS = "prompts.txt"
_LONGEST = 200  # bytes of a folder's name, so that a number and an ending still fit
_RATE_OF_LORA, _RATE_OF_ALL = 2e-4, 3e-5  # usual ones for AdamW


class Plan(Struct, frozen=True):
    """What a person has chosen. ``text``: folder of the prepared text, or of an opened recipe's files; empty until
    there is one. ``size``: None where the recipe came from elsewhere and is taken as it is.
    ``start``: a checkpoint folder to go on from, empty for a new model; ``rank``: of a LoRA adapter for it, 0 to train
    all its weights.
    """

    paths: tuple[str, ...] = ()
    steps: tuple[str, ...] = USUAL
    held_out: float = 0.02
    text: str = ""
    size: Size | None = Size()
    start: str = ""
    rank: int = 8


@dataclass
class History:
    """The curves and samples of a run, from its events in order; what is told twice after a kill counts once.

    ``losses`` and ``held_out``: (tokens, nats); ``rates`` and ``speeds``: (tokens, value).
    """

    losses: list[tuple[int, float]] = field(default_factory=list)
    held_out: list[tuple[int, float]] = field(default_factory=list)
    rates: list[tuple[int, float]] = field(default_factory=list)
    speeds: list[tuple[int, float]] = field(default_factory=list)
    samples: list[tuple[int, str, str]] = field(default_factory=list)
    parameters: int = 0
    tokens: int = 0
    tokens_total: int = 0
    preparing: str = ""
    checkpoint: str = ""
    state: State = "new"
    fault: UserError | None = None

    def take(self, event: TrainEvent) -> None:
        """Take in one event."""
        match event:
            case events.Preparing():
                self.state, self.preparing = "running", event.what
            case events.Began():
                self.state, self.preparing = "running", ""
                self.parameters, self.tokens_total = event.parameters, event.tokens_total
                self._return_to(event.tokens_done)
            case events.Stepped():
                self._return_to(event.tokens - 1)
                self.tokens, self.preparing = event.tokens, ""
                self.losses.append((event.tokens, event.loss))
                self.rates.append((event.tokens, event.learning_rate))
                self.speeds.append((event.tokens, event.tokens_per_second))
            case events.HeldOut():
                self.held_out.append((self.tokens, event.loss))
            case events.Sampled():
                self.samples = [*self.samples[1 - SAMPLES_KEPT :], (self.tokens, event.prompt, event.text)]
            case events.Saved():
                self.checkpoint = event.path
            case events.Paused():
                self.state, self.preparing = "paused", ""
            case events.Finished():
                self.state, self.checkpoint, self.tokens = "finished", event.path, event.tokens
            case events.Failed():
                self.state, self.preparing = "broken", ""
                self.fault = _fault(event)

    def _return_to(self, tokens: int) -> None:
        """What came after so many tokens is told again. A list that a chart may still be drawing is not shortened."""
        for name in ("losses", "held_out", "rates", "speeds"):
            points = getattr(self, name)
            if points and points[-1][0] > tokens:
                setattr(self, name, points[: bisect_right(points, tokens, key=itemgetter(0))])
        self.samples = [sample for sample in self.samples if sample[0] <= tokens]
        self.tokens = min(self.tokens, tokens)

    @property
    def seconds_left(self) -> float | None:
        """At the speed of the last minute or so; None before there is one."""
        last = [speed for _, speed in self.speeds[-12:]]
        if not last or not self.tokens_total:
            return None
        return (self.tokens_total - self.tokens) * len(last) / max(1e-9, sum(last))


@dataclass
class Run:
    """One run. ``report``: of its prepared text; ``recipe``: None while there is none, or a broken one (``fault``).
    ``source``: the file that names in the recipe are meant from, where it is not the run's own.
    """

    path: Path
    plan: Plan
    recipe: Recipe | None
    history: History
    report: Report | None = None
    fault: UserError | None = None
    source: Path | None = None

    @property
    def name(self) -> str:
        """As it is called."""
        return self.path.name

    @property
    def has_begun(self) -> bool:
        """Whether text and model are settled."""
        return (self.path / "run.json").is_file()

    @property
    def checkpoint(self) -> Path | None:
        """The checkpoint or adapter as of the last save."""
        for name in ("model", "adapter"):
            if (self.path / name).is_dir():
                return self.path / name
        return None

    def texts(self) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
        """What its last stage with any holds out, and all it trains on, as far as they are there. A model is to be good
        at what it has learned last; what earlier stages hold out is often of another kind.
        """
        stages = self.recipe.stages if self.recipe is not None else ()
        held_out = (tuple(self._found(stage.held_out)) for stage in reversed(stages))
        trained_on = dict.fromkeys(source for stage in stages for source in stage.sources)
        return next(filter(None, held_out), ()), tuple(self._found(trained_on))

    @property
    def is_of_prose(self) -> bool:
        """Whether it is a new model that has seen no dialogue: it goes on with texts and answers no message."""
        is_new = self.recipe is not None and self.recipe.start is None
        return is_new and {True} == {_is_prose(file) for file in self.texts()[1]}

    def _found(self, sources: Iterable[Source]) -> Iterator[Path]:
        text = Path(self.plan.text) if self.plan.text else None
        for source in sources:
            with suppress(UserError):
                yield find_file(source.file, self.source or self.path / "recipe.toml", text)

    @property
    def command(self) -> str:
        """How the command line goes on with it."""
        text = ["--text", self.plan.text] if self.plan.text else []
        words = ["chatdesk", "train", str(self.path / "recipe.toml"), *text, "--out", str(self.path)]
        return subprocess.list2cmdline(words) if sys.platform == "win32" else shlex.join(words)


def survey(folder: Path, others: Iterable[str] = ()) -> list[Run]:
    """All runs in a folder and those opened elsewhere, the last changed first; a broken one with its fault."""
    found = [path for path in folder.glob("*") if path.is_dir() and _is_run(path)] if folder.is_dir() else []
    found += [path for other in others if (path := Path(other)).is_dir() and path not in found]
    return [read(path) for path in sorted(found, key=_changed, reverse=True)]


def opened(folder: Path) -> list[str]:
    """Folders of runs from elsewhere that were opened once."""
    try:
        return (folder / _OPENED).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []


def write_opened(folder: Path, paths: Iterable[str]) -> None:
    """Keep them. Raises CANNOT_WRITE."""
    _write(folder / _OPENED, "\n".join(paths).encode())


def read_prompts(folder: Path) -> str:
    """The prompts that were typed for comparisons."""
    try:
        return (folder / _PROMPTS).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def write_prompts(folder: Path, text: str) -> None:
    """Keep them. Raises CANNOT_WRITE."""
    _write(folder / _PROMPTS, text.encode("utf-8", "replace"))


def _is_run(path: Path) -> bool:
    return any((path / name).is_file() for name in ("plan.json", "recipe.toml", "run.json"))


def _changed(path: Path) -> float:
    times = [0.0]
    for file in path.glob("*.*"):
        with suppress(OSError):  # half-written files come and go
            times.append(file.stat().st_mtime)
    return max(times)


def read(path: Path) -> Run:
    """The run in the folder ``path``, as far as it can be read."""
    run = Run(path, Plan(size=None), None, read_history(path / "events.jsonl"))
    try:
        if (path / "plan.json").is_file():
            run.plan = read_record(path / "plan.json", Plan)
        begun = _Begun()
        if (path / "run.json").is_file():
            begun = read_record(path / "run.json", _Begun)
        run.source = Path(begun.source) if begun.source else None
        if (path / "recipe.toml").is_file():
            run.recipe = load_recipe(path / "recipe.toml")
        elif (path / "run.json").is_file():
            run.recipe = msgspec.convert(begun.recipe, Recipe)
        run.plan = _as_begun(run, begun)
        run.report = read_report(run.plan.text)
    except UserError as error:
        run.fault = error
    except (OSError, msgspec.MsgspecError) as error:
        run.fault = UserError(Fault.BAD_RECIPE, path=path, reason=error)
    return run


class _Begun(Struct):
    """What run.json says; see `chatdesk.training.run_folder`."""

    recipe: Any = None
    source: str = ""
    text: str = ""


def _as_begun(run: Run, begun: _Begun) -> Plan:
    """The plan with what only the recipe and run.json know where the command line has begun the run."""
    text, start = run.plan.text, run.plan.start
    if not text:
        text = begun.text or (str(run.source.parent) if run.source else "")
    if not start and run.recipe is not None and run.recipe.start is not None:
        start = str(find_checkpoint(run.recipe.start, run.source or run.path / "recipe.toml"))
    return msgspec.structs.replace(run.plan, text=text, start=start)


def _is_prose(file: Path) -> bool:
    """Whether no dialogues stand in a file of text, by its first line."""
    try:
        with file.open("rb") as lines:
            return file.suffix in (".txt", ".md") or "text" in json.loads(lines.readline())
    except (OSError, ValueError, TypeError):
        return False


def read_history(path: Path) -> History:
    """What a training has told so far; a line that a kill has cut is passed over. Running is what the caller knows."""
    history = History()
    decoder = msgspec.json.Decoder(TrainEvent)
    try:
        with path.open("rb") as lines:
            for line in lines:
                try:
                    history.take(decoder.decode(line))
                except msgspec.MsgspecError:
                    continue
    except OSError:
        return history
    if history.state == "running":
        history.state, history.preparing = "paused", ""  # its process was killed
    return history


def read_report(text: str) -> Report | None:
    """The report of the preparation in the folder ``text``, if it is one."""
    try:
        return msgspec.json.decode((Path(text) / "report.json").read_bytes(), type=Report) if text else None
    except (OSError, msgspec.MsgspecError):
        return None


def create(folder: Path, name: str, plan: Plan) -> Path:
    """A new run; another number is put behind a name that is taken. Raises CANNOT_WRITE."""
    path = free_path(folder, name)
    write_plan(path, plan)
    return path


def free_path(folder: Path, name: str) -> Path:
    """A folder of that name that is not there yet."""
    plain = re.sub(r'[\\/:*?"<>|\x00-\x1f]', " ", name).strip(" .")[:80]
    plain = plain.encode("utf-8", "ignore")[:_LONGEST].decode("utf-8", "ignore").strip() or "run"
    path, number = folder / plain, 2
    while path.exists():
        path, number = folder / f"{plain} {number}", number + 1
    return path


def write_plan(path: Path, plan: Plan) -> None:
    """Keep a plan, whole or not at all. Raises CANNOT_WRITE."""
    _write(path / "plan.json", msgspec.json.format(msgspec.json.encode(plan)))


def stamps(folders: Iterable[str]) -> list[str]:
    """When the weights in these folders were written."""
    files = (file for folder in folders for file in sorted(Path(folder).glob("*.safetensors")) if file.exists())
    return [str(file.stat().st_mtime_ns) for file in files]


def write_errand(path: Path, errand: Struct) -> Path:
    """Keep what a child is to do for a run in a file, and say which. Raises CANNOT_WRITE."""
    _write(path / "errand.json", msgspec.json.encode(errand))
    return path / "errand.json"


def remove_recipe(path: Path) -> None:
    """Take away what no longer is as planned. Raises CANNOT_WRITE."""
    try:
        (path / "recipe.toml").unlink(missing_ok=True)
    except OSError as error:
        raise UserError(Fault.CANNOT_WRITE, path=path, reason=error.strerror or error) from None


def _write(path: Path, data: bytes) -> None:
    half = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with half.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(half, path)
    except OSError as error:
        raise UserError(Fault.CANNOT_WRITE, path=path, reason=error.strerror or error) from None


def planned_recipe(plan: Plan, report: Report | None) -> Recipe | None:
    """What a plan comes to with its prepared text; None without one or with an impossible size. Raises BAD_RECIPE."""
    if report is None or plan.size is None or plan.size.problem():
        return None
    return make_recipe(plan, report.train_bytes, report.held_out_documents > 0)


def make_recipe(plan: Plan, text_bytes: int, has_held_out: bool) -> Recipe:
    """The recipe of a plan with a prepared text of so many bytes. Raises BAD_RECIPE as the command line would."""
    size = plan.size or Size()
    tokens = size.tokens(text_bytes)
    steps = max(1, tokens // (size.batch * size.context))
    rate = 0.02 if size.width <= 256 else 0.01
    values: dict[str, Any] = {
        "version": 1,
        "seed": 1,
        "optimizer": "muon",
        "held_out_every_steps": max(10, min(200, steps // 10)),
        "save_every_seconds": 60.0,
        "sample_prompts": first_words(plan.text),
        "model": {
            "vocabulary": size.vocabulary,
            "context": size.context,
            "width": size.width,
            "layers": size.layers,
            "heads": size.heads,
        },
        "stages": [
            {
                "name": "text",
                "sources": [{"file": "train.jsonl"}],
                "held_out": [{"file": "held-out.jsonl"}] if has_held_out else [],
                "sequence": size.context,
                "batch": size.batch,
                "tokens": tokens,
                "learning_rate": rate,
                "final_learning_rate": rate / 10,
                "warmup_steps": min(40, steps // 10),
            }
        ],
    }
    if size.kind != "gpt2":
        values["model"]["kind"] = size.kind
    if plan.start:
        values |= {"start": {"checkpoint": plan.start}, "optimizer": "adamw"}
        del values["model"]
        rate = _RATE_OF_LORA if plan.rank else _RATE_OF_ALL
        if plan.rank:
            values["lora"] = {"rank": plan.rank, "alpha": 2 * plan.rank}
        turn = {"loss": "replies", "isolate": True, "learning_rate": rate, "final_learning_rate": rate / 10}
        values["stages"][0] |= turn
    try:
        return msgspec.convert(values, Recipe)
    except msgspec.ValidationError as error:
        raise UserError(Fault.BAD_RECIPE, path="recipe.toml", reason=error) from None


def first_words(text: str) -> tuple[str, ...]:
    """How two documents of a prepared text begin: what the model is asked to go on with while it learns."""
    found: list[str] = []
    for name in ("held-out.jsonl", "train.jsonl"):
        try:
            with (Path(text) / name).open(encoding="utf-8") as lines:
                for line, _ in zip(lines, range(2 - len(found)), strict=False):
                    document = json.loads(line)
                    whole = document.get("text") or next((turn["text"] for turn in document.get("turns", ())), "")
                    begin, words = whole[:200], len(WORDS.findall(whole[:200]))
                    found.append(opening(begin, min(6, (words + 1) // 2)))  # something is left to be said
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return tuple(filter(None, found))


def text_folder_of(path: Path) -> str:
    """The folder that the files of a recipe from elsewhere are in: beside it. Raises BAD_RECIPE, FILE_NOT_FOUND."""
    load_recipe(path)
    return str(path.resolve().parent)


def copy_recipe(path: Path, run: Path, source: Path | None = None) -> None:
    """Take a recipe as it is written, with its remarks; they are lost where a relative path in it has to change.

    ``source``: the file that its names are meant from. Raises BAD_RECIPE, FILE_NOT_FOUND, CANNOT_WRITE.
    """
    read = load_recipe(path)
    whole = with_whole_paths(read, source or path)
    if whole != read:
        write_recipe(whole, run / "recipe.toml")
        return
    text = path.read_bytes()
    tomllib.loads(text.decode())
    _write(run / "recipe.toml", text)


def _fault(event: Any) -> UserError:
    try:
        return UserError(Fault(event.fault), **event.fields)
    except ValueError:  # of a newer program, or a mistake of ours
        return UserError(Fault.ENGINE_BUG, reason=event.fault, log="lab.log")
