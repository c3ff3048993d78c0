"""A desk for the tests of tasks: a real store, an engine that says what the test lets it say, no window."""

import queue
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

from chatdesk.engine.api import (
    DEFAULT_SAMPLING,
    DraftFinished,
    Event,
    Failed,
    Finished,
    Generate,
    Load,
    Loaded,
    ModelInfo,
    Request,
    Started,
    TokenEvent,
)
from chatdesk.settings.store import Settings
from chatdesk.storage.store import Store
from chatdesk.tasks.changes import Change
from chatdesk.tasks.chat import Chat
from chatdesk.tasks.models import Models

INFO = ModelInfo(
    "Tiny", "/models/tiny", "GPT2LMHeadModel", 1000, "cpu", "CPU", "float32", 64, True, DEFAULT_SAMPLING, 0.1
)


class Engine:
    """An `EngineLink` that remembers what it was asked."""

    def __init__(self) -> None:
        self._ids = count(1)
        self.requests: list[Request] = []
        self.cancelled: list[int] = []
        self.is_unloaded = False

    def next_id(self) -> int:
        return next(self._ids)

    def send(self, request: Request) -> None:
        self.requests.append(request)

    def cancel(self, request: int) -> None:
        self.cancelled.append(request)

    def unload(self) -> None:
        self.is_unloaded = True


class Desk:
    """Chat and Models on one thread, the test's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.engine = Engine()
        self.store = Store(folder / "chatdesk.db", folder / "backups")
        self._posted: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self.models = Models(self.engine, lambda folders: [], Settings(folder / "settings.toml"), self._posted.put)
        self.chat = Chat(self.store, self.engine, self.models, self._posted.put)
        self.changes: list[Change] = []
        self.chat.on_change = self.models.on_change = self.changes.append
        self.chat.start()
        self.settle()

    def settle(self) -> None:
        """Until the store has answered everything and everything it answered was taken."""
        for _ in range(4):  # an answer may ask the store again
            self.store.submit(lambda c: None).exception(20)  # of a store that could not be opened
            while not self._posted.empty():
                self._posted.get()()

    def say(self, *events: Event) -> None:
        for event in events:
            self.models.on_event(event)
            self.chat.on_event(event)
        self.settle()

    def load(self) -> None:
        self.models.load("/models/tiny")
        request = self.engine.requests[-1]
        assert isinstance(request, Load)
        self.say(Loaded(request.id, INFO))

    def asked(self) -> Generate:
        self.settle()
        request = self.engine.requests[-1]
        assert isinstance(request, Generate)
        return request

    def send(self, text: str) -> Generate:
        self.chat.send(text)
        return self.asked()

    def stream(self, request: Generate, *words: str) -> None:
        self.say(Started(request.id, (1, 2, 3), DEFAULT_SAMPLING, 7))
        self.say(*(TokenEvent(request.id, 0, 10 + n, word, -1.0, -1.0) for n, word in enumerate(words)))

    def finish(self, request: Generate, reason: str = "stop") -> None:
        self.say(DraftFinished(request.id, 0, reason), Finished(request.id, 3, 0, 2, 0.1, 50.0))  # type: ignore[arg-type]

    def fail(self, request: Request, fault: str, **fields: str) -> None:
        self.say(Failed(request.id, fault, fields))

    def answer(self, text: str, *words: str) -> None:
        request = self.send(text)
        self.stream(request, *words)
        self.finish(request)

    def last(self, kind: type) -> Change:
        return next(change for change in reversed(self.changes) if isinstance(change, kind))

    def texts(self) -> list[str]:
        """What the open conversation holds on disk, root to tip."""
        return [turn.text for turn in self.chat._open.turns]

    def close(self) -> None:
        self.chat.close()
        self.store.close()


def answered(desk: Desk, ask: Callable[[Callable[[Any], None]], None]) -> Any:
    """What a callback gets, in the end."""
    got: list[Any] = []
    ask(got.append)
    deadline = time.monotonic() + 20
    while not got:
        assert time.monotonic() < deadline
        desk.settle()
        time.sleep(0.01)
    return got[0]
