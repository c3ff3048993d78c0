"""What was seen, as files."""

from pathlib import Path

from PySide6.QtCore import QCoreApplication
from PySide6.QtWidgets import QWidget

from chatdesk.errors import Fault, UserError
from chatdesk.storage.transfer import files
from chatdesk.ui.errors import sentence_of
from chatdesk.ui.widgets.dialogs import choose_place, tell


def save_text(parent: QWidget, name: str, text: str) -> None:
    """Ask where, and write; ``name``: proposed."""

    def save(path: Path) -> None:
        try:
            files.write_text(path, text, is_table=name.endswith(".csv"))
        except UserError as error:
            tell(parent, sentence_of(error))

    choose_place(parent, name, save)


def say_failed(parent: QWidget, path: Path, error: OSError) -> None:
    """Say why a file could not be written."""
    reason = error.strerror or QCoreApplication.translate("saving", "the folder does not take it")
    tell(parent, sentence_of(UserError(Fault.CANNOT_WRITE, path=path, reason=reason)))
