"""Where chatdesk keeps things: one profile folder for data, and the resources that ship with the program."""

import os
from dataclasses import dataclass
from pathlib import Path

import platformdirs

_PACKAGE = Path(__file__).resolve().parent


def resources() -> Path:
    """Folder of the resources: inside the package when installed from a wheel, else beside it."""
    shipped = _PACKAGE / "_resources"
    return shipped if shipped.is_dir() else _PACKAGE.parent / "resources"


def starter() -> Path:
    """The model in the box: a checkpoint folder."""
    return resources() / "starter"


def kernel_cache() -> Path:
    """Folder of what is compiled for this machine: in ``CHATDESK_CACHE`` or the system's folder for caches."""
    named = os.environ.get("CHATDESK_CACHE")
    return (Path(named) if named else Path(platformdirs.user_cache_dir("chatdesk", appauthor=False))) / "kernels"


@dataclass(frozen=True)
class Profile:
    """All data of one person: ``--profile DIR``, ``CHATDESK_PROFILE``, or the system's folder for user data."""

    root: Path

    @classmethod
    def default(cls) -> "Profile":
        """The profile used when none is named."""
        named = os.environ.get("CHATDESK_PROFILE")
        return cls(Path(named) if named else Path(platformdirs.user_data_dir("chatdesk", appauthor=False)))

    @property
    def database(self) -> Path:
        """SQLite file with the conversations."""
        return self.root / "chatdesk.db"

    @property
    def settings(self) -> Path:
        """TOML file with the application's settings."""
        return self.root / "settings.toml"

    @property
    def presets(self) -> Path:
        """TOML file with the person's own presets."""
        return self.root / "presets.toml"

    @property
    def writing_presets(self) -> Path:
        """The same for the writing desk."""
        return self.root / "writing-presets.toml"

    @property
    def prompts(self) -> Path:
        """TOML file with the person's changes to the prompts of the writing desk."""
        return self.root / "prompts.toml"

    @property
    def backups(self) -> Path:
        """Folder of verified copies of the database."""
        return self.root / "backups"

    @property
    def runs(self) -> Path:
        """Folder of training runs."""
        return self.root / "runs"

    @property
    def texts(self) -> Path:
        """Folder of texts that are prepared for training."""
        return self.root / "texts"

    @property
    def lab_log(self) -> Path:
        """What the lab's children wrote to stderr."""
        return self.root / "lab.log"

    @property
    def classified(self) -> Path:
        """Folder of the journals of files that are sorted by labels."""
        return self.root / "classified"

    @property
    def compared(self) -> Path:
        """Folder of comparisons of two models: answers and votes."""
        return self.root / "compared"

    @property
    def log(self) -> Path:
        """The engine's log: what the child wrote to stderr."""
        return self.root / "engine.log"
