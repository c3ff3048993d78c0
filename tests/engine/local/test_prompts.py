"""Prompts: chat templates, plain dialogue, splicing of kept ids, overflow of a chat."""

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from chatdesk.engine.api import (
    Attend,
    ChatMessage,
    DraftFinished,
    Failed,
    Finished,
    Generate,
    MakePrompt,
    PromptMade,
    Read,
    Started,
)
from chatdesk.engine.local import LocalEngine
from chatdesk.engine.local.prompts import _fewest
from chatdesk.engine.local.tokens import Tokens
from chatdesk.library.dialogues import DIALOGUES, Dialogue
from tests.engine.checkpoints import END, START, make_checkpoint
from tests.engine.local.driving import GREEDY, generate, ids_of, load, only, text_of
from tests.engine.local.talks import CHATML, assistant, prompt_of, system, user

NO_SYSTEM = (
    "{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}" + CHATML
)


def test_template(made):
    """As the template says."""
    text = prompt_of(made(CHATML), system("Be kind."), user("Hi"))
    assert text == f"{START}system\nBe kind.{END}\n{START}user\nHi{END}\n{START}assistant\n"


def test_a_refused_system_message_goes_to_the_user(made):
    """In front of the first one."""
    text = prompt_of(made(NO_SYSTEM), system("Be kind."), user("Hi"), assistant("Yes"), user("So"))
    assert text.startswith(f"{START}user\nBe kind.\n\nHi{END}")
    assert "system" not in text


def test_an_ignored_system_message_goes_to_the_user(made):
    """A template that leaves it out without a word."""
    silent = "{% for m in messages if m.role != 'system' %}[{{ m.role }}]{{ m.content }}{% endfor %}"
    assert prompt_of(made(silent), system("Be kind."), user("Hi")) == "[user]Be kind.\n\nHi"


def test_a_short_system_message_is_not_taken_for_written(made):
    """Because the same word stands in the message."""
    request = Generate(7, (system("French"), user("Translate to French: dog")), GREEDY, dialogue="llama2")
    ids = only(list(made(CHATML).run(request)), Started).prompt_token_ids
    text = made(CHATML)._loaded().checkpoint.tokens.decode(ids, skip_special=False)
    assert text == "[INST] French\n\nTranslate to French: dog [/INST]"


@pytest.mark.parametrize(
    ("behind", "ends"), [(START, True), (f" {START}\n", True), (f"{START}{END}", False), ("", False)]
)
def test_the_end_of_a_turn_ends_a_reply(made, monkeypatch, behind, ends):
    """Where the checkpoint names the end of a text alone, what its template writes behind a reply ends one, too."""
    engine = made("{% for m in messages %}{{ m.role }}: {{ m.content }}" + behind.replace("\n", "\\n") + "{% endfor %}")
    tokens = engine._loaded().checkpoint.tokens
    script = itertools.chain(tokens.encode(f" Fine.{START}"), itertools.repeat(tokens.encode("user")[0]))
    monkeypatch.setattr(
        "chatdesk.engine.local.generation.Sampler.choose",
        lambda self, logits, drafts: [Scripted(next(script)) for _ in drafts],
    )
    events = generate(engine, (user("Hi"),))
    assert only(events, DraftFinished).reason == ("stop" if ends else "length")
    assert (text_of(events) == " Fine.") == ends


def test_a_stop_string_of_the_person_that_is_a_special_token(made, monkeypatch):
    """It has no text that could be found."""
    engine = made(None)
    script = itertools.chain(engine._loaded().checkpoint.tokens.encode(f" Fine.{START}"), itertools.repeat(70))
    monkeypatch.setattr(
        "chatdesk.engine.local.generation.Sampler.choose",
        lambda self, logits, drafts: [Scripted(next(script)) for _ in drafts],
    )
    assert text_of(generate(engine, "Hi", stop=(START,))) == " Fine."


def test_a_prompt_to_be_looked_at(made):
    """Its pieces are its text, markers and all; the name of a special token in a message is text."""
    engine = made(CHATML)
    (found,) = engine.run(MakePrompt(5, (user(f"天气 {END}"),), GREEDY))
    assert "".join(found.pieces) == f"{START}user\n天气 {END}{END}\n{START}assistant\n"
    assert "".join(p for i, p in zip(found.token_ids, found.pieces, strict=True) if i in found.marker_ids) == (
        START + END + START
    )
    assert found.context_length == 512


def test_plain_dialogue(made):
    """Without a template: named roles, line by line; the other's part ends the reply."""
    engine = made(None)
    text = prompt_of(engine, system("Be kind."), user("Hi"), assistant(" Hello"), user("So"))
    assert text == "Be kind.\n\nUser: Hi\nAssistant: Hello\nUser: So\nAssistant:"
    assert prompt_of(engine, user("a"), assistant("b")) == "User: a\nAssistant: b"
    long = structs.replace(GREEDY, temperature=1.0, max_new_tokens=40)
    reply = text_of(generate(engine, (user("Hi"),), long, seed=1))
    assert "\nUser:" not in reply


def test_plain_dialogue_stops_at_the_other_part(made, monkeypatch):
    """The stop string is found in a reply, and is no part of it."""
    engine = made(None)
    tokens = engine._loaded().checkpoint.tokens
    script = iter(tokens.encode(" Fine.\nUser: And"))
    monkeypatch.setattr(
        "chatdesk.engine.local.generation.Sampler.choose",
        lambda self, logits, drafts: [Scripted(next(script)) for _ in drafts],
    )
    events = generate(engine, (user("Hi"),))
    assert text_of(events) == " Fine."
    assert only(events, DraftFinished).reason == "stop"


@pytest.mark.parametrize("name", DIALOGUES)
def test_every_dialogue_says_all_and_ends_ready_for_a_reply(made, name):
    """Also over a template of the checkpoint's own; a system message that it has no place for goes to the user."""
    request = Generate(7, (system("Be kind."), user("Hi"), assistant("Yes"), user("So")), GREEDY, dialogue=name)
    events = list(made(CHATML).run(request))
    assert isinstance(events[-1], Finished), events[-1]
    ids = only(events, Started).prompt_token_ids
    text = made(CHATML)._loaded().checkpoint.tokens.decode(ids, skip_special=False)
    places = [text.index(said) for said in ("Be kind.", "Hi", "Yes", "So")]
    assert places == sorted(places)
    assert START not in text


def test_an_unknown_dialogue(made):
    """Is refused with the names of those there are."""
    failed = list(made(None).run(Generate(7, (user("Hi"),), GREEDY, dialogue="klingon")))[-1]
    assert isinstance(failed, Failed)
    assert failed.fault == "bad_value"
    assert "chatml" in failed.fields["allowed"]


def test_a_stop_string_that_is_a_special_token_ends_a_reply(made, monkeypatch):
    """Special tokens have no text of their own that a stop string could be found in."""
    engine = made(None)
    tokens = engine._loaded().checkpoint.tokens
    form = Dialogue("marked", "{% for message in messages %}{{ message.content }}{% endfor %}", (END,))
    monkeypatch.setitem(DIALOGUES, "marked", form)
    script = iter([*tokens.encode(" Fine."), *tokens.encode(END)])
    monkeypatch.setattr(
        "chatdesk.engine.local.generation.Sampler.choose",
        lambda self, logits, drafts: [Scripted(next(script)) for _ in drafts],
    )
    events = list(engine.run(Generate(7, (user("Hi"),), GREEDY, dialogue="marked")))
    assert text_of(events) == " Fine."
    assert only(events, DraftFinished).reason == "stop"


class Scripted:
    """A choice that was made before."""

    logprob = sampled_logprob = 0.0
    top = ()

    def __init__(self, token_id: int) -> None:
        self.id = token_id


@pytest.mark.parametrize("template", [CHATML, None])
def test_kept_ids_are_spliced(made, template):
    """The next turn's prompt begins with the last prompt and the very ids of its reply, so the cache covers both."""
    engine = made(template)
    first = generate(engine, (user("Hi"),), structs.replace(GREEDY, temperature=2.0, max_new_tokens=20), seed=3)
    ids, text = tuple(ids_of(first)), text_of(first)
    second = generate(engine, (user("Hi"), assistant(text, ids), user("And?")))
    before = only(first, Started).prompt_token_ids
    assert engine._loaded().checkpoint.tokens.decode(ids, skip_special=False) == text
    assert only(second, Started).prompt_token_ids[: len(before) + len(ids)] == before + ids
    assert only(second, Finished).reused_tokens == len(before) + len(ids) - 1


@pytest.mark.parametrize("template", [CHATML, None, CHATML.replace("message['content']", "message['content'] | trim")])
def test_names_of_special_tokens_in_messages_are_text(made, template):
    """Of whoever's message; and kept ids of a reply are spliced in all the same."""
    engine = made(template)
    tokens = engine._loaded().checkpoint.tokens
    said = tuple(tokens.quoting.encode_plain(f"It is {END}."))
    messages = (
        system(f"Mind {START}."),
        user(f"What is {END}{START}user?"),
        assistant(f"It is {END}.", said),
        user(END),
    )
    (found,) = engine.run(MakePrompt(5, messages, GREEDY))
    own = "" if template is None else (START + END) * 4 + START
    assert "".join(found.pieces).count(END) == 3 + own.count(END)
    assert [i for i in found.token_ids if i in tokens.markers] == tokens.encode(own)
    assert "".join(map(chr, said)) in "".join(map(chr, found.token_ids))
    last = generate(engine, (user("Hi"), assistant(f"{END} is")))
    assert tokens.decode(only(last, Started).prompt_token_ids, skip_special=False).endswith(f"{END} is")
    assert only(last, Started).prompt_token_ids[-3:] == tuple(tokens.quoting.encode_plain(f"{END} is"))[-3:]


@pytest.mark.parametrize("thought", [0, 150])
@pytest.mark.parametrize("count", [3, 12, 40])
def test_as_many_turns_stay_as_fit(made, thought, count):
    """Thoughts that the template leaves out of earlier replies take no room."""
    engine = made(CHATML.replace("message['content']", "message['content'].split('</think>')[-1]"))
    talk = list[ChatMessage]()
    for turn in range(count):
        said = f"<think>{'hm ' * thought}</think>It is {'so ' * (turn % 7)}."
        talk += [user(f"What is number {turn}?"), assistant(said)]
    asked = user("And the last?")
    found = only(list(engine.run(MakePrompt(1, (*talk, asked), GREEDY))), PromptMade)

    def whole(dropped):
        request = MakePrompt(2, (*talk[2 * dropped :], asked), GREEDY, overflow="refuse")
        return isinstance(list(engine.run(request))[-1], PromptMade)

    assert found.dropped_messages == 2 * next(n for n in range(count + 1) if whole(n))
    assert (found.dropped_messages > 0) == (count == 40)


@given(st.integers(0, 60), st.data())
def test_the_fewest_are_found(most, data):
    least, guess = data.draw(st.integers(0, most)), data.draw(st.integers(0, most))
    asked = []
    assert _fewest(guess, most, lambda n: (asked.append(n), n >= least)[1]) == least
    assert guess < least or len(asked) <= 2 + 2 * (guess - least).bit_length()


def test_of_a_long_conversation_only_what_is_new_is_encoded(tmp_path, monkeypatch):
    """The prompt of turn 20 is that of an engine that knows nothing of the turns before."""
    engine, fresh = LocalEngine(), LocalEngine()
    folder, encoded = (
        make_checkpoint(tmp_path, chat_template=CHATML, config={"max_position_embeddings": 2048}),
        list[str](),
    )
    plain = Tokens.encode
    monkeypatch.setattr(Tokens, "encode", lambda own, text: [encoded.append(text), plain(own, text)][1])
    for each in (engine, fresh):
        load(each, folder)
    reply = tuple(plain(engine._loaded().checkpoint.tokens, "It is this."))
    talk = list[ChatMessage]()
    for turn in range(20):
        talk.append(user(f"What is number {turn}?"))
        encoded.clear()
        prompt = only(list(engine.run(MakePrompt(1, tuple(talk)))), PromptMade).token_ids
        assert turn == 0 or sum(map(len, encoded)) < 100
        talk.append(assistant("It is this.", reply))
    assert len(prompt) > 400
    assert prompt == only(list(fresh.run(MakePrompt(1, tuple(talk[:-1])))), PromptMade).token_ids
    for each in (engine, fresh):
        each.close()


def test_ids_that_say_something_else_are_not_spliced(made):
    """An edited reply with the ids of the old one is encoded as it reads."""
    engine = made(CHATML)
    tokens = engine._loaded().checkpoint.tokens
    wrong = (user("Hi"), assistant("Yes", tuple(tokens.encode("No"))), user("So"))
    right = (user("Hi"), assistant("Yes"), user("So"))
    assert prompt_of(engine, *wrong) == prompt_of(engine, *right)


def test_unusual_splits_survive(made):
    """Ids that no encoding of the text gives are kept as they are."""
    engine = made(CHATML)
    tokens = engine._loaded().checkpoint.tokens
    letters = tuple(i for letter in "the dog" for i in tokens.encode(letter))
    assert letters != tuple(tokens.encode("the dog"))
    events = generate(engine, (user("Hi"), assistant("the dog", letters), user("So")))
    start = len(tokens.encode(f"{START}user\nHi{END}\n{START}assistant\n"))
    assert only(events, Started).prompt_token_ids[start : start + len(letters)] == letters


@pytest.mark.parametrize("template", [CHATML, None, CHATML.replace("message['content']", "message['content'] | trim")])
def test_a_last_reply_is_continued(made, template):
    """The prompt ends with its text, and what comes is more of it."""
    text = prompt_of(made(template), user("Hi"), assistant("Once upon"))
    assert text.endswith("Once upon")


def test_leading_tokens_of_the_tokenizer(tmp_path):
    """Once: in front of a raw text, and of a chat whose template does not write them itself."""
    silent = "{{ messages[0].content }}"
    for template, start in ((CHATML, f"{START}user"), (silent, f"{START}Hi")):
        engine = LocalEngine()
        load(engine, make_checkpoint(tmp_path / str(len(start)), chat_template=template, adds_start=True))
        assert prompt_of(engine, user("Hi")).startswith(start)
        raw = only(generate(engine, "Hi"), Started).prompt_token_ids
        assert raw[0] == 1
        assert engine.count("Hi") == len(raw) - 1
        engine.close()


def test_variables_of_a_template(made):
    """Special tokens, JSON as transformers writes it, the date, loop controls."""
    template = (
        "{{ bos_token }}{{ {'a': 'é<'} | tojson }}{{ strftime_now('%Y') | length }}"
        "{% for m in messages %}{% generation %}{{ m.content }}{% endgeneration %}{% break %}{% endfor %}"
        "{{ eos_token }}"
    )
    assert prompt_of(made(template), user("Hi")) == START + '{"a": "é<"}4Hi' + END


def chat(turns: int, words: int) -> tuple[ChatMessage, ...]:
    """So many whole turns and a question; every message ``words`` letters, one token each."""
    pairs = [message for i in range(turns) for message in (user("b" * words), assistant(f"{i}" * words))]
    return (system("kind"), *pairs, user("So"))


def test_oldest_turns_are_dropped(made):
    """Whole turns from the oldest on, never the system message or the question; room for the answer is left."""
    engine = made(CHATML)
    for turns in range(2, 12):
        events = generate(engine, chat(turns, 30))
        started = only(events, Started)
        assert started.dropped_messages % 2 == 0
        assert len(started.prompt_token_ids) <= 512 - 16
        text = engine._loaded().checkpoint.tokens.decode(started.prompt_token_ids, skip_special=False)
        assert text.startswith(f"{START}system\nkind{END}\n{START}user\n")
        assert text.endswith(f"So{END}\n{START}assistant\n")
        kept = (2 * turns - started.dropped_messages) // 2
        assert text.count("b" * 30) == kept
        one_more = len(started.prompt_token_ids) + (len(started.prompt_token_ids) - 40) // max(kept, 1)
        assert started.dropped_messages == 0 or one_more > 512 - 16


@pytest.mark.parametrize("more", [-1, 0, 1])
def test_chat_at_the_edge_of_the_context(made, more):
    """The last length at which the old turn still fits."""
    engine = made(CHATML)
    base = (user("b"), assistant("c"), user("So"))
    size = len(only(generate(engine, base), Started).prompt_token_ids)
    grown = (user("b" * (512 - 16 - size + 1 + more)), assistant("c"), user("So"))
    # "bb" is no token of its own, so every letter is one more token
    assert only(generate(engine, grown), Started).dropped_messages == (2 if more > 0 else 0)


def test_a_last_message_that_does_not_fit(made):
    """Refused with both numbers, not cut."""
    (*_, failed) = generate(made(CHATML), (user("a"), assistant("b"), user("c" * 600)))
    assert failed.fault == "prompt_too_long"
    assert failed.fields["limit"] == "512"
    assert int(failed.fields["tokens"]) > 600


def test_a_file_of_megabytes_is_refused_with_both_numbers(made):
    """A template fails at such a text; that it does not fit is what a person can do something about."""
    file = user("cd" * 600_000)
    (*_, failed) = generate(made(CHATML), (user("a"), assistant("b"), file))
    assert (failed.fault, failed.fields["limit"]) == ("prompt_too_long", "512")
    assert int(failed.fields["tokens"]) > 512
    (*_, failed) = generate(made(CHATML), (file, assistant("b"), user("a")), overflow="refuse")
    assert failed.fault == "context_full"
    started = only(generate(made(CHATML), (file, assistant("b"), user("a"))), Started)
    assert started.dropped_messages == 2


def test_a_last_message_that_just_fits(made):
    """It is answered, with less room than wanted."""
    events = generate(made(CHATML), (user("c" * 490),))
    assert only(events, DraftFinished).reason == "context"
    assert 0 < only(events, Finished).new_tokens < 16


@pytest.mark.parametrize("messages", [(), (user(" "),), (user("a"), assistant("b"), user(""))])
def test_empty_prompt(made, messages):
    """Nothing to answer."""
    assert generate(made(CHATML), messages)[-1].fault == "empty_prompt"


def test_a_text_of_which_nothing_is_left(tmp_path):
    """A tokenizer may leave out what has no width: then there is nothing to go on with, to read or to look at."""
    folder = make_checkpoint(tmp_path)
    described = json.loads((folder / "tokenizer.json").read_text())
    described["normalizer"] = {"type": "Replace", "pattern": {"String": "\u200b"}, "content": ""}
    (folder / "tokenizer.json").write_text(json.dumps(described))
    engine = LocalEngine()
    load(engine, folder)
    requests = (Generate(2, "\u200b", GREEDY), MakePrompt(2, "\u200b", GREEDY), Read(2, "\u200b"), Attend(2, "\u200b"))
    assert [list(engine.run(request))[-1].fault for request in requests] == ["empty_prompt"] * 4
    engine.close()


def test_hostile_template_is_a_fault(made):
    """Through the engine; with its reason."""
    failed = generate(made("{{ raise_exception('Not today') }}"), (user("Hi"),))[-1]
    assert failed.fault == "chat_template"
    assert "Not today" in failed.fields["reason"]


def test_pinned_turns_stay_when_older_and_newer_ones_go(checkpoint):
    """The first turn is pinned: the second goes, and the mark stands after it."""
    engine = LocalEngine()
    load(engine, checkpoint("gpt2"))
    said = [ChatMessage("user", f"message number {i} " * 12, is_pinned=i == 0) for i in range(12)]
    messages = [m for question in said for m in (question, ChatMessage("assistant", "yes indeed"))][:-1]
    started = only(generate(engine, tuple(messages)), Started)
    text = engine._generator.checkpoint.tokens.decode(started.prompt_token_ids, skip_special=False)
    assert "message number 0" in text
    assert "message number 1 " not in text
    assert started.unseen_before == started.dropped_messages + 2
    engine.close()


def test_turns_that_do_not_fit_may_be_refused_instead(checkpoint):
    """The sentence says how much there is and how much fits."""
    engine = LocalEngine()
    load(engine, checkpoint("gpt2"))
    turns = [m for _ in range(40) for m in (ChatMessage("user", "word " * 20), ChatMessage("assistant", "yes"))][:-1]
    [failed] = generate(engine, tuple(turns), overflow="refuse")
    assert failed.fault == "context_full"
    assert int(failed.fields["tokens"]) > int(failed.fields["limit"])
    engine.close()
