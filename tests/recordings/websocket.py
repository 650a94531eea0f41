"""A WebSocket client that hides nothing: the handshake as it came, every frame, and how the connection ended."""

from __future__ import annotations

import base64
import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from http.client import parse_headers
from io import BytesIO
from typing import NamedTuple, Optional, TypeVar, Union

from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong, TextMessage

KEY = base64.b64encode(b"0123456789abcdef").decode()
Self = TypeVar("Self", bound="WebSocketClient")


class Frame(NamedTuple):
    """A message: its opcode ("binary" or "text") and its bytes, the channel first; or "close" with code and reason."""

    opcode: str
    data: bytes
    code: int = 0

    @property
    def channel(self) -> int:
        return self.data[0] - (ord("0") if self.opcode == "text" else 0)

    @property
    def payload(self) -> bytes:
        return base64.b64decode(self.data[1:]) if self.opcode == "text" else self.data[1:]


@dataclass
class Handshake:
    """What the server answered to the upgrade."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


class WebSocketClient:
    """One connection over a connected socket, whose timeout says how long reading waits for the next bytes."""

    def __init__(
        self,
        connected: socket.socket,
        target: str,
        protocols: Iterable[str],
        headers: Iterable[tuple[str, str]] = (),
        method: str = "GET",
    ) -> None:
        self.socket = connected
        lines = [f"{method} {target} HTTP/1.1"]
        fields = {
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Key": KEY,
            "Sec-WebSocket-Version": "13",
        }
        fields.update(headers)
        lines += [f"{name}: {value}" for name, value in fields.items() if value]
        if offered := ", ".join(protocols):
            lines.append(f"Sec-WebSocket-Protocol: {offered}")
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode())
        self._websocket = Connection(ConnectionType.CLIENT)
        self.handshake = self._read_handshake()

    def _read_handshake(self) -> Handshake:
        data = b""
        while b"\r\n\r\n" not in data:
            more = self.socket.recv(65536)
            assert more, f"the connection ended within the answer's head: {data!r}"
            data += more
        head, _, rest = data.partition(b"\r\n\r\n")
        first, _, fields = head.partition(b"\r\n")
        message = parse_headers(BytesIO(fields + b"\r\n\r\n"))
        handshake = Handshake(int(first.split()[1]), {key.lower(): value for key, value in message.items()})
        if handshake.status == 101:
            self._websocket.receive_data(rest)
        else:
            handshake.body = self._read_body(handshake, rest)
        return handshake

    def _read_body(self, handshake: Handshake, data: bytes) -> bytes:
        length = handshake.headers.get("content-length")
        while length is None or len(data) < int(length):
            more = self.socket.recv(65536)
            if not more:
                break
            data += more
        return data

    @property
    def protocol(self) -> Optional[str]:
        return self.handshake.headers.get("sec-websocket-protocol") or None

    def send(self, channel: int, payload: bytes = b"") -> None:
        if self.protocol is not None and "base64" in self.protocol:
            text = chr(ord("0") + channel) + base64.b64encode(payload).decode()
            self.socket.sendall(self._websocket.send(TextMessage(data=text)))
        else:
            self.socket.sendall(self._websocket.send(BytesMessage(data=bytes((channel,)) + payload)))

    def send_fragment(self, data: bytes, last: bool) -> None:
        self.socket.sendall(self._websocket.send(BytesMessage(data=data, message_finished=last)))

    def ping(self) -> None:
        self.socket.sendall(self._websocket.send(Ping(payload=b"?")))

    def events(self) -> Iterator[Union[Frame, Pong]]:
        """Frames and pongs until the server has closed; raises ``TimeoutError`` when nothing comes for too long."""
        part = b""
        while True:
            for event in self._websocket.events():
                if isinstance(event, CloseConnection):
                    yield Frame("close", (event.reason or "").encode(), int(event.code))
                    return
                if isinstance(event, Pong):
                    yield event
                elif isinstance(event, (BytesMessage, TextMessage)):
                    part += event.data.encode() if isinstance(event.data, str) else event.data
                    if event.message_finished:
                        yield Frame("text" if isinstance(event, TextMessage) else "binary", part)
                        part = b""
            try:
                data = self.socket.recv(65536)
            except socket.timeout as error:
                raise TimeoutError("no frame within the time") from error
            if not data:
                return
            self._websocket.receive_data(data)

    def frames(self) -> Iterator[Frame]:
        return (event for event in self.events() if isinstance(event, Frame))

    def close(self) -> None:
        self.socket.close()

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
