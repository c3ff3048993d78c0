"""The whole program, driven by itself, for `test_kills`: types, sends, and tells its parent what the person saw.

Each line on stdout is one JSON object: ``{"sent": text}`` when a message is shown as sent, ``{"shown": n, "at":
seconds}`` when n characters of the present reply are on the screen. ``--plant ack-first`` is a planted fault: it
tells of a message as sent before the store has it.
"""

import json
import sys
import time
from pathlib import Path

from PySide6.QtCore import QTimer

from chatdesk import app
from chatdesk.paths import Profile
from chatdesk.tasks.changes import Change, ListChanged, ReplyingChanged, TurnAdded, TurnGrew, TurnReplaced

FAKE = [sys.executable, "-P", "-m", "chatdesk.engine.host", "--fake", '{"tokens_per_s": 200}']


def main(folder: Path, plant: str) -> None:
    desk = app.assemble(Profile(folder), FAKE)
    desk.models.load("fake:model")
    asked = 0
    shown = 0

    def tell(**fields: object) -> None:
        print(json.dumps(fields), flush=True)

    def ask() -> None:
        nonlocal asked, shown
        asked += 1
        shown = 0
        text = f"question {asked} of {folder.name} fake:endless"
        if plant == "ack-first":
            tell(sent=text)
            QTimer.singleShot(30, lambda: desk.chat.send(text))
        else:
            desk.chat.send(text)

    def seen(change: Change) -> None:
        nonlocal shown
        desk.window.apply(change)
        match change:
            case TurnAdded(turn=turn) if turn.role == "user":
                tell(sent=turn.text)
            case TurnReplaced(turn=turn) if turn.state == "streaming":
                shown = len(turn.text)
            case TurnGrew(text=text):
                shown += len(text)
                tell(shown=shown, at=time.monotonic())
            case ReplyingChanged(replying=False) if asked:
                QTimer.singleShot(0, ask)
            case ListChanged() if not asked:  # the window has started
                ask()

    desk.chat.on_change = seen
    # A reply is stopped after a while, so that kills fall into sending, streaming, stopping and finishing.
    stopper = QTimer(interval=700)
    stopper.timeout.connect(desk.chat.stop)
    stopper.start()
    desk.run()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "")
