"""Locks that a forked child finds open.

A child gets a copy of every lock as it was, and of the threads only the one that forked: a lock
that another thread held would stay locked for ever. So every lock of this package is a
:class:`ForkSafeLock`, and the child replaces the ``threading.Lock`` inside each before anything
else runs there.

That leaves one duty to the users of a lock: what it guards must be consistent at each moment (a
value that is replaced, not one that is changed in steps), since a fork may happen in between.
"""

from __future__ import annotations

import os
import threading
from weakref import WeakSet

_made: WeakSet[ForkSafeLock] = WeakSet()


class ForkSafeLock:
    """A ``threading.Lock`` that is open in a forked child, whoever held it in the parent."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held = self._lock
        _made.add(self)

    def acquire(self, timeout: float = -1) -> bool:
        """Wait for it, for ``timeout`` seconds at most; negative: without limit."""
        lock = self._lock
        if not lock.acquire(timeout=timeout):
            return False
        self._held = lock
        return True

    def release(self) -> None:
        """Release what was acquired: if the holder has forked meanwhile, that is the old lock."""
        self._held.release()

    def __enter__(self) -> None:
        lock = self._lock
        lock.acquire()
        self._held = lock

    def __exit__(self, *exc: object) -> None:
        self._held.release()

    def renew(self) -> None:
        """In a forked child: be open."""
        self._lock = threading.Lock()


def _renew_all() -> None:
    for lock in list(_made):
        lock.renew()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_renew_all)
