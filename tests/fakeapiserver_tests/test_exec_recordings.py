"""Every recorded exec and port-forward exchange replays against the fake.

``--recording FILE`` replays further files. What is not compared, and why, stands in :data:`NORMALIZED`.
"""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, Optional
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.fakeapiserver import FakeAPIServer
from tests.fakeapiserver.pods import Pods

from .wsclient import Frame, WSClient, running_pod

RECORDINGS = Path(__file__).parent.parent / "recordings"
NORMALIZED = {
    "frame boundaries within a channel": "they follow from the timing of the process's writes and the server's reads",
    "order of stdout against stderr": "two pipes, read side by side: the real server keeps no order either",
    "data beyond 300 characters of a frame": "the recording cut it; its length is compared",
    "the client's own errors": "a client that had already seen the close frame; not something a server does",
    "what listens behind a forwarded port": "the recorder's web server; the replay puts the recorded bytes there",
}
CHOICE = re.compile(r"choose one of: \[([^\]]*)\]")  # names the containers of a pod that has several
INITIAL = re.compile(r"one of the init containers: \[([^\]]*)\]")
ABSENT = re.compile(r'pods "([^"]*)" not found')
NO_HOST = re.compile(r"pod (\S+) does not have a host assigned")
NOT_RUNNING = re.compile(r'container not found \(\\*"([^"\\]*)\\*"\)')
ERROR = 3  # the status of an exec session
SILENCE = 0.3  # seconds without a frame, where the recording says that none came

Exchange = dict[str, Any]


class Recording:
    """A file of exchanges, and the state that the recorded server must have had."""

    def __init__(self, path: Path) -> None:
        content = json.loads(path.read_text(encoding="utf-8"))
        exchanges = content["exchanges"] if isinstance(content, dict) else content
        self.path = path
        self.name = path.name
        self.exchanges: list[Exchange] = [e for e in exchanges if "offered_subprotocols" in e.get("request", {})]

    def protocols(self) -> tuple[str, ...]:
        """A server that has chosen v5 once is a newer one."""
        chosen = {exchange["response"].get("subprotocol") for exchange in self.exchanges}
        return ("v5.channel.k8s.io", "v4.channel.k8s.io") if "v5.channel.k8s.io" in chosen else ("v4.channel.k8s.io",)

    def pods(self) -> Iterator[dict[str, Any]]:
        """The pods that must have existed, as far as the answers describe them."""
        said: dict[tuple[str, str], list[Exchange]] = {}
        for exchange in self.exchanges:
            _, _, _, _, namespace, _, name, _ = urlsplit(exchange["request"]["path"]).path.split("/")
            said.setdefault((namespace, name), []).append(exchange)
        for (namespace, name), exchanges in said.items():
            if name not in mentioned(ABSENT, exchanges):
                yield recorded_pod(namespace, name, exchanges)


def mentioned(pattern: re.Pattern[str], exchanges: list[Exchange]) -> list[str]:
    """What the answers name with such a pattern, in their body or in the status of a session."""
    said = [exchange["response"].get("body") for exchange in exchanges]
    texts = [str(body.get("message") if isinstance(body, dict) else body) for body in said]
    frames = [frame for exchange in exchanges for frame in exchange["response"].get("frames", [])]
    texts += [frame["data"] for frame in frames if frame.get("channel") == ERROR]
    return [word for text in texts for names in pattern.findall(text) for word in names.split()]


def recorded_pod(namespace: str, name: str, exchanges: list[Exchange]) -> dict[str, Any]:
    """A pod that fits all these answers."""
    initial = dict.fromkeys(mentioned(INITIAL, exchanges))
    used = [exchange["request"]["path"] for exchange in exchanges if exchange["response"]["handshake_status"] == 101]
    named = [container for path in used for container in parse_qs(urlsplit(path).query).get("container", [])]
    containers = dict.fromkeys(mentioned(CHOICE, exchanges)) or {"devserver": None, **dict.fromkeys(sorted(named))}
    pod: dict[str, Any] = running_pod(name, namespace, tuple(containers))
    pod["spec"]["initContainers"] = [{"name": container, "image": "debian"} for container in initial]
    idle = mentioned(NOT_RUNNING, exchanges)
    for status in pod["status"]["containerStatuses"]:
        if status["name"] in idle:
            status.update(ready=False, state={"terminated": {"exitCode": 0}})
    pod["status"]["initContainerStatuses"] = [
        {"name": c, "ready": True, "state": {"terminated": {"exitCode": 0}} if c in idle else {"running": {}}}
        for c in initial
    ]
    if name in mentioned(NO_HOST, exchanges):
        del pod["spec"]["nodeName"]
    return pod


def recordings(config: pytest.Config) -> list[Recording]:
    files = [*sorted(RECORDINGS.glob("*exec-*.json")), *(Path(name) for name in config.getoption("recording"))]
    return [recording for recording in map(Recording, files) if recording.exchanges]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    cases = [
        pytest.param(recording, exchange, id=f"{recording.name}: {exchange['name']}")
        for recording in recordings(metafunc.config)
        for exchange in recording.exchanges
    ]
    if "exchange" in metafunc.fixturenames:
        metafunc.parametrize(("recording", "exchange"), cases)


@pytest.fixture
def fake(recording: Recording) -> Iterator[FakeAPIServer]:
    with recorded_server(recording) as server:
        yield server


@contextmanager
def recorded_server(recording: Recording) -> Iterator[FakeAPIServer]:
    """A server in the state that the recorded one must have had."""
    with FakeAPIServer(operator=False, exec_protocols=recording.protocols()) as server:
        server.add_token("limitedtoken", "limited")
        for pod in recording.pods():
            server.store.create("pods", pod)
        yield server


def test_the_fake_answers_as_recorded(fake: FakeAPIServer, exchange: Exchange) -> None:
    check(fake, exchange)


def check(fake: FakeAPIServer, exchange: Exchange) -> None:
    """Send a recorded request, and compare the answer with the recorded one."""
    request, response = exchange["request"], exchange["response"]
    expected = Expected(response.get("frames", []))
    token = {"admin": fake.token, "(none)": None}.get(request["authorization"], request["authorization"])
    with (
        disaster(fake, exchange),
        behind_forwarded_ports(fake, exchange),
        WSClient(fake, request["path"], tuple(request["offered_subprotocols"]), token) as client,
    ):
        assert handshake(client, response) == {key: response[key] for key in response if key != "frames"}
        if response["handshake_status"] == 101:
            replay(client, response["frames"], expected)


def disaster(fake: FakeAPIServer, exchange: Exchange) -> AbstractContextManager[object]:
    """What the recorder did to the server: it killed the kubelet after the last output."""
    if "the kubelet is killed" not in exchange["name"]:
        return nullcontext()
    frames = exchange["response"]["frames"]
    output = sum(frame["length"] for frame in frames if frame.get("channel") in (1, 2) and frame["dir"] == "server")
    return fake.fault.kubelet_lost(output=output)


def handshake(client: WSClient, response: dict[str, Any]) -> dict[str, Any]:
    """What was received, in the form of the recording."""
    came = client.handshake
    seen: dict[str, Any] = {"handshake_status": came.status}
    if "subprotocol" in response:
        seen["subprotocol"] = client.protocol
    if "content_type" in response:
        seen["content_type"] = came.headers.get("content-type")
    if "body" in response:
        seen["body"] = json.loads(came.body) if isinstance(response["body"], dict) else came.body.decode()
    return {**seen, **{key: response[key] for key in response if key not in seen and key != "frames"}}


class Piece:
    """What is known of one recorded frame: where it begins in its channel's stream, its first bytes, its length."""

    def __init__(self, frame: dict[str, Any], start: int) -> None:
        data = frame["data"].encode("latin-1")
        opcode = frame["opcode"]
        self.whole = opcode == "binary" or len(frame["data"]) == frame["length"] + 1  # base64 cannot be cut anywhere
        self.start = start
        self.known = Frame(opcode, data if opcode == "text" else b"\0" + data).payload if self.whole else b""
        self.length = frame["length"] if opcode == "binary" else len(self.known)


class Expected:
    """The server's side of a recorded session, channel by channel."""

    def __init__(self, frames: list[dict[str, Any]]) -> None:
        self.pieces: dict[int, list[Piece]] = {}
        self.opcodes: dict[int, str] = {}
        self.gaps: set[int] = set()
        self.close: Optional[tuple[int, str]] = None
        self.silent = False
        self.first: Optional[tuple[int, int]] = None
        self.order: list[int] = []
        for frame in frames:
            self.add(frame)

    def add(self, frame: dict[str, Any]) -> None:
        if "omitted" in frame:
            self.gaps.update(self.pieces)
        elif frame.get("dir") != "server":
            return
        elif "end" in frame:
            self.silent = "Timeout" in frame["end"]
        elif frame.get("opcode") == "close":
            self.close = (frame["code"], frame["reason"])
        elif "opcode" in frame:
            channel = int(frame["channel"])
            pieces = self.pieces.setdefault(channel, [])
            piece = Piece(frame, self.length(channel))
            pieces.append(piece)
            if not piece.whole:
                self.gaps.add(channel)
            self.opcodes[channel] = frame["opcode"]
            self.order.append(channel)
            self.first = self.first or (channel, piece.length)

    def length(self, channel: int) -> int:
        pieces = self.pieces.get(channel)
        return pieces[-1].start + pieces[-1].length if pieces else 0

    def check(self, seen: Seen) -> None:
        assert {c: len(data) for c, data in seen.streams.items() if c not in self.gaps} == {
            c: self.length(c) for c in self.pieces if c not in self.gaps
        }, seen.streams
        assert seen.opcodes == self.opcodes
        for channel, pieces in self.pieces.items():
            if channel in self.gaps:
                continue
            for piece in pieces:
                assert seen.streams[channel][piece.start :].startswith(piece.known)


class Seen:
    """What a client has received, joined by channel."""

    def __init__(self) -> None:
        self.streams: dict[int, bytes] = {}
        self.opcodes: dict[int, str] = {}
        self.order: list[int] = []
        self.first: Optional[tuple[int, int]] = None
        self.close: Optional[tuple[int, str]] = None

    def add(self, frame: Frame) -> None:
        if frame.opcode == "close":
            self.close = (frame.code, frame.data.decode())
            return
        self.first = self.first or (frame.channel, len(frame.payload))
        self.opcodes[frame.channel] = frame.opcode
        self.streams[frame.channel] = self.streams.get(frame.channel, b"") + frame.payload
        self.order.append(frame.channel)

    def covers(self, expected: Expected) -> bool:
        return all(len(self.streams.get(c, b"")) >= expected.length(c) and c in self.streams for c in expected.pieces)


def replay(client: WSClient, frames: list[dict[str, Any]], expected: Expected) -> None:
    """Send what the client sent, each message once everything before it has come, and compare."""
    seen, so_far = Seen(), Expected([])
    incoming = client.frames()
    for frame in frames:
        if frame.get("dir") != "client":
            so_far.add(frame)
        elif "channel" in frame:
            while not seen.covers(so_far):
                seen.add(next(incoming))
            client.send(int(frame["channel"]), frame["data"].encode("latin-1"))
    if expected.silent:
        while not seen.covers(expected):
            seen.add(next(incoming))
        assert_silent(client)
    else:
        for received in incoming:
            seen.add(received)
    assert seen.first == expected.first
    assert seen.close == expected.close
    expected.check(seen)
    if expected.order and 0 not in expected.pieces:  # channel 0 speaks in port-forwards only
        assert (expected.order[-1] == ERROR) == (seen.order[-1] == ERROR), "the status comes last"


def assert_silent(client: WSClient) -> None:
    """The connection is alive, and nothing is received."""
    client.ping()
    client.socket.settimeout(SILENCE)
    frames: list[Frame] = []
    with pytest.raises(TimeoutError):
        frames.extend(event for event in client.events() if isinstance(event, Frame))
    assert frames == []


class ForwardedPort:
    """The listener behind one forwarded port: it receives and sends what the recording has, in order."""

    def __init__(self, index: int, frames: list[dict[str, Any]], listener: socket.socket) -> None:
        self._script = list(self._steps(2 * index, frames))
        self._closes = any(frame.get("opcode") == "close" for frame in frames)
        self.over = threading.Event()
        self._listener = listener  # shared by those that forward the same port
        self.address: tuple[str, int] = listener.getsockname()[:2]
        self._thread = threading.Thread(target=self._play, daemon=True)
        self._thread.start()

    @staticmethod
    def _steps(channel: int, frames: list[dict[str, Any]]) -> Iterator[tuple[str, bytes]]:
        announced = False
        for frame in frames:
            if str(frame.get("channel")) != str(channel):
                continue
            data = frame["data"].encode("latin-1")
            if frame["dir"] == "client":
                yield "hear", data
            elif announced:
                yield "say", data.ljust(frame["length"], b"?")  # what the recording cut off is not compared
            announced = announced or frame["dir"] == "server"

    def _play(self) -> None:
        connection, _ = self._listener.accept()
        with connection:
            for verb, data in self._script:
                if verb == "say":
                    connection.sendall(data)
                elif not heard(connection, len(data)):
                    return
            if not self._closes:
                self.over.wait(30)

    def close(self) -> None:
        self.over.set()
        if self._thread.is_alive():  # nobody came
            socket.create_connection(self.address).close()
            self._thread.join(10)


def heard(connection: socket.socket, count: int) -> bool:
    """Read so many bytes; False if the peer ends before."""
    while count > 0:
        data = connection.recv(count)
        if not data:
            return False
        count -= len(data)
    return True


@contextmanager
def behind_forwarded_ports(fake: FakeAPIServer, exchange: Exchange) -> Iterator[None]:
    """Puts a listener behind each port of a port-forward request that was not refused."""
    url = urlsplit(exchange["request"]["path"])
    frames = exchange["response"].get("frames")
    if not url.path.endswith("/portforward") or frames is None:
        yield
        return
    _, _, _, _, namespace, _, name, _ = url.path.split("/")
    expected, forwarded = Expected(frames), []
    listeners: dict[str, socket.socket] = {}
    ports = [port for value in parse_qs(url.query).get("ports", []) for port in value.split(",")]
    for index, port in enumerate(ports):
        if expected.length(2 * index + 1) == 2:  # the port's number, and no error after it
            if port not in listeners:
                listeners[port] = socket.create_server(("127.0.0.1", 0))
            forwarded.append(ForwardedPort(index, frames, listeners[port]))
            Pods.of(fake).listen(namespace, name, int(port), forwarded[-1].address)
    try:
        yield
    finally:
        for end in forwarded:
            end.close()
        for listener in listeners.values():
            listener.close()
