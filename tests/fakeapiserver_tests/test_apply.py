"""Server-side apply and managedFields."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakeapiserver import FakeAPIServer
from tests.fakeapiserver.apply.fieldset import from_fields_v1, to_fields_v1

from .plainclient import APPLY, DEVSERVERS, FLAVORS, MERGE, Answer, PlainClient, devserver

OWNER = {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u"}


def applied(client: PlainClient, manager: str, body: Any, force: bool = False, path: str = DEVSERVERS) -> Answer:
    query = f"fieldManager={manager}" + ("&force=true" if force else "")
    return client.ask("PATCH", f"{path}/{body['metadata']['name']}?{query}", body, APPLY)


def owners(obj: Any) -> dict[str, Any]:
    """manager/operation -> the fields it owns."""
    return {
        f"{entry['manager']}/{entry['operation']}": entry["fieldsV1"]
        for entry in obj["metadata"].get("managedFields", [])
    }


def labeled(name: str, labels: dict[str, str], **spec: Any) -> dict[str, Any]:
    body = devserver(name, **spec)
    body["metadata"]["labels"] = labels
    return body


def test_applying_the_same_again_changes_nothing(client: PlainClient) -> None:
    first = applied(client, "me", devserver("a", image="one"))
    again = applied(client, "me", devserver("a", image="one"))
    assert (first.status, again.status) == (201, 200)
    assert again.json() == first.json()


def test_a_field_no_longer_applied_is_removed(client: PlainClient) -> None:
    applied(client, "me", labeled("a", {"x": "1", "y": "2"}, image="one"))
    obj = applied(client, "me", labeled("a", {"x": "1"})).json()
    assert (obj["spec"], obj["metadata"]["labels"]) == ({"flavor": "cpu-small", "mode": "standalone"}, {"x": "1"})
    assert obj["metadata"]["generation"] == 2


def test_a_field_that_somebody_else_owns_too_stays(client: PlainClient) -> None:
    applied(client, "me", devserver("a", image="one"))
    applied(client, "other", devserver("a", image="one"))
    obj = applied(client, "me", devserver("a")).json()
    assert obj["spec"]["image"] == "one"
    assert owners(obj)["other/Apply"] == {"f:spec": {"f:flavor": {}, "f:image": {}}}


def test_force_takes_fields_away_from_their_owners(client: PlainClient) -> None:
    applied(client, "me", devserver("a", image="one"))
    obj = applied(client, "other", devserver("a", image="two"), force=True).json()
    assert obj["spec"]["image"] == "two"
    assert owners(obj) == {
        "me/Apply": {"f:spec": {"f:flavor": {}}},
        "other/Apply": {"f:spec": {"f:flavor": {}, "f:image": {}}},
    }


def test_several_conflicts_are_listed_by_manager(client: PlainClient) -> None:
    applied(client, "me", devserver("a", image="one", owner="x"))
    answer = applied(client, "other", devserver("a", image="two", owner="y"))
    assert answer.message == ('Apply failed with 2 conflicts: conflicts with "me":\n- .spec.image\n- .spec.owner')
    assert [cause["field"] for cause in answer.json()["details"]["causes"]] == [".spec.image", ".spec.owner"]


def test_a_conflict_with_an_updater_names_the_version_it_used(client: PlainClient) -> None:
    client.ask("POST", DEVSERVERS, devserver("a", image="one"), User_Agent="editor/1.0")
    answer = applied(client, "me", devserver("a", image="two"))
    assert answer.message == ('Apply failed with 1 conflict: conflict with "editor" using devserver.io/v1: .spec.image')


def test_an_update_takes_what_it_changes_from_the_applier(client: PlainClient) -> None:
    applied(client, "me", devserver("a", image="one"))
    obj = client.ask("PATCH", f"{DEVSERVERS}/a", {"spec": {"image": "two"}}, MERGE, User_Agent="editor/1.0").json()
    assert owners(obj) == {"me/Apply": {"f:spec": {"f:flavor": {}}}, "editor/Update": {"f:spec": {"f:image": {}}}}


def test_items_of_sets_and_owner_references_are_owned_one_by_one(client: PlainClient) -> None:
    body = devserver("a")
    body["metadata"]["finalizers"] = ["example.io/hold"]
    body["metadata"]["ownerReferences"] = [{"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "1"}]
    obj = applied(client, "me", body).json()
    assert owners(obj)["me/Apply"]["f:metadata"] == {
        "f:finalizers": {'v:"example.io/hold"': {}},
        "f:ownerReferences": {'k:{"uid":"1"}': {}},
    }


def test_a_field_outside_the_schema_cannot_be_applied(client: PlainClient) -> None:
    answer = applied(client, "me", devserver("a", nosuch=1))
    assert (answer.status, answer.json().get("reason")) == (500, None)
    assert answer.message == (
        "failed to create typed patch object (/a; devserver.io/v1, Kind=DevServer): "
        ".spec.nosuch: field not declared in schema"
    )


def test_another_version_cannot_be_applied(client: PlainClient) -> None:
    answer = applied(client, "me", {**devserver("a"), "apiVersion": "devserver.io/v2"})
    assert answer.status == 400
    assert answer.message == "invalid object type: devserver.io/v2, Kind=DevServer"


@pytest.mark.parametrize(
    ("head", "shown"),
    [
        ({"kind": "Other"}, "devserver.io/v1, Kind=Other"),
        ({"kind": None}, "devserver.io/v1, Kind="),
        ({"apiVersion": "v1"}, "/v1, Kind=DevServer"),
        ({"apiVersion": "a/b/c"}, "/, Kind="),
    ],
)
def test_another_kind_cannot_be_applied(client: PlainClient, head: dict[str, Any], shown: str) -> None:
    answer = applied(client, "me", {**devserver("a"), **head})
    assert (answer.status, answer.reason, answer.message) == (400, "BadRequest", f"invalid object type: {shown}")


def test_applying_null_for_an_object_leaves_its_fields(client: PlainClient) -> None:
    applied(client, "me", devserver("a", image="one"))
    answer = applied(client, "other", {**devserver("a"), "spec": None})
    assert answer.json()["spec"]["image"] == "one"
    assert owners(answer.json())["other/Apply"] == {"f:spec": {}}


def test_null_is_not_a_value_of_a_fields_type(client: PlainClient) -> None:
    answer = applied(client, "me", devserver("a", image=None))
    assert answer.status == 422
    assert answer.message.endswith(
        'spec.image: Invalid value: "null": spec.image in body must be of type string: "null"'
    )


def test_null_applied_where_there_is_a_default_becomes_the_default(client: PlainClient) -> None:
    assert applied(client, "me", devserver("a", mode=None)).json()["spec"]["mode"] == "standalone"


@pytest.mark.parametrize(
    ("old", "new", "merged"),
    [
        (["a/x", "b/x"], ["b/x", "a/x"], ["b/x", "a/x"]),
        (["a/x", "b/x", "c/x"], ["c/x"], ["a/x", "b/x", "c/x"]),
        (["b/x", "a/x"], ["c/x", "b/x"], ["c/x", "b/x", "a/x"]),
        (["a/x"], ["b/x"], ["a/x", "b/x"]),
    ],
)
def test_a_set_applied_by_two_managers_keeps_the_order_of_the_last(
    client: PlainClient, old: list[str], new: list[str], merged: list[str]
) -> None:
    for manager, finalizers in (("one", old), ("two", new)):
        body = devserver("a")
        body["metadata"]["finalizers"] = finalizers
        answer = applied(client, manager, body)
    assert answer.json()["metadata"]["finalizers"] == merged


@pytest.mark.parametrize(
    ("metadata", "why"),
    [
        ({"finalizers": ["a/b", "a/b"]}, '.metadata.finalizers: duplicate entries for key [="a/b"]'),
        (
            {"finalizers": [None]},
            ".metadata.finalizers: element 0: associative list without keys has an element that's an explicit null",
        ),
        ({"ownerReferences": [OWNER, OWNER]}, '.metadata.ownerReferences: duplicate entries for key [uid="u"]'),
        (
            {"ownerReferences": [{"kind": "Pod"}]},
            '.metadata.ownerReferences: element 0: associative list with keys has an element that omits key "uid"',
        ),
        (
            {"ownerReferences": ["x"]},
            ".metadata.ownerReferences: element 0: associative list with keys may not have non-map elements",
        ),
        (
            {"ownerReferences": [{**OWNER, "controller": "x"}]},
            '.metadata.ownerReferences[uid="u"].controller: expected boolean, got &{x}',
        ),
    ],
)
def test_items_with_the_same_key_cannot_be_applied(client: PlainClient, metadata: dict[str, Any], why: str) -> None:
    body = devserver("a")
    body["metadata"].update(metadata)
    answer = applied(client, "me", body)
    found = answer.message.rpartition("Kind=DevServer): ")[2]
    found = found.replace(" (and doesn't have default value)", "").replace("key field", "key")
    assert (answer.status, found) == (500, why)


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({"volumes": {}}, ".spec.volumes: expected list, got &{map[]}"),
        ({"ssh": [1, True, None, {"a": "b"}]}, ".spec.ssh: expected map, got &{[1 true <nil> map[a:b]]}"),
        ({"persistentHome": {"enabled": "x"}}, ".spec.persistentHome.enabled: expected boolean, got &{x}"),
    ],
)
def test_a_value_of_the_wrong_type_is_printed_as_in_go(client: PlainClient, spec: dict[str, Any], why: str) -> None:
    assert applied(client, "me", devserver("a", **spec)).message.endswith(f"Kind=DevServer): {why}")


def test_managed_fields_cannot_be_applied(client: PlainClient) -> None:
    body = devserver("a")
    body["metadata"]["managedFields"] = [{"manager": "x"}]
    assert applied(client, "me", body).message == "metadata.managedFields must be nil"


def test_malformed_managed_fields_are_ignored(client: PlainClient) -> None:
    body = devserver("a")
    entry = {"manager": "x", "operation": "Update", "apiVersion": "devserver.io/v1", "fieldsType": "FieldsV1"}
    body["metadata"]["managedFields"] = [{**entry, "fieldsV1": {"x:spec": {}}}]
    assert set(owners(client.ask("POST", DEVSERVERS, body).json())) == {"unknown/Update"}


def test_a_status_can_be_applied(client: PlainClient) -> None:
    flavor = {"apiVersion": "devserver.io/v1", "kind": "DevServerFlavor", "metadata": {"name": "f"}, "spec": {"a": 1}}
    client.ask("POST", FLAVORS, flavor)
    status = {**flavor, "status": {"ready": True}}
    del status["spec"]
    obj = client.ask("PATCH", f"{FLAVORS}/f/status?fieldManager=me", status, APPLY).json()
    assert (obj["spec"], obj["status"]) == ({"a": 1}, {"ready": True})
    assert owners(obj)["me/Apply"] == {"f:status": {"f:ready": {}}}


def test_an_object_without_managed_fields_gets_them_when_it_is_applied(
    client: PlainClient, fake: FakeAPIServer
) -> None:
    fake.store.create("devservers", devserver("a", image="one"))
    updated = client.ask("PATCH", f"{DEVSERVERS}/a", {"spec": {"owner": "x"}}, MERGE).json()
    assert owners(updated) == {}
    obj = applied(client, "me", devserver("a", image="one")).json()
    assert set(owners(obj)) == {"me/Apply", "before-first-apply/Update"}


def test_an_empty_entry_resets_managed_fields(client: PlainClient) -> None:
    client.create("a")
    reset = client.ask("PATCH", f"{DEVSERVERS}/a", {"metadata": {"managedFields": [{}]}}, MERGE).json()
    assert owners(reset) == {}


def test_at_most_ten_updaters_are_kept_apart(client: PlainClient) -> None:
    client.create("a")
    for number in range(12):
        change = {"metadata": {"annotations": {f"n{number}": "x"}}}
        client.ask("PATCH", f"{DEVSERVERS}/a?fieldManager=m{number:02}", change, MERGE)
    names = [entry["manager"] for entry in client.get(f"{DEVSERVERS}/a").json()["metadata"]["managedFields"]]
    assert "ancient-changes" in names
    assert len(names) == 10


@pytest.mark.parametrize(
    "fields",
    [
        {"f:spec": {"f:a": {}}},
        {"f:spec": {".": {}, "f:a": {}}},
        {"f:metadata": {"f:finalizers": {".": {}, 'v:"x"': {}}}, "f:spec": {"f:list": {'k:{"n":"1"}': {".": {}}}}},
    ],
)
def test_field_sets_keep_their_written_form(fields: Any) -> None:
    assert from_fields_v1(to_fields_v1(from_fields_v1(fields))) == from_fields_v1(fields)
