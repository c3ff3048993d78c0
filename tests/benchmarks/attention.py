"""Drawing attention: ``python tests/benchmarks/attention.py``, offscreen or on a display.

Prints one line of JSON. A map of 512 tokens is painted while the pointer goes over it, and while head after head is
chosen; so is a plain widget of the same size that fills itself with one colour. Times are of one painted picture, with
what led to it, in milliseconds: a frame at 60 a second has 16.7. ``own`` is the CPU time of it, which other programs on
the machine do not lengthen. ``kept``: whether the own time of 99 in 100 stays within a frame.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import numpy as np
from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtGui import QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QApplication, QWidget

from chatdesk.ui import theme
from chatdesk.ui.inspect.heat import HeatMap, Overview

TOKENS, LAYERS, HEADS, SIDE = 512, 12, 12, 48
FRAME_MS = 1000 / 60


class Plain(QWidget):
    """Fills itself."""

    def paintEvent(self, event: QPaintEvent) -> None:
        """Qt override: one colour."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), Qt.GlobalColor.gray)
        painter.end()


def move(widget: QWidget, x: float, y: float) -> None:
    """The pointer goes there."""
    place = QPointF(x, y)
    none = Qt.MouseButton.NoButton
    event = QMouseEvent(QEvent.Type.MouseMove, place, widget.mapToGlobal(place), none, none, Qt.KeyboardModifier(0))
    QApplication.sendEvent(widget, event)


def figures(name: str, times: list[tuple[float, float]]) -> dict[str, float]:
    """Median and 99th percentile of all and of own time, in milliseconds."""
    told = {}
    for kind, found in (("", sorted(wall for wall, _ in times)), ("_own", sorted(own for _, own in times))):
        told[f"{name}{kind}_ms"] = round(1000 * found[len(found) // 2], 3)
        told[f"{name}{kind}_p99_ms"] = round(1000 * found[int(len(found) * 0.99)], 3)
    return told


def timed(work: Callable[[int], object], count: int) -> list[tuple[float, float]]:
    """Seconds of each call with its number: passed, and of this thread's own work."""
    times = []
    for number in range(count):
        began, own = time.perf_counter(), time.thread_time()
        work(number)
        times.append((time.perf_counter() - began, time.thread_time() - own))
    return times


def main() -> None:
    """Paint, measure, print."""
    app = QApplication([])
    theme.apply(app, "light")
    rng = np.random.default_rng(1)
    maps = []
    for _ in range(HEADS):
        values = np.tril(rng.random((TOKENS, TOKENS), dtype=np.float32) ** 8)
        maps.append((values / values.sum(axis=1, keepdims=True)).astype(np.float32))
    heat, plain, overview = HeatMap("map"), Plain(), Overview("heads")
    for widget in (heat, plain):
        widget.resize(700, 700)
        widget.show()
    small = rng.integers(0, 255, LAYERS * HEADS * SIDE * SIDE, dtype=np.uint8).tobytes()
    overview.resize(700, 700)
    overview.set_maps((HEADS,) * LAYERS, SIDE, small)
    overview.show()
    heat.set_values(maps[0])
    app.processEvents()

    def hover(number: int) -> None:
        move(heat, (number * 37) % 700, (number * 91) % 700)
        heat.repaint()

    def choose(number: int) -> None:
        overview.choose(number // HEADS % LAYERS, number % HEADS)
        heat.set_values(maps[number % HEADS])
        app.processEvents()

    told: dict[str, object] = {"tokens": TOKENS, "heads": LAYERS * HEADS, "platform": app.platformName()}
    times = {"plain": timed(lambda _: plain.repaint(), 600), "hover": timed(hover, 600), "head": timed(choose, 300)}
    for name, found in times.items():
        told |= figures(name, found)
    told["kept"] = all(told[f"{name}_own_p99_ms"] <= FRAME_MS for name in ("hover", "head"))  # type: ignore[operator]
    print(json.dumps(told))


if __name__ == "__main__":
    main()
