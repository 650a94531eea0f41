"""update(): the whole object with its resourceVersion, and the caller's own changes replayed onto what others wrote."""

from __future__ import annotations

from typing import Any

import pytest

from devservers import errors
from devservers.crds.base import ObjectMeta
from devservers.crds.devserver import DevServer
from devservers.crds.devserverflavor import DevServerFlavor

from .builders import SPEC, created, requests_of, set_status
from .staged import StagedServer


def stored(cluster: StagedServer, name: str = "dev") -> dict[str, Any]:
    return cluster.store.get("devservers", name, "default")


def change(cluster: StagedServer, **spec: Any) -> None:
    """What another client does: change fields of the spec."""
    cluster.store.modify("devservers", "dev", "default", lambda raw: raw["spec"].update(spec))


# the request


def test_an_update_replaces_the_object_on_the_server(cluster: StagedServer) -> None:
    server = created()
    server.spec["image"] = "fedora:latest"
    server.metadata.labels["team"] = "red"
    assert server.update() is server
    assert stored(cluster)["spec"]["image"] == "fedora:latest"
    assert stored(cluster)["metadata"]["labels"] == {"team": "red"}


def test_after_an_update_the_object_is_what_the_server_answered(cluster: StagedServer) -> None:
    server = created()
    before = server.metadata.resource_version
    server.spec["image"] = "fedora:latest"
    server.spec["nosuchfield"] = 1  # pruned by the schema
    server.update(field_validation="Ignore")
    assert server.to_dict() == stored(cluster)
    assert "nosuchfield" not in server.spec
    assert server.metadata.resource_version != before
    assert server.metadata.generation == 2


def test_an_update_loses_nothing_it_does_not_know(cluster: StagedServer) -> None:
    cluster.store.create(
        "devservers",
        {
            "metadata": {
                "name": "dev",
                "finalizers": ["x/y"],
                "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u"}],
            },
            "spec": SPEC,
            "status": {"phase": "Running", "future": [1]},
        },
    )
    server = DevServer.get("dev")
    server.spec["image"] = "other"
    server.update()
    after = stored(cluster)
    assert after["metadata"]["finalizers"] == ["x/y"]
    assert after["metadata"]["ownerReferences"][0]["name"] == "p"
    assert after["status"] == {"phase": "Running", "future": [1]}


def test_an_update_keeps_the_status_of_a_kind_without_a_status_subresource(cluster: StagedServer) -> None:
    created()
    set_status(cluster, phase="Running")
    server = DevServer.get("dev")
    assert server.status["phase"] == "Running"
    server.spec["image"] = "other"
    server.update()
    assert stored(cluster)["status"] == {"phase": "Running"}


def test_an_update_does_not_write_a_status_that_is_a_subresource(cluster: StagedServer) -> None:
    flavor = DevServerFlavor.create(ObjectMeta(name="gpu"), {"a": 1})
    flavor.status["used"] = 1
    flavor.spec["a"] = 2
    flavor.update()
    assert (flavor.spec, flavor.status) == ({"a": 2}, {})


def test_an_update_without_changes_changes_nothing(cluster: StagedServer) -> None:
    server = created()
    before = stored(cluster)
    server.update()
    assert stored(cluster) == before


def test_looking_at_parts_that_are_not_there_adds_none(cluster: StagedServer) -> None:
    flavor = DevServerFlavor.create(ObjectMeta(name="gpu"), None)  # type: ignore[arg-type]
    assert (flavor.spec, flavor.status, flavor.metadata.labels) == ({}, {}, {})
    flavor.update()
    assert {"spec", "status"}.isdisjoint(cluster.store.get("devserverflavors", "gpu"))


def test_emptied_labels_go_from_the_server_as_well(cluster: StagedServer) -> None:
    server = created(labels={"a": "1"}, annotations={"b": "2"})
    server.metadata.labels.clear()
    server.metadata.annotations = {}
    server.update()
    assert {"labels", "annotations"}.isdisjoint(stored(cluster)["metadata"])


def test_the_field_manager_is_told_to_the_server(cluster: StagedServer) -> None:
    created().update(field_manager="me")
    assert requests_of(cluster, "PUT") == [
        "/apis/devserver.io/v1/namespaces/default/devservers/dev?fieldManager=me&fieldValidation=Strict"
    ]


def test_an_object_that_was_never_read_cannot_be_updated(cluster: StagedServer) -> None:
    server = DevServer(ObjectMeta(name="dev"), SPEC)
    with pytest.raises(ValueError, match=r"<DevServer dev> was never read from the cluster: create\(\) or get\(\) it"):
        server.update()
    assert not cluster.requests


def test_an_update_that_breaks_the_schema_is_an_invalid_error_and_leaves_the_object_as_it_was(
    cluster: StagedServer,
) -> None:
    server = created()
    server.spec["mode"] = "nosuch"
    with pytest.raises(errors.InvalidError) as caught:
        server.update()
    assert [cause["field"] for cause in caught.value.causes] == ["spec.mode"]
    assert server.spec["mode"] == "nosuch"


def test_a_spec_that_has_no_json_form_is_refused_before_any_request(cluster: StagedServer) -> None:
    server = created()
    server.spec["when"] = object()
    sent = len(cluster.requests)
    with pytest.raises(TypeError, match=r"^spec\.when: a value of type object has no JSON form"):
        server.update()
    assert len(cluster.requests) == sent


# conflicts


def test_changes_of_others_and_my_own_go_together(cluster: StagedServer) -> None:
    server = created(labels={"a": "1"})
    set_status(cluster, phase="Running")
    change(cluster, owner="ann")
    server.spec["image"] = "mine"
    server.metadata.labels["b"] = "2"
    server.update()
    assert server.to_dict() == stored(cluster)
    assert server.spec == {"flavor": "cpu-small", "image": "mine", "owner": "ann", "mode": "standalone"}
    assert (server.status, server.metadata.labels) == ({"phase": "Running"}, {"a": "1", "b": "2"})


def test_my_removals_are_replayed_as_well(cluster: StagedServer) -> None:
    server = created(labels={"a": "1", "b": "2"})
    set_status(cluster, phase="Running")
    del server.metadata.labels["a"]
    del server.spec["image"]
    server.update()
    assert "image" not in stored(cluster)["spec"]
    assert stored(cluster)["metadata"]["labels"] == {"b": "2"}


def test_a_change_that_comes_while_the_update_is_on_its_way_is_merged_as_well(cluster: StagedServer) -> None:
    server = created()
    set_status(cluster, step=1)
    for step in (2, 3):
        cluster.before("PUT", "devservers/dev", lambda step=step: set_status(cluster, step=step))  # type: ignore[misc]
    server.spec["image"] = "mine"
    server.update()
    assert (server.spec["image"], server.status) == ("mine", {"step": 3})


def test_after_three_retries_the_conflict_is_reported(cluster: StagedServer) -> None:
    server = created()
    for step in range(1, 5):
        cluster.before("PUT", "devservers/dev", lambda step=step: set_status(cluster, step=step))  # type: ignore[misc]
    server.spec["image"] = "mine"
    with pytest.raises(errors.ConflictError, match="the object has been modified"):
        server.update()
    assert len(requests_of(cluster, "PUT")) == 4
    assert stored(cluster)["spec"]["image"] == SPEC["image"]


def test_retry_on_conflict_zero_reports_the_first_one(cluster: StagedServer) -> None:
    server = created()
    set_status(cluster, phase="Running")
    server.spec["image"] = "mine"
    with pytest.raises(errors.ConflictError, match="the object has been modified"):
        server.update(retry_on_conflict=0)
    assert len(requests_of(cluster, "PUT")) == 1
    assert (server.spec["image"], server.status) == ("mine", {})


def test_a_field_changed_on_both_sides_is_a_conflict_that_names_it_and_touches_nothing(cluster: StagedServer) -> None:
    server = created()
    change(cluster, image="theirs")
    server.spec["image"] = "mine"
    before = server.to_dict()
    with pytest.raises(errors.ConflictError) as caught:
        server.update()
    assert "spec.image was changed here and on the server since <DevServer default/dev> was read" in str(caught.value)
    assert (caught.value.status, caught.value.reason) == (409, "Conflict")
    assert server.to_dict() == before
    assert stored(cluster)["spec"]["image"] == "theirs"


def test_after_a_refresh_the_change_can_be_made_again(cluster: StagedServer) -> None:
    server = created()
    change(cluster, image="theirs")
    server.spec["image"] = "mine"
    with pytest.raises(errors.ConflictError):
        server.update()
    server.refresh()
    server.spec["image"] = "mine"
    assert server.update().spec["image"] == "mine"


def test_the_same_change_on_both_sides_is_no_conflict(cluster: StagedServer) -> None:
    server = created()
    change(cluster, image="ours")
    server.spec["image"] = "ours"
    assert server.update().spec["image"] == "ours"


def test_a_status_that_was_empty_when_read_does_not_stand_in_the_way(cluster: StagedServer) -> None:
    cluster.store.create("devservers", {"metadata": {"name": "dev"}, "spec": SPEC, "status": {}})
    server = DevServer.get("dev")
    assert server.status == {}
    set_status(cluster, phase="Running")
    server.spec["image"] = "mine"
    assert server.update().status == {"phase": "Running"}


def test_a_namesake_made_meanwhile_is_not_written_over(cluster: StagedServer) -> None:
    server = created()
    cluster.store.delete("devservers", "dev", "default")
    created(labels={"new": "yes"})
    server.spec["image"] = "mine"
    with pytest.raises(errors.ConflictError, match="has been deleted and recreated since it was read"):
        server.update()
    assert stored(cluster)["metadata"]["labels"] == {"new": "yes"}
    assert stored(cluster)["spec"]["image"] == SPEC["image"]


def test_an_object_that_was_deleted_meanwhile_is_a_not_found_error(cluster: StagedServer) -> None:
    server = created()
    cluster.store.delete("devservers", "dev", "default")
    with pytest.raises(errors.NotFoundError):
        server.update()


def test_each_update_begins_from_the_one_before(cluster: StagedServer) -> None:
    server = created()
    for number in range(3):
        set_status(cluster, step=number)
        server.spec["image"] = f"image-{number}"
        server.update()
    assert (server.spec["image"], server.status) == ("image-2", {"step": 2})
