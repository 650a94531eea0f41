"""What a client does about a 401: renew the credentials once, send again once; and what it does not do about a 403."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from devservers.errors import ForbiddenError, NotFoundError, UnauthorizedError
from devservers.transport import RESTClient, Watch, load_config
from devservers.transport.deadline import Deadline
from devservers.transport.exec.channels import V4
from devservers.transport.exec.session import ExecTarget, open_session
from devservers.transport.resources import Resource
from tests.fakeapiserver import FakeAPIServer

from .kubeconfigs import document, write
from .plugins import Plugin, exec_credential

GOOD = "a-good-token"
DEVSERVERS = Resource("devserver.io", "v1", "devservers", "DevServer", True)
DEVSERVER = {
    "apiVersion": "devserver.io/v1",
    "kind": "DevServer",
    "metadata": {"name": "mine", "namespace": "default"},
    "spec": {"flavor": "cpu-small", "image": "ubuntu:22.04"},
}


@pytest.fixture
def quiet_server() -> Iterator[FakeAPIServer]:
    """A server whose only requests are the tests'."""
    with FakeAPIServer(operator=False) as server:
        server.add_token(GOOD, "alice", ("system:masters",))
        yield server


class Rotating:
    """A client whose token file the cluster has moved on from: what it has read is stale, what is in there is good."""

    def __init__(self, server: FakeAPIServer, directory: Path) -> None:
        self._server = server
        self.file = directory / "token"
        self.file.write_text("stale")
        config = document(cluster={"server": server.url}, user={"tokenFile": str(self.file)})
        self.client = RESTClient(load_config(write(directory / "config", config)))
        self.file.write_text(GOOD)

    def statuses(self) -> list[int]:
        return [request.status for request in self._server.requests]


@pytest.fixture
def rotating(quiet_server: FakeAPIServer, tmp_path: Path) -> Iterator[Rotating]:
    rotating = Rotating(quiet_server, tmp_path)
    with rotating.client:
        yield rotating


def test_a_read_is_sent_again_with_the_new_token(rotating: Rotating) -> None:
    assert rotating.client.list_all(DEVSERVERS, "default")[0] == []
    assert rotating.statuses() == [401, 200]


def test_a_write_is_sent_again_since_nothing_was_done(rotating: Rotating) -> None:
    assert rotating.client.create(DEVSERVERS, "default", DEVSERVER)["metadata"]["name"] == "mine"
    assert rotating.statuses() == [401, 201]


def test_a_watch_begins_with_the_new_token(rotating: Rotating, quiet_server: FakeAPIServer) -> None:
    quiet_server.apply(DEVSERVER)
    event = next(iter(Watch(rotating.client, DEVSERVERS, "default", deadline=Deadline(10))))
    assert (event["type"], event["object"]["metadata"]["name"]) == ("ADDED", "mine")


def test_an_exec_upgrade_is_asked_for_again_with_the_new_token(rotating: Rotating) -> None:
    with pytest.raises(NotFoundError):  # past authentication: it is the pod that is missing
        open_session(rotating.client, ExecTarget("default", "gone"), {V4: ["true"]}, stdin=False, deadline=Deadline(10))
    assert rotating.statuses() == [401, 404]


def test_a_second_401_is_final(rotating: Rotating) -> None:
    rotating.file.write_text("also-stale")
    with pytest.raises(UnauthorizedError):
        rotating.client.list_all(DEVSERVERS, "default")
    assert rotating.statuses() == [401, 401]


def test_a_token_that_is_still_the_same_is_not_sent_twice(rotating: Rotating) -> None:
    rotating.file.write_text("stale")
    with pytest.raises(UnauthorizedError):
        rotating.client.list_all(DEVSERVERS, "default")
    assert rotating.statuses() == [401]


def test_a_403_renews_nothing(rotating: Rotating, quiet_server: FakeAPIServer) -> None:
    quiet_server.add_token("stale", "bob")  # known, and allowed nothing
    with pytest.raises(ForbiddenError):
        rotating.client.list_all(DEVSERVERS, "default")
    assert rotating.statuses() == [403]


def test_many_requests_with_an_expired_plugin_token_run_the_plugin_once_more(
    quiet_server: FakeAPIServer, tmp_path: Path
) -> None:
    stale, good = (exec_credential(token=token) for token in ("stale", GOOD))
    plugin = Plugin(tmp_path, f"test $(wc -l < '{tmp_path}/runs') = 1 && echo '{stale}' || echo '{good}'")
    config = document(cluster={"server": quiet_server.url}, user={"exec": plugin.stanza})
    client = RESTClient(load_config(write(tmp_path / "config", config)))
    client.config.credentials.identity()
    listed: list[object] = []
    threads = [
        threading.Thread(target=lambda: listed.append(client.list_all(DEVSERVERS, "default")[0])) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    client.close()
    assert listed == [[]] * 8
    assert plugin.runs == 2
