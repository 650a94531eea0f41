"""A WebSocket to the API server over our own connected socket, without blocking once it is open.

Theory of operation. ``websocket-client`` does the upgrade and the frames (RFC 6455); everything around them is ours:
the socket comes from :func:`connect`, so proxies, TLS and deadlines are those of every other request, and it is handed
over behind :class:`_Pipe`, which buffers both directions. During the upgrade the pipe waits; afterwards it never does:
a read without data raises BlockingIOError, which ``websocket-client`` survives in the middle of a frame, and a write
is queued. So one thread can send and receive at the same time, and a peer that stops reading while it writes cannot
lock us up.

The library's own habits that would get in the way are switched off: redirects (they would take the token along), the
Origin header, proxy variables, and its process-wide cookie jar (keyed by host name: it is given one that is nobody's).
"""

from __future__ import annotations

import select
import socket
import ssl
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Optional, TypeVar, Union
from urllib.parse import urlsplit

from ..errors import (
    APIError,
    ConnectionFailedError,
    MissingDependencyError,
    ProtocolError,
    RequestTimeoutError,
    TransportError,
)
from . import retry
from .config import ClientConfig
from .connect import connect
from .deadline import Backoff, Deadline
from .failures import guarded
from .paths import Query, request_info, with_query
from .rest import RESTClient, redirect_refused, status_error

try:
    import websocket as _library
except ImportError as _error:
    raise MissingDependencyError(
        "exec, file sync and port-forward need the package websocket-client, which is not installed: "
        "pip install websocket-client"
    ) from _error

T = TypeVar("T")

READ_SIZE = 65536
NOBODY = "stream.invalid"
"""The host name websocket-client is told (RFC 6761 reserves .invalid): no cookie is ever kept for it."""


class Message(NamedTuple):
    """A whole message, or the close of the stream (``closed`` True; ``data`` is the reason given)."""

    data: bytes
    closed: bool = False
    code: int = 0


class NotUpgradedError(APIError):
    """The server knows none of the subprotocols offered: a bare 403 without a Status. Nothing was started."""


class _Pipe:
    """What websocket-client takes for a socket (see the module's theory)."""

    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        self.sock = sock
        self.opening: Optional[Deadline] = deadline
        self._inbound = b""
        self._taken = 0
        self._outbound: deque[memoryview] = deque()
        self.queued = 0
        self._read_wants_write = False
        self._write_wants_read = False
        sock.setblocking(False)

    # websocket-client's side

    def gettimeout(self) -> float:
        return 0.0  # makes websocket-client call recv() and send() plainly, without waits of its own

    def settimeout(self, seconds: Optional[float]) -> None:
        pass

    def fileno(self) -> int:
        return self.sock.fileno()

    def recv(self, size: int) -> bytes:
        if self._taken >= len(self._inbound):
            self._inbound, self._taken = self._fill(), 0
        data = self._inbound[self._taken : self._taken + size]
        self._taken += len(data)
        return data

    def send(self, data: bytes) -> int:
        if data:
            self._outbound.append(memoryview(data))
            self.queued += len(data)
        return len(data)

    def shutdown(self, how: int) -> None:
        pass

    def close(self) -> None:
        self.sock.close()

    # our side

    def _fill(self) -> bytes:
        while True:
            self._read_wants_write = False
            try:
                return self.sock.recv(READ_SIZE)
            except (BlockingIOError, ssl.SSLWantReadError):
                pass
            except ssl.SSLWantWriteError:
                self._read_wants_write = True
            if self.opening is None:
                raise BlockingIOError
            self._wait_opening()

    def _wait_opening(self) -> None:
        assert self.opening is not None
        self.flush()
        if self.opening.expired or not self.wait(self.opening.remaining()):
            raise RequestTimeoutError("no answer to the upgrade request in the time given")

    def flush(self) -> None:
        """Send what can be sent now."""
        self._write_wants_read = False
        while self._outbound:
            chunk = self._outbound[0]
            try:
                sent = self.sock.send(chunk)
            except (BlockingIOError, ssl.SSLWantWriteError):
                return
            except ssl.SSLWantReadError:
                self._write_wants_read = True
                return
            self.queued -= sent
            if sent == len(chunk):
                self._outbound.popleft()
            else:
                self._outbound[0] = chunk[sent:]

    def wait(self, seconds: Optional[float]) -> bool:
        """Wait until the socket can be read, or written where something is queued; False when the time is up."""
        write = (bool(self._outbound) and not self._write_wants_read) or self._read_wants_write
        if not hasattr(select, "poll"):
            return any(select.select([self.sock], [self.sock] if write else [], [], seconds))
        poller = select.poll()
        poller.register(self.sock, select.POLLIN | (select.POLLOUT if write else 0))
        return bool(poller.poll(None if seconds is None else max(0, int(seconds * 1000 + 0.999))))


class WebSocketStream:
    """An open WebSocket with its subprotocol. One thread owns it; nothing here blocks but :meth:`wait`."""

    def __init__(self, library_socket: Any, pipe: _Pipe, subprotocol: str, config: ClientConfig) -> None:
        self._ws = library_socket
        self._pipe = pipe
        self._config = config
        self.subprotocol = subprotocol

    def __enter__(self) -> WebSocketStream:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @property
    def queued(self) -> int:
        """Bytes that wait to be sent."""
        return self._pipe.queued

    def send(self, message: bytes) -> None:
        """Queue one binary message, as one frame."""
        self._ws.send_binary(message)

    def ping(self) -> None:
        """Queue a ping: traffic that keeps load balancers from cutting an idle stream."""
        self._ws.ping()

    def flush(self) -> None:
        """Send of what is queued as much as the peer takes now."""
        _guarded(self._config, "sending", self._pipe.flush)

    def receive(self) -> Optional[Message]:
        """The next whole message, or None if it has not arrived yet. Pings are answered on the way.

        Raises:
            ConnectionFailedError: the stream ended without a close frame. ProtocolError: the frames are malformed.
        """
        return _guarded(self._config, "receiving", self._receive)

    def _receive(self) -> Optional[Message]:
        while True:
            try:
                opcode, frame = self._ws.recv_data_frame(True)
            except BlockingIOError:
                return None
            if opcode in (_library.ABNF.OPCODE_BINARY, _library.ABNF.OPCODE_TEXT):
                return Message(frame.data)
            if opcode == _library.ABNF.OPCODE_CLOSE:
                data = frame.data or b""
                return Message(data[2:], True, int.from_bytes(data[:2], "big"))

    def wait(self, seconds: Optional[float]) -> bool:
        """Wait until something can be read (or sent, if something is queued); False when the time is up."""
        return self._pipe.wait(seconds)

    def close(self) -> None:
        """Say goodbye if that is possible without waiting, and close the socket."""
        try:
            self._ws.send_close()
            self._pipe.flush()
        except Exception:
            pass  # the peer may be gone; nothing depends on it
        finally:
            self._pipe.close()


def upgrade(
    client: RESTClient, path: str, *, query: Query, subprotocols: Sequence[str], deadline: Deadline
) -> WebSocketStream:
    """Open a WebSocket at ``path``, offering ``subprotocols`` in that order.

    A 401 is answered with refreshed credentials once; 429, 503 with Retry-After and a refused connection are tried
    again (nothing was started). Anything later is not: the command may run.

    Raises:
        APIError: the Status the server answered with. NotUpgradedError: it knows none of the subprotocols.
        TransportError: no connection, no answer in time, or an upgrade that breaks the protocol.
    """
    target = with_query(path, query)
    backoff = Backoff(first=0.1, limit=2.0)
    refreshed = False
    for attempt in range(1, retry.ATTEMPTS + 1):
        sock: Optional[socket.socket] = None
        try:
            sock = connect(client.config, deadline, tunnel=True)
            return _handshake(client, sock, target, subprotocols, deadline)
        except (ConnectionFailedError, APIError) as error:
            status = getattr(error, "status", 0)
            if status == 401 and not refreshed and client.config.credentials.refresh(deadline):
                refreshed = True
                continue
            wait = _pause_after(error, nothing_sent=sock is None, backoff=backoff)
            if wait is None or attempt == retry.ATTEMPTS or (deadline.capped(wait) or 0) < wait:
                raise
            client.clock.sleep(wait)
    raise AssertionError("unreachable: the last attempt returns or raises")


def _pause_after(error: Exception, *, nothing_sent: bool, backoff: Backoff) -> Optional[float]:
    if isinstance(error, APIError):
        return retry.retry_answer("UPGRADE", error.status, error.retry_after, backoff.next())
    return retry.retry_transport("UPGRADE", nothing_sent, backoff.next())


def _handshake(
    client: RESTClient, sock: socket.socket, target: str, subprotocols: Sequence[str], deadline: Deadline
) -> WebSocketStream:
    pipe = _Pipe(sock, deadline)
    library_socket = _library.WebSocket(enable_multithread=False, skip_utf8_validation=True)
    where = request_info("GET", target)
    try:
        try:
            _guarded(client.config, str(where), lambda: _connect(library_socket, pipe, client, target, subprotocols))
        except _library.WebSocketBadStatusException as error:
            refusal: Exception = _refusal(error, target)
        else:
            subprotocol = _agreed(library_socket, subprotocols, f"{where}", client.config)
            pipe.opening = None
            return WebSocketStream(library_socket, pipe, subprotocol, client.config)
        raise refusal  # out here: the library's exception quotes headers and body, and is not its context
    except BaseException:
        sock.close()
        raise


def _connect(library_socket: Any, pipe: _Pipe, client: RESTClient, target: str, subprotocols: Sequence[str]) -> None:
    assert pipe.opening is not None
    server = urlsplit(client.config.server)
    # Header values are bytes in the guise of latin-1, as http.client wants them; this library encodes text as UTF-8.
    headers = [f"{name}: {value.encode('latin-1').decode()}" for name, value in client.headers(pipe.opening)]
    headers.append(f"Sec-WebSocket-Protocol: {', '.join(subprotocols)}")
    try:
        library_socket.connect(
            f"ws://{NOBODY}{server.path}{target}",
            header=headers, host=server.netloc, suppress_origin=True, redirect_limit=0, socket=pipe,
        )  # fmt: skip
    except _library.WebSocketException:
        if not _redirected(library_socket):  # else _agreed() says so
            raise


def _redirected(library_socket: Any) -> bool:
    response = library_socket.handshake_response
    return response is not None and 300 <= response.status < 400


def _agreed(library_socket: Any, subprotocols: Sequence[str], where: str, config: ClientConfig) -> str:
    """The subprotocol both sides speak now."""
    headers = library_socket.handshake_response.headers or {}
    if _redirected(library_socket):
        raise redirect_refused(where, library_socket.handshake_response.status, str(headers.get("location")), config)
    subprotocol = str(headers.get("sec-websocket-protocol") or "").strip()
    if subprotocol in subprotocols:
        return subprotocol
    raise ProtocolError(
        f"{where}: the server upgraded without agreeing to one of the subprotocols {', '.join(subprotocols)} "
        f"(it said {subprotocol or 'nothing'}): output and exit code would be guesses"
    )


def _refusal(error: Any, target: str) -> Union[APIError, ProtocolError]:
    """The exception for an answer other than 101: its Status, or NotUpgradedError for a 403 without any."""
    if error.status_code < 400:
        return ProtocolError(
            f"{request_info('GET', target)}: the server answered {error.status_code} instead of upgrading: "
            "does a proxy on the way not let WebSockets through?"
        )
    body = error.resp_body or b""
    body = body.encode() if isinstance(body, str) else bytes(body)
    if error.status_code == 403 and not body.strip():
        return NotUpgradedError(
            "the server knows none of the subprotocols offered", status=403, context=str(request_info("GET", target))
        )
    retry_after = retry.parse_retry_after((error.resp_headers or {}).get("retry-after"))
    return status_error(error.status_code, body, "GET", target, retry_after=retry_after)


def _guarded(config: ClientConfig, doing: str, call: Callable[[], T]) -> T:
    """The boundary: exceptions of websocket-client become ours, but for the refusal of an upgrade."""
    try:
        return guarded(config, doing, call)
    except _library.WebSocketBadStatusException:
        raise
    except _library.WebSocketTimeoutException:
        failure: TransportError = RequestTimeoutError(f"{doing}: no answer in the time given")
    except _library.WebSocketConnectionClosedException:
        failure = ConnectionFailedError(f"{doing}: the stream ended without a close frame")
    except _library.WebSocketException as error:
        failure = ProtocolError(f"{doing}: the WebSocket protocol is broken ({type(error).__name__})")
    raise failure
