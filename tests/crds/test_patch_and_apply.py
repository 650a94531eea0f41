"""patch() by a dict or a list, and server-side apply."""

from __future__ import annotations

import pytest

from devservers import errors
from devservers.crds.base import ObjectMeta
from devservers.crds.devserver import DevServer

from .builders import SPEC, created, requests_of, set_status
from .staged import StagedServer


def test_a_dict_is_a_merge_patch(cluster: StagedServer) -> None:
    server = created(spec={**SPEC, "owner": "ann"})
    assert server.patch({"spec": {"lifecycle": {"timeToLive": "8h"}, "owner": None}}) is server
    assert server.spec["lifecycle"]["timeToLive"] == "8h"
    assert "owner" not in server.spec
    assert server.to_dict() == cluster.store.get("devservers", "dev", "default")


def test_a_list_is_a_json_patch(cluster: StagedServer) -> None:
    server = created()
    server.patch([{"op": "replace", "path": "/spec/image", "value": "other"}, {"op": "remove", "path": "/spec/mode"}])
    assert server.spec["image"] == "other"


def test_a_patch_does_not_care_for_what_others_changed_meanwhile(cluster: StagedServer) -> None:
    server = created()
    set_status(cluster, phase="Running")
    server.patch({"spec": {"image": "other"}})
    assert (server.spec["image"], server.status) == ("other", {"phase": "Running"})


def test_a_resource_version_in_a_patch_makes_it_conditional(cluster: StagedServer) -> None:
    server = created()
    version = server.metadata.resource_version
    set_status(cluster, phase="Running")
    with pytest.raises(errors.ConflictError):
        server.patch({"metadata": {"resourceVersion": version}, "spec": {"image": "other"}})


def test_a_json_patch_whose_test_fails_is_an_error(cluster: StagedServer) -> None:
    server = created()
    with pytest.raises(errors.InvalidError):
        server.patch([{"op": "test", "path": "/spec/image", "value": "nosuch"}])


@pytest.mark.parametrize("body", ["{}", None, 1, ({"op": "remove"},)])
def test_a_patch_that_is_neither_is_a_type_error_before_any_request(cluster: StagedServer, body: object) -> None:
    server = DevServer(ObjectMeta(name="dev"), SPEC)
    with pytest.raises(TypeError, match=r"a dict .* or a list .* is needed"):
        server.patch(body)  # type: ignore[arg-type]
    assert not cluster.requests


def test_a_patch_that_has_no_json_form_names_its_field(cluster: StagedServer) -> None:
    server = DevServer(ObjectMeta(name="dev"), SPEC)
    with pytest.raises(TypeError, match=r"^patch\.spec\.a: a value of type object has no JSON form"):
        server.patch({"spec": {"a": object()}})
    with pytest.raises(TypeError, match=r"^patch\[0\]\.value: a value of type object has no JSON form"):
        server.patch([{"op": "add", "path": "/x", "value": object()}])
    assert not cluster.requests


def test_a_patch_of_an_object_that_was_never_read_fetches_it(cluster: StagedServer) -> None:
    created()
    server = DevServer(ObjectMeta(name="dev"), SPEC).patch({"spec": {"image": "other"}})
    assert (server.spec["image"], bool(server.metadata.uid)) == ("other", True)


def test_the_field_manager_of_a_patch_is_told_to_the_server(cluster: StagedServer) -> None:
    created().patch({}, field_manager="me")
    assert requests_of(cluster, "PATCH")[0].endswith("/devservers/dev?fieldManager=me")


def test_apply_creates_what_is_not_there(cluster: StagedServer) -> None:
    server = DevServer(ObjectMeta(name="dev", labels={"a": "1"}), SPEC)
    assert server.apply(field_manager="me") is server
    assert server.metadata.uid
    assert cluster.store.get("devservers", "dev", "default")["metadata"]["labels"] == {"a": "1"}


def test_apply_takes_over_the_fields_that_are_set_and_leaves_the_rest(cluster: StagedServer) -> None:
    created(spec={"flavor": "cpu-small", "owner": "ann"})
    DevServer(ObjectMeta(name="dev"), {"flavor": "cpu-small", "image": "mine"}).apply(field_manager="me")
    spec = cluster.store.get("devservers", "dev", "default")["spec"]
    assert (spec["owner"], spec["image"]) == ("ann", "mine")


def test_apply_against_another_manager_is_a_conflict_unless_forced(cluster: StagedServer) -> None:
    created(spec={"flavor": "cpu-small", "image": "theirs"})
    server = DevServer(ObjectMeta(name="dev"), {"flavor": "cpu-small", "image": "mine"})
    with pytest.raises(errors.ConflictError):
        server.apply(field_manager="me")
    assert server.apply(field_manager="me", force=True).spec["image"] == "mine"


def test_apply_of_an_object_that_was_read_sends_neither_its_status_nor_what_the_server_owns(
    cluster: StagedServer,
) -> None:
    created()
    set_status(cluster, phase="Running")
    server = DevServer.get("dev")
    assert server.status == {"phase": "Running"}
    server.apply(field_manager="me", force=True)
    set_status(cluster, phase="Stopped")
    server.apply(field_manager="me")
    assert server.refresh().status == {"phase": "Stopped"}
