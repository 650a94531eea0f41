"""A connection that is being opened is given up as soon as its call is cancelled, whatever it waits for."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Callable

import pytest

from devservers.errors import RequestTimeoutError
from devservers.transport import RESTClient, Watch
from devservers.transport.config.clientconfig import ClientConfig
from devservers.transport.deadline import Cancellation, Deadline
from devservers.transport.http.dial import connect
from tests.stopwatch import Stopwatch

from .certificates import authority, server_context
from .connecting import HOSTS, proxied
from .proxyserver import Proxy, proxying
from .tlsserver import serving
from .watchstage import DEVSERVERS

Reached = threading.Event
"""Set by the peer when the client has come to the state in question, and is left waiting."""


def silent(reached: Reached) -> Callable[[socket.socket], None]:
    """A peer that reads and says nothing."""

    def talk(sock: socket.socket) -> None:
        while sock.recv(65536):
            reached.set()

    return talk


@contextlib.contextmanager
def a_host_that_drops_packets(reached: Reached) -> Iterator[ClientConfig]:
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):  # fills the queue of connections nobody accepts; the kernel drops what comes then
            filler = stack.enter_context(contextlib.closing(socket.socket()))
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        reached.set()
        yield ClientConfig(f"https://127.0.0.1:{listener.getsockname()[1]}")


@contextlib.contextmanager
def a_silent_handshake(reached: Reached) -> Iterator[ClientConfig]:
    with serving(silent(reached)) as server:
        yield ClientConfig(f"https://127.0.0.1:{server.port}")


@contextlib.contextmanager
def a_proxy_that_does_not_answer_connect(reached: Reached) -> Iterator[ClientConfig]:
    with serving(silent(reached)) as server:
        yield proxied(server, Proxy("http", server.port))


@contextlib.contextmanager
def a_silent_handshake_with_a_proxy(reached: Reached) -> Iterator[ClientConfig]:
    with serving(silent(reached)) as server:
        yield proxied(server, Proxy("https", server.port))


@contextlib.contextmanager
def a_tls_proxy_that_does_not_answer_connect(reached: Reached) -> Iterator[ClientConfig]:
    with serving(silent(reached), server_context(authority().issue("127.0.0.1"))) as server:
        yield proxied(server, Proxy("https", server.port))


@contextlib.contextmanager
def a_silent_handshake_within_that_with_a_proxy(reached: Reached) -> Iterator[ClientConfig]:
    context = server_context(authority().issue("127.0.0.1"))
    with proxying(context=context, resolve=HOSTS) as proxy, serving(silent(reached)) as server:
        yield proxied(server, proxy)


@contextlib.contextmanager
def name_servers_that_do_not_answer(reached: Reached) -> Iterator[ClientConfig]:
    over = threading.Event()
    system = socket.getaddrinfo

    def lookup(*_: object, **__: object) -> list[object]:
        reached.set()
        over.wait()
        return []

    socket.getaddrinfo = lookup  # type: ignore[assignment]
    try:
        yield ClientConfig("https://api.example:6443")
    finally:
        socket.getaddrinfo = system
        over.set()


STATES = [
    a_host_that_drops_packets,
    a_silent_handshake,
    a_proxy_that_does_not_answer_connect,
    a_silent_handshake_with_a_proxy,
    a_tls_proxy_that_does_not_answer_connect,
    a_silent_handshake_within_that_with_a_proxy,
    name_servers_that_do_not_answer,
]
State = Callable[[Reached], contextlib.AbstractContextManager[ClientConfig]]


@pytest.fixture(params=STATES, ids=lambda state: state.__name__)
def state(request: pytest.FixtureRequest) -> State:
    chosen: State = request.param
    return chosen


def test_a_connect_ends_with_its_deadline(state: State) -> None:
    with state(Reached()) as config:
        stopwatch = Stopwatch()
        with pytest.raises(RequestTimeoutError):
            connect(config, Deadline(0.3))
        assert stopwatch.own_seconds < 1.3


def test_a_connect_ends_when_it_is_cancelled(state: State) -> None:
    reached, cancellation = Reached(), Cancellation()
    failures: list[BaseException] = []

    def run() -> None:
        try:
            connect(config, Deadline(None, cancellation=cancellation)).close()
        except RequestTimeoutError as error:
            failures.append(error)

    with state(reached) as config:
        thread = threading.Thread(target=run)
        thread.start()
        assert reached.wait(10)
        stopwatch = Stopwatch()
        cancellation.cancel()
        thread.join(10)
        assert not thread.is_alive()
        assert stopwatch.own_seconds < 1
    assert len(failures) == 1


@pytest.mark.parametrize("end", [Watch.stop, Watch.close], ids=["stop", "close"])
def test_stop_and_close_of_a_watch_are_felt_at_once(state: State, end: Callable[[Watch], None]) -> None:
    reached = Reached()
    with state(reached) as config, RESTClient(config) as client:
        watch = Watch(client, DEVSERVERS, "n")
        told: list[object] = []
        thread = threading.Thread(target=lambda: told.extend(watch))
        thread.start()
        assert reached.wait(10)
        stopwatch = Stopwatch()
        end(watch)
        thread.join(10)
        assert not thread.is_alive()
        assert stopwatch.own_seconds < 1
    assert told == []


def test_a_call_without_any_limit_gives_up_an_address_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("devservers.transport.http.dial.CONNECT_TIMEOUT", 0.2)
    for state in STATES[:-1]:
        with state(Reached()) as config, pytest.raises(RequestTimeoutError):
            connect(config, Deadline(None))
