"""The child process of an errand: the errand as JSON in a file, events as lines of JSON on stdout.

It ends when its work is done, or when its stdin does: a preparation is made whole or not at all.
"""

import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

import msgspec

from chatdesk.errors import UserError
from chatdesk.training.errands import Done, Errand, ErrandEvent, Going, Judge, Prepare, Refused, Weigh
from chatdesk.training.process import step_back

_TELL_S = 0.1  # between two lines about the same part
_STOPPED = 3
_SAMPLES = 4  # for each prompt

Tell: TypeAlias = Callable[[str, int, int], None]
"""Told what goes on, how much of it is done, and of how much."""


def main(file: str) -> int:
    """Do the errand in the file; the exit status as of `serve`."""
    errand = msgspec.json.decode(Path(file).read_bytes(), type=Errand)
    return serve(lambda tell: _do(errand, tell))


def serve(work: Callable[[Tell], Done]) -> int:
    """Do ``work`` as an errand's process, behind others; the exit status: 0, or 2 where it was refused.

    Each line on stdout is an `ErrandEvent`. The process ends with its stdin, so it never outlives the window.
    """
    lines = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print belongs to the log

    def say(event: ErrandEvent) -> None:
        lines.write(msgspec.json.encode(event) + b"\n")
        lines.flush()

    step_back()  # also that a measurement is of what a training gets
    threading.Thread(target=_end_with_stdin, daemon=True).start()
    try:
        say(work(_Teller(say)))
    except UserError as error:
        clean = {name: value.encode("utf-8", "replace").decode() for name, value in error.fields.items()}
        say(Refused(error.fault, clean))
        return 2
    return 0


def _end_with_stdin() -> None:
    while os.read(0, 4096):
        pass
    os._exit(_STOPPED)


class _Teller:
    """Says `Going`, not more often than anyone can see."""

    def __init__(self, say: Callable[[ErrandEvent], None]) -> None:
        self._say = say
        self._what, self._at = "", 0.0

    def __call__(self, what: str, done: int, total: int) -> None:
        """Told where the work is."""
        now = time.monotonic()
        if what != self._what or now - self._at >= _TELL_S:
            self._what, self._at = what, now
            self._say(Going(what, done, total))


def _do(errand: Errand, tell: Tell) -> Done:
    if isinstance(errand, Prepare):
        from chatdesk.training.preparation import Wishes, prepare

        wishes = Wishes(errand.steps, errand.languages, errand.held_out)
        folder, report = prepare([Path(path) for path in errand.paths], Path(errand.out), wishes, tell)
        return Done(msgspec.to_builtins(report), str(folder))
    if isinstance(errand, Weigh):
        from chatdesk.training.estimate import estimate

        text = Path(errand.text) if errand.text else None
        found = estimate(Path(errand.recipe), text, errand.seconds, lambda name: tell(name, 0, 0))
        return Done(msgspec.to_builtins(found))
    return judge(errand, tell)


def judge(errand: Judge, tell: Tell) -> Done:
    """Measure, and write the report, with the curves of a run that has any."""
    from chatdesk.training.curves import read_curves
    from chatdesk.training.html_report import write_report
    from chatdesk.training.measures import Wanted, measure
    from chatdesk.training.samples import SampleWishes

    files, html = tuple(map(Path, errand.files)), Path(errand.html)
    curves = []
    with suppress(UserError):  # a run that has told no step is judged all the same
        curves.append(read_curves(Path(errand.run)))
    wanted = Wanted(files, sampled=SampleWishes(_SAMPLES), against=tuple(map(Path, errand.against)))
    adapter = Path(errand.adapter) if errand.adapter else None
    found = measure([Path(errand.model)], wanted, tell, [adapter])
    write_report(html, found, curves, ", ".join(file.name for file in files))
    told = found[0].to_builtins()
    told.pop("samples", None)
    return Done(told, str(html))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
