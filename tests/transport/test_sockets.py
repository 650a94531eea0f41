"""Sockets notice a path that is dead below, and do not take a peer that merely does not read for dead."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator

import pytest

from devservers.transport.config.clientconfig import ClientConfig
from devservers.transport.deadline import Deadline
from devservers.transport.http.dial import connect
from devservers.transport.http.sockets import PROBE_AFTER, PROBE_INTERVAL, PROBES, unanswered, wait_ready

from .childpython import ROOT
from .tlsserver import serving

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Both ends of a TCP connection."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        ours = stack.enter_context(socket.create_connection(listener.getsockname()))
        theirs = stack.enter_context(listener.accept()[0])
        yield ours, theirs


def test_an_idle_dead_path_is_noticed_by_the_kernel_within_half_a_minute() -> None:
    assert PROBE_AFTER + PROBES * PROBE_INTERVAL <= 30
    with serving() as server, contextlib.closing(
        connect(ClientConfig(f"http://127.0.0.1:{server.port}"), Deadline(10))
    ) as sock:  # fmt: skip
        assert isinstance(sock, socket.socket)
        idle = getattr(socket, "TCP_KEEPIDLE", 0x10)  # macOS calls it TCP_KEEPALIVE
        assert sock.getsockopt(socket.IPPROTO_TCP, idle) == PROBE_AFTER
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL) == PROBE_INTERVAL
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT) == PROBES


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="only Linux has this option")
def test_the_option_that_would_end_a_peer_which_does_not_read_is_not_set() -> None:
    with serving() as server, contextlib.closing(
        connect(ClientConfig(f"http://127.0.0.1:{server.port}"), Deadline(10))
    ) as sock:  # fmt: skip
        assert isinstance(sock, socket.socket)
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 0


def test_a_socket_is_ready_when_there_is_something_to_read_or_room_to_write(pair: Pair) -> None:
    ours, theirs = pair
    assert not wait_ready(ours, 0)
    assert wait_ready(ours, 0, write=True)
    assert not wait_ready(ours, 0.05)
    theirs.send(b"x")
    assert wait_ready(ours, None)


def test_a_quiet_connection_is_not_unanswered(pair: Pair) -> None:
    ours, theirs = pair
    ours.send(b"x")
    theirs.recv(1)
    assert not wait_ready(ours, 0.3)
    assert not unanswered(ours, 0.1)


def test_a_peer_that_does_not_read_is_not_unanswered(pair: Pair) -> None:
    ours, _ = pair
    ours.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            ours.send(bytes(65536))
    assert not wait_ready(ours, 1.5)  # the kernel asks whether the window is open again, and is answered
    assert not unanswered(ours, 0.0)


def test_something_that_is_no_tcp_socket_is_not_unanswered() -> None:
    one, other = socket.socketpair()
    with one, other:
        assert not unanswered(one, 0.0)
    assert not unanswered(one, 0.0)


# a network of its own, whose only interface can be taken down

PRELUDE = """
    import contextlib, fcntl, socket, struct, sys, threading
    sys.path.insert(0, {root!r})
    from devservers.transport import ClientConfig, RESTClient
    from devservers.transport.exec import nonblocking as pipe
    from devservers.transport.http import pool as connection, sockets
    from devservers.transport.deadline import Deadline

    def loopback(up):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            flags = struct.pack("16sH14s", b"lo", 1 if up else 0, b"")  # IFF_UP
            fcntl.ioctl(sock, 0x8914, flags)  # SIOCSIFFLAGS

    loopback(True)
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
"""


def in_a_network_of_its_own(code: str) -> str:
    """What ``code`` prints in a new network namespace, where ``loopback(False)`` makes every packet vanish."""
    program = textwrap.dedent(PRELUDE).format(root=os.fspath(ROOT)) + textwrap.dedent(code)
    command = ["unshare", "--user", "--map-root-user", "--net", sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def _networks_can_be_made() -> bool:
    try:
        return subprocess.run(["unshare", "--user", "--map-root-user", "--net", "true"], check=False).returncode == 0
    except OSError:
        return False


needs_a_network = pytest.mark.skipif(
    not _networks_can_be_made(), reason="needs Linux, util-linux's unshare, and the right to make network namespaces"
)


@needs_a_network
def test_what_was_sent_into_a_dead_path_is_unanswered() -> None:
    code = """
    ours = socket.create_connection(("127.0.0.1", port))
    loopback(False)
    ours.send(b"x")
    print(sockets.unanswered(ours, 1.0), end=" ")
    while not sockets.wait_ready(ours, 0.1) and not sockets.unanswered(ours, 1.0):
        pass
    print(sockets.unanswered(ours, 1.0))
    """
    assert in_a_network_of_its_own(code) == "False True"


@needs_a_network
def test_a_request_on_a_dead_path_is_a_failed_connection_long_before_its_deadline() -> None:
    code = """
    connection.LOOK_SECONDS, connection.UNANSWERED_SECONDS = 0.2, 1.0
    accepted = threading.Event()

    def serve():
        sock, _ = listener.accept()
        sock.recv(65536)
        sock.sendall(b'HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\n{}')
        accepted.wait()

    threading.Thread(target=serve, daemon=True).start()
    client = RESTClient(ClientConfig(f"http://127.0.0.1:{port}"), timeout=50)
    client.request("GET", "/x")
    loopback(False)
    try:
        client.request("POST", "/x", body={})
    except Exception as error:
        print(type(error).__name__, error)
    """
    said = in_a_network_of_its_own(code)
    assert said == (
        "ConnectionFailedError POST /x: the connection failed (the host no longer answers: is the network or the VPN "
        "down?); it may have been executed"
    )


@needs_a_network
def test_a_stream_on_a_dead_path_can_be_read_to_learn_of_it() -> None:
    code = """
    pipe.UNANSWERED_SECONDS = 1.0
    ours = pipe.Pipe(socket.create_connection(("127.0.0.1", port)), Deadline(None))
    loopback(False)
    ours.send(b"ping")
    ours.flush()
    while not ours.wait(0.2):
        pass
    try:
        ours.recv_in_time()
    except OSError as error:
        print(error.strerror)
    """
    assert in_a_network_of_its_own(code).startswith("the host no longer answers")


@needs_a_network
def test_a_command_whose_path_dies_has_lost_its_connection() -> None:
    code = """
    from devservers.transport.exec import session
    from tests.transport.scripted import Peer
    from tests.transport.wspeer import WSPeer

    pipe.UNANSWERED_SECONDS, session.LOOK_SECONDS = 1.0, 0.2
    done = threading.Event()

    def serve():
        sock, _ = listener.accept()
        WSPeer(Peer(sock, done), "v4.channel.k8s.io").send(1, b"x")
        done.wait()

    threading.Thread(target=serve, daemon=True).start()
    client = RESTClient(ClientConfig(f"http://127.0.0.1:{port}"))
    with session.open_session(
        client, session.ExecTarget("n", "p"), {"v4.channel.k8s.io": ["cmd"]}, stdin=True,
        deadline=Deadline(50),
    ) as running:
        try:
            running.communicate(iter([b"input"]), lambda data: loopback(False), print, Deadline(50))
        except Exception as error:
            print(type(error).__name__, error)
    """
    said = in_a_network_of_its_own(code)
    assert said.startswith("ExecConnectionLostError")
    assert "the host no longer answers" in said
