"""Takes the pictures of README from the real program with the model in the box: ``python tests/screenshots.py OUT``.

Run it on a screen (or under Xvfb) with a font for Chinese. Not a test: a picture is for eyes.
"""

import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from PySide6.QtCore import QEventLoop, QTimer

from chatdesk import app
from chatdesk.paths import Profile
from chatdesk.settings.store import Settings
from chatdesk.tasks.changes import Change, ModelChanged, ReplyingChanged

SAMPLE = """\
Each position asks every earlier one **how much it matters**, and takes a weighted mean of what they hold:

```python
def attention(q, k, v):
    score = q @ k.transpose(-2, -1) / k.shape[-1] ** 0.5
    weight = score.softmax(-1)
    return weight @ v
```

| symbol | meaning |
|---|---|
| `q` | what a position looks for |
| `k` | what a position offers |

The square root keeps the scores from growing with the width, so the softmax stays soft.
"""


class Photographer:
    """One program on a fresh profile, driven step by step."""

    def __init__(self, out: Path, **settings: object) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self.out = out
        profile = Profile(Path(self._folder.name))
        kept = Settings(profile.settings)
        for name, value in settings.items():
            kept[name] = value
        self.desk = app.assemble(profile)
        self.model: ModelChanged | None = None
        self.is_replying = False
        self.desk.chat.on_change = self.desk.models.on_change = self._apply
        self.desk.window.show()
        self.wait(lambda: self.desk.window.isVisible())
        self.desk.window.start()

    def _apply(self, change: Change) -> None:
        if isinstance(change, ModelChanged):
            self.model = change
        if isinstance(change, ReplyingChanged):
            self.is_replying = change.replying
        self.desk.window.apply(change)

    def wait(self, until: Callable[[], bool], most_s: float = 60.0) -> None:
        """Let the program run until something is so, and a moment longer."""
        loop = QEventLoop()
        timer = QTimer(interval=50)
        timer.timeout.connect(lambda: loop.quit() if until() else None)
        timer.start()
        QTimer.singleShot(int(most_s * 1000), loop.quit)
        loop.exec()
        timer.stop()
        QTimer.singleShot(400, loop.quit)
        loop.exec()

    def load(self, path: str | None = None) -> None:
        """Load a checkpoint, or the model in the box."""
        if path is None:
            self.desk.open_last()
        else:
            self.desk.models.load(path)
        self.wait(lambda: self.model is not None and self.model.state in ("ready", "failed"))

    def say(self, text: str) -> None:
        """Send a message and wait for the whole reply."""
        self.is_replying = True
        self.desk.chat.send(text)
        self.wait(lambda: not self.is_replying)

    def take(self, name: str) -> None:
        """One picture."""
        self.desk.window.grab().save(str(self.out / f"{name}.png"))

    def close(self) -> None:
        """End the program."""
        self.desk.window.close()
        self.desk.close()
        self._folder.cleanup()


def pictures(out: Path) -> Iterator[str]:
    """Take them all; yields their names."""
    first = Photographer(out, theme="light", language="en")
    first.desk.window.resize(1280, 800)
    first.load()
    first.take("first-start")
    yield "first-start"
    for text in ("Hello, how are you today?", "What does temperature do?"):
        first.say(text)
    first.desk.chat.set_setting("temperature", 0.5)
    first.take("light")
    yield "light"
    first.desk.settings["theme"] = "dark"
    first.wait(lambda: True)
    first.take("dark")
    yield "dark"
    first.desk.window.resize(600, 800)
    first.wait(lambda: True)
    first.take("narrow")
    yield "narrow"
    first.desk.window.resize(1280, 800)
    first.desk.settings["theme"] = "light"
    store = first.desk.store

    def sample(c: object) -> str:
        home = c.create("How attention works")  # type: ignore[attr-defined]
        asked = c.add_message(home.id, None, "user", "Show me attention in five lines of Python.")  # type: ignore[attr-defined]
        c.add_message(home.id, asked.id, "assistant", SAMPLE, finish_reason="stop")  # type: ignore[attr-defined]
        return str(home.id)

    first.desk.chat.open(store.submit(sample).result())
    first.wait(lambda: True)
    first.take("text")
    yield "text"
    first.desk.window.show_page("settings")
    first.wait(lambda: True)
    first.take("settings")
    yield "settings"
    first.desk.window.show_page("chat")
    first.desk.chat.new()
    empty = Path(first._folder.name) / "my-model"
    empty.mkdir()
    (empty / "pytorch_model.bin").write_bytes(b"\x80\x02.")
    first.load(str(empty))
    first.say("Are you there?")
    first.take("error")
    yield "error"
    first.desk.settings["language"] = "zh_CN"
    first.load()
    first.say("你好！")
    first.take("chinese")
    yield "chinese"
    first.close()


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name in pictures(folder):
        print(name, flush=True)
