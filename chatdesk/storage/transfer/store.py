"""The two doors to the database; both run on the storage thread.

Out: frozen trees. In: everything found in one transaction. A conversation that is here (also in the trash) is
recognised by its id; messages that it lacks are added below those it has, and nothing that is here changes but the time
of its last message. A message's id that belongs to another conversation here keeps its conversation out: with the ids
that `sheets` and we ourselves give, that is a forged file.
"""

import json
from collections.abc import Callable, Container, Iterable

import msgspec
from msgspec import Struct

from chatdesk.storage import rows
from chatdesk.storage.conversations import Conversations
from chatdesk.storage.messages import LIVE
from chatdesk.storage.records import Conversation, Message, Provenance
from chatdesk.storage.tables import SELECT
from chatdesk.storage.transfer.native import provenance_fields
from chatdesk.storage.transfer.trees import Found, Node, Notes, Reason, Skipped, Tree


class Imported(Struct, frozen=True):
    """Ids of conversations that are new, that got more messages, and that were here as they are; what stayed behind."""

    new: tuple[str, ...]
    grown: tuple[str, ...]
    known: tuple[str, ...]
    skipped: tuple[Skipped, ...]


# -- out


def whole(c: Conversations, conversation_id: str) -> Tree:
    """A conversation with all its branches. Raises `KeyError` when it is not there."""
    sql = f"{SELECT['messages']} WHERE conversation_id = ? AND {LIVE} ORDER BY number"
    messages = [rows.message(row) for row in c._database.query(sql, conversation_id)]
    return _tree(c, c.get(conversation_id), messages)


def everything(c: Conversations) -> list[Tree]:
    """All conversations but those in the trash, the newest first."""
    return [whole(c, conversation.id) for conversation in c.list()]


def branch(c: Conversations, conversation_id: str) -> Tree:
    """The branch that is shown. Raises `KeyError` when it is not there."""
    conversation = c.get(conversation_id)
    return _tree(c, conversation, c.path(conversation.tip))


def single(c: Conversations, message_id: str) -> Tree:
    """One message, as the only one of its conversation. Raises `KeyError` when it is not there."""
    message = msgspec.structs.replace(c.message(message_id), parent_id=None)
    conversation = msgspec.structs.replace(c.get(message.conversation_id), tip=message_id)
    return _tree(c, conversation, [message])


def _tree(c: Conversations, conversation: Conversation, messages: list[Message]) -> Tree:
    provenance = c.provenance(message.id for message in messages if message.role == "assistant")
    nodes = (_node(message, provenance.get(message.id)) for message in messages)
    return Tree(
        conversation.id,
        conversation.title,
        conversation.created_at,
        conversation.changed_at,
        conversation.tip,
        {name: value for name, value in conversation.settings.items() if name != "edits"},  # nobody has said them
        tuple(nodes),
        conversation.folder,
    )


def _node(message: Message, provenance: Provenance | None) -> Node:
    return Node(
        message.id,
        message.parent_id,
        message.role,
        message.text,
        message.created_at,
        message.finish_reason,
        None if provenance is None or provenance.damaged else provenance_fields(provenance),
        message.attachments,
        message.damaged,
    )


# -- in


def store(c: Conversations, found: Found, step: Callable[[int, int], object] = lambda done, total: None) -> Imported:
    """Take over what was found, all of it or nothing. ``step(done, total)`` is called before each conversation.

    Raises ``DISK_FULL`` or ``CANNOT_WRITE``, and whatever else the database or ``step`` raises; nothing has changed
    then.
    """
    new: dict[str, None] = {}  # as an ordered set: a conversation may stand in two files, grown in the second
    grown: dict[str, None] = {}
    known: dict[str, None] = {}
    notes = Notes()
    with c._database.transaction():
        for done, tree in enumerate(found.conversations):
            step(done, len(found.conversations))
            owners = _owners(c, tree.messages)
            if set(owners.values()) - {tree.id}:
                notes.add(tree.title or tree.id, Reason.TAKEN)
                continue
            if not c._database.query("SELECT 1 FROM conversations WHERE id = ?", tree.id):
                missing = list(tree.messages)
                _create(c, tree)
                new[tree.id] = None
            else:
                missing = _missing(c, tree, owners, notes)
                (grown if missing else known)[tree.id] = None
                if missing:
                    _grow(c, tree, missing)
            for node in missing:
                _add(c, tree.id, node)
    grown = {id: None for id in grown if id not in new}
    known = {id: None for id in known if id not in new and id not in grown}
    return Imported(tuple(new), tuple(grown), tuple(known), (*found.skipped, *notes.all()))


def _missing(c: Conversations, tree: Tree, here: Container[str], notes: Notes) -> list[Node]:
    """The messages that a conversation lacks, but those that go on below one in the trash; what is there is said."""
    where = tree.title or tree.id
    if c.get(tree.id).deleted_at is not None:
        notes.add(where, Reason.TRASHED)
    removed = {id for (id,) in c._database.query("SELECT message_id FROM removed")}
    missing = []
    for node in tree.messages:  # parents first
        if node.id in removed:
            notes.add(where, Reason.REMOVED)
        elif node.id not in here and node.parent_id in removed:
            removed.add(node.id)
            notes.add(where, Reason.IN_TRASH)
        elif node.id not in here:
            missing.append(node)
    return missing


def _grow(c: Conversations, tree: Tree, missing: list[Node]) -> None:
    """Make a conversation ready for more messages; one that shows none will show the last."""
    old = c.get(tree.id)
    changed_at = max(old.changed_at, *(node.created_at for node in missing))
    c._update(tree.id, {"changed_at": changed_at, "tip": missing[-1].id if old.tip is None else old.tip})


def _owners(c: Conversations, nodes: Iterable[Node]) -> dict[str, str]:
    """The conversations of those messages that are here."""
    ids = json.dumps([node.id for node in nodes])
    sql = "SELECT id, conversation_id FROM messages WHERE id IN (SELECT value FROM json_each(?))"
    return dict(c._database.query(sql, ids))


def _create(c: Conversations, tree: Tree) -> None:
    conversation = Conversation(
        id=tree.id,
        title=tree.title,
        tip=tree.tip,
        settings={name: value for name, value in tree.settings.items() if name != "edits"},
        draft="",
        created_at=tree.created_at,
        changed_at=tree.changed_at,
        deleted_at=None,
        folder=tree.folder,
    )
    c._insert("conversations", rows.conversation_values(conversation))


def _add(c: Conversations, conversation_id: str, node: Node) -> None:
    message = Message(
        id=node.id,
        conversation_id=conversation_id,
        parent_id=node.parent_id,
        role=node.role,
        text=node.text,
        token_ids=None,
        finish_reason=node.finish_reason,
        created_at=node.created_at,
        attachments=node.attachments,
    )
    c._insert("messages", rows.message_values(message), node.damaged)
    if node.provenance is not None:
        provenance = msgspec.convert(node.provenance | {"message_id": node.id}, Provenance)
        c._insert("provenance", rows.provenance_values(provenance))
