"""What the tests of export and import share.

Files of other programs are made by hand (``samples``), then damaged: cut at any byte, a value of any other type put at
any place. Whatever is read must store, and store again without doubles.
"""

import contextlib
import json

import pytest

from chatdesk.storage.conversations import Conversations
from chatdesk.storage.database import open_database
from chatdesk.storage.transfer.reading import read


@pytest.fixture
def database(tmp_path):
    """Not flushed to the disk: what these tests want of it is speed."""
    with contextlib.closing(open_database(tmp_path / "profile" / "chatdesk.db", tmp_path / "backups")) as opened:
        opened.connection.execute("PRAGMA synchronous = OFF")
        yield opened


@pytest.fixture
def conversations(database):
    return Conversations(database)


@pytest.fixture
def read_document(tmp_path):
    """Write a document to a file of this name and read it."""

    def read_it(document, name="export.json"):
        path = tmp_path / name
        path.write_text(json.dumps(document), encoding="utf-8")
        return read(path)

    return read_it
