"""A WebSocket client that hides nothing: the handshake as it came, every frame, and how the connection ended."""

from __future__ import annotations

import base64
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.client import parse_headers
from io import BytesIO
from typing import NamedTuple, Optional, Union

from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong, TextMessage

from tests.fakeapiserver import FakeAPIServer

KEY = base64.b64encode(b"0123456789abcdef").decode()
V5, V4 = "v5.channel.k8s.io", "v4.channel.k8s.io"
SUCCESS = b'\x03{"metadata":{},"status":"Success"}'
BOTH = {"stdout": "true", "stderr": "true"}
ALL = {"stdin": "true", **BOTH}
TTY = {"stdin": "true", "stdout": "true", "tty": "true"}


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


class WSClient:
    """One connection; reading waits at most ``timeout`` seconds for the next bytes."""

    def __init__(
        self,
        server: FakeAPIServer,
        target: str,
        protocols: tuple[str, ...] = ("v5.channel.k8s.io", "v4.channel.k8s.io"),
        token: Optional[str] = "",
        timeout: float = 10.0,
        headers: tuple[tuple[str, str], ...] = (),
        method: str = "GET",
    ) -> None:
        self.socket = self._connected(server, timeout)
        lines = [f"{method} {target} HTTP/1.1", f"Host: {server.host}:{server.port}"]
        fields = {
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Key": KEY,
            "Sec-WebSocket-Version": "13",
        }
        fields.update(headers)
        lines += [f"{name}: {value}" for name, value in fields.items() if value]
        if protocols:
            lines.append(f"Sec-WebSocket-Protocol: {', '.join(protocols)}")
        if token is not None:
            lines.append(f"Authorization: Bearer {token or server.token}")
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode())
        self._websocket = Connection(ConnectionType.CLIENT)
        self.handshake = self._read_handshake()

    @staticmethod
    def _connected(server: FakeAPIServer, timeout: float) -> socket.socket:
        sock = socket.create_connection((server.host, server.port), timeout)
        if not server.tls:
            return sock
        context = ssl.create_default_context(cafile=str(server.ca_file))
        return context.wrap_socket(sock, server_hostname=server.host)

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

    def __enter__(self) -> WSClient:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def exec_target(*command: str, pod: str = "pod-0", namespace: str = "default", **query: str) -> str:
    """The request target of an exec; stdout and stderr are asked for unless the query says something else."""
    from urllib.parse import urlencode

    streams = query or {"stdout": "true", "stderr": "true"}
    pairs = [*(("command", word) for word in command), *streams.items()]
    return f"/api/v1/namespaces/{namespace}/pods/{pod}/exec?{urlencode(pairs)}"


def running_pod(
    name: str = "pod-0", namespace: str = "default", containers: tuple[str, ...] = ("devserver",)
) -> dict[str, object]:
    """A pod as it looks on a node, its containers running."""
    return {
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"nodeName": "node-1", "containers": [{"name": c, "image": "debian"} for c in containers]},
        "status": {
            "phase": "Running",
            "conditions": [{"type": kind, "status": "True"} for kind in ("Ready", "ContainersReady")],
            "containerStatuses": [{"name": c, "ready": True, "state": {"running": {}}} for c in containers],
        },
    }


def output(client: WSClient, channel: int = 1) -> bytes:
    return b"".join(frame.payload for frame in client.frames() if frame.opcode != "close" and frame.channel == channel)


def status(client: WSClient) -> bytes:
    """The last word before the close."""
    frames = list(client.frames())
    assert frames[-1] == Frame("close", b"", 1000)
    return frames[-2].data


def read_until(frames: Iterator[Frame], text: bytes, channel: int = 1) -> bytes:
    seen = b""
    while text not in seen:
        frame = next(frames)
        seen += frame.payload if frame.channel == channel else b""
    return seen
