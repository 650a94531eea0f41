"""Creating, updating and patching, beyond what the recordings show."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakeapiserver import FakeAPIServer

from .plainclient import DEVSERVERS, FLAVORS, JSON_PATCH, MERGE, STRATEGIC, Answer, PlainClient, devserver

UNKNOWN = devserver("a", nosuch=1)


def created(client: PlainClient, name: str = "a", **spec: Any) -> Any:
    answer = client.create(name, **spec)
    assert answer.status == 201, answer.raw
    return answer.json()


def causes(answer: Answer) -> list[tuple[str, str]]:
    return [(cause["field"], cause["reason"]) for cause in answer.json()["details"]["causes"]]


# bodies


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b"", "<empty>"),
        (b'{"kind": x}', '{"kind": x}'),
        (b"null x", "6e756c6c2078"),
        (b'{"a" 1}', '{"a" 1}'),
        (b"[1,]", "5b312c5d"),
        (b'{"a": "\\x"}', '{"a": "\\x"}'),
        (b'{"a": NaN}', '{"a": NaN}'),
        (b'{"a": "\n"}', '{"a": "\n"}'),
    ],
)
def test_a_body_that_is_not_json_is_refused_and_shown(client: PlainClient, body: bytes, shown: str) -> None:
    answer = client.ask("POST", DEVSERVERS, body)
    assert (answer.status, answer.reason) == (400, "BadRequest")
    assert answer.message == (
        "the object provided is unrecognized (must be of type DevServer): "
        f"couldn't get version/kind; json parse error: malformed JSON ({shown})"
    )


def test_a_missing_kind_is_unrecognized_or_taken_from_the_path(client: PlainClient) -> None:
    checked, assumed = (client.ask("POST", DEVSERVERS + query, b"{}") for query in ("", "?fieldValidation=Ignore"))
    assert checked.message == (
        "the object provided is unrecognized (must be of type DevServer): Object 'Kind' is missing in '{}' ({})"
    )
    assert assumed.message == (
        "DevServer in version \"v1\" cannot be handled as a DevServer: Object 'Kind' is missing in '{}'"
    )


def test_a_null_body_is_an_object_without_a_kind(client: PlainClient) -> None:
    assert client.ask("POST", DEVSERVERS, b"null").message == (
        "the object provided is unrecognized (must be of type DevServer): Object 'Kind' is missing in 'null' (6e756c6c)"
    )


def test_a_lone_y_or_n_in_yaml_is_a_boolean(client: PlainClient) -> None:
    body = (
        b"{apiVersion: devserver.io/v1, kind: DevServer, metadata: {name: a}, spec: {flavor: y, image: N, owner: 'y'}}"
    )
    answer = client.ask("POST", DEVSERVERS, body, "application/yaml")
    assert causes(answer) == [(f"spec.{name}", "FieldValueTypeInvalid") for name in ("flavor", "image")]


def test_a_name_that_looks_like_a_yaml_boolean_is_quoted(client: PlainClient) -> None:
    client.create("y")
    answer = client.get(f"{DEVSERVERS}/y", Accept="application/yaml")
    assert b'  name: "y"\n' in answer.raw


@pytest.mark.parametrize(
    ("name", "why"), [("..", "may not be '..'"), (".", "may not be '.'"), ("a%25", "may not contain '%'")]
)
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_name_that_cannot_be_in_a_path_is_refused(client: PlainClient, method: str, name: str, why: str) -> None:
    answer = client.ask(method, f"{DEVSERVERS}/{name}")
    given = name.replace("%25", "%")
    assert (answer.status, answer.message) == (400, f'Name parameter invalid: "{given}": {why}')


def test_a_label_that_is_not_a_string_cannot_be_decoded(client: PlainClient) -> None:
    body = devserver("a")
    body["metadata"]["labels"] = {"team": 5}
    answer = client.ask("POST", DEVSERVERS, body)
    assert answer.status == 400
    assert answer.message == (
        'DevServer in version "v1" cannot be handled as a DevServer: '
        "json: cannot unmarshal number into Go struct field ObjectMeta.labels of type string"
    )


def test_unknown_fields_are_warned_about_ignored_or_refused_as_requested(client: PlainClient) -> None:
    warned = client.ask("POST", f"{DEVSERVERS}?dryRun=All", UNKNOWN)
    ignored = client.ask("POST", f"{DEVSERVERS}?dryRun=All&fieldValidation=Ignore", UNKNOWN)
    refused = client.ask("POST", f"{DEVSERVERS}?dryRun=All&fieldValidation=Strict", UNKNOWN)
    assert warned.headers["Warning"] == '299 - "unknown field \\"spec.nosuch\\""'
    assert (ignored.status, ignored.headers["Warning"]) == (201, None)
    assert refused.status == 400
    assert refused.message.endswith('strict decoding error: unknown field "spec.nosuch"')


def test_a_duplicate_field_is_a_warning_and_the_last_one_counts(client: PlainClient) -> None:
    twice = (
        b'{"apiVersion":"devserver.io/v1","kind":"DevServer","metadata":{"name":"a"},'
        b'"spec":{"flavor":"x","flavor":"y"}}'
    )
    answer = client.ask("POST", DEVSERVERS, twice)
    assert answer.headers["Warning"] == '299 - "duplicate field \\"spec.flavor\\""'
    assert answer.json()["spec"]["flavor"] == "y"


def test_nulls_become_defaults_or_are_dropped(client: PlainClient) -> None:
    spec = created(client, mode=None, image=None)["spec"]
    assert spec == {"flavor": "cpu-small", "mode": "standalone"}


def test_an_object_in_a_missing_namespace_is_not_created(client: PlainClient) -> None:
    answer = client.ask("POST", DEVSERVERS.replace("default", "nowhere"), devserver("a"))
    assert (answer.status, answer.message) == (404, 'namespaces "nowhere" not found')


def test_bodies_and_objects_have_size_limits(client: PlainClient) -> None:
    body = client.create("a", image="x" * (3 << 20))
    stored = client.create("a", image="x" * (3 << 19))
    assert (body.status, body.message) == (413, "Request entity too large: limit is 3145728")
    assert (stored.status, stored.message) == (500, "etcdserver: request is too large")


# validation


def test_every_cause_is_listed_and_part_of_the_message(client: PlainClient) -> None:
    answer = client.create("a", mode="solo", volumes=[{"claimName": "c"}])
    assert answer.status == 422
    assert causes(answer) == [
        ("spec.mode", "FieldValueNotSupported"),
        ("spec.volumes[0].mountPath", "FieldValueRequired"),
    ]
    assert answer.message == (
        'DevServer.devserver.io "a" is invalid: [spec.mode: Unsupported value: "solo": '
        'supported values: "standalone", "distributed", spec.volumes[0].mountPath: Required value]'
    )


def test_an_overlong_string_is_not_repeated_in_the_message(client: PlainClient) -> None:
    user = {
        "apiVersion": "devserver.io/v1",
        "kind": "DevServerUser",
        "metadata": {"name": "u"},
        "spec": {"username": "u" * 64},
    }
    answer = client.ask("POST", "/apis/devserver.io/v1/devserverusers", user)
    assert causes(answer) == [("spec.username", "FieldValueTooLong")]
    assert answer.message.endswith("spec.username: Too long: may not be more than 63 bytes")


def test_a_type_error_names_both_types(client: PlainClient) -> None:
    answer = client.create("a", persistentHome={"enabled": "yes"})
    assert answer.message.endswith('spec.persistentHome.enabled in body must be of type boolean: "string"')
    assert causes(answer) == [("spec.persistentHome.enabled", "FieldValueTypeInvalid")]


def test_names_and_finalizers_are_validated(client: PlainClient) -> None:
    body = devserver("a")
    body["metadata"].update({"finalizers": ["not ok/"], "annotations": {"bad key": "x"}})
    answer = client.ask("POST", DEVSERVERS, body)
    assert {field for field, _ in causes(answer)} == {"metadata.annotations", "metadata.finalizers"}


def test_a_finalizer_without_a_domain_is_a_warning(client: PlainClient) -> None:
    body = devserver("a")
    body["metadata"]["finalizers"] = ["hold"]
    answer = client.ask("POST", DEVSERVERS, body)
    assert answer.status == 201
    assert "prefer a domain-qualified finalizer name" in answer.headers["Warning"]


# updates


def test_an_update_without_status_erases_it_where_there_is_no_subresource(client: PlainClient) -> None:
    obj = created(client)
    obj["status"] = {"phase": "Running"}
    obj = client.ask("PUT", f"{DEVSERVERS}/a", obj).json()
    assert obj["status"] == {"phase": "Running"}
    del obj["status"]
    assert "status" not in client.ask("PUT", f"{DEVSERVERS}/a", obj).json()


def test_metadata_changes_leave_the_generation_alone(client: PlainClient) -> None:
    obj = created(client)
    obj["metadata"]["annotations"] = {"x": "y"}
    changed = client.ask("PUT", f"{DEVSERVERS}/a", obj).json()["metadata"]
    assert changed["generation"] == 1
    assert changed["resourceVersion"] != obj["metadata"]["resourceVersion"]


def test_an_immutable_field_is_refused_twice_like_the_real_server_does(client: PlainClient) -> None:
    created(client)
    answer = client.ask("PATCH", f"{DEVSERVERS}/a", {"metadata": {"uid": "other"}}, MERGE)
    assert causes(answer) == [("metadata.uid", "FieldValueInvalid")] * 2
    assert answer.message == (
        'DevServer.devserver.io "a" is invalid: metadata.uid: Invalid value: "other": field is immutable'
    )


def test_a_put_to_a_collection_lacks_a_name(client: PlainClient) -> None:
    answer = client.ask("PUT", DEVSERVERS, devserver("a"))
    assert (answer.status, answer.message) == (400, "name must be provided")


def test_a_put_without_a_name_in_the_body_is_refused(client: PlainClient) -> None:
    obj = created(client)
    del obj["metadata"]["name"]
    answer = client.ask("PUT", f"{DEVSERVERS}/a", obj)
    assert answer.message == "the name of the object (a based on URL) was undeterminable: name must be provided"


def test_dry_runs_answer_as_usual_and_store_nothing(client: PlainClient) -> None:
    before = created(client)
    answer = client.ask("PATCH", f"{DEVSERVERS}/a?dryRun=All", {"spec": {"image": "x"}}, MERGE).json()
    assert (answer["spec"]["image"], answer["metadata"]["generation"]) == ("x", 2)
    assert client.get(f"{DEVSERVERS}/a").json() == before


# patches


def test_a_patch_of_nothing_changes_nothing(client: PlainClient) -> None:
    before = created(client)
    assert client.ask("PATCH", f"{DEVSERVERS}/a", {}, MERGE).json() == before


def test_patching_a_missing_object_is_not_found(client: PlainClient) -> None:
    assert client.ask("PATCH", f"{DEVSERVERS}/a", {"spec": {}}, MERGE).reason == "NotFound"


def test_json_patch_operations(client: PlainClient) -> None:
    created(client, image="one", volumes=[{"claimName": "c", "mountPath": "/m"}])
    operations = [
        {"op": "test", "path": "/spec/image", "value": "one"},
        {"op": "add", "path": "/spec/volumes/-", "value": {"claimName": "d", "mountPath": "/n"}},
        {"op": "copy", "from": "/spec/image", "path": "/spec/owner"},
        {"op": "remove", "path": "/spec/image"},
        {"op": "add", "path": "/metadata/labels", "value": {"a/b": "c"}},
        {"op": "replace", "path": "/metadata/labels/a~1b", "value": "d"},
    ]
    obj = client.ask("PATCH", f"{DEVSERVERS}/a", operations, JSON_PATCH).json()
    assert [volume["claimName"] for volume in obj["spec"]["volumes"]] == ["c", "d"]
    assert (obj["spec"]["owner"], obj["spec"].get("image")) == ("one", None)
    assert obj["metadata"]["labels"] == {"a/b": "d"}


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "remove", "path": "/spec/nosuch"},
        {"op": "add", "path": "/nosuch/deep", "value": 1},
        {"op": "jump", "path": "/spec"},
        {"path": "/spec"},
    ],
)
def test_every_failing_json_patch_is_the_same_422(client: PlainClient, operation: Any) -> None:
    created(client)
    answer = client.ask("PATCH", f"{DEVSERVERS}/a", [operation], JSON_PATCH)
    assert (answer.status, answer.reason, answer.json()["details"]) == (422, "Invalid", {})
    assert answer.message == "the server rejected our request due to an error in our request"


def test_a_malformed_patch_is_invalid(client: PlainClient) -> None:
    created(client)
    answer = client.ask("PATCH", f"{DEVSERVERS}/a?fieldValidation=Strict", {"spec": {"nosuch": 1}}, MERGE)
    assert answer.status == 422
    assert answer.message.startswith(' "" is invalid: patch: Invalid value: "{\\"apiVersion\\":\\"devserver.io/v1\\"')
    assert answer.message.endswith('strict decoding error: unknown field "spec.nosuch"')


def test_force_is_for_apply_only(client: PlainClient) -> None:
    answer = client.ask("PATCH", f"{DEVSERVERS}/a?force=true", {}, MERGE)
    assert answer.message.endswith("force: Forbidden: may not be specified for non-apply patch")


def test_strategic_merge_is_for_builtin_kinds_only(client: PlainClient, fake: FakeAPIServer) -> None:
    created(client)
    assert client.ask("PATCH", f"{DEVSERVERS}/a", {"spec": {}}, STRATEGIC).status == 415
    fake.apply("{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{name: a}, {name: b, image: x}]}}")
    change = {"spec": {"containers": [{"name": "b", "image": "y"}, {"name": "a", "$patch": "delete"}]}}
    pod = client.ask("PATCH", "/api/v1/namespaces/default/pods/p", change, STRATEGIC).json()
    assert pod["spec"]["containers"] == [{"name": "b", "image": "y"}]


# the status subresource


def test_a_status_patch_changes_only_the_status(client: PlainClient) -> None:
    flavor = {"apiVersion": "devserver.io/v1", "kind": "DevServerFlavor", "metadata": {"name": "f"}, "spec": {"a": 1}}
    client.ask("POST", FLAVORS, flavor)
    change = {"metadata": {"labels": {"x": "y"}}, "spec": {"a": 2}, "status": {"schedulable": "No"}}
    obj = client.ask("PATCH", f"{FLAVORS}/f/status", change, MERGE).json()
    assert (obj["spec"], obj["status"]) == ({"a": 1}, {"schedulable": "No"})
    assert "labels" not in obj["metadata"]
    assert [entry.get("subresource") for entry in obj["metadata"]["managedFields"]] == [None, "status"]


# builtin kinds


def test_string_data_of_a_secret_is_stored_in_base64(client: PlainClient) -> None:
    secret = {"metadata": {"name": "s"}, "data": {"b": "Yg=="}, "stringData": {"a": "a"}}
    created = client.ask("POST", "/api/v1/namespaces/default/secrets", secret).json()
    assert (created["data"], created["type"]) == ({"a": "YQ==", "b": "Yg=="}, "Opaque")
    assert "stringData" not in created


def test_an_event_shows_its_unset_fields(client: PlainClient) -> None:
    event = {"metadata": {"name": "e"}, "involvedObject": {"name": "a"}, "reason": "R", "message": "m"}
    created = client.ask("POST", "/api/v1/namespaces/default/events", event).json()
    assert [created[name] for name in ("source", "firstTimestamp", "lastTimestamp", "eventTime")] == [
        {},
        None,
        None,
        None,
    ]


def test_a_pod_has_containers(client: PlainClient) -> None:
    refused = client.ask("POST", "/api/v1/namespaces/default/pods", {"metadata": {"name": "p"}, "spec": {}})
    assert causes(refused) == [("spec.containers", "FieldValueRequired")]
