"""What happened to the objects of one resource: a bounded log that watches read and old lists are rebuilt from.

Rules:

* Revisions rise along the log. ``compacted`` is the newest revision whose event is gone: who asks for what came
  after an older one cannot be served.
* Readers hold a position (how many events came before), so that trimming the front never moves anybody.
"""

from __future__ import annotations

import json
import threading
from bisect import bisect_right
from typing import Any, NamedTuple, Optional

from ..vocabulary.objects import encode

ADDED, MODIFIED, DELETED = "ADDED", "MODIFIED", "DELETED"


class Stored:
    """One object as stored: its JSON, and what selection needs without parsing it. Never changed once made."""

    __slots__ = ("key", "labels", "name", "namespace", "raw", "revision", "uid")

    def __init__(self, key: str, obj: dict[str, Any], revision: int) -> None:
        metadata = obj["metadata"]
        self.key = key
        self.revision = revision
        self.name: str = metadata.get("name", "")
        self.namespace: str = metadata.get("namespace", "")
        self.uid: str = metadata.get("uid", "")
        self.labels: dict[str, str] = metadata.get("labels") or {}
        self.raw = encode(obj)

    @property
    def terminating(self) -> bool:
        """Has its deletion begun?"""
        return "deletionTimestamp" in self.load()["metadata"]

    def load(self) -> dict[str, Any]:
        """A copy of the object that the caller may change."""
        loaded: dict[str, Any] = json.loads(self.raw)
        return loaded


class Change(NamedTuple):
    """One event: the object after it (for a deletion: as it was, at the deletion's revision) and before it."""

    type: str
    revision: int
    stored: Stored
    previous: Optional[Stored]


class EventLog:
    """The events of one resource. All methods are called with the store's lock held."""

    def __init__(self, lock: threading.RLock, revision: int, limit: int) -> None:
        self.changed = threading.Condition(lock)
        self.compacted = revision
        self.closed = False
        self.whole = True
        """Does the log reach back to the beginning? Before it there was nothing."""
        self._limit = limit
        self._changes: list[Change] = []
        self._revisions: list[int] = []
        self._dropped = 0

    @property
    def end(self) -> int:
        """The position after the last event."""
        return self._dropped + len(self._changes)

    @property
    def last(self) -> int:
        """The revision of the newest event (or of the newest forgotten)."""
        return self._revisions[-1] if self._revisions else self.compacted

    def append(self, change: Change) -> None:
        self._changes.append(change)
        self._revisions.append(change.revision)
        if len(self._changes) > self._limit + self._limit // 4:  # trimmed in steps: deleting the front costs its length
            self._drop(len(self._changes) - self._limit)
        self.changed.notify_all()

    def close(self) -> None:
        """The resource is served no more: readers end when they have seen all."""
        self.closed = True
        self.changed.notify_all()

    def compact(self) -> None:
        """Forget all events; readers that have seen them all go on undisturbed."""
        self._drop(len(self._changes))

    def _drop(self, count: int) -> None:
        self.whole = False
        if count:
            self.compacted = self._revisions[count - 1]
        self._dropped += count
        del self._changes[:count], self._revisions[:count]

    def position_after(self, revision: int) -> Optional[int]:
        """Where reading on from a revision starts; None if events after it have been forgotten."""
        if revision < self.compacted:
            return None
        return self._dropped + bisect_right(self._revisions, revision)

    def since(self, position: int) -> Optional[list[Change]]:
        """The events from a position on; None if some of them have been forgotten (the reader was too slow)."""
        if position < self._dropped:
            return None
        return self._changes[position - self._dropped :]
