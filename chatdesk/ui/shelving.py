"""What a person does with conversations that are not only the open one: the window's hands for `tasks.shelf.Shelf`.

Search, the map of branches, pins and folders, files out and in, the trash, the backups. Dialogs are imported when they
are wanted.
"""

import logging
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication, QObject, QTimer, Signal
from PySide6.QtGui import QGuiApplication, Qt
from PySide6.QtWidgets import QWidget
from shiboken6 import isValid

from chatdesk.errors import Fault, UserError
from chatdesk.settings.store import Settings
from chatdesk.storage.records import Conversation
from chatdesk.tasks.changes import ListChanged, Notice
from chatdesk.ui.errors import sentence

if TYPE_CHECKING:
    from collections.abc import Callable

    from chatdesk.storage.transfer.order import Labels
    from chatdesk.storage.transfer.store import Imported
    from chatdesk.tasks.chat import Chat
    from chatdesk.tasks.shelf import Kind, Shelf, What
    from chatdesk.ui.chat.page import ChatPage
    from chatdesk.ui.search.box import DocumentPlace

_MOST_LISTED = 200
_SHORT_MS = 400


class Shelving(QObject):
    """Belongs to a window; `serve` connects a page each time one is made, `take` hears of each new list.

    Signals: ``chat_wanted``, to be shown; ``document_wanted(id, words)``, to be opened where the words stand.
    """

    chat_wanted = Signal()
    document_wanted = Signal(str, str)

    def __init__(self, window: QWidget, chat: "Chat", shelf: "Shelf", settings: Settings) -> None:
        super().__init__(window)
        self._window, self._chat, self._shelf, self._settings = window, chat, shelf, settings
        self._conversations: tuple[Conversation, ...] = ()

    def serve(self, page: "ChatPage") -> None:
        """Do what the list and the header of ``page`` ask for."""
        page.list.close_folders(self._settings["closed_folders"])
        page.list.search_wanted.connect(self.search)
        page.list.pin_wanted.connect(self._shelf.set_pinned)
        page.list.move_wanted.connect(self._shelf.set_folder)
        page.list.export_wanted.connect(lambda id, kind: self.export(kind, id))
        page.list.folders_closed.connect(lambda: self._keep_closed(page.list.model.closed))
        page.header.branches_wanted.connect(self.show_branches)
        page.header.export_wanted.connect(self.export)
        page.message_export_wanted.connect(self.export_message)

    def commands(self) -> "dict[str, Callable[[], object]]":
        """What can be done by key or name from anywhere; see `ui.shortcuts`."""
        return {
            "pin": self.pin,
            **{f"export_{kind}": partial(self.export, kind) for kind in ("markdown", "html", "json", "pdf")},
            "export_all": self.export_all,
            "import": self.import_from,
            "trash": self.open_trash,
            "backups": self.open_backups,
        }

    def take(self, change: ListChanged) -> None:
        """Remember the list, for an empty search and for names."""
        self._conversations = change.conversations

    def _keep_closed(self, folders: frozenset[str]) -> None:
        there = {found.folder for found in self._conversations}
        try:
            self._settings["closed_folders"] = tuple(sorted(folders & there))
        except UserError as error:  # it holds for this session
            logging.getLogger(__name__).warning("%s", error)

    def _found(self, conversation_id: str) -> Conversation | None:
        return next((found for found in self._conversations if found.id == conversation_id), None)

    # -- finding and ordering

    def search(self) -> None:
        """Look for something in everything."""
        from chatdesk.ui.search.box import SearchBox

        box = SearchBox(self._window, self._shelf, self._conversations)
        box.chosen.connect(self._go_to)
        box.open()

    def _go_to(self, place: "tuple[str, str | None] | DocumentPlace") -> None:
        from chatdesk.ui.search.box import DocumentPlace

        if isinstance(place, DocumentPlace):
            self.document_wanted.emit(*place)
        else:
            self.chat_wanted.emit()
            self._shelf.show(*place)

    def show_branches(self) -> None:
        """Show the branches of the open conversation, and go where the person says."""
        from chatdesk.ui.chat.branch_map import BranchMap

        conversation_id = self._chat.open_id
        box = BranchMap(self._window, self._shelf, conversation_id)
        box.chosen.connect(lambda message_id: self._shelf.show(conversation_id, message_id))
        box.open()

    def pin(self) -> None:
        """Pin the open conversation, or no longer."""
        if (found := self._found(self._chat.open_id)) is not None:
            self._shelf.set_pinned(found.id, not found.is_pinned)

    # -- out and in

    def export(self, kind: str, conversation_id: str = "") -> None:
        """Write a conversation (the open one, when none is named) where the person says: JSON has all its branches."""
        from chatdesk.storage.transfer.files import file_name
        from chatdesk.ui.widgets.dialogs import choose_target

        conversation_id = conversation_id or self._chat.open_id
        if (found := self._found(conversation_id)) is None:
            return
        name = file_name(found.title or self.tr("New chat"), "")
        what: What = "conversation" if kind == "json" else "branch"
        choose_target(self._window, name, (kind,), lambda path, _: self._write(path, kind, what, conversation_id))

    def export_message(self, message_id: str) -> None:
        """Write one message where the person says, in the format that is chosen there."""
        from chatdesk.ui.widgets.dialogs import KINDS, choose_target

        name = self.tr("Message")
        choose_target(
            self._window, name, tuple(KINDS), lambda path, kind: self._write(path, kind, "message", message_id)
        )

    def export_all(self) -> None:
        """Write all conversations into one file; as text to train on with all documents."""
        from chatdesk.ui.widgets.dialogs import choose_target

        kinds = ("json", "markdown", "html", "pdf", "training")
        choose_target(self._window, "chatdesk", kinds, lambda path, kind: self._write(path, kind, "all", ""))

    def _write(self, path: Path, kind: str, what: "What", id: str) -> None:
        self._busy()
        if kind == "pdf":
            self._shelf.html_for_print(what, id, lambda html: self._print(html, path), labels())
        elif kind == "training":
            self._shelf.export_own_texts(path, lambda notice: self._wrote(path, notice))
        else:
            self._shelf.export(path, what, _kind(kind), id, lambda notice: self._wrote(path, notice), labels())

    def _print(self, html: str, path: Path) -> None:
        from chatdesk.ui.pdf import PdfExport

        if not html:
            QGuiApplication.restoreOverrideCursor()
            reason = self.tr("the chat could not be read")
            self._complain(Notice(Fault.CANNOT_WRITE, {"path": str(path), "reason": reason}))
            return
        PdfExport(html, path, lambda notice: self._wrote(path, notice), self)

    def _wrote(self, path: Path, notice: Notice | None) -> None:
        from chatdesk.ui.widgets.dialogs import tell

        QGuiApplication.restoreOverrideCursor()
        if notice is None:
            tell(self._window, self.tr("Exported to {path}").format(path=path))
        else:
            self._complain(notice)

    def import_from(self, is_folder: bool = False) -> None:
        """Bring in conversations of this and other programs."""
        from chatdesk.ui.widgets.dialogs import choose_source

        choose_source(self._window, is_folder, self._import)

    def _import(self, path: Path) -> None:
        """What is short is not worth a dialog."""
        from chatdesk.ui.settings.records import ImportDialog

        dialog = ImportDialog(self._window, path.name)

        def then(result: "Imported | Notice") -> None:
            QGuiApplication.restoreOverrideCursor()
            if isValid(dialog):
                dialog.close()
            self._imported(result)

        def say(done: int, total: int) -> None:
            if isValid(dialog):
                dialog.show_progress(done, total)

        self._busy()
        dialog.stop = self._shelf.import_file(path, then, say)
        QTimer.singleShot(_SHORT_MS, dialog, dialog.open)

    def _imported(self, result: "Imported | Notice") -> None:
        if isinstance(result, Notice):
            if result.fault is not Fault.CANCELLED:
                self._complain(result)
            return
        from chatdesk.ui.settings.records import ReportDialog

        skipped = result.skipped[:_MOST_LISTED]
        lines = [f"{s.where}: {QCoreApplication.translate('transfer', s.reason)}" for s in skipped]
        lines = [f"{line} (× {s.count})" if s.count > 1 else line for line, s in zip(lines, skipped, strict=True)]
        if len(result.skipped) > _MOST_LISTED:
            lines.append(self.tr("… and {count} more").format(count=len(result.skipped) - _MOST_LISTED))
        ReportDialog(self._window, self.tr("Import"), self._summary(result), lines).open()

    def _summary(self, result: "Imported") -> str:
        """How many conversations came in, and how many there were already."""
        new, known = len(result.new), len(result.known)
        words = self.tr("1 conversation came in.") if new == 1 else self.tr("{count} conversations came in.")
        parts = [words.format(count=new)]
        if grown := len(result.grown):
            parts.append(self.tr("{count} got more messages.").format(count=grown))
        if known:
            words = self.tr("1 was here already.") if known == 1 else self.tr("{count} were here already.")
            parts.append(words.format(count=known))
        if skipped := len(result.skipped):
            parts.append(self.tr("{count} did not come in as they are:").format(count=skipped))
        return "\n".join(parts)

    # -- the trash and the backups

    def open_trash(self) -> None:
        """Show what was deleted."""
        from chatdesk.ui.settings.records import TrashDialog

        dialog = TrashDialog(self._window, self._shelf)
        dialog.chat_wanted.connect(self.chat_wanted)
        dialog.open()

    def open_backups(self) -> None:
        """Show the copies there are."""
        from chatdesk.ui.settings.records import BackupsDialog

        BackupsDialog(self._window, self._shelf).open()

    def _busy(self) -> None:
        QGuiApplication.setOverrideCursor(Qt.CursorShape.BusyCursor)

    def _complain(self, notice: Notice) -> None:
        from chatdesk.ui.widgets.dialogs import tell

        tell(self._window, sentence(notice.fault, notice.fields))


def _kind(name: str) -> "Kind":
    kinds: dict[str, Kind] = {"markdown": "markdown", "html": "html", "json": "json"}
    return kinds[name]


def labels() -> "Labels":
    """The words around exported texts, in the person's language."""
    from chatdesk.storage.transfer.order import Labels

    return Labels(
        user=QCoreApplication.translate("Labels", "You"),
        assistant=QCoreApplication.translate("Labels", "Assistant"),
        system=QCoreApplication.translate("Labels", "System"),
        system_prompt=QCoreApplication.translate("Labels", "System prompt"),
        version=QCoreApplication.translate("Labels", "version {number} of {count}"),
        answers=QCoreApplication.translate("Labels", "answers message {number}"),
        beginning=QCoreApplication.translate("Labels", "another beginning"),
        attachment=QCoreApplication.translate("Labels", "Attachment: {name}"),
        damaged=QCoreApplication.translate("Labels", "This message is damaged."),
        untitled=QCoreApplication.translate("Labels", "Conversation"),
        thoughts=QCoreApplication.translate("Labels", "Thoughts"),
    )
