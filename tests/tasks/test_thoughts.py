"""What a model thinks is no part of what it writes for a document."""

import pytest
from msgspec import structs

from chatdesk.engine.api import DEFAULT_SAMPLING, Loaded, Started, TokenEvent
from chatdesk.tasks import writing_changes as w
from chatdesk.tasks.thoughts import Answer
from tests.tasks.desk import INFO
from tests.tasks.writing_desk import WritingDesk


@pytest.fixture
def desk(tmp_path):
    made = WritingDesk(tmp_path)
    made.models.load("/models/tiny")
    made.say(Loaded(made.engine.requests[-1].id, structs.replace(INFO, thinks=True)))
    yield made
    made.close()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<think>\na\n</think>\n\nb <think>c</think>", "b <think>c</think>"),
        (" \n<think></think>b", "b"),
        ("<think>never closed </thin", ""),
        ("<think>a</think> \n", ""),
        ("  b", "  b"),
        ("<thin", "<thin"),
        ("a <think>b", "a <think>b"),
    ],
)
def test_an_answer_without_its_thoughts(text, said):
    for step in (1, 3, 100):
        answer = Answer()
        parts = [answer.feed(text[at : at + step]) for at in range(0, len(text), step)]
        assert "".join(parts) + answer.finish() == said


def begin(desk, purpose="template"):
    """Ask for a text from a template, or for a selection to be reworked."""
    prompts, writing = desk.writing.make_prompts(), desk.writing
    if purpose == "template":
        writing.generating.begin(prompts["news"], {"headline": "Rain", "facts": ""}, {})
    else:
        writing.generating.work_on(prompts["formal"], "Hey Ann.", writing.values)
    return desk.asked()


def say(desk, request, opening, *words):
    desk.say(Started(request.id, (1, 2), DEFAULT_SAMPLING, 7, opening=opening))
    desk.say(*(TokenEvent(request.id, 0, 5, each, -1.0, -1.0) for each in words))


def of(desk, kind):
    return [change for change in desk.seen if isinstance(change, kind)]


@pytest.mark.parametrize(
    ("opening", "words"), [("", ("<thi", "nk>Who", " is it?</think>", "\n")), ("<think>\n", ("Who is it?", "</think>"))]
)
@pytest.mark.parametrize("purpose", ["template", "selection"])
def test_thoughts_are_no_part_of_the_text(desk, purpose, opening, words):
    """Whether the model opens them or its template."""
    request = begin(desk, purpose)
    say(desk, request, opening, *words, "\nDear", " Ann.")
    assert [change.is_thinking for change in of(desk, w.WritingThinks)] == [True, False]
    desk.finish(request)
    assert [change.text for change in of(desk, w.WritingGrew)] == ["Dear", " Ann."]
    assert [each.text for each in desk.newest(w.DrawerChanged).generations] == ["Dear Ann."]
    if purpose == "selection":
        assert "".join(piece.new for piece in desk.newest(w.Reworked).pieces) == "Dear Ann."


@pytest.mark.parametrize("purpose", ["template", "selection"])
def test_a_model_that_got_no_further_than_thoughts(desk, purpose):
    request = begin(desk, purpose)
    say(desk, request, "<think>\n", "Hm", "</thi")
    desk.finish(request, "length")
    assert desk.newest(w.WritingEnded) == w.WritingEnded(purpose, "length", is_only_thought=True)
    assert of(desk, w.WritingGrew) == of(desk, w.Reworked) == of(desk, w.DrawerChanged)[1:] == []


def test_a_model_that_thinks_has_room_for_it(desk):
    """Where its own template is used."""
    with_room = [begin(desk, purpose).sampling.max_new_tokens for purpose in ("template", "selection")]
    desk.models.choose_dialogue("plain")
    desk.settle()
    without = [begin(desk, purpose).sampling.max_new_tokens for purpose in ("template", "selection")]
    assert [more - less for more, less in zip(with_room, without, strict=True)] == [2048, 2048]


def test_a_continuation_is_text_as_it_is(desk):
    """No messages are answered there: what looks like thoughts belongs to the text."""
    desk.type("A tag: ")
    desk.writing.go_on("A tag: ", "")
    request = desk.asked()
    desk.stream(request, "<think>", "it</think>")
    desk.finish(request)
    assert "".join(change.text for change in of(desk, w.WritingGrew)) == "<think>it</think>"
