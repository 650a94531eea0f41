"""One connection as bytes: taken up to a mark or by count, sent, cut; handlers may take it over.

Rules:

* A connection is closed by its own thread; others only shut its socket down, which makes that thread's calls return.
* A socket carries TLS or not from its first byte.
"""

from __future__ import annotations

import select
import socket
import ssl
from typing import Any, Optional


class BadRequestLine(Exception):
    """What came is not HTTP/1.x; the connection is answered with a 400 and closed."""


class Disconnected(Exception):
    """The peer has gone, or a fault cut the connection."""


class Connection:
    """One accepted connection; ``socket`` is connected (and encrypted, with TLS)."""

    def __init__(self, sock: socket.socket, address: Any) -> None:
        self.socket = sock
        self.address = address
        self._buffer = bytearray()
        self._reset = False

    def buffered(self) -> bytes:
        """Bytes already read beyond the request; calling it hands them over."""
        data = bytes(self._buffer)
        self._buffer.clear()
        return data

    def send(self, data: bytes) -> None:
        try:
            self.socket.sendall(data)
        except OSError as error:
            raise Disconnected(str(error)) from error

    def peer_certificate(self) -> Optional[dict[str, Any]]:
        """The verified client certificate, as :meth:`ssl.SSLSocket.getpeercert` gives it."""
        return self.socket.getpeercert() if isinstance(self.socket, ssl.SSLSocket) else None

    def peer_has_gone(self) -> bool:
        """Has the peer closed its side? Asked without reading, so nothing in flight is lost."""
        if not hasattr(select, "poll"):
            return False
        poll = select.poll()
        hangup = getattr(select, "POLLRDHUP", 0) | select.POLLHUP | select.POLLERR
        try:
            poll.register(self.socket.fileno(), hangup)
            return bool(poll.poll(0))
        except (OSError, ValueError):
            return True

    def abort(self) -> None:
        """Let the close send RST instead of FIN."""
        self._reset = True
        raise Disconnected("aborted on purpose")

    def shut_down(self) -> None:
        """Wake the connection's thread from whatever call it sits in (from any thread)."""
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except (OSError, ValueError):
            pass

    def close(self) -> None:
        try:
            if self._reset:
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            elif isinstance(self.socket, ssl.SSLSocket):
                self.socket.settimeout(0)
                self.socket.unwrap()  # sends close_notify; the peer's answer is not waited for
        except (OSError, ValueError):
            pass
        self.socket.close()

    # reading

    def _fill(self) -> None:
        try:
            data = self.socket.recv(65536)
        except OSError as error:
            raise Disconnected(str(error)) from error
        if not data:
            raise Disconnected("closed by the peer")
        self._buffer += data

    def take_until(self, mark: bytes, limit: int) -> bytes:
        """What comes before a mark, which is taken, too."""
        start = 0
        while True:
            at = self._buffer.find(mark, start)
            if at >= 0:
                taken = bytes(self._buffer[:at])
                del self._buffer[: at + len(mark)]
                return taken
            if len(self._buffer) > limit:
                raise BadRequestLine("head too long")
            start = max(0, len(self._buffer) - len(mark))
            self._fill()

    def take(self, count: int) -> bytes:
        while len(self._buffer) < count:
            self._fill()
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        return taken
