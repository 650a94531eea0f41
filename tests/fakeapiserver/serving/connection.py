"""One HTTP/1.1 connection: requests are read from it, answers written to it, and handlers may take it over.

Rules:

* A connection is closed by its own thread; others only shut its socket down, which makes that thread's calls return.
* A socket carries TLS or not from its first byte.
"""

from __future__ import annotations

import select
import socket
import ssl
from typing import Any, Optional

from .messages import Headers, Reply, Request, Response, StreamResponse, Upgrade, reply_head

HEAD_LIMIT = 1 << 20  # net/http's own limit for a request's head
BODY_LIMIT = 64 << 20


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

    def _take_until(self, mark: bytes, limit: int) -> bytes:
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

    def _take(self, count: int) -> bytes:
        while len(self._buffer) < count:
            self._fill()
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        return taken

    def read_request(self) -> Request:
        """The next request; raises :class:`Disconnected` at the end of the connection."""
        head = self._take_until(b"\r\n\r\n", HEAD_LIMIT).decode("latin-1").lstrip("\r\n")
        first, *lines = head.split("\r\n")
        try:
            method, target, version = first.split(" ")
            headers = Headers((name, value.strip()) for name, value in (line.split(":", 1) for line in lines))
        except ValueError:
            raise BadRequestLine("malformed request") from None
        if not version.startswith("HTTP/1."):
            raise BadRequestLine("unknown protocol")
        return Request(method, target, headers, self._read_body(headers), self)

    def _read_body(self, headers: Headers) -> bytes:
        if (headers.get("Expect") or "").lower() == "100-continue":
            self.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        if "chunked" in (headers.get("Transfer-Encoding") or "").lower():
            return self._read_chunks()
        try:
            length = int(headers.get("Content-Length") or 0)
        except ValueError:
            raise BadRequestLine("bad Content-Length") from None
        if not 0 <= length <= BODY_LIMIT:
            raise BadRequestLine("body too long")
        return self._take(length) if length else b""

    def _read_chunks(self) -> bytes:
        body = bytearray()
        while True:
            try:
                size = int(self._take_until(b"\r\n", HEAD_LIMIT).split(b";")[0], 16)
            except ValueError:
                raise BadRequestLine("bad chunk size") from None
            if not size:
                while self._take_until(b"\r\n", HEAD_LIMIT):
                    pass  # trailers
                return bytes(body)
            body += self._take(size)
            self._take(2)

    # writing

    def reply(self, reply: Reply, keep_alive: bool) -> bool:
        """Send an answer; False if the connection cannot carry another request."""
        if isinstance(reply, Response):
            head, body = reply.wire(keep_alive)
            self.send(head + body)
            return keep_alive
        if isinstance(reply, Upgrade):
            reply.run(self)
            return False
        self._send_stream(reply, keep_alive)
        return keep_alive

    def _send_stream(self, reply: StreamResponse, keep_alive: bool) -> None:
        chunks = reply.chunks
        try:
            self.send(reply_head(reply.status, reply.content_type, reply.headers, keep_alive, None))
            for chunk in chunks:
                if chunk:
                    self.send(b"%x\r\n%s\r\n" % (len(chunk), chunk))
            self.send(b"0\r\n\r\n")
        finally:
            close = getattr(chunks, "close", None)
            if close is not None:
                close()
