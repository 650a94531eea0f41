"""Names are resolved within the deadline, by a thread only where there is a limit to keep."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from typing import Any, Optional

import pytest

from devservers.errors import RequestTimeoutError
from devservers.transport.config.clientconfig import ClientConfig
from devservers.transport.deadline import Cancellation, Deadline
from devservers.transport.http.resolve import Lookup, resolve
from tests.stopwatch import Stopwatch

from .childpython import run_python
from .connecting import failure_of

FOUND = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 6443))]
ANSWER = [(int(socket.AF_INET), ("192.0.2.1", 6443))]


def by(threads: list[threading.Thread]) -> Lookup:
    """A lookup that notes the thread it runs on."""

    def lookup(host: str, port: int) -> list[Any]:
        threads.append(threading.current_thread())
        return FOUND

    return lookup


@pytest.fixture
def silent() -> Iterator[Lookup]:
    """A lookup by name servers that do not answer until the test is over."""
    over = threading.Event()

    def lookup(host: str, port: int) -> list[Any]:
        over.wait()
        return FOUND

    yield lookup
    over.set()


def test_a_name_is_looked_up() -> None:
    found = resolve("localhost", 80, Deadline(10))
    assert (int(socket.AF_INET), ("127.0.0.1", 80)) in found


def test_without_a_limit_it_is_done_in_place() -> None:
    threads: list[threading.Thread] = []
    assert resolve("api.example", 6443, Deadline(None), by(threads)) == ANSWER
    assert threads == [threading.current_thread()]


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1", "fe80::1%lo"])
def test_an_address_is_not_looked_up_by_a_thread(address: str) -> None:
    threads: list[threading.Thread] = []
    resolve(address, 6443, Deadline(10), by(threads))
    assert threads == [threading.current_thread()]


@pytest.mark.parametrize(("seconds", "cancellation"), [(10, None), (None, Cancellation())])
def test_where_there_is_a_limit_a_thread_does_it_and_is_gone(
    seconds: Optional[float], cancellation: Optional[Cancellation]
) -> None:
    threads: list[threading.Thread] = []
    deadline = Deadline(seconds, cancellation=cancellation)
    assert resolve("api.example", 6443, deadline, by(threads)) == ANSWER
    threads[0].join(10)
    assert not threads[0].is_alive()
    assert threads[0].daemon


@pytest.mark.parametrize("error", [socket.gaierror(-2, "Name or service not known"), UnicodeError("label too long")])
def test_the_error_of_a_lookup_is_that_of_the_call(error: Exception) -> None:
    def lookup(host: str, port: int) -> list[Any]:
        raise error

    with pytest.raises(type(error)) as caught:
        resolve("api.example", 6443, Deadline(10), lookup)
    assert caught.value is error


def test_a_lookup_that_hangs_ends_with_the_deadline(silent: Lookup) -> None:
    stopwatch = Stopwatch()
    with pytest.raises(TimeoutError):
        resolve("api.example", 6443, Deadline(0.2), silent)
    assert stopwatch.seconds >= 0.2
    assert stopwatch.own_seconds < 1.2


def test_a_lookup_that_hangs_ends_with_a_cancellation() -> None:
    cancellation = Cancellation()
    over = threading.Event()

    def lookup(host: str, port: int) -> list[Any]:
        cancellation.cancel()
        over.wait()
        return FOUND

    stopwatch = Stopwatch()
    with pytest.raises(TimeoutError):
        resolve("api.example", 6443, Deadline(60, cancellation=cancellation), lookup)
    assert stopwatch.own_seconds < 1
    over.set()


def test_a_name_that_was_not_resolved_in_time_is_told(monkeypatch: pytest.MonkeyPatch, silent: Lookup) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, port, **_: silent(host, port))
    said = failure_of(ClientConfig("https://api.example:6443"), RequestTimeoutError, deadline=Deadline(0.1))
    assert "no connection to https://api.example:6443: the name 'api.example' was not resolved in time" in said


def test_where_no_thread_can_be_started_it_is_done_in_place() -> None:
    code = """
import threading
from devservers.transport.deadline import Deadline
from devservers.transport.http.resolve import resolve
threading.stack_size(1 << 46)
print(resolve("localhost", 80, Deadline(10)) != [])
"""
    assert run_python(code) == "True"
