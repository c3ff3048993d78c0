"""A child process that tells its news in lines of JSON: how it is started, read, asked to stop and ended."""

import contextlib
import logging
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, cast

_logger = logging.getLogger(__name__)
_REAP_S = 5.0


class LineProcess:
    """A running child. ``on_line`` is called on its reading thread with each line, then ``on_end`` once with its exit
    status. ``log``: file that its stderr is appended to. Raises `OSError` if the process cannot be started.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str] | None,
        log: Path,
        on_line: Callable[[bytes], None],
        on_end: Callable[[int], None],
    ) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment,
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        self._on_line, self._on_end = on_line, on_end
        self._thread = threading.Thread(target=self._read, name="lab-reader", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ask it to save and to end: its stdin ends."""
        with contextlib.suppress(OSError):
            cast("IO[bytes]", self._process.stdin).close()

    def end(self, patience_s: float = 0.0) -> None:
        """Ask it to end, and kill it when it has not within ``patience_s``; wait for its thread."""
        self.stop()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(patience_s)
        self._process.kill()
        self._thread.join(_REAP_S)
        if self._thread.is_alive():  # it sits in the kernel
            _logger.warning("Process %d does not end", self._process.pid)

    def _read(self) -> None:
        with cast("IO[bytes]", self._process.stdout) as lines:
            for line in lines:
                self._on_line(line)
        code = self._process.wait()
        self.stop()
        self._on_end(code)
