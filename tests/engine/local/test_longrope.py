"""Models that turn all positions in another way once a text is long: the words are transformers' own on both sides."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from msgspec import structs
from transformers import AutoModelForCausalLM

from chatdesk.engine.api import Choices, DraftFinished, Finished, Generate, Read, Score, Scored, Started, TokensRead
from chatdesk.engine.local import LocalEngine
from chatdesk.engine.local.lean import race
from chatdesk.engine.local.runner import Runner
from tests.engine.checkpoints import make_checkpoint
from tests.engine.local.driving import GREEDY, NEUTRAL, generate, ids_of, load, only, text_of
from tests.engine.local.greedy import is_near_tie, prompt_of, reference

LIMIT = 64
LONGER = structs.replace(GREEDY, max_new_tokens=30)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory):
    """Makes a checkpoint with a config as the first of these models have it."""
    made: dict[str, Path] = {}

    def make(model_type: str) -> Path:
        if model_type not in made:
            place = made[model_type] = make_checkpoint(tmp_path_factory.mktemp(model_type), model_type)
            config = json.loads((place / "config.json").read_text())
            del config["rope_parameters"]
            factors = {"short_factor": [1.0] * 4, "long_factor": [4.0, 3.0, 2.0, 1.5]}
            scales = {"short_mscale": 1.0, "long_mscale": 1.2} if model_type == "phimoe" else {}
            scaling = {"type": "longrope", **factors, **scales, "original_max_position_embeddings": LIMIT}
            config |= {"rope_theta": 10000.0, "rope_scaling": scaling, "original_max_position_embeddings": LIMIT}
            (place / "config.json").write_text(json.dumps(config))
        return made[model_type]

    return make


@pytest.fixture
def opened(folder):
    """Loads such a checkpoint, whose prompts are read in parts of 16 tokens; with it transformers' own model."""
    engines: list[LocalEngine] = []

    def make(model_type: str = "phi3", dtype: str = "float32") -> tuple[LocalEngine, Any]:
        engine = LocalEngine()
        engines.append(engine)
        load(engine, folder(model_type), dtype)
        object.__setattr__(engine._loaded().checkpoint, "eos_ids", frozenset())
        chunk = engine._loaded()._chunk
        chunk.tokens, chunk.measured = 16, lambda *_: None  # type: ignore[method-assign]
        return engine, AutoModelForCausalLM.from_pretrained(folder(model_type), dtype=torch.float32).eval()

    yield make
    for engine in engines:
        engine.close()


def agree(engine: LocalEngine, model: Any, prompt: str) -> str:
    """Assert that a reply is that of `generate`; its text."""
    events = generate(engine, prompt, LONGER)
    assert isinstance(events[-1], Finished), events[-1]
    ids, found = only(events, Started).prompt_token_ids, ids_of(events)
    expected = reference(model, ids, len(found))
    assert found == expected or is_near_tie(model, ids, found, expected), (len(ids), found, expected)
    return text_of(events)


@pytest.fixture(params=["plain", "lean", "graph"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How single tokens are computed; without timing, which is quicker."""
    if request.param == "lean":
        request.getfixturevalue("kernels")
        monkeypatch.setattr(race, "TRIALS", 0)
    if request.param == "graph":
        monkeypatch.setattr(Runner, "STEP_DEVICES", ("cpu", "cuda"))
    return str(request.param)


def test_short_and_long_texts_and_those_that_grow_long(opened, way):
    """And a conversation over the limit, and back to its beginning, with what was read before."""
    engine, model = opened()
    for seed, tokens in enumerate([10, LIMIT - 12, LIMIT, LIMIT + 1, 2 * LIMIT]):
        agree(engine, model, prompt_of(engine, tokens, seed))
    text = "hello world"
    for _ in range(4):
        text += agree(engine, model, text) + " and then "
    for cut in (60, 200, 61):
        agree(engine, model, text[:cut] + "how")
    steps = engine._loaded()._cache.runner.steps
    assert way == "plain" or (steps.is_on and steps.made >= 2)


def test_one_that_scales_by_itself(opened):
    """PhiMoE asks for the last position once more, for the size of what it turns by."""
    engine, model = opened("phimoe")
    for tokens in (LIMIT - 12, 2 * LIMIT):
        agree(engine, model, prompt_of(engine, tokens, tokens))


def test_drafts_grow_long_together(opened):
    """Each is the single draft of its seed."""
    engine, _ = opened()
    sampling, prompt = structs.replace(NEUTRAL, max_new_tokens=30), prompt_of(engine, LIMIT - 9, 4)
    together = generate(engine, prompt, sampling, seed=7, drafts=3)
    for draft in range(3):
        engine._loaded()._cache.forget()
        assert ids_of(together, draft) == ids_of(generate(engine, prompt, sampling, seed=7 + draft))


def test_a_cancel_while_the_text_is_read_again(opened, monkeypatch):
    """It ends there, and the next reply is as with nothing read."""
    engine, model = opened()
    prompt = prompt_of(engine, LIMIT - 9, 5)
    with monkeypatch.context() as patch:
        patch.setattr("chatdesk.engine.local.cache._PART", 16)
        events = []
        for event in engine.run(Generate(2, prompt, LONGER)):
            events.append(event)
            if len(ids_of(events)) == 9:  # the tenth is the one beyond the limit
                brake, asked = engine._loaded()._cache.runner.brake, iter([False] * 6)
                brake.should_stop = lambda asked=asked: next(asked, True)
    batch = engine._loaded()._cache._live
    assert [event.reason for event in events if isinstance(event, DraftFinished)] == ["cancelled"]
    assert (batch.is_long, 0 < batch.length < LIMIT) == (True, True)
    agree(engine, model, prompt)
    agree(engine, model, prompt_of(engine, 2 * LIMIT, 6))


def test_long_texts_are_read_and_scored_as_a_whole(opened, monkeypatch):
    """Also after short ones, and in parts."""
    engine, model = opened()
    monkeypatch.setattr("chatdesk.engine.local.reading._CHUNK_LOGITS", 1)
    tokens, long = engine._loaded().checkpoint.tokens, prompt_of(engine, 300, 8)
    texts = [prompt_of(engine, 20, 9), long, prompt_of(engine, 30, 10)]
    with torch.inference_mode():
        plain = [model(torch.tensor([tokens.encode(text)])).logits[0].log_softmax(-1) for text in texts]
    for text, rows in zip(texts, plain, strict=True):
        ids, (read,) = tokens.encode(text), list(engine.run(Read(3, text)))[-1:]
        assert isinstance(read, TokensRead)
        expected = rows[:-1].gather(1, torch.tensor(ids[1:])[:, None])[:, 0]
        assert [token.logprob for token in read.tokens[1:]] == pytest.approx(expected.tolist(), abs=1e-3)
    *_, scored = engine.run(Score(4, tuple(Choices(text, (" the", " a quick fox")) for text in texts)))
    assert isinstance(scored, Scored)
    for text, found in zip(texts, scored.scores, strict=True):
        for ending, logprob, count in zip((" the", " a quick fox"), found.logprobs, found.tokens, strict=True):
            whole = torch.tensor([tokens.encode(text + ending)])
            with torch.inference_mode():
                rows = model(whole).logits[0, -count - 1 : -1].log_softmax(-1)
            expected = float(rows.gather(1, whole[0, -count:, None]).sum())
            assert logprob == pytest.approx(expected, abs=1e-3)
