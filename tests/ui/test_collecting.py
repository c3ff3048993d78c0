"""Widgets that nobody needs any more are destroyed in the window's thread."""

import gc
import threading

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QWidget

from chatdesk.ui.collecting import Collector


class Ring(QWidget):
    """Only the collector finds it: it refers to itself."""

    def __init__(self, seen: list[str]) -> None:
        super().__init__()
        self.me = self
        self.destroyed.connect(lambda: seen.append(threading.current_thread().name), Qt.ConnectionType.DirectConnection)


def test_a_thread_that_makes_much_destroys_no_widget(qtbot):
    seen: list[str] = []
    much: list[list[int]] = []
    Ring(seen)
    other = threading.Thread(target=lambda: much.extend([] for _ in range(100_000)), name="other")
    other.start()
    other.join()
    assert seen == []
    qtbot.waitUntil(lambda: bool(seen))
    assert seen == ["MainThread"]


def test_the_oldest_is_looked_through_when_it_has_grown(qtbot, monkeypatch):
    collected: list[int] = []
    monkeypatch.setattr(gc, "collect", collected.append)
    monkeypatch.setattr(gc, "get_threshold", lambda: (700, 10, 10))
    counts = iter([(700, 10, 10), (701, 3, 0), (1, 11, 3), (0, 11, 11), (0, 11, 11), (0, 0, 11)])
    monkeypatch.setattr(gc, "get_count", lambda: next(counts))
    sizes = iter([1000, 900, 1100, 1126, 800])  # before and after it was looked through
    monkeypatch.setattr(gc, "get_objects", lambda generation: range(next(sizes)))
    collector = Collector()
    for expected in ([], [0], [0, 1], [0, 1, 2], [0, 1, 2, 1], [0, 1, 2, 1, 2]):
        collector.collect()
        assert collected == expected
    collector.deleteLater()
