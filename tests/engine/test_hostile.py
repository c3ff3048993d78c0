"""Hostile and broken checkpoints in a real engine process: each has its sentence, and nothing comes of them.

One process takes them one after the other, as a person might choose them; strace writes down every file it opens and
every socket, its template child's included. Memory is the anonymous memory of both above the state after the imports.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import msgspec
import psutil
import pytest

from chatdesk.engine.api import ChatMessage, Event, Failed, Finished, Generate, Load, Loaded, Ping, Sampling
from chatdesk.engine.child import child_command, child_environment
from chatdesk.engine.wire import ENDINGS, pack, read_bodies
from chatdesk.errors import Fault, UserError
from tests.engine.checkpoints import make_checkpoint
from tests.engine.hostile import HOSTILE, Hostile
from tests.library.folders import Folder, good_folder
from tests.library.test_config_refusals import CASES as CONFIGS
from tests.library.test_safety_refusals import CASES as FILES

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="strace and /proc are Linux's")

SECONDS, MEGABYTES = 5, 500
ROOT = Path(__file__).resolve().parents[2]
CALLS = "open,openat,openat2,execve,%network"
OPENED = re.compile(r'^\d+ +(?:open|openat|openat2|execve)\((?:AT_FDCWD, |\d+, )?"([^"]*)"')
INTERNET = re.compile(r"AF_INET|sin_addr|sin6_addr")
SYSTEM = ("/proc/", "/sys/", "/dev/", "/etc/", "/usr/", "/lib", "/bin/", "/sbin/")


class Traced:
    """An engine process under strace, where there is one, and its memory in megabytes while it works."""

    def __init__(self, work: Path, trace: Path) -> None:
        environment = child_environment(None) | {"HOME": str(work), "TMPDIR": str(work)}
        for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
            del environment[name]  # the check alone must keep it from asking
        strace = ["strace", "-f", "-qq", "--seccomp-bpf", "-s", "300", "-e", f"trace={CALLS}", "-o", str(trace)]
        self.is_traced = has_strace()
        command = [*(strace if self.is_traced else []), *child_command()]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=work, env=environment
        )
        self._bodies = read_bodies(self._process.stdout)
        self._decoder = msgspec.msgpack.Decoder(Event)
        self._id = 0
        next(self._bodies)  # Hello

    def ask(self, kind, *values) -> tuple[Event, float, float]:
        """The event that ends a request, seconds, and the most memory meanwhile."""
        self._id += 1
        peak, is_over = [self.memory()], threading.Event()

        def watch() -> None:
            while not is_over.wait(0.005):
                peak.append(self.memory())

        watcher = threading.Thread(target=watch)
        watcher.start()
        late = threading.Timer(60, self.kill)
        late.start()
        began = time.monotonic()
        try:
            self._process.stdin.write(pack(kind(self._id, *values)))
            self._process.stdin.flush()
            for body in self._bodies:
                event = self._decoder.decode(body)
                if event.request == self._id and isinstance(event, ENDINGS):
                    return event, time.monotonic() - began, max(peak)
            raise AssertionError("the engine process has died or was too late")
        finally:
            is_over.set()
            late.cancel()
            watcher.join()
            late.join()

    def memory(self) -> float:
        """Anonymous memory of the engine and its children."""
        found = 0
        try:
            for process in psutil.Process(self._process.pid).children(recursive=True):
                status = Path(f"/proc/{process.pid}/status").read_text()
                if "Name:\tstrace" not in status:
                    found += sum(map(int, re.findall(r"RssAnon:\s+(\d+)", status)))
        except (psutil.Error, OSError):
            pass
        return found / 1000

    def kill(self) -> None:
        for process in psutil.Process(self._process.pid).children(recursive=True):
            os.kill(process.pid, signal.SIGKILL)

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()


def answered(engine: Traced, folder: Path) -> tuple[Event, float, float]:
    """What comes of loading a folder and asking it one question."""
    event, seconds, peak = engine.ask(Load, str(folder), "cpu")
    if isinstance(event, Loaded):
        sampling = Sampling(max_new_tokens=2)
        question = (ChatMessage("user", "a" * 40 + "!"),)
        event, more, other = engine.ask(Generate, question, sampling)
        seconds, peak = max(seconds, more), max(peak, other)
    return event, seconds, peak


def has_strace() -> bool:
    """Whether processes may be traced here."""
    strace = shutil.which("strace")
    return strace is not None and subprocess.run([strace, "-qq", "true"], capture_output=True).returncode == 0


def outside(trace: Path, folders: Path, work: Path) -> list[str]:
    """Files opened that are neither the program's, nor the system's, nor in a checkpoint's own folder."""
    ours = (str(ROOT), sys.prefix, sys.base_prefix, os.path.realpath(sys.prefix), *filter(None, sys.path))
    found = []
    for line in trace.read_text(errors="replace").splitlines():
        if (match := OPENED.match(line)) and match[1].startswith("/"):
            path = match[1]
            is_own = path.startswith(f"{folders}/") and "/model" in path.removeprefix(str(folders))
            if not is_own and not path.startswith((*ours, *SYSTEM, str(work))):
                found.append(path)
    return found


REFUSED = [
    Hostile(str(case.id), case.values[0], case.values[1], case.values[2][-1] if case.values[2] else "")
    for case in (*FILES, *CONFIGS)
]
"""What the first look refuses, of a folder with weights of zeros."""


def placed(case: Hostile, folders: Path) -> Path:
    """A damaged folder."""
    place = folders / case.name / "model"
    if case in REFUSED:
        folder = good_folder(place)
    else:
        shutil.copytree(folders / "model", place)
        folder = Folder.__new__(Folder)
        folder.path = place
    case.damage(folder)
    return folder.path


def complaint(case: Hostile, event: Event, seconds: float, megabytes: float) -> str:
    """What was not as it should be; empty where all was."""
    said = str(UserError(Fault(event.fault), **event.fields)) if isinstance(event, Failed) else ""
    is_right = (event.fault == case.fault and case.mention in said) if said else case.fault is None
    if is_right and seconds < SECONDS and megabytes < MEGABYTES and said.isprintable():
        return ""
    return f"{case.name}: {seconds:.1f} s, {megabytes:.0f} MB, {said or event}"


@pytest.mark.parametrize("every", [40, pytest.param(1, marks=[pytest.mark.soak, pytest.mark.timeout(1800)])])
def test_nothing_comes_of_them(tmp_path, every):
    work, folders, trace = tmp_path / "work", tmp_path / "folders", tmp_path / "trace"
    work.mkdir()
    make_checkpoint(folders / "model", "gpt2")
    engine = Traced(work, trace)
    engine.ask(Ping)
    engine.ask(Load, str(work), "cpu")  # waits for the imports
    before = engine.memory()
    assert isinstance(answered(engine, folders / "model")[0], Finished)
    complaints, worst = [], [0.0, 0.0]
    for case in [*REFUSED, *HOSTILE][::every]:
        event, seconds, peak = answered(engine, placed(case, folders))
        complaints.append(complaint(case, event, seconds, peak - before))
        worst = [max(worst[0], seconds), max(worst[1], peak - before)]
        shutil.rmtree(folders / case.name)
    engine.close()
    print(f"{len(complaints)} folders, at most {worst[0]:.2f} s and {worst[1]:.0f} MB")
    assert list(filter(None, complaints)) == []
    assert list(work.rglob("*")) == []
    if engine.is_traced:
        assert len(trace.read_text(errors="replace").splitlines()) > 1000
        assert outside(trace, folders, work) == []
        assert [line for line in trace.read_text(errors="replace").splitlines() if INTERNET.search(line)] == []


def test_there_are_enough_and_no_two_have_the_same_name():
    names = [case.name for case in (*REFUSED, *HOSTILE)]
    assert len(set(names)) == len(names) >= 200
