"""Things to be done later, on one thread, until the server stops.

A step that fails ends itself and nothing else: its traceback goes to stderr, and the next step has its turn.
"""

from __future__ import annotations

import heapq
import itertools
import threading
import time
import traceback
from collections.abc import Hashable
from functools import partial
from typing import Callable, Generic, Optional, TypeVar

LONGEST_WAIT = 3600.0  # seconds; a lock cannot wait for ever so long

Step = Callable[[], object]
Key = TypeVar("Key", bound=Hashable)


def guarded(step: Step) -> None:
    """Run a step; whatever it raises is shown, and that is all that comes of it."""
    try:
        step()
    except Exception:
        traceback.print_exc()


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
                guarded(step)

    def _due(self) -> Optional[Step]:
        """The next step if its time has come; else wait, at most until then."""
        if self._stopping.is_set():
            return None
        if not self._steps or self._paused:
            self._changed.wait()
            return None
        wait = self._steps[0][0] - time.monotonic()
        if wait > 0:
            self._changed.wait(min(wait, LONGEST_WAIT))
            return None
        return heapq.heappop(self._steps)[2]


class Queue(Generic[Key]):
    """Keys to be looked at on an agenda: each once, however often it is put in before its turn."""

    def __init__(self, agenda: Agenda, look: Callable[[Key], object]) -> None:
        self._agenda = agenda
        self._look = look
        self._lock = threading.Lock()
        self._waiting: set[Key] = set()

    def put(self, key: Key) -> None:
        with self._lock:
            if key in self._waiting:
                return
            self._waiting.add(key)
        self._agenda.after(0, partial(self._turn, key))

    def _turn(self, key: Key) -> None:
        with self._lock:
            self._waiting.discard(key)
        self._look(key)
