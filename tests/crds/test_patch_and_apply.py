"""patch() by a dict or a list, and server-side apply."""

from __future__ import annotations

from typing import Any, Callable

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
    with pytest.raises(TypeError, match=r"must be a dict .* or a list"):
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
    assert requests_of(cluster, "PATCH")[0].endswith("/devservers/dev?fieldManager=me&fieldValidation=Strict")


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


# an object that was read is changed itself, and no namesake of it


def recreated(cluster: StagedServer, **spec: Any) -> DevServer:
    """A handle of an object that was deleted, and another one of its name created, after it was read."""
    server = created()
    cluster.store.delete("devservers", "dev", "default")
    cluster.store.create("devservers", {"metadata": {"name": "dev", "namespace": "default"}, "spec": {**SPEC, **spec}})
    return server


WAYS: dict[str, Callable[[DevServer], object]] = {
    "merge patch": lambda server: server.patch({"spec": {"image": "mine"}}),
    "merge patch with metadata": lambda server: server.patch({"metadata": {"labels": {"a": "1"}}}),
    "merge patch with a version": lambda server: server.patch({"metadata": {"resourceVersion": "1"}}),
    "JSON patch": lambda server: server.patch([{"op": "replace", "path": "/spec/image", "value": "mine"}]),
    "JSON patch of nothing": lambda server: server.patch([]),
    "apply": lambda server: server.apply(field_manager="me"),
    "forced apply": lambda server: server.apply(field_manager="me", force=True),
    "update": lambda server: server.update(),
}


@pytest.fixture(params=list(WAYS.values()), ids=list(WAYS))
def change(request: pytest.FixtureRequest) -> Callable[[DevServer], object]:
    """A way to change an object."""
    way: Callable[[DevServer], object] = request.param
    return way


def test_a_namesake_is_left_alone_and_the_error_says_why(
    cluster: StagedServer, change: Callable[[DevServer], object]
) -> None:
    server = recreated(cluster, image="theirs")
    before = cluster.store.get("devservers", "dev", "default")
    with pytest.raises(errors.ConflictError) as caught:
        change(server)
    assert str(caught.value) == (
        "<DevServer default/dev> has been deleted and recreated since it was read, and nothing was changed: get() the "
        "one that is there now and make the change there (409 Conflict)"
    )
    assert caught.value.is_about_uid
    assert cluster.store.get("devservers", "dev", "default") == before


def test_what_was_put_into_the_handle_stays_there_when_it_is_refused(cluster: StagedServer) -> None:
    server = recreated(cluster)
    server.spec["image"] = "mine"
    with pytest.raises(errors.ConflictError):
        server.patch({"spec": {"image": "other"}})
    assert server.spec["image"] == "mine"


@pytest.mark.parametrize("way", ["merge patch", "JSON patch", "update"])
def test_a_change_of_an_object_that_is_gone_is_a_not_found_error(cluster: StagedServer, way: str) -> None:
    server = created()
    cluster.store.delete("devservers", "dev", "default")
    with pytest.raises(errors.NotFoundError) as caught:
        WAYS[way](server)
    assert caught.value.is_about(DevServer._resource(), "dev")


@pytest.mark.parametrize("force", [False, True])
def test_apply_of_an_object_that_is_gone_does_not_create_another(cluster: StagedServer, force: bool) -> None:
    server = created()
    cluster.store.delete("devservers", "dev", "default")
    with pytest.raises(errors.ConflictError, match="has been deleted since it was read, and nothing was changed"):
        server.apply(field_manager="me", force=force)
    assert not cluster.store.list("devservers", "default")


def test_a_new_object_of_the_name_can_be_applied(cluster: StagedServer) -> None:
    recreated(cluster, image="theirs")
    server = DevServer(ObjectMeta(name="dev"), {"flavor": "cpu-small", "image": "mine"})
    assert server.apply(field_manager="me", force=True).spec["image"] == "mine"


@pytest.mark.parametrize("body", [{"spec": {"image": "x"}}, [{"op": "replace", "path": "/spec/image", "value": "x"}]])
def test_the_callers_patch_is_not_changed(cluster: StagedServer, body: Any) -> None:
    given = repr(body)
    created().patch(body)
    assert repr(body) == given


def test_a_patch_that_says_something_of_the_uid_is_sent_as_it_is(cluster: StagedServer) -> None:
    server = recreated(cluster)
    uid = cluster.store.get("devservers", "dev", "default")["metadata"]["uid"]
    server.patch({"metadata": {"uid": uid}, "spec": {"image": "one"}})
    assert server.metadata.uid == uid
    server.delete()
    other = recreated(cluster)
    uid = cluster.store.get("devservers", "dev", "default")["metadata"]["uid"]
    test = {"op": "test", "path": "/metadata/uid", "value": uid}
    other.patch([test, {"op": "replace", "path": "/spec/image", "value": "two"}])
    assert other.spec["image"] == "two"


@pytest.mark.parametrize("patch", [{"metadata": {"uid": "1"}}, [{"op": "test", "path": "/metadata/uid", "value": "1"}]])
def test_a_uid_of_the_callers_that_is_refused_is_the_servers_error(cluster: StagedServer, patch: Any) -> None:
    with pytest.raises(errors.InvalidError):
        created().patch(patch)
    assert not requests_of(cluster, "GET")


def test_a_patch_that_is_invalid_for_another_reason_stays_invalid(cluster: StagedServer) -> None:
    server = created()
    with pytest.raises(errors.InvalidError, match="flavor"):
        server.patch({"spec": {"flavor": 5}})
    with pytest.raises(errors.InvalidError):
        server.patch([{"op": "remove", "path": "/spec/nosuch"}])


def test_where_the_object_may_not_be_read_the_answer_itself_has_to_do(cluster: StagedServer) -> None:
    with cluster.fault.forbidden("get", "devservers"), cluster.fault.forbidden("list", "devservers"):
        with pytest.raises(errors.ConflictError, match="deleted and recreated since it was read"):
            recreated(cluster).patch({"spec": {"image": "mine"}})
        cluster.store.delete("devservers", "dev", "default")
        with pytest.raises(errors.InvalidError, match="the server rejected our request"):
            recreated(cluster).patch([{"op": "replace", "path": "/spec/image", "value": "mine"}])
