"""A training run as lines and a progress bar in a terminal."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from chatdesk.training.events import (
    Began,
    Changed,
    Finished,
    HeldOut,
    Paused,
    Preparing,
    Sampled,
    Saved,
    Stepped,
    StoppedEarly,
    TrainEvent,
)


class Terminal:
    """Shows the events of a run on ``console``; a context manager, since the bar must be taken down."""

    def __init__(self, console: Console) -> None:
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        self._task = self._bar.add_task("preparing", total=None)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def show(self, event: TrainEvent) -> None:
        """Take in one event."""
        match event:
            case Began():
                self._bar.update(self._task, total=event.tokens_total, completed=event.tokens_done)
            case Stepped():
                self._bar.update(self._task, completed=event.tokens, description=_line(event))
        if text := _words(event):
            self._bar.console.print(text, highlight=False, markup=False)


def _words(event: TrainEvent) -> str:
    """What stays on the terminal of an event; empty for those that only move the bar."""
    match event:
        case Preparing():
            return f"{event.what} …"
        case Began():
            resumed = f", {event.tokens_done:,} of them done" if event.tokens_done else ""
            return f"{event.parameters / 1e6:.2f} million parameters, {event.tokens_total:,} tokens{resumed}"
        case Changed():
            return f"the recipe was changed; from {event.stage}, step {event.step}, the new one holds"
        case Finished():
            return f"finished after {event.tokens:,} tokens, {event.seconds / 60:.1f} minutes"
        case HeldOut() | Sampled() | StoppedEarly() | Paused() | Saved():
            return f"{event.stage}, step {event.step}: {_news(event)}"
    return ""


def _news(event: HeldOut | Sampled | StoppedEarly | Paused | Saved) -> str:
    match event:
        case HeldOut():
            return f"held-out loss {event.loss:.4f}"
        case Sampled():
            return f"“{event.prompt}” → “{_on_a_line(event.text)}”"
        case StoppedEarly():
            return f"ended early; the best loss was {event.loss:.4f} at step {event.best_step}, whose weights are taken"
        case Paused():
            return "stopped and saved; the same command goes on from here"
        case Saved():
            return f"saved, the model so far is in {event.path}"


def _on_a_line(text: str) -> str:
    """A model's words without line breaks and control characters, which would move what stands on the terminal."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _line(event: Stepped) -> str:
    return f"{event.stage} {event.step}/{event.steps}  loss {event.loss:.3f}  {event.tokens_per_second:,.0f} tokens/s"
