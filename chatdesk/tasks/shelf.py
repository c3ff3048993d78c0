"""The conversations as a whole: finding, ordering, the trash, backups, files out and in.

Nothing blocks: the store answers on its thread, files are parsed and rendered on one of their own, and every
``callback`` is called on the tasks' thread.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from chatdesk.errors import UserError
from chatdesk.storage import backups
from chatdesk.storage.backups import Backup
from chatdesk.storage.conversations import Conversations
from chatdesk.storage.records import Attachment, Conversation, Hit, Removal
from chatdesk.storage.store import Store
from chatdesk.tasks.branches import Segment, segments
from chatdesk.tasks.changes import Notice, NoticeChanged
from chatdesk.tasks.chat import Chat
from chatdesk.tasks.importing import Importing
from chatdesk.tasks.ports import Post, StoreLink, aside

if TYPE_CHECKING:  # what files out and in need is imported when it is wanted: the window starts without it
    from chatdesk.storage.transfer.order import Labels
    from chatdesk.storage.transfer.store import Imported
    from chatdesk.storage.transfer.trees import Found, Tree

T = TypeVar("T")
What = Literal["message", "conversation", "branch", "all"]
Kind = Literal["markdown", "html", "json"]
_HITS = 50
_DOCUMENTS = 20


class Shelf:
    """What a person does with conversations that are not only the open one. All methods belong to one thread.

    Attributes: ``leave_documents``, set by whoever assembles: closes the open document; what it returns opens it again.
    """

    def __init__(self, store: Store, chat: Chat, backups_folder: Path, post: Post) -> None:
        self._whole_store = store
        self._store = StoreLink(store, post, lambda error: chat.on_change(NoticeChanged(_notice(error))))
        self._chat = chat
        self._backups = backups_folder
        self._post = post
        self._query = 0
        self._importing: Importing | None = None
        self.leave_documents: Callable[[], Callable[[], None]] = lambda: lambda: None

    def search(self, text: str, callback: Callable[[list[Hit]], None]) -> None:
        """Find titles, documents, and messages of all branches; of several searches only the last one is answered."""
        self._query += 1
        query = self._query

        def then(hits: list[Hit]) -> None:
            if query == self._query:
                callback(hits)

        def look(c: Conversations) -> list[Hit]:
            if query != self._query:
                return []
            found = c.search(text, _HITS)
            titles = [hit for hit in found if hit.message_id is None]
            return titles + c.documents.search(text, _DOCUMENTS) + found[len(titles) :]

        self._store.call(look, then)

    def show(self, conversation_id: str, message_id: str | None = None) -> None:
        """Open a conversation, at a message if one is named."""
        self._chat.open(conversation_id, message_id)

    def branches(self, conversation_id: str, callback: Callable[[list[Segment]], None]) -> None:
        """The branches of a conversation, for a map; `show` goes to the first message of one."""
        self._store.call(lambda c: segments(c.tree(conversation_id)), callback)

    def set_folder(self, conversation_id: str, name: str) -> None:
        """Put a conversation into a folder of the list; an empty name takes it out."""
        self._change(lambda c: c.set_folder(conversation_id, name.strip()))

    def set_pinned(self, conversation_id: str, is_pinned: bool) -> None:
        """Keep a conversation at the top of the list, or no longer."""
        self._change(lambda c: c.set_pinned(conversation_id, is_pinned))

    def trash(self, callback: Callable[[list[Conversation | Removal]], None]) -> None:
        """The deleted conversations, and the deleted messages of all others, what was deleted last first."""

        def work(c: Conversations) -> list[Conversation | Removal]:
            return sorted((*c.trash(), *c.removals()), key=lambda found: found.deleted_at or 0.0, reverse=True)

        self._store.call(work, callback)

    def restore(self, conversation_id: str, failed: Callable[[Notice], None] | None = None) -> None:
        """Take a conversation out of the trash. ``failed``: told instead of the open conversation, here and below."""
        self._change(lambda c: c.restore(conversation_id), failed)

    def purge(self, conversation_id: str, failed: Callable[[Notice], None] | None = None) -> None:
        """Remove a conversation for good."""
        self._change(lambda c: c.purge(conversation_id), failed)

    def restore_messages(self, removal: Removal) -> None:
        """Take messages out of the trash, and show them."""
        self._chat.bring_back(removal.conversation_id, removal.batch)

    def purge_messages(self, removal: Removal, failed: Callable[[Notice], None] | None = None) -> None:
        """Remove messages that are in the trash for good, with what was deleted below them."""
        self._change(lambda c: c.purge_removal(removal.batch), failed)
        self._chat.undoing.forget("messages")  # it may be these

    def backups(self, callback: Callable[[list[Backup]], None]) -> None:
        """The copies that can be restored, the newest first."""
        self._aside(lambda: backups.available(self._backups), callback, lambda notice: callback([]))

    def restore_backup(self, path: Path, callback: Callable[[Notice | None], None]) -> None:
        """Go back to a copy; the present database is kept beside it. A reply under way ends first."""
        self._chat.close()
        open_again = self.leave_documents()

        def then(error: UserError | None) -> None:
            if error is None:
                self._chat.start()
            open_again()
            callback(_notice(error) if error is not None else None)

        def done(future: Any) -> None:
            error = future.exception()
            if error is not None and not isinstance(error, UserError):
                raise error
            self._post(lambda: then(error))

        self._whole_store.restore(path).add_done_callback(done)

    def export(
        self,
        target: Path,
        what: What,
        kind: Kind,
        id: str,
        callback: Callable[[Notice | None], None],
        labels: "Labels | None" = None,
    ) -> None:
        """Write a message, a conversation with all its branches, its shown branch, or everything into a file.

        ``id``: of the message, else of the conversation.
        """

        def write(trees: "list[Tree]") -> None:
            from chatdesk.storage.transfer import html, markdown, native
            from chatdesk.storage.transfer.order import Labels

            words = labels or Labels()
            match kind:
                case "markdown":
                    markdown.export_markdown(trees, target, words)
                case "html":
                    html.export_html(trees, target, words)
                case "json":
                    native.export_json(trees, target)

        self._store.call(
            lambda c: _trees(c, what, id),
            lambda trees: self._aside(lambda: write(trees), lambda _: callback(None), callback),
            lambda error: callback(_notice(error)),
        )

    def export_own_texts(self, target: Path, callback: Callable[[Notice | None], None]) -> None:
        """Write all conversations and documents as text to train on; see `own_texts`."""
        from chatdesk.tasks import own_texts

        self._store.call(
            own_texts.own_texts,
            lambda texts: self._aside(lambda: own_texts.write(texts, target), callback, callback),
            lambda error: callback(_notice(error)),
        )

    def html_for_print(
        self, what: What, id: str, callback: Callable[[str], None], labels: "Labels | None" = None
    ) -> None:
        """The same as simple HTML, for Qt's printer; empty where it could not be read."""

        def render(trees: "list[Tree]") -> str:
            from chatdesk.storage.transfer import html
            from chatdesk.storage.transfer.order import Labels

            return html.document(trees, labels or Labels(), printable=True)

        self._store.call(
            lambda c: _trees(c, what, id),
            lambda trees: self._aside(lambda: render(trees), callback, lambda notice: callback("")),
            lambda error: callback(""),
        )

    def import_file(
        self,
        path: Path,
        callback: "Callable[[Imported | Notice], None]",
        say: Callable[[int, int], None] = lambda done, total: None,
    ) -> Callable[[], None]:
        """Bring in the conversations of a file, a zip or a folder: all that can be read, in one transaction.

        ``say``: how many of how many are stored. Returns what stops it: nothing has changed then, and the notice is
        CANCELLED.
        """
        from chatdesk.storage.transfer import reading
        from chatdesk.storage.transfer.store import store

        run = self._importing = Importing(self._post, say)

        def took(imported: "Imported") -> None:
            self._chat.refresh()
            callback(imported)

        def keep(found: "Found") -> None:
            self._store.call(lambda c: store(c, found, run.store), took, lambda error: callback(_notice(error)))

        self._aside(lambda: reading.read(path, run.go_on), keep, callback)
        return run.stop

    def close(self) -> None:
        """Stop an import that is under way: the program's end waits for no large file."""
        if self._importing is not None:
            self._importing.stop()

    def save(self, file: Attachment, target: Path, callback: Callable[[Notice | None], None]) -> None:
        """Write a file that goes or went with a message, in UTF-8."""

        def write() -> None:
            from chatdesk.storage.transfer import files

            files.write(target, file.text.encode())

        self._aside(write, callback, callback)

    def _change(self, work: Callable[[Conversations], object], failed: Callable[[Notice], None] | None = None) -> None:
        tell = None if failed is None else lambda error: failed(_notice(error))
        self._store.call(work, lambda _: self._chat.refresh(), tell)

    def _aside(self, work: Callable[[], T], then: Callable[[T], None], failed: Callable[[Notice], None]) -> None:
        """Do slow work beside; its result or its user error comes back to the tasks' thread."""
        aside(self._post, work, then, lambda error: failed(_notice(error)))


def _trees(c: Conversations, what: What, id: str) -> "list[Tree]":
    from chatdesk.storage.transfer.store import branch, everything, single, whole

    if what == "all":
        return everything(c)
    return [{"message": single, "branch": branch, "conversation": whole}[what](c, id)]


def _notice(error: UserError) -> Notice:
    return Notice(error.fault, error.fields)
