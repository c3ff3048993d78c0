"""The fused decode step: its kernels, run on the CPU by an emulator, give what the model's own forward gives."""

import shutil

import pytest
import torch
from msgspec import structs

from chatdesk.engine.local import LocalEngine
from chatdesk.engine.local.cache import Runner
from chatdesk.engine.local.fused import driver, maker
from chatdesk.engine.local.fused.program import Program
from chatdesk.engine.local.graphs import OwnForward
from chatdesk.engine.local.lean.description import ARCHITECTURES
from tests.engine.adapters import make_adapter
from tests.engine.local.driving import GREEDY, NEUTRAL, generate, ids_of, load
from tests.engine.local.emulator import Compiler
from tests.engine.local.greedy import compare, prompt_of

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="the emulator needs g++")

PROMPT = "Once upon a time there was a small model"


@pytest.fixture(autouse=True)
def compiler(monkeypatch: pytest.MonkeyPatch) -> Compiler:
    compiler = Compiler()
    monkeypatch.setattr(Runner, "STEP_DEVICES", ("cpu",))
    monkeypatch.setattr(maker.FusedMaker, "DEVICES", ("cpu",))
    monkeypatch.setattr(maker, "COMPILER", compiler)
    lay = maker.lay_by_rows

    def lay_at_even_addresses(model: torch.nn.Module) -> None:
        lay(model)
        for parameter in model.parameters():
            parameter.data = parameter.data.contiguous() if parameter.data.is_contiguous() else parameter.data
            if parameter.data_ptr() % 16:
                parameter.data = parameter.data.clone()

    monkeypatch.setattr(maker, "lay_by_rows", lay_at_even_addresses)
    return compiler


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The rows of each fused step that was run; the model's own forward must make none."""
    made: list[int] = []
    run = Program.run

    def counted(program: Program, kernels: object) -> torch.Tensor:
        made.append(program.rows)
        return run(program, kernels)

    monkeypatch.setattr(Program, "run", counted)
    return made


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
        compiler.begin(("-DFLOAT=7",))
        compiler.wait()
    assert compiler.kernels(("-DFLOAT=7",)) is None
    assert not compiler.is_at(("-DFLOAT=7",))
    assert "no fused decode step" in caplog.text
