"""Clients of the engine process that leave nothing behind."""

import threading
from collections.abc import Callable, Iterator

import pytest

from tests.engine.desks import Desk, children


@pytest.fixture
def make_desk() -> Iterator[Callable[..., Desk]]:
    desks: list[Desk] = []

    def make(**options: object) -> Desk:
        desks.append(Desk(**options))
        return desks[-1]

    yield make
    for desk in desks:
        desk.client.close()
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("engine-")] == []
    assert children() == []


@pytest.fixture
def desk(make_desk: Callable[..., Desk]) -> Desk:
    return make_desk()
