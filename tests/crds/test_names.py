"""Names, namespaces and scope: what the server would refuse never reaches a URL; one rule for where requests go."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from devservers import errors
from devservers.crds.base import ObjectMeta
from devservers.crds.devserver import DevServer
from devservers.crds.devserverflavor import DevServerFlavor
from devservers.crds.devserveruser import DevServerUser

from .builders import SPEC, created, names_on
from .staged import StagedServer

BAD_NAMES = ("", ".", "..", "a/b", "%2e", "..%2f", "A", "a b", "a?x=1", "a#b", "a" * 254)


# names


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_bad_name_never_reaches_a_url(cluster: StagedServer, name: str) -> None:
    with pytest.raises(ValueError, match=r"^name: "):
        DevServer.get(name)
    with pytest.raises(ValueError, match=r"^metadata\.name: "):
        DevServer.create({"name": name, "generateName": None} if name else {"name": ""}, SPEC)
    assert not cluster.requests


@pytest.mark.parametrize("namespace", ["", "..", "a/b", "a.b", "A", "a" * 64])
def test_a_bad_namespace_never_reaches_a_url(cluster: StagedServer, namespace: str) -> None:
    actions = (
        lambda: DevServer.get("dev", namespace=namespace),
        lambda: DevServer.create({"name": "dev", "namespace": namespace}, SPEC),
        lambda: DevServer.list(namespace),
        lambda: next(DevServer.iterate(namespace)),
        lambda: next(DevServer.watch_all(namespace)),
    )
    for action in actions:
        with pytest.raises(ValueError, match=r"^metadata\.namespace: "):
            action()
    assert not cluster.requests


def test_an_object_whose_name_the_server_is_to_make_up_has_none_to_be_asked_for(cluster: StagedServer) -> None:
    server = DevServer(ObjectMeta(generate_name="dev-"), SPEC)
    actions: tuple[Any, ...] = (
        server.refresh,
        server.update,
        server.delete,
        server.watch,
        server.wait_for_deletion,
        server.wait_for_ready,
        lambda: server.patch({}),
        lambda: server.apply(field_manager="me"),
        lambda: server.wait_for_status({}),
        lambda: server.exec("true"),
    )
    for action in actions:
        with pytest.raises(ValueError, match=r"^metadata\.name: Required value"):
            action()
    assert not cluster.requests


# namespaces and scope


def test_without_a_namespace_that_of_the_context_is_used(
    cluster: StagedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.store.create("namespaces", {"metadata": {"name": "team"}})
    monkeypatch.setenv(
        "KUBECONFIG", os.fspath(cluster.write_kubeconfig(tmp_path / "config", context={"namespace": "team"}))
    )
    assert created().metadata.namespace == "team"
    assert DevServer.get("dev").metadata.namespace == "team"
    assert [each.metadata.name for each in DevServer.list()] == ["dev"]
    assert DevServer.list(namespace="default") == []


def test_a_namespace_that_is_given_goes_before_that_of_the_context(cluster: StagedServer) -> None:
    cluster.store.create("namespaces", {"metadata": {"name": "team"}})
    created(namespace="team")
    assert names_on(cluster, namespace="team") == ["dev"]
    with pytest.raises(errors.NotFoundError, match='in namespace "default"'):
        DevServer.get("dev")


def test_a_cluster_scoped_kind_has_no_namespace(cluster: StagedServer) -> None:
    flavor = DevServerFlavor.create(ObjectMeta(name="gpu"), {"resources": {"limits": {"gpu": "1"}}})
    user = DevServerUser.create(ObjectMeta(name="ann"), {"username": "ann"})
    assert (flavor.metadata.namespace, user.metadata.namespace) == (None, None)
    assert DevServerFlavor.get("gpu").spec == {"resources": {"limits": {"gpu": "1"}}}
    assert [each.spec["username"] for each in DevServerUser.list()] == ["ann"]
    assert {request.target.partition("?")[0] for request in cluster.requests} == {
        "/apis/devserver.io/v1/devserverflavors",
        "/apis/devserver.io/v1/devserverflavors/gpu",
        "/apis/devserver.io/v1/devserverusers",
    }


def test_a_namespace_given_to_a_cluster_scoped_kind_is_a_value_error_before_any_request(cluster: StagedServer) -> None:
    actions = (
        lambda: DevServerFlavor.get("gpu", namespace="default"),
        lambda: DevServerFlavor.list("default"),
        lambda: DevServerFlavor.iterate("default"),
        lambda: DevServerFlavor.watch_all("default"),
        lambda: DevServerFlavor(ObjectMeta(name="gpu", namespace="default"), {}),
        lambda: DevServerFlavor.create(ObjectMeta(name="gpu", namespace="default"), {}),
    )
    for action in actions:
        with pytest.raises(ValueError, match="DevServerFlavor is cluster-scoped"):
            action()
    assert not cluster.requests


def test_a_subclass_of_devserver_is_a_devserver_still(cluster: StagedServer) -> None:
    class Mine(DevServer):
        pass

    assert Mine.create(ObjectMeta(name="dev"), SPEC).to_dict()["kind"] == "DevServer"
    assert isinstance(Mine.get("dev"), Mine)
