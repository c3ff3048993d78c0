"""The line under the text says what the model does."""

import pytest

from chatdesk.tasks.writing_changes import WritingEnded, WritingStarted
from chatdesk.ui.writing.hint import Hint


@pytest.fixture
def hint(qtbot):
    made = Hint()
    qtbot.addWidget(made)
    return made


def test_after_thoughts_it_says_again_how_the_model_writes(hint):
    hint.say_started(WritingStarted("continue", ("a",), unseen=120), has_after=True)
    started = hint.words()
    assert "it sees only what stands before" in started
    assert "the first 120 characters" in started
    hint.say_thinking(True)
    assert hint.words() == "The model thinks…"
    hint.say_thinking(False)
    assert hint.words() == started


def test_a_model_that_only_thought_is_told_from_one_that_has_nothing_to_say(hint):
    words = {}
    for name, change in (
        ("thought", WritingEnded("template", "length", is_only_thought=True)),
        ("nothing", WritingEnded("template", "stop")),
    ):
        hint.say_ended(change, had_ghost=True, has_ghost=False)
        words[name] = hint.words()
    assert "thought until its room was used up" in words["thought"]
    assert words["nothing"] == "The model had nothing to add."
    hint.say_ended(WritingEnded("selection", "length", is_only_thought=True), had_ghost=False, has_ghost=False)
    assert hint.words() == words["thought"]
