"""A log of 4 MB as an attachment: how smooth the window stays, with the model in the box.

    python tests/benchmarks/attach.py [--megabytes 3.9]

Steps, each watched until it is done and a second longer: ``attach`` (read, shown and counted), ``view`` (opened in the
viewer, whole, and closed), ``send`` (stored, and refused by a model that cannot see so much), ``open`` (another
conversation and back). A stall is the lateness of a precise 5 ms timer in the window's thread, over all beats; an empty
window is measured first in the same run. Memory is the private memory (USS) of the window's process after a step, above
what it was before. Prints one line of JSON; to reach: no stall above 250 ms. Nothing else may run on the machine
meanwhile; ``load`` says how much did before the run (the mean of a minute).
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from PySide6.QtCore import QEventLoop, QTimer
from PySide6.QtWidgets import QMainWindow

from chatdesk import app
from chatdesk.paths import Profile
from chatdesk.ui.chat.file_view import FileDialog
from tests.benchmarks.ui import Beats, watch

LINE = "2026-11-26 12:00:00.123 INFO worker-{number}: request took 17 ms, cache hit, status 200\n"
MOST_S = 120.0
LIMIT_MS = 250.0


def until(done: Callable[[], bool], more_s: float = 1.0) -> dict[str, float]:
    """Run the loop until something is so and ``more_s`` longer; the stalls, and the seconds until it was so."""
    beats, loop, begun, took = Beats(), QEventLoop(), perf_counter(), 0.0

    def look() -> None:
        nonlocal took
        now = perf_counter() - begun
        if now > MOST_S:
            raise SystemExit("a step was not done in time")
        took = took or (now if done() else 0.0)
        if took and now > took + more_s:
            loop.quit()

    timer = QTimer(interval=20)
    timer.timeout.connect(look)
    timer.start()
    loop.exec()
    timer.stop()
    return {**beats.stop(), "took_s": round(took, 2)}


def run(megabytes: float) -> dict[str, object]:
    """One measurement."""
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "server.log"
        lines = int(megabytes * 1_000_000 / len(LINE))
        log.write_text("".join(LINE.format(number=number) for number in range(lines))[: int(megabytes * 1_000_000)])
        desk = app.assemble(Profile(Path(folder) / "profile"))
        empty = QMainWindow()
        empty.resize(1280, 800)
        empty.show()
        figures: dict[str, object] = {"empty": watch(5)}
        empty.close()
        window, page = desk.window, desk.window.page
        window.painted.connect(window.start)
        window.resize(1280, 800)
        window.show()
        desk.open_last()
        until(lambda: desk.models.info is not None, 2)
        process = psutil.Process()
        before = process.memory_full_info().uss

        def note(step: str, done: Callable[[], bool]) -> None:
            figures[step] = {**until(done), "memory_mb": round((process.memory_full_info().uss - before) / 1e6, 1)}

        window.attaching.attach([str(log)])
        note("attach", lambda: bool(page._files) and desk.chat._open._figures.files.tokens()[0] is not None)
        window.attaching.show(page._files[0])
        dialog = window.findChild(FileDialog)
        note("view", dialog.text.is_whole)
        dialog.close()
        page.composer.set_text("What does it say?")
        until(lambda: True)
        page.send()
        note("send", lambda: page._notice is not None)
        figures["refused_as"] = str(page._notice and page._notice.fault)
        home = desk.chat.open_id
        desk.chat.new()
        until(lambda: not desk.chat.open_id)
        desk.chat.open(home)
        note("open", lambda: desk.chat.open_id == home)
        window.close()
        desk.close()
    stalls = [step["longest_ms"] for name, step in figures.items() if isinstance(step, dict) and name != "empty"]
    return {
        **figures,
        "kept": max(stalls) <= LIMIT_MS,
        "limit_ms": LIMIT_MS,
        "megabytes": megabytes,
        "load": round(load, 2),
    }


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--megabytes", type=float, default=3.9)
    print(json.dumps(run(parser.parse_args().megabytes)))


if __name__ == "__main__":
    main()
