"""What is dragged onto the window."""

from pathlib import Path

from PySide6.QtCore import QMimeData
from PySide6.QtGui import QDropEvent


def dropped_folder(event: QDropEvent) -> str:
    """The folder that is being dropped, or that of a dropped file of a checkpoint or an adapter; else empty.

    Other programs have a config.json, too: it counts beside weights alone.
    """
    urls = event.mimeData().urls()
    if len(urls) != 1 or not urls[0].isLocalFile():
        return ""
    path = Path(urls[0].toLocalFile())
    if path.is_dir():
        return str(path)
    is_config = path.name == "config.json" and any(path.parent.glob("*.safetensors"))
    is_part = is_config or path.suffix == ".safetensors" or path.name == "adapter_config.json"
    return str(path.parent) if is_part else ""


def dropped_files(event: QDropEvent) -> list[str]:
    """The files of this machine that are being dropped."""
    return local_files(event.mimeData())


def local_files(data: QMimeData) -> list[str]:
    """The files of this machine among what is dragged or pasted."""
    return [url.toLocalFile() for url in data.urls() if url.isLocalFile()]
