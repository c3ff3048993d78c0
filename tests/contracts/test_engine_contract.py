"""The engines that keep the contract: scripted, local, and each behind the pipe."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from chatdesk.engine.api import Engine, Failed
from chatdesk.engine.child import child_command
from chatdesk.engine.client import PipedEngine
from chatdesk.engine.fake import FakeEngine
from chatdesk.errors import Fault
from tests.contracts.contract import LONG, reply, run, tokens
from tests.contracts.measuring import MeasuringContract
from tests.engine.checkpoints import make_checkpoint


class PipedContract(MeasuringContract):
    """What an engine behind the pipe promises beyond that."""

    def test_a_killed_process_comes_back_with_its_model(self, loaded: Engine) -> None:
        expected = tokens(run(loaded, reply()))
        engines = psutil.Process().children()
        events = loaded.run(reply(sampling=LONG))
        found = list(itertools.islice(events, 3))
        for child in engines:
            child.kill()
        found += events
        assert isinstance(found[-1], Failed)
        assert found[-1].fault == Fault.ENGINE_DIED
        assert tokens(run(loaded, reply())) == expected


class TestFakeEngine(MeasuringContract):
    @pytest.fixture(scope="class")
    @classmethod
    def engine(cls) -> Iterator[Engine]:
        engine = FakeEngine(context_length=64, tokens_per_s=1000)
        yield engine
        engine.close()

    @pytest.fixture(scope="class")
    @classmethod
    def folder(cls, tmp_path_factory: pytest.TempPathFactory) -> Path:
        return tmp_path_factory.mktemp("fake")


class TestPipedFakeEngine(PipedContract, TestFakeEngine):
    @pytest.fixture(scope="class")
    @classmethod
    def engine(cls) -> Iterator[Engine]:
        engine = PipedEngine(command=[*child_command(), "--fake", '{"context_length": 64, "tokens_per_s": 1000}'])
        yield engine
        engine.close()


class TestLocalEngine(MeasuringContract):
    @pytest.fixture(scope="class")
    @classmethod
    def engine(cls) -> Iterator[Engine]:
        from chatdesk.engine.local import LocalEngine

        engine = LocalEngine()
        yield engine
        engine.close()

    @pytest.fixture(scope="class")
    @classmethod
    def folder(cls, tmp_path_factory: pytest.TempPathFactory) -> Path:
        return make_checkpoint(tmp_path_factory.mktemp("gpt2"), model_type="gpt2", config={"n_positions": 128})


class TestPipedLocalEngine(PipedContract, TestLocalEngine):
    @pytest.fixture(scope="class")
    @classmethod
    def engine(cls) -> Iterator[Engine]:
        engine = PipedEngine()
        yield engine
        engine.close()
