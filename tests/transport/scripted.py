"""A server that says exactly what a test tells it to, byte by byte, over a real socket.

Each connection is handled by the next function of the script; the last one serves all that follow. What the client
sent can be looked at afterwards. Nothing waits by the clock: a handler that is to hold a connection open waits for
``ended``.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Callable, Optional

from devservers.transport import ClientConfig, RESTClient
from devservers.transport.deadline import SYSTEM_CLOCK, Clock


class Peer:
    """The server's end of one connection."""

    def __init__(self, sock: socket.socket, ended: threading.Event) -> None:
        self.sock = sock
        self.ended = ended
        self._file = sock.makefile("rb")

    def request(self) -> Optional[str]:
        """The head of the next request (its body is read, too), or None at the end of the connection."""
        lines = []
        while True:
            line = self._file.readline()
            if not line:
                return None
            if line in (b"\r\n", b"\n"):
                break
            lines.append(line.decode("latin-1").rstrip())
        length = next((int(line.split(":")[1]) for line in lines if line.lower().startswith("content-length:")), 0)
        self._file.read(length)
        return "\n".join(lines)

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def answer(self, status: int, body: bytes, *headers: str, content_type: str = "application/json") -> None:
        head = [
            f"HTTP/1.1 {status} Whatever",
            f"Content-Type: {content_type}",
            f"Content-Length: {len(body)}",
            *headers,
        ]
        self.send("\r\n".join([*head, "", ""]).encode() + body)

    def chunked(self, *chunks: bytes, end: bool = True) -> None:
        """A 200 answer in chunks; without ``end`` the last chunk does not come."""
        self.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
        for chunk in chunks:
            self.chunk(chunk)
        if end:
            self.send(b"0\r\n\r\n")

    def chunk(self, data: bytes) -> None:
        self.send(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def reset(self) -> None:
        """Close with RST instead of FIN."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        self._file.close()
        self.sock.close()

    def hold(self) -> None:
        """Say nothing more, and keep the connection."""
        self.ended.wait()

    def close(self) -> None:
        self._file.close()
        self.sock.close()


Script = Callable[[Peer], None]


class ScriptedServer:
    """Listens on a loopback port and plays its script."""

    def __init__(self, *script: Script) -> None:
        self._script = list(script)
        self.requests: list[str] = []
        self.connections = 0
        self.ended = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self._peers: list[Peer] = []
        self._spawn(self._accept)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def client(self, timeout: Optional[float] = 5.0, clock: Clock = SYSTEM_CLOCK) -> RESTClient:
        return RESTClient(ClientConfig(server=self.url, namespace="default"), timeout=timeout, clock=clock)

    def stop(self) -> None:
        self.ended.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for peer in self._peers:
            try:
                peer.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # closed by its handler
        for thread in self._threads:
            thread.join()

    def _spawn(self, target: Callable[[], None]) -> None:
        thread = threading.Thread(target=target, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            handler = self._script[min(self.connections, len(self._script) - 1)]
            self.connections += 1
            peer = Peer(sock, self.ended)
            self._peers.append(peer)
            self._spawn(partial(self._play, handler, peer))

    def _play(self, handler: Script, peer: Peer) -> None:
        read = peer.request

        def noted() -> Optional[str]:
            request = read()
            if request is not None:
                self.requests.append(request)
            return request

        peer.request = noted  # type: ignore[method-assign]
        try:
            handler(peer)
        except (OSError, ValueError):
            pass  # the connection is gone (closed files raise ValueError): what the client makes of it is looked at
        finally:
            peer.close()


@contextmanager
def scripted(*script: Script) -> Iterator[ScriptedServer]:
    """A server playing ``script``, one handler a connection."""
    server = ScriptedServer(*script)
    try:
        yield server
    finally:
        server.stop()


class FakeClock(Clock):
    """Time that passes only by being slept through."""

    def __init__(self) -> None:
        self.time = 0.0
        self.slept: list[float] = []

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float, wake: Optional[threading.Event] = None) -> None:
        self.slept.append(seconds)
        self.time += seconds


def serve_all(handle: Callable[[Peer, str], None]) -> Script:
    """A handler of kept-alive connections: ``handle(peer, request head)`` for each request."""

    def script(peer: Peer) -> None:
        while True:
            request = peer.request()
            if request is None:
                return
            handle(peer, request)

    return script
