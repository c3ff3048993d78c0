"""One program for one profile."""

import subprocess

from chatdesk.storage.lock import LOCK_NAME, acquire_lock

HOLD = """
import sys
from pathlib import Path
from chatdesk.storage.lock import acquire_lock
print("held" if acquire_lock(Path({folder!r})) else "taken", flush=True)
sys.stdin.read()
"""


def start(child_command, folder):
    command = [*child_command[:2], child_command[2].format(HOLD.format(folder=str(folder)))]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    return child, child.stdout.readline().strip()


def end(child):
    child.kill()
    child.communicate()


def test_a_second_program_is_kept_out_until_the_first_is_killed(tmp_path, child_command):
    folder = tmp_path / "profile"
    first, said = start(child_command, folder)
    assert said == "held"
    assert acquire_lock(folder) is None
    second, said = start(child_command, folder)
    assert said == "taken"
    end(second)
    end(first)
    assert (folder / LOCK_NAME).exists()  # stale, and no hindrance
    lock = acquire_lock(folder)
    assert lock is not None
    third, said = start(child_command, folder)
    assert said == "taken"
    end(third)
    lock.release()
    lock.release()
    fourth, said = start(child_command, folder)
    assert said == "held"
    end(fourth)


def test_where_no_lock_can_be_made_the_program_starts(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("a file where the folder should be")
    lock = acquire_lock(blocked / "profile")
    assert lock is not None
    lock.release()
