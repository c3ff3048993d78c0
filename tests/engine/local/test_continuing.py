"""Replies that are gone on with, and talks whose roles do not alternate, through templates that mind."""

import pytest

from chatdesk.engine.api import Finished, Started
from tests.engine.checkpoints import END, START
from tests.engine.local.driving import generate, only
from tests.engine.local.talks import CHATML, assistant, prompt_of, system, user

ASKS = "{{ '<|start|>assistant\\n' }}"
OPENS_THOUGHTS = CHATML.replace(ASKS, ASKS.replace("assistant\\n", "assistant\\n<think>\\n")).replace(
    "message['content']", "message['content'].split('</think>')[-1]"
)
FOLDS_THOUGHTS = CHATML.replace(
    "message['content']",
    "('<think>\\n\\n</think>\\n\\n' if loop.last and message['role'] != 'user' else '') + message['content']",
)
TRIMS = CHATML.replace("message['content']", "message['content'] | trim")


@pytest.mark.parametrize(
    ("template", "reply"),
    [
        (OPENS_THOUGHTS, "a man\n</think>\n\nIt is"),
        (OPENS_THOUGHTS, "a man who"),
        (FOLDS_THOUGHTS, "<think>\nhe is"),
        (TRIMS, "the dog "),
        (TRIMS, " the dog"),
    ],
)
def test_a_reply_is_continued_as_it_was_begun(made, template, reply):
    """Behind what asked for it, letter for letter, and with its very ids."""
    engine = made(template)
    tokens = engine._loaded().checkpoint.tokens
    asked = only(generate(engine, (user("Who?"),)), Started).prompt_token_ids
    ids = tuple(i for letter in reply for i in tokens.encode(letter))
    assert len(ids) > len(tokens.encode(reply))
    continued = only(generate(engine, (user("Who?"), assistant(reply, ids))), Started).prompt_token_ids
    assert continued == asked + ids
    assert prompt_of(engine, user("Who?"), assistant(reply)) == tokens.decode(asked, skip_special=False) + reply


def test_a_reply_that_holds_the_opening_of_its_thoughts(made):
    """From another program, say: they are not opened twice."""
    text = prompt_of(made(OPENS_THOUGHTS), user("Who?"), assistant("<think>\na man"))
    assert text.endswith(f"Who?{END}\n{START}assistant\n<think>\na man")


ALTERNATES = (
    "{% for message in messages %}{% if (message.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate') }}{% endif %}{% endfor %}" + CHATML
)


def test_messages_in_a_row_where_roles_must_alternate(made):
    """A reply that was stopped before its first word leaves two of the person's; the template would refuse for ever."""
    strict, free = made(ALTERNATES), made(CHATML)
    row = (user("Hi"), user("Are you there?"), assistant("Yes."), assistant("I am."), user("So"))
    joined = (user("Hi\n\nAre you there?"), assistant("Yes.\n\nI am."), user("So"))
    for count in range(1, len(row) + 1):
        assert generate(strict, row[:count])[-1].__class__ is Finished
    assert prompt_of(strict, *row) == prompt_of(strict, *joined) == prompt_of(free, *joined)
    assert prompt_of(free, *row) != prompt_of(free, *joined)
    assert prompt_of(strict, system("Be kind."), *row[:2]).count("Be kind.") == 1
    assert generate(strict, (assistant("Hello"), user("Hi")))[-1].fault == "chat_template"
