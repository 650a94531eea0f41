"""Servers without operator: an empty one with a plain client of it, and ones with a running pod."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fakeapiserver import FakeAPIServer

from .plainclient import PlainClient
from .wsclient import running_pod


@pytest.fixture
def fake() -> Iterator[FakeAPIServer]:
    with FakeAPIServer(operator=False) as server:
        yield server


@pytest.fixture
def client(fake: FakeAPIServer) -> Iterator[PlainClient]:
    with PlainClient(fake) as plain:
        yield plain


@pytest.fixture
def plain() -> Iterator[FakeAPIServer]:
    """A server with a pod, over HTTP."""
    with FakeAPIServer(operator=False) as server:
        server.store.create("pods", running_pod())
        yield server


@pytest.fixture(params=[False, True], ids=["plain", "tls"])
def either(request: pytest.FixtureRequest) -> Iterator[FakeAPIServer]:
    """A server with a pod, over HTTP and over TLS in turn."""
    with FakeAPIServer(operator=False, tls=request.param) as server:
        server.store.create("pods", running_pod())
        yield server
