"""The writing desk with a document of 1 MB: from a key to its glyph, and stalls, with a scripted engine.

    python tests/benchmarks/desk.py [--seconds 30] [--megabytes 1] [--language en|zh]

A thread presses a key every 80 ms, as in ``long_chat.py``; a key ends when the editor has been painted with it. Three
times: without a model (``typing``); while ghost text streams at the cursor at 200 tokens a second and the hand types
along with it, asking again when it has ended (``ghost``); and the same in the middle of the text with any letters,
each of which drops the offer, after which it is asked for again (``drop``). The document is saved every half second.
The baseline is a bare `QPlainTextEdit` with the same text. Prints one line of JSON; nothing else may run meanwhile.
"""

import argparse
import json
import os
import random
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QGuiApplication, QKeyEvent, QTextCursor
from PySide6.QtWidgets import QApplication, QPlainTextEdit

from chatdesk import app
from chatdesk.engine.child import child_command
from chatdesk.paths import Profile
from chatdesk.storage.store import Store
from tests.benchmarks.long_chat import KEY_P99_MS, Keys, empty_window, figure, quantile, stalls
from tests.benchmarks.ui import text, watch

_CHINESE = "海边的灯塔每天晚上都亮着，守塔的人数着海浪，把数字一个一个地写下来。"


def document(megabytes: float, language: str) -> str:
    """Paragraphs of about 400 characters, ``megabytes`` of UTF-8."""
    dice, size = random.Random(3), int(megabytes * 1e6)
    if language == "zh":
        paragraph = _CHINESE * 12
        return "\n\n".join([paragraph] * (size // len(paragraph.encode()) + 1))
    said = text(dice, size)
    return "\n\n".join(said[start : start + 400] for start in range(0, len(said), 400))


class DeskKeys(Keys):
    """Types along with the ghost text, or any letter; asks for ghost text where there is none."""

    def __init__(self, page: Any, types_along: bool, asks: bool) -> None:
        self._page, self._types_along, self._asks = page, types_along, asks
        self.typed_along = self.asked = 0
        super().__init__(page.editor)

    def _press(self) -> None:
        ghost = self._page.editor.ghost
        if self._types_along and not (ghost and ghost[0].isprintable()):
            self._begun.popleft()  # nothing to type along with yet
            self._ask()
            return
        letter = random.choice("etaoin shrdlu")
        if self._types_along:
            letter = ghost[0]
            self.typed_along += 1
        for kind in (QEvent.Type.KeyPress, QEvent.Type.KeyRelease):
            QApplication.sendEvent(self._editor, QKeyEvent(kind, 0, Qt.KeyboardModifier.NoModifier, letter))
        self._unpainted.append(self._begun.popleft())
        self._ask()

    def _ask(self) -> None:
        if self._asks and not self._page.editor.has_ghost:
            self.asked += 1
            self._page.go_on()


def measured(keys: Keys, seconds: float) -> tuple[list[float], dict[str, float]]:
    """Times of keys in ms, and the stalls meanwhile."""
    watch(1)
    keys.took_ms.clear()
    found = watch(seconds)
    keys.stop()
    return keys.took_ms, found


def bare(words: str, seconds: float) -> float:
    """The 99th percentile of a key in a plain editor, in ms."""
    editor = QPlainTextEdit()
    editor.setPlainText(words)
    editor.resize(900, 700)
    editor.show()
    editor.moveCursor(QTextCursor.MoveOperation.End)
    took, _ = measured(Keys(editor), seconds)
    editor.close()
    return quantile(took, 0.99)


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """All figures."""
    words = document(arguments.megabytes, arguments.language)
    said = " ".join(text(random.Random(2), 20_000).split())  # a line's end is not typed along
    tokens = [said[i : i + 4] for i in range(0, len(said), 4)]
    script = json.dumps({"tokens": tokens, "tokens_per_s": 200, "context_length": 4096})
    with tempfile.TemporaryDirectory() as folder:
        profile = Profile(Path(folder))
        with Store(profile.database, profile.backups) as store:
            store.submit(lambda c: c.documents.create("Long", words)).result()
        desk = app.assemble(profile, [*child_command(), "--fake", script])
        base, plain = empty_window(), bare(words, 10)
        desk.window.painted.connect(desk.window.start)
        desk.window.resize(1280, 800)
        desk.window.show()
        desk.models.load("fake:model")
        watch(2)
        desk.window.show_page("write")
        watch(3)
        page = desk.window.pages.writing
        assert page is not None
        assert len(page.editor.toPlainText()) == len(words)
        desk.writing.set_setting("max_new_tokens", 400)
        found: dict[str, Any] = {"characters": len(words), "bytes": len(words.encode())}
        for name, along, asks in (("typing", False, False), ("ghost", True, True), ("drop", False, True)):
            cursor = page.editor.textCursor()
            cursor.setPosition(len(words) // 2 if name == "drop" else len(words))
            page.editor.setTextCursor(cursor)
            keys = DeskKeys(page, along, asks)
            took, stall = measured(keys, arguments.seconds)
            found[f"{name}_key_p99_ms"] = figure(quantile(took, 0.99), KEY_P99_MS, plain)
            found[f"{name}_key_p50_ms"] = {"value": round(quantile(took, 0.5), 2)}
            found |= stalls(name, stall, base) | {f"{name}_keys": len(took), f"{name}_asked": keys.asked}
            found[f"{name}_typed_along"] = keys.typed_along
        desk.window.close()
        desk.close()
    return found


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--megabytes", type=float, default=1)
    parser.add_argument("--language", choices=("en", "zh"), default="en")
    report: dict[str, Any] = {"load": round(os.getloadavg()[0], 2)} | run(parser.parse_args())
    report["platform"] = QGuiApplication.platformName()
    report["kept"] = all(each.get("kept", True) for each in report.values() if isinstance(each, dict))
    print(json.dumps(report))


if __name__ == "__main__":
    main()
