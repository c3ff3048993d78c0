"""A conversation of 10,000 messages, and a paste of 10 MB: how smooth the whole window stays, with a scripted engine.

    python tests/benchmarks/long_chat.py [--only PART ...] [--messages 10000] [--seconds 30] [--tokens 100000]

Parts, each in a process of its own on the same conversations:

* ``opening``: from asking for the conversation to its last message on screen, in turns with one of 20 messages.
* ``writing``: 200 tokens a second stream at its end while a key is pressed every 80 ms. A thread presses the keys at
  set times, so that a stall counts; a key ends when the composer has painted it. Its baseline is a bare `QTextEdit`.
* ``scrolling``: from the end to the beginning as the bar is dragged, and by the wheel (200 pixels in 16 ms).
* ``tokens``: private memory (USS) of the window's process after 2,000 streamed tokens, and how much more later on.
* ``paste``: texts of 10 MB into the composer, and sending them.

A stall is the lateness of a precise 5 ms timer in the window's thread, over all beats; an empty window is measured
first in each part (``base``). ``own`` is the CPU time of that thread, which a busy machine changes less. Prints one
line of JSON: each figure with its baseline, its limit and whether it is kept. Nothing else may run meanwhile;
``load`` says how much did before the run (the mean of a minute).
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import traceback
from collections import deque
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from PySide6.QtCore import QEvent, QMimeData, QObject, Qt, QTimer, Signal
from PySide6.QtGui import QGuiApplication, QKeyEvent
from PySide6.QtWidgets import QApplication, QMainWindow, QTextEdit

from chatdesk import app
from chatdesk.engine.child import child_command
from chatdesk.paths import Profile
from chatdesk.tasks.changes import Change, Opened
from tests.benchmarks.ui import Count, fill, text, watch

KEY_MS = 80
FRAME_MS = 16
WHEEL_PX = 200
SHORT = 20
PASTE = 10_000_000
STALL_P99_MS, STALL_MS, KEY_P99_MS, PASTE_MS = 16, 100, 33, 250
MEMORY_MB, GROWTH_MB, OPENING_RATIO = 300, 60, 3
PASTES: dict[str, Callable[[], str]] = {
    "prose": lambda: "The lighthouse keeper counted the waves and wrote every number down. " * (PASTE // 69),
    "one_line": lambda: "x" * PASTE,
    "chinese": lambda: "每个位置都去问前面的每个位置。" * (PASTE // 45),
    "code": lambda: "    score = q @ k.transpose(-2, -1)\n" * (PASTE // 36),
    "one_letter_lines": lambda: "x\n" * 500_000,
    "ten_mb_of_one_letter_lines": lambda: "x\n" * (PASTE // 2),
}


class Desk:
    """The whole program on a profile, its model loaded, one conversation open."""

    def __init__(self, profile: Profile, home: str, tokens_per_s: float) -> None:
        said = text(random.Random(2), 20_000)
        tokens = [said[i : i + 4] for i in range(0, len(said), 4)]
        script = {"tokens": tokens, "tokens_per_s": tokens_per_s, "context_length": 10**9}
        self.desk = app.assemble(profile, [*child_command(), "--fake", json.dumps(script)])
        self.base = empty_window()
        self.desk.settings["conversation"] = home
        self.desk.window.painted.connect(self.desk.window.start)
        self.desk.window.resize(1280, 800)
        self.desk.window.show()
        self.desk.models.load("fake:model")
        self.count = self.desk.chat.on_change = Count(self.desk.window.apply)
        watch(5)
        self.desk.chat.set_setting("max_new_tokens", 1_000_000)

    @property
    def page(self) -> Any:
        return self.desk.window.page

    def send(self, said: str) -> dict[str, float]:
        """Send a message and wait a second; returns the stalls."""
        QTimer.singleShot(200, lambda: self.desk.chat.send(said))
        return watch(2)

    def close(self) -> None:
        assert self.desk.window.isVisible()
        self.desk.chat.stop()
        watch(1)
        self.desk.window.close()
        self.desk.close()


def empty_window(seconds: float = 10) -> dict[str, float]:
    """The stalls of a window with nothing in it."""
    empty = QMainWindow()
    empty.resize(1280, 800)
    empty.show()
    found = watch(seconds)
    empty.close()
    return found


def figure(value: float, limit: float, base: float | None = None) -> dict[str, Any]:
    """A figure with its limit."""
    found = {"value": round(value, 2), "limit": limit, "kept": value <= limit}
    return found if base is None else found | {"base": round(base, 2)}


def stall(found: dict[str, float], base: dict[str, float], limit: float, which: str = "longest_ms") -> dict[str, Any]:
    """A stall beside that of the empty window; ``own``: the CPU time of the window's thread in it."""
    return figure(found[which], limit, base[which]) | {"own": found[f"own_{which}"]}


def stalls(name: str, found: dict[str, float], base: dict[str, float]) -> dict[str, Any]:
    """Both figures of a run."""
    return {
        f"{name}_stall_p99_ms": stall(found, base, STALL_P99_MS, "p99_ms"),
        f"{name}_stall_longest_ms": stall(found, base, STALL_MS),
    }


def quantile(values: list[float], part: float) -> float:
    """The value below which this part of them lies."""
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


# -- opening -----------------------------------------------------------------------------------------------------------


class Opening(QObject):
    """Opens a conversation and notes when it has been painted: the first paint of the transcript after `Opened`."""

    def __init__(self, desk: Any) -> None:
        super().__init__()
        self._desk = desk
        self._wanted, self._is_shown, self.took_ms, self._began = "", False, 0.0, 0.0
        self._apply = desk.chat.on_change
        desk.chat.on_change = self._on_change
        desk.window.page.transcript.viewport().installEventFilter(self)

    def _on_change(self, change: Change) -> None:
        self._apply(change)
        if isinstance(change, Opened) and change.conversation and change.conversation.id == self._wanted:
            self._is_shown = True

    def eventFilter(self, _watched: QObject, event: QEvent) -> bool:
        if self._is_shown and event.type() == QEvent.Type.Paint:
            self._is_shown = False
            QTimer.singleShot(0, self._on_painted)
        return False

    def _on_painted(self) -> None:
        self.took_ms = 1000 * (perf_counter() - self._began)

    def time(self, id: str) -> tuple[float, dict[str, float]]:
        """Milliseconds until it is painted, and the stalls meanwhile and right after."""
        self._wanted, self.took_ms, self._began = id, 0.0, perf_counter()
        self._desk.chat.open(id)
        worst: dict[str, float] = {}
        while not self.took_ms and perf_counter() < self._began + 60:
            worst = max(worst, watch(1.5), key=lambda found: found.get("longest_ms", 0.0))
        assert self.took_ms, "it was not painted within a minute"
        return self.took_ms, worst


def opening(profile: Profile, arguments: argparse.Namespace) -> dict[str, Any]:
    """Both conversations in turns."""
    desk = Desk(profile, arguments.short, 200)
    opened = Opening(desk.desk)
    opened.time(arguments.short)  # what is imported and drawn for the first time
    short, long, stalled = [], [], []
    for _ in range(arguments.openings):
        took, lasted = opened.time(arguments.long)
        long.append(took)
        stalled.append(lasted)
        short.append(opened.time(arguments.short)[0])
    desk.close()
    middle, beside = quantile(long, 0.5), quantile(short, 0.5)
    return {
        "opening_ratio": figure(middle / beside, OPENING_RATIO),
        "opening_ms": {"value": round(middle, 1), "base": round(beside, 1), "all": [round(each) for each in long]},
        "opening_stall_longest_ms": stall(max(stalled, key=lambda found: found["longest_ms"]), desk.base, STALL_MS),
    }


# -- writing -----------------------------------------------------------------------------------------------------------


class Keys(QObject):
    """Presses keys in an editor from a thread; each ends when the editor has been painted with it."""

    _pressed = Signal()

    def __init__(self, editor: QTextEdit) -> None:
        super().__init__()
        self._editor = editor
        self._begun: deque[float] = deque()
        self._unpainted: list[float] = []
        self.took_ms: list[float] = []
        self._stop = threading.Event()
        self._pressed.connect(self._press, Qt.ConnectionType.QueuedConnection)
        editor.viewport().installEventFilter(self)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        due = perf_counter()
        while not self._stop.wait(max(0.0, due - perf_counter())):
            self._begun.append(due)
            self._pressed.emit()
            due += KEY_MS / 1000

    def _press(self) -> None:
        letter = random.choice("etaoin shrdlu")
        for kind in (QEvent.Type.KeyPress, QEvent.Type.KeyRelease):
            QApplication.sendEvent(self._editor, QKeyEvent(kind, 0, Qt.KeyboardModifier.NoModifier, letter))
        self._unpainted.append(self._begun.popleft())

    def eventFilter(self, _watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Paint and self._unpainted:
            painted, self._unpainted = self._unpainted, []
            QTimer.singleShot(0, lambda: self._note(painted))
        return False

    def _note(self, painted: list[float]) -> None:
        now = perf_counter()
        self.took_ms += [1000 * (now - begun) for begun in painted]

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()
        self._editor.viewport().removeEventFilter(self)


def typed(editor: QTextEdit, seconds: float) -> tuple[list[float], dict[str, float]]:
    """Milliseconds of each key while the loop runs for so long, and the stalls."""
    keys = Keys(editor)
    found = watch(seconds)
    keys.stop()
    assert len(keys.took_ms) > 0.9 * seconds * 1000 / KEY_MS
    return keys.took_ms, found


def bare_keys(seconds: float) -> list[float]:
    """The same keys in an empty window."""
    bare = QMainWindow()
    editor = QTextEdit()
    bare.setCentralWidget(editor)
    bare.resize(1280, 800)
    bare.show()
    watch(1)
    took, _ = typed(editor, seconds)
    bare.close()
    return took


def writing(profile: Profile, arguments: argparse.Namespace) -> dict[str, Any]:
    """Stalls and keys while a reply streams at the end of the long conversation."""
    desk = Desk(profile, arguments.long, 220)
    bare = bare_keys(10)
    sent = desk.send("Go on. fake:endless")
    desk.page.composer.focus()
    begun = desk.count.grown
    took, found = typed(desk.page.composer.findChild(QTextEdit), arguments.seconds)
    rate = (desk.count.grown - begun) / arguments.seconds
    memory = psutil.Process().memory_full_info().uss / 1e6
    desk.close()
    return {
        "sending_stall_longest_ms": stall(sent, desk.base, STALL_MS),
        **stalls("writing", found, desk.base),
        "key_p99_ms": figure(quantile(took, 0.99), KEY_P99_MS, quantile(bare, 0.99)),
        "key_p50_ms": {"value": round(quantile(took, 0.5), 2), "base": round(quantile(bare, 0.5), 2)},
        "memory_mb": figure(memory, MEMORY_MB),
        "tokens_per_s": {"value": round(rate, 1)},
    }


# -- scrolling ---------------------------------------------------------------------------------------------------------


def scrolled(step: Callable[[float], object], seconds: float) -> dict[str, float]:
    """Call ``step`` with the time passed (0 to 1) every frame; returns the stalls."""
    timer = QTimer(interval=FRAME_MS)
    timer.setTimerType(Qt.TimerType.PreciseTimer)
    begun = perf_counter()
    timer.timeout.connect(lambda: step(min(1.0, (perf_counter() - begun) / seconds)))
    timer.start()
    found = watch(seconds)
    timer.stop()
    return found


def scrolling(profile: Profile, arguments: argparse.Namespace) -> dict[str, Any]:
    """From the end to the beginning by the bar, and back a part of the way by the wheel."""
    desk = Desk(profile, arguments.long, 200)
    bar = desk.page.transcript.verticalScrollBar()
    height = bar.maximum()
    dragged = scrolled(lambda passed: bar.setValue(round(bar.maximum() * (1 - passed))), arguments.seconds)
    at_top = bar.value()
    wheeled = scrolled(lambda passed: bar.setValue(bar.value() + WHEEL_PX), arguments.seconds)
    memory = psutil.Process().memory_full_info().uss / 1e6
    desk.close()
    assert at_top < 3 * FRAME_MS * height / 1000 / arguments.seconds
    return {
        **stalls("dragging", dragged, desk.base),
        **stalls("wheel", wheeled, desk.base),
        "scrolling_memory_mb": figure(memory, MEMORY_MB),
        "height_px": {"value": height},
    }


# -- memory ------------------------------------------------------------------------------------------------------------


def tokens(profile: Profile, arguments: argparse.Namespace) -> dict[str, Any]:
    """Private memory while so many tokens stream at the end of the long conversation, as one reply."""
    desk = Desk(profile, arguments.long, arguments.tokens_per_s)
    desk.send("Go on. fake:endless")
    used: list[float] = []
    marks = [2_000, *range(arguments.tokens // 5, arguments.tokens + 1, arguments.tokens // 5)]
    limit = perf_counter() + 60 + 3 * arguments.tokens / arguments.tokens_per_s
    worst: dict[str, float] = {}
    for mark in marks:
        while desk.count.grown < mark and perf_counter() < limit:
            worst = max(worst, watch(0.5), key=lambda found: found.get("longest_ms", 0.0))
        used.append(psutil.Process().memory_full_info().uss / 1e6)
    streamed = desk.count.grown
    desk.close()
    assert streamed >= arguments.tokens, f"{streamed} tokens came in time"
    return {
        "tokens_memory_mb": figure(max(used), MEMORY_MB),
        "tokens_growth_mb": figure(max(used) - used[0], GROWTH_MB) | {"all": [round(each, 1) for each in used]},
        "tokens_stall_longest_ms": stall(worst, desk.base, STALL_MS),
    }


# -- paste -------------------------------------------------------------------------------------------------------------


def paste(profile: Profile, arguments: argparse.Namespace) -> dict[str, Any]:
    """The longest stall of each paste, and of sending it."""
    desk = Desk(profile, "", 200)
    editor = desk.page.composer.findChild(QTextEdit)
    found: dict[str, Any] = {}
    for name, make in PASTES.items():
        source = QMimeData()
        said = make()
        source.setText(said)
        desk.desk.chat.new()
        watch(1)
        QTimer.singleShot(200, lambda source=source: editor.insertFromMimeData(source))
        pasted = watch(4)
        whole = desk.page.composer.text() == said
        QTimer.singleShot(200, desk.page.send)
        sent = watch(6)
        desk.desk.chat.stop()
        assert whole, f"{name}: the text in the composer is another one"
        found[f"paste_{name}_ms"] = stall(pasted, desk.base, PASTE_MS)
        found[f"send_{name}_ms"] = stall(sent, desk.base, PASTE_MS)
    desk.close()
    return found


PARTS = {"opening": opening, "writing": writing, "scrolling": scrolling, "tokens": tokens, "paste": paste}


def run_part(part: Callable[[Profile, argparse.Namespace], dict[str, Any]], arguments: argparse.Namespace) -> None:
    """Print what a part found, and end the process whatever threads are left when it failed."""
    try:
        found = part(Profile(arguments.profile), arguments)
        print(json.dumps(found | {"platform": QGuiApplication.platformName()}), flush=True)
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", nargs="*", choices=PARTS, default=list(PARTS))
    parser.add_argument("--messages", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--openings", type=int, default=7)
    parser.add_argument("--tokens", type=int, default=100_000)
    parser.add_argument("--tokens-per-s", type=float, default=500)
    parser.add_argument("--profile", type=Path, help=argparse.SUPPRESS)  # of a part's own process
    parser.add_argument("--long", help=argparse.SUPPRESS)
    parser.add_argument("--short", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.profile is not None:
        run_part(PARTS[arguments.only[0]], arguments)
    report: dict[str, Any] = {"messages": arguments.messages, "load": round(os.getloadavg()[0], 2)}
    with tempfile.TemporaryDirectory() as folder:
        profile = Profile(Path(folder))
        long = fill(profile, arguments.messages, 80, 920)
        short = fill(profile, SHORT, 80, 920)
        for part in arguments.only:
            argv = [*sys.argv[1:], "--profile", folder, "--long", long, "--short", short, "--only", part]
            done = subprocess.run([sys.executable, __file__, *argv], stdout=subprocess.PIPE, text=True, check=True)
            report |= json.loads(done.stdout.splitlines()[-1])
    report["kept"] = all(each.get("kept", True) for each in report.values() if isinstance(each, dict))
    print(json.dumps(report))


if __name__ == "__main__":
    main()
