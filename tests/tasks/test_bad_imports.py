"""Files that cannot be imported: one clear sentence each, and not a row of the database is another one afterwards."""

import contextlib
import json
import os
import random
import sqlite3
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chatdesk.errors import Fault, UserError
from chatdesk.storage.transfer.store import Imported
from chatdesk.tasks.changes import Notice
from chatdesk.tasks.shelf import Shelf
from tests.storage.test_disk_full import Disk, needs_calls
from tests.tasks.desk import Desk, answered
from tests.transfer.samples import FILES, chatgpt
from tests.transfer.test_other_programs import WRONG, places, replaced
from tests.transfer.test_round_trip import exported

CHOOSE = "Choose an export of chatdesk, ChatGPT, Open WebUI, LM Studio or Jan, or export it again there."
KINDS = {**{name: (file, lambda make=make: json.dumps(make())) for name, (file, make) in FILES.items()}} | {
    "chatdesk": ("chatdesk.json", lambda: exported().decode())
}


class Profile:
    """A desk with two conversations, and files to import beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.desk = Desk(folder)
        self.shelf = Shelf(self.desk.store, self.desk.chat, folder / "backups", self.desk._posted.put)
        self.desk.load()
        self.desk.answer("What is the weather like?", "It", " is raining")
        self.desk.chat.new()
        self.desk.answer("今天天气怎么样", "晴天")

    def rows(self) -> dict[str, list[Any]]:
        """Every row of every table, those of the search with it."""

        def work(c: Any) -> dict[str, list[Any]]:
            tables = c._database.query("SELECT name FROM sqlite_schema WHERE type = 'table' AND sql NOT LIKE '%fts5%'")
            return {name: c._database.query(f"SELECT * FROM {name}") for (name,) in tables}

        return self.desk.store.submit(work).result()

    def outcome(self, path: Path) -> str | Imported:
        """The sentence of a refusal, or what came in."""
        result = answered(self.desk, lambda done: self.shelf.import_file(path, done))
        return str(UserError(result.fault, **result.fields)) if isinstance(result, Notice) else result

    def refused(self, name: str, content: bytes | None = None) -> str:
        """The sentence, without the path; nothing has changed."""
        path, before = self.folder / name, self.rows()
        if content is not None:
            path.write_bytes(content)
        sentence = self.outcome(path)
        assert isinstance(sentence, str), sentence
        assert self.rows() == before
        assert len(before) > 6
        return sentence.replace(str(path), "FILE")


@pytest.fixture
def profile(tmp_path: Path) -> Iterator[Profile]:
    made = Profile(tmp_path)
    yield made
    made.desk.close()


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_was_cut(profile: Profile, kind: str) -> None:
    name, whole = KINDS[kind]
    content = whole().encode()
    for end in sorted(random.Random(1).sample(range(1, len(content) - 1), 12)):
        said = profile.refused(name, content[:end])
        assert said == f"Nothing was imported from FILE: it is not JSON, or only a part of it is there. {CHOOSE}"
    assert isinstance(profile.outcome(_written(profile.folder / name, content)), Imported)


def _written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_wrong_types_come_in_whole_or_not_at_all(profile: Profile, kind: str, data: st.DataObject) -> None:
    """What is there keeps every row; what comes in is counted."""
    name, whole = KINDS[kind]
    document = json.loads(whole())
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.sampled_from(list(places(document))))
        document = replaced(document, place, data.draw(st.sampled_from(WRONG)))
    before = profile.rows()
    result = profile.outcome(_written(profile.folder / name, json.dumps(document).encode()))
    after = profile.rows()
    if isinstance(result, str):
        assert result.startswith("Nothing was imported from ")
        assert result.endswith(CHOOSE)
        assert after == before
    else:
        new = len(after["conversations"]) - len(before["conversations"])
        assert new == len(result.new)
        grown = {*result.new, *result.grown}
        kept = [row for row in after["messages"] if row[2] not in grown]
        assert kept == [row for row in before["messages"] if row[2] not in grown]


def test_two_gigabytes(profile: Profile) -> None:
    with (profile.folder / "conversations.json").open("wb") as file:
        file.truncate(2 * 2**30)  # sparse
    assert profile.refused("conversations.json") == (
        "Nothing was imported from FILE: it has 2.0 GB, and at most 1 GB is read at a time. "
        "Export fewer conversations at a time there."
    )


def test_a_damaged_zip(profile: Profile) -> None:
    path = profile.folder / "export.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("conversations.json", json.dumps(chatgpt()))
    said = profile.refused("export.zip", path.read_bytes()[:-30])
    assert said == f"Nothing was imported from FILE: the zip file is damaged or encrypted. {CHOOSE}"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "it is not JSON, or only a part of it is there"),
        (b"\x89PNG\r\n\x1a\n", "it is not JSON, or only a part of it is there"),
        (b"[]", "there is no conversation in it"),
        (b'{"a": 1}', "it is no export that this program knows"),
        (b"[" * 100_000, "it is nested too deeply"),
        (b'{"format": "chatdesk-export", "version": 9}', "it was written by a newer chatdesk"),
    ],
)
def test_other_files(profile: Profile, content: bytes, why: str) -> None:
    assert profile.refused("some.json", content) == f"Nothing was imported from FILE: {why}. {CHOOSE}"


def test_a_file_that_is_not_there(profile: Profile) -> None:
    assert profile.refused("nothing.json") == "FILE does not exist. Check the name."


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes in folders there")
def test_a_pipe_that_nobody_writes_into(profile: Profile) -> None:
    os.mkfifo(profile.folder / "pipe.json")
    assert profile.refused("pipe.json").startswith("Nothing was imported from FILE: it is no export")


def test_into_a_database_of_a_newer_version(tmp_path: Path) -> None:
    path = tmp_path / "chatdesk.db"
    Profile(tmp_path).desk.close()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    before = path.read_bytes()
    desk = Desk(tmp_path)
    shelf = Shelf(desk.store, desk.chat, tmp_path / "backups", desk._posted.put)
    file = _written(tmp_path / "conversations.json", json.dumps(chatgpt()).encode())
    notice = answered(desk, lambda done: shelf.import_file(file, done))
    assert str(UserError(notice.fault, **notice.fields)) == (
        f"{path} was written by a newer chatdesk (schema 99, this one knows 4). "
        "Install the newer program; the file was not touched."
    )
    desk.close()
    assert path.read_bytes() == before


@needs_calls
def test_a_disk_that_fills_up_at_any_write(profile: Profile) -> None:
    """Every k-th write of the import fails, as SQLite sees it; then there is room, and it comes in."""
    file = profile.folder / "conversations.json"
    document = chatgpt()
    document[0]["mapping"]["q"]["message"]["content"]["parts"] = ["salt " * 20_000]
    file.write_text(json.dumps(document), encoding="utf-8")
    before = profile.rows()
    failed = 0
    with Disk() as disk:
        while True:
            disk.count, disk.full_at = 0, failed + 1
            result = profile.outcome(file)
            if isinstance(result, Imported):
                break
            assert result == str(UserError(Fault.DISK_FULL, path=profile.folder / "chatdesk.db"))
            assert profile.rows() == before
            failed += 1
        disk.full_at = None
    assert failed > 5
    assert len(result.new) == 1
