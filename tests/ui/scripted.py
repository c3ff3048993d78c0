"""A chat and models without an engine and a store: they note what the window asks and say what a test wants."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from chatdesk.engine.api import DEFAULT_SAMPLING, ModelInfo
from chatdesk.library.catalogue import Entry, Source
from chatdesk.paths import resources
from chatdesk.settings.options import CHAT
from chatdesk.storage.records import Conversation
from chatdesk.tasks import changes
from chatdesk.tasks.changes import Change, Turn
from chatdesk.tasks.classifying import Typed
from chatdesk.tasks.writing_prompts import WritingPrompts

INFO = ModelInfo(
    "Starter 7M", "/box/starter", "LlamaForCausalLM", 7_100_000, "cpu", "CPU, 2 threads", "float32", 1024, True,
    DEFAULT_SAMPLING, 0.4,
)  # fmt: skip
READY = changes.ModelChanged("ready", INFO.name, INFO.path, info=INFO)
DEFAULTS: dict[str, Any] = {name: getattr(DEFAULT_SAMPLING, name, option.default) for name, option in CHAT.items()}
HOUR, DAY = 3600.0, 86400.0


def conversation(id: str, title: str, age_s: float = 0.0) -> Conversation:
    """A conversation last changed ``age_s`` seconds ago."""
    then = time.time() - age_s
    return Conversation(id, title, None, {}, "", then, then, None)


def _entry(name: str, path: str, source: Source, parameters: int, dtype: str, context: int) -> Entry:
    size = parameters * (4 if dtype == "float32" else 2)
    return Entry(name, Path(path), source, "LlamaForCausalLM", parameters, size, dtype, context)


class ScriptedCheckpoints:
    """Notes calls in ``calls``; finds ``entries`` at once; keeps other callbacks in ``callbacks``, by method."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.callbacks: dict[str, tuple[Callable[..., None], ...]] = {}
        self.entries: list[Entry] = [
            _entry("Starter 7M", "/box/starter", "box", 7_100_000, "float32", 1024),
            _entry("SmolLM2-135M-Instruct", "/cache/smol", "cache", 134_515_008, "bfloat16", 8192),
            _entry("my-gpt2", "/models/my-gpt2", "folder", 124_439_808, "float32", 1024),
        ]

    def __getattr__(self, name: str) -> Callable[..., None]:
        def note(*args: Any) -> None:
            self.callbacks[name] = tuple(arg for arg in args if callable(arg))
            self.calls.append((name, *(arg for arg in args if not callable(arg))))

        return note

    def refresh(self, callback: Callable[[list[Entry]], None]) -> None:
        callback(list(self.entries))


class ScriptedModels:
    """Notes calls in ``calls``; a test answers ``asked``, the last call of ``plans_of_many``, and ``asked_drafts``, the
    last of ``draft_models``; ``drafts`` is what was chosen to guess ahead.
    """

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.checkpoints = ScriptedCheckpoints()
        self.state = READY
        self.asked: tuple[tuple[str, ...], Callable[[str, Any], None]] = ((), lambda path, found: None)
        self.asked_drafts: Callable[[Any], None] = lambda found: None
        self.drafts: dict[str, str] = {}
        self.guesses = True

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *args: self.calls.append((name, *args))

    def plans_of_many(self, paths: Any, callback: Callable[[str, Any], None]) -> None:
        self.asked = (tuple(paths), callback)

    def draft_models(self, large: Any, entries: Any, then: Callable[[Any], None]) -> None:
        self.asked_drafts = then

    def draft_model(self, path: str) -> str:
        return self.drafts.get(path, "")


class ScriptedHub:
    """Notes what it is asked in ``calls``, with the callbacks, for the test to answer."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *args: self.calls.append((name, *args))

    def last(self, name: str) -> tuple[Any, ...]:
        """The arguments of the last call of ``name``."""
        return next(call[1:] for call in reversed(self.calls) if call[0] == name)


class ScriptedDownloads(ScriptedHub):
    """There are none to begin with."""

    all: tuple[changes.Download, ...] = ()


class ScriptedLab(ScriptedHub):
    """Nothing was trained yet."""

    runs = ()
    work = None
    is_training = False


class ScriptedBench(ScriptedHub):
    """Nothing was measured yet."""

    state = changes.BenchChanged("none")


class ScriptedShelf:
    """Notes calls in ``calls``; keeps callbacks in ``callbacks``, by method, for the test to answer."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.callbacks: dict[str, Callable[[Any], None]] = {}

    def __getattr__(self, name: str) -> Callable[..., Callable[[], None]]:
        def note(*args: Any) -> Callable[[], None]:
            self.callbacks[name] = next((arg for arg in args if callable(arg)), print)
            self.calls.append((name, *(arg for arg in args if not callable(arg))))
            return lambda: self.calls.append((f"stop {name}",))

        return note

    def said(self, name: str) -> list[tuple[Any, ...]]:
        """The arguments of all calls of ``name``, without the callbacks."""
        return [call[1:] for call in self.calls if call[0] == name]


class ScriptedClassifier(ScriptedShelf):
    """Nothing is typed yet, and nothing is sorted."""

    typed, table, run = Typed(), None, None


class ScriptedPrompts(ScriptedShelf):
    """Keeps the callback of ``ask``."""


class ScriptedWriting(ScriptedShelf):
    """Notes what the window asks of the writing desk; no document is open."""

    document = None

    def __init__(self) -> None:
        super().__init__()
        self.values: dict[str, Any] = {}
        self.generating = ScriptedShelf()

    def make_prompts(self) -> WritingPrompts:
        return WritingPrompts(resources() / "prompts", Path("no such file.toml"))


class ScriptedChat:
    """Notes calls in ``calls``; ``say`` gives changes to the window."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.open_id = ""
        self.on_change: Callable[[Change], None] = lambda change: None

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *args: self.calls.append((name, *args))

    def said(self, name: str) -> list[tuple[Any, ...]]:
        """The arguments of all calls of ``name``."""
        return [call[1:] for call in self.calls if call[0] == name]

    def say(self, *what: Change) -> None:
        for change in what:
            self.on_change(change)

    def show(self, conversation: Conversation | None, *turns: Turn) -> None:
        """Open a conversation, as the task does it."""
        self.open_id = conversation.id if conversation else ""
        self.say(
            changes.Opened(conversation, turns),
            changes.DraftChanged(""),
            changes.NoticeChanged(None),
            changes.ReplyingChanged(False),
            changes.ContextDropped(0),
            changes.SettingsChanged({}, DEFAULTS),
        )
