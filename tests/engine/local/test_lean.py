"""The lean decode step on the CPU: what it says is what the model's own forward says, and nothing is lost with it."""

import copy
import logging
import os
import random
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from msgspec import structs

from chatdesk.engine.api import Failed
from chatdesk.engine.local import LocalEngine
from chatdesk.engine.local.brake import Stopped
from chatdesk.engine.local.lean import assembly, race
from chatdesk.engine.local.lean import step as steps
from chatdesk.engine.local.lean.compiler import Compiler, _digest
from chatdesk.engine.local.lean.description import ARCHITECTURES
from chatdesk.engine.local.lean.meeting import meeting
from chatdesk.engine.local.lean.step import LeanStep
from chatdesk.paths import kernel_cache
from tests.engine.checkpoints import WIDE, make_checkpoint
from tests.engine.local.driving import GREEDY, NEUTRAL, converse, generate, ids_of, load, only
from tests.engine.local.greedy import compare, prompt_of

PROMPT = "Once upon a time there was a small model"
LONGER = structs.replace(GREEDY, max_new_tokens=60)
pytestmark = pytest.mark.usefixtures("kernels")
CONFIG = {"mistral": {"sliding_window": None}}


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Rows and positions that steps were asked for. No time is taken: they are used whether they are faster or not."""
    monkeypatch.setattr(race, "TRIALS", 0)
    made: list[tuple[int, int]] = []
    plain = LeanStep.__call__

    def call(step: LeanStep, ids: list[int], position: int) -> torch.Tensor:
        made.append((len(ids), position))
        return plain(step, ids, position)

    monkeypatch.setattr(LeanStep, "__call__", call)
    return made


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory):
    """Makes a checkpoint once for all tests."""
    made: dict[str, Path] = {}

    def make(model_type: str) -> Path:
        if model_type not in made:
            place = tmp_path_factory.mktemp(model_type)
            made[model_type] = make_checkpoint(place, model_type, config=CONFIG.get(model_type))
        return made[model_type]

    return make


def loaded(folder: Path, dtype: str = "float32") -> LocalEngine:
    engine = LocalEngine()
    load(engine, folder, dtype)
    object.__setattr__(engine._loaded().checkpoint, "eos_ids", frozenset())
    return engine


def maker(engine: LocalEngine):
    return engine._loaded()._cache.runner.steps


@pytest.mark.parametrize("model_type", list(ARCHITECTURES))
def test_greedy_equals_generate(folder, model_type, calls):
    """Short and long, and past the end of a buffer."""
    assert compare(folder(model_type), [1, 2, 63, 244], 20) <= 1
    assert sum(tokens for tokens, _ in calls) >= 4 * 17  # several at once where they were guessed
    assert compare(folder(model_type), [244], 20, guesses=False) <= 1
    assert max(position for _, position in calls) > 256


@pytest.mark.parametrize("size", [20, 48, 80])
def test_heads_of_any_size(tmp_path, size, calls):
    """Also of no whole number of vectors, and with bfloat16 in the cache."""
    sizes = {"hidden_size": 2 * size, "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": size}
    folder = make_checkpoint(tmp_path, "llama", config=sizes)
    assert compare(folder, [1, 2, 7, 100], 20) <= 1
    assert len(calls) >= 60
    _compare_with_the_truth(folder, "llama", "bfloat16")


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("model_type", list(ARCHITECTURES))
def test_greedy_equals_generate_for_prompts_up_to_600(tmp_path, model_type, calls):
    config = {**CONFIG.get(model_type, {}), "n_positions" if model_type == "gpt2" else "max_position_embeddings": 1024}
    lengths = [*range(1, 40), *range(40, 600, 7), 600]
    assert compare(make_checkpoint(tmp_path, model_type, config=config), lengths, 8) <= 2
    assert sum(tokens for tokens, _ in calls) >= 6 * len(lengths)


@pytest.mark.parametrize("dtype", ["bfloat16", "int8"])
@pytest.mark.parametrize("model_type", list(ARCHITECTURES))
def test_two_bytes_are_as_near_to_the_truth_as_torchs(folder, model_type, dtype):
    """The truth: the same weights, computed with in float32. torch rounds between all operations, a lean step not."""
    _compare_with_the_truth(folder(model_type), model_type, dtype)


@pytest.mark.parametrize("has_byte_products", [True, False])
@pytest.mark.parametrize("dtype", ["int8", "int4"])
@pytest.mark.parametrize("model_type", ["gemma", "gpt2", "gpt_neox", "phi3", "qwen2"])
def test_few_bits_are_as_near_to_the_truth_as_torchs(tmp_path, model_type, dtype, has_byte_products, monkeypatch):
    """By products of bytes where the processor has them, and as on the others; of widths as real models have them."""
    if has_byte_products and not assembly.HAS_BYTE_PRODUCTS:
        pytest.skip("this processor multiplies no bytes")
    from chatdesk.engine.local.lean import program

    monkeypatch.setattr(program, "HAS_BYTE_PRODUCTS", has_byte_products)
    sizes = {"n_embd": 128, "n_head": 2} if model_type == "gpt2" else WIDE
    _compare_with_the_truth(make_checkpoint(tmp_path, model_type, config=sizes), model_type, dtype)


def _compare_with_the_truth(folder: Path, model_type: str, dtype: str) -> None:
    engine = loaded(folder, dtype)
    checkpoint, batch = engine._loaded().checkpoint, engine._loaded()._cache.take([1, 2])
    ids = checkpoint.tokens.encode(prompt_of(engine, 60, 1))
    batch.extend([ids[:20]])
    with torch.inference_mode():
        lean = torch.cat([batch.step([i]).clone() for i in ids[20:]]).log_softmax(-1)
        whole = torch.tensor([ids])
        plain, truth = (
            model(whole).logits[0, 20:].float().log_softmax(-1)
            for model in (checkpoint.model, copy.deepcopy(checkpoint.model).float())
        )
    assert maker(engine).made == 1
    errors = [float((found - truth).square().mean().sqrt()) for found in (lean, plain)]
    difference = float((lean - plain).abs().max())
    print(f"{model_type} {dtype}: off by {errors[0]:.4f}, torch by {errors[1]:.4f}; at most {difference:.3f} apart")
    assert errors[0] < 1.1 * errors[1]
    engine.close()


@pytest.mark.parametrize("model_type", ["llama", "gpt2"])
def test_a_conversation_reuses_what_was_read(folder, model_type, calls):
    """After steps, turn after turn and after going back: as with nothing cached."""
    engine = loaded(folder(model_type))
    converse(engine, PROMPT, 8)
    assert sum(tokens for tokens, _ in calls) > 8 * 14
    engine.close()


@pytest.mark.parametrize("model_type", ["gpt2", "qwen3"])
def test_a_cache_trimmed_anywhere_goes_on_as_a_fresh_one(folder, model_type, calls):
    """At thirty random places, to go on with another token than before; logits as of a whole forward."""
    engine = loaded(folder(model_type))
    model, source = engine._loaded().checkpoint.model, random.Random(1)
    ids = [source.randrange(2, 300) for _ in range(100)]
    batch = engine._loaded()._cache.take(ids)
    batch.extend([ids])
    for _ in range(30):
        ids = [*ids[: source.randrange(1, len(ids) + 1)]]
        assert batch.trim(len(ids))
        for _ in range(source.randrange(1, 12)):
            ids.append(source.randrange(2, 300))
            found = batch.step([ids[-1]])
        with torch.inference_mode():
            expected = model(torch.tensor([ids])).logits[:, -1]
        assert float((found - expected).abs().max()) < 1e-3
    assert len(calls) > 60
    engine.close()


def test_weights_that_are_no_numbers_are_an_error_with_a_name(folder, calls):
    """And not a step whose threads wait for each other."""
    engine = loaded(folder("llama"))
    generate(engine, PROMPT)
    assert calls
    with torch.inference_mode():
        next(engine._loaded().checkpoint.model.model.layers[0].parameters()).fill_(float("nan"))
    assert only(generate(engine, PROMPT + "!"), Failed).fault == "not_finite"
    engine.close()


@pytest.mark.parametrize("words", [5, 220])
def test_draft_i_is_the_single_draft_with_seed_plus_i(folder, words, calls):
    """Drafts that end early leave their row unused, and the others go on, past the end of a buffer, too."""
    engine = loaded(folder("qwen2"))
    object.__setattr__(engine._loaded().checkpoint, "eos_ids", frozenset(range(0, 400, 16)))
    sampling = structs.replace(NEUTRAL, top_k=40, max_new_tokens=40)
    prompt = prompt_of(engine, words, 3)
    together = generate(engine, prompt, sampling, seed=50, drafts=5)
    assert {rows for rows, _ in calls} == {5}
    alone = [generate(engine, prompt, sampling, seed=50 + draft) for draft in range(5)]
    assert [ids_of(together, draft) for draft in range(5)] == [ids_of(events) for events in alone]
    assert len({len(ids_of(events)) for events in alone}) > 1
    engine.close()


def test_a_cancelled_reply_goes_on_as_if_it_had_not_been(folder, monkeypatch):
    """Also where it is stopped in the middle of a step: the half of it that was done leaves no trace."""
    engine = loaded(folder("llama"))
    expected = ids_of(generate(engine, PROMPT))
    engine._loaded()._cache.forget()
    batch = engine._loaded()._cache.take(prompt := engine._loaded().checkpoint.tokens.encode(PROMPT))
    logits, found = batch.extend([prompt]), []
    program = "chatdesk.engine.local.lean.program._PORTION"
    monkeypatch.setattr(program, 1)  # asked after every matrix
    for token in range(16):
        found.append(int(logits[0].argmax()))
        if token > 2:
            asked = iter([False] * (2 + token % 6) + [True] * 2)
            monkeypatch.setattr(batch._runner.brake, "should_stop", lambda asked=asked: next(asked))
            with pytest.raises(Stopped):
                batch.step([found[-1]])
            monkeypatch.undo()
            assert batch.length == len(prompt) + token
        logits = batch.step([found[-1]])
    assert found == expected
    engine.close()


@pytest.mark.parametrize("dtype", ["int8", "int4"])
@pytest.mark.parametrize("count", [2, 3, 4])
def test_few_bits_of_several_tokens_are_those_of_single_ones(tmp_path, monkeypatch, dtype, count):
    """To the last bit where whole numbers are multiplied: weights read once for all change nothing that is guessed."""
    engine = loaded(make_checkpoint(tmp_path, "llama", config=WIDE), dtype)
    monkeypatch.setattr(race, "TRIALS", 0)
    batch = engine._loaded()._cache.take(ids := [5, 6, 7, 8, 9, 10])
    batch.extend([ids])
    batch.step([11])
    batch.step([12])
    batch.read(fed := [13, 14, 15, 16][:count])  # one by one; it makes the step
    batch.trim(8)
    several = batch.read(fed).clone()
    assert 0 in batch._steps
    batch.trim(8)
    single = torch.cat([batch.step([i]).clone() for i in fed])
    assert float((several - single).abs().max()) <= (0 if assembly.HAS_BYTE_PRODUCTS else 1e-2)
    engine.close()


def test_a_stop_while_a_step_is_made_and_checked(folder):
    """It ends at once; the token before it counts, and the step is made with a later one."""
    engine = loaded(folder("llama"))
    batch = engine._loaded()._cache.take([1, 2, 3])
    batch.extend([[1, 2, 3]])
    brake, asked = batch._runner.brake, list[int]()
    brake.should_stop = lambda: asked.append(1) or len(asked) > brake.looks  # the ordinary forward is let through
    batch.step([4])
    assert (batch.length, maker(engine).made, maker(engine).is_on) == (4, 0, True)
    with pytest.raises(Stopped):
        batch.step([5])
    brake.should_stop = lambda: False
    batch.step([5])
    assert (batch.length, maker(engine).made) == (5, 1)
    engine.close()


def test_one_step_serves_all_lengths_of_its_buffers(folder, calls):
    """Long and short texts in them, and no more than one is made."""
    engine = loaded(folder("llama"))
    batch = engine._loaded()._cache.take(ids := list(range(2, 302)))
    batch.extend([ids])
    for length in (300, 20, 299):
        batch.trim(length)
        batch.extend([ids[batch.length : 300]]) if batch.length < length else None
        batch.step([5])
        batch.step([6])
    assert maker(engine).made == 1
    assert {position for _, position in calls} >= {20, 21}
    engine.close()


def test_a_lost_race_rests_once_for_all_who_find_it_out(monkeypatch):
    """And twice as long when it is lost again."""
    now, lost = 1000.0, race.Race()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    for rest_s in (race.REST_S, 2 * race.REST_S):
        assert lost.may_run()
        lost.rest()
        lost.rest()
        now += rest_s - 1
        assert not lost.may_run()
        now += 1
    assert lost.may_run()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int8", "int4"])
@pytest.mark.parametrize("model_type", ["llama", "phi3"])
def test_threads_change_nothing(tmp_path, model_type, dtype, calls, monkeypatch):
    """Five say what one says: nobody reads what another has not yet written."""
    folder, found = make_checkpoint(tmp_path, model_type, config=WIDE), []
    for threads in (1, 5):
        monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        engine = loaded(folder, dtype)
        found.append(ids_of(generate(engine, PROMPT, LONGER)))
        assert maker(engine).made
        engine.close()
    assert len(calls) > 2
    assert found[0] == found[1]


def test_a_thread_without_memory_does_not_keep_the_others() -> None:
    """Which wait for it: they end, and the error is said."""

    def run(_ops: object, _attentions: object, _ids: object, _turns: object, _place: object, shared, thread: int):
        if thread == 1:
            raise MemoryError
        while shared[0] < 2:
            time.sleep(0.001)

    program = SimpleNamespace(threads=3, portions=[(0, 1)], ops=[0], attentions=[], ahead=0, turns=torch.zeros(1, 1))
    program.meeting = meeting(3)
    step = LeanStep(lambda _compact: program, run, [(torch.zeros(1, 1, 1, 1),) * 2], lambda: None)
    with pytest.raises(MemoryError):
        step([1], 0)


def test_a_step_that_goes_wrong_is_not_used(folder, monkeypatch, caplog):
    """Said once, and the ordinary forward goes on."""
    engine = loaded(folder("llama"))
    expected = ids_of(generate(engine, PROMPT))
    engine.close()
    monkeypatch.setitem(steps.ARCHITECTURES, "llama", replace(ARCHITECTURES["llama"], weights_plus_one=True))
    engine = loaded(folder("llama"))
    with caplog.at_level(logging.INFO, steps.__name__):
        assert ids_of(generate(engine, PROMPT)) == expected
        assert ids_of(generate(engine, PROMPT + "!"))
    assert [record.getMessage().split(":")[0] for record in caplog.records] == ["no lean decode step"]
    assert not maker(engine).is_on
    engine.close()


@pytest.mark.parametrize("model_type", ["gpt_neo", "mamba", "mistral"])
def test_others_keep_their_own_forward(tmp_path, model_type, calls):
    """No description, no cache of keys and values, a sliding window."""
    assert compare(make_checkpoint(tmp_path, model_type), [40], 16) <= 1
    assert calls == []


def test_a_window_as_wide_as_the_longest_text_is_none(tmp_path, calls):
    """As Phi 3.5 and Phi 4 have it."""
    folder = make_checkpoint(tmp_path, "phi3", config={"sliding_window": 512})
    assert compare(folder, [1, 40, 480], 20) <= 1
    assert len(calls) > 3 * 15
    engine = loaded(folder)
    converse(engine, PROMPT, 3)
    engine.close()


def test_torch_answers_while_the_kernels_are_compiled(folder, monkeypatch, tmp_path, calls):
    """And a close ends the compilation. The folder is empty, so it takes seconds."""
    monkeypatch.setenv("CHATDESK_CACHE", str(tmp_path))
    compiler = Compiler()
    engine = loaded(folder("llama"))
    expected = ids_of(generate(engine, PROMPT))
    calls.clear()
    monkeypatch.setattr(maker(engine), "_compiler", compiler)
    engine._loaded()._cache.forget()
    assert ids_of(generate(engine, PROMPT)) == expected
    assert calls == []
    assert compiler._thread is not None
    compiler.close()
    assert (compiler.kernels, compiler.has_failed) == (None, False)
    engine.close()


@pytest.mark.skipif(os.name != "posix", reason="process groups are POSIX's")
def test_ctrl_c_in_a_terminal_does_not_end_the_compilation(monkeypatch, tmp_path):
    monkeypatch.setenv("CHATDESK_CACHE", str(tmp_path))
    compiler = Compiler()
    compiler.start()
    while (child := compiler._child) is None and not compiler.has_failed:
        time.sleep(0.01)
    assert child is not None
    assert os.getpgid(child.pid) != os.getpgrp()
    compiler.close()


@pytest.mark.parametrize("can_be_compiled", [True, False])
def test_what_a_power_cut_has_left_of_the_kernels(monkeypatch, tmp_path, caplog, can_be_compiled):
    """All is compiled anew, once. The child cannot read what numba cannot."""
    monkeypatch.setenv("CHATDESK_CACHE", str(tmp_path))
    compiler, asked = Compiler(), list[bool]()

    def compiles(folder: str) -> bool:
        asked.append(bool(list(Path(folder).iterdir())))
        if asked[-1] or not can_be_compiled:
            raise RuntimeError("EOFError: Ran out of input")
        return True

    monkeypatch.setattr(compiler, "_compile", compiles)
    damaged = kernel_cache() / _digest() / "kernels.run.nbi"
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(b"")
    with caplog.at_level(logging.INFO, "chatdesk.engine.local.lean.compiler"):
        assert compiler.wait() is can_be_compiled
    assert asked == [True, False]
    assert len(caplog.records) == (not can_be_compiled)


def test_a_machine_without_numba_keeps_torchs_path(folder, monkeypatch, calls, caplog):
    """Whatever the reason is: it is said once."""
    monkeypatch.setenv("CHATDESK_CACHE", os.devnull)
    compiler = Compiler()
    engine = loaded(folder("llama"))
    monkeypatch.setattr(maker(engine), "_compiler", compiler)
    with caplog.at_level(logging.INFO, "chatdesk.engine.local.lean.compiler"):
        assert not compiler.wait()
        assert len(ids_of(generate(engine, PROMPT))) == 16
    assert calls == []
    assert not maker(engine).is_on
    assert len(caplog.records) == 1
    engine.close()


@pytest.mark.parametrize(("lean_s", "trials"), [(1.0, 3), (1.9, race.TRIALS), (9.0, race.TRIALS)])
def test_the_slower_way_is_left_alone_for_a_while(folder, monkeypatch, lean_s, trials):
    """Both are tried in turns on the first tokens, fewer where the lean step wins clearly; the text is the same."""
    lean_wins = lean_s < 2
    ways: list[bool] = []
    stepped: list[int] = []
    took, plain = steps.Race.took, LeanStep.__call__

    def timed(race: steps.Race, is_lean: bool, seconds: float) -> None:
        ways.append(is_lean)
        took(race, is_lean, lean_s if is_lean else 2.0)

    def call(step: LeanStep, ids: list[int], position: int) -> torch.Tensor:
        stepped.append(position)
        return plain(step, ids, position)

    engine = loaded(folder("llama"))
    with pytest.MonkeyPatch.context() as off:
        off.setattr(maker(engine), "is_on", False)
        expected = ids_of(generate(engine, PROMPT, LONGER))
    monkeypatch.setattr(steps.Race, "took", timed)
    monkeypatch.setattr(LeanStep, "__call__", call)
    assert ids_of(generate(engine, PROMPT, LONGER)) == expected
    assert ways == [True, False] * trials
    after = stepped[-1] - stepped[trials]
    assert after > 30 if lean_wins else len(stepped) == trials + 1  # one of them was the check
    assert maker(engine).races[1].has_won is lean_wins
    assert ids_of(generate(engine, "another text", LONGER)) != expected
    if not lean_wins:  # after a while it may: another program may have held the processor
        assert len(ways) == 2 * trials
        clock = time.monotonic
        monkeypatch.setattr(time, "monotonic", lambda: clock() + race.REST_S)
        lean_s = 1.0
        assert ids_of(generate(engine, PROMPT, LONGER)) == expected
        assert maker(engine).races[1].has_won
    engine.close()
