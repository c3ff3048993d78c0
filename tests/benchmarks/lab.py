"""How smooth the window stays while a run in the lab tells its curves: the whole program, a scripted training.

    python tests/benchmarks/lab.py [--seconds 20] [--events-per-s 200] [--points 20000]

A real training tells of itself every few seconds; this one does at full speed, with a text every twentieth time, and
``--points`` have been told before it goes on, as after a night. Another run of as many points stands in the same
picture. A stall is measured as in ``ui.py``, an empty window before it in the same run. Prints one line of JSON; to
reach: longest stall <= 50 ms, p99 <= 16 ms, memory <= 250 MB. Nothing else may run on the machine meanwhile.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

import msgspec
import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from PySide6.QtWidgets import QMainWindow

from chatdesk import app
from chatdesk.engine.child import child_command
from chatdesk.paths import Profile
from chatdesk.tasks.lab import Commands
from chatdesk.training.events import Began, Stepped
from tests.benchmarks.ui import watch

_TOKENS = 1000  # that each event tells of
_TOTAL = 10**9
CHILD = """
import json, select, sys, time
pause, first = 1 / float(sys.argv[1]), int(sys.argv[2])
def say(kind, **fields):
    print(json.dumps({"type": kind, **fields}), flush=True)
say("Began", parameters=5_000_000, tokens_total=10**9, tokens_done=first * 1000)
step = first
while not select.select([sys.stdin], [], [], 0)[0]:
    step += 1
    at = {"stage": "text", "step": step}
    loss = 2 + 6 / (1 + step / 50) + step % 7 / 50
    say("Stepped", **at, steps=10**6, tokens=step * 1000, loss=loss, learning_rate=0.01, tokens_per_second=9e3)
    if step % 20 == 0:
        say("HeldOut", **at, loss=loss)
        say("Sampled", **at, prompt="Once upon a time", text=" there was a small model that learned to write" * 8)
    time.sleep(pause)
"""


def make_run(folder: Path, points: int) -> None:
    """The folder of a run that has told so many points and waits to go on."""
    folder.mkdir(parents=True)
    (folder / "run.json").write_text("{}")
    steps = (
        Stepped("text", n, 10**6, n * _TOKENS, 2 + 6 / (1 + n / 50) + n % 5 / 40, 0.01, 9e3 + n % 9)
        for n in range(1, points + 1)
    )
    told = [Began(5_000_000, _TOTAL, 0), *steps]
    (folder / "events.jsonl").write_bytes(b"\n".join(map(msgspec.json.encode, told)) + b"\n")


def run(seconds: float, events_per_s: float, points: int) -> dict[str, object]:
    """One measurement."""
    with tempfile.TemporaryDirectory() as folder:
        profile = Profile(Path(folder))
        for name in ("tonight", "yesterday"):
            make_run(profile.runs / name, points)
        desk = app.assemble(profile, [*child_command(), "--fake", "{}"])
        desk.lab._commands = Commands([sys.executable, "-S", "-E", "-c", CHILD, str(events_per_s), str(points)], [])
        empty = QMainWindow()
        empty.resize(1280, 800)
        empty.show()
        before = watch(min(seconds, 10))
        empty.close()
        desk.window.painted.connect(desk.window.start)
        desk.window.resize(1280, 800)
        desk.window.show()
        watch(3)
        desk.window.show_page("lab")
        watch(3)
        page = desk.window.pages.lab
        assert page is not None
        page.choose(profile.runs / "tonight")
        train = page.steps["train"]
        train.compare("yesterday", True)
        desk.lab.train(profile.runs / "tonight")
        watch(2)
        history = desk.lab.run(profile.runs / "tonight").history  # type: ignore[union-attr]  # it is at work
        begun = len(history.losses)
        during = watch(seconds)
        told = len(history.losses) - begun
        memory = psutil.Process().memory_full_info().uss / 1e6
        assert desk.lab.is_training
        assert train.loss.isVisible()
        desk.window.end()
        desk.close()
    return {
        **during,
        "empty_longest_ms": before["longest_ms"],
        "empty_p99_ms": before["p99_ms"],
        "memory_mb": round(memory, 1),
        "events_per_s": round(told / seconds, 1),
        "points": points,
        "kept": during["longest_ms"] <= 50 and during["p99_ms"] <= 16 and memory <= 250,
    }


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--events-per-s", type=float, default=200)
    parser.add_argument("--points", type=int, default=20_000)
    arguments = parser.parse_args()
    print(json.dumps(run(arguments.seconds, arguments.events_per_s, arguments.points)))


if __name__ == "__main__":
    main()
