"""Measuring from the window: a reply goes first, whatever happens is told, and the words fit the figures."""

from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pytest
from msgspec.structs import replace

from chatdesk.engine.api import Failed, Measure, Measured, Progress
from chatdesk.engine.speeds import Figure, Speeds
from chatdesk.errors import Fault
from chatdesk.tasks.bench import Bench
from chatdesk.tasks.changes import BenchChanged
from chatdesk.tasks.speed import Limit, Report, number
from tests.tasks.desk import INFO, Desk


def speeds(**values: object) -> Speeds:
    """80 % of what the memory gives."""
    times = Figure((0.02, 0.01, 0.04, 0.02, 0.02), (0.08,) * 5)
    rates = Figure((100.0, 90.0, 110.0, 100.0, 80.0), (25.0,) * 5)
    sizes = (10**8, 10**8, 4 * 10**8, 64, 128, 512, 32, 512)
    found = Speeds(rates, rates, times, (1.25e10,) * 5, *sizes, threads=2, way="kernels")
    return replace(found, **values)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.close()


@pytest.fixture
def bench(desk: Desk) -> Bench:
    bench = Bench(desk.engine, desk.models, lambda: desk.chat.is_replying)
    bench.on_change = desk.changes.append
    return bench


def started(desk: Desk, bench: Bench) -> int:
    """Id of the request that measures."""
    desk.load()
    bench.start()
    request = desk.engine.requests[-1]
    assert isinstance(request, Measure)
    return request.id


def test_a_measurement_is_followed_to_its_report(desk: Desk, bench: Bench) -> None:
    request = started(desk, bench)
    bench.on_event(Progress(request, 3, 20))
    assert bench.state == desk.changes[-1] == BenchChanged("running", 3, 20)
    bench.start()
    assert sum(isinstance(each, Measure) for each in desk.engine.requests) == 1
    bench.on_event(Measured(request + 100, speeds()))
    assert bench.state.state == "running"
    bench.on_event(Measured(request, speeds()))
    assert bench.state == BenchChanged("done", report=Report(INFO, speeds()))


def test_it_does_not_begin_while_a_reply_is_written(desk: Desk, bench: Bench) -> None:
    desk.load()
    asked = desk.send("Hello")
    bench.start()
    assert bench.state == BenchChanged("busy")
    assert not any(isinstance(each, Measure) for each in desk.engine.requests)
    desk.stream(asked, "Hi")
    desk.finish(asked)
    bench.start()
    assert isinstance(desk.engine.requests[-1], Measure)


def test_it_makes_way_for_a_reply(desk: Desk, bench: Bench) -> None:
    request = started(desk, bench)
    desk.send("Hello")
    assert desk.engine.cancelled == [request]
    bench.on_event(Failed(request, Fault.CANCELLED, {}))
    assert bench.state == BenchChanged("gave_way")


def test_it_makes_way_for_another_model(desk: Desk, bench: Bench) -> None:
    request = started(desk, bench)
    desk.models.load("/models/other")
    assert desk.engine.cancelled == [request]


def test_stopping_it_leaves_nothing_behind(desk: Desk, bench: Bench) -> None:
    request = started(desk, bench)
    bench.cancel()
    assert desk.engine.cancelled == [request]
    bench.on_event(Failed(request, Fault.CANCELLED, {}))
    assert bench.state == BenchChanged("none")
    desk.send("Hello")  # makes nobody way any more
    assert desk.engine.cancelled == [request]


def test_a_model_that_is_measured_does_not_fall_asleep(desk: Desk, bench: Bench, monkeypatch) -> None:
    request = started(desk, bench)
    desk.models._settings["unload_after"] = 5
    monkeypatch.setattr(desk.models, "_used_s", desk.models._used_s - 3600)
    desk.chat.tick()
    assert desk.models.info is not None
    bench.on_event(Measured(request, speeds()))
    monkeypatch.setattr(desk.models, "_used_s", desk.models._used_s - 3600)
    desk.chat.tick()
    assert desk.models.info is None


def test_what_goes_wrong_is_told(desk: Desk, bench: Bench) -> None:
    bench.start()
    assert bench.state.notice is not None
    assert bench.state.notice.fault is Fault.NO_MODEL
    request = started(desk, bench)
    bench.on_event(Failed(request, Fault.OUT_OF_MEMORY, {"device": "CPU"}))
    assert bench.state.state == "failed"
    assert bench.state.notice is not None
    assert bench.state.notice.fields == {"device": "CPU"}


@pytest.mark.parametrize(
    ("values", "limit", "says"),
    [
        ({}, Limit.MEMORY, "at most 125 tokens a second, of which chatdesk reaches 80 %. The memory is the limit"),
        ({"bandwidth": (5e10,) * 5}, Limit.COMPUTING, "at most 500 tokens a second, of which chatdesk reaches 20 %"),
        ({"bandwidth": (5e9,) * 5}, Limit.CACHE, "10 GB a second, and this memory gives 5.0 GB"),
        ({"bytes_per_token": None}, Limit.UNKNOWN, "lies beside the GPU"),
    ],
)
def test_the_words_fit_the_figures(values: dict[str, object], limit: Limit, says: str) -> None:
    report = Report(INFO, speeds(**values))
    assert report.limit is limit
    assert says in report.sentence()
    assert "{" not in report.sentence()


def test_medians_and_ratios() -> None:
    report = Report(INFO, speeds())
    assert (report.decode.own, report.decode.plain) == (100, 25)
    assert report.first_token.own == 0.02
    assert report.first_token.ratio == median((4.0, 8.0, 2.0, 4.0, 4.0))
    assert report.share_of_limit == pytest.approx(0.8)
    assert [number(each) for each in (0.123, 1.04, 9.96, 123.4)] == ["0.12", "1.0", "10", "123"]
