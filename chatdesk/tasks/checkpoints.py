"""The checkpoints on this machine: finding them, adding a folder, taking one off the list or to the trash."""

from collections.abc import Callable, Sequence
from pathlib import Path

from chatdesk.errors import UserError
from chatdesk.library import catalogue, removing
from chatdesk.library.catalogue import Entry
from chatdesk.library.removing import Removal
from chatdesk.paths import starter
from chatdesk.settings.store import Settings
from chatdesk.tasks import adapters, draft_models
from chatdesk.tasks.ports import Post, aside

_MOST_FOLDERS = 100


def with_first(folders: Sequence[str], path: str) -> tuple[str, ...]:
    """The folders to list, with ``path`` as the newest."""
    return (path, *(folder for folder in folders if folder != path))[:_MOST_FOLDERS]


class Checkpoints:
    """Looks at the disk on threads of its own; all methods and callbacks belong to the tasks' thread."""

    def __init__(self, find: Callable[[tuple[str, ...]], list[Entry]], settings: Settings, post: Post) -> None:
        self._find = find
        self._settings = settings
        self._post = post

    def refresh(self, callback: Callable[[list[Entry]], None]) -> None:
        """Look for checkpoints; ``callback`` gets them."""
        folders, uses = self._settings["folders"], self._settings["uses"]
        aside(self._post, lambda: catalogue.with_uses(self._find(folders), uses), callback, lambda error: None)

    def keep(self, path: str) -> None:
        """Have a folder in the list from now on, newest first; the model in the box and the cache are found anyway."""
        self._settings.keep("folders", with_first(self._settings["folders"], path))

    def add(self, path: str, then: Callable[[Entry], None], failed: Callable[[UserError], None]) -> None:
        """Check a folder and keep it in the list."""

        def keep(entry: Entry) -> None:
            self.keep(str(entry.path))
            then(entry)

        aside(self._post, lambda: catalogue.describe(Path(path), starter()), keep, failed)

    def forget(self, path: str) -> None:
        """Take a folder off the list; nothing on disk is touched."""
        self.forget_within(Path(path))

    def forget_within(self, place: Path) -> None:
        """Forget all that was kept of checkpoints in ``place``."""
        settings = self._settings
        settings.keep("folders", tuple(each for each in settings["folders"] if not removing.is_within(each, place)))
        for name, mark in (("uses", " "), ("dialogues", "=")):
            lines = (line for line in settings[name] if not removing.is_within(line.partition(mark)[2], place))
            settings.keep(name, tuple(lines))
        adapters.forget_within(settings, place)
        draft_models.forget_within(settings, place)
        if settings["model"] and removing.is_within(settings["model"], place):
            settings.keep("model", "")

    def removal(self, path: str, then: Callable[[Removal], None], failed: Callable[[UserError], None]) -> None:
        """What would go to the trash with a checkpoint."""
        aside(self._post, lambda: removing.removal(Path(path), starter()), then, failed)

    def remove(self, what: Removal, then: Callable[[], None], failed: Callable[[UserError], None]) -> None:
        """Move it to the trash and forget it; `Models.remove` knows whether it is loaded."""

        def forget(_: None) -> None:
            self.forget_within(what.place)
            then()

        aside(self._post, lambda: removing.remove(what), forget, failed)

    def card(self, path: str, then: Callable[[str], None]) -> None:
        """The text of the model card, that of strangers."""
        aside(self._post, lambda: catalogue.card(Path(path)), then, lambda error: None)
