"""Connections are kept, checked before reuse, and bounded in time; a cut body is never an end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from devservers.errors import APIError, ConnectionFailedError, ProtocolError, RequestTimeoutError
from devservers.transport import ClientConfig, RESTClient
from devservers.transport.deadline import Cancellation, Deadline
from devservers.transport.http.opener import READ_SIZE
from devservers.transport.http.pool import IDLE_CONNECTIONS, IDLE_SECONDS
from tests.fakeapiserver import FakeAPIServer
from tests.stopwatch import Stopwatch

from .scripted import FakeClock, Peer, scripted, serve_all

ROOT = Path(__file__).parent.parent.parent
OK = b'{"kind":"Thing"}'


def _ok(peer: Peer, request: str) -> None:
    peer.answer(200, OK)


def test_requests_in_a_row_share_one_connection() -> None:
    with scripted(serve_all(_ok)) as server, server.client() as client:
        for _ in range(5):
            assert client.request("GET", "/x") == {"kind": "Thing"}
        assert server.connections == 1


def test_a_chunked_answer_leaves_the_connection_usable() -> None:
    with scripted(serve_all(lambda peer, request: peer.chunked(OK[:4], OK[4:]))) as server, server.client() as client:
        assert client.request("GET", "/x") == client.request("GET", "/x") == {"kind": "Thing"}
        assert server.connections == 1


def test_a_failure_answer_leaves_the_connection_usable() -> None:
    def handle(peer: Peer, request: str) -> None:
        peer.answer(404 if "/absent" in request else 200, OK)

    with scripted(serve_all(handle)) as server, server.client() as client:
        with pytest.raises(Exception, match="404"):
            client.request("GET", "/absent")
        client.request("GET", "/x")
        assert server.connections == 1


def test_a_connection_the_server_closed_meanwhile_is_not_used() -> None:
    closed = threading.Event()

    def once(peer: Peer) -> None:
        peer.request()
        peer.answer(200, OK)
        peer.close()
        closed.set()

    with scripted(once, serve_all(_ok)) as server, server.client() as client:
        client.request("POST", "/x", body={})
        assert closed.wait(5)
        client.request("POST", "/x", body={})  # a write: it could not have been sent twice
        assert server.connections == 2


def test_a_read_whose_kept_connection_is_cut_is_sent_again_at_once() -> None:
    def one_answer(peer: Peer) -> None:
        peer.request()
        peer.answer(200, OK)
        peer.request()

    clock = FakeClock()
    with scripted(one_answer, serve_all(_ok)) as server, server.client(clock=clock) as client:
        client.request("GET", "/x")
        assert client.request("GET", "/x") == {"kind": "Thing"}
        assert clock.slept == [0.0]


def test_a_read_whose_new_connection_is_cut_waits_before_it_is_sent_again() -> None:
    def no_answer(peer: Peer) -> None:
        peer.request()

    clock = FakeClock()
    with scripted(no_answer, serve_all(_ok)) as server, server.client(clock=clock) as client:
        assert client.request("GET", "/x") == {"kind": "Thing"}
        assert [seconds > 0 for seconds in clock.slept] == [True]


@pytest.mark.parametrize(("idle", "connections"), [(IDLE_SECONDS, 1), (IDLE_SECONDS + 1, 2)])
def test_a_connection_that_was_idle_for_long_is_not_used(idle: float, connections: int) -> None:
    clock = FakeClock()
    with scripted(serve_all(_ok)) as server, server.client(clock=clock) as client:
        client.request("GET", "/x")
        clock.time += idle
        client.request("GET", "/x")
        assert server.connections == connections


def test_only_so_many_idle_connections_are_kept() -> None:
    several = IDLE_CONNECTIONS + 2
    together = threading.Barrier(several, timeout=10)

    def handle(peer: Peer, request: str) -> None:
        together.wait()
        peer.answer(200, OK)

    with scripted(serve_all(handle)) as server, server.client() as client:
        for _ in range(2):
            threads = [threading.Thread(target=client.request, args=("GET", "/x")) for _ in range(several)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert server.connections == several + 2  # two had to be opened anew


def test_a_connection_is_not_used_by_a_forked_child(server: FakeAPIServer) -> None:
    """Two processes on one connection would read each other's answers."""
    code = (
        "import os; from devservers import RESTClient; client = RESTClient(); client.request('GET', '/version')\n"
        "child = os.fork()\n"
        "if child == 0: os._exit(0 if client._pool.take(client.config.credentials.identity()) is None else 1)\n"
        "assert os.waitpid(child, 0)[1] == 0\n"
        "assert client._pool.take(client.config.credentials.identity()) is not None"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_connection_close_is_honoured() -> None:
    def handle(peer: Peer, request: str) -> None:
        peer.answer(200, OK, "Connection: close")

    with scripted(serve_all(handle)) as server, server.client() as client:
        client.request("GET", "/x")
        client.request("GET", "/x")
        assert server.connections == 2


def test_a_last_answer_is_read_to_its_end() -> None:
    """Found by reading: http.client closes the connection of such an answer before its body is read."""
    sent = threading.Event()

    def handler(peer: Peer) -> None:
        peer.request()
        body = json.dumps({"data": "x" * 300_000}).encode()
        peer.send(f"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n".encode())
        sent.wait(1)
        peer.send(body)

    with scripted(handler) as server, server.client() as client:
        answer = client.stream("/x", deadline=Deadline(10), idle=10)
        sent.set()
        assert len(json.loads(answer.read())["data"]) == 300_000


def test_threads_get_connections_of_their_own() -> None:
    together = threading.Barrier(4, timeout=10)

    def handle(peer: Peer, request: str) -> None:
        together.wait()
        peer.answer(200, OK)

    with scripted(serve_all(handle)) as server, server.client() as client:
        threads = [threading.Thread(target=client.request, args=("GET", "/x")) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert server.connections == 4


def test_closing_the_client_closes_its_idle_connections() -> None:
    ended = threading.Event()

    def handler(peer: Peer) -> None:
        peer.request()
        peer.answer(200, OK)
        assert peer.request() is None
        ended.set()

    with scripted(handler) as server:
        client = server.client()
        client.request("GET", "/x")
        client.close()
        assert ended.wait(5)


def test_a_connection_that_is_busy_while_the_client_is_closed_is_closed_after_its_answer() -> None:
    ended = threading.Event()

    def handler(peer: Peer) -> None:
        peer.request()
        peer.answer(200, OK)
        assert peer.request() is None
        ended.set()

    with scripted(handler) as server:
        client = server.client()
        answer = client.stream("/x", deadline=Deadline(10), idle=10)
        client.close()
        assert answer.read() == OK
        assert ended.wait(5)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this platform")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_does_not_use_its_parents_connection() -> None:
    with scripted(serve_all(_ok)) as server, server.client() as client:
        client.request("GET", "/x")
        child = os.fork()
        if child == 0:
            try:
                client.request("GET", "/x")
                os._exit(0)
            except BaseException:
                os._exit(1)
        assert os.waitpid(child, 0)[1] == 0
        client.request("GET", "/x")
        assert server.connections == 2


@pytest.mark.parametrize("head", ["Content-Length: 100", "Transfer-Encoding: chunked"])
def test_a_body_cut_short_is_an_error(head: str) -> None:
    def handler(peer: Peer) -> None:
        peer.request()
        body = OK if "Length" in head else b"40\r\n" + OK
        peer.send(f"HTTP/1.1 200 OK\r\n{head}\r\n\r\n".encode() + body)

    with scripted(handler) as server, server.client() as client:
        with pytest.raises(ConnectionFailedError, match="cut before the answer was whole"):
            client.request("POST", "/x", body={})


def test_a_silent_server_is_a_timeout_within_the_time_given() -> None:
    def handler(peer: Peer) -> None:
        peer.request()
        peer.hold()

    with scripted(handler) as server, server.client(timeout=0.3) as client:
        stopwatch = Stopwatch()
        with pytest.raises(RequestTimeoutError):
            client.request("GET", "/x")
        assert stopwatch.own_seconds < 1.3


@pytest.mark.parametrize("part", ["head", "body"])
def test_a_dripping_server_is_a_timeout_within_the_time_given(part: str) -> None:
    def handler(peer: Peer) -> None:
        peer.request()
        if part == "body":
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while not peer.ended.wait(0.05):
            peer.send(b"H")

    with scripted(handler) as server, server.client(timeout=0.5) as client:
        stopwatch = Stopwatch()
        with pytest.raises(RequestTimeoutError):
            client.request("GET", "/x")
        assert stopwatch.own_seconds < 1.5


def test_an_answer_that_is_not_http_is_a_protocol_error() -> None:
    def handler(peer: Peer) -> None:
        peer.request()
        peer.send(b"SSH-2.0-OpenSSH_9.6\r\n")

    with scripted(handler) as server, server.client() as client:
        with pytest.raises(ProtocolError, match="not HTTP"):
            client.request("POST", "/x", body={})


def test_nothing_listening_is_a_connection_error_that_names_the_server() -> None:
    with scripted(lambda peer: None) as server:
        url = server.url
    with RESTClient(ClientConfig(server=url), timeout=5) as client:
        with pytest.raises(ConnectionFailedError, match=url.rpartition(":")[2]):
            client.request("POST", "/x", body={})


def test_only_http_and_https_are_opened() -> None:
    for url in ("file:///etc/passwd", "ftp://host/x", "data:text/plain,x", "unix:///run/x"):
        with pytest.raises(ValueError, match="http"):
            ClientConfig(server=url)


def test_a_big_answer_arrives_whole() -> None:
    body = json.dumps({"data": "x" * (40 * READ_SIZE + 17)}).encode()
    with scripted(serve_all(lambda peer, request: peer.answer(200, body))) as server, server.client() as client:
        assert len(client.request("GET", "/x")["data"]) == 40 * READ_SIZE + 17


def test_a_stream_is_read_as_it_comes() -> None:
    go_on = threading.Event()

    def handler(peer: Peer) -> None:
        peer.request()
        peer.chunked(b"first", end=False)
        go_on.wait(10)
        peer.chunk(b"second")
        peer.send(b"0\r\n\r\n")

    with scripted(handler) as server, server.client() as client:
        answer = client.stream("/x", deadline=Deadline(10), idle=5)
        assert answer.read_some() == b"first"
        go_on.set()
        assert answer.read_some() == b"second"
        assert answer.read_some() == b""


def test_silence_on_a_stream_is_a_timeout_after_its_idle_time() -> None:
    def handler(peer: Peer) -> None:
        peer.request()
        peer.chunked(b"first", end=False)
        peer.hold()

    with scripted(handler) as server, server.client() as client:
        answer = client.stream("/x", deadline=Deadline(None), idle=0.2)
        answer.read_some()
        with pytest.raises(RequestTimeoutError):
            answer.read_some()


@pytest.mark.parametrize("moment", ["in the body", "before the head"])
def test_a_read_can_be_cancelled_from_another_thread(moment: str) -> None:
    reading = threading.Event()
    outcome: list[object] = []

    def handler(peer: Peer) -> None:
        peer.request()
        if moment == "in the body":
            peer.chunked(b"first", end=False)
        reading.set()
        peer.hold()

    with scripted(handler) as server, server.client(timeout=30) as client:
        cancellation = Cancellation()

        def read() -> None:
            try:
                answer = client.stream("/x", deadline=Deadline(30, cancellation=cancellation), idle=30)
                while answer.read_some():
                    pass
            except (ConnectionFailedError, RequestTimeoutError) as error:
                outcome.append(error)

        thread = threading.Thread(target=read)
        thread.start()
        reading.wait(5)
        cancellation.cancel()
        thread.join(10)
        assert not thread.is_alive()
        assert len(outcome) == 1


def test_a_cancellation_leaves_a_connection_alone_that_another_call_has_got() -> None:
    asked, cancelled = threading.Event(), threading.Event()

    def handler(peer: Peer, request: str) -> None:
        if request.startswith("POST"):
            asked.set()
            assert cancelled.wait(5)
        peer.answer(200, OK)

    cancellation = Cancellation()
    with scripted(serve_all(handler)) as server, server.client() as client:
        client.request("GET", "/x", deadline=Deadline(5, cancellation=cancellation))
        answers: list[object] = []
        other = threading.Thread(target=lambda: answers.append(client.request("POST", "/x", body={})))
        other.start()
        assert asked.wait(5)
        cancellation.cancel()
        cancelled.set()
        other.join(5)
        assert (answers, server.connections) == ([{"kind": "Thing"}], 1)


@pytest.mark.parametrize("interim", [102, 103])
def test_interim_answers_are_passed_over(interim: int) -> None:
    def handle(peer: Peer, request: str) -> None:
        peer.send(f"HTTP/1.1 {interim} Wait\r\nLink: </x>\r\n\r\n".encode())
        peer.answer(200, OK if "GET /x " in request else b'{"kind":"Other"}')

    with scripted(serve_all(handle)) as server, server.client() as client:
        assert client.request("GET", "/x") == {"kind": "Thing"}
        assert client.request("GET", "/y") == {"kind": "Other"}


def test_an_answer_that_comes_before_the_body_was_read_is_not_lost() -> None:
    def early(peer: Peer) -> None:
        while peer._file.readline() not in (b"\r\n", b""):
            pass
        peer.answer(413, b"too big", "Connection: close")

    with scripted(early) as server, server.client() as client:
        with pytest.raises((APIError, ConnectionFailedError)) as caught:
            client.request("POST", "/x", body={"data": "x" * 20_000_000})
    # The reset that follows may throw the answer away on our side, too; success it is never taken for.
    assert getattr(caught.value, "status", 413) == 413


@pytest.mark.parametrize("timeout", [float("inf"), 1e12])
def test_a_timeout_longer_than_sockets_can_count_is_none(timeout: float) -> None:
    with scripted(serve_all(_ok)) as server, server.client(timeout=timeout) as client:
        assert client.request("GET", "/x") == {"kind": "Thing"}


def test_a_timeout_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="nan"):
        Deadline(float("nan"))


def test_tls_connections_are_kept_too(tls_server: FakeAPIServer) -> None:
    with RESTClient() as client:
        for _ in range(3):
            assert client.request("GET", "/version")["major"] == "1"
        assert len(client._pool._idle) == 1
