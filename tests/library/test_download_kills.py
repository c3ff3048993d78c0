"""SIGKILL in the middle of downloads: nothing wrong under a final name, and next to nothing fetched again.

The quick test kills 10 times; ``-m soak`` kills 200 times, for figures.
"""

import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from chatdesk.library import snapshots
from tests.library.download_child import __file__ as CHILD
from tests.library.hub_models import sharded, single, wanted, wrong_bytes
from tests.library.hub_server import Asked, Server, serve

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is a POSIX signal")
MOST_AGAIN = 8 * 10**6
MB = 10**6


def run(server: Server, name: str, cache: Path, kill_after_s: float | None) -> bool:
    """Download in a child and kill it some time after it has begun, or never; whether it ended by itself."""
    command = [sys.executable, CHILD, server.url, name, str(cache)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "begun\n"
        if kill_after_s is not None:
            time.sleep(kill_after_s)
            child.kill()
        child.stdout.read()
    assert child.returncode in (0, -9)
    return child.returncode == 0


def asked_from(request: Asked) -> int:
    """Where a request begins, also one that a kill left without an answer."""
    return int(request.headers.get("range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))


def fetched_again(before: list[Asked], after: list[Asked]) -> int:
    """Bytes of all files together that were sent before a kill and asked for again after it."""
    most: dict[str, int] = {}
    for had in before:
        for has in after:
            if had.path == has.path and had.sent:
                most[had.path] = max(most.get(had.path, 0), had.start + had.sent - asked_from(has))
    return sum(most.values())


def is_whole(server: Server, name: str, cache: Path) -> bool:
    """Whether whoever follows ``refs/main`` finds all bytes."""
    model = server.models[name]
    folder = snapshots.folder(cache, name) / "snapshots" / model.commit
    return all((folder / path).read_bytes() == model.files[path] for path in wanted(model))


def download_with_kills(server: Server, name: str, cache: Path, delays: Iterator[float]) -> tuple[int, int]:
    """Download in children that are killed until one ends; how many were, and the most that was fetched again."""
    kills = most = 0
    before: list[Asked] = []
    is_done = False
    while not is_done:
        server.asked.clear()
        is_done = run(server, name, cache, next(delays, None))
        kills += not is_done
        most = max(most, fetched_again(before, server.bodies()))
        before = server.bodies()
        assert wrong_bytes(cache) == []
        if snapshots.folder(cache, name).joinpath("refs/main").exists():
            assert is_whole(server, name, cache)
    assert is_whole(server, name, cache)
    return kills, most


@pytest.mark.parametrize("kills", [10, pytest.param(200, marks=[pytest.mark.soak, pytest.mark.timeout(3600)])])
def test_a_kill_leaves_nothing_wrong_and_costs_at_most_eight_megabytes(tmp_path: Path, kills: int) -> None:
    rng = random.Random(kills)
    done = most = downloads = 0
    with serve() as server:
        server.models["owner/parts"] = sharded(4, 20 * MB)
        server.models["owner/small"] = single(2 * MB)
        while done < kills:
            is_large = rng.random() < 0.7
            server.bytes_per_s = 60 * MB if is_large else 0
            delays = [rng.uniform(0.0, 0.6 if is_large else 0.08) for _ in range(kills - done)]
            name = "owner/parts" if is_large else "owner/small"
            killed, again = download_with_kills(server, name, tmp_path / "cache", iter(delays))
            done, most, downloads = done + killed, max(most, again), downloads + 1
            shutil.rmtree(tmp_path / "cache")
    print(f"{done} kills in {downloads} downloads, at most {most / MB:.1f} MB fetched again")
    assert 0 < most <= MOST_AGAIN
