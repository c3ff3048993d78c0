"""How fast a download is beside a bare one: ``python tests/benchmarks/download.py``.

A hub in a process of its own on loopback; in turns, `download` (digest, syncs, resumable) and a loop that reads the
same bytes with the same HTTP client, adds them to a sha256 and writes them, with one sync at the end. Prints one line
of JSON: the median rates in MB a second, and the median of the ratios of neighbours.
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
from tests.library.hub_models import single
from tests.library.hub_server import COMMIT, serve


def run_hub(pipe: Pipe, size: int) -> None:
    """The hub's process: tells its address, ends when it is told anything."""
    with serve() as server:
        server.models["owner/large"] = single(size)
        pipe.send(server.url)
        pipe.recv()


def bare(url: str, path: Path) -> None:
    """The same bytes, without anything that is kept or checked on the way."""
    digest = hashlib.sha256()
    address = url + hub.resolve_path("owner/large", COMMIT, "model.safetensors")
    with (
        path.open("wb", buffering=0) as file,
        httpx2.Client(follow_redirects=True) as client,
        client.stream("GET", address) as got,
    ):
        for data in got.iter_raw():
            digest.update(data)
            file.write(data)
        os.fsync(file.fileno())


def ours(url: str, cache: Path) -> None:
    """The download of the program."""
    connection = Connection(url)
    download(connection, hub.repository(connection, "owner/large"), cache)
    connection.close()


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
    rates: dict[str, list[float]] = {"bare": [], "ours": []}
    for _ in range(arguments.n):
        for name, way in (("bare", bare), ("ours", ours)):
            with tempfile.TemporaryDirectory() as folder:
                begun = time.perf_counter()
                way(url, Path(folder) / "into")
                rates[name].append(size / 1e6 / (time.perf_counter() - begun))
    here.send(None)
    process.join()
    ratio = statistics.median(a / b for a, b in zip(rates["ours"], rates["bare"], strict=True))
    figures = {f"{name}_mb_per_s": round(statistics.median(found)) for name, found in rates.items()}
    print(json.dumps({"benchmark": "download", "n": arguments.n, **figures, "ratio": round(ratio, 2)}))


if __name__ == "__main__":
    main()
