"""A hasty person at the downloads: random steps while the hub misbehaves, the disk of the settings is full now and then
and the program is closed and opened; then all is quiet, and each download ends as it should.
"""

import queue
import random
import threading
import time
from pathlib import Path

import pytest

from chatdesk.errors import Fault, UserError
from chatdesk.library import download
from chatdesk.library.connection import Connection, Limits
from chatdesk.library.partial import STEP
from chatdesk.settings.store import Settings
from chatdesk.settings.toml_file import TomlFile
from chatdesk.tasks.downloads import Downloads
from tests.engine.checkpoints import make_checkpoint
from tests.library.hub_models import IMPATIENT, noise, wrong_bytes
from tests.library.hub_server import COMMIT, Model, serve

BYTES = [
    "", "", "", "", "cut:1000", "cut:300000", "hang:1000", "drip:200", "short", "long", "flip", "no-range",
    "wrong-range", "416", "etag", "gzip", "html", "loop", "500", "503:1", "429:99999", "store-403",
]  # fmt: skip
API = ["", "", "", "", "html", "truncated", "list", "deep", "hang", "loop", "500", "429:3", "404", "401"]
BUSY = ("waiting", "fetching", "checking", "trying")
NONE = "owner/none"  # which the hub does not have


class Monkey:
    def __init__(self, folder, server, seed, files):
        self.folder, self.server, self.some = folder, server, random.Random(seed)
        self.cache, self.is_full = folder / "cache", False
        large = {**files, "LICENSE": noise(STEP + 300_000)}
        server.models["owner/a"] = Model(large)
        server.models["old-a"] = Model(large, listed={"id": "owner/a"})
        server.models["owner/b"] = Model(files)
        server.bytes_per_s = self.some.choice([0, STEP, 3 * STEP])
        self.open()

    def open(self):
        self.settings, self.posted = Settings(self.folder / "settings.toml"), queue.SimpleQueue()
        self.downloads = Downloads(self.connect, self.cache, self.settings, self.posted.put)

    def connect(self):
        return Connection(self.server.url, offline=self.settings["offline"], limits=Limits(1, 0.15, 0.6))

    def play(self, steps):
        for _ in range(steps):
            self.some.choice(self.steps())(self.some.choice([*self.server.models, NONE]))
            if self.some.random() < 0.5:
                self.wait(self.some.random() * 0.12)

    def steps(self):
        desk, some = self.downloads, self.some
        return [
            desk.get, desk.get, desk.pause, desk.resume, desk.resume, desk.cancel, self.change_offline, self.fill,
            lambda name: desk.get(name, some.choice(["main", "v1", COMMIT])), self.open_again,
            lambda name: self.server.faults.extend(some.choices(BYTES, k=2)),
            lambda name: self.server.api_faults.append(some.choice(API)), lambda name: self.wait(0.2),
        ]  # fmt: skip

    def change_offline(self, _):
        if not self.is_full:
            self.settings["offline"] = self.some.random() < 0.4

    def fill(self, _):
        self.is_full = self.some.random() < 0.4

    def open_again(self, _):
        self.downloads.close()
        self.open()

    def wait(self, seconds):
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            try:
                self.posted.get(timeout=left)()
            except queue.Empty:
                return

    def end(self):
        """All is well again, and what is not done is tried again."""
        self.server.faults, self.server.api_faults, self.server.bytes_per_s, self.is_full = [], [], 0, False
        self.settings["offline"] = False
        for _ in range(3):
            for each in self.downloads.all:
                self.downloads.resume(each.name)
            until = time.monotonic() + 15
            while any(each.state in BUSY for each in self.downloads.all) or self.downloads._run:
                assert time.monotonic() < until, self.downloads.all
                self.wait(0.02)

    def check(self):
        for each in self.downloads.all:
            is_wrong = each.name == NONE or each.revision == "v1"
            assert each.state == ("failed" if is_wrong else "done"), each
            assert is_wrong or (Path(each.path, "config.json").is_file() and each.done == each.total > 0)
        assert wrong_bytes(self.cache) == []
        for each in self.downloads.all:
            self.downloads.cancel(each.name)
        while self.downloads._discarding:
            self.wait(0.02)
        assert (self.downloads.all, list(self.cache.rglob("*.incomplete"))) == ((), [])


def run(folder, seeds, monkeypatch):
    files = {path.name: path.read_bytes() for path in make_checkpoint(folder / "made", "llama").iterdir()}
    failed = []
    monkeypatch.setattr(threading, "excepthook", failed.append)
    monkeypatch.setattr(download, "Patience", lambda: IMPATIENT)
    replace = TomlFile.replace
    for seed in seeds:
        with serve() as server:
            monkey = Monkey(folder / str(seed), server, seed, files)

            def maybe(file, values, monkey=monkey):
                if monkey.is_full:
                    raise UserError(Fault.DISK_FULL, path="settings.toml")
                replace(file, values)

            monkeypatch.setattr(TomlFile, "replace", maybe)
            try:
                monkey.play(40)
                monkey.end()
                monkey.check()
                assert failed == []
            except Exception as error:
                raise AssertionError(f"seed {seed}") from error
            finally:
                monkey.downloads.close()


def test_a_hasty_person(tmp_path, monkeypatch):
    run(tmp_path, range(1), monkeypatch)


@pytest.mark.soak
def test_many_hasty_people(tmp_path, monkeypatch):
    run(tmp_path, range(1, 200), monkeypatch)
