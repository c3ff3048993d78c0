"""The program's side of the engine process: starts it, talks to it, replaces it when it dies.

`EngineClient` owns one worker thread, which alone touches its state and alone calls ``on_event``; callers and the two
threads of each child (one reads the pipe, one writes it) only put actions into the worker's inbox. So no call blocks,
and nothing runs while nothing happens.

Rules:
- Every request sent ends with exactly one last event, whatever becomes of the child.
- A child that dies is replaced at once, and the `Load` of what it had loaded is sent again by itself with its old id;
  a load that failed or killed its child is not repeated, and neither is the one before it. The third death within five
  minutes ends this: requests then fail with ``engine_keeps_dying`` until `EngineClient.start` or the next `Load`.
- A cancel that has not ended its request after 2 s kills the child. That is no death in the sense above: a person
  asked for it, so it cannot become a loop. The cancelled request looks cancelled, others fail with ``engine_hung``.
- A child that speaks another version is not tried again until `EngineClient.start` or the next `Load`.

Non-goals: retrying a reply (its text would differ), watching memory.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path

from chatdesk.engine.api import (
    PROTOCOL_VERSION,
    Attend,
    Cancel,
    Capability,
    DraftFinished,
    Event,
    Failed,
    Finished,
    Generate,
    Hello,
    Load,
    Loaded,
    Measure,
    Ping,
    Read,
    Request,
    Score,
    Started,
    TokenEvent,
)
from chatdesk.engine.child import DEVICE_FAILED, Child, Ended, Greeting, News, child_command
from chatdesk.engine.wire import ENDINGS, MAX_FRAME_BYTES, cancelled, pack
from chatdesk.errors import Fault, UserError

_DEATHS = 3
_DEATH_WINDOW_S = 300.0
_logger = logging.getLogger(__name__)


@dataclass
class _Open:
    """A request that has not ended, and what its reader has seen of it."""

    request: Request
    is_cancelled: bool = False
    finished_drafts: set[int] = field(default_factory=set)
    prompt_tokens: int = 0
    new_tokens: int = 0

    def note(self, event: Event) -> None:
        match event:
            case Started():
                self.prompt_tokens = len(event.prompt_token_ids)
            case TokenEvent():
                self.new_tokens += 1
            case DraftFinished():
                self.finished_drafts.add(event.draft)

    def cancelled_end(self) -> list[Event]:
        last = Finished(self.request.id, self.prompt_tokens, 0, self.new_tokens, 0.0, 0.0)
        return cancelled(self.request, frozenset(self.finished_drafts), last)


class EngineClient:
    """An engine in a child process; see the module for its rules. All methods may be called from any thread, and
    none but `close` waits.

    Args:
        on_event: Called on the worker thread for each event; what it raises is logged and harms nothing.
        command: The child's command line; `child_command` by default.
        log: File for the child's stderr; kept below 4 MB at each start, one older file beside it.
        clock: Seconds, monotonic.
        cancel_timeout_s: How long a cancel may take before the child is killed.
    """

    def __init__(
        self,
        on_event: Callable[[Event], None],
        *,
        command: Sequence[str] | None = None,
        log: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
        cancel_timeout_s: float = 2.0,
    ) -> None:
        self._on_event = on_event
        self._command = list(command or child_command())
        self._log = log
        self._clock = clock
        self._cancel_timeout_s = cancel_timeout_s
        self._ids = count(1)
        self._inbox: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._is_closed = False
        # from here on, the worker's own
        self._child: Child | None = None
        self._open: dict[int, _Open] = {}
        self._deadlines: dict[int, float] = {}
        self._loaded: Load | None = None
        self._is_plain = False
        self._deaths: list[float] = []
        self._refusal: tuple[Fault, dict[str, str]] | None = None  # why no child is started
        self._worker = threading.Thread(target=self._work, name="engine-worker", daemon=True)
        self._worker.start()

    def next_id(self) -> int:
        """A fresh id for a request."""
        return next(self._ids)

    def start(self) -> None:
        """Start the child ahead of the first request; after too many deaths, try once more."""
        self._inbox.put(self._start)

    def send(self, request: Request) -> None:
        """Send a request; starts the child where there is none. Whatever happens, an event will end it."""
        if isinstance(request, Cancel):
            self.cancel(request.request)
        else:
            self._inbox.put(partial(self._send, request))

    def cancel(self, request_id: int) -> None:
        """End a request early; harmless when it is over."""
        self._inbox.put(partial(self._cancel, request_id))

    def unload(self) -> None:
        """Give all memory back: end the child, its requests as cancelled ones, and start an empty one ahead."""
        self._inbox.put(self._unload)

    def close(self) -> None:
        """End the child and the worker, and wait for both. Open requests get no more events; later calls do nothing."""
        self._inbox.put(self._close)
        if threading.current_thread() is not self._worker:
            self._worker.join()

    # ---- the worker thread

    def _work(self) -> None:
        while not self._is_closed:
            wait_s = max(min(self._deadlines.values()) - self._clock(), 0.0) if self._deadlines else None
            try:
                action = self._inbox.get(timeout=wait_s)
            except queue.Empty:
                action = self._check_deadlines
            try:
                action()
            except Exception:
                _logger.exception("The engine's worker failed at %s", action)
            if wait_s == 0.0:  # a busy inbox must not hide a deadline
                self._check_deadlines()

    def _check_deadlines(self) -> None:
        """Judge late requests behind all that has arrived by now: the end of one may be among it."""
        now = self._clock()
        for request_id in [i for i, deadline in self._deadlines.items() if deadline <= now]:
            del self._deadlines[request_id]
            self._inbox.put(partial(self._end_hung, request_id))

    def _start(self) -> None:
        if self._child is None:
            self._refusal = None
            self._deaths.clear()
            self._start_child()

    def _send(self, request: Request) -> None:
        if isinstance(request, Load) or self._refusal is None:
            self._start()
        opened = self._open[request.id] = _Open(request)
        if self._refusal is not None:
            fault, fields = self._refusal
            self._end(opened, fault, fields)
            return
        try:
            frame = pack(request)
        except (ValueError, OverflowError) as error:
            allowed = f"Unicode text with numbers below 2^63, at most {MAX_FRAME_BYTES >> 20} MB"
            value = str(error).encode("utf-8", "replace").decode()[:200]
            self._end(opened, Fault.BAD_VALUE, {"name": "request", "value": value, "allowed": allowed})
            return
        if self._child is not None:
            self._child.write(frame)

    def _cancel(self, request_id: int) -> None:
        opened = self._open.get(request_id)
        if opened is None or opened.is_cancelled:
            return
        opened.is_cancelled = True
        if self._child is not None:
            self._child.write(pack(Cancel(self.next_id(), request_id)))
        if self._child is None or not self._child.is_greeted:  # it has begun nothing, and takes its time to start
            self._end(opened, Fault.CANCELLED, {})
        elif isinstance(opened.request, Load | Generate | Score | Read | Attend | Measure):
            self._deadlines[request_id] = self._clock() + self._cancel_timeout_s

    def _unload(self) -> None:
        self._loaded = None
        self._end_child()
        for opened in self._open.values():
            opened.is_cancelled = True
        self._end_open(Fault.CANCELLED, {})
        if self._refusal is None:
            self._start_child()

    def _close(self) -> None:
        self._is_closed = True
        self._end_child()

    def _end_hung(self, request_id: int) -> None:
        if request_id not in self._open:
            return
        self._end_child()
        self._end_open(Fault.ENGINE_HUNG, {})
        self._start_child()

    def _on_news(self, child: Child, news: News) -> None:
        if child is not self._child:  # the last words of one that was ended
            return
        match news:
            case Greeting(version):
                self._on_greeting(child, version)
            case Ended(reason):
                exit_words = child.end(patience_s=1.0 if reason is None else 0.0)
                self._child = None
                self._is_plain |= exit_words == DEVICE_FAILED  # it may have been a kernel of ours
                self._died(reason or exit_words)
            case Hello():
                self._emit(news)
            case _:
                self._on_answer(news)

    def _on_greeting(self, child: Child, version: int) -> None:
        child.is_greeted = True
        if version != PROTOCOL_VERSION:
            self._end_child()
            self._refusal = (Fault.ENGINE_VERSION, {"found": str(version), "known": str(PROTOCOL_VERSION)})
            self._end_open(*self._refusal)

    def _on_answer(self, event: Event) -> None:
        """Pass on an event; one that belongs to no open request is dropped."""
        opened = self._open.get(event.request)
        if opened is None:
            return
        opened.note(event)
        if isinstance(event, Loaded) and isinstance(opened.request, Load):
            self._loaded = opened.request
        elif isinstance(event, Failed) and isinstance(opened.request, Load) and not event.keeps_model:
            self._loaded = None  # the one before has made way
        if isinstance(event, ENDINGS):
            self._forget(event.request)
        self._emit(event)

    def _start_child(self) -> None:
        try:
            self._child = Child(self._command, self._log, self._receive, self._is_plain)
        except OSError as error:
            self._died(f"it could not be started: {error.strerror}")
            return
        if self._loaded is not None:
            self._open[self._loaded.id] = _Open(self._loaded)
            self._child.write(pack(self._loaded))

    def _receive(self, child: Child, news: News) -> None:
        """Called on the child's reading thread."""
        self._inbox.put(partial(self._on_news, child, news))

    def _end_child(self) -> None:
        if self._child is not None:
            self._child.end()
            self._child = None

    def _died(self, reason: str) -> None:
        _logger.warning("The engine process ended: %s", reason)
        now = self._clock()
        self._deaths = [*(death for death in self._deaths if now - death < _DEATH_WINDOW_S), now]
        if len(self._deaths) >= _DEATHS:
            self._refusal = (Fault.ENGINE_KEEPS_DYING, {"reason": reason})
            self._loaded = None
        self._end_open(*(self._refusal or (Fault.ENGINE_DIED, {"reason": reason})))
        if self._refusal is None:
            self._start_child()

    def _end_open(self, fault: Fault, fields: dict[str, str]) -> None:
        """End all open requests in the child's place."""
        for opened in list(self._open.values()):
            self._end(opened, fault, fields)

    def _end(self, opened: _Open, fault: Fault, fields: dict[str, str]) -> None:
        """End a request in the child's place: a cancelled one as such, others with the fault."""
        self._forget(opened.request.id)
        if isinstance(opened.request, Load):
            self._loaded = None
        failed = Failed(opened.request.id, fault, fields)
        for event in opened.cancelled_end() if opened.is_cancelled else [failed]:
            self._emit(event)

    def _forget(self, request_id: int) -> None:
        self._open.pop(request_id, None)
        self._deadlines.pop(request_id, None)

    def _emit(self, event: Event) -> None:
        try:
            self._on_event(event)
        except Exception:
            _logger.exception("A receiver of engine events failed")


class PipedEngine:
    """An `Engine` whose work is done in a child process, for the command line and for tests.

    Waits for the child to start; raises `UserError` if it cannot. Any number of requests may be under way.
    """

    def __init__(self, *, command: Sequence[str] | None = None, log: Path | None = None) -> None:
        self.capabilities: tuple[Capability, ...] = ()
        self._queues: dict[int, queue.SimpleQueue[Event | None]] = {}
        self._client = EngineClient(self._on_event, command=command, log=log)
        *_, last = self.run(Ping(0))
        if isinstance(last, Failed):
            self.close()
            raise UserError(Fault(last.fault), **last.fields)

    def run(self, request: Request) -> Iterator[Event]:
        """See `Engine.run`. The request is sent at once, before the first event is asked for."""
        events = self._queues[request.id] = queue.SimpleQueue()
        self._client.send(request)
        return self._events(request.id, events)

    def cancel(self, request: int) -> None:
        """See `Engine.cancel`."""
        self._client.cancel(request)

    def close(self) -> None:
        """See `Engine.close`. Iterators that wait for events end."""
        self._client.close()
        for events in list(self._queues.values()):
            events.put(None)

    def _events(self, request_id: int, events: queue.SimpleQueue[Event | None]) -> Iterator[Event]:
        try:
            while (event := events.get()) is not None:
                yield event
                if isinstance(event, ENDINGS):
                    return
        finally:
            self._client.cancel(request_id)
            self._queues.pop(request_id, None)

    def _on_event(self, event: Event) -> None:
        if isinstance(event, Hello):
            self.capabilities = event.capabilities
        elif events := self._queues.get(event.request):
            events.put(event)
