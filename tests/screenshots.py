"""Takes the pictures of README from the real program with the model in the box: ``python tests/screenshots.py OUT``,
or those of the lab with ``OUT lab``, a quarter of an hour.

Run it on a screen (or under Xvfb) with a font for Chinese. Not a test: a picture is for eyes. The screen is
photographed, so that menus and dialogs are in the pictures; nothing else may lie over the window.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from PySide6.QtCore import QEventLoop, QTimer
from PySide6.QtWidgets import QDialog, QLineEdit

from chatdesk import app
from chatdesk.paths import Profile, resources
from chatdesk.settings.store import Settings
from chatdesk.storage.conversations import Conversations
from chatdesk.tasks.changes import Change, ModelChanged, ReplyingChanged
from chatdesk.ui.shortcuts import KeyedAction
from chatdesk.ui.widgets.picker import Picker
from tests.library.hub_server import Model, serve

_TALKS = 8200  # about five megabytes
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

The square root keeps the scores from growing with the width, so the softmax stays soft:

$$\\operatorname{attention}(Q, K, V) = \\operatorname{softmax}\\!\\left(\\frac{QK^\\top}{\\sqrt{d}}\\right) V$$
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
        self.desk.window.resize(1280, 800)
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

    def do(self, action: str) -> None:
        """What the key of ``action`` does."""
        next(a for a in self.desk.window.findChildren(KeyedAction) if a.name == action).trigger()
        self.pause()

    def type(self, text: str) -> None:
        """Write into the line that has the focus, all at once."""
        line = self.desk.window.focusWidget()
        assert isinstance(line, QLineEdit), line
        line.setText(text)
        self.pause(1000)

    def dismiss(self) -> None:
        """Close the dialog or box that lies over the window."""
        for over in (*self.desk.window.findChildren(QDialog), *self.desk.window.findChildren(Picker)):
            over.close()
        self.pause()

    def pause(self, ms: int = 0) -> None:
        """Let the program paint what it has to."""
        self.wait(lambda: True)
        if ms:
            loop = QEventLoop()
            QTimer.singleShot(ms, loop.quit)
            loop.exec()

    def set(self, **settings: object) -> None:
        """Change settings of the application."""
        for name, value in settings.items():
            self.desk.settings[name] = value
        self.pause()

    def take(self, name: str) -> None:
        """One picture of the screen where the window is."""
        self.pause(300)
        window = self.desk.window
        place = window.frameGeometry()
        picture = window.screen().grabWindow(0, place.x(), place.y(), place.width(), place.height())
        picture.save(str(self.out / f"{name}.png"))
        print(name, flush=True)

    def close(self) -> None:
        """End the program."""
        self.desk.window.close()
        self.desk.close()
        self._folder.cleanup()


def talk(first: Photographer) -> None:
    """The first start, a conversation, and the window in its forms."""
    first.take("first-start")
    for text in ("Hello! My name is Clara.", "What does temperature do?", "What is 9 plus 4?"):
        first.say(text)
    first.desk.chat.set_setting("temperature", 0.5)
    first.take("light")
    first.set(theme="dark")
    first.take("dark")
    first.set(theme="light")


def branches(first: Photographer) -> None:
    """Drafts side by side, the map of branches, the exact prompt."""
    first.desk.chat.new()
    first.say("Tell me a story about a bear.")
    first.do("panel")
    first.is_replying = True
    first.do("drafts")
    first.wait(lambda: not first.is_replying)
    first.take("drafts")
    first.do("stop")
    first.do("panel")
    first.say("Another one!")
    first.do("branches")
    first.take("branches")
    first.dismiss()
    first.do("prompt")
    first.take("prompt")
    first.dismiss()


def finding(first: Photographer) -> None:
    """Rendered text, search over everything, find in the chat, the palette."""

    def samples(c: Conversations) -> str:
        home = c.create("How attention works")
        asked = c.add_message(home.id, None, "user", "Show me attention in five lines of Python.")
        c.add_message(home.id, asked.id, "assistant", SAMPLE, finish_reason="stop")
        trip = c.create("去杭州的周末")
        asked = c.add_message(trip.id, None, "user", "周末去杭州，天气怎么样？")
        c.add_message(trip.id, asked.id, "assistant", "周六多云，适合在西湖边散步。", finish_reason="stop")
        return home.id

    first.desk.chat.open(first.desk.store.submit(samples).result())
    first.desk.chat.refresh()
    first.pause(2000)  # the library that draws formulas is being imported
    first.take("text")
    first.do("find")
    first.type("position")
    first.take("find")
    first.do("stop")
    first.do("search")
    first.type("天气")
    first.take("search")
    first.dismiss()
    first.do("palette")
    first.take("palette")
    first.dismiss()


def files(first: Photographer, folder: Path) -> None:
    """A message with a file, and two more that wait."""
    notes, log, story = folder / "notes.md", folder / "server-2026-11-02.log", folder / "关于灯塔的故事.txt"
    notes.write_text("# Garden\n\nTom planted beans in May. Anna waters them in the evening.\n", encoding="utf-8")
    log.write_text("".join(f"12:00:{n:02} request {n} took {n * 7 % 40} ms\n" for n in range(60)), encoding="utf-8")
    story.write_text("从前，海边有一座灯塔。", encoding="utf-8")
    first.desk.chat.new()
    first.desk.chat.attach([notes])
    first.pause(800)
    first.say("Tom planted beans in May. What did Tom plant?")
    first.desk.chat.attach([log, story])
    first.pause(1500)
    first.take("files")


def models(first: Photographer, folder: Path) -> None:
    """A base model, and a folder that holds no model."""
    base = folder / "a-base-model"
    shutil.copytree(resources() / "starter", base)
    config = json.loads((base / "tokenizer_config.json").read_text())
    config.pop("chat_template", None)
    (base / "tokenizer_config.json").write_text(json.dumps(config))
    first.desk.chat.new()
    first.load(str(base))
    first.take("base-model")
    empty = folder / "my-model"
    empty.mkdir()
    (empty / "pytorch_model.bin").write_bytes(b"\x80\x02.")
    first.desk.models.unload()
    first.desk.chat.new()
    first.load(str(empty))
    first.say("Are you there?")
    first.take("error")


def from_a_hub(first: Photographer) -> None:
    """The page of a hub: what was found, whether it fits, a download under way. The hub is one of loopback."""
    files = {path.name: path.read_bytes() for path in (resources() / "starter").glob("*") if path.is_file()}
    config = json.loads(files["config.json"])
    listed = {"config": config, "likes": 5, "lastModified": "2026-10-02T03:04:05.000Z"}
    tags = ["transformers", "safetensors", "license:apache-2.0"]
    names = {"harbour/Lighthouse-18M-Chat": 48_210, "harbour/Lighthouse-18M": 9_640, "meadow/Tales-18M-Chat": 730}
    with serve() as server:
        for name, downloads in names.items():
            mine = tags + ["conversational"] * name.endswith("Chat")
            card = f"# {name}\n\nA small model for short stories and plain talk.\n".encode()
            server.models[name] = Model(
                files | {"README.md": card}, listed=listed | {"tags": mine, "downloads": downloads}
            )
        first.set(hub=server.url)
        first.do("models_page")
        page = first.desk.window.models_page
        page.hub_tab.click()
        page.hub.field.setText("18M")
        page.hub.search()
        first.pause(3000)
        server.bytes_per_s = 3_000_000
        page.hub.details.download.click()
        first.pause(4000)
        first.take("hub")
        first.desk.downloads.cancel(next(iter(names)))
        first.pause(500)
    first.do("chat")


def desk(first: Photographer) -> None:
    """The writing desk: ghost text, then five ways on."""
    first.do("write")
    page = first.desk.window.pages.writing
    assert page is not None
    page.caution.hide()
    page.editor.textCursor().insertText(
        "The lighthouse stood at the end of the island. Every evening the keeper climbed the stairs and"
    )
    first.pause(500)
    page.go_on()
    first.pause(4000)
    first.take("desk")
    first.desk.writing.new()
    first.pause(500)
    page._on_example()
    first.pause(6000)
    first.take("alternatives")


def inside(first: Photographer) -> None:
    """The next word, the attention of every head, texts sorted by labels, the speed of this machine."""
    first.do("inspect")
    page = first.desk.window.pages.inspect
    assert page is not None
    page.set_text("Once upon a time there was a little girl who lived in a")
    first.pause(2500)
    first.take("next-word")
    page.tabs["attention"].click()
    first.pause(3000)
    first.take("attention")
    first.do("classify")
    sorter = first.desk.window.pages.classify
    assert sorter is not None
    sorter.open_file(Path(__file__).parent / "tasks" / "sentiment.csv")
    first.pause(1000)
    sorter.start_button.click()
    first.pause(8000)
    first.take("classify")


def lab(out: Path, minutes: int = 5) -> None:
    """From five megabytes of talks to a model that talks, step by step; says how long it took."""
    first = Photographer(out, theme="light", language="en")
    first.desk.window.resize(1280, 800)
    first.load()
    talks, began = Path(first._folder.name) / "talks.jsonl", time.monotonic()
    maker = resources() / "starter" / "make_exchanges.py"
    subprocess.run([sys.executable, str(maker), str(talks), str(_TALKS)], check=True)
    first.do("lab")
    page, work = first.desk.window.pages.lab, first.desk.lab
    assert page is not None
    page.new_button.click()
    page.take([talks])
    page.steps["text"].prepare_button.click()
    first.wait(lambda: work.work is None, 300)
    first.take("lab-text")
    page.show_step("model")
    page.steps["model"].measure_button.click()
    first.wait(lambda: work.work is None, 300)
    page.steps["model"].fit_buttons[minutes].click()
    first.take("lab-model")
    page.show_step("train")
    page.steps["train"].start_button.click()
    first.wait(lambda: work.work is None, 3000)
    first.take("lab-train")
    page.show_step("use")
    page.steps["use"].judge_button.click()
    first.wait(lambda: work.work is None, 600)
    first.take("lab-use")
    page.steps["use"].talk_button.click()
    first.wait(lambda: first.model is not None and first.model.path.endswith("model") and first.model.state == "ready")
    for text in ("Hello!", "Who are you?", "What does temperature do?"):
        first.say(text)
    first.take("lab-talk")
    print(f"{time.monotonic() - began:.0f} s from the text to the talk", work.complaints)
    first.close()


def pictures(out: Path) -> None:
    """Take them all."""
    first = Photographer(out, theme="light", language="en")
    first.desk.window.resize(1280, 800)
    first.load()
    talk(first)
    branches(first)
    finding(first)
    files(first, Path(first._folder.name))
    first.do("models_page")
    first.pause(2000)  # the plans are being made
    first.take("models")
    from_a_hub(first)
    desk(first)
    inside(first)
    first.do("settings")
    first.take("settings")
    first.do("chat")
    models(first, Path(first._folder.name))
    first.set(language="zh_CN")
    first.desk.chat.new()
    first.load(str(resources() / "starter"))
    for text in ("你好！", "你是谁？", "温度有什么用？"):
        first.say(text)
    first.take("chinese")
    first.close()


if __name__ == "__main__":
    chosen = Path(sys.argv[1])
    chosen.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as models_of_nobody:
        os.environ["HF_HUB_CACHE"] = models_of_nobody
        (lab if sys.argv[2:] == ["lab"] else pictures)(chosen)
