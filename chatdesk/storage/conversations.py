"""Every operation on conversations. See `messages`, `replies` and `search` for what is done in one.

Each method is one transaction. An id that is not there (purged meanwhile) raises `KeyError`; a full disk
``DISK_FULL``, any other failed write ``CANNOT_WRITE``: nothing has changed then, and reading goes on.
"""

import time
from collections.abc import Iterable
from functools import cached_property
from typing import Any, TypeAlias

from chatdesk.storage import rows
from chatdesk.storage.documents import Documents
from chatdesk.storage.messages import ANSWER, REMOVED_AND_BELOW
from chatdesk.storage.records import Attachment, Conversation, Removal
from chatdesk.storage.replies import Replies
from chatdesk.storage.rows import to_text, to_time
from chatdesk.storage.search import Search
from chatdesk.storage.tables import SELECT, new_id, storable, storable_attachments

_List: TypeAlias = list[Conversation]  # inside the class below, ``list`` is the method

TRASH_DAYS = 30
_DAY_S = 86400.0


class Conversations(Replies, Search):
    """The operations, on one `Database` and its thread: those below, on messages, on replies, and the search."""

    @cached_property
    def documents(self) -> Documents:
        """The operations on documents of the writing desk, on the same database."""
        return Documents(self._database)

    def create(self, title: str = "", settings: dict[str, Any] | None = None) -> Conversation:
        """A new, empty conversation."""
        now = time.time()
        conversation = Conversation(new_id(), storable(title), None, settings or {}, "", now, now, None)
        with self._database.transaction():
            self._insert("conversations", rows.conversation_values(conversation))
        return conversation

    def list(self, include_deleted: bool = False) -> _List:
        """All conversations, the one with the newest message first; those in the trash only when asked for."""
        where = "" if include_deleted else " WHERE deleted_at IS NULL"
        found = self._database.query(f"{SELECT['conversations']}{where} ORDER BY changed_at DESC, number DESC")
        return [rows.conversation(row) for row in found]

    def rename(self, id: str, title: str) -> None:
        """Give it another title."""
        self._change(id, title=storable(title))

    def set_settings(self, id: str, settings: dict[str, Any]) -> None:
        """Replace its settings; anything that JSON can hold."""
        self._change(id, settings=settings)

    def set_draft(self, id: str, text: str) -> None:
        """Keep what stands unsent in the composer."""
        self._change(id, draft=storable(text))

    def set_unsent_attachments(self, id: str, attachments: Iterable[Attachment]) -> None:
        """Keep the files that are to go with what stands unsent in the composer."""
        with self._database.transaction():
            self._row("conversations", id)
            self._set_unsent(id, storable_attachments(attachments))

    def unsent_attachments(self, id: str) -> tuple[Attachment, ...]:
        """The files that are to go with the unsent text, in the order in which they were given."""
        found = self._database.query(f"{SELECT['unsent_attachments']} WHERE conversation_id = ? ORDER BY number", id)
        return tuple(map(rows.attachment, found))

    def delete(self, id: str) -> Conversation:
        """Move it to the trash."""
        return self._change(id, deleted_at=time.time())

    def restore(self, id: str) -> None:
        """Take it back from the trash."""
        self._change(id, deleted_at=None)

    def set_folder(self, id: str, folder: str) -> None:
        """List it in a folder; an empty name takes it out. A folder is there while a conversation is in it."""
        self._change(id, folder=storable(folder).strip())

    def set_pinned(self, id: str, is_pinned: bool) -> None:
        """Keep it at the top of the list, or no longer."""
        self._change(id, is_pinned=is_pinned)

    # -- the trash

    def trash(self) -> _List:
        """The conversations in the trash, the one that went there last first."""
        found = self._database.query(
            f"{SELECT['conversations']} WHERE deleted_at IS NOT NULL ORDER BY deleted_at DESC, number DESC"
        )
        return [rows.conversation(row) for row in found]

    def removals(self) -> "tuple[Removal, ...]":
        """The messages in the trash of conversations that are not there themselves, what went there last first."""
        first = "min(messages.number)"  # of a group, the other columns are those of its row
        found = self._database.query(
            f"SELECT batch, conversation_id, title, substr({ANSWER}, 1, 80), count(*), at, {first} FROM removed "
            "JOIN messages ON messages.id = message_id JOIN conversations ON conversations.id = conversation_id "
            "WHERE deleted_at IS NULL GROUP BY batch ORDER BY at DESC"
        )
        return tuple(
            Removal(batch, to_text(home), to_text(title), to_text(beginning), count, to_time(at))
            for batch, home, title, beginning, count, at, _ in found
        )

    def purge_removal(self, batch: str) -> None:
        """Remove messages in the trash, and what was deleted below them, for good; they are overwritten in the file."""
        if not self._database.query("SELECT 1 FROM removed WHERE batch = ?", batch):
            raise KeyError(batch)
        doomed = REMOVED_AND_BELOW.format("batch = ?")
        with self._database.transaction():
            self._database.execute(f"DELETE FROM partials WHERE parent_id IN ({doomed})", batch)
            self._purge_messages(f"id IN ({doomed})", batch)

    def purge(self, id: str) -> None:
        """Remove it with all its messages, for good; what they were is overwritten in the file."""
        with self._database.transaction():
            self._purge(id)
            self._index.overwrite()

    def purge_expired(self) -> None:
        """Remove for good what has been in the trash for `TRASH_DAYS` days: conversations, single messages, documents.

        Called at the start. The backups of a week still hold it. A damaged conversation stays, as its date may be
        wrong, and so do messages of a conversation in which a reply waits to be recovered.
        """
        until = time.time() - TRASH_DAYS * _DAY_S
        self.documents.purge_expired(until)
        expired = [c.id for c in self.trash() if c.deleted_at is not None and c.deleted_at < until and not c.damaged]
        removed = (  # with what is below, which a clock that was ahead may have removed later
            f"id IN ({REMOVED_AND_BELOW.format('at < ?')}) "
            "AND conversation_id NOT IN (SELECT conversation_id FROM partials)"
        )
        if not expired and not self._database.query(f"SELECT 1 FROM messages WHERE {removed} LIMIT 1", until):
            return
        with self._database.transaction():
            for id in expired:
                self._purge(id)
            self._purge_messages(removed, until)

    def _purge_messages(self, condition: str, value: str | float) -> None:
        self._index.remove_messages(condition, value)
        self._database.execute(f"DELETE FROM messages WHERE {condition}", value)
        self._index.overwrite()

    def _purge(self, id: str) -> None:
        self._row("conversations", id)
        self._index.remove_title(id)
        self._index.remove_messages("conversation_id = ?", id)
        self._database.execute("DELETE FROM conversations WHERE id = ?", id)
