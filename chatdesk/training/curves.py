"""The curves of a training run, from the events in its folder."""

from pathlib import Path

from msgspec import Struct

from chatdesk.errors import Fault, UserError
from chatdesk.training.events import HeldOut, Sampled, Stepped, read_events

Point = tuple[float, float]


class Written(Struct, frozen=True):
    """A text that the run wrote on its way."""

    stage: str
    step: int
    prompt: str
    text: str


class Curves(Struct, frozen=True):
    """Over the tokens shown so far: ``loss`` and ``held_out`` in nats a token, ``rate`` of learning, ``speed`` in
    tokens a second. ``stages``: where each stage ends.
    """

    name: str
    loss: tuple[Point, ...]
    held_out: tuple[Point, ...]
    rate: tuple[Point, ...]
    speed: tuple[Point, ...]
    stages: tuple[tuple[str, float], ...]
    written: tuple[Written, ...]


def read_curves(folder: Path) -> Curves:
    """The curves of a run folder. What a run told twice, because it was killed in between, counts once.

    Raises ``FILE_NOT_FOUND`` where it is none, and ``NO_TEXT`` where the run has not made a step.
    """
    file = folder / "events.jsonl"
    if not file.is_file():
        raise UserError(Fault.FILE_NOT_FOUND, path=file)
    steps: dict[int, Stepped] = {}
    held_out: dict[tuple[str, int], float] = {}
    written: dict[tuple[str, int, str], Written] = {}
    for event in read_events(file):
        match event:
            case Stepped():
                while steps and next(reversed(steps)) >= event.tokens:
                    steps.popitem()
                steps[event.tokens] = event
            case HeldOut():
                held_out[event.stage, event.step] = event.loss
            case Sampled():
                key = event.stage, event.step, event.prompt
                written[key] = Written(event.stage, event.step, event.prompt, event.text)
    if not steps:
        raise UserError(Fault.NO_TEXT, path=file)
    places = _places(list(steps.values()))
    unseen = []
    for (stage, step), loss in held_out.items():
        if stage in places:
            start, each = places[stage]
            unseen.append((start + step * each, loss))
    return Curves(
        name=folder.resolve().name,
        loss=tuple((at, told.loss) for at, told in steps.items()),
        held_out=tuple(sorted(unseen)),
        rate=tuple((at, told.learning_rate) for at, told in steps.items()),
        speed=tuple((at, told.tokens_per_second) for at, told in steps.items()),
        stages=tuple({told.stage: at for at, told in steps.items()}.items()),
        written=tuple(written.values()),
    )


def _places(steps: list[Stepped]) -> dict[str, tuple[float, float]]:
    """Where each stage begins, and how many tokens a step of it has."""
    found: dict[str, tuple[float, float]] = {}
    before, last = 0.0, None
    for event in steps:
        if last is not None and event.stage != last.stage:
            before = last.tokens
        found[event.stage] = (before, (event.tokens - before) / max(1, event.step))
        last = event
    return found
