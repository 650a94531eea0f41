"""A WebSocket to the API server over our own connected socket, without blocking once it is open.

``websocket-client`` does the upgrade and the frames (RFC 6455); everything around them is ours: the socket comes from
:func:`connect`, so proxies, TLS and deadlines are those of every other request, and it is handed over behind a
:class:`Pipe`, which never blocks once the stream is open. A peer that stops reading while it writes cannot lock us up.

The library's own habits that would get in the way are switched off: redirects (they would take the token along), the
Origin header, proxy variables, and its process-wide cookie jar (keyed by host name: it is given one that is nobody's).
"""

from __future__ import annotations

import http.client
import os
import socket
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any, NamedTuple, Optional, TypeVar, cast
from urllib.parse import urlsplit

from ...errors import (
    APIError,
    ConnectionFailedError,
    MissingDependencyError,
    NotServedError,
    ProtocolError,
    RequestTimeoutError,
)
from ..auth.credentials import Identity
from ..config.clientconfig import ClientConfig
from ..deadline import Deadline
from ..http.dial import connect
from ..http.translate import Rule, guarded
from ..resources import Query, request_info, with_query
from ..rest import RESTClient
from ..status import failure_answer
from ..told import Exchange
from .nonblocking import Pipe, Refused, Rest

_NEEDED = "exec and file sync need the package websocket-client"
try:
    import websocket as _library
except ModuleNotFoundError as _error:
    if _error.name != "websocket":
        raise MissingDependencyError(f"{_NEEDED}, which cannot be imported ({_error})") from _error
    raise MissingDependencyError(f"{_NEEDED}, which is not installed: pip install websocket-client") from _error
except ImportError as _error:
    raise MissingDependencyError(f"{_NEEDED}, which cannot be imported ({_error})") from _error
if not hasattr(_library, "ABNF"):  # there is a package called websocket, too, and anybody's websocket.py
    raise MissingDependencyError(
        f"{_NEEDED}, but the module websocket that is found is another one ({getattr(_library, '__file__', None)}): "
        "remove it (pip uninstall websocket, or rename the file), then pip install websocket-client"
    )

T = TypeVar("T")

NOBODY = "stream.invalid"
"""The host name websocket-client is told (RFC 6761 reserves .invalid): no cookie is ever kept for it."""
UPGRADE = "UPGRADE"
"""The method by which a resend is judged: not a read, for what it starts may run."""


class Message(NamedTuple):
    """A whole message, or the close of the stream (``closed`` True; ``data`` is the reason given).

    A ping or pong counts as a message without data, which means nothing; ``pong`` is what a pong carried.
    """

    data: bytes
    closed: bool = False
    code: int = 0
    pong: Optional[bytes] = None


class NotUpgradedError(APIError):
    """The server knows none of the subprotocols offered: a bare 403 without a Status. Nothing was started."""


class WebSocketStream:
    """An open WebSocket with its subprotocol. One thread owns it; nothing here blocks but :meth:`wait`."""

    def __init__(self, library_socket: Any, pipe: Pipe, subprotocol: str, config: ClientConfig) -> None:
        self._ws = library_socket
        self._pipe = pipe
        self._config = config
        self.subprotocol = subprotocol
        self._pid = os.getpid()

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

    @property
    def received(self) -> int:
        """Bytes that have arrived since the stream was opened."""
        return self._pipe.received

    @property
    def sent(self) -> int:
        """Bytes that the peer, or a buffer on the way to it, has taken."""
        return self._pipe.sent

    def ping(self, payload: bytes) -> None:
        """Queue a ping: traffic that keeps load balancers from cutting an idle stream, and a question to the peer."""
        self._ws.ping(payload)

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
        try:
            opcode, frame = self._ws.recv_data_frame(True)
        except BlockingIOError:
            return None
        if opcode in (_library.ABNF.OPCODE_BINARY, _library.ABNF.OPCODE_TEXT):
            return Message(frame.data)
        if opcode == _library.ABNF.OPCODE_PONG:
            return Message(b"", pong=bytes(frame.data or b""))
        if opcode != _library.ABNF.OPCODE_CLOSE:
            return Message(b"")  # returned, so that a peer that only pings cannot keep us from our deadline
        data = frame.data or b""
        return Message(data[2:], True, int.from_bytes(data[:2], "big"))

    def wait(self, seconds: Optional[float]) -> bool:
        """Wait until something can be read (or sent, if something is queued); False when the time is up."""
        return self._pipe.wait(seconds)

    def close(self) -> None:
        """Say goodbye if that is possible without waiting, and close the socket.

        A forked child that leaves a ``with`` statement says nothing: the stream is its parent's.
        """
        try:
            if self._pid == os.getpid():
                self._ws.send_close()
                self._pipe.flush()
        except Exception:
            pass  # the peer may be gone; nothing depends on it
        finally:
            self._pipe.end()


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

    for attempt in client.attempts(UPGRADE, target, deadline):
        with attempt, Exchange(UPGRADE, target, client.clock) as exchange:
            stream = _attempt(client, target, subprotocols, attempt.identity, deadline)
            exchange.status = http.client.SWITCHING_PROTOCOLS
    return stream


def _attempt(
    client: RESTClient, target: str, subprotocols: Sequence[str], identity: Identity, deadline: Deadline
) -> WebSocketStream:
    headers = client.headers(identity)
    sock = connect(client.config, deadline, identity, tunnel=True)
    try:
        return _opened(client.config, Pipe(sock, deadline), target, headers, subprotocols)
    except BaseException as error:
        sock.close()
        if isinstance(error, NotServedError):
            raise client.served.judged(error, "GET", target) from None
        raise


def _opened(
    config: ClientConfig, pipe: Pipe, target: str, headers: list[tuple[str, str]], subprotocols: Sequence[str]
) -> WebSocketStream:
    library_socket = _library.WebSocket(enable_multithread=False, skip_utf8_validation=True)
    where = str(request_info("GET", target))
    try:
        _guarded(config, where, lambda: _shake_hands(library_socket, config, pipe, target, headers, subprotocols))
    except Refused as refused:
        received = refused.received
    else:
        chosen = str((library_socket.getheaders() or {}).get("sec-websocket-protocol") or "").strip()
        if chosen in subprotocols:
            return WebSocketStream(library_socket, pipe, chosen, config)
        raise ProtocolError(
            f"{where}: the server upgraded without agreeing to one of the subprotocols {', '.join(subprotocols)} "
            f"(it said {chosen or 'nothing'}): output and exit code would be guesses"
        )
    refusal = _refusal(config, pipe, received, target, headers, subprotocols)
    if isinstance(refusal, ProtocolError):
        refusal.not_upgraded = True
    raise refusal


def _shake_hands(
    library_socket: Any, config: ClientConfig, pipe: Pipe, target: str, headers: list[tuple[str, str]],
    subprotocols: Sequence[str],
) -> None:  # fmt: skip
    server = urlsplit(config.server)
    # Header values are bytes in the guise of latin-1, as http.client wants them; this library encodes text as UTF-8.
    lines = [f"{name}: {value.encode('latin-1').decode()}" for name, value in headers]
    lines.append(f"Sec-WebSocket-Protocol: {', '.join(subprotocols)}")
    library_socket.connect(
        f"ws://{NOBODY}{server.path}{target}",
        header=lines, host=server.netloc, suppress_origin=True, redirect_limit=0, socket=pipe,
    )  # fmt: skip


def _refusal(
    config: ClientConfig, pipe: Pipe, received: bytes, target: str, headers: list[tuple[str, str]],
    subprotocols: Sequence[str],
) -> Exception:  # fmt: skip
    """The exception for an answer other than 101: what it would be for any request, but for two cases."""
    where = str(request_info("GET", target))
    with closing(http.client.HTTPResponse(cast(socket.socket, Rest(pipe, received)))) as response:
        guarded(config, where, response.begin)
        code = response.status
        if code == 101:
            return ProtocolError(f"{where}: the head of the server's answer is too long or was cut")
        if code < 300:
            return ProtocolError(
                f"{where}: the server answered {code} instead of upgrading: does a proxy on the way not let WebSockets "
                "through?"
            )
        body = guarded(config, where, response.read) if code >= 400 else b""
        if code == 403 and not body.strip():
            offered = ", ".join(subprotocols)
            return NotUpgradedError(
                f"the server knows none of the subprotocols offered ({offered})", status=403, context=where
            )
        return failure_answer("GET", target, code, response.headers, lambda: body, headers)


def _guarded(config: ClientConfig, doing: str, call: Callable[[], T]) -> T:
    """``call()``; exceptions of websocket-client become ours, too."""
    return guarded(config, doing, call, LIBRARY)


LIBRARY = (
    Rule(
        _library.WebSocketTimeoutException, RequestTimeoutError,
        "{doing}: no answer from {server} in the time given", quotes=True,
    ),
    Rule(
        _library.WebSocketConnectionClosedException, ConnectionFailedError,
        "{doing}: the stream ended without a close frame", quotes=True,
    ),
    Rule(
        _library.WebSocketException, ProtocolError,
        "{doing}: the WebSocket protocol is broken ({kind})", quotes=True,
    ),
)  # fmt: skip
