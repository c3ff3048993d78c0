"""Loading and leaving models, without a window."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import structs

from chatdesk.engine.api import Load, Loaded, Progress
from chatdesk.errors import Fault
from chatdesk.settings.store import Settings
from chatdesk.tasks.changes import ModelChanged
from tests.tasks.desk import INFO, Desk


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.close()


def test_progress_then_ready(desk: Desk) -> None:
    desk.models.load("/models/tiny")
    desk.say(Progress(1, 30, 100))
    assert desk.last(ModelChanged) == ModelChanged("loading", "tiny", "/models/tiny", 30, 100)
    desk.say(Loaded(1, INFO))
    assert desk.last(ModelChanged).info is INFO
    assert Settings(desk.folder / "settings.toml")["model"] == "/models/tiny"


def test_the_last_choice_wins(desk: Desk) -> None:
    desk.models.load("/models/a")
    desk.models.load("/models/b", device="cpu")
    assert desk.engine.cancelled == [1]
    desk.fail(Load(1, ""), Fault.CANCELLED)
    assert desk.last(ModelChanged).path == "/models/b"
    assert desk.engine.requests[-1] == Load(2, "/models/b", "cpu")


def test_cancelling_is_no_failure(desk: Desk) -> None:
    desk.models.load("/models/a")
    desk.models.cancel_load()
    desk.fail(Load(1, ""), Fault.CANCELLED)
    assert desk.last(ModelChanged) == ModelChanged("none")


def test_a_failure_says_why_and_what_helps(desk: Desk) -> None:
    desk.models.load("/models/a")
    desk.fail(Load(1, ""), Fault.OUT_OF_MEMORY, device="CUDA")
    state = desk.last(ModelChanged)
    assert (state.state, state.notice.fault, state.notice.action) == ("failed", Fault.OUT_OF_MEMORY, "use_cpu")


def test_unload(desk: Desk) -> None:
    desk.load()
    desk.models.unload()
    assert desk.engine.is_unloaded
    assert desk.models.info is None


def test_folders_opened_before_are_remembered_once(desk: Desk) -> None:
    desk.load()
    desk.load()
    kept = Settings(desk.folder / "settings.toml")
    assert kept["folders"] == ("/models/tiny",)
    (use,) = kept["uses"]
    assert use.endswith(" /models/tiny")
    assert abs(int(use.split()[0]) - time.time()) < 1000


def test_the_form_of_the_messages_is_remembered_for_each_checkpoint(desk: Desk) -> None:
    desk.load()
    desk.models.choose_dialogue("alpaca")
    assert desk.last(ModelChanged).dialogue == "alpaca"
    assert desk.send("Hello").dialogue == "alpaca"
    desk.models.load("/models/other")
    desk.say(Loaded(desk.engine.requests[-1].id, structs.replace(INFO, path="/models/other")))
    assert desk.models.dialogue == ""
    desk.models.load(INFO.path)
    desk.say(Loaded(desk.engine.requests[-1].id, INFO))
    assert desk.models.dialogue == "alpaca"
    desk.models.choose_dialogue("")
    assert Settings(desk.folder / "settings.toml")["dialogues"] == ()


def test_a_form_that_nobody_knows_counts_for_nothing(desk: Desk) -> None:
    desk.models._settings["dialogues"] = (f"klingon={INFO.path}", "nonsense")
    desk.load()
    assert desk.models.dialogue == ""
