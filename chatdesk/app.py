"""The composition root: the only module that names concrete classes. Window and engine are imported when wanted."""

import os
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from chatdesk import paths
from chatdesk.errors import Fault, UserError
from chatdesk.paths import Profile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PySide6.QtWidgets import QApplication

    from chatdesk.engine.api import Engine, Event
    from chatdesk.engine.client import EngineClient
    from chatdesk.library.catalogue import Entry
    from chatdesk.library.connection import Connection
    from chatdesk.settings.store import Settings
    from chatdesk.storage.store import Store
    from chatdesk.tasks.chat import Chat
    from chatdesk.tasks.classifying import Classifier
    from chatdesk.tasks.downloads import Downloads
    from chatdesk.tasks.hub import Hub
    from chatdesk.tasks.inspect import Inspect
    from chatdesk.tasks.lab import Lab
    from chatdesk.tasks.models import Models
    from chatdesk.tasks.ports import Post
    from chatdesk.tasks.shelf import Shelf
    from chatdesk.tasks.writing import Writing
    from chatdesk.tasks.writing_prompts import WritingPrompts
    from chatdesk.ui.main_window import MainWindow


def local_engine() -> "Engine":
    """The engine in this very process: for the command line and for tests."""
    from chatdesk.engine.local import LocalEngine

    return LocalEngine()


def piped_engine() -> "Engine":
    """The engine as the window runs it, in a process of its own. Raises `UserError` if that cannot be started."""
    from chatdesk.engine.client import PipedEngine

    return PipedEngine()


def connect(settings: "Settings") -> "Connection":
    """A connection to the model hub that settings and environment name; it connects when it is first asked."""
    from chatdesk.library import tokens
    from chatdesk.library.connection import HUB, Connection

    offline = os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "on", "yes", "true")
    endpoint = settings["hub"] or os.environ.get("HF_ENDPOINT") or HUB
    return Connection(endpoint, tokens.read, settings["offline"] or offline)


def run_window(profile: Profile) -> int:
    """Open the window on a profile and run until it is closed. A second start raises the first window: 0."""
    if not _has_display():
        print(f"chatdesk: {UserError(Fault.NO_DISPLAY)}", file=sys.stderr)
        return 2
    from chatdesk.storage.lock import acquire_lock

    lock = acquire_lock(profile.root)
    if lock is None:
        from chatdesk.ui.application import raise_other

        raise_other(profile)
        print(f"chatdesk: {UserError(Fault.ALREADY_RUNNING, path=profile.root)}", file=sys.stderr)
        return 0
    try:
        desk = assemble(profile)
        desk.open_last()
        return desk.run()
    finally:
        lock.release()


@dataclass(frozen=True)
class Desk:
    """The assembled program: what a test or a benchmark needs to drive it."""

    qt: "QApplication"
    window: "MainWindow"
    chat: "Chat"
    models: "Models"
    engine: "EngineClient"
    store: "Store"
    settings: "Settings"
    profile: Profile
    hub: "Hub"
    downloads: "Downloads"
    writing: "Writing"
    classifier: "Classifier"
    lab: "Lab"
    shelf: "Shelf"

    def run(self) -> int:
        """Show the window until it is closed; then close everything. Returns the exit status."""
        from chatdesk.ui import application

        try:
            return application.run(self.qt, self.window, self.profile)
        finally:
            self.close()

    def open_last(self) -> None:
        """Load the checkpoint used last, or the model in the box."""
        last = self.settings["model"]
        self.models.load(last if last and Path(last).is_dir() else str(paths.starter()))

    def close(self) -> None:
        """Store what is under way, before anything that takes its time; then end all others, and wait for them.

        What fails to end keeps none of the others from it.
        """
        with ExitStack() as ending:
            for part in (
                self.store, self.engine, self.downloads, self.lab, self.classifier, self.writing, self.chat, self.shelf
            ):  # fmt: skip
                ending.callback(part.close)  # the last one first


def assemble(profile: Profile, engine_command: "Sequence[str] | None" = None) -> Desk:
    """Put the program together on a profile. ``engine_command`` starts another engine process, such as the fake.

    The engine process is started before the window is built, so that it gets ready while the window paints.
    """
    from chatdesk.engine.client import EngineClient
    from chatdesk.library import catalogue
    from chatdesk.settings.store import Settings
    from chatdesk.storage.store import Store
    from chatdesk.tasks.all import Tasks
    from chatdesk.tasks.bench import Bench
    from chatdesk.tasks.chat import Chat
    from chatdesk.tasks.downloads import Downloads
    from chatdesk.tasks.hub import Hub
    from chatdesk.tasks.models import Models
    from chatdesk.tasks.prompts import Prompts
    from chatdesk.tasks.shelf import Shelf
    from chatdesk.tasks.writing import Writing
    from chatdesk.ui import application
    from chatdesk.ui.engine_bridge import EngineBridge

    settings = Settings(profile.settings)
    qt = application.create(settings)
    bridge = EngineBridge(qt)
    engine = EngineClient(bridge.post, command=engine_command, log=profile.log)
    engine.start()
    store = Store(profile.database, profile.backups)
    models = Models(engine, lambda folders: _checkpoints(profile, folders), settings, bridge.call)
    chat = Chat(store, engine, models, bridge.call)
    bench = Bench(engine, models, lambda: chat.is_replying or writing.generating.is_busy)
    shelf = Shelf(store, chat, profile.backups, bridge.call)
    prompts = Prompts(store, engine, models, chat, bridge.call)
    hub = Hub(lambda: connect(settings), bridge.call)
    writing = Writing(store, engine, models, lambda: _writing_prompts(settings, profile), bridge.call)
    downloads = Downloads(lambda: connect(settings), catalogue.hub_cache(), settings, bridge.call)
    inspect, classifier = _looking(store, engine, models, profile, bridge.call)
    lab = _lab(profile, bridge.call)
    lab.find_checkpoints, shelf.leave_documents = models.checkpoints.refresh, writing.leave

    def on_event(event: "Event") -> None:
        for task in (models, chat, prompts, bench, writing, inspect, classifier):
            task.on_event(event)

    bridge.on_event = on_event
    from chatdesk.ui.main_window import MainWindow

    tasks = Tasks(chat, models, shelf, prompts, hub, downloads, bench, writing, inspect, classifier, lab)
    window = MainWindow(tasks, settings, profile)
    chat.on_change = models.on_change = downloads.on_change = bench.on_change = window.apply
    return Desk(
        qt, window, chat, models, engine, store, settings, profile, hub, downloads, writing, classifier, lab, shelf
    )


def _checkpoints(profile: Profile, folders: "Sequence[str]") -> "list[Entry]":
    """Those on this machine, with what the lab has trained."""
    from chatdesk.library import catalogue

    trained = sorted(path.parent for path in profile.runs.glob("*/model/config.json"))
    return catalogue.find(paths.starter(), [*map(Path, folders), *trained])


def _lab(profile: Profile, post: "Post") -> "Lab":
    """The lab with the processes it starts."""
    from chatdesk.engine.child import child_environment
    from chatdesk.tasks.lab import Commands, Lab
    from chatdesk.training.errands import errand_command
    from chatdesk.training.events import worker_command

    commands = Commands(worker_command(), errand_command(), child_environment(None), _compare_command())
    return Lab(profile.runs, profile.texts, profile.lab_log, commands, post)


def _compare_command() -> list[str]:
    """How to start `chatdesk.cli_compare.answer`; the file with the errand follows."""
    door = [sys.executable] if getattr(sys, "frozen", False) else [sys.executable, "-P", "-m", "chatdesk"]
    return [*door, "--compare-process"]


def _looking(
    store: "Store", engine: "EngineClient", models: "Models", profile: Profile, post: "Post"
) -> "tuple[Inspect, Classifier]":
    """The tasks that look at probabilities."""
    from chatdesk.tasks.classifying import Classifier
    from chatdesk.tasks.inspect import Inspect
    from chatdesk.tasks.ports import StoreLink

    return Inspect(engine, models, StoreLink(store, post, lambda error: None)), Classifier(
        engine, models, profile.classified, post
    )


def _writing_prompts(settings: "Settings", profile: Profile) -> "WritingPrompts":
    """The prompts of the writing desk in the language of the window."""
    from chatdesk.tasks.writing_prompts import WritingPrompts
    from chatdesk.ui import application

    supplied = paths.resources() / "prompts"
    return WritingPrompts(supplied, profile.prompts, application.language(settings["language"]))


def _has_display() -> bool:
    """Whether Qt will find a screen; without one it would abort the process."""
    return not sys.platform.startswith("linux") or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    )
