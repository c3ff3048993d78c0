"""The engine process, spoken to over its pipe without the client."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import takewhile

import msgspec
import pytest

from chatdesk.engine import host
from chatdesk.engine.api import (
    PROTOCOL_VERSION,
    Cancel,
    Count,
    Counted,
    DraftFinished,
    Event,
    Failed,
    Finished,
    Generate,
    Hello,
    Load,
    Loaded,
    Ping,
    Pong,
    Request,
    Sampling,
    Survey,
    Surveyed,
    TokenEvent,
)
from chatdesk.engine.child import child_environment
from chatdesk.engine.wire import (
    ENDINGS,
    EXIT_BAD_FRAME,
    EXIT_DEVICE_FAILED,
    MAX_FRAME_BYTES,
    WireError,
    pack,
    read_bodies,
)
from chatdesk.errors import Fault, UserError

WAIT_S = 30
ENDLESS = Generate(2, "fake:endless", sampling=Sampling(max_new_tokens=10**6))
FAILING = """
import sys
from chatdesk.engine import host
from chatdesk.engine.fake import FakeEngine
class Failing(FakeEngine):
    def run(self, request):
        raise RuntimeError("CUDA error: device-side assert triggered")
source, sink = host._claim_pipe()
host.Host(Failing(), source, sink).serve()
"""


UNPREPARED = """
from chatdesk.engine import host
from chatdesk.engine.fake import FakeEngine
class Broken(FakeEngine):
    def run(self, request):
        if isinstance(request, host.Ping):
            return super().run(request)
        self.prepare()
    def prepare(self):
        raise ImportError("libtorch.so: cannot open shared object file")
source, sink = host._claim_pipe()
engine = Broken()
host.Host(engine, source, sink).serve(prepare=engine.prepare)
"""

READY = """
from chatdesk.engine import host
from chatdesk.engine.fake import FakeEngine
class Ready(FakeEngine):
    def run(self, request):
        yield from super().run(request)
        raise ValueError(f"made ready after {request.id}")
source, sink = host._claim_pipe()
host.Host(Ready(), source, sink).serve()
"""


class Pipe:
    """A child of its own, with what it says."""

    def __init__(self, *command: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=child_environment(None),
        )
        decoder = msgspec.msgpack.Decoder(Event)
        self.events = (decoder.decode(body) for body in read_bodies(self.process.stdout))

    def say(self, *requests: Request) -> None:
        self.say_bytes(b"".join(pack(request) for request in requests))

    def say_bytes(self, data: bytes) -> None:
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def until_end_of(self, request_id: int) -> list[Event]:
        """The events of one request; those of others are skipped."""
        found = []
        for event in self.events:
            if event.request == request_id:
                found.append(event)
                if isinstance(event, ENDINGS):
                    return found
        raise AssertionError("the pipe ended first")

    def end(self, close: bool = True) -> tuple[int, str]:
        """Exit code and stderr. ``close``: end it by closing its pipe, else wait until it ends by itself."""
        if not close:
            self.process.wait(WAIT_S)
        _, errors = self.process.communicate(timeout=WAIT_S)
        return self.process.returncode, errors.decode()


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    options = '{"tokens_per_s": 2000, "context_length": 1000000000}'
    child = Pipe("-P", "-m", "chatdesk.engine.host", "--fake", options)
    yield child
    child.process.kill()
    child.process.communicate(timeout=WAIT_S)


def test_the_first_word_is_hello(pipe: Pipe) -> None:
    hello = next(pipe.events)
    assert isinstance(hello, Hello)
    assert (hello.request, hello.version) == (0, PROTOCOL_VERSION)


def test_end_of_file_ends_it(pipe: Pipe) -> None:
    pipe.say(Load(1, "fake:model"), Ping(2))
    pipe.until_end_of(2)
    assert pipe.end()[0] == 0


def test_end_of_file_ends_it_while_it_hangs(pipe: Pipe) -> None:
    pipe.say(Load(1, "fake:model"), Generate(2, "fake:hang@1"))
    next(event for event in pipe.events if isinstance(event, TokenEvent))
    assert pipe.end()[0] == 0


def test_it_answers_while_it_generates(pipe: Pipe) -> None:
    pipe.say(Load(1, "fake:model"), ENDLESS)
    next(event for event in pipe.events if isinstance(event, TokenEvent))
    pipe.say(Ping(3), Count(4, "four words of text"))
    answers = [next(e for e in pipe.events if e.request in (3, 4)) for _ in range(2)]
    assert Pong(3) in answers
    assert Counted(4, 4) in answers


def test_a_waiting_request_is_cancelled_at_once(pipe: Pipe) -> None:
    pipe.say(Load(1, "fake:model"), ENDLESS, Generate(3, "later", drafts=2), Load(4, "fake:other"))
    next(event for event in pipe.events if isinstance(event, TokenEvent))
    pipe.say(Cancel(9, 4), Cancel(10, 3))
    assert pipe.until_end_of(4) == [Failed(4, Fault.CANCELLED, {}, keeps_model=True)]
    *drafts, last = pipe.until_end_of(3)
    assert drafts == [DraftFinished(3, 0, "cancelled"), DraftFinished(3, 1, "cancelled")]
    assert isinstance(last, Finished)
    pipe.say(Cancel(11, 2))
    *_, draft, last = pipe.until_end_of(2)
    assert draft == DraftFinished(2, 0, "cancelled")
    assert isinstance(last, Finished)


def test_requests_wait_in_order(pipe: Pipe) -> None:
    pipe.say(Load(1, "fake:model"), *(Generate(i, "Hi") for i in range(2, 6)))
    ends = []
    while len(ends) < 5:
        event = next(pipe.events)
        ends += [event.request] * isinstance(event, Loaded | Finished)
    assert ends == [1, 2, 3, 4, 5]


def test_an_exception_becomes_an_event_and_a_traceback(pipe: Pipe) -> None:
    pipe.say(Load(1, "fake:model"), Generate(2, "fake:raise"), Generate(3, "Hi"))
    *_, failed = pipe.until_end_of(2)
    assert failed == Failed(
        2, Fault.ENGINE_BUG, {"reason": "ZeroDivisionError: asked for by the prompt", "log": "stderr"}
    )
    assert isinstance(pipe.until_end_of(3)[-1], Finished)
    assert "Traceback" in pipe.end()[1]


def test_what_is_printed_goes_to_the_log(pipe: Pipe) -> None:
    pipe.say(Load(1, "fake:model"), Generate(2, "fake:print"))
    assert isinstance(pipe.until_end_of(2)[-1], Finished)
    _, errors = pipe.end()
    assert "a stray word from a library" in errors
    assert "and one from Python" in errors


NO_UNICODE = pack(Ping(1)).replace(b"Ping", b"P\xf8ng")


@pytest.mark.parametrize("data", [b"\0\0\0\4abcd", b"\xff\xff\xff\xff", b"\0\0\0\0", NO_UNICODE])
def test_a_bad_frame_ends_it(pipe: Pipe, data: bytes) -> None:
    pipe.say_bytes(data)
    assert pipe.end(close=False)[0] == EXIT_BAD_FRAME


def test_ctrl_c_is_for_the_program(pipe: Pipe) -> None:
    next(pipe.events)
    pipe.process.send_signal(signal.SIGINT)
    pipe.say(Ping(1))
    assert pipe.until_end_of(1) == [Pong(1)]


def test_a_poisoned_device_ends_the_process() -> None:
    child = Pipe("-c", FAILING)
    child.say(Generate(1, "Hi"))
    code, errors = child.end(close=False)
    assert code == EXIT_DEVICE_FAILED
    assert "device-side assert" in errors


def test_what_is_missing_is_said_by_the_first_request() -> None:
    """A library that cannot be imported ahead ends nothing: the process would only be started again, and again."""
    child = Pipe("-c", UNPREPARED)
    child.say(Load(1, "fake:model"))
    (failed,) = child.until_end_of(1)
    assert failed.fault == Fault.ENGINE_BUG
    assert "libtorch.so: cannot open shared object file" in failed.fields["reason"]
    assert "Traceback" in child.end()[1]


def test_it_makes_ready_behind_the_last_event() -> None:
    """Where that fails nobody is told."""
    child = Pipe("-c", READY)
    child.say(Survey(1), Survey(2), Survey(3))
    assert [type(event) for event in takewhile(lambda event: event.request < 3, child.events)] == [
        Hello,
        Surveyed,
        Surveyed,
    ]
    assert "made ready after 2" in child.end()[1]


class AcceleratorError(RuntimeError):
    """Named as torch's."""


class OutOfMemoryError(RuntimeError):
    """Named as torch's."""


@pytest.mark.parametrize(
    ("error", "is_poison"),
    [
        (AcceleratorError("anything"), True),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), True),
        (RuntimeError("CUBLAS_STATUS_EXECUTION_FAILED when calling cublasGemmEx"), True),
        (OutOfMemoryError("CUDA error: out of memory"), False),
        (RuntimeError("shapes do not match"), False),
        (UserError(Fault.NO_MODEL), False),
    ],
)
def test_which_errors_poison_the_process(error: Exception, is_poison: bool) -> None:
    assert host.device_failed(error) is is_poison
    wrapped = ValueError("while generating")
    wrapped.__cause__ = error
    assert host.device_failed(wrapped) is is_poison


def test_frames_have_a_cap() -> None:
    with pytest.raises(WireError):
        pack(Count(1, "x" * (MAX_FRAME_BYTES + 1)))
