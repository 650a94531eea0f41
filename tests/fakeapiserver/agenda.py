"""Things to be done later, on one thread, until the server stops."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from typing import Callable, Optional

Step = Callable[[], None]


class Agenda:
    """Runs steps when they are due, in order; can be held up and let go again."""

    def __init__(self, stopping: threading.Event) -> None:
        self._stopping = stopping
        self._changed = threading.Condition()
        self._steps: list[tuple[float, int, Step]] = []
        self._count = itertools.count()
        self._paused = False

    def after(self, seconds: float, step: Step) -> None:
        """Run a step once so many seconds have passed."""
        with self._changed:
            heapq.heappush(self._steps, (time.monotonic() + seconds, next(self._count), step))
            self._changed.notify()

    def pause(self) -> None:
        """Run nothing until :meth:`resume`; what becomes due meanwhile runs then."""
        with self._changed:
            self._paused = True

    def resume(self) -> None:
        with self._changed:
            self._paused = False
            self._changed.notify()

    def wake(self) -> None:
        with self._changed:
            self._changed.notify()

    def run(self) -> None:
        """The thread's work."""
        while not self._stopping.is_set():
            with self._changed:
                step = self._due()
            if step is not None:
                step()

    def _due(self) -> Optional[Step]:
        """The next step if its time has come; else wait, at most until then."""
        if self._stopping.is_set():
            return None
        if not self._steps or self._paused:
            self._changed.wait()
            return None
        wait = self._steps[0][0] - time.monotonic()
        if wait > 0:
            self._changed.wait(wait)
            return None
        return heapq.heappop(self._steps)[2]
