"""Two programs are started at once on one profile, again and again: one window stays, the other start ends with 0.

Each round begins with what a killed program leaves behind: a stale lock and a stale socket. ``-m soak``: 200 rounds.
"""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from chatdesk.errors import Fault, UserError

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is a POSIX signal")

START = """
import sys
from pathlib import Path
from chatdesk import app
from chatdesk.paths import Profile
assemble = app.assemble
app.assemble = lambda profile: assemble(profile, [sys.executable, "-P", "-m", "chatdesk.engine.host", "--fake", "{}"])
sys.exit(app.run_window(Profile(Path(sys.argv[1]))))
"""


def start(folder: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", START, str(folder)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize("rounds", [2, pytest.param(200, marks=[pytest.mark.soak, pytest.mark.timeout(7200)])])
def test_of_two_starts_at_once_one_stays(tmp_path: Path, rounds: int) -> None:
    said = f"chatdesk: {UserError(Fault.ALREADY_RUNNING, path=tmp_path)}"
    slowest = 0.0
    for _ in range(rounds):
        both = [start(tmp_path), start(tmp_path)]
        began = time.monotonic()
        while all(each.poll() is None for each in both):
            assert time.monotonic() < began + 60, "two windows on one profile"
            time.sleep(0.02)
        slowest = max(slowest, time.monotonic() - began)
        [ended] = [each for each in both if each.poll() is not None]
        [stays] = [each for each in both if each.poll() is None]
        assert ended.returncode == 0
        assert said in ended.communicate()[1].splitlines()
        time.sleep(0.3)
        assert stays.poll() is None
        stays.kill()
        stays.communicate()
    print(f"the slower start was told after {slowest:.1f} s at most")
