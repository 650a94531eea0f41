"""Watching a collection: list, then stream, resuming over everything that ends a stream.

Theory of operation. A watch is a chunked answer of one JSON event per line. It ends all the time:
at timeoutSeconds, when a proxy or the server goes away, when the version to resume from has been
compacted away. :class:`LineDecoder` splits lines, :class:`WatchState` knows what an event means for
the version and for the objects known; both are pure. :class:`Watch` does the I/O and follows these
rules:

1. Resume from the version of the last event or BOOKMARK. Versions are opaque: kept, sent back,
   never compared.
2. A version refused as expired (HTTP 410, an ERROR event, a run of instant empty streams) is never
   sent again: list again, and give the caller the difference to what was known, so that a deletion
   during the gap appears as DELETED.
3. A line without its newline was truncated, and is not an event.
4. A version from which nothing comes but errors (200, and then an ERROR event each time) cannot be
   served any more, whatever the code of the error: it is given up like an expired one. So answers
   an API server without a watch cache once the history is compacted.
5. A stream that ends in its time is reopened at once; one that failed, or ended within
   :data:`INSTANT`, after a pause that grows. A kind that is not served for the moment (see
   :mod:`.served`) is listed again.
6. Silence for :data:`IDLE_SECONDS` is taken for a half-open connection, and the stream is reopened
   from the last version.
7. A generator is closed by whoever made it, never left to be finalized: Python prints and drops
   what is raised in a finalizer, and a Ctrl-C would be lost.
"""

from __future__ import annotations

import math
import random
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import closing
from typing import Any, NamedTuple, Optional

from ..errors import (
    APIError,
    DevServersError,
    ExpiredError,
    NotFoundError,
    NotServedError,
    ProtocolError,
    RequestTimeoutError,
    ServerError,
)
from .deadline import Backoff, Cancellation, Deadline
from .http.opener import Answer
from .resources import Resource, with_query
from .rest import Object, RESTClient
from .retry import TRANSIENT, Patience
from .status import failure_of
from .text import json_or_none
from .told import tell_resend

IDLE_SECONDS = 80.0
"""Longest silence on a stream, in seconds: more than the minute between two bookmarks, which keep
the version recent. A proxy that closes idle connections earlier is noticed at once."""
LONGEST_PAUSE = 5.0
"""Seconds between two attempts at most: so late may we notice that the server is back."""
INSTANT = 1.0
"""A stream that lives no longer than this many seconds is followed by a pause…"""
EMPTY_STREAMS = 3
"""… and this many of them in a row without an event mean that the version has expired, though the
server does not say so."""

Event = dict[str, Any]
"""``{"type": "ADDED" | "MODIFIED" | "DELETED", "object": raw dict}``."""

LISTED = "LISTED"
"""Type of the event after each list if ``marks`` is given: no other objects exist."""

ERROR_EVENTS = 3
"""This many ERROR events in a row from one version mean that it cannot be served."""


class LineDecoder:
    """Splits a byte stream into lines. Pure; takes linear time, however long a line is."""

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
    """What a watcher knows: the version to resume from, and the objects. Pure.

    ``complete`` is False if the caller began at a version of their own: the objects of before are
    not known then, and a new list cannot be told as events.
    """

    def __init__(self, version: str = "", complete: bool = True) -> None:
        self.version: str = version
        self.complete = complete
        self._known: dict[tuple[str, str], _Known] = {}

    def relist(self, items: list[Object], version: str) -> list[Event]:
        """The events that lead from what was known to ``items``: deletions first."""
        before, self._known = self._known, {_key(item): _Known.of(item) for item in items}
        self.version = version
        now = self._known
        gone = [
            old.item for key, old in before.items() if key not in now or now[key].uid != old.uid
        ]
        changes = ((_change(before.get(key), known), known.item) for key, known in now.items())
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
            self._known[_key(item)] = _Known.of(item)
        return True


class _Known(NamedTuple):
    """An object as last seen. Uid and version are kept apart: the caller may change the object."""

    uid: Optional[str]
    version: Optional[str]
    item: Object

    @classmethod
    def of(cls, item: Object) -> _Known:
        metadata = item.get("metadata") or {}
        return cls(metadata.get("uid"), metadata.get("resourceVersion"), item)


def _key(item: Object) -> tuple[str, str]:
    metadata = item.get("metadata") or {}
    return metadata.get("namespace") or "", metadata.get("name") or ""


def _change(before: Optional[_Known], now: _Known) -> str:
    if before is None or before.uid != now.uid:
        return "ADDED"
    return "MODIFIED" if before.version != now.version else ""


def decode_event(line: bytes) -> Event:
    """One line as an event; ProtocolError if it is none."""
    event = json_or_none(line)
    if (
        isinstance(event, dict)
        and isinstance(event.get("type"), str)
        and isinstance(event.get("object"), dict)
    ):
        return event
    raise ProtocolError("the watch sent a line that is not a watch event")


class Watch:
    """An iterator of events, until its deadline, :meth:`stop`, or an error that does not pass.

    Without ``resource_version`` (or with ``""`` or ``"0"``) the present objects come first, as
    ADDED. With one, only later events come, and :class:`ExpiredError` is raised when the server no
    longer has that version: list again then.

    Raises while iterating:
        APIError: forbidden, unknown kind, expired. TransportError: the first request failed, or
            there was nothing but failures for :data:`.retry.PATIENCE`.
    """

    def __init__(
        self, client: RESTClient, resource: Resource, namespace: Optional[str], *,
        selectors: Optional[Mapping[str, Optional[str]]] = None,
        resource_version: Optional[str] = None,
        deadline: Optional[Deadline] = None, marks: bool = False,
    ) -> None:  # fmt: skip
        if resource_version is not None and not isinstance(resource_version, str):
            raise TypeError(
                f"resource_version: must be a string, not {type(resource_version).__name__}"
            )
        begin = "" if resource_version in (None, "0") else resource_version
        self._client = client
        self._resource = resource
        self._namespace = namespace
        self._path = resource.collection(namespace)
        self._selectors = dict(selectors or {})
        self._cancellation = Cancellation()
        left = None if deadline is None else deadline.remaining()
        self._deadline = Deadline(left, client.clock, self._cancellation)
        self._state = WatchState(begin, complete=not begin)
        self._marks = marks
        self._backoff = Backoff(limit=LONGEST_PAUSE)
        # Whoever has a version got it from this server: that it does not answer now may pass.
        self._succeeded_once = bool(begin)
        self._patience = Patience(client.clock)
        self._failures = 0  # since the last success
        self._received = 0  # events and bookmarks of the current stream
        self._empty_streams = 0
        self._error_events = 0
        self._events: Optional[Generator[Event, None, None]] = None

    def __iter__(self) -> Iterator[Event]:
        # Not stored: a loop that is left drops the last reference, which closes the connection.
        return self if self._events is not None else self._run()

    def __next__(self) -> Event:
        if self._events is None:
            self._events = self._run()
        return next(self._events)

    def __enter__(self) -> Watch:
        self._events = self._events or self._run()  # a loop inside takes this one, and it is closed
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def stop(self) -> None:
        """End the iteration, from any thread; a blocked ``next()`` raises StopIteration."""
        self._cancellation.cancel()

    def close(self) -> None:
        """End the iteration and close the connection."""
        self.stop()
        try:
            if self._events is not None:
                self._events.close()
        except ValueError:
            pass  # another thread is in next(): it ends by itself now

    @property
    def resource_version(self) -> str:
        """The version after the last event: a later watch can begin here."""
        return self._state.version

    # -- the loop ---------------------------------------------------------------------------------

    def _run(self) -> Generator[Event, None, None]:
        relist = self._state.complete
        while not self._deadline.expired:
            try:
                if relist:
                    yield from self._until_stopped(self._list())
                    relist = False
                opened_at = self._client.clock.now()
                with closing(self._stream()) as events:
                    yield from self._until_stopped(events)
                self._stream_ended(opened_at)
            except ExpiredError as error:
                if not self._state.complete:
                    raise
                relist = True
                wait = self._backoff.next()
                tell_resend("WATCH", self._path, error, 1, wait, "listing again")
                self._deadline.sleep(wait)
            except TRANSIENT as error:
                self._failed(error)
                # Once it is served again, it may be with another history.
                relist = relist or (isinstance(error, NotServedError) and self._state.complete)

    def _until_stopped(self, events: Iterable[Event]) -> Iterator[Event]:
        for event in events:
            if self._cancellation.event.is_set():
                return
            yield event

    def _list(self) -> list[Event]:
        items, version = self._client.list_all(
            self._resource, self._namespace, selectors=self._selectors, deadline=self._deadline
        )
        self._succeeded()
        events = self._state.relist(items, version)
        return [*events, {"type": LISTED, "object": {}}] if self._marks else events

    def _stream(self) -> Generator[Event, None, None]:
        """One stream from the current version to its end, to a long silence, or to our deadline."""
        self._received = 0
        with closing(self._opened()) as answer, closing(_lines(answer)) as lines:
            for line in lines:
                event = self._decoded(line)
                self._received += 1
                self._error_events = 0
                self._succeeded()
                if self._state.apply(event):
                    yield event

    def _decoded(self, line: bytes) -> Event:
        """The event of a line; an ERROR event, and a line that is none, are raised."""
        try:
            event = decode_event(line)
        except ProtocolError as error:
            raise self._error_event(error) from None
        if event["type"] == "ERROR":
            raise self._error_event(_error_of(event["object"], self._path))
        return event

    def _error_event(self, error: DevServersError) -> DevServersError:
        """What an ERROR event means: ``error``, or after several that the version has expired."""
        if not isinstance(error, (ServerError, ProtocolError)) or _is_about_version(error):
            return error
        self._error_events += 1
        if self._error_events < ERROR_EVENTS:
            return error
        self._error_events = 0
        return ExpiredError(
            "the server answers every watch from this version with an error: it cannot be served "
            f"any more ({error})",
            status=410, reason="Expired", hint="list again, and watch from there",
        )  # fmt: skip

    def _opened(self) -> Answer:
        query = {
            **self._selectors,
            "watch": True,
            "resourceVersion": self._state.version,
            "allowWatchBookmarks": True,
            "timeoutSeconds": self._timeout_seconds(),
        }
        return self._client.stream(
            self._path, query=query, deadline=self._deadline, idle=IDLE_SECONDS
        )

    def _timeout_seconds(self) -> int:
        """Random, so that the watches of many clients do not end together; at most our own time."""
        seconds = random.uniform(300, 600)
        return max(1, math.ceil(self._deadline.capped(seconds) or 0))

    # -- success and failure ----------------------------------------------------------------------

    def _succeeded(self) -> None:
        self._succeeded_once = True
        self._patience.succeeded()
        self._failures = 0

    def _stream_ended(self, opened_at: float) -> None:
        """After a stream's proper end: pause if it was short.

        A proxy may end every stream early, and an API server may end one at once whose version has
        expired, without saying so. What tells them apart is that the first sends events, or at
        least bookmarks, in some of the streams.

        Raises:
            ExpiredError: after :data:`EMPTY_STREAMS` instant ones without an event.
        """
        self._succeeded()
        self._error_events = 0
        if self._client.clock.now() - opened_at > INSTANT:
            self._empty_streams = 0
            self._backoff.reset()
            return
        self._deadline.sleep(self._backoff.next())
        self._empty_streams += 1
        if self._received:
            self._empty_streams = 0
        if self._empty_streams < EMPTY_STREAMS:
            return
        self._empty_streams = 0
        raise ExpiredError(
            "the server ends every watch from this version at once: it has expired",
            status=410,
            reason="Expired",
        )

    def _failed(self, error: Exception) -> None:
        if self._deadline.expired:
            return
        if _is_about_version(error):
            raise error
        if self._patience.failed() or not self._succeeded_once:
            raise error
        wait = max(self._backoff.next(), getattr(error, "retry_after", None) or 0.0)
        self._failures += 1
        tell_resend("WATCH", self._path, error, self._failures, wait, "watching on")
        self._deadline.sleep(wait)


def _is_about_version(error: Exception) -> bool:
    """Whether the version is malformed, which the server answers with 500 as if it could pass."""
    begins = "resourceVersion: Invalid value"
    return isinstance(error, ServerError) and error.message.startswith(begins)


def _lines(answer: Answer) -> Generator[bytes, None, None]:
    decoder = LineDecoder()
    while True:
        try:
            data = answer.read_some()
        except RequestTimeoutError:
            return
        if not data:
            return
        yield from decoder.feed(data)


def _error_of(status: Object, path: str) -> APIError:
    """The exception for an ERROR event. An unknown kind of error may pass, and so may a 404."""
    error = failure_of(status, "GET", with_query(path, {"watch": True}))
    return (
        error.recast(ServerError, "")
        if isinstance(error, NotFoundError) or type(error) is APIError
        else error
    )
