"""The fused decode step: its kernels, run on the CPU by an emulator, give what the model's own forward gives."""

import math
from collections import Counter
from typing import Any

import pytest
import torch
from msgspec import structs
from transformers import AutoModelForCausalLM

from chatdesk.engine.api import Sampling
from chatdesk.engine.host import device_failed
from chatdesk.engine.local import LocalEngine
from chatdesk.engine.local.fused import driver, maker
from chatdesk.engine.local.fused.ahead import Ahead
from chatdesk.engine.local.fused.maker import FusedMaker
from chatdesk.engine.local.fused.program import Product, Program
from chatdesk.engine.local.graphs import OwnForward
from chatdesk.engine.local.lean.description import ARCHITECTURES
from chatdesk.engine.local.sampling import Sampler
from chatdesk.engine.out_of_memory import is_out_of_memory
from chatdesk.errors import Fault, UserError
from tests.engine.adapters import make_adapter
from tests.engine.local.driving import GREEDY, NEUTRAL, generate, ids_of, load, text_of
from tests.engine.local.emulator import packed
from tests.engine.local.greedy import compare, prompt_of

pytestmark = pytest.mark.usefixtures("compiler")

CHOOSING = ("choose", ("-DFLOAT=0", "-DROWS=1"))
PROMPT = "Once upon a time there was a small model"


@pytest.mark.parametrize("model_type", sorted(set(ARCHITECTURES) - {"mistral"}))
def test_greedy_equals_generate(checkpoint, model_type, runs):
    assert compare(checkpoint(model_type), [5], 8) <= 1
    assert runs == [1] * 7  # the check of the second token counts


@pytest.mark.parametrize(("dtype", "near"), [("float32", 1e-4), ("bfloat16", 0.1), ("int8", 0.15)])
def test_drafts_over_the_end_of_a_chunk(checkpoint, runs, dtype, near, monkeypatch):
    """Three rows, of which one ends early; their log-probabilities are those of the own forward."""
    prompt, found = None, []
    for is_fused in (True, False):
        monkeypatch.setattr(maker.FusedMaker, "DEVICES", ("cpu",) if is_fused else ())
        engine = LocalEngine()
        load(engine, checkpoint("qwen3"), dtype)
        object.__setattr__(engine._loaded().checkpoint, "eos_ids", frozenset())
        prompt = prompt_of(engine, 254, 3)
        events = generate(engine, prompt, structs.replace(NEUTRAL, max_new_tokens=4), seed=1, drafts=3)
        found.append([(event.id, event.logprob) for event in events if hasattr(event, "logprob")])
        engine.close()
    assert 3 in runs
    ids, others = ([token for token, _ in one] for one in found)
    if dtype == "float32":
        assert ids == others
    same = next((i for i, pair in enumerate(zip(*found, strict=True)) if pair[0][0] != pair[1][0]), len(ids))
    assert same >= 3
    assert max(abs(found[0][i][1] - found[1][i][1]) for i in range(same)) < near


def test_an_adapter_keeps_the_own_forward(checkpoint, runs, tmp_path):
    """For it hangs on the model's modules; without it the fused step is back."""
    folder = str(make_adapter(tmp_path / "adapter", checkpoint("llama"), "llama"))
    engine = LocalEngine()
    load(engine, checkpoint("llama"))
    short = structs.replace(GREEDY, max_new_tokens=4)
    with_it = ids_of(generate(engine, PROMPT, short, adapter=folder))
    assert not runs
    assert ids_of(generate(engine, PROMPT, short)) != with_it
    assert runs
    engine.close()


def test_a_model_beside_the_device_has_none(checkpoint):
    """Where accelerate keeps some of its weights elsewhere."""
    model = AutoModelForCausalLM.from_pretrained(checkpoint("llama"))
    assert FusedMaker(model).chooser is not None
    model.model.layers[1].to("meta")
    assert FusedMaker(model).chooser is None


def test_a_fused_step_that_is_wrong_is_not_used(checkpoint, monkeypatch, caplog):
    """The model's own forward makes the step in its place, and nobody asks again."""
    engine = LocalEngine()
    load(engine, checkpoint("llama"))
    run = Program.run
    tried = []

    def wrong(program: Program, kernels: object) -> torch.Tensor:
        tried.append(program)
        return run(program, kernels).roll(1, -1)

    own = []
    forward = OwnForward.__call__
    monkeypatch.setattr(Program, "run", wrong)
    monkeypatch.setattr(OwnForward, "__call__", lambda step: own.append(step) or forward(step))
    with caplog.at_level("INFO", "chatdesk.engine.local.graphs"):
        generate(engine, PROMPT)
        generate(engine, "another text")
    assert len(tried) == 1
    assert len(own) > 20
    assert "differ" in caplog.text
    engine.close()


def test_a_compilation_that_fails_is_said(caplog):
    """Here there is no NVRTC: the log says so, and there are no kernels."""
    compiler = driver.Compiler()
    with caplog.at_level("INFO", "chatdesk.engine.local.fused.driver"):
        compiler.begin(("step", ("-DFLOAT=7",)))
        compiler.wait()
    assert compiler.kernels(("step", ("-DFLOAT=7",))) is None
    assert not compiler.is_at(("step", ("-DFLOAT=7",)))
    assert "no fused decode step" in caplog.text


class Driver:
    """As the device's library, which answers ``result`` to all that is asked."""

    def __init__(self, result: int) -> None:
        self._result = result

    def cuGetErrorString(self, result: int, text: Any) -> None:
        text._obj.value = b"unspecified launch failure"

    def __getattr__(self, name: str) -> Any:
        return lambda *_: self._result


@pytest.mark.parametrize(("result", "is_poison"), [(719, True), (2, False)])
def test_a_fault_that_the_driver_tells_first_ends_the_process(monkeypatch, result, is_poison):
    """And not a lack of memory: of either the process, or whoever reads the message, has to know."""
    monkeypatch.setattr(driver, "_driver", lambda: Driver(result))
    with pytest.raises((driver.DriverError, torch.OutOfMemoryError)) as raised:
        driver._require(result)
    assert device_failed(raised.value) is is_poison
    assert is_out_of_memory(raised.value) is not is_poison


@pytest.mark.parametrize("error", [driver.DriverError("a driver that is older"), torch.OutOfMemoryError("no memory")])
def test_kernels_that_the_driver_does_not_take_cost_no_reply(checkpoint, monkeypatch, error):
    def refuse(code: bytes) -> None:
        raise error

    compiler = driver.Compiler()
    monkeypatch.setattr(driver, "compiled", lambda *_: b"code")
    monkeypatch.setattr(driver, "Kernels", refuse)
    monkeypatch.setattr(maker, "COMPILER", compiler)
    engine = LocalEngine()
    load(engine, checkpoint("llama"))
    compiler.wait()
    assert len(ids_of(generate(engine, PROMPT, structs.replace(GREEDY, max_new_tokens=4)))) == 4
    assert engine._loaded()._cache.runner.steps.made == 1
    engine.close()


SAMPLINGS = {
    "default": Sampling(0.7, 0.95, 0, 0.05, 1.1),
    "greedy": Sampling(0.0, 1.0, 0, 0.0, 1.2),
    "neutral": NEUTRAL,
    "wide": structs.replace(NEUTRAL, top_p=0.999),
    "top-k": structs.replace(NEUTRAL, top_k=40),
    "all": Sampling(0.5, 0.8, 100, 0.01, 0.9),
}


class Given:
    """As a step, with logits that were made before."""

    def __init__(self, logits: torch.Tensor) -> None:
        self._logits, self.rows, self.fed = logits, logits.shape[1], []
        self.inputs = torch.zeros(self.rows + 1, dtype=torch.long)

    def again(self) -> torch.Tensor:
        self.fed.append(self.inputs.tolist())
        return self._logits[len(self.fed) - 1]


@pytest.mark.parametrize("sampling", SAMPLINGS.values(), ids=SAMPLINGS)
@pytest.mark.parametrize("vocabulary", [300, 5000])
def test_what_is_chosen_ahead(sampling, vocabulary, compiler):
    """Same tokens and probabilities as one by one, for two rows of three, over the end of the random numbers."""
    torch.manual_seed(2)
    logits = 3 * torch.randn(12, 3, vocabulary)
    here, there = (Sampler(sampling, [5, 6, 7, 70_000], 3, 2, 0) for _ in range(2))
    step, kernels = Given(logits), compiler.kernels(CHOOSING)
    ahead = Ahead(step, kernels, there, {0: (0, 11), 2: (1, 12)}, 250, 12)
    for i in range(12):
        expected = here.choose(logits[i, [0, 2]], [0, 1])
        found = there.took([0, 1], ahead.take([0, 2]))
        assert [choice.id for choice in found] == [choice.id for choice in expected]
        for one, other in zip(found, expected, strict=True):
            assert one.logprob == pytest.approx(other.logprob, abs=1e-4)
            assert one.sampled_logprob == pytest.approx(other.sampled_logprob, abs=1e-4)
    assert not ahead.has_next
    assert step.fed[0] == [11, 0, 12, 250]
    assert [fed[3] for fed in step.fed] == list(range(250, 262))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("sampling", [SAMPLINGS["default"], SAMPLINGS["greedy"]], ids=["default", "greedy"])
def test_what_is_no_number_is_said(sampling, value, compiler):
    logits = torch.full((1, 1, 1000), value if value < 0 else 0.0)
    logits[0, 0, 500] = value
    sampler, kernels = Sampler(sampling, [5], 3, 1, 0), compiler.kernels(CHOOSING)
    found = Ahead(Given(logits), kernels, sampler, {0: (0, 1)}, 0, 1).take([0])
    with pytest.raises(UserError) as raised:
        sampler.took([0], found)
    assert raised.value.fault == Fault.NOT_FINITE


def test_all_are_equally_probable(compiler):
    """Of tokens with one and the same score, top-p keeps its share, and each is drawn as often."""
    sampler = Sampler(structs.replace(NEUTRAL, top_p=0.5), [], 3, 1, 0)
    kernels = compiler.kernels(CHOOSING)
    found = Ahead(Given(torch.zeros(150, 1, 20)), kernels, sampler, {0: (0, 1)}, 0, 150)
    made = [found.take([0])[0] for _ in range(150)]
    counts = Counter(token for token, _, _ in made)
    assert len(counts) == 10
    assert min(counts.values()) > 3
    assert all(after == pytest.approx(math.log(0.1), abs=1e-5) for _, _, after in made)


def test_a_conversation_goes_on_after_steps_that_nobody_wanted(checkpoint, runs):
    """Drafts that end early, then a turn on what is cached: as with nothing ahead."""
    found = []
    for is_ahead in (True, False):
        engine = LocalEngine()
        load(engine, checkpoint("llama"))
        if not is_ahead:
            engine._loaded()._cache.runner.steps.ahead = lambda *_: None
        object.__setattr__(engine._loaded().checkpoint, "eos_ids", frozenset(range(0, 400, 12)))
        sampling = structs.replace(NEUTRAL, top_k=40, max_new_tokens=12, repetition_penalty=1.3)
        prompt = prompt_of(engine, 250, 4)
        one = generate(engine, prompt, sampling, seed=3)
        several = generate(engine, prompt + text_of(one), sampling, seed=9, drafts=3)
        more = generate(engine, prompt + text_of(one) + " and", GREEDY, seed=3)
        found.append((ids_of(one), [ids_of(several, i) for i in range(3)], ids_of(more)))
        assert len({len(ids) for ids in found[-1][1]}) > 1
        engine.close()
    assert found[0] == found[1]


@pytest.mark.parametrize(("tiles", "split", "is_gated"), [(8, 1, 0), (4, 8, 1), (2, 2, 0), (8, 4, 1)])
def test_four_bits(compiler, tiles, split, is_gated):
    """Two matrices of other heights one above the other, or one that lets the other through, for three rows."""
    torch.manual_seed(1)
    heights, width, rows = (48, 48) if is_gated else (48, 16), 256, 3
    x, target = torch.randn(rows, width).bfloat16().float(), torch.zeros(rows, 64)
    whole = [torch.randint(0, 16, (height, width)) for height in heights]
    scales = [torch.randn(width // 32, height, 2).bfloat16() for height in heights]
    weights = [packed(each, tiles) for each in whole]
    parts = []
    for each, scale in zip(whole, scales, strict=True):
        step, middle = (scale[..., i].float().T.repeat_interleave(32, 1) for i in range(2))
        parts.append(x @ ((each - 8) * step + middle).T)
    product = Product(
        source=x.data_ptr(),
        target=target.data_ptr(),
        weights=tuple(each.data_ptr() for each in weights),
        scales=tuple(each.data_ptr() for each in scales),
        heights=heights,
        strides=heights,
        parts=2,
        outputs=48 if is_gated else 64,
        width=width,
        source_stride=width,
        target_stride=64,
        activation=is_gated,
        is_gated=is_gated,
        split=split,
    )
    kernels = compiler.kernels(("step", ("-DFLOAT=1", "-DROWS=3", "-DBITS=4")))
    shared = rows * width * 2
    kernels.launch(f"product_int4_of_{tiles}", (split, 1, 1), 256, shared, product, early=False)
    expected = torch.nn.functional.silu(parts[0]) * parts[1] if is_gated else torch.cat(parts, 1)
    found = target[:, : expected.shape[1]]
    assert (found - expected).norm() / expected.norm() < 1e-4


def test_choices_that_are_wrong_are_not_used(checkpoint, runs, monkeypatch, caplog):
    """The sampler chooses then, over the same steps; it is said once for a setting."""
    engine = LocalEngine()
    load(engine, checkpoint("llama"))
    expected = ids_of(generate(engine, PROMPT))
    take = Ahead.take
    monkeypatch.setattr(Ahead, "take", lambda ahead, places: [(i ^ 1, *more) for i, *more in take(ahead, places)])
    engine._loaded()._cache.runner.steps._choices.clear()
    with caplog.at_level("INFO", "chatdesk.engine.local.graphs"):
        assert ids_of(generate(engine, PROMPT)) == expected
        assert ids_of(generate(engine, PROMPT)) == expected
    assert caplog.text.count("the sampler chooses, not the device") == 1
    engine.close()
