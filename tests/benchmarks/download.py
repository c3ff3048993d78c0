"""How fast a download is beside a bare one: ``python tests/benchmarks/download.py``.

First one large file as fast as it goes, then four from a hub that sends 20 MB a second over each connection. The hub is
a process of its own on loopback; in turns, `download` (digest, syncs, resumable) and a loop that reads the same bytes
with the same HTTP client, adds them to a sha256 and writes them, with one sync at the end. Prints one line of JSON: the
median rates in MB a second, and the medians of the ratios of neighbours.
"""

import argparse
import hashlib
import json
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from multiprocessing.connection import Connection as Pipe
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import httpx2

from chatdesk.library import hub
from chatdesk.library.connection import Connection
from chatdesk.library.download import download
from tests.library.hub_models import sharded, single
from tests.library.hub_server import COMMIT, serve

ONE, FOUR = "owner/large", "owner/parts"
SLOW = 20_000_000  # bytes a second


def run_hub(pipe: Pipe, size: int) -> None:
    """The hub's process: tells its address, then sets its speed to what it is told, until that is None."""
    with serve() as server:
        server.models[ONE] = single(size)
        server.models[FOUR] = sharded(4, size // 8)
        pipe.send(server.url)
        while (speed := pipe.recv()) is not None:
            server.bytes_per_s = speed


def bare(url: str, name: str, path: Path) -> None:
    """The same bytes, one file after the other, without anything that is kept or checked on the way."""
    connection = Connection(url)
    files = hub.repository(connection, name).files
    connection.close()
    path.mkdir()
    with httpx2.Client(follow_redirects=True) as client:
        for found in files:
            digest = hashlib.sha256()
            address = url + hub.resolve_path(name, COMMIT, found.path)
            with (path / found.digest).open("wb", buffering=0) as file, client.stream("GET", address) as got:
                for data in got.iter_raw():
                    digest.update(data)
                    file.write(data)
                os.fsync(file.fileno())


def ours(url: str, name: str, cache: Path) -> None:
    """The download of the program."""
    connection = Connection(url)
    download(connection, hub.repository(connection, name), cache)
    connection.close()


def rates(url: str, name: str, rounds: int, size: int) -> dict[str, list[float]]:
    """MB a second of both, in turns."""
    found: dict[str, list[float]] = {"bare": [], "ours": []}
    for _ in range(rounds):
        for who, way in (("bare", bare), ("ours", ours)):
            with tempfile.TemporaryDirectory() as folder:
                begun = time.perf_counter()
                way(url, name, Path(folder) / "into")
                found[who].append(size / 1e6 / (time.perf_counter() - begun))
    return found


def main() -> None:
    """Measure both in turns."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=5)
    parser.add_argument("--megabytes", type=int, default=400)
    arguments = parser.parse_args()
    size = arguments.megabytes * 10**6
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=run_hub, args=(there, size))
    process.start()
    url = here.recv()
    figures: dict[str, float] = {}
    for name, speed, bytes_ in ((ONE, 0, size), (FOUR, SLOW, size // 2)):
        here.send(speed)
        found = rates(url, name, arguments.n, bytes_)
        short = name.removeprefix("owner/")
        figures |= {f"{short}_{who}_mb_per_s": round(statistics.median(rate)) for who, rate in found.items()}
        ratio = statistics.median(a / b for a, b in zip(found["ours"], found["bare"], strict=True))
        figures[f"{short}_ratio"] = round(ratio, 2)
    here.send(None)
    process.join()
    print(json.dumps({"benchmark": "download", "n": arguments.n, **figures}))


if __name__ == "__main__":
    main()
