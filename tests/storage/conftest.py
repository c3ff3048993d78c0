"""What the tests of storage share.

How storage is tested: the tree against a plain model (``test_tree``), single bits flipped in rows and in the file
(``test_damage``), every single write of a session failing once (``test_disk_full``), a child killed at random moments
while it saves, streams and migrates (``test_kills``; the planted faults there show that the harness notices), released
schemas from ``tests/databases`` (``test_migrations``), backups restored while the program runs and in place of a
database that does not open (``test_restoring``), what is found and how the index mends itself (``test_search``). The
``soak`` tests are the same with the full counts.
"""

import contextlib
import sys
from pathlib import Path

import pytest

from chatdesk.storage.conversations import Conversations
from chatdesk.storage.database import open_database

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def database(tmp_path):
    with contextlib.closing(open_database(tmp_path / "chatdesk.db", tmp_path / "backups")) as opened:
        yield opened


@pytest.fixture
def conversations(database):
    return Conversations(database)


@pytest.fixture
def child_command():
    """Beginning of a command that runs Python with the package under test."""
    return [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n" + "{}"]
