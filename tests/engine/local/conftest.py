"""Checkpoints and loaded engines that the tests of the local engine share."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from chatdesk.engine.local import LocalEngine
from chatdesk.engine.local.fused import maker
from chatdesk.engine.local.fused.persistent import PersistentProgram
from chatdesk.engine.local.fused.program import Kernels, Program
from chatdesk.engine.local.lean.compiler import COMPILER
from chatdesk.engine.local.runner import Runner
from tests.engine.checkpoints import make_checkpoint
from tests.engine.local.driving import load
from tests.engine.local.emulator import Compiler


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """Tiny matrices are slower with more threads, many times so beside other work."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Makes a checkpoint of a model type once for all tests."""
    made: dict[str, Path] = {}

    def make(model_type: str) -> Path:
        if model_type not in made:
            made[model_type] = make_checkpoint(tmp_path_factory.mktemp(model_type), model_type)
        return made[model_type]

    return make


@pytest.fixture(scope="module")
def kernels() -> Iterator[Any]:
    """Those of the lean decode step, compiled once for the checkout: the first run takes about ten seconds longer."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CHATDESK_CACHE", str(Path(__file__).parents[3] / ".pytest_cache"))
        patch.delenv("CHATDESK_LEAN")
        assert COMPILER.wait()
        yield COMPILER.kernels


@pytest.fixture(scope="module")
def gpt2(checkpoint: Callable[..., Path]) -> Iterator[LocalEngine]:
    """An engine with a tiny GPT-2 on the CPU. What it caches depends on the tests before.

    It ends with the file, and its template process with it: other tests count the children.
    """
    engine = LocalEngine()
    load(engine, checkpoint("gpt2"))
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Makes engines by template; all are closed."""
    engines: dict[str | None, LocalEngine] = {}

    def make(template: str | None, **more) -> LocalEngine:
        if template not in engines:
            engines[template] = LocalEngine()
            load(engines[template], make_checkpoint(tmp_path_factory.mktemp("chat"), chat_template=template, **more))
            object.__setattr__(engines[template]._loaded().checkpoint, "eos_ids", frozenset())
        return engines[template]

    yield make
    for engine in engines.values():
        engine.close()


@pytest.fixture
def compiler(monkeypatch: pytest.MonkeyPatch) -> Compiler:
    """A CUDA device that is this processor: the kernels of the fused step are run by the emulator."""
    if shutil.which("g++") is None:
        pytest.skip("the emulator needs g++")
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
    for kind in (Program, PersistentProgram):

        def counted(program: Program, kernels: Kernels, run: Any = kind.run) -> torch.Tensor:
            made.append(program.rows)
            return run(program, kernels)

        monkeypatch.setattr(kind, "run", counted)
    return made
