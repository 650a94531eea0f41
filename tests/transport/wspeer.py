"""The server's end of a WebSocket, for tests that need one to misbehave: frames by wsproto, bytes by the test."""

from __future__ import annotations

import socket
from typing import Optional

from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, BytesMessage, CloseConnection, Event, Ping, Pong, Request

from .scripted import Peer


class WSPeer:
    """An upgraded connection."""

    def __init__(self, peer: Peer, subprotocol: Optional[str] = "v5.channel.k8s.io") -> None:
        self.peer = peer
        self._ws = WSConnection(ConnectionType.SERVER)
        head = peer.request()
        if head is None:
            raise OSError("no request")
        self._ws.receive_data(head.replace("\n", "\r\n").encode("latin-1") + b"\r\n\r\n")
        self._events = self._ws.events()
        request = next(self._events)
        assert isinstance(request, Request)
        self.offered = request.subprotocols
        answer = self._ws.send(AcceptConnection(subprotocol=subprotocol if subprotocol in self.offered else None))
        if subprotocol is not None and subprotocol not in self.offered:
            line = f"\r\nSec-WebSocket-Protocol: {subprotocol}\r\n\r\n".encode()
            answer = answer.removesuffix(b"\r\n\r\n") + line if hasattr(answer, "removesuffix") else answer[:-4] + line
        peer.send(answer)

    def send(self, channel: int, payload: bytes) -> None:
        self.peer.send(self.frame(channel, payload))

    def frame(self, channel: int, payload: bytes) -> bytes:
        """The bytes of one message."""
        return self._ws.send(BytesMessage(data=bytes([channel]) + payload))

    def success(self) -> None:
        self.send(3, b'{"metadata":{},"status":"Success"}')

    def ping(self, payload: bytes) -> None:
        self.peer.send(self._ws.send(Ping(payload)))

    def pong(self, ping: Ping) -> None:
        """Answer that ping."""
        self.peer.send(self._ws.send(ping.response()))

    def close(self, code: int = 1000) -> None:
        self.peer.send(self._ws.send(CloseConnection(code=code)))

    def event(self) -> Optional[Event]:
        """The next event from the client; None at the end of the connection."""
        while True:
            found = next(self._events, None)
            if found is not None:
                return found
            try:
                data = self.peer.sock.recv(65536)
            except (OSError, socket.timeout):
                return None
            if not data:
                return None
            self._ws.receive_data(data)
            self._events = self._ws.events()

    def message(self) -> Optional[tuple[int, bytes]]:
        """The next whole message as channel and payload; pings are skipped, a close is None."""
        data = b""
        while True:
            event = self.event()
            if event is None or isinstance(event, CloseConnection):
                return None
            if isinstance(event, (Ping, Pong)):
                continue
            if isinstance(event, BytesMessage):
                data += event.data
                if event.message_finished:
                    return data[0], data[1:]
