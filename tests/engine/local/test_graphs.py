"""The decode step over buffers that stay: on the CPU it is called where a GPU replays it; all else is the same."""

import logging

import pytest
import torch
from msgspec import structs

from chatdesk.engine.api import Finished
from chatdesk.engine.local import LocalEngine
from chatdesk.engine.local.cache import Batch
from chatdesk.engine.local.decoding import prefill
from chatdesk.engine.local.graphs import OwnForward, Step, bucket
from chatdesk.engine.local.runner import Runner
from chatdesk.engine.local.speculation import Pace
from tests.engine.checkpoints import SIZES, make_checkpoint
from tests.engine.local.driving import GREEDY, NEUTRAL, converse, generate, ids_of, load, only
from tests.engine.local.greedy import compare, prompt_of

PROMPT = "Once upon a time there was a small model"
WITH_STEPS = {"codegen", "cohere", "falcon", "gemma", "gpt2", "gpt_bigcode", "gpt_neox", "gptj", "granite", "llama"}
WITH_STEPS |= {"olmo", "olmo2", "opt", "phi", "phi3", "qwen2", "qwen3", "qwen3_moe", "smollm3", "stablelm"}


@pytest.fixture(autouse=True)
def _steps_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing is guessed: several tokens read at once are no steps."""
    monkeypatch.setattr(Runner, "STEP_DEVICES", ("cpu", "cuda"))
    monkeypatch.setattr(Pace, "may_guess", False)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The positions that steps were asked for."""
    made: list[int] = []
    plain = Step.__call__

    def call(step: Step, ids: list[int], position: int) -> torch.Tensor:
        made.append(position)
        return plain(step, ids, position)

    monkeypatch.setattr(Step, "__call__", call)
    return made


def maker(engine: LocalEngine):
    return engine._loaded()._cache.runner.steps


def loaded(folder) -> LocalEngine:
    engine = LocalEngine()
    load(engine, folder)
    object.__setattr__(engine._loaded().checkpoint, "eos_ids", frozenset())
    return engine


def test_buckets():
    """Powers of two, then multiples of 4,096; never too small."""
    assert [bucket(n) for n in (1, 256, 257, 4096, 4097, 8193)] == [256, 256, 512, 4096, 8192, 12288]


def test_a_prompt_that_fills_a_bucket_has_the_next(checkpoint):
    """Neither its reply nor the next turn copies what was read into other buffers."""
    engine = loaded(checkpoint("llama"))
    batch = Batch(engine._loaded().cache.runner)
    list(prefill(batch, [5] * 256, engine._loaded()._chunk, lambda: False))
    assert batch.length == 256
    assert {keys.shape[2] for keys, _ in batch._buffers()} == {512}
    engine.close()


def test_one_new_token_is_a_step(checkpoint, monkeypatch, calls):
    """A reply that is written anew or gone on with waits for no forward pass of the model."""
    engine = loaded(checkpoint("llama"))
    events = generate(engine, PROMPT)
    calls.clear()
    monkeypatch.setattr(Batch, "extend", lambda *given: pytest.fail("a forward pass"))
    assert ids_of(generate(engine, PROMPT)) == ids_of(events)
    assert calls[0] == only(events, Finished).prompt_tokens - 1
    engine.close()


@pytest.mark.parametrize("model_type", list(SIZES))
def test_greedy_equals_generate(checkpoint, model_type, calls):
    """With steps where the cache is plain, without them elsewhere; past the end of the first bucket."""
    assert compare(checkpoint(model_type), [1, 244], 20) <= 1
    if model_type in WITH_STEPS:
        assert len(calls) >= 2 * 17
        assert max(calls) > 256
    else:
        assert len(calls) <= 2  # tried at most, and found to be wrong


def test_a_step_is_made_once_for_a_bucket(checkpoint):
    """Other conversations use it again; a longer text makes the next."""
    engine = loaded(checkpoint("llama"))
    for text in (PROMPT, PROMPT + " again", "another text", "and one more"):
        generate(engine, text)
    assert maker(engine).made == 1
    generate(engine, prompt_of(engine, 250, 1))
    assert maker(engine).made == 2
    for text in (PROMPT, "another text"):
        generate(engine, text)
    assert maker(engine).made == 3  # the first bucket again, over the larger buffers
    engine.close()


def test_a_conversation_reuses_what_was_read(checkpoint):
    """After steps, turn after turn and after going back: as with nothing cached."""
    engine = loaded(checkpoint("llama"))
    converse(engine, PROMPT, 8)
    engine.close()


@pytest.mark.parametrize("words", [5, 220])
def test_draft_i_is_the_single_draft_with_seed_plus_i(checkpoint, words):
    """Drafts that end early leave their row unused, and the others go on, into the next bucket, too."""
    engine = loaded(checkpoint("qwen2"))
    object.__setattr__(engine._loaded().checkpoint, "eos_ids", frozenset(range(0, 400, 16)))
    sampling = structs.replace(NEUTRAL, top_k=40, max_new_tokens=40)
    prompt = prompt_of(engine, words, 3)
    together = generate(engine, prompt, sampling, seed=50, drafts=5)
    alone = [generate(engine, prompt, sampling, seed=50 + draft) for draft in range(5)]
    assert [ids_of(together, draft) for draft in range(5)] == [ids_of(events) for events in alone]
    assert len({len(ids_of(events)) for events in alone}) > 1
    assert maker(engine).made > 1
    engine.close()


def test_a_step_that_goes_wrong_is_not_used(checkpoint, monkeypatch, caplog):
    """A model that counts by itself gives other logits: said once, and the ordinary forward goes on."""
    engine = loaded(checkpoint("llama"))
    expected = ids_of(generate(engine, PROMPT))
    engine.close()
    engine = loaded(checkpoint("llama"))
    run = OwnForward.__call__
    monkeypatch.setattr(OwnForward, "__call__", lambda own: run(own).roll(1, -1))
    with caplog.at_level(logging.INFO, "chatdesk.engine.local.graphs"):
        assert ids_of(generate(engine, PROMPT)) == expected
        assert ids_of(generate(engine, PROMPT + "!"))
    assert [record.getMessage().split(":")[0] for record in caplog.records] == ["no graph of the decode step"]
    assert not maker(engine).is_on
    engine.close()


def test_lack_of_memory_costs_the_step_alone(checkpoint, monkeypatch):
    """The reply goes on without; the next text tries again."""
    engine = loaded(checkpoint("llama"))
    expected = ids_of(generate(engine, PROMPT))
    engine.close()
    engine = loaded(checkpoint("llama"))
    asked = []

    def run(own: OwnForward) -> torch.Tensor:
        asked.append(own)
        raise torch.OutOfMemoryError

    with monkeypatch.context() as patch:
        patch.setattr(OwnForward, "__call__", run)
        assert ids_of(generate(engine, PROMPT)) == expected
    assert (len(asked), maker(engine).made, maker(engine).is_on) == (1, 0, True)
    generate(engine, "another text")
    assert maker(engine).made == 1
    engine.close()


def test_a_learned_position_beyond_the_last_is_never_asked_for(tmp_path):
    """A context that is no power of two: the text ends with it, inside a larger bucket."""
    engine = loaded(make_checkpoint(tmp_path, "gpt2", config={"n_positions": 300}))
    events = generate(engine, prompt_of(engine, 280, 1), structs.replace(GREEDY, max_new_tokens=100))
    assert only(events, Finished).prompt_tokens + only(events, Finished).new_tokens == 300
    assert maker(engine).made > 0
    engine.close()
