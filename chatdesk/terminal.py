"""What the commands share: errors as one sentence, notes on stderr, words of a model on stdout."""

import functools
import sys
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import typer
from rich.console import Console

from chatdesk.errors import UserError

P = ParamSpec("P")
R = TypeVar("R")

notes = Console(stderr=True, highlight=False, markup=False, emoji=False)
"""For progress and remarks: stdout is for text alone."""


_CONTROLS = {code: 0x2400 + code for code in range(32) if chr(code) not in "\t\n"} | {0x7F: 0x2421}
_CONTROLS |= dict.fromkeys(range(0x80, 0xA0), 0xFFFD)


def shown(text: str) -> str:
    """A model's words for stdout. On a terminal control characters become signs: they would move what stands there,
    change its title or fill the clipboard. Into a pipe the text goes as it is.
    """
    return text.translate(_CONTROLS) if sys.stdout.isatty() else text


def user_errors(command: Callable[P, R]) -> Callable[P, R]:
    """Turn a `UserError` into its sentence and exit code 2, and Ctrl+C into exit code 130."""

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except UserError as error:
            print(f"chatdesk: {error}", file=sys.stderr)
            raise typer.Exit(2) from None
        except KeyboardInterrupt:
            raise typer.Exit(130) from None
        except BrokenPipeError:  # the reader of our stdout has left
            sys.stderr.close()
            raise typer.Exit(1) from None

    return wrapped
