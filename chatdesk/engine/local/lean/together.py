"""Threads that do one thing together, each its share."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import cache


def together(threads: int, work: Callable[[int], None], let_go: Callable[[], None]) -> None:
    """Do ``work`` for each number below ``threads``, all at once and the first of them here.

    Where one raises, for want of memory, ``let_go`` is to end the others. None of them is at work afterwards.
    """

    def guarded(thread: int) -> None:
        try:
            work(thread)
        except BaseException:
            let_go()
            raise

    others = list[Future[None]]()
    try:
        for thread in range(1, threads):
            others.append(_helpers(threads).submit(guarded, thread))
        guarded(0)
    except BaseException:
        let_go()
        raise
    finally:
        wait(others)
    for other in others:
        other.result()


@cache
def _helpers(threads: int) -> ThreadPoolExecutor:
    """Threads that are all there: one that could not be started would be waited for in the kernels for ever."""
    pool, gate = ThreadPoolExecutor(max(1, threads - 1), "lean"), threading.Barrier(threads)
    try:
        for _ in range(threads - 1):
            pool.submit(gate.wait)
        gate.wait()
    except BaseException:
        gate.abort()
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    return pool
