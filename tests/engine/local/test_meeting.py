"""Threads that meet in the kernels: nobody goes on too early, and nobody burns the processor while it waits long."""

import importlib.util
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from numba import njit

from chatdesk.engine.local.lean import meeting as here


def walking(module: Any) -> Any:
    """``(meeting, places, thread, rounds)``: how often another thread stood elsewhere after a meeting."""
    meet = module.meet

    @njit(nogil=True)  # type: ignore[untyped-decorator]
    def walk(shared: Any, places: Any, thread: Any, rounds: Any) -> Any:
        strayed, threads = 0, shared[1]
        for number in range(1, rounds + 1):
            places[thread] = number
            late = (number * 7919 + thread * 104_729) % 5000 if number % 3 else 0  # now one, now another
            for i in range(late):
                places[threads + thread] += i
            meet(shared.ctypes.data, (2 * number - 1) * threads)
            for other in range(threads):
                strayed += places[other] != number
            meet(shared.ctypes.data, 2 * number * threads)
        return strayed

    return walk


@pytest.fixture(scope="module")
def walk() -> Any:
    """On this system."""
    return walking(here)


@pytest.fixture(scope="module")
def walk_elsewhere() -> Any:
    """As on a system without futexes."""
    spec = importlib.util.spec_from_file_location("elsewhere", here.__file__)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "platform", "darwin")
        spec.loader.exec_module(module)
    assert not module._FUTEX
    return walking(module)


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("system", ["walk", "walk_elsewhere"])
def test_all_stand_where_they_meet(request, system, threads):
    """Also with more threads than processors, so that some sleep."""
    walk, shared = request.getfixturevalue(system), here.meeting(threads)
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(2):
            here.begin(shared)
            places = np.zeros(2 * threads, np.int64)
            strayed = [pool.submit(walk, shared, places, thread, 400) for thread in range(threads)]
            assert [each.result(timeout=60) for each in strayed] == [0] * threads
            assert list(places[:threads]) == [400] * threads


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere whoever waits gives way to others, but does not sleep")
def test_who_waits_long_sleeps(walk):
    """So that another program gets the core, and gives it back as soon as all have come."""
    shared, places = here.meeting(2), np.zeros(4, np.int64)
    walk(here.meeting(1), places, 0, 1)  # compiled

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
    shared, places = here.meeting(3), np.zeros(6, np.int64)
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(walk, shared, places, thread, 50) for thread in range(2)]
        time.sleep(0.05)
        here.let_go(shared)
        for each in waiting:
            each.result(timeout=60)
    assert shared[2] == 0  # nobody sleeps there any more
