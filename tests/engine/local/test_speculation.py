"""Guessing ahead changes nothing but the time: the same tokens and distribution, and no guesses that do not pay."""

import json
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from msgspec import structs

from chatdesk.engine.api import DraftFinished, Finished, Generate, Load, Loaded, TokenEvent
from chatdesk.engine.local import LocalEngine, speculation
from chatdesk.engine.local.cache import Batch
from chatdesk.engine.local.lean import race
from chatdesk.engine.local.lean import step as steps
from chatdesk.engine.local.lean.compiler import COMPILER
from chatdesk.engine.local.lean.description import ARCHITECTURES
from chatdesk.engine.local.speculation import Lookup, Pace
from chatdesk.remarks import Remark
from tests.engine.checkpoints import CORE, make_checkpoint
from tests.engine.local.driving import GREEDY, NEUTRAL, generate, ids_of, load, only
from tests.engine.local.greedy import prompt_of

LONG = structs.replace(GREEDY, max_new_tokens=48)
WARM = structs.replace(NEUTRAL, max_new_tokens=48)
PROMPT = "the quick brown fox jumps over the lazy dog, and the quick brown fox jumps over"


class Oracle:
    """Knows how a text goes on, and is wrong now and then."""

    known: Sequence[int] = ()
    source = random.Random(1)

    def guess(self, text: Sequence[int], most: int) -> list[int]:
        future = self.known[len(text) : len(text) + most] if list(self.known[: len(text)]) == list(text) else []
        return [i if self.source.random() < 0.8 else self.source.randrange(2, 200) for i in future or [5] * most]


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory):
    """Makes a checkpoint and loads it once for all tests."""
    made: dict[str, LocalEngine] = {}

    def make(model_type: str = "llama") -> LocalEngine:
        if model_type not in made:
            made[model_type] = LocalEngine()
            load(made[model_type], make_checkpoint(tmp_path_factory.mktemp(model_type), model_type))
            object.__setattr__(made[model_type]._loaded().checkpoint, "eos_ids", frozenset())
        return made[model_type]

    yield make
    for engine in made.values():
        engine.close()


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Guesses at once whether they pay or not; how many tokens were read at a time."""
    monkeypatch.setattr(Pace, "may_guess", property(lambda _: True))
    counts: list[int] = []
    plain = Batch.read

    def count(batch: Batch, ids: Sequence[int]) -> torch.Tensor:
        counts.append(len(ids))
        return plain(batch, ids)

    monkeypatch.setattr(Batch, "read", count)
    return counts


def without(engine: LocalEngine, *args, **more):
    """The same request without guesses."""
    generator = engine._loaded()
    generator.guesses = False
    events = generate(engine, *args, **more)
    generator.guesses = True
    return events


@pytest.mark.parametrize("model_type", [*CORE, "gemma2", "mamba"])
@pytest.mark.parametrize("sampling", [LONG, WARM], ids=["greedy", "sampled"])
def test_the_same_tokens(engines, read, monkeypatch, model_type, sampling):
    """Also with a guesser that is wrong one time in five; probabilities, too."""
    engine = engines(model_type)
    theirs = without(engine, PROMPT, sampling, seed=3, top_logprobs=2)
    found = generate(engine, PROMPT, sampling, seed=3, top_logprobs=2)
    monkeypatch.setattr(speculation, "Lookup", Oracle)
    prompt = engine._loaded().checkpoint.tokens.encode(PROMPT)
    monkeypatch.setattr(Oracle, "known", [*prompt, *ids_of(theirs)])
    again = generate(engine, PROMPT, sampling, seed=3, top_logprobs=2)
    assert ids_of(found) == ids_of(again) == ids_of(theirs)
    for ours, plain in zip(again, theirs, strict=True):
        if isinstance(ours, TokenEvent):
            assert ours.text == plain.text
            assert ours.logprob == pytest.approx(plain.logprob, abs=1e-3)
    assert bool(read) == (model_type not in ("mamba", "gemma2", "mistral"))  # these have sliding windows


@pytest.mark.parametrize("model_type", list(ARCHITECTURES))
def test_the_same_tokens_by_lean_reading(engines, read, monkeypatch, model_type):
    """Several tokens at once by the kernels, over the end of a buffer, too."""
    monkeypatch.setenv("CHATDESK_CACHE", str(Path(__file__).parents[3] / ".pytest_cache"))
    monkeypatch.delenv("CHATDESK_LEAN", raising=False)
    monkeypatch.setattr(race, "TRIALS", 0)
    assert COMPILER.wait()
    engine = engines(model_type)
    runner = engine._loaded()._cache.runner
    runner.steps = steps.LeanMaker(engine._loaded().checkpoint.model, runner.brake.check)
    engine._loaded()._cache.forget()
    several: list[int] = []
    usual: list[bool] = []
    plain, reading = steps.LeanStep.__call__, Pace.reading

    def call(step: steps.LeanStep, ids: Sequence[int], position: int) -> torch.Tensor:
        several.extend([len(ids)] if len(ids) > 1 else [])
        return plain(step, ids, position)

    def note(pace: Pace, seconds: float, tokens: int, is_usual: bool) -> None:
        usual.append(is_usual)
        reading(pace, seconds, tokens, is_usual)

    monkeypatch.setattr(steps.LeanStep, "__call__", call)
    monkeypatch.setattr(Pace, "reading", note)
    prompt_text = prompt_of(engine, 230, 1)
    theirs = without(engine, prompt_text, LONG)
    monkeypatch.setattr(speculation, "Lookup", Oracle)
    prompt = engine._loaded().checkpoint.tokens.encode(prompt_text)
    monkeypatch.setattr(Oracle, "known", [*prompt, *ids_of(theirs)])
    for sampling in (LONG, WARM):
        assert ids_of(generate(engine, prompt_text, sampling, seed=2)) == ids_of(
            without(engine, prompt_text, sampling, seed=2)
        )
    is_served = runner.steps.is_on
    assert bool(several) == is_served
    assert (0 < usual.count(False) < usual.count(True)) == is_served  # the first ones over a buffer make the others
    assert not several or max(several) == steps.TOKENS
    runner.steps.is_on = False
    engine._loaded()._cache.forget()


def test_a_reading_of_several_that_is_wrong_is_tried_once(engines, read, monkeypatch):
    """And the model's own forward reads the guesses."""
    monkeypatch.setenv("CHATDESK_CACHE", str(Path(__file__).parents[3] / ".pytest_cache"))
    monkeypatch.setattr(race, "TRIALS", 0)
    assert COMPILER.wait()
    engine, tried = engines("llama"), list[int]()
    runner = engine._loaded()._cache.runner
    runner.steps = steps.LeanMaker(engine._loaded().checkpoint.model, runner.brake.check)
    runner.steps.is_on = True
    plain = steps.check

    def check(found: torch.Tensor, expected: torch.Tensor, dtype: torch.dtype) -> None:
        if len(found) > 1:
            tried.append(len(found))
            raise ValueError("wrong")
        plain(found, expected, dtype)

    monkeypatch.setattr(steps, "check", check)
    theirs = ids_of(without(engine, PROMPT, LONG))
    monkeypatch.setattr(speculation, "Lookup", Oracle)
    monkeypatch.setattr(Oracle, "known", [*engine._loaded().checkpoint.tokens.encode(PROMPT), *theirs])
    assert ids_of(generate(engine, PROMPT, LONG)) == theirs
    assert len(read) > 3
    assert len(tried) == 1
    runner.steps.is_on = False
    engine._loaded()._cache.forget()


def test_the_distribution_is_the_models(engines, read, monkeypatch):
    """The second token of 600 replies, all with wrong guesses: chi-squared within 5 standard deviations."""
    engine = engines("llama")
    monkeypatch.setattr(speculation, "Lookup", Oracle)
    monkeypatch.setattr(Oracle, "known", ())
    three = structs.replace(NEUTRAL, temperature=0.5, max_new_tokens=3)  # behind the last nothing is guessed
    pairs = Counter(tuple(ids_of(generate(engine, PROMPT, three, seed=seed))[:2]) for seed in range(600))
    assert read
    generator = engine._loaded()
    ids = generator.checkpoint.tokens.encode(PROMPT)
    with torch.inference_mode():
        first = (generator.checkpoint.model(torch.tensor([ids])).logits[0, -1] / 0.5).softmax(-1)
        best = first.topk(12).indices.tolist()
        expected = {}
        for token in best:
            second = (generator.checkpoint.model(torch.tensor([[*ids, token]])).logits[0, -1] / 0.5).softmax(-1)
            expected |= {(token, i): 600 * float(first[token] * second[i]) for i in second.topk(5).indices.tolist()}
    common = {pair: count for pair, count in expected.items() if count >= 5}
    assert len(common) >= 4
    chi = sum((pairs[pair] - count) ** 2 / count for pair, count in common.items())
    assert chi < len(common) + 5 * (2 * len(common)) ** 0.5


@pytest.mark.parametrize("limit", range(1, 9))
def test_a_reply_ends_inside_a_guess(engines, read, limit):
    """At its length, and what is asked next is right."""
    engine = engines("llama")
    short = structs.replace(GREEDY, max_new_tokens=limit)
    events = generate(engine, PROMPT, short)
    assert only(events, Finished).new_tokens == limit
    assert only(events, DraftFinished).reason == "length"
    assert ids_of(events) == ids_of(without(engine, PROMPT, short))
    assert ids_of(generate(engine, PROMPT, LONG)) == ids_of(without(engine, PROMPT, LONG))


def test_a_cancel_inside_a_guess(engines, read):
    """At any token; what is asked next is right."""
    engine = engines("llama")
    whole = ids_of(without(engine, PROMPT, LONG))
    for stop in range(1, 20, 3):
        events = []
        for event in engine.run(Generate(9, PROMPT, LONG)):
            events.append(event)
            if len(ids_of(events)) == stop:
                engine.cancel(9)
        assert ids_of(events) == whole[:stop]
        assert ids_of(generate(engine, PROMPT, LONG)) == whole


def test_lookup_finds_the_last_place():
    """What followed the last three tokens, where they stood last before."""
    lookup = Lookup()
    text = [1, 2, 3, 4, 5, 1, 2, 3, 6, 7, 1, 2, 3]
    assert lookup.guess(text, 3) == [6, 7, 1]
    assert lookup.guess([*text, 6, 7], 2) == [1, 2]
    assert lookup.guess([*text, 6, 7, 9], 2) == []
    assert Lookup().guess([1, 2], 3) == []
    assert Lookup().guess([1, 2, 3, 1, 2, 3], 0) == []


SOURCE = list(range(100, 160))


def guesses_for(reply: Sequence[int], lookup: Lookup) -> list[list[int]]:
    """What is guessed after each token of a reply to `SOURCE`."""
    return [lookup.guess([*SOURCE, *reply[:end]], 3) for end in range(1, len(reply) + 1)]


@pytest.mark.parametrize(
    ("change", "then"),
    [
        ([7], [111, 112, 113]),  # 110 in other words
        ([113], [114, 115, 116]),  # 110 to 112 left out
    ],
)
def test_lookup_goes_on_behind_what_was_changed(change, then):
    """At once, where the text was followed for long enough."""
    assert guesses_for([*range(100, 110), *change], Lookup())[-1] == then
    assert guesses_for([*range(105, 110), *change], Lookup())[-1] == []


def test_lookup_does_not_insist():
    """Where a text did not come back, it is not thought to the next time; it is again once it would have."""
    lookup, reply, guessed = Lookup(), list[int](), []
    for part, others in enumerate((1, 1, 4, 1, 1)):  # nine tokens of the source, then so many in place of the tenth
        reply += SOURCE[10 * part : 10 * part + 9]
        for word in range(others):
            reply.append(1 + 10 * part + word)
            found = lookup.guess([*SOURCE, *reply], 1)
            guessed += [bool(found)] if word == 0 else []
    assert guessed == [True, True, True, False, True]


def test_pace_stops_where_guesses_do_not_pay():
    """Reading takes three times a single token: two tokens each time do not pay, four do."""
    pace = Pace()
    assert not pace.may_guess
    for _ in range(4):
        pace.single(1.0)
    assert pace.may_guess
    rest = 0
    for brings in (4, 4, 4, 1, 1, 1, 1):
        if pace.may_guess:
            pace.reading(3.0, brings)
        while not pace.may_guess:
            pace.single(1.0)
            rest += 1
    assert rest >= 16 + 32
    pace.begin()
    assert pace.may_guess


def test_a_reading_that_makes_the_next_ones_quick_says_nothing_of_them():
    """Else guesses would stop for a while each time that the buffers grow."""
    pace = Pace()
    for _ in range(4):
        pace.single(1.0)
    pace.reading(30.0, 4, is_usual=False)
    assert pace.may_guess
    pace.reading(2.0, 4)
    pace.reading(30.0, 4, is_usual=False)
    assert pace.may_guess
    pace.reading(30.0, 4)
    assert not pace.may_guess


def test_wrong_guesses_cost_little():
    """A thousand tokens with a guesser that is always wrong, reading at 2.2 times a single token: under a twentieth."""
    pace, seconds, tokens = Pace(), 0.0, 0
    while tokens < 1000:
        if pace.may_guess:
            pace.reading(2.2, 1)
            seconds += 2.2
        else:
            pace.single(1.0)
            seconds += 1.0
        tokens += 1
    assert seconds < 1050


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory):
    """A checkpoint, and two to guess for it, of the same tokenizer; Qwen2's adds a token of its own."""
    place = tmp_path_factory.mktemp("pair")
    small = {"num_hidden_layers": 1, "hidden_size": 16, "intermediate_size": 32}
    return (
        make_checkpoint(place / "large", "llama"),
        make_checkpoint(place / "small", "qwen2", config=small),
        make_checkpoint(place / "mamba", "mamba"),
    )


def with_draft(model: Path, draft: Path) -> LocalEngine:
    engine = LocalEngine()
    loaded = list(engine.run(Load(1, str(model), "cpu", "float32", draft=str(draft))))[-1]
    assert isinstance(loaded, Loaded), loaded
    object.__setattr__(engine._loaded().checkpoint, "eos_ids", frozenset())
    return engine


@pytest.mark.parametrize("which", ["small", "the same", "mamba"])
@pytest.mark.parametrize("sampling", [LONG, WARM], ids=["greedy", "sampled"])
def test_a_draft_model_changes_nothing(pair, read, which, sampling):
    """Whether it is wrong always, never, or has a cache that cannot be trimmed."""
    engine = with_draft(pair[0], pair[["the same", "small", "mamba"].index(which)])
    prompts = [PROMPT, PROMPT + " and on", PROMPT + " and up"]
    for prompt in prompts:
        theirs = ids_of(without(engine, prompt, sampling, seed=5))
        read.clear()
        assert ids_of(generate(engine, prompt, sampling, seed=5)) == theirs
        assert read
        if which == "the same" and sampling is LONG:
            assert sum(count > 2 for count in read) <= len(theirs) / 8 + 1  # the draft model reads two at once
    engine.close()


def test_a_draft_model_that_cannot_be_used_is_left_out(pair, tmp_path):
    """Another tokenizer, or no checkpoint: a remark, and the model is there."""
    other = make_checkpoint(tmp_path / "other", "llama")
    tokenizer = json.loads((other / "tokenizer.json").read_text())
    ids = tokenizer["model"]["vocab"]
    ids["a"], ids["b"] = ids["b"], ids["a"]
    (other / "tokenizer.json").write_text(json.dumps(tokenizer))
    for draft in (other, tmp_path / "nothing"):
        engine = with_draft(pair[0], draft)
        assert Remark.DRAFT_UNUSED in engine._loaded().checkpoint.info.remarks
        assert only(generate(engine, PROMPT, GREEDY), Finished).new_tokens == 16
        engine.close()


def test_a_cancelled_draft_model(pair):
    """While it reads or guesses: the reply is cancelled, and what is asked next is right."""
    engine = with_draft(pair[0], pair[1])
    whole = ids_of(without(engine, PROMPT, LONG))
    for stop in (5, 9, 14):
        events = []
        for event in engine.run(Generate(9, PROMPT, LONG)):
            events.append(event)
            if len(ids_of(events)) == stop:
                engine.cancel(9)
        assert ids_of(events) == whole[:stop]
        assert ids_of(generate(engine, PROMPT, LONG)) == whole
    engine.close()
