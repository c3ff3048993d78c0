"""Looking inside: probabilities and attention beside transformers' own plain forward passes in float32."""

import math
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from chatdesk.engine.api import (
    AlternativeToken,
    Attend,
    Attended,
    AttentionMap,
    ChatMessage,
    Choices,
    Failed,
    Generate,
    Read,
    Sampling,
    Score,
    Scored,
    SomeRead,
    TokenEvent,
    TokenReading,
    TokensRead,
)
from chatdesk.engine.local import LocalEngine, reading
from chatdesk.engine.local.sampling import MAX_TOP_LOGPROBS
from chatdesk.engine.local.tokens import Tokens
from chatdesk.engine.wire import pack
from chatdesk.errors import Fault, UserError
from chatdesk.tasks.classify import CONTENT_FREE, Label, Plan
from chatdesk.tasks.classify_run import Run
from chatdesk.training.evaluate import evaluate_text, open_checkpoint
from chatdesk.training.last_word import last_words
from tests.engine.local.driving import GREEDY, NEUTRAL, generate, ids_of, load, only, text_of

TEXT = "Once upon a time there was a small model that learned to write, and the dog sleeps on."
LABELS = (" good", " very bad indeed", " so", "!", " 天气")
WORDS = [
    "the",
    "dog",
    "sleeps",
    "on",
    "once",
    "upon",
    "a",
    "time",
    "small",
    "model",
    "learned",
    "quick",
    "brown",
    "hello",
]


def texts(count: int, seed: int = 1) -> list[str]:
    """Texts of 1 to 60 words."""
    rng = random.Random(seed)
    return [" ".join(rng.choices(WORDS, k=rng.randint(1, 60))) for _ in range(count)]


def plain_model(folder: Path, **options: Any) -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(str(folder), dtype=torch.float32, **options).eval()


def plain_score(model: Any, engine: LocalEngine, prompt: str, continuation: str) -> float:
    """One text and one continuation, in one forward pass of their own."""
    tokens = engine._generator.checkpoint.tokens
    before, ids = tokens.encode(prompt), tokens.encode(prompt + continuation)
    assert ids[: len(before)] == before
    with torch.inference_mode():
        logprobs = model(torch.tensor([ids])).logits[0].log_softmax(dim=-1)
    return sum(float(logprobs[at - 1, ids[at]]) for at in range(len(before), len(ids)))


@pytest.fixture(params=["gpt2", "llama", "gemma3_text", "bloom", "openai-gpt", "mamba"], scope="module")
def pair(request: pytest.FixtureRequest, checkpoint: Callable[..., Path]) -> Iterator[tuple[LocalEngine, Any]]:
    """An engine and transformers' own model of one checkpoint."""
    engine = LocalEngine()
    load(engine, checkpoint(request.param))
    yield engine, plain_model(checkpoint(request.param))
    engine.close()


def test_scores_are_those_of_plain_forward_passes(pair: tuple[LocalEngine, Any]) -> None:
    engine, model = pair
    prompts = texts(30)
    request = Score(3, tuple(Choices(prompt, LABELS) for prompt in prompts))
    scored = only(list(engine.run(request)), Scored)
    assert len(scored.scores) == len(prompts)
    for prompt, found in zip(prompts, scored.scores, strict=True):
        expected = [plain_score(model, engine, prompt, label) for label in LABELS]
        assert found.logprobs == pytest.approx(expected, abs=1e-4)
        assert found.tokens == tuple(len(engine._generator.checkpoint.tokens.encode(label)) for label in LABELS)


def test_the_tokens_of_a_text_have_the_probabilities_of_a_plain_pass(pair: tuple[LocalEngine, Any]) -> None:
    engine, model = pair
    read = only(list(engine.run(Read(4, TEXT, NEUTRAL, top=7))), TokensRead)
    ids = engine._generator.checkpoint.tokens.encode(TEXT)
    assert [token.id for token in read.tokens] == ids
    assert "".join(token.text for token in read.tokens) == TEXT
    with torch.inference_mode():
        logprobs = model(torch.tensor([ids])).logits[0].log_softmax(dim=-1)
    assert (read.tokens[0].rank, read.tokens[0].logprob, read.tokens[0].top) == (0, None, ())
    for place, token in enumerate(read.tokens[1:], 1):
        row = logprobs[place - 1]
        assert token.logprob == pytest.approx(float(row[token.id]), abs=1e-4)
        assert token.sampled_logprob == pytest.approx(token.logprob, abs=1e-4)  # the sampling is neutral
        least, most = (int((row > row[token.id] + edge).sum()) for edge in (1e-4, -1e-4))  # of near ties, either
        assert least < token.rank <= max(most, least + 1)
        assert token.entropy == pytest.approx(float(-(row.exp() * row).sum()), abs=1e-3)
        best, at = row.topk(7)
        assert [other.id for other in token.top] == at.tolist()
        assert [other.logprob for other in token.top] == pytest.approx(best.tolist(), abs=1e-4)


def test_a_long_text_is_read_in_parts_that_a_frame_has_room_for(
    gpt2: LocalEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    top = (AlternativeToken(1, "a" * 128, -1.0, -1.0),) * MAX_TOP_LOGPROBS
    assert len(pack(SomeRead(4, (TokenReading(1, "a" * 128, 1, -1.0, -1.0, 1.0, top),) * reading._PART))) < 64 << 20
    whole = only(list(gpt2.run(Read(4, TEXT, NEUTRAL, top=3))), TokensRead).tokens
    monkeypatch.setattr(reading, "_PART", 3)
    *parts, last = (each for each in gpt2.run(Read(4, TEXT, NEUTRAL, top=3)) if isinstance(each, SomeRead | TokensRead))
    assert isinstance(last, TokensRead)
    assert {len(part.tokens) for part in parts} == {3}
    assert 1 <= len(last.tokens) <= 3
    assert sum((part.tokens for part in (*parts, last)), ()) == whole


def test_reading_says_what_generating_said(gpt2: LocalEngine) -> None:
    sampling = Sampling(0.8, 0.9, 20, 0.02, 1.2, 8)
    turns = (ChatMessage("system", "Be brief."), ChatMessage("user", "how are you"))
    for seed in range(100):  # until the wild weights write whole characters
        events = generate(gpt2, turns, sampling, seed=seed, top_logprobs=5)
        said = [event for event in events if isinstance(event, TokenEvent)]
        text = text_of(events)
        if text.isascii() and text.strip() and min(ids_of(events)) > 1:
            break
    reply = ChatMessage("assistant", text, tuple(ids_of(events)))
    read = only(list(gpt2.run(Read(5, (*turns, reply), sampling, top=5))), TokensRead).tokens
    assert [token.id for token in read] == ids_of(events)
    assert any(token.logprob != pytest.approx(token.sampled_logprob) for token in read)
    for token, event in zip(read, said, strict=True):
        assert token.logprob == pytest.approx(event.logprob, abs=1e-4)
        assert token.sampled_logprob == pytest.approx(event.sampled_logprob, abs=1e-3)
        assert [other.id for other in token.top] == [other.id for other in event.top]


def test_a_greedy_choice_is_certain(gpt2: LocalEngine) -> None:
    events = generate(gpt2, (ChatMessage("user", "hello"),))
    reply = ChatMessage("assistant", "x", tuple(ids_of(events)))
    text = gpt2._generator.checkpoint.tokens.decode(reply.token_ids or ())
    said = (ChatMessage("user", "hello"), ChatMessage("assistant", text, reply.token_ids))
    read = only(list(gpt2.run(Read(5, said, GREEDY))), TokensRead)
    assert [token.id for token in read.tokens] == ids_of(events)
    assert {token.sampled_logprob for token in read.tokens} == {0.0}
    assert {token.rank for token in read.tokens} == {1}


@pytest.mark.parametrize("size", [2, 40, 300])
def test_the_chain_rule_gives_the_loss_of_eval(
    gpt2: LocalEngine, checkpoint: Callable[..., Path], tmp_path: Path, size: int
) -> None:
    text = " ".join(random.Random(size).choices(WORDS, k=size))
    file = tmp_path / "text.txt"
    file.write_text(text, "utf-8")
    read = only(list(gpt2.run(Read(6, text))), TokensRead)
    scored = [token.logprob for token in read.tokens if token.logprob is not None]
    loss = evaluate_text(file, checkpoint("gpt2"), device="cpu")
    assert len(scored) == loss.tokens
    assert -math.fsum(scored) / len(scored) == pytest.approx(loss.loss, abs=1e-5)


@pytest.mark.parametrize("model_type", ["gpt2", "llama", "gpt_neox", "qwen3", "bloom", "gemma3_text"])
def test_attention_is_the_models_own(checkpoint: Callable[..., Path], model_type: str) -> None:
    engine = LocalEngine()
    load(engine, checkpoint(model_type))
    model = plain_model(checkpoint(model_type), attn_implementation="eager")
    ids = engine._generator.checkpoint.tokens.encode(TEXT)
    with torch.inference_mode():
        expected = [layer[0].numpy() for layer in model(torch.tensor([ids]), output_attentions=True).attentions]
    before = generate(engine, TEXT)
    for layer, maps in enumerate(expected):
        *heads, last = list(engine.run(Attend(7, TEXT, layer)))
        assert isinstance(last, Attended), last
        assert last.heads == tuple(len(each) for each in expected)
        assert "".join(last.pieces) == TEXT
        assert [(each.layer, each.head) for each in heads] == [(layer, head) for head in range(len(maps))]
        for each, own in zip(heads, maps, strict=True):
            assert isinstance(each, AttentionMap)
            assert matrix(each.values) == pytest.approx(own, abs=1e-5)
            assert matrix(each.values).sum(axis=1) == pytest.approx(np.ones(len(ids)), abs=1e-5)
        mean = np.mean([each.mean(axis=0) for each in expected], axis=0)
        assert matrix(last.average) == pytest.approx(mean, abs=1e-5)
        assert matrix(last.rollout).sum(axis=1) == pytest.approx(np.ones(len(ids)), abs=1e-5)
        small = np.frombuffer(last.overview, np.uint8).reshape(sum(last.heads), last.side, last.side)
        assert small.max(axis=(1, 2)).tolist() == [round(255 * float(each.max())) for own in expected for each in own]
    assert ids_of(generate(engine, TEXT)) == ids_of(before)  # the fast attention is back, and the cache good
    engine.close()


def matrix(values: bytes) -> np.ndarray:
    found = np.frombuffer(values, "<f4")
    return found.reshape(2 * (math.isqrt(len(found)),))


def test_rollout_is_the_product_of_the_layers(gpt2: LocalEngine) -> None:
    from chatdesk.engine.local.attention import rollout

    first, second = torch.rand(2, 3, 3), torch.rand(2, 3, 3)
    expected = torch.eye(3)
    for layer in (first, second):
        step = layer.mean(dim=0) / 2 + torch.eye(3) / 2
        expected = (step / step.sum(dim=-1, keepdim=True)) @ expected
    assert torch.allclose(rollout([first, second]), expected)


@pytest.mark.parametrize("tells", [True, False])
def test_a_text_that_cannot_fit_is_not_cut_into_tokens(
    gpt2: LocalEngine, monkeypatch: pytest.MonkeyPatch, tells: bool
) -> None:
    """Ten megabytes would take seconds, once for each label; where the length does not tell, the first label does."""
    encode, sizes = Tokens.encode, []

    def noted(tokens: Tokens, text: str) -> list[int]:
        sizes.append(len(text))
        return encode(tokens, text)

    monkeypatch.setattr(Tokens, "encode", noted)
    if not tells:
        monkeypatch.setattr(Tokens, "fewest", lambda tokens, text: 0)
    labels = (" good", " bad", " so")
    scored = only(list(gpt2.run(Score(8, (Choices("a b " * 60_000, labels), Choices("a", labels))))), Scored)
    assert [found.too_long > scored.limit for found in scored.scores] == [True, False]
    assert len(scored.scores[1].logprobs) == 3
    assert sum(size > 100 for size in sizes) == (0 if tells else 1)


def test_bad_input_is_one_fault_each(gpt2: LocalEngine, checkpoint: Callable[..., Path]) -> None:
    def fault(request: Any, engine: LocalEngine = gpt2) -> Fault:
        last = list(engine.run(request))[-1]
        assert isinstance(last, Failed), last
        return Fault(last.fault)

    long = "a b c d e f " * 200
    assert fault(Read(8, "  ")) == fault(Attend(8, "")) == fault(Score(8, (Choices("", ("x",)),))) == Fault.EMPTY_PROMPT
    assert fault(Read(8, long)) == Fault.PROMPT_TOO_LONG
    assert fault(Attend(8, long)) == Fault.ATTENTION_TOO_LONG
    assert fault(Attend(8, TEXT, 99)) == fault(Read(8, TEXT, top=-1)) == Fault.BAD_VALUE
    assert fault(Score(8, (Choices("a", ()),))) == fault(Score(8, (Choices("a", ("b", "")),))) == Fault.BAD_VALUE
    scored = only(list(gpt2.run(Score(8, (Choices(long, (" x",)), Choices("a", (" x",)))))), Scored)
    assert (scored.scores[0].logprobs, scored.scores[0].too_long > scored.limit) == ((), True)
    assert len(scored.scores[1].logprobs) == 1
    mamba = LocalEngine()
    load(mamba, checkpoint("mamba"))
    assert fault(Attend(8, TEXT), mamba) == Fault.NO_ATTENTION
    mamba.close()


def test_a_token_that_the_model_has_no_vector_for_is_named(checkpoint: Callable[..., Path], tmp_path: Path) -> None:
    folder = shutil.copytree(checkpoint("gpt2"), tmp_path / "more")
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.add_tokens([f"({i}:)" for i in range(200)])
    tokenizer.save(str(folder / "tokenizer.json"))
    text, engine = "the dog (199:)", LocalEngine()
    load(engine, folder)
    scores = (Choices(text, (" on",)),), (Choices("the dog", (" on", " (199:)")),)
    for request in (Generate(9, text), Read(9, text), Attend(9, text), Score(9, scores[0]), Score(9, scores[1])):
        last = list(engine.run(request))[-1]
        assert isinstance(last, Failed), request
        assert (last.fault, "made token" in last.fields["reason"]) == (Fault.TENSORS_DO_NOT_MATCH, True)
    engine.close()
    (tmp_path / "text.txt").write_text(text)
    with pytest.raises(UserError, match="made token"):
        evaluate_text(tmp_path / "text.txt", folder)
    with pytest.raises(UserError, match="made token"):
        last_words(tmp_path / "text.txt", open_checkpoint(folder, "cpu"))


def test_damaged_weights_are_named(gpt2: LocalEngine) -> None:
    weight = gpt2._generator.checkpoint.model.transformer.ln_f.weight
    kept = weight.data.clone()
    weight.data[:] = math.nan
    try:
        for request in (Read(9, TEXT), Attend(9, TEXT), Score(9, (Choices(TEXT, LABELS),))):
            last = list(gpt2.run(request))[-1]
            assert isinstance(last, Failed), request
            assert last.fault == Fault.NOT_FINITE
    finally:
        weight.data[:] = kept


def test_looking_leaves_the_cache_of_a_conversation(gpt2: LocalEngine) -> None:
    first = list(gpt2.run(Generate(10, TEXT, GREEDY, seed=1)))[-1]
    for request in (Read(11, "something else"), Score(11, (Choices(TEXT, LABELS),)), Attend(11, "other")):
        list(gpt2.run(request))
    again = list(gpt2.run(Generate(10, TEXT, GREEDY, seed=1)))[-1]
    assert again.reused_tokens == first.prompt_tokens - 1


def test_500_texts_are_classified_as_by_a_plain_slow_loop(gpt2: LocalEngine, checkpoint: Callable[..., Path]) -> None:
    model, prompts = plain_model(checkpoint("gpt2")), texts(500, seed=9)
    plan = Plan("a review: {text}\nit is", (Label("good", "so good"), Label("bad", "a very bad one")))
    run = Run(plan, prompts, "m")
    number = 100
    while not run.is_over:
        number += 1
        run.take(list(gpt2.run(run.next_request(number)))[-1])

    def plainly(text: str) -> np.ndarray:
        choices = plan.choices(text)
        sizes = [len(gpt2._generator.checkpoint.tokens.encode(each)) for each in choices.continuations]
        logs = [plain_score(model, gpt2, choices.prompt, each) for each in choices.continuations]
        shares = np.exp(np.array(logs) / sizes)
        return shares / shares.sum()

    free = np.mean([plainly(text) for text in CONTENT_FREE], axis=0)
    for text, found in zip(prompts, run.results, strict=True):
        shares = plainly(text) / free
        assert found is not None
        assert found.probabilities == pytest.approx(shares / shares.sum(), abs=1e-4)


def test_alternatives_say_whether_they_are_text(gpt2: LocalEngine) -> None:
    tokens = gpt2._loaded().checkpoint.tokens
    named = tokens.eos_id
    assert named is not None
    part = tokens.encode("天")[0]
    word = tokens.encode(" the")[0]
    found = [tokens.alternative(i, -1.0, -1.0) for i in (named, part, word)]
    assert [(each.is_special, each.is_text) for each in found] == [(True, False), (False, False), (False, True)]
    read = only(list(gpt2.run(Read(8, TEXT, NEUTRAL, 100))), TokensRead)
    tops = [other for token in read.tokens for other in token.top]
    assert all(other.is_special == (not tokens.decode([other.id]) and bool(other.text)) for other in tops)
    assert any(not other.is_text for other in tops)
