"""Compiling the kernels of the lean step, once for a machine: ``python compiler.py FOLDER`` does it.

numba holds Python's lock for seconds when it compiles, which would hold up the reply that is being written. So a
child process of low priority compiles into the cache folder, and a thread then loads what is there: less than a
second. numba knows by itself when its cache is of another version or processor; older kernels are in another folder.
"""

import hashlib
import importlib
import importlib.util
import logging
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from types import ModuleType
from typing import Any

from chatdesk.paths import kernel_cache

_LONGEST_S = 300.0
_MODULES = "passes", "kernels"
_logger = logging.getLogger(__name__)


class Compiler:
    """Brings the kernels into this process. One is enough for all models."""

    def __init__(self) -> None:
        self.kernels: ModuleType | None = None
        self.passes: Any = None
        """`lean.passes`, once it is there: short functions, useful to every model."""
        self.has_failed = False
        self._thread: threading.Thread | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._closed = threading.Event()
        self._lock = threading.Lock()

    def start(self) -> None:
        """Begin, in the background; harmless when it has begun."""
        if self._thread is None and self.kernels is None and not self.has_failed:
            self._thread = threading.Thread(target=self._work, name="kernels", daemon=True)
            self._closed.clear()
            self._thread.start()

    def wait(self) -> bool:
        """Whether the kernels are there, once that is known."""
        self.start()
        if self._thread is not None:
            self._thread.join()
        return self.kernels is not None

    def close(self) -> None:
        """End a compilation that is under way; the next `start` begins again."""
        with self._lock:
            self._closed.set()
            if self._child is not None:
                self._child.kill()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _work(self) -> None:
        try:
            if importlib.util.find_spec("numba") is None:
                raise ImportError("numba is not installed")
            folder = kernel_cache() / _digest()
            if self._fill(folder):
                self.passes, self.kernels = (_load(str(folder), name) for name in _MODULES)
        except Exception as error:  # a machine where numba cannot be had keeps torch's path
            self.has_failed = True
            _logger.info("no lean decode step: %s: %s", type(error).__name__, error)

    def _fill(self, folder: Path) -> bool:
        """Compile what is not there; all of it where that fails, as what a power cut has left cannot be read."""
        is_used = folder.is_dir()
        folder.mkdir(parents=True, exist_ok=True)
        try:
            return self._compile(str(folder))
        except RuntimeError:
            if not is_used:
                raise
            shutil.rmtree(folder)
            return self._fill(folder)

    def _compile(self, folder: str) -> bool:
        """Let the child fill the cache; False where that was ended from here."""
        with self._lock:
            if self._closed.is_set():
                return False
            search = os.pathsep.join(path for path in sys.path if path)
            self._child = subprocess.Popen(
                [sys.executable, "-P", "-m", __name__, folder],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env={**os.environ, "PYTHONPATH": search},
                process_group=0 if os.name == "posix" else None,  # Ctrl+C in a terminal is not for it
            )
        child = self._child
        try:
            _, said = child.communicate(timeout=_LONGEST_S)
        finally:
            child.kill()
            child.wait()
            with self._lock:
                self._child = None
        if self._closed.is_set():
            return False
        if child.returncode != 0:
            raise RuntimeError(said.decode(errors="replace").strip()[-300:])
        return True


def _digest() -> str:
    """Of what is compiled: numba looks at the date of one file only."""
    found = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        found.update(path.read_bytes())
    return found.hexdigest()[:16]


def _load(folder: str, name: str) -> ModuleType:
    """A module of compiled functions; compiles what is not in the folder."""
    numba = importlib.import_module("numba")
    numba.config.CACHE_DIR = folder
    return importlib.import_module(f"chatdesk.engine.local.lean.{name}")


COMPILER = Compiler()
"""That of this process."""


if __name__ == "__main__":
    if hasattr(os, "nice"):
        os.nice(10)
    for module in _MODULES:
        _load(sys.argv[1], module)
