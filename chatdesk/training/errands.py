"""What a child process does for the window beside training, and what it tells: one line of JSON for each.

An errand goes to its child as a file: a command line holds no thousand paths. No torch here: the window imports this.
"""

import sys
from typing import Any, TypeAlias

from msgspec import Struct

CHILD_FLAG = "--errand-process"
"""Hidden flag by which the executable of a frozen bundle becomes the child."""


def errand_command() -> list[str]:
    """How to start `chatdesk.training.errand_worker`; the file with the errand follows."""
    if getattr(sys, "frozen", False):
        return [sys.executable, CHILD_FLAG]
    return [sys.executable, "-P", "-m", "chatdesk.training.errand_worker"]


class Prepare(Struct, frozen=True, tag=True):
    """Prepare files and folders into a folder inside ``out``; see `preparation.Wishes` for the rest."""

    paths: tuple[str, ...]
    out: str
    steps: tuple[str, ...]
    held_out: float
    languages: tuple[str, ...] = ()


class Weigh(Struct, frozen=True, tag=True):
    """Measure for ``seconds`` what a recipe takes on this machine. ``text``: folder of its files."""

    recipe: str
    text: str | None
    seconds: float


class Judge(Struct, frozen=True, tag=True):
    """Measure the checkpoint folder ``model``, with the adapter in the folder ``adapter`` if that is not empty, on all
    ``files`` together and by texts that it writes, in which 8-grams of the files ``against`` are looked for; a report
    with the curves of the folder ``run`` is written to the file ``html``.
    """

    model: str
    files: tuple[str, ...]
    against: tuple[str, ...]
    run: str
    html: str
    adapter: str = ""


Errand: TypeAlias = Prepare | Weigh | Judge
"""What `chatdesk.training.errand_worker` does."""


class Contender(Struct, frozen=True):
    """A model that is compared: a checkpoint folder, and the folder of an adapter for it, empty without one."""

    checkpoint: str
    adapter: str = ""


class Compare(Struct, frozen=True, tag=True):
    """Let two models answer ``prompts`` into the file ``out`` of a `chatdesk.tasks.comparing.Comparison`.

    An errand of `chatdesk.cli_compare`, which knows the engine. ``is_text``: prompts are continued, not answered.
    """

    a: Contender
    b: Contender
    prompts: tuple[str, ...]
    out: str
    seed: int
    is_text: bool = False


class Going(Struct, frozen=True, tag=True):
    """``done`` of ``total`` in the part called ``what``; the unit is the errand's own."""

    what: str
    done: int
    total: int


class Done(Struct, frozen=True, tag=True):
    """The errand is through. ``result``: its report by field names; ``folder``: of a preparation."""

    result: dict[str, Any]
    folder: str = ""


class Refused(Struct, frozen=True, tag=True):
    """The world failed: a `Fault` with its fields."""

    fault: str
    fields: dict[str, str]


ErrandEvent: TypeAlias = Going | Done | Refused
