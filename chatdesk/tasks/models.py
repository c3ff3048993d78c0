"""The model in use: how a checkpoint could be loaded, loading it, and leaving it."""

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeAlias

from chatdesk.engine.api import (
    Device,
    Dtype,
    Event,
    Failed,
    Load,
    Loaded,
    ModelInfo,
    Progress,
    Survey,
    Surveyed,
)
from chatdesk.errors import Fault, UserError
from chatdesk.library import removing, safety
from chatdesk.library.catalogue import Entry, name_and_source, note_use
from chatdesk.library.dialogues import DIALOGUES
from chatdesk.library.fit import Plan, plans_of
from chatdesk.library.removing import Removal
from chatdesk.library.safety import Checked
from chatdesk.paths import starter
from chatdesk.remarks import Remark
from chatdesk.settings.store import Settings
from chatdesk.tasks import adapters, draft_models
from chatdesk.tasks.changes import Action, Change, ModelChanged, Notice, NoticeChanged
from chatdesk.tasks.checkpoints import Checkpoints
from chatdesk.tasks.ports import EngineLink, Post, aside

Plans: TypeAlias = list[Plan] | UserError
"""How a checkpoint could be loaded, best first, or why it cannot."""

_ACTIONS: dict[Fault, Action] = {
    Fault.OUT_OF_MEMORY: "use_less",
    Fault.NO_DEVICE: "use_cpu",
    Fault.ENGINE_DIED: "retry",
    Fault.ENGINE_HUNG: "retry",
    Fault.ENGINE_BUG: "retry",
    Fault.ENGINE_KEEPS_DYING: "restart_engine",
}


class Models:
    """Loads and unloads; says `ModelChanged`. All methods and ``on_event`` belong to the tasks' thread.

    Attributes: ``state``, the last `ModelChanged`; ``checkpoints``, those on this machine; ``on_change`` and
    ``on_settled``, set by whoever assembles.
    """

    def __init__(
        self,
        engine: EngineLink,
        find: Callable[[tuple[str, ...]], list[Entry]],
        settings: Settings,
        post: Post,
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._post = post
        self.checkpoints = Checkpoints(find, settings, post)
        self._load: Load | None = None
        self._cancelled = False
        self._is_planning = False
        self._held: tuple[Load, ModelInfo] | None = None
        self._surveys: dict[int, Callable[[Surveyed | Failed], None]] = {}
        self._used_s = time.monotonic()
        self._borrower: Callable[[], None] | None = None
        self.state = ModelChanged("none")
        self.on_change: Callable[[Change], None] = lambda change: None
        self.on_settled: Callable[[], None] = lambda: None

    @property
    def info(self) -> ModelInfo | None:
        """The loaded model, if one is ready."""
        return self.state.info if self.state.state == "ready" else None

    @property
    def is_loading(self) -> bool:
        """Whether a load is under way: what is sent now is answered when it has ended."""
        return self.state.state == "loading"

    def load(
        self,
        path: str,
        device: Device = "auto",
        dtype: Dtype = "auto",
        gpu_layers: int | None = None,
        context: int | None = None,
    ) -> None:
        """Load the checkpoint folder ``path`` in place of the present one; a load under way is cancelled."""
        if self.is_loading and self._load is not None:
            self._engine.cancel(self._load.id)
        memory = self._settings["branch_memory"]
        wanted = path, device, dtype, gpu_layers, context
        self._load = Load(self._engine.next_id(), *wanted, memory, self.guesses, self._draft_for(path))
        self._cancelled = self._is_planning = False
        self._say(ModelChanged("loading", self._name(), path))
        self._engine.send(self._load)

    def load_plan(self, path: str, plan: Plan) -> None:
        """Load a checkpoint just as a plan has it."""
        device: Device = plan.place.device  # type: ignore[assignment]  # a survey names no others
        is_shared = 0 < plan.gpu_layers < plan.layers
        self.load(path, device, plan.precision, plan.gpu_layers if is_shared else None, plan.context)

    def plans(self, path: str, callback: Callable[[Plans], None]) -> None:
        """How a checkpoint could be loaded now, best first; ``callback`` gets it, or why not, on the tasks' thread."""
        self.plans_of_many((path,), lambda _, found: callback(found))

    def plans_of_many(self, paths: Iterable[str], callback: Callable[[str, Plans], None]) -> None:
        """The plans of many checkpoints from one look at the devices; ``callback`` gets each path with them."""
        wanted = {path: self._draft_for(path) for path in paths}

        def work(answer: Surveyed | Failed) -> None:
            for path, draft in wanted.items():
                self._post(partial(callback, path, _plans(partial(safety.check, Path(path)), answer, draft=draft)))

        self._survey(work)

    def plans_of_checked(self, name: str, checked: Checked, callback: Callable[[Plans], None]) -> None:
        """The plans of a checkpoint called ``name`` that is not on this machine."""
        self._survey(lambda answer: self._post(partial(callback, _plans(lambda: checked, answer, name))))

    def _survey(self, work: Callable[[Surveyed | Failed], None]) -> None:
        """Look at the devices; ``work`` gets the answer on a thread of its own."""

        def aside(answer: Surveyed | Failed) -> None:
            threading.Thread(target=work, args=(answer,), name="plans", daemon=True).start()

        request = Survey(self._engine.next_id())
        self._surveys[request.id] = aside
        self._engine.send(request)

    def remove(self, what: Removal, then: Callable[[], None], failed: Callable[[UserError], None]) -> None:
        """Move a checkpoint to the trash, unless it is loaded. Who calls this has asked the person."""
        path = self.state.path
        if path and self.state.state != "failed" and removing.is_within(path, what.place):
            failed(UserError(Fault.REMOVED_WHILE_LOADED, path=what.place))
        else:
            self.checkpoints.remove(what, then, failed)

    def load_smaller(self) -> None:
        """The memory was not enough: load the same checkpoint by the next plan, at last on the CPU.

        Until the plan is made it counts as loading, so that what is asked meanwhile waits.
        """
        if self._load is None:
            return
        last, info = self._load, self.info
        self._is_planning = True
        self._say(ModelChanged("loading", self._name(), last.path))

        def then(found: Plans) -> None:
            if self._load is not last or not self._is_planning:
                return
            plans = [] if isinstance(found, UserError) else found
            keys = [_key(plan) for plan in plans]
            tried = (info.device, info.dtype) if info else (last.device, last.dtype)
            had = (*tried, last.gpu_layers is not None)
            if tried[1] == "auto" and keys:  # it took the first
                had = keys[0]
            left = plans[keys.index(had) + 1 :] if had in keys else plans
            if left:
                self.load_plan(last.path, left[0])
            else:
                self.load(last.path, "cpu", "auto" if last.device != "cpu" else last.dtype)

        self.plans(last.path, then)

    def tick(self, is_busy: bool) -> None:
        """Let the model sleep when nothing was asked of it for as long as the person set; call it now and then."""
        now, after_s = time.monotonic(), self._settings["unload_after"] * 60
        if is_busy or self._borrower is not None or self.info is None:
            self._used_s = now
        elif after_s and now - self._used_s >= after_s:
            self._engine.unload()
            self._held = None
            self._say(replace(self.state, state="asleep", info=None))

    def borrow(self, give_back: Callable[[], None] | None) -> None:
        """Use the model beside the chat: ``give_back`` is called when a reply wants it or it is left. None: done."""
        self._borrower = give_back

    def claim(self) -> None:
        """A reply wants the model: who borrowed it makes way."""
        borrower, self._borrower = self._borrower, None
        if borrower is not None:
            borrower()

    def wake(self) -> None:
        """Load a sleeping model again."""
        if self.state.state == "asleep":
            self.reload()

    @property
    def dialogue(self) -> str:
        """How messages are written for the model that is loaded or loading; see `Generate`."""
        return self._dialogue_of(self.state.path)

    def choose_dialogue(self, name: str) -> None:
        """Write messages for the loaded checkpoint in this way from now on; empty is its own template."""
        if self.info is None:
            return
        path = self.info.path
        others = tuple(kept for kept in self._settings["dialogues"] if kept.partition("=")[2] != path)
        self._settings.keep("dialogues", (f"{name}={path}", *others)[:100] if name else others)
        self._say(replace(self.state, dialogue=name))

    def _dialogue_of(self, path: str) -> str:
        """What was chosen for a checkpoint; a name that another version knew counts for nothing."""
        kept = dict(reversed(line.partition("=")[::2]) for line in self._settings["dialogues"])
        return kept[path] if kept.get(path) in DIALOGUES else ""

    @property
    def adapter(self) -> str:
        """Folder of the adapter that the model answers with; empty is none."""
        return self.state.adapter

    def choose_adapter(self, path: str, failed: Callable[[UserError], None]) -> None:
        """Answer with the adapter in this folder from the next reply on, or with none; ``failed`` gets why not.

        The model stays loaded. The choice is remembered for its checkpoint.
        """
        info = self.info

        def take(adapter: str) -> None:
            now = self.info
            if now is not None and info is not None and now.path == info.path:  # not another one meanwhile
                adapters.choose(self._settings, now.path, adapter)
                self._say(self._ready(now))

        if path:
            aside(self._post, lambda: adapters.checked(path, info), take, failed)
        else:
            take("")

    @property
    def guesses(self) -> bool:
        """Whether the settings let anything guess ahead."""
        return bool(self._settings["guesses"])

    def draft_models(self, large: Entry, entries: Sequence[Entry], then: Callable[[Sequence[Entry]], None]) -> None:
        """Which of the checkpoints could guess ahead for ``large``; ``then`` gets them on the tasks' thread."""
        aside(self._post, lambda: draft_models.fitting(large, entries), then, lambda error: None)

    def _draft_for(self, path: str) -> str:
        """Folder of the checkpoint that guesses ahead when the one in ``path`` is loaded; empty is none."""
        return self.draft_model(path) if self.guesses else ""

    def draft_model(self, path: str) -> str:
        """Folder of the checkpoint that was chosen to guess ahead for the one in ``path``; empty is none."""
        return draft_models.chosen(self._settings, path)

    def choose_draft_model(self, path: str, draft: str) -> None:
        """Let a checkpoint guess ahead for the one in ``path`` from now on, or none; a loaded one is loaded again."""
        draft_models.choose(self._settings, path, draft)
        if self.state.path == path and self.state.state in ("ready", "loading"):
            self.reload()

    def reload(self, device: Device | None = None) -> None:
        """Load the same checkpoint again, the way it was loaded, or wholly on another device."""
        if (last := self._load) is not None:
            layers = last.gpu_layers if device is None else None
            self.load(last.path, device or last.device, last.dtype, layers, last.context)

    def cancel_load(self) -> None:
        """Stop loading; no model is loaded then."""
        if self._is_planning:
            self.unload()
        elif self._load is not None and self.is_loading:
            self._cancelled = True
            self._engine.cancel(self._load.id)

    def unload(self) -> None:
        """Leave the model and give its memory back."""
        self._load = self._held = None
        self._is_planning = False
        self._engine.unload()
        self._say(ModelChanged("none"))
        self.on_settled()

    def on_event(self, event: Event) -> None:
        """Take an engine event; those of other requests are ignored."""
        if isinstance(event, Surveyed | Failed) and (answer := self._surveys.pop(event.request, None)):
            answer(event)
        if self._load is None or event.request != self._load.id:
            return
        match event:
            case Progress(done=done, total=total):
                self._say(ModelChanged("loading", self._name(), self._load.path, done, total))
            case Loaded(model=info):
                self._say(self._ready(info))
                self._held = self._load, info
                self._remember(info.path)
                self._used_s = time.monotonic()
                self.on_settled()
            case Failed(fault=fault, fields=fields, keeps_model=keeps):
                if keeps and self._held is not None:
                    self._load, info = self._held
                    self._say(self._ready(info))
                    if fault != Fault.CANCELLED:
                        self.on_change(NoticeChanged(Notice(Fault(fault), fields, "choose_model")))
                    self.on_settled()
                else:
                    self._failed(Fault(fault), fields)

    def _ready(self, info: ModelInfo) -> ModelChanged:
        draft = self._load.draft if self._load is not None else ""
        return ModelChanged(
            "ready",
            info.name,
            info.path,
            info=info,
            dialogue=self._dialogue_of(info.path),
            adapter=adapters.chosen(self._settings, info.path),
            adapters=adapters.taken_before(self._settings, info.path),
            draft_model=draft if Remark.DRAFT_UNUSED not in info.remarks else "",
        )

    def _failed(self, fault: Fault, fields: dict[str, str]) -> None:
        self._held = None
        if fault is Fault.CANCELLED or self._cancelled:
            self._load = None
            self._say(ModelChanged("none"))
        else:
            notice = Notice(fault, fields, _ACTIONS.get(fault, "choose_model"))
            path = self._load.path if self._load else ""
            self._say(ModelChanged("failed", self._name(), path, notice=notice))
        self.on_settled()

    def _remember(self, path: str) -> None:
        self._settings.keep("model", path)
        self._settings.keep("uses", note_use(self._settings["uses"], path, time.time()))
        self.checkpoints.keep(path)

    def _name(self) -> str:
        return Path(self._load.path).name if self._load else ""

    def _say(self, state: ModelChanged) -> None:
        self.state = state
        if state.state != "ready":
            self.claim()
        self.on_change(state)


def _key(plan: Plan) -> tuple[str, str, bool]:
    """What tells the plans of one checkpoint apart: device, precision, and whether layers stand beside the GPU."""
    return plan.place.device, plan.precision, 0 < plan.gpu_layers < plan.layers


def _plans(check: Callable[[], Checked], answer: Surveyed | Failed, name: str = "", draft: str = "") -> Plans:
    try:
        if isinstance(answer, Failed):
            raise UserError(Fault(answer.fault), **answer.fields)
        checked = check()
        return plans_of(checked, name or name_and_source(checked, starter())[0], answer.devices, draft)
    except UserError as error:
        return error
