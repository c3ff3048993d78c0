"""The conversation without a window: what is stored, shown and asked, in which order, whatever goes wrong."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from chatdesk.engine.api import ChatMessage, Count, Counted, Generate, Progress, Started
from chatdesk.errors import Fault, UserError
from chatdesk.tasks.changes import (
    ContextDropped,
    DraftChanged,
    Found,
    ListChanged,
    NoticeChanged,
    Opened,
    PromptRead,
    Renamed,
    ReplyingChanged,
    SettingsChanged,
    StatusChanged,
    TurnAdded,
    TurnGrew,
    TurnReplaced,
    UndoChanged,
)
from tests.tasks.desk import Desk


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.close()


def test_a_message_is_stored_before_it_is_shown_and_asked(desk: Desk) -> None:
    desk.load()
    desk.chat.send("Hello there")
    assert not [c for c in desk.changes if isinstance(c, TurnAdded)]  # not before the commit
    request = desk.asked()
    assert request.prompt == (ChatMessage("user", "Hello there"),)
    [conversation] = desk.store.submit(lambda c: c.list()).result()
    assert conversation.title == "Hello there"
    assert [m.text for m in desk.store.submit(lambda c: c.branch(conversation.id)).result()] == ["Hello there"]


def test_a_reply_streams_and_becomes_a_message_with_its_provenance(desk: Desk) -> None:
    desk.load()
    request = desk.send("Hi")
    desk.stream(request, "Good", " day")
    assert desk.last(TurnGrew).text == " day"
    assert desk.last(StatusChanged).context_used == 5
    desk.finish(request)
    turn = desk.last(TurnReplaced).turn
    assert (turn.text, turn.state, turn.model, turn.tokens_per_s) == ("Good day", "done", "Tiny", 50.0)
    assert desk.last(ReplyingChanged).replying is False
    origin = desk.store.submit(lambda c: c.provenance([turn.id])[turn.id]).result()
    assert (origin.seed, origin.new_tokens, origin.model_path) == (7, 2, "/models/tiny")


def test_a_long_prompt_says_how_far_it_is_read(desk: Desk) -> None:
    desk.load()
    request = desk.send("Hi")
    waiting = desk.last(TurnAdded).turn
    desk.say(Progress(request.id, 512, 2048))
    assert desk.last(PromptRead) == PromptRead(waiting.id, 512, 2048)


def test_the_next_prompt_splices_the_kept_tokens(desk: Desk) -> None:
    desk.load()
    desk.answer("Hi", "Good", " day")
    assert desk.send("And?").prompt == (
        ChatMessage("user", "Hi"),
        ChatMessage("assistant", "Good day", (10, 11)),
        ChatMessage("user", "And?"),
    )


def test_what_is_sent_while_the_model_loads_is_answered_when_it_has(desk: Desk) -> None:
    desk.models.load("/models/tiny")
    desk.chat.send("Hi")
    desk.settle()
    assert not [r for r in desk.engine.requests if isinstance(r, Generate)]
    assert desk.last(ReplyingChanged).replying is True
    desk.load()
    assert isinstance(desk.asked(), Generate)


def test_without_a_model_the_question_stays_and_a_button_helps(desk: Desk) -> None:
    desk.chat.send("Hi")
    desk.settle()
    notice = desk.last(NoticeChanged).notice
    assert (notice.fault, notice.action) == (Fault.NO_MODEL, "choose_model")
    assert desk.texts() == ["Hi"]
    desk.load()
    desk.chat.act("retry")
    assert desk.asked().prompt == (ChatMessage("user", "Hi"),)


def test_a_question_that_lacked_a_model_is_answered_by_the_one_that_is_chosen(desk: Desk) -> None:
    desk.chat.send("Hi")
    desk.settle()
    desk.models.load("/models/wrong")
    desk.fail(desk.engine.requests[-1], Fault.NOT_A_CHECKPOINT, path="/models/wrong", reason="it holds no files")
    assert desk.last(NoticeChanged).notice.fault is Fault.NOT_A_CHECKPOINT
    desk.load()
    assert desk.last(NoticeChanged).notice is None
    assert desk.asked().prompt == (ChatMessage("user", "Hi"),)
    desk.models.unload()
    desk.chat.new()
    desk.load()
    assert len([request for request in desk.engine.requests if isinstance(request, Generate)]) == 1


def test_the_engine_dies_mid_reply(desk: Desk) -> None:
    desk.load()
    request = desk.send("Hi")
    desk.stream(request, "Good", " d")
    desk.fail(request, Fault.ENGINE_DIED, reason="killed")
    assert desk.texts() == ["Hi", "Good d"]
    assert desk.last(TurnReplaced).turn.finish_reason == "error"
    notice = desk.last(NoticeChanged).notice
    assert (notice.fault, notice.action) == (Fault.ENGINE_DIED, "retry")
    desk.answer("Again", "Yes")
    assert desk.texts() == ["Hi", "Good d", "Again", "Yes"]


def test_a_failure_before_the_first_word_leaves_no_reply(desk: Desk) -> None:
    desk.load()
    request = desk.send("Hi")
    desk.fail(request, Fault.PROMPT_TOO_LONG, tokens="9", limit="5")
    assert desk.texts() == ["Hi"]
    assert desk.last(NoticeChanged).notice.action == "new_chat"
    assert desk.store.submit(lambda c: c.recover()).result() == []  # no partial is left behind


def test_stop_keeps_the_text(desk: Desk) -> None:
    desk.load()
    request = desk.send("Hi")
    desk.stream(request, "Good")
    desk.chat.stop()
    assert desk.engine.cancelled == [request.id]
    desk.finish(request, "cancelled")
    assert desk.texts() == ["Hi", "Good"]
    assert desk.last(TurnReplaced).turn.finish_reason == "cancelled"


def test_regenerating_makes_a_version_and_versions_can_be_chosen(desk: Desk) -> None:
    desk.load()
    desk.answer("Hi", "One")
    desk.chat.regenerate()
    request = desk.asked()
    assert request.prompt == (ChatMessage("user", "Hi"),)
    desk.stream(request, "Two")
    desk.finish(request)
    turn = desk.last(TurnReplaced).turn
    assert (turn.text, turn.version, turn.versions) == ("Two", 2, 2)
    desk.chat.choose_version(turn.id, -1)
    desk.settle()
    assert [t.text for t in desk.last(Opened).turns] == ["Hi", "One"]


def test_a_regeneration_without_a_word_brings_the_old_reply_back(desk: Desk) -> None:
    desk.load()
    desk.answer("Hi", "One")
    desk.chat.regenerate()
    desk.fail(desk.asked(), Fault.OUT_OF_MEMORY, device="CPU")
    assert desk.texts() == ["Hi", "One"]


def test_a_reply_in_another_conversation_goes_on_and_is_kept(desk: Desk) -> None:
    desk.load()
    request = desk.send("First")
    desk.stream(request, "Go")
    first = desk.chat._open.unsent.conversation.id
    desk.chat.new()
    desk.say()
    desk.stream(request, "od")
    assert desk.texts() == []
    desk.chat.open(first)
    desk.settle()
    assert desk.texts() == ["First", "Good"]
    assert desk.last(ReplyingChanged).replying is True
    desk.finish(request)
    assert desk.texts() == ["First", "Good"]


def test_unsent_text_is_kept_for_each_conversation(desk: Desk) -> None:
    desk.load()
    desk.answer("Hi", "One")
    first = desk.chat._open.unsent.conversation.id
    desk.chat.set_draft("half a thou")
    desk.chat.new()
    desk.chat.set_draft("something new")
    desk.chat.tick()
    desk.settle()
    desk.chat.open(first)
    desk.settle()
    assert desk.last(DraftChanged).text == "half a thou"
    other = next(c for c in desk.last(ListChanged).conversations if c.id != first)
    desk.chat.open(other.id)
    desk.settle()
    assert desk.last(DraftChanged).text == "something new"


def test_typing_and_sending_at_once_makes_one_conversation(desk: Desk) -> None:
    desk.load()
    desk.chat.set_draft("Hello")
    desk.chat.tick()
    desk.chat.send("Hello")
    desk.settle()
    [conversation] = desk.store.submit(lambda c: c.list()).result()
    assert (conversation.title, conversation.draft) == ("Hello", "")


def test_settings_belong_to_their_conversation(desk: Desk) -> None:
    desk.load()
    desk.chat.set_setting("temperature", 0.2)
    desk.chat.set_setting("system_prompt", "Be brief.")
    desk.chat.set_setting("seed", 5)
    request = desk.send("Hi")
    assert request.prompt[0] == ChatMessage("system", "Be brief.")
    assert (request.sampling.temperature, request.sampling.top_p, request.seed) == (0.2, None, 5)
    first = desk.chat._open.unsent.conversation.id
    desk.chat.new()
    assert desk.last(SettingsChanged).values == {}
    desk.chat.open(first)
    desk.settle()
    assert desk.last(SettingsChanged).values["temperature"] == 0.2
    desk.chat.set_setting("temperature", None)
    assert "temperature" not in desk.last(SettingsChanged).values
    with pytest.raises(UserError, match="a number from 0 to 10"):
        desk.chat.set_setting("temperature", 99.0)


def test_undo_is_of_the_last_deletion(desk: Desk) -> None:
    desk.load()
    desk.answer("A question that is long enough for a title", "One")
    first = desk.chat.open_id
    desk.chat.new()
    desk.answer("Hi", "Two")
    desk.chat.delete(first)
    desk.settle()
    assert desk.last(ListChanged).deleted.id == first
    desk.chat.delete_turn(desk.chat._open.turns[-1].id)
    desk.settle()
    assert (desk.last(UndoChanged).what, desk.last(ListChanged).deleted) == ("messages", None)
    desk.chat.undo()
    desk.settle()
    assert desk.texts() == ["Hi", "Two"]


def test_delete_can_be_undone(desk: Desk) -> None:
    desk.load()
    desk.answer("Hi", "One")
    conversation = desk.chat._open.unsent.conversation.id
    desk.chat.delete(conversation)
    desk.settle()
    assert desk.last(ListChanged).conversations == ()
    assert desk.last(ListChanged).deleted.id == conversation
    assert desk.texts() == []
    desk.chat.undo()
    desk.settle()
    assert [c.id for c in desk.last(ListChanged).conversations] == [conversation]
    assert desk.texts() == ["Hi", "One"]


def test_rename(desk: Desk) -> None:
    desk.load()
    desk.answer("Hi", "One")
    desk.chat.rename(desk.chat._open.unsent.conversation.id, "  A greeting ")
    desk.settle()
    assert desk.last(Renamed).title == "A greeting"
    assert desk.last(ListChanged).conversations[0].title == "A greeting"


def test_what_the_model_does_not_see_is_said(desk: Desk) -> None:
    desk.load()
    request = desk.send("Hi")
    desk.say(Started(request.id, (1,), request.sampling, 1, dropped_messages=3, unseen_before=4))
    assert desk.last(ContextDropped).turns == 4


def test_a_reply_can_be_continued_as_one_message(desk: Desk) -> None:
    desk.load()
    request = desk.send("Hi")
    desk.stream(request, "Good")
    desk.finish(request, "length")
    desk.chat.continue_reply()
    again = desk.asked()
    assert again.prompt[-1] == ChatMessage("assistant", "Good", (10,))
    desk.say(Started(again.id, (1, 2, 3, 10), again.sampling, 1))
    desk.stream(again, " day", " to you")
    assert desk.last(TurnGrew).text == " to you"
    desk.finish(again)
    turn = desk.last(TurnReplaced).turn
    assert (turn.text, turn.version, turn.versions) == ("Good day to you", 2, 2)
    assert desk.send("And?").prompt[1] == ChatMessage("assistant", "Good day to you", (10, 10, 11))


def test_a_continuation_without_a_word_leaves_the_reply_alone(desk: Desk) -> None:
    desk.load()
    desk.answer("Hi", "Good")
    desk.chat.continue_reply()
    request = desk.asked()
    desk.say(Started(request.id, (1,), request.sampling, 1))
    desk.finish(request)
    assert desk.texts() == ["Hi", "Good"]
    assert desk.chat._open.turns[-1].versions == 1


def test_an_edited_question_is_asked_again_and_the_old_one_stays(desk: Desk) -> None:
    desk.load()
    desk.answer("Hi", "One")
    desk.chat.edit(desk.chat._open.turns[0].id, "Hello")
    request = desk.asked()
    assert request.prompt == (ChatMessage("user", "Hello"),)
    desk.stream(request, "Two")
    desk.finish(request)
    assert desk.texts() == ["Hello", "Two"]
    assert (desk.chat._open.turns[0].version, desk.chat._open.turns[0].versions) == (2, 2)
    desk.chat.choose_version(desk.chat._open.turns[0].id, -1)
    desk.settle()
    assert desk.texts() == ["Hi", "One"]


def test_an_edited_reply_is_not_asked_and_is_read_as_text(desk: Desk) -> None:
    desk.load()
    desk.answer("Hi", "One")
    desk.chat.edit(desk.chat._open.turns[1].id, "Uno")
    desk.settle()
    assert desk.texts() == ["Hi", "Uno"]
    assert desk.send("And?").prompt[1] == ChatMessage("assistant", "Uno")


def test_continuing_an_edited_reply_keeps_no_ids(desk: Desk) -> None:
    desk.load()
    desk.answer("Hi", "One")
    desk.chat.edit(desk.chat._open.turns[1].id, "Uno")
    desk.settle()
    desk.chat.continue_reply()
    request = desk.asked()
    desk.stream(request, " two")
    desk.finish(request)
    assert desk.texts() == ["Hi", "Uno two"]
    assert not desk.send("And?").prompt[1].token_ids


def test_deleted_messages_come_back(desk: Desk) -> None:
    desk.load()
    desk.answer("Hi", "One")
    desk.answer("More", "Two")
    desk.chat.delete_turn(desk.chat._open.turns[2].id)
    desk.settle()
    assert desk.texts() == ["Hi", "One"]
    desk.chat.undo()
    desk.settle()
    assert desk.texts() == ["Hi", "One", "More", "Two"]
    desk.chat.clear()
    desk.settle()
    assert desk.texts() == []
    desk.chat.undo()
    desk.settle()
    assert desk.texts() == ["Hi", "One", "More", "Two"]


def test_a_pinned_message_is_known_as_such(desk: Desk) -> None:
    desk.load()
    desk.answer("Hi", "One")
    desk.chat.pin_turn(desk.chat._open.turns[0].id, True)
    desk.settle()
    assert desk.last(TurnReplaced).turn.is_pinned
    desk.chat.open(desk.chat.open_id)
    desk.settle()
    assert [turn.is_pinned for turn in desk.chat._open.turns] == [True, False]


def test_opening_at_a_message_of_another_branch(desk: Desk) -> None:
    desk.load()
    desk.answer("Hi", "One")
    first = desk.chat._open.turns[1].id
    desk.chat.regenerate()
    request = desk.asked()
    desk.stream(request, "Two")
    desk.finish(request)
    desk.chat.open(desk.chat.open_id, first)
    desk.settle()
    assert desk.texts() == ["Hi", "One"]
    assert desk.last(Found).id == first


def test_the_unsent_text_is_counted_one_question_at_a_time(desk: Desk) -> None:
    desk.load()
    for text in ("H", "He", "Hel"):
        desk.chat.set_draft(text)
    first = desk.engine.requests[-1]
    assert first.text == "H"
    assert len([r for r in desk.engine.requests if isinstance(r, Count)]) == 1
    desk.say(Counted(first.id, 1))
    second = desk.engine.requests[-1]
    assert second.text == "Hel"
    desk.say(Counted(second.id, 2))
    assert desk.last(StatusChanged).draft_tokens == 2
    desk.chat.set_draft("")
    assert desk.last(StatusChanged).draft_tokens == 0


def test_a_full_context_may_stop_and_ask(desk: Desk) -> None:
    desk.load()
    desk.answer("Hi", "One")
    desk.chat.pin_turn(desk.chat._open.turns[0].id, True)
    desk.chat.set_setting("overflow", "ask")
    request = desk.send("More")
    assert request.overflow == "refuse"
    assert [message.is_pinned for message in request.prompt] == [True, False, False]
    desk.fail(request, Fault.CONTEXT_FULL, tokens="70", limit="64")
    assert desk.last(NoticeChanged).notice.action == "drop_oldest"
    desk.chat.act("drop_oldest")
    assert desk.asked().overflow == "drop"


def test_texts_that_end_a_reply_go_along(desk: Desk) -> None:
    desk.load()
    desk.chat.set_setting("stop", "User:\n\\n\\n\n\n")
    assert desk.send("Hi").stop == ("User:", "\n\n")
    desk.chat.stop()
    desk.chat.new()
    assert desk.send("Hi").stop == ()
