"""SIGKILL of the whole program, window and all, while it sends and streams: nothing that was acknowledged is lost.

The quick tests kill a few times; ``-m soak`` kills 200 times, for figures.
"""

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from chatdesk.storage.store import Store

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is a POSIX signal")
CHILD = Path(__file__).with_name("kills_child.py")
MOST_LOST_S = 1.0


def run_and_kill(folder: Path, delay_s: float, plant: str = "") -> tuple[list[str], list[tuple[int, float]], float]:
    """Run the program, kill it ``delay_s`` after its first message; what it told, and when it was killed."""
    with subprocess.Popen(
        [sys.executable, str(CHILD), str(folder), plant], stdout=subprocess.PIPE, start_new_session=True
    ) as child:
        assert child.stdout is not None
        told = [json.loads(child.stdout.readline())]
        time.sleep(delay_s)
        killed_at = time.monotonic()
        child.kill()
        told += [json.loads(line) for line in child.stdout if line.endswith(b"}\n")]
    sent = [line["sent"] for line in told if "sent" in line]
    after = [i for i, line in enumerate(told) if "sent" in line][-1]
    return sent, [(line["shown"], line["at"]) for line in told[after:] if "shown" in line], killed_at


def lost(folder: Path, sent: list[str], shown: list[tuple[int, float]], killed_at: float) -> list[str]:
    """What should be on disk and is not, in words."""
    with Store(folder / "chatdesk.db", folder / "backups") as store:
        store.submit(lambda c: c.recover()).result()
        [conversation] = store.submit(lambda c: c.list()).result()
        branch = store.submit(lambda c: c.branch(conversation.id)).result()
    words = [message.text for message in branch if message.role == "user"]
    missing = [f"message {text!r}" for text in sent if text not in words]
    safe = max((chars for chars, at in shown if at < killed_at - MOST_LOST_S), default=0)
    kept = len(branch[-1].text) if branch[-1].role == "assistant" else 0
    if kept < safe:
        missing.append(f"{safe - kept} characters of a reply shown more than {MOST_LOST_S} s before")
    if any(message.damaged for message in branch):
        missing.append("a damaged message")
    return missing


@pytest.mark.parametrize("kills", [3, pytest.param(200, marks=[pytest.mark.soak, pytest.mark.timeout(3600)])])
def test_a_kill_loses_no_acknowledged_message_and_at_most_a_second_of_a_reply(tmp_path: Path, kills: int) -> None:
    rng = random.Random(kills)
    losses: list[str] = []
    for number in range(kills):
        folder = tmp_path / str(number)
        told = run_and_kill(folder, rng.uniform(0.0, 2.5))
        losses += lost(folder, *told)
    assert losses == []


def test_an_acknowledgement_before_the_commit_is_noticed(tmp_path: Path) -> None:
    """The planted fault: the same check must find it, or it checks nothing."""
    losses: list[str] = []
    for number in range(6):
        folder = tmp_path / str(number)
        sent, shown, killed_at = run_and_kill(folder, 0.0, "ack-first")
        with Store(folder / "chatdesk.db", folder / "backups") as store:
            if not store.submit(lambda c: c.list()).result():
                losses.append("a whole conversation")
                continue
        losses += lost(folder, sent, shown, killed_at)
    assert losses


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="processes are found through /proc")
def test_the_engine_ends_with_the_program(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, str(CHILD), str(tmp_path)], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        engines = [int(pid) for pid in os.listdir("/proc") if pid.isdigit() and parent(pid) == child.pid]
        child.kill()
        child.stdout.read()
    assert engines
    deadline = time.monotonic() + 20
    while any(Path(f"/proc/{pid}").exists() and parent(str(pid)) != 0 for pid in engines):
        assert time.monotonic() < deadline, "an engine process outlived its window"
        time.sleep(0.05)


def parent(pid: str) -> int:
    """Parent of a process, 0 when it is gone or a zombie."""
    try:
        state, ppid = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[:2]
    except OSError:
        return 0
    return 0 if state == "Z" else int(ppid)
