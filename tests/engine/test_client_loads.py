"""What is loaded, and loaded again, when loads fail, die or are cancelled."""

from collections.abc import Callable

import pytest

from chatdesk.engine.api import (
    Failed,
    Finished,
    Hello,
    Loaded,
)
from chatdesk.engine.wire import ENDINGS
from chatdesk.errors import Fault
from tests.engine.desks import Desk, assert_fault, children, script

KEEPS = """
from chatdesk.engine.api import *
from chatdesk.engine.wire import pack, read_bodies
import msgspec
info = ModelInfo("a", "a", "", 0, "cpu", "CPU", "float32", 8, False, DEFAULT_SAMPLING, 0.0)
def say(event):
    out.write(pack(event)); out.flush()
say(Hello(0, PROTOCOL_VERSION, ()))
for body in read_bodies(sys.stdin.buffer):
    load = msgspec.msgpack.decode(body, type=Request)
    say(Loaded(load.id, info) if load.path == "a" else Failed(load.id, "only_gguf", {}, True))
"""  # has one model and refuses all others


def test_a_load_that_killed_its_child_is_not_repeated(desk: Desk) -> None:
    good, bad = desk.load("fake:good"), desk.load("fake:kill@2")
    assert_fault(desk.end_of(bad), Fault.ENGINE_DIED)
    assert_fault(desk.end_of(desk.generate("again")), Fault.NO_MODEL)
    assert [len([e for e in desk.of(load) if isinstance(e, ENDINGS)]) for load in (good, bad)] == [1, 1]


@pytest.mark.parametrize("how", ["oom@1", "hang@1"])
def test_a_load_that_failed_leaves_nothing_to_be_loaded_again(make_desk: Callable[..., Desk], how: str) -> None:
    """The model of before made way for it; whoever shows what is loaded says that none is."""
    desk = make_desk(cancel_timeout_s=0.2)
    good, bad = desk.load("fake:good"), desk.load(f"fake:{how}")
    desk.until(lambda e: e.request == bad)
    desk.client.cancel(bad)
    assert isinstance(desk.end_of(bad), Failed)
    if how.startswith("oom"):  # the hung one has been ended already
        children()[0].kill()
    desk.until(lambda e: isinstance(e, Hello), times=2)
    assert_fault(desk.end_of(desk.generate("again")), Fault.NO_MODEL)
    assert len([e for e in desk.of(good) if isinstance(e, Loaded)]) == 1


def test_a_load_that_was_refused_at_once_changes_nothing(make_desk: Callable[..., Desk]) -> None:
    """The model of before is still there, and comes back."""
    desk = make_desk(command=script(KEEPS))
    load = desk.load("a")
    desk.end_of(load)
    refused = desk.end_of(desk.load("b"))
    assert refused.keeps_model
    children()[0].kill()
    assert isinstance(desk.end_of(load, times=2), Loaded)


def test_a_load_that_waits_leaves_the_model_when_it_is_cancelled(desk: Desk) -> None:
    """It has not begun, so nothing made way for it."""
    desk.load()
    reply = desk.generating()
    waiting = desk.load("fake:other")
    desk.client.cancel(waiting)
    ended = desk.end_of(waiting)
    assert (ended.fault, ended.keeps_model) == (Fault.CANCELLED, True)
    desk.client.cancel(reply)
    assert isinstance(desk.end_of(desk.generate("again")), Finished)
