"""The local engine on a CUDA device: right, cancellable, and alive after it ran out of memory."""

import gc
import threading
import time
from pathlib import Path

import pytest
import torch
from msgspec import structs

from chatdesk.engine.api import DraftFinished, Event, Failed, Finished, Generate, Load, Loaded, Progress, TokenEvent
from chatdesk.engine.client import PipedEngine
from chatdesk.engine.local import LocalEngine
from chatdesk.errors import Fault
from tests.engine.checkpoints import CORE
from tests.engine.local.driving import GREEDY, NEUTRAL, converse, generate, ids_of, load, only
from tests.engine.local.greedy import compare, prompt_of

pytestmark = pytest.mark.gpu

PROMPT = "Once upon a time there was a small model"
MORE = ("gemma2", "gemma3_text", "mamba", "olmo2", "phi3", "qwen3_moe", "starcoder2")
MB = 1 << 20


def test_auto_is_the_gpu(engine, checkpoint):
    """In bfloat16 where nothing else is asked for, with all weights there."""
    loaded = load(engine, checkpoint("llama"), dtype="auto", device="auto")
    assert (loaded.model.device, loaded.model.dtype) == ("cuda", "bfloat16")
    assert loaded.model.device_name == torch.cuda.get_device_name()
    assert {p.device.type for p in engine._loaded().checkpoint.model.parameters()} == {"cuda"}
    assert only(generate(engine, PROMPT), Finished).new_tokens == 16


@pytest.mark.parametrize("model_type", [*CORE, *MORE])
def test_greedy_equals_generate(checkpoint, model_type):
    """Token for token in float32, past the sliding window and past 256 tokens."""
    assert compare(checkpoint(model_type), [1, 130, 244], 24, "cuda") <= 1


@pytest.mark.parametrize("model_type", ["gpt2", "llama", "qwen2", "bloom", "gemma2"])
@pytest.mark.parametrize(("dtype", "near"), [("float32", 1e-3), ("bfloat16", 0.1)])
def test_logprobs_are_those_of_a_plain_forward(engine, checkpoint, model_type, dtype, near):
    """``near``: mean distance of all tokens, in nats."""
    load(engine, checkpoint(model_type), dtype, "cuda")
    object.__setattr__(engine._loaded().checkpoint, "eos_ids", frozenset())
    events = generate(engine, PROMPT, structs.replace(NEUTRAL, max_new_tokens=40), seed=3)
    prompt, ids = events[0].prompt_token_ids, ids_of(events)
    with torch.inference_mode():
        model = engine._loaded().checkpoint.model
        plain = model(torch.tensor([[*prompt, *ids]], device="cuda")).logits[0].float().log_softmax(-1)
    tokens = [event for event in events if isinstance(event, TokenEvent)]
    found = [abs(event.logprob - float(plain[len(prompt) - 1 + i, event.id])) for i, event in enumerate(tokens)]
    assert len(found) == 40
    assert sum(found) / len(found) < near


@pytest.mark.parametrize("model_type", ["gpt2", "llama", "qwen2", "gemma"])
def test_a_conversation_reuses_what_was_read(engine, checkpoint, model_type):
    """Turn after turn, and after going back: as with nothing cached."""
    load(engine, checkpoint(model_type), device="cuda")
    converse(engine, PROMPT, 4)


@pytest.mark.parametrize("model_type", ["gpt2", "llama", "mistral", "qwen2"])
def test_draft_i_is_the_single_draft_with_seed_plus_i(engine, checkpoint, model_type):
    """Five at once, some of which end early."""
    load(engine, checkpoint(model_type), device="cuda")
    object.__setattr__(engine._loaded().checkpoint, "eos_ids", frozenset(range(0, 400, 12)))
    sampling = structs.replace(NEUTRAL, top_k=40, max_new_tokens=40)
    together = generate(engine, PROMPT, sampling, seed=50, drafts=5)
    alone = [generate(engine, PROMPT, sampling, seed=50 + draft) for draft in range(5)]
    assert [ids_of(together, draft) for draft in range(5)] == [ids_of(events) for events in alone]
    assert len({len(ids_of(events)) for events in alone}) > 1


def long_prompt(engine: LocalEngine, salt: int, tokens: int = 60_000) -> str:
    """A prompt that shares no prefix with that of another salt."""
    return f"{salt} " + prompt_of(engine, tokens, salt)


def test_a_cancel_in_a_long_prompt_is_heard(engine, heavy):
    """Within 200 ms, at any moment, and the next reply works."""
    load(engine, heavy, device="cuda")
    one = structs.replace(GREEDY, max_new_tokens=1)
    started = time.perf_counter()
    assert isinstance(generate(engine, long_prompt(engine, 0), one)[-1], Finished)
    whole_s = time.perf_counter() - started
    late_ms = []
    for i in range(1, 6):
        prompt, cancelled_at = long_prompt(engine, i), []

        def cancel(times: list[float] = cancelled_at) -> None:
            times.append(time.perf_counter())
            engine.cancel(2)

        timer = threading.Timer(whole_s * (0.2 + 0.1 * i), cancel)
        timer.start()
        events = generate(engine, prompt, one)
        ended_at = time.perf_counter()
        timer.join()
        late_ms.append(1000 * (ended_at - cancelled_at[0]))
        assert not any(isinstance(event, TokenEvent) for event in events)
        assert only(events, DraftFinished).reason == "cancelled"
    print(f"prompt of 60,000 tokens {whole_s:.2f} s; cancels {[round(ms) for ms in late_ms]} ms")
    assert max(late_ms) < 200
    assert only(generate(engine, PROMPT), Finished).new_tokens == 16


def fill(leave_bytes: int) -> torch.Tensor:
    """Take the memory of the device, but so much."""
    torch.cuda.empty_cache()
    free, _ = torch.cuda.mem_get_info()
    return torch.empty(free - leave_bytes, dtype=torch.uint8, device="cuda")


def failure(events: list[Event]) -> tuple[str, dict[str, str]]:
    failed = events[-1]
    assert isinstance(failed, Failed), failed
    return failed.fault, failed.fields


def test_out_of_memory_costs_one_reply(engine, heavy):
    """The engine says so and goes on, already while the memory is still scarce."""
    load(engine, heavy, device="cuda")
    expected = ids_of(generate(engine, PROMPT))
    prompt = long_prompt(engine, 1)
    taken = fill(400 * MB)
    assert failure(generate(engine, prompt)) == (Fault.OUT_OF_MEMORY, {"device": torch.cuda.get_device_name()})
    assert ids_of(generate(engine, PROMPT)) == expected
    del taken
    torch.cuda.empty_cache()
    assert isinstance(generate(engine, prompt)[-1], Finished)


def test_a_model_that_does_not_fit_is_refused(engine, heavy):
    """A plan does not look at the memory: the load runs out of it, says so, and can be repeated."""
    taken = fill(200 * MB)
    assert failure(list(engine.run(Load(1, str(heavy), "auto", "float32"))))[0] == Fault.OUT_OF_MEMORY
    assert failure(generate(engine, PROMPT))[0] == Fault.NO_MODEL
    del taken
    torch.cuda.empty_cache()
    load(engine, heavy, device="cuda")
    assert isinstance(generate(engine, PROMPT)[-1], Finished)


def used(engine: LocalEngine, folder: Path) -> int:
    """Bytes that are left behind by a model that was loaded, used and closed."""
    load(engine, folder, device="cuda")
    generate(engine, PROMPT * 30, drafts=3)
    assert torch.cuda.memory_allocated() > 500 * MB
    engine.close()
    gc.collect()
    torch.cuda.empty_cache()
    return torch.cuda.memory_allocated()


def test_closing_gives_the_memory_back(heavy):
    """What the libraries of the device keep for themselves is there after the first model, and does not grow."""
    first = used(LocalEngine(), heavy)
    free, _ = torch.cuda.mem_get_info()
    assert first < 100 * MB
    assert used(LocalEngine(), heavy) <= first
    assert free - torch.cuda.mem_get_info()[0] < 16 * MB


def test_the_engine_process_uses_the_gpu(checkpoint):
    """The same tokens as in this process."""
    here = LocalEngine()
    load(here, checkpoint("llama"), device="cuda")
    expected = ids_of(generate(here, PROMPT))
    here.close()
    engine = PipedEngine()
    try:
        *progress, loaded = engine.run(Load(1, str(checkpoint("llama")), "auto", "float32"))
        assert all(isinstance(event, Progress) for event in progress)
        assert isinstance(loaded, Loaded)
        assert loaded.model.device == "cuda"
        assert ids_of(list(engine.run(Generate(2, PROMPT, GREEDY)))) == expected
    finally:
        engine.close()


def test_layers_beside_the_gpu(engine, checkpoint):
    """With the weights of one of two layers in the computer's memory the text is the same."""
    texts = []
    for layers in (None, 1):
        *_, loaded = engine.run(Load(1, str(checkpoint("llama")), "cuda", "float32", gpu_layers=layers))
        assert isinstance(loaded, Loaded), loaded
        texts.append(ids_of(generate(engine, PROMPT)))
    assert len(texts[0]) == 16
    assert texts[0] == texts[1]
