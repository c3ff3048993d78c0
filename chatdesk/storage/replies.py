"""Replies that are being written: kept once a second, made a message at the end or after a crash."""

import time
from collections.abc import Sequence
from typing import Any

import msgspec

from chatdesk.errors import Fault, UserError
from chatdesk.storage import rows
from chatdesk.storage.messages import Messages
from chatdesk.storage.records import Message, Partial, Provenance
from chatdesk.storage.tables import SELECT, new_id, storable

INTERRUPTED = "interrupted"


class Replies(Messages):
    """The operations on unfinished replies."""

    def begin_reply(self, conversation_id: str, parent_id: str | None, provenance: dict[str, Any]) -> Partial:
        """Begin a reply. ``provenance``: the fields of `Provenance` known by now, as JSON can hold them."""
        partial = Partial(new_id(), conversation_id, parent_id, "", (), provenance, time.time())
        _provenance(partial)  # a mistake in it must not wait until the end, or until `recover`
        with self._database.transaction():
            self._require_parent(conversation_id, parent_id)
            self._require_live(parent_id)
            self._insert("partials", rows.partial_values(partial))
        return partial

    def extend_reply(self, partial_id: str, text: str, token_ids: Sequence[int]) -> None:
        """Keep the reply as it is by now: its whole text and all its tokens."""
        with self._database.transaction():
            partial = rows.partial(self._row("partials", partial_id))
            changed = msgspec.structs.replace(partial, text=storable(text), token_ids=tuple(token_ids))
            self._replace("partials", rows.partial_values(changed), ("text", "token_ids"), partial.damaged)

    def finish_reply(
        self,
        partial_id: str,
        text: str,
        token_ids: Sequence[int],
        finish_reason: str,
        provenance: dict[str, Any],
    ) -> Message:
        """Make a reply the immutable message it is, with the id it had, and show it, in one transaction.

        Where what it answers is in the trash by now, it goes there, too, and comes back with it.
        ``provenance`` is laid over what `begin_reply` was given.
        """
        with self._database.transaction():
            partial = rows.partial(self._row("partials", partial_id))
            whole = msgspec.structs.replace(
                partial,
                text=storable(text),
                token_ids=tuple(token_ids),
                provenance=partial.provenance | provenance,
                damaged=False,
            )
            return self._settle(whole, finish_reason)

    def drop_reply(self, partial_id: str) -> None:
        """Forget a reply in which nothing was written."""
        with self._database.transaction():
            self._row("partials", partial_id)
            self._database.execute("DELETE FROM partials WHERE id = ?", partial_id)

    def recover(self) -> list[Message]:
        """Make messages of the replies that a crash left unfinished, and drop the empty ones.

        To be called once, at the start, before a reply is begun. It never fails for want of room: the replies then
        wait for the next start, and a copy that can only be read shows them all the same.
        """
        recovered: list[Message] = []
        found = self._database.query(f"{SELECT['partials']} ORDER BY number")
        if not found:
            return recovered
        try:
            with self._database.transaction(on_copy=True):
                for partial in map(rows.partial, found):
                    if not (partial.text or partial.damaged):
                        self._database.execute("DELETE FROM partials WHERE id = ?", partial.id)
                    elif place := self._place(partial):
                        recovered.append(self._settle(place, INTERRUPTED))
        except UserError as error:
            if error.fault not in (Fault.DISK_FULL, Fault.CANNOT_WRITE):
                raise
            return []
        return recovered

    # -- inside a transaction

    def _place(self, partial: Partial) -> Partial | None:
        """A reply whose damage hides where it belongs goes below the tip; without its conversation it stays aside."""
        try:
            tip = self.get(partial.conversation_id).tip
            self._require_parent(partial.conversation_id, partial.parent_id)
        except KeyError as missing:
            if missing.args == (partial.conversation_id,):
                return None
            return msgspec.structs.replace(partial, parent_id=tip)
        return partial

    def _settle(self, partial: Partial, finish_reason: str) -> Message:
        message = Message(
            partial.id,
            partial.conversation_id,
            partial.parent_id,
            "assistant",
            partial.text,
            None if partial.damaged else partial.token_ids,
            finish_reason,
            time.time(),
            damaged=partial.damaged,
        )
        self._insert("messages", rows.message_values(message), message.damaged)
        self._insert("provenance", rows.provenance_values(_provenance(partial)), partial.damaged)
        self._database.execute("DELETE FROM partials WHERE id = ?", partial.id)
        # Where its question went to the trash meanwhile, it goes there, too, and comes back with it.
        self._database.execute(
            "INSERT INTO removed SELECT ?, batch, at, 0 FROM removed WHERE message_id = ?",
            message.id,
            message.parent_id,
        )
        if not self._database.query("SELECT 1 FROM removed WHERE message_id = ?", message.id):
            self._update(partial.conversation_id, {"tip": message.id, "changed_at": message.created_at})
        return message


def _provenance(partial: Partial) -> Provenance:
    fields = msgspec.to_builtins(partial.provenance)
    return msgspec.convert({**fields, "message_id": partial.id}, Provenance)
