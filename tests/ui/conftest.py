"""A real window over a scripted chat, in a profile that is thrown away."""

import gc
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QCoreApplication, QEvent
from PySide6.QtWidgets import QApplication

from chatdesk.paths import Profile
from chatdesk.settings.store import Settings
from chatdesk.tasks.all import Tasks
from chatdesk.ui import application, shortcuts, theme
from chatdesk.ui.collecting import Collector
from chatdesk.ui.main_window import MainWindow
from tests.ui.scripted import (
    DEFAULTS,
    READY,
    ScriptedBench,
    ScriptedChat,
    ScriptedClassifier,
    ScriptedDownloads,
    ScriptedHub,
    ScriptedLab,
    ScriptedModels,
    ScriptedPrompts,
    ScriptedShelf,
    ScriptedWriting,
    conversation,
)


class Desk:
    """A window with what it works on: ``chat`` and ``models`` note what they are asked."""

    def __init__(self, root: Path) -> None:
        self.profile = Profile(root)
        self.settings = Settings(self.profile.settings)
        self.settings.watch(lambda name: application.follow(QApplication.instance(), self.settings, name))
        self.chat, self.models, self.shelf = ScriptedChat(), ScriptedModels(), ScriptedShelf()
        self.prompts, self.hub, self.downloads = ScriptedPrompts(), ScriptedHub(), ScriptedDownloads()
        self.bench = ScriptedBench()
        self.writing = ScriptedWriting()
        self.tasks = Tasks(
            self.chat, self.models, self.shelf, self.prompts, self.hub, self.downloads, self.bench, self.writing,
            ScriptedShelf(), ScriptedClassifier(), ScriptedLab(),
        )  # fmt: skip
        self.window = MainWindow(self.tasks, self.settings, self.profile)
        self.chat.on_change = self.window.apply
        self.window.resize(1280, 800)
        self.window.show()
        self.window.start()
        self.chat.say(READY)
        self.chat.show(None)

    @property
    def page(self) -> Any:
        """The chat page."""
        return self.window.page

    def show_some(self) -> list[Any]:
        """Three conversations, the second one open."""
        from chatdesk.tasks.changes import ListChanged

        found = [conversation("a", "First", 0), conversation("b", "Second", 60), conversation("c", "Third", 9 * 86400)]
        self.chat.say(ListChanged(tuple(found)))
        self.chat.show(found[1])
        self.chat.say(ListChanged(tuple(found)))
        return found


@pytest.fixture
def desk(qtbot: Any, tmp_path: Path) -> Any:
    theme.apply(QApplication.instance(), "light", 100)
    desk = Desk(tmp_path)
    yield desk
    desk.window.close()
    desk.window.deleteLater()
    # Without a running loop nothing is deleted by itself, and every window left is dressed again by each theme.
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    application.speak("en")
    shortcuts.rebind(())
    theme.apply(QApplication.instance(), "light", 100)


@pytest.fixture
def defaults() -> dict[str, Any]:
    return dict(DEFAULTS)


@pytest.fixture(autouse=True)
def garbage_is_collected_in_this_thread(qapp):
    """As in the program: a thread of a test would destroy widgets of the tests before while Qt paints."""
    collector = Collector()
    yield
    collector.collect()
    collector.deleteLater()
    gc.enable()
