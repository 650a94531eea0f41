"""The server side of Kubernetes' channel protocols: many streams over one WebSocket.

A message is one byte that names a channel, then payload; the ``base64`` variants send text, an ASCII digit and then
base64. How the API server's own library (x/net/websocket below apimachinery's wsstream) behaves is part of the
protocol, for clients see it:

* Every *frame* is taken as a message: fragments are not put together.
* An empty message is ignored; so is a frame for a channel that does not exist, or that the server only writes.
* v5 alone knows ``[255, channel]``, the end of a channel; in another length, or for a channel that does not exist,
  it ends the connection. For v4, 255 is a channel that does not exist.
* Input is handed on as fast as the receiver takes it, and nothing else is read meanwhile: no pong is sent while
  stdin is stuck.
* The connection ends with a close frame of code 1000, whatever happened before.

:class:`ChannelSocket` is used by two threads: one reads, another writes (and closes).
"""

from __future__ import annotations

import base64
import binascii
import threading
from collections.abc import Iterator
from typing import Callable, Union

from wsproto.connection import Connection as WebSocket
from wsproto.connection import ConnectionState, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong, TextMessage
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from .duplex import Duplex, Gone
from .http import Connection

STREAM_CLOSE = 255
V5 = "v5.channel.k8s.io"
V4 = "v4.channel.k8s.io"
V4_BASE64 = "v4.base64.channel.k8s.io"
UNVERSIONED = ("", "channel.k8s.io", "base64.channel.k8s.io")

Message = Union[BytesMessage, TextMessage]


class Codec:
    """Channel and payload to message and back: ``raw`` (binary) or ``base64`` (text)."""

    def __init__(self, protocol: str) -> None:
        self.base64 = "base64" in protocol

    def encode(self, channel: int, payload: bytes) -> Message:
        if self.base64:
            return TextMessage(data=chr(ord("0") + channel) + base64.b64encode(payload).decode())
        return BytesMessage(data=bytes((channel,)) + payload)

    def decode(self, message: bytes) -> tuple[int, bytes]:
        """Raises ValueError for a payload that is no base64."""
        if not self.base64:
            return message[0], message[1:]
        try:
            text = message[1:].replace(b"\n", b"").replace(b"\r", b"")  # Go overlooks them
            return message[0] - ord("0"), base64.b64decode(text, validate=True)
        except binascii.Error as error:
            raise ValueError("payload is no base64") from error


class ChannelSocket:
    """An upgraded connection: messages of channels out, frames of channels in."""

    def __init__(self, connection: Connection, protocol: str, stopping: threading.Event) -> None:
        self.protocol = protocol
        self.connection = connection
        self.codec = Codec(protocol)
        self._duplex = Duplex(connection.socket, stopping)
        self._early = connection.buffered()
        self._websocket = WebSocket(ConnectionType.SERVER)
        self._write_lock = threading.Lock()
        self._closing = False
        self._stalled = False
        self.was_reset = False

    def started(self) -> None:
        """The command has begun: for what is to happen then."""

    def send(self, channel: int, payload: bytes) -> None:
        """Send one message; dropped when the connection is closed or gone."""
        self.transmit(self.codec.encode(channel, payload))

    def send_status(self, channel: int, status: bytes) -> None:
        """Send the message that ends the session."""
        self.send(channel, status)

    def writer(self, channel: int) -> Callable[[bytes], None]:
        """A sink that sends what it gets on one channel. It never sends an empty message."""

        def write(data: bytes) -> None:
            if data:
                self.send(channel, data)

        return write

    def transmit(self, event: Union[Message, Pong, CloseConnection]) -> None:
        """Send one frame; dropped when the connection is closed or gone."""
        with self._write_lock:
            if self._closing:
                return
            self._closing = isinstance(event, CloseConnection)
            try:
                self.write(self._websocket.send(event))
            except (Gone, LocalProtocolError):
                self._closing = True

    def write(self, data: bytes) -> None:
        """Send the bytes of a frame."""
        self._duplex.send(data)

    def input_within(self, milliseconds: int) -> bool:
        """Does the client say anything within this time? Asked before :meth:`frames` begins."""
        return bool(self._early) or self._duplex.readable(milliseconds)

    def frames(self) -> Iterator[tuple[int, bytes]]:
        """(channel, payload) of each frame until either side ends the connection."""
        try:
            yield from self._frames()
        except RemoteProtocolError:
            self.close(1002)

    def _frames(self) -> Iterator[tuple[int, bytes]]:
        part = bytearray()
        data = self._early or self._duplex.receive()
        while data:
            for event in self._events(data):
                if isinstance(event, CloseConnection):
                    if self._websocket.state is ConnectionState.OPEN:  # nothing the peer said: it broke the protocol
                        self.close(int(event.code))
                    return
                if isinstance(event, Ping):
                    self.transmit(event.response())
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
            yield self.codec.decode(message)
        except ValueError:
            return  # logged by a real server, and ignored

    def close(self, code: int = 1000) -> None:
        """Say that it is over. The reader ends when the peer has closed its side, or has not for a while."""
        if not self._stalled:
            self.transmit(CloseConnection(code=code))
            self._duplex.end_output()

    def reset(self) -> None:
        """Say nothing more; the reader ends, and its thread lets the connection end by RST."""
        with self._write_lock:
            self._closing = self._stalled = self.was_reset = True
        self._duplex.end_input()

    def drop(self) -> None:
        """Let the connection end without a close frame: the peer sees the end of the stream."""
        with self._write_lock:
            self._closing = True
        self._duplex.end_output()
        self._duplex.end_input()

    def stall(self) -> None:
        """Say nothing more, and leave the connection open until the client closes it."""
        with self._write_lock:
            self._closing = self._stalled = True

    def finish(self) -> None:
        """On the reader's own thread: close, and wait for the peer to do the same."""
        self.close()
        for _ in self.frames():
            pass
