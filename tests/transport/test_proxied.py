"""REST, watch and exec go the same way: through one proxy, plain or over TLS, to a server plain or over TLS."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from devservers.errors import ConnectionFailedError
from devservers.transport import ClientConfig, RESTClient, Watch, load_config
from devservers.transport.deadline import Deadline
from devservers.transport.exec.channels import V4
from devservers.transport.exec.session import ExecTarget, open_session
from devservers.transport.resources import Resource
from tests.fakeapiserver import FakeAPIServer

from .certificates import authority, server_context
from .kubeconfigs import document, write
from .proxyserver import Proxy, proxying

PODS = Resource("", "v1", "pods", "Pod", True)
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "mine", "namespace": "default"},
    "spec": {"nodeName": "node-1", "containers": [{"name": "main", "image": "ubuntu:22.04"}]},
    "status": {"phase": "Running"},
}


@pytest.fixture(params=["http", "https"])
def server(request: pytest.FixtureRequest) -> Iterator[FakeAPIServer]:
    with FakeAPIServer(tls=request.param == "https") as server:
        server.apply(POD)
        yield server


@pytest.fixture(params=["http", "https"])
def proxy(request: pytest.FixtureRequest) -> Iterator[Proxy]:
    context = server_context(authority("proxies").issue("127.0.0.1")) if request.param == "https" else None
    with proxying(context=context, user="bob", password="pw", resolve={"api.example": "127.0.0.1"}) as proxy:
        yield proxy


def client_of(server: FakeAPIServer, proxy: Proxy, directory: Path) -> RESTClient:
    """A client of a server under a name that only the proxy can resolve: whatever arrives there went through it."""
    bundle = (server.ca_pem or b"") + authority("proxies").pem
    (directory / "ca.crt").write_bytes(bundle)
    cluster = {
        "server": server.url.replace("127.0.0.1", "api.example"),
        "tls-server-name": "localhost",
        "certificate-authority": "ca.crt",
        "proxy-url": proxy.url_for("bob", "pw"),
    }
    path = write(directory / "config", document(cluster=cluster, user={"token": server.token}))
    return RESTClient(load_config(path))


def run(client: RESTClient, *command: str) -> bytes:
    """The output of a command in the pod."""
    output: list[bytes] = []
    deadline = Deadline(20)
    target = ExecTarget("default", "mine")
    with open_session(client, target, {V4: command}, stdin=False, deadline=deadline) as session:
        session.communicate(None, output.append, output.append, deadline)
    return b"".join(output)


def test_rest_watch_and_exec_all_use_the_proxy(server: FakeAPIServer, proxy: Proxy, tmp_path: Path) -> None:
    with client_of(server, proxy, tmp_path) as client:
        assert client.get(PODS, "default", "mine")["metadata"]["name"] == "mine"
        watch = Watch(client, PODS, "default", deadline=Deadline(20))
        assert next(watch)["object"]["metadata"]["name"] == "mine"
        watch.stop()
        assert run(client, "echo", "hello") == b"hello\n"


def test_megabytes_of_output_come_through(server: FakeAPIServer, proxy: Proxy, tmp_path: Path) -> None:
    with client_of(server, proxy, tmp_path) as client:
        assert len(run(client, "head", "-c", "3000000", "/dev/zero")) == 3_000_000


def test_only_the_proxy_is_shown_its_password(server: FakeAPIServer, proxy: Proxy, tmp_path: Path) -> None:
    with client_of(server, proxy, tmp_path) as client:
        client.get(PODS, "default", "mine")
        run(client, "true")
    assert all(headers["proxy-authorization"].startswith("Basic ") for headers in proxy.headers)
    assert not any("Proxy-Authorization" in request.headers for request in server.requests)


def test_a_proxy_that_wants_a_password_is_asked_once() -> None:
    """Found by review: asked four times, a proxy may lock the account."""
    with proxying(user="bob", password="right") as proxy:
        config = ClientConfig("https://api.example:6443", proxy_url=proxy.url_for("bob", "wrong"))
        with RESTClient(config) as client, pytest.raises(ConnectionFailedError, match="407"):
            client.request("GET", "/version")
        assert len(proxy.requests) == 1
