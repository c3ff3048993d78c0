"""SIGKILL of the whole program while a person types on the writing desk: nothing typed more than 1 s before is lost.

The quick test kills a few times; ``-m soak`` kills 200 times, for figures.
"""

import json
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from chatdesk.storage.store import Store

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is a POSIX signal")
CHILD = Path(__file__).with_name("desk_kills_child.py")
MOST_LOST_S = 1.0


def run_and_kill(folder: Path, delay_s: float, plant: str = "") -> tuple[list[dict[str, Any]], float]:
    """Let it type, kill it ``delay_s`` after the first letter; what it told, and when it was killed."""
    command = [sys.executable, str(CHILD), str(folder), plant]
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as child:
        assert child.stdout is not None
        lines = [child.stdout.readline()]
        time.sleep(delay_s)
        killed_at = time.monotonic()
        child.kill()
        lines += child.stdout.readlines()
    return [json.loads(line) for line in lines if line.endswith(b"}\n")], killed_at


def lost(folder: Path, told: list[dict[str, Any]], killed_at: float) -> int:
    """Characters that were typed more than a second before the kill and are not on the disk."""
    with Store(folder / "chatdesk.db", folder / "backups") as store:
        documents = store.submit(lambda c: c.documents.list()).result()
        texts = [store.submit(lambda c, id=each.id: c.documents.text(id)).result() for each in documents]
    assert not any(text.damaged for text in texts)
    kept = max((len(text.text) for text in texts), default=0)
    safe = max((line["typed"] for line in told if line["at"] < killed_at - MOST_LOST_S), default=0)
    return max(0, safe - kept)


@pytest.mark.parametrize("kills", [3, pytest.param(200, marks=[pytest.mark.soak, pytest.mark.timeout(3600)])])
def test_a_kill_loses_at_most_a_second_of_what_is_typed(tmp_path: Path, kills: int) -> None:
    dice = random.Random(kills)
    losses, checked = [], 0
    for number in range(kills):
        folder = tmp_path / str(number)
        told, killed_at = run_and_kill(folder, dice.uniform(1.2, 3.5))
        losses.append(lost(folder, told, killed_at))
        checked += told[0]["at"] < killed_at - MOST_LOST_S
        shutil.rmtree(folder)
    print(checked, "checked")
    assert losses == [0] * kills
    assert checked > kills // 2


def test_a_desk_that_does_not_save_is_noticed(tmp_path: Path) -> None:
    """The planted fault: the same check must find it."""
    told, killed_at = run_and_kill(tmp_path, 2.5, "no-save")
    assert lost(tmp_path, told, killed_at) > 0
