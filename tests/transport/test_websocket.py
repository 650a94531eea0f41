"""The upgrade: what is offered, what is refused, and that nothing of ours goes astray on the way."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Optional

import pytest

from devservers import errors
from devservers.transport import ClientConfig, RESTClient
from devservers.transport.auth.credentials import Credentials, TokenFile
from devservers.transport.deadline import SYSTEM_CLOCK, Clock, Deadline
from devservers.transport.exec.channels import V4, V5
from devservers.transport.exec.websocket import Message, NotUpgradedError, WebSocketStream, upgrade
from tests.stopwatch import Stopwatch

from .scripted import FakeClock, Peer, ScriptedServer, scripted
from .wspeer import WSPeer

PATH = "/api/v1/namespaces/n/pods/p/exec"


def _open(server: ScriptedServer, timeout: float = 5, clock: Clock = SYSTEM_CLOCK) -> WebSocketStream:
    deadline = Deadline(timeout, clock)
    return upgrade(server.client(clock=clock), PATH, query={"command": "ls"}, subprotocols=(V5, V4), deadline=deadline)


def _agree(peer: Peer) -> None:
    """Upgrade, and wait for the client's next move."""
    WSPeer(peer).event()


def _next(stream: WebSocketStream) -> Message:
    while True:
        message = stream.receive()
        if message is not None:
            return message
        assert stream.wait(5)


def test_the_upgrade_offers_the_subprotocols_in_order_and_takes_the_servers_choice() -> None:
    offered: list[list[str]] = []

    def handler(peer: Peer) -> None:
        ws = WSPeer(peer, V4)
        offered.append(list(ws.offered))
        ws.event()

    with scripted(handler) as server, _open(server) as stream:
        assert stream.subprotocol == V4
    assert offered == [[V5, V4]]


def test_the_request_says_no_more_than_it_must() -> None:
    with scripted(_agree) as server, _open(server):
        head = server.requests[0]
        host = server.url.partition("//")[2]
    assert head.startswith(f"GET {PATH}?command=ls HTTP/1.1")
    assert f"\nHost: {host}" in head
    assert "User-Agent: devservers/" in head
    assert "Origin" not in head
    assert "Cookie" not in head


def test_cookies_of_an_answer_are_not_sent_to_anybody() -> None:
    def handler(peer: Peer) -> None:
        peer.request()
        peer.answer(403, b"", "Set-Cookie: sticky=1; Domain=127.0.0.1")

    with scripted(handler) as server:
        for _ in range(2):
            with pytest.raises(errors.APIError):
                _open(server)
        assert not any("sticky" in head for head in server.requests)


def test_a_refusal_is_the_servers_status() -> None:
    body = json.dumps({"kind": "Status", "code": 404, "reason": "NotFound", "message": 'pods "p" not found'}).encode()

    def handler(peer: Peer) -> None:
        peer.request()
        peer.answer(404, body)

    with scripted(handler) as server, pytest.raises(errors.NotFoundError, match='pods "p" not found') as caught:
        _open(server)
    assert caught.value.status == 404


def test_a_403_names_the_rule_with_both_verbs() -> None:
    said = 'User "u" cannot create resource "pods/exec" in API group "" in the namespace "n"'
    body = json.dumps({"kind": "Status", "code": 403, "reason": "Forbidden", "message": said}).encode()

    def handler(peer: Peer) -> None:
        peer.request()
        peer.answer(403, body)

    with scripted(handler) as server, pytest.raises(errors.ForbiddenError) as caught:
        _open(server)
    assert '{apiGroups: [""], resources: ["pods/exec"], verbs: ["get", "create"]}' in str(caught.value)


def test_a_bare_403_means_that_no_subprotocol_is_known() -> None:
    def handler(peer: Peer) -> None:
        peer.request()
        peer.answer(403, b"")

    with scripted(handler) as server, pytest.raises(NotUpgradedError):
        _open(server)


@pytest.mark.parametrize("echoed", [None, "x.nosuch"])
def test_an_upgrade_without_an_agreed_subprotocol_is_refused(echoed: Optional[str]) -> None:
    def script(peer: Peer) -> None:
        WSPeer(peer, echoed).event()

    with scripted(script) as server:
        with pytest.raises(errors.ProtocolError, match="without agreeing"):
            _open(server)


@pytest.mark.parametrize(
    "framing",
    [
        "Content-Length: {size}\r\n\r\n{body}",
        "Transfer-Encoding: chunked\r\n\r\n{size:x}\r\n{body}\r\n0\r\n\r\n",
        "\r\n{body}",
    ],
)
def test_a_refusal_is_understood_however_its_body_is_framed_and_cut(framing: str) -> None:
    body = json.dumps({"kind": "Status", "code": 403, "reason": "Forbidden", "message": "by a rule"})
    head = "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\n"
    raw = (head + framing.format(size=len(body), body=body)).encode()

    def handler(peer: Peer) -> None:
        peer.request()
        for start in range(0, len(raw), 50):
            peer.send(raw[start : start + 50])

    with scripted(handler) as server, pytest.raises(errors.ForbiddenError, match="by a rule"):
        _open(server)


def test_a_refusal_that_comes_with_an_informational_answer_is_understood_at_once() -> None:
    def handler(peer: Peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
        peer.hold()

    with scripted(handler) as server, pytest.raises(NotUpgradedError):
        _open(server, timeout=3)


def test_a_bare_403_on_a_connection_that_stays_open_is_understood_at_once() -> None:
    def handler(peer: Peer) -> None:
        peer.request()
        peer.answer(403, b"")
        peer.hold()

    with scripted(handler) as server, pytest.raises(NotUpgradedError):
        _open(server, timeout=3)


def test_an_answer_that_is_no_refusal_and_no_upgrade_is_a_protocol_error() -> None:
    def handler(peer: Peer) -> None:
        peer.request()
        peer.answer(200, b"hello")

    with scripted(handler) as server, pytest.raises(errors.ProtocolError, match="answered 200 instead of upgrading"):
        _open(server)


def test_an_upgrade_with_a_head_that_is_cut_may_have_started_the_command() -> None:
    def handler(peer: Peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n")

    with scripted(handler) as server, pytest.raises(errors.ProtocolError, match="was cut") as caught:
        _open(server)
    assert not caught.value.not_upgraded


@pytest.mark.parametrize("status", ["403 Forbidden", "101 Switching Protocols"])
def test_headers_without_end_are_given_up_in_time(status: str) -> None:
    def handler(peer: Peer) -> None:
        peer.request()
        peer.send(f"HTTP/1.1 {status}\r\n".encode())
        while not peer.ended.is_set():
            peer.send(b"X: " + b"y" * 1000 + b"\r\n")

    with scripted(handler) as server:
        stopwatch = Stopwatch()
        with pytest.raises(errors.TransportError):
            _open(server, timeout=0.5)
        assert stopwatch.own_seconds < 1.5


def test_a_plugin_that_fails_is_told_as_what_it_is(tmp_path: Path) -> None:
    credentials = Credentials(TokenFile(str(tmp_path / "absent"), "tokenFile"))
    with pytest.raises(errors.KubeConfigError, match="tokenFile"):
        upgrade(
            RESTClient(ClientConfig("http://127.0.0.1:1", credentials=credentials)),
            PATH, query={}, subprotocols=(V5,), deadline=Deadline(5),
        )  # fmt: skip


def test_a_redirect_is_refused_and_the_token_stays() -> None:
    def handler(peer: Peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 302 Found\r\nLocation: https://elsewhere.example/x?token=abc\r\n\r\n")
        peer.hold()  # a body without an end is not waited for

    with scripted(handler) as server, pytest.raises(errors.ProtocolError, match=r"elsewhere\.example") as caught:
        _open(server)
    assert "token" not in str(caught.value)
    assert server.connections == 1


def test_429_is_waited_for() -> None:
    def busy(peer: Peer) -> None:
        peer.request()
        peer.answer(429, b"", "Retry-After: 3")

    clock = FakeClock()
    with scripted(busy, _agree) as server, _open(server, clock=clock):
        assert clock.slept == [3]


def test_a_connection_lost_during_the_upgrade_is_not_tried_again() -> None:
    def lost(peer: Peer) -> None:
        peer.request()

    with scripted(lost) as server:
        with pytest.raises(errors.ConnectionFailedError):
            _open(server)
        assert server.connections == 1  # the command may have been started


def test_a_silent_server_is_a_timeout() -> None:
    def silent(peer: Peer) -> None:
        peer.request()
        peer.hold()

    with scripted(silent) as server:
        stopwatch = Stopwatch()
        with pytest.raises(errors.RequestTimeoutError):
            _open(server, timeout=0.3)
        assert stopwatch.own_seconds < 1.3


def test_garbage_instead_of_an_answer_is_a_protocol_error() -> None:
    def handler(peer: Peer) -> None:
        peer.request()
        peer.send(b"\x00\x01\x02 nonsense\r\n\r\n")

    with scripted(handler) as server, pytest.raises(errors.TransportError):
        _open(server)


def test_frames_come_out_whole_wherever_they_are_split() -> None:
    def handler(peer: Peer) -> None:
        ws = WSPeer(peer)
        raw = ws.frame(1, b"x" * 70_000) + ws.frame(2, b"") + ws.frame(1, "ä€".encode())
        for start in range(0, len(raw), 9_999):
            peer.send(raw[start : start + 9_999])
        ws.event()

    with scripted(handler) as server, _open(server) as stream:
        assert [len(_next(stream).data) for _ in range(3)] == [70_001, 1, 6]


def test_pings_of_the_server_are_answered() -> None:
    answered = threading.Event()

    def handler(peer: Peer) -> None:
        ws = WSPeer(peer)
        ws.ping(b"are you there")
        event = ws.event()
        if getattr(event, "payload", b"") == b"are you there":
            answered.set()
        ws.success()
        ws.event()

    with scripted(handler) as server, _open(server) as stream:
        while stream.receive() is None:
            stream.flush()
            stream.wait(1)
    assert answered.is_set()


def test_a_peer_that_only_pings_does_not_keep_us() -> None:
    def handler(peer: Peer) -> None:
        ws = WSPeer(peer)
        while not peer.ended.is_set():
            ws.ping(b"x" * 100)

    with scripted(handler) as server, _open(server) as stream:
        for _ in range(100):
            message = stream.receive()
            assert message is None or message == Message(b"")


def test_the_close_of_the_server_has_its_code() -> None:
    def handler(peer: Peer) -> None:
        ws = WSPeer(peer)
        ws.close(1011)
        ws.event()

    with scripted(handler) as server, _open(server) as stream:
        message = _next(stream)
        assert message.closed
        assert message.code == 1011


@pytest.mark.parametrize("how", ["close", "reset"])
def test_an_end_without_a_close_frame_is_a_lost_connection(how: str) -> None:
    with scripted(lambda peer: getattr(WSPeer(peer).peer, how)()) as server, _open(server) as stream:
        with pytest.raises(errors.ConnectionFailedError):
            _next(stream)


def test_malformed_frames_are_a_protocol_error() -> None:
    def handler(peer: Peer) -> None:
        ws = WSPeer(peer)
        peer.send(b"\xf3\x05hello")  # reserved bits and an unknown opcode
        ws.event()

    with scripted(handler) as server, _open(server) as stream:
        with pytest.raises(errors.ProtocolError, match="WebSocket protocol"):
            _next(stream)


def test_sending_does_not_wait_for_a_peer_that_does_not_read() -> None:
    def handler(peer: Peer) -> None:
        WSPeer(peer)
        peer.hold()

    with scripted(handler) as server, _open(server) as stream:
        for _ in range(500):
            stream.send(b"\x00" + b"x" * 32768)
        stream.flush()
        assert stream.queued > 0


def test_a_server_under_a_path_prefix_is_asked_there() -> None:
    with scripted(_agree) as server:
        client = RESTClient(ClientConfig(server=f"{server.url}/k8s/c-1"))
        with upgrade(client, PATH, query={}, subprotocols=(V5,), deadline=Deadline(5)):
            assert server.requests[0].startswith(f"GET /k8s/c-1{PATH} ")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this platform")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_that_closes_the_stream_leaves_it_to_its_parent() -> None:
    got: list[object] = []

    def handler(peer: Peer) -> None:
        got.append(WSPeer(peer).message())

    with scripted(handler) as server, _open(server) as stream:
        child = os.fork()
        if child == 0:
            stream.close()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        stream.send(b"\0still here")
        stream.flush()
    assert got == [(0, b"still here")]
