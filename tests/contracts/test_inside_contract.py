"""What looking inside needs of every engine beside `test_engine_contract`: scores, readings, attention."""

from contextlib import closing

import pytest

from chatdesk.engine.api import (
    Attend,
    Attended,
    AttentionMap,
    Capability,
    ChatMessage,
    Choices,
    Engine,
    Failed,
    Load,
    Loaded,
    Progress,
    Read,
    Score,
    Scored,
    TokensRead,
)
from chatdesk.engine.client import PipedEngine
from chatdesk.engine.fake import FakeEngine
from chatdesk.engine.local import LocalEngine
from chatdesk.errors import Fault
from tests.contracts.contract import IDS, PROMPT, TURNS, fault, run
from tests.engine.checkpoints import make_checkpoint

ENGINES = {
    "fake": lambda: FakeEngine(context_length=64),
    "local": LocalEngine,
    "local, behind the pipe": lambda: PipedEngine(),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_checkpoint(tmp_path_factory.mktemp("gpt2"), config={"n_positions": 128})


@pytest.fixture(scope="module", params=ENGINES)
def loaded(request, folder):
    with closing(ENGINES[request.param]()) as engine:
        for wanted in (Read(next(IDS), PROMPT), Attend(next(IDS), PROMPT)):
            assert fault(engine, wanted) == Fault.NO_MODEL
        assert isinstance(run(engine, Load(next(IDS), str(folder)))[-1], Loaded)
        yield engine


def test_continuations_are_scored(loaded: Engine) -> None:
    assert Capability.INSPECT in loaded.capabilities
    items = tuple(Choices(f"{PROMPT} {n}", (" good", " very bad", " so so so")) for n in range(5))
    *progress, last = run(loaded, Score(next(IDS), items))
    assert isinstance(last, Scored)
    assert all(isinstance(event, Progress) and event.total == 5 for event in progress)
    assert progress[-1].done == len(last.scores) == 5
    for found in last.scores:
        assert len(found.logprobs) == len(found.tokens) == 3
        assert max(found.logprobs) < 0 < min(found.tokens)
    assert run(loaded, Score(next(IDS), items[2:3]))[-1].scores[0].logprobs == pytest.approx(
        last.scores[2].logprobs, abs=1e-4
    )


def test_a_text_that_the_context_does_not_hold_is_not_scored(loaded: Engine) -> None:
    items = (Choices(" word" * 400, (" good",)), Choices("a word", (" good",)))
    last = run(loaded, Score(next(IDS), items))[-1]
    assert last.scores[0].too_long > last.limit
    assert [len(found.logprobs) for found in last.scores] == [0, 1]


def test_tokens_are_read(loaded: Engine) -> None:
    for prompt in (PROMPT, (*TURNS, ChatMessage("assistant", PROMPT))):
        last = run(loaded, Read(next(IDS), prompt, top=3))[-1]
        assert isinstance(last, TokensRead)
        assert "".join(token.text for token in last.tokens) == PROMPT
        for token in last.tokens[1:]:
            assert token.rank >= 1
            assert max(token.logprob, token.sampled_logprob) <= 1e-6
            assert token.entropy >= 0
            assert len(token.top) == 3


def test_attention_is_shown(loaded: Engine) -> None:
    *maps, last = run(loaded, Attend(next(IDS), PROMPT, 1))
    assert isinstance(last, Attended)
    size = len(last.pieces)
    assert "".join(last.pieces) == PROMPT
    assert all(isinstance(each, AttentionMap) and each.layer == 1 for each in maps)
    assert [each.head for each in maps] == list(range(last.heads[1]))
    assert {len(values) for values in (last.average, last.rollout, *(m.values for m in maps))} == {size * size * 4}
    assert len(last.overview) == sum(last.heads) * last.side**2


def test_what_cannot_be_looked_into_is_refused(loaded: Engine) -> None:
    assert fault(loaded, Score(next(IDS), (Choices(PROMPT, ("good", "")),))) == Fault.BAD_VALUE
    assert fault(loaded, Read(next(IDS), " ")) == fault(loaded, Attend(next(IDS), "")) == Fault.EMPTY_PROMPT
    assert fault(loaded, Read(next(IDS), " word" * 400)) == Fault.PROMPT_TOO_LONG
    assert fault(loaded, Attend(next(IDS), " word" * 1000)) == Fault.ATTENTION_TOO_LONG
    assert fault(loaded, Attend(next(IDS), PROMPT, 1000)) == Fault.BAD_VALUE
    assert fault(loaded, Read(next(IDS), PROMPT, top=-1)) == Fault.BAD_VALUE


def test_a_cancelled_look_fails_as_cancelled(loaded: Engine) -> None:
    for request, whole in (
        (Score(next(IDS), (Choices(PROMPT, (" good",)),)), Scored),
        (Read(next(IDS), PROMPT), TokensRead),
        (Attend(next(IDS), PROMPT), Attended),
    ):
        events = loaded.run(request)
        loaded.cancel(request.id)
        *_, last = events
        # over the pipe it may have been over before the cancel arrived
        assert last == Failed(request.id, Fault.CANCELLED, {}) or isinstance(last, whole)
