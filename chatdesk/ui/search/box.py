"""Search over everything: titles and messages of all conversations, on all branches, and documents, while one types.

Nothing is searched here: the shelf does it, and its answer is shown when it belongs to what stands in the line.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QWidget

from chatdesk.storage.records import Conversation, Hit
from chatdesk.ui.dates import when
from chatdesk.ui.widgets.picker import Entry, Picker

if TYPE_CHECKING:
    from chatdesk.tasks.shelf import Shelf

_PAUSE_MS = 60
_NEWEST = 30


class DocumentPlace(NamedTuple):
    """A document, and the words in it that were found; none where its title was."""

    document_id: str
    words: str


class SearchBox(Picker):
    """Chooses ``(conversation id, message id or None)`` or a `DocumentPlace`. An empty line shows the newest
    conversations.
    """

    def __init__(self, window: QWidget, shelf: "Shelf", conversations: Sequence[Conversation]) -> None:
        super().__init__(window, self.tr("Search"), self.tr("Search titles, messages and documents"))
        self._shelf, self._conversations = shelf, conversations
        self._is_chosen_early = False
        self._pause = QTimer(self, interval=_PAUSE_MS, singleShot=True)
        self._pause.timeout.connect(self._ask)
        self._waits = False
        self.field.textChanged.connect(self._on_typed)
        self._show_newest()

    def accept(self) -> None:
        """Enter before the answer is there takes the first of the answer."""
        if self._waits:
            self._is_chosen_early = True
        else:
            super().accept()

    def _on_typed(self, text: str) -> None:
        self._is_chosen_early = False
        self._waits = bool(text.strip())
        if self._waits:
            self._pause.start()
        else:
            self._pause.stop()
            self._show_newest()

    def _show_newest(self) -> None:
        newest = sorted(self._conversations, key=lambda c: c.changed_at, reverse=True)[:_NEWEST]
        entries = [Entry((c.id, None), c.title or self.tr("New chat"), aside=when(c.changed_at)) for c in newest]
        self.show_entries(entries, self.tr("There are no chats yet."))

    def _ask(self) -> None:
        text = self.field.text().strip()
        self._shelf.search(text, lambda hits: self._on_found(text, hits))

    def _on_found(self, text: str, hits: Sequence[Hit]) -> None:
        if self.is_left or text != self.field.text().strip():
            return
        self._waits = False
        nothing = self.tr("Nothing was found for “{text}”.").format(text=text)
        self.show_entries([self._entry(hit) for hit in hits], nothing)
        if self._is_chosen_early:
            self.accept()

    def _entry(self, hit: Hit) -> Entry:
        if hit.document_id:
            return self._document(hit)
        value, aside = (hit.conversation_id, hit.message_id), when(hit.created_at)
        if hit.message_id is None:
            return Entry(value, hit.snippet, hit.matches, aside)
        return Entry(value, hit.title or self.tr("New chat"), (), aside, hit.snippet, hit.matches)

    def _document(self, hit: Hit) -> Entry:
        aside = self.tr("Document") + " · " + when(hit.created_at)
        if hit.snippet == hit.title:
            return Entry(DocumentPlace(hit.document_id, ""), hit.title, hit.matches, aside)
        words = hit.snippet[hit.matches[0][0] :][: hit.matches[0][1]] if hit.matches else ""
        title = hit.title or self.tr("Untitled")
        return Entry(DocumentPlace(hit.document_id, words), title, (), aside, hit.snippet, hit.matches)
