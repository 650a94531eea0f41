"""Kept-alive HTTP/1.1 over urllib: an opener with our own handlers, a pool of connections, no redirects, http(s) only.

Theory of operation. ``urllib.request`` opens a connection per request, follows redirects with the Authorization header,
opens ``file:`` and ``ftp:`` URLs and consults proxies on its own. So the opener here is put together by hand and knows
exactly one handler, for ``http`` and ``https``, which takes a connection from the pool, sends, and hands out an
:class:`Answer`. Whatever the status, the answer comes back; the REST layer judges it.

Invariants:

1. A connection is in the pool, or in exactly one answer, or closed. It returns to the pool only after its answer was
   read to the end and the server keeps it open.
2. Every wait on a socket is bounded by the deadline of the request that is under way (:class:`_TimedSocket`), however
   slowly bytes drip.
3. An idle connection that has become readable was closed by the server (or is out of step): it is dropped before use.
4. Exceptions of ``http.client``, ``ssl`` and ``socket`` do not leave this module: see :func:`guarded`.
"""

from __future__ import annotations

import http.client
import io
import os
import select
import socket
import ssl
import threading
import time
import urllib.request
from typing import Any, Optional, cast

from .config import ClientConfig
from .connect import connect
from .deadline import Deadline
from .failures import guarded
from .proxies import Proxy

IDLE_CONNECTIONS = 8
"""Connections kept for reuse; more may be open at once."""
IDLE_SECONDS = 50.0
"""An idle connection older than this is not reused: common load balancers forget one after 60 s."""
READ_SIZE = 65536


class _TimedSocket:
    """The part of a socket that ``http.client`` uses, each operation bounded by the deadline of the moment."""

    def __init__(self, sock: socket.socket) -> None:
        self.raw = sock
        self.deadline = Deadline(None)
        self.idle: Optional[float] = None  # seconds of silence tolerated between two bytes
        self._readers = 0
        self._closing = False

    def arm(self) -> None:
        seconds = self.deadline.capped(self.idle)
        if seconds is not None and seconds <= 0:
            raise TimeoutError("the deadline has passed")
        self.raw.settimeout(seconds)

    def sendall(self, data: Any) -> None:
        view = memoryview(data).cast("B")
        while view:
            self.arm()
            view = view[self.raw.send(view) :]

    def makefile(self, mode: str) -> io.BufferedReader:
        self._readers += 1
        return io.BufferedReader(_TimedReader(self))

    def close(self) -> None:
        """As with a socket, what still reads keeps it open: http.client closes a last answer's connection early."""
        self._closing = True
        if not self._readers:
            self.raw.close()

    def interrupt(self) -> None:
        """From another thread: end a blocked read."""
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
    def __init__(self, sock: _TimedSocket) -> None:
        self._sock = sock

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._sock.arm()
        return self._sock.raw.recv_into(buffer)

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._sock.reader_closed()


class _Connection(http.client.HTTPConnection):
    """One connection, made by :func:`connect` (which knows proxies and TLS) and fitted with timed reads."""

    def __init__(self, config: ClientConfig, host: str) -> None:
        super().__init__(host)
        self._config = config
        self.timed: Optional[_TimedSocket] = None
        self.proxy: Optional[Proxy] = None  # the one this connection leads to, if requests must be in absolute form
        self.pid = os.getpid()
        self.idle_since = 0.0

    def open(self, deadline: Deadline) -> None:
        plain = self._config.server.startswith("http:")
        self.proxy = self._config.proxy() if plain else None
        self.timed = _TimedSocket(connect(self._config, deadline))
        self.sock = cast(socket.socket, self.timed)

    def usable(self) -> bool:
        """False if the server has closed it meanwhile, it is old, or it belongs to the process we were forked from."""
        if self.timed is None or self.pid != os.getpid() or time.monotonic() - self.idle_since > IDLE_SECONDS:
            return False
        return not _readable(self.timed.raw)


def _readable(sock: socket.socket) -> bool:
    if not hasattr(select, "poll"):
        return bool(select.select([sock], [], [], 0)[0])
    poller = select.poll()
    poller.register(sock, select.POLLIN)
    return bool(poller.poll(0))


class Request(urllib.request.Request):
    """A request whose headers are a list (Impersonate-Group repeats) and whose time is bounded."""

    def __init__(
        self, url: str, method: str, headers: list[tuple[str, str]], body: Optional[bytes], deadline: Deadline
    ) -> None:
        super().__init__(url, data=body, method=method)
        self.header_list = headers
        self.deadline = deadline
        self.idle: Optional[float] = None
        self.fresh = False  # do not reuse a connection
        self.sent = False  # set once bytes may have reached the server
        self.reused = False  # set when a kept-alive connection was tried


class Answer:
    """A status, headers and a body that is read as it comes; holds its connection until read to the end or closed."""

    def __init__(self, pool: Pool, connection: _Connection, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self._pool = pool
        self._connection: Optional[_Connection] = connection
        self._response = response

    def read(self) -> bytes:
        """The whole body."""
        return b"".join(iter(self.read_some, b""))

    def read_some(self) -> bytes:
        """The next bytes that arrive, ``b""`` at the proper end. A body cut short is an error, never an end."""
        if self._connection is None:
            return b""
        try:
            data = guarded(self._pool.config, "reading the answer", self._read1)
        except BaseException:
            self.close()
            raise
        if not data or self._response.isclosed() or self._response.length == 0:
            self._release()
        return data

    def _read1(self) -> bytes:
        data = self._response.read1(READ_SIZE)
        if not data and self._response.length:  # http.client lets a short body pass as an end
            raise http.client.IncompleteRead(b"", self._response.length)
        return data

    def extend(self, deadline: Deadline) -> None:
        """Read the rest of the body under another deadline: a stream's life is longer than its request's."""
        if self._connection is not None and self._connection.timed is not None:
            self._connection.timed.deadline = deadline

    def interrupt(self) -> None:
        """From another thread: make a blocked :meth:`read_some` end now."""
        connection = self._connection
        if connection is not None and connection.timed is not None:
            connection.timed.interrupt()

    def close(self) -> None:
        connection, self._connection = self._connection, None
        self._response.close()
        if connection is not None:
            connection.close()

    def _release(self) -> None:
        connection, self._connection = self._connection, None
        self._response.close()  # http.client takes no further request before
        if connection is None:
            return
        if self._response.will_close:
            connection.close()
        else:
            self._pool.put(connection)


class Pool:
    """Idle connections to one API server, the most recently used first."""

    def __init__(self, config: ClientConfig) -> None:
        self.config = config
        self._idle: list[_Connection] = []
        self._lock = threading.Lock()
        self._closed = False

    def get(self, host: str) -> tuple[_Connection, bool]:
        """A connection, and whether it was used before."""
        while True:
            with self._lock:
                connection = self._idle.pop() if self._idle else None
            if connection is None:
                return _Connection(self.config, host), False
            if connection.usable():
                return connection, True
            connection.close()

    def put(self, connection: _Connection) -> None:
        connection.idle_since = time.monotonic()
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


class KeepAliveHandler(urllib.request.BaseHandler):
    """The opener's only handler: http and https over the pool."""

    def __init__(self, config: ClientConfig, pool: Pool) -> None:
        self._config = config
        self._pool = pool

    def http_open(self, request: urllib.request.Request) -> Answer:
        assert isinstance(request, Request)
        return self._exchange(request)

    https_open = http_open

    def _exchange(self, request: Request) -> Answer:
        connection, reused = (_Connection(self._config, request.host), False)
        if not request.fresh:
            connection, reused = self._pool.get(request.host)
        request.reused = reused
        try:
            if connection.timed is None:
                connection.open(request.deadline)
            return self._send(request, connection)
        except BaseException:
            connection.close()
            raise

    def _send(self, request: Request, connection: _Connection) -> Answer:
        assert connection.timed is not None
        connection.timed.deadline, connection.timed.idle = request.deadline, None
        doing = f"{request.get_method()} {request.selector.partition('?')[0]}"
        response = guarded(self._config, doing, lambda: _exchange(request, connection))
        connection.timed.idle = request.idle
        return Answer(self._pool, connection, response)


def _exchange(request: Request, connection: _Connection) -> http.client.HTTPResponse:
    """The request out, the head of the answer in."""
    target, headers = _request_line(request, connection.proxy)
    connection.putrequest(request.get_method(), target, skip_host=True, skip_accept_encoding=True)
    for name, value in headers:
        connection.putheader(name, value)
    body = cast(Optional[bytes], request.data)
    if body is not None:
        connection.putheader("Content-Length", str(len(body)))
    request.sent = True
    connection.endheaders(body)
    return connection.getresponse()


def _request_line(request: Request, proxy: Optional[Proxy]) -> tuple[str, list[tuple[str, str]]]:
    """Origin form, or absolute form to an http proxy before an http server (RFC 9112, section 3.2)."""
    headers = [("Host", request.host), *request.header_list]
    if proxy is None:
        return request.selector, headers
    return request.full_url, [*headers, *proxy.headers()]


def build_opener(config: ClientConfig, pool: Pool) -> urllib.request.OpenerDirector:
    """An opener that speaks http and https, reuses connections, and does nothing else."""
    opener = urllib.request.OpenerDirector()
    opener.addheaders = []
    opener.add_handler(KeepAliveHandler(config, pool))
    opener.add_handler(urllib.request.UnknownHandler())
    return opener
