"""How quickly the window can be typed into, beside an empty PySide6 window in the same run; and how quickly the model
says its first token, beside a bare script that loads the same checkpoint with transformers and takes one step.

    python tests/benchmarks/start.py [--runs 7]

Each start is a fresh process, timed from before it is made to after the first paint of its window, when the composer
has the focus; the two kinds alternate. The first token is timed from the start of the program to the moment its text is
handed to the transcript, for a message sent as soon as the window can. Prints one line of JSON; to reach: ratio <= 3
for the window, <= 1.3 for the token.

``loads``: from asking for an engine process to its loaded checkpoint; the same again in the process that stands ready
then; and after an unload, in the one that was started ahead. To reach: both <= 0.5 of the first.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from queue import SimpleQueue

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from chatdesk.engine.api import Event, Failed, Load, Loaded, Survey, Surveyed  # noqa: E402
from chatdesk.engine.client import EngineClient  # noqa: E402
from chatdesk.paths import starter  # noqa: E402

EMPTY = """
import sys, time
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication, QMainWindow, QTextEdit
class Window(QMainWindow):
    done = False
    def paintEvent(self, event):
        super().paintEvent(event)
        if not self.done:
            self.done = True
            QTimer.singleShot(0, lambda: (print(time.time()), self.close()))
app = QApplication(sys.argv)
window = Window()
window.setCentralWidget(QTextEdit())
window.resize(1280, 800)
window.show()
window.centralWidget().setFocus()
app.exec()
"""

CHATDESK = """
import sys, time
from pathlib import Path
from chatdesk import app
from chatdesk.paths import Profile
from chatdesk.ui import application
run = application.run
def timed(qt, window, profile):
    def painted():
        window.page.composer.focus()
        print(time.time())
        window.close()
    window.resize(1280, 800)
    window.painted.connect(painted)
    return run(qt, window, profile)
application.run = timed
app.run_window(Profile(Path(sys.argv[1])))
"""

BARE = """
import sys, time
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
tokenizer = AutoTokenizer.from_pretrained(sys.argv[2])
model = AutoModelForCausalLM.from_pretrained(sys.argv[2], dtype=torch.float32)
with torch.inference_mode():
    logits = model(tokenizer("Hello", return_tensors="pt").input_ids).logits
print(time.time(), tokenizer.decode(logits[0, -1].argmax()))
"""

TOKEN = """
import os, sys, time
from pathlib import Path
from chatdesk import app
from chatdesk.paths import Profile
from chatdesk.tasks.changes import ListChanged, TurnReplaced
desk = app.assemble(Profile(Path(sys.argv[1])))
asked = False
def seen(change):
    global asked
    desk.window.apply(change)
    if isinstance(change, ListChanged) and not asked:
        asked = True
        desk.chat.send("Hello")
    elif isinstance(change, TurnReplaced) and change.turn.text:
        print(time.time(), flush=True)
        desk.close()
        os._exit(0)
desk.chat.on_change = seen
desk.settings["conversation"] = ""  # a new one, each time
desk.models.load(sys.argv[2])
desk.run()
"""


def started(code: str, profile: str, checkpoint: str = "") -> float:
    """Seconds from making a process to its first paint or token. Byte code is kept, as of an installed program."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONPYCACHEPREFIX": str(Path(profile) / "bytecode")}
    environment |= {"HF_HUB_OFFLINE": "1"}  # else the bare script asks the hub
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    before = time.time()
    run = subprocess.run(
        [sys.executable, "-c", code, profile, checkpoint],
        check=True,
        capture_output=True,
        text=True,
        env=environment,
    )
    return float(run.stdout.split()[0]) - before


def compare(runs: int, theirs: str, ours: str, checkpoint: str = "") -> dict[str, float]:
    """Medians over ``runs`` starts of each kind, in milliseconds, and their ratio."""
    plain, chatdesk = [], []
    with tempfile.TemporaryDirectory() as profile:
        started(theirs, profile, checkpoint)
        started(ours, profile, checkpoint)  # the first one makes the profile, and byte code where there is none
        for _ in range(runs):
            plain.append(started(theirs, profile, checkpoint))
            chatdesk.append(started(ours, profile, checkpoint))
    found, base = statistics.median(chatdesk), statistics.median(plain)
    return {"ms": round(1000 * found, 1), "base_ms": round(1000 * base, 1), "ratio": round(found / base, 2)}


class Loader:
    """An engine process like the window's, and how long its loads take."""

    def __init__(self, model: Path) -> None:
        self._model = model
        self._ended: SimpleQueue[Event] = SimpleQueue()
        self.client = EngineClient(self._take)

    def _take(self, event: Event) -> None:
        if isinstance(event, Loaded | Surveyed | Failed):
            self._ended.put(event)

    def load(self) -> float:
        """Seconds to a loaded checkpoint."""
        before = time.perf_counter()
        self.client.send(Load(self.client.next_id(), str(self._model), "cpu"))
        event = self._ended.get(timeout=120)
        assert isinstance(event, Loaded), event
        return time.perf_counter() - before

    def settle(self) -> None:
        """Wait for a process that has its imports done: it answers a survey after them."""
        self.client.send(Survey(self.client.next_id()))
        self._ended.get(timeout=120)


def loads(runs: int, model: Path) -> dict[str, float]:
    """Medians in milliseconds, and the ratios to the first load of the same run."""
    found: dict[str, list[float]] = {"first": [], "again": [], "after_unload": []}
    for run in range(runs + 1):
        loader = Loader(model)
        times = [loader.load(), loader.load()]
        loader.client.unload()
        loader.settle()
        times.append(loader.load())
        loader.client.close()
        for name, seconds in zip(found, times, strict=True):
            found[name] += [seconds] if run else []  # the first run fills the page cache
    told = {f"{name}_ms": round(1000 * statistics.median(each), 1) for name, each in found.items()}
    for name in ("again", "after_unload"):
        ratios = [late / first for late, first in zip(found[name], found["first"], strict=True)]
        told[f"{name}_over_first"] = round(statistics.median(ratios), 2)
    return told


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--model", type=Path, default=starter())
    parser.add_argument("--only", choices=["loads"])
    arguments = parser.parse_args()
    if arguments.only:
        print(json.dumps({"loads": loads(arguments.runs, arguments.model)}))
        return
    window = compare(arguments.runs, EMPTY, CHATDESK)
    token = compare(arguments.runs, BARE, TOKEN, str(arguments.model))
    print(json.dumps({"window": window, "first_token": token, "loads": loads(arguments.runs, arguments.model)}))


if __name__ == "__main__":
    main()
