"""Tasks that look inside over a scripted engine in this process: what is sent waits until the test lets it run."""

import queue
import threading
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

from chatdesk.engine.api import Event, Load, ModelInfo, Request
from chatdesk.engine.fake import FakeEngine
from chatdesk.tasks.changes import ModelChanged


class Link:
    """An `EngineLink`; ``receivers`` get the events of `settle`."""

    def __init__(self) -> None:
        self.engine = FakeEngine(context_length=600)
        *_, loaded = self.engine.run(Load(1, "fake:m"))
        self.info: ModelInfo = loaded.model  # type: ignore[union-attr]
        self._ids = count(2)
        self.sent: list[Request] = []
        self.cancelled: list[int] = []
        self.receivers: list[Callable[[Event], None]] = []
        self._waiting: list[Request] = []

    def next_id(self) -> int:
        return next(self._ids)

    def send(self, request: Request) -> None:
        self.sent.append(request)
        self._waiting.append(request)

    def cancel(self, request: int) -> None:
        self.cancelled.append(request)

    def unload(self) -> None:
        raise AssertionError("nobody unloads here")

    def settle(self, most: int = 10**6) -> None:
        """Run what waits, and what is sent meanwhile; at most so many requests."""
        while self._waiting and most:
            most -= 1
            request = self._waiting.pop(0)
            events = self.engine.run(request)
            if request.id in self.cancelled:
                self.engine.cancel(request.id)
            for event in events:
                for receive in self.receivers:
                    receive(event)


class LoadedModels:
    """What tasks ask of `Models`: which one is loaded."""

    adapter = ""
    dialogue = ""

    def __init__(self, link: Link) -> None:
        self.state = ModelChanged("ready", "m", "fake:m", info=link.info)
        self.woken = self.used = 0

    @property
    def info(self) -> Any:
        return self.state.info if self.state.state == "ready" else None

    def wake(self) -> None:
        self.woken += 1

    def tick(self, is_busy: bool) -> None:
        self.used += is_busy


def end_what_is_aside(posted: "queue.SimpleQueue[Callable[[], None]]") -> None:
    """Until what was begun aside has ended and was taken, and what it began in turn."""
    while (threads := [each for each in threading.enumerate() if each.name == "files"]) or not posted.empty():
        for thread in threads:
            thread.join()
        while not posted.empty():
            posted.get()()


def write(path: Path, text: str) -> Path:
    path.write_text(text, "utf-8")
    return path
