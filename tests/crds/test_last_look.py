"""A deadline proves nothing about a state that was not looked at: before a wait gives up it looks once more."""

from __future__ import annotations

import threading
from typing import Any, Callable

import pytest

from devservers import errors
from devservers.crds.base import ObjectMeta
from devservers.crds.devserver import DevServer
from tests.stopwatch import Stopwatch

from .builders import LONG, SPEC, created, names_on, set_status
from .staged import StagedServer
from .test_deletion import LIES

RUNNING = {"phase": "Running"}
TIME = 1.0
"""Seconds of a wait whose watch says nothing; it is spent."""


def when_watched(cluster: StagedServer, act: Callable[[], object]) -> None:
    """Let the change come when the watch has begun; what it would tell is lost."""
    cluster.after("GET", "watch=true", act)


def test_a_status_that_was_reached_behind_a_half_open_watch_is_reached(cluster: StagedServer) -> None:
    server = created()
    when_watched(cluster, lambda: set_status(cluster, phase="Running"))
    with cluster.fault.half_open_watch("devservers"):
        events = list(server.wait_for_status(RUNNING, timeout=TIME))
    assert [event["type"] for event in events] == ["ADDED", "MODIFIED"]
    assert server.status == RUNNING


def test_a_deletion_behind_a_half_open_watch_is_noticed(cluster: StagedServer) -> None:
    server = created()
    when_watched(cluster, lambda: cluster.store.delete("devservers", "dev", "default"))
    with cluster.fault.half_open_watch("devservers"):
        server.wait_for_deletion(timeout=TIME)


def test_a_status_of_what_was_deleted_behind_a_half_open_watch_is_not_waited_for(cluster: StagedServer) -> None:
    server = created()
    when_watched(cluster, lambda: cluster.store.delete("devservers", "dev", "default"))
    with cluster.fault.half_open_watch("devservers"), pytest.raises(errors.ResourceDeletedError):
        list(server.wait_for_status(RUNNING, timeout=TIME))


def test_a_server_that_got_ready_behind_a_half_open_watch_is_not_deleted(cluster: StagedServer) -> None:
    when_watched(cluster, lambda: get_ready(cluster))
    with cluster.fault.half_open_watch("devservers"):
        with DevServer(ObjectMeta(name="dev"), SPEC, wait_timeout=TIME) as server:
            assert server.status == RUNNING
            assert names_on(cluster) == ["dev"]


def get_ready(cluster: StagedServer) -> None:
    set_status(cluster, phase="Running")
    make_pod(cluster, "Running")


def make_pod(cluster: StagedServer, phase: str) -> None:
    pod: dict[str, Any] = {"metadata": {"name": "dev-0"}, "spec": {"containers": [{"name": "a", "image": "x"}]}}
    for old in cluster.store.list("pods"):
        cluster.store.delete("pods", old["metadata"]["name"], "default")
    cluster.store.create("pods", {**pod, "status": {"phase": phase}})


def test_the_look_goes_over_a_connection_of_its_own(cluster: StagedServer) -> None:
    threads: dict[str, threading.Thread] = {}  # each connection has one

    def note(name: str) -> Callable[[], object]:
        return lambda: threads.setdefault(name, threading.current_thread())

    cluster.before("POST", "devservers", note("create"))
    cluster.before("GET", "watch=true", note("watch"))
    cluster.before("GET", "/devservers/dev", note("look"))
    with pytest.raises(errors.WaitTimeoutError):
        list(created().wait_for_status(RUNNING, timeout=TIME))
    assert threads["look"] not in (threads["create"], threads["watch"])


def test_the_look_needs_no_more_rights_than_the_watch(cluster: StagedServer) -> None:
    cluster.rules.deny("admin", "get", "devservers")
    server = created()
    when_watched(cluster, lambda: set_status(cluster, phase="Running"))
    with cluster.fault.half_open_watch("devservers"):
        list(server.wait_for_status(RUNNING, timeout=TIME))
    assert server.status == RUNNING


@pytest.mark.parametrize("wait", ["status", "deletion", "ready"])
def test_a_server_that_says_nothing_does_not_prolong_a_wait(cluster: StagedServer, wait: str) -> None:
    server = created()
    waits: dict[str, Callable[[], object]] = {
        "status": lambda: list(server.wait_for_status(RUNNING, timeout=TIME)),
        "deletion": lambda: server.wait_for_deletion(timeout=TIME),
        "ready": lambda: server.wait_for_ready(timeout=TIME),
    }
    watch = Stopwatch()
    with cluster.fault.stall(), pytest.raises(errors.WaitTimeoutError):
        waits[wait]()
    assert watch.own_seconds < TIME + 1.2


def test_what_could_not_be_read_is_not_said_to_be_so(cluster: StagedServer) -> None:
    server = created()
    with cluster.fault.stall(), pytest.raises(errors.WaitTimeoutError) as caught:
        server.wait_for_deletion(timeout=0.3)
    assert "could not be read within 0.3 s" in str(caught.value)
    assert "still there" not in str(caught.value)


@pytest.mark.parametrize("lie", ["page_not_found", "namespace"])
def test_a_404_about_something_else_ends_no_wait(cluster: StagedServer, lie: str) -> None:
    suffer = LIES["an API server that is starting" if lie == "page_not_found" else "a namespace"]
    server = created()
    get_ready(cluster)
    make_pod(cluster, "Pending")
    for _ in range(2):
        cluster.before("GET", "/pods?label", lambda: None)
    cluster.before("GET", "/pods?label", lambda: make_pod(cluster, "Running"))
    with cluster.fault.inject(suffer, "get", "devservers", times=2) as fault:
        server.wait_for_ready(timeout=LONG)
    assert fault.suffered == 2
