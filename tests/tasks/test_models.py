"""Loading and leaving models, without a window."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from msgspec import structs

from chatdesk.engine.api import DeviceMemory, Failed, Load, Loaded, Progress, Survey, Surveyed
from chatdesk.errors import Fault, UserError
from chatdesk.paths import starter
from chatdesk.settings.store import Settings
from chatdesk.tasks import models
from chatdesk.tasks.changes import ModelChanged, NoticeChanged
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
    assert (state.state, state.notice.fault, state.notice.action) == ("failed", Fault.OUT_OF_MEMORY, "use_less")


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


GPU = DeviceMemory("cuda", "GPU", 24 * 10**9, 20 * 10**9, True)
CPU = DeviceMemory("cpu", "CPU", 32 * 10**9, 24 * 10**9, False)


def survey(desk: Desk, *devices: DeviceMemory) -> None:
    """Answer the survey that was asked for, and wait for what is made of it."""
    request = next(r for r in reversed(desk.engine.requests) if isinstance(r, Survey))
    desk.say(Surveyed(request.id, devices))
    for thread in [t for t in threading.enumerate() if t.name == "plans"]:
        thread.join(10)
    desk.settle()


def test_plans_of_a_checkpoint(desk: Desk) -> None:
    found: list[object] = []
    desk.models.plans(str(starter()), found.append)
    survey(desk, GPU, CPU)
    [plans] = found
    assert [(p.place.device, p.precision) for p in plans][:2] == [("cuda", "bfloat16"), ("cuda", "int8")]


def test_plans_of_what_is_no_checkpoint(desk: Desk, tmp_path: Path) -> None:
    found: list[object] = []
    desk.models.plans(str(tmp_path / "gone"), found.append)
    survey(desk, CPU)
    assert found[0].fault == Fault.FILE_NOT_FOUND


def test_one_look_at_the_devices_serves_many_checkpoints(desk: Desk, tmp_path: Path) -> None:
    found: dict[str, object] = {}
    desk.models.plans_of_many((str(tmp_path / "gone"), str(starter())), found.__setitem__)
    survey(desk, CPU)
    assert len([r for r in desk.engine.requests if isinstance(r, Survey)]) == 1
    assert found[str(tmp_path / "gone")].fault == Fault.FILE_NOT_FOUND
    assert found[str(starter())][0].place.device == "cpu"


def test_out_of_memory_offers_the_next_plan(desk: Desk) -> None:
    """The button loads the same folder smaller; the message that failed is asked again when that is ready."""
    path = str(starter())
    desk.models.load(path)
    desk.say(Loaded(1, structs.replace(INFO, path=path, device="cuda", dtype="bfloat16")))
    request = desk.send("Hello")
    desk.fail(request, Fault.OUT_OF_MEMORY, device="GPU")
    desk.chat.act("use_less")
    survey(desk, GPU, CPU)
    load = desk.engine.requests[-1]
    assert (load.path, load.device, load.dtype, load.gpu_layers) == (path, "cuda", "int8", None)
    desk.say(Loaded(load.id, structs.replace(INFO, path=path, device="cuda", dtype="int8")))
    assert desk.asked().prompt[-1].text == "Hello"


def test_after_the_last_plan_comes_the_cpu(desk: Desk) -> None:
    path = str(starter())
    desk.models.load(path, "cpu", "int4")
    desk.fail(Load(1, ""), Fault.OUT_OF_MEMORY, device="CPU")
    desk.models.load_smaller()
    survey(desk, CPU)
    assert desk.engine.requests[-1] == Load(3, path, "cpu", "int4")


def test_a_model_sleeps_after_a_while_and_the_next_message_wakes_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(models, "time", SimpleNamespace(monotonic=lambda: now[0], time=lambda: 1.7e9))
    desk.models._settings["unload_after"] = 5
    desk.load()
    desk.answer("Hello", "Hi")
    desk.chat.tick()
    now[0] = 299.0
    desk.chat.tick()
    assert desk.models.info is not None
    now[0] = 301.0
    desk.chat.tick()
    assert desk.engine.is_unloaded
    assert (desk.models.state.state, desk.models.state.name) == ("asleep", "Tiny")
    desk.chat.send("Are you there?")
    desk.settle()
    load = desk.engine.requests[-1]
    assert isinstance(load, Load)
    desk.say(Loaded(load.id, INFO))
    assert desk.asked().prompt[-1].text == "Are you there?"


def test_it_never_sleeps_while_it_writes_or_where_nobody_wants_it(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(models, "time", SimpleNamespace(monotonic=lambda: now[0], time=lambda: 1.7e9))
    desk.load()
    now[0] = 1e6
    desk.chat.tick()
    assert desk.models.info is not None
    desk.models._settings["unload_after"] = 5
    request = desk.send("Hello")
    now[0] = 2e6
    desk.chat.tick()
    desk.finish(request)
    desk.chat.tick()
    assert desk.models.info is not None


def test_what_was_tried_is_not_tried_again(desk: Desk) -> None:
    """After a load by the program's own choice the second plan comes; whole plans on the GPU before shared ones."""
    path = str(starter())
    desk.models.load(path)
    desk.fail(Load(1, ""), Fault.OUT_OF_MEMORY, device="GPU")
    desk.models.load_smaller()
    survey(desk, GPU, CPU)
    assert (desk.engine.requests[-1].device, desk.engine.requests[-1].dtype) == ("cuda", "int8")


def test_a_choice_that_is_in_no_plan_is_followed_by_the_first(desk: Desk) -> None:
    path = str(starter())
    desk.models.load(path, "cuda", "float32")
    desk.fail(Load(1, ""), Fault.OUT_OF_MEMORY, device="GPU")
    desk.models.load_smaller()
    survey(desk, GPU, CPU)
    assert (desk.engine.requests[-1].device, desk.engine.requests[-1].dtype) == ("cuda", "bfloat16")


def test_loading_smaller_can_be_cancelled(desk: Desk) -> None:
    """Also while the plan is being made."""
    desk.models.load(str(starter()))
    desk.fail(Load(1, ""), Fault.OUT_OF_MEMORY, device="GPU")
    desk.models.load_smaller()
    desk.models.cancel_load()
    assert desk.last(ModelChanged) == ModelChanged("none")
    survey(desk, CPU)
    assert not [r for r in desk.engine.requests[1:] if isinstance(r, Load)]


def test_again_is_the_same_again(desk: Desk) -> None:
    desk.models.load("/models/a", "cuda", "int4", 12, 4096)
    desk.models.reload()
    assert desk.engine.requests[-1] == Load(2, "/models/a", "cuda", "int4", 12, 4096)
    desk.models.reload("cpu")
    assert desk.engine.requests[-1] == Load(3, "/models/a", "cpu", "int4", None, 4096)


def test_a_wrong_folder_costs_nothing(desk: Desk) -> None:
    """What was loaded stays; the sentence stands in the conversation."""
    desk.load()
    desk.models.load("/models/photos")
    desk.say(Failed(2, Fault.NOT_A_CHECKPOINT, {"path": "/models/photos", "reason": "r"}, keeps_model=True))
    assert desk.models.info is INFO
    assert desk.last(NoticeChanged).notice.fault == Fault.NOT_A_CHECKPOINT
    desk.models.reload()
    assert desk.engine.requests[-1].path == "/models/tiny"


def test_a_load_that_is_cancelled_before_it_begins_leaves_the_model(desk: Desk) -> None:
    """A reply was being written, so it waited; nothing need be said of it."""
    desk.load()
    desk.models.load("/models/other")
    desk.models.cancel_load()
    before = len(desk.changes)
    desk.say(Failed(2, Fault.CANCELLED, {}, keeps_model=True))
    assert desk.models.info is INFO
    assert not [change for change in desk.changes[before:] if isinstance(change, NoticeChanged)]


def test_a_sleeping_model_is_not_there_when_its_waking_is_cancelled(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.load()
    desk.models._settings["unload_after"] = 5
    monkeypatch.setattr(models, "time", SimpleNamespace(monotonic=lambda: time.monotonic() + 1000, time=time.time))
    desk.models.tick(is_busy=False)
    assert desk.models.state.state == "asleep"
    desk.models.wake()
    desk.models.cancel_load()
    desk.say(Failed(2, Fault.CANCELLED, {}, keeps_model=True))
    assert (desk.models.info, desk.models.state.state) == (None, "none")


def test_settings_that_cannot_be_written_hold_nothing_up(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message that waited for the load is asked all the same."""

    def full(*_: object) -> None:
        raise UserError(Fault.DISK_FULL, path="settings.toml")

    monkeypatch.setattr("chatdesk.settings.toml_file.TomlFile.replace", full)
    desk.models.load("/models/tiny")
    desk.chat.send("Hello")
    desk.settle()
    desk.say(Loaded(1, INFO))
    assert desk.asked().prompt[-1].text == "Hello"
    assert desk.models._settings["model"] == "/models/tiny"
