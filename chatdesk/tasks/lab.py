"""The lab: runs from raw text to a model, one child process at a time, nothing kept in memory alone.

All methods belong to the tasks' thread. The window reads `runs` and `work` after each ``on_change``.
"""

import hashlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import msgspec

from chatdesk.errors import Fault, UserError
from chatdesk.tasks import lab_runs
from chatdesk.tasks.lab_process import LineProcess
from chatdesk.tasks.lab_runs import History, Plan, Run
from chatdesk.tasks.lab_sizes import Size
from chatdesk.tasks.ports import Post, aside
from chatdesk.training.errands import (
    Compare,
    Contender,
    Done,
    Errand,
    ErrandEvent,
    Going,
    Judge,
    Prepare,
    Refused,
    Weigh,
)
from chatdesk.training.events import TrainEvent
from chatdesk.training.recipe import write_recipe

if TYPE_CHECKING:
    from chatdesk.library.catalogue import Entry

Kind: TypeAlias = Literal["prepare", "weigh", "judge", "train", "compare"]
MEASURE_S = 20.0
REPORT = "report.html"
"""In the folder of a run: its evaluation, to be shared."""
_SAVE_S = 60.0
_HANG_S = 5.0


@dataclass(frozen=True)
class Commands:
    """How the children are started: ``train`` is followed by the recipe and its options, ``errand`` by a file with an
    `Errand`, ``compare`` by one with a `Compare`.
    """

    train: Sequence[str]
    errand: Sequence[str]
    environment: Mapping[str, str] | None = None
    compare: Sequence[str] = ()


@dataclass(frozen=True)
class Work:
    """What a child is doing for the run in ``path``; ``done`` of ``total``, 0 of 0 where it is not known."""

    kind: Kind
    path: Path
    what: str = ""
    done: int = 0
    total: int = 0
    is_stopping: bool = False


class Lab:
    """Attributes: ``runs``, the last changed first; ``work``; ``results``, by folder and kind, of errands; ``flops``,
    operations a second as measured, None before; ``complaints``, by folder, what went wrong last; ``place``, run and
    step that a page has shown last, for one that is built anew; ``prompts``, typed for comparisons, see `keep_prompts`;
    ``on_change`` and ``find_checkpoints``, set by whoever assembles.
    """

    def __init__(self, folder: Path, texts: Path, log: Path, commands: Commands, post: Post) -> None:
        self.folder = folder
        self._texts, self._log, self._commands, self._post = texts, log, commands, post
        self.runs: list[Run] = []
        self.work: Work | None = None
        self.results: dict[tuple[Path, Kind], dict[str, Any]] = {}
        self.complaints: dict[Path, UserError] = {}
        self.compared: dict[Path, Path] = {}
        self.flops: float | None = None
        self.place: tuple[Path, str] | None = None
        self.prompts = self._kept_prompts = lab_runs.read_prompts(folder)
        self.on_change: Callable[[], None] = lambda: None
        self.find_checkpoints: Callable[[Callable[[list[Entry]], None]], None] = lambda then: None
        self._process: LineProcess | None = None
        self._opened = lab_runs.opened(folder)
        self._changes = 0
        self._is_closed = False

    @property
    def own_texts(self) -> Path:
        """The file for a person's own conversations and documents, where they are to be text of a run."""
        return self._texts / "chats-and-documents.jsonl"

    # -- the list ------------------------------------------------------------------------------------------------------

    def refresh(self, then: Callable[[], None] = lambda: None) -> None:
        """Look at the disk; the run that is at work is what its process tells."""
        changes = self._changes

        def take(found: list[Run]) -> None:
            if changes != self._changes:  # what was seen is older than what has been done meanwhile
                self.refresh(then)
                return
            busy = {run.path: run for run in self.runs if self.work is not None and run.path == self.work.path}
            self.runs = [busy.get(run.path, run) for run in found]
            then()
            self.on_change()

        aside(self._post, lambda: lab_runs.survey(self.folder, tuple(self._opened)), take, lambda error: None)

    def run(self, path: Path) -> Run | None:
        """The run in that folder."""
        return next((run for run in self.runs if run.path == path), None)

    def base_of(self, checkpoint: Path) -> str:
        """The checkpoint that an adapter of a run belongs to; empty for what stands by itself."""
        run = self.run(checkpoint.parent)
        return run.plan.start if run is not None and checkpoint.name == "adapter" else ""

    def create(self, name: str, plan: Plan | None = None) -> Path:
        """Begin a new run with a plan; its folder. Raises CANNOT_WRITE."""
        path = lab_runs.create(self.folder, name, plan or Plan())
        self._insert(path)
        return path

    def again(self, path: Path, name: str) -> Path:
        """Begin a new run with the choices of another one; its folder. Raises CANNOT_WRITE, BAD_RECIPE."""
        run = self.run(path)
        if run is None:
            raise UserError(Fault.FILE_NOT_FOUND, path=path)
        made = self.create(name, run.plan)
        if run.plan.size is not None:
            self.change_plan(made, run.plan)
        elif run.recipe is not None:
            if (path / "recipe.toml").is_file():
                lab_runs.copy_recipe(path / "recipe.toml", made, run.source)
            else:
                write_recipe(run.recipe, made / "recipe.toml")
            self._read_again(made)
        return made

    def open(self, path: Path) -> Path:
        """Open a run folder from elsewhere, or begin a new run with a recipe file; the folder of the run.

        Raises NO_RUN, BAD_RECIPE, FILE_NOT_FOUND, CANNOT_WRITE.
        """
        if path.is_dir():
            if not any((path / name).is_file() for name in ("run.json", "recipe.toml")):
                raise UserError(Fault.NO_RUN, path=path)
            if self.run(path) is None:
                self._opened.append(str(path))
                lab_runs.write_opened(self.folder, self._opened)
                self._insert(path)
            return path
        text = lab_runs.text_folder_of(path)
        made = self.create(path.stem, Plan(text=text, size=None))
        lab_runs.copy_recipe(path, made)
        self._read_again(made)
        return made

    def rename(self, path: Path, name: str) -> Path:
        """Call a run that has not begun otherwise; its new folder. Raises CANNOT_WRITE, LAB_BUSY."""
        self._run(path)
        new = lab_runs.free_path(path.parent, name)
        try:
            path.rename(new)
        except OSError as error:
            raise UserError(Fault.CANNOT_WRITE, path=path, reason=error.strerror or error) from None
        self._changes += 1
        self.runs = [lab_runs.read(new) if run.path == path else run for run in self.runs]
        self.complaints = {new if key == path else key: error for key, error in self.complaints.items()}
        if str(path) in self._opened:
            self._opened = [str(new) if each == str(path) else each for each in self._opened]
            lab_runs.write_opened(self.folder, self._opened)
        self.on_change()
        return new

    def change_plan(self, path: Path, plan: Plan) -> None:
        """Keep what a person has chosen; the recipe follows, and goes where the choices give none.

        Raises LAB_BUSY while a child works with what was chosen before, CANNOT_WRITE, BAD_RECIPE.
        """
        if self.is_at_work(path):
            raise UserError(Fault.LAB_BUSY, name=path.name)
        self._take_plan(path, plan)

    def take_own(self, path: Path, error: UserError | None) -> None:
        """The person's own texts have been written for a run, or not; whatever is shown by now."""
        run = self.run(path)
        if run is None or run.has_begun or run.plan.size is None:
            return
        self.complaints.pop(path, None)
        try:
            if error is not None:
                raise error
            wanted = dict.fromkeys((*run.plan.paths, str(self.own_texts)))
            self.change_plan(path, msgspec.structs.replace(run.plan, paths=tuple(wanted), text=""))
        except UserError as wrong:
            self.complaints[path] = wrong
            self.on_change()

    def _take_plan(self, path: Path, plan: Plan) -> None:
        run = self.run(path)
        if run is None or run.has_begun:
            return
        self._changes += 1
        run.plan = plan
        lab_runs.write_plan(path, plan)
        run.report = lab_runs.read_report(plan.text)
        if plan.size is not None:
            run.recipe = None
            try:
                run.recipe = lab_runs.planned_recipe(plan, run.report)
            finally:
                if run.recipe is None:
                    lab_runs.remove_recipe(path)
            if run.recipe is not None:
                write_recipe(run.recipe, path / "recipe.toml")
        self.on_change()

    def _insert(self, path: Path) -> None:
        self._changes += 1
        self.runs.insert(0, lab_runs.read(path))
        self.on_change()

    def _read_again(self, path: Path) -> None:
        """A run as its files are now."""
        self._changes += 1
        self.runs = [lab_runs.read(path) if run.path == path else run for run in self.runs]
        self.on_change()

    # -- work ----------------------------------------------------------------------------------------------------------

    @property
    def is_training(self) -> bool:
        """Whether closing would interrupt a run."""
        return self.work is not None and self.work.kind == "train"

    def is_at_work(self, path: Path) -> bool:
        """Whether a child works for that run: its choices are settled until it ends."""
        return self.work is not None and self.work.path == path

    def prepare(self, path: Path) -> None:
        """Prepare the text of a run."""
        run = self._run(path)
        plan = run.plan
        wanted = Prepare(plan.paths, str(self._texts), plan.steps, plan.held_out)
        self._errand("prepare", path, wanted)

    def weigh(self, path: Path) -> None:
        """Measure what the recipe of a run takes on this machine."""
        self._errand("weigh", path, Weigh(str(path / "recipe.toml"), self._run(path).plan.text or None, MEASURE_S))

    def judge(self, path: Path) -> None:
        """Measure the model of a run on its held-out text and by what it writes. Raises NO_HELD_OUT, LAB_BUSY."""
        run = self._run(path)
        held_out, trained_on = run.texts()
        if run.checkpoint is None or not held_out:
            raise run.fault or UserError(Fault.NO_HELD_OUT, name=run.name)
        model, against = self._contender(run.checkpoint), tuple(map(str, trained_on))
        html = str(path / REPORT)
        errand = Judge(model.checkpoint, tuple(map(str, held_out)), against, str(path), html, model.adapter)
        self._errand("judge", path, errand)

    def compare(self, path: Path, other: Path, prompts: Sequence[str], is_text: bool = False) -> None:
        """Let the model of a run and another one answer prompts, or go on with them, into the file of a `Comparison`.

        Answers that are there are kept, as long as the models and the prompts are the same. Raises LAB_BUSY, NO_TEXT,
        CANNOT_WRITE.
        """
        run = self._run(path)
        if run.checkpoint is None or not prompts:
            raise UserError(Fault.NO_TEXT, path=path)
        a, b = self._contender(run.checkpoint), self._contender(other)
        folders = [each for side in (a, b) for each in (side.checkpoint, side.adapter) if each]
        how = ["text"] if is_text else []
        digest = hashlib.sha256("\n".join([*folders, *lab_runs.stamps(folders), *prompts, *how]).encode()).hexdigest()
        self.compared[path] = path / "compared" / f"{digest[:16]}.jsonl"
        out, seed = str(self.compared[path]), int(digest[:8], 16)
        self._errand("compare", path, Compare(a, b, tuple(prompts), out, seed, is_text))

    def _contender(self, folder: Path) -> Contender:
        """A checkpoint, or the adapter of a run with the checkpoint that it belongs to."""
        base = self.base_of(folder)
        return Contender(base, str(folder)) if base else Contender(str(folder))

    def keep_prompts(self) -> None:
        """Write down the prompts as they are now. Raises CANNOT_WRITE."""
        if self.prompts != self._kept_prompts:
            lab_runs.write_prompts(self.folder, self.prompts)
            self._kept_prompts = self.prompts

    def train(self, path: Path) -> None:
        """Begin a run, or go on with it where it was saved last. Raises LAB_BUSY, CANNOT_WRITE, and FILE_NOT_FOUND
        without a recipe, or what is wrong with it.
        """
        run = self._run(path)
        if run.recipe is None and not run.has_begun:
            raise run.fault or UserError(Fault.FILE_NOT_FOUND, path=path / "recipe.toml")
        text = ["--text", run.plan.text] if run.plan.text else []
        command = [*self._commands.train, str(path / "recipe.toml"), *text, "--out", str(path)]
        decoder = msgspec.json.Decoder(TrainEvent)
        run.history.fault = None
        self.results.pop((path, "judge"), None)  # of the checkpoint as it was
        self._start("train", path, command, lambda line: partial(self._on_train, path, decoder.decode(line)))

    def stop(self) -> None:
        """Ask what is at work to end: a training saves first."""
        if self._process is not None and self.work is not None:
            self.work = replace(self.work, is_stopping=True)
            self._process.stop()
            self.on_change()

    def close(self) -> None:
        """End what is at work, and wait: a training has a minute to save."""
        self._is_closed = True
        with suppress(UserError):
            self.keep_prompts()
        if self._process is not None:
            self._process.end(_SAVE_S if self.is_training else _HANG_S)
            self._process = None

    def _run(self, path: Path) -> Run:
        if self.work is not None:
            raise UserError(Fault.LAB_BUSY, name=self.work.path.name)
        run = self.run(path)
        if run is None:
            raise UserError(Fault.FILE_NOT_FOUND, path=path)
        return run

    def _errand(self, kind: Kind, path: Path, errand: Errand | Compare) -> None:
        file = lab_runs.write_errand(path, errand)
        command = self._commands.compare if isinstance(errand, Compare) else self._commands.errand
        decoder = msgspec.json.Decoder(ErrandEvent)
        self._start(
            kind, path, [*command, str(file)], lambda line: partial(self._on_errand, kind, path, decoder.decode(line))
        )

    def _start(
        self, kind: Kind, path: Path, command: Sequence[str], read: Callable[[bytes], Callable[[], None]]
    ) -> None:
        def on_line(line: bytes) -> None:
            try:
                work = read(line)
            except msgspec.MsgspecError:
                return  # of a newer program
            self._post(work)

        self.complaints.pop(path, None)
        try:
            self._process = LineProcess(
                command,
                self._commands.environment,
                self._log,
                on_line,
                lambda code: self._post(partial(self._on_end, path, code)),
            )
        except OSError as error:
            raise UserError(Fault.CANNOT_WRITE, path=self._log, reason=error.strerror or error) from None
        self.work = Work(kind, path)
        self.on_change()

    # -- news of the child ---------------------------------------------------------------------------------------------

    def _on_train(self, path: Path, event: TrainEvent) -> None:
        if (run := self.run(path)) is not None and not self._is_closed:
            run.history.take(event)
            if run.history.fault is not None:
                self.complaints[path] = run.history.fault
            self.on_change()

    def _on_errand(self, kind: Kind, path: Path, event: ErrandEvent) -> None:
        if self._is_closed or self.work is None:
            return
        if isinstance(event, Going):
            self.work = replace(self.work, what=event.what, done=event.done, total=event.total)
        elif isinstance(event, Refused):
            self.complaints[path] = _error(event)
        else:
            self._on_done(kind, path, event)
        self.on_change()

    def _on_done(self, kind: Kind, path: Path, event: Done) -> None:
        self.results[path, kind] = event.result
        run = self.run(path)
        if run is None:
            return
        if kind == "prepare":
            try:
                self._take_plan(path, msgspec.structs.replace(run.plan, text=event.folder))
            except UserError as error:
                self.complaints[path] = error
        elif kind == "weigh" and run.plan.size is not None and (stages := event.result.get("stages")):
            self.flops = stages[0]["tokens_per_s"] * run.plan.size.flops_per_token

    def _on_end(self, path: Path, code: int) -> None:
        if self._is_closed or self.work is None:
            return
        work, self.work = self.work, None
        if self._process is not None:
            self._process.end()
            self._process = None
        run = self.run(path)
        if work.kind == "prepare" and work.is_stopping:
            for half in self._texts.glob("*.part"):  # what it has left is of no use
                shutil.rmtree(half, ignore_errors=True)
        if work.kind == "train" and run is not None:
            self._read_again(path)
            if run.history.fault is None and code not in (0, 2) and not work.is_stopping:
                self.complaints[path] = UserError(Fault.ENGINE_BUG, reason=f"exit code {code}", log=self._log)
        elif code not in (0, 2) and not work.is_stopping:
            self.complaints[path] = UserError(Fault.ENGINE_BUG, reason=f"exit code {code}", log=self._log)
        self.on_change()


def _error(event: Refused) -> UserError:
    try:
        return UserError(Fault(event.fault), **event.fields)
    except ValueError:
        return UserError(Fault.ENGINE_BUG, reason=event.fault, log="lab.log")


__all__ = ["Commands", "History", "Lab", "Plan", "Run", "Size", "Work"]
