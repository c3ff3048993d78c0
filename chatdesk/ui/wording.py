"""What is called the same on several pages."""

from PySide6.QtCore import QCoreApplication, QLocale

from chatdesk.engine.api import ModelInfo
from chatdesk.errors import QT_TRANSLATE_NOOP

GROUPS = {
    "box": QT_TRANSLATE_NOOP("ModelMenu", "In the box"),
    "folder": QT_TRANSLATE_NOOP("ModelMenu", "Your folders"),
    "cache": QT_TRANSLATE_NOOP("ModelMenu", "On this machine"),
}
"""Where a checkpoint comes from, by `Entry.source`."""


def grouped(count: int) -> str:
    """A whole number with its thousands apart, as the language of the window writes it."""
    return QLocale().toString(count)


def device(info: ModelInfo) -> str:
    """Where a model runs, in one word."""
    return "CPU" if info.device == "cpu" else "GPU"


def asleep() -> str:
    """What it means that a model sleeps."""
    return QCoreApplication.translate(
        "ModelMenu", "It was not used for a while, so its memory was given back. The next message wakes it."
    )
