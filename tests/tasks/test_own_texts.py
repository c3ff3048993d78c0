"""A person's own conversations and documents become text to train on, with their roles."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from chatdesk.errors import Fault
from chatdesk.tasks.changes import Notice
from chatdesk.tasks.own_texts import own_texts
from chatdesk.tasks.shelf import Shelf
from chatdesk.training.corpus import Turn, read_documents
from tests.tasks.desk import Desk, answered


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.close()


@pytest.fixture
def shelf(desk: Desk) -> Shelf:
    return Shelf(desk.store, desk.chat, desk.folder / "backups", desk._posted.put)


def test_roles_branches_and_documents(desk: Desk, shelf: Shelf, tmp_path: Path) -> None:
    desk.load()
    desk.answer("What is the weather like?", "It", " is raining")
    desk.chat.new()
    desk.answer("今天天气怎么样", "晴天")
    desk.store.submit(lambda c: c.set_settings(c.list()[0].id, {"system_prompt": " Be kind. "})).result()
    desk.store.submit(lambda c: c.documents.create("A title", "Some words.")).result()
    desk.store.submit(lambda c: c.documents.create("Empty", " ")).result()
    desk.store.submit(lambda c: c.create("Nothing said")).result()
    file = tmp_path / "new" / "x.jsonl"
    assert answered(desk, lambda done: shelf.export_own_texts(file, done)) is None
    assert list(read_documents(file)) == [
        (Turn("system", "Be kind."), Turn("user", "今天天气怎么样"), Turn("assistant", "晴天")),
        (Turn("user", "What is the weather like?"), Turn("assistant", "It is raining")),
        "Some words.",
    ]


def test_what_has_no_answer_is_left_out(desk: Desk) -> None:
    def fill(c):
        talk = c.create("a talk")
        first = c.add_message(talk.id, None, "user", "One?")
        reply = c.add_message(talk.id, first.id, "assistant", "One.")
        c.add_message(talk.id, reply.id, "user", "Two?")
        alone = c.create("a question")
        c.add_message(alone.id, None, "user", "Anyone?")
        return own_texts(c)

    [found] = desk.store.submit(fill).result()
    assert json.dumps(found) == json.dumps(
        {"turns": [{"speaker": "user", "text": "One?"}, {"speaker": "assistant", "text": "One."}]}
    )


def test_nothing_to_export(desk: Desk, shelf: Shelf, tmp_path: Path) -> None:
    notice = answered(desk, lambda done: shelf.export_own_texts(tmp_path / "x.jsonl", done))
    assert isinstance(notice, Notice)
    assert notice.fault == Fault.NO_TEXT
    assert not (tmp_path / "x.jsonl").exists()
