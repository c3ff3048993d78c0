"""What a training run tells while it works: one frozen struct for each kind of news.

A loss is the mean over the counted tokens, in nats; a time is in seconds; tokens are those the model has been shown.
"""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import msgspec
from msgspec import Struct


class Preparing(Struct, frozen=True, tag=True):
    """Something long goes on before the first step; ``what`` is a short English phrase."""

    what: str


class Began(Struct, frozen=True, tag=True):
    """The steps begin. ``tokens_done`` is above zero when a run is resumed."""

    parameters: int
    tokens_total: int
    tokens_done: int


class Stepped(Struct, frozen=True, tag=True):
    """Mean loss since the last such event. ``step`` of ``steps`` counts in the stage, ``tokens`` in the run.

    One comes every few seconds, and before every `HeldOut` and `Saved`.
    """

    stage: str
    step: int
    steps: int
    tokens: int
    loss: float
    learning_rate: float
    tokens_per_second: float


class HeldOut(Struct, frozen=True, tag=True):
    """Loss on text the run never trains on."""

    stage: str
    step: int
    loss: float


class Sampled(Struct, frozen=True, tag=True):
    """What the model makes of one of the recipe's prompts just now. ``text`` is what it added."""

    stage: str
    step: int
    prompt: str
    text: str


class Saved(Struct, frozen=True, tag=True):
    """The run can be resumed from here, and ``path`` holds the model as it is now."""

    stage: str
    step: int
    path: str


class Changed(Struct, frozen=True, tag=True):
    """The recipe was changed under way, and the run goes on with the new one."""

    stage: str
    step: int
    recipe_hash: str


class Finished(Struct, frozen=True, tag=True):
    """The finished checkpoint lies in ``path``."""

    path: str
    tokens: int
    seconds: float


class StoppedEarly(Struct, frozen=True, tag=True):
    """The held-out loss gets no better: the stage ends with the weights of ``best_step``, whose loss was ``loss``."""

    stage: str
    step: int
    best_step: int
    loss: float


class Paused(Struct, frozen=True, tag=True):
    """The run was asked to stop; it goes on from ``step`` of ``stage``, where it is saved."""

    stage: str
    step: int
    tokens: int
    path: str


class Failed(Struct, frozen=True, tag=True):
    """The run ends, as a `UserError` would say it; what it saved last is whole."""

    fault: str
    fields: dict[str, str]


TrainEvent: TypeAlias = (
    Preparing | Began | Stepped | HeldOut | Sampled | Saved | Changed | StoppedEarly | Paused | Finished | Failed
)
Report: TypeAlias = Callable[[TrainEvent], None]

WORKER_FLAG = "--training-process"
"""Hidden flag by which the executable of a frozen bundle becomes the training process."""


def worker_command() -> list[str]:
    """How to start `chatdesk.training.worker`; its arguments follow."""
    if getattr(sys, "frozen", False):
        return [sys.executable, WORKER_FLAG]
    return [sys.executable, "-P", "-m", "chatdesk.training.worker"]


def read_events(file: Path) -> Iterator[TrainEvent]:
    """The events that a run has written, in order; a line that a kill cut short is left out."""
    decoder: msgspec.json.Decoder[TrainEvent] = msgspec.json.Decoder(TrainEvent)
    if not file.is_file():
        return
    with file.open("rb") as lines:
        for line in lines:
            try:
                yield decoder.decode(line)
            except msgspec.MsgspecError:
                continue
