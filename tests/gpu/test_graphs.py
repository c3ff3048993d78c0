"""The captured decode step on a CUDA device: used where it can be, and the same as the ordinary forward."""

import pytest
import torch
from msgspec import structs

from chatdesk.engine.api import Event, Finished, TokenEvent
from chatdesk.engine.local.fused.persistent import PersistentProgram
from chatdesk.engine.local.graphs import Step
from chatdesk.engine.local.lean.description import ARCHITECTURES
from chatdesk.engine.local.runner import Runner
from chatdesk.engine.wire import FUSED_VARIABLE
from tests.engine.checkpoints import WIDE, make_checkpoint
from tests.engine.local.driving import GREEDY, NEUTRAL, generate, ids_of, load, only
from tests.engine.local.greedy import prompt_of

pytestmark = pytest.mark.gpu

PROMPT = "Once upon a time there was a small model"
PLAIN = ["gemma", "gpt2", "gpt_neox", "gptj", "llama", "olmo2", "opt", "phi", "phi3", "qwen2", "qwen3"]
LONGER = structs.replace(GREEDY, max_new_tokens=40)


def maker(engine):
    return engine._loaded()._cache.runner.steps


@pytest.fixture
def replays(monkeypatch) -> list[int]:
    """How many rows each step had that was replayed."""
    made: list[int] = []
    again = Step.again

    def counted(step):
        if step._graph is not None:
            made.append(step.rows)
        return again(step)

    monkeypatch.setattr(Step, "again", counted)
    return made


@pytest.mark.parametrize("fused", ["on", "off"])
@pytest.mark.parametrize("model_type", PLAIN)
def test_a_plain_cache_is_captured(engine, checkpoint, model_type, replays, fused, monkeypatch):
    """All tokens but the first two of a text come from the graph, and those of the next text, too."""
    monkeypatch.setenv(FUSED_VARIABLE, fused)
    load(engine, checkpoint(model_type), device="cuda")
    object.__setattr__(engine._loaded().checkpoint, "eos_ids", frozenset())
    generate(engine, PROMPT, LONGER)
    assert maker(engine).is_on
    assert not maker(engine).fused.refused
    assert (maker(engine).made, len(replays)) == (1, 39)  # the check of the second token counts
    generate(engine, "another text", LONGER)
    assert (maker(engine).made, len(replays)) == (1, 39 + 39)


@pytest.mark.parametrize("model_type", ["falcon", "gpt_neo", "mamba", "mistral", "gemma2", "bloom", "qwen3_moe"])
def test_others_go_on_without(engine, checkpoint, model_type):
    """And after a capture that failed (Falcon indexes by a list on the CPU), all of the device still works."""
    load(engine, checkpoint(model_type), device="cuda")
    object.__setattr__(engine._loaded().checkpoint, "eos_ids", frozenset())
    first = generate(engine, PROMPT, LONGER)
    assert only(first, Finished).new_tokens == 40
    assert ids_of(generate(engine, PROMPT, LONGER)) == ids_of(first)
    print(f"{model_type}: {maker(engine).made} captured")
    assert torch.cuda.current_stream() == torch.cuda.default_stream()


@pytest.mark.parametrize("model_type", sorted(set(ARCHITECTURES) - {"mistral"}))
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16", "int8", "int4"])
@pytest.mark.parametrize("rows", [1, 2, 5, 8])
def test_a_fused_step_is_not_refused(engine, checkpoint, model_type, dtype, rows):
    load(engine, checkpoint(model_type), dtype, "cuda")
    object.__setattr__(engine._loaded().checkpoint, "eos_ids", frozenset())
    events = generate(engine, prompt_of(engine, 254, 1), structs.replace(NEUTRAL, max_new_tokens=4), drafts=rows)
    assert only(events, Finished).new_tokens == 4 * rows
    assert not maker(engine).fused.refused


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "int8", "int4"])
@pytest.mark.parametrize("rows", [1, 3, 8])
def test_a_persistent_kernel_is_not_refused(engine, tmp_path, dtype, rows, monkeypatch):
    """A model whose rows are as long as it wants them, over the end of a chunk of attention."""
    if torch.cuda.get_device_capability() < (9, 0):
        pytest.skip("no device for it")
    runs, run = [], PersistentProgram.run
    monkeypatch.setattr(
        PersistentProgram, "run", lambda program, kernels: runs.append(program.rows) or run(program, kernels)
    )
    load(engine, make_checkpoint(tmp_path, "llama", config=WIDE), dtype, "cuda")
    object.__setattr__(engine._loaded().checkpoint, "eos_ids", frozenset())
    events = generate(engine, prompt_of(engine, 254, 1), structs.replace(NEUTRAL, max_new_tokens=4), drafts=rows)
    assert only(events, Finished).new_tokens == 4 * rows
    assert rows in runs
    assert not maker(engine).fused.refused


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_graphs_do_not_change_the_words(checkpoint, engine, dtype, monkeypatch):
    """Over the end of a bucket; in half precision a near tie may fall the other way, and there the look ends."""
    found = []
    for devices in ((), ("cuda",)):
        monkeypatch.setattr(Runner, "STEP_DEVICES", devices)
        load(engine, checkpoint("llama"), dtype, "cuda")
        object.__setattr__(engine._loaded().checkpoint, "eos_ids", frozenset())
        prompt = prompt_of(engine, 240, 1)
        alone = generate(engine, prompt, structs.replace(GREEDY, max_new_tokens=40))
        drafts = generate(engine, prompt, structs.replace(NEUTRAL, max_new_tokens=40), seed=1, drafts=5)
        found.append((alone, drafts))
        assert maker(engine).made == 4 * len(devices)
    (alone, drafts), (captured, captured_drafts) = found
    if dtype == "float32":
        assert ids_of(captured) == ids_of(alone)
        assert [ids_of(captured_drafts, i) for i in range(5)] == [ids_of(drafts, i) for i in range(5)]
        return
    pairs = list(zip(tokens(captured), tokens(alone), strict=True))
    parted = next((i for i, (one, other) in enumerate(pairs) if one.id != other.id), len(pairs) - 1)
    assert parted > 0
    assert max(abs(one.logprob - other.logprob) for one, other in pairs[: parted + 1]) < 0.2


def tokens(events: list[Event]) -> list[TokenEvent]:
    return [event for event in events if isinstance(event, TokenEvent)]
