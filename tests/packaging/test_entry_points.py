"""The commands that an installation makes, and what the desktop entry starts."""

import importlib
import sys
import tomllib
from pathlib import Path

import pytest

from chatdesk.__main__ import main

ROOT = Path(__file__).resolve().parents[2]


def test_every_command_leads_to_a_function() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    commands = project["scripts"] | project["gui-scripts"]
    for place in commands.values():
        module, _, name = place.partition(":")
        assert callable(getattr(importlib.import_module(module), name)), place
    entry = (ROOT / "packaging" / "linux" / "org.chatdesk.Chatdesk.desktop").read_text()
    assert [line.removeprefix("Exec=") in commands for line in entry.splitlines() if line.startswith("Exec=")] == [True]


def test_an_interrupt_while_the_program_is_being_imported_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("chatdesk.cli.main", interrupted)
    monkeypatch.setattr(sys, "argv", ["chatdesk", "chat"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 130


@pytest.mark.parametrize("command", ["chatdesk", "chatdesk-window"])
def test_both_commands_heed_the_profile(command: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    module, _, name = (project["scripts"] | project["gui-scripts"])[command].partition(":")
    opened: list[Path] = []
    monkeypatch.setattr("chatdesk.app.run_window", lambda profile: opened.append(profile.root))
    monkeypatch.setattr(sys, "argv", [command, "--profile", str(tmp_path)])
    with pytest.raises(SystemExit):
        getattr(importlib.import_module(module), name)()
    assert opened == [tmp_path]
