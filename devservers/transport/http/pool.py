"""Connections to the API server: bounded in time, kept alive, checked before they are used again.

Invariants:

1. A connection is in the pool, or in exactly one answer, or closed. It returns to the pool only
   after its answer was read to the end and if the server keeps it open.
2. Every wait on a socket is bounded by the deadline of the request that is under way
   (:class:`TimedSocket`), however slowly bytes drip, and ends when that is canceled, or when the
   path turns out to be dead (see :mod:`.sockets`).
3. A connection shows the client certificate that it was opened with for as long as it lives. It is
   used only for requests whose :class:`Identity` has that very certificate, in that very version:
   after a rotation the earlier ones are closed as they come back, however long they were busy.
4. An idle connection that has become readable was closed by the server (or is out of step): it is
   dropped before use.
5. So is one whose TLS session has lost its socket. The session refers to the socket weakly, and
   Python clears weak references into a cycle that it collects, and so to most objects when the
   interpreter ends, before it calls ``__del__``, which may use the connection.
"""

from __future__ import annotations

import http.client
import io
import os
import socket
import ssl
from functools import partial
from typing import TYPE_CHECKING, Any, Callable, Optional

from ..auth.credentials import Identity
from ..config.clientconfig import ClientConfig
from ..deadline import SYSTEM_CLOCK, Clock, Deadline
from .dial import connect
from .sockets import UNANSWERED_SECONDS, dead_path, has_its_socket, unanswered, wait_ready
from .stream import Stream

if TYPE_CHECKING:
    from ..config.proxies import Proxy

IDLE_CONNECTIONS = 8
"""Connections kept for reuse; more may be open at once."""
IDLE_SECONDS = 50.0
"""An idle connection older than this is not reused: common load balancers forget one after 60 s."""
CHECK_SECONDS = 1.0
"""Seconds between two checks, while we wait for the peer, whether it still gives signs of life. A
signal is noticed then, too: one that arrives just before a wait, or in another thread, does not end
the wait by itself."""

_NO_DEADLINE = Deadline(None)


class TimedSocket:
    """What ``http.client`` uses as a socket; the present deadline bounds each operation."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.deadline = _NO_DEADLINE
        self.idle: Optional[float] = None  # seconds of silence tolerated between two bytes
        self.sending: Optional[Callable[[], None]] = None  # called just before bytes go out
        self._readers = 0
        self._closing = False

    def bind(self, deadline: Deadline, idle: Optional[float]) -> None:
        """From now on ``deadline`` counts, and only its cancellation reaches this socket."""
        self.deadline, self.idle = deadline, idle
        if deadline.cancellation is not None:
            deadline.cancellation.interrupt = partial(self.interrupt, deadline)

    def patiently(self, step: Callable[[], int]) -> int:
        """One operation on the stream, in the time that there is.

        The wait is cut into slices of :data:`CHECK_SECONDS`, so that a path that is dead is given
        up before the time is.
        """
        left = self.deadline.capped(self.idle)
        if left is not None and left <= 0:
            raise TimeoutError("the deadline has passed")
        while True:
            seconds = CHECK_SECONDS if left is None else min(left, CHECK_SECONDS)
            self.stream.settimeout(seconds)
            try:
                return step()
            except socket.timeout as error:
                if error.errno is not None or left == seconds:
                    raise  # the kernel has given up, or the time is up
            if unanswered(self.stream, UNANSWERED_SECONDS):
                raise dead_path()
            if left is not None:
                left -= seconds

    def sendall(self, data: Any) -> None:
        view = memoryview(data).cast("B")
        if self.sending is not None:
            self.sending()
        while view:
            view = view[self.patiently(partial(self.stream.send, view)) :]

    def makefile(self, mode: str) -> io.BufferedReader:
        self._readers += 1
        return io.BufferedReader(_TimedReader(self))

    def close(self) -> None:
        """Close, unless something still reads: then it closes when that does, as a socket does.

        http.client closes the connection of a last answer before its body is read.
        """
        self._closing = True
        if not self._readers:
            self.stream.close()

    def interrupt(self, deadline: Deadline) -> None:
        """From another thread: end a blocked read, if it is still the one under this deadline."""
        if self.deadline is not deadline:
            return
        try:
            if isinstance(self.stream, ssl.SSLSocket):
                # Its own shutdown() would drop the TLS state that the reader is using.
                socket.socket.shutdown(self.stream, socket.SHUT_RDWR)
            else:
                self.stream.shutdown(socket.SHUT_RDWR)
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
        return self._sock.patiently(partial(self._sock.stream.recv_into, buffer))

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._sock.reader_closed()


class FinalResponse(http.client.HTTPResponse):
    """A response after any informational ones that come before it (RFC 9110, section 15.2).

    http.client knows no other than 100, and would take a 103 for the answer. The answer proper
    would then be read as that to the next request on this connection.
    """

    def _read_status(self) -> Any:
        while True:
            status = super()._read_status()  # type: ignore[misc]
            if not 100 < status[1] < 200 or status[1] == 101:
                return status
            http.client.parse_headers(self.fp)


class Connection(http.client.HTTPConnection):
    """An open connection with timed reads; :func:`connect` knows proxies and TLS.

    Attributes:
        version: that of the client certificate it was opened with.
        proxy: the one it leads to, if requests must be in absolute form.
        idle_since: when it last returned to the pool; None before the first time.
    """

    response_class = FinalResponse
    auto_open = 0  # http.client never connects on its own: it would bypass proxies and TLS

    def __init__(
        self, config: ClientConfig, clock: Clock, identity: Identity, deadline: Deadline
    ) -> None:
        super().__init__(config.host, config.port)
        self.version = identity.version
        self.proxy: Optional[Proxy] = config.proxy() if config.scheme == "http" else None
        self.idle_since: Optional[float] = None
        self.timed = self.sock = TimedSocket(connect(config, deadline, identity))
        self._clock = clock
        self._pid = os.getpid()

    @property
    def reused(self) -> bool:
        return self.idle_since is not None

    def is_usable(self) -> bool:
        """Whether it is ours, is young enough, and was not closed by the server meanwhile."""
        if self._pid != os.getpid():  # it belongs to the process that we were forked from
            return False
        if self._clock.now() - (self.idle_since or 0.0) > IDLE_SECONDS:
            return False
        return not wait_ready(self.timed.stream, 0) and has_its_socket(self.timed.stream)


class Pool:
    """Idle connections to one API server, the most recently used last.

    It serves many threads without a lock: each step is one operation of a list, so that two threads
    never take the same connection, and a forked child finds the list whole.
    """

    def __init__(self, config: ClientConfig, clock: Clock = SYSTEM_CLOCK) -> None:
        self.config = config
        self.clock = clock
        self._idle: list[Connection] = []
        self._closed = False

    def take(self, identity: Identity) -> Optional[Connection]:
        """A connection that was used before and still can be, by this identity."""
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return None
            if connection.version == identity.version and connection.is_usable():
                return connection
            connection.close()

    def put(self, connection: Connection) -> None:
        """Keep it for another request; where there are too many, the oldest goes."""
        connection.idle_since = self.clock.now()
        connection.timed.bind(_NO_DEADLINE, None)
        self._idle.append(connection)
        if self._closed:  # perhaps only since this answer began
            self.drop_idle()
        elif len(self._idle) > IDLE_CONNECTIONS:
            self._drop_oldest()

    def drop_idle(self) -> None:
        while self._idle:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        try:
            self._idle.pop(0).close()
        except IndexError:
            pass  # another thread has just taken it

    def close(self) -> None:
        self._closed = True
        self.drop_idle()

    def __del__(self) -> None:
        # A client that nobody closed, the process-wide one at exit, leaves no socket to warn of.
        self.drop_idle()
