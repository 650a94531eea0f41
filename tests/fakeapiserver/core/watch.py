"""The watch hub: every watch stream, from its first event to its end.

A stream reads the resource's event log from a position on. A selector turns changes into the event that its client
must see: an object that begins to match is ADDED, one that ceases to match is DELETED. Bookmarks follow the server's
own rule: about once a minute and two seconds before the timeout, and only if they tell a newer revision than the
stream began with.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Callable, Optional

from ..vocabulary.objects import Object, encode
from ..vocabulary.resources import ResourceType
from ..vocabulary.status import APIFailure, expired
from .eventlog import ADDED, DELETED, MODIFIED, Change, EventLog, Stored
from .store import ObjectStore

BOOKMARK_BEFORE_TIMEOUT = 2.0
LOOK_FOR_HANGUP = 0.5  # seconds between checks whether the client of an idle watch is still there
INITIAL_EVENTS_END = "k8s.io/initial-events-end"

Matches = Callable[[Stored], bool]
Render = Callable[[Stored], bytes]


def everything(stored: Stored) -> bool:
    return True


def as_stored(stored: Stored) -> bytes:
    return stored.raw


@dataclass
class WatchRequest:
    """What a client asked to see."""

    resource: ResourceType
    namespace: str = ""
    revision: Optional[int] = None  # None and 0: begin with what there is
    timeout: Optional[float] = None
    bookmarks: bool = False
    initial_events: bool = False  # end the initial events with a bookmark
    skip_initial: bool = False  # begin at what there is now, without showing it
    matches: Matches = everything
    render: Render = as_stored
    wrap_bookmark: Callable[[Object], Object] = dict
    gone: Callable[[], bool] = bool


def event_line(kind: str, obj: bytes) -> bytes:
    return b'{"type":"%s","object":%s}\n' % (kind.encode(), obj.rstrip(b"\n"))


def error_line(failure: APIFailure) -> bytes:
    return event_line("ERROR", encode(failure.status()))


class Watches:
    """All watches under way, and the knobs that tests turn."""

    def __init__(self, store: ObjectStore, stopping: threading.Event) -> None:
        self._store = store
        self._stopping = stopping
        self._active: dict[int, WatchRequest] = {}
        self._generation = 0
        self.expiry = "event"
        """How an expired resourceVersion is told: ``"http"`` (410) or ``"event"`` (200, then an ERROR event)."""
        self.bookmark_interval = 60.0
        """Seconds between bookmarks."""
        self.pace = 1.0
        """How many seconds of timeouts and bookmark intervals pass in a second: tests make time fly."""

    def active(self, resource: Optional[str] = None) -> int:
        """How many watches are under way (of one resource)."""
        with self._store.lock:
            return sum(1 for watch in self._active.values() if resource in (None, watch.resource.plural))

    def cut_all(self) -> None:
        """End every watch now, without a word, as a restarting API server does."""
        with self._store.lock:
            self._generation += 1
            self.wake()

    def wake(self) -> None:
        """Let every stream look up: something other than an event has changed."""
        with self._store.lock:
            self._store.wake_readers()

    def stream(self, watch: WatchRequest) -> Iterator[bytes]:
        """The lines of one watch. An expired revision raises here (410) or becomes an ERROR event, as chosen."""
        with self._store.lock:
            log = self._store.table(watch.resource).log
            if watch.revision:
                position = log.position_after(watch.revision)
                if position is None:
                    return self._expired(watch.revision, log)
                return self._follow(watch, log, [], position, max(watch.revision, log.last))
            there = () if watch.skip_initial else self._store.table(watch.resource).under(watch.namespace)
            initial = [stored for stored in there if watch.matches(stored)]
            return self._follow(watch, log, initial, log.end, self._store.revision)

    def objects(self, resource: ResourceType, namespace: str = "") -> Iterator[tuple[str, Object]]:
        """The same for this process: ``(type, object)``, what there is first, until the server stops.

        It ends before if history is lost on the way, or the resource is served no more.
        """
        with self._store.lock:
            log = self._store.table(resource).log
            initial = list(self._store.table(resource).under(namespace))
            position = log.end
        for stored in initial:
            yield ADDED, stored.load()
        while True:
            with log.changed:
                while (changes := log.since(position)) == [] and not log.closed and not self._stopping.is_set():
                    log.changed.wait()
                if not changes or self._stopping.is_set():
                    return
            position += len(changes)
            for change in changes:
                if not namespace or change.stored.namespace == namespace:
                    yield change.type, change.stored.load()

    def _expired(self, revision: int, log: EventLog) -> Iterator[bytes]:
        failure = expired(f"too old resource version: {revision} ({log.compacted})")
        if self.expiry == "http":
            raise failure
        return iter([error_line(failure)])

    def _follow(
        self, watch: WatchRequest, log: EventLog, initial: list[Stored], position: int, revision: int
    ) -> Iterator[bytes]:
        generation = self._generation
        self._active[id(watch)] = watch
        try:
            yield b"".join(event_line(ADDED, watch.render(stored)) for stored in initial)
            del initial
            if watch.initial_events:
                yield self._bookmark(watch, revision, {"annotations": {INITIAL_EVENTS_END: "true"}})
            timing = Timing(watch.timeout, self.bookmark_interval, self.pace)
            while True:
                changes, now = self._wait(watch, log, position, timing, generation)
                if changes is None:
                    return
                position += len(changes)
                yield b"".join(self._lines(watch, changes))
                if timing.bookmark_due():
                    timing.schedule_bookmark()
                    if watch.bookmarks and now > revision:
                        yield self._bookmark(watch, now, {})
        finally:
            with self._store.lock:
                self._active.pop(id(watch), None)

    def _wait(
        self, watch: WatchRequest, log: EventLog, position: int, timing: Timing, generation: int
    ) -> tuple[Optional[list[Change]], int]:
        """The next events, as soon as there are any or a bookmark is due, and the revision they lead up to.

        None instead of events when the stream is over.
        """
        with log.changed:
            while True:
                changes = log.since(position)
                if changes is None or self._stopping.is_set() or generation != self._generation or watch.gone():
                    return None, 0
                if log.closed and not changes:
                    return None, 0
                if changes or timing.bookmark_due():
                    return changes, self._store.revision
                if timing.over():
                    return None, 0
                log.changed.wait(timing.pause())

    @staticmethod
    def _lines(watch: WatchRequest, changes: list[Change]) -> Iterator[bytes]:
        for change in changes:
            if watch.namespace and change.stored.namespace != watch.namespace:
                continue
            kind = transition(change, watch.matches)
            if kind:
                yield event_line(kind, watch.render(_shown(change, kind)))

    def _bookmark(self, watch: WatchRequest, revision: int, metadata: Object) -> bytes:
        bookmark = {
            "apiVersion": watch.resource.api_version,
            "kind": watch.resource.kind,
            "metadata": {**metadata, "resourceVersion": str(revision)},
        }
        return event_line("BOOKMARK", encode(watch.wrap_bookmark(bookmark)))


def transition(change: Change, matches: Matches) -> str:
    """The event a selector's owner sees for a change; empty if none."""
    before = change.previous is not None and matches(change.previous)
    after = change.type != DELETED and matches(change.stored)
    if after:
        return MODIFIED if before else ADDED
    return DELETED if before else ""


def _shown(change: Change, kind: str) -> Stored:
    """A deletion shows the object as it last matched, at the revision at which it ceased to."""
    if kind != DELETED or change.type == DELETED or change.previous is None:
        return change.stored
    return Stored(change.previous.key, _at(change.previous.load(), change.revision), change.revision)


def _at(obj: Object, revision: int) -> Object:
    obj["metadata"]["resourceVersion"] = str(revision)
    return obj


class Timing:
    """When a stream's next bookmark is due, and when the stream is over."""

    def __init__(
        self, timeout: Optional[float], interval: float, pace: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._pace = pace
        self._seconds = clock
        self._interval = interval
        self._end = self._clock() + (timeout if timeout else 1800 * (1 + random.random()))
        self._bookmark: Optional[float] = None
        self.schedule_bookmark()

    def _clock(self) -> float:
        return self._seconds() * self._pace

    def schedule_bookmark(self) -> None:
        now = self._clock()
        due = min(now + self._interval, self._end - BOOKMARK_BEFORE_TIMEOUT)
        self._bookmark = due if due > now else None

    def bookmark_due(self) -> bool:
        return self._bookmark is not None and self._clock() >= self._bookmark

    def over(self) -> bool:
        return self._clock() >= self._end

    def pause(self) -> float:
        """Seconds until there is something to look at."""
        until = self._end if self._bookmark is None else min(self._end, self._bookmark)
        return max(0.0, min(LOOK_FOR_HANGUP, (until - self._clock()) / self._pace))
