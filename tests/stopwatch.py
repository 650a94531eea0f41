"""How long something took, for tests of promises such as "no later than a second after its timeout".

On a busy machine a test waits for a processor, and the promise is not about that. So the time that this process's
threads have spent ready to run, and were not let, does not count (Linux tells it in ``schedstat``).
"""

from __future__ import annotations

import os
import time
from pathlib import Path

_THREADS = Path("/proc/self/task")


class Stopwatch:
    """Runs from the moment it is made."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._delays = _run_delays()

    @property
    def seconds(self) -> float:
        """Wall-clock time, for lower bounds."""
        return time.monotonic() - self._start

    @property
    def own_seconds(self) -> float:
        """Without the time spent waiting for a processor, for upper bounds."""
        waited = sum(delay - self._delays.get(thread, 0.0) for thread, delay in _run_delays().items())
        return self.seconds - waited


def _run_delays() -> dict[str, float]:
    """The seconds each thread has waited in a run queue; empty where the system does not report it."""
    delays = {}
    for thread in os.listdir(_THREADS) if _THREADS.is_dir() else []:
        try:
            delays[thread] = int((_THREADS / thread / "schedstat").read_text().split()[1]) / 1e9
        except (OSError, IndexError, ValueError):
            pass  # the thread has ended
    return delays
