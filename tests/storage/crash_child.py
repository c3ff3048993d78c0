"""The child of ``test_kills``: saves, migrates or upgrades until it is killed, and says on stdout what is safe.

Run as ``python crash_child.py ROOT save|migrate|upgrade DATABASE FAULT``. Each line on stdout is an acknowledgement,
written when the store has said that the work is done: JSON ``[kind, ...]``. FAULT names a mistake planted here, which
the harness must notice; ``none`` is the program as it is.
"""

import itertools
import json
import os
import sys
import time
from pathlib import Path

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
    {"save": save, "migrate": migrate, "upgrade": upgrade}[sys.argv[2]](Path(sys.argv[3]), sys.argv[4])
