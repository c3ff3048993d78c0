"""The whole program, driven by itself, for `test_kills`: types, sends, edits, deletes, and tells what the person saw.

``python kills_child.py FOLDER STEP_MS [ack-first]``: the last is a planted fault, it tells of a message as sent before
the store has it. Each line on stdout is one JSON object: ``{"sent": text}`` when a message is shown as sent or edited,
``{"deleting": text}`` before a deletion and ``{"deleted": text}`` when it is shown, the same with ``restoring`` and
``restored``, and ``{"shown": n, "at": seconds}`` when n characters of the present reply are on the screen.
"""

import json
import sys
import time
from pathlib import Path

from PySide6.QtCore import QTimer

from chatdesk import app
from chatdesk.paths import Profile
from chatdesk.tasks.changes import (
    Change,
    ListChanged,
    Opened,
    ReplyingChanged,
    Turn,
    TurnAdded,
    TurnGrew,
    TurnReplaced,
)

FAKE = [sys.executable, "-P", "-m", "chatdesk.engine.host", "--fake", '{"tokens_per_s": 200}']


class Person:
    """Sends, stops, edits, deletes and undoes by turns."""

    def __init__(self, folder: Path, plant: str) -> None:
        self.desk = app.assemble(Profile(folder), FAKE)
        self.desk.models.load("fake:model")
        self.name, self.plant = folder.name, plant
        self.steps = 0
        self.shown = 0
        self.is_replying = False
        self.told: set[str] = set()
        self.last_deleted = ""
        self.wanted = ("", "")  # what is asked for and not shown yet: ("deleted" or "restored", text)
        self.own: list[Turn] = []
        self.desk.chat.on_change = self.seen

    def tell(self, **fields: object) -> None:
        print(json.dumps(fields), flush=True)

    def act(self) -> None:
        """The next step; a message that is sent or edited gets a reply that does not end."""
        chat, step = self.desk.chat, self.steps % 6
        if self.is_replying:
            chat.stop()
            return
        self.steps += 1
        text = f"question {self.steps} of {self.name} fake:endless"
        if step in (1, 4) and self.own:
            chat.edit(self.own[-1].id, text)
        elif step in (2, 5) and self.own:
            self.wanted = ("deleted", self.own[-1].text)
            self.tell(deleting=self.wanted[1])
            chat.delete_turn(self.own[-1].id)
        elif step == 3 and self.wanted[0] == "":
            self.wanted = ("restored", self.last_deleted)
            self.tell(restoring=self.last_deleted)
            chat.undo()
        elif self.plant == "ack-first":
            self.tell(sent=text)
            QTimer.singleShot(30, lambda: chat.send(text))
        else:
            chat.send(text)

    def seen(self, change: Change) -> None:
        self.desk.window.apply(change)
        match change:
            case TurnAdded(turn=turn) if turn.role == "user":
                self.show([*self.own, turn])
            case TurnReplaced(turn=turn) if turn.state == "streaming":
                self.shown = len(turn.text)
            case TurnGrew(text=text):
                self.shown += len(text)
                self.tell(shown=self.shown, at=time.monotonic())
            case Opened(turns=turns):
                self.show([turn for turn in turns if turn.role == "user"])
            case ReplyingChanged(replying=replying):
                self.is_replying = replying
            case ListChanged() if not self.steps:  # the window has started
                self.act()

    def show(self, own: list[Turn]) -> None:
        """These messages of the person are on the screen now."""
        self.own, texts = own, [turn.text for turn in own]
        kind, wanted = self.wanted
        if kind and (kind == "restored") == (wanted in texts):
            self.wanted, self.last_deleted = ("", ""), wanted
            self.tell(**{kind: wanted})
        for text in texts:
            if text not in self.told:
                self.told.add(text)
                self.shown = 0
                self.tell(sent=text)


def main(folder: Path, step_ms: int, plant: str) -> None:
    person = Person(folder, plant)
    timer = QTimer(interval=step_ms)
    timer.timeout.connect(person.act)
    timer.start()
    person.desk.run()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), "".join(sys.argv[3:]))
