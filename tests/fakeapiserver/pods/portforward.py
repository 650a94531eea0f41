"""port-forward over WebSocket (v4): for each port a data and an error channel, and a TCP connection of its own.

Both channels begin with the port, two bytes, little-endian. The session ends when every port's connection has ended;
there is no half-close. A pod of the fake listens where this machine does: on the loopback address, unless a test has
registered another address for the pod's port.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Sequence
from typing import Callable, Union

from ..goish.gonumbers import parse_uint
from ..serving.http import Connection, Request, Response, Upgrade
from ..serving.wschannel import V4, V4_BASE64, ChannelSocket
from ..vocabulary.status import bad_request
from .exec import shake_hands

PROTOCOLS = ("", V4, V4_BASE64)
CHUNK = 32 * 1024

Address = tuple[str, int]
Resolve = Callable[[int], Address]


def ports_of(request: Request) -> list[int]:
    """The wanted ports; raises the API server's 400 for what is no port number at all."""
    return [_parsed(text) for value in request.args("ports") for text in value.split(",")]


def kubelet_refusal(ports: Sequence[int]) -> str:
    """Why the kubelet would not forward these ports, or empty."""
    if not ports:
        return 'query parameter "port" is required'
    if 0 in ports:
        joined = ",".join(str(port) for port in ports)  # the API server passes them on in one parameter
        return f'port "{joined}" must be > 0'
    return ""


def _parsed(text: str) -> int:
    try:
        return parse_uint(text, 16)
    except ValueError as error:
        raise bad_request(f"cannot convert to []int32: {error}") from None


def serve(
    request: Request,
    pod: str,
    ports: Sequence[int],
    protocols: Sequence[str],
    resolve: Resolve,
    stopping: threading.Event,
) -> Union[Response, Upgrade]:
    """Answer a port-forward request."""
    refusal = kubelet_refusal(ports)
    if refusal:
        return Response(400, f"{refusal}\n".encode(), "text/plain; charset=utf-8")
    supported = PROTOCOLS if V4 in protocols else ()

    def run(connection: Connection) -> None:
        channels = shake_hands(request, connection, supported, stopping)
        if channels is not None:
            Forwarding(channels, pod, ports, resolve).run()

    return Upgrade(run)


class Forwarding:
    """One session: the ports' connections, fed by the session's thread, drained by one thread each."""

    def __init__(self, channels: ChannelSocket, pod: str, ports: Sequence[int], resolve: Resolve) -> None:
        self._channels = channels
        self._pod = pod
        self._ports = ports
        self._resolve = resolve
        self._targets: dict[int, Target] = {}
        self._left = len(ports)
        self._lock = threading.Lock()

    def run(self) -> None:
        for index, port in enumerate(self._ports):
            for channel in (2 * index, 2 * index + 1):
                self._channels.send(channel, port.to_bytes(2, "little"))
        threads = [self._connect(index, port) for index, port in enumerate(self._ports)]
        try:
            for channel, payload in self._channels.frames():
                target = self._targets.get(channel)
                if target is not None:
                    target.write(payload)
        finally:
            for target in self._targets.values():
                target.cut()
            self._channels.close()
            for thread in threads:
                thread.join()
            for target in self._targets.values():
                target.close()

    def _connect(self, index: int, port: int) -> threading.Thread:
        """The target is known before the first frame is read; connecting takes place on its thread."""
        target = self._targets[2 * index] = Target(self._resolve(port))
        thread = threading.Thread(target=self._drain, args=(index, port, target), name="fake-portforward", daemon=True)
        thread.start()
        return thread

    def _drain(self, index: int, port: int, target: Target) -> None:
        error = target.connect()
        if error:
            message = f"error forwarding port {port} to pod {self._pod}, uid : {error}"
            self._channels.send(2 * index + 1, message.encode())
        else:
            for data in iter(target.read, b""):
                self._channels.send(2 * index, data)
            target.cut()
        with self._lock:
            self._left -= 1
            last = self._left == 0
        if last:
            self._channels.close()


class Target:
    """The pod's end of one forwarded port."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._socket = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
        self._connected = threading.Event()
        self._cut = False

    def connect(self) -> str:
        """Empty, or why not, in the words of Go's dialer."""
        host, port = self._address
        try:
            self._socket.connect(self._address)
        except OSError as error:
            self._cut = True
            return f"dial tcp {host}:{port}: connect: {(error.strerror or str(error)).lower()}"
        finally:
            self._connected.set()
        if self._cut:  # the session ended while we connected
            self.cut()
        return ""

    def read(self) -> bytes:
        try:
            return self._socket.recv(CHUNK)
        except OSError:
            return b""

    def write(self, data: bytes) -> None:
        """As fast as the pod takes it; dropped once the connection is over."""
        self._connected.wait()
        if self._cut:
            return
        try:
            self._socket.sendall(data)
        except OSError:
            self._cut = True

    def cut(self) -> None:
        """Wake whoever reads or writes."""
        self._cut = True
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def close(self) -> None:
        self._socket.close()
