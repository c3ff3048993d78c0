"""Garbage is collected in the window's thread alone.

Python's collector runs in whichever thread makes the next object, and destroys there what nobody needs any more: also
widgets, while the window's thread paints. That has crashed.
"""

import gc

from PySide6.QtCore import QObject, QTimer

_CALM_MS, _BUSY_MS = 200, 20  # while much is made, often: so that looking through what is new is not felt


class Collector(QObject):
    """Collects in the thread of its making from now on, as often as Python would, while the loop runs."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        gc.disable()
        self._old = 0
        self._timer = QTimer(self, interval=_CALM_MS)
        self._timer.timeout.connect(self.collect)
        self._timer.start()

    def collect(self) -> None:
        """Look through the generations that have grown enough; the oldest, as Python does, when a quarter is new."""
        is_due = [0 < most < count for count, most in zip(gc.get_count(), gc.get_threshold(), strict=True)]
        if is_due[2]:
            is_due[2] = len(gc.get_objects(generation=2)) > self._old * 5 // 4
        self._timer.setInterval(_BUSY_MS if any(is_due) else _CALM_MS)
        if any(is_due):
            oldest = max(generation for generation in range(3) if is_due[generation])
            gc.collect(oldest)
            if oldest == 2:
                self._old = len(gc.get_objects(generation=2))
