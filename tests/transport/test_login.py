"""A 401 that renewing does not cure: the kubeconfig is read again, if it says something else by now."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import devservers
from devservers import DevServer
from devservers.errors import KubeConfigError, UnauthorizedError
from devservers.transport import RESTClient, load_config
from devservers.transport.deadline import Deadline
from devservers.transport.exec.channels import V4
from devservers.transport.exec.session import ExecTarget, open_session
from devservers.transport.resources import Resource
from tests.fakeapiserver import FakeAPIServer
from tests.fakeapiserver.access.auth import MASTERS

from .kubeconfigs import document, write
from .plugins import Plugin, exec_credential

GOOD = "a-good-token"
DEVSERVERS = Resource("devserver.io", "v1", "devservers", "DevServer", True)


@pytest.fixture
def server() -> Iterator[FakeAPIServer]:
    with FakeAPIServer(operator=False) as server:
        server.add_token(GOOD, "alice", (MASTERS,))
        yield server


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "config"


def says(path: Path, server: FakeAPIServer, cluster: Any = None, **user: Any) -> Path:
    """Let the kubeconfig say that this is the user."""
    return write(path, document(cluster={"server": server.url, **(cluster or {})}, user=user))


def client_of(path: Path) -> RESTClient:
    return RESTClient(load_config(path))


def ask(client: RESTClient) -> None:
    assert client.list_all(DEVSERVERS, "default")[0] == []


def refused(client: RESTClient) -> str:
    with pytest.raises(UnauthorizedError) as caught:
        ask(client)
    return str(caught.value)


def statuses(server: FakeAPIServer) -> list[int]:
    return [request.status for request in server.requests]


def test_a_new_token_in_the_kubeconfig_is_taken_up_and_kept(server: FakeAPIServer, path: Path) -> None:
    client = client_of(says(path, server, token="stale"))
    says(path, server, token=GOOD)
    ask(client)
    ask(client)
    assert statuses(server) == [401, 200, 200]


def test_so_is_a_new_plugin_and_many_threads_run_it_once(server: FakeAPIServer, path: Path, tmp_path: Path) -> None:
    client = client_of(says(path, server, token="stale"))
    plugin = Plugin(tmp_path / "plugin", f"echo '{exec_credential(token=GOOD)}'")
    says(path, server, exec=plugin.stanza)
    threads = [threading.Thread(target=ask, args=(client,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert statuses(server).count(200) == 8
    assert plugin.runs == 1


def test_a_plugin_that_fails_is_replaced_by_what_the_kubeconfig_says_now(
    server: FakeAPIServer, path: Path, tmp_path: Path
) -> None:
    broken = Plugin(tmp_path / "broken", "exit 1")
    client = client_of(says(path, server, exec=broken.stanza))
    with pytest.raises(KubeConfigError, match="exit code 1"):
        ask(client)
    says(path, server, token=GOOD)
    ask(client)
    assert statuses(server) == [200]


def test_a_plugin_that_gives_only_what_is_refused_is_replaced_too(
    server: FakeAPIServer, path: Path, tmp_path: Path
) -> None:
    script = f"n=$(wc -l < '{tmp_path}/plugin/runs'); echo '{exec_credential(token='stale')}' | sed s/stale/stale$n/"
    plugin = Plugin(tmp_path / "plugin", script)
    client = client_of(says(path, server, exec=plugin.stanza))
    says(path, server, token=GOOD)
    ask(client)
    assert statuses(server) == [401, 401, 200]


def test_new_client_certificate_data_is_shown_by_a_new_connection(path: Path) -> None:
    from base64 import b64encode

    with FakeAPIServer(operator=False, tls=True) as server:
        ca = {"certificate-authority-data": b64encode(server.ca_pem or b"").decode()}

        def user(name: str) -> dict[str, str]:
            pair = (b64encode(pem).decode() for pem in server.client_certificate(name, (MASTERS,)))
            return dict(zip(("client-certificate-data", "client-key-data"), pair))

        client = client_of(says(path, server, ca, **user("old")))
        ask(client)
        server.tokens.expire_certificates("old")
        says(path, server, ca, **user("new"))
        ask(client)
        ask(client)
        assert [request.user.name for request in server.requests if request.status == 200] == ["old", "new", "new"]


def test_an_exec_upgrade_takes_it_up_too(server: FakeAPIServer, path: Path) -> None:
    client = client_of(says(path, server, token="stale"))
    says(path, server, token=GOOD)
    with pytest.raises(Exception, match="not found"):
        open_session(client, ExecTarget("default", "gone"), {V4: ["true"]}, stdin=False, deadline=Deadline(10))
    ask(client)
    assert statuses(server) == [401, 404, 200]


def test_an_unchanged_kubeconfig_makes_no_second_request(server: FakeAPIServer, path: Path) -> None:
    client = client_of(says(path, server, token="stale"))
    os.utime(path, (1, 1))
    assert "has changed" not in refused(client)
    assert statuses(server) == [401]


def test_a_change_of_something_else_in_it_makes_none_either(server: FakeAPIServer, path: Path) -> None:
    client = client_of(says(path, server, token="stale"))
    content = document(cluster={"server": server.url, "extensions": []}, user={"token": "stale"}, namespace="other")
    content["users"].append({"name": "bob", "user": {"token": GOOD}})
    write(path, content)
    refused(client)
    assert statuses(server) == [401]


def test_the_context_of_the_client_counts_and_not_the_current_one(server: FakeAPIServer, path: Path) -> None:
    client = client_of(says(path, server, token="stale"))
    content = document(cluster={"server": server.url}, user={"token": GOOD})
    content["contexts"].append({"name": "prod", "context": {"cluster": "main", "user": "root"}})
    content["users"].append({"name": "root", "user": {"token": "of-somebody-else"}})
    content["current-context"] = "prod"
    write(path, content)
    ask(client)
    assert server.requests[-1].user.name == "alice"


HALF_WRITTEN = {
    "nothing as yet": "",
    "cut in the middle": None,
    "a user without credentials": "users: [{name: alice, user: {}}]",
    "a user whose token is cut": "users: [{name: alice, user: {token: a-go}}]",
}


@pytest.mark.parametrize("written", HALF_WRITTEN.values(), ids=HALF_WRITTEN)
def test_a_file_that_is_being_written_replaces_nothing(server: FakeAPIServer, path: Path, written: Any) -> None:
    client = client_of(says(path, server, token=GOOD))
    whole = path.read_text()
    rest = json.dumps({key: value for key, value in json.loads(whole).items() if key != "users"})[1:-1]
    if written is None:
        path.write_text(whole[: len(whole) * 2 // 3])
    else:
        path.write_text(written and f"{{{rest}, {written}}}")
    with server.fault.unauthorized_once():
        assert "the kubeconfig has changed since it was read" in refused(client)
    ask(client)
    path.write_text(whole)
    ask(client)


def test_a_file_that_is_gone_replaces_nothing(server: FakeAPIServer, path: Path) -> None:
    client = client_of(says(path, server, token=GOOD))
    path.unlink()
    with server.fault.unauthorized_once():
        assert "there is no such file any more" in refused(client)
    ask(client)


def test_new_credentials_that_are_refused_too_are_not_kept(server: FakeAPIServer, path: Path) -> None:
    client = client_of(says(path, server, token=GOOD))
    says(path, server, token="unknown")
    with server.fault.unauthorized_once():
        said = refused(client)
    assert "its new credentials are refused as well" in said
    assert "unknown" not in said
    ask(client)
    assert statuses(server) == [401, 401, 200]


def test_credentials_for_another_server_are_not_sent_to_this_one(server: FakeAPIServer, path: Path) -> None:
    client = client_of(says(path, server, token="stale"))
    says(path, server, {"server": "https://elsewhere.example"}, token=GOOD)
    said = refused(client)
    assert "now leads to another server, CA or proxy: create a new client" in said
    assert "devservers.reset() does so, or, if it was configured, configure() again" in said
    assert statuses(server) == [401]


def test_of_merged_files_each_is_read_again(
    server: FakeAPIServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = document(cluster={"server": server.url}, user={"token": "stale"})
    users = {**content, "clusters": [], "contexts": [], "current-context": ""}
    first = write(tmp_path / "first", {**content, "users": []})
    second = write(tmp_path / "second", users)
    missing = tmp_path / "missing"
    monkeypatch.setenv("KUBECONFIG", os.pathsep.join(map(str, (missing, first, second))))
    client = RESTClient()
    refused(client)
    write(second, {**users, "users": [{"name": "alice", "user": {"token": GOOD}}]})
    ask(client)
    server.tokens.revoke(GOOD)
    server.add_token("newest", "alice", (MASTERS,))
    write(missing, {**users, "users": [{"name": "alice", "user": {"token": "newest"}}]})
    ask(client)


def test_the_process_wide_client_follows_its_kubeconfig(
    server: FakeAPIServer, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(says(path, server, token="stale")))
    with pytest.raises(UnauthorizedError):
        DevServer.list("default")
    says(path, server, token=GOOD)
    assert DevServer.list("default") == []


def test_so_does_one_that_was_configured_with_a_relative_path(
    server: FakeAPIServer, path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    says(path, server, token="stale")
    monkeypatch.chdir(tmp_path)
    devservers.configure("config")
    monkeypatch.chdir("/")
    says(path, server, token=GOOD)
    assert DevServer.list("default") == []


def test_a_write_is_sent_again_for_nothing_was_done(server: FakeAPIServer, path: Path) -> None:
    client = client_of(says(path, server, token="stale"))
    says(path, server, token=GOOD)
    body = {"apiVersion": "devserver.io/v1", "kind": "DevServer", "metadata": {"name": "x"}, "spec": {"flavor": "f"}}
    assert client.create(DEVSERVERS, "default", body)["metadata"]["name"] == "x"
    assert statuses(server) == [401, 201]


def test_a_plugin_that_does_not_answer_in_time_has_sent_nothing(path: Path, tmp_path: Path) -> None:
    """So that a create is not reported as one that may have been done."""
    plugin = Plugin(tmp_path / "plugin", "exec sleep 60")
    config = load_config(write(path, document(user={"exec": plugin.stanza})))
    with RESTClient(config, timeout=0.3) as client:
        with pytest.raises(devservers.errors.RequestTimeoutError) as caught:
            client.request("POST", "/x", body={})
    assert caught.value.nothing_sent
    assert "may have been executed" not in str(caught.value)
