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
    TrainEvent,
)


class Terminal:
    """Shows the events of a run on ``console``; a context manager, since the bar must be taken down."""

    def __init__(self, console: Console) -> None:
        self._bar = Progress(
            TextColumn("{task.description}"),
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
            case Preparing():
                self._say(f"{event.what} …")
            case Began():
                resumed = f", {event.tokens_done:,} of them done" if event.tokens_done else ""
                self._say(f"{event.parameters / 1e6:.2f} million parameters, {event.tokens_total:,} tokens{resumed}")
                self._bar.update(self._task, total=event.tokens_total, completed=event.tokens_done)
            case Stepped():
                self._bar.update(self._task, completed=event.tokens, description=_line(event))
            case HeldOut():
                self._say(f"{event.stage}, step {event.step}: held-out loss {event.loss:.4f}")
            case Sampled():
                self._say(f"{event.stage}, step {event.step}: “{event.prompt}” → “{shown_on_a_line(event.text)}”")
            case Paused():
                self._say(f"stopped and saved at {event.stage}, step {event.step}; the same command goes on from there")
            case Saved():
                self._say(f"{event.stage}, step {event.step}: saved, the model so far is in {event.path}")
            case Changed():
                self._say(f"the recipe was changed; from {event.stage}, step {event.step}, the new one holds")
            case Finished():
                self._say(f"finished after {event.tokens:,} tokens, {event.seconds / 60:.1f} minutes")

    def _say(self, text: str) -> None:
        self._bar.console.print(text, highlight=False, markup=False)


def shown_on_a_line(text: str) -> str:
    """A model's words without line breaks and control characters, which would move what stands on the terminal."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _line(event: Stepped) -> str:
    return f"{event.stage} {event.step}/{event.steps}  loss {event.loss:.3f}  {event.tokens_per_second:,.0f} tokens/s"
