"""One engine process: how it is started, what becomes of its log, how its end is told."""

import os
import queue
import sys
from pathlib import Path

import pytest

from chatdesk.engine.api import PROTOCOL_VERSION, Hello
from chatdesk.engine.child import Child, Ended, Greeting, News, child_command, child_environment
from chatdesk.engine.wire import EXIT_DEVICE_FAILED, pack

WAIT_S = 30


def ended(script: str, log: Path | None = None, patience_s: float = WAIT_S) -> tuple[list[News], str]:
    """All the news of a child that runs a script, and how it ended."""
    news: queue.SimpleQueue[News] = queue.SimpleQueue()
    child = Child([sys.executable, "-c", f"import os, signal, sys\n{script}"], log, lambda _, item: news.put(item))
    found = [news.get(timeout=WAIT_S)]
    while not isinstance(found[-1], Ended):
        found.append(news.get(timeout=WAIT_S))
    return found, child.end(patience_s)


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("pass", "exit code 0"),
        ("sys.exit(3)", "exit code 3"),
        (f"os._exit({EXIT_DEVICE_FAILED})", "the graphics device failed"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "killed by signal 11, SIGSEGV"),
        ("os.kill(os.getpid(), 40)", "killed by signal 40"),
    ],
)
def test_an_end_has_words(script: str, words: str) -> None:
    assert ended(script) == ([Ended(None)], words)


def test_a_child_that_closes_its_pipe_is_ended() -> None:
    assert ended("os.close(1); signal.pause()", patience_s=0.1)[1] == "killed by signal 9, SIGKILL"


def test_greeting_and_events_come_in_order() -> None:
    hello = Hello(0, PROTOCOL_VERSION, ())
    news, _ = ended(f"os.write(1, {pack(hello) + pack(hello)!r})")
    assert news[1:] == [hello, hello, Ended(None)]
    assert isinstance(news[0], Greeting)
    assert news[0].version == PROTOCOL_VERSION


@pytest.mark.parametrize("data", [b"\xff\xff\xff\xff", b"\0\0\0\1\xc1", b"HTTP/1.1 200 OK"])
def test_garbage_ends_the_news(data: bytes) -> None:
    (last,), _ = ended(f"os.write(1, {data!r})")
    assert isinstance(last, Ended)
    assert "no message" in str(last.reason)


def test_a_frame_cut_short_is_no_event() -> None:
    news, _ = ended(f"os.write(1, {pack(Hello(0, PROTOCOL_VERSION, ()))[:-1]!r})")
    assert news == [Ended(None)]


def test_the_child_is_told_to_stay_offline(tmp_path: Path) -> None:
    log = tmp_path / "engine.log"
    names = [
        "HF_HUB_OFFLINE",
        "TRANSFORMERS_OFFLINE",
        "HF_HUB_DISABLE_TELEMETRY",
        "PYTHONUTF8",
        "TOKENIZERS_PARALLELISM",
    ]
    ended(f"print([os.environ[name] for name in {names}], file=sys.stderr)", log)
    assert log.read_text() == "['1', '1', '1', '1', 'false']\n"


def test_a_log_grows_until_it_makes_room(tmp_path: Path) -> None:
    log = tmp_path / "sub" / "engine.log"
    for _ in range(2):
        ended("os.write(2, b'one\\n')", log)
    assert log.read_bytes() == b"one\none\n"
    log.write_bytes(b"x" * (5 << 20))
    ended("os.write(2, b'two\\n')", log)
    assert log.read_bytes() == b"two\n"
    assert log.with_name("engine.log.old").stat().st_size == 5 << 20


def test_a_log_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert ended("print('lost', file=sys.stderr)", tmp_path / "file" / "engine.log")[1] == "exit code 0"


def test_waiting_threads_sleep_unless_the_person_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    assert child_environment(None)["OMP_WAIT_POLICY"] == "PASSIVE"
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    assert child_environment(None)["OMP_WAIT_POLICY"] == "ACTIVE"


def test_no_module_comes_from_the_folder_of_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "msgspec.py").write_text("raise SystemExit('taken from the current folder')")
    monkeypatch.chdir(tmp_path)
    news: queue.SimpleQueue[News] = queue.SimpleQueue()
    child = Child([*child_command(), "--fake"], None, lambda _, item: news.put(item))
    assert isinstance(news.get(timeout=WAIT_S), Greeting)
    child.end()


def test_a_frozen_bundle_starts_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert child_command() == [sys.executable, "--engine-process"]


def test_no_descriptor_is_left_open() -> None:
    ended("pass")
    before = len(os.listdir("/dev/fd"))
    for _ in range(3):
        ended("pass")
    assert len(os.listdir("/dev/fd")) == before
