"""A WebSocket client that hides nothing, and the requests that tests of exec need often."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from typing import Optional

from tests.fakeapiserver import FakeAPIServer
from tests.recordings.websocket import Frame, Handshake, WebSocketClient

__all__ = ["ALL", "BOTH", "SUCCESS", "TTY", "V4", "V5", "Frame", "Handshake", "WSClient"]

V5, V4 = "v5.channel.k8s.io", "v4.channel.k8s.io"
SUCCESS = b'\x03{"metadata":{},"status":"Success"}'
BOTH = {"stdout": "true", "stderr": "true"}
ALL = {"stdin": "true", **BOTH}
TTY = {"stdin": "true", "stdout": "true", "tty": "true"}


class WSClient(WebSocketClient):
    """One connection; reading waits at most ``timeout`` seconds for the next bytes."""

    def __init__(
        self,
        server: FakeAPIServer,
        target: str,
        protocols: tuple[str, ...] = (V5, V4),
        token: Optional[str] = "",
        timeout: float = 10.0,
        headers: tuple[tuple[str, str], ...] = (),
        method: str = "GET",
    ) -> None:
        fields = {"Host": f"{server.host}:{server.port}", **dict(headers)}
        if token is not None:
            fields["Authorization"] = f"Bearer {token or server.token}"
        super().__init__(connected(server, timeout), target, protocols, fields.items(), method)


def connected(server: FakeAPIServer, timeout: float) -> socket.socket:
    sock = socket.create_connection((server.host, server.port), timeout)
    if not server.tls:
        return sock
    context = ssl.create_default_context(cafile=str(server.ca_file))
    return context.wrap_socket(sock, server_hostname=server.host)


def exec_target(*command: str, pod: str = "pod-0", namespace: str = "default", **query: str) -> str:
    """The request target of an exec; stdout and stderr are asked for unless the query says something else."""
    from urllib.parse import urlencode

    streams = query or {"stdout": "true", "stderr": "true"}
    pairs = [*(("command", word) for word in command), *streams.items()]
    return f"/api/v1/namespaces/{namespace}/pods/{pod}/exec?{urlencode(pairs)}"


def running_pod(
    name: str = "pod-0", namespace: str = "default", containers: tuple[str, ...] = ("devserver",)
) -> dict[str, object]:
    """A pod on a node, its containers running."""
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
    """The last message before the close."""
    frames = list(client.frames())
    assert frames[-1] == Frame("close", b"", 1000)
    return frames[-2].data


def read_until(frames: Iterator[Frame], text: bytes, channel: int = 1) -> bytes:
    seen = b""
    while text not in seen:
        frame = next(frames)
        seen += frame.payload if frame.channel == channel else b""
    return seen
