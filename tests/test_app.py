"""The assembled program as a whole."""

from dataclasses import fields
from types import SimpleNamespace
from typing import Any

import pytest

from chatdesk.app import Desk


def test_words_are_stored_before_anything_that_may_wait_or_fail() -> None:
    """A training has a minute to save, and the system may end the program in it."""
    ended: list[str] = []

    def end(name: str) -> None:
        ended.append(name)
        if name == "lab":
            raise OSError("a process that cannot be ended")

    parts: dict[str, Any] = {field.name: SimpleNamespace(close=lambda n=field.name: end(n)) for field in fields(Desk)}
    with pytest.raises(OSError, match="cannot be ended"):
        Desk(**parts).close()
    assert ended == ["shelf", "chat", "writing", "classifier", "lab", "downloads", "engine", "store"]
