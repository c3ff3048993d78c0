"""Threads that meet in the kernels: nobody goes on too early, and nobody burns the processor while it waits long."""

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from numba import njit

from chatdesk.engine.local.lean.meeting import begin, let_go, meet, meeting


@pytest.fixture(scope="module")
def walk() -> Any:
    """``(meeting, places, thread, rounds)``: how often another thread stood elsewhere after a meeting."""

    @njit(nogil=True)  # type: ignore[untyped-decorator]
    def walk(shared: Any, places: Any, thread: Any, rounds: Any) -> Any:
        strayed, threads = 0, shared[1]
        for number in range(1, rounds + 1):
            places[thread] = number
            for i in range(
                (number * 7919 + thread * 104_729) % 5000 if number % 3 else 0
            ):  # now one is late, now another
                places[threads + thread] += i
            meet(shared.ctypes.data, (2 * number - 1) * threads)
            for other in range(threads):
                strayed += places[other] != number
            meet(shared.ctypes.data, 2 * number * threads)
        return strayed

    return walk


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_all_stand_where_they_meet(walk, threads):
    """Also with more threads than processors, so that some sleep."""
    shared = meeting(threads)
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(2):
            begin(shared)
            places = np.zeros(2 * threads, np.int64)
            strayed = [pool.submit(walk, shared, places, thread, 400) for thread in range(threads)]
            assert [each.result(timeout=60) for each in strayed] == [0] * threads
            assert list(places[:threads]) == [400] * threads


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere whoever waits gives way to others, but does not sleep")
def test_who_waits_long_sleeps(walk):
    """So that another program gets the core, and gives it back as soon as all have come."""
    shared, places = meeting(2), np.zeros(4, np.int64)
    walk(meeting(1), places, 0, 1)  # compiled

    def wait() -> float:
        began = time.thread_time()
        walk(shared, places, 0, 1)
        return time.thread_time() - began

    with ThreadPoolExecutor(2) as pool:
        waiting = pool.submit(wait)
        time.sleep(0.5)
        assert not waiting.done()
        walk(shared, places, 1, 1)
        assert waiting.result(timeout=60) < 0.25


def test_nobody_waits_for_who_does_not_come(walk):
    """All are let go at once."""
    shared, places = meeting(3), np.zeros(6, np.int64)
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(walk, shared, places, thread, 50) for thread in range(2)]
        time.sleep(0.05)
        let_go(shared)
        for each in waiting:
            each.result(timeout=60)
    assert shared[2] == 0  # nobody sleeps there any more
