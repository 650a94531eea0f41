"""A client certificate that is replaced: no connection that was opened with the old one carries a request again.

Real TLS with client certificates. One call is under way while the certificate changes, so that its
connection comes back only afterwards.
"""

from __future__ import annotations

import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, NamedTuple

import pytest

from devservers.transport import RESTClient, load_config
from devservers.transport.deadline import Deadline
from devservers.transport.exec.channels import V4
from devservers.transport.exec.session import ExecTarget, open_session
from devservers.transport.resources import Resource
from tests.crds.staged import StagedServer
from tests.fakeapiserver.access.auth import MASTERS
from tests.fakeapiserver.faults.faultyanswers import Proceed
from tests.fakeapiserver.serving.http import Reply, Request

from .kubeconfigs import document, write
from .plugins import Plugin, exec_credential

DEVSERVERS = Resource("devserver.io", "v1", "devservers", "DevServer", True)


@pytest.fixture
def server() -> Iterator[StagedServer]:
    server = StagedServer(tls=True, operator=False)
    with server:
        yield server


class Rotating(NamedTuple):
    """A client, and what gives it the certificate of ``new`` in place of that of ``old``."""

    server: StagedServer
    client: RESTClient
    rotate: Callable[[], None]

    def call(self) -> None:
        assert self.client.list_all(DEVSERVERS, "default")[0] == []

    def users(self) -> list[tuple[str, int]]:
        """Who asked, as the server saw it, and what it answered."""
        return [(request.user.name, request.status) for request in self.server.requests]

    @contextmanager
    def busy(self) -> Iterator[None]:
        """A call on a connection of its own: it is served as the block begins, and answered as it ends."""
        served, over = threading.Event(), threading.Event()

        def wait() -> None:
            served.set()
            over.wait(20)

        self.server.after("GET", "devservers", wait)
        thread = threading.Thread(target=self.call)
        thread.start()
        try:
            assert served.wait(10)
            yield
        finally:
            over.set()
            thread.join(10)


def _client(server: StagedServer, directory: Path, user: dict[str, Any]) -> RESTClient:
    ca = b64encode(server.ca_pem or b"").decode()
    cluster = {"server": server.url, "certificate-authority-data": ca}
    return RESTClient(load_config(write(directory / "config", document(cluster=cluster, user=user))))


def _by_files(server: StagedServer, directory: Path) -> Rotating:
    old, new = (server.client_certificate(name, (MASTERS,)) for name in ("old", "new"))

    def install(pair: tuple[bytes, bytes]) -> None:
        for name, content in zip(("tls.crt", "tls.key"), pair):
            (directory / f"{name}.new").write_bytes(content)
            (directory / f"{name}.new").replace(directory / name)

    def rotate() -> None:
        install(new)
        server.tokens.expire_certificates("old")

    install(old)
    client = _client(server, directory, {"client-certificate": "tls.crt", "client-key": "tls.key"})
    return Rotating(server, client, rotate)


def _by_plugin(server: StagedServer, directory: Path) -> Rotating:
    for number, name in enumerate(("old", "new"), 1):
        certificate, key = (pem.decode() for pem in server.client_certificate(name, (MASTERS,)))
        answer = exec_credential(clientCertificateData=certificate, clientKeyData=key)
        (directory / f"answer{number}").write_text(answer)
    plugin = Plugin(directory, f"cat '{directory}/answer'$(($(wc -l < '{directory}/runs')))")
    client = _client(server, directory, {"exec": plugin.stanza})
    return Rotating(server, client, lambda: server.tokens.expire_certificates("old"))


@pytest.fixture(params=[_by_files, _by_plugin], ids=["files", "plugin"])
def rotating(request: pytest.FixtureRequest, server: StagedServer, tmp_path: Path) -> Iterator[Rotating]:
    made: Rotating = request.param(server, tmp_path)
    with made.client:
        yield made


def test_a_connection_that_was_busy_during_the_rotation_is_not_used_again(rotating: Rotating) -> None:
    with rotating.busy():
        rotating.rotate()
        rotating.call()
    before = len(rotating.users())
    for _ in range(3):
        rotating.call()
    assert rotating.users()[before:] == [("new", 200)] * 3


def test_idle_connections_of_before_are_not_used_again(rotating: Rotating) -> None:
    with rotating.busy():
        rotating.call()
    rotating.rotate()
    before = len(rotating.users())
    for _ in range(3):
        rotating.call()
    assert [each for each in rotating.users()[before:] if each[1] == 200] == [("new", 200)] * 3


def test_a_watch_that_outlives_the_rotation_gives_back_nothing_that_is_used(rotating: Rotating) -> None:
    query = {"watch": "true", "timeoutSeconds": 1}
    watch = rotating.client.stream("/apis/devserver.io/v1/devservers", query=query, deadline=Deadline(20), idle=20)
    rotating.rotate()
    rotating.call()
    watch.read()
    before = len(rotating.users())
    rotating.call()
    assert rotating.users()[before:] == [("new", 200)]


def test_an_upgrade_after_the_rotation_shows_the_new_certificate(rotating: Rotating, server: StagedServer) -> None:
    rotating.call()
    rotating.rotate()
    rotating.call()
    with pytest.raises(Exception, match="not found"):
        open_session(rotating.client, ExecTarget("default", "gone"), {V4: ["true"]}, stdin=False, deadline=Deadline(10))
    assert rotating.users()[-1] == ("new", 404)


def test_without_a_rotation_the_connection_is_kept(rotating: Rotating) -> None:
    connections: list[object] = []

    def note(request: Request, proceed: Proceed, over: threading.Event) -> Reply:
        connections.append(request.connection)
        return proceed()

    with rotating.server.fault.inject(note):
        for _ in range(3):
            rotating.call()
    assert len(connections) == 3
    assert len({id(connection) for connection in connections}) == 1


def test_a_certificate_whose_key_is_not_there_yet_disturbs_nothing(server: StagedServer, tmp_path: Path) -> None:
    rotating = _by_files(server, tmp_path)
    new = server.client_certificate("new", (MASTERS,))
    with rotating.client:
        rotating.call()
        (tmp_path / "tls.crt").write_bytes(new[0])
        rotating.call()
        (tmp_path / "tls.key").write_bytes(new[1])
        rotating.call()
    assert rotating.users() == [("old", 200), ("old", 200), ("new", 200)]
