"""What the tests on a CUDA device share; without one they are skipped.

A run of this folder alone uses its own pytest.ini, and nothing here imports Qt.
"""

import gc
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from chatdesk.engine.local import LocalEngine
from chatdesk.engine.local.fused.driver import COMPILER, Compiler, Options
from chatdesk.engine.local.speculation import Pace
from tests.engine.checkpoints import make_checkpoint

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

HEAVY = {
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_hidden_layers": 8,
    "num_attention_heads": 8,
    "num_key_value_heads": 8,
    "max_position_embeddings": 65536,
}
"""A llama of 134 million parameters with a long context: slow enough to be stopped in the middle of a prompt."""


@pytest.fixture(scope="session", autouse=True)
def _device() -> None:
    if not torch.cuda.is_available():
        pytest.skip("there is no CUDA device")


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Makes a tiny checkpoint of a model type once for all tests."""
    made: dict[str, Path] = {}

    def make(model_type: str) -> Path:
        if model_type not in made:
            made[model_type] = make_checkpoint(tmp_path_factory.mktemp(model_type), model_type)
        return made[model_type]

    return make


@pytest.fixture(scope="session")
def heavy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint as `HEAVY` says: 0.5 GB in float32."""
    return make_checkpoint(tmp_path_factory.mktemp("heavy"), "llama", config=HEAVY)


@pytest.fixture(autouse=True)
def _kernels_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for a compilation where it begins: which steps are made must not depend on how quick it is."""
    begin = Compiler.begin

    def begun(compiler: Compiler, options: Options) -> None:
        begin(compiler, options)
        COMPILER.wait()

    monkeypatch.setattr(Compiler, "begin", begun)
    monkeypatch.setattr(Pace, "may_guess", False)  # several tokens read at once are no steps


@pytest.fixture
def engine() -> Iterator[LocalEngine]:
    """An engine with nothing loaded, and a device that is as empty after it as it can be."""
    engine = LocalEngine()
    yield engine
    engine.close()
    gc.collect()
    torch.cuda.empty_cache()
