"""What the commands share: errors as one sentence, notes on stderr, words of a model on stdout."""

import errno
import functools
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ParamSpec, TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from chatdesk.engine.api import Device, Dtype, Engine, Failed, Load, Loaded, ModelInfo
from chatdesk.engine.api import Progress as LoadProgress
from chatdesk.errors import Fault, UserError

P = ParamSpec("P")
R = TypeVar("R")

notes = Console(stderr=True, highlight=False, markup=False, emoji=False)
"""For progress and remarks: stdout is for text alone."""

_OPTIONS = {"drafts": "alternatives", "top_logprobs": "logprobs"}
_REFUSED = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EPIPE)

_CONTROLS = {code: 0x2400 + code for code in range(32) if chr(code) not in "\t\n"} | {0x7F: 0x2421}
_CONTROLS |= dict.fromkeys(range(0x80, 0xA0), 0xFFFD)


def open_streams() -> None:
    """Let a stream that was closed before the program began be an empty one."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115 - it stays open


@contextmanager
def written() -> Iterator[None]:
    """See that stdout takes all that was printed. Else the program ends, as text was lost: with one sentence and exit
    code 2; without a word and 1 where the reader has left.
    """
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except OSError as error:
        if error.errno not in _REFUSED or error.filename is not None:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python will try once more at its end
        if isinstance(error, BrokenPipeError):
            sys.exit(1)
        print(f"chatdesk: The output cannot be written: {error.strerror}.", file=sys.stderr)
        sys.exit(2)


def shown(text: str) -> str:
    """A model's words for stdout. On a terminal control characters become signs: they would move what stands there,
    change its title or fill the clipboard. Into a pipe the text goes as it is.
    """
    return text.translate(_CONTROLS) if sys.stdout.isatty() else text


def note(text: str) -> None:
    """A remark beside the text, on stderr."""
    notes.print(text, style="dim", soft_wrap=True)


def print_table(table: Table) -> None:
    """As wide as the terminal; in a pipe as wide as it gets."""
    Console(highlight=False, markup=False, emoji=False, width=None if sys.stdout.isatty() else 1000).print(table)


def load(engine: Engine, path: Path, device: Device, dtype: Dtype, quiet: bool, draft: str = "") -> ModelInfo:
    """Load a checkpoint as request 1, with a bar on a terminal unless ``quiet``. Raises `UserError`."""
    bar = Progress(
        TextColumn("loading {task.description}", markup=False), BarColumn(), TimeElapsedColumn(), console=notes,
        transient=True, disable=quiet or not sys.stderr.isatty(),
    )  # fmt: skip
    with bar:
        task = bar.add_task(path.name)
        for event in engine.run(Load(1, str(path), device, dtype, draft=draft)):
            match event:
                case LoadProgress(done=done, total=total):
                    bar.update(task, completed=done, total=total)
                case Loaded(model=info):
                    return info
                case Failed(fault=fault, fields=fields):
                    raise UserError(Fault(fault), **fields)
    raise AssertionError("a load ends with Loaded or Failed")


def _sentence(error: UserError) -> str:
    """What is wrong, by the name of the option where the protocol has another one."""
    name = error.fields.get("name", "")
    return str(UserError(error.fault, **{**error.fields, "name": _OPTIONS.get(name, name)}))


def user_errors(command: Callable[P, R]) -> Callable[P, R]:
    """Turn a `UserError` into its sentence and exit code 2, and Ctrl+C into exit code 130."""

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except UserError as error:
            print(f"chatdesk: {_sentence(error)}", file=sys.stderr)
            raise typer.Exit(2) from None
        except KeyboardInterrupt:
            if sys.stderr.isatty():
                print(file=sys.stderr)  # what comes next begins a line of its own
            raise typer.Exit(130) from None
        except BrokenPipeError:  # the reader of our stdout has left
            sys.stderr.close()
            raise typer.Exit(1) from None

    return wrapped
