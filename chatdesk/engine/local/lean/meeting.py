"""Threads that meet inside the kernels, and how they wait.

Whoever comes first looks for the others for a while, as they are nearly there: to sleep and be woken takes longer. Then
it sleeps, on Linux: one that only gave way to other programs would wait for them for milliseconds, at each meeting.
"""

import os
import platform
import sys
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numpy.typing import NDArray

from chatdesk.engine.local.lean.assembly import I64, external, intrinsic, kernel

_ARRIVED, THREADS, _ASLEEP, _SECONDS, _NANOSECONDS = range(5)
"""Of a meeting: how many have come, are to come and sleep; then the longest time to sleep, as Linux wants it."""

_LOOKS = 20_000  # with a pause after each, under a millisecond: on a virtual machine to be woken can take 4
_ALL_HERE = 1 << 62  # arrivals that nobody has to wait for
_SLEEP_NS = 1_000_000  # at most: nobody is woken by `let_go`
_FUTEX = {"x86_64": 202, "aarch64": 98}.get(platform.machine(), 0) if sys.platform == "linux" else 0
_WAIT, _WAKE = 128, 129  # between threads of one process
_PAUSE = "llvm.x86.sse2.pause" if platform.machine().lower() in ("x86_64", "amd64") else ""


def meeting(threads: int) -> NDArray[np.int64]:
    """What so many threads need to meet; to be given to the kernels."""
    return np.array([0, threads, 0, 0, _SLEEP_NS], np.int64)


def begin(meeting: NDArray[np.int64]) -> None:
    """Nobody has come yet."""
    meeting[_ARRIVED] = 0


def let_go(meeting: NDArray[np.int64]) -> None:
    """No thread waits any more for one that does not come."""
    meeting[_ARRIVED] = _ALL_HERE


@intrinsic  # type: ignore[untyped-decorator]
def _add(_context: Any, address: Any, number: Any) -> Any:
    """Add to the int64 there, in one piece, and give what it was. Who sees the sum sees what was written before."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        counter = builder.inttoptr(arguments[0], I64.as_pointer())
        return builder.atomic_rmw("add", counter, arguments[1], "seq_cst")

    return types.int64(types.int64, types.int64), generate


@intrinsic  # type: ignore[untyped-decorator]
def _there(_context: Any, address: Any) -> Any:
    """The int64 there, as others have made it."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.load_atomic(builder.inttoptr(arguments[0], I64.as_pointer()), "seq_cst", 8)

    return types.int64(types.int64), generate


@intrinsic  # type: ignore[untyped-decorator]
def _pause(_context: Any) -> Any:
    """Leave the core to the other thread on it, if there is one, for a moment."""

    def generate(context: Any, builder: Any, _signature: Any, _arguments: Any) -> Any:
        if _PAUSE:
            builder.call(external(builder, _PAUSE, ir.VoidType()), [])
        return context.get_dummy_value()

    return types.void(), generate


if _FUTEX:
    _system: Any = types.ExternalFunction("syscall", types.int64(*[types.int64] * 7))

    @kernel
    def _wake(meeting: Any) -> None:
        """Those who sleep."""
        if _there(meeting + 8 * _ASLEEP) > 0:
            _system(_FUTEX, meeting, _WAKE, 1 << 30, 0, 0, 0)

    @kernel
    def _rest(meeting: Any, seen: Any) -> None:
        """Until somebody has come since ``seen`` was the number of arrivals, and a little longer."""
        _add(meeting + 8 * _ASLEEP, 1)
        _system(_FUTEX, meeting, _WAIT, seen, meeting + 8 * _SECONDS, 0, 0)
        _add(meeting + 8 * _ASLEEP, -1)

else:
    _yield: Any = types.ExternalFunction("SwitchToThread" if os.name == "nt" else "sched_yield", types.int32())

    @kernel
    def _wake(meeting: Any) -> None:
        """Nobody sleeps."""

    @kernel
    def _rest(meeting: Any, seen: Any) -> None:
        """Give way to other programs."""
        _yield()


@kernel
def meet(meeting: Any, arrivals: Any) -> None:
    """Wait until there were so many arrivals at a meeting, given by its address, this one among them."""
    if _add(meeting, 1) + 1 >= arrivals:
        _wake(meeting)
        return
    looks, seen = 0, _there(meeting)
    while seen < arrivals:
        looks += 1
        if looks > _LOOKS:
            _rest(meeting, seen)
        else:
            _pause()
        seen = _there(meeting)
