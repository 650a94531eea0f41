"""A Ctrl-C that arrives while a watch is being ended is not swallowed.

Python prints and drops what is raised in a finaliser; so no generator may be left to one.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from itertools import islice
from typing import Any, Optional

import pytest

from devservers.crds.base import ObjectMeta
from devservers.crds.devserver import DevServer
from devservers.crds.lifecycle.waiting import observe
from devservers.transport import RESTClient
from devservers.transport.deadline import Deadline
from devservers.transport.http.opener import Answer
from devservers.transport.resources import Query

from .builders import LONG, SPEC, set_status
from .staged import StagedServer


class InterruptedAnswer:
    """An answer in whose ``close`` the signal arrives."""

    def __init__(self, answer: Answer) -> None:
        self.read_some = answer.read_some
        self._answer = answer

    def close(self) -> None:
        self._answer.close()
        signal.raise_signal(signal.SIGINT)


class InterruptedClient(RESTClient):
    def stream(self, path: str, *, query: Optional[Query] = None, deadline: Deadline, idle: float) -> Any:
        return InterruptedAnswer(super().stream(path, query=query, deadline=deadline, idle=idle))


@pytest.fixture
def server(cluster: StagedServer) -> Iterator[DevServer]:
    """One whose watch tells two events: the first is from the list, the second from the stream."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    cluster.after("GET", "watch=true", lambda: set_status(cluster, phase="Pending"))
    yield DevServer.create(ObjectMeta(name="dev"), SPEC, client=InterruptedClient())
    signal.signal(signal.SIGINT, before)


def test_by_closing_a_watch_that_was_read_by_hand(server: DevServer) -> None:
    watch = server.watch(timeout=LONG)
    next(watch)
    next(watch)
    with pytest.raises(KeyboardInterrupt):
        watch.close()


def test_by_leaving_a_with_block_from_its_loop(server: DevServer) -> None:
    def leave() -> None:
        with server.watch(timeout=LONG) as watch:
            for event in watch:
                if event["type"] == "MODIFIED":
                    return

    with pytest.raises(KeyboardInterrupt):
        leave()


def test_by_closing_a_wait(server: DevServer) -> None:
    events = observe(server, Deadline(LONG))
    list(islice(events, 2))
    with pytest.raises(KeyboardInterrupt):
        events.close()


def test_by_a_wait_that_has_come_to_its_end(server: DevServer) -> None:
    with pytest.raises(KeyboardInterrupt):
        list(server.wait_for_status({"phase": "Pending"}, timeout=LONG))
