"""What a model writes for a document: one request at a time, from the question to what is kept of the answer.

Continuations, alternatives, a selection worked on, a text from a template. What came is kept with its origin when the
request ends, however it ends: the drawer has it. While a model loads the question waits; `tick` asks it then.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from chatdesk.engine.api import (
    ChatMessage,
    DraftFinished,
    Event,
    Failed,
    Finished,
    Generate,
    MakePrompt,
    PromptMade,
    Sampling,
    Started,
    TokenEvent,
)
from chatdesk.errors import Fault, UserError
from chatdesk.storage.tables import new_id
from chatdesk.tasks import diffing, guidance, turns
from chatdesk.tasks.adapters import called
from chatdesk.tasks.changes import Notice
from chatdesk.tasks.models import Models
from chatdesk.tasks.ports import EngineLink
from chatdesk.tasks.prompts import ExactPrompt
from chatdesk.tasks.replies import notice
from chatdesk.tasks.thoughts import Answer
from chatdesk.tasks.writing_changes import (
    Purpose,
    Reworked,
    WritingChange,
    WritingEnded,
    WritingGrew,
    WritingNotice,
    WritingStarted,
    WritingThinks,
    WritingWaits,
)
from chatdesk.tasks.writing_prompts import WritingPrompt, for_selection, for_template

_ROOM = 256  # new tokens that a worked-on selection may have beyond its own characters
_MOST_NEW = 4096
_THOUGHTS = 2048  # new tokens that a model which thinks may have beside those of its answer


@dataclass
class Task:
    """One request. ``prompt``: a text, or the messages for a chat model; ``selection``: the words that are worked on.

    ``texts``: what each draft holds by now; ``begins``: words in front of the first draft that were not generated;
    ``answers``: what finds the words of each draft behind its thoughts, where messages are answered.
    """

    purpose: Purpose
    prompt: str | tuple[ChatMessage, ...]
    sampling: Sampling
    seed: int | None = None
    drafts: int = 1
    lead: str = ""
    suffix: str = ""
    stop: tuple[str, ...] = ()
    bias: tuple[Any, ...] = ()
    unseen: int = 0
    name: str = ""
    selection: str = ""
    begins: str = ""
    is_few_shot: bool = False
    request: int = 0
    generations: tuple[str, ...] = ()
    texts: list[str] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    started: Started | None = None
    reason: str = "stop"


Wanted = Callable[[], Task]


class Generating:
    """One thread; never blocks. ``say`` is called with each change, ``keep`` with what was written, by id, and its
    origin, when a request has ended.
    """

    def __init__(
        self,
        engine: EngineLink,
        models: Models,
        say: Callable[[WritingChange], None],
        keep: Callable[[dict[str, str], dict[str, Any]], None],
    ) -> None:
        self._engine, self._models, self._say, self._keep = engine, models, say, keep
        self._task: Task | None = None
        self._waiting: Wanted | None = None
        self._is_placed = False  # what waits is for the cursor's place
        self._exact: tuple[int, Callable[[ExactPrompt | Notice], None]] | None = None

    @property
    def is_busy(self) -> bool:
        """Whether something is written, or waits for the model."""
        return self._task is not None or self._waiting is not None

    def go_on(
        self, purpose: Purpose, before: str, after: str, values: dict[str, Any], skipped: int = 0, drafts: int = 1
    ) -> None:
        """Go on between the words before and after the cursor; what came before and still runs is stopped.

        ``skipped``: characters at the beginning that are not in ``before``.
        """

        def wanted() -> Task:
            task = self._continuation(purpose, before, after, values, drafts)
            task.unseen += skipped
            return task

        self._ask(wanted, is_placed=True)

    def work_on(self, prompt: WritingPrompt, text: str, values: dict[str, Any]) -> None:
        """Have a selection worked on."""
        self._ask(lambda: self._selection(prompt, text, values))

    def begin(self, prompt: WritingPrompt, fields: dict[str, str], values: dict[str, Any]) -> None:
        """Have a text begun from a template."""
        self._ask(lambda: self._template(prompt, fields, values))

    def exact_prompt(
        self, before: str, after: str, values: dict[str, Any], callback: Callable[[ExactPrompt | Notice], None]
    ) -> None:
        """What the model would see if it went on now."""
        self._models.wake()
        if self._models.state.state in ("none", "failed"):
            callback(self._models.state.notice or Notice(Fault.NO_MODEL, {}))
            return
        try:
            task = self._continuation("continue", before, after, values, 1)
        except UserError as error:
            callback(notice(error))
            return
        self._exact = self._engine.next_id(), callback
        self._engine.send(MakePrompt(self._exact[0], task.prompt, task.sampling, lead=task.lead, suffix=task.suffix))

    def stop(self) -> None:
        """Stop what is being written; what came is kept. Nothing of it is said any more."""
        if self._waiting is not None:
            self._waiting = None
            self._say(WritingWaits(False))
        if self._task is not None:
            self._engine.cancel(self._task.request)
            self._finish("cancelled")

    def leave_place(self) -> None:
        """The cursor or the words around it are other ones: a continuation that waits for the model is given up."""
        if self._waiting is not None and self._is_placed:
            self.stop()

    def tick(self) -> None:
        """Ask what waited for the model, once it is there."""
        if self._task is not None:
            self._models.tick(is_busy=True)
        if self._waiting is not None and not self._models.is_loading:
            wanted, self._waiting = self._waiting, None
            self._ask(wanted, self._is_placed)

    def on_event(self, event: Event) -> None:
        """Take an engine event; those of other requests are ignored."""
        if self._exact is not None and event.request == self._exact[0]:
            self._take_exact(event)
        task = self._task
        if task is None or event.request != task.request:
            return
        match event:
            case Started():
                task.started = event
                for draft in range(len(task.answers)):
                    self._take(task, draft, event.opening)
            case TokenEvent(draft=draft, text=text):
                self._take(task, draft, text)
            case DraftFinished(draft=draft, text=text, reason=reason):
                task.reason = reason
                self._take(task, draft, text)
                if task.answers:
                    self._grow(task, draft, task.answers[draft].finish())
            case Finished():
                self._finish(task.reason)
            case Failed(fault=fault, fields=fields):
                self._finish("error")
                self._say(WritingNotice(notice(UserError(Fault(fault), **fields))))

    # -- inside ----------------------------------------------------------------------------------------------------

    def _ask(self, wanted: Wanted, is_placed: bool = False) -> None:
        self.stop()
        self._say(WritingNotice(None))
        self._models.wake()
        if self._models.is_loading:
            self._waiting, self._is_placed = wanted, is_placed
            self._say(WritingWaits(True))
            return
        if self._models.info is None:
            self._say(WritingNotice(self._models.state.notice or Notice(Fault.NO_MODEL, {}, "choose_model")))
            return
        try:
            task = wanted()
        except UserError as error:
            self._say(WritingNotice(notice(error)))
            return
        task.request = self._engine.next_id()
        task.generations = tuple(new_id() for _ in range(task.drafts))
        task.texts = [""] * task.drafts
        if not isinstance(task.prompt, str):
            task.answers = [Answer() for _ in range(task.drafts)]
        self._task = task
        self._say(WritingStarted(task.purpose, task.generations, task.is_few_shot, bool(task.suffix), task.unseen))
        if task.begins:
            self._grow(task, 0, task.begins)
        self._engine.send(
            Generate(
                task.request,
                task.prompt,
                task.sampling,
                seed=task.seed,
                drafts=task.drafts,
                stop=task.stop,
                overflow="refuse" if task.purpose in ("selection", "template") else "drop",
                dialogue=self._models.dialogue,
                adapter=self._models.adapter,
                lead=task.lead,
                suffix=task.suffix,
                bias=task.bias,
            )
        )

    @property
    def _is_chat(self) -> bool:
        info = self._models.info
        return bool(self._models.dialogue) or (info is not None and info.has_chat_template)

    @property
    def _room_to_think(self) -> int:
        """New tokens that are not of the answer."""
        info = self._models.info
        return _THOUGHTS if info is not None and info.thinks and not self._models.dialogue else 0

    def _continuation(self, purpose: Purpose, before: str, after: str, values: dict[str, Any], drafts: int) -> Task:
        info = self._models.info
        asked = guidance.asked(
            before, after, values, info.context_length if info else 2048, info is not None and info.can_fill
        )
        return Task(
            purpose,
            asked.prompt,
            guidance.sampling(values),
            values.get("seed"),
            drafts,
            asked.lead,
            asked.suffix,
            asked.stop,
            asked.bias,
            asked.unseen,
        )

    def _selection(self, prompt: WritingPrompt, text: str, values: dict[str, Any]) -> Task:
        said, stop = for_selection(prompt, text, self._is_chat)
        room = min(_MOST_NEW, _ROOM + 2 * len(text)) + self._room_to_think
        return Task(
            "selection",
            said,
            guidance.sampling({**values, "max_new_tokens": room}),
            values.get("seed"),
            stop=(stop,) if stop else (),
            bias=guidance.biases(values),
            name=prompt.name,
            selection=text,
            is_few_shot=not self._is_chat,
        )

    def _template(self, prompt: WritingPrompt, fields: dict[str, str], values: dict[str, Any]) -> Task:
        said, begins = for_template(prompt, fields, self._is_chat)
        return Task(
            "template",
            said,
            guidance.sampling({"max_new_tokens": 1024 + self._room_to_think, **values}),
            values.get("seed"),
            stop=turns.lines(values.get("stop", "")),
            bias=guidance.biases(values),
            name=prompt.name,
            begins=begins,
            is_few_shot=not self._is_chat,
        )

    def _take(self, task: Task, draft: int, text: str) -> None:
        """The model has written more: what it thinks goes nowhere."""
        if not task.answers:
            self._grow(task, draft, text)
            return
        answer = task.answers[draft]
        before = answer.state
        said = answer.feed(text)
        if answer.state != before and "thinks" in (before, answer.state):
            self._say(WritingThinks(answer.state == "thinks"))
        self._grow(task, draft, said)

    def _grow(self, task: Task, draft: int, text: str) -> None:
        if text:
            task.texts[draft] += text
            self._say(WritingGrew(draft, text))

    def _finish(self, reason: str) -> None:
        task, self._task = self._task, None
        if task is None:
            return
        written = {id: text for id, text in zip(task.generations, task.texts, strict=True) if text.strip()}
        if written:
            self._keep(written, self._record(task))
        is_cut = reason in ("length", "context")
        if task.purpose == "selection" and written and reason not in ("cancelled", "error"):
            self._say(self._reworked(task, is_cut))
        is_only_thought = is_cut and any(answer.state in ("thinks", "waits") for answer in task.answers)
        self._say(WritingEnded(task.purpose, reason, is_only_thought))

    def _reworked(self, task: Task, is_cut: bool) -> Reworked:
        """The answer with the blanks around it that the selection had."""
        old, new = task.selection, task.texts[0].strip()
        head, tail = old[: len(old) - len(old.lstrip())], old[len(old.rstrip()) :]
        found = tuple(diffing.pieces(old, f"{head}{new}{tail}"))
        return Reworked(task.generations[0], task.name, found, task.is_few_shot, is_cut)

    def _record(self, task: Task) -> dict[str, Any]:
        info, started = self._models.info, task.started
        return {
            "purpose": task.purpose,
            "asked": task.name,
            "model": called(info.name, self._models.adapter) if info else "",
            "model_path": info.path if info else "",
            "device": info.device if info else "",
            "dtype": info.dtype if info else "",
            "sampling": msgspec.to_builtins(started.sampling) if started else {},
            "seed": started.seed if started else None,
            "prompt_tokens": len(started.prompt_token_ids) if started else None,
        }

    def _take_exact(self, event: Event) -> None:
        if not isinstance(event, PromptMade | Failed) or self._exact is None:
            return
        callback, self._exact = self._exact[1], None
        if isinstance(event, PromptMade):
            callback(ExactPrompt(event, False))
        else:
            callback(notice(UserError(Fault(event.fault), **event.fields)))
