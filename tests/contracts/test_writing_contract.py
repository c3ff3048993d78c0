"""What the writing desk needs of every engine beside `test_engine_contract`: biases, and a text's lead and suffix."""

import math
from contextlib import closing

import pytest

from chatdesk.engine.api import BANNED, Bias, Engine, Load, Loaded, MakePrompt, PromptMade
from chatdesk.engine.client import PipedEngine
from chatdesk.engine.fake import FakeEngine
from chatdesk.engine.local import LocalEngine
from chatdesk.errors import Fault
from tests.contracts.contract import IDS, fault, reply, run, text
from tests.engine.checkpoints import make_checkpoint

ENGINES = {
    "fake": FakeEngine,
    "local": LocalEngine,
    "local, behind the pipe": lambda: PipedEngine(),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_checkpoint(tmp_path_factory.mktemp("gpt2"), config={"n_positions": 128})


@pytest.fixture(scope="module", params=ENGINES)
def loaded(request, folder):
    with closing(ENGINES[request.param]()) as engine:
        assert isinstance(run(engine, Load(next(IDS), str(folder)))[-1], Loaded)
        yield engine


def test_a_banned_word_is_never_written(loaded: Engine) -> None:
    said = text(run(loaded, reply(seed=11)))
    word = max(said.split(), key=len)
    biases = tuple(Bias(piece, BANNED) for piece in dict.fromkeys(said.split()))
    assert word not in text(run(loaded, reply(seed=11, bias=biases))).split()


@pytest.mark.parametrize("bias", [Bias(" ", 1.0), Bias("word", 101.0), Bias("word", math.nan)])
def test_a_bias_that_means_nothing_is_refused(loaded: Engine, bias: Bias) -> None:
    assert fault(loaded, reply(bias=(bias,))) == Fault.BAD_VALUE


def test_what_leads_a_text_is_never_cut(loaded: Engine) -> None:
    long = "one two three four five six seven " * 2000
    (made,) = run(loaded, MakePrompt(next(IDS), long, lead="Memory words first."))
    assert isinstance(made, PromptMade)
    assert "".join(made.pieces).startswith("Memory words first.")
    assert made.dropped_tokens > 0
    assert len(made.token_ids) < made.context_length
    assert fault(loaded, MakePrompt(next(IDS), "x", lead=long)) == Fault.PROMPT_TOO_LONG
