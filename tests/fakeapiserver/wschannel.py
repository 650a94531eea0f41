"""The server side of Kubernetes' channel protocols: many streams over one WebSocket.

A message is one byte that names a channel, then payload; the ``base64`` variants send text, an ASCII digit and then
base64. How the API server's own library (x/net/websocket below apimachinery's wsstream) behaves is part of the
protocol, for clients see it:

* A refused handshake is a bare status line: no header, no body.
* Without an offered protocol the answer carries an empty ``Sec-WebSocket-Protocol`` and version 1 is spoken.
* Every *frame* is taken as a message: fragments are not put together.
* An empty message is ignored; so is a frame for a channel that does not exist, or that the server only writes.
* v5 alone knows ``[255, channel]``, the end of a channel; in another length, or for a channel that does not exist,
  it ends the connection. For v4, 255 is a channel that does not exist.
* Input is handed on as fast as the receiver takes it, and nothing else is read meanwhile: no pong is sent while
  stdin is stuck.
* The connection ends with a close frame of code 1000, whatever happened before.

:class:`ChannelSocket` is used by two threads: one reads, another writes. A TLS connection object takes only one at a
time, so the socket is non-blocking, both wait with poll(2) outside a lock and touch it inside.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import select
import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Callable, Optional, Union

from wsproto.connection import Connection as WebSocket
from wsproto.connection import ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong, TextMessage
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from .http import Connection, Request

STREAM_CLOSE = 255
V5 = "v5.channel.k8s.io"
V4 = "v4.channel.k8s.io"
V4_BASE64 = "v4.base64.channel.k8s.io"
UNVERSIONED = ("", "channel.k8s.io", "base64.channel.k8s.io")
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3
CLOSE_WAIT = 1000  # milliseconds for the peer to answer a close frame before the connection is cut


@dataclass(frozen=True)
class Refusal:
    """Why a handshake fails: status line, extra header lines and text, as x/net/websocket writes them."""

    status: str
    text: str = ""
    header: str = ""

    def raw(self) -> bytes:
        return f"HTTP/1.1 {self.status}\r\n{self.header}\r\n{self.text}".encode()


UNKNOWN_PROTOCOL = Refusal("403 Forbidden")
BAD_METHOD = Refusal("405 Method Not Allowed", "bad method")
NO_KEY = Refusal("400 Bad Request", "mismatch challenge/response")
BAD_VERSION = Refusal("400 Bad Request", "missing or bad WebSocket Version", "Sec-WebSocket-Version: 13\r\n")


def is_upgrade(request: Request) -> bool:
    """Does the request ask to leave HTTP?"""
    tokens = (request.headers.get("Connection") or "").lower().split(",")
    return any(token.strip() == "upgrade" for token in tokens)


def is_websocket(request: Request) -> bool:
    return is_upgrade(request) and (request.headers.get("Upgrade") or "").lower() == "websocket"


def offered(request: Request) -> list[str]:
    """The subprotocols the client asks for, in its order."""
    header = request.headers.get("Sec-WebSocket-Protocol") or ""
    return [name.strip() for name in header.split(",")] if header.strip() else []


def negotiate(request: Request, supported: Sequence[str]) -> Union[str, Refusal]:
    """The first offered protocol that the server speaks, or why there is no session."""
    if request.method != "GET":
        return BAD_METHOD
    if not request.headers.get("Sec-WebSocket-Key"):
        return NO_KEY
    if request.headers.get("Sec-WebSocket-Version") != "13":
        return BAD_VERSION
    wanted = offered(request) or [""]
    return next((name for name in wanted if name in supported), UNKNOWN_PROTOCOL)


def accept_response(key: str, protocol: Optional[str]) -> bytes:
    """The 101 answer; ``None`` leaves the protocol's header out."""
    digest = base64.b64encode(hashlib.sha1(key.encode() + _GUID).digest()).decode()  # noqa: S324 (RFC 6455)
    lines = [
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Accept: {digest}",
    ]
    if protocol is not None:
        lines.append(f"Sec-WebSocket-Protocol: {protocol}")
    return "\r\n".join([*lines, "", ""]).encode()


class Codec:
    """Channel and payload to message and back: ``raw`` (binary) or ``base64`` (text)."""

    def __init__(self, protocol: str) -> None:
        self.base64 = "base64" in protocol

    def encode(self, channel: int, payload: bytes) -> Union[BytesMessage, TextMessage]:
        if self.base64:
            return TextMessage(data=chr(ord("0") + channel) + base64.b64encode(payload).decode())
        return BytesMessage(data=bytes((channel,)) + payload)

    def decode(self, message: bytes) -> tuple[int, bytes]:
        """Raises ValueError for a payload that is no base64."""
        if not self.base64:
            return message[0], message[1:]
        try:
            return message[0] - ord("0"), base64.b64decode(message[1:], validate=True)
        except binascii.Error as error:
            raise ValueError("payload is no base64") from error


class Gone(Exception):
    """The peer has gone: nothing can be sent any more."""


class Duplex:
    """A connected socket that one thread reads while another writes, with TLS or without."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._lock = threading.Lock()
        self._fd = sock.fileno()
        self._output_ended = False
        sock.setblocking(False)

    def receive(self) -> bytes:
        """Some bytes; none at the end of the stream, however it ended.

        After :meth:`end_output` a peer that says nothing more is waited for only so long.
        """
        wait = select.POLLIN
        while True:
            try:
                with self._lock:
                    return self._socket.recv(65536)
            except (BlockingIOError, ssl.SSLWantReadError):
                wait = select.POLLIN
            except ssl.SSLWantWriteError:
                wait = select.POLLOUT
            except (OSError, ValueError):
                return b""
            if not self._wait(wait, CLOSE_WAIT if self._output_ended else None):
                return b""

    def readable(self, milliseconds: int) -> bool:
        """Has something come, or does it within this time?"""
        pending = isinstance(self._socket, ssl.SSLSocket) and self._socket.pending() > 0
        return pending or self._wait(select.POLLIN, milliseconds)

    def send(self, data: bytes) -> None:
        """All of it; raises :class:`Gone`."""
        view = memoryview(data)
        wait = select.POLLOUT
        while view:
            try:
                with self._lock:
                    sent = self._socket.send(view)
                view = view[sent:]
                continue
            except (BlockingIOError, ssl.SSLWantWriteError):
                wait = select.POLLOUT
            except ssl.SSLWantReadError:
                wait = select.POLLIN
            except (OSError, ValueError) as error:
                raise Gone(str(error)) from error
            self._wait(wait)

    def _wait(self, events: int, milliseconds: Optional[int] = None) -> bool:
        poll = select.poll()
        poll.register(self._fd, events)
        return bool(poll.poll(milliseconds))

    def end_output(self) -> None:
        """No more will be sent: TLS is told (close_notify), then TCP (FIN). Input can still come."""
        self._output_ended = True
        with self._lock:
            if isinstance(self._socket, ssl.SSLSocket):
                try:
                    self._socket.unwrap()
                except (OSError, ValueError):
                    pass  # the peer's close_notify has not come yet
        self._shut_down(socket.SHUT_WR)

    def cut(self) -> None:
        """End both directions: whoever waits for the peer wakes up."""
        self._shut_down(socket.SHUT_RDWR)

    def _shut_down(self, how: int) -> None:
        try:
            socket.socket.shutdown(self._socket, how)  # SSLSocket's own forgets its cipher for the other direction
        except (OSError, ValueError):
            pass


class ChannelSocket:
    """An upgraded connection: messages of channels out, frames of channels in."""

    def __init__(self, connection: Connection, protocol: str) -> None:
        self.protocol = protocol
        self.connection = connection
        self._codec = Codec(protocol)
        self._duplex = Duplex(connection.socket)
        self._early = connection.buffered()
        self._websocket = WebSocket(ConnectionType.SERVER)
        self._write_lock = threading.Lock()
        self._closing = False
        self._reader_done = threading.Event()

    def send(self, channel: int, payload: bytes) -> None:
        """Send one message; dropped when the connection is closed or gone."""
        self._transmit(self._codec.encode(channel, payload))

    def writer(self, channel: int) -> Callable[[bytes], None]:
        """A sink that sends what it gets on one channel. It never sends an empty message."""

        def write(data: bytes) -> None:
            if data:
                self.send(channel, data)

        return write

    def _transmit(self, event: Union[BytesMessage, TextMessage, Pong, CloseConnection]) -> None:
        with self._write_lock:
            if self._closing:
                return
            self._closing = isinstance(event, CloseConnection)
            try:
                self._duplex.send(self._websocket.send(event))
            except (Gone, LocalProtocolError):
                self._closing = True

    def input_within(self, milliseconds: int) -> bool:
        """Does the client say anything within this time? Asked before :meth:`frames` begins."""
        return bool(self._early) or self._duplex.readable(milliseconds)

    def frames(self) -> Iterator[tuple[int, bytes]]:
        """(channel, payload) of each frame until either side ends the connection."""
        try:
            yield from self._frames()
        except RemoteProtocolError:
            self.close(1002)
        finally:
            self._reader_done.set()

    def _frames(self) -> Iterator[tuple[int, bytes]]:
        part = bytearray()
        data = self._early or self._duplex.receive()
        while data:
            for event in self._events(data):
                if isinstance(event, CloseConnection):
                    return
                if isinstance(event, Ping):
                    self._transmit(event.response())
                elif isinstance(event, (BytesMessage, TextMessage)):
                    part += event.data.encode() if isinstance(event.data, str) else event.data
                    if event.frame_finished:
                        message, part = bytes(part), bytearray()
                        yield from self._decoded(message)
            data = self._duplex.receive()

    def _events(self, data: bytes) -> Iterator[object]:
        self._websocket.receive_data(data)
        return self._websocket.events()

    def _decoded(self, message: bytes) -> Iterator[tuple[int, bytes]]:
        if not message:
            return
        try:
            yield self._codec.decode(message)
        except ValueError:
            return  # logged by a real server, and ignored

    def close(self, code: int = 1000) -> None:
        """Say that it is over. The reader ends when the peer has closed its side, or has not for a while."""
        self._transmit(CloseConnection(code=code))
        self._duplex.end_output()

    def finish(self) -> None:
        """On the reader's own thread: close, and wait for the peer to do the same."""
        self.close()
        for _ in self.frames():
            pass

    def hang_up(self) -> None:
        """From another thread than the reader's: close, and see to it that the reader ends."""
        self.close()
        if not self._reader_done.wait(CLOSE_WAIT / 1000):
            self._duplex.cut()
