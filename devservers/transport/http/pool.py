"""Connections to the API server: bounded in time, kept alive, checked before they are used again.

Invariants:

1. A connection is in the pool, or in exactly one answer, or closed. It returns to the pool only after its answer was
   read to the end and the server keeps it open.
2. Every wait on a socket is bounded by the deadline of the request that is under way (:class:`TimedSocket`), however
   slowly bytes drip, and ends when that is cancelled, or when the path turns out to be dead (see
   :mod:`.sockets`).
3. A connection shows the client certificate that it was opened with for as long as it lives. It is used only for
   requests whose :class:`Identity` has that very certificate, in that very version: after a rotation the ones of
   before are closed as they come back, however long they were busy.
4. An idle connection that has become readable was closed by the server (or is out of step): it is dropped before use.
"""

from __future__ import annotations

import http.client
import io
import os
import socket
import ssl
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Callable, Optional, cast

from ..auth.credentials import Identity
from ..config.clientconfig import ClientConfig
from ..deadline import Deadline
from ..locks import ForkSafeLock
from .dial import connect
from .sockets import UNANSWERED_SECONDS, dead_path, unanswered, wait_ready

if TYPE_CHECKING:
    from ..config.proxies import Proxy

IDLE_CONNECTIONS = 8
"""Connections kept for reuse; more may be open at once."""
LOOK_SECONDS = 1.0
"""Seconds between two looks whether the peer still gives signs of life, while we wait for it; and whether there was a
signal, which does not end a wait that it comes just before, or if another thread gets it."""
IDLE_SECONDS = 50.0
"""An idle connection older than this is not reused: common load balancers forget one after 60 s."""


class TimedSocket:
    """The part of a socket that ``http.client`` uses, each operation bounded by the deadline of the moment."""

    def __init__(self, sock: socket.socket) -> None:
        self.raw = sock
        self.deadline = Deadline(None)
        self.idle: Optional[float] = None  # seconds of silence tolerated between two bytes
        self.sending: Optional[Callable[[], None]] = None  # called as late as can be before bytes go out
        self._readers = 0
        self._closing = False

    def bind(self, deadline: Deadline, idle: Optional[float]) -> None:
        """From now on ``deadline`` counts, and its cancellation (and no other) reaches this socket."""
        self.deadline, self.idle = deadline, idle
        if deadline.cancellation is not None:
            deadline.cancellation.interrupt = partial(self.interrupt, deadline)

    def patiently(self, step: Callable[[], int]) -> int:
        """One operation on the socket, in the time that there is; none is wasted on a path that is dead."""
        left = self.deadline.capped(self.idle)
        if left is not None and left <= 0:
            raise TimeoutError("the deadline has passed")
        while True:
            seconds = LOOK_SECONDS if left is None else min(left, LOOK_SECONDS)
            self.raw.settimeout(seconds)
            try:
                return step()
            except socket.timeout as error:
                if error.errno is not None or left == seconds:  # the kernel has given up, or the time is up
                    raise
            if unanswered(self.raw, UNANSWERED_SECONDS):
                raise dead_path()
            left = None if left is None else left - seconds

    def sendall(self, data: Any) -> None:
        view = memoryview(data).cast("B")
        if self.sending is not None:
            self.sending()
        while view:
            view = view[self.patiently(partial(self.raw.send, view)) :]

    def makefile(self, mode: str) -> io.BufferedReader:
        self._readers += 1
        return io.BufferedReader(_TimedReader(self))

    def close(self) -> None:
        """As with a socket, what still reads keeps it open: http.client closes a last answer's connection early."""
        self._closing = True
        if not self._readers:
            self.raw.close()

    def interrupt(self, deadline: Deadline) -> None:
        """From another thread: end a blocked read, if it is still the one of the call with this deadline."""
        if self.deadline is not deadline:
            return
        try:
            if isinstance(self.raw, ssl.SSLSocket):  # its own shutdown() would drop the TLS state under the reader
                socket.socket.shutdown(self.raw, socket.SHUT_RDWR)
            else:
                self.raw.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # it has gone already

    def reader_closed(self) -> None:
        self._readers -= 1
        if self._closing:
            self.close()


class _TimedReader(io.RawIOBase):
    def __init__(self, sock: TimedSocket) -> None:
        self._sock = sock

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._sock.patiently(partial(self._sock.raw.recv_into, buffer))

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._sock.reader_closed()


class FinalResponse(http.client.HTTPResponse):
    """A response after whatever informational ones come before it (RFC 9110, section 15.2; http.client knows 100)."""

    def _read_status(self) -> Any:
        while True:
            status = super()._read_status()  # type: ignore[misc]
            if not 100 < status[1] < 200 or status[1] == 101:
                return status
            http.client.parse_headers(self.fp)


class Connection(http.client.HTTPConnection):
    """An open connection, fitted with timed reads; :func:`connect` knows proxies and TLS."""

    response_class = FinalResponse
    auto_open = 0  # http.client never connects on its own: it would do so past proxies and TLS

    def __init__(self, config: ClientConfig, host: str, identity: Identity, deadline: Deadline) -> None:
        super().__init__(host)
        self.version = identity.version
        """That of the client certificate it was opened with."""
        self.proxy: Optional[Proxy] = config.proxy() if config.scheme == "http" else None
        """The one this connection leads to, if requests must be in absolute form."""
        self.timed = TimedSocket(connect(config, deadline, identity))
        self.sock = cast(socket.socket, self.timed)
        self._pid = os.getpid()
        self.idle_since: Optional[float] = None

    @property
    def reused(self) -> bool:
        return self.idle_since is not None

    def usable(self) -> bool:
        """False if the server has closed it meanwhile, it is old, or it belongs to the process we were forked from."""
        if self._pid != os.getpid() or time.monotonic() - (self.idle_since or 0.0) > IDLE_SECONDS:
            return False
        return not wait_ready(self.timed.raw, 0)


class Pool:
    """Idle connections to one API server, the most recently used first."""

    def __init__(self, config: ClientConfig) -> None:
        self.config = config
        self._idle: list[Connection] = []
        self._lock = ForkSafeLock()
        self._closed = False

    def take(self, identity: Identity) -> Optional[Connection]:
        """A connection that was used before and still can be, by this one."""
        while True:
            with self._lock:
                connection = self._idle.pop() if self._idle else None
            if connection is None or (connection.version == identity.version and connection.usable()):
                return connection
            connection.close()

    def put(self, connection: Connection) -> None:
        connection.idle_since = time.monotonic()
        connection.timed.bind(Deadline(None), None)
        with self._lock:
            if not self._closed and len(self._idle) < IDLE_CONNECTIONS:
                self._idle.append(connection)
                return
        connection.close()

    def drop_idle(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def close(self) -> None:
        self._closed = True
        self.drop_idle()

    def __del__(self) -> None:
        self.drop_idle()  # a client that nobody closed, the process-wide one at exit, leaves no socket to be warned of
