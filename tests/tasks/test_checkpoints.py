"""Adding folders, taking them off the list, and to the trash."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chatdesk.errors import Fault
from chatdesk.library import removing
from chatdesk.paths import starter
from chatdesk.settings.store import Settings
from tests.engine.checkpoints import make_checkpoint
from tests.tasks.desk import Desk, answered


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.close()


def kept(desk: Desk, name: str) -> Any:
    return Settings(desk.folder / "settings.toml")[name]


def test_a_folder_is_added_when_it_is_a_checkpoint(desk: Desk, tmp_path: Path) -> None:
    checkpoints = desk.models.checkpoints
    folder = make_checkpoint(tmp_path / "mine", "gpt2")
    entry = answered(desk, lambda take: checkpoints.add(str(folder), take, take))
    assert (entry.path, entry.source) == (folder, "folder")
    assert kept(desk, "folders") == (str(folder),)
    assert kept(desk, "model") == ""
    (tmp_path / "empty").mkdir()
    error = answered(desk, lambda take: checkpoints.add(str(tmp_path / "empty"), take, take))
    assert error.fault is Fault.NOT_A_CHECKPOINT
    assert kept(desk, "folders") == (str(folder),)


def test_forgetting_touches_no_file_and_nothing_of_others(desk: Desk, tmp_path: Path) -> None:
    settings = desk.models._settings
    mine, other = str(tmp_path / "mine"), str(tmp_path / "mine too")
    settings["folders"] = (mine, other)
    settings["uses"] = (f"1 {mine}", f"2 {other}")
    settings["dialogues"] = (f"alpaca={mine}", f"chatml={other}")
    settings["model"] = mine
    desk.models.checkpoints.forget(mine)
    assert kept(desk, "folders") == (other,)
    assert kept(desk, "uses") == (f"2 {other}",)
    assert kept(desk, "dialogues") == (f"chatml={other}",)
    assert kept(desk, "model") == ""


def test_what_is_removed_is_forgotten(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoints = desk.models.checkpoints
    folder = make_checkpoint(tmp_path / "mine", "gpt2")
    checkpoints.keep(str(folder))
    what = answered(desk, lambda take: checkpoints.removal(str(folder), take, take))
    assert what.place == folder
    monkeypatch.setattr(removing, "remove", lambda what: shutil.move(what.place, tmp_path / "trash"))
    assert answered(desk, lambda take: checkpoints.remove(what, lambda: take("gone"), take)) == "gone"
    assert kept(desk, "folders") == ()


def test_the_model_in_the_box_stays(desk: Desk) -> None:
    error = answered(desk, lambda take: desk.models.checkpoints.removal(str(starter()), take, take))
    assert error.fault is Fault.STAYS


def test_the_card_of_a_checkpoint(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("# Mine\n<b>bold</b>")
    assert answered(desk, lambda take: desk.models.checkpoints.card(str(tmp_path), take)) == "# Mine\n<b>bold</b>"
    assert answered(desk, lambda take: desk.models.checkpoints.card(str(tmp_path / "gone"), take)) == ""
