"""What a training process does as a process: stands back behind others, stops when asked, and says how it failed."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from safetensors import SafetensorError

from chatdesk.engine.out_of_memory import is_out_of_memory
from chatdesk.errors import Fault, UserError

NICENESS = 10
"""Behind the engine (5), too: a reply that is being written goes first."""


def step_back() -> None:
    """Let the window and its engine have the processor first. Threads inherit it, so this comes before torch's."""
    if sys.platform == "win32":
        import psutil

        psutil.Process().nice(psutil.BELOW_NORMAL_PRIORITY_CLASS)
    else:
        with contextlib.suppress(OSError):
            os.nice(NICENESS)


@contextlib.contextmanager
def stopped_by_signals(stop: threading.Event) -> Iterator[None]:
    """Ctrl+C and a request to end set ``stop``, so that the run saves; a second Ctrl+C interrupts at once."""

    def ask(number: int, _frame: FrameType | None) -> None:
        if stop.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        stop.set()

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, ask) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


@contextlib.contextmanager
def told(folder: Path) -> Iterator[None]:
    """Turn what the machine lacks into a `UserError`: ``RUN_NOT_SAVED`` or ``RUN_OUT_OF_MEMORY``."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise UserError(Fault.RUN_NOT_SAVED, path=folder, reason=reason) from error
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise UserError(Fault.RUN_OUT_OF_MEMORY, path=folder) from error
