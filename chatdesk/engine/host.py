"""The engine process: ``python -m chatdesk.engine.host``, driven by `chatdesk.engine.client` over a pipe.

Threads: the main thread owns the engine and all inference, for life (state of CUDA graphs belongs to a thread). A
reader takes requests from the pipe and answers `Ping` and `Cancel` at once; counting has its own thread, so that a
text of megabytes holds up neither a cancel nor a reply. Other requests wait in order.

The process ends at the end of file on its pipe, so it never outlives the program, however that ended. A device
error that is not a clean out-of-memory ends it, too: such an error poisons a CUDA process for good.

Non-goals: restarting, time-outs and crash counting belong to the client. Start-up order matters: the pipe is taken
away from the standard streams before anything else is imported that might print.
"""

import contextlib
import faulthandler
import json
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from typing import BinaryIO

import msgspec

from chatdesk.engine.api import (
    PROTOCOL_VERSION,
    Cancel,
    Count,
    Engine,
    Event,
    Failed,
    Hello,
    Ping,
    Pong,
    Request,
)
from chatdesk.engine.wire import (
    ENDINGS,
    EXIT_BAD_FRAME,
    EXIT_DEVICE_FAILED,
    LOG_VARIABLE,
    cancelled,
    pack,
    read_bodies,
)
from chatdesk.errors import Fault, UserError

NICENESS = 5
"""How far the process stands back behind the window."""

_GRACE_S = 1.0


class Host:
    """Serves one engine on one pipe. ``source``: stream of request frames; ``sink``: descriptor for event frames."""

    def __init__(self, engine: Engine, source: BinaryIO, sink: int) -> None:
        self._engine = engine
        self._source = source
        self._sink = sink
        self._sink_lock = threading.Lock()
        self._lock = threading.Lock()  # guards _waiting, _running and _is_cancelled
        self._waiting: dict[int, Request] = {}
        self._order: SimpleQueue[int | None] = SimpleQueue()  # ids to run; None: the pipe has ended
        self._counts: SimpleQueue[Count] = SimpleQueue()
        self._running: int | None = None
        self._is_cancelled = False
        self._is_over = threading.Event()

    def serve(self, prepare: Callable[[], object] | None = None) -> None:
        """Greet, call ``prepare`` (slow imports) and run requests until the pipe ends."""
        self._send(Hello(0, PROTOCOL_VERSION, self._engine.capabilities))
        threading.Thread(target=self._read, name="reader", daemon=True).start()
        threading.Thread(target=self._count, name="count", daemon=True).start()
        if prepare is not None:
            self._prepare(prepare)
        while (request_id := self._order.get()) is not None:
            with self._lock:
                request = self._waiting.pop(request_id, None)
                self._running, self._is_cancelled = (request_id if request else None), False
            if request is not None:  # else it was cancelled while it waited
                self._run(request)
            with self._lock:
                self._running = None
        self._engine.close()
        self._is_over.set()

    def _prepare(self, prepare: Callable[[], object]) -> None:
        """Do what is to be done ahead. Where that fails, the request that needs it says why."""
        try:
            prepare()
        except Exception:
            traceback.print_exc()

    def _run(self, request: Request) -> None:
        """Send the events of one request; whatever happens, the last one ends it. Then let the engine make ready."""
        events = self._events(request)
        for event in events:
            self._send(event)
            if isinstance(event, ENDINGS):
                break
        for _ in events:  # nobody waits for these
            pass

    def _events(self, request: Request) -> Iterator[Event]:
        """What the engine says, and why it says no more: who has had a last event does not look at that."""
        try:
            for event in self._engine.run(request):
                yield event
                if self._is_cancelled:  # the cancel may have come before the engine knew of the request
                    self._engine.cancel(request.id)
            yield _bug(request.id, "the engine ended a request without a last event")
        except UserError as error:
            yield _failed(request.id, error.fault, **error.fields)
        except MemoryError:
            yield _failed(request.id, Fault.OUT_OF_MEMORY, device="The computer")
        except Exception as error:
            traceback.print_exc()
            if device_failed(error):
                os._exit(EXIT_DEVICE_FAILED)
            yield _bug(request.id, " ".join(f"{type(error).__name__}: {error}".split())[:300])

    def _read(self) -> None:
        decoder: msgspec.msgpack.Decoder[Request] = msgspec.msgpack.Decoder(Request)
        try:
            for body in read_bodies(self._source):
                self._take(decoder.decode(body))
        except Exception:  # without a reader nothing would end the process
            traceback.print_exc()
            os._exit(EXIT_BAD_FRAME)
        with self._lock:
            self._waiting.clear()
            running = self._running
        if running is not None:
            self._engine.cancel(running)
        self._order.put(None)
        self._is_over.wait(_GRACE_S)
        os._exit(0)  # a kernel that hangs must not keep the process

    def _take(self, request: Request) -> None:
        match request:
            case Ping():
                self._send(Pong(request.id))
            case Cancel():
                self._cancel(request.request)
            case Count():
                self._counts.put(request)
            case _:
                with self._lock:
                    self._waiting[request.id] = request
                self._order.put(request.id)

    def _cancel(self, request_id: int) -> None:
        with self._lock:
            request = self._waiting.pop(request_id, None)
            is_running = request_id == self._running
            self._is_cancelled |= is_running
        if is_running:
            self._engine.cancel(request_id)
        elif request is not None:
            for event in cancelled(request, has_begun=False):
                self._send(event)

    def _count(self) -> None:
        while True:
            self._run(self._counts.get())

    def _send(self, event: Event) -> None:
        frame = memoryview(pack(event))
        try:
            with self._sink_lock:
                while frame:
                    frame = frame[os.write(self._sink, frame) :]
        except OSError:  # nobody reads any more
            os._exit(0)


def _bug(request_id: int, reason: str) -> Failed:
    return _failed(request_id, Fault.ENGINE_BUG, reason=reason, log=os.environ.get(LOG_VARIABLE, "stderr"))


def _failed(request_id: int, fault: Fault, **fields: str) -> Failed:
    """Names of files need not be Unicode, but what is sent must be."""
    return Failed(
        request_id, fault, {name: value.encode("utf-8", "replace").decode() for name, value in fields.items()}
    )


def device_failed(error: BaseException) -> bool:
    """Whether an exception, or one that caused it, is an error of the device that leaves the process unusable.

    PyTorch raises `torch.AcceleratorError`, or a `RuntimeError` with the library's code in its text; running out of
    memory has a class of its own and is clean.
    """
    names = {cls.__name__ for cls in type(error).__mro__}
    if "OutOfMemoryError" not in names:
        signs = ("CUDA error", "HIP error", "CUBLAS_STATUS", "CUDNN_STATUS", "device-side assert")
        if "AcceleratorError" in names or any(sign in str(error) for sign in signs):
            return True
    cause = error.__cause__ or error.__context__
    return cause is not None and device_failed(cause)


def _claim_pipe() -> tuple[BinaryIO, int]:
    """Keep the pipe on descriptors of our own; from now on a stray print goes to the log, and reading finds nothing.

    `os.dup` makes descriptors that are not inherited, so a process started by a library cannot hold the pipe open.
    """
    if sys.stderr is None:  # who started us has none either
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        sys.stderr = os.fdopen(2, "w", encoding="utf-8")
    source, sink = os.dup(0), os.dup(1)
    if sys.platform == "win32":
        import msvcrt

        msvcrt.setmode(source, os.O_BINARY)
        msvcrt.setmode(sink, os.O_BINARY)
    os.dup2(2, 1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    sys.stdout = sys.stderr
    return os.fdopen(source, "rb"), sink


def step_back() -> None:
    """Let the window go first where both want a core: it asks for little, but at once. All threads come after this."""
    if sys.platform == "win32":
        import psutil

        psutil.Process().nice(psutil.BELOW_NORMAL_PRIORITY_CLASS)
    else:
        with contextlib.suppress(OSError):
            os.nice(NICENESS)


def main(arguments: list[str] | None = None) -> None:
    """Run the child until its pipe ends. ``--fake [JSON]`` serves a `FakeEngine` made with those arguments."""
    arguments = sys.argv[1:] if arguments is None else arguments
    source, sink = _claim_pipe()
    faulthandler.enable()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C in a terminal is for the program, which ends us
    if arguments[:1] == ["--fake"]:
        from chatdesk.engine.fake import FakeEngine

        options = json.loads(arguments[1]) if arguments[1:] else {}
        Host(FakeEngine(**options, pipe=sink), source, sink).serve()
    else:
        from chatdesk.engine.local import LocalEngine

        step_back()
        engine = LocalEngine()
        Host(engine, source, sink).serve(prepare=engine.warm_up)
    sys.stderr.flush()
    os._exit(0)  # torch's own tear-down takes long and has nothing to save


if __name__ == "__main__":
    main()
