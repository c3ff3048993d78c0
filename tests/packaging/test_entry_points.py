"""The commands that an installation makes, and what the desktop entry starts."""

import importlib
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_every_command_leads_to_a_function() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    commands = project["scripts"] | project["gui-scripts"]
    for place in commands.values():
        module, _, name = place.partition(":")
        assert callable(getattr(importlib.import_module(module), name)), place
    entry = (ROOT / "packaging" / "linux" / "org.chatdesk.Chatdesk.desktop").read_text()
    assert [line.removeprefix("Exec=") in commands for line in entry.splitlines() if line.startswith("Exec=")] == [True]
