"""The client of the engine process, with children that misbehave."""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from chatdesk.engine.api import (
    PROTOCOL_VERSION,
    Cancel,
    Capability,
    Count,
    Counted,
    DraftFinished,
    Failed,
    Finished,
    Generate,
    Hello,
    Load,
    Loaded,
    Ping,
    Pong,
    TokenEvent,
)
from chatdesk.engine.child import child_environment
from chatdesk.engine.client import PipedEngine
from chatdesk.engine.wire import ENDINGS, EXIT_DEVICE_FAILED, FUSED_VARIABLE, pack
from chatdesk.errors import Fault, UserError
from tests.engine.desks import ENDLESS, FAKE, WAIT_S, Desk, assert_fault, children, script


def test_a_reply_comes_through(desk: Desk) -> None:
    desk.client.start()
    desk.load()
    reply = desk.generate("Hello", seed=1)
    assert isinstance(desk.end_of(reply), Finished)
    assert isinstance(desk.events[0], Hello)
    assert len([e for e in desk.of(reply) if isinstance(e, TokenEvent)]) >= 20


@pytest.mark.parametrize(
    ("misdeed", "reason"),
    [
        ("kill", "killed by signal 9, SIGKILL"),
        ("abort", "killed by signal 6, SIGABRT"),
        ("exit", "exit code 3"),
        ("garbage", "it sent what is no message"),
    ],
)
def test_a_death_costs_a_reply_and_no_more(desk: Desk, misdeed: str, reason: str) -> None:
    load = desk.load()
    reply = desk.generate(f"fake:{misdeed}@5")
    waiting = desk.generate("behind it")
    assert_fault(desk.end_of(reply), Fault.ENGINE_DIED, reason)
    assert_fault(desk.end_of(waiting), Fault.ENGINE_DIED, reason)
    assert sum(isinstance(e, TokenEvent) for e in desk.of(reply)) == 5
    assert isinstance(desk.end_of(load, times=2), Loaded)
    assert isinstance(desk.end_of(desk.generate("again")), Finished)


def test_a_child_that_dies_while_nothing_is_asked_comes_back_with_its_model(desk: Desk) -> None:
    load = desk.load()
    desk.end_of(load)
    children()[0].kill()
    assert isinstance(desk.end_of(load, times=2), Loaded)
    assert isinstance(desk.end_of(desk.generate("again")), Finished)


def test_three_deaths_are_enough(desk: Desk) -> None:
    desk.load()
    ends = [desk.end_of(desk.generate("fake:kill")) for _ in range(3)]
    assert_fault(ends[1], Fault.ENGINE_DIED)
    assert_fault(ends[2], Fault.ENGINE_KEEPS_DYING, "killed by signal 9")
    assert children() == []
    assert_fault(desk.end_of(desk.generate("anyone there?")), Fault.ENGINE_KEEPS_DYING)
    assert isinstance(desk.end_of(desk.load("fake:other")), Loaded)
    assert isinstance(desk.end_of(desk.generate("again")), Finished)


def test_start_tries_again_after_a_crash_loop(desk: Desk) -> None:
    desk.load()
    for _ in range(3):
        desk.end_of(desk.generate("fake:kill"))
    desk.client.start()
    assert_fault(desk.end_of(desk.generate("anyone there?")), Fault.NO_MODEL)


def test_deaths_far_apart_are_no_loop(make_desk: Callable[..., Desk]) -> None:
    now = [1000.0]
    desk = make_desk(clock=lambda: now[0])
    desk.load()
    for _ in range(5):
        assert_fault(desk.end_of(desk.generate("fake:kill")), Fault.ENGINE_DIED)
        now[0] += 151


def test_a_child_that_cannot_start(make_desk: Callable[..., Desk]) -> None:
    missing = make_desk(command=["/no/such/program"])
    assert_fault(missing.end_of(missing.load()), Fault.ENGINE_KEEPS_DYING, "could not be started")
    failing = make_desk(command=script("sys.exit(9)"))
    assert isinstance(failing.end_of(failing.load()), Failed)
    failing.until(lambda e: isinstance(e, Failed))
    assert_fault(failing.end_of(failing.load()), Fault.ENGINE_DIED, "exit code 9")


def test_a_hung_child_is_gone_in_two_seconds(desk: Desk) -> None:
    load = desk.load()
    hung, waiting = desk.generate("fake:hang@2", drafts=2), desk.generate("behind it")
    desk.until(lambda e: e.request == hung and isinstance(e, TokenEvent), times=4)
    child = children()[0]
    begin = time.monotonic()
    desk.client.cancel(hung)
    assert isinstance(desk.end_of(hung), Finished)
    assert 1.5 < time.monotonic() - begin < 10
    assert not child.is_running()
    assert [e.reason for e in desk.of(hung) if isinstance(e, DraftFinished)] == ["cancelled", "cancelled"]
    assert desk.of(hung)[-1].new_tokens == 4
    assert_fault(desk.end_of(waiting), Fault.ENGINE_HUNG)
    assert isinstance(desk.end_of(load, times=2), Loaded)
    assert isinstance(desk.end_of(desk.generate("again")), Finished)


def test_ending_hung_children_is_no_crash_loop(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk(cancel_timeout_s=0.2)
    desk.load()
    for _ in range(4):
        hung = desk.generate("fake:hang@1")
        desk.until(lambda e, hung=hung: e.request == hung and isinstance(e, TokenEvent))
        desk.client.cancel(hung)
        assert isinstance(desk.end_of(hung), Finished)
    assert isinstance(desk.end_of(desk.generate("again")), Finished)


def test_a_hung_load_ends_as_cancelled(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk(cancel_timeout_s=0.2)
    load = desk.load("fake:hang@1")
    desk.until(lambda e: e.request == load)
    desk.client.cancel(load)
    assert_fault(desk.end_of(load), Fault.CANCELLED)
    assert_fault(desk.end_of(desk.generate("again")), Fault.NO_MODEL)


def test_another_version_is_refused(make_desk: Callable[..., Desk]) -> None:
    hello = pack(Hello(0, PROTOCOL_VERSION + 1, ())).replace(b"capabilities", b"new_features")
    desk = make_desk(command=script(f"out.write({hello!r}); out.flush(); time.sleep(60)"))
    end = desk.end_of(desk.load())
    assert end == Failed(1, Fault.ENGINE_VERSION, {"found": str(PROTOCOL_VERSION + 1), "known": str(PROTOCOL_VERSION)})
    assert "another version" in str(UserError(Fault(end.fault), **end.fields))
    assert desk.end_of(desk.generate("Hi")).fault == Fault.ENGINE_VERSION
    assert children() == []


@pytest.mark.parametrize("fault", ["b'\\xa5fault\\xa2\\xff\\xfe'", "b'\\xa1x' + b'\\x91' * 200_000 + b'\\xc0'"])
def test_what_no_decoder_takes_is_a_death(make_desk: Callable[..., Desk], fault: str) -> None:
    """No Unicode, and lists nested without end."""
    hello, head = pack(Hello(0, PROTOCOL_VERSION, ())), b"\x83\xa4type\xa6Failed\xa7request\x01"
    lie = f"out.write({hello!r}); body = {head!r} + {fault}; out.write(len(body).to_bytes(4, 'big') + body)"
    desk = make_desk(command=script(f"{lie}; out.flush(); time.sleep(60)"))
    assert_fault(desk.end_of(desk.load()), Fault.ENGINE_DIED, "it sent what is no message")


def test_a_closed_pipe_is_a_death(make_desk: Callable[..., Desk]) -> None:
    hello = pack(Hello(0, PROTOCOL_VERSION, ()))
    desk = make_desk(command=script(f"out.write({hello!r}); out.flush(); os.close(1); time.sleep(60)"))
    assert_fault(desk.end_of(desk.load()), Fault.ENGINE_DIED)


def test_a_child_that_lies_is_not_believed(make_desk: Callable[..., Desk]) -> None:
    lies = [Hello(0, PROTOCOL_VERSION, ()), Pong(1), Pong(1), Counted(77, 5)]
    frames = b"".join(pack(lie) for lie in lies)
    desk = make_desk(command=script(f"sys.stdin.buffer.read(4); out.write({frames!r}); out.flush(); time.sleep(60)"))
    desk.client.send(Ping(1))
    desk.end_of(1)
    desk.client.unload()
    desk.client.send(Ping(2))
    desk.client.close()
    assert [type(e) for e in desk.events[:2]] == [Hello, Pong]
    assert desk.of(77) == []
    assert len([e for e in desk.of(1) if isinstance(e, ENDINGS)]) == 1


def test_after_a_fault_of_the_device_the_next_child_does_without_our_kernels(
    make_desk: Callable[..., Desk], tmp_path: Path
) -> None:
    log = tmp_path / "engine.log"
    code = f"print(os.environ.get({FUSED_VARIABLE!r}), file=sys.stderr, flush=True)"
    desk = make_desk(command=script(f"{code}; os._exit({EXIT_DEVICE_FAILED})"), log=log)
    assert_fault(desk.end_of(desk.load()), Fault.ENGINE_DIED, "the graphics device failed")
    assert isinstance(desk.end_of(desk.load()), Failed)
    assert log.read_text().split()[:2] == ["None", "off"]


def test_the_log_holds_what_is_printed(make_desk: Callable[..., Desk], tmp_path: Path) -> None:
    log = tmp_path / "sub" / "engine.log"
    desk = make_desk(log=log)
    desk.load()
    assert isinstance(desk.end_of(desk.generate("fake:print")), Finished)
    failed = desk.end_of(desk.generate("fake:raise"))
    assert failed.fields["log"] == str(log)
    text = log.read_text()
    assert "a stray word from a library" in text
    assert "ZeroDivisionError" in text


@pytest.mark.parametrize("cancels", [100, pytest.param(1000, marks=pytest.mark.soak)])
def test_quick_cancels(desk: Desk, cancels: int) -> None:
    desk.load()
    for _ in range(cancels):
        reply = desk.generating()
        begin = time.monotonic()
        desk.client.cancel(reply)
        assert isinstance(desk.end_of(reply), Finished)
        assert time.monotonic() - begin < 2
    assert sum(isinstance(e, Hello) for e in desk.events) == 1


@pytest.mark.parametrize("rounds", [40, pytest.param(2000, marks=pytest.mark.soak)])
def test_every_request_ends_once_whatever_happens(make_desk: Callable[..., Desk], rounds: int) -> None:
    """Four threads ask, cancel, kill and unload at random."""
    desk = make_desk(cancel_timeout_s=0.2)
    sent: list[int] = []

    def act(seed: int) -> None:
        rng = random.Random(seed)
        for _ in range(rounds // 4):
            disturb(desk, rng, sent)
            time.sleep(rng.random() * 0.05)

    threads = [threading.Thread(target=act, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for request_id in sent:
        desk.client.cancel(request_id)
    for request_id in sent:
        desk.end_of(request_id)
    assert isinstance(desk.end_of(desk.load()), Loaded)
    ends = Counter(event.request for event in desk.events if isinstance(event, ENDINGS))
    loaded_again = {event.request for event in desk.events if isinstance(event, Loaded)}
    assert set(sent) <= set(ends)
    assert {count for request_id, count in ends.items() if request_id not in loaded_again} == {1}
    drafts = Counter((e.request, e.draft) for e in desk.events if isinstance(e, DraftFinished))
    assert set(drafts.values()) == {1}


def disturb(desk: Desk, rng: random.Random, sent: list[int]) -> None:
    """Do one thing at random, and cancel what was sent last, by whichever thread."""
    match rng.randrange(8):
        case 0 | 1:
            sent.append(desk.load(rng.choice(["fake:good", "fake:good", "fake:kill@1", "/no/such"])))
        case 2 | 3 | 4:
            misdeed = rng.choice(["", "", "kill@1", "hang@1", "garbage", "raise@2", "oom@1", "endless"])
            sent.append(desk.generate(f"fake:{misdeed}", drafts=2, sampling=ENDLESS))
        case 5:
            sent.append(desk.client.next_id())
            desk.client.send(Count(sent[-1], "some text"))
        case 6:
            for child in children():
                with contextlib.suppress(psutil.Error):
                    child.kill()
        case 7:
            desk.client.unload()
    for request_id in sent[-3:]:
        desk.client.cancel(request_id)


def test_cancelling_what_waits_what_is_over_and_what_never_was(desk: Desk) -> None:
    desk.load()
    running, waiting = desk.generating(), desk.generate("later", drafts=2)
    for request_id in (waiting, 1, 4711):
        desk.client.cancel(request_id)
    assert isinstance(desk.end_of(waiting), Finished)
    assert not [e for e in desk.of(running) if isinstance(e, ENDINGS)]
    desk.client.send(Cancel(desk.client.next_id(), running))
    assert isinstance(desk.end_of(running), Finished)


def test_a_request_to_a_child_that_has_not_greeted_is_cancelled_at_once(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk(command=script("time.sleep(60)"), cancel_timeout_s=600)
    load, reply = desk.load(), desk.generate("Hi")
    desk.client.cancel(reply)
    desk.client.cancel(load)
    assert isinstance(desk.end_of(reply), Finished)
    assert_fault(desk.end_of(load), Fault.CANCELLED)


def test_counting_while_it_generates(desk: Desk) -> None:
    desk.load()
    reply = desk.generating()
    desk.client.send(Count(900, "four words of text"))
    assert desk.end_of(900) == Counted(900, 4)
    assert not [e for e in desk.of(reply) if isinstance(e, ENDINGS)]


def test_unload_ends_the_child_and_starts_the_next(desk: Desk) -> None:
    desk.load()
    reply = desk.generating()
    child = children()[0]
    desk.client.unload()
    assert isinstance(desk.end_of(reply), Finished)
    desk.until(lambda e: isinstance(e, Hello), times=2)
    assert not child.is_running()
    assert_fault(desk.end_of(desk.generate("again")), Fault.NO_MODEL)


@pytest.mark.parametrize(
    "request_", [Count(900, "\ud800"), Generate(900, "Hi", seed=2**70), Count(900, "x" * (65 << 20))]
)
def test_what_cannot_be_sent_fails_by_itself(desk: Desk, request_: Count | Generate) -> None:
    desk.load()
    desk.client.send(request_)
    assert_fault(desk.end_of(900), Fault.BAD_VALUE)
    assert isinstance(desk.end_of(desk.generate("again")), Finished)


def test_a_child_that_does_not_read_holds_up_nobody(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk(command=script("time.sleep(60)"))
    for i in range(50):
        desk.client.send(Count(i, "x" * 100_000))
    desk.client.unload()
    assert_fault(desk.end_of(49), Fault.CANCELLED)


def test_a_receiver_that_raises_harms_nothing(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    desk.errors = [ValueError("a receiver of mine")] * 3
    assert isinstance(desk.end_of(desk.load()), Loaded)
    assert isinstance(desk.end_of(desk.generate("Hi")), Finished)
    assert caplog.text.count("ValueError: a receiver of mine") == 3


def test_nothing_runs_while_nothing_happens(make_desk: Callable[..., Desk]) -> None:
    looks = []
    desk = make_desk(clock=lambda: looks.append(1) or time.monotonic())
    desk.end_of(desk.load())
    before = len(looks)
    time.sleep(0.5)
    assert len(looks) == before


def test_close_ends_a_hung_child_and_comes_back_at_once(make_desk: Callable[..., Desk]) -> None:
    desk = make_desk()
    desk.load()
    reply = desk.generate("fake:hang@1")
    desk.until(lambda e: e.request == reply and isinstance(e, TokenEvent))
    begin = time.monotonic()
    desk.client.close()
    assert time.monotonic() - begin < 5
    desk.client.close()
    desk.client.send(Ping(5))
    desk.client.cancel(5)
    assert children() == []


PARENT = """
import json, sys, time
from chatdesk.engine.api import Generate, Load, TokenEvent
from chatdesk.engine.client import EngineClient
def show(event):
    if isinstance(event, TokenEvent): print("token", flush=True)
client = EngineClient(show, command=json.loads(sys.argv[1]))
client.send(Load(1, "fake:model"))
client.send(Generate(2, "fake:hang@1"))
time.sleep(60)
"""


def test_the_death_of_the_program_ends_a_hung_child() -> None:
    command = [sys.executable, "-c", PARENT, json.dumps(FAKE)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=child_environment(None)) as parent:
        assert parent.stdout.readline() == b"token\n"
        (child,) = psutil.Process(parent.pid).children()
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait(WAIT_S)
    assert psutil.wait_procs([child], WAIT_S)[1] == []


def test_the_program_s_side_imports_no_torch() -> None:
    code = "import sys, chatdesk.engine.client, chatdesk.engine.fake; print({'torch', 'transformers'} & {*sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, env=child_environment(None), check=True, timeout=WAIT_S
    )
    assert done.stdout.strip() == b"set()"


def test_piped_engine_raises_when_its_child_cannot_start() -> None:
    with pytest.raises(UserError) as raised:
        PipedEngine(command=["/no/such/program"])
    assert raised.value.fault == Fault.ENGINE_KEEPS_DYING


@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell that closes files")
@pytest.mark.parametrize("closed", ["2>&-", "<&- 2>&-"])
def test_a_program_without_streams_has_an_engine(closed: str) -> None:
    code = "from chatdesk.engine.client import PipedEngine\nengine = PipedEngine(); print(len(engine.capabilities))"
    call = ["sh", "-c", f'exec "$0" -c "$1" {closed}', sys.executable, code]
    done = subprocess.run(call, capture_output=True, env=child_environment(None), check=False, timeout=WAIT_S)
    assert (done.returncode, done.stdout) == (0, f"{len(Capability)}\n".encode())


def test_closing_a_piped_engine_ends_its_iterators() -> None:
    engine = PipedEngine(command=FAKE)
    assert engine.capabilities
    list(engine.run(Load(1, "fake:model")))
    events = engine.run(Generate(2, "fake:endless", sampling=ENDLESS))
    next(events)
    engine.close()
    for _ in events:  # ends
        pass
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("engine-")]
