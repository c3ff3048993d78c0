"""The scripted engine: what it does beyond the contract that every engine passes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatdesk.engine.api import (
    ChatMessage,
    DraftFinished,
    Event,
    Failed,
    Finished,
    Generate,
    Load,
    Loaded,
    Progress,
    Sampling,
    Started,
    TokenEvent,
)
from chatdesk.engine.fake import FakeEngine
from chatdesk.errors import Fault


def loaded(*args, **options) -> FakeEngine:
    engine = FakeEngine(*args, **options)
    assert isinstance([*engine.run(Load(1, "fake:model"))][-1], Loaded)
    return engine


def text_of(events: list[Event], draft: int = 0) -> str:
    return "".join(e.text for e in events if isinstance(e, TokenEvent | DraftFinished) and e.draft == draft)


def test_a_script_is_every_reply() -> None:
    events = list(loaded(["Hello", ",", " you"]).run(Generate(2, "Hi", drafts=2)))
    assert text_of(events, 0) == text_of(events, 1) == "Hello, you"
    assert [e.reason for e in events if isinstance(e, DraftFinished)] == ["stop", "stop"]


def test_a_load_has_the_steps_asked_for() -> None:
    events = list(FakeEngine(load_steps=7).run(Load(1, "fake:model")))
    assert [e.done for e in events if isinstance(e, Progress)] == [1, 2, 3, 4, 5, 6, 7]


@given(
    words=st.lists(st.text("ab\n", min_size=1, max_size=3), max_size=12), stop=st.text("ab\n", min_size=1, max_size=3)
)
def test_text_ends_before_the_stop_string(words: list[str], stop: str) -> None:
    events = list(loaded(words).run(Generate(2, "Hi", stop=(stop,))))
    assert text_of(events) == "".join(words).split(stop)[0]


def test_the_window_fills() -> None:
    engine = loaded(context_length=10)
    events = list(engine.run(Generate(2, "one two three", sampling=Sampling(max_new_tokens=100))))
    assert sum(isinstance(e, TokenEvent) for e in events) == 7
    assert events[-2] == DraftFinished(2, 0, "context")


def test_the_oldest_turns_are_dropped_and_the_system_message_stays() -> None:
    prompt = (
        ChatMessage("system", "be brief"),
        ChatMessage("user", "one two three"),
        ChatMessage("assistant", "four five"),
        ChatMessage("user", "six seven"),
    )
    started = next(iter(loaded(context_length=8).run(Generate(2, prompt))))
    assert isinstance(started, Started)
    assert (started.dropped_messages, len(started.prompt_token_ids)) == (1, 6)
    *_, last = loaded(context_length=3).run(Generate(2, prompt))
    assert isinstance(last, Failed)
    assert last.fault == Fault.PROMPT_TOO_LONG


def test_a_long_text_loses_its_beginning() -> None:
    started = next(iter(loaded(context_length=4).run(Generate(2, "one two three four five"))))
    assert isinstance(started, Started)
    assert (started.dropped_tokens, len(started.prompt_token_ids)) == (2, 3)


def test_out_of_memory_keeps_what_came_before() -> None:
    events = list(loaded().run(Generate(2, "please fake:oom@3")))
    assert sum(isinstance(e, TokenEvent) for e in events) == 3
    assert isinstance(events[-1], Failed)
    assert events[-1].fault == Fault.OUT_OF_MEMORY


def test_an_exception_is_a_mistake_of_ours() -> None:
    with pytest.raises(ZeroDivisionError):
        list(loaded().run(Generate(2, "please fake:raise")))


def test_an_endless_reply_ends_at_its_cap() -> None:
    events = list(loaded(["a", "b"]).run(Generate(2, "fake:endless", sampling=Sampling(max_new_tokens=100))))
    assert isinstance(events[-1], Finished)
    assert events[-1].new_tokens == 100


@pytest.mark.parametrize("word", ["exit", "abort", "kill", "hang", "garbage"])
def test_without_a_process_of_its_own_it_harms_nothing(word: str) -> None:
    *_, last = loaded().run(Generate(2, f"fake:{word}"))
    assert isinstance(last, Finished)
