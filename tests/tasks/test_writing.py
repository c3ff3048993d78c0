"""The writing desk without a window: documents are kept, the model is asked, what it wrote is kept."""

import threading

import pytest

from chatdesk.engine.api import BANNED, Bias, Counted, Generate, Loaded, MakePrompt, PromptMade
from chatdesk.errors import Fault, UserError
from chatdesk.storage.records import DocumentText, Span
from chatdesk.tasks import writing_changes as w
from tests.tasks.desk import answered
from tests.tasks.writing_desk import WritingDesk


@pytest.fixture
def desk(tmp_path):
    made = WritingDesk(tmp_path)
    yield made
    made.close()


def test_the_desk_can_be_typed_into_at_once_and_takes_its_title_from_the_first_line(desk):
    assert desk.newest(w.DocumentOpened).words.text == ""
    desk.type("The lighthouse\n\nIt was dark.", (Span(0, 3, "g"),))
    assert desk.newest(w.SavedChanged).is_saved is False
    desk.tick()
    assert desk.newest(w.SavedChanged).is_saved is True
    assert desk.stored() == DocumentText("The lighthouse\n\nIt was dark.", (Span(0, 3, "g"),))
    assert desk.newest(w.DocumentsChanged).documents[0].title == "The lighthouse"
    desk.writing.rename(desk.writing.document.id, " Mine ")
    desk.settle()
    desk.type("Another line")
    desk.tick()
    assert desk.newest(w.DocumentRenamed).title == "Mine"
    assert desk.newest(w.DocumentsChanged).documents[0].title == "Mine"


def test_another_document_is_opened_after_this_one_is_kept(desk):
    desk.type("first words")
    first = desk.writing.document.id
    desk.writing.new()
    desk.settle()
    assert desk.stored(first).text == "first words"
    assert desk.text == ""
    second = desk.writing.document.id
    desk.writing.new()  # an empty one is there
    desk.settle()
    assert desk.writing.document.id == second
    desk.writing.open(first)
    desk.settle()
    assert desk.text == "first words"
    assert len(desk.newest(w.DocumentsChanged).documents) == 2


def test_words_typed_while_the_store_is_busy_with_opening_are_kept(desk):
    desk.type("one")
    first = desk.writing.document.id
    desk.writing.new()
    desk.type("one two")
    desk.settle()
    assert desk.stored(first).text == "one two"


def test_a_deletion_can_be_undone(desk):
    desk.type("words")
    id = desk.writing.document.id
    desk.writing.delete(id)
    desk.settle()
    assert desk.newest(w.DocumentsChanged).deleted.id == id
    assert desk.writing.document.id != id
    assert [each.id for each in answered(desk, desk.writing.trash)] == [id]
    desk.writing.undo()
    desk.settle()
    assert (desk.writing.document.id, desk.text) == (id, "words")
    assert desk.newest(w.DocumentsChanged).deleted is None


def test_versions_can_be_looked_at_and_come_back(desk):
    desk.type("old words")
    desk.writing.keep_version()
    desk.type("new words")
    (kept,) = answered(desk, desk.writing.versions)
    found = answered(desk, lambda back: desk.writing.changes_since(kept.id, back))
    assert "".join(piece.old for piece in found) == "old words"
    desk.writing.restore_version(kept.id)
    desk.settle()
    assert desk.newest(w.DocumentOpened).is_restored
    assert (desk.text, desk.stored().text) == ("old words", "old words")
    assert len(answered(desk, desk.writing.versions)) == 2


def test_going_on_asks_with_all_that_guides_and_keeps_what_came(desk):
    desk.load()
    for name, value in {"memory": "Ann.", "banned": "very", "temperature": 0.4, "seed": 3}.items():
        desk.writing.set_setting(name, value)
    desk.writing.go_on("It was ", "")
    request = desk.asked()
    assert (request.prompt, request.lead, request.seed, request.drafts) == ("It was ", "Ann.\n\n", 3, 1)
    assert (request.sampling.temperature, request.sampling.max_new_tokens) == (0.4, 60)
    assert request.bias == (Bias("very", BANNED),)
    desk.stream(request, "dark", " and")
    assert [change.text for change in desk.seen if isinstance(change, w.WritingGrew)] == ["dark", " and"]
    desk.finish(request)
    assert desk.newest(w.WritingEnded) == w.WritingEnded("continue", "stop")
    (kept,) = desk.newest(w.DrawerChanged).generations
    assert (kept.text, kept.id) == ("dark and", desk.newest(w.WritingStarted).generations[0])
    assert (kept.record["model"], kept.record["seed"], kept.record["purpose"]) == ("Tiny", 7, "continue")


def test_what_was_stopped_is_in_the_drawer_and_late_tokens_are_not_shown(desk):
    desk.load()
    desk.writing.go_on("It was", "")
    request = desk.asked()
    desk.stream(request, " dark")
    desk.writing.generating.stop()
    assert desk.engine.cancelled == [request.id]
    desk.stream(request, " late")
    assert [each.text for each in desk.newest(w.DrawerChanged).generations] == [" dark"]
    assert not desk.writing.generating.is_busy


def test_alternatives_are_one_request(desk):
    desk.load()
    desk.writing.set_setting("drafts", 4)
    desk.writing.alternatives("I enjoy", "")
    request = desk.asked()
    assert request.drafts == 4
    assert len(desk.newest(w.WritingStarted).generations) == 4


def test_a_selection_is_shown_by_pieces(desk):
    desk.load()
    prompt = desk.writing.make_prompts()["formal"]
    desk.writing.generating.work_on(prompt, " Hey Ann, come today.\n", desk.writing.values)
    request = desk.asked()
    assert request.prompt[0].text.endswith("\n\nHey Ann, come today.")
    desk.stream(request, "Dear", " Ann,", " come", " today.")
    desk.finish(request)
    found = desk.newest(w.Reworked)
    assert "".join(piece.new for piece in found.pieces) == " Dear Ann, come today.\n"
    assert "".join(piece.old for piece in found.pieces) == " Hey Ann, come today.\n"
    assert (found.is_few_shot, found.is_cut) == (False, False)


def test_an_answer_without_room_is_called_cut(desk):
    desk.load()
    desk.writing.generating.work_on(desk.writing.make_prompts()["formal"], "Hey Ann, come today.", desk.writing.values)
    request = desk.asked()
    desk.stream(request, "Dear", " Ann,")
    desk.finish(request, "length")
    assert desk.newest(w.Reworked).is_cut


def test_a_template_is_asked_for(desk):
    desk.load()
    prompt = desk.writing.make_prompts()["news"]
    desk.writing.generating.begin(prompt, {"headline": "Rain", "facts": "It rained."}, {})
    request = desk.asked()
    assert "Headline: Rain" in request.prompt[0].text
    assert "Tone" not in request.prompt[0].text


def test_without_a_model_it_is_said(desk):
    desk.writing.go_on("words", "")
    assert desk.newest(w.WritingNotice).notice.fault is Fault.NO_MODEL
    desk.load()
    desk.writing.set_setting("bias", "no number")
    desk.writing.go_on("words", "")
    assert desk.newest(w.WritingNotice).notice.fault is Fault.BAD_VALUE


def test_a_question_waits_for_a_model_that_loads(desk):
    from tests.tasks.desk import INFO

    desk.models.load("/models/tiny")
    load = desk.engine.requests[-1]
    desk.writing.go_on("words", "")
    assert desk.engine.requests[-1] is load
    desk.say(Loaded(load.id, INFO))
    desk.tick()
    assert desk.asked().prompt == "words"


def test_typing_gives_up_a_continuation_that_waits_for_the_model(desk):
    from tests.tasks.desk import INFO

    desk.models.load("/models/tiny")
    load = desk.engine.requests[-1]
    desk.type("words")
    desk.writing.go_on("words", "")
    assert desk.newest(w.WritingWaits).is_waiting
    desk.type("words and more")
    assert desk.newest(w.WritingWaits).is_waiting is False
    assert not desk.writing.generating.is_busy
    prompt = desk.writing.make_prompts()["formal"]
    desk.writing.generating.work_on(prompt, "words", desk.writing.values)  # its words have a place of their own
    desk.type("words and more yet")
    desk.say(Loaded(load.id, INFO))
    desk.tick()
    (asked,) = [each for each in desk.engine.requests if isinstance(each, Generate)]
    assert asked.prompt[0].text.endswith("words")
    assert desk.newest(w.WritingStarted).purpose == "selection"


def test_the_exact_prompt_is_that_of_going_on(desk):
    desk.load()
    desk.writing.set_setting("memory", "Ann.")
    got = []
    desk.writing.generating.exact_prompt("words", "", desk.writing.in_force(), got.append)
    request = next(each for each in desk.engine.requests if isinstance(each, MakePrompt))
    assert (request.prompt, request.lead) == ("words", "Ann.\n\n")
    desk.say(PromptMade(request.id, (1, 2), ("wo", "rds"), (), 64))
    assert got[0].made.token_ids == (1, 2)


def test_tokens_are_counted_when_the_words_are_kept(desk):
    desk.load()
    desk.type("some words")
    desk.tick()
    desk.tick()
    count = desk.engine.requests[-1]
    assert count.text == "some words"
    desk.say(Counted(count.id, 2))
    assert desk.newest(w.Counts).tokens == 2


def test_settings_belong_to_the_document(desk):
    desk.writing.set_setting("temperature", 0.2)
    with pytest.raises(UserError):
        desk.writing.set_setting("temperature", 99.0)
    desk.type("words")
    first = desk.writing.document.id
    desk.writing.new()
    desk.settle()
    assert desk.newest(w.WritingSettings).values == {}
    desk.writing.open(first)
    desk.settle()
    assert desk.newest(w.WritingSettings).values == {"temperature": 0.2}


def test_what_the_disk_refuses_is_tried_again(desk, monkeypatch):
    from chatdesk.storage.documents import Documents

    save = Documents.save

    def full(*_):
        raise UserError(Fault.DISK_FULL, path="x")

    monkeypatch.setattr(Documents, "save", full)
    desk.type("words")
    desk.tick()
    assert desk.newest(w.WritingNotice).notice.fault is Fault.DISK_FULL
    assert desk.newest(w.SavedChanged).is_saved is False
    monkeypatch.setattr(Documents, "save", save)
    desk.tick()
    assert desk.stored().text == "words"
    assert desk.newest(w.SavedChanged).is_saved is True


def test_files_come_in_and_go_out(desk, tmp_path):
    source = tmp_path / "My letter.txt"
    source.write_text("Dear Ann,\r\n", newline="")
    desk.writing.files.read(source)
    desk.until(lambda: desk.text)
    assert (desk.text, desk.writing.document.title) == ("Dear Ann,\n", "My letter")
    desk.writing.files.write(tmp_path / "out.md")
    desk.until(lambda: desk.newest(w.FileChanged) == w.FileChanged("out.md", True, None))
    assert (tmp_path / "out.md").read_text() == "Dear Ann,\n"
    source.write_bytes(b"\0")
    desk.writing.files.read(source)
    desk.until(lambda: desk.newest(w.WritingNotice).notice is not None)
    assert desk.newest(w.WritingNotice).notice.fault is Fault.ATTACHMENT_BINARY
    assert desk.text == "Dear Ann,\n"


@pytest.mark.parametrize(("name", "is_well"), [("out.md", True), ("no/out.md", False)])
def test_how_writing_a_file_ended_is_told_to_the_page_that_comes(desk, tmp_path, name, is_well):
    """Another language takes the page away; the next one is built when somebody wants to see it."""
    desk.type("words")
    desk.tick()
    desk.writing.files.write(tmp_path / name)
    desk.writing.close()
    desk.writing.on_change = lambda change: None
    desk.until(lambda: not any(thread.name == "files" for thread in threading.enumerate()))
    desk.settle()
    desk.seen.clear()
    desk.writing.on_change = desk.take
    desk.writing.start()
    desk.settle()
    kinds = [type(change) for change in desk.seen]
    told = desk.seen[-1 - kinds[::-1].index(w.FileChanged if is_well else w.WritingNotice)]
    assert kinds.index(w.DocumentOpened) < desk.seen.index(told)
    assert told == w.FileChanged("out.md", True, None) if is_well else told.notice.fault is Fault.CANNOT_WRITE
    desk.seen.clear()
    desk.writing.new(text="another")
    desk.settle()
    assert not any(isinstance(change, w.FileChanged) for change in desk.seen), "it is said once"
    assert desk.newest(w.WritingNotice).notice is None


def test_a_document_that_a_restored_backup_does_not_have_is_not_lost(desk):
    desk.type("words")
    desk.store.submit(lambda c: c.documents.purge(desk.writing.document.id)).result()
    desk.tick()
    found = desk.store.submit(lambda c: [c.documents.text(each.id).text for each in c.documents.list()]).result()
    assert found == ["words"]
