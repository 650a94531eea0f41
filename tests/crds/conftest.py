"""Fixtures of the CRD tests: clusters where a test decides what happens, and when."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Callable

import pytest

from .builders import V4_ONLY
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


@pytest.fixture(params=["operated", "old"], ids=["v5", "v4"])
def either(request: pytest.FixtureRequest) -> StagedServer:
    """One of today and one of before v5.channel.k8s.io, in turn."""
    server: StagedServer = request.getfixturevalue(request.param)
    return server
