"""The training process of the window: ``python -m chatdesk.training.worker RECIPE [--text DIR] --out DIR``.

Its stdout carries the run's events, one JSON object a line; what is printed by accident goes to stderr. The line
``stop`` on stdin, or the end of stdin, lets it save and end with `Paused`; so it never outlives the window.
Exit status: 0 after `Finished` and `Paused`, 2 after a `Failed` that the person can do something about, else 1.
"""

import argparse
import os
import sys
import threading
import traceback
from collections.abc import Iterator
from pathlib import Path

import msgspec

from chatdesk.errors import Fault, UserError
from chatdesk.training.events import Failed, TrainEvent
from chatdesk.training.process import step_back, stopped_by_signals
from chatdesk.training.recipe import load_recipe


def main(arguments: list[str] | None = None) -> None:
    """Run the process and end it."""
    wishes = _parser().parse_args(arguments)
    sink = os.dup(1)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    status = _work(wishes, sink)
    sys.stderr.flush()
    os._exit(status)  # torch's own tear-down takes long and has nothing to save


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="chatdesk.training.worker")
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--text", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--accept-changes", action="store_true")
    return parser


def _work(wishes: argparse.Namespace, sink: int) -> int:
    """The run from beginning to end; the exit status."""
    stop = threading.Event()

    def send(event: TrainEvent) -> None:
        line = memoryview(msgspec.json.encode(event) + b"\n")
        try:
            while line:
                line = line[os.write(sink, line) :]
        except OSError:  # nobody reads any more
            stop.set()

    step_back()
    threading.Thread(target=_listen, args=(stop,), name="stdin", daemon=True).start()
    try:
        with stopped_by_signals(stop):
            load_recipe(wishes.recipe)  # what is wrong with it is told before torch is imported
            from chatdesk.training.trainer import train

            train(wishes.recipe, wishes.text, wishes.out, send, wishes.accept_changes, stop)
    except UserError as error:
        send(failed(error))
        return 2
    except Exception as error:
        traceback.print_exc()
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        send(failed(UserError(Fault.RUN_BUG, path=wishes.out, reason=reason)))
        return 1
    return 0


def failed(error: UserError) -> Failed:
    """The event for an error; names of files need not be Unicode, but what is sent must be."""
    clean = {name: value.encode("utf-8", "replace").decode() for name, value in error.fields.items()}
    return Failed(error.fault, clean)


def _listen(stop: threading.Event) -> None:
    for line in _lines():
        if line.strip() == b"stop":
            break
    stop.set()


def _lines() -> Iterator[bytes]:
    """Lines of stdin, read from its descriptor: a thread that waits in ``sys.stdin`` would hold up the end."""
    rest = b""
    while data := os.read(0, 4096):
        *lines, rest = (rest + data).split(b"\n")
        yield from lines


if __name__ == "__main__":
    main()
