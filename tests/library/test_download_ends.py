"""Downloads that are ended, taken away or left alone: at once, and only one's own."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from chatdesk.errors import Fault, UserError
from chatdesk.library import removing, snapshots
from chatdesk.library.connection import Limits
from chatdesk.library.download import download
from chatdesk.library.partial import STEP
from chatdesk.library.removing import Removal
from tests.library.hub_desk import WEIGHTS, Desk
from tests.library.hub_models import IMPATIENT, connect, noise
from tests.library.hub_server import Handler


def test_what_another_program_is_fetching_stays(desk: Desk, tmp_path: Path) -> None:
    """Whoever gives the same model up, or moves it to the trash, takes nothing away from it."""
    desk.files[WEIGHTS] = noise(2 * STEP)
    desk.server.trickles_after = STEP
    fetching = Desk.__new__(Desk)
    fetching.__dict__.update(desk.__dict__, connection=connect(desk.server))
    with ThreadPoolExecutor(1) as pool:
        fetched = pool.submit(fetching.get)
        while not (desk.part().exists() and desk.part().stat().st_size):
            assert not fetched.done()
            time.sleep(0.01)
        snapshots.discard(desk.cache, "owner/small")
        place = snapshots.folder(desk.cache, "owner/small")
        with pytest.raises(UserError, match="is being downloaded"):
            removing.remove(Removal(place, 1, 1))
        desk.server.trickles_after = 0
        assert desk.is_whole(fetched.result())
    fetching.connection.close()
    snapshots.discard(desk.cache, "owner/small")
    assert desk.is_whole(fetched.result())


@pytest.mark.parametrize("begins", [True, False])
def test_a_stop_while_nothing_comes(desk: Desk, monkeypatch: pytest.MonkeyPatch, begins: bool) -> None:
    """A server that hangs, in the middle of an answer or before it, does not hold up whoever stops."""
    desk.only_weights()
    desk.connection.close()
    desk.connection = connect(desk.server, limits=Limits(silence_s=30.0))
    repository = desk.look()
    if begins:
        desk.server.faults = ["hang:100000"]
    else:
        monkeypatch.setattr(Handler, "_body", lambda handler, *_: handler.hub.is_closing.wait(30))
    stop = threading.Event()
    threading.Timer(0.5, stop.set).start()
    begun = time.monotonic()
    with pytest.raises(UserError) as raised:
        download(desk.connection, repository, desk.cache, stop=stop)
    assert raised.value.fault is Fault.CANCELLED
    assert time.monotonic() - begun < 5


def test_a_server_without_ranges_that_drips_is_left_for_another_try(desk: Desk) -> None:
    desk.files[WEIGHTS] = noise(3 * STEP)
    desk.only_weights()
    desk.part().write_bytes(noise(3 * STEP)[: 2 * STEP])
    repository = desk.look()
    desk.server.faults = ["drip-all:1000"]
    begun = time.monotonic()
    assert desk.is_whole(download(desk.connection, repository, desk.cache, desk.steps.append, patience=IMPATIENT))
    assert time.monotonic() - begun < 10
    assert "it sends too slowly" in [str(step.trouble.fields["reason"]) for step in desk.steps if step.trouble]
