"""Files in the open conversation: unsent, sent, edited, counted, in the exact prompt; nothing is lost on the way."""

import time
from pathlib import Path

import pytest

from chatdesk.engine.api import ChatMessage, Count, Counted, Failed, Loaded, MakePrompt
from chatdesk.errors import Fault, UserError
from chatdesk.storage.conversations import Conversations
from chatdesk.storage.records import Attachment
from chatdesk.tasks.changes import (
    AttachingFailed,
    AttachmentsChanged,
    NoticeChanged,
    Opened,
    StatusChanged,
    UndoChanged,
)
from chatdesk.tasks.prompts import Prompts
from chatdesk.tasks.turns import framed
from tests.tasks.desk import INFO, Desk

NOTES, CODE = Attachment("notes.md", "# Notes\n"), Attachment("code.py", "print(1)\n")


class FilesDesk(Desk):
    """A desk with files to attach."""

    def attach(self, *files: Attachment) -> None:
        for file in files:
            (self.folder / file.name).write_text(file.text, encoding="utf-8")
        self.attach_paths(*(self.folder / file.name for file in files))

    def attach_paths(self, *paths: Path) -> None:
        self.chat.attach(paths)
        until = time.monotonic() + 20
        while self._posted.empty() and time.monotonic() < until:
            time.sleep(0.005)
        self.settle()

    def unsent(self) -> tuple[Attachment, ...]:
        return self.last(AttachmentsChanged).files

    def stored(self) -> tuple[Attachment, ...]:
        home = self.chat.open_id
        return self.store.submit(lambda c: c.unsent_attachments(home)).result()

    def branch(self) -> list:
        home = self.chat.open_id
        return self.store.submit(lambda c: c.branch(home)).result()

    def tick(self) -> None:
        self.chat.tick()
        self.settle()


@pytest.fixture
def desk(tmp_path):
    made = FilesDesk(tmp_path)
    yield made
    made.close()


def full_disk(*_, **__):
    raise UserError(Fault.DISK_FULL, path="/data")


# -- unsent ------------------------------------------------------------------------------------------------------------


def test_files_make_a_conversation_and_are_there_after_a_restart(desk, tmp_path):
    desk.attach(NOTES, CODE)
    assert desk.unsent() == (NOTES, CODE)
    assert desk.last(AttachingFailed).notices == ()
    desk.tick()
    home = desk.chat.open_id
    assert desk.stored() == (NOTES, CODE)
    desk.close()
    again = FilesDesk(tmp_path)
    again.chat.open(home)
    again.settle()
    assert again.unsent() == (NOTES, CODE)
    again.close()


def test_each_conversation_has_its_own(desk):
    desk.attach(NOTES)
    desk.tick()
    first = desk.chat.open_id
    desk.chat.new()
    assert desk.unsent() == ()
    desk.attach(CODE)
    desk.chat.open(first)
    desk.settle()
    assert desk.unsent() == (NOTES,)
    [second] = desk.store.submit(lambda c: [each.id for each in c.list() if each.id != first]).result()
    desk.chat.open(second)
    desk.settle()
    assert desk.unsent() == (CODE,)


def test_the_same_file_twice_is_there_once(desk):
    desk.attach(NOTES)
    desk.attach(NOTES, CODE)
    assert desk.unsent() == (NOTES, CODE)


def test_what_cannot_be_attached_is_said_beside_what_can(desk):
    (desk.folder / "photo.jpg").write_bytes(b"\xff\xd8\0")
    (desk.folder / "a.md").write_text("words")
    desk.attach_paths(desk.folder / "photo.jpg", desk.folder / "a.md", desk.folder / "gone.txt")
    assert [file.name for file in desk.unsent()] == ["a.md"]
    said = [(notice.fault, next(iter(notice.fields.values()))) for notice in desk.last(AttachingFailed).notices]
    assert said == [(Fault.ATTACHMENT_BINARY, "photo.jpg"), (Fault.FILE_NOT_FOUND, "gone.txt")]
    desk.attach(NOTES)
    assert desk.last(AttachingFailed).notices == ()


def test_a_late_file_does_not_come_to_another_conversation(desk):
    (desk.folder / "a.md").write_text("words")
    desk.chat.attach([desk.folder / "a.md"])
    desk.chat.new()
    time.sleep(0.2)
    desk.settle()
    desk.tick()
    assert desk.unsent() == ()
    assert desk.store.submit(lambda c: c.list()).result() == []


def test_a_file_taken_away_can_be_put_back_to_its_place(desk):
    desk.attach(NOTES, CODE)
    desk.tick()
    desk.chat.detach(0)
    assert desk.last(UndoChanged).what == "file"
    desk.tick()
    assert (desk.unsent(), desk.stored()) == ((CODE,), (CODE,))
    desk.chat.undo()
    desk.tick()
    assert (desk.unsent(), desk.stored()) == ((NOTES, CODE), (NOTES, CODE))
    assert desk.last(UndoChanged).what == ""
    desk.chat.detach(0)
    desk.chat.new()
    assert desk.last(UndoChanged).what == ""  # another conversation is no place to put it back
    desk.chat.undo()
    assert desk.unsent() == ()


def test_putting_a_file_back_does_not_stop_the_reply(desk):
    desk.load()
    request = desk.send("Hello")
    desk.stream(request, "Hi")
    desk.attach(NOTES)
    desk.chat.detach(0)
    desk.chat.undo()
    desk.settle()
    assert desk.unsent() == (NOTES,)
    assert desk.engine.cancelled == []


def test_a_full_disk_keeps_files_for_the_next_time(desk, monkeypatch):
    desk.attach(NOTES)
    desk.tick()
    with monkeypatch.context() as patched:
        patched.setattr(Conversations, "set_unsent_attachments", full_disk)
        desk.chat.detach(0)
        desk.attach(CODE)
        desk.tick()
        assert desk.last(NoticeChanged).notice.fault == Fault.DISK_FULL
    desk.tick()
    assert desk.stored() == (CODE,)


def test_a_file_attached_while_the_conversation_is_shown_anew_stays(desk):
    desk.load()
    desk.answer("Hello", "Hi")
    (desk.folder / "a.md").write_text("words")
    desk.chat.branch_from(desk.chat._open.turns[0].id)
    desk.chat._open.set_files((NOTES,))  # before the store has answered
    desk.settle()
    desk.tick()
    assert (desk.unsent(), desk.stored()) == ((NOTES,), (NOTES,))


# -- sent --------------------------------------------------------------------------------------------------------------


def test_sending_commits_files_with_the_message_and_empties_both(desk):
    desk.load()
    desk.chat.set_draft("What is this?")
    desk.attach(NOTES, CODE)
    desk.tick()
    desk.chat.send("What is this?")
    desk.chat.tick()  # before the store has answered: nothing is written back
    request = desk.asked()
    assert request.prompt == (ChatMessage("user", framed("What is this?", (NOTES, CODE))),)
    [message] = desk.branch()
    assert (message.text, message.attachments) == ("What is this?", (NOTES, CODE))
    desk.tick()
    home = desk.store.submit(lambda c: c.get(desk.chat.open_id)).result()
    assert (desk.unsent(), desk.stored(), home.draft) == ((), (), "")
    assert desk.chat._open.turns[0].attachments == (NOTES, CODE)


def test_files_go_without_words(desk):
    desk.load()
    desk.attach(NOTES)
    request = desk.send("  ")
    assert request.prompt[0].text == framed("", (NOTES,))
    desk.stream(request, "A heading.")
    desk.finish(request)
    [conversation] = desk.store.submit(lambda c: c.list()).result()
    assert conversation.title == "notes.md – A heading."


def test_what_the_disk_refuses_stays_unsent(desk, monkeypatch):
    desk.load()
    desk.attach(NOTES)
    with monkeypatch.context() as patched:
        patched.setattr(Conversations, "add_message", full_disk)
        desk.chat.set_draft("Look")
        desk.chat.send("Look")
        desk.settle()
    desk.tick()
    home = desk.store.submit(lambda c: c.list()).result()[0]
    assert (desk.unsent(), desk.store.submit(lambda c: c.unsent_attachments(home.id)).result()) == ((NOTES,), (NOTES,))
    assert home.draft == "Look"
    assert desk.send("Look").prompt[0].text == framed("Look", (NOTES,))


def test_a_file_attached_while_the_message_is_stored_waits_for_the_next(desk):
    desk.load()
    desk.attach(NOTES)
    desk.chat.send("One")
    desk.chat._open.set_files((NOTES, CODE))
    desk.asked()
    assert desk.unsent() == (CODE,)
    desk.tick()
    assert desk.stored() == (CODE,)
    assert desk.branch()[0].attachments == (NOTES,)


def test_regenerating_and_editing_keep_the_files(desk):
    desk.load()
    desk.attach(NOTES, CODE)
    asked = desk.send("What?")
    desk.stream(asked, "That")
    desk.finish(asked)
    desk.chat.regenerate()
    assert desk.asked().prompt == asked.prompt
    again = desk.asked()
    desk.stream(again, "This")
    desk.finish(again)
    question = desk.chat._open.turns[0].id
    desk.chat.edit(question, "How?")
    edited = desk.asked()
    assert edited.prompt[0].text == framed("How?", (NOTES, CODE))
    desk.stream(edited, "So")
    desk.finish(edited)
    desk.chat.edit(desk.chat._open.turns[0].id, " ", (CODE,))
    assert desk.asked().prompt[0].text == framed("", (CODE,))


# -- counting, and the exact prompt ------------------------------------------------------------------------------------


def counts(desk: FilesDesk) -> list[Count]:
    return [request for request in desk.engine.requests if isinstance(request, Count)]


def test_each_file_is_counted_once_and_summed_with_the_words(desk):
    desk.load()
    desk.attach(NOTES, CODE)
    [first] = counts(desk)
    assert first.text == framed("", (NOTES,))
    assert desk.last(AttachmentsChanged).tokens == (None, None)
    desk.say(Counted(first.id, 12))
    second = counts(desk)[-1]
    assert second.text == framed("", (CODE,))
    desk.say(Counted(second.id, 30))
    assert desk.last(AttachmentsChanged).tokens == (12, 30)
    desk.chat.set_draft("Look")
    words = counts(desk)[-1]
    assert words.text == "Look"
    desk.say(Counted(words.id, 1))
    assert desk.last(StatusChanged).draft_tokens == 43
    desk.chat.detach(1)
    assert (desk.last(AttachmentsChanged).tokens, desk.last(StatusChanged).draft_tokens) == ((12,), 13)
    assert len(counts(desk)) == 3


def test_another_model_counts_anew(desk):
    desk.attach(NOTES)
    assert counts(desk) == []
    desk.load()
    [first] = counts(desk)
    desk.load()
    desk.say(Counted(first.id, 12))
    assert desk.last(AttachmentsChanged).tokens == (None,)
    desk.say(Counted(counts(desk)[-1].id, 9))
    assert desk.last(AttachmentsChanged).tokens == (9,)


def test_what_cannot_be_counted_does_not_hold_up_the_rest(desk):
    desk.load()
    desk.attach(NOTES, CODE)
    desk.say(Failed(counts(desk)[-1].id, Fault.ENGINE_BUG, {}))
    desk.say(Counted(counts(desk)[-1].id, 30))
    assert desk.last(AttachmentsChanged).tokens == (None, 30)
    assert len(counts(desk)) == 2


def test_a_file_that_somebody_looks_at_is_counted(desk):
    told: list[int] = []
    desk.chat.look_at(NOTES, told.append)
    desk.load()
    [asked] = counts(desk)
    desk.say(Counted(asked.id, 5))
    assert told == [5]
    desk.attach(CODE)
    desk.say(Counted(counts(desk)[-1].id, 7))
    desk.chat.look_at(CODE, told.append)
    assert told == [5, 7]
    assert len(counts(desk)) == 2


def test_what_is_counted_is_known_after_sending_until_another_conversation(desk):
    told: list[int] = []
    desk.load()
    desk.attach(NOTES)
    desk.say(Counted(counts(desk)[-1].id, 12))
    asked = desk.send("Look")
    desk.stream(asked, "Yes")
    desk.finish(asked)
    desk.chat.look_at(NOTES, told.append)
    assert (told, len(counts(desk))) == ([12], 1)
    desk.chat.new()
    desk.chat.look_at(NOTES, told.append)
    desk.chat.look_at(NOTES, told.append)  # the same one asks once
    assert len(counts(desk)) == 2
    desk.chat.open(desk.store.submit(lambda c: c.list()[0].id).result())
    desk.settle()
    desk.say(Counted(counts(desk)[-1].id, 12))
    assert told == [12]  # nobody looks at the other conversation any more


def test_the_exact_prompt_shows_files_and_words(desk):
    desk.load()
    desk.attach(NOTES)
    prompts = Prompts(desk.store, desk.engine, desk.models, desk.chat, desk._posted.put)
    for words in ("Look", ""):
        prompts.ask(words, lambda answer: None)
        desk.settle()
        request = desk.engine.requests[-1]
        assert isinstance(request, MakePrompt)
        assert request.prompt == (ChatMessage("user", framed(words, (NOTES,))),)
    assert desk.send("Look").prompt == (ChatMessage("user", framed("Look", (NOTES,))),)


def test_opening_tells_the_files_of_each_message(desk):
    desk.load()
    desk.attach(NOTES)
    asked = desk.send("Look")
    desk.stream(asked, "Yes")
    desk.finish(asked)
    desk.chat.open(desk.chat.open_id)
    desk.settle()
    assert [turn.attachments for turn in desk.last(Opened).turns] == [(NOTES,), ()]


def test_a_model_that_is_ready_later_counts_what_waits(desk):
    desk.models.load("/models/tiny")
    load = desk.engine.requests[-1]
    desk.attach(NOTES)
    assert counts(desk) == []
    desk.say(Loaded(load.id, INFO))
    assert [request.text for request in counts(desk)] == [framed("", (NOTES,))]


def test_files_that_are_read_at_the_same_time_are_not_too_many(desk, monkeypatch):
    monkeypatch.setattr("chatdesk.tasks.attachments.MOST_FILES", 3)
    files = [Attachment(f"{letter}.txt", letter) for letter in "abcd"]
    for file in files:
        (desk.folder / file.name).write_text(file.text, encoding="utf-8")
    desk.chat.attach([desk.folder / file.name for file in files[:2]])
    desk.chat.attach([desk.folder / file.name for file in (files[0], *files[2:])])
    until = time.monotonic() + 20
    while len(desk.chat._open.unsent.files) < 3 and time.monotonic() < until:
        time.sleep(0.005)
        desk.settle()
    desk.settle()
    assert len(desk.unsent()) == 3
    (notice,) = desk.last(AttachingFailed).notices
    assert notice.fault == Fault.ATTACHMENTS_TOO_MANY
