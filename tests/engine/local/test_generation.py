"""Generating with a loaded checkpoint: probabilities, drafts, cache, ends, cancelling, faults."""

import itertools
import json
import math
import random
import sys
import threading
import time

import msgspec
import pytest
import torch
from msgspec import structs

from chatdesk.engine.api import (
    Count,
    Counted,
    DraftFinished,
    Failed,
    Finished,
    Generate,
    Ping,
    Pong,
    Progress,
    Sampling,
    Started,
    TokenEvent,
)
from chatdesk.engine.local import LocalEngine
from chatdesk.engine.local.loading import Checkpoint
from chatdesk.engine.local.sampling import FLOOR
from tests.engine.checkpoints import make_checkpoint
from tests.engine.local.driving import GREEDY, NEUTRAL, generate, ids_of, load, only, text_of
from tests.engine.test_out_of_memory import WITHOUT_MEMORY

PROMPT = "Once upon a time there was a small model"


@pytest.fixture
def fresh(gpt2):
    """The tiny GPT-2 with nothing cached."""
    gpt2._loaded()._cache.forget()
    return gpt2


def model_of(engine):
    return engine._loaded().checkpoint.model


def test_order_of_events(fresh):
    """Started, tokens, the end of the draft, Finished; every event carries the request's id."""
    events = generate(fresh, PROMPT)
    kinds = [type(event).__name__ for event in events]
    assert kinds == ["Started", *["TokenEvent"] * 16, "DraftFinished", "Finished"]
    assert {event.request for event in events} == {2}
    finished = only(events, Finished)
    assert finished.new_tokens == 16
    assert finished.prompt_tokens == len(only(events, Started).prompt_token_ids)
    assert finished.ttft_s > 0
    assert finished.tokens_per_s > 0


def test_text_is_the_decode_of_the_tokens(fresh):
    """All increments joined."""
    events = generate(fresh, PROMPT, structs.replace(NEUTRAL, max_new_tokens=60), seed=5)
    assert text_of(events) == fresh._loaded().checkpoint.tokens.decode(ids_of(events))


@pytest.mark.parametrize("model_type", ["gpt2", "bloom"])
def test_logprobs_equal_a_plain_forward(checkpoint, model_type):
    """To 1e-4, for the chosen and for the alternatives, whatever the samplers do."""
    engine = LocalEngine()
    load(engine, checkpoint(model_type))
    sampling = Sampling(0.8, 0.9, 40, 0.02, 1.2, 12)
    events = generate(engine, PROMPT, sampling, seed=3, top_logprobs=4)
    prompt, ids = only(events, Started).prompt_token_ids, ids_of(events)
    with torch.inference_mode():
        logits = model_of(engine)(torch.tensor([[*prompt, *ids]])).logits[0].float()
    plain = logits.log_softmax(-1)
    tokens = [event for event in events if isinstance(event, TokenEvent)]
    for place, event in enumerate(tokens, start=len(prompt) - 1):
        assert event.logprob == pytest.approx(float(plain[place, event.id]), abs=1e-4)
        best = plain[place].topk(4)
        assert [token.id for token in event.top] == best.indices.tolist()
        assert [token.logprob for token in event.top] == pytest.approx(best.values.tolist(), abs=1e-4)
        assert FLOOR <= event.sampled_logprob <= 0
    assert json.loads(json.dumps(msgspec.to_builtins(events), allow_nan=False))
    engine.close()


def test_sampled_probabilities_sum_to_one(fresh):
    """Over all tokens as alternatives; those that the samplers took out have the floor."""
    sampling = Sampling(0.7, 0.8, 20, 0.05, 1.1, 3)
    for event in generate(fresh, PROMPT, sampling, seed=1, top_logprobs=100)[1:4]:
        left = [token.sampled_logprob for token in event.top if token.sampled_logprob > FLOOR]
        assert sum(map(math.exp, left)) == pytest.approx(1, abs=1e-4)
        assert len(left) < 100


def test_same_seed_same_text(fresh):
    """And the seed that was used is reported when none was given."""
    first = generate(fresh, PROMPT, NEUTRAL)
    again = generate(fresh, PROMPT, NEUTRAL, seed=only(first, Started).seed)
    assert ids_of(first) == ids_of(again)
    assert ids_of(first) != ids_of(generate(fresh, PROMPT, NEUTRAL, seed=only(first, Started).seed + 1))


@pytest.mark.parametrize("model_type", ["gpt2", "mistral", "recurrent_gemma"])
def test_draft_i_is_the_single_draft_with_seed_plus_i(checkpoint, model_type):
    """Whatever N, and although drafts leave the batch at different times."""
    engine = LocalEngine()
    folder = checkpoint(model_type)
    load(engine, folder)
    end = frozenset(range(0, 400, 12))  # often met, so that drafts end early
    object.__setattr__(engine._loaded().checkpoint, "eos_ids", end)
    sampling = structs.replace(NEUTRAL, top_k=40, max_new_tokens=16)
    together = generate(engine, PROMPT, sampling, seed=50, drafts=4)
    lengths = set()
    for draft in range(4):
        alone = generate(engine, PROMPT, sampling, seed=50 + draft)
        assert ids_of(together, draft) == ids_of(alone)
        assert text_of(together, draft) == text_of(alone)
        lengths.add(len(ids_of(alone)))
    assert len(lengths) > 1
    ends = [event for event in together if isinstance(event, DraftFinished)]
    assert sorted(event.draft for event in ends) == list(range(4))
    engine.close()


@pytest.mark.parametrize(
    ("model_type", "most"), [("gpt2", 60), ("bloom", 60), ("mistral", 9), ("mamba", 0), ("openai-gpt", 0)]
)
def test_cached_prefix_gives_the_same_tokens(checkpoint, model_type, most):
    """Again, shorter, longer, another branch, another text: as with nothing cached.

    Mistral's window is 64 tokens wide here: beyond it nothing can be trimmed. ``most``: tokens reused at least once.
    """
    engine = LocalEngine()
    load(engine, checkpoint(model_type))
    long = " ".join([PROMPT] * 8)
    short = structs.replace(GREEDY, max_new_tokens=6)
    prompts = [PROMPT, PROMPT, PROMPT + " that learned", PROMPT + " in a box", long, long[:-20], long + " a", "world"]
    reused = []
    for prompt in prompts:
        cached = generate(engine, prompt, short)
        engine._loaded()._cache.forget()
        plain = generate(engine, prompt, short)
        assert ids_of(cached) == ids_of(plain), prompt
        assert only(plain, Finished).reused_tokens == 0
        reused.append(only(cached, Finished).reused_tokens)
    assert reused[0] == 0
    assert max(reused) >= most
    assert (max(reused) == 0) == (most == 0)
    engine.close()


def test_a_reply_is_read_from_the_cache(fresh):
    """The next turn feeds only what is new: the last token of the reply was never fed, and one after it."""
    events = generate(fresh, PROMPT)
    prompt = only(events, Started).prompt_token_ids
    tokens = fresh._loaded().checkpoint.tokens
    more = tokens.decode([*prompt, *ids_of(events)]) + " And then"
    finished = only(generate(fresh, more), Finished)
    if tokens.encode(more)[: len(prompt) + 16] == [*prompt, *ids_of(events)]:
        assert finished.reused_tokens == len(prompt) + 15
    else:
        assert finished.reused_tokens >= len(prompt) - 1


def test_end_token(checkpoint):
    """It stops the draft and is not part of it."""
    engine = LocalEngine()
    load(engine, checkpoint("gpt2"))
    plain = ids_of(generate(engine, PROMPT))
    end = plain[5]
    object.__setattr__(engine._loaded().checkpoint, "eos_ids", frozenset([end]))
    events = generate(engine, PROMPT)
    assert ids_of(events) == plain[: plain.index(end)]
    assert only(events, DraftFinished).reason == "stop"
    engine.close()


def test_stop_string(fresh):
    """The text ends before it, wherever the tokens are cut."""
    plain = text_of(generate(fresh, PROMPT, structs.replace(NEUTRAL, max_new_tokens=40), seed=2))
    stop = plain[15:19]
    events = generate(fresh, PROMPT, structs.replace(NEUTRAL, max_new_tokens=40), seed=2, stop=(stop, "never there"))
    assert text_of(events) == plain[: plain.index(stop)]
    assert only(events, DraftFinished).reason == "stop"
    held = generate(fresh, PROMPT, structs.replace(NEUTRAL, max_new_tokens=40), seed=2, stop=(plain[-3:] + "no",))
    assert text_of(held) == plain
    assert only(held, DraftFinished).text.endswith(plain[-3:])


@pytest.mark.parametrize(
    ("sampling", "reason", "new"),
    [
        (structs.replace(GREEDY, max_new_tokens=7), "length", 7),
        (structs.replace(GREEDY, max_new_tokens=None, max_length=30), "length", None),
        (structs.replace(GREEDY, max_new_tokens=None, max_length=5000), "context", None),
    ],
)
def test_lengths(checkpoint, sampling, reason, new):
    """New tokens, prompt and new tokens, the context."""
    engine = LocalEngine()
    load(engine, checkpoint("gpt2"))
    object.__setattr__(engine._loaded().checkpoint, "eos_ids", frozenset())
    prompt = "a" * 384 if reason == "context" else PROMPT
    events = generate(engine, prompt, sampling)
    finished = only(events, Finished)
    whole = 30 if reason == "length" else 512
    assert only(events, DraftFinished).reason == reason
    assert finished.new_tokens == (whole - finished.prompt_tokens if new is None else new)
    engine.close()


@pytest.mark.parametrize("more", [-1, 0, 1])
def test_text_longer_than_the_context(fresh, more):
    """At the last length that fits nothing is dropped; one more token, and one is dropped at the beginning."""
    sampling = structs.replace(GREEDY, max_new_tokens=10)
    text = "a" * (512 - 10 + more)  # one token a letter: "aa" is not in the vocabulary
    assert fresh.count(text) == len(text)
    events = generate(fresh, text, sampling)
    started = only(events, Started)
    assert started.dropped_tokens == max(0, more)
    assert len(started.prompt_token_ids) == min(502, 502 + more)
    assert only(events, Finished).new_tokens == 10


def test_long_wishes_take_a_quarter_of_the_context(fresh):
    """A prompt is not cut further for a length that could never fit."""
    events = generate(fresh, "a" * 600, structs.replace(GREEDY, max_new_tokens=5000))
    assert len(only(events, Started).prompt_token_ids) == 512 - 128
    assert only(events, DraftFinished).reason in ("context", "stop")


@pytest.mark.parametrize("drafts", [1, 3])
def test_cancel_while_decoding(fresh, drafts):
    """What was written is kept, and the end says why."""
    request = Generate(9, PROMPT, structs.replace(NEUTRAL, max_new_tokens=400), drafts=drafts, seed=1)
    events = []
    for event in fresh.run(request):
        events.append(event)
        if isinstance(event, TokenEvent) and len(events) == 10:
            fresh.cancel(9)
    reasons = [event.reason for event in events if isinstance(event, DraftFinished)]
    assert reasons.count("cancelled") == drafts
    assert only(events, Finished).new_tokens < 10 + 2 * drafts
    assert ids_of(generate(fresh, PROMPT)) == ids_of(generate(fresh, PROMPT))


def test_cancel_while_reading_the_prompt(fresh):
    """Between two chunks; the next request uses what was read."""
    text = "a" * 480
    fresh._loaded()._chunk.tokens = 16
    events = []
    for event in fresh.run(Generate(9, text, GREEDY)):
        events.append(event)
        if isinstance(event, Progress):
            fresh.cancel(9)
    assert [event.done for event in events if isinstance(event, Progress)] == [16]
    assert only(events, DraftFinished).reason == "cancelled"
    assert only(events, Finished).new_tokens == 0
    assert only(generate(fresh, text), Finished).reused_tokens == 16


def test_cancel_from_another_thread_is_quick(tmp_path):
    """While a model that takes seconds reads its prompt, at once (two seconds for a busy machine)."""
    size = {"hidden_size": 256, "intermediate_size": 1024, "num_hidden_layers": 8, "max_position_embeddings": 8192}
    folder = make_checkpoint(tmp_path, "llama", config=size)
    engine = LocalEngine()
    load(engine, folder)
    late = []

    def stop():
        late.append(time.perf_counter())
        engine.cancel(9)

    timer = threading.Timer(0.5, stop)
    request = Generate(9, "a" * 8000, GREEDY)
    timer.start()
    events = list(engine.run(request))
    ended = time.perf_counter()
    timer.join()
    assert only(events, DraftFinished).reason == "cancelled"
    assert ended - late[0] < 2
    engine.close()


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("cancels", [500])
def test_many_cancels(tmp_path, cancels):
    """At any moment of reading and writing: 99 of 100 end within 200 ms, and all keep what was written."""
    size = {"hidden_size": 256, "intermediate_size": 1024, "num_hidden_layers": 8, "max_position_embeddings": 8192}
    engine = LocalEngine()
    load(engine, make_checkpoint(tmp_path, "llama", config=size))
    object.__setattr__(engine._loaded().checkpoint, "eos_ids", frozenset())
    source, late = random.Random(1), []
    for i in range(cancels):
        engine._loaded()._cache.forget()
        asked: list[float] = []

        def stop(asked=asked, i=i):
            asked.append(time.perf_counter())
            engine.cancel(100 + i)

        timer = threading.Timer(source.uniform(0.01, 0.8), stop)
        timer.start()
        text = "a" * source.choice([3, 8000])
        events = list(engine.run(Generate(100 + i, text, structs.replace(NEUTRAL, max_new_tokens=8000))))
        late.append(time.perf_counter() - asked[0])
        timer.join()
        assert only(events, DraftFinished).reason == "cancelled"
        assert text_of(events) == engine._loaded().checkpoint.tokens.decode(ids_of(events))
    engine.close()
    late.sort()
    print(f"{cancels} cancels: median {late[len(late) // 2]:.3f} s, p99 {late[len(late) * 99 // 100]:.3f} s")
    assert late[len(late) * 99 // 100] <= 0.2


def test_a_token_the_model_does_not_know(fresh, monkeypatch):
    """A tokenizer with more tokens than the model is an error with a name, before the device sees it."""
    monkeypatch.setattr(Checkpoint, "vocabulary", 70)
    assert generate(fresh, "zzz")[-1].fault == "tensors_do_not_match"


def test_a_fault_leaves_the_cache(fresh):
    """An empty prompt in between costs nothing."""
    prompt = only(generate(fresh, PROMPT), Started).prompt_token_ids
    assert generate(fresh, "")[-1].fault == "empty_prompt"
    assert only(generate(fresh, PROMPT), Finished).reused_tokens == len(prompt) - 1


@pytest.mark.parametrize("model_type", ["gpt2", "mistral", "mamba"])
@pytest.mark.parametrize("layer", [2, 4, 7])
def test_ctrl_c_inside_a_forward_pass(checkpoint, model_type, layer):
    """As it comes on the command line, where the engine runs in the same process: the next reply is as ever."""
    engine = LocalEngine()
    load(engine, checkpoint(model_type))
    expected = ids_of(generate(engine, PROMPT)), ids_of(generate(engine, f"{PROMPT} again"))
    engine._loaded()._cache.forget()
    count = iter(range(1, 10**6))

    def interrupt(*_):
        if next(count) == layer:
            raise KeyboardInterrupt

    blocks = max(
        (m for m in engine._loaded().checkpoint.model.modules() if isinstance(m, torch.nn.ModuleList)), key=len
    )
    hooks = [block.register_forward_pre_hook(interrupt) for block in blocks]
    with pytest.raises(KeyboardInterrupt):
        generate(engine, PROMPT)
    for hook in hooks:
        hook.remove()
    assert (ids_of(generate(engine, PROMPT)), ids_of(generate(engine, f"{PROMPT} again"))) == expected
    engine.close()


@pytest.mark.parametrize("model_type", ["gpt2", "mistral", "mamba"])
def test_a_step_that_is_stopped_between_layers(checkpoint, model_type):
    """Of a prompt and of a reply: cancelled, and the next request answers as if nothing had been."""
    engine = LocalEngine()
    load(engine, checkpoint(model_type))
    expected = ids_of(generate(engine, PROMPT))
    for stop_at in (2, 4, 7):  # layers; there are two in each step
        engine._loaded()._cache.forget()
        asked = itertools.count(1)

        def is_cancelled(stop_at=stop_at, asked=asked):
            return sys._getframe(1).f_code.co_name == "_before_layer" and next(asked) >= stop_at

        events = list(engine._loaded().run(Generate(9, PROMPT, GREEDY), is_cancelled))
        assert only(events, DraftFinished).reason == "cancelled"
        assert ids_of(events) == expected[: (stop_at - 1) // 2]
        assert ids_of(generate(engine, PROMPT)) == expected
    engine.close()


def test_closing_the_iterator_leaves_the_engine_well(fresh):
    """The next request is answered as ever."""
    running = fresh.run(Generate(9, PROMPT, GREEDY))
    next(running)
    next(running)
    running.close()
    again = ids_of(generate(fresh, PROMPT))
    fresh._loaded()._cache.forget()
    assert again == ids_of(generate(fresh, PROMPT))


def test_counting_while_generating(fresh):
    """From another thread, with the same tokenizer."""
    counted: list[int] = []
    done = threading.Event()

    def count():
        while not done.is_set():
            (event,) = fresh.run(Count(77, PROMPT))
            counted.append(event.tokens)
            time.sleep(0.001)  # a window asks less often; without it Python's lock changes hands all the time

    thread = threading.Thread(target=count)
    thread.start()
    events = generate(fresh, PROMPT, structs.replace(NEUTRAL, max_new_tokens=60), seed=1)
    done.set()
    thread.join()
    assert set(counted) == {only(events, Finished).prompt_tokens}
    assert list(fresh.run(Ping(5))) == [Pong(5)]


@pytest.mark.parametrize(
    ("fault", "request_"),
    [
        ("empty_prompt", Generate(3, "")),
        ("empty_prompt", Generate(3, " \n")),
        ("empty_prompt", Generate(3, ())),
        ("both_lengths", Generate(3, "a", Sampling(max_length=5, max_new_tokens=5))),
        ("bad_value", Generate(3, "a", drafts=0)),
        ("bad_value", Generate(3, "a", drafts=65)),
        ("bad_value", Generate(3, "a", seed=-1)),
        ("bad_value", Generate(3, "a", stop=("",))),
        ("bad_value", Generate(3, "a", top_logprobs=-1)),
        ("bad_value", Generate(3, "a b c d e f", Sampling(max_length=2))),
    ],
)
def test_faults(fresh, fault, request_):
    """A request that cannot be answered ends with its fault, and the next one is answered."""
    assert [(event.fault, event.request) for event in fresh.run(request_)] == [(fault, 3)]
    assert only(generate(fresh, "a"), Finished).new_tokens > 0


def test_nothing_loaded():
    """Says so."""
    engine = LocalEngine()
    (event,) = engine.run(Generate(1, "a"))
    assert (type(event), event.fault) == (Failed, "no_model")
    (event,) = engine.run(Count(1, "a"))
    assert event.fault == "no_model"


@pytest.mark.parametrize("error", WITHOUT_MEMORY)
def test_out_of_memory_is_a_fault(fresh, monkeypatch, error):
    """What was written stays valid, and the next request is answered with a fresh cache."""
    runner = fresh._loaded()._cache.runner
    model, calls = runner.model, []

    def forward(*args, **kwargs):
        calls.append(1)
        if len(calls) == 4:
            raise error
        return model(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(runner, "model", forward)
        patch.setattr(runner, "new_cache", lambda: type(runner).new_cache(runner_with(runner, model)))
        events = generate(fresh, PROMPT)
    assert events[-1].fault == "out_of_memory"
    assert len(ids_of(events)) == 3
    assert only(generate(fresh, PROMPT), Finished).reused_tokens == 0


def runner_with(runner, model):
    twin = object.__new__(type(runner))
    twin.__dict__.update(runner.__dict__, model=model)
    return twin


def test_our_own_mistakes_are_raised(fresh, monkeypatch):
    """They are no user errors; the host reports them."""

    def broken(*args, **kwargs):
        raise KeyError("ours")

    monkeypatch.setattr(fresh._loaded()._cache.runner, "model", broken)
    monkeypatch.setattr(fresh._loaded()._cache.runner, "new_cache", lambda: None)
    with pytest.raises(KeyError):
        generate(fresh, PROMPT)


def test_counted(fresh):
    """Tokens of a text without those that the tokenizer adds."""
    assert list(fresh.run(Count(4, "aaaa"))) == [Counted(4, 4)]
