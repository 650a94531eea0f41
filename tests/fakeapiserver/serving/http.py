"""HTTP/1.1 over sockets: a listener, and one thread for each connection.

One thread per connection is the idea: a reader that stalls, a watch that idles, an exec session that waits block
their own thread and nobody else's. Handlers return a :class:`Response`, a :class:`StreamResponse` (chunked), or an
:class:`Upgrade`, by which they take over the raw connection. Everything that a handler needs can be imported from
here. ``stop()`` returns after every connection thread has ended.
"""

from __future__ import annotations

import selectors
import socket
import ssl
import threading
from dataclasses import dataclass, field
from typing import Any, Optional

from .connection import BadRequestLine, Connection, Disconnected
from .messages import (
    ANONYMOUS,
    Handler,
    Headers,
    Reply,
    Request,
    Response,
    StreamResponse,
    Upgrade,
    User,
    wants_keep_alive,
)
from .wire import read_request, send_reply

__all__ = [
    "ANONYMOUS",
    "Connection",
    "Disconnected",
    "HTTPServer",
    "Handler",
    "Headers",
    "Reply",
    "Request",
    "Response",
    "StreamResponse",
    "Upgrade",
    "User",
]


@dataclass
class HTTPServer:
    """Listens, and runs ``handler`` for each request on the thread of its connection."""

    handler: Handler
    host: str = "127.0.0.1"
    port: int = 0
    tls: Optional[ssl.SSLContext] = None
    connections: set[Connection] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._threads: set[threading.Thread] = set()
        self._stopping = threading.Event()
        self._listener: Optional[socket.socket] = None

    def start(self) -> None:
        """Bind and begin to accept; ``port`` tells the real port afterwards."""
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        self._listener = socket.create_server((self.host, self.port), family=family, backlog=512)
        self.port = self._listener.getsockname()[1]
        self._listener.setblocking(False)
        self._wake, self._woken = socket.socketpair()
        self._acceptor = threading.Thread(target=self._accept, name="fake-accept", daemon=True)
        self._acceptor.start()

    def stop(self) -> None:
        """Stop accepting, cut every connection, and wait for their threads."""
        self._stopping.set()
        if self._listener is None:
            return
        self._wake.send(b"x")
        self._acceptor.join()
        for resource in (self._listener, self._wake, self._woken):
            resource.close()
        with self._lock:
            connections, threads = list(self.connections), list(self._threads)
        for connection in connections:
            connection.shut_down()
        for thread in threads:
            thread.join()

    def cut_all(self) -> None:
        """Shut every open connection down, as a load balancer's restart does."""
        with self._lock:
            connections = list(self.connections)
        for connection in connections:
            connection.shut_down()

    def _accept(self) -> None:
        assert self._listener is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            selector.register(self._woken, selectors.EVENT_READ)
            while not self._stopping.is_set():
                selector.select()
                try:
                    sock, address = self._listener.accept()
                except OSError:
                    continue  # woken to stop, or the peer gave up before we came
                self._begin(sock, address)

    def _begin(self, sock: socket.socket, address: Any) -> None:
        sock.setblocking(True)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.tls is not None:
            sock = self.tls.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        connection = Connection(sock, address)
        thread = threading.Thread(target=self._serve, args=(connection,), name="fake-connection", daemon=True)
        with self._lock:
            self.connections.add(connection)
            self._threads.add(thread)
        thread.start()

    def _serve(self, connection: Connection) -> None:
        try:
            if isinstance(connection.socket, ssl.SSLSocket):
                connection.socket.do_handshake()
            while not self._stopping.is_set():
                request = read_request(connection)
                reply = self.handler(request)
                if request.method == "HEAD" and isinstance(reply, Response):
                    reply = reply.without_body()
                if not send_reply(connection, reply, wants_keep_alive(request)):
                    break
        except (Disconnected, OSError):
            pass  # the peer's right
        except BadRequestLine:
            self._refuse(connection)
        finally:
            self._end(connection)

    @staticmethod
    def _refuse(connection: Connection) -> None:
        try:
            send_reply(connection, Response(400, b"400 Bad Request", "text/plain; charset=utf-8"), keep_alive=False)
        except Disconnected:
            pass

    def _end(self, connection: Connection) -> None:
        connection.close()
        with self._lock:
            self.connections.discard(connection)
            self._threads.discard(threading.current_thread())
