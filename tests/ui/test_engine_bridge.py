import threading
import time

from chatdesk.engine.api import Pong
from chatdesk.ui.engine_bridge import EngineBridge


def test_events_and_results_keep_their_order(qtbot):
    bridge, seen = EngineBridge(), []
    bridge.on_event = lambda event: seen.append(event.request)
    for number in range(100):
        if number % 3:
            bridge.post(Pong(number))
        else:
            bridge.call(lambda n=number: seen.append(n))
    assert seen == []
    qtbot.waitUntil(lambda: len(seen) == 100)
    assert seen == list(range(100))


def test_nothing_is_lost_from_many_threads(qtbot):
    bridge, seen = EngineBridge(), []
    bridge.on_event = lambda event: seen.append((event.request, threading.get_ident()))

    def tell(start):
        for number in range(start, start + 500):
            bridge.post(Pong(number))
            if number % 100 == 0:
                time.sleep(0.003)  # let the other side run dry: the last wake-up must not be lost

    threads = [threading.Thread(target=tell, args=(start,)) for start in range(0, 4000, 1000)]
    for thread in threads:
        thread.start()
    qtbot.waitUntil(lambda: len(seen) == 2000, timeout=20_000)
    for thread in threads:
        thread.join()
    for start in range(0, 4000, 1000):
        mine = [number for number, _ in seen if start <= number < start + 500]
        assert mine == list(range(start, start + 500))
    assert {ident for _, ident in seen} == {threading.get_ident()}


def test_a_flood_leaves_time_to_paint(qapp):
    bridge, done = EngineBridge(), []
    for _ in range(50):
        bridge.call(lambda: (time.sleep(0.002), done.append(True)))
    bridge.drain()
    assert 1 <= len(done) < 50
    bridge.drain(budget_ms=10_000)
    assert len(done) == 50


def test_a_mistake_keeps_nothing_else_back(qapp, caplog):
    bridge, done = EngineBridge(), []
    bridge.call(lambda: 1 / 0)
    bridge.call(lambda: done.append(True))
    bridge.drain(budget_ms=10_000)
    assert done == [True]
    assert "posted work failed" in caplog.text


def test_the_timer_rests_when_nothing_waits(qtbot):
    bridge, done = EngineBridge(), []
    bridge.call(lambda: done.append(1))
    qtbot.waitUntil(lambda: done == [1])
    qtbot.waitUntil(lambda: not bridge._timer.isActive())
    bridge.call(lambda: done.append(2))
    qtbot.waitUntil(lambda: done == [1, 2])
