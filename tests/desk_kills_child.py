"""The whole program, typing on the writing desk by itself, for `test_desk_kills`: tells what was typed and when.

``python desk_kills_child.py FOLDER [no-save]``: the last is a planted fault, nothing is saved while it types. Each line
on stdout is one JSON object: ``{"typed": n, "at": seconds}`` when n characters stand in the editor.
"""

import json
import sys
import time
from pathlib import Path

from PySide6.QtCore import Qt, QTimer
from PySide6.QtTest import QTest

from chatdesk import app
from chatdesk.paths import Profile

FAKE = [sys.executable, "-P", "-m", "chatdesk.engine.host", "--fake", '{"tokens_per_s": 200}']
WORDS = "The keeper counted the waves and wrote every number down. "


def main(folder: Path, plant: str) -> None:
    """Type letters, have words generated and take some of them, until the kill."""
    desk = app.assemble(Profile(folder), FAKE)
    desk.models.load("fake:model")
    desk.window.show()
    desk.window.start()
    desk.window.show_page("write")
    page = desk.window.pages.writing
    assert page is not None
    if plant == "no-save":
        page._tick.stop()
    steps = 0

    def act() -> None:
        nonlocal steps
        if desk.writing.document is None:
            return
        steps += 1
        if page.editor.ghost and steps % 7 == 0:
            QTest.keyClick(page.editor, Qt.Key.Key_Right, Qt.KeyboardModifier.ControlModifier)
        elif steps % 40 == 20:
            page.go_on()
        elif not page.editor.has_ghost or steps % 40 < 10:
            QTest.keyClicks(page.editor, WORDS[steps % len(WORDS)])
        count = page.editor.document().characterCount() - 1
        print(json.dumps({"typed": count, "at": time.monotonic()}), flush=True)

    timer = QTimer(interval=20)
    timer.timeout.connect(act)
    timer.start()
    desk.run()


if __name__ == "__main__":
    main(Path(sys.argv[1]), "".join(sys.argv[2:]))
