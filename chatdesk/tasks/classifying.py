"""Classifying for a person in the window: a text or a file is read, the work goes on step by step, can be paused, and
is found again after a crash, as is what was typed.
"""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec
from msgspec import Struct

from chatdesk.engine.api import Event, Failed, Scored
from chatdesk.errors import Fault, UserError
from chatdesk.storage.database import naming_faults
from chatdesk.storage.transfer import files
from chatdesk.tasks import classify_files
from chatdesk.tasks.changes import Notice
from chatdesk.tasks.classify import SETS, Plan, Report, report
from chatdesk.tasks.classify_files import TEXT, Table
from chatdesk.tasks.classify_run import Run
from chatdesk.tasks.models import Models
from chatdesk.tasks.ports import EngineLink, Post, aside
from chatdesk.tasks.replies import notice


class Typed(Struct, frozen=True):
    """What a person has typed: the labels with what is around a text, and a text."""

    plan: Plan = SETS["sentiment"][1]
    text: str = ""


@dataclass(frozen=True)
class State:
    """How far the work is. ``rows``: whose results are new; ``notice``: what went wrong; ``saved``: a file with the
    results that is written by now.
    """

    is_running: bool
    done: int
    total: int
    rows: tuple[int, ...] = ()
    notice: Notice | None = None
    saved: str = ""


class Classifier:
    """One table at a time. One thread; never blocks.

    Attributes: ``table`` and ``run``, None while there is none; ``typed``, which the page changes, see `keep_typed`;
    ``on_state``, called with each `State`.
    """

    def __init__(self, engine: EngineLink, models: Models, folder: Path, post: Post) -> None:
        self._engine, self._models, self._folder, self._post = engine, models, folder, post
        self._request = 0
        self._beginnings = 0  # counts what was to begin: only the last one does
        self._typed = folder / "typed.json"
        self.typed = self._kept_typed = _read_typed(self._typed)
        self._columns = ("", "")
        self._is_keeping = False
        self._model = ("", "", "")  # path, precision where it is known, adapter
        self.table: Table | None = None
        self.run: Run | None = None
        self.on_state: Callable[[State], None] = lambda state: None

    def read(self, path: Path, then: Callable[[Table], None], failed: Callable[[UserError], None]) -> None:
        """Read a file's table aside; it is not taken yet."""
        aside(self._post, lambda: classify_files.read(path), then, failed)

    def begin(self, table: Table, plan: Plan, text_column: str = "", label_column: str = "") -> None:
        """Classify a table, once what was done of it before has been read aside. Raises `UserError` for what means
        nothing.
        """
        self.pause()
        plan.check()
        texts = table.column(table.text_column(text_column))
        label = label_column and table.label_column(label_column)
        info = self._models.info
        model = f"{info.path}|{info.dtype}" if info else self._models.state.path
        made_with, beginning = self._model_now(), self._beginnings
        is_file = table.columns != (TEXT,) or len(table.rows) > 1
        folder = self._folder if is_file else None

        def then(run: Run) -> None:
            if beginning == self._beginnings:
                self.table, self._columns, self._model, self.run = table, (text_column, label), made_with, run
                self.go_on()

        aside(self._post, lambda: Run(plan, texts, model, made_with[2], folder), then, lambda error: None)

    def is_same_model(self) -> bool:
        """Whether the model that is loaded, or asleep, is the one the work was begun with."""
        return self._is_same_base() and self._model[2] == self._models.adapter

    def _is_same_base(self) -> bool:
        (path, dtype, _), (path_now, dtype_now, _) = self._model, self._model_now()
        return path == path_now and (dtype == dtype_now or not dtype or not dtype_now)

    def _model_now(self) -> tuple[str, str, str]:
        info = self._models.info
        return info.path if info else self._models.state.path, info.dtype if info else "", self._models.adapter

    def begin_text(self, text: str, plan: Plan) -> None:
        """Classify one text. Raises `UserError`."""
        if not text.strip():
            raise UserError(Fault.EMPTY_PROMPT)
        self.begin(Table((TEXT,), ((text,),)), plan)

    def go_on(self) -> None:
        """Work on what is left."""
        if self.run is None or self._request:
            return
        self._keep()
        if self.run.is_over:
            self._say(rows=tuple(range(len(self.run.results))))
            return
        self._models.wake()
        state = self._models.state
        if state.state in ("none", "failed"):
            self._say(notice=state.notice or Notice(Fault.NO_MODEL, {}))
            return
        self._request = self._engine.next_id()
        self._engine.send(self.run.next_request(self._request))
        self._say(rows=tuple(i for i, found in enumerate(self.run.results) if found is not None))

    def pause(self) -> None:
        """Stand still; what is under way is dropped and asked again later, and what was to begin does not."""
        self._beginnings += 1
        request, self._request = self._request, 0
        if request:
            self._engine.cancel(request)
            self._say()

    def on_event(self, event: Event) -> None:
        """Take an engine event; those of other requests are ignored."""
        if event.request != self._request or self.run is None:
            return
        if isinstance(event, Failed):
            self._request = 0
            self._say(notice=notice(UserError(Fault(event.fault), **event.fields)))
        elif isinstance(event, Scored):
            self._request = 0
            if not self._is_same_base():  # another one was loaded meanwhile; each request names its adapter
                self._say()
                return
            rows = self.run.take(event)
            self._models.tick(is_busy=True)  # a model at work is not sent to sleep
            self._keep()
            if not self.run.is_over:
                self._request = self._engine.next_id()
                self._engine.send(self.run.next_request(self._request))
            self._say(rows=rows)

    def _keep(self) -> None:
        """Write the journal aside: a disk may take its time. One thread writes; what comes meanwhile is next."""
        run = self.run
        if run is None or self._is_keeping or run.is_written:
            return

        def then(_: None) -> None:
            self._is_keeping = False
            self._keep()

        def failed(error: UserError) -> None:
            self._is_keeping = False
            if self.run is run:
                request, self._request = self._request, 0
                if request:
                    self._engine.cancel(request)
                self._say(notice=notice(error))

        self._is_keeping = True
        aside(self._post, run.write, then, failed)

    def keep_typed(self) -> None:
        """Write down what is typed as it is now. Raises ``DISK_FULL`` or ``CANNOT_WRITE``."""
        if self.typed == self._kept_typed:
            return
        with naming_faults(self._typed):
            self._typed.parent.mkdir(parents=True, exist_ok=True)
        files.write_text(self._typed, json.dumps(msgspec.to_builtins(self.typed), ensure_ascii=False))
        self._kept_typed = self.typed

    def close(self) -> None:
        """The program ends."""
        with suppress(UserError):
            self.keep_typed()

    def report(self) -> Report | None:
        """How good the labels are, where the table has true ones."""
        if self.run is None or self.table is None or not self._columns[1]:
            return None
        return report(self.run.plan, self.run.results, self.table.column(self._columns[1]))

    def save(self, path: Path) -> None:
        """Write the table with its results, aside; how that ended is a `State`."""
        run, table = self.run, self.table
        if run is not None and table is not None:
            results = list(run.results)
            aside(
                self._post,
                lambda: classify_files.written(path, table, run.plan, results),
                lambda _: self._say(saved=path.name),
                lambda error: self._say(notice=notice(error)),
            )

    def _say(self, rows: tuple[int, ...] = (), notice: Notice | None = None, saved: str = "") -> None:
        if self.run is not None:
            self.on_state(State(bool(self._request), self.run.done, len(self.run.results), rows, notice, saved))


def _read_typed(file: Path) -> Typed:
    """What was typed last time; what a newer program or nobody has written is none."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=Typed)
    except (OSError, msgspec.MsgspecError):
        return Typed()
