"""The settings file: atomic, forgiving to read, strict to write."""

import os
from pathlib import Path

import pytest

from chatdesk import paths
from chatdesk.errors import UserError
from chatdesk.settings.options import APPLICATION, CHAT, usable_chat
from chatdesk.settings.presets import Presets
from chatdesk.settings.store import Settings


def test_a_value_survives(tmp_path: Path) -> None:
    settings = Settings(tmp_path / "new" / "settings.toml")
    settings["theme"] = "dark"
    settings["folders"] = ("/a", "/模型")
    again = Settings(tmp_path / "new" / "settings.toml")
    assert (again["theme"], again["folders"], again["text_size"]) == ("dark", ("/a", "/模型"), 100)


def test_watchers_hear_changes_only(tmp_path: Path) -> None:
    settings = Settings(tmp_path / "settings.toml")
    heard: list[str] = []
    settings.watch(heard.append)
    settings["theme"] = "dark"
    settings["theme"] = "dark"
    assert heard == ["theme"]


def test_an_unknown_name_is_an_error(tmp_path: Path) -> None:
    settings = Settings(tmp_path / "settings.toml")
    with pytest.raises(KeyError):
        settings["colour"]
    with pytest.raises(KeyError):
        settings["colour"] = "blue"


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("theme", "pink", "one of system, light, dark"),
        ("text_size", 900, "a whole number from 70 to 200"),
        ("enter_sends", "yes", "true or false"),
        ("folders", (1, 2), "a list of texts"),
    ],
)
def test_a_bad_value_is_refused_in_words(tmp_path: Path, name: str, value: object, words: str) -> None:
    with pytest.raises(UserError, match=words):
        Settings(tmp_path / "settings.toml")[name] = value


def test_a_file_cut_at_any_byte_never_stops_the_program(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    settings = Settings(path)
    settings["theme"] = "dark"
    settings["folders"] = ("/a", "/模型")
    whole = path.read_bytes()
    for end in range(len(whole)):
        path.write_bytes(whole[:end])
        assert Settings(path)["theme"] in ("dark", "system")


@pytest.mark.parametrize("may_move", [True, False])
def test_a_file_that_was_held_by_another_program_is_not_written_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, may_move: bool
) -> None:
    """As an antivirus or a sync program may, for a moment, when the program starts."""
    path = tmp_path / "settings.toml"
    Settings(path)["folders"] = ("/models",)
    whole = path.read_bytes()

    def held(*_: object) -> bytes:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "read_bytes", held)
        settings = Settings(path)
        if not may_move:
            patched.setattr(os, "replace", held)
            with pytest.raises(UserError):
                settings["theme"] = "dark"
    assert "Permission denied" in str(settings.complaints[0])
    if may_move:
        settings["theme"] = "dark"
        settings["theme"] = "light"
        assert (tmp_path / "settings.unread.toml").read_bytes() == whole
        assert Settings(path)["theme"] == "light"
    else:
        assert path.read_bytes() == whole
    assert len(list(tmp_path.iterdir())) == 1 + may_move


def test_a_second_damaged_file_is_kept_beside_the_first(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    for text in ("first", "second"):
        path.write_text(text)
        assert Settings(path).complaints
    kept = [tmp_path / f"settings.damaged{number}.toml" for number in ("", "-1")]
    assert [each.read_text() for each in kept] == ["first", "second"]


def test_a_damaged_file_is_kept_aside_and_said(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_bytes(b"theme = \xff\xfe")
    settings = Settings(path)
    assert settings["theme"] == "system"
    assert "damaged" in str(settings.complaints[0])
    assert (tmp_path / "settings.damaged.toml").read_bytes() == b"theme = \xff\xfe"


def test_a_bad_value_in_the_file_is_named_and_the_rest_counts(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text('theme = "pink"\ntext_size = 120\n')
    settings = Settings(path)
    assert (settings["theme"], settings["text_size"]) == ("system", 120)
    assert "theme is 'pink'" in str(settings.complaints[0])


def test_values_of_a_newer_version_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text('hologram = "on"\n')
    Settings(path)["theme"] = "dark"
    assert 'hologram = "on"' in path.read_text()


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "settings.toml"
    settings = Settings(path)
    settings["theme"] = "dark"

    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(UserError, match="is full"):
        settings["theme"] = "light"
    assert settings["theme"] == "light"  # for this session
    assert Settings(path)["theme"] == "dark"
    assert [p.name for p in tmp_path.iterdir()] == ["settings.toml"]


@pytest.mark.parametrize("option", [*CHAT.values(), *APPLICATION.values()], ids=lambda option: option.name)
def test_every_default_is_allowed(option) -> None:
    assert option.check(option.default) == option.default


def test_of_stored_settings_only_what_fits_is_used() -> None:
    stored = {"temperature": "x", "top_k": 5, "seed": True, "colour": 1, "system_prompt": ["a"], "top_p": 7}
    assert usable_chat(stored) == {"top_k": 5}
    assert usable_chat({"temperature": 10**400, "seed": 7}) == {"seed": 7}


def test_a_file_that_an_editor_has_marked(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_bytes(b"\xef\xbb\xbftheme = 'dark'\r\n")
    settings = Settings(tmp_path / "settings.toml")
    assert (settings["theme"], settings.complaints) == ("dark", [])


def test_what_is_no_text_is_refused_and_spoils_nothing(tmp_path: Path) -> None:
    """The name of a folder may be such bytes."""
    settings = Settings(tmp_path / "settings.toml")
    with pytest.raises(UserError, match="UTF-8"):
        settings["folders"] = ("/odd\udcff",)
    settings["theme"] = "dark"
    assert (settings["folders"], Settings(tmp_path / "settings.toml")["theme"]) == ((), "dark")
    presets = Presets(paths.resources() / "presets" / "presets.toml", tmp_path / "presets.toml")
    with pytest.raises(UserError, match="not Unicode"):
        presets.save("odd", {"system_prompt": "\ud83d"})
    assert list(tmp_path.iterdir()) == [tmp_path / "settings.toml"]
