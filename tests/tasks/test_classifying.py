"""Classifying in the window's task: begun, paused, gone on with, found again, saved."""

import os
import queue
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from chatdesk.engine.api import ChoiceScores, Failed, Score, Scored
from chatdesk.errors import Fault, UserError
from chatdesk.tasks.changes import ModelChanged
from chatdesk.tasks.classify import SETS
from chatdesk.tasks.classify_files import Table
from chatdesk.tasks.classify_run import Run
from chatdesk.tasks.classifying import Classifier, State, Typed
from tests.tasks.desk import Desk
from tests.tasks.looking import Link, LoadedModels, end_what_is_aside

PLAN = SETS["sentiment"][1]
TABLE = Table(("text", "label"), tuple((f"text number {n}", "positive" if n % 2 else "negative") for n in range(200)))


class Work:
    def __init__(self, folder: Path) -> None:
        self.link = Link()
        self.models = LoadedModels(self.link)
        self.posted: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self.classifier = Classifier(self.link, self.models, folder, self.posted.put)  # type: ignore[arg-type]
        self.link.receivers.append(self.classifier.on_event)
        self.states: list[State] = []
        self.classifier.on_state = self.states.append

    def keep(self) -> None:
        end_what_is_aside(self.posted)

    def begin(self, *asked: Any) -> None:
        self.classifier.begin(*asked)
        self.keep()


@pytest.fixture
def work(tmp_path: Path) -> Work:
    return Work(tmp_path / "journals")


def test_a_table_is_classified_with_its_report(work: Work) -> None:
    work.begin(TABLE, PLAN, "text", "label")
    assert work.states[-1].is_running
    work.link.settle()
    assert work.states[-1].done == work.states[-1].total == 200
    assert not work.states[-1].is_running
    assert {row for state in work.states for row in state.rows} == set(range(200))
    report = work.classifier.report()
    assert report is not None
    assert report.counted == 200


def test_a_pause_keeps_what_is_done_and_going_on_does_the_rest(work: Work, tmp_path: Path) -> None:
    work.begin(TABLE, PLAN, "text")
    work.link.settle(3)  # the prior and two portions
    work.classifier.pause()
    assert not work.states[-1].is_running
    work.link.settle()
    assert work.states[-1].done == 128
    work.keep()
    again = Work(tmp_path / "journals")  # the program was ended meanwhile
    again.begin(TABLE, PLAN, "text")
    assert again.states[-1].done == 128
    again.link.settle()
    work.classifier.go_on()
    work.link.settle()
    assert work.classifier.run is not None
    assert again.classifier.run is not None
    assert work.classifier.run.results == again.classifier.run.results
    assert work.classifier.report() is None  # no column of true labels was chosen


def test_the_journal_is_written_aside_and_a_disk_that_refuses_stops_the_work(
    work: Work, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writers = []
    sync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda number: (writers.append(threading.current_thread()), sync(number)))
    blocked = tmp_path / "journals"
    blocked.write_text("")
    work.begin(TABLE, PLAN, "text")
    work.link.settle(1)
    work.keep()
    last = work.states[-1]
    assert last.notice is not None
    assert (last.is_running, last.notice.fault) == (False, Fault.CANNOT_WRITE)
    blocked.unlink()
    work.classifier.go_on()
    work.link.settle()
    work.keep()
    again = Work(tmp_path / "journals")
    again.begin(TABLE, PLAN, "text")
    assert (again.states[-1].done, work.states[-1].done) == (200, 200)
    assert writers
    assert threading.main_thread() not in writers


def test_a_fault_stops_the_work_and_says_why(work: Work) -> None:
    work.begin(TABLE, PLAN, "text")
    work.link.settle(2)
    work.classifier.on_event(Failed(work.link.sent[-1].id, Fault.ENGINE_DIED, {"reason": "x"}))
    last = work.states[-1]
    assert last.notice is not None
    assert (last.is_running, last.done, last.notice.fault) == (False, 64, Fault.ENGINE_DIED)
    work.classifier.go_on()
    work.link.settle()
    assert work.states[-1].done == 200


def test_what_another_model_says_is_not_taken(work: Work) -> None:
    work.begin(TABLE, PLAN, "text")
    work.link.settle(2)
    assert work.classifier.is_same_model()
    was = work.models.state
    other = msgspec.structs.replace(was.info, path="fake:other")  # type: ignore[type-var]
    work.models.state = ModelChanged("ready", "other", "fake:other", info=other)
    assert not work.classifier.is_same_model()
    work.link.settle()
    assert (work.states[-1].is_running, work.states[-1].done) == (False, 64)
    work.models.state = ModelChanged("asleep", "m", was.path)
    assert work.classifier.is_same_model()
    work.models.adapter = "an adapter"
    assert not work.classifier.is_same_model()


def test_without_a_model_it_is_said(work: Work) -> None:
    work.models.state = ModelChanged("none")
    work.begin(TABLE, PLAN, "text")
    assert work.states[-1].notice is not None
    assert work.states[-1].notice.fault == Fault.NO_MODEL


def test_what_means_nothing_is_refused_before_anything_is_asked(work: Work) -> None:
    for begin in (
        lambda: work.classifier.begin_text("  ", PLAN),
        lambda: work.classifier.begin(TABLE, PLAN, "body"),
        lambda: work.classifier.begin_text("text", SETS["sentiment"][1].__class__("no mark", PLAN.labels)),
    ):
        with pytest.raises(UserError):
            begin()
    assert work.link.sent == []


def test_one_text_leaves_no_journal(work: Work, tmp_path: Path) -> None:
    work.classifier.begin_text("a text", PLAN)
    work.keep()
    work.link.settle()
    assert work.states[-1].done == 1
    assert not (tmp_path / "journals").exists()


def test_files_are_read_and_written_aside(work: Work, tmp_path: Path) -> None:
    got: list[object] = []
    work.classifier.read(tmp_path / "none.csv", got.append, got.append)
    (tmp_path / "a.csv").write_text("text\ngood\nbad\n")
    work.classifier.read(tmp_path / "a.csv", got.append, got.append)
    work.keep()
    assert len(got) == 2
    table = next(each for each in got if isinstance(each, Table))
    assert next(each for each in got if isinstance(each, UserError)).fault == Fault.FILE_NOT_FOUND
    work.begin(table, PLAN)
    work.link.settle()
    work.classifier.save(tmp_path / "out.csv")
    work.keep()
    assert work.states[-1].saved == "out.csv"
    assert len((tmp_path / "out.csv").read_text().splitlines()) == 3
    work.classifier.save(tmp_path / "no" / "out.csv")
    work.keep()
    assert work.states[-1].notice is not None
    assert work.states[-1].notice.fault == Fault.CANNOT_WRITE


def test_a_model_that_is_at_work_is_not_sent_to_sleep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk(tmp_path)
    desk.load()
    desk.models._settings["unload_after"] = 5
    now = [1000.0]
    monkeypatch.setattr("chatdesk.tasks.models.time.monotonic", lambda: now[0])
    classifier = Classifier(desk.engine, desk.models, tmp_path / "journals", desk._posted.put)
    desk.models.tick(is_busy=True)
    classifier.begin(TABLE, PLAN, "text", "label")
    end_what_is_aside(desk._posted)
    for _ in range(3):
        now[0] += 200
        request = desk.engine.requests[-1]
        assert isinstance(request, Score)
        scores = (ChoiceScores((-1.0, -2.0), (1, 1)),) * len(request.items)
        classifier.on_event(Scored(request.id, scores, 64))
        desk.models.tick(is_busy=False)  # as the chat says
    assert not desk.engine.is_unloaded
    classifier.pause()
    now[0] += 301
    desk.models.tick(is_busy=False)
    assert desk.engine.is_unloaded
    desk.close()


def test_what_was_begun_is_read_aside_and_only_the_last_beginning_counts(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    readers = []
    monkeypatch.setattr(Run, "_resume", lambda self: readers.append(threading.current_thread()))
    work.classifier.begin(TABLE, PLAN, "text")
    work.classifier.begin_text("a text", PLAN)
    work.keep()
    assert len(readers) == 2
    assert threading.main_thread() not in readers
    assert work.classifier.run is not None
    assert list(work.classifier.run.texts) == ["a text"]
    work.classifier.begin(TABLE, PLAN, "text")
    work.classifier.pause()  # as closing the file does
    work.keep()
    assert list(work.classifier.run.texts) == ["a text"]


def test_what_is_typed_is_there_at_the_next_start(work: Work, tmp_path: Path) -> None:
    folder = tmp_path / "journals"
    assert work.classifier.typed == Typed()
    typed = Typed(msgspec.structs.replace(PLAN, prompt="天气 \ud83d {text}", calibrated=False), "half a thought")
    work.classifier.typed = typed
    work.classifier.close()
    kept = Work(folder).classifier.typed
    assert kept.text == "half a thought"
    assert kept.plan == msgspec.structs.replace(typed.plan, prompt="天气 \ufffd {text}")
    before = os.stat(folder / "typed.json").st_mtime_ns
    work.classifier.keep_typed()  # nothing is new
    assert os.stat(folder / "typed.json").st_mtime_ns == before
    (folder / "typed.json").write_text('{"plan": 5}')
    assert Work(folder).classifier.typed == Typed()
    os.replace(folder / "typed.json", folder / "typed.json.aside")
    (folder / "typed.json").mkdir()
    work.classifier.typed = Typed(PLAN, "more")
    with pytest.raises(UserError) as told:
        work.classifier.keep_typed()
    assert told.value.fault == Fault.CANNOT_WRITE
