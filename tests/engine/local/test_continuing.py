"""Replies that are gone on with, and talks whose roles do not alternate, through templates that mind."""

import pytest

from chatdesk.engine.api import Finished, Generate, MakePrompt, Read, Started, TokensRead
from chatdesk.errors import UserError
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


def test_what_the_template_opens_is_said_and_not_opened_twice(made):
    """A reply holds the opening in front of its tokens, and is continued with their very ids."""
    engine = made(OPENS_THOUGHTS)
    asked = only(generate(engine, (user("Who?"),)), Started)
    assert asked.opening == "<think>\n"
    assert engine._loaded().checkpoint.info.thinks
    assert not made(CHATML)._loaded().checkpoint.info.thinks
    assert only(generate(made(CHATML), (user("Who?"),)), Started).opening == ""
    ids = tuple(i for letter in "the dog" for i in engine._loaded().checkpoint.tokens.encode(letter))
    for text in ("<think>\nthe dog", "<think>the dog"):  # the second from another program
        again = only(generate(engine, (user("Who?"), assistant(text, ids))), Started)
        assert (again.prompt_token_ids, again.opening) == (asked.prompt_token_ids + ids, "")
    text = prompt_of(engine, user("Who?"), assistant("<think>\na man"))
    assert text.endswith(f"{END}\n{START}assistant\n<think>\na man")
    for message in (assistant("<think>\nthe dog"), assistant("<think>\nthe dog", ids)):
        read = only(list(engine.run(Read(9, (user("Who?"), message)))), TokensRead)
        assert "".join(token.text for token in read.tokens) == "the dog"


@pytest.mark.parametrize("is_last", [True, False])
@pytest.mark.parametrize("strange", [10**6, 2**40, 2**70])
def test_ids_that_the_model_does_not_have_are_another_checkpoints(made, is_last, strange):
    """One that was trained anew in its folder has another vocabulary: the text of a reply stands for its ids."""
    engine = made(CHATML)
    known = tuple(engine._loaded().checkpoint.tokens.encode("the dog"))
    for ids in ((strange,), (*known, strange)):
        talk = (user("Who?"), assistant("the dog", ids), *(() if is_last else (user("Which?"),)))
        plain = (user("Who?"), assistant("the dog"), *talk[2:])
        assert prompt_of(engine, *talk) == prompt_of(engine, *plain)
        (made_of,) = engine.run(MakePrompt(8, talk))
        assert (made_of.token_ids,) == tuple(each.token_ids for each in engine.run(MakePrompt(8, plain)))
        if is_last:
            read = only(list(engine.run(Read(9, talk))), TokensRead)
            assert tuple(token.id for token in read.tokens) == known


def test_an_id_below_0_is_refused_in_a_sentence(made):
    engine, talk = made(CHATML), (user("Who?"), assistant("the dog", (5, -1)))
    for request in (Generate(7, talk), Generate(7, (*talk, user("Which?"))), MakePrompt(8, talk), Read(9, talk)):
        (failed,) = engine.run(request)
        said = str(UserError(failed.fault, **failed.fields))
        assert said == "token_ids is -1; it must be a token's number, from 0 on."


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


def test_a_talk_that_begins_with_a_reply_where_roles_must_alternate(made):
    """From another program, say. What the system says goes before it where the template has no place for that."""
    strict, free = made(ALTERNATES), made(CHATML)
    talk = (assistant("Hello"), assistant("there"), user("Hi"))
    assert prompt_of(strict, *talk) == prompt_of(free, user(""), assistant("Hello\n\nthere"), user("Hi"))
    assert prompt_of(free, *talk) == f"{START}assistant\nHello{END}\n" + prompt_of(free, *talk[1:])
    told = (system("Be kind."), *talk)
    assert prompt_of(strict, *told) == prompt_of(free, user("Be kind."), assistant("Hello\n\nthere"), user("Hi"))
    set_aside = (
        "{% if messages[0].role == 'system' %}({{ messages[0].content }}){% set messages = messages[1:] %}{% endif %}"
    )
    assert prompt_of(made(set_aside + ALTERNATES), *told) == "(Be kind.)" + prompt_of(strict, *talk)
    ids = tuple(i for letter in "the dog" for i in strict._loaded().checkpoint.tokens.encode(letter))
    asked = only(generate(strict, (assistant("the dog", ids), user("Hi"))), Started).prompt_token_ids
    assert any(asked[at : at + len(ids)] == ids for at in range(len(asked)))
    ends = generate(strict, (assistant("the dog", ids),))  # a reply to nothing that goes on
    assert ends[-1].__class__ is Finished
    assert only(ends, Started).prompt_token_ids[-len(ids) :] == ids
    refuses = made("{{ raise_exception('never') }}")
    assert generate(refuses, (assistant("Hello"), user("Hi")))[-1].fault == "chat_template"
