"""Measuring the loaded model for the person, in the engine that answers: no second copy of it, and a reply goes first.

It begins only while no reply is written or waits, and it ends as soon as one is asked for or the model is left. What
was measured last stays until the program ends.
"""

from collections.abc import Callable

from chatdesk.engine.api import Event, Failed, Measure, Measured, ModelInfo, Progress
from chatdesk.errors import Fault
from chatdesk.tasks.changes import BenchChanged, Change, Notice
from chatdesk.tasks.models import Models
from chatdesk.tasks.ports import EngineLink
from chatdesk.tasks.speed import Report


class Bench:
    """Says `BenchChanged`. ``is_replying``: whether any reply is written or waits.

    Attributes: ``state``, the last `BenchChanged`; ``on_change``, set by whoever assembles.
    """

    def __init__(self, engine: EngineLink, models: Models, is_replying: Callable[[], bool]) -> None:
        self._engine, self._models, self._is_replying = engine, models, is_replying
        self._request: int | None = None
        self._info: ModelInfo | None = None
        self._gives_way = False
        self.state = BenchChanged("none")
        self.on_change: Callable[[Change], None] = lambda change: None

    def start(self) -> None:
        """Measure the loaded model; harmless while that is done."""
        info = self._models.info
        if self._request is not None:
            return
        if self._is_replying():
            self._say(BenchChanged("busy"))
        elif info is None:
            self._say(BenchChanged("failed", notice=Notice(Fault.NO_MODEL, {})))
        else:
            self._info, self._gives_way = info, False
            self._models.borrow(self._give_way)
            request = Measure(self._engine.next_id())
            self._request = request.id
            self._say(BenchChanged("running", 0, 1))
            self._engine.send(request)

    def cancel(self) -> None:
        """Stop measuring; nothing is told then."""
        if self._request is not None:
            self._engine.cancel(self._request)

    def on_event(self, event: Event) -> None:
        """Take an engine event; those of other requests are ignored."""
        if event.request != self._request or self._info is None:
            return
        match event:
            case Progress(done=done, total=total):
                self._say(BenchChanged("running", done, total))
            case Measured(speeds=speeds):
                self._end(BenchChanged("done", report=Report(self._info, speeds)))
            case Failed(fault=Fault.CANCELLED):
                self._end(BenchChanged("gave_way" if self._gives_way else "none"))
            case Failed(fault=fault, fields=fields):
                self._end(BenchChanged("failed", notice=Notice(Fault(fault), fields)))

    def _give_way(self) -> None:
        self._gives_way = True
        self.cancel()

    def _end(self, state: BenchChanged) -> None:
        self._request = None
        self._models.borrow(None)
        self._say(state)

    def _say(self, state: BenchChanged) -> None:
        self.state = state
        self.on_change(state)
