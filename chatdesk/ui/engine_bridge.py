"""The way from other threads into the window's: engine events and results of the store, on one deque, in order.

Every post emits a signal without arguments, also when the deque is not empty: "only when it was empty" loses the last
wake-up. A timer then takes what is there in small portions, so that painting and typing are never kept waiting.
"""

import logging
from collections import deque
from collections.abc import Callable
from time import perf_counter

from PySide6.QtCore import QObject, Qt, QTimer, Signal

from chatdesk.engine.api import Event

INTERVAL_MS = 16
BUDGET_MS = 8.0


class EngineBridge(QObject):
    """Belongs to the window's thread; `post` and `call` may be used from any.

    Attributes: ``on_event``, called with each engine event in the window's thread.
    """

    _posted = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.on_event: Callable[[Event], None] = lambda event: None
        self._waiting: deque[Callable[[], None]] = deque()
        self._timer = QTimer(self, interval=INTERVAL_MS)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self.drain)
        self._posted.connect(self._on_posted, Qt.ConnectionType.QueuedConnection)

    def post(self, event: Event) -> None:
        """Hand an engine event to ``on_event``, soon."""
        self.call(lambda: self.on_event(event))

    def call(self, work: Callable[[], None]) -> None:
        """Run ``work`` in the window's thread, soon, after all that was posted before it."""
        self._waiting.append(work)
        self._posted.emit()

    def drain(self, budget_ms: float = BUDGET_MS) -> None:
        """Do what waits, in order, until nothing is left or the time is used up; at least one thing."""
        end = perf_counter() + budget_ms / 1000
        while self._waiting:
            work = self._waiting.popleft()
            try:
                work()
            except Exception:  # a mistake of ours must not keep the rest from being shown
                logging.getLogger(__name__).exception("posted work failed")
            if perf_counter() >= end:
                return
        self._timer.stop()

    def _on_posted(self) -> None:
        if self._waiting and not self._timer.isActive():
            self._timer.start()
