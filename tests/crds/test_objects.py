"""An object in memory: what it shows of itself, how it is copied and pickled, and what it shares."""

from __future__ import annotations

import copy
import pickle
from typing import Any, Callable

import pytest

from devservers.crds.base import BaseCustomResource, ObjectMeta
from devservers.crds.devserver import DevServer
from devservers.crds.devserverflavor import DevServerFlavor
from devservers.crds.devserveruser import DevServerUser
from devservers.errors import KubeConfigError
from devservers.transport import RESTClient, load_config
from tests.fakeapiserver.server import ADMIN_TOKEN

from .builders import SPEC, created, set_status
from .conftest import Begin
from .staged import StagedServer

SECRET = "ssh-rsa c4n4ry"


@pytest.mark.parametrize(
    ("make", "shown"),
    [
        (lambda: DevServer(ObjectMeta("dev"), SPEC), "<DevServer dev>"),
        (lambda: DevServer(ObjectMeta("dev", "team"), SPEC), "<DevServer team/dev>"),
        (lambda: DevServer(ObjectMeta(generate_name="dev-"), SPEC), "<DevServer dev-*>"),
        (lambda: DevServerFlavor(ObjectMeta("gpu"), {}), "<DevServerFlavor gpu>"),
    ],
)
def test_a_repr_tells_kind_and_name(make: Callable[[], BaseCustomResource], shown: str) -> None:
    assert repr(make()) == shown


def test_a_repr_tells_the_phase_and_nothing_of_the_spec_or_the_client(cluster: StagedServer) -> None:
    created(spec={**SPEC, "ssh": {"publicKey": SECRET}}, annotations={"note": SECRET})
    set_status(cluster, phase="Running")
    server = DevServer.get("dev")
    assert repr(server) == "<DevServer default/dev phase=Running>"
    assert ADMIN_TOKEN not in repr(server.__dict__)


def test_construction_touches_nothing(cluster: StagedServer) -> None:
    server = DevServer(ObjectMeta("dev"), SPEC, sync_workspace={"/no/such": "/x"})
    assert server.to_dict() == {
        "apiVersion": "devserver.io/v1",
        "kind": "DevServer",
        "metadata": {"name": "dev"},
        "spec": SPEC,
    }
    assert not cluster.requests


@pytest.mark.parametrize(
    ("make", "name", "told"),
    [
        (DevServer, "lifecyle", 'did you mean lifecycle?); a field of the spec is set by spec["lifecyle"] = …'),
        (DevServer, "wait_timeuot", "did you mean wait_timeout?"),
        (DevServer, "image", "has no attribute 'image'; a field of the spec is set by spec[\"image\"] = …"),
        (DevServerFlavor, "resources", "has no attribute 'resources'; a field of the spec is set by"),
        (DevServerUser, "username", "has no attribute 'username'; a field of the spec is set by"),
    ],
)
def test_an_attribute_that_a_kind_does_not_have_is_refused(
    make: Callable[..., BaseCustomResource], name: str, told: str
) -> None:
    resource = make(ObjectMeta("dev"), SPEC)
    with pytest.raises(AttributeError) as caught:
        setattr(resource, name, {})
    assert told in str(caught.value)
    assert not hasattr(resource, name)


def test_a_class_of_the_users_may_have_what_attributes_it_likes() -> None:
    class Mine(DevServer):
        def __init__(self, image: str) -> None:
            self.image = image
            super().__init__(ObjectMeta("dev"), SPEC)

    mine = Mine("x")
    mine.image = "y"
    setattr(mine, "anything", 1)  # noqa: B010  # not declared
    assert copy.copy(mine).__dict__["anything"] == 1
    assert mine.image == "y"


def test_underscore_names_and_methods_may_be_set_on_an_object() -> None:
    server = DevServer(ObjectMeta("dev"), SPEC)
    setattr(server, "_mine", 1)  # noqa: B010
    setattr(server, "exec", print)  # noqa: B010  # as unittest.mock does
    assert vars(server)["_mine"] == 1


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("deletion_timeout", "5", TypeError),
        ("deletion_timeout", -1, ValueError),
        ("wait_timeout", "5", TypeError),
        ("fail_fast", 1, TypeError),
        ("on_event", "print", TypeError),
        ("sync_workspace", ["x"], TypeError),
        ("delete_on_exit", "alwyas", ValueError),
        ("if_exists", "atach", ValueError),
    ],
)
def test_a_setting_is_checked_when_it_is_assigned(name: str, value: object, error: type[Exception]) -> None:
    server = DevServer(ObjectMeta("dev"), SPEC)
    before = getattr(server, name)
    with pytest.raises(error, match=f"^{name}"):
        setattr(server, name, value)
    assert getattr(server, name) == before


def test_to_dict_is_a_copy(cluster: StagedServer) -> None:
    server = created()
    server.to_dict()["spec"]["image"] = "changed"
    assert server.spec["image"] == SPEC["image"]


def test_metadata_spec_and_status_are_live_and_can_be_replaced(cluster: StagedServer) -> None:
    server = created()
    server.metadata.labels["a"] = "1"
    spec, status = {"flavor": "y"}, {"phase": "x"}
    server.spec, server.status = spec, status
    spec["flavor"] = status["phase"] = "changed afterwards"
    server.update()
    stored = cluster.store.get("devservers", "dev", "default")
    assert stored["metadata"]["labels"] == {"a": "1"}
    assert (stored["spec"]["flavor"], stored["status"]) == ("y", {"phase": "x"})


def test_metadata_that_is_assigned_is_copied() -> None:
    server, metadata = DevServer(ObjectMeta("dev"), SPEC), ObjectMeta("other", labels={"a": "1"})
    server.metadata = metadata
    metadata.labels["a"] = "2"
    assert server.metadata == ObjectMeta("other", labels={"a": "1"})


@pytest.mark.parametrize("part", ["metadata", "spec", "status"])
def test_a_part_that_is_no_dict_is_a_type_error(part: str) -> None:
    server = DevServer(ObjectMeta("dev"), SPEC)
    with pytest.raises(TypeError, match=f"{part}: must be a dict, not NoneType"):
        setattr(server, part, None)


def test_parts_that_the_server_leaves_null_are_empty(cluster: StagedServer) -> None:
    raw = {"metadata": {"name": "dev", "labels": None, "managedFields": None}, "spec": SPEC, "status": None}
    cluster.store.create("devservers", raw)
    server = DevServer.get("dev")
    assert (server.status, server.metadata.labels) == ({}, {})
    assert "status" not in server.to_dict()
    assert repr(server) == "<DevServer default/dev>"


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy])
def test_a_copy_works_with_the_same_client_and_shares_nothing_else(
    cluster: StagedServer, duplicate: Callable[[DevServer], DevServer]
) -> None:
    server = DevServer(ObjectMeta("dev"), SPEC, sync_workspace={"a": "b"}, wait_timeout=7)
    server.apply(field_manager="me")
    twin = duplicate(server)
    assert (twin.to_dict(), twin.sync_workspace, twin.wait_timeout) == (server.to_dict(), {"a": "b"}, 7)
    twin.spec["image"] = "twin"
    twin.update()
    assert server.spec["image"] == SPEC["image"]
    assert server.refresh().spec["image"] == "twin"


def test_a_copy_knows_what_it_was_when_it_was_read(cluster: StagedServer) -> None:
    server = created()
    server.spec["image"] = "mine"
    twin = copy.copy(server)
    set_status(cluster, phase="Running")
    twin.update()
    assert (twin.spec["image"], twin.status) == ("mine", {"phase": "Running"})


def test_a_pickle_holds_no_credentials_and_works_with_the_default_client(cluster: StagedServer) -> None:
    server = created()
    server.spec["image"] = "mine"
    data = pickle.dumps(server)
    assert ADMIN_TOKEN.encode() not in data
    twin: DevServer = pickle.loads(data)
    assert twin.to_dict() == server.to_dict()
    set_status(cluster, phase="Running")
    twin.update()
    assert server.refresh().spec["image"] == "mine"


@pytest.fixture
def other(begin: Begin, cluster: StagedServer, monkeypatch: pytest.MonkeyPatch) -> StagedServer:
    """A second cluster; the process-wide client leads to the first."""
    second = begin(StagedServer(operator=False))
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))
    return second


USES: dict[str, Callable[[DevServer], object]] = {
    "refresh": lambda server: server.refresh(),
    "update": lambda server: server.update(),
    "patch": lambda server: server.patch({}),
    "apply": lambda server: server.apply(field_manager="me"),
    "delete": lambda server: server.delete(),
    "wait_for_deletion": lambda server: server.wait_for_deletion(),
    "wait_for_status": lambda server: list(server.wait_for_status({})),
    "watch": lambda server: server.watch(),
    "exec": lambda server: server.exec("true"),
    "with": lambda server: server.__enter__(),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES.keys())
def test_unpickled_without_its_own_client_an_object_does_not_go_to_another_cluster(
    cluster: StagedServer, other: StagedServer, use: Callable[[DevServer], object]
) -> None:
    created()  # its namesake on the cluster of the process-wide client
    with RESTClient(load_config(other.kubeconfig)) as client:
        data = pickle.dumps(DevServer.create(ObjectMeta("dev"), SPEC, client=client))
    seen = len(cluster.requests)
    twin: DevServer = pickle.loads(pickle.dumps(pickle.loads(data)))
    with pytest.raises(KubeConfigError) as caught:
        use(twin)
    assert isinstance(caught.value, ValueError)
    assert f"which led to {client.config.server}, and the configuration leads to " in str(caught.value)
    assert "give it a client by use(client)" in str(caught.value)
    assert len(cluster.requests) == seen


def test_it_can_be_given_its_client_again(cluster: StagedServer, other: StagedServer) -> None:
    with RESTClient(load_config(other.kubeconfig)) as client:
        server = DevServer.create(ObjectMeta("dev"), SPEC, client=client)
        twin: DevServer = pickle.loads(pickle.dumps(server))
        assert twin.use(client) is twin
        assert twin.refresh().metadata.uid == server.metadata.uid
        assert copy.deepcopy(twin).refresh().metadata.uid == server.metadata.uid


def test_where_there_is_no_configuration_at_all_it_says_the_same(
    cluster: StagedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with RESTClient(load_config(cluster.kubeconfig)) as client:
        data = pickle.dumps(DevServer.create(ObjectMeta("dev"), SPEC, client=client))
    monkeypatch.delenv("KUBECONFIG")
    twin: DevServer = pickle.loads(data)
    with pytest.raises(KubeConfigError, match=r"there is no configuration here: give it a client by use\(client\)"):
        twin.refresh()


def test_if_the_process_wide_client_leads_to_the_same_cluster_it_will_do(cluster: StagedServer) -> None:
    with RESTClient(load_config(cluster.kubeconfig)) as client:
        data = pickle.dumps(DevServer.create(ObjectMeta("dev"), SPEC, client=client))
    twin: DevServer = pickle.loads(data)
    twin.spec["image"] = "mine"
    assert twin.update().spec["image"] == "mine"


def test_a_pickle_of_an_object_with_a_client_of_its_own_holds_no_credentials_either(cluster: StagedServer) -> None:
    with RESTClient(load_config(cluster.kubeconfig)) as client:
        data = pickle.dumps(DevServer.create(ObjectMeta("dev"), SPEC, client=client))
    assert ADMIN_TOKEN.encode() not in data


def test_an_object_of_a_former_process_wide_client_uses_that_of_today(
    cluster: StagedServer, other: StagedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = created()
    monkeypatch.setenv("KUBECONFIG", str(other.kubeconfig))
    there = created()
    twin: DevServer = pickle.loads(pickle.dumps(server))
    assert twin.refresh().metadata.uid == there.metadata.uid


def test_what_one_server_is_to_sync_is_not_shared_with_others(cluster: StagedServer) -> None:
    created()
    first: Any = DevServer.get("dev").sync_workspace
    first["a"] = "b"
    assert DevServer.get("dev").sync_workspace == {}


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"delete_on_exit": "maybe"}, ValueError, "delete_on_exit: must be one of always, on_success, never"),
        ({"wait_timeout": "180"}, TypeError, "wait_timeout: must be a number of seconds, not str"),
        ({"sync_workspace": ["/a"]}, TypeError, "sync_workspace: must be a dict of local paths to remote paths"),
    ],
)
def test_a_bad_argument_is_refused_when_the_object_is_made(
    arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        DevServer(ObjectMeta("dev"), SPEC, **arguments)
