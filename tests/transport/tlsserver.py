"""A small server, TLS or plain, that answers every connection in one way and remembers what it saw."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Callable, Optional

Talk = Callable[[socket.socket], None]


def answer_http(sock: socket.socket) -> None:
    """Read one request head, answer with a short body, close."""
    head = b""
    while b"\r\n\r\n" not in head:
        data = sock.recv(4096)
        if not data:
            return
        head += data
    sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")


def echo(sock: socket.socket) -> None:
    """Send back what comes until the end."""
    while True:
        data = sock.recv(65536)
        if not data:
            return
        sock.sendall(data)


def stay_silent(sock: socket.socket) -> None:
    """Read and never answer."""
    while sock.recv(4096):
        pass


@dataclass
class Seen:
    """What the server saw of one connection."""

    server_name: Optional[str] = None
    client_certificate: Optional[dict[str, Any]] = None
    received: bytes = b""


@dataclass
class Server:
    """The listening end: where it is, and what it saw so far."""

    port: int
    seen: list[Seen] = field(default_factory=list)
    names: list[Optional[str]] = field(default_factory=list)
    host: str = "127.0.0.1"


@contextlib.contextmanager
def serving(
    talk: Talk = answer_http, context: Optional[ssl.SSLContext] = None, *, host: str = "127.0.0.1"
) -> Iterator[Server]:
    """Serve ``talk`` on a free loopback port, one thread per connection, for the length of the block."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, 0), family=family)
    server = Server(listener.getsockname()[1], host=host)
    if context is not None:
        context.sni_callback = lambda _sock, name, _context: server.names.append(name)
    open_sockets: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def accept() -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            open_sockets.append(sock)
            thread = threading.Thread(target=_handle, args=(sock, talk, context, server), daemon=True)
            threads.append(thread)
            thread.start()

    acceptor = threading.Thread(target=accept, daemon=True)
    acceptor.start()
    try:
        yield server
    finally:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        acceptor.join(5)
        for sock in open_sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join(5)


def _handle(sock: socket.socket, talk: Talk, context: Optional[ssl.SSLContext], server: Server) -> None:
    seen = Seen()
    server.seen.append(seen)
    with contextlib.suppress(OSError, ValueError), sock:
        if context is None:
            talk(sock)
            return
        with context.wrap_socket(sock, server_side=True) as secure:
            seen.client_certificate = secure.getpeercert()
            talk(secure)
