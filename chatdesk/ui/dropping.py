"""What is dragged onto the window."""

from pathlib import Path

from PySide6.QtGui import QDropEvent


def dropped_folder(event: QDropEvent) -> str:
    """The folder that is being dropped, or the one in which a dropped checkpoint file lies; else empty."""
    urls = event.mimeData().urls()
    if len(urls) != 1 or not urls[0].isLocalFile():
        return ""
    path = Path(urls[0].toLocalFile())
    if path.is_dir():
        return str(path)
    return str(path.parent) if path.suffix == ".safetensors" or path.name == "config.json" else ""
