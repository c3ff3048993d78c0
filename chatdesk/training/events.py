"""What a training run tells while it works: one frozen struct for each kind of news.

A loss is the mean over the counted tokens, in nats; a time is in seconds; tokens are those the model has been shown.
"""

from collections.abc import Callable
from typing import TypeAlias

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
    """Mean loss since the last such event. ``step`` of ``steps`` counts in the stage, ``tokens`` in the run."""

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


TrainEvent: TypeAlias = Preparing | Began | Stepped | HeldOut | Saved | Changed | Finished
Report: TypeAlias = Callable[[TrainEvent], None]
