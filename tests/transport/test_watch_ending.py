"""A watch ends by its deadline, by stop() and close() from any thread, and by errors that waiting cannot mend."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from devservers import errors
from devservers.transport import Watch, retry
from devservers.transport.deadline import Deadline
from tests.stopwatch import Stopwatch

from .scripted import FakeClock, Peer, scripted, serve_all
from .watchstage import DEVSERVERS, EXPIRED, Stage, a_line, obj, silent_after_one_event, stream_of, watch_on


def test_forbidden_in_the_middle_is_raised() -> None:
    error = {**EXPIRED, "code": 403, "reason": "Forbidden"}
    with scripted(serve_all(Stage([], stream_of(a_line("ERROR", error))))) as server, watch_on(server) as watch:
        with pytest.raises(errors.ForbiddenError, match="watch"):
            next(watch)


def test_a_version_that_is_none_is_raised_though_the_server_calls_it_a_failure_of_its_own() -> None:
    message = 'resourceVersion: Invalid value: "abc": strconv.ParseUint: parsing "abc": invalid syntax'
    status = {"kind": "Status", "status": "Failure", "code": 500, "message": message}
    with scripted(serve_all(lambda peer, request: peer.answer(500, json.dumps(status).encode()))) as server:
        with watch_on(server, resource_version="abc") as watch, pytest.raises(errors.ServerError, match='"abc"'):
            next(watch)


def test_no_success_at_the_start_is_raised() -> None:
    with scripted(serve_all(lambda peer, request: peer.answer(404, b"404 page not found"))) as server:
        with watch_on(server) as watch, pytest.raises(errors.NotFoundError):
            next(watch)


def test_a_server_that_stays_away_is_given_up_after_five_minutes() -> None:
    stage = Stage([], stream_of(a_line("ADDED", obj("a", 11))), *[lambda peer: peer.reset()] * 500)
    clock = FakeClock()
    with scripted(serve_all(stage)) as server, watch_on(server, clock) as watch:
        next(watch)
        with pytest.raises(errors.ConnectionFailedError):
            next(watch)
    assert retry.PATIENCE < clock.time < 2 * retry.PATIENCE


def test_a_deadline_ends_the_iteration_whatever_the_server_does() -> None:
    def endless(peer: Peer) -> None:
        peer.chunked(end=False)
        version = 11
        while not peer.ended.is_set():
            peer.chunk(a_line("ADDED", obj(f"a{version}", version)))
            version += 1

    with scripted(serve_all(Stage([], endless))) as server, server.client() as client:
        stopwatch = Stopwatch()
        with Watch(client, DEVSERVERS, "n", deadline=Deadline(0.5)) as watch:
            assert sum(1 for _ in watch) > 0
        assert stopwatch.own_seconds < 1.5


def test_a_deadline_ends_a_silent_watch() -> None:
    def silent(peer: Peer) -> None:
        peer.chunked(end=False)
        peer.hold()

    with scripted(serve_all(Stage([], silent))) as server:
        with server.client() as client, Watch(client, DEVSERVERS, "n", deadline=Deadline(0.3)) as watch:
            stopwatch = Stopwatch()
            assert list(watch) == []
            assert stopwatch.own_seconds < 1.3


def test_stop_from_another_thread_ends_a_blocked_iteration() -> None:
    opened = threading.Event()
    with scripted(serve_all(Stage([], silent_after_one_event(opened)))) as server, server.client() as client:
        watch = Watch(client, DEVSERVERS, "n")
        told: list[Any] = []
        thread = threading.Thread(target=lambda: told.extend(watch))
        thread.start()
        assert opened.wait(5)
        watch.stop()
        thread.join(10)
        assert not thread.is_alive()
        assert len(told) <= 1


def test_no_event_comes_after_stop() -> None:
    with scripted(serve_all(Stage([obj(f"a{number}", 1) for number in range(50)]))) as server:
        with watch_on(server) as watch:
            next(watch)
            watch.stop()
            assert list(watch) == []


def test_stop_ends_the_first_list_too() -> None:
    asked = threading.Event()

    def silent(peer: Peer) -> None:
        peer.request()
        asked.set()
        peer.hold()

    with scripted(silent) as server, server.client(timeout=60) as client:
        watch = Watch(client, DEVSERVERS, "n")
        thread = threading.Thread(target=lambda: list(watch))
        thread.start()
        assert asked.wait(5)
        watch.stop()
        thread.join(10)
        assert not thread.is_alive()


def test_closing_from_another_thread_ends_the_iteration() -> None:
    opened = threading.Event()
    with scripted(serve_all(Stage([], silent_after_one_event(opened)))) as server, server.client() as client:
        watch = Watch(client, DEVSERVERS, "n")
        next(watch)
        thread = threading.Thread(target=lambda: list(watch))
        thread.start()
        assert opened.wait(5)
        watch.close()
        thread.join(10)
        assert not thread.is_alive()


def test_leaving_a_watch_closes_its_connection() -> None:
    ended = threading.Event()

    def stream(peer: Peer) -> None:
        peer.chunked(a_line("ADDED", obj("a", 11)), end=False)
        peer.request()
        ended.set()

    with scripted(serve_all(Stage([], stream))) as server, server.client() as client:
        for _ in Watch(client, DEVSERVERS, "n"):
            break
        assert ended.wait(5)
