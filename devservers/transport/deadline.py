"""One deadline through a call of many steps, and the waits between attempts.

Time comes from a :class:`Clock` that the caller may replace, so that tests neither sleep nor patch.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Callable, Optional

from ..arguments import timeout

if TYPE_CHECKING:
    import threading


class Clock:
    """Monotonic seconds, and a sleep that can be cut short by an event."""

    def now(self) -> float:
        return time.monotonic()

    def wall(self) -> float:
        """Seconds since the epoch, to compare with times that the API server wrote."""
        return time.time()

    def sleep(self, seconds: float, wake: Optional[threading.Event] = None) -> None:
        """Sleep; return early when ``wake`` is set."""
        if seconds <= 0:
            return
        if wake is None:
            time.sleep(seconds)
        else:
            wake.wait(seconds)


SYSTEM_CLOCK = Clock()


FOREVER = 1e8
"""Seconds beyond which a timeout is no limit: sockets cannot count as far as ``inf``."""


SLICE_SECONDS = 0.25
"""Seconds after which a wait that nothing can wake notices a cancellation."""


class Cancellation:
    """Ends a call from another thread: its deadline passes at once, and a blocked read ends."""

    def __init__(self) -> None:
        import threading

        self.event: threading.Event = threading.Event()
        self.interrupt: Callable[[], None] = _nothing
        """Ends the blocking read under way; set by whoever is about to read."""

    def cancel(self) -> None:
        self.event.set()
        self.interrupt()


def _nothing() -> None:
    pass


class Deadline:
    """The moment a call must be over, fixed once and handed down to every step.

    ``Deadline(None)`` and ``Deadline(inf)`` never expire. A canceled one has expired. Every
    ``timeout`` of the public API becomes one.

    Raises:
        TypeError, ValueError: ``seconds`` is not a number, or not one of at least 0.
    """

    __slots__ = ("_at", "_clock", "cancellation", "seconds")

    def __init__(
        self,
        seconds: Optional[float],
        clock: Clock = SYSTEM_CLOCK,
        cancellation: Optional[Cancellation] = None,
    ) -> None:
        seconds = timeout(seconds)
        self.seconds: Optional[float] = None if seconds is None or seconds > FOREVER else seconds
        self.cancellation: Optional[Cancellation] = cancellation
        self._clock = clock
        self._at = None if self.seconds is None else clock.now() + self.seconds

    def remaining(self) -> Optional[float]:
        """Seconds left, never below zero; None without a limit."""
        if self.cancellation is not None and self.cancellation.event.is_set():
            return 0.0
        if self._at is None:
            return None
        return max(0.0, self._at - self._clock.now())

    @property
    def expired(self) -> bool:
        left = self.remaining()
        return left is not None and left <= 0

    def capped(self, seconds: Optional[float]) -> Optional[float]:
        """The smaller of ``seconds`` and the time left (None: no limit)."""
        left = self.remaining()
        if left is None:
            return seconds
        if seconds is None:
            return left
        return min(left, seconds)

    def sooner(self, seconds: Optional[float]) -> Deadline:
        """A deadline ``seconds`` from now, or this one if earlier; canceled with this one."""
        return Deadline(self.capped(seconds), self._clock, self.cancellation)

    def wait(self, wait: Callable[[Optional[float]], bool]) -> bool:
        """``wait(seconds)`` until it returns True; False if the deadline or a cancellation comes.

        ``seconds`` None is no limit. Where a cancellation may come, the wait is cut into slices of
        :data:`SLICE_SECONDS`: a TCP connect, a lock and the like cannot be interrupted otherwise.
        """
        if self.cancellation is None:
            left = self.remaining()
            return (left is None or left > 0) and wait(left)
        while not self.expired:
            if wait(self.capped(SLICE_SECONDS)):
                return True
        return False

    def sleep(self, seconds: float) -> None:
        """Sleep, but not beyond the deadline; a cancellation wakes up."""
        wake = None if self.cancellation is None else self.cancellation.event
        self._clock.sleep(self.capped(seconds) or 0.0, wake)


class Backoff:
    """Capped exponential waits with jitter, so that many clients do not return at once."""

    def __init__(
        self,
        first: float = 0.25,
        limit: float = 10.0,
        factor: float = 2.0,
        rand: Optional[Callable[[], float]] = None,
    ) -> None:
        self._first = first
        self._limit = limit
        self._factor = factor
        self._rand = rand or _random
        self._step = first

    def next(self) -> float:
        """Seconds to wait before the next attempt: between half of the step and the whole of it."""
        step = self._step
        self._step = min(self._limit, step * self._factor)
        return step * (0.5 + 0.5 * self._rand())

    def reset(self) -> None:
        """Start small again, after a success."""
        self._step = self._first


def _random() -> float:
    try:
        from random import random  # loads hashlib: only when something is to be waited for
    except ImportError:  # the interpreter is ending: nothing can be loaded any more
        return 1.0
    return random()
