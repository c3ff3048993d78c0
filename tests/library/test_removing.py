"""What goes to the trash with a checkpoint, and that it is there afterwards."""

import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from chatdesk.errors import Fault, UserError
from chatdesk.library import removing


@pytest.fixture
def trash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A trash of the freedesktop kind that is the test's own."""
    if sys.platform in ("win32", "darwin"):
        pytest.skip("the person's own trash would be used")
    from send2trash import plat_other

    place = tmp_path / "data" / "Trash"
    monkeypatch.setattr("send2trash.send2trash", plat_other.send2trash)
    monkeypatch.setattr(plat_other, "HOMETRASH_B", str(place).encode())
    monkeypatch.setattr(plat_other, "XDG_DATA_HOME", str(place.parent).encode())
    monkeypatch.setattr(plat_other, "get_dev", lambda path: 0)
    return place


def refused(folder: Path, starter: Path) -> Fault:
    with pytest.raises(UserError) as error:
        removing.removal(folder, starter)
    return error.value.fault


def test_a_folder_goes_whole_and_can_be_brought_back(make: Any, trash: Path, tmp_path: Path) -> None:
    folder = make("mine").path
    (folder / "notes.txt").write_text("kept")
    what = removing.removal(folder, tmp_path / "starter")
    sizes = [path.stat().st_size for path in folder.iterdir()]
    assert (what.place, what.files, what.disk_bytes, what.snapshots) == (folder, len(sizes), sum(sizes), 0)
    removing.remove(what)
    assert not folder.exists()
    assert (trash / "files" / "mine" / "notes.txt").read_text() == "kept"
    info = (trash / "info" / "mine.trashinfo").read_text()
    assert unquote(info).endswith(f"Path={folder}\n" + info.splitlines()[-1] + "\n")


def test_a_snapshot_goes_with_its_repository(snapshot: Any, trash: Path, tmp_path: Path) -> None:
    snapshot("owner/small", "old")
    new, other = snapshot("owner/small", "new"), snapshot("owner/other")
    what = removing.removal(new, tmp_path / "starter")
    repository = tmp_path / "hub" / "models--owner--small"
    blobs = sum(path.stat().st_size for path in (repository / "blobs").iterdir())
    assert (what.place, what.snapshots) == (repository, 2)
    assert what.disk_bytes == blobs + (repository / "refs" / "main").stat().st_size
    removing.remove(what)
    assert not repository.exists()
    assert other.is_dir()


def test_of_a_link_the_link_goes(make: Any, trash: Path, tmp_path: Path) -> None:
    folder = make("mine").path
    link = tmp_path / "link"
    link.symlink_to(folder)
    what = removing.removal(link, tmp_path / "starter")
    assert what.is_link
    removing.remove(what)
    assert not link.is_symlink()
    assert (folder / "config.json").is_file()


def test_what_never_goes(make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "outer").mkdir()
    starter, home = make("outer/starter").path, make("home").path
    assert refused(starter, starter) is Fault.STAYS
    assert refused(starter.parent, starter) is Fault.STAYS
    monkeypatch.setattr(Path, "home", lambda: home / "me")
    assert refused(home, starter) is Fault.STAYS
    letters = tmp_path / "letters"
    letters.mkdir()
    (letters / "letter.txt").write_text("Dear")
    assert refused(letters, starter) is Fault.NOT_A_CHECKPOINT
    assert refused(letters / "letter.txt", starter) is Fault.NOT_A_CHECKPOINT
    assert refused(tmp_path / "gone", starter) is Fault.FILE_NOT_FOUND


def test_a_trash_that_refuses_is_said(make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("send2trash.send2trash", full)
    what = removing.removal(make("mine").path, tmp_path / "starter")
    with pytest.raises(UserError) as error:
        removing.remove(what)
    assert str(error.value) == (
        f"{what.place} was not moved to the trash: No space left on device. Remove it with the system's file manager."
    )
    assert what.place.is_dir()


def test_a_folder_that_cannot_be_read(make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make("mine").path

    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(removing, "_looks_like_one", refuse)  # rights do not bind an administrator
    assert refused(folder, tmp_path / "starter") is Fault.CANNOT_REMOVE
