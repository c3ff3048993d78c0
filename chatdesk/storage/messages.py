"""The messages of a conversation: a tree of immutable ones, of which one branch is shown.

Deleting moves a message and all below it to the trash, under a batch that can be undone; what is in the trash is
left out everywhere but in `message` and `path`.
"""

import time
from collections.abc import Iterable, Sequence

import msgspec

from chatdesk.errors import Fault, UserError
from chatdesk.storage import rows
from chatdesk.storage.records import Attachment, Conversation, Message, Node, Provenance, Shown
from chatdesk.storage.tables import SELECT, Tables, new_id, storable, storable_attachments

LIVE = "messages.id NOT IN (SELECT message_id FROM removed)"
# UNION, so that a circle, which only damage can make, ends
_PATH = (  # the id that is asked for, as that in the row may be damaged
    "WITH RECURSIVE path (asked, number, parent) AS ("
    "SELECT ?1, number, parent_id FROM messages WHERE id = ?1 UNION SELECT path.parent, messages.number, "
    "messages.parent_id FROM path JOIN messages ON messages.id = path.parent LIMIT ?2) "
)
_BELOW = (
    "WITH RECURSIVE below (id) AS (VALUES (?) UNION "
    "SELECT messages.id FROM messages JOIN below ON messages.parent_id = below.id) "
)

ANSWER = (  # of a reply, what it says behind its thoughts
    "CASE WHEN role = 'assistant' AND ltrim(substr(text, 1, 20), ' ' || char(10)) LIKE '<think>%' "
    "AND instr(text, '</think>') > 0 "
    "THEN ltrim(substr(text, instr(text, '</think>') + 8), ' ' || char(10)) ELSE text END"
)

REMOVED_AND_BELOW = (  # to be followed by a condition: what was removed, and whatever hangs on it
    "WITH RECURSIVE below (id) AS (SELECT message_id FROM removed WHERE {} UNION "
    "SELECT messages.id FROM messages JOIN below ON messages.parent_id = below.id) SELECT id FROM below"
)


class Messages(Tables):
    """The operations on the tree."""

    def add_message(  # noqa: PLR0913, PLR0917  (a message has as many parts)
        self,
        conversation_id: str,
        parent_id: str | None,
        role: str,
        text: str,
        token_ids: Sequence[int] | None = None,
        finish_reason: str | None = None,
        clear_draft: bool = False,
        attachments: Iterable[Attachment] = (),
    ) -> Message:
        """Add a message below ``parent_id`` (None: a first one) and show it, in one transaction.

        ``clear_draft`` empties the composer's draft and its attachments in the same: a text is either sent or still
        there.
        """
        message = Message(
            new_id(),
            conversation_id,
            parent_id,
            role,
            storable(text),
            None if token_ids is None else tuple(token_ids),
            finish_reason,
            time.time(),
            storable_attachments(attachments),
        )
        with self._database.transaction():
            self._require_parent(conversation_id, parent_id)
            self._require_live(parent_id)
            self._insert("messages", rows.message_values(message))
            shown = {"tip": message.id, "changed_at": message.created_at}
            self._update(conversation_id, shown | {"draft": ""} if clear_draft else shown)
            if clear_draft:
                self._set_unsent(conversation_id, ())
        return message

    def edit(self, message_id: str, text: str, attachments: Iterable[Attachment] | None = None) -> Message:
        """Add another version of a message and show it; the old one stays a version.

        It has the attachments of the old one where none are given.
        """
        old = self._live(message_id)
        kept = old.attachments if attachments is None else attachments
        return self.add_message(old.conversation_id, old.parent_id, old.role, text, attachments=kept)

    # -- the branch that is shown

    def branch(self, conversation_id: str) -> list[Message]:
        """The messages that are shown, from the first to the tip; see `path`."""
        return self.path(self.get(conversation_id).tip)

    def path(self, message_id: str | None, most: int = -1) -> list[Message]:
        """The messages from the first to ``message_id``, or the last ``most`` of them; none for None.

        Where a damaged message no longer names its parent, the path begins with it; a message that is missing
        without such a mark raises ``DATABASE_CORRUPT``.
        """
        select = SELECT["messages"].replace("SELECT", "SELECT path.asked,", 1)
        found = self._database.query(f"{_PATH}{select} JOIN path ON messages.number = path.number", message_id, most)
        by_id = {row[0]: rows.message(row[1:]) for row in found}
        messages: list[Message] = []
        next_id = message_id
        while next_id is not None and len(messages) != most:
            message = by_id.pop(next_id, None)
            if message is None:
                if messages and messages[-1].damaged:  # it names nobody, or makes a circle
                    break
                raise UserError(
                    Fault.DATABASE_CORRUPT, path=self._database.path, reason=f"message {next_id} is missing"
                )
            messages.append(message)
            next_id = message.parent_id
        return messages[::-1]

    def branch_view(self, conversation_id: str, above: str | None = None, most: int = -1) -> list[Shown]:
        """The branch with versions and provenance, in four queries however long it is.

        With ``most`` the last so many messages of it, with ``above`` the last of those that stand above this one.
        """
        if above is None:
            branch = self.path(self.get(conversation_id).tip, most)
        else:  # what is read includes that one, as it says whether what it names may be missing
            branch = self.path(above, most + 1 if most >= 0 else most)[:-1]
        parents = msgspec.json.encode([message.parent_id for message in branch]).decode()
        several = (
            "SELECT parent_id FROM messages WHERE conversation_id = ? AND parent_id IN "
            "(SELECT value FROM json_each(?)) GROUP BY parent_id HAVING count(*) > 1"
        )
        first = "parent_id IS NULL OR " if branch and branch[0].parent_id is None else ""
        versions = self._siblings(f"({first}parent_id IN ({several}))", conversation_id, conversation_id, parents)
        places = {id: (place, len(ids)) for ids in versions.values() for place, id in enumerate(ids, 1)}
        origins = self.provenance(message.id for message in branch)
        return [Shown(message, *places.get(message.id, (1, 1)), origins.get(message.id)) for message in branch]

    def provenance(self, message_ids: Iterable[str]) -> dict[str, Provenance]:
        """Where replies come from; messages without a provenance are left out."""
        ids = msgspec.json.encode(list(message_ids)).decode()
        found = self._database.query(
            f"{SELECT['provenance']} JOIN json_each(?) AS wanted ON provenance.message_id = wanted.value", ids
        )
        return {record.message_id: record for record in map(rows.provenance, found)}

    def is_live(self, message_id: str) -> bool:
        """Whether a message is there, and not in the trash."""
        return bool(self._database.query(f"SELECT 1 FROM messages WHERE id = ? AND {LIVE}", message_id))

    # -- the tree

    def siblings(self, message_id: str) -> list[Message]:
        """All versions of a message, itself among them, in the order of creation."""
        message = self.message(message_id)
        return self._children(message.conversation_id, message.parent_id, message_id)

    def children(self, message_id: str) -> list[Message]:
        """The messages right below one, in the order of creation."""
        return self._children(self.message(message_id).conversation_id, message_id)

    def siblings_of(self, conversation_id: str) -> dict[str | None, list[str]]:
        """The ids below each parent (None: the first ones), in the order of creation."""
        return self._siblings("1", conversation_id)

    def tree(self, conversation_id: str) -> list[Node]:
        """All messages for a map of the branches, in the order of creation: each after its parent."""
        found = self._database.query(
            f"SELECT id, parent_id, role, substr({ANSWER}, 1, 80), created_at FROM messages "
            f"WHERE conversation_id = ? AND {LIVE} ORDER BY number",
            conversation_id,
        )
        parents = {row[0]: row[1] for row in found}
        shown: set[str | None] = set()
        next_id = self.get(conversation_id).tip
        while next_id in parents and next_id not in shown:
            shown.add(next_id)
            next_id = parents[next_id]
        return [Node(id, parent_id, role, text, at, id in shown) for id, parent_id, role, text, at in found]

    def choose(self, message_id: str) -> Conversation:
        """Show the branch through a message, down to the newest message below it; the choice is kept."""
        return self._change(self._live(message_id).conversation_id, tip=self._leaf(message_id))

    def show_until(self, message_id: str) -> Conversation:
        """Show the branch from the first message to this one and no further; what follows it stays in the tree."""
        return self._change(self._live(message_id).conversation_id, tip=message_id)

    # -- the trash

    def delete_message(self, message_id: str) -> str:
        """Move a message and all below it to the trash; returns the batch for `undo_removal`.

        Where the tip was among them, the nearest other version is shown, down to its newest message, else the parent.
        """
        with self._database.transaction():
            message = self._live(message_id)
            versions = [sibling.id for sibling in self.siblings(message_id)]
            place = versions.index(message_id)
            batch = self._remove(message.conversation_id, f"id IN ({_BELOW}SELECT id FROM below)", message_id)
            if self._database.query("SELECT 1 FROM removed WHERE batch = ? AND was_tip", batch):
                nearest = versions[place - 1] if place else versions[1] if len(versions) > 1 else None
                tip = self._leaf(nearest) if nearest else message.parent_id
                self._update(message.conversation_id, {"tip": tip})
        return batch

    def clear(self, conversation_id: str) -> str:
        """Move all messages of a conversation to the trash; returns the batch for `undo_removal`."""
        with self._database.transaction():
            batch = self._remove(conversation_id, "conversation_id = ?", conversation_id)
            self._update(conversation_id, {"tip": None})
        return batch

    def undo_removal(self, batch: str) -> None:
        """Take a batch back from the trash, and what stands above it; what was shown is shown again.

        Where nothing is shown, its newest message is. Raises `KeyError` where nothing of it is left in the trash.
        """
        with self._database.transaction():
            back = self._database.query(
                "SELECT id, was_tip, conversation_id FROM removed JOIN messages ON id = message_id "
                "WHERE batch = ? ORDER BY number",
                batch,
            )
            if not back:
                raise KeyError(batch)
            self._database.execute(
                "DELETE FROM removed WHERE message_id IN (WITH RECURSIVE path (id) AS ("
                "SELECT message_id FROM removed WHERE batch = ? UNION "
                "SELECT messages.parent_id FROM messages JOIN path ON messages.id = path.id) SELECT id FROM path)",
                batch,
            )
            newest, _, conversation_id = back[-1]
            shown = [message_id for message_id, was_tip, _ in back if was_tip]
            if shown or self.get(conversation_id).tip is None:
                self._update(conversation_id, {"tip": shown[0] if shown else newest})

    # -- pins

    def pin(self, message_id: str, is_pinned: bool) -> None:
        """Say whether a message stays in the model's context whatever else is dropped."""
        with self._database.transaction():
            self._live(message_id)
            if is_pinned:
                self._database.execute("INSERT OR IGNORE INTO pins VALUES (?)", message_id)
            else:
                self._database.execute("DELETE FROM pins WHERE message_id = ?", message_id)

    def pinned(self, conversation_id: str) -> set[str]:
        """The ids of its pinned messages, on all branches."""
        found = self._database.query(
            f"SELECT id FROM pins JOIN messages ON id = message_id WHERE conversation_id = ? AND {LIVE}",
            conversation_id,
        )
        return {id for (id,) in found}

    # -- inside

    def _siblings(self, condition: str, conversation_id: str, *values: str) -> dict[str | None, list[str]]:
        below: dict[str | None, list[str]] = {}
        for id, parent_id in self._database.query(
            f"SELECT id, parent_id FROM messages WHERE conversation_id = ? AND {LIVE} AND {condition} ORDER BY number",
            conversation_id,
            *values,
        ):
            below.setdefault(parent_id, []).append(id)
        return below

    def _children(self, conversation_id: str, parent_id: str | None, among: str = "") -> list[Message]:
        """The children that are not in the trash, and ``among`` even if it is."""
        found = self._database.query(
            f"{SELECT['messages']} WHERE conversation_id = ? AND parent_id IS ? AND ({LIVE} OR id = ?) ORDER BY number",
            conversation_id,
            parent_id,
            among,
        )
        return [rows.message(row) for row in found]

    def _leaf(self, message_id: str) -> str:
        """The newest message below one: a child is always newer than its parent, so it is a leaf."""
        found = self._database.query(
            f"{_BELOW}SELECT id FROM messages WHERE id IN below AND {LIVE} ORDER BY number DESC LIMIT 1", message_id
        )
        return str(found[0][0])

    def _remove(self, conversation_id: str, condition: str, value: str) -> str:
        batch = new_id()
        self._database.execute(
            f"INSERT INTO removed SELECT id, ?, ?, id IS ? FROM messages WHERE {condition} AND {LIVE}",
            batch,
            time.time(),
            self.get(conversation_id).tip,
            value,
        )
        return batch

    def _live(self, message_id: str) -> Message:
        self._require_live(message_id)
        return self.message(message_id)

    def _require_live(self, message_id: str | None) -> None:
        if self._database.query("SELECT 1 FROM removed WHERE message_id = ?", message_id):
            raise KeyError(message_id)

    def _require_parent(self, conversation_id: str, parent_id: str | None) -> None:
        self._row("conversations", conversation_id)
        if parent_id is not None and self.message(parent_id).conversation_id != conversation_id:
            raise KeyError(parent_id)
