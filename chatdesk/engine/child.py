"""One engine process with its pipe: how it is started, read, written to and ended.

Non-goals: what is said over the pipe and what follows from an end; see `chatdesk.engine.client`.
"""

import contextlib
import logging
import os
import queue
import signal
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TypeAlias, cast

import msgspec

from chatdesk.engine.api import Event
from chatdesk.engine.wire import EXIT_DEVICE_FAILED, FUSED_VARIABLE, LOG_VARIABLE, read_bodies

CHILD_FLAG = "--engine-process"
"""Hidden flag by which the executable of a frozen bundle becomes the child."""

_PACKAGE_PARENT = Path(__file__).resolve().parents[2]
_LOG_BYTES = 4 << 20
_REAP_S = 5.0
_logger = logging.getLogger(__name__)


class Greeting(msgspec.Struct, tag="Hello"):
    """What is read of the first frame before anything else, so that any version can be told from garbage."""

    version: int


@dataclass(frozen=True)
class Ended:
    """Nothing more will come. ``reason``: what was wrong on the pipe; None at its plain end."""

    reason: str | None


News: TypeAlias = Greeting | Event | Ended


def child_command() -> list[str]:
    """How to start the engine process. ``-P``: no module is taken from the folder the program was started in."""
    if getattr(sys, "frozen", False):
        return [sys.executable, CHILD_FLAG]
    return [sys.executable, "-P", "-m", "chatdesk.engine.host"]


def child_environment(log: Path | None, is_plain: bool = False) -> dict[str, str]:
    """The child's environment: never a network, threads that yield, and the package found where this one was found.

    Threads of OpenMP that wait actively hold up each other as soon as other programs want the cores, too: on two busy
    cores the model in the box wrote 12 tokens a second, and 140 with threads that sleep. oneDNN keeps a kernel for each
    shape it has met, 1,024 of them if it may: after a long prompt in bfloat16 up to a hundred megabytes for shapes
    that do not come again. Who sets another policy keeps it. ``is_plain``: without kernels of our own on a GPU.
    """
    environment = (
        {"OMP_WAIT_POLICY": "PASSIVE", "ONEDNN_PRIMITIVE_CACHE_CAPACITY": "64"}
        | os.environ
        | {
            "HF_HUB_OFFLINE": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "TRANSFORMERS_OFFLINE": "1",
            "TOKENIZERS_PARALLELISM": "false",
            "PYTHONUTF8": "1",
        }
    )
    if log is not None:
        environment[LOG_VARIABLE] = str(log)
    if is_plain:
        environment[FUSED_VARIABLE] = "off"
    if str(_PACKAGE_PARENT) != sysconfig.get_path("purelib"):  # a source tree: ``-P`` would not find it
        known = environment.get("PYTHONPATH")
        environment["PYTHONPATH"] = os.pathsep.join([str(_PACKAGE_PARENT), *([known] if known else [])])
    return environment


DEVICE_FAILED = "the graphics device failed"
"""How a child ended, in words: an error that leaves the device's memory of the process unusable."""


class Child:
    """A running engine process. ``receive`` is called on its reading thread: the greeting, then each event, then once
    `Ended`. ``is_greeted`` is kept by the owner. ``is_plain``: see `child_environment`. Raises `OSError` if the process
    cannot be started.
    """

    def __init__(
        self, command: Sequence[str], log: Path | None, receive: "Callable[[Child, News], None]", is_plain: bool = False
    ) -> None:
        self.is_greeted = False
        self._receive = receive
        self._frames: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        with _opened_log(log) as errors:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=child_environment(log, is_plain),
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        self._threads = [
            threading.Thread(target=self._read, name="engine-reader", daemon=True),
            threading.Thread(target=self._write, name="engine-writer", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def write(self, frame: bytes) -> None:
        """Write a frame, in order, without waiting."""
        self._frames.put(frame)

    def end(self, patience_s: float = 0.0) -> str:
        """Kill the process if it has not ended by itself within ``patience_s``; how it ended, in words.

        There is nothing to be saved in it, so killing is the quick and sure way to give its memory back.
        """
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(patience_s)
        self._process.kill()
        self._frames.put(None)
        try:
            self._process.wait(_REAP_S)
        except subprocess.TimeoutExpired:  # it sits in the kernel; its threads end when it does
            _logger.warning("Engine process %d does not end", self._process.pid)
            return "it does not end"
        for thread in self._threads:
            thread.join(_REAP_S)
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                cast("IO[bytes]", pipe).close()
        return _words_for_exit(self._process.returncode)

    def _read(self) -> None:
        decoder: msgspec.msgpack.Decoder[Event] = msgspec.msgpack.Decoder(Event)
        greeting: msgspec.msgpack.Decoder[Greeting] = msgspec.msgpack.Decoder(Greeting)
        is_first, reason = True, None
        try:
            for body in read_bodies(cast("IO[bytes]", self._process.stdout)):
                if is_first:
                    self._receive(self, greeting.decode(body))
                    is_first = False
                self._receive(self, decoder.decode(body))
        except Exception as error:  # nested too deep, no Unicode, no memory: all the same, for nothing more is read
            reason = f"it sent what is no message: {error}"
        self._receive(self, Ended(reason))

    def _write(self) -> None:
        pipe = cast("IO[bytes]", self._process.stdin)
        with contextlib.suppress(OSError):  # the child has gone; its reader tells
            while (frame := self._frames.get()) is not None:
                pipe.write(frame)
                pipe.flush()


@contextlib.contextmanager
def _opened_log(log: Path | None) -> Iterator[IO[bytes] | int | None]:
    """The log to append to; what is over 4 MB makes room. Without one, our own stderr; unwritable, nowhere."""
    if log is None:
        yield None
        return
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        if log.exists() and log.stat().st_size > _LOG_BYTES:
            log.replace(log.with_name(log.name + ".old"))
        file = log.open("ab")
    except OSError as error:
        _logger.warning("The engine's log cannot be written: %s", error)
        yield subprocess.DEVNULL
        return
    with file:
        yield file


def _words_for_exit(code: int) -> str:
    if code == EXIT_DEVICE_FAILED:
        return DEVICE_FAILED
    if code < 0:
        with contextlib.suppress(ValueError):
            return f"killed by signal {-code}, {signal.Signals(-code).name}"
        return f"killed by signal {-code}"
    return f"exit code {code}" if code < 256 else f"exit code 0x{code:08X}"
