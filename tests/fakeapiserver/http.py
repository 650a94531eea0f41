"""HTTP/1.1 over sockets: a listener, one thread per connection, and the messages that handlers speak in.

One thread per connection is the idea: a reader that stalls, a watch that idles, an exec session that waits block
their own thread and nobody else's. Handlers return a :class:`Response`, a :class:`StreamResponse` (chunked), or an
:class:`Upgrade`, by which they take over the raw connection.

Rules:

* A connection is closed by its own thread; others only shut its socket down, which makes that thread's calls return.
* A socket carries TLS or not from its first byte; the handshake happens on the connection's thread.
* ``stop()`` returns after every connection thread has ended.
"""

from __future__ import annotations

import json
import select
import selectors
import socket
import ssl
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Callable, Optional, Union
from urllib.parse import parse_qsl, unquote

HEAD_LIMIT = 1 << 20  # net/http's own limit for a request's head
BODY_LIMIT = 64 << 20
BUFFERED_BODY = 2048  # what net/http buffers: longer bodies go out chunked unless the handler set a length

REASONS = {status.value: status.phrase for status in HTTPStatus}
REASONS.update({413: "Request Entity Too Large", 422: "Unprocessable Entity"})


class Headers:
    """Header fields, looked up without regard to case; repeated ones are kept apart."""

    __slots__ = ("_values", "items")

    def __init__(self, items: Iterable[tuple[str, str]] = ()) -> None:
        self.items: list[tuple[str, str]] = list(items)
        self._values: dict[str, str] = {}
        for name, value in self.items:
            key = name.lower()
            self._values[key] = f"{self._values[key]}, {value}" if key in self._values else value

    def get(self, name: str, default: Optional[str] = None) -> Optional[str]:
        """The field's value; values of a repeated field are joined by a comma."""
        return self._values.get(name.lower(), default)

    def get_all(self, name: str) -> list[str]:
        wanted = name.lower()
        return [value for key, value in self.items if key.lower() == wanted]

    def __contains__(self, name: str) -> bool:
        return name.lower() in self._values

    def __repr__(self) -> str:
        return f"Headers({[name for name, _ in self.items]})"


@dataclass(frozen=True)
class User:
    """Who sent a request, as authentication found."""

    name: str
    groups: tuple[str, ...] = ()


ANONYMOUS = User("system:anonymous", ("system:unauthenticated",))


class Request:
    """One request, read whole."""

    __slots__ = ("_query", "body", "connection", "headers", "info", "method", "path", "query_string", "target", "user")

    def __init__(self, method: str, target: str, headers: Headers, body: bytes, connection: Connection) -> None:
        self.method = method
        self.target = target
        path, _, self.query_string = target.partition("?")
        self.path = unquote(path)
        self.headers = headers
        self.body = body
        self.connection = connection
        self.user = ANONYMOUS
        self.info: Any = None  # the RequestInfo, once the path has been understood
        self._query: Optional[list[tuple[str, str]]] = None

    @property
    def query(self) -> list[tuple[str, str]]:
        if self._query is None:
            self._query = parse_qsl(self.query_string, keep_blank_values=True) if self.query_string else []
        return self._query

    def arg(self, name: str, default: Optional[str] = None) -> Optional[str]:
        """The first value of a query parameter."""
        return next((value for key, value in self.query if key == name), default)

    def args(self, name: str) -> list[str]:
        """All values of a repeated query parameter, in order."""
        return [value for key, value in self.query if key == name]

    def flag(self, name: str) -> bool:
        """A boolean parameter as the API server reads it: present without a value is true."""
        value = self.arg(name)
        return value is not None and value.lower() not in ("0", "false")


@dataclass
class Response:
    """An answer with a known body; a dict body is sent as JSON."""

    status: int
    body: Union[bytes, dict[str, Any]] = b""
    content_type: str = "application/json"
    headers: Iterable[tuple[str, str]] = ()

    def without_body(self) -> Upgrade:
        """The head alone, as HEAD is answered; the connection is closed after it."""
        head = reply_head(self.status, self.content_type, self.headers, False, len(self.payload()))
        return Upgrade(lambda connection: connection.send(head))

    def wire(self, keep_alive: bool) -> tuple[bytes, bytes]:
        """Head and body as they are sent: a long body is one chunk."""
        payload = self.payload()
        if len(payload) <= BUFFERED_BODY:
            return reply_head(self.status, self.content_type, self.headers, keep_alive, len(payload)), payload
        head = reply_head(self.status, self.content_type, self.headers, keep_alive, None)
        return head, b"%x\r\n%s\r\n0\r\n\r\n" % (len(payload), payload)

    def payload(self) -> bytes:
        if isinstance(self.body, bytes):
            return self.body
        return json.dumps(self.body, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


@dataclass
class StreamResponse:
    """An answer sent chunk by chunk; ``chunks`` is closed whatever happens."""

    status: int
    content_type: str
    chunks: Iterator[bytes]
    headers: Iterable[tuple[str, str]] = ()


@dataclass
class Upgrade:
    """The handler takes over the connection, which is closed when ``run`` returns."""

    run: Callable[[Connection], None]


Reply = Union[Response, StreamResponse, Upgrade]
Handler = Callable[[Request], Reply]


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


def reply_head(
    status: int, content_type: str, headers: Iterable[tuple[str, str]], keep_alive: bool, length: Optional[int]
) -> bytes:
    """Status line and header fields; without a length the body is chunked."""
    lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'Unknown')}"]
    if content_type:
        lines.append(f"Content-Type: {content_type}")
    lines.extend(f"{name}: {value}" for name, value in headers)
    lines.append("Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}")
    if not keep_alive:
        lines.append("Connection: close")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def wants_keep_alive(request: Request) -> bool:
    return "close" not in (request.headers.get("Connection") or "").lower()


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
                request = connection.read_request()
                reply = self.handler(request)
                if request.method == "HEAD" and isinstance(reply, Response):
                    reply = reply.without_body()
                if not connection.reply(reply, wants_keep_alive(request)):
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
            connection.reply(Response(400, b"400 Bad Request", "text/plain; charset=utf-8"), keep_alive=False)
        except Disconnected:
            pass

    def _end(self, connection: Connection) -> None:
        connection.close()
        with self._lock:
            self.connections.discard(connection)
            self._threads.discard(threading.current_thread())
