"""Fixtures of the CRD tests: clusters where a test decides what happens, and when."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Callable

import pytest

from devservers.crds.base import ObjectMeta
from devservers.crds.commands import killing
from devservers.crds.devserver import DevServer
from tests.machine import BUSYBOX, WITHOUT_BUSYBOX

from .builders import LONG, V4_ONLY, V5_ONLY
from .staged import StagedServer

Begin = Callable[[StagedServer], StagedServer]


@pytest.fixture
def begin(monkeypatch: pytest.MonkeyPatch) -> Iterator[Begin]:
    """Starts a server (stopped at the end of the test) and lets KUBECONFIG lead to it."""
    begun: list[StagedServer] = []

    def start(server: StagedServer) -> StagedServer:
        begun.append(server)
        server.start()
        monkeypatch.setenv("KUBECONFIG", os.fspath(server.kubeconfig))
        return server

    yield start
    for server in begun:
        server.stop()


@pytest.fixture
def cluster(begin: Begin) -> StagedServer:
    """A server without an operator: nothing happens that a test does not do."""
    return begin(StagedServer(operator=False))


@pytest.fixture
def operated(begin: Begin) -> StagedServer:
    """A server with its operator, which brings DevServers to life."""
    return begin(StagedServer())


@pytest.fixture
def old(begin: Begin) -> StagedServer:
    """A server of before v5.channel.k8s.io, with its operator."""
    return begin(StagedServer(exec_protocols=V4_ONLY))


@pytest.fixture
def v5_alone(begin: Begin) -> StagedServer:
    """A server that does not speak v4.channel.k8s.io any more, with its operator."""
    return begin(StagedServer(exec_protocols=V5_ONLY))


@pytest.fixture(params=["operated", "v5_alone"], ids=["v4", "v5"])
def either(request: pytest.FixtureRequest) -> StagedServer:
    """One that is spoken to in v4, as are those of today and of yesterday, and one that speaks v5 alone, in turn."""
    server: StagedServer = request.getfixturevalue(request.param)
    return server


def _ready(image: str = "ubuntu:22.04") -> DevServer:
    return DevServer.create(ObjectMeta(name="dev"), {"flavor": "cpu-small", "image": image}).wait_for_ready(
        timeout=LONG
    )


@pytest.fixture
def devserver(either: StagedServer) -> DevServer:
    """A DevServer that is ready, on a server that is spoken to in v4 and on one that speaks v5 alone."""
    return _ready()


@pytest.fixture
def modern(operated: StagedServer) -> DevServer:
    """A DevServer that is ready, on a server of today alone: for what does not depend on the protocol."""
    return _ready()


@pytest.fixture
def busybox(either: StagedServer) -> DevServer:
    """A DevServer whose container has busybox for its shell and tools."""
    if not BUSYBOX:
        pytest.skip(WITHOUT_BUSYBOX)
    return _ready("busybox")


@pytest.fixture
def shell_less(either: StagedServer) -> DevServer:
    """A DevServer whose container has no shell."""
    return _ready("distroless")


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of what the killing of a command does, not of how long it may take."""
    monkeypatch.setattr(killing, "KILL_SECONDS", LONG)
