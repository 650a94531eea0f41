"""create, get, list, iterate, refresh: against a server that validates, defaults and prunes."""

from __future__ import annotations

from typing import Any, Callable

import pytest

from devservers import errors
from devservers.crds.base import ObjectMeta
from devservers.crds.devserver import DevServer
from devservers.crds.devserverflavor import DevServerFlavor
from devservers.transport import RESTClient, load_config

from .builders import SPEC, created, names_on, requests_of
from .staged import StagedServer

# create


def test_what_is_created_stands_on_the_cluster(cluster: StagedServer) -> None:
    server = DevServer.create(ObjectMeta(name="dev", labels={"team": "red"}), SPEC)
    stored = cluster.store.get("devservers", "dev", "default")
    assert (stored["metadata"]["labels"], stored["spec"]["flavor"]) == ({"team": "red"}, "cpu-small")
    assert server.to_dict() == stored


def test_a_created_object_knows_what_the_server_made_of_it(cluster: StagedServer) -> None:
    server = DevServer.create(ObjectMeta(name="dev"), SPEC)
    metadata = server.metadata
    assert (metadata.name, metadata.namespace) == ("dev", "default")
    assert metadata.uid
    assert metadata.resource_version
    assert metadata.generation == 1
    assert metadata.creation_timestamp is not None
    assert metadata.creation_timestamp.tzinfo is not None
    assert server.status == {}


def test_the_callers_metadata_and_spec_stay_as_they_were(cluster: StagedServer) -> None:
    metadata, spec = ObjectMeta(name="dev", labels={"a": "1"}), {"flavor": "x", "ssh": {"publicKey": "k"}}
    server = DevServer.create(metadata, spec)
    server.spec["ssh"]["publicKey"] = "other"
    server.metadata.labels["a"] = "2"
    assert metadata == ObjectMeta(name="dev", labels={"a": "1"})
    assert spec == {"flavor": "x", "ssh": {"publicKey": "k"}}


def test_one_metadata_object_can_be_used_for_several_servers(cluster: StagedServer) -> None:
    metadata = ObjectMeta(generate_name="dev-")
    names = {DevServer.create(metadata, SPEC).metadata.name for _ in range(3)}
    assert len(names) == 3
    assert all(name.startswith("dev-") for name in names)


def test_metadata_that_was_read_can_be_used_for_another_object(cluster: StagedServer) -> None:
    first = created("dev", labels={"a": "1"})
    metadata = first.metadata
    first.delete()
    second = DevServer.create(metadata, SPEC)
    assert second.metadata.labels == {"a": "1"}
    assert second.metadata.uid != first.metadata.uid


def test_an_object_can_be_made_of_what_another_one_has(cluster: StagedServer) -> None:
    first = created()
    second = DevServer.create(ObjectMeta(name="twin"), first.spec)
    second.spec["image"] = "other"
    assert first.spec["image"] == SPEC["image"]


def test_a_namesake_is_an_already_exists_error(cluster: StagedServer) -> None:
    created()
    with pytest.raises(errors.AlreadyExistsError, match=r'devservers\.devserver\.io "dev" already exists'):
        created()


def test_an_object_that_breaks_its_schema_is_an_invalid_error_that_names_the_field(cluster: StagedServer) -> None:
    with pytest.raises(errors.InvalidError) as caught:
        DevServer.create(ObjectMeta(name="dev"), {"image": "x"})
    assert [cause["field"] for cause in caught.value.causes] == ["spec.flavor"]
    assert names_on(cluster) == []


def test_a_dry_run_answers_and_stores_nothing(cluster: StagedServer) -> None:
    server = DevServer.create(ObjectMeta(name="dev"), SPEC, dry_run=True)
    assert server.metadata.name == "dev"
    assert names_on(cluster) == []
    with pytest.raises(errors.NotFoundError):
        server.refresh()
    with pytest.raises(errors.NotFoundError):
        server.delete()


def test_the_field_manager_is_told_to_the_server(cluster: StagedServer) -> None:
    DevServer.create(ObjectMeta(name="dev"), SPEC, field_manager="me")
    assert requests_of(cluster, "POST")[-1].endswith("?fieldManager=me&fieldValidation=Strict")


def test_a_spec_that_has_no_json_form_is_refused_before_any_request(cluster: StagedServer) -> None:
    with pytest.raises(TypeError, match=r"^spec\.tags: a value of type set has no JSON form"):
        DevServer.create(ObjectMeta(name="dev"), {"flavor": "x", "tags": {"a"}})
    with pytest.raises(TypeError, match="spec: must be a dict, not str"):
        DevServer.create(ObjectMeta(name="dev"), "flavor")  # type: ignore[arg-type]
    assert not cluster.requests


def test_an_object_without_a_spec_has_none_on_the_cluster_either(cluster: StagedServer) -> None:
    flavor = DevServerFlavor(ObjectMeta(name="small"))
    assert (flavor.spec, flavor.status) == ({}, {})
    made = DevServerFlavor.create(flavor.metadata, None)  # type: ignore[arg-type]
    assert "spec" not in made.to_dict()


# get, refresh


def test_an_object_that_is_read_is_whole_unknown_fields_included(cluster: StagedServer) -> None:
    stored = cluster.store.create(
        "devservers",
        {"metadata": {"name": "dev", "futureField": 1, "finalizers": ["x/y"]}, "spec": SPEC, "future": {"a": [1]}},
    )
    assert DevServer.get("dev").to_dict() == stored


def test_an_object_that_is_not_there_is_a_not_found_error(cluster: StagedServer) -> None:
    with pytest.raises(errors.NotFoundError) as caught:
        DevServer.get("dev")
    assert str(caught.value) == (
        'get devservers.devserver.io "dev" in namespace "default": devservers.devserver.io "dev" not found '
        "(404 NotFound)"
    )


def test_a_client_that_is_given_is_used_and_stays_with_the_object(
    cluster: StagedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KUBECONFIG")
    with RESTClient(load_config(cluster.kubeconfig)) as client:
        server = DevServer.create(ObjectMeta(name="dev"), SPEC, client=client)
        server.spec["image"] = "other"
        server.update()
        assert DevServer.get("dev", client=client).refresh().spec["image"] == "other"
        assert [each.refresh().metadata.name for each in DevServer.list(client=client)] == ["dev"]
        server.delete()


def test_without_a_configuration_the_error_comes_with_the_first_request(monkeypatch: pytest.MonkeyPatch) -> None:
    server = DevServer(ObjectMeta(name="dev"), SPEC)
    with pytest.raises(errors.KubeConfigError):
        server.refresh()
    with pytest.raises(errors.KubeConfigError):
        DevServer.list()


def test_refresh_reads_what_others_have_written_and_forgets_what_was_not_sent(cluster: StagedServer) -> None:
    server = created()
    server.spec["image"] = "mine"
    other = DevServer.get("dev")
    other.status["phase"] = "Running"
    other.update()
    assert server.refresh() is server
    assert (server.spec["image"], server.status) == (SPEC["image"], {"phase": "Running"})


def test_an_object_without_a_status_has_an_empty_one(cluster: StagedServer) -> None:
    server = DevServer.create(ObjectMeta(name="dev"), SPEC)
    assert server.status.get("phase") is None
    assert "status" not in server.to_dict()


# list, iterate


def test_a_list_has_the_objects_of_one_namespace(cluster: StagedServer) -> None:
    cluster.store.create("namespaces", {"metadata": {"name": "team"}})
    for name, namespace in (("b", "default"), ("a", "default"), ("c", "team")):
        created(name, namespace=namespace)
    assert [each.metadata.name for each in DevServer.list(namespace="default")] == ["a", "b"]
    assert [each.metadata.name for each in DevServer.list("team")] == ["c"]
    assert [each.metadata.name for each in DevServer.list(all_namespaces=True)] == ["a", "b", "c"]


def test_a_namespace_and_all_of_them_is_a_contradiction(cluster: StagedServer) -> None:
    for action in (DevServer.list, DevServer.iterate, DevServer.watch_all):
        with pytest.raises(ValueError, match="not both"):
            action("default", all_namespaces=True)
    assert not cluster.requests


def test_each_object_of_a_list_is_one_to_work_with(cluster: StagedServer) -> None:
    created()
    (server,) = DevServer.list()
    assert (server.to_dict()["apiVersion"], server.to_dict()["kind"]) == ("devserver.io/v1", "DevServer")
    server.spec["image"] = "other"
    server.update()
    assert cluster.store.get("devservers", "dev", "default")["spec"]["image"] == "other"


@pytest.mark.parametrize("selector", ["team=red,tier", {"team": "red", "tier": "1"}])
def test_a_label_selector_is_a_string_or_a_mapping(cluster: StagedServer, selector: Any) -> None:
    created("a", labels={"team": "red", "tier": "1"})
    created("b", labels={"team": "red"})
    created("c", labels={"team": "blue", "tier": "1"})
    assert [each.metadata.name for each in DevServer.list(label_selector=selector)] == ["a"]
    assert [each.metadata.name for each in DevServer.iterate(label_selector=selector)] == ["a"]


def test_an_empty_selector_selects_everything(cluster: StagedServer) -> None:
    created()
    assert len(DevServer.list(label_selector={}, field_selector="")) == 1
    assert requests_of(cluster, "GET") == ["/apis/devserver.io/v1/namespaces/default/devservers?limit=500"]


def test_a_field_selector_selects_by_name(cluster: StagedServer) -> None:
    created("a")
    created("b")
    assert [each.metadata.name for each in DevServer.list(field_selector="metadata.name=b")] == ["b"]


def test_a_bad_selector_is_a_bad_request_error(cluster: StagedServer) -> None:
    with pytest.raises(errors.BadRequestError):
        DevServer.list(label_selector="team isnt red")


def test_a_long_list_comes_in_pages_and_whole(cluster: StagedServer) -> None:
    cluster.store.fill("devservers", ({"metadata": {"name": f"d{n:04}"}, "spec": SPEC} for n in range(1201)))
    assert [each.metadata.name for each in DevServer.list()] == [f"d{n:04}" for n in range(1201)]
    assert len(cluster.requests) == 3


def test_iterating_asks_for_a_page_only_when_it_is_needed(cluster: StagedServer) -> None:
    cluster.store.fill("devservers", ({"metadata": {"name": f"d{n}"}, "spec": SPEC} for n in range(6)))
    servers = DevServer.iterate(page_size=2)
    assert not cluster.requests
    assert [next(servers).metadata.name for _ in range(3)] == ["d0", "d1", "d2"]
    assert len(cluster.requests) == 2
    assert [each.metadata.name for each in servers] == ["d3", "d4", "d5"]
    assert len(cluster.requests) == 3


@pytest.mark.parametrize("page_size", [0, -1])
def test_a_page_holds_at_least_one_object(cluster: StagedServer, page_size: int) -> None:
    with pytest.raises(ValueError, match="page_size"):
        DevServer.iterate(page_size=page_size)


def test_a_list_whose_token_expires_between_pages_is_read_in_one_piece(cluster: StagedServer) -> None:
    cluster.store.fill("devservers", ({"metadata": {"name": f"d{n:04}"}, "spec": SPEC} for n in range(600)))
    cluster.after("GET", "limit=500", lambda: created("more"))
    cluster.before("GET", "continue=", cluster.store.compact)
    assert len({each.metadata.name for each in DevServer.list()}) == 601
    assert ["limit=" in target for target in requests_of(cluster, "GET")] == [True, True, False]


def test_an_iteration_whose_token_expires_says_so(cluster: StagedServer) -> None:
    cluster.store.fill("devservers", ({"metadata": {"name": f"d{n}"}, "spec": SPEC} for n in range(4)))
    servers = DevServer.iterate(page_size=2)
    next(servers)
    created("more")
    cluster.store.compact()
    with pytest.raises(errors.ExpiredError):
        list(servers)


def test_a_lost_create_names_the_object_and_says_that_it_may_have_been_executed(cluster: StagedServer) -> None:
    with cluster.fault.reset_after_execution("create"), pytest.raises(errors.ConnectionFailedError) as caught:
        created()
    assert str(caught.value).startswith('create devservers.devserver.io "dev" in namespace "default": the ')
    assert str(caught.value).endswith("; it may have been executed")
    with cluster.fault.reset_after_execution("create"), pytest.raises(errors.ConnectionFailedError) as caught:
        DevServer.create(ObjectMeta(generate_name="dev-"), SPEC)
    assert str(caught.value).startswith('create devservers.devserver.io "dev-…" in namespace "default": ')


@pytest.mark.parametrize("verb", ["update", "patch", "delete"])
def test_a_lost_write_names_the_object_and_says_that_it_may_have_been_executed(
    cluster: StagedServer, verb: str
) -> None:
    server = created()
    writes: dict[str, Callable[[], object]] = {
        "update": server.update,
        "patch": lambda: server.patch({"spec": {}}),
        "delete": server.delete,
    }
    with cluster.fault.reset_after_execution(verb), pytest.raises(errors.ConnectionFailedError) as caught:
        writes[verb]()
    assert str(caught.value).startswith(f'{verb} devservers.devserver.io "dev" in namespace "default": the ')
    assert str(caught.value).endswith("; it may have been executed")


def test_a_lost_read_names_the_object_and_says_nothing_of_an_execution(cluster: StagedServer) -> None:
    server = created()
    with cluster.fault.reset_before_execution("get"), pytest.raises(errors.ConnectionFailedError) as caught:
        server.refresh()
    assert str(caught.value).startswith('get devservers.devserver.io "dev" in namespace "default": the ')
    assert "executed" not in str(caught.value)


def test_a_write_that_was_never_sent_was_not_executed(cluster: StagedServer) -> None:
    with RESTClient() as client:
        cluster.stop()
        with pytest.raises(errors.ConnectionFailedError) as caught:
            DevServer.create(ObjectMeta(name="dev"), SPEC, client=client)
    assert str(caught.value).startswith('create devservers.devserver.io "dev" in namespace "default": ')
    assert "Connection refused" in str(caught.value)
    assert "executed" not in str(caught.value)
