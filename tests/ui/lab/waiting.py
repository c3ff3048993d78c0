"""What other threads have posted, done by the one that waits."""

import queue
import time


class Posts:
    """`put` takes work from any thread."""

    def __init__(self) -> None:
        self._posted = queue.SimpleQueue()
        self.put = self._posted.put

    def until(self, so, most_s: float = 300.0) -> None:
        """Do what is posted until something is so."""
        end = time.monotonic() + most_s
        while not so():
            assert time.monotonic() < end
            try:
                self._posted.get(timeout=0.2)()
            except queue.Empty:
                continue
