"""The adapter that a model answers with: chosen, remembered for its checkpoint, named in what it writes."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import structs

from chatdesk.engine.api import Load, Loaded
from chatdesk.errors import Fault, UserError
from chatdesk.settings.store import Settings
from chatdesk.tasks import adapters
from chatdesk.tasks.changes import ModelChanged, NoticeChanged
from tests.library.folders import CONFIG as BASE
from tests.library.folders import SHAPES, Folder
from tests.tasks.desk import INFO, Desk, answered

MATRIX = "transformer.h.0.attn.c_attn"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path / "desk")
    yield made
    made.close()


@pytest.fixture
def base(tmp_path: Path) -> str:
    folder = Folder(tmp_path / "tiny")
    folder.json("config.json", BASE)
    folder.json("tokenizer.json", {})
    folder.weights({**SHAPES, f"{MATRIX}.weight": [4, 12]})
    return str(folder.path)


def adapter(folder: Path, outputs: int = 12) -> str:
    made = Folder(folder)
    made.json("adapter_config.json", {"peft_type": "LORA", "r": 2, "base_model_name_or_path": "someone/tiny"})
    shapes = {f"base_model.model.{MATRIX}.lora_{name}.weight": s for name, s in (("A", [2, 4]), ("B", [outputs, 2]))}
    made.weights(shapes, name="adapter_model.safetensors")
    return str(folder)


def load(desk: Desk, path: str) -> None:
    desk.models.load(path)
    request = desk.engine.requests[-1]
    assert isinstance(request, Load)
    desk.say(Loaded(request.id, structs.replace(INFO, path=path)))


def choose(desk: Desk, path: str) -> UserError | None:
    """Choose an adapter and wait until it is on, or say why not."""
    before = len(desk.changes)

    def ask(done: object) -> None:
        desk.models.on_change = lambda change: (desk.changes.append(change), done(None))
        desk.models.choose_adapter(path, done)

    found = answered(desk, ask)
    desk.models.on_change = desk.changes.append
    assert (found is None) == (len(desk.changes) > before)
    return found


def test_replies_go_with_it_and_without_it_and_say_so(desk: Desk, base: str, tmp_path: Path) -> None:
    pirate = adapter(tmp_path / "pirate")
    load(desk, base)
    loads = len(desk.engine.requests)
    assert choose(desk, pirate) is None
    assert len(desk.engine.requests) == loads, "the base was loaded again"
    state = desk.last(ModelChanged)
    assert (state.state, state.adapter, state.adapters) == ("ready", pirate, (pirate,))
    on = desk.send("Hello")
    assert on.adapter == pirate
    desk.stream(on, "Arr")
    desk.finish(on)
    desk.models.choose_adapter("", lambda error: pytest.fail(str(error)))
    state = desk.last(ModelChanged)
    assert (state.adapter, state.adapters) == ("", (pirate,))
    desk.chat.regenerate()
    off = desk.asked()
    assert off.adapter == ""
    desk.stream(off, "Hi")
    desk.finish(off)
    tip = desk.chat._open.turns[-1]
    versions = desk.store.submit(lambda c: [m.id for m in c.siblings(tip.id)]).result()
    origins = desk.store.submit(lambda c: c.provenance(versions)).result()
    assert [origins[id].model for id in versions] == ["Tiny + pirate", "Tiny"]
    assert {origins[id].model_path for id in versions} == {base}


def test_a_reply_under_way_keeps_its_own(desk: Desk, base: str, tmp_path: Path) -> None:
    pirate = adapter(tmp_path / "pirate")
    load(desk, base)
    choose(desk, pirate)
    asked = desk.send("Hello")
    desk.stream(asked, "Arr")
    desk.models.choose_adapter("", lambda error: pytest.fail(str(error)))
    desk.finish(asked)
    assert desk.chat._open.turns[-1].model == "Tiny + pirate"


def test_one_that_is_gone_meanwhile_leads_to_the_menu(desk: Desk, base: str, tmp_path: Path) -> None:
    load(desk, base)
    choose(desk, adapter(tmp_path / "pirate"))
    desk.fail(desk.send("Hello"), Fault.FILE_NOT_FOUND, path=str(tmp_path / "pirate"))
    notice = desk.last(NoticeChanged).notice
    assert (notice.fault, notice.action) == (Fault.FILE_NOT_FOUND, "choose_model")


def test_it_is_remembered_for_each_checkpoint(desk: Desk, base: str, tmp_path: Path) -> None:
    one, two = adapter(tmp_path / "one"), adapter(tmp_path / "two")
    load(desk, base)
    choose(desk, one)
    choose(desk, two)
    load(desk, "/models/other")
    assert (desk.models.adapter, desk.last(ModelChanged).adapters) == ("", ())
    load(desk, base)
    assert (desk.models.adapter, desk.last(ModelChanged).adapters) == (two, (two, one))
    choose(desk, one)
    kept = Settings(desk.folder / "settings.toml")
    assert adapters.chosen(kept, base) == one
    assert adapters.taken_before(kept, base) == (one, two)
    (tmp_path / "one").rename(tmp_path / "away")
    load(desk, base)
    assert (desk.models.adapter, desk.last(ModelChanged).adapters) == ("", (one, two))
    desk.models.checkpoints.forget_within(Path(base))
    assert adapters.taken_before(desk.models._settings, base) == ()


def test_one_that_does_not_fit_leaves_all_as_it_is(desk: Desk, base: str, tmp_path: Path) -> None:
    good, bad = adapter(tmp_path / "good"), adapter(tmp_path / "bad", outputs=16)
    load(desk, base)
    choose(desk, good)
    error = choose(desk, bad)
    assert error is not None
    assert error.fault is Fault.ADAPTER_DOES_NOT_FIT
    assert "Load the model it was made for: someone/tiny" in str(error)
    assert desk.models.adapter == good


def test_without_a_model_it_says_which_it_needs(desk: Desk, tmp_path: Path) -> None:
    error = choose(desk, adapter(tmp_path / "pirate"))
    assert error is not None
    assert error.fault is Fault.ADAPTER_NEEDS_MODEL
    assert "someone/tiny" in str(error)


def test_another_model_came_meanwhile(desk: Desk, base: str, tmp_path: Path) -> None:
    load(desk, base)
    other = adapter(tmp_path / "pirate")
    desk.models.choose_adapter(other, lambda error: pytest.fail(str(error)))
    load(desk, "/models/other")
    for _ in range(50):
        desk.settle()
    assert desk.models.adapter == ""


def test_lines_of_settings_that_a_person_broke_count_for_nothing(tmp_path: Path) -> None:
    settings = Settings(tmp_path / "settings.toml")
    settings["adapters"] = ("", "nonsense", '["/a", 1, true]', '["/base", "/x/pirate", false]')
    assert adapters.taken_before(settings, "/base") == ("/x/pirate",)
    adapters.choose(settings, "/base", "")
    assert settings["adapters"] == ('["/base","/x/pirate",false]',)


def test_a_full_disk_keeps_the_choice_for_the_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(tmp_path / "settings.toml")

    def full(*_: object) -> None:
        raise UserError(Fault.DISK_FULL, path="settings.toml")

    monkeypatch.setattr("chatdesk.settings.toml_file.TomlFile.replace", full)
    adapters.choose(settings, "/base", "/adapter")
    assert adapters.taken_before(settings, "/base") == ("/adapter",)
    adapters.forget_within(settings, Path("/base"))
    assert adapters.taken_before(settings, "/base") == ()
