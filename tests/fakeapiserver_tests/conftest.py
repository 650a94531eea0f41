"""A server without operator, and a plain client of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fakeapiserver import FakeAPIServer

from .plainclient import PlainClient


@pytest.fixture
def fake() -> Iterator[FakeAPIServer]:
    with FakeAPIServer(operator=False) as server:
        yield server


@pytest.fixture
def client(fake: FakeAPIServer) -> Iterator[PlainClient]:
    with PlainClient(fake) as plain:
        yield plain
