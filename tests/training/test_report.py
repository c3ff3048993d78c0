"""A run in a terminal: every event is told, and the bar is gone at the end."""

import io

import pytest
from rich.console import Console

from chatdesk.training.events import Began, Changed, Finished, HeldOut, Preparing, Saved, Stepped
from chatdesk.training.report import Terminal


def test_the_terminal_tells_every_event() -> None:
    shown = io.StringIO()
    with Terminal(Console(file=shown, width=100)) as terminal:
        for event in (
            Preparing("tokenising [a].txt"),
            Began(3_573_312, 1000, 100),
            Stepped("prose", 1, 20, 150, 5.0, 0.01, 999.0),
            HeldOut("prose", 1, 4.5),
            Changed("prose", 1, "ab"),
            Saved("prose", 1, "run/model"),
            Finished("run/model", 1000, 90.0),
        ):
            terminal.show(event)
    said = shown.getvalue()
    for part in (
        "tokenising [a].txt",
        "3.57 million",
        "100 of them done",
        "held-out loss 4.5000",
        "run/model",
        "1.5 min",
    ):
        assert part in said


@pytest.mark.parametrize("name", ["[/x]", "[prose]", "[1/2] a"])
def test_a_stage_may_be_called_like_a_mark(name: str) -> None:
    shown = io.StringIO()
    with Terminal(Console(file=shown, force_terminal=True, width=100)) as terminal:
        terminal.show(Began(1, 100, 0))
        terminal.show(Stepped(name, 1, 2, 50, 1.0, 0.1, 5.0))
    assert f"{name} 1/2" in shown.getvalue()
