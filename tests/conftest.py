"""What all tests share: no display is needed, no network is reached, no data of the person is touched."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

MYPY = pytest.StashKey["subprocess.Popen[str]"]()
BESIDE: set[int] = set()
"""Processes that run beside the tests and are none of theirs, by their numbers."""


def children() -> list[psutil.Process]:
    """The processes that the tests have begun and that are still there."""
    return [child for child in psutil.Process().children() if child.pid not in BESIDE]


os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["CHATDESK_LEAN"] = "off"  # its own tests turn it on; nothing else waits for a compilation


def pytest_collection_finish(session: pytest.Session) -> None:
    """Types are checked beside the other tests: mypy takes a minute of one core, and most tests need the other one."""
    if not session.config.option.collectonly and any("test_types_are_right" in item.nodeid for item in session.items):
        command = [sys.executable, "-m", "mypy"]
        session.config.stash[MYPY] = subprocess.Popen(
            command,
            cwd=Path(__file__).resolve().parent.parent,
            env={**os.environ, "PYTHONUTF8": "1", "NO_COLOR": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
        )
        BESIDE.add(session.config.stash[MYPY].pid)


def pytest_unconfigure(config: pytest.Config) -> None:
    """A run that is broken off leaves no mypy behind."""
    if MYPY in config.stash:
        config.stash[MYPY].kill()
