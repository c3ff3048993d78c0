"""``chatdesk models``: what is listed and planned, as text and as JSON."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from chatdesk import app
from chatdesk.cli import cli
from chatdesk.engine.api import DeviceMemory, Surveyed
from chatdesk.errors import Fault, UserError
from chatdesk.paths import starter
from chatdesk.settings.store import Settings
from chatdesk.storage.lock import acquire_lock
from tests.engine.checkpoints import make_checkpoint


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments))


def test_list_has_the_box_the_opened_folders_and_their_faults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    mine, broken = make_checkpoint(tmp_path / "mine", "llama"), tmp_path / "broken"
    broken.mkdir()
    profile = tmp_path / "profile"
    profile.mkdir()
    settings = Settings(profile / "settings.toml")
    settings["folders"] = (str(mine), str(broken))
    settings["uses"] = (f"1700000000 {mine}",)
    found = json.loads(run("--profile", str(profile), "models", "list", "--json").stdout)["models"]
    assert [each["source"] for each in found] == ["box", "folder", "folder"]
    assert (found[1]["architecture"], found[1]["last_used"]) == ("LlamaForCausalLM", 1.7e9)
    assert "holds no files" in found[2]["fault"]
    text = run("--profile", str(profile), "models", "list").stdout
    assert "LlamaForCausalLM" in text
    assert "holds no files" in text


def test_plan_of_the_model_in_the_box() -> None:
    found = json.loads(run("models", "plan", "--json").stdout)["plans"]
    assert found[-1]["place"]["device"] == "cpu"
    assert all(each["needed"] == each["weight_bytes"] + each["cache_bytes"] + each["work_bytes"] for each in found)
    assert "keys, values" in run("models", "plan").stdout


def test_what_cannot_fit_is_one_sentence_and_exit_code_2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with 64 MB."""

    class Small:
        def run(self, request: object) -> list[Surveyed]:
            return [Surveyed(1, (DeviceMemory("cpu", "CPU", 64 * 10**6, 32 * 10**6, False),))]

        def close(self) -> None:
            pass

    monkeypatch.setattr(app, "local_engine", Small)
    told = run("models", "plan", str(make_checkpoint(tmp_path, "gpt2")))
    assert told.exit_code == 2
    assert told.stderr.strip().endswith("and there are 64 MB (CPU). Choose a smaller model.")
    assert told.stdout == ""


def test_a_folder_is_added_and_moved_to_the_trash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine, profile, trash = make_checkpoint(tmp_path / "mine", "llama"), tmp_path / "profile", tmp_path / "trash"
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("send2trash.send2trash", lambda path: path.rename(trash))
    models = ("--profile", str(profile), "models")
    assert run(*models, "add", str(mine)).exit_code == 0
    assert Settings(profile / "settings.toml")["folders"] == (str(mine),)
    asked = CliRunner().invoke(cli, [*models, "remove", "mine"], input="n\n")
    assert asked.exit_code == 1
    assert f"{mine}: " in asked.stderr
    assert mine.is_dir()
    done = run(*models, "remove", "mine", "--yes")
    assert (done.exit_code, done.stdout) == (0, "")
    assert (trash / "config.json").is_file()
    assert Settings(profile / "settings.toml")["folders"] == ()


def test_what_cannot_be_added_or_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    models = ("--profile", str(tmp_path / "profile"), "models")
    (tmp_path / "empty").mkdir()
    for arguments, sentence in (
        (("add", str(tmp_path / "empty")), "is not a checkpoint"),
        (("remove", "nobody", "--yes"), "a name that `chatdesk models list` shows"),
        (("remove", str(tmp_path / "empty"), "--yes"), "is not a checkpoint"),
        (("remove", str(starter()), "--yes"), "the model in the box stays"),
    ):
        told = run(*models, *arguments)
        assert told.exit_code == 2
        assert sentence in told.stderr
    assert (tmp_path / "empty").is_dir()


def test_what_cannot_be_kept_is_not_called_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHATDESK_PROFILE", str(tmp_path / "profile"))
    folder = make_checkpoint(tmp_path / "mine", "llama")

    def full(*_: object) -> None:
        raise UserError(Fault.DISK_FULL, path="settings.toml")

    monkeypatch.setattr("chatdesk.settings.toml_file.TomlFile.replace", full)
    added = CliRunner().invoke(cli, ["models", "add", str(folder)])
    assert added.exit_code == 2
    assert "is full" in added.stderr
    assert "is in the list now" not in added.stderr


def test_a_bound_that_is_no_number() -> None:
    for bound in ("inf", "1e300", "nan"):
        assert CliRunner().invoke(cli, ["models", "search", "x", "--most-parameters", bound]).exit_code == 2


def test_an_open_window_keeps_its_settings(tmp_path: Path) -> None:
    lock = acquire_lock(tmp_path)
    try:
        told = run("--profile", str(tmp_path), "models", "add", str(starter()))
    finally:
        lock.release()
    assert told.exit_code == 2
    assert "The window is open with this profile" in told.stderr
