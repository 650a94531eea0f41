"""Watching a collection: list, then stream, resuming over everything that ends a stream.

Theory of operation. A watch is a chunked answer of one JSON event per line. It ends all the time: at timeoutSeconds,
when a proxy or the server goes away, when the version it would resume from has left the server's history.
:class:`LineDecoder` cuts lines, :class:`WatchState` knows what an event means for the version and for the objects
known; both are pure. :class:`Watch` does the I/O and follows these rules:

1. Resume from the version of the last event or BOOKMARK. Versions are opaque: kept, sent back, never compared.
2. A version refused as expired (HTTP 410, an ERROR event, a run of instant empty streams) is never sent again: list
   anew and tell the caller the difference to what was known, so that a deletion during the gap comes out as DELETED.
3. A line without its newline is a cut, not an event.
4. A stream that ends in its time is reopened at once; one that failed, after a pause that grows.
5. Silence for :data:`IDLE_SECONDS` is taken for a half-open connection and reopened from the last version.
"""

from __future__ import annotations

import json
import math
import random
import threading
from collections.abc import Generator, Iterator, Mapping
from typing import Any, Optional

from ..errors import ExpiredError, ProtocolError, RequestTimeoutError, ServerError, TooManyRequestsError, TransportError
from .deadline import Backoff, Deadline
from .http import Answer
from .paths import Resource, with_query
from .rest import Object, RESTClient, failure_of

IDLE_SECONDS = 50.0
"""Longest silence on a stream, in seconds: below the 60 s after which common proxies drop a connection."""
PATIENCE = 300.0
"""Seconds without any success after which a watch gives up and raises what it met last."""
INSTANT = 1.0
"""A stream that ends without a word within this many seconds is an instant empty one…"""
EMPTY_STREAMS = 3
"""… and so many of them in a row mean that the version has expired and the server does not say so."""

Event = dict[str, Any]
"""``{"type": "ADDED" | "MODIFIED" | "DELETED", "object": raw dict}``."""

LISTED = "LISTED"
"""Type of the mark that follows each list when ``marks`` is asked for: what was not told before it is not there."""

_PASSING = (TransportError, ServerError, TooManyRequestsError)


class LineDecoder:
    """Cuts a byte stream into lines, wherever it was split. Pure; linear in its input however long a line is."""

    def __init__(self) -> None:
        self._pending: list[bytes] = []

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that ``data`` completes, without their newlines; blank lines are left out."""
        head, newline, rest = data.partition(b"\n")
        self._pending.append(head)
        if not newline:
            return []
        first = b"".join(self._pending)
        *whole, tail = rest.split(b"\n")
        self._pending = [tail]
        return [line for line in (first, *whole) if line.strip()]


class WatchState:
    """What a watcher knows: the version to resume from, and the objects, so that a relist can be told as events. Pure.

    ``complete`` is False when the caller began at a version of their own: what was there before is not known then, and
    no difference can be told.
    """

    def __init__(self, version: str = "", complete: bool = True) -> None:
        self.version = version
        self.complete = complete
        self._known: dict[tuple[str, str], Object] = {}

    def relist(self, items: list[Object], version: str) -> list[Event]:
        """The events that lead from what was known to ``items``: deletions first, then what is new or changed."""
        before, self._known = self._known, {_key(item): item for item in items}
        self.version = version
        gone = [old for key, old in before.items() if _uid(self._known.get(key)) != _uid(old)]
        changes = ((_change(before.get(_key(item)), item), item) for item in items)
        return [
            *({"type": "DELETED", "object": old} for old in gone),
            *({"type": kind, "object": item} for kind, item in changes if kind),
        ]

    def apply(self, event: Event) -> bool:
        """Take in an event of the stream; True if it is one for the caller."""
        item = event["object"]
        self.version = (item.get("metadata") or {}).get("resourceVersion") or self.version
        if event["type"] == "BOOKMARK":
            return False
        if event["type"] == "DELETED":
            self._known.pop(_key(item), None)
        elif self.complete:
            self._known[_key(item)] = item
        return True


def _key(item: Object) -> tuple[str, str]:
    metadata = item.get("metadata") or {}
    return metadata.get("namespace") or "", metadata.get("name") or ""


def _uid(item: Optional[Object]) -> Optional[str]:
    return None if item is None else (item.get("metadata") or {}).get("uid") or ""


def _version(item: Object) -> Optional[str]:
    return (item.get("metadata") or {}).get("resourceVersion")


def _change(before: Optional[Object], now: Object) -> str:
    if before is None or _uid(before) != _uid(now):
        return "ADDED"
    return "MODIFIED" if _version(before) != _version(now) else ""


def decode_event(line: bytes) -> Event:
    """One line as an event; :class:`ProtocolError` if it is not one."""
    try:
        event = json.loads(line)
    except ValueError:
        event = None
    if isinstance(event, dict) and isinstance(event.get("type"), str) and isinstance(event.get("object"), dict):
        return event
    raise ProtocolError("the watch sent a line that is not a watch event")


class Watch:
    """An iterator of events that lives until its deadline, :meth:`stop`, or an error that waiting cannot mend.

    Without ``resource_version`` the objects there are come first, as ADDED. With one, only what came after it does, and
    :class:`ExpiredError` is raised when the server no longer has it: list again then.

    Raises while iterating:
        APIError: forbidden, unknown kind, expired. TransportError: none at the start, or no success for five minutes.
    """

    def __init__(
        self, client: RESTClient, resource: Resource, namespace: Optional[str], *,
        selectors: Optional[Mapping[str, Optional[str]]] = None, resource_version: Optional[str] = None,
        deadline: Optional[Deadline] = None, marks: bool = False,
    ) -> None:  # fmt: skip
        self._client = client
        self._resource = resource
        self._namespace = namespace
        self._path = resource.collection(namespace)
        self._selectors = dict(selectors or {})
        self._deadline = deadline or Deadline(None, client.clock)
        self._state = WatchState(resource_version or "", complete=resource_version is None)
        self._stopped = threading.Event()
        self._answer: Optional[Answer] = None
        self._backoff = Backoff()
        self._marks = marks
        # A version to begin from was had from this server: its absence now is a failure that may pass.
        self._last_success = None if resource_version is None else client.clock.now()
        self._heard = 0  # events and bookmarks of the current stream
        self._empty_streams = 0
        self._events: Optional[Generator[Event, None, None]] = None

    def __iter__(self) -> Iterator[Event]:
        # Not stored where it is not needed: a loop that is left drops the last reference, which closes the connection.
        return self if self._events is not None else self._run()

    def __next__(self) -> Event:
        if self._events is None:
            self._events = self._run()
        return next(self._events)

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def stop(self) -> None:
        """End the iteration, from any thread: a blocked ``next()`` raises StopIteration at once."""
        self._stopped.set()
        answer = self._answer
        if answer is not None:
            answer.interrupt()

    def close(self) -> None:
        """End the iteration and close the connection; for the thread that iterates."""
        self.stop()
        if self._events is not None:
            self._events.close()

    @property
    def resource_version(self) -> str:
        """The version after the last event taken: a later watch can begin here."""
        return self._state.version

    # -- the loop -------------------------------------------------------------------------------------------------

    def _run(self) -> Generator[Event, None, None]:
        relist = self._state.complete
        while not self._over():
            try:
                if relist:
                    yield from self._list()
                    relist = False
                yield from self._stream()
                relist = self._stream_ended()
            except ExpiredError:
                if not self._state.complete:
                    raise
                relist = True
                self._sleep(self._backoff.next())
            except _PASSING as error:
                self._failed(error)

    def _over(self) -> bool:
        return self._stopped.is_set() or self._deadline.expired

    def _list(self) -> Iterator[Event]:
        items, version = self._client.list_all(
            self._resource, self._namespace, selectors=self._selectors, deadline=self._deadline
        )
        self._succeeded()
        yield from self._state.relist(items, version)
        if self._marks:
            yield {"type": LISTED, "object": {}}

    def _stream(self) -> Iterator[Event]:
        """One stream from the current version to its end; silence and our own deadline are ends, too."""
        self._heard = 0
        self._opened_at = self._client.clock.now()
        with self._opened() as answer:
            for line in self._lines(answer):
                event = decode_event(line)
                if event["type"] == "ERROR":
                    raise failure_of(event["object"], "GET", with_query(self._path, {"watch": True}))
                self._heard += 1
                self._succeeded()
                if self._state.apply(event):
                    yield event

    def _lines(self, answer: Answer) -> Iterator[bytes]:
        decoder = LineDecoder()
        while not self._stopped.is_set():
            try:
                data = answer.read_some()
            except RequestTimeoutError:
                return
            if not data:
                return
            yield from decoder.feed(data)

    def _opened(self) -> _Opened:
        query = {
            **self._selectors,
            "watch": True,
            "resourceVersion": self._state.version,
            "allowWatchBookmarks": True,
            "timeoutSeconds": self._timeout_seconds(),
        }
        answer = self._client.stream(self._path, query=query, deadline=self._deadline, idle=IDLE_SECONDS)
        return _Opened(self, answer)

    def _timeout_seconds(self) -> int:
        """Five to ten minutes, so that the watches of a fleet do not end together; less if our own time is shorter."""
        seconds = random.uniform(300, 600)
        return max(1, math.ceil(self._deadline.capped(seconds) or 0))

    # -- how it goes ----------------------------------------------------------------------------------------------

    def _succeeded(self) -> None:
        self._last_success = self._client.clock.now()
        self._backoff.reset()

    def _stream_ended(self) -> bool:
        """After a stream's proper end: whether to list anew. Instant empty streams are paced."""
        instant = not self._heard and self._client.clock.now() - self._opened_at < INSTANT
        self._empty_streams = self._empty_streams + 1 if instant else 0
        self._last_success = self._client.clock.now()
        if not instant or self._over():
            return False
        self._sleep(self._backoff.next())
        if self._empty_streams % EMPTY_STREAMS:
            return False
        return self._state.complete

    def _failed(self, error: Exception) -> None:
        if self._over():
            return
        if self._last_success is None or self._client.clock.now() - self._last_success > PATIENCE:
            raise error
        retry_after = getattr(error, "retry_after", None)
        self._sleep(max(self._backoff.next(), retry_after or 0.0))

    def _sleep(self, seconds: float) -> None:
        self._client.clock.sleep(self._deadline.capped(seconds) or 0.0, self._stopped)


class _Opened:
    """An open stream that stop() can reach and that is closed on the way out, whatever happened."""

    def __init__(self, watch: Watch, answer: Answer) -> None:
        self._watch = watch
        self._answer = answer

    def __enter__(self) -> Answer:
        self._watch._answer = self._answer
        if self._watch._stopped.is_set():  # stop() may have come before there was anything to interrupt
            self._answer.close()
        return self._answer

    def __exit__(self, *exc: object) -> None:
        self._watch._answer = None
        self._answer.close()
