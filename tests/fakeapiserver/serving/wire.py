"""HTTP/1.1 on a connection: requests are read from it, and answers written to it."""

from __future__ import annotations

from .connection import BadRequestLine, Connection
from .messages import Headers, Reply, Request, Response, StreamResponse, Upgrade, reply_head

HEAD_LIMIT = 1 << 20  # net/http's own limit for a request's head
BODY_LIMIT = 64 << 20


def read_request(connection: Connection) -> Request:
    """The next request; raises :class:`Disconnected` at the end of the connection."""
    head = connection.take_until(b"\r\n\r\n", HEAD_LIMIT).decode("latin-1").lstrip("\r\n")
    first, *lines = head.split("\r\n")
    try:
        method, target, version = first.split(" ")
        headers = Headers((name, value.strip()) for name, value in (line.split(":", 1) for line in lines))
    except ValueError:
        raise BadRequestLine("malformed request") from None
    if not version.startswith("HTTP/1."):
        raise BadRequestLine("unknown protocol")
    return Request(method, target, headers, _read_body(connection, headers), connection)


def _read_body(connection: Connection, headers: Headers) -> bytes:
    if (headers.get("Expect") or "").lower() == "100-continue":
        connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")
    if "chunked" in (headers.get("Transfer-Encoding") or "").lower():
        return _read_chunks(connection)
    try:
        length = int(headers.get("Content-Length") or 0)
    except ValueError:
        raise BadRequestLine("bad Content-Length") from None
    if not 0 <= length <= BODY_LIMIT:
        raise BadRequestLine("body too long")
    return connection.take(length) if length else b""


def _read_chunks(connection: Connection) -> bytes:
    body = bytearray()
    while True:
        try:
            size = int(connection.take_until(b"\r\n", HEAD_LIMIT).split(b";")[0], 16)
        except ValueError:
            raise BadRequestLine("bad chunk size") from None
        if not size:
            while connection.take_until(b"\r\n", HEAD_LIMIT):
                pass  # trailers
            return bytes(body)
        body += connection.take(size)
        connection.take(2)


def send_reply(connection: Connection, reply: Reply, keep_alive: bool) -> bool:
    """Send an answer; False if the connection cannot carry another request."""
    if isinstance(reply, Response):
        head, body = reply.wire(keep_alive)
        connection.send(head + body)
        return keep_alive
    if isinstance(reply, Upgrade):
        reply.run(connection)
        return False
    _send_stream(connection, reply, keep_alive)
    return keep_alive


def _send_stream(connection: Connection, reply: StreamResponse, keep_alive: bool) -> None:
    chunks = reply.chunks
    try:
        connection.send(reply_head(reply.status, reply.content_type, reply.headers, keep_alive, None))
        for chunk in chunks:
            if chunk:
                connection.send(b"%x\r\n%s\r\n" % (len(chunk), chunk))
        connection.send(b"0\r\n\r\n")
    finally:
        close = getattr(chunks, "close", None)
        if close is not None:
            close()
