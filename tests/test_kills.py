"""SIGKILL of the whole program, window and all, while it sends, streams, edits and deletes: nothing shown is lost.

The quick tests kill a few times; ``-m soak`` kills 200 times, for figures.
"""

import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from chatdesk.storage.store import Store

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is a POSIX signal")
CHILD = Path(__file__).with_name("kills_child.py")
MOST_LOST_S = 1.0


@dataclass
class Told:
    """What the person had seen when the program was killed."""

    sent: list[str] = field(default_factory=list)
    there: dict[str, bool] = field(default_factory=dict)  # message -> whether it was last restored or last deleted
    shown: list[tuple[int, float]] = field(default_factory=list)  # (characters of the present reply, when in seconds)
    killed_at: float = 0.0
    steps: Counter[str] = field(default_factory=Counter)

    def hear(self, line: dict[str, Any]) -> None:
        self.steps.update(line.keys())
        match line:
            case {"sent": text}:
                self.sent.append(text)
                self.shown = []
            case {"deleting": text} | {"restoring": text}:
                self.there.pop(text, None)  # it may be done or not
                self.shown = []
            case {"deleted": text}:
                self.there[text] = False
            case {"restored": text}:
                self.there[text] = True
            case {"shown": characters, "at": at}:
                self.shown.append((characters, at))

    def safe(self) -> int:
        """How many characters of the present reply must be on the disk."""
        return max((chars for chars, at in self.shown if at < self.killed_at - MOST_LOST_S), default=0)


def run_and_kill(folder: Path, delay_s: float, step_ms: int = 250, plant: str = "") -> Told:
    """Run the program, which does something each ``step_ms``, and kill it ``delay_s`` after its first message."""
    told = Told()
    with subprocess.Popen(
        [sys.executable, str(CHILD), str(folder), str(step_ms), plant], stdout=subprocess.PIPE, start_new_session=True
    ) as child:
        assert child.stdout is not None
        told.hear(json.loads(child.stdout.readline()))
        time.sleep(delay_s)
        told.killed_at = time.monotonic()
        child.kill()
        for line in child.stdout:
            if line.endswith(b"}\n"):
                told.hear(json.loads(line))
    return told


def lost(folder: Path, told: Told) -> list[str]:
    """What should be on disk and is not, in words."""
    with Store(folder / "chatdesk.db", folder / "backups") as store:
        store.submit(lambda c: c.recover()).result()
        found = store.submit(lambda c: c.list()).result()
        if not found:
            return ["a whole conversation"]
        branch = store.submit(lambda c: c.branch(found[0].id)).result()
        live = {node.beginning for node in store.submit(lambda c: c.tree(found[0].id)).result()}
        ids = store.submit(lambda c: c._database.query("SELECT id FROM messages")).result()
        stored = [store.submit(lambda c, id=id: c.message(id)).result() for (id,) in ids]
    texts = {message.text for message in stored}
    missing = [f"message {text!r}" for text in told.sent if text not in texts]
    missing += [f"the deletion of {text!r}" for text, there in told.there.items() if not there and text in live]
    missing += [f"{text!r}, restored" for text, there in told.there.items() if there and text not in live]
    safe = told.safe()
    kept = len(branch[-1].text) if branch and branch[-1].role == "assistant" else 0
    if kept < safe:
        missing.append(f"{safe - kept} characters of a reply shown more than {MOST_LOST_S} s before")
    if any(message.damaged for message in stored):
        missing.append("a damaged message")
    return missing


@pytest.mark.parametrize("kills", [4, pytest.param(200, marks=[pytest.mark.soak, pytest.mark.timeout(3600)])])
def test_a_kill_loses_no_acknowledged_message_and_at_most_a_second_of_a_reply(tmp_path: Path, kills: int) -> None:
    rng = random.Random(kills)
    losses: list[str] = []
    steps: Counter[str] = Counter()
    for number in range(kills):
        folder = tmp_path / str(number)
        told = run_and_kill(folder, rng.uniform(0.0, 3.0) if number > 1 else 2.5, 250 if number % 2 else 2_500)
        losses += lost(folder, told)
        steps += told.steps
        steps["checked partial"] += told.safe() > 0
        shutil.rmtree(folder)
    print(steps)
    assert losses == []
    assert min(steps[step] for step in ("sent", "deleted", "checked partial")) > 0


def test_an_acknowledgement_before_the_commit_is_noticed(tmp_path: Path) -> None:
    """The planted fault: the same check must find it, or it checks nothing."""
    losses: list[str] = []
    for number in range(6):
        folder = tmp_path / str(number)
        losses += lost(folder, run_and_kill(folder, 0.0, plant="ack-first"))
    assert losses


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="processes are found through /proc")
def test_the_engine_ends_with_the_program(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, str(CHILD), str(tmp_path), "250"], stdout=subprocess.PIPE) as child:
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
