"""A WebSocket to the API server, over a connected socket of ours.

Theory of operation. The socket comes from :func:`connect`, so that proxies, TLS and deadlines are
those of every other request; :mod:`.handshake` asks for the upgrade; ``websocket-client`` makes and
reads the frames. To it our socket is a :class:`Pipe`, which never waits: a peer that stops reading
while it writes cannot lock us up.

An answer other than 101 is what it would be to any request (a Status, mostly) and becomes the same
exception. It proves that nothing was started. What fails after the request has gone out proves
nothing, and is not sent again: the command may run.
"""

from __future__ import annotations

import http.client
import os
import socket
from collections.abc import Sequence
from contextlib import closing
from typing import NamedTuple, Optional, cast
from urllib.parse import urlsplit

from ...errors import (
    APIError,
    ConnectionFailedError,
    MissingDependencyError,
    NotServedError,
    ProtocolError,
)
from ..auth.credentials import Identity
from ..config.clientconfig import ClientConfig
from ..deadline import Deadline
from ..http.dial import connect
from ..http.translate import Rule, exchanging, guarded, translate
from ..resources import Query, request_info, with_query
from ..rest import RESTClient
from ..status import failure_answer
from ..told import Exchange
from .handshake import Handshake
from .nonblocking import Pipe, RefusedAnswer

_NEEDED = "exec and file sync need the package websocket-client"
try:
    import websocket as _library
except ModuleNotFoundError as _error:
    if _error.name != "websocket":
        raise MissingDependencyError(f"{_NEEDED}, which cannot be imported ({_error})") from _error
    raise MissingDependencyError(
        f"{_NEEDED}, which is not installed: pip install websocket-client"
    ) from _error
except ImportError as _error:
    raise MissingDependencyError(f"{_NEEDED}, which cannot be imported ({_error})") from _error
if not hasattr(
    _library, "ABNF"
):  # there is a package called websocket, too, and anybody's websocket.py
    raise MissingDependencyError(
        f"{_NEEDED}, but the module websocket that is found is another one "
        f"({getattr(_library, '__file__', None)}): remove it (pip uninstall websocket, or rename "
        "the file), then pip install websocket-client"
    )

LIBRARY = (
    Rule(
        _library.WebSocketConnectionClosedException, ConnectionFailedError,
        "{doing}: the stream ended without a close frame", quotes=True,
    ),
    Rule(
        _library.WebSocketException, ProtocolError,
        "{doing}: the WebSocket protocol is broken ({kind})", quotes=True,
    ),
)  # fmt: skip
"""What the exceptions of websocket-client mean."""
UPGRADE = "UPGRADE"
"""The method by which a resend is judged: not a read, for what it starts may run."""


class Message(NamedTuple):
    """A whole message, or the close of the stream (``closed`` True; ``data`` is the reason given).

    A ping or pong counts as a message without data, which means nothing; ``pong`` is what a pong
    carried.
    """

    data: bytes
    closed: bool = False
    code: int = 0
    pong: Optional[bytes] = None


class NotUpgradedError(APIError):
    """The server knows none of the subprotocols offered: a bare 403 without a Status. Nothing was
    started.
    """


class WebSocketStream:
    """An open WebSocket with its subprotocol. One thread owns it; only :meth:`wait` waits."""

    def __init__(self, pipe: Pipe, subprotocol: str, config: ClientConfig) -> None:
        self.subprotocol = subprotocol
        self._pipe = pipe
        self._config = config
        self._frames = _library.WebSocket(enable_multithread=False, skip_utf8_validation=True)
        self._frames.sock = cast(socket.socket, pipe)
        self._frames.connected = True  # the handshake was ours
        self._pid = os.getpid()

    def __enter__(self) -> WebSocketStream:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @property
    def queued(self) -> int:
        """Bytes that wait to be sent."""
        return self._pipe.queued

    @property
    def received(self) -> int:
        """Bytes that have arrived since the stream was opened."""
        return self._pipe.received

    @property
    def sent(self) -> int:
        """Bytes that the peer, or a buffer on the way to it, has taken."""
        return self._pipe.sent

    def send(self, message: bytes) -> None:
        """Queue one binary message, as one frame."""
        self._frames.send_binary(message)

    def ping(self, payload: bytes) -> None:
        """Queue a ping: traffic that keeps load balancers from cutting an idle stream, and a
        question to the peer.
        """
        self._frames.ping(payload)

    def flush(self) -> None:
        """Send of what is queued as much as the peer takes now.

        Raises:
            ConnectionFailedError: the connection is lost.
        """
        try:
            self._pipe.flush()
        except OSError as error:
            raise translate(error, "sending", self._config) from error

    def receive(self) -> Optional[Message]:
        """The next whole message, or None if it has not arrived yet. Pings are answered on the way.

        Raises:
            ConnectionFailedError: the stream ended without a close frame. ProtocolError: the frames
                are malformed.
        """
        try:
            opcode, frame = self._frames.recv_data_frame(True)
        except BlockingIOError:
            return None
        except (OSError, ValueError, _library.WebSocketException) as error:
            failure = self._reading_failed(error)
        else:
            return _message(opcode, bytes(frame.data or b""))
        raise failure  # out here: an exception that may quote what was received is not its context

    def _reading_failed(self, error: Exception) -> Exception:
        if isinstance(error, _library.WebSocketTimeoutException):
            # No wait of the library's: what the kernel says of a dead path (ETIMEDOUT) is a
            # TimeoutError to Python, and the library puts its own in the place of any of those.
            error = cast(Exception, error.__context__)
        return translate(error, "receiving", self._config, LIBRARY)

    def wait(self, seconds: Optional[float]) -> bool:
        """Wait until something can be read (or sent, if something is queued); False when the time
        is up.
        """
        return self._pipe.wait(seconds)

    def close(self) -> None:
        """Say goodbye if that is possible without waiting, and close the socket.

        A forked child that leaves a ``with`` statement says nothing: the stream is its parent's.
        """
        try:
            if self._pid == os.getpid():
                self._frames.send_close()
                self._pipe.flush()
        except Exception:
            pass  # the peer may be gone; nothing depends on it
        finally:
            self._pipe.end()


def _message(opcode: int, data: bytes) -> Message:
    if opcode in (_library.ABNF.OPCODE_BINARY, _library.ABNF.OPCODE_TEXT):
        return Message(data)
    if opcode == _library.ABNF.OPCODE_PONG:
        return Message(b"", pong=data)
    if opcode == _library.ABNF.OPCODE_CLOSE:
        return Message(data[2:], True, int.from_bytes(data[:2], "big"))
    return Message(b"")  # returned, so that a peer that only pings cannot keep us from our deadline


def upgrade(
    client: RESTClient, path: str, *, query: Query, subprotocols: Sequence[str], deadline: Deadline
) -> WebSocketStream:
    """Open a WebSocket at ``path``, offering ``subprotocols`` in that order.

    A 401 is answered with refreshed credentials once; 429, 503 with Retry-After and a refused
    connection are tried again (nothing was started). Anything later is not: the command may run.

    Raises:
        APIError: the Status the server answered with. NotUpgradedError: it knows none of the
            subprotocols.
        TransportError: no connection, no answer in time, or an upgrade that breaks the protocol.
    """
    target = with_query(path, query)
    for attempt in client.attempts(UPGRADE, target, deadline):
        with attempt:
            stream = _upgrade_once(client, target, subprotocols, deadline, attempt.identity)
    return stream


def _upgrade_once(
    client: RESTClient,
    target: str,
    subprotocols: Sequence[str],
    deadline: Deadline,
    identity: Identity,
) -> WebSocketStream:
    """Connect, ask for the upgrade, and judge the answer."""
    config = client.config
    handshake = Handshake(subprotocols, str(request_info("GET", target)))
    headers = client.headers(identity)
    with Exchange(UPGRADE, target, client.clock) as exchange:
        sock = connect(config, deadline, identity, tunnel=True)
        server = urlsplit(config.server)
        try:
            with exchanging(config, handshake.doing):
                pipe = Pipe(sock, deadline)
                pipe.send(handshake.request(server.path + target, server.netloc, headers))
                pipe.flush()
                head = pipe.read_head()
            if handshake.is_agreed(head):
                exchange.status = http.client.SWITCHING_PROTOCOLS
                return WebSocketStream(pipe, handshake.subprotocol(head), config)
            answer = http.client.HTTPResponse(cast(socket.socket, RefusedAnswer(pipe, head)))
            with closing(answer):
                raise _refusal(client, target, handshake, answer, headers)
        except BaseException:
            sock.close()
            raise


def _refusal(
    client: RESTClient, target: str, handshake: Handshake, answer: http.client.HTTPResponse,
    headers: list[tuple[str, str]],
) -> Exception:  # fmt: skip
    """The exception for an answer other than 101: as for any request, but for two cases."""
    doing = handshake.doing
    guarded(client.config, doing, answer.begin)
    code = answer.status
    if code == http.client.SWITCHING_PROTOCOLS:  # so the command may run
        return ProtocolError(f"{doing}: the head of the server's answer is too long or was cut")
    if code < 300:
        failure: Exception = ProtocolError(
            f"{doing}: the server answered {code} instead of upgrading: does a proxy on the way "
            "not let WebSockets through?"
        )
    else:
        body = b""  # that of a redirect may have no end
        if code >= 400:
            body = guarded(client.config, doing, answer.read)
        if code == 403 and not body.strip():
            offered = ", ".join(handshake.subprotocols)
            problem = f"the server knows none of the subprotocols offered ({offered})"
            return NotUpgradedError(problem, status=403, context=doing)
        failure = failure_answer("GET", target, code, answer.headers, lambda: body, headers)
    if isinstance(failure, ProtocolError):
        failure.not_upgraded = True
    if isinstance(failure, NotServedError):
        return client.served.judged(failure, "GET", target)
    return failure
