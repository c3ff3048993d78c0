"""The exact prompt: what is asked of the engine is what a message, or the last reply anew, would ask."""

import pytest

from chatdesk.engine.api import ChatMessage, Failed, Generate, Load, Loaded, MakePrompt, PromptMade
from chatdesk.errors import Fault
from chatdesk.tasks.changes import Notice
from chatdesk.tasks.prompts import ExactPrompt, Prompts
from tests.tasks.desk import INFO, Desk


class Viewer:
    """Somebody who looks at prompts. Attributes: ``answers``, in their order."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.prompts = Prompts(desk.store, desk.engine, desk.models, desk.chat, desk._posted.put)
        self.answers: list[ExactPrompt | Notice] = []

    def ask(self, unsent: str = "") -> MakePrompt:
        self.prompts.ask(unsent, self.answers.append)
        self.desk.settle()
        request = self.desk.engine.requests[-1]
        assert isinstance(request, MakePrompt), request
        return request

    def made(self, request: MakePrompt) -> PromptMade:
        event = PromptMade(request.id, (5, 6), ("Hel", "lo"), (5,), 64)
        self.prompts.on_event(event)
        return event


@pytest.fixture
def desk(tmp_path):
    desk = Desk(tmp_path)
    yield desk
    desk.close()


@pytest.fixture
def viewer(desk):
    desk.load()
    return Viewer(desk)


def same(request: MakePrompt, asked: Generate) -> bool:
    return (request.prompt, request.sampling, request.overflow) == (asked.prompt, asked.sampling, asked.overflow)


def test_unsent_words_are_the_next_message(desk, viewer):
    desk.chat.set_setting("system_prompt", "Be brief.")
    desk.chat.set_setting("temperature", 0.5)
    desk.chat.set_setting("overflow", "ask")
    desk.answer("Hello", "Hi", " there")
    request = viewer.ask("And now?\n")
    assert [message.role for message in request.prompt] == ["system", "user", "assistant", "user"]
    assert request.prompt[2].token_ids == (10, 11)
    made = viewer.made(request)
    assert viewer.answers == [ExactPrompt(made, True)]
    assert same(request, desk.send("And now?\n"))


def test_without_words_it_is_what_the_last_reply_answers(desk, viewer):
    desk.answer("Hello", "Hi")
    desk.answer("More", "Yes")
    request = viewer.ask(" \n")
    assert viewer.made(request)
    assert viewer.answers[0].has_unsent is False
    desk.chat.regenerate()
    assert same(request, desk.asked())


def test_a_question_without_a_reply_is_the_end(desk, viewer):
    asked = desk.send("Hello")
    desk.fail(asked, Fault.OUT_OF_MEMORY, device="CPU")
    assert same(viewer.ask(), asked)


def test_while_a_reply_is_written_it_is_its_prompt(desk, viewer):
    asked = desk.send("Hello")
    desk.stream(asked, "Hi")
    assert same(viewer.ask("typed ahead"), asked)
    assert viewer.made(desk.engine.requests[-1])
    assert viewer.answers[0].has_unsent is False


def test_of_drafts_the_chosen_one_is_gone_on_with(desk, viewer):
    desk.answer("Hello", "Hi")
    desk.chat.regenerate()
    again = desk.asked()
    desk.stream(again, "Good day")
    desk.finish(again)
    shown = desk.chat._open.turns[-1]
    desk.chat.compare(shown.id)
    desk.settle()
    other = next(id for id in desk.chat._open.drafts.turns if id != shown.id)
    desk.chat.choose_draft(other)
    assert [m.text for m in viewer.ask("More").prompt] == ["Hello", "Hi", "More"]


def test_a_new_conversation_has_only_the_words(desk, viewer):
    assert viewer.ask("First").prompt == (ChatMessage("user", "First"),)
    assert viewer.ask("").prompt == ()


def test_without_a_model_there_is_one_sentence(desk):
    viewer = Viewer(desk)
    viewer.prompts.ask("Hello", viewer.answers.append)
    assert viewer.answers == [Notice(Fault.NO_MODEL, {})]
    assert desk.engine.requests == []


def test_a_model_that_did_not_load_says_why(desk):
    desk.models.load("/models/none")
    desk.fail(desk.engine.requests[-1], Fault.FILE_NOT_FOUND, path="/models/none")
    viewer = Viewer(desk)
    viewer.prompts.ask("Hello", viewer.answers.append)
    assert viewer.answers[0].fault == Fault.FILE_NOT_FOUND


def test_while_a_model_loads_the_answer_waits_for_it(desk):
    desk.models.load("/models/tiny")
    load = desk.engine.requests[-1]
    assert isinstance(load, Load)
    viewer = Viewer(desk)
    request = viewer.ask("Hello")
    desk.say(Loaded(load.id, INFO))
    assert viewer.answers == []
    viewer.made(request)
    assert len(viewer.answers) == 1


def test_a_failure_is_told(desk, viewer):
    request = viewer.ask("Hello")
    viewer.prompts.on_event(Failed(request.id, Fault.CHAT_TEMPLATE, {"reason": "no"}))
    assert (viewer.answers[0].fault, viewer.answers[0].fields) == (Fault.CHAT_TEMPLATE, {"reason": "no"})


def test_what_nobody_waits_for_is_cancelled_and_dropped(desk, viewer):
    first = viewer.ask("One")
    second = viewer.ask("Two")
    assert desk.engine.cancelled == [first.id]
    viewer.made(first)
    assert viewer.answers == []
    viewer.prompts.forget()
    assert desk.engine.cancelled == [first.id, second.id]
    viewer.made(second)
    viewer.prompts.forget()
    assert (viewer.answers, desk.engine.cancelled) == ([], [first.id, second.id])


def test_forgotten_while_the_store_reads(desk, viewer):
    viewer.prompts.ask("One", viewer.answers.append)
    viewer.prompts.forget()
    desk.settle()
    assert not any(isinstance(request, MakePrompt) for request in desk.engine.requests)


def test_the_chosen_form_of_the_messages_is_part_of_it(desk, viewer):
    desk.models.choose_dialogue("alpaca")
    assert viewer.ask("Hello").dialogue == "alpaca"
