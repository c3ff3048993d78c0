"""The child of ``test_kills``: saves, changes, migrates or upgrades until it is killed, and says what is safe.

Run as ``python crash_child.py ROOT save|change|write|migrate|upgrade DATABASE FAULT``. Each line on stdout is an
acknowledgement, written when the store has said that the work is done: JSON ``[kind, ...]``. FAULT names a mistake
planted here, which the harness must notice; ``none`` is the program as it is.
"""

import itertools
import json
import os
import random
import secrets
import sys
import time
from pathlib import Path
from unittest import mock

sys.path.insert(0, sys.argv[1])

from chatdesk.storage.database import open_database
from chatdesk.storage.migrations import MIGRATIONS
from chatdesk.storage.store import Store


def say(*words):
    os.write(1, (json.dumps(words) + "\n").encode())


def send(store, id, parent, text, fault):
    """The draft becomes a message: both at once."""
    store.submit(lambda c: c.set_draft(id, text)).result()
    say("draft", text)
    if fault == "send in two steps":
        message = store.submit(lambda c: c.add_message(id, parent, "user", text)).result()
        time.sleep(0.05)  # gives the kill a chance to come between
        store.submit(lambda c: c.set_draft(id, "")).result()
    elif fault == "acknowledged before the commit":
        future = store.submit(
            lambda c: (time.sleep(0.05), c.add_message(id, parent, "user", text, clear_draft=True))[1]
        )
        say("message", text)
        return future.result().id
    else:
        message = store.submit(lambda c: c.add_message(id, parent, "user", text, clear_draft=True)).result()
    say("message", text)
    return message.id


def stream(store, id, parent, text, fault):
    """A reply grows and is finished."""
    partial = store.submit(lambda c: c.begin_reply(id, parent, {"model": "m"})).result().id
    for end in range(10, len(text), 10):
        store.submit(lambda c, end=end: c.extend_reply(partial, text[:end], range(end))).result()
        say("partial", text[:end])
    if fault == "finish in two steps":
        store.submit(lambda c: c.drop_reply(partial)).result()
        time.sleep(0.05)
        message = store.submit(lambda c: c.add_message(id, parent, "assistant", text, (1,), "stop")).result()
    else:
        ids = range(len(text))
        message = store.submit(lambda c: c.finish_reply(partial, text, ids, "stop", {"new_tokens": 1})).result()
    say("message", text)
    return message.id


def save(path, fault):
    with Store(path, path.parent / "backups", quiet_s=0.0) as store:
        conversations = store.submit(lambda c: c.list()).result()
        conversation = conversations[0] if conversations else store.submit(lambda c: c.create("Kills")).result()
        id, parent = conversation.id, conversation.tip
        say("ready")
        for turn in itertools.count():
            name = f"{os.getpid()}.{turn}"
            parent = send(store, id, parent, f"question {name}", fault)
            parent = stream(store, id, parent, f"answer {name} " + "天气" * 30, fault)


def add(store, id, parent, text, fault):
    """A message, or another version of one where ``parent`` has some."""
    if fault == "acknowledged before the commit":
        coming = secrets.token_hex(16)
        with mock.patch("chatdesk.storage.messages.new_id", return_value=coming):
            future = store.submit(lambda c: (time.sleep(0.05), c.add_message(id, parent, "user", text)))
            say("added", coming, parent, text)
            future.result()
        return
    message = store.submit(lambda c: c.add_message(id, parent, "user", text)).result()
    say("added", message.id, parent, text)


def edit(store, old, text, fault):
    """Another version of a message, and a reply to it."""
    message = store.submit(lambda c: c.edit(old, text)).result()
    say("added", message.id, message.parent_id, text)
    partial = store.submit(lambda c: c.begin_reply(message.conversation_id, message.id, {"model": "m"})).result().id
    store.submit(lambda c: c.extend_reply(partial, f"{text} half", (1,))).result()
    say("written", partial, message.id, f"{text} half")
    store.submit(lambda c: c.finish_reply(partial, f"{text} half whole", (1, 2), "stop", {})).result()
    say("added", partial, message.id, f"{text} half whole")


def delete(store, old, fault):
    """A message with all below it."""
    say("deleting", old)
    if fault == "delete in two steps":
        for leaf in store.submit(lambda c: c.children(old)).result():
            store.submit(lambda c, leaf=leaf: c.delete_message(leaf.id)).result()
            time.sleep(0.02)
    batch = store.submit(lambda c: c.delete_message(old)).result()
    say("deleted", old)
    return batch


def change(path, fault):
    """Messages come, are edited, deleted and brought back, at random."""
    dice = random.Random(os.getpid())
    with Store(path, path.parent / "backups", quiet_s=0.0) as store:
        store.submit(lambda c: c.recover()).result()
        conversations = store.submit(lambda c: c.list()).result()
        conversation = conversations[0] if conversations else store.submit(lambda c: c.create("Kills")).result()
        say("ready")
        for turn in itertools.count():
            text = f"{os.getpid()}.{turn} 天气"
            live = [node.id for node in store.submit(lambda c: c.tree(conversation.id)).result()]
            what = dice.random() if live else 0.0
            if what < 0.3:
                add(store, conversation.id, dice.choice([None, *live]), text, fault)
            elif what < 0.6:
                edit(store, dice.choice(live), text, fault)
            else:
                batch = delete(store, dice.choice(live), fault)
                if what < 0.9 and fault == "none":
                    store.submit(lambda c, batch=batch: c.undo_removal(batch)).result()
                    say("restored")


def write(path, fault):
    """A document grows and is kept as versions."""
    with Store(path, path.parent / "backups", quiet_s=0.0) as store:
        found = store.submit(lambda c: c.documents.list()).result()
        id = found[0].id if found else store.submit(lambda c: c.documents.create("Kills")).result().id
        text = store.submit(lambda c: c.documents.text(id).text).result()
        say("ready")
        for turn in itertools.count():
            text += f" {os.getpid()}.{turn} 天气"
            if fault == "acknowledged before the commit":
                future = store.submit(lambda c, text=text: (time.sleep(0.05), c.documents.save(id, text)))
                say("saved", text)
                future.result()
            else:
                store.submit(lambda c, text=text: c.documents.save(id, text)).result()
                say("saved", text)
            if turn % 5 == 4:
                store.submit(lambda c: c.documents.keep(id)).result()
                say("kept")


def rebuild(connection):
    """A slow migration, as one that changes a table is."""
    connection.execute("CREATE TABLE new AS SELECT *, upper(text) AS loud FROM messages WHERE 0")
    for (number,) in connection.execute("SELECT number FROM messages ORDER BY number").fetchall():
        connection.execute("INSERT INTO new SELECT *, upper(text) FROM messages WHERE number = ?", (number,))
        time.sleep(0.0002)
    connection.execute("DROP TABLE messages")
    connection.execute("ALTER TABLE new RENAME TO messages")
    connection.execute("CREATE UNIQUE INDEX messages_by_id ON messages (id)")


def rebuild_in_two(connection):
    """The planted mistake: half of the work is committed by itself."""
    connection.execute("ALTER TABLE conversations ADD COLUMN colour TEXT")
    connection.execute("COMMIT")
    time.sleep(0.01)
    connection.execute("BEGIN")
    rebuild(connection)


def migrate(path, fault):
    say("ready")
    step = rebuild_in_two if fault == "migrate in two steps" else rebuild
    open_database(path, path.parent / "backups", (*MIGRATIONS, step)).close()
    say("migrated")


def upgrade(path, fault):
    say("ready")
    open_database(path, path.parent / "backups").close()
    say("upgraded")


if __name__ == "__main__":
    {"save": save, "change": change, "write": write, "migrate": migrate, "upgrade": upgrade}[sys.argv[2]](
        Path(sys.argv[3]), sys.argv[4]
    )
