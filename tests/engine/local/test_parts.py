"""Short new parts of a prompt over buffers that stay: on the CPU they are called where a GPU replays them."""

import gc
import weakref

import pytest
import torch

from chatdesk.engine.api import Finished
from chatdesk.engine.local import LocalEngine, parts
from chatdesk.engine.local.brake import Stopped
from chatdesk.engine.local.cache import _NEXT_PART
from chatdesk.engine.local.parts import Part, PartForward
from chatdesk.engine.local.runner import Runner
from tests.engine.checkpoints import make_checkpoint
from tests.engine.local.driving import converse, generate, ids_of, load, only
from tests.engine.local.greedy import prompt_of
from tests.engine.local.test_graphs import SIZES, WITH_STEPS


@pytest.fixture(autouse=True)
def _parts_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where they are slower."""
    monkeypatch.setattr(Runner, "STEP_DEVICES", ("cpu", "cuda"))
    monkeypatch.setattr(parts, "_WORTH", float("inf"))


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many tokens they were asked for."""
    made: list[int] = []
    plain = Part.__call__

    def call(part: Part, ids: list[int], position: int) -> torch.Tensor:
        made.append(len(ids))
        return plain(part, ids, position)

    monkeypatch.setattr(Part, "__call__", call)
    return made


def loaded(folder) -> LocalEngine:
    engine = LocalEngine()
    load(engine, folder)
    object.__setattr__(engine._loaded().checkpoint, "eos_ids", frozenset())
    return engine


@pytest.mark.parametrize("model_type", sorted(WITH_STEPS))
def test_turns_are_what_they_were(checkpoint, model_type, calls):
    """The words are those of a text that is read at one go."""
    engine = loaded(checkpoint(model_type))
    converse(engine, prompt_of(engine, 80, 1), 3)
    engine.close()
    assert any(tokens < parts.TOKENS for tokens in calls)


@pytest.mark.parametrize("model_type", sorted(SIZES.keys() - WITH_STEPS))
def test_others_have_none(checkpoint, model_type, calls):
    """And say the same twice."""
    engine = loaded(checkpoint(model_type))
    text = prompt_of(engine, 80, 1)
    assert ids_of(generate(engine, text)) == ids_of(generate(engine, text))
    engine.close()
    assert len(calls) <= 2  # tried at most, and found to be wrong


def test_what_is_kept_stays_as_it_is(checkpoint, calls):
    """Making one reads the end of the text again, and puts back what was there."""
    engine = loaded(checkpoint("llama"))
    generate(engine, prompt_of(engine, 80, 1))
    cache = engine._loaded().cache
    live = cache._live
    rows, text = [list(row) for row in live.rows], live.tail(0)
    live._steps = {}
    calls.clear()
    cache.prepare()
    assert calls == [parts.TOKENS] * 2
    assert live.rows == rows
    for now, then in zip(live.tail(0), text, strict=True):
        assert torch.equal(now[0], then[0])
        assert torch.equal(now[1], then[1])
    engine.close()


def test_it_goes_with_what_is_kept(checkpoint):
    """At once: the buffers of a text that grows out of them, or of an unrelated one, may be a gigabyte."""
    engine = loaded(checkpoint("llama"))
    generate(engine, prompt_of(engine, 80, 1))
    part = engine._loaded().cache._live._steps[_NEXT_PART]
    there = [weakref.ref(each) for each in (part, part.inputs, *part.buffers[0])]
    del part
    gc.disable()
    try:
        engine._loaded().cache.forget()
        assert [each() for each in there] == [None] * 4
    finally:
        gc.enable()
    engine.close()


def test_memory_that_is_short_is_left_alone(checkpoint, monkeypatch, calls):
    """A graph would keep some of it, for a text may need it."""
    engine = loaded(checkpoint("llama"))
    monkeypatch.setattr(engine._loaded().cache, "_free", lambda: 1 << 29)
    generate(engine, prompt_of(engine, 80, 1))
    assert calls == []
    engine.close()


def test_a_text_that_leaves_no_room_is_read_as_ever(checkpoint, calls):
    """What stands behind those that are wanted has to fit, too."""
    engine = loaded(checkpoint("llama"))
    live = engine._loaded().cache.take([5] * 2)
    live.extend([[5] * 200])
    live.prepare()
    live.trim(192)
    calls.clear()
    for tokens in (12, 13):
        live.trim(192 if tokens == 12 else 193)
        live.go_on([5] * tokens)
    assert calls == [12]
    assert live.length == 206
    engine.close()


@pytest.mark.parametrize("fault", ["wrong", "raises", "slow"])
def test_one_that_is_of_no_use_is_not_used(checkpoint, monkeypatch, calls, fault):
    """And not tried again. What it has written is gone."""
    read = PartForward.__call__

    def wrong(part: PartForward) -> torch.Tensor:
        logits, start = read(part), int(part._inputs[-1])
        part._buffers[0][0][:, :, start : start + parts.TOKENS] += 1
        return logits + torch.randn(logits.shape)

    monkeypatch.setattr(PartForward, "__call__", {"wrong": wrong, "raises": lambda part: 1 / 0, "slow": read}[fault])
    monkeypatch.setattr(parts, "_WORTH", 0 if fault == "slow" else 1)
    engine = loaded(checkpoint("llama"))
    text = prompt_of(engine, 80, 1)
    first = ids_of(generate(engine, text))
    tried = len(calls)
    assert tried
    generate(engine, text + " and")
    assert ids_of(generate(engine, text)) == first
    assert len(calls) == tried
    maker = engine._loaded().cache.runner.parts
    assert maker.is_on == (fault == "slow")
    assert maker.most_room == (255 if fault == "slow" else 8192)
    engine.close()


@pytest.mark.parametrize("place", ["part", "ordinary"])
def test_too_little_memory_is_no_reason_for_good(checkpoint, monkeypatch, place):
    """It may be there the next time; what was kept is whole, though a pass ended in its middle."""
    engine = loaded(checkpoint("llama"))
    text = prompt_of(engine, 80, 1)

    def starve(*given) -> torch.Tensor:
        raise torch.OutOfMemoryError

    def ordinary(work):
        with monkeypatch.context() as change:
            change.setattr(engine._loaded().cache._live._cache.layers[1], "update", starve)
            return work(), 1.0

    monkeypatch.setattr(*((PartForward, "__call__", starve) if place == "part" else (parts, "_timed", ordinary)))
    first = ids_of(generate(engine, text))
    assert engine._loaded().cache.runner.parts.is_on
    engine._loaded().cache._live._steps.clear()  # they count in what they have not written
    assert ids_of(generate(engine, text)) == first
    assert only(again := generate(engine, text + " and"), Finished).reused_tokens > 70
    engine._loaded().cache.forget()
    assert ids_of(generate(engine, text + " and")) == ids_of(again)
    engine.close()


def test_a_stop_in_its_middle(checkpoint, calls):
    """Where nothing is captured it can be stopped: the text is what it was."""
    engine = loaded(checkpoint("llama"))
    generate(engine, prompt_of(engine, 80, 1))
    live, brake, asked = engine._loaded().cache._live, engine._loaded().cache.runner.brake, list[int]()
    live.trim(70)
    brake.should_stop = lambda: asked.append(1) or len(asked) > 2
    with pytest.raises(Stopped):
        live.go_on([5] * 6)
    assert (calls[-1], live.length) == (6, 70)
    brake.should_stop = lambda: False
    found = live.go_on([7] * 6).clone()
    live.trim(70)
    live._steps.clear()
    assert torch.allclose(found, live.extend([[7] * 6]), rtol=1e-3, atol=1e-3)
    engine.close()


def test_ctrl_c_while_one_is_made(checkpoint, monkeypatch):
    """On the command line: what was kept is whole."""
    engine = loaded(checkpoint("llama"))
    text = prompt_of(engine, 80, 1)

    def interrupt(*given) -> torch.Tensor:
        raise KeyboardInterrupt

    def ordinary(work):
        with monkeypatch.context() as change:
            change.setattr(engine._loaded().cache._live._cache.layers[1], "update", interrupt)
            return work(), 1.0

    monkeypatch.setattr(parts, "_timed", ordinary)
    with pytest.raises(KeyboardInterrupt):
        generate(engine, text)
    monkeypatch.setattr(engine._loaded().cache.runner.parts, "is_on", False)
    engine._loaded().cache._live._steps.clear()
    kept = generate(engine, text + " and")
    assert only(kept, Finished).reused_tokens > 70
    engine._loaded().cache.forget()
    assert ids_of(generate(engine, text + " and")) == ids_of(kept)
    engine.close()


def test_no_position_behind_the_last_is_asked_for(tmp_path, calls):
    """A learned one would not be there, though the room is greater."""
    engine = loaded(make_checkpoint(tmp_path, "gpt2", config={"n_positions": 250}))
    live = engine._loaded().cache.take([5] * 2)
    live.extend([[5] * 189])
    live.prepare()
    expected = live.extend([[6] * 5])
    live.trim(189)
    assert torch.allclose(live.go_on([6] * 5), expected, rtol=1e-3, atol=1e-3)
    assert calls[-1] == 5
    engine.close()
