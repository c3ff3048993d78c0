"""What was read of earlier turns and branches is used again, and the words are those of a model that reads all anew."""

import random
from pathlib import Path

import pytest
from msgspec import structs

from chatdesk.engine.api import Finished, Generate, Load, Loaded, Started, TokenEvent
from chatdesk.engine.local import LocalEngine
from chatdesk.engine.local.branches import common_prefix
from chatdesk.remarks import Remark
from tests.engine.checkpoints import CORE, SIZES, make_checkpoint
from tests.engine.local.driving import GREEDY, generate, ids_of, load, only
from tests.engine.local.greedy import prompt_of

SHORT = structs.replace(GREEDY, max_new_tokens=4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory):
    """Makes a checkpoint once for all tests."""
    made: dict[str, Path] = {}

    def make(model_type: str) -> Path:
        if model_type not in made:
            made[model_type] = make_checkpoint(tmp_path_factory.mktemp(model_type), model_type)
        return made[model_type]

    return make


@pytest.fixture
def opened(folder):
    """Loads checkpoints without an end token, as many engines as are asked for."""
    engines: list[LocalEngine] = []

    def make(model_type: str = "llama", memory: int = 64) -> LocalEngine:
        engine = LocalEngine()
        engines.append(engine)
        loading = engine.run(Load(1, str(folder(model_type)), "cpu", "float32", branch_memory=memory))
        assert isinstance(list(loading)[-1], Loaded)
        object.__setattr__(engine._loaded().checkpoint, "eos_ids", frozenset())
        return engine

    yield make
    for engine in engines:
        engine.close()


def walk(engine: LocalEngine, steps: int, seed: int) -> list[str]:
    """Prompts as a conversation makes them: going on, another ending, an edit far back, an earlier branch again.

    Of short ones nothing is cut off: a long walk would end among them.
    """
    source = random.Random(seed)
    prompts = [prompt_of(engine, 120, seed)]
    for i in range(steps):
        last, any_one = prompts[-1], source.choice([each for each in prompts if len(each) > 200])
        cut = source.randrange(20, len(any_one))
        tail = " " + prompt_of(engine, source.randrange(3, 40), 1000 * seed + i)
        prompts.append(source.choice([last[:600] + tail, any_one[:cut] + tail, any_one, any_one[:cut]]))
    return prompts


@pytest.mark.parametrize("model_type", [*CORE, "gemma2", "gpt_neo", "mamba", "qwen3_moe"])
def test_branches_say_what_a_fresh_prefill_says(opened, model_type):
    """Greedy, float32."""
    check_walk(opened, model_type, steps=12)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("model_type", list(SIZES))
def test_long_walks_say_what_a_fresh_prefill_says(opened, model_type):
    check_walk(opened, model_type, steps=150)


def check_walk(opened, model_type: str, steps: int) -> None:
    engine, fresh = opened(model_type, memory=1), opened(model_type, memory=0)
    reused = 0
    for i, prompt in enumerate(walk(engine, steps, seed=len(model_type))):
        drafts = 3 if i % 4 == 3 else 1
        fresh._loaded()._cache.forget()
        ours, theirs = (generate(each, prompt, SHORT, drafts=drafts) for each in (engine, fresh))
        assert ids_of(ours) == ids_of(theirs), (i, prompt)
        reused += only(ours, Finished).reused_tokens
        assert engine._loaded()._cache.nbytes <= 1 << 20
    remark = {"mamba": Remark.READS_AGAIN}.get(model_type)
    if not {Remark.READS_AGAIN, Remark.READS_CHANGES_AGAIN} & set(engine._loaded().checkpoint.info.remarks):
        assert reused > 40 * steps
    assert remark is None or remark in engine._loaded().checkpoint.info.remarks
    assert remark is None or reused == 0


def test_a_branch_that_was_left_is_not_read_again(opened):
    """Two branches over one beginning, in turns: all but the last token of the prompt comes from the cache."""
    engine = opened()
    base = prompt_of(engine, 200, 1)
    branches = [f"{base} {prompt_of(engine, 60, seed)}" for seed in (2, 3)]
    finished = [only(generate(engine, branches[i % 2], SHORT), Finished) for i in range(6)]
    assert finished[1].reused_tokens >= 190
    assert all(last.reused_tokens == last.prompt_tokens - 1 for last in finished[2:])


def test_branches_share_what_they_have_in_common(opened):
    """The memory of ten branches is that of their ends."""
    engine = opened()
    base = prompt_of(engine, 300, 1)
    for seed in range(10):
        generate(engine, f"{base} {prompt_of(engine, 30, seed)}", SHORT)
    batch = engine._loaded()._cache._live
    a_token = sum(keys.nbytes + values.nbytes for keys, values in batch.tail(0)) / batch.length
    assert 9 * 20 * a_token < engine._loaded()._cache.nbytes < 9 * 40 * a_token


def test_the_oldest_branch_goes_first(opened):
    """With room for one of two long texts."""
    engine = opened(memory=0)
    cache = engine._loaded()._cache
    texts = [prompt_of(engine, 200, seed) for seed in range(4)]
    generate(engine, texts[0], SHORT)
    cache._budget = int(1.5 * sum(keys.nbytes + values.nbytes for keys, values in cache._live.tail(0)))
    for text in texts[1:]:
        generate(engine, text, SHORT)
    assert only(generate(engine, texts[2], SHORT), Finished).reused_tokens > 150
    assert only(generate(engine, texts[0], SHORT), Finished).reused_tokens < 10


def test_no_more_is_kept_than_a_part_of_what_is_free(opened):
    """The person's wish is a limit, not a demand."""
    engine = opened()
    cache = engine._loaded()._cache
    cache._free = lambda: 0
    generate(engine, prompt_of(engine, 200, 1), SHORT)
    generate(engine, prompt_of(engine, 200, 2), SHORT)
    assert cache.nbytes == 0


def test_a_draft_that_is_gone_on_with_is_not_read_again(opened):
    """Any of them, not only the one that wrote last."""
    engine = opened()
    warm = structs.replace(GREEDY, temperature=1.0, max_new_tokens=40)
    tokens = engine._loaded().checkpoint.tokens
    base = prompt_of(engine, 100, 1)
    events = generate(engine, base, warm, drafts=3, seed=1)
    prompt = only(events, Started).prompt_token_ids
    cache = engine._loaded()._cache
    for draft in range(3):
        ids = [*prompt, *ids_of(events, draft)]
        assert cache.take(ids).length == len(ids) - 1
    assert tokens.decode(list(prompt)) == base


def test_a_cancelled_reply_leaves_what_was_read(opened):
    """Cancelled in the middle, asked again: the prompt and the written tokens are there."""
    engine = opened()
    text = prompt_of(engine, 200, 1)
    for event in engine.run(Generate(9, text, structs.replace(GREEDY, max_new_tokens=40))):
        if isinstance(event, TokenEvent):
            engine.cancel(9)
    again = generate(engine, text, SHORT)
    assert only(again, Finished).reused_tokens == only(again, Finished).prompt_tokens - 1


def test_another_checkpoint_starts_with_nothing(folder):
    """The same ids mean something else to it."""
    engine = LocalEngine()
    load(engine, folder("llama"))
    text = prompt_of(engine, 100, 1)
    generate(engine, text, SHORT)
    load(engine, folder("qwen2"))
    assert only(generate(engine, text, SHORT), Finished).reused_tokens == 0
    engine.close()


@pytest.mark.parametrize(
    ("first", "second", "common"),
    [([], [], 0), ([1], (1, 2), 1), ((1, 2, 3), [1, 2, 4], 2), ([2], [3], 0), (list(range(999)), range(999), 999)],
)
def test_common_prefix(first, second, common):
    assert common_prefix(first, second) == common
