"""One program for one profile: an operating system's lock on a file beside the database.

The lock dies with the process, so a file left by a crash locks nothing. Raising the window of the program that holds
it is the window's business.
"""

import os
import sys
from pathlib import Path

LOCK_NAME = "chatdesk.lock"


class Lock:
    """A held lock; `release` or the end of the process frees it."""

    def __init__(self, handle: int | None) -> None:
        self._handle = handle

    def release(self) -> None:
        """Free the lock; harmless when it is free. The file stays: removing it would let two hold "the" lock."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


def acquire_lock(profile_root: Path) -> Lock | None:
    """Lock a profile folder (made when missing), or return None when another process holds it.

    Where no lock file can be made (read-only or full disk) the lock holds nothing: the program must start there, too,
    and the database's own exclusive lock still keeps a second writer out.
    """
    try:
        profile_root.mkdir(parents=True, exist_ok=True)
        handle = os.open(profile_root / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError:
        return Lock(None)
    if _lock(handle):
        return Lock(handle)
    os.close(handle)
    return None


if sys.platform == "win32":
    import msvcrt

    def _lock(handle: int) -> bool:
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _lock(handle: int) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:  # a file system without locks: the database's own lock has to do
            return True
        return True
