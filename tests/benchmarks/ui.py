"""How smooth the window stays while a reply streams into a long conversation: the whole program, a scripted engine.

    python tests/benchmarks/ui.py [--seconds 30] [--messages 200] [--tokens-per-s 220]

A stall is the lateness of a precise 5 ms timer in the window's thread, over all beats; an empty window is measured
before it in the same run. Memory is the private memory (USS) of the window's process at the end. The engine sleeps
between tokens and so comes a little below its pace. Prints one line of JSON; to reach: longest stall <= 50 ms,
p99 <= 16 ms, memory <= 250 MB. Nothing else may run on the machine meanwhile.

With ``--engine`` the model in the box writes in place of the script, at full speed on all cores, one reply after
another; to reach: longest stall <= 100 ms, p99 <= 16 ms.
"""

import argparse
import contextlib
import json
import os
import random
import sys
import tempfile
from pathlib import Path
from time import perf_counter, thread_time

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6.QtCore import QEventLoop, QObject, Qt, QTimer
from PySide6.QtWidgets import QMainWindow

from chatdesk import app
from chatdesk.engine.child import child_command
from chatdesk.paths import Profile, starter
from chatdesk.storage.conversations import Conversations
from chatdesk.storage.database import open_database

BEAT_MS = 5
PARTS = (
    "## A heading\n\nSome *plain* words with `code` in them, a [link](https://example.org) and **more** of it. ",
    "The lighthouse keeper counted the waves and wrote every number down. ",
    "\n\n```python\ndef attention(q, k, v):\n    score = q @ k.transpose(-2, -1)\n"
    "    return score.softmax(-1) @ v\n```\n\n",
    "\n\n* first\n* second, with `code`\n* third\n\n",
    "每个位置都去问前面的每个位置“你有多重要”，再按权重取它们的值的平均。",
    "\n\n| name | size |\n|---|---|\n| one | 1 |\n| two | 2 |\n\n",
    "\n\n> Quoted words that go on for a while, and then a while longer than that.\n\n",
)


def text(words: random.Random, characters: int) -> str:
    """Mixed markdown, code and Chinese."""
    found = ""
    while len(found) < characters:
        found += words.choice(PARTS)
    return found[:characters]


def fill(profile: Profile, messages: int, asked: int = 80, answered: int = 1500) -> str:
    """A conversation of so many messages, of so many characters each; returns its id. Replies have token ids of four
    characters each and a provenance, as those of an engine do."""
    words = random.Random(1)
    database = open_database(profile.database, profile.backups)
    c = Conversations(database)
    with database.transaction():
        database.transaction = contextlib.nullcontext  # type: ignore[method-assign]  # one, as only the filled file counts
        home = c.create(f"{messages} messages").id
        parent = None
        for number in range(messages):
            if number % 2 == 0:
                parent = c.add_message(home, parent, "user", text(words, asked)).id
            else:
                said = text(words, answered)
                ids = [words.randrange(50_000) for _ in range(answered // 4)]
                reply = c.begin_reply(home, parent, {"model": "fake:model", "model_path": "fake:model"})
                figures = {"new_tokens": len(ids), "ttft_s": 0.2, "tokens_per_s": 40.0}
                parent = c.finish_reply(reply.id, said, ids, "stop", figures).id
        del database.transaction
    database.close()
    return home


class Beats(QObject):
    """Notes how late each beat of a precise timer comes, in milliseconds, and how long its thread was at work before.

    The work is the thread's own CPU time: on a busy machine it says what of the lateness is ours.
    """

    def __init__(self) -> None:
        super().__init__()
        self.late: list[float] = []
        self.own: list[float] = []
        self._worked = thread_time()
        self._timer = QTimer(self, interval=BEAT_MS)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._on_beat)
        self._last = perf_counter()
        self._timer.start()

    def _on_beat(self) -> None:
        now = perf_counter()
        self.late.append(max(0.0, 1000 * (now - self._last) - BEAT_MS))
        self._last = now
        worked = thread_time()
        self.own.append(1000 * (worked - self._worked))
        self._worked = worked

    def stop(self) -> dict[str, float]:
        """The longest and the 99th percentile of both."""
        self._timer.stop()
        found = {}
        for name, values in (("", self.late), ("own_", self.own)):
            ordered = sorted(values[2:])
            found[f"{name}longest_ms"] = round(ordered[-1], 1)
            found[f"{name}p99_ms"] = round(ordered[len(ordered) * 99 // 100], 1)
        return found


def watch(seconds: float) -> dict[str, float]:
    """Run a loop for so long and return the stalls. A loop of its own: `QApplication.quit` would close all windows."""
    beats, loop = Beats(), QEventLoop()
    QTimer.singleShot(int(1000 * seconds), loop.quit)
    loop.exec()
    return beats.stop()


def run(seconds: float, messages: int, tokens_per_s: float, is_real: bool) -> dict[str, object]:
    """One measurement."""
    words = random.Random(2)
    reply = text(words, int(4 * seconds * tokens_per_s * 1.2))
    tokens = [reply[i : i + 4] for i in range(0, len(reply), 4)]
    script = {"tokens": tokens, "tokens_per_s": tokens_per_s, "context_length": 10**9}
    with tempfile.TemporaryDirectory() as folder:
        profile = Profile(Path(folder))
        home = fill(profile, messages)
        desk = app.assemble(profile, None if is_real else [*child_command(), "--fake", json.dumps(script)])
        empty = QMainWindow()
        empty.resize(1280, 800)
        empty.show()
        before = watch(min(seconds, 10))
        empty.close()
        desk.settings["conversation"] = home
        desk.window.painted.connect(desk.window.start)
        desk.window.resize(1280, 800)
        desk.window.show()
        desk.models.load(str(starter()) if is_real else "fake:model")
        desk.chat.on_change = count = Count(desk.window.apply)
        watch(12 if is_real else 4)
        desk.chat.set_setting("max_new_tokens", 1_000_000)
        desk.window.page.composer.set_text("Go on.")
        desk.window.page.send()
        again = Again(desk) if is_real else None
        watch(10 if is_real else 1)
        begun = count.grown
        during = watch(seconds)
        assert desk.window.isVisible()
        memory = psutil.Process().memory_full_info().uss / 1e6
        rate = (count.grown - begun) / seconds
        del again
        desk.chat.stop()
        watch(1)
        desk.window.close()
        desk.close()
    return {
        **during,
        "empty_longest_ms": before["longest_ms"],
        "empty_p99_ms": before["p99_ms"],
        "memory_mb": round(memory, 1),
        "tokens_per_s": round(rate, 1),
        "messages": messages,
        "seconds": seconds,
    }


class Again(QObject):
    """Asks again whenever a reply has ended."""

    def __init__(self, desk: app.Desk) -> None:
        super().__init__()
        self._desk = desk
        self._timer = QTimer(self, interval=100)
        self._timer.timeout.connect(self._ask)
        self._timer.start()

    def _ask(self) -> None:
        if not self._desk.chat.is_replying:
            self._desk.chat.send("Tell me a long story.")


class Count:
    """Counts the pieces of text that come, and hands all changes on."""

    def __init__(self, apply: object) -> None:
        self._apply = apply
        self.grown = 0

    def __call__(self, change: object) -> None:
        self.grown += type(change).__name__ == "TurnGrew"
        self._apply(change)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--messages", type=int, default=200)
    parser.add_argument("--tokens-per-s", type=float, default=220)
    parser.add_argument("--engine", action="store_true")
    arguments = parser.parse_args()
    print(json.dumps(run(arguments.seconds, arguments.messages, arguments.tokens_per_s, arguments.engine)))


if __name__ == "__main__":
    main()
