"""Downloads: where the bytes go, what is resumed, and that nothing wrong gets a final name, whatever the hub does."""

import errno
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import pytest
from filelock import FileLock

from chatdesk.errors import Fault, UserError
from chatdesk.library import catalogue, hub, snapshots
from chatdesk.library import download as downloading
from chatdesk.library.connection import Connection
from chatdesk.library.download import AT_ONCE, Step, download
from chatdesk.library.partial import STEP
from tests.library.hub_desk import WEIGHTS, Desk
from tests.library.hub_models import IMPATIENT, QUICK, connect, noise, sharded, wanted, wrong_bytes
from tests.library.hub_server import COMMIT, TOKEN


def test_a_download_is_a_snapshot_of_the_cache(desk: Desk) -> None:
    folder = desk.get()
    assert folder == desk.cache / "models--owner--small" / "snapshots" / COMMIT
    assert desk.is_whole(folder)
    assert (folder / WEIGHTS).is_symlink()
    assert not os.path.isabs(os.readlink(folder / WEIGHTS))
    assert (desk.cache / "models--owner--small/refs/main").read_text() == COMMIT
    assert list(desk.cache.rglob("*.incomplete")) == []
    assert (desk.steps[-1].done, desk.steps[-1].total) == (desk.look().size_bytes,) * 2
    assert all(a.done <= b.done for a, b in zip(desk.steps, desk.steps[1:], strict=False))


def test_the_official_client_finds_what_was_fetched(desk: Desk) -> None:
    folder = desk.get()
    code = (
        "import sys; from huggingface_hub import snapshot_download as s; print(s('owner/small', cache_dir=sys.argv[1]))"
    )
    command = [sys.executable, "-c", code, str(desk.cache)]
    env = {**os.environ, "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == str(folder)


def test_several_files_of_weights(desk: Desk) -> None:
    desk.server.models["owner/parts"] = sharded()
    folder = desk.get("owner/parts")
    assert {path.name for path in folder.iterdir()} == wanted(desk.server.models["owner/parts"])


def test_files_come_at_once_but_not_all_of_them(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.server.models["owner/parts"] = sharded(6, 400_000)
    desk.server.bytes_per_s = 1_000_000
    seen: set[int] = set()
    plain = desk.connection.open
    live: set[int] = set()

    @contextmanager
    def counted(path: str, *given: Any, **named: Any) -> Iterator[Any]:
        with plain(path, *given, **named) as answer:
            live.add(id(answer))
            seen.add(len(live))
            try:
                yield answer
            finally:
                live.discard(id(answer))

    monkeypatch.setattr(desk.connection, "open", counted)
    assert desk.get("owner/parts").is_dir()
    assert max(seen) == AT_ONCE
    assert all(a.done <= b.done and a.fetched <= b.fetched for a, b in pairwise(desk.steps))


def test_two_names_for_the_same_bytes_are_fetched_once(desk: Desk) -> None:
    model = desk.server.models["owner/parts"] = sharded(2)
    model.files["model-00002-of-00002.safetensors"] = model.files["model-00001-of-00002.safetensors"]
    folder = desk.get("owner/parts")
    assert {path.name for path in folder.iterdir()} == wanted(model)
    assert len(desk.server.bodies()) == 1
    assert desk.steps[-1].done == desk.steps[-1].total


def test_one_file_that_fails_ends_the_others(desk: Desk) -> None:
    desk.server.models["owner/parts"] = sharded(4, 4 * STEP)
    desk.server.trickles_after = STEP  # of itself none would end within minutes
    repository = desk.look("owner/parts")
    path = snapshots.lock(desk.cache, "owner/parts", repository.files[-1])
    path.parent.mkdir(parents=True)
    with FileLock(path), pytest.raises(UserError) as raised:
        download(desk.connection, repository, desk.cache, patience=IMPATIENT)
    assert raised.value.fault is Fault.DOWNLOAD_BUSY
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("download")]


def test_what_is_there_is_checked_and_not_fetched(desk: Desk) -> None:
    folder = desk.get()
    asked = len(desk.server.asked)
    assert desk.get() == folder
    assert len(desk.server.asked) == asked + 2  # the list and config.json
    assert "checking" in {step.state for step in desk.steps}


def test_wrong_bytes_that_another_program_left_are_mended(desk: Desk) -> None:
    folder = desk.get()
    blob = (folder / WEIGHTS).resolve()
    blob.write_bytes(bytes(len(desk.files[WEIGHTS])))
    assert desk.is_whole(desk.get())


def test_a_new_commit_fetches_only_what_changed(desk: Desk) -> None:
    old = desk.get()
    model = desk.server.models["owner/small"]
    model.commit = "f" * 40
    model.files["generation_config.json"] = b'{"temperature": 1}'
    before = len(desk.server.bodies())
    new = desk.get()
    assert (old.name, new.name) == (COMMIT, "f" * 40)
    assert desk.is_whole(new)
    assert len(desk.server.bodies()) == before  # the weights were not asked for
    assert (desk.cache / "models--owner--small/refs/main").read_text() == "f" * 40


def test_a_commit_that_was_asked_for_is_offered_when_main_has_moved_on(desk: Desk) -> None:
    old = download(desk.connection, hub.repository(desk.connection, "owner/small", COMMIT), desk.cache)
    desk.server.models["owner/small"].commit = "f" * 40
    new = desk.get()
    assert list(catalogue._snapshots(desk.cache)) == [new, old]
    assert [catalogue._version(each) for each in (new, old)] == ["", f"@{COMMIT[:7]}"]


def test_the_token_is_in_no_log_and_no_file(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    desk.connection.close()
    desk.connection = connect(desk.server, token=lambda host: TOKEN)
    desk.get()
    desk.server.faults = ["500"] * 20
    desk.files[WEIGHTS] = noise(1000)
    assert TOKEN not in repr(desk.fails())
    assert TOKEN not in caplog.text
    assert caplog.text
    assert all(TOKEN.encode() not in path.read_bytes() for path in desk.cache.rglob("*") if path.is_file())


def test_a_gated_model_with_the_token(desk: Desk) -> None:
    desk.server.models["owner/small"].is_gated = True
    assert desk.fails().fault is Fault.HUB_GATED
    desk.connection.close()
    desk.connection = connect(desk.server, token=lambda host: TOKEN)
    assert desk.is_whole(desk.get())
    assert all("authorization" not in each.headers for each in desk.server.bodies())


# -- faults on the way ------------------------------------------------------------------------------------------------

PASSING = [
    *(f"cut:{n}" for n in (0, 1, 1000, 65_536, 65_537, 300_001, 599_999)),
    "hang:0", "hang:200000", "short", "long", "no-range", "416", "etag", "gzip", "loop", "500", "502", "503:1",
    "429:1", "408", "store-403",
]  # fmt: skip


@pytest.mark.parametrize("fault", PASSING)
def test_a_fault_that_passes(desk: Desk, fault: str) -> None:
    """Each fault once from the first byte, and once where a part is there already."""
    desk.only_weights()
    desk.server.faults = [fault, "cut:250000", fault]
    assert desk.is_whole(desk.get())
    assert wrong_bytes(desk.cache) == []


LASTING = {
    "cut:0": Fault.HUB_UNREACHABLE,
    "hang:0": Fault.HUB_UNREACHABLE,
    "drip:0": Fault.HUB_UNREACHABLE,
    "short": Fault.HUB_ANSWER,
    "long": Fault.HUB_ANSWER,
    "flip": Fault.DOWNLOAD_DAMAGED,
    "gzip": Fault.HUB_ANSWER,
    "loop": Fault.HUB_ANSWER,
    "html": Fault.HUB_ANSWER,
    "to-file": Fault.HUB_ANSWER,
    "500": Fault.HUB_SERVER,
    "503": Fault.HUB_SERVER,
    "503:999": Fault.HUB_SERVER,
    "429:999": Fault.HUB_RATE_LIMIT,
    "404": Fault.HUB_SERVER,
}


@pytest.mark.parametrize("fault", LASTING)
def test_a_fault_that_lasts(desk: Desk, fault: str) -> None:
    """One sentence, in a short time, and nothing under a final name; when it is over the download goes on."""
    desk.only_weights()
    desk.server.faults = [fault] * 20
    begun = time.monotonic()
    assert desk.fails().fault is LASTING[fault]
    assert time.monotonic() - begun < 10
    assert not (desk.cache / "models--owner--small/refs/main").exists() or not desk.part().with_suffix("").exists()
    desk.server.faults = []
    assert desk.is_whole(desk.get())


def test_wrong_bytes_once(desk: Desk) -> None:
    desk.only_weights()
    desk.server.faults = ["flip", "cut:250000"]
    assert desk.is_whole(desk.get())


@pytest.mark.parametrize("fault", ["wrong-range", "416", "etag"])
def test_a_fault_of_every_resumption(desk: Desk, fault: str) -> None:
    desk.server.has_store = False
    desk.only_weights()
    desk.server.faults = ["cut:100000", *([fault] if fault == "wrong-range" else [fault, "cut:100000"]) * 10]
    assert desk.fails().fault is Fault.HUB_ANSWER
    desk.server.faults = []
    assert desk.is_whole(desk.get())


def test_a_server_without_ranges_is_read_on_from_where_we_were(desk: Desk) -> None:
    desk.only_weights()
    desk.server.faults = ["cut:300000", "no-range"]
    assert desk.is_whole(desk.get())
    assert [each.start for each in desk.server.bodies()][-2:] == [0, 0]


def test_a_resumption_asks_for_the_rest_alone(desk: Desk) -> None:
    desk.only_weights()
    desk.server.faults = ["cut:123456", "cut:100000"]
    assert desk.is_whole(desk.get())
    ranges = [each.headers.get("range") for each in desk.server.bodies()]
    assert ranges == [None, "bytes=123456-", "bytes=223456-"]
    assert [step.trouble.fault for step in desk.steps if step.trouble] == [Fault.HUB_UNREACHABLE] * 2


def test_another_list_than_bytes(desk: Desk) -> None:
    """The hub's list was made for other weights than it has now under the same commit."""
    repository = desk.look()
    desk.files[WEIGHTS] = noise(600_000, "other")
    with pytest.raises(UserError) as raised:
        download(desk.connection, repository, desk.cache, patience=IMPATIENT)
    assert raised.value.fields["reason"] == "it offers another file than its list names"
    assert wrong_bytes(desk.cache) == []


# -- stopping and going on --------------------------------------------------------------------------------------------


def stopped_at(desk: Desk, is_enough: Callable[[Step], bool]) -> None:
    """Run a download until a step is enough, then stop it."""
    stop = threading.Event()

    def say(step: Step) -> None:
        if is_enough(step):
            stop.set()

    with pytest.raises(UserError) as raised:
        download(desk.connection, desk.look(), desk.cache, say, stop, IMPATIENT)
    assert raised.value.fault is Fault.CANCELLED


def test_a_stop_keeps_what_has_come_but_for_one_step(desk: Desk) -> None:
    desk.files[WEIGHTS] = noise(4 * STEP)
    desk.server.trickles_after = 2 * STEP + 1_000_000
    stopped_at(desk, lambda step: step.done > 2 * STEP + 200_000)
    assert desk.part().stat().st_size >= 2 * STEP
    desk.server.trickles_after = 0
    assert desk.is_whole(desk.get())
    assert [each.headers.get("range") for each in desk.server.bodies()] == [None, f"bytes={2 * STEP}-"]


def test_a_part_that_was_damaged_is_fetched_anew(desk: Desk) -> None:
    desk.files[WEIGHTS] = noise(3 * STEP)
    desk.only_weights()
    desk.part().parent.mkdir(parents=True, exist_ok=True)
    desk.part().write_bytes(bytes(2 * STEP + 5))
    assert desk.is_whole(desk.get())
    assert [each.start for each in desk.server.bodies()] == [2 * STEP, 0]


def test_a_part_that_is_longer_than_the_file(desk: Desk) -> None:
    desk.only_weights()
    desk.part().write_bytes(bytes(10 * STEP))
    assert desk.is_whole(desk.get())


def test_discarding(desk: Desk) -> None:
    desk.files[WEIGHTS] = noise(2 * STEP)
    desk.server.trickles_after = STEP + 1_000_000
    stopped_at(desk, lambda step: step.done > STEP)
    snapshots.discard(desk.cache, "owner/small")
    assert not snapshots.folder(desk.cache, "owner/small").exists()
    desk.server.trickles_after = 0
    folder = desk.get()
    desk.server.models["owner/small"].commit = "f" * 40
    desk.files[WEIGHTS] = noise(2 * STEP, "new")
    desk.server.faults = ["cut:100"] * 20
    desk.fails()
    snapshots.discard(desk.cache, "owner/small")
    assert (folder / WEIGHTS).read_bytes() == noise(2 * STEP)
    assert set((folder.parent.parent / "blobs").iterdir()) == {path.resolve() for path in folder.iterdir()}


# -- the disk ---------------------------------------------------------------------------------------------------------


def test_too_little_space_is_said_beforehand(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloading._Job, "_free", lambda self: 1_000_000)
    before = desk.look() and len(desk.server.asked)
    error = desk.fails()
    assert (error.fault, error.fields["free"]) == (Fault.DOWNLOAD_NO_SPACE, "1.0 MB")
    assert len(desk.server.asked) == before + 2  # the list and config.json


@pytest.mark.parametrize("call", ["write", "fsync", "replace"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_a_disk_that_is_full_or_fails(desk: Desk, monkeypatch: pytest.MonkeyPatch, call: str, number: int) -> None:
    desk.only_weights()

    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patched:
        patched.setattr(f"chatdesk.library.partial.os.{call}", fail)
        wanted_fault = Fault.DOWNLOAD_NO_SPACE if number == errno.ENOSPC else Fault.DOWNLOAD_CANNOT_WRITE
        assert desk.fails().fault is wanted_fault
    assert desk.is_whole(desk.get())


def test_a_cache_that_cannot_be_written(desk: Desk) -> None:
    desk.cache.write_text("a file where a folder should be")
    assert desk.fails().fault is Fault.DOWNLOAD_CANNOT_WRITE


def test_another_program_fetches_the_same_file(desk: Desk) -> None:
    file = desk.look().files[-1]
    path = snapshots.lock(desk.cache, "owner/small", file)
    path.parent.mkdir(parents=True)
    with FileLock(path):
        error = desk.fails()
    assert (error.fault, error.fields["file"]) == (Fault.DOWNLOAD_BUSY, WEIGHTS)
    assert desk.is_whole(desk.get())


@pytest.mark.parametrize("has_hard_links", [True, False])
def test_a_file_system_without_symbolic_links(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, has_hard_links: bool
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "not here")

    monkeypatch.setattr("chatdesk.library.snapshots.os.symlink", refuse)
    if not has_hard_links:
        monkeypatch.setattr("chatdesk.library.snapshots.os.link", refuse)
    folder = desk.get()
    assert desk.is_whole(folder)
    asked = len(desk.server.asked)
    assert desk.is_whole(desk.get())
    assert len(desk.server.asked) == asked + 2  # the list and config.json: nothing is fetched twice
    snapshots.discard(desk.cache, "owner/small")
    assert desk.is_whole(folder)


def test_a_connection_is_given_up_when_it_brings_next_to_nothing(desk: Desk) -> None:
    desk.only_weights()
    desk.server.faults = ["drip:70000"]
    assert desk.is_whole(desk.get())
    reasons = [step.trouble.fields["reason"] for step in desk.steps if step.trouble]
    assert reasons == ["it sends too slowly"]
    assert QUICK.silence_s > 0.02  # so that it was not the silence


def test_offline(desk: Desk) -> None:
    repository = desk.look()
    offline = Connection(desk.server.url, offline=True)
    asked = len(desk.server.asked)
    with pytest.raises(UserError) as raised:
        download(offline, repository, desk.cache)
    assert raised.value.fault is Fault.HUB_OFFLINE
    assert len(desk.server.asked) == asked
