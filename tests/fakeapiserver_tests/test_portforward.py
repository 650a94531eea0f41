"""port-forward over WebSocket: several ports, refusals, and either side's end."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from tests.fakeapiserver import FakeAPIServer
from tests.fakeapiserver.pods import Pods

from .wsclient import Frame, WSClient, running_pod

V4 = ("v4.channel.k8s.io",)


def target(query: str, pod: str = "pod-0") -> str:
    return f"/api/v1/namespaces/default/pods/{pod}/portforward?{query}"


class Echo:
    """A server in a pod: it echoes each connection in capitals."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address: tuple[str, int] = self._listener.getsockname()[:2]
        self.ended = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        connection, _ = self._listener.accept()
        with connection:
            while data := connection.recv(65536):
                connection.sendall(data.upper())
                if b"bye" in data:
                    break
        self.ended.set()

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def echo() -> Iterator[Echo]:
    server = Echo()
    yield server
    server.close()


def test_bytes_go_both_ways_until_the_pod_closes(either: FakeAPIServer, echo: Echo) -> None:
    Pods.of(either).listen("default", "pod-0", 8080, echo.address)
    with WSClient(either, target("ports=8080"), V4) as client:
        frames = client.frames()
        assert [next(frames).data, next(frames).data] == [b"\0\x90\x1f", b"\1\x90\x1f"]
        client.send(0, b"hello")
        assert next(frames).data == b"\0HELLO"
        client.send(0, b"bye")
        assert [frame.data for frame in frames] == [b"\0BYE", b""]


@pytest.mark.parametrize("query", ["ports=8080&ports=9090", "ports=8080,9090"])
def test_each_port_has_channels_of_its_own(either: FakeAPIServer, echo: Echo, query: str) -> None:
    second = Echo()
    Pods.of(either).listen("default", "pod-0", 8080, echo.address)
    Pods.of(either).listen("default", "pod-0", 9090, second.address)
    with WSClient(either, target(query), V4) as client:
        frames = client.frames()
        assert [next(frames).channel for _ in range(4)] == [0, 1, 2, 3]
        client.send(2, b"second")
        assert next(frames).data == b"\2SECOND"
        client.send(0, b"first, bye")
        assert next(frames).data == b"\0FIRST, BYE"
        client.send(2, b"bye")  # one port's end leaves the other alone
        assert [frame.data for frame in frames] == [b"\2BYE", b""]
    second.close()


def test_a_refused_port_says_so_on_its_error_channel(either: FakeAPIServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    with WSClient(either, target(f"ports={port}"), V4) as client:
        *_, error, close = client.frames()
    why = f"error forwarding port {port} to pod pod-0, uid : dial tcp 127.0.0.1:{port}: connect: connection refused"
    assert error.data == b"\1" + why.encode()
    assert close == Frame("close", b"", 1000)


def test_a_disconnecting_client_closes_the_pods_connection(either: FakeAPIServer, echo: Echo) -> None:
    Pods.of(either).listen("default", "pod-0", 8080, echo.address)
    with WSClient(either, target("ports=8080"), V4) as client:
        frames = client.frames()
        client.send(0, b"x")
        assert [next(frames) for _ in range(3)][-1].data == b"\0X"
    assert echo.ended.wait(10)


def test_a_stopped_server_ends_forwarding(echo: Echo) -> None:
    server = FakeAPIServer(operator=False).start()
    server.store.create("pods", running_pod())
    Pods.of(server).listen("default", "pod-0", 8080, echo.address)
    with WSClient(server, target("ports=8080"), V4) as client:
        next(client.frames())
        server.stop()
    assert echo.ended.wait(10)


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("", 'query parameter "port" is required\n'),
        ("ports=0", 'port "0" must be > 0\n'),
        ("ports=8080,0", 'port "8080,0" must be > 0\n'),
    ],
)
def test_the_kubelet_refuses_ports_in_plain_text(either: FakeAPIServer, query: str, text: str) -> None:
    with WSClient(either, target(query), V4) as client:
        assert (client.handshake.status, client.handshake.body.decode()) == (400, text)
        assert client.handshake.headers["content-type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize(
    ("port", "why"), [("x", "invalid syntax"), ("70000", "value out of range"), ("-1", "invalid syntax")]
)
def test_the_api_server_refuses_an_invalid_port_with_a_status(either: FakeAPIServer, port: str, why: str) -> None:
    with WSClient(either, target(f"ports={port}"), V4) as client:
        assert client.handshake.status == 400
        assert b'"reason":"BadRequest"' in client.handshake.body
        assert why.encode() in client.handshake.body


def test_an_invalid_port_is_refused_before_the_pod_is_looked_up(either: FakeAPIServer) -> None:
    with WSClient(either, target("ports=x").replace("pod-0", "absent"), V4) as client:
        assert client.handshake.status == 400


def test_there_is_no_v5_of_port_forward(either: FakeAPIServer) -> None:
    with WSClient(either, target("ports=8080"), ("v5.channel.k8s.io",)) as client:
        assert client.handshake.status == 403
    with WSClient(either, target("ports=8080"), ("v5.channel.k8s.io", *V4)) as client:
        assert client.protocol == "v4.channel.k8s.io"
