"""The window's hands for files: dropped, pasted or chosen ones go to the message; one of a message is shown.

A dropped folder, or a file of a checkpoint, is a model to be loaded.
"""

import re
from collections.abc import Callable, Sequence
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, TypeVar

from PySide6.QtCore import QObject
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from shiboken6 import isValid

from chatdesk.storage.records import Attachment
from chatdesk.ui.dropping import dropped_files, dropped_folder

if TYPE_CHECKING:
    from chatdesk.tasks.chat import Chat
    from chatdesk.tasks.shelf import Shelf
    from chatdesk.ui.chat.page import ChatPage
    from chatdesk.ui.main_window import MainWindow

T = TypeVar("T")


def proposed_name(name: str) -> str:
    """What a saved file is to be called: as it was, as far as every system takes that."""
    from chatdesk.storage.transfer.files import file_name

    stem, suffix = name, PurePath(name).suffix
    if re.fullmatch(r"\.\w{1,10}", suffix):
        stem = name.removesuffix(suffix)
    else:
        suffix = ""
    return file_name(stem, suffix)


class Attaching(QObject):
    """Belongs to a window; `serve` connects a page each time one is made."""

    _page: "ChatPage"

    def __init__(self, window: "MainWindow", chat: "Chat", shelf: "Shelf") -> None:
        super().__init__(window)
        self._window, self._chat, self._shelf = window, chat, shelf

    def serve(self, page: "ChatPage") -> None:
        """Do what ``page`` asks for."""
        self._page = page
        page.composer.files_wanted.connect(self.choose)
        page.composer.files_given.connect(self.attach)
        page.composer.file_removed.connect(self._chat.detach)
        page.file_wanted.connect(self.show)

    def choose(self) -> None:
        """Ask for files, and attach them."""
        from chatdesk.ui.widgets.dialogs import choose_files

        choose_files(self._window, self.attach)

    def attach(self, paths: Sequence[str]) -> None:
        """Let files go with what is typed."""
        self._window.show_page("chat")
        self._chat.attach([Path(path) for path in paths])

    def show(self, file: Attachment) -> None:
        """Show a file that goes or went with a message."""
        from chatdesk.ui.chat.file_view import FileDialog
        from chatdesk.ui.widgets.dialogs import choose_place

        dialog = FileDialog(self._window, file)

        def told(show: Callable[[T], None]) -> Callable[[T], None]:
            """It may be closed by then."""
            return lambda what: show(what) if isValid(dialog) else None

        def save() -> None:
            choose_place(
                dialog, proposed_name(file.name), lambda path: self._shelf.save(file, path, told(dialog.saved))
            )

        dialog.save_wanted.connect(save)
        self._chat.look_at(file, told(dialog.show_tokens))
        dialog.open()

    # -- what is dragged onto the window

    def offer(self, event: QDragEnterEvent) -> None:
        """Files or a checkpoint may be dropped; the composer says so for files."""
        if dropped_folder(event):
            event.acceptProposedAction()
        elif dropped_files(event):
            event.acceptProposedAction()
            self._page.composer.set_dropping(True)

    def leave(self) -> None:
        """They were taken elsewhere."""
        self._page.composer.set_dropping(False)

    def take(self, event: QDropEvent) -> None:
        """Load the checkpoint, or attach the files."""
        self.leave()
        event.acceptProposedAction()
        if folder := dropped_folder(event):
            self._page.load(folder)
        elif files := dropped_files(event):
            self.attach(files)
