"""A client of the engine process with a memory, and children that misbehave."""

import sys
import threading
from collections.abc import Callable

import psutil

from chatdesk.engine.api import (
    Event,
    Failed,
    Generate,
    Load,
    Sampling,
    TokenEvent,
)
from chatdesk.engine.child import child_command
from chatdesk.engine.client import EngineClient
from chatdesk.engine.wire import ENDINGS
from chatdesk.errors import Fault

WAIT_S = 30
FAKE = [*child_command(), "--fake", '{"tokens_per_s": 2000, "context_length": 1000000000}']
ENDLESS = Sampling(max_new_tokens=10**6)


def children() -> list[psutil.Process]:
    """The processes that the tests have begun and that are still there."""
    return psutil.Process().children()


class Desk:
    """A client with a memory: all its events, and a way to wait for one."""

    def __init__(self, **options: object) -> None:
        self.events: list[Event] = []
        self.errors: list[Exception] = []  # raised by the receiver, one for each event
        self._came = threading.Condition()
        self.client = EngineClient(self._on_event, **({"command": FAKE} | options))

    def _on_event(self, event: Event) -> None:
        with self._came:
            self.events.append(event)
            self._came.notify_all()
        if self.errors:
            raise self.errors.pop()

    def until(self, is_it: Callable[[Event], bool], times: int = 1) -> Event:
        def found() -> list[Event]:
            return [event for event in self.events if is_it(event)][times - 1 :]

        with self._came:
            assert self._came.wait_for(found, WAIT_S), self.events[-20:]
            return found()[0]

    def end_of(self, request_id: int, times: int = 1) -> Event:
        return self.until(lambda e: e.request == request_id and isinstance(e, ENDINGS), times)

    def load(self, path: str = "fake:model") -> int:
        request = Load(self.client.next_id(), path)
        self.client.send(request)
        return request.id

    def generate(self, prompt: str, **options: object) -> int:
        request = Generate(self.client.next_id(), prompt, **options)
        self.client.send(request)
        return request.id

    def generating(self, prompt: str = "fake:endless", **options: object) -> int:
        """An endless generation that has begun."""
        request_id = self.generate(prompt, sampling=ENDLESS, **options)
        self.until(lambda e: e.request == request_id and isinstance(e, TokenEvent))
        return request_id

    def of(self, request_id: int) -> list[Event]:
        return [event for event in self.events if event.request == request_id]


def script(text: str) -> list[str]:
    """A child that runs ``text`` with its pipe as ``out``."""
    return [sys.executable, "-c", f"import os, sys, time\nout = sys.stdout.buffer\n{text}"]


def assert_fault(event: Event, fault: Fault, reason: str = "") -> None:
    assert isinstance(event, Failed)
    assert event.fault == fault
    assert reason in event.fields.get("reason", "")
