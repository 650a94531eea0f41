"""Fixtures that every test may use: a fake API server, and a guard against the developer's own configuration."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

import devservers
from tests.fakeapiserver import FakeAPIServer

PROXY_VARIABLES = tuple(
    name for stem in ("http", "https", "all", "no") for name in (f"{stem}_proxy", f"{stem.upper()}_PROXY")
)
CLUSTER_VARIABLES = ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT")

# A slow machine, or one on which hypothesis must build its tables first, is not a failure.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


def pytest_configure() -> None:
    """Background jobs of a shell start with SIGINT ignored, and their children inherit that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--recording",
        action="append",
        default=[],
        metavar="FILE",
        help="a further recording of a real API server to replay against the fake one (may be repeated)",
    )


@pytest.fixture(autouse=True)
def _nothing_of_the_developers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No test sees the developer's kubeconfig, cluster or proxies, nor another test's default client."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    for name in (*CLUSTER_VARIABLES, *PROXY_VARIABLES):
        monkeypatch.delenv(name, raising=False)
    yield
    reset = getattr(devservers, "reset", None)
    if reset is not None:
        reset()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeAPIServer]:
    """A fake API server with its operator; KUBECONFIG leads to it."""
    with FakeAPIServer() as fake:
        monkeypatch.setenv("KUBECONFIG", os.fspath(fake.kubeconfig))
        yield fake


@pytest.fixture
def tls_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeAPIServer]:
    """A fake API server over TLS, with its operator; KUBECONFIG leads to it."""
    with FakeAPIServer(tls=True) as fake:
        monkeypatch.setenv("KUBECONFIG", os.fspath(fake.kubeconfig))
        yield fake
