"""How quickly the window can be typed into, beside an empty PySide6 window in the same run; and how quickly the model
says its first token, beside a bare script that loads the same checkpoint with transformers and takes one step.

    python tests/benchmarks/start.py [--runs 7]

Each start is a fresh process, timed from before it is made to after the first paint of its window, when the composer
has the focus; the two kinds alternate. The first token is timed from the start of the program to the moment its text is
handed to the transcript, for a message sent as soon as the window can. Prints one line of JSON; to reach: ratio <= 3
for the window, <= 1.3 for the token.
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

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

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


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--model", type=Path, default=starter())
    arguments = parser.parse_args()
    window = compare(arguments.runs, EMPTY, CHATDESK)
    token = compare(arguments.runs, BARE, TOKEN, str(arguments.model))
    print(json.dumps({"window": window, "first_token": token}))


if __name__ == "__main__":
    main()
