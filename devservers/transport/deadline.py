"""One deadline through a call of many steps, and the waits between attempts.

Time comes from a :class:`Clock` that the caller may replace, so that tests neither sleep nor patch.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Callable, Optional

if TYPE_CHECKING:
    import threading


class Clock:
    """Monotonic seconds, and a sleep that can be cut short by an event."""

    def now(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float, wake: Optional[threading.Event] = None) -> None:
        """Sleep; return early when ``wake`` is set."""
        if seconds <= 0:
            return
        if wake is None:
            time.sleep(seconds)
        else:
            wake.wait(seconds)


SYSTEM_CLOCK = Clock()


class Deadline:
    """The moment a call must be over, fixed once and handed down to every step.

    ``Deadline(None)`` never expires.
    """

    __slots__ = ("_at", "_clock", "seconds")

    def __init__(self, seconds: Optional[float], clock: Clock = SYSTEM_CLOCK) -> None:
        self.seconds = seconds
        self._clock = clock
        self._at = None if seconds is None else clock.now() + seconds

    def remaining(self) -> Optional[float]:
        """Seconds left, never below zero; None without a limit."""
        return None if self._at is None else max(0.0, self._at - self._clock.now())

    @property
    def expired(self) -> bool:
        return self._at is not None and self._clock.now() >= self._at

    def capped(self, seconds: Optional[float]) -> Optional[float]:
        """The smaller of ``seconds`` and the time left (None: no limit)."""
        left = self.remaining()
        if left is None or seconds is None:
            return seconds if left is None else left
        return min(left, seconds)

    def sooner(self, seconds: Optional[float]) -> Deadline:
        """A deadline ``seconds`` from now, or this one if it comes first."""
        return Deadline(self.capped(seconds), self._clock)


class Backoff:
    """Capped exponential waits with full jitter, so that a thousand clients do not return in step."""

    def __init__(
        self, first: float = 0.25, limit: float = 10.0, factor: float = 2.0, rand: Optional[Callable[[], float]] = None
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
    from random import random  # loads hashlib: only when something is to be waited for

    return random()
