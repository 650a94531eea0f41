"""Small builders for the CRD tests, and a few ways to look at what the server was asked."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Optional

from devservers.crds.base import ObjectMeta
from devservers.crds.devserver import DevServer
from devservers.crds.model.liveobject import LiveObject
from devservers.transport.resources import Resource
from devservers.transport.rest import RESTClient
from tests.fakeapiserver import FakeAPIServer
from tests.fakeapiserver.operator import Operator

KIND = Resource("devserver.io", "v1", "devservers", "DevServer", namespaced=True)
SPEC = {"flavor": "cpu-small", "image": "ubuntu:22.04"}
V4_ONLY = ("v4.channel.k8s.io", "v3.channel.k8s.io", "v2.channel.k8s.io", "channel.k8s.io")
V5_ONLY = ("v5.channel.k8s.io",)
SHORT = 0.3
"""Seconds for a wait that is meant to time out."""
LONG = 20.0
"""Seconds for a wait that is meant to succeed; it is never spent."""


def created(name: str = "dev", spec: Optional[dict[str, Any]] = None, **metadata: Any) -> DevServer:
    """A DevServer that stands on the cluster."""
    return DevServer.create(ObjectMeta(name=name, **metadata), SPEC if spec is None else spec)


def live(server: DevServer, client: Optional[RESTClient] = None) -> LiveObject:
    """The object that ``server`` stands for, as the modules below it take it."""
    return LiveObject(KIND, server.to_dict(), client)


def set_status(cluster: FakeAPIServer, name: str = "dev", **status: Any) -> None:
    """What an operator does: write a DevServer's status."""

    def change(raw: dict[str, Any]) -> None:
        raw["status"] = {**(raw.get("status") or {}), **status}

    cluster.store.modify("devservers", name, "default", change)


def pod_name(cluster: FakeAPIServer, name: str = "dev") -> str:
    """The name of the pod that a DevServer has."""
    return str(Operator.of(cluster).pod_of(name)["metadata"]["name"])


def names_on(cluster: FakeAPIServer, resource: str = "devservers", namespace: str = "") -> list[str]:
    """The names of the objects that the server has."""
    return [raw["metadata"]["name"] for raw in cluster.store.list(resource, namespace)]


def requests_of(cluster: FakeAPIServer, method: str, part: str = "") -> list[str]:
    """The targets of the requests of one method, in order."""
    return [request.target for request in list(cluster.requests) if request.method == method and part in request.target]


def eventually(holds: Callable[[], object], what: str, seconds: float = LONG) -> None:
    """Look again and again until something holds; fail saying what did not."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"{what}: not within {seconds:g} s"
        threading.Event().wait(0.005)


@contextmanager
def in_background(action: Callable[[], object]) -> Iterator[threading.Thread]:
    """Run something beside the body; what it raises fails the test."""
    failures: list[BaseException] = []

    def run() -> None:
        try:
            action()
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield thread
    finally:
        thread.join(LONG)
    assert not thread.is_alive(), "the thread beside has not ended"
    if failures:
        raise failures[0]
